//! Letters about an appeal, at each step, to proved senders only: what
//! happened, and the page that says it whole.

use uuid::Uuid;

use super::letter::{Paragraph, contact, finish, head, words};
use super::words::Arguments;
use super::{Notices, may_notify};
use crate::link::{ALL_RECIPIENTS, Purpose, Token};
use crate::quarantine::Held;
use crate::store::{Batch, Fault};

/// A step of an appeal that its sender is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppealStep {
    Received,
    Question,
    Granted,
    Denied,
    /// Nobody decided in time.
    Expired,
}

impl Notices {
    /// Puts the letter of a step into the batch that takes it, if the sender
    /// of `held` may be written to; the status page tells everybody else.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn tell_appeal(
        &self,
        batch: &mut Batch,
        held: &Held,
        step: AppealStep,
    ) -> Result<(), Fault> {
        let Some(to) = held.sender().proved_address().cloned() else { return Ok(()) };
        let tools = &self.inner.tools;
        let first = held.recipients.first();
        let organisation = first.and_then(|one| tools.directory.organisation(&one.organisation));
        let Some(organisation) = organisation else { return Ok(()) };
        if may_notify(&self.lost_facts(held, &to).await?).is_err() {
            return Ok(());
        }
        let token = Token {
            purpose: Purpose::Appeal,
            subject: held.id,
            slot: ALL_RECIPIENTS,
            expires: held.expires_at,
        };
        let link = tools.links.url(organisation.host.as_deref(), &token);
        let id = Uuid::now_v7();
        let frame = self.frame(id, &organisation, &to);
        let words = words(&frame, held.language.as_deref());
        let say = |id: &str| words.say(id, &Arguments::new());
        let text = match step {
            AppealStep::Received => "letter-appeal-received",
            AppealStep::Question => "letter-appeal-question",
            AppealStep::Granted => "letter-appeal-granted",
            AppealStep::Denied => "letter-appeal-denied",
            AppealStep::Expired => "letter-appeal-expired",
        };
        let paragraphs = [
            Paragraph::Text(say(text)),
            Paragraph::Link(link),
            Paragraph::Text(contact(&words, &organisation)),
        ];
        let letter =
            finish(head(&frame, &words, say("letter-appeal-subject")), &words, &paragraphs);
        if let Some(bytes) = self.signed(held.id, &letter) {
            self.post(batch, id, held.id, &to, bytes);
        }
        Ok(())
    }

    /// What was written goes out now.
    pub fn wake(&self) {
        self.inner.tools.queue.wake();
    }
}

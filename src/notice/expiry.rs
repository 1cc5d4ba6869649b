//! At expiry: one DSN 5.7.1 to a sender who was never told, if it may be.
//!
//! After a 250 nobody else can tell him. A DSN goes to the reverse-path (RFC
//! 3464 section 2, RFC 5321 section 4.5.5: from the null path), so here the
//! reverse-path must be of the proved domain too.

use uuid::Uuid;

use super::Notices;
use super::case::of_held;
use super::words::{Arguments, Words};
use crate::mail::dsn::{Action, Dsn, Report};
use crate::mail::{Address, Message};
use crate::quarantine::{Held, State, Telling, stored};
use crate::store::{Batch, Fault};

impl Notices {
    /// Puts the DSN of a message that expires into the batch that expires it;
    /// `false` if none may be written, or the sender was told before. Logged
    /// by the caller, once that batch is committed.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn tell_expired(&self, batch: &mut Batch, held: &Held) -> Result<bool, Fault> {
        let tools = &self.inner.tools;
        let Some(to) = held.rfc5321_mail_from.address() else { return Ok(false) };
        if held.telling != Telling::Untold {
            return Ok(false);
        }
        let facts = of_held(held, Some(to), &self.inner.settings);
        let Ok(ledger) = self.permit(facts, to).await? else { return Ok(false) };
        let Some(body) = tools.store.body(held.id).await? else { return Ok(false) };
        let (_, message) = stored::read(&body)?;
        let id = Uuid::now_v7();
        let Some(written) = self.dsn(id, held, to, &message) else { return Ok(false) };
        Ok(self.post_dsn(batch, &ledger, (id, held.id), to, &written).await?.is_ok())
    }

    fn dsn(&self, id: Uuid, held: &Held, to: &Address, about: &Message) -> Option<Vec<u8>> {
        let from = self.own_address()?;
        let expired = || held.recipients.iter().filter(|one| one.state == State::Expired);
        let organisation = expired()
            .next()
            .and_then(|one| self.inner.tools.directory.organisation(&one.organisation))?;
        let recipients: Vec<Report> = expired()
            .map(|one| Report {
                final_recipient: one.address.to_string(),
                original_recipient: None,
                action: Some(Action::Failed),
                // RFC 3463: policy. Never 5.1.x, which reads as a dead address.
                status: Some((5, 7, 1)),
                diagnostic: None,
                remote_mta: None,
                local: false,
            })
            .collect();
        let wish = held.language.as_deref().unwrap_or_default();
        let words = Words::choose(&[wish, &organisation.language]);
        let arguments = Arguments::from([
            ("date".into(), words.date(held.received_at).into()),
            ("reference".into(), held.reference.to_string().into()),
            ("organisation".into(), organisation.name.clone().into()),
            ("contact".into(), organisation.contact.postmaster.display().into()),
        ]);
        let dsn = Dsn {
            from: &from,
            to,
            subject: &words.say("letter-expired-subject", &arguments),
            text: &format!("{}\r\n", words.say("letter-expired", &arguments)),
            reporting_mta: &self.inner.settings.domain,
            arrived_at: held.received_at,
            now: self.now(),
            id: &id.to_string(),
            recipients: &recipients,
            about,
        };
        Some(dsn.write())
    }
}

//! At expiry: one DSN 5.7.1 to a sender who was never told, if it may be.
//!
//! After a 250 nobody else can tell him. A DSN goes to the reverse-path (RFC
//! 3464 section 2, RFC 5321 section 4.5.5: from the null path), so here the
//! reverse-path must be of the proved domain too.

use uuid::Uuid;

use super::case::of_held;
use super::words::{Arguments, Words};
use super::{Notices, may_notify};
use crate::mail::dsn::{Action, Dsn, Report};
use crate::mail::{Address, Message, ReversePath};
use crate::quarantine::{Held, State, Telling, stored};
use crate::queue::{Draft, Kind};
use crate::store::{Batch, Fault};

impl Notices {
    /// Puts the DSN of a message that expires into the batch that expires it;
    /// `false` if none may be written, or the sender was told before.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn tell_expired(&self, batch: &mut Batch, held: &Held) -> Result<bool, Fault> {
        let tools = &self.inner.tools;
        let Some(to) = held.rfc5321_mail_from.address() else { return Ok(false) };
        if held.telling != Telling::Untold {
            return Ok(false);
        }
        let facts = self.facts(of_held(held, Some(to), &self.inner.settings));
        if may_notify(&facts.at_best()).is_err() {
            return Ok(false);
        }
        let (facts, ledger) = self.with_records(facts, to).await?;
        if may_notify(&facts).is_err() {
            return Ok(false);
        }
        let Some(body) = tools.store.body(held.id).await? else { return Ok(false) };
        let (_, message) = stored::read(&body)?;
        let id = Uuid::now_v7();
        let Some(written) = self.dsn(id, held, to, &message) else { return Ok(false) };
        let Some(bytes) = self.signed(held.id, &written) else { return Ok(false) };
        if !ledger.take(&tools.store, batch, self.now()).await? {
            return Ok(false);
        }
        let item = tools.queue.draft(Draft {
            kind: Kind::Dsn,
            held: held.id,
            body: id,
            mail_from: ReversePath::Null,
            recipients: vec![(to.clone(), crate::link::ALL_RECIPIENTS)],
            trace: String::new(),
            eight_bit: false,
            smtputf8: false,
            due_at: self.now(),
        });
        self.enqueue(batch, &item, bytes);
        tools.maillog.told(held.id, "dsn");
        Ok(true)
    }

    fn dsn(&self, id: Uuid, held: &Held, to: &Address, about: &Message) -> Option<Vec<u8>> {
        let domain = &self.inner.settings.domain;
        let from = Address::parse(&format!("notices@{domain}")).ok()?;
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
            reporting_mta: domain,
            arrived_at: held.received_at,
            now: self.now(),
            id: &id.to_string(),
            recipients: &recipients,
            about,
        };
        Some(dsn.write())
    }
}

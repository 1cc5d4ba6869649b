//! What we sent ourselves and comes by: a released message or a letter on its
//! way through an MTA that asks us about it.
//!
//! Its mark lets it pass once, unjudged, to the recipients it was made for. A
//! mark that is forged, altered, expired or used before is worth nothing: the
//! message is judged like every other.

use std::collections::BTreeSet;

use super::{Answer, Intake, Parts, Stopped, accepted};
use crate::link::{Mark, mark};
use crate::mail::{Envelope, Message};
use crate::store::{Batch, Counter, Refusal};

/// Marks of one message that are looked at.
const MARKS: usize = 4;

impl Intake {
    /// Lets a marked message pass, and writes down that its mark is used.
    pub(super) async fn marked(
        &self,
        envelope: &Envelope,
        message: &Message,
    ) -> Result<Option<Answer>, Stopped> {
        let mut seen = false;
        for value in message.all(mark::FIELD).take(MARKS) {
            seen = true;
            if self.passes(value, envelope, message).await? {
                self.inner.parts.maillog.mark_used(&envelope.session_id);
                let pass = (0..envelope.rcpt_to.len()).collect();
                let answer = Answer { pass, own: true, ..Answer::only(accepted()) };
                return Ok(Some(answer));
            }
        }
        if seen {
            self.inner.parts.maillog.mark_refused(&envelope.session_id);
        }
        Ok(None)
    }

    async fn passes(
        &self,
        value: &[u8],
        envelope: &Envelope,
        message: &Message,
    ) -> Result<bool, Stopped> {
        let Parts { links, store, clock, .. } = &self.inner.parts;
        let Some(mark) = Mark::read(value).filter(|mark| !mark.has_expired(clock.now())) else {
            return Ok(false);
        };
        let recipients = envelope.rcpt_to.iter().map(|one| &one.address);
        let Some(tags) = mark.covers(links.ring(), message, recipients) else {
            return Ok(false);
        };
        if tags.is_empty() {
            return Ok(false);
        }
        // Two spellings of one recipient share a tag.
        let names: BTreeSet<_> = tags.iter().map(|tag| (tag.name(), tag.expires)).collect();
        let mut batch = Batch::new();
        for (name, until) in names {
            if !Counter::once(store, &mut batch, &name, until).await? {
                return Ok(false);
            }
        }
        match store.commit(batch).await {
            Ok(_) => Ok(true),
            // Another copy with the same mark came first.
            Err(Refusal::Conflict(_)) => Ok(false),
            Err(refusal) => Err(refusal.into()),
        }
    }
}

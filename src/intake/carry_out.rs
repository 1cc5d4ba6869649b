//! What a judgement leads to: who is passed on, what is kept of the others,
//! and what their sender is told, in one batch.
//!
//! DESIGN section 2.5: after DATA an SMTP server has one reply for all. What is
//! held is durable before anything is answered; what is accepted goes to the
//! session's next hop, or to the queue where there is none.

use uuid::Uuid;

use super::stopped::Stopped;
use super::{Answer, Intake, Parts, TRIES, accepted, hold, repeat};
use crate::filter::Class;
use crate::mail::{Envelope, Message, Reply};
use crate::quarantine::{Held, State, Telling};
use crate::queue::Origin;
use crate::store::Batch;

impl Intake {
    /// The accepted pass, the held and refused are recorded, and the sender
    /// is told: one batch.
    pub(super) async fn carry_out(
        &self,
        case: &hold::Case<'_>,
        accept: Vec<usize>,
        hold: Vec<usize>,
        refuse: Vec<usize>,
    ) -> Result<Answer, Stopped> {
        let envelope = case.envelope;
        let head = self.head(case.judged, Some(&case.examination.authentication));
        let origin = case.origin();
        self.count_accepted(case, &accept).await;
        self.learn(envelope, accept.iter().chain(&hold));
        if let Some(first) = accept.first() {
            let class = case.judgements[*first].class.as_str();
            self.inner.parts.maillog.accepted(&envelope.session_id, class, accept.len());
        }
        if hold.is_empty() && refuse.is_empty() {
            let batch = Batch::new();
            return self.pass_on(envelope, case.message, batch, accept, head, origin).await;
        }
        if let Some(held) = self.kept_before(case, &accept, &hold).await? {
            self.inner.parts.maillog.held_again(&envelope.session_id, held);
            let batch = Batch::new();
            let answer = self.pass_on(envelope, case.message, batch, accept, head, origin).await?;
            return Ok(Answer { held: Some(held), ..answer });
        }
        for _ in 0..TRIES {
            let mut batch = Batch::new();
            let mut held = self.record(case, &hold, &refuse, head.clone());
            let reply = self.tell(&mut batch, &mut held, case, !accept.is_empty()).await?;
            hold::keep(&mut batch, &held, case);
            let kept = held.id;
            let done = self
                .pass_on(
                    envelope,
                    case.message,
                    batch,
                    accept.clone(),
                    head.clone(),
                    origin.clone(),
                )
                .await
                .map(|answer| Answer { reply, held: Some(kept), ..answer });
            match done {
                Err(Stopped::Conflict) => {}
                Ok(answer) => {
                    self.log_held(envelope, &held);
                    return Ok(answer);
                }
                Err(stopped) => return Err(stopped),
            }
        }
        Err(Stopped::Conflict)
    }

    /// Remembers for whom mail was taken: the next hop knows them.
    fn learn<'a>(&self, envelope: &Envelope, slots: impl Iterator<Item = &'a usize>) {
        let directory = &self.inner.parts.directory;
        for slot in slots {
            let recipient = &envelope.rcpt_to[*slot].address;
            if let Some(organisation) = directory.organisation_of(recipient.domain()) {
                directory.learn(recipient, &organisation.id);
            }
        }
    }

    /// The record of an earlier try, of which the next hop did not take the
    /// accepted part.
    async fn kept_before(
        &self,
        case: &hold::Case<'_>,
        accept: &[usize],
        hold: &[usize],
    ) -> Result<Option<Uuid>, Stopped> {
        if accept.is_empty() || hold.is_empty() {
            return Ok(None);
        }
        let store = &self.inner.parts.store;
        Ok(repeat::kept(store, case.fingerprint, case.envelope, hold).await?)
    }

    /// How the sender of a held message is told; refused copies alone are
    /// told nothing but by the page of their earlier refusals.
    async fn tell(
        &self,
        batch: &mut Batch,
        held: &mut Held,
        case: &hold::Case<'_>,
        partly_accepted: bool,
    ) -> Result<Reply, Stopped> {
        let Parts { directory, notices, .. } = &self.inner.parts;
        let first = held.slots(State::Held).next();
        let organisation =
            first.and_then(|slot| directory.organisation(&held.recipients[slot].organisation));
        let Some(organisation) = organisation else {
            return Ok(accepted());
        };
        let case = crate::notice::Case {
            envelope: case.judged,
            message: case.message,
            examination: case.examination,
            organisation: &organisation,
            relayed: case.relayed,
            partly_accepted,
        };
        Ok(notices.tell(batch, held, &case).await?)
    }

    /// Hands the accepted part to the session, or to the queue where no
    /// session takes it; then carries out the batch.
    pub(super) async fn pass_on(
        &self,
        envelope: &Envelope,
        message: &Message,
        mut batch: Batch,
        accept: Vec<usize>,
        head: String,
        origin: Origin,
    ) -> Result<Answer, Stopped> {
        let Parts { settings, queue, store, .. } = &self.inner.parts;
        let queued = settings.queue_accepted && !accept.is_empty();
        if queued {
            let trace = head.clone();
            let item = self.accepted_item(&mut batch, envelope, message, &accept, trace, origin);
            queue.enqueue(&mut batch, &item);
        }
        if !batch.is_empty() {
            store.commit(batch).await?;
        }
        let pass = if queued { Vec::new() } else { accept };
        Ok(Answer { pass, head, ..Answer::only(accepted()) })
    }

    fn log_held(&self, envelope: &Envelope, held: &Held) {
        let maillog = &self.inner.parts.maillog;
        let class = held.recipients.first().map_or(Class::Unwanted, |one| one.class);
        let reference = held.reference.to_string();
        let count = held.recipients.len();
        maillog.held(&envelope.session_id, held.id, &reference, class.as_str(), held.score, count);
        let how = match held.telling {
            Telling::Untold => "untold",
            Telling::Reply => "reply",
            Telling::Letter => "letter",
        };
        maillog.told(held.id, how);
    }

    /// Senders with standing are counted; losing a count is no fault.
    async fn count_accepted(&self, case: &hold::Case<'_>, accept: &[usize]) {
        let Parts { directory, reputation, .. } = &self.inner.parts;
        let first = accept.first().map(|slot| &case.envelope.rcpt_to[*slot].address);
        let organisation = first.and_then(|one| directory.organisation_of(one.domain()));
        if let Some(organisation) = organisation {
            // A store that cannot count cannot hold either; the next hold says so.
            let _ = reputation.count(&case.examination.sender, &organisation.id).await;
        }
    }
}

//! What happens to a released message just before it is delivered: it is
//! scanned again, blocks are looked up again, and who lost his trust since
//! the release is put back to hold. Then its countdown is over.

use super::{Delivery, Stopped, TRIES, is_claim};
use crate::clock::Timestamp;
use crate::directory::RuleAction;
use crate::filter::verdict::Door;
use crate::filter::{Class, Examination};
use crate::mail::{Envelope, Message};
use crate::quarantine::{Held, HeldRecipient, State};
use crate::queue::{Claimed, Item, ItemState};
use crate::reputation::StandingState;
use crate::store::{Batch, Fault, Refusal};

/// What the courier may do.
pub(super) enum Prepared {
    Ready(Claimed),
    /// Nobody waits any more.
    Over,
    /// A check could not answer.
    Later(Claimed, String),
}

/// Why a copy is not delivered now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Objection {
    /// What the second scan found.
    Found(Class),
    /// The recipient or his organisation does not accept the sender.
    Blocked,
    /// The sender's trust ended after the release.
    Revoked,
    /// The record does not say that this copy is on its way.
    Astray,
}

impl Delivery {
    /// Moves releasing copies to released, and takes those out that must not
    /// be delivered, in one batch.
    pub(super) async fn prepare(
        &self,
        claimed: Claimed,
        envelope: &Envelope,
        message: &Message,
    ) -> Result<Prepared, Stopped> {
        let tools = &self.inner.tools;
        // Only what beats every release is asked again: malware. The sender's
        // authentication was judged while his session lasted, and the windows
        // of mass mail have counted this message.
        let examination = match tools.filter.examine(envelope, message, true).await {
            Ok(examination) => examination,
            Err(undecided) => {
                return Ok(Prepared::Later(claimed, format!("451 4.7.1 {undecided}")));
            }
        };
        for _ in 0..TRIES {
            if let Some(prepared) = self.prepare_once(&claimed, &examination).await? {
                return Ok(prepared);
            }
        }
        Err(Fault::Unavailable("the held message changes all the time".to_owned()).into())
    }

    /// `None`: the held message changed meanwhile, look again.
    async fn prepare_once(
        &self,
        claimed: &Claimed,
        examination: &Examination,
    ) -> Result<Option<Prepared>, Stopped> {
        let tools = &self.inner.tools;
        let now = tools.clock.now();
        let item = claimed.item();
        let mut batch = Batch::new();
        let Some(row) = self.held(item).await? else {
            tools.queue.cancel(&mut batch, claimed.row());
            tools.store.commit(batch).await.map_err(|_| Stopped::Lost)?;
            return Ok(Some(Prepared::Over));
        };
        let stopped = self.objections(&row.record, item, examination).await?;
        let held = after(&row.record, item, &stopped, examination, now);
        if stopped.is_empty() && held == row.record {
            return Ok(Some(Prepared::Ready(claimed.clone())));
        }
        let gone = |slot: u16| stopped.iter().any(|(one, _)| *one == slot);
        let left = if stopped.is_empty() {
            batch.require(claimed.row());
            None
        } else {
            Some(tools.queue.drop_slots(&mut batch, claimed.row(), |one| gone(one.slot)))
        };
        batch.update(&row, &held);
        match tools.store.commit(batch).await {
            Ok(committed) => {
                for (_, objection) in &stopped {
                    tools.maillog.held_back(held.id, objection.as_str());
                }
                Ok(Some(match left {
                    None => Prepared::Ready(claimed.clone()),
                    Some(item) if item.is_open() => {
                        Prepared::Ready(claimed.written(item, committed))
                    }
                    Some(_) => Prepared::Over,
                }))
            }
            Err(Refusal::Conflict(key)) if is_claim(&key, item) => Err(Stopped::Lost),
            Err(Refusal::Conflict(_)) => Ok(None),
            Err(refusal) => Err(Fault::Unavailable(refusal.to_string()).into()),
        }
    }

    /// Who of those that wait gets nothing, and why.
    async fn objections(
        &self,
        held: &Held,
        item: &Item,
        examination: &Examination,
    ) -> Result<Vec<(u16, Objection)>, Fault> {
        let mut stopped = Vec::new();
        for one in item.recipients.iter().filter(|one| one.state == ItemState::Waiting) {
            if let Some(objection) = self.objection(held, item, one.slot, examination).await? {
                stopped.push((one.slot, objection));
            }
        }
        Ok(stopped)
    }

    /// Why the copy in `slot` must not be delivered. A block beats all else.
    async fn objection(
        &self,
        held: &Held,
        item: &Item,
        slot: u16,
        examination: &Examination,
    ) -> Result<Option<Objection>, Fault> {
        let tools = &self.inner.tools;
        let copy = held.recipients.get(usize::from(slot));
        let on_its_way =
            |copy: &&HeldRecipient| matches!(copy.state, State::Releasing | State::Released);
        let Some(copy) = copy.filter(on_its_way) else {
            return Ok(Some(Objection::Astray));
        };
        let (sender, senders) = (held.sender(), held.senders());
        let rule = tools
            .directory
            .organisation(&copy.organisation)
            .map(|one| tools.directory.rule(&one, &copy.address, &sender.claim(&senders)));
        match rule {
            // An organisation that is served no more accepts nothing.
            None | Some(Some(RuleAction::Block)) => return Ok(Some(Objection::Blocked)),
            Some(_) => {}
        }
        let dangerous = |class: &&Class| matches!(class, Class::Malware | Class::Phishing);
        if let Some(class) = examination.classes.iter().find(dangerous) {
            return Ok(Some(Objection::Found(*class)));
        }
        let standing = tools.reputation.standing(&held.sender(), &copy.organisation).await?;
        let revoked = standing.is_some_and(|row| {
            // Who was revoked before this release had to earn it as anybody.
            matches!(row.record.state, StandingState::Revoked | StandingState::Barred)
                && row.record.since > item.created_at
        });
        Ok(revoked.then_some(Objection::Revoked))
    }
}

/// The record as it stands when the courier sets out.
fn after(
    held: &Held,
    item: &Item,
    stopped: &[(u16, Objection)],
    examination: &Examination,
    now: Timestamp,
) -> Held {
    let mut held = held.clone();
    for one in item.recipients.iter().filter(|one| one.state == ItemState::Waiting) {
        let Some(copy) = held.recipients.get_mut(usize::from(one.slot)) else { continue };
        if let Some((_, objection)) = stopped.iter().find(|(slot, _)| *slot == one.slot) {
            stop(copy, *objection, now);
        } else if copy.state == State::Releasing {
            // Releasing -> Released is legal.
            let _ = copy.become_state(State::Released, now);
        }
    }
    if stopped.iter().any(|(_, objection)| matches!(objection, Objection::Found(_))) {
        note_findings(&mut held, examination);
    }
    held
}

/// Every transition here is legal from releasing and from released; a copy
/// that is elsewhere stays there.
fn stop(copy: &mut HeldRecipient, objection: Objection, now: Timestamp) {
    let to = match objection {
        Objection::Astray => return,
        Objection::Blocked => State::Refused,
        Objection::Found(_) | Objection::Revoked => State::Held,
    };
    if copy.become_state(to, now).is_ok() {
        copy.item = None;
        copy.due_at = None;
    }
    if let Objection::Found(class) = objection {
        copy.class = class;
        copy.door = Door::Closed;
    }
}

/// The pages show what the second scan found.
fn note_findings(held: &mut Held, examination: &Examination) {
    for finding in examination.findings.iter().rev() {
        if held.findings.iter().all(|known| known.id != finding.id) {
            held.findings.insert(0, finding.clone());
        }
    }
    held.findings.truncate(30);
}

impl Objection {
    /// The word in the log.
    fn as_str(self) -> &'static str {
        match self {
            Self::Found(class) => class.as_str(),
            Self::Blocked => "blocked",
            Self::Revoked => "revoked",
            Self::Astray => "astray",
        }
    }
}

//! The steps that a held message takes, each as one batch: the states of its
//! copies and the queue's item stand or fall together.
//!
//! A step is decided from one row and writes against its revision, so that of
//! two that were decided at once one is decided again.

use super::judge::{chosen, organisations, places};
use super::{Decided, Denied, Releases, Way};
use crate::clock::{SignedDuration, Timestamp};
use crate::link::ALL_RECIPIENTS;
use crate::quarantine::held::Illegal;
use crate::quarantine::{Held, HeldRecipient, State};
use crate::queue::{Draft, Item, ItemRecipient, Kind};
use crate::reputation::Vote;
use crate::store::{Batch, Fault, Row};

impl Releases {
    pub(super) async fn released(&self, row: &Row<Held>, slot: u16) -> Result<Decided, Denied> {
        if already_freed(&row.record, slot) {
            return Ok(Decided::Stands);
        }
        let (way, free) = self.judge(&row.record, slot).await?;
        if way != Way::Release {
            return Err(Denied::Now(way));
        }
        let mut batch = Batch::new();
        let proved = row.record.sender().is_proved();
        if !proved && !self.spend(&mut batch, &row.record, &free).await? {
            return Err(Denied::Now(Way::Tomorrow));
        }
        let held = self.enqueue(&mut batch, row, &free)?;
        let organisations = organisations(&held, &free);
        self.inner.reputation.grant(&mut batch, &held.sender(), &organisations).await?;
        Ok(Decided::Change { batch, held: Box::new(held), freed: free.len() })
    }

    pub(super) fn released_by_recipient(
        &self,
        row: &Row<Held>,
        slot: usize,
    ) -> Result<Decided, Denied> {
        let copy = row.record.recipients.get(slot).ok_or(Denied::Unknown)?;
        if matches!(copy.state, State::Releasing | State::Released | State::Delivered) {
            return Ok(Decided::Stands);
        }
        if copy.state != State::Held || !copy.is_shown() {
            return Err(Denied::Now(Way::Over));
        }
        if self.refuses(&row.record, copy) {
            return Err(Denied::Now(Way::RecipientRefuses));
        }
        let mut batch = Batch::new();
        let mailbox = self.inner.directory.mailbox(&copy.address);
        batch.insert(&Vote::of_release(row.record.id, &mailbox, self.inner.clock.now()));
        // He asked for it himself: nothing to take back.
        let held = self.enqueue_after(&mut batch, row, &[slot], SignedDuration::ZERO)?;
        Ok(Decided::Change { batch, held: Box::new(held), freed: 1 })
    }

    pub(super) async fn taken_back(&self, row: &Row<Held>, slot: u16) -> Result<Decided, Denied> {
        let mut held = row.record.clone();
        let mut batch = Batch::new();
        if !self.stop_items(&mut batch, &mut held, slot).await? {
            return Err(Denied::Now(Way::Over));
        }
        batch.update(row, &held);
        Ok(Decided::Change { batch, held: Box::new(held), freed: 0 })
    }

    pub(super) fn disowned(&self, row: &Row<Held>, slot: u16) -> Result<Decided, Denied> {
        let mut held = row.record.clone();
        let now = self.inner.clock.now();
        let waiting = chosen(&held, slot, State::Held);
        if waiting.is_empty() {
            let done = held.recipients.iter().any(|one| one.state == State::Disowned);
            return if done { Ok(Decided::Stands) } else { Err(Denied::Now(Way::Over)) };
        }
        for slot in waiting {
            held.recipients[slot].become_state(State::Disowned, now).map_err(illegal)?;
        }
        let mut batch = Batch::new();
        batch.update(row, &held);
        Ok(Decided::Change { batch, held: Box::new(held), freed: 0 })
    }

    /// States and queue item.
    pub(super) fn enqueue(
        &self,
        batch: &mut Batch,
        row: &Row<Held>,
        free: &[usize],
    ) -> Result<Held, Denied> {
        self.enqueue_after(batch, row, free, self.inner.settings.delay)
    }

    fn enqueue_after(
        &self,
        batch: &mut Batch,
        row: &Row<Held>,
        free: &[usize],
        delay: SignedDuration,
    ) -> Result<Held, Denied> {
        let now = self.inner.clock.now();
        let mut held = row.record.clone();
        let item = self.inner.queue.draft(delivery(&held, free, now + delay));
        for &place in free {
            let one = &mut held.recipients[place];
            one.become_state(State::Releasing, now).map_err(illegal)?;
            one.item = Some(item.id.into_bytes());
            one.due_at = Some(item.due_at);
        }
        batch.update(row, &held);
        self.inner.queue.enqueue(batch, &item);
        Ok(held)
    }

    /// Takes every copy of `slot` that is in its countdown out of its item;
    /// `false` if none was, or the courier has claimed it.
    async fn stop_items(
        &self,
        batch: &mut Batch,
        held: &mut Held,
        slot: u16,
    ) -> Result<bool, Denied> {
        let now = self.inner.clock.now();
        let mut stopped = false;
        let mut items: Vec<[u8; 16]> = chosen(held, slot, State::Releasing)
            .into_iter()
            .filter_map(|place| held.recipients[place].item)
            .collect();
        items.sort_unstable();
        items.dedup();
        for id in items {
            let Some(row) = self.inner.store.find::<Item>(&id).await? else { continue };
            if row.record.generation > 0 || row.record.due_at <= now {
                continue;
            }
            let mut dropped = Vec::new();
            for place in chosen(held, slot, State::Releasing) {
                if held.recipients[place].item == Some(id) {
                    held.recipients[place].become_state(State::Withdrawn, now).map_err(illegal)?;
                    dropped.push(place);
                    stopped = true;
                }
            }
            let gone = |one: &ItemRecipient| dropped.contains(&usize::from(one.slot));
            self.inner.queue.drop_slots(batch, &row, gone);
        }
        Ok(stopped)
    }
}

/// Nothing of these waits any more, and something was freed: a second
/// press of the same button.
fn already_freed(held: &Held, slot: u16) -> bool {
    let freed = |one: &HeldRecipient| {
        matches!(one.state, State::Releasing | State::Released | State::Delivered)
    };
    chosen(held, slot, State::Held).is_empty()
        && places(held, slot).any(|place| freed(&held.recipients[place]))
}

/// The delivery of these copies.
fn delivery(held: &Held, free: &[usize], due_at: Timestamp) -> Draft {
    let recipient = |&place: &usize| {
        (held.recipients[place].address.clone(), u16::try_from(place).unwrap_or(ALL_RECIPIENTS))
    };
    Draft {
        kind: Kind::Release,
        held: held.id,
        body: held.id,
        mail_from: held.rfc5321_mail_from.clone(),
        recipients: free.iter().map(recipient).collect(),
        trace: held.trace.clone(),
        eight_bit: held.eight_bit,
        smtputf8: held.smtputf8,
        due_at,
    }
}

pub(super) fn illegal(illegal: Illegal) -> Denied {
    Denied::Store(Fault::Damaged(illegal.to_string()))
}

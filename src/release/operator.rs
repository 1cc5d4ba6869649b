//! What administrators decide about held messages: release and delete, of
//! those copies that are theirs to decide about.
//!
//! Whatever else belongs to the decision (its entry in the audit) goes into
//! the same batch. Blocks of recipients still stand; the sender earns no
//! standing, because he decided nothing.

use uuid::Uuid;

use super::judge::chosen as places_in;
use super::step::illegal;
use super::{Decided, Denied, Inner, Releases, TRIES, Way, Wish};
use crate::link::ALL_RECIPIENTS;
use crate::quarantine::{Held, HeldRecipient, State};
use crate::queue::ItemState;
use crate::store::{Batch, Fault, Row};

/// Adds to the batch what belongs to a decision: the record before and after.
pub type Also<'a> = &'a (dyn Fn(&mut Batch, &Held, &Held) + Sync);
/// Which copies are decided about.
pub type Chosen<'a> = &'a (dyn Fn(&HeldRecipient) -> bool + Sync);

impl Releases {
    /// Frees the chosen copies that still wait, whatever their sender may do.
    ///
    /// # Errors
    /// [`Denied`].
    pub async fn release_copies(
        &self,
        id: Uuid,
        chosen: Chosen<'_>,
        also: Also<'_>,
    ) -> Result<Held, Denied> {
        self.decide(id, Wish::ReleaseCopies(chosen, also)).await
    }

    /// Withdraws the chosen copies that still wait. Once nobody waits any
    /// more and nothing is on its way the body is erased; the record stays,
    /// so that the sender's page can say what became of it.
    ///
    /// # Errors
    /// [`Denied`].
    pub async fn delete_copies(
        &self,
        id: Uuid,
        chosen: Chosen<'_>,
        also: Also<'_>,
    ) -> Result<Held, Denied> {
        self.decide(id, Wish::DeleteCopies(chosen, also)).await
    }

    pub(super) fn released_copies(
        &self,
        row: &Row<Held>,
        chosen: Chosen<'_>,
        also: Also<'_>,
    ) -> Result<Decided, Denied> {
        let copies = &row.record.recipients;
        let mut free = places_in(&row.record, ALL_RECIPIENTS, State::Held);
        free.retain(|place| chosen(&copies[*place]));
        if free.is_empty() {
            return Err(Denied::Now(Way::Over));
        }
        free.retain(|place| !self.refuses(&row.record, &copies[*place]));
        if free.is_empty() {
            return Err(Denied::Now(Way::RecipientRefuses));
        }
        let mut batch = Batch::new();
        let held = self.enqueue(&mut batch, row, &free)?;
        also(&mut batch, &row.record, &held);
        Ok(Decided::Change { batch, held: Box::new(held), freed: free.len() })
    }

    pub(super) fn deleted_copies(
        &self,
        row: &Row<Held>,
        chosen: Chosen<'_>,
        also: Also<'_>,
    ) -> Result<Decided, Denied> {
        let now = self.inner.clock.now();
        let mut held = row.record.clone();
        let mut withdrawn = false;
        for one in &mut held.recipients {
            if one.state == State::Held && chosen(one) {
                one.become_state(State::Withdrawn, now).map_err(illegal)?;
                withdrawn = true;
            }
        }
        if !withdrawn {
            return Err(Denied::Now(Way::Over));
        }
        let mut batch = Batch::new();
        let over = held.recipients.iter().all(|one| one.state.is_final());
        if over && !held.erased {
            held.erased = true;
            batch.erase(held.id);
        }
        batch.update(row, &held);
        also(&mut batch, &row.record, &held);
        Ok(Decided::Change { batch, held: Box::new(held), freed: 0 })
    }

    /// Ends an item's waiting: whoever still waited has failed, and the item
    /// is kept as any failed one. `false`: nobody waits, or a worker has it
    /// right now.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write.
    pub async fn give_up(
        &self,
        item: Uuid,
        also: &(dyn Fn(&mut Batch) + Sync),
    ) -> Result<bool, Fault> {
        let Inner { store, clock, queue, .. } = &*self.inner;
        for _ in 0..TRIES {
            let mut batch = Batch::new();
            let Some(row) = queue.find(item).await? else { return Ok(false) };
            let held: Option<Row<Held>> = store.find(row.record.held.as_bytes()).await?;
            let keep_until = held.as_ref().map(|held| held.record.expires_at);
            if queue.give_up(&mut batch, &row, keep_until).is_none() {
                return Ok(false);
            }
            if let Some(held) = held {
                let mut record = held.record.clone();
                let waited = row.record.recipients.iter();
                for one in waited.filter(|one| one.state == ItemState::Waiting) {
                    if let Some(copy) = record.recipients.get_mut(usize::from(one.slot)) {
                        // A copy that went another way meanwhile stays there.
                        let _ = copy.become_state(State::Failed, clock.now());
                        copy.due_at = None;
                    }
                }
                batch.update(&held, &record);
            }
            also(&mut batch);
            if self.carried_out(batch).await? {
                return Ok(true);
            }
        }
        Err(Fault::Unavailable("the item changes all the time".to_owned()))
    }
}

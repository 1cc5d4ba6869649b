//! The delivery queue: enqueue, claim, settle.
//!
//! An item is written in the same batch as what it follows from. A worker
//! claims it under a lease (90 s) by compare-and-swap, asks the [`Courier`]
//! (delivered, later or never?), and settles the answer per recipient in the
//! batch that settles what the item is about. Whoever lost the claim (his
//! lease ran out, somebody cancelled) gets [`Refusal::Conflict`] and must
//! drop what he knows.

pub mod client;
pub mod courier;
pub mod item;
mod list;
pub mod memory;
pub mod pool;
pub mod relay;
pub mod route;
pub mod schedule;
pub mod tls;
pub mod wire;

pub use courier::{Courier, Outcome, Parcel, Report};
pub use item::{Draft, Item, ItemRecipient, ItemState, Kind, Origin};
pub use list::{Page, Which};
pub use schedule::Schedule;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::clock::{Clock, SignedDuration, Timestamp};
use crate::store::{Batch, Committed, Fault, Index, Refusal, Row, Store};

/// How many open items [`Queue::load`] counts; more are "at least so many".
const COUNTED: usize = 10_000;

/// How many items more than asked for a claim looks at, if it gets none of the
/// first.
const SPARE: usize = 32;

/// Leases and the retry schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    pub schedule: Schedule,
    /// How long a claim lasts unless it is renewed.
    pub lease: SignedDuration,
    /// How long a failed letter, DSN or accepted message can be retried; a
    /// released message as long as the quarantine keeps it.
    pub keep_failed: SignedDuration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            schedule: Schedule::default(),
            lease: SignedDuration::from_secs(90),
            keep_failed: SignedDuration::from_hours(14 * 24),
        }
    }
}

/// The durable outbox. Clones share store and wake-up.
#[derive(Clone)]
pub struct Queue {
    store: Store,
    clock: Clock,
    settings: Settings,
    wake: Arc<Notify>,
    enqueued: Option<Enqueued>,
}

/// Adds to a batch that enqueues an item.
pub type Enqueued = Arc<dyn Fn(&mut Batch, &Item) + Send + Sync>;

/// An item under a lease: only who holds the latest can settle it.
#[derive(Clone, Debug)]
pub struct Claimed {
    row: Row<Item>,
    /// An earlier claim was never settled: the attempt was cut short, and the
    /// next hop may have the message already.
    pub interrupted: bool,
}

/// What waits, for the health endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Open items, counted up to 10,000.
    pub open: usize,
    /// How long the item that has waited longest for its turn has been due.
    pub late: SignedDuration,
}

impl Claimed {
    pub fn item(&self) -> &Item {
        &self.row.record
    }

    /// The row as this claim wrote it, for [`Batch::require`].
    pub fn row(&self) -> &Row<Item> {
        &self.row
    }

    /// The same claim behind a batch that wrote its item as `item`.
    #[must_use]
    pub fn written(&self, item: Item, committed: Committed) -> Self {
        let row = Row { record: item, revision: committed.sequence };
        Self { row, interrupted: self.interrupted }
    }
}

impl Queue {
    pub fn new(store: Store, clock: Clock, settings: Settings) -> Self {
        Self { store, clock, settings, wake: Arc::default(), enqueued: None }
    }

    /// The same queue, which tells of every item in the batch that adds it.
    #[must_use]
    pub fn telling(mut self, enqueued: Enqueued) -> Self {
        self.enqueued = Some(enqueued);
        self
    }

    /// A fresh item with the queue's lifetime; it exists once a batch with
    /// [`Queue::enqueue`] is committed.
    pub fn draft(&self, draft: Draft) -> Item {
        Item::new(draft, self.clock.now(), self.settings.schedule.lifetime)
    }

    /// Adds an item to the batch of what it follows from. Call
    /// [`Queue::wake`] once that is committed.
    pub fn enqueue(&self, batch: &mut Batch, item: &Item) {
        batch.insert(item);
        if let Some(enqueued) = &self.enqueued {
            enqueued(batch, item);
        }
    }

    /// Something may be due: the worker looks at once. Without it he looks
    /// within a second.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Waits for [`Queue::wake`], one second at most.
    pub async fn woken(&self) {
        // The time-out is the answer to "nothing was enqueued here": another
        // node may have, and due times come by themselves.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.wake.notified()).await;
    }

    /// The item, if it still exists.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read it.
    pub async fn find(&self, id: Uuid) -> Result<Option<Row<Item>>, Fault> {
        self.store.find(id.as_bytes()).await
    }

    /// Leases at most `limit` items that are due, the longest due first. An
    /// item that somebody else claims in the same moment is left to him, and
    /// one that cannot be read does not stop those behind it.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read and nothing was leased.
    pub async fn claim(&self, limit: usize) -> Result<Vec<Claimed>, Fault> {
        let now = self.clock.now();
        let looked_at = limit.saturating_add(SPARE);
        let ids = self.store.referred(Index::ItemDue, &[], &due_before(now), looked_at).await?;
        let (mut claims, mut fault) = (Vec::new(), None);
        for ids in ids.chunks(limit.max(1)) {
            // Together: one group of the committer instead of one fsync each.
            for claim in join_all(ids.iter().map(|id| self.claim_one(id, now))).await {
                match claim {
                    Ok(claim) => claims.extend(claim),
                    Err(error) => fault = Some(error),
                }
            }
            if !claims.is_empty() {
                return Ok(claims);
            }
        }
        fault.map_or(Ok(claims), Err)
    }

    async fn claim_one(&self, id: &[u8], now: Timestamp) -> Result<Option<Claimed>, Fault> {
        let Some(row) = self.store.find::<Item>(id).await? else {
            return Ok(None);
        };
        if !row.record.is_open() || row.record.due_at > now {
            return Ok(None);
        }
        let mut item = row.record.clone();
        item.due_at = now + self.settings.lease;
        item.generation = item.generation.wrapping_add(1);
        item.claimed = true;
        let interrupted = row.record.claimed;
        let claimed = self.write(&row, item).await?;
        Ok(claimed.map(|row| Claimed { row, interrupted }))
    }

    /// Extends the lease of an attempt that takes long. `false`: the claim is
    /// lost, and the attempt must stop if it still can.
    ///
    /// # Errors
    /// [`Fault`] if the store is not available; the lease stands as it was.
    pub async fn renew(&self, claimed: &mut Claimed) -> Result<bool, Fault> {
        let mut item = claimed.row.record.clone();
        item.due_at = self.clock.now() + self.settings.lease;
        let renewed = self.write(&claimed.row, item).await?;
        let kept = renewed.is_some();
        if let Some(row) = renewed {
            claimed.row = row;
        }
        Ok(kept)
    }

    /// How often a lease must be renewed to be kept.
    pub fn renewal(&self) -> Duration {
        let third = self.settings.lease / 3;
        Duration::try_from(third).unwrap_or(Duration::from_secs(30))
    }

    /// Adds to `batch` what an attempt came to, and answers the item as it
    /// will stand: `reports` are for the recipients that were waiting, in
    /// their order. What was transient waits for its next turn, or has failed
    /// if the item's time is over. An item that reached everybody is removed;
    /// one with failures can be retried until `keep_until` (`None`: as long as
    /// the settings say).
    pub fn settle(
        &self,
        batch: &mut Batch,
        claimed: &Claimed,
        reports: &[Report],
        keep_until: Option<Timestamp>,
    ) -> Item {
        let now = self.clock.now();
        let mut item = claimed.row.record.clone();
        item.attempts = item.attempts.saturating_add(1);
        item.claimed = false;
        let over = now >= item.expires_at;
        let waiting = item.recipients.iter_mut().filter(|one| one.state == ItemState::Waiting);
        for (recipient, report) in waiting.zip(reports) {
            recipient.server = Some(report.server.clone());
            recipient.reply = Some(report.reply.clone());
            recipient.state = match report.outcome {
                Outcome::Delivered => ItemState::Delivered,
                Outcome::Permanent => ItemState::Failed,
                Outcome::Transient if over => ItemState::Failed,
                Outcome::Transient => ItemState::Waiting,
            };
        }
        item.due_at = self.settings.schedule.next(item.attempts, now, item.expires_at);
        self.close(batch, &claimed.row, &mut item, keep_until);
        item
    }

    /// Gives a claim back unsettled: nothing was attempted, and the next turn
    /// comes at `due_at`.
    pub fn postpone(&self, batch: &mut Batch, claimed: &Claimed, due_at: Timestamp) {
        let mut item = claimed.row.record.clone();
        item.claimed = false;
        item.due_at = due_at;
        batch.update(&claimed.row, &item);
    }

    /// Adds to `batch` the end of some recipients' waiting without an attempt
    /// (a block, a withdrawal, the second scan). The others go on.
    pub fn drop_slots(
        &self,
        batch: &mut Batch,
        row: &Row<Item>,
        dropped: impl Fn(&ItemRecipient) -> bool,
    ) -> Item {
        let mut item = row.record.clone();
        item.recipients.retain(|one| one.state != ItemState::Waiting || !dropped(one));
        self.close(batch, row, &mut item, None);
        item
    }

    /// Adds the end of the whole item to `batch`. Fails with a conflict if a
    /// worker claimed it after `row` was read: then the worker goes on.
    pub fn cancel(&self, batch: &mut Batch, row: &Row<Item>) {
        batch.remove(row);
        if row.record.owns_body() {
            batch.erase(row.record.body);
        }
    }

    /// Adds a new beginning to `batch`: what failed waits again, and what
    /// waits is due now. Answers the item as it will stand; `None` while a
    /// worker has it, because his attempt must not be made twice.
    pub fn retry(&self, batch: &mut Batch, row: &Row<Item>) -> Option<Item> {
        let now = self.clock.now();
        let mut item = row.record.clone();
        if item.claimed && item.due_at > now {
            return None;
        }
        for recipient in &mut item.recipients {
            if recipient.state == ItemState::Failed {
                recipient.state = ItemState::Waiting;
            }
        }
        item.due_at = now;
        item.expires_at = now + self.settings.schedule.lifetime;
        item.attempts = 0;
        item.claimed = false;
        item.kept_until = None;
        batch.update(row, &item);
        Some(item)
    }

    /// Adds the end of all waiting to `batch`: whoever waits has failed, and
    /// the item is kept until `keep_until` (`None`: as long as the settings
    /// say). `None` if nobody waits, or a worker has it right now.
    pub fn give_up(
        &self,
        batch: &mut Batch,
        row: &Row<Item>,
        keep_until: Option<Timestamp>,
    ) -> Option<Item> {
        let mut item = row.record.clone();
        if !item.is_open() || (item.claimed && item.due_at > self.clock.now()) {
            return None;
        }
        for recipient in &mut item.recipients {
            if recipient.state == ItemState::Waiting {
                recipient.state = ItemState::Failed;
            }
        }
        item.claimed = false;
        self.close(batch, row, &mut item, keep_until);
        Some(item)
    }

    /// When the body of an item that owns it may be erased, whatever becomes of
    /// the item: it can be retried as long as it is kept.
    pub fn body_expires(&self, item: &Item) -> Timestamp {
        item.expires_at + self.settings.keep_failed
    }

    /// Forgets failed items whose time is over; answers how many. One that
    /// cannot be read does not keep the others.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write, or if nothing is left to
    /// forget but what cannot be read.
    pub async fn purge(&self, limit: usize) -> Result<usize, Fault> {
        let end = due_before(self.clock.now());
        let (mut purged, mut damaged) = (0, None);
        for id in self.store.referred(Index::ItemKept, &[], &end, limit).await? {
            let row = match self.store.find::<Item>(&id).await {
                Ok(Some(row)) => row,
                Ok(None) => continue,
                Err(fault) if fault.is_of_a_record() => {
                    damaged = Some(fault);
                    continue;
                }
                Err(fault) => return Err(fault),
            };
            let mut batch = Batch::new();
            self.cancel(&mut batch, &row);
            match self.store.commit(batch).await {
                Ok(_) => purged += 1,
                Err(Refusal::Conflict(_)) => {}
                Err(refusal) => return Err(Fault::Unavailable(refusal.to_string())),
            }
        }
        match damaged {
            Some(fault) if purged == 0 => Err(fault),
            _ => Ok(purged),
        }
    }

    /// How much waits, and how late the queue is; what cannot be read waits,
    /// but makes nothing late.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn load(&self) -> Result<Load, Fault> {
        let now = self.clock.now();
        let end = vec![0xff; 8];
        let ids = self.store.referred(Index::ItemDue, &[], &end, COUNTED).await?;
        let mut late = SignedDuration::ZERO;
        for id in ids.iter().take(SPARE) {
            match self.store.find::<Item>(id).await {
                Ok(Some(row)) => {
                    late = now.duration_since(row.record.due_at).max(late);
                    break;
                }
                // Gone meanwhile, or one that nobody will deliver.
                Ok(None) => {}
                Err(fault) if fault.is_of_a_record() => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(Load { open: ids.len(), late })
    }

    /// Writes an item as it ended: removed if everybody was reached, kept if
    /// somebody was not, open if somebody waits.
    fn close(
        &self,
        batch: &mut Batch,
        row: &Row<Item>,
        item: &mut Item,
        keep_until: Option<Timestamp>,
    ) {
        if item.is_open() {
            batch.update(row, item);
        } else if item.recipients.iter().any(|one| one.state == ItemState::Failed) {
            let until = keep_until.unwrap_or(self.clock.now() + self.settings.keep_failed);
            item.kept_until = Some(until);
            batch.update(row, item);
        } else {
            self.cancel(batch, row);
        }
    }

    /// Writes `item` over `row`; `None` if somebody else came first.
    async fn write(&self, row: &Row<Item>, item: Item) -> Result<Option<Row<Item>>, Fault> {
        let mut batch = Batch::new();
        batch.update(row, &item).patient();
        match self.store.commit(batch).await {
            // A batch's sequence number is the revision of all that it put.
            Ok(committed) => Ok(Some(Row { record: item, revision: committed.sequence })),
            Err(Refusal::Conflict(_)) => Ok(None),
            Err(refusal) => Err(Fault::Unavailable(refusal.to_string())),
        }
    }
}

/// The first index key that is due after `now`.
fn due_before(now: Timestamp) -> Vec<u8> {
    let next = now.saturating_add(SignedDuration::from_micros(1)).unwrap_or(Timestamp::MAX);
    Item::due_key(next)
}

#[cfg(test)]
mod tests;

//! Hourly counts of what happened to mail, kept for years.
//!
//! The log's own totals are looked at again and again, and what was added goes
//! into the bucket of the hour: a record of some thirty bytes. A crash loses
//! what was counted since the last look, at most half a minute; nothing that
//! decides about mail depends on these numbers.

use std::sync::{Arc, Mutex, PoisonError};

use minicbor::{Decode, Encode};

use crate::clock::{Clock, Timestamp};
use crate::maillog::Maillog;
use crate::store::{Batch, Fault, Record, Refusal, Row, Store, Table};

/// How often a bucket is written again when another node wrote it first.
const TRIES: usize = 8;

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Counts {
    /// Refused in the session, malware aside.
    #[n(0)]
    pub rejected: u64,
    #[n(1)]
    pub held: u64,
    /// Copies released, by whomever.
    #[n(2)]
    pub released: u64,
    /// Malware refused: no copy was kept.
    #[n(3)]
    pub destroyed: u64,
    /// Copies of released mail that the next hop took.
    #[n(4)]
    pub delivered: u64,
}

/// One hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Hour {
    /// Whole hours since the epoch.
    #[n(0)]
    pub hour: u32,
    #[n(1)]
    pub counts: Counts,
}

/// Keeps the counts. Clones share them.
#[derive(Clone)]
pub struct Statistics {
    store: Store,
    clock: Clock,
    log: Maillog,
    /// The totals that are in the buckets already.
    written: Arc<Mutex<Counts>>,
}

impl Counts {
    pub fn plus(self, more: Self) -> Self {
        Self {
            rejected: self.rejected + more.rejected,
            held: self.held + more.held,
            released: self.released + more.released,
            destroyed: self.destroyed + more.destroyed,
            delivered: self.delivered + more.delivered,
        }
    }

    fn minus(self, less: Self) -> Self {
        Self {
            rejected: self.rejected.saturating_sub(less.rejected),
            held: self.held.saturating_sub(less.held),
            released: self.released.saturating_sub(less.released),
            destroyed: self.destroyed.saturating_sub(less.destroyed),
            delivered: self.delivered.saturating_sub(less.delivered),
        }
    }
}

impl Record for Hour {
    const TABLE: Table = Table::Hour;

    fn key(&self) -> Vec<u8> {
        self.hour.to_be_bytes().to_vec()
    }
}

impl Statistics {
    pub fn new(store: Store, clock: Clock, log: Maillog) -> Self {
        Self { store, clock, log, written: Arc::default() }
    }

    /// Writes what was counted since the last step.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write; the next step tries again.
    pub async fn step(&self) -> Result<(), Fault> {
        let [rejected, held, released, destroyed, delivered] = self.log.totals();
        let now = Counts { rejected, held, released, destroyed, delivered };
        let before = *self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = now.minus(before);
        if fresh == Counts::default() {
            return Ok(());
        }
        self.add(hour_of(self.clock.now()), fresh).await?;
        *self.written.lock().unwrap_or_else(PoisonError::into_inner) = now;
        Ok(())
    }

    /// Adds to the bucket of an hour.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write.
    pub async fn add(&self, hour: u32, fresh: Counts) -> Result<(), Fault> {
        for _ in 0..TRIES {
            let row: Option<Row<Hour>> = self.store.find(&hour.to_be_bytes()).await?;
            let counts = row.as_ref().map_or_else(Counts::default, |row| row.record.counts);
            let mut batch = Batch::new();
            batch.upsert(row.as_ref(), &Hour { hour, counts: counts.plus(fresh) });
            match self.store.commit(batch).await {
                Ok(_) => return Ok(()),
                Err(Refusal::Conflict(_)) => {}
                Err(refusal) => return Err(Fault::Unavailable(refusal.to_string())),
            }
        }
        Err(Fault::Unavailable("the bucket changes too fast".to_owned()))
    }

    /// The time by which the present hour is told.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The counts of the last `hours` hours, the oldest first; hours in which
    /// nothing happened are there with zeros. The last one is the present.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn last(&self, hours: u32) -> Result<Vec<Counts>, Fault> {
        let now = hour_of(self.clock.now());
        let first = now.saturating_sub(hours.saturating_sub(1));
        let after = first.saturating_sub(1).to_be_bytes();
        let rows: Vec<Row<Hour>> = self.store.page(&after, hours as usize).await?;
        let mut all = vec![Counts::default(); (now - first + 1) as usize];
        for Row { record, .. } in rows {
            let place = record.hour.checked_sub(first).map(|place| place as usize);
            if let Some(counts) = place.and_then(|place| all.get_mut(place)) {
                *counts = record.counts;
            }
        }
        Ok(all)
    }
}

/// Whole hours since the epoch.
pub fn hour_of(at: Timestamp) -> u32 {
    u32::try_from(at.as_second().div_euclid(3600)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SignedDuration;

    #[tokio::test]
    async fn counts_go_into_the_bucket_of_their_hour_once() {
        let clock = Clock::stopped_at(Timestamp::from_second(1_795_600_005).unwrap());
        let log = Maillog::default();
        let store = Store::in_memory();
        let statistics = Statistics::new(store.clone(), clock.clone(), log.clone());
        let id = uuid::Uuid::now_v7();
        log.held("s", id, "7K2M-9QXD", "unwanted", 6.0, 1);
        log.rejected("s", "malware", &crate::mail::Reply::plain(554, "no"));
        log.rejected("s", "phishing", &crate::mail::Reply::plain(554, "no"));
        statistics.step().await.unwrap();
        statistics.step().await.unwrap();
        clock.advance(SignedDuration::from_hours(2));
        log.released(id, 2, true);
        statistics.step().await.unwrap();
        let last = statistics.last(4).await.unwrap();
        let zero = Counts::default();
        let first = Counts { rejected: 1, held: 1, destroyed: 1, ..zero };
        assert_eq!(last, [zero, first, zero, Counts { released: 2, ..zero }]);
        // A restart begins at zero and adds to what stands there.
        let again = Statistics::new(store, clock, Maillog::default());
        again.add(hour_of(again.clock.now()), Counts { released: 1, ..zero }).await.unwrap();
        assert_eq!(again.last(1).await.unwrap()[0].released, 3);
    }
}

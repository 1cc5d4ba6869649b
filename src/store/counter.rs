//! Counters of limits over many messages: so many in an hour, in a day.
//!
//! A check names one key, so a limit over many is a counter record of its
//! own, written in the same batch as what it counts: two that race for the
//! last place conflict, and one reads again.

use minicbor::{Decode, Encode};

use super::{Batch, Fault, Record, Row, Store, Table};
use crate::clock::{SignedDuration, Timestamp};

/// How often something happened in one window of time.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Counter {
    /// Seconds since the epoch at which the window ends.
    #[n(0)]
    ends: i64,
    /// What is counted: a limit's name and its subject.
    #[n(1)]
    name: String,
    #[n(2)]
    pub count: u32,
}

impl Counter {
    /// The key begins with the window's end, so that old counters are found
    /// without an index.
    fn key_of(ends: i64, name: &str) -> Vec<u8> {
        let mut key = ends.to_be_bytes().to_vec();
        key.extend_from_slice(name.as_bytes());
        key
    }

    /// The count of `name` in the window of length `window` that `now` is in.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn read(
        store: &Store,
        name: &str,
        window: SignedDuration,
        now: Timestamp,
    ) -> Result<u32, Fault> {
        let row: Option<Row<Self>> = store.find(&Self::key_of(end(window, now), name)).await?;
        Ok(row.map_or(0, |row| row.record.count))
    }

    /// Adds one to the counter within `batch`, unless it has reached `limit`:
    /// then nothing is added and the answer is `false`.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn take(
        store: &Store,
        batch: &mut Batch,
        name: &str,
        window: SignedDuration,
        now: Timestamp,
        limit: u32,
    ) -> Result<bool, Fault> {
        let ends = end(window, now);
        let row: Option<Row<Self>> = store.find(&Self::key_of(ends, name)).await?;
        let count = row.as_ref().map_or(0, |row| row.record.count);
        if count >= limit {
            return Ok(false);
        }
        batch.upsert(row.as_ref(), &Self { ends, name: name.to_owned(), count: count + 1 });
        Ok(true)
    }

    /// Whether `name`, which nobody asks for after `until`, is taken here for
    /// the first time; two that race for it conflict.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn once(
        store: &Store,
        batch: &mut Batch,
        name: &str,
        until: Timestamp,
    ) -> Result<bool, Fault> {
        let ends = until.as_second();
        let row: Option<Row<Self>> = store.find(&Self::key_of(ends, name)).await?;
        let first = row.is_none();
        if first {
            batch.insert(&Self { ends, name: name.to_owned(), count: 1 });
        }
        Ok(first)
    }

    /// Counters whose window ended before `now`, to be removed.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn ended(
        store: &Store,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Row<Self>>, Fault> {
        let rows: Vec<Row<Self>> = store.page(&[], limit).await?;
        Ok(rows.into_iter().filter(|row| row.record.ends <= now.as_second()).collect())
    }
}

/// Windows are aligned to the epoch: a day is a day of UTC.
fn end(window: SignedDuration, now: Timestamp) -> i64 {
    let length = window.as_secs().max(1);
    (now.as_second().div_euclid(length) + 1) * length
}

impl Record for Counter {
    const TABLE: Table = Table::Counter;

    fn key(&self) -> Vec<u8> {
        Self::key_of(self.ends, &self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Refusal;

    const HOUR: SignedDuration = SignedDuration::from_hours(1);

    #[tokio::test]
    async fn the_limit_is_exact_and_the_next_window_is_new() {
        let store = Store::in_memory();
        let mut now = Timestamp::from_second(1_800_000_000).unwrap();
        for round in 0..5 {
            let mut batch = Batch::new();
            let taken = Counter::take(&store, &mut batch, "t", HOUR, now, 3).await.unwrap();
            assert_eq!(taken, round < 3);
            store.commit(batch).await.unwrap();
        }
        assert_eq!(Counter::read(&store, "t", HOUR, now).await, Ok(3));
        assert_eq!(Counter::ended(&store, now, 10).await.unwrap().len(), 0);
        now += HOUR;
        assert_eq!(Counter::read(&store, "t", HOUR, now).await, Ok(0));
        assert_eq!(Counter::ended(&store, now, 10).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn two_that_race_for_the_last_place_conflict() {
        let store = Store::in_memory();
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let (mut one, mut two) = (Batch::new(), Batch::new());
        assert!(Counter::take(&store, &mut one, "t", HOUR, now, 1).await.unwrap());
        assert!(Counter::take(&store, &mut two, "t", HOUR, now, 1).await.unwrap());
        assert!(store.commit(one).await.is_ok());
        assert!(matches!(store.commit(two).await, Err(Refusal::Conflict(_))));
    }
}

//! Partial search over the records of one table, in memory.
//!
//! The searched text of all records lies in blocks of bytes, in the order of
//! their time, so that a search for any part of it is a walk through memory
//! (a million records in some tens of milliseconds) and never a scan of the
//! table. It is filled from the table at start and follows every commit.
//! Searches let writers in between their steps. The suppression list has
//! another ([`crate::suppression::roll`]): that one is a sorted set, to be
//! asked for one address and given out in order.

mod order;
mod rows;
mod sets;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use memchr::memmem::Finder;

pub use self::order::Order;
use self::rows::{Hit, Rows};
use super::record::decode;
use super::{Fault, Record, Store};

/// So few changes of the meantime are taken in while nobody may write.
const FEW: usize = 256;
/// How often more of them are taken in beside those who write.
const ROUNDS: usize = 16;

/// What is kept of a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The searched text, as it is; [`fold`] is applied to it.
    pub text: String,
    /// Bits that a filter reads without the record.
    pub facts: u64,
    /// To whom it belongs.
    pub groups: Vec<u32>,
    /// What else is to be counted of it.
    pub marks: Vec<u32>,
    /// Sorts the records when the arena is filled; any unit. Cheapest where it
    /// is the order of the keys.
    pub order: i64,
}

impl Entry {
    /// Of a record that cannot be read: on top of whatever filter, so that
    /// whoever lists the table names it, but nobody's own.
    fn unreadable() -> Self {
        Self { facts: u64::MAX, order: i64::MAX, ..Self::default() }
    }
}

/// What a filter sees of a row.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The primary key.
    pub key: &'a [u8],
    pub facts: u64,
    pub groups: &'a [u32],
    pub marks: &'a [u32],
}

/// One page of a search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Primary keys.
    pub keys: Vec<Vec<u8>>,
    /// Whether there are more behind the last one.
    pub more: bool,
}

/// The text of one table's records.
pub struct Arena {
    rows: RwLock<Rows>,
    /// What was removed while the arena is being filled.
    removed: Mutex<HashSet<Vec<u8>>>,
    ready: AtomicBool,
    /// A record that changes moves to the end: the latest change first.
    moving: bool,
}

/// Text as it is compared: lower case, one line.
pub fn fold(text: &str) -> String {
    let lower = text.chars().flat_map(char::to_lowercase);
    lower.map(|c| if c.is_control() { ' ' } else { c }).collect()
}

impl Arena {
    fn new(moving: bool) -> Self {
        Self {
            rows: RwLock::default(),
            removed: Mutex::default(),
            ready: AtomicBool::new(false),
            moving,
        }
    }

    /// An empty arena that follows `R`'s table from now on; [`Arena::fill`]
    /// brings in what stands there already. With `moving`, a record that
    /// changes counts as new.
    pub fn follow<R: Record>(
        store: &Store,
        moving: bool,
        read: impl Fn(&R) -> Entry + Send + Sync + 'static,
    ) -> Arc<Self> {
        let arena = Arc::new(Self::new(moving));
        let followed = Arc::clone(&arena);
        store.watch(R::TABLE, move |news| match news.value {
            // A record that cannot be read is not found, and everything else
            // that meets it says why.
            Some(bytes) => {
                if let Ok(record) = decode::<R>(bytes) {
                    followed.put(news.key, &read(&record));
                }
            }
            None => followed.remove(news.key),
        });
        arena
    }

    /// Brings in what stood in the table when following began, a page at a
    /// time, beside those who write. A record that cannot be read is found by
    /// an empty search.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read; only what came since is searched.
    pub async fn fill<R: Record>(
        &self,
        store: &Store,
        read: impl Fn(&R) -> Entry,
    ) -> Result<(), Fault> {
        let mut rows = Rows::default();
        let mut times = Vec::new();
        let take = |key: &[u8], record: Option<R>| {
            let entry = record.as_ref().map_or_else(Entry::unreadable, &read);
            rows.put(key, &entry, false);
            times.extend(rows.place(key).map(|place| (entry.order, place)));
        };
        store.each_listed(take).await?;
        if !times.is_sorted() {
            times.sort_unstable();
            let unsorted = std::mem::take(&mut rows);
            for (_, place) in &times {
                rows.take(&unsorted, *place, false);
            }
        }
        self.adopt(rows);
        Ok(())
    }

    /// Puts what was read in the place of what came meanwhile, which is newer:
    /// it goes behind.
    fn adopt(&self, mut read: Rows) {
        for round in 0.. {
            let mut rows = self.write();
            let late = std::mem::take(&mut *rows);
            let removed = std::mem::take(&mut *self.removed());
            let few = late.len() + removed.len() <= FEW || round == ROUNDS;
            let writing = few.then_some(rows);
            for key in &removed {
                read.remove(key);
            }
            read.put_all(&late, self.moving);
            if let Some(mut rows) = writing {
                *rows = read;
                self.ready.store(true, Ordering::Release);
                return;
            }
        }
    }

    /// Whether it has been filled: before that, a search finds less than
    /// there is.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// How many records it holds.
    pub fn len(&self) -> usize {
        self.read().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory that it takes.
    pub fn bytes(&self) -> usize {
        self.read().bytes()
    }

    /// At most `limit` records that contain `needle` (empty: all) and that
    /// `wanted` wants, the latest first, beginning behind the key `after`; a
    /// key that is gone begins at the latest again.
    pub fn find(
        &self,
        needle: &str,
        after: Option<&[u8]>,
        limit: usize,
        wanted: impl Fn(Seen<'_>) -> bool,
    ) -> Found {
        let mut found = Found::default();
        self.each_hit(needle, after, |hit| {
            let Hit { seen, again, .. } = hit;
            if !wanted(seen) || again && found.keys.iter().any(|known| known == seen.key) {
                return Some(());
            }
            if found.keys.len() == limit {
                found.more = true;
                return None;
            }
            found.keys.push(seen.key.to_vec());
            Some(())
        });
        found
    }

    /// Calls `each` with the rows that contain `needle`, the latest first,
    /// beginning behind the key `after`, until it breaks off.
    fn each_hit(
        &self,
        needle: &str,
        after: Option<&[u8]>,
        mut each: impl FnMut(Hit<'_>) -> Option<()>,
    ) {
        let needle = fold(needle.trim());
        let finder = Finder::new(needle.as_bytes());
        let mut cursor = None;
        loop {
            let rows = self.read();
            let from = cursor.unwrap_or_else(|| rows.begin_walk(after));
            cursor = rows.search(from, &finder, &mut each);
            if cursor.is_none() {
                return;
            }
        }
    }

    /// Calls `each` with every row, the latest first. One that changes
    /// meanwhile may be missed or seen twice.
    pub fn for_each(&self, mut each: impl FnMut(Seen<'_>)) {
        let mut cursor = Some(self.read().begin_walk(None));
        while let Some(from) = cursor {
            cursor = self.read().walk(from, &mut each);
        }
    }

    fn put(&self, key: &[u8], entry: &Entry) {
        self.write().put(key, entry, self.moving);
    }

    fn remove(&self, key: &[u8]) {
        let mut rows = self.write();
        rows.remove(key);
        if !self.is_ready() {
            self.removed().insert(key.to_vec());
        }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Rows> {
        self.rows.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Rows> {
        self.rows.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn removed(&self) -> std::sync::MutexGuard<'_, HashSet<Vec<u8>>> {
        self.removed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Partial search over the records of one table, in memory.
//!
//! The searched text of all records lies in one run of bytes, in the order of
//! their time, so that a search for any part of it is a walk through memory
//! (a million records in some tens of milliseconds) and never a scan of the
//! table. It is filled from the table at start and follows every commit.
//! Searches let writers in between their steps.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use memchr::memmem::Finder;

use super::record::decode;
use super::{Fault, Record, Store};

/// Rows that one look at the arena takes in.
const STEP: usize = 16_384;
/// Rows whose text is searched in one go.
const BLOCK: usize = 512;
/// Dropped rows below which it is not worth moving the others.
const LITTER: usize = 4096;
/// Records read at a time while it is filled.
const PAGE: usize = 2000;

/// What is kept of a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The searched text, as it is; [`fold`] is applied to it.
    pub text: String,
    /// Bits that a filter reads without the record.
    pub facts: u64,
    /// To whom it belongs.
    pub groups: Vec<u32>,
    /// Sorts the records when the arena is filled; any unit.
    pub order: i64,
}

/// What a filter sees of a row.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    pub facts: u64,
    pub groups: &'a [u32],
}

/// One page of a search, the latest first.
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
    ready: AtomicBool,
    /// A record that changes moves to the end: the latest change first.
    moving: bool,
}

#[derive(Default)]
struct Rows {
    all: Vec<Row>,
    text: Vec<u8>,
    keys: Vec<u8>,
    groups: Vec<u32>,
    /// Hash of a key -> its row; keys whose hash was taken stand in `crowded`.
    places: HashMap<u64, u32>,
    crowded: HashMap<Vec<u8>, u32>,
    hasher: RandomState,
    dropped: usize,
    /// Goes up when rows change their places.
    generation: u64,
    /// What was removed while the arena was being filled.
    removed: HashSet<Vec<u8>>,
}

#[derive(Clone, Copy)]
struct Row {
    text: u32,
    key: u32,
    groups: u32,
    facts: u64,
    /// 0: dropped.
    revision: u64,
}

/// Text as it is compared: lower case, one line.
pub fn fold(text: &str) -> String {
    let lower = text.chars().flat_map(char::to_lowercase);
    lower.map(|c| if c.is_control() { ' ' } else { c }).collect()
}

impl Arena {
    /// An empty arena that follows `R`'s table from now on; [`Arena::fill`]
    /// brings in what stands there already. With `moving`, a record that
    /// changes counts as new.
    pub fn follow<R: Record>(
        store: &Store,
        moving: bool,
        read: impl Fn(&R) -> Entry + Send + Sync + 'static,
    ) -> Arc<Self> {
        let arena =
            Arc::new(Self { rows: RwLock::default(), ready: AtomicBool::new(false), moving });
        let followed = Arc::clone(&arena);
        store.watch(R::TABLE, move |news| match news.value {
            // A record that cannot be read is not found, and everything else
            // that meets it says why.
            Some(bytes) => {
                if let Ok(record) = decode::<R>(bytes) {
                    followed.put(news.key, news.revision, &read(&record));
                }
            }
            None => followed.remove(news.key),
        });
        arena
    }

    /// Brings in what stood in the table when following began.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read; what was read by then is searched.
    pub async fn fill<R: Record>(
        &self,
        store: &Store,
        read: impl Fn(&R) -> Entry,
    ) -> Result<(), Fault> {
        let mut all: Vec<(Vec<u8>, u64, Entry)> = Vec::new();
        loop {
            let after = all.last().map_or(&[][..], |(key, ..)| key);
            let page = store.page::<R>(after, PAGE).await?;
            let last = page.len() < PAGE;
            all.extend(page.iter().map(|row| (row.record.key(), row.revision, read(&row.record))));
            if last {
                break;
            }
        }
        all.sort_by_key(|(.., entry)| entry.order);
        let mut rows = self.write();
        // What was put meanwhile is newer: it goes behind.
        let fresh = std::mem::take(&mut *rows);
        rows.generation = fresh.generation + 1;
        rows.reserve(all.len(), all.iter().map(|(.., entry)| entry.text.len()).sum());
        for (key, revision, entry) in &all {
            if fresh.place(key).is_none() && !fresh.removed.contains(key) {
                rows.append(key, *revision, entry);
            }
        }
        for at in 0..fresh.all.len() {
            rows.take(&fresh, at);
        }
        drop(rows);
        self.ready.store(true, Ordering::Release);
        Ok(())
    }

    /// Whether it has been filled: before that, a search finds less than
    /// there is.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// How many records it holds.
    pub fn len(&self) -> usize {
        let rows = self.read();
        rows.all.len() - rows.dropped
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
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
        let needle = fold(needle.trim());
        let finder = Finder::new(needle.as_bytes());
        let mut found = Found::default();
        let mut below: Option<(usize, u64)> = None;
        loop {
            let rows = self.read();
            let end = match below {
                Some((end, generation)) if generation == rows.generation => end,
                // Rows have moved: go on behind the last one found.
                _ => {
                    let last = found.keys.last().map(Vec::as_slice).or(after);
                    last.and_then(|key| rows.place(key)).unwrap_or(rows.all.len())
                }
            };
            let begin = end.saturating_sub(STEP);
            rows.search(&finder, (begin, end), &wanted, &mut found, limit);
            if found.more || begin == 0 {
                return found;
            }
            below = Some((begin, rows.generation));
        }
    }

    fn put(&self, key: &[u8], revision: u64, entry: &Entry) {
        let mut rows = self.write();
        match rows.place(key) {
            Some(at) if !self.moving && rows.says(at, entry) => {
                rows.all[at].facts = entry.facts;
                rows.all[at].revision = revision;
            }
            Some(at) => {
                rows.drop_row(at, key);
                rows.append(key, revision, entry);
            }
            None => rows.append(key, revision, entry),
        }
        rows.tidy();
    }

    fn remove(&self, key: &[u8]) {
        let mut rows = self.write();
        if let Some(at) = rows.place(key) {
            rows.drop_row(at, key);
            rows.tidy();
        }
        if !self.is_ready() {
            rows.removed.insert(key.to_vec());
        }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Rows> {
        self.rows.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Rows> {
        self.rows.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rows {
    fn reserve(&mut self, rows: usize, text: usize) {
        self.all.reserve(rows);
        self.text.reserve(text + rows);
        self.places.reserve(rows);
    }

    fn place(&self, key: &[u8]) -> Option<usize> {
        let at = match self.places.get(&self.hasher.hash_one(key)) {
            Some(at) if self.key(*at as usize) == key => Some(*at),
            Some(_) => self.crowded.get(key).copied(),
            None => None,
        };
        at.map(|at| at as usize)
    }

    fn key(&self, at: usize) -> &[u8] {
        let end = self.all.get(at + 1).map_or(self.keys.len(), |next| next.key as usize);
        &self.keys[self.all[at].key as usize..end]
    }

    fn text(&self, at: usize) -> &[u8] {
        let end = self.text_begin(at + 1);
        &self.text[self.all[at].text as usize..end]
    }

    /// Where the text of a row begins, or all text ends.
    fn text_begin(&self, at: usize) -> usize {
        self.all.get(at).map_or(self.text.len(), |row| row.text as usize)
    }

    fn groups(&self, at: usize) -> &[u32] {
        let end = self.all.get(at + 1).map_or(self.groups.len(), |next| next.groups as usize);
        &self.groups[self.all[at].groups as usize..end]
    }

    /// Whether the row holds this text for these groups already.
    fn says(&self, at: usize, entry: &Entry) -> bool {
        self.groups(at) == entry.groups
            && self.text(at).strip_suffix(b"\n") == Some(fold(&entry.text).as_bytes())
    }

    fn append(&mut self, key: &[u8], revision: u64, entry: &Entry) {
        let text = fold(&entry.text);
        self.push(key, revision, entry.facts, &entry.groups, text.as_bytes());
    }

    /// A row with its text already folded. An arena of more than 4 GiB takes
    /// no more: those records are found by their reference only.
    fn push(&mut self, key: &[u8], revision: u64, facts: u64, groups: &[u32], text: &[u8]) {
        let begin = |length: usize| u32::try_from(length).ok();
        let (Some(row), Some(text_at), Some(key_at), Some(groups_at)) = (
            begin(self.all.len()),
            begin(self.text.len() + text.len() + 1).and(begin(self.text.len())),
            begin(self.keys.len()),
            begin(self.groups.len()),
        ) else {
            return;
        };
        self.all.push(Row { text: text_at, key: key_at, groups: groups_at, facts, revision });
        self.text.extend_from_slice(text);
        self.text.push(b'\n');
        self.keys.extend_from_slice(key);
        self.groups.extend_from_slice(groups);
        let hash = self.hasher.hash_one(key);
        match self.places.get(&hash) {
            Some(other) if self.key(*other as usize) != key => {
                self.crowded.insert(key.to_vec(), row);
            }
            _ => {
                self.places.insert(hash, row);
            }
        }
    }

    /// Takes a row of another arena over.
    fn take(&mut self, other: &Self, at: usize) {
        let row = other.all[at];
        if row.revision > 0 {
            let text = other.text(at);
            let text = text.strip_suffix(b"\n").unwrap_or(text);
            self.push(other.key(at), row.revision, row.facts, other.groups(at), text);
        }
    }

    fn drop_row(&mut self, at: usize, key: &[u8]) {
        self.all[at].revision = 0;
        self.dropped += 1;
        if self.crowded.remove(key).is_none() {
            let hash = self.hasher.hash_one(key);
            self.places.remove(&hash);
            // Somebody who had to stand aside for it may take its place.
            let next = self.crowded.iter().find(|(other, _)| self.hasher.hash_one(other) == hash);
            if let Some((other, row)) = next.map(|(other, row)| (other.clone(), *row)) {
                self.crowded.remove(&other);
                self.places.insert(hash, row);
            }
        }
    }

    /// Moves the rows together once half of them are dropped.
    fn tidy(&mut self) {
        if self.dropped < LITTER || self.dropped * 2 < self.all.len() {
            return;
        }
        let old = std::mem::take(self);
        self.generation = old.generation + 1;
        self.removed.clone_from(&old.removed);
        self.reserve(old.all.len() - old.dropped, old.text.len() / 2);
        for at in 0..old.all.len() {
            self.take(&old, at);
        }
    }

    /// The hits of rows `begin..end`, from the last to the first, until one
    /// more than `limit` was found.
    fn search(
        &self,
        finder: &Finder<'_>,
        (begin, end): (usize, usize),
        wanted: &impl Fn(Seen<'_>) -> bool,
        found: &mut Found,
        limit: usize,
    ) {
        let mut end = end.min(self.all.len());
        let mut hits = Vec::new();
        while end > begin {
            let block = end.saturating_sub(BLOCK).max(begin);
            hits.clear();
            if finder.needle().is_empty() {
                hits.extend(block..end);
            } else {
                self.hits(finder, block, end, &mut hits);
            }
            for &at in hits.iter().rev() {
                let row = &self.all[at];
                let seen = Seen { facts: row.facts, groups: self.groups(at) };
                if row.revision == 0 || !wanted(seen) {
                    continue;
                }
                if found.keys.len() == limit {
                    found.more = true;
                    return;
                }
                found.keys.push(self.key(at).to_vec());
            }
            end = block;
        }
    }

    /// Rows of one block whose text contains the needle.
    fn hits(&self, finder: &Finder<'_>, begin: usize, end: usize, hits: &mut Vec<usize>) {
        let last = self.text_begin(end);
        let mut from = self.text_begin(begin);
        let mut row = begin;
        while let Some(offset) = finder.find(&self.text[from..last]) {
            let at = from + offset;
            row += self.all[row..end].partition_point(|one| one.text as usize <= at) - 1;
            hits.push(row);
            row += 1;
            if row == end {
                break;
            }
            from = self.text_begin(row);
        }
    }
}

#[cfg(test)]
mod tests {
    use minicbor::{Decode, Encode};

    use super::*;
    use crate::store::{Batch, Row as Stored, Table};

    #[derive(Clone, Debug, PartialEq, Encode, Decode)]
    struct Note {
        #[n(0)]
        id: u32,
        #[n(1)]
        text: String,
        #[n(2)]
        facts: u64,
    }

    impl Record for Note {
        const TABLE: Table = Table::Held;

        fn key(&self) -> Vec<u8> {
            self.id.to_be_bytes().to_vec()
        }
    }

    fn entry(note: &Note) -> Entry {
        let order = i64::from(note.id);
        Entry { text: note.text.clone(), facts: note.facts, groups: vec![note.id % 3], order }
    }

    async fn put(store: &Store, id: u32, text: &str, facts: u64) {
        let old: Option<Stored<Note>> = store.find(&id.to_be_bytes()).await.unwrap();
        let mut batch = Batch::new();
        batch.upsert(old.as_ref(), &Note { id, text: text.to_owned(), facts });
        store.commit(batch).await.unwrap();
    }

    async fn remove(store: &Store, id: u32) {
        let old: Stored<Note> = store.find(&id.to_be_bytes()).await.unwrap().unwrap();
        let mut batch = Batch::new();
        batch.remove(&old);
        store.commit(batch).await.unwrap();
    }

    fn ids(found: &Found) -> Vec<u32> {
        let id = |key: &Vec<u8>| u32::from_be_bytes(key.as_slice().try_into().unwrap());
        found.keys.iter().map(id).collect()
    }

    #[tokio::test]
    async fn it_holds_what_stood_there_and_what_comes() {
        let store = Store::in_memory();
        put(&store, 1, "Anna <anna@example.fi>", 1).await;
        put(&store, 2, "Äiti ja ISÄ", 2).await;
        let arena = Arena::follow(&store, false, entry);
        put(&store, 3, "annabel", 1).await;
        remove(&store, 2).await;
        put(&store, 2, "anna again", 2).await;
        remove(&store, 2).await;
        assert!(!arena.is_ready());
        arena.fill(&store, entry).await.unwrap();
        assert!(arena.is_ready());
        assert_eq!(arena.len(), 2);
        let all = |seen: Seen<'_>| seen.facts > 0;
        assert_eq!(ids(&arena.find("ANNA", None, 10, all)), [3, 1]);
        put(&store, 4, "isä 日本語", 4).await;
        assert_eq!(ids(&arena.find("ISÄ", None, 10, all)), [4]);
        assert_eq!(ids(&arena.find("本語", None, 10, all)), [4]);
        put(&store, 1, "Anna <anna@example.fi>", 8).await;
        assert_eq!(ids(&arena.find("", None, 10, |seen| seen.facts == 8)), [1]);
        assert_eq!(ids(&arena.find("", None, 10, |seen| seen.groups == [1])), [4, 1]);
        put(&store, 1, "renamed", 8).await;
        assert_eq!(ids(&arena.find("example", None, 10, all)), Vec::<u32>::new());
        assert_eq!(ids(&arena.find("", None, 10, all)), [1, 4, 3], "a new text is new");
        assert_eq!(arena.find("nowhere", None, 10, all), Found::default());
    }

    #[tokio::test]
    async fn pages_follow_each_other_also_while_rows_come_and_go() {
        let store = Store::in_memory();
        let arena = Arena::follow(&store, false, entry);
        arena.fill(&store, entry).await.unwrap();
        for id in 0..1300 {
            put(&store, id, &format!("note {id} {}", if id % 7 == 0 { "seven" } else { "" }), 1)
                .await;
        }
        let mut seen = Vec::new();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = arena.find("seven", after.as_deref(), 50, |_| true);
            seen.extend(ids(&page));
            after = page.keys.last().cloned();
            if !page.more {
                break;
            }
            put(&store, 10_000 + u32::try_from(seen.len()).unwrap(), "seven, later", 1).await;
            remove(&store, u32::try_from(seen.len()).unwrap() * 3 + 1).await;
        }
        let mut expected: Vec<u32> = (0..1300).filter(|id| id % 7 == 0).rev().collect();
        expected.retain(|id| seen.contains(id) || id % 3 != 1);
        assert_eq!(seen, expected);
    }

    #[tokio::test]
    async fn dropped_rows_give_their_room_back_and_nothing_is_lost() {
        let store = Store::in_memory();
        let arena = Arena::follow(&store, true, entry);
        arena.fill(&store, entry).await.unwrap();
        for round in 0..5u64 {
            for id in 0..2000 {
                put(&store, id, &format!("note {id}"), round + 1).await;
            }
        }
        assert_eq!(arena.len(), 2000);
        assert!(arena.read().all.len() < 2000 + 2 * LITTER);
        assert!(arena.read().generation > 1, "it was tidied");
        let found = arena.find("note 1234", None, 10, |seen| seen.facts == 5);
        assert_eq!(ids(&found), [1234]);
        let all = arena.find("", None, 5000, |_| true);
        assert_eq!(ids(&all), (0..2000).rev().collect::<Vec<_>>());
    }

    /// `cargo nextest run --release --run-ignored only a_million`
    #[tokio::test]
    #[ignore = "a measurement"]
    async fn a_million_rows_are_searched_in_less_than_300_ms() {
        let arena = Arena { rows: RwLock::default(), ready: AtomicBool::new(true), moving: false };
        for id in 0u32..1_000_000 {
            let text = format!(
                "Kari Katto {id} <kari{id}@katto{}.example> bounce+{id}@mailer.example \
                 anna.{id}@example.fi An offer for the roof repair number {id}",
                id % 1000
            );
            let entry = Entry { text, facts: 1, groups: vec![1], order: 0 };
            arena.put(&id.to_be_bytes(), 1, &entry);
        }
        for needle in ["nothing like it", "kari7@", "roof", "@katto999.example", "e"] {
            let begun = std::time::Instant::now();
            let found = arena.find(needle, None, 50, |_| true);
            println!("{needle:?}: {} in {:?}", found.keys.len(), begun.elapsed());
            let begun = std::time::Instant::now();
            let _ = arena.find(needle, None, 50, |seen| seen.facts == 2);
            println!("{needle:?}, all filtered out: {:?}", begun.elapsed());
        }
        println!("{} MiB of text", arena.read().text.len() >> 20);
    }
}

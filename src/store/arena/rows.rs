//! The rows of an arena, in blocks: what is compact, and in which order.
//!
//! A block holds the text, the keys and 24 bytes for each of a few hundred
//! rows, so growing never copies what stands there already. A row's place is
//! found through a table of numbers; the keys themselves stand only in the
//! blocks. Dropped rows give their room back block by block: no change takes
//! longer than rewriting one.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use memchr::memmem::Finder;

use super::sets::Sets;
use super::{Entry, Seen, fold};

/// Of a row's number, how many bits tell it from the others of its block.
const BITS: u32 = 8;
/// Rows of one block, at most.
const ROWS: usize = 1 << BITS;
/// Bytes of text in one block, at most if it has more rows than one. All have
/// the same room from the start: growing would leave holes between them.
const TEXT: usize = 16 << 10;
/// Blocks of one arena.
const BLOCKS: usize = 1 << (32 - BITS);
/// Blocks that one look at the arena takes in.
const STEP: usize = 128;
/// Tables, so that none of them is large when it grows.
const TABLES: usize = 64;
/// The groups of a row that was dropped.
const GONE: u32 = u32::MAX;

/// Everything that an arena holds.
pub(super) struct Rows {
    /// By the upper bits of a row's number; some are free.
    blocks: Vec<Block>,
    free: Vec<u32>,
    /// Blocks in the order of their rows, the latest last.
    order: Vec<u32>,
    /// Hash of a key -> its row's number.
    places: [HashTable<u32>; TABLES],
    hasher: RandomState,
    groups: Sets,
    marks: Sets,
    live: usize,
    /// Goes up with each new block.
    serial: u64,
    /// Goes up when rows move into an older block.
    merges: u64,
}

#[derive(Default)]
struct Block {
    /// Greater than that of every block before it in the order.
    serial: u64,
    rows: Vec<Row>,
    /// Of its rows, how many were not dropped.
    live: usize,
    /// The text of each row, folded, and a line feed.
    text: Vec<u8>,
    keys: Vec<u8>,
}

#[derive(Clone, Copy)]
struct Row {
    /// Where its text ends, and its key.
    text: u32,
    key: u32,
    groups: u32,
    marks: u32,
    facts: u64,
}

/// A row that a search meets.
#[derive(Clone, Copy)]
pub(super) struct Hit<'a> {
    pub seen: Seen<'a>,
    /// Folded.
    pub text: &'a [u8],
    /// Whether it may have been met before.
    pub again: bool,
}

/// Where a walk from the latest to the oldest row has come to: to all rows
/// before the nth of this block. It stays right while rows come and go.
#[derive(Clone, Copy)]
pub(super) struct Cursor {
    serial: u64,
    row: usize,
    merges: u64,
}

impl Default for Rows {
    fn default() -> Self {
        Self {
            blocks: Vec::new(),
            free: Vec::new(),
            order: Vec::new(),
            places: std::array::from_fn(|_| HashTable::new()),
            hasher: RandomState::new(),
            groups: Sets::default(),
            marks: Sets::default(),
            live: 0,
            serial: 0,
            merges: 0,
        }
    }
}

impl Rows {
    pub fn len(&self) -> usize {
        self.live
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        let block = |block: &Block| {
            block.rows.capacity() * size_of::<Row>() + block.text.capacity() + block.keys.capacity()
        };
        self.blocks.iter().map(block).sum::<usize>()
            + self.blocks.capacity() * size_of::<Block>()
            + self.places.iter().map(HashTable::allocation_size).sum::<usize>()
            + (self.order.capacity() + self.free.capacity()) * size_of::<u32>()
            + self.groups.bytes()
            + self.marks.bytes()
    }

    /// Puts a record where its key has a row, or behind all others: with
    /// `moving` always, else if its text or groups are others.
    pub fn put(&mut self, key: &[u8], entry: &Entry, moving: bool) {
        let text = fold(&entry.text);
        self.set(key, text.as_bytes(), entry.facts, (&entry.groups, &entry.marks), moving);
    }

    pub fn remove(&mut self, key: &[u8]) {
        if let Some(place) = self.place(key) {
            self.drop_row(place);
        }
    }

    /// Takes over every row of another arena, in its order.
    pub fn put_all(&mut self, other: &Self, moving: bool) {
        for &block in &other.order {
            for row in 0..other.blocks[block as usize].rows.len() {
                self.take(other, number(block, row), moving);
            }
        }
    }

    /// Takes over one row of another arena, if it was not dropped.
    pub fn take(&mut self, other: &Self, place: u32, moving: bool) {
        let (block, at) = other.row(place);
        let row = block.rows[at];
        if row.groups != GONE {
            let sets = (other.groups.members(row.groups), other.marks.members(row.marks));
            self.set(block.key(at), block.text(at), row.facts, sets, moving);
        }
    }

    /// The number of the row under this key.
    pub fn place(&self, key: &[u8]) -> Option<u32> {
        let hash = self.hasher.hash_one(key);
        self.places[table(hash)].find(hash, |place| self.key(*place) == key).copied()
    }

    /// `text` is folded.
    fn set(
        &mut self,
        key: &[u8],
        text: &[u8],
        facts: u64,
        (groups, marks): (&[u32], &[u32]),
        moving: bool,
    ) {
        let known = self.place(key);
        if let Some(place) = known {
            let (block, at) = self.row(place);
            let row = block.rows[at];
            if !moving && block.text(at) == text && self.groups.members(row.groups) == groups {
                let marks = self.marks.take(marks);
                self.marks.release(row.marks);
                let (block, at) = split(place);
                self.blocks[block as usize].rows[at] = Row { marks, facts, ..row };
                return;
            }
        }
        // Its sets are taken before the old row gives them back.
        let (groups, marks) = (self.groups.take(groups), self.marks.take(marks));
        if let Some(place) = known {
            self.drop_row(place);
        }
        self.append(key, text, facts, groups, marks);
    }

    fn append(&mut self, key: &[u8], text: &[u8], facts: u64, groups: u32, marks: u32) {
        let at = match self.order.last() {
            Some(&last) if self.blocks[last as usize].takes(text) => last,
            last => {
                if let Some(&last) = last {
                    self.blocks[last as usize].shrink();
                }
                self.begin()
            }
        };
        let block = &mut self.blocks[at as usize];
        block.push(key, text, |text, key| Row { text, key, groups, marks, facts });
        self.live += 1;
        let place = number(at, block.rows.len() - 1);
        let hash = self.hasher.hash_one(key);
        let (blocks, hasher) = (&self.blocks, &self.hasher);
        self.places[table(hash)].insert_unique(hash, place, |place| {
            let (block, at) = split(*place);
            hasher.hash_one(blocks[block as usize].key(at))
        });
    }

    /// An empty block behind all others.
    fn begin(&mut self) -> u32 {
        let at = self.free.pop().unwrap_or_else(|| {
            self.blocks.push(Block::default());
            let at = self.blocks.len() - 1;
            assert!(at < BLOCKS, "neighbours hold half a block: that is a billion rows");
            u32::try_from(at).expect("seen above")
        });
        self.serial += 1;
        let block = &mut self.blocks[at as usize];
        block.serial = self.serial;
        block.text.reserve_exact(TEXT);
        self.order.push(at);
        at
    }

    fn drop_row(&mut self, place: u32) {
        let hash = self.hasher.hash_one(self.key(place));
        if let Ok(entry) = self.places[table(hash)].find_entry(hash, |other| *other == place) {
            entry.remove();
        }
        let (at, row) = split(place);
        let block = &mut self.blocks[at as usize];
        let dropped = &mut block.rows[row];
        self.groups.release(dropped.groups);
        self.marks.release(dropped.marks);
        dropped.groups = GONE;
        block.live -= 1;
        self.live -= 1;
        self.tidy(at);
    }

    /// Gives the room of dropped rows back, once half of a block is dropped.
    fn tidy(&mut self, at: u32) {
        let block = &self.blocks[at as usize];
        let (live, rows) = (block.live, block.rows.len());
        let nth = self.order.partition_point(|other| {
            self.blocks[*other as usize].serial < self.blocks[at as usize].serial
        });
        if live == 0 {
            self.end(nth);
            return;
        }
        let fits = |other: usize| {
            let other = self.order.get(other).map(|other| &self.blocks[*other as usize]);
            other.is_some_and(|other| other.live + live <= ROWS / 2)
        };
        if nth > 0 && fits(nth - 1) {
            self.rewrite(self.order[nth - 1], at);
            self.end(nth);
        } else if fits(nth + 1) {
            self.rewrite(at, self.order[nth + 1]);
            self.end(nth + 1);
        } else if live * 2 <= rows {
            self.rewrite(at, at);
        }
    }

    /// Frees the nth block, which has no rows any more.
    fn end(&mut self, nth: usize) {
        let at = self.order.remove(nth);
        self.blocks[at as usize] = Block::default();
        self.free.push(at);
    }

    /// Writes a block anew without its dropped rows, and those of `more`, the
    /// next one, behind them.
    fn rewrite(&mut self, at: u32, more: u32) {
        let serial = self.blocks[at as usize].serial;
        let mut fresh = Block { serial, ..Block::default() };
        let sources = if at == more { &[at][..] } else { &[at, more] };
        for &source in sources {
            let old = &self.blocks[source as usize];
            for (row, kept) in old.rows.iter().enumerate().filter(|(_, row)| row.groups != GONE) {
                let key = old.key(row);
                let hash = self.hasher.hash_one(key);
                let moved = number(at, fresh.rows.len());
                let is_it = |place: &u32| *place == number(source, row);
                // Rows move to lower numbers, in their order: no two have one.
                if let Some(place) = self.places[table(hash)].find_mut(hash, is_it) {
                    *place = moved;
                }
                fresh.push(key, old.text(row), |text, key| Row { text, key, ..*kept });
            }
        }
        fresh.shrink();
        self.blocks[at as usize] = fresh;
        if at != more {
            self.blocks[more as usize].live = 0;
            self.merges += 1;
        }
    }

    /// Where a walk begins: behind the row `after`, or at the latest.
    pub fn begin_walk(&self, after: Option<&[u8]>) -> Cursor {
        let merges = self.merges;
        match after.and_then(|key| self.place(key)) {
            Some(place) => {
                let (block, row) = split(place);
                Cursor { serial: self.blocks[block as usize].serial, row, merges }
            }
            None => Cursor { serial: u64::MAX, row: 0, merges },
        }
    }

    /// Calls `each` with the next blocks of a walk and the number of their
    /// rows that belong to it, until it breaks off; `None`: there are no more.
    fn step<'a>(
        &'a self,
        cursor: Cursor,
        mut each: impl FnMut(&'a Block, usize) -> Option<()>,
    ) -> Option<Cursor> {
        let serial = |nth: usize| self.blocks[self.order[nth] as usize].serial;
        let behind = self
            .order
            .partition_point(|block| self.blocks[*block as usize].serial <= cursor.serial);
        let mut next = cursor;
        for nth in (0..behind).rev().take(STEP) {
            let block = &self.blocks[self.order[nth] as usize];
            let rows = block.rows.len();
            let rows = if serial(nth) == cursor.serial { cursor.row.min(rows) } else { rows };
            each(block, rows)?;
            next = Cursor { serial: block.serial, row: 0, merges: cursor.merges };
        }
        (behind > STEP).then_some(next)
    }

    /// One step of a search: calls `each` with the rows that contain the
    /// needle, from the latest to the oldest, until it breaks off; `None`: it
    /// is at its end.
    pub fn search(
        &self,
        cursor: Cursor,
        finder: &Finder<'_>,
        each: &mut impl FnMut(Hit<'_>) -> Option<()>,
    ) -> Option<Cursor> {
        let mut hits = Vec::new();
        self.step(cursor, |block, rows| {
            hits.clear();
            block.hits(finder, rows, &mut hits);
            for &at in hits.iter().rev().filter(|at| block.rows[**at].groups != GONE) {
                let (seen, text) = (self.seen(block, at), block.text(at));
                // A row that moved into an older block may be met again.
                each(Hit { seen, text, again: self.merges != cursor.merges })?;
            }
            Some(())
        })
    }

    /// The text of the row under this key.
    pub fn text(&self, key: &[u8]) -> Option<&[u8]> {
        self.place(key).map(|place| {
            let (block, at) = self.row(place);
            block.text(at)
        })
    }

    /// One step of a walk over all rows.
    pub fn walk(&self, cursor: Cursor, each: &mut impl FnMut(Seen<'_>)) -> Option<Cursor> {
        self.step(cursor, |block, rows| {
            let live = (0..rows).rev().filter(|at| block.rows[*at].groups != GONE);
            live.for_each(|at| each(self.seen(block, at)));
            Some(())
        })
    }

    fn seen<'a>(&'a self, block: &'a Block, at: usize) -> Seen<'a> {
        let row = &block.rows[at];
        let (groups, marks) = (self.groups.members(row.groups), self.marks.members(row.marks));
        Seen { key: block.key(at), facts: row.facts, groups, marks }
    }

    fn row(&self, place: u32) -> (&Block, usize) {
        let (block, row) = split(place);
        (&self.blocks[block as usize], row)
    }

    fn key(&self, place: u32) -> &[u8] {
        let (block, at) = self.row(place);
        block.key(at)
    }
}

impl Block {
    fn push(&mut self, key: &[u8], text: &[u8], row: impl FnOnce(u32, u32) -> Row) {
        self.text.extend_from_slice(text);
        self.text.push(b'\n');
        self.keys.extend_from_slice(key);
        let end = |bytes: &[u8]| u32::try_from(bytes.len()).expect("256 records are below 4 GiB");
        self.rows.push(row(end(&self.text), end(&self.keys)));
        self.live += 1;
    }

    /// Whether there is room for one more row.
    fn takes(&self, text: &[u8]) -> bool {
        self.rows.len() < ROWS && self.text.len() + text.len() < TEXT
    }

    fn shrink(&mut self) {
        self.rows.shrink_to_fit();
        self.text.shrink_to_fit();
        self.keys.shrink_to_fit();
    }

    fn text_begin(&self, at: usize) -> usize {
        at.checked_sub(1).map_or(0, |before| self.rows[before].text as usize)
    }

    /// Without its line feed.
    fn text(&self, at: usize) -> &[u8] {
        &self.text[self.text_begin(at)..self.rows[at].text as usize - 1]
    }

    fn key(&self, at: usize) -> &[u8] {
        let begin = at.checked_sub(1).map_or(0, |before| self.rows[before].key as usize);
        &self.keys[begin..self.rows[at].key as usize]
    }

    /// Of the first `rows`, those whose text contains the needle.
    fn hits(&self, finder: &Finder<'_>, rows: usize, hits: &mut Vec<usize>) {
        if finder.needle().is_empty() {
            hits.extend(0..rows);
            return;
        }
        let last = self.text_begin(rows);
        let (mut row, mut from) = (0, 0);
        while let Some(offset) = finder.find(&self.text[from..last]) {
            let at = from + offset;
            row += self.rows[row..rows].partition_point(|one| one.text as usize <= at);
            hits.push(row);
            row += 1;
            from = self.text_begin(row);
        }
    }
}

/// The number of the nth row of a block.
fn number(block: u32, row: usize) -> u32 {
    (block << BITS) + u32::try_from(row).expect("a block has 256 rows")
}

fn split(place: u32) -> (u32, usize) {
    (place >> BITS, place as usize % ROWS)
}

/// Which of the tables: by bits that a table itself does not look at first.
fn table(hash: u64) -> usize {
    usize::try_from(hash >> 48).expect("16 bits") % TABLES
}

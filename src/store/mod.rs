//! Bytes that last: what `commit` has answered with [`Committed`] survives a
//! power cut.
//!
//! The store moves bytes; the modules above give them meaning. Its interface
//! is small: [`Store::get`], [`Store::scan`], [`Store::body`] and
//! [`Store::commit`]. [`Store::find`], [`Store::page`] and [`Store::referred`]
//! are the same for typed [`Record`]s. Every domain decision is one [`Batch`].
//!
//! `Store` is an enum of its engines and not a trait: the set is closed.

pub mod arena;
mod batch;
mod checkpoint;
pub mod counter;
mod embedded;
mod listing;
mod memory;
pub mod record;
pub mod table;
mod watch;

pub use batch::{Batch, Body};
pub use counter::Counter;
#[doc(hidden)]
pub use embedded::read_anything as read_any_frame;
pub use embedded::{
    Disk, EmbeddedSettings, Expected, Health, IndexEngine, OpenError, Opened, Point, Report, State,
    Swept, Torn,
};
pub use listing::{Listing, Unreadable};
pub use record::{Record, Row};
pub use table::{Index, Table};
pub use watch::News;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use self::record::Schema;
use self::watch::Watchers;

/// Records read at a time where all of them are.
const PAGE: usize = 1000;

/// Names a stored body (a message with its envelope): a `UUIDv7`.
pub type BodyId = uuid::Uuid;

/// Where everything is kept. Clones share one engine.
#[derive(Clone)]
pub struct Store {
    engine: Engine,
    watchers: Watchers,
}

#[derive(Clone)]
enum Engine {
    /// The twin of the real engines for tests; production refuses it.
    Memory(memory::Memory),
    Embedded(embedded::Embedded),
}

/// A stored value with the revision that conditional writes name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// Sequence number of the batch that wrote it last; never 0.
    pub revision: u64,
    pub bytes: Bytes,
}

/// Which way a range of keys is walked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Toward {
    /// From the first key.
    #[default]
    Last,
    /// From the last key down.
    First,
}

impl Toward {
    /// What a range holds, from the end that comes first.
    fn walk<R: DoubleEndedIterator>(self, mut range: R) -> impl Iterator<Item = R::Item> {
        std::iter::from_fn(move || match self {
            Self::Last => range.next(),
            Self::First => range.next_back(),
        })
    }
}

/// The answer to a batch that is on stable storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Its sequence number: the revision of everything it put.
    pub sequence: u64,
}

/// Why a batch was not carried out. Nothing of it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A check failed: somebody else wrote this key first. Read again, decide
    /// again.
    #[error("another change came first (key {0:02x?})")]
    Conflict(Vec<u8>),
    /// Less free space than the reserve: answer 452 4.3.1.
    #[error("the store's disk is full")]
    Full,
    /// The store is poisoned, stopping or overloaded: answer 451 4.3.0.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// Nobody knows (a database lost at COMMIT): read again by the batch's
    /// keys, else answer 451.
    #[error("the outcome is not known")]
    Unknown,
}

/// Why something could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// A checksum or a record's encoding is wrong; run `reprieve store verify`.
    #[error("stored bytes are damaged: {0}")]
    Damaged(String),
    /// The record was written by a newer version of this program.
    #[error("{0} was written by a newer version of reprieve; do not go back to this one")]
    Newer(String),
}

impl Store {
    fn of(engine: Engine) -> Self {
        Self { engine, watchers: Watchers::default() }
    }

    /// Tells `watcher` of every change of `table` from now on, on the thread
    /// that writes: it must be quick and may not wait.
    pub fn watch(&self, table: Table, watcher: impl Fn(&News<'_>) + Send + Sync + 'static) {
        self.watchers.add(table, Arc::new(watcher));
    }

    /// A store that keeps everything in memory and forgets it: for tests.
    pub fn in_memory() -> Self {
        Self::of(Engine::Memory(memory::Memory::default()))
    }

    /// Opens the store in `folder`, or begins one there. Blocks for as long as
    /// replaying and, if need be, rebuilding takes.
    ///
    /// # Errors
    /// [`OpenError`], a sentence that says what is wrong and what to do.
    pub fn open(folder: &Path, settings: EmbeddedSettings) -> Result<(Self, Opened), OpenError> {
        let (embedded, opened) = embedded::Embedded::open(folder, settings, None)?;
        Ok((Self::of(Engine::Embedded(embedded)), opened))
    }

    /// Carries out what was asked before and leaves the mark of a clean stop.
    /// Everything asked afterwards is refused. A store that is only dropped
    /// has lost nothing, but its next start takes that for a crash.
    pub async fn close(&self) {
        match &self.engine {
            Engine::Memory(_) => {}
            Engine::Embedded(embedded) => embedded.close().await,
        }
    }

    /// How the store is doing; cheap enough to ask for each connection.
    pub fn health(&self) -> Health {
        match &self.engine {
            Engine::Memory(memory) => memory.health(),
            Engine::Embedded(embedded) => embedded.health(),
        }
    }

    /// Would a new message be taken? For SMTP's MAIL command, which answers
    /// 452 4.3.1 otherwise.
    pub fn free_space_ok(&self) -> bool {
        self.health().state != State::Full
    }

    /// Says that a batch is on its way, until the answer is dropped. While
    /// several are, a group waits a moment for more of them, so that one sync
    /// serves them all; nothing depends on it.
    pub fn expect(&self) -> Expected {
        match &self.engine {
            Engine::Memory(_) => Expected::default(),
            Engine::Embedded(embedded) => embedded.expect(),
        }
    }

    /// Writes every live record into a checkpoint now, and removes the journal
    /// that two of them cover. The store does this by itself.
    ///
    /// # Errors
    /// [`Fault`] if it could not be written; the older ones then stay.
    pub async fn checkpoint(&self) -> Result<(), Fault> {
        match &self.engine {
            Engine::Memory(_) => Ok(()),
            Engine::Embedded(embedded) => embedded.checkpoint().await,
        }
    }

    /// Removes segments of past days in which nothing lives, and bodies of no
    /// batch that are an hour old. The store does this each hour by itself.
    ///
    /// # Errors
    /// [`Fault`] if something could not be read or removed.
    pub async fn sweep(&self) -> Result<Swept, Fault> {
        match &self.engine {
            Engine::Memory(_) => Ok(Swept::default()),
            Engine::Embedded(embedded) => embedded.sweep().await,
        }
    }

    /// Writes the whole store as it stands at one moment into the file
    /// `archive`, while work goes on.
    ///
    /// # Errors
    /// [`OpenError`] if something could not be read or written.
    pub async fn backup(&self, archive: &Path) -> Result<(), OpenError> {
        match &self.engine {
            Engine::Memory(_) => Err(OpenError::Archive("memory is not backed up".into())),
            Engine::Embedded(embedded) => embedded.backup(archive).await,
        }
    }

    /// Makes a store of an archive, in a folder that is new or empty; answers
    /// the sequence number of its last batch.
    ///
    /// # Errors
    /// [`OpenError`]; the folder is then no store.
    pub fn restore(archive: &Path, folder: &Path) -> Result<u64, OpenError> {
        embedded::archive::restore(archive, folder)
    }

    /// Checks a store that is not running: every frame, checkpoint, record,
    /// index key and message.
    ///
    /// # Errors
    /// [`OpenError`] if it cannot be opened at all; what else is wrong stands
    /// in the report.
    pub fn verify(folder: &Path, schemas: &[Schema]) -> Result<Report, OpenError> {
        embedded::verify(folder, schemas)
    }

    /// Builds the index of a store that is not running anew, with this engine.
    ///
    /// # Errors
    /// [`OpenError`] as for [`Store::open`].
    pub fn rebuild(folder: &Path, index: IndexEngine) -> Result<Opened, OpenError> {
        embedded::rebuild(folder, index)
    }

    /// The value under `key`, if any.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    #[expect(clippy::unused_async, reason = "an engine in a database waits here")]
    pub async fn get(&self, key: &[u8]) -> Result<Option<Value>, Fault> {
        match &self.engine {
            Engine::Memory(memory) => Ok(memory.get(key)),
            Engine::Embedded(embedded) => embedded.get(key),
        }
    }

    /// At most `limit` pairs with `from <= key < to`, in key order.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn scan(
        &self,
        from: &[u8],
        to: &[u8],
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Value)>, Fault> {
        self.walk((from, to), Toward::Last, limit).await
    }

    /// At most `limit` pairs of a range, from one of its ends.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    async fn walk(
        &self,
        range: (&[u8], &[u8]),
        toward: Toward,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Value)>, Fault> {
        match &self.engine {
            Engine::Memory(memory) => Ok(memory.scan(range, toward, limit)),
            Engine::Embedded(embedded) => embedded.scan(range, toward, limit).await,
        }
    }

    /// A body's content; `None` if it was never stored or has been erased.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read it or its checksum is wrong.
    pub async fn body(&self, id: BodyId) -> Result<Option<Bytes>, Fault> {
        match &self.engine {
            Engine::Memory(memory) => Ok(memory.body(id)),
            Engine::Embedded(embedded) => embedded.body(id).await,
        }
    }

    /// Carries out `batch` whole or not at all. When this returns
    /// [`Committed`], its bodies and records are on stable storage.
    ///
    /// # Errors
    /// [`Refusal`], and then nothing of the batch was carried out (save
    /// [`Refusal::Unknown`]).
    pub async fn commit(&self, mut batch: Batch) -> Result<Committed, Refusal> {
        batch.after = self.watchers.after(&batch.changes);
        match &self.engine {
            Engine::Memory(memory) => memory.commit(batch),
            Engine::Embedded(embedded) => embedded.commit(batch).await,
        }
    }

    /// The record under its key, with the revision to update it by.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read it.
    pub async fn find<R: Record>(&self, key: &[u8]) -> Result<Option<Row<R>>, Fault> {
        self.get(&R::TABLE.key(key)).await?.map(Row::read).transpose()
    }

    /// At most `limit` records in key order, beginning behind the key `after`
    /// (empty: from the first).
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read them.
    pub async fn page<R: Record>(&self, after: &[u8], limit: usize) -> Result<Vec<Row<R>>, Fault> {
        self.page_toward(Toward::Last, after, limit).await
    }

    /// The same from either end: with [`Toward::First`] the last key comes
    /// first, and the page lies before the key `after`.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read them.
    pub async fn page_toward<R: Record>(
        &self,
        toward: Toward,
        after: &[u8],
        limit: usize,
    ) -> Result<Vec<Row<R>>, Fault> {
        let rows = self.pairs::<R>(toward, after, limit).await?;
        rows.into_iter().map(|(_, value)| Row::read(value)).collect()
    }

    /// Calls `each` with every record of a table, in key order, a page at a
    /// time: for views in memory that are read at start.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read them.
    pub async fn each<R: Record>(&self, mut each: impl FnMut(Row<R>)) -> Result<(), Fault> {
        let mut after = Vec::new();
        loop {
            let rows = self.page::<R>(&after, PAGE).await?;
            let Some(last) = rows.last().filter(|_| rows.len() == PAGE) else {
                rows.into_iter().for_each(each);
                return Ok(());
            };
            after = last.record.key();
            rows.into_iter().for_each(&mut each);
        }
    }

    /// Primary keys that stand in `index` under keys with `from <= key < to`,
    /// in index order, at most `limit`.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn referred(
        &self,
        index: Index,
        from: &[u8],
        to: &[u8],
        limit: usize,
    ) -> Result<Vec<Vec<u8>>, Fault> {
        let rows = self.scan(&index.key(from), &index.key(to), limit).await?;
        Ok(rows.into_iter().map(|(_, value)| value.bytes.to_vec()).collect())
    }

    /// Index keys with `from <= key < to`, each with the primary key that it
    /// ends with, from either end, beginning behind the index key `after`
    /// (empty: at that end).
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn references(
        &self,
        index: Index,
        (from, to): (&[u8], &[u8]),
        toward: Toward,
        (after, limit): (&[u8], usize),
    ) -> Result<Vec<Reference>, Fault> {
        let (mut from, mut to) = (index.key(from), index.key(to));
        narrow(&mut from, &mut to, toward, index.key(after), after.is_empty());
        let rows = self.walk((&from, &to), toward, limit).await?;
        let reference = |(stored, value): (Vec<u8>, Value)| Reference {
            cursor: stored[1..].to_vec(),
            key: value.bytes.to_vec(),
        };
        Ok(rows.into_iter().map(reference).collect())
    }

    /// The same for every index key that begins with `prefix`.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn referred_by(
        &self,
        index: Index,
        prefix: &[u8],
        limit: usize,
    ) -> Result<Vec<Vec<u8>>, Fault> {
        let mut from = index.key(prefix);
        let mut to = from.clone();
        while let Some(last) = to.last_mut() {
            if *last < 0xff {
                *last += 1;
                break;
            }
            to.pop();
        }
        let rows = self.scan(&std::mem::take(&mut from), &to, limit).await?;
        Ok(rows.into_iter().map(|(_, value)| value.bytes.to_vec()).collect())
    }
}

/// An entry of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Its place in the index, to go on behind.
    pub cursor: Vec<u8>,
    /// The record's primary key.
    pub key: Vec<u8>,
}

/// Begins a range behind the stored key `after`, unless it begins at its end.
fn narrow(from: &mut Vec<u8>, to: &mut Vec<u8>, toward: Toward, after: Vec<u8>, at_end: bool) {
    match toward {
        _ if at_end => {}
        Toward::Last => {
            let mut behind = after;
            behind.push(0);
            // A cursor from elsewhere widens nothing.
            if behind > *from {
                *from = behind;
            }
        }
        Toward::First if after < *to => *to = after,
        Toward::First => {}
    }
}

//! Bytes that last: what `commit` has answered with [`Committed`] survives a
//! power cut.
//!
//! The store moves bytes; the modules above give them meaning. Its interface
//! is small: [`Store::get`], [`Store::scan`], [`Store::body`] and
//! [`Store::commit`]. [`Store::find`], [`Store::page`] and [`Store::referred`]
//! are the same for typed [`Record`]s. Every domain decision is one [`Batch`].
//!
//! `Store` is an enum of its engines and not a trait: the set is closed.

mod batch;
pub mod counter;
mod memory;
pub mod record;
pub mod table;

pub use batch::{Batch, Body};
pub use counter::Counter;
pub use record::{Record, Row};
pub use table::{Index, Table};

use bytes::Bytes;

/// Names a stored body (a message with its envelope): a UUIDv7.
pub type BodyId = uuid::Uuid;

/// Where everything is kept. Clones share one engine.
#[derive(Clone)]
pub struct Store {
    engine: Engine,
}

#[derive(Clone)]
enum Engine {
    /// The twin of the real engines for tests; production refuses it.
    Memory(memory::Memory),
}

/// A stored value with the revision that conditional writes name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// Sequence number of the batch that wrote it last; never 0.
    pub revision: u64,
    pub bytes: Bytes,
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
    /// A store that keeps everything in memory and forgets it: for tests.
    pub fn in_memory() -> Self {
        Self { engine: Engine::Memory(memory::Memory::default()) }
    }

    /// The value under `key`, if any.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn get(&self, key: &[u8]) -> Result<Option<Value>, Fault> {
        match &self.engine {
            Engine::Memory(memory) => Ok(memory.get(key)),
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
        match &self.engine {
            Engine::Memory(memory) => Ok(memory.scan(from, to, limit)),
        }
    }

    /// A body's content; `None` if it was never stored or has been erased.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read it or its checksum is wrong.
    pub async fn body(&self, id: BodyId) -> Result<Option<Bytes>, Fault> {
        match &self.engine {
            Engine::Memory(memory) => Ok(memory.body(id)),
        }
    }

    /// Carries out `batch` whole or not at all. When this returns
    /// [`Committed`], its bodies and records are on stable storage.
    ///
    /// # Errors
    /// [`Refusal`], and then nothing of the batch was carried out (save
    /// [`Refusal::Unknown`]).
    pub async fn commit(&self, batch: Batch) -> Result<Committed, Refusal> {
        match &self.engine {
            Engine::Memory(memory) => memory.commit(batch),
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
        let mut from = R::TABLE.key(after);
        if !after.is_empty() {
            from.push(0);
        }
        let rows = self.scan(&from, &R::TABLE.end(), limit).await?;
        rows.into_iter().map(|(_, value)| Row::read(value)).collect()
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

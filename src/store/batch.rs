//! A batch: the checks, puts, deletes and bodies of one decision.
//!
//! Checks name one key each (absent, or of this revision); puts and deletes
//! are absolute. [`Batch::insert`], [`Batch::update`] and [`Batch::remove`]
//! keep the index keys of a record right, and are the only way to write one.

use bytes::Bytes;

use super::BodyId;
use super::record::{Record, Row, encode, stored_index_keys};
use super::watch::After;
use crate::clock::Timestamp;

/// What must be true of a key for the batch to be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Check {
    pub key: Vec<u8>,
    /// `None`: the key is absent.
    pub revision: Option<u64>,
}

/// One absolute change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Put(Vec<u8>, Bytes),
    Delete(Vec<u8>),
}

/// A body that a batch stores.
#[derive(Clone, Debug)]
pub struct Body {
    pub id: BodyId,
    /// Bodies are grouped by the day on which they may be unlinked.
    pub expires: Timestamp,
    pub content: Bytes,
}

/// One decision, carried out whole or not at all.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub(super) checks: Vec<Check>,
    pub(super) changes: Vec<Change>,
    pub(super) bodies: Vec<Body>,
    pub(super) erased: Vec<BodyId>,
    /// Whom the store tells of it.
    pub(super) after: After,
    /// Whether it would rather wait a moment than be synced alone.
    pub(super) patient: bool,
}

impl Batch {
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether it would do nothing at all.
    pub fn is_empty(&self) -> bool {
        self.checks.is_empty()
            && self.changes.is_empty()
            && self.bodies.is_empty()
            && self.erased.is_empty()
    }

    /// Writes a record that must not exist yet.
    pub fn insert<R: Record>(&mut self, record: &R) -> &mut Self {
        let key = R::TABLE.key(&record.key());
        self.checks.push(Check { key: key.clone(), revision: None });
        self.write(key, &[], record)
    }

    /// Writes `new` over the record that was read as `old`. Both have the
    /// same key.
    pub fn update<R: Record>(&mut self, old: &Row<R>, new: &R) -> &mut Self {
        let key = R::TABLE.key(&old.record.key());
        debug_assert_eq!(key, R::TABLE.key(&new.key()));
        self.checks.push(Check { key: key.clone(), revision: Some(old.revision) });
        self.write(key, &stored_index_keys(&old.record), new)
    }

    /// Writes over `old`, or inserts where there was none.
    pub fn upsert<R: Record>(&mut self, old: Option<&Row<R>>, new: &R) -> &mut Self {
        match old {
            Some(old) => self.update(old, new),
            None => self.insert(new),
        }
    }

    /// Deletes the record that was read as `old`.
    pub fn remove<R: Record>(&mut self, old: &Row<R>) -> &mut Self {
        self.require(old);
        for key in stored_index_keys(&old.record) {
            self.changes.push(Change::Delete(key));
        }
        self.changes.push(Change::Delete(R::TABLE.key(&old.record.key())));
        self
    }

    /// The record must still be as it was read.
    pub fn require<R: Record>(&mut self, old: &Row<R>) -> &mut Self {
        let key = R::TABLE.key(&old.record.key());
        self.checks.push(Check { key, revision: Some(old.revision) });
        self
    }

    /// No record may stand under this key.
    pub fn require_absent<R: Record>(&mut self, key: &[u8]) -> &mut Self {
        self.checks.push(Check { key: R::TABLE.key(key), revision: None });
        self
    }

    /// Stores a body; it is durable before the records of this batch are.
    pub fn body(&mut self, body: Body) -> &mut Self {
        self.bodies.push(body);
        self
    }

    /// Erases a body once this batch is durable.
    pub fn erase(&mut self, id: BodyId) -> &mut Self {
        self.erased.push(id);
        self
    }

    /// Nobody waits for this decision: while mail comes in, it may wait some
    /// milliseconds to be synced together with that.
    pub fn patient(&mut self) -> &mut Self {
        self.patient = true;
        self
    }

    fn write<R: Record>(&mut self, key: Vec<u8>, old: &[Vec<u8>], new: &R) -> &mut Self {
        let primary = Bytes::from(new.key());
        let wanted = stored_index_keys(new);
        for gone in old.iter().filter(|key| !wanted.contains(key)) {
            self.changes.push(Change::Delete(gone.clone()));
        }
        for fresh in wanted.into_iter().filter(|key| !old.contains(key)) {
            self.changes.push(Change::Put(fresh, primary.clone()));
        }
        self.changes.push(Change::Put(key, Bytes::from(encode(new))));
        self
    }
}

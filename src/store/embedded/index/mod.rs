//! The index over the journal: every live key with its value, ready to read.
//!
//! It may be thrown away: a checkpoint and the journal behind it rebuild it.
//! So an index promises order and atomicity of a batch, and durability only
//! when [`Index::persist`] returns. Two engines: sled, and redb for large
//! installations.

pub(super) mod redb;
pub(super) mod sled;

use std::path::Path;

use super::{EmbeddedSettings, IndexEngine};
use crate::store::{Toward, Value};

/// Keys at and above this byte are an index's own and not the store's.
pub(super) const RESERVED: u8 = 0xf8;

/// An absolute change to one key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Op<'a> {
    pub sequence: u64,
    pub key: &'a [u8],
    /// `None` deletes the key.
    pub value: Option<&'a [u8]>,
}

/// Why an index cannot go on, in its engine's words.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the index: {0}")]
pub(super) struct IndexFault(pub String);

/// The identity of the store that an index belongs to, and how far it knows
/// the journal. An index without it is empty, half built or foreign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sentinel {
    pub store: [u8; 16],
    pub applied: u64,
}

impl Sentinel {
    pub fn to_bytes(self) -> [u8; 28] {
        let mut bytes = [0; 28];
        bytes[..16].copy_from_slice(&self.store);
        bytes[16..24].copy_from_slice(&self.applied.to_le_bytes());
        let own = crc32c::crc32c(&bytes[..24]);
        bytes[24..].copy_from_slice(&own.to_le_bytes());
        bytes
    }

    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (body, own) = bytes.split_at_checked(24)?;
        if own != crc32c::crc32c(body).to_le_bytes() {
            return None;
        }
        let (store, applied) = body.split_at(16);
        Some(Self {
            store: store.try_into().ok()?,
            applied: u64::from_le_bytes(applied.try_into().ok()?),
        })
    }
}

pub(super) trait Index: Send + Sync {
    fn get(&self, key: &[u8]) -> Result<Option<Value>, IndexFault>;

    /// At most `limit` pairs with `from <= key < to`, the first or the last of
    /// them in front.
    fn scan(
        &self,
        range: (&[u8], &[u8]),
        toward: Toward,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Value)>, IndexFault>;

    /// Carries out `ops`, which are in order of their sequence numbers. With a
    /// `sentinel` the index is complete up to its `applied`; without one it is
    /// being built.
    fn apply(&self, ops: &[Op<'_>], sentinel: Option<Sentinel>) -> Result<(), IndexFault>;

    /// What stands in it; `None` in a new or half-built one.
    fn sentinel(&self) -> Result<Option<Sentinel>, IndexFault>;

    /// Makes what was applied durable.
    fn persist(&self) -> Result<(), IndexFault>;

    /// Is [`Index::persist`] cheap enough for the committer?
    fn persists_often(&self) -> bool;
}

/// Opens or creates the index of `engine` in `folder`.
pub(super) fn open(
    folder: &Path,
    engine: IndexEngine,
    settings: &EmbeddedSettings,
) -> Result<Box<dyn Index>, IndexFault> {
    match engine {
        IndexEngine::Sled => Ok(Box::new(sled::Sled::open(folder, settings.sled_cache)?)),
        IndexEngine::Redb => Ok(Box::new(redb::Redb::open(folder, settings.redb_cache)?)),
    }
}

/// Revision and bytes as both engines keep them.
fn value_of(stored: &[u8]) -> Result<Value, IndexFault> {
    let (revision, bytes) =
        stored.split_first_chunk::<8>().ok_or_else(|| IndexFault("a value too short".into()))?;
    Ok(Value {
        revision: u64::from_le_bytes(*revision),
        bytes: bytes::Bytes::copy_from_slice(bytes),
    })
}

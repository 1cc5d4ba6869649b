//! The index for large installations: redb 4.
//!
//! One transaction per group with `Durability::None`; a durable one with
//! `quick_repair` when the committer asks ([`Index::persist`]), so that it
//! opens fast after a crash at the last durable state. Never `compact()`: it
//! takes 40 s and 1.1 GB at a million records.

use std::fs;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use redb::{Builder, Database, Durability, ReadOnlyTable, ReadableDatabase, TableDefinition};

use super::{Index, IndexFault, Op, Sentinel, value_of};
use crate::store::{Toward, Value};

const PAIRS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("pairs");
const STATE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("state");

type Pairs = ReadOnlyTable<&'static [u8], &'static [u8]>;

pub(super) struct Redb {
    database: Database,
    /// The pairs as they are, for everybody who reads: opening them costs
    /// more than reading one. Nothing while they change, because what is open
    /// keeps its pages from being used again.
    open: RwLock<Option<Arc<Pairs>>>,
}

impl Redb {
    /// `cache`: bytes.
    pub fn open(folder: &Path, cache: usize) -> Result<Self, IndexFault> {
        fs::create_dir_all(folder).map_err(fault)?;
        let path = folder.join("index.redb");
        let opened = std::panic::catch_unwind(|| {
            let database = Builder::new().set_cache_size(cache).create(&path)?;
            let transaction = database.begin_write()?;
            transaction.open_table(PAIRS)?;
            transaction.open_table(STATE)?;
            transaction.commit()?;
            Ok::<_, redb::Error>(database)
        });
        let opened = opened.map_err(|_| IndexFault("redb panicked while opening".into()))?;
        Ok(Self { database: opened.map_err(fault)?, open: RwLock::default() })
    }

    fn pairs(&self) -> Result<Arc<Pairs>, IndexFault> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner).clone();
        open.map_or_else(|| self.open_pairs(), Ok)
    }

    fn open_pairs(&self) -> Result<Arc<Pairs>, IndexFault> {
        let reading = self.database.begin_read().map_err(fault)?;
        Ok(Arc::new(reading.open_table(PAIRS).map_err(fault)?))
    }

    /// Lends the pairs to readers, or no longer.
    fn lend(&self, pairs: Option<Arc<Pairs>>) {
        *self.open.write().unwrap_or_else(PoisonError::into_inner) = pairs;
    }
}

impl Index for Redb {
    fn get(&self, key: &[u8]) -> Result<Option<Value>, IndexFault> {
        let stored = self.pairs()?.get(key).map_err(fault)?;
        stored.map(|stored| value_of(stored.value())).transpose()
    }

    fn scan(
        &self,
        (from, to): (&[u8], &[u8]),
        toward: Toward,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Value)>, IndexFault> {
        if from >= to {
            return Ok(Vec::new());
        }
        let pairs = self.pairs()?;
        let range = pairs.range::<&[u8]>(from..to).map_err(fault)?;
        let found = toward.walk(range).take(limit).map(|pair| {
            let (key, stored) = pair.map_err(fault)?;
            Ok((key.value().to_vec(), value_of(stored.value())?))
        });
        found.collect()
    }

    fn apply(&self, ops: &[Op<'_>], sentinel: Option<Sentinel>) -> Result<(), IndexFault> {
        self.lend(None);
        let mut transaction = self.database.begin_write().map_err(fault)?;
        transaction.set_durability(Durability::None).map_err(fault)?;
        {
            let mut pairs = transaction.open_table(PAIRS).map_err(fault)?;
            let mut stored = Vec::new();
            for op in ops {
                match op.value {
                    Some(value) => {
                        stored.clear();
                        stored.extend_from_slice(&op.sequence.to_le_bytes());
                        stored.extend_from_slice(value);
                        pairs.insert(op.key, stored.as_slice()).map_err(fault)?;
                    }
                    None => drop(pairs.remove(op.key).map_err(fault)?),
                }
            }
            if let Some(sentinel) = sentinel {
                let mut state = transaction.open_table(STATE).map_err(fault)?;
                state.insert("sentinel", sentinel.to_bytes().as_slice()).map_err(fault)?;
            }
        }
        transaction.commit().map_err(fault)?;
        self.lend(Some(self.open_pairs()?));
        Ok(())
    }

    fn sentinel(&self) -> Result<Option<Sentinel>, IndexFault> {
        let state = self.database.begin_read().map_err(fault)?.open_table(STATE).map_err(fault)?;
        let stored = state.get("sentinel").map_err(fault)?;
        Ok(stored.and_then(|stored| Sentinel::from_bytes(stored.value())))
    }

    fn persist(&self) -> Result<(), IndexFault> {
        self.lend(None);
        let mut transaction = self.database.begin_write().map_err(fault)?;
        transaction.set_durability(Durability::Immediate).map_err(fault)?;
        transaction.set_quick_repair(true);
        transaction.commit().map_err(fault)?;
        self.lend(Some(self.open_pairs()?));
        Ok(())
    }

    fn persists_often(&self) -> bool {
        true
    }
}

fn fault(error: impl std::fmt::Display) -> IndexFault {
    IndexFault(error.to_string())
}

//! Who is told what was committed, at once and in the order of the commits.
//!
//! For structures in memory that follow a table ([`super::arena`]). The engine
//! itself tells them, between making a batch visible and answering it: a
//! caller who was cancelled meanwhile cannot keep them from knowing. Watchers
//! run on the thread that writes, so they must be quick and may not wait.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;

use super::Table;
use super::batch::Change;

/// One committed change of a record.
#[derive(Debug)]
pub struct News<'a> {
    /// The record's primary key.
    pub key: &'a [u8],
    /// Its stored bytes; `None`: it was removed.
    pub value: Option<&'a Bytes>,
    pub revision: u64,
}

type Watcher = Arc<dyn Fn(&News<'_>) + Send + Sync>;

/// Everybody who follows a table. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Watchers(Arc<RwLock<Vec<(Table, Watcher)>>>);

/// What is to be told once a batch is committed; takes its revision.
#[derive(Default)]
pub(super) struct After(Option<Box<dyn FnOnce(u64) + Send>>);

impl Watchers {
    pub fn add(&self, table: Table, watcher: Watcher) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push((table, watcher));
    }

    /// What these changes will have told.
    pub fn after(&self, changes: &[Change]) -> After {
        let watchers = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut told = Vec::new();
        for change in changes {
            let (key, value) = match change {
                Change::Put(key, value) => (key, Some(value)),
                Change::Delete(key) => (key, None),
            };
            for (table, watcher) in watchers.iter() {
                if key.first() == Some(&(*table as u8)) {
                    told.push((Arc::clone(watcher), key.clone(), value.cloned()));
                }
            }
        }
        if told.is_empty() {
            return After(None);
        }
        After(Some(Box::new(move |revision| {
            for (watcher, key, value) in told {
                watcher(&News { key: &key[1..], value: value.as_ref(), revision });
            }
        })))
    }
}

impl After {
    pub fn tell(self, revision: u64) {
        if let Some(told) = self.0 {
            told(revision);
        }
    }
}

impl Clone for After {
    /// A copy of a batch is told by the store that it is given to.
    fn clone(&self) -> Self {
        Self(None)
    }
}

impl fmt::Debug for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("After")
    }
}

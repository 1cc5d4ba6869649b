//! The in-memory twin of the engines: the model that they are tested against,
//! and the store of tests that need no disk.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::batch::Change;
use super::{Batch, BodyId, Committed, Health, Refusal, Toward, Value};

#[derive(Clone, Default)]
pub(super) struct Memory {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    sequence: u64,
    pairs: BTreeMap<Vec<u8>, Value>,
    bodies: HashMap<BodyId, Bytes>,
}

impl Memory {
    pub fn get(&self, key: &[u8]) -> Option<Value> {
        self.lock().pairs.get(key).cloned()
    }

    pub fn scan(
        &self,
        (from, to): (&[u8], &[u8]),
        toward: Toward,
        limit: usize,
    ) -> Vec<(Vec<u8>, Value)> {
        if from >= to {
            return Vec::new();
        }
        let range = (Bound::Included(from), Bound::Excluded(to));
        let state = self.lock();
        let pairs = state.pairs.range::<[u8], _>(range);
        let pairs = toward.walk(pairs).take(limit);
        pairs.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    pub fn body(&self, id: BodyId) -> Option<Bytes> {
        self.lock().bodies.get(&id).cloned()
    }

    pub fn commit(&self, batch: Batch) -> Result<Committed, Refusal> {
        let mut state = self.lock();
        for check in &batch.checks {
            if state.pairs.get(&check.key).map(|value| value.revision) != check.revision {
                return Err(Refusal::Conflict(check.key.clone()));
            }
        }
        state.sequence += 1;
        let sequence = state.sequence;
        for change in batch.changes {
            match change {
                Change::Put(key, bytes) => {
                    state.pairs.insert(key, Value { revision: sequence, bytes });
                }
                Change::Delete(key) => {
                    state.pairs.remove(&key);
                }
            }
        }
        for body in batch.bodies {
            state.bodies.insert(body.id, body.content);
        }
        for id in batch.erased {
            state.bodies.remove(&id);
        }
        batch.after.tell(sequence);
        Ok(Committed { sequence })
    }

    pub fn health(&self) -> Health {
        let sequence = self.lock().sequence;
        Health { state: super::State::Ready, free: u64::MAX, journal: 0, sequence }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

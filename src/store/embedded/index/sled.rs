//! The default index: sled 0.34.7, which is not durable by itself.
//!
//! Its `flush` is `sync_file_range` and it may open *empty* after a power cut,
//! so it is believed only with a sentinel that fits the journal. `flush_async`
//! deadlocks and is never called; `flush` runs in one thread at checkpoints,
//! followed by our own fsync of its `db` file. Opening may panic, so it
//! happens in a thread of its own. Values over 4 KiB are cut into chunks under
//! keys of our own; batches have at most 100 operations.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use bytes::{BufMut, Bytes, BytesMut};
use sled::{Batch, Config, Db};

use super::{Index, IndexFault, Op, Sentinel};
use crate::store::{Toward, Value};

/// Operations in one sled batch; with 2,000 a rebuild wrote 9.5 GB.
const BATCH: usize = 100;
/// Bytes of one stored value.
const CHUNK: usize = 4000;
/// Key byte of chunks, and the key of the sentinel: above the store's keys.
const CHUNKS: u8 = 0xf8;
const SENTINEL: &[u8] = &[0xf9];
/// Behind the revision: the whole value follows, or only its first chunk.
const WHOLE: u8 = 0;
const CUT: u8 = 1;
/// How often a read that met a concurrent rewrite is begun again.
const READS: usize = 100;

pub(super) struct Sled {
    db: Db,
    folder: PathBuf,
}

impl Sled {
    /// `cache`: bytes.
    pub fn open(folder: &Path, cache: u64) -> Result<Self, IndexFault> {
        fs::create_dir_all(folder).map_err(fault)?;
        let config = Config::new().path(folder).cache_capacity(cache).flush_every_ms(None);
        let opening = std::thread::Builder::new().name("store-sled-open".into());
        let opened = opening.spawn(move || {
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || config.open()))
        });
        let db = opened
            .map_err(fault)?
            .join()
            .map_err(|_| IndexFault("sled died while opening".into()))?
            .map_err(|_| IndexFault("sled panicked while opening".into()))?
            .map_err(fault)?;
        Ok(Self { db, folder: folder.to_owned() })
    }

    /// `None`: the value was rewritten between two reads; read again.
    fn whole(&self, key: &[u8], stored: &[u8]) -> Result<Option<Value>, IndexFault> {
        let short = || IndexFault("a value too short".into());
        let (head, rest) = stored.split_first_chunk::<9>().ok_or_else(short)?;
        let revision = revision_of(head);
        if head[8] == WHOLE {
            return Ok(Some(Value { revision, bytes: Bytes::copy_from_slice(rest) }));
        }
        let (length, first) = rest.split_first_chunk::<4>().ok_or_else(short)?;
        let length = u32::from_le_bytes(*length) as usize;
        let mut bytes = BytesMut::with_capacity(length);
        bytes.put_slice(first);
        for nth in 1..chunks(length) {
            match self.db.get(chunk_key(key, revision, nth)).map_err(fault)? {
                Some(chunk) => bytes.put_slice(&chunk),
                None => return Ok(None),
            }
        }
        if bytes.len() == length {
            Ok(Some(Value { revision, bytes: bytes.freeze() }))
        } else {
            Err(IndexFault("a value whose chunks do not fit".into()))
        }
    }

    /// Adds what one operation does to `batch`; answers how many operations
    /// that were.
    fn add(&self, batch: &mut Batch, op: &Op<'_>) -> Result<usize, IndexFault> {
        let mut added = 1;
        // Only records are ever cut; index keys hold a primary key.
        if op.key.first().is_some_and(|first| *first < 0x80)
            && let Some(old) = self.db.get(op.key).map_err(fault)?
            && let Some((head, rest)) = old.split_first_chunk::<9>()
            && head[8] == CUT
            && let Some((length, _)) = rest.split_first_chunk::<4>()
        {
            let count = chunks(u32::from_le_bytes(*length) as usize);
            // Replaying a batch writes the same revision again.
            if revision_of(head) != op.sequence || op.value.is_none() {
                for nth in 1..count {
                    batch.remove(chunk_key(op.key, revision_of(head), nth));
                    added += 1;
                }
            }
        }
        let Some(value) = op.value else {
            batch.remove(op.key);
            return Ok(added);
        };
        let mut stored = Vec::with_capacity(13 + value.len().min(CHUNK));
        stored.extend_from_slice(&op.sequence.to_le_bytes());
        if value.len() <= CHUNK {
            stored.push(WHOLE);
            stored.extend_from_slice(value);
        } else {
            let length = u32::try_from(value.len()).map_err(fault)?;
            stored.push(CUT);
            stored.extend_from_slice(&length.to_le_bytes());
            stored.extend_from_slice(&value[..CHUNK]);
            for (nth, chunk) in value.chunks(CHUNK).enumerate().skip(1) {
                batch.insert(chunk_key(op.key, op.sequence, nth), chunk);
                added += 1;
            }
        }
        batch.insert(op.key, stored);
        Ok(added)
    }
}

impl Index for Sled {
    fn get(&self, key: &[u8]) -> Result<Option<Value>, IndexFault> {
        for _ in 0..READS {
            let Some(stored) = self.db.get(key).map_err(fault)? else { return Ok(None) };
            if let Some(value) = self.whole(key, &stored)? {
                return Ok(Some(value));
            }
        }
        Err(IndexFault("a value whose chunks are missing".into()))
    }

    fn scan(
        &self,
        (from, to): (&[u8], &[u8]),
        toward: Toward,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Value)>, IndexFault> {
        let to = to.min(&[super::RESERVED][..]);
        if from >= to {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        let mut range = toward.walk(self.db.range(from..to));
        while found.len() < limit {
            let Some(pair) = range.next() else { break };
            let (key, stored) = pair.map_err(fault)?;
            let value = match self.whole(&key, &stored)? {
                Some(value) => Some(value),
                None => self.get(&key)?,
            };
            found.extend(value.map(|value| (key.to_vec(), value)));
        }
        Ok(found)
    }

    fn apply(&self, ops: &[Op<'_>], sentinel: Option<Sentinel>) -> Result<(), IndexFault> {
        let mut batch = Batch::default();
        let mut count = 0;
        // `applied` of a part names the last batch that is whole in it, so
        // that a batch in two parts is carried out again after a crash.
        let mut complete = None;
        let mut at = 0;
        while at < ops.len() {
            let sequence = ops[at].sequence;
            let length = ops[at..].iter().take_while(|op| op.sequence == sequence).count();
            if count > 0 && count + length + 1 > BATCH {
                self.write(&mut batch, &mut count, complete)?;
            }
            for op in &ops[at..at + length] {
                if count + 1 >= BATCH {
                    self.write(&mut batch, &mut count, complete)?;
                }
                count += self.add(&mut batch, op)?;
            }
            at += length;
            complete = sentinel.map(|sentinel| Sentinel { applied: sequence, ..sentinel });
            // `add` looks for old chunks in the tree, not in this batch.
            if ops[at - length..at].iter().any(|op| op.value.is_some_and(|v| v.len() > CHUNK)) {
                self.write(&mut batch, &mut count, complete)?;
            }
        }
        self.write(&mut batch, &mut count, sentinel)
    }

    fn sentinel(&self) -> Result<Option<Sentinel>, IndexFault> {
        let stored = self.db.get(SENTINEL).map_err(fault)?;
        Ok(stored.and_then(|stored| Sentinel::from_bytes(&stored)))
    }

    fn persist(&self) -> Result<(), IndexFault> {
        self.db.flush().map_err(fault)?;
        let file = File::open(self.folder.join("db")).map_err(fault)?;
        file.sync_all().map_err(fault)?;
        File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(fault)
    }

    fn persists_often(&self) -> bool {
        false
    }
}

impl Sled {
    fn write(
        &self,
        batch: &mut Batch,
        count: &mut usize,
        sentinel: Option<Sentinel>,
    ) -> Result<(), IndexFault> {
        let mut full = std::mem::take(batch);
        *count = 0;
        if let Some(sentinel) = sentinel {
            full.insert(SENTINEL, sentinel.to_bytes().as_slice());
        }
        self.db.apply_batch(full).map_err(fault)
    }
}

fn chunks(length: usize) -> usize {
    length.div_ceil(CHUNK)
}

fn revision_of(head: &[u8; 9]) -> u64 {
    let mut revision = [0; 8];
    revision.copy_from_slice(&head[..8]);
    u64::from_le_bytes(revision)
}

fn chunk_key(key: &[u8], revision: u64, nth: usize) -> Vec<u8> {
    let mut stored = Vec::with_capacity(key.len() + 13);
    stored.push(CHUNKS);
    stored.extend_from_slice(key);
    stored.extend_from_slice(&revision.to_be_bytes());
    stored.extend_from_slice(&u32::try_from(nth).unwrap_or(u32::MAX).to_be_bytes());
    stored
}

fn fault(error: impl std::fmt::Display) -> IndexFault {
    IndexFault(error.to_string())
}

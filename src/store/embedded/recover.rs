//! Opening a store: what the last run left, checked and made whole.
//!
//! The journal is the truth. The index is believed only if it opens, carries
//! this store's sentinel and fits the journal; on any doubt it is set aside
//! and built again from the newest checkpoint and the journal behind it.
//! Replay carries out absolute puts and deletes, never a check, never a clock.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::bodies::Location;
use super::disk::sync_folder;
use super::folder::{
    checkpoints, identity, index_folder, lock, make_folder, read_clean_mark, remove_clean_mark,
    same_place, sync_path, write_place,
};
use super::frame::{self, Frame};
use super::index::{self, Index, Op, Sentinel};
use super::journal::{self, End, Segment, Tear};
use super::{EmbeddedSettings, IndexEngine, OpenError, Opened, Torn, on};
use crate::store::BodyId;
use crate::store::checkpoint::{self, Entry, Next};

/// Operations, and bytes of journal, applied at once while rebuilding.
const PORTION: usize = 5_000;
const PORTION_BYTES: usize = 1 << 20;

/// A store that may be written to.
pub(super) struct Recovered {
    pub index: Box<dyn Index>,
    pub store: [u8; 16],
    pub end: End,
    pub segments: Vec<Segment>,
    pub opened: Opened,
    /// Held open: one process for each folder.
    pub lock: File,
}

/// What the folder shows before anything is changed.
struct Evidence {
    store: [u8; 16],
    checkpoints: Vec<(u64, PathBuf)>,
    segments: Vec<Segment>,
    clean: Option<End>,
}

impl Evidence {
    /// Nothing was ever written.
    fn is_new(&self) -> bool {
        self.checkpoints.is_empty() && self.segments.is_empty()
    }

    /// Batches up to this one are durable, whatever the journal's end says.
    fn known(&self) -> u64 {
        self.checkpoints.last().map_or(0, |(from, _)| *from)
    }
}

/// Why an index is not believed, and how far it says that it got.
struct Doubt {
    why: String,
    applied: u64,
}

pub(super) fn recover(
    folder: &Path,
    settings: &EmbeddedSettings,
    distrust: Option<&str>,
) -> Result<Recovered, OpenError> {
    if !folder.exists() {
        make_folder(folder)?;
        let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
        sync_path(parent.unwrap_or(Path::new(".")))?;
    }
    let lock = lock(folder)?;
    for name in ["journal", "bodies", "checkpoints", "index", "aside"] {
        let path = folder.join(name);
        fs::create_dir_all(&path).map_err(on("create", &path))?;
    }
    let mut evidence = Evidence {
        store: identity(folder)?,
        checkpoints: checkpoints(&folder.join("checkpoints"))?,
        segments: journal::segments(&folder.join("journal"))?,
        clean: read_clean_mark(folder)?,
    };
    sync_folder(folder).map_err(on("sync", folder))?;
    let mut opened = Opened { clean: evidence.clean.is_some(), ..Opened::default() };
    let believed = match distrust {
        Some(why) => Err(Doubt { why: why.into(), applied: 0 }),
        None => believe(folder, settings, &evidence),
    };
    let (index, replayed) = match believed {
        Ok((index, applied)) => {
            let replayed = replay(&evidence, &*index, applied, applied)?;
            (index, replayed)
        }
        Err(doubt) => rebuild(folder, settings, &evidence, &doubt, &mut opened)?,
    };
    if let Some(tear) = &replayed.tear {
        opened.torn = Some(cut_tear(folder, tear, replayed.end.last)?);
        evidence.segments = journal::segments(&folder.join("journal"))?;
    } else if let Some(last) = evidence.segments.last() {
        cut_room(last, replayed.end.length)?;
    }
    if replayed.batches > 0 || opened.rebuilt.is_some() {
        index.persist()?;
    }
    remove_clean_mark(folder)?;
    write_place(folder)?;
    opened.replayed = replayed.batches;
    opened.sequence = replayed.end.last;
    let (store, segments) = (evidence.store, evidence.segments);
    Ok(Recovered { index, store, end: replayed.end, segments, opened, lock })
}

/// Opens the index that stands there, if it can be believed.
fn believe(
    folder: &Path,
    settings: &EmbeddedSettings,
    evidence: &Evidence,
) -> Result<(Box<dyn Index>, u64), Doubt> {
    let doubt = |why: &str, applied| Doubt { why: why.into(), applied };
    let path = index_folder(folder, settings.index);
    if !path.exists() {
        let other = IndexEngine::ALL.into_iter().find(|e| index_folder(folder, *e).exists());
        return Err(match other {
            Some(other) => Doubt { why: format!("it was kept by {}", other.name()), applied: 0 },
            None => doubt("there was none", 0),
        });
    }
    // sled's own order of writing is only as good as the page cache: after a
    // crash of the machine it is not asked.
    let moved = evidence.clean.is_none() && !same_place(folder);
    if settings.index == IndexEngine::Sled && moved {
        return Err(doubt("the machine stopped without warning", 0));
    }
    let index = index::open(&path, settings.index, settings)
        .map_err(|fault| Doubt { why: fault.0, applied: 0 })?;
    match index.sentinel().map_err(|fault| Doubt { why: fault.0, applied: 0 })? {
        None => Err(doubt("it was empty or half built", 0)),
        Some(found) if found.store != evidence.store => Err(doubt("it is of another store", 0)),
        Some(found) => {
            let oldest = evidence.segments.first().map_or(1, |segment| segment.first);
            if found.applied + 1 < oldest {
                return Err(doubt("it is older than the journal", found.applied));
            }
            Ok((index, found.applied))
        }
    }
}

struct Replayed {
    end: End,
    tear: Option<Tear>,
    batches: u64,
}

/// Applies the journal behind `from`. Everything up to `reached` is known to
/// have been durable.
fn replay(
    evidence: &Evidence,
    index: &dyn Index,
    from: u64,
    reached: u64,
) -> Result<Replayed, OpenError> {
    let must_reach = evidence.known().max(reached);
    let mut waiting: Vec<(Frame, Vec<u8>)> = Vec::new();
    let (mut bytes, mut batches) = (0, 0);
    let whole = evidence.clean.is_some();
    let walked = journal::walk(&evidence.segments, from, must_reach, whole, |frame, payload| {
        bytes += payload.len();
        batches += u64::from(frame.count);
        waiting.push((frame.clone(), payload.to_vec()));
        if bytes >= PORTION_BYTES {
            bytes = 0;
            apply(index, evidence.store, &waiting, from)?;
            waiting.clear();
        }
        Ok(())
    });
    let (end, tear) = walked?;
    let end = reaches(evidence, end, must_reach)?;
    apply(index, evidence.store, &waiting, from)?;
    Ok(Replayed { end, tear, batches })
}

/// Refuses a journal that ends before what is known to have been written.
fn reaches(evidence: &Evidence, mut end: End, must_reach: u64) -> Result<End, OpenError> {
    if let Some(clean) = &evidence.clean
        && *clean != end
    {
        return Err(OpenError::JournalShort { ends: end.last, known: clean.last });
    }
    if end.last < must_reach {
        // A restored store that was never written to has no journal yet.
        if !evidence.segments.is_empty() || evidence.clean.is_some() {
            return Err(OpenError::JournalShort { ends: end.last, known: must_reach });
        }
        end.last = must_reach;
    }
    Ok(end)
}

fn apply(
    index: &dyn Index,
    store: [u8; 16],
    frames: &[(Frame, Vec<u8>)],
    from: u64,
) -> Result<(), OpenError> {
    let mut ops = Vec::new();
    let mut applied = 0;
    for (frame, payload) in frames {
        let read = frame::ops(payload, frame.first, frame.count, |sequence, op| {
            if sequence > from {
                ops.push(index_op(sequence, op));
            }
        });
        read.ok_or(OpenError::Foreign { sequence: frame.first })?;
        applied = frame.last();
    }
    if applied > 0 {
        index.apply(&ops, Some(Sentinel { store, applied }))?;
    }
    Ok(())
}

/// Builds the index anew. The old one is set aside, not deleted, until the
/// next rebuild.
fn rebuild(
    folder: &Path,
    settings: &EmbeddedSettings,
    evidence: &Evidence,
    doubt: &Doubt,
    opened: &mut Opened,
) -> Result<(Box<dyn Index>, Replayed), OpenError> {
    if !evidence.is_new() {
        // Rot is found before anything is changed.
        let from = evidence.known();
        let must_reach = from.max(doubt.applied);
        let whole = evidence.clean.is_some();
        let (end, _) = journal::walk(&evidence.segments, from, must_reach, whole, |_, _| Ok(()))?;
        reaches(evidence, end, must_reach)?;
        opened.rebuilt = Some(doubt.why.clone());
    }
    let path = index_folder(folder, settings.index);
    set_aside(folder, &path)?;
    let mut failed = Vec::new();
    for (_, checkpoint) in evidence.checkpoints.iter().rev() {
        let index = index::open(&path, settings.index, settings)?;
        match load(checkpoint, &*index, evidence.store) {
            Ok((records, from, to)) => {
                opened.records = records;
                let replayed = replay(evidence, &*index, from, doubt.applied.max(to))?;
                remove_other_engines(folder, settings.index)?;
                return Ok((index, replayed));
            }
            Err(Load::Index(error)) => return Err(error),
            Err(Load::Checkpoint(error)) => {
                failed.push(format!("{}: {error}", checkpoint.display()));
                drop(index);
                fs::remove_dir_all(&path).map_err(on("remove", &path))?;
            }
        }
    }
    let oldest = evidence.segments.first().map_or(1, |segment| segment.first);
    if oldest > 1 {
        return Err(OpenError::NoCheckpoint { oldest, failed: failed.join("; ") });
    }
    let index = index::open(&path, settings.index, settings)?;
    index.apply(&[], Some(Sentinel { store: evidence.store, applied: 0 }))?;
    let replayed = replay(evidence, &*index, 0, doubt.applied)?;
    remove_other_engines(folder, settings.index)?;
    Ok((index, replayed))
}

enum Load {
    /// Try an older one.
    Checkpoint(io::Error),
    Index(OpenError),
}

impl From<io::Error> for Load {
    fn from(error: io::Error) -> Self {
        Self::Checkpoint(error)
    }
}

impl From<index::IndexFault> for Load {
    fn from(fault: index::IndexFault) -> Self {
        Self::Index(fault.into())
    }
}

/// Loads a checkpoint into an empty index: number of records, first and last
/// batch of its span. The sentinel is written last of all.
fn load(path: &Path, index: &dyn Index, store: [u8; 16]) -> Result<(u64, u64, u64), Load> {
    let mut reader = checkpoint::open(path)?;
    if reader.head.store != store {
        return Err(io::Error::other("it is of another store").into());
    }
    let mut records = 0;
    let mut pairs = Vec::with_capacity(PORTION);
    let mut waiting = 0;
    loop {
        match reader.next()? {
            Next::Entry(Entry::Pair { key, revision, value }) => {
                records += u64::from(key.first().is_some_and(|first| *first < 0x80));
                waiting += value.len();
                pairs.push((key, revision, value));
                if pairs.len() == PORTION || waiting >= PORTION_BYTES {
                    put_all(index, &pairs, None)?;
                    pairs.clear();
                    waiting = 0;
                }
            }
            Next::Entry(_) => return Err(io::Error::other("it is a backup").into()),
            Next::End(trailer) => {
                let from = reader.head.from;
                put_all(index, &pairs, Some(Sentinel { store, applied: from }))?;
                return Ok((records, from, trailer.to));
            }
        }
    }
}

fn put_all(
    index: &dyn Index,
    pairs: &[(bytes::Bytes, u64, bytes::Bytes)],
    sentinel: Option<Sentinel>,
) -> Result<(), index::IndexFault> {
    let ops: Vec<_> = pairs
        .iter()
        .map(|(key, revision, value)| Op { sequence: *revision, key, value: Some(value) })
        .collect();
    index.apply(&ops, sentinel)
}

/// What an operation of the journal means for the index.
pub(super) fn index_op(sequence: u64, op: frame::Op<'_>) -> Op<'_> {
    match op {
        frame::Op::Put { key, value } => Op { sequence, key, value: Some(value) },
        frame::Op::Delete { key } | frame::Op::Erase { key, .. } => {
            Op { sequence, key, value: None }
        }
    }
}

/// The bodies that a frame erases.
pub(super) fn erasures(frame: &Frame, payload: &[u8], found: &mut Vec<(BodyId, Location)>) {
    frame::ops(payload, frame.first, frame.count, |_, op| {
        if let frame::Op::Erase { key, location } = op
            && let Some(id) = key.get(1..).and_then(|id| BodyId::from_slice(id).ok())
            && let Some(location) = Location::from_bytes(location)
        {
            found.push((id, location));
        }
    });
}

/// Copies a torn end aside, then cuts it off.
fn cut_tear(folder: &Path, tear: &Tear, last: u64) -> Result<Torn, OpenError> {
    let bytes = fs::read(&tear.path).map_err(on("read", &tear.path))?;
    let torn = bytes.get(usize::try_from(tear.offset).unwrap_or(usize::MAX)..).unwrap_or_default();
    let aside = folder.join("aside").join(format!("torn-after-{last:016x}"));
    fs::write(&aside, torn).map_err(on("write", &aside))?;
    sync_path(&aside)?;
    sync_path(&folder.join("aside"))?;
    if tear.offset == 0 {
        fs::remove_file(&tear.path).map_err(on("remove", &tear.path))?;
        sync_path(&folder.join("journal"))?;
    } else {
        let file = OpenOptions::new().write(true).open(&tear.path);
        let cut = file.and_then(|file| file.set_len(tear.offset).and_then(|()| file.sync_all()));
        cut.map_err(on("cut", &tear.path))?;
    }
    tracing::warn!(
        file = %tear.path.display(),
        offset = tear.offset,
        aside = %aside.display(),
        "the last group of the journal was torn and has been cut; nobody was answered for it"
    );
    let (file, offset, bytes) = (tear.path.clone(), tear.offset, torn.len() as u64);
    Ok(Torn { file, offset, bytes, aside })
}

/// Cuts off the zeros that a busy journal had ahead of it when it crashed, so
/// that from here on the journal ends where it says.
fn cut_room(last: &Segment, end: u64) -> Result<(), OpenError> {
    let cut = OpenOptions::new().write(true).open(&last.path).and_then(|file| {
        if file.metadata()?.len() > end {
            file.set_len(end)?;
            file.sync_all()?;
        }
        Ok(())
    });
    cut.map_err(on("cut", &last.path))
}

fn set_aside(folder: &Path, index: &Path) -> Result<(), OpenError> {
    if !index.exists() {
        return Ok(());
    }
    let aside = folder.join("aside").join("index");
    if aside.exists() {
        fs::remove_dir_all(&aside).map_err(on("remove", &aside))?;
    }
    fs::rename(index, &aside).map_err(on("set aside", index))
}

fn remove_other_engines(folder: &Path, kept: IndexEngine) -> Result<(), OpenError> {
    for engine in IndexEngine::ALL.into_iter().filter(|engine| *engine != kept) {
        let path = index_folder(folder, engine);
        if path.exists() {
            fs::remove_dir_all(&path).map_err(on("remove", &path))?;
        }
    }
    Ok(())
}

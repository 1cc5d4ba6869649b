//! The thread that tidies behind the committer: erasing, checkpoints, sweeps.
//!
//! It never writes to the journal or decides anything. One chore at a time,
//! under a lock that a backup holds as well, so that nothing which a backup
//! has yet to read goes away. A checkpoint is taken only after the erasures
//! that were asked before it, so none is forgotten with the journal.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::bodies::{self, Bodies, Location, day_of, location_key};
use super::committer::EVERYTHING;
use super::disk::{Disk, Point, sync_folder};
use super::index::Index;
use super::status::Status;
use super::{EmbeddedSettings, OpenError, folder, journal, on, recover};
use crate::clock::{SignedDuration, Timestamp};
use crate::store::checkpoint::{Head, Writer};
use crate::store::{BodyId, Fault, Toward};

/// How often it looks around by itself.
const ROUND: Duration = Duration::from_mins(1);
const SWEEP: Duration = Duration::from_hours(1);
/// Bodies erased before one sync.
const ERASURES: usize = 4096;
/// How long erasures wait for others: a hole in a segment that is still written
/// to makes the next sync of it, which mail waits for, a sync of the file
/// system's own journal.
const TOGETHER: Duration = Duration::from_secs(5);
/// Pairs read at once.
const PAGE: usize = 1000;

pub(super) enum Chore {
    /// Punch these out; their keys are gone, durably.
    Erase(Vec<(BodyId, Location)>),
    /// Is a checkpoint due?
    Look,
    Checkpoint(Sender<Result<(), String>>),
    Sweep(Sender<Result<Swept, String>>),
    Stop,
}

/// What a sweep removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Body segments of past days in which nothing lived.
    pub segments: u64,
    /// Bodies whose batch was never carried out.
    pub orphans: u64,
}

pub(super) struct Keeper {
    pub folder: PathBuf,
    pub settings: EmbeddedSettings,
    pub disk: Disk,
    pub status: Arc<Status>,
    pub index: Arc<dyn Index>,
    pub bodies: Bodies,
    pub store: [u8; 16],
    /// Held by a backup while it reads.
    pub quiet: Arc<Mutex<()>>,
    /// The start followed a crash: erasures may not have reached the disk, and
    /// the last segments may end in bodies of no batch.
    pub after_crash: bool,
    /// Segments that stood at the start and may end in such bodies.
    pub suspects: Vec<PathBuf>,
}

impl Keeper {
    /// Works until it is stopped or everybody has gone.
    pub fn run(mut self, chores: &Receiver<Chore>) {
        let quiet = Arc::clone(&self.quiet);
        if self.after_crash {
            let _quiet = quiet.lock().unwrap_or_else(PoisonError::into_inner);
            self.log("erasing again what was erased before the crash", Self::erase_again);
        }
        let began = self.settings.clock.now();
        let mut swept = Instant::now();
        let mut pending = None;
        loop {
            let mut chore = pending.take().map_or_else(|| chores.recv_timeout(ROUND), Ok);
            if let Ok(Chore::Erase(erased)) = &mut chore {
                pending = gather(erased, chores);
            }
            let _quiet = quiet.lock().unwrap_or_else(PoisonError::into_inner);
            match chore {
                Ok(Chore::Erase(erased)) => {
                    self.log("erasing messages", |keeper| keeper.erase(&erased));
                }
                Ok(Chore::Checkpoint(answer)) => {
                    let _ = answer.send(self.checkpoint().map_err(|error| error.to_string()));
                }
                Ok(Chore::Sweep(answer)) => {
                    let _ = answer.send(self.sweep().map_err(|error| error.to_string()));
                }
                Ok(Chore::Look) | Err(RecvTimeoutError::Timeout) => {
                    if self.is_checkpoint_due(began) {
                        self.log("taking a checkpoint", Self::checkpoint);
                    }
                    if swept.elapsed() >= SWEEP {
                        self.log("sweeping bodies", |keeper| keeper.sweep().map(drop));
                        swept = Instant::now();
                    }
                }
                Ok(Chore::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Tidying that fails is tried again later; nobody's mail depends on it.
    fn log(&mut self, what: &str, work: impl FnOnce(&mut Self) -> Result<(), OpenError>) {
        if let Err(error) = work(self) {
            tracing::warn!(%error, "{what} failed");
        }
    }

    fn erase(&self, erased: &[(BodyId, Location)]) -> Result<(), OpenError> {
        if erased.is_empty() {
            return Ok(());
        }
        self.disk.pass(Point::BeforePunch);
        let mut touched = BTreeSet::new();
        for (id, location) in erased {
            let erased = self.bodies.erase(*id, location);
            touched.extend(erased.map_err(on("erase a message in", self.bodies.folder()))?);
        }
        for path in touched {
            let synced = File::open(&path).and_then(|file| file.sync_all());
            match synced {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                synced => synced.map_err(on("sync", &path))?,
            }
        }
        Ok(())
    }

    /// Every erasure that the journal still holds, once more.
    fn erase_again(&mut self) -> Result<(), OpenError> {
        let segments = journal::segments(&self.folder.join("journal"))?;
        let oldest = segments.first().map_or(1, |segment| segment.first);
        let mut erased = Vec::new();
        journal::follow(&segments, oldest - 1, |frame, payload| {
            recover::erasures(frame, payload, &mut erased);
            Ok(())
        })?;
        self.erase(&erased)
    }

    /// By size, so that starts stay fast; and each day on which anything was
    /// written, so that what was erased leaves a quiet store too.
    fn is_checkpoint_due(&self, began: Timestamp) -> bool {
        let newest = folder::checkpoints(&self.folder.join("checkpoints"));
        let newest = newest.ok().and_then(|mut found| found.pop());
        let changed = newest.as_ref().map_or(Some(began), |(_, path)| changed(path));
        let day = SignedDuration::from_hours(24);
        let aged = changed.is_none_or(|time| self.settings.clock.now().duration_since(time) > day);
        let written = self.status.sequence() > newest.map_or(0, |(from, _)| from);
        written && (aged || self.status.journal() >= self.settings.checkpoint_bytes)
    }

    fn checkpoint(&mut self) -> Result<(), OpenError> {
        let (from, covered) = (self.status.sequence(), self.status.journal());
        let folder = self.folder.join("checkpoints");
        let unfinished = folder.join("unfinished");
        let file = File::create(&unfinished).map_err(on("write", &unfinished))?;
        let head = Head { store: self.store, from };
        let mut writer = Writer::begin(file, head).map_err(on("write", &unfinished))?;
        each_pair(&*self.index, EVERYTHING, |key, revision, value| {
            writer.pair(key, revision, value).map_err(on("write", &unfinished))
        })?;
        let known = self.index.sentinel()?.map_or(from, |sentinel| sentinel.applied);
        writer.finish(known).map_err(on("write", &unfinished))?;
        self.disk.pass(Point::CheckpointWritten);
        let path = folder.join(format!("{from:016x}.checkpoint"));
        fs::rename(&unfinished, &path).map_err(on("rename", &unfinished))?;
        sync_folder(&folder).map_err(on("sync", &folder))?;
        self.index.persist()?;
        self.status.saved(from);
        self.status.covered(covered);
        self.status.ask_new_segment();
        // What was set aside at a rebuild holds erased records as well.
        match fs::remove_dir_all(self.folder.join("aside").join("index")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, "removing the index that was set aside failed");
            }
            _ => {}
        }
        self.forget()
    }

    /// Removes all checkpoints but two, and the journal that both of them and
    /// the index cover.
    fn forget(&self) -> Result<(), OpenError> {
        let mut checkpoints = folder::checkpoints(&self.folder.join("checkpoints"))?;
        let keep = checkpoints.split_off(checkpoints.len().saturating_sub(2));
        for (_, path) in &checkpoints {
            fs::remove_file(path).map_err(on("remove", path))?;
        }
        let [(second, _), _] = keep.as_slice() else { return Ok(()) };
        let covered = self.status.saved_up_to().min(*second);
        let segments = journal::segments(&self.folder.join("journal"))?;
        for pair in segments.windows(2) {
            if pair[1].first > covered + 1 {
                break;
            }
            fs::remove_file(&pair[0].path).map_err(on("remove", &pair[0].path))?;
        }
        Ok(())
    }

    /// Unlinks segments of past days in which nothing lives, and removes
    /// bodies of no batch that are an hour old.
    fn sweep(&mut self) -> Result<Swept, OpenError> {
        let now = self.settings.clock.now();
        let folder = self.bodies.folder().to_owned();
        let mut swept = Swept::default();
        // In this order: a segment that is closed here gets no body any more,
        // so what the index names in it afterwards is all that it ever will.
        let (segments, files) = self.bodies.list().map_err(on("list", &folder))?;
        let open = self.bodies.open_segments();
        let ends = self.live_ends()?;
        let suspects = std::mem::take(&mut self.suspects);
        for (day, serial, path) in segments {
            if open.contains(&(day, serial)) || !is_old(&path, now) {
                self.suspects.extend(suspects.contains(&path).then_some(path));
                continue;
            }
            let end = ends.get(&(day, serial)).copied().unwrap_or(0);
            if end == 0 && day < day_of(now) {
                fs::remove_file(&path).map_err(on("remove", &path))?;
                swept.segments += 1;
            } else if suspects.contains(&path) {
                swept.orphans += u64::from(cut(&path, end).map_err(on("cut", &path))?);
            }
        }
        for (id, path) in files {
            if is_old(&path, now)
                && !self.bodies.is_in_flight(&path)
                && !self.refers_to(id, |location| self.bodies.path(id, location) == path)?
            {
                fs::remove_file(&path).map_err(on("remove", &path))?;
                swept.orphans += 1;
            }
        }
        sync_folder(&folder).map_err(on("sync", &folder))?;
        Ok(swept)
    }

    /// Where the last live body of each segment ends.
    fn live_ends(&self) -> Result<HashMap<(u32, u64), u64>, OpenError> {
        let mut ends: HashMap<(u32, u64), u64> = HashMap::new();
        let locations = (&[bodies::LOCATIONS][..], &[bodies::LOCATIONS + 1][..]);
        each_pair(&*self.index, locations, |_, _, value| {
            let location = Location::from_bytes(value);
            if let Some((segment, end)) = location.and_then(|location| location.end()) {
                let known = ends.entry(segment).or_default();
                *known = end.max(*known);
            }
            Ok(())
        })?;
        Ok(ends)
    }

    fn refers_to(
        &self,
        id: BodyId,
        fits: impl FnOnce(&Location) -> bool,
    ) -> Result<bool, OpenError> {
        let stored = self.index.get(&location_key(id))?;
        Ok(stored.and_then(|value| Location::from_bytes(&value.bytes)).is_some_and(|l| fits(&l)))
    }
}

/// Adds the erasures of the next moments; answers the chore that ended them.
fn gather(erased: &mut Vec<(BodyId, Location)>, chores: &Receiver<Chore>) -> Option<Chore> {
    let until = Instant::now() + TOGETHER;
    while erased.len() < ERASURES {
        match chores.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(Chore::Erase(more)) => erased.extend(more),
            Ok(other) => return Some(other),
            Err(_) => break,
        }
    }
    None
}

/// Calls `each(key, revision, value)` for every pair of a range, a page at a
/// time, while others go on writing.
pub(super) fn each_pair(
    index: &dyn Index,
    range: (&[u8], &[u8]),
    mut each: impl FnMut(&[u8], u64, &[u8]) -> Result<(), OpenError>,
) -> Result<(), OpenError> {
    let mut from = range.0.to_vec();
    loop {
        let page = index.scan((&from, range.1), Toward::Last, PAGE)?;
        for (key, value) in &page {
            each(key, value.revision, &value.bytes)?;
        }
        match page.last() {
            Some((key, _)) if page.len() == PAGE => {
                from.clone_from(key);
                from.push(0);
            }
            _ => return Ok(()),
        }
    }
}

/// Cuts what stands behind `end`; answers whether that was a body, and not
/// only room.
fn cut(path: &Path, end: u64) -> io::Result<bool> {
    let file = File::options().read(true).write(true).open(path)?;
    if file.metadata()?.len() <= end {
        return Ok(false);
    }
    let mut first = [0];
    file.read_exact_at(&mut first, end)?;
    file.set_len(end)?;
    file.sync_all()?;
    Ok(first != [0])
}

/// Has the file stood unchanged for an hour?
fn is_old(path: &Path, now: Timestamp) -> bool {
    changed(path).is_some_and(|time| now.duration_since(time) > SignedDuration::from_hours(1))
}

fn changed(path: &Path) -> Option<Timestamp> {
    let changed = fs::metadata(path).and_then(|meta| meta.modified());
    changed.ok().and_then(|time| Timestamp::try_from(time).ok())
}

impl From<OpenError> for Fault {
    fn from(error: OpenError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_cut_off_and_not_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("segment");
        for (behind, counted) in [(&b""[..], false), (&[0; 9], false), (b"RPB1", true)] {
            fs::write(&path, [b"kept", behind].concat()).unwrap();
            assert_eq!(cut(&path, 4).unwrap(), counted);
            assert_eq!(fs::read(&path).unwrap(), b"kept");
        }
    }
}

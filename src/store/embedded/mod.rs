//! The embedded engine: one folder, one process, the journal is the truth.
//!
//! `bodies/` holds messages, `journal/` batches, `index/` what can be rebuilt
//! from them, `checkpoints/` the way to forget old journal, `aside/` what was
//! found broken. One committer thread writes; a keeper thread tidies. It
//! trusts `fdatasync` of the disk and nothing else.

mod appender;
pub(super) mod archive;
mod bodies;
mod committer;
mod disk;
mod folder;
mod frame;
mod group;
mod index;
mod journal;
mod keeper;
mod opening;
mod recover;
mod settings;
mod status;
mod tail;
mod verify;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, oneshot};

pub use disk::{Disk, Point};
#[doc(hidden)]
pub use frame::read_anything;
pub use keeper::Swept;
pub use opening::{OpenError, Opened, Torn};
pub use settings::{EmbeddedSettings, IndexEngine};
pub use status::{Expected, Health, State};
pub use verify::Report;
pub(super) use verify::verify;

use self::appender::Appender;
use self::bodies::{Bodies, Location, Packed, location_key};
use self::committer::{Committer, Order, Request};
use self::index::{Index, IndexFault};
use self::journal::{End, Writer};
use self::keeper::{Chore, Keeper};
use self::opening::on;
use self::status::Status;
use super::batch::Change;
use super::{Batch, BodyId, Committed, Fault, Refusal, Toward, Value};

/// Batches that may wait for the committer.
const QUEUE: usize = 1024;
/// Bytes that may wait for the committer.
const QUEUE_BYTES: usize = 32 << 20;
/// How long a batch waits for room in the queue.
const PATIENCE: Duration = Duration::from_millis(1500);
/// Bodies up to this many bytes are compressed where the batch is submitted.
const QUICK: usize = 64 * 1024;

/// The engine; clones share it, and the last one closes it.
#[derive(Clone)]
pub(super) struct Embedded {
    inner: Arc<Inner>,
}

struct Inner {
    folder: PathBuf,
    settings: EmbeddedSettings,
    store: [u8; 16],
    orders: Sender<Order>,
    chores: Sender<Chore>,
    threads: Mutex<Option<Threads>>,
    room: Arc<Semaphore>,
    room_bytes: Arc<Semaphore>,
    status: Arc<Status>,
    bodies: Bodies,
    index: Arc<dyn Index>,
    quiet: Arc<Mutex<()>>,
    _lock: File,
}

struct Threads {
    committer: JoinHandle<Option<End>>,
    keeper: JoinHandle<()>,
}

impl Embedded {
    pub fn open(
        folder: &Path,
        settings: EmbeddedSettings,
        distrust: Option<&str>,
    ) -> Result<(Self, Opened), OpenError> {
        let found = recover::recover(folder, &settings, distrust)?;
        let disk = settings.disk.clone();
        let bodies = Bodies::new(folder.join("bodies"), disk.clone());
        let journal_folder = folder.join("journal");
        let journal = Writer::open(
            &journal_folder,
            disk.clone(),
            &found.segments,
            &found.end,
            settings.journal_segment,
        )?;
        let index: Arc<dyn Index> = Arc::from(found.index);
        let last = found.end.last;
        let uncovered = journal::bytes(&journal_folder, newest(folder)?)?;
        let status =
            Arc::new(Status::new(folder.to_owned(), settings.reserve, last, last, uncovered));
        let (orders, ordered) = channel();
        let (chores, asked) = channel();
        let quiet = Arc::new(Mutex::new(()));
        let suspects = if found.opened.clean {
            Vec::new()
        } else {
            last_segments(&bodies).map_err(on("list", bodies.folder()))?
        };
        let keeper = Keeper {
            folder: folder.to_owned(),
            settings: settings.clone(),
            disk: disk.clone(),
            status: Arc::clone(&status),
            index: Arc::clone(&index),
            bodies: bodies.clone(),
            store: found.store,
            quiet: Arc::clone(&quiet),
            after_crash: !found.opened.clean && last > 0,
            suspects,
        };
        let committer = Committer {
            settings: settings.clone(),
            disk,
            status: Arc::clone(&status),
            index: Arc::clone(&index),
            journal,
            appender: Appender::new(&bodies, settings.body_segment),
            chores: chores.clone(),
            store: found.store,
            next: last + 1,
            unsaved: 0,
            frame: Vec::new(),
        };
        let threads = Threads {
            committer: spawn("store-committer", move || committer.run(&ordered))?,
            keeper: spawn("store-keeper", move || keeper.run(&asked))?,
        };
        let inner = Inner {
            folder: folder.to_owned(),
            settings,
            store: found.store,
            orders,
            chores,
            threads: Mutex::new(Some(threads)),
            room: Arc::new(Semaphore::new(QUEUE)),
            room_bytes: Arc::new(Semaphore::new(QUEUE_BYTES)),
            status,
            bodies,
            index,
            quiet,
            _lock: found.lock,
        };
        Ok((Self { inner: Arc::new(inner) }, found.opened))
    }

    pub fn expect(&self) -> Expected {
        self.inner.status.expect()
    }

    pub fn get(&self, key: &[u8]) -> Result<Option<Value>, Fault> {
        Ok(self.inner.index.get(key)?)
    }

    pub async fn scan(
        &self,
        (from, to): (&[u8], &[u8]),
        toward: Toward,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Value)>, Fault> {
        // A few pairs come from memory; more of them may wait for the disk.
        if limit <= 16 {
            return Ok(self.inner.index.scan((from, to), toward, limit)?);
        }
        let (inner, from, to) = (Arc::clone(&self.inner), from.to_vec(), to.to_vec());
        aside(move || Ok(inner.index.scan((&from, &to), toward, limit)?)).await?
    }

    pub async fn body(&self, id: BodyId) -> Result<Option<Bytes>, Fault> {
        let key = location_key(id);
        let Some(value) = self.get(&key)? else { return Ok(None) };
        let location = Location::from_bytes(&value.bytes)
            .ok_or_else(|| Fault::Damaged(format!("the place of body {id}")))?;
        let inner = Arc::clone(&self.inner);
        aside(move || match inner.bodies.read(id, &location) {
            // It may have been erased between the two reads.
            Err(Fault::Damaged(_)) if inner.index.get(&key)?.is_none() => Ok(None),
            read => read.map(Some),
        })
        .await?
    }

    pub async fn commit(&self, batch: Batch) -> Result<Committed, Refusal> {
        let inner = &self.inner;
        if let Some(refusal) = inner.status.closed() {
            return Err(refusal);
        }
        if inner.status.stalled() {
            return Err(Refusal::Unavailable("the disk does not answer".into()));
        }
        let bodies = self.pack(batch.bodies).await?;
        let changes = batch.changes.iter().map(|change| match change {
            Change::Put(key, value) => key.len() + value.len() + 16,
            Change::Delete(key) => key.len() + 16,
        });
        let bytes = changes.sum::<usize>() + bodies.iter().map(Packed::queued).sum::<usize>();
        if bytes > QUEUE_BYTES {
            return Err(Refusal::Unavailable("a batch of more than 32 MiB".into()));
        }
        let room = self.room(u32::try_from(bytes).unwrap_or(u32::MAX)).await?;
        let (answer, answered) = oneshot::channel();
        let (checks, changes, erased) = (batch.checks, batch.changes, batch.erased);
        let (after, patient) = (batch.after, batch.patient);
        let request =
            Request { checks, changes, bodies, erased, bytes, after, patient, answer, room };
        if inner.orders.send(Order::Commit(Box::new(request))).is_err() {
            return Err(inner.status.refusal());
        }
        answered.await.unwrap_or(Err(Refusal::Unknown))
    }

    async fn room(
        &self,
        bytes: u32,
    ) -> Result<(tokio::sync::OwnedSemaphorePermit, tokio::sync::OwnedSemaphorePermit), Refusal>
    {
        let (room, room_bytes) = (&self.inner.room, &self.inner.room_bytes);
        if let Ok(one) = Arc::clone(room).try_acquire_owned()
            && let Ok(many) = Arc::clone(room_bytes).try_acquire_many_owned(bytes)
        {
            return Ok((one, many));
        }
        let both = async {
            let one = Arc::clone(room).acquire_owned().await.ok()?;
            let many = Arc::clone(room_bytes).acquire_many_owned(bytes).await.ok()?;
            Some((one, many))
        };
        match tokio::time::timeout(PATIENCE, both).await {
            Ok(Some(room)) => Ok(room),
            _ => Err(Refusal::Unavailable("too many batches are waiting".into())),
        }
    }

    /// Compresses the bodies; large ones are durable when this returns.
    async fn pack(&self, bodies: Vec<super::Body>) -> Result<Vec<Packed>, Refusal> {
        let mut packed = Vec::with_capacity(bodies.len());
        for body in bodies {
            let level = self.inner.settings.level;
            let done = if body.content.len() <= QUICK {
                self.inner.bodies.pack(&body, level)
            } else {
                let inner = Arc::clone(&self.inner);
                if inner.status.free_space() < inner.settings.reserve {
                    return Err(Refusal::Full);
                }
                let work = aside(move || inner.bodies.pack(&body, level)).await;
                work.map_err(|fault| Refusal::Unavailable(fault.to_string()))?
            };
            packed.push(done.map_err(|error| self.body_refused(&error))?);
        }
        Ok(packed)
    }

    fn body_refused(&self, error: &io::Error) -> Refusal {
        if disk::is_full(error) {
            return Refusal::Full;
        }
        if disk::is_passing(error) {
            return Refusal::Unavailable(error.to_string());
        }
        self.inner.status.poison(format!("writing a message failed: {error}"));
        self.inner.status.refusal()
    }

    pub fn health(&self) -> Health {
        self.inner.status.health()
    }

    pub async fn checkpoint(&self) -> Result<(), Fault> {
        self.chore(Chore::Checkpoint).await
    }

    pub async fn sweep(&self) -> Result<Swept, Fault> {
        self.chore(Chore::Sweep).await
    }

    async fn chore<T: Send + 'static>(
        &self,
        chore: impl FnOnce(Sender<Result<T, String>>) -> Chore,
    ) -> Result<T, Fault> {
        let (answer, answered) = channel();
        let gone = || Fault::Unavailable("it is being closed".into());
        self.inner.chores.send(chore(answer)).map_err(|_| gone())?;
        match aside(move || answered.recv()).await? {
            Ok(done) => done.map_err(Fault::Unavailable),
            Err(_) => Err(gone()),
        }
    }

    /// Writes everything that the store holds into `path`, while it works.
    pub async fn backup(&self, path: &Path) -> Result<(), OpenError> {
        let (inner, path) = (Arc::clone(&self.inner), path.to_owned());
        let work = aside(move || archive::back_up(&inner, &path)).await;
        work.map_err(|fault| OpenError::Archive(fault.to_string()))?
    }

    /// Carries out what was asked before, then leaves a clean-stop mark.
    pub async fn close(&self) {
        let inner = Arc::clone(&self.inner);
        let _ = aside(move || inner.stop(true)).await;
    }
}

/// Builds the index of a store that is not running anew.
pub(super) fn rebuild(folder: &Path, index: IndexEngine) -> Result<Opened, OpenError> {
    if !folder.join("format").exists() {
        return Err(OpenError::Format { path: folder.join("format") });
    }
    let settings = EmbeddedSettings { index, ..EmbeddedSettings::default() };
    let found = recover::recover(folder, &settings, Some("it was asked for"))?;
    if found.opened.clean {
        folder::write_clean_mark(folder, &found.end)?;
    }
    Ok(found.opened)
}

impl Inner {
    fn stop(&self, clean: bool) {
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(threads) = threads else { return };
        let _ = self.orders.send(Order::Stop);
        let end = threads.committer.join().ok().flatten();
        let _ = self.chores.send(Chore::Stop);
        let kept = threads.keeper.join().is_ok();
        if let (Some(end), true, true) = (end, kept, clean) {
            self.settings.disk.pass(Point::BeforeCleanMark);
            if let Err(error) = folder::write_clean_mark(&self.folder, &end) {
                tracing::error!(%error, "the clean-stop mark could not be written");
            }
        }
    }
}

impl Drop for Inner {
    /// Without [`Embedded::close`] the next start takes it for a crash.
    fn drop(&mut self) {
        self.stop(false);
    }
}

impl From<IndexFault> for Fault {
    fn from(fault: IndexFault) -> Self {
        Self::Unavailable(fault.to_string())
    }
}

/// Runs what may wait for the disk on a thread that may wait.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Fault> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Fault::Unavailable(error.to_string()))
}

fn spawn<T: Send + 'static>(
    name: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, OpenError> {
    let started = std::thread::Builder::new().name(name.into()).spawn(work);
    started.map_err(on("start a thread for", Path::new(name)))
}

/// The newest checkpoint's first sequence number.
fn newest(folder: &Path) -> Result<u64, OpenError> {
    let found = folder::checkpoints(&folder.join("checkpoints"))?;
    Ok(found.last().map_or(0, |(from, _)| *from))
}

/// The last segment of each day: a crash may have left bodies of no batch at
/// their ends.
fn last_segments(bodies: &Bodies) -> io::Result<Vec<PathBuf>> {
    let (segments, _) = bodies.list()?;
    let mut last = std::collections::BTreeMap::new();
    for (day, _, path) in segments {
        last.insert(day, path);
    }
    Ok(last.into_values().collect())
}

//! How the store is doing, shared by everybody who asks or changes it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::store::Refusal;

/// Longer than this in one group is no slow disk: it hangs, and new work is refused.
const STALL: Duration = Duration::from_secs(10);

/// What a monitor, or the SMTP door, wants to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    pub state: State,
    /// Bytes that may still be written to the store's disk.
    pub free: u64,
    /// Bytes of journal that the next checkpoint will cover.
    pub journal: u64,
    /// Sequence number of the last batch.
    pub sequence: u64,
}

/// Whether batches are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Ready,
    /// Less free space than the reserve.
    Full,
    /// The disk has not answered for ten seconds.
    Stalled,
    /// Being closed.
    Stopping,
    /// A sync or the index failed; only a restart helps. Says what failed.
    Poisoned(String),
}

pub(super) struct Status {
    started: Instant,
    folder: PathBuf,
    reserve: u64,
    poison: Mutex<Option<String>>,
    closed: AtomicBool,
    new_segment: AtomicBool,
    sequence: AtomicU64,
    saved: AtomicU64,
    journal: AtomicU64,
    /// Milliseconds after `started` at which the group under way began, plus
    /// one; 0 when none is.
    group: AtomicU64,
    /// Batches that are on their way, or being carried out.
    expected: AtomicUsize,
}

/// A batch that is on its way; dropping this ends that.
#[derive(Default)]
pub struct Expected {
    status: Option<Arc<Status>>,
}

impl Drop for Expected {
    fn drop(&mut self) {
        if let Some(status) = &self.status {
            status.expected.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Status {
    pub fn new(folder: PathBuf, reserve: u64, sequence: u64, saved: u64, journal: u64) -> Self {
        Self {
            started: Instant::now(),
            folder,
            reserve,
            poison: Mutex::default(),
            closed: AtomicBool::new(false),
            new_segment: AtomicBool::new(false),
            sequence: AtomicU64::new(sequence),
            saved: AtomicU64::new(saved),
            journal: AtomicU64::new(journal),
            group: AtomicU64::new(0),
            expected: AtomicUsize::new(0),
        }
    }

    pub fn expect(self: &Arc<Self>) -> Expected {
        self.expected.fetch_add(1, Ordering::Relaxed);
        Expected { status: Some(Arc::clone(self)) }
    }

    pub fn expected(&self) -> usize {
        self.expected.load(Ordering::Relaxed)
    }

    pub fn health(&self) -> Health {
        let free = self.free_space();
        let state = if let Some(why) = self.poisoned() {
            State::Poisoned(why)
        } else if self.closed.load(Ordering::SeqCst) {
            State::Stopping
        } else if self.stalled() {
            State::Stalled
        } else if free < self.reserve {
            State::Full
        } else {
            State::Ready
        };
        let journal = self.journal.load(Ordering::SeqCst);
        Health { state, free, journal, sequence: self.sequence() }
    }

    /// Bytes that may still be written; 0 if the disk does not say.
    pub fn free_space(&self) -> u64 {
        let space = rustix::fs::statvfs(&self.folder);
        space.map_or(0, |space| space.f_bavail.saturating_mul(space.f_frsize))
    }

    /// Why a new batch is not taken, if it is not.
    pub fn closed(&self) -> Option<Refusal> {
        let closed = self.closed.load(Ordering::SeqCst);
        closed.then(|| self.refusal())
    }

    pub fn stalled(&self) -> bool {
        let began = self.group.load(Ordering::SeqCst);
        began > 0 && u128::from(self.millis().saturating_sub(began)) > STALL.as_millis()
    }

    pub fn refusal(&self) -> Refusal {
        Refusal::Unavailable(self.poisoned().unwrap_or_else(|| "it is being closed".into()))
    }

    pub fn poisoned(&self) -> Option<String> {
        self.poison.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The first reason stays.
    pub fn poison(&self, why: String) {
        tracing::error!(why, "the store is poisoned; only a restart recovers");
        self.poison.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
        self.closed.store(true, Ordering::SeqCst);
    }

    pub fn stop(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    pub fn sequence(&self) -> u64 {
        self.sequence.load(Ordering::SeqCst)
    }

    pub fn applied(&self, sequence: u64) {
        self.sequence.store(sequence, Ordering::SeqCst);
    }

    /// The last batch that the index holds durably.
    pub fn saved_up_to(&self) -> u64 {
        self.saved.load(Ordering::SeqCst)
    }

    pub fn saved(&self, sequence: u64) {
        self.saved.fetch_max(sequence, Ordering::SeqCst);
    }

    pub fn journal(&self) -> u64 {
        self.journal.load(Ordering::SeqCst)
    }

    pub fn grew(&self, bytes: u64) {
        self.journal.fetch_add(bytes, Ordering::SeqCst);
    }

    /// A checkpoint covers this much of the journal.
    pub fn covered(&self, bytes: u64) {
        self.journal.fetch_sub(bytes, Ordering::SeqCst);
    }

    /// A checkpoint asks that the journal begins a new segment, so that the
    /// one that holds erased records can go.
    pub fn ask_new_segment(&self) {
        self.new_segment.store(true, Ordering::SeqCst);
    }

    pub fn wants_new_segment(&self) -> bool {
        self.new_segment.swap(false, Ordering::SeqCst)
    }

    pub fn begin_group(&self) {
        self.group.store(self.millis(), Ordering::SeqCst);
    }

    pub fn end_group(&self) {
        self.group.store(0, Ordering::SeqCst);
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX) + 1
    }
}

//! The engine's only way to the disk, where tests break it.
//!
//! In production a [`Disk`] is empty and each call goes straight to the file.
//! A test plants a fault: the process dies at a named point, the n-th
//! `fdatasync` fails, or space ends after so many bytes. Nothing here retries.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::failpoint;

/// A place at which a test may kill the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// Nothing of the group is written.
    BodyStaged,
    /// The group's bodies are written and not synced.
    BodyWritten,
    /// The group's bodies are durable, its frame is not written.
    BodySynced,
    /// The frame is written and not synced.
    JournalAppended,
    /// The frame is durable, the index does not know it.
    JournalSynced,
    /// The index knows it, nobody has been answered.
    IndexApplied,
    /// A deletion is durable, the body's payload still stands on the disk.
    BeforePunch,
    /// A checkpoint is written and not yet renamed into place.
    CheckpointWritten,
    /// The index was made durable, the clean-stop mark is not written.
    BeforeCleanMark,
}

impl Point {
    /// Every point, for tests that visit them all.
    pub const ALL: [Self; 9] = [
        Self::BodyStaged,
        Self::BodyWritten,
        Self::BodySynced,
        Self::JournalAppended,
        Self::JournalSynced,
        Self::IndexApplied,
        Self::BeforePunch,
        Self::CheckpointWritten,
        Self::BeforeCleanMark,
    ];

    /// The place's name for kills of the whole program.
    fn name(self) -> &'static str {
        match self {
            Self::BodyStaged => "body-staged",
            Self::BodyWritten => "body-written",
            Self::BodySynced => "body-synced",
            Self::JournalAppended => "journal-appended",
            Self::JournalSynced => "journal-synced",
            Self::IndexApplied => "index-applied",
            Self::BeforePunch => "before-punch",
            Self::CheckpointWritten => "checkpoint-written",
            Self::BeforeCleanMark => "before-clean-mark",
        }
    }
}

/// Access to files, with the faults that a test planted.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    plan: Option<Arc<Plan>>,
}

#[derive(Debug)]
struct Plan {
    kill: Option<Point>,
    passes: AtomicI64,
    syncs: AtomicI64,
    room: AtomicI64,
}

impl Disk {
    /// The process kills itself (SIGKILL) when it passes `point` for the
    /// `nth` time, counted from 1.
    pub fn kill_at(point: Point, nth: i64) -> Self {
        Self::planned(Some(point), nth, i64::MAX, i64::MAX)
    }

    /// The `nth` sync of a file fails with EIO, counted from 1; the others
    /// succeed.
    pub fn fail_sync(nth: i64) -> Self {
        Self::planned(None, i64::MAX, nth, i64::MAX)
    }

    /// ENOSPC once `bytes` have been written; [`Disk::make_room`] gives more.
    pub fn full_after(bytes: i64) -> Self {
        Self::planned(None, i64::MAX, i64::MAX, bytes)
    }

    /// Space comes back after [`Disk::full_after`].
    pub fn make_room(&self, bytes: i64) {
        if let Some(plan) = &self.plan {
            plan.room.store(bytes, Ordering::SeqCst);
        }
    }

    /// How many syncs may still be asked before the planned one fails;
    /// negative behind it. For tests that must see that none is retried.
    pub fn syncs_left(&self) -> i64 {
        self.plan.as_ref().map_or(i64::MAX, |plan| plan.syncs.load(Ordering::SeqCst))
    }

    fn planned(kill: Option<Point>, passes: i64, syncs: i64, room: i64) -> Self {
        Self {
            plan: Some(Arc::new(Plan {
                kill,
                passes: AtomicI64::new(passes),
                syncs: AtomicI64::new(syncs),
                room: AtomicI64::new(room),
            })),
        }
    }

    /// Dies here if the test wants it.
    pub(super) fn pass(&self, point: Point) {
        failpoint::pass(point.name());
        let Some(plan) = &self.plan else { return };
        if plan.kill == Some(point) && plan.passes.fetch_sub(1, Ordering::SeqCst) == 1 {
            let _ = rustix::process::kill_process(
                rustix::process::getpid(),
                rustix::process::Signal::KILL,
            );
            loop {
                std::thread::park();
            }
        }
    }

    /// `fdatasync`, once.
    pub(super) fn sync(&self, file: &File) -> io::Result<()> {
        if let Some(plan) = &self.plan
            && plan.syncs.fetch_sub(1, Ordering::SeqCst) == 1
        {
            return Err(io::Error::from_raw_os_error(5)); // EIO
        }
        file.sync_data()
    }

    /// Writes all of `bytes` at `offset`; what was written before an error
    /// stays, as a real disk leaves it.
    pub(super) fn write(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        if let Some(plan) = &self.plan {
            let wanted = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
            let left = plan.room.fetch_sub(wanted, Ordering::SeqCst);
            if left < wanted {
                let fits = usize::try_from(left.max(0)).unwrap_or(0);
                file.write_all_at(&bytes[..fits], offset)?;
                return Err(io::Error::from_raw_os_error(28)); // ENOSPC
            }
        }
        file.write_all_at(bytes, offset)
    }
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Is this the error of a disk without space (or of a quota reached)?
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Is this an error that passes by itself, before anything was written?
pub(super) fn is_passing(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let passing = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::INTR];
    error.raw_os_error().is_some_and(|code| passing.iter().any(|e| e.raw_os_error() == code))
}

//! The one thread that writes.
//!
//! For each group (at most 256 batches or 1 MiB): check and stage each batch
//! in turn, later ones seeing earlier ones; write and sync their bodies;
//! append one frame and sync it; apply it to the index; then answer everybody,
//! losers too, because what they lost to might not have lasted. A failed sync
//! is never retried: it poisons the store until a restart.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::appender::Appender;
use super::bodies::{Content, Location, Packed, day_of, location_key};
use super::disk::{Disk, Point, is_full, is_passing};
use super::frame::{self, BatchWriter};
use super::index::{self, Index, Sentinel};
use super::journal::{BUSY, End, Writer};
use super::keeper::Chore;
use super::status::Status;
use super::{EmbeddedSettings, group, recover};
use crate::store::batch::{Change, Check};
use crate::store::watch::After;
use crate::store::{BodyId, Committed, Refusal};

/// How long the committer waits for work before it makes the index durable.
const IDLE: Duration = Duration::from_millis(500);

/// What the committer is asked.
pub(super) enum Order {
    Commit(Box<Request>),
    /// Stop after what was asked before, leaving a clean-stop mark.
    Stop,
}

/// A batch whose bodies are compressed, and who waits for its answer.
pub(super) struct Request {
    pub checks: Vec<Check>,
    pub changes: Vec<Change>,
    pub bodies: Vec<Packed>,
    pub erased: Vec<BodyId>,
    pub bytes: usize,
    pub after: After,
    pub patient: bool,
    pub answer: oneshot::Sender<Result<Committed, Refusal>>,
    /// Room in the queue, given back when this is dropped.
    pub room: (OwnedSemaphorePermit, OwnedSemaphorePermit),
}

pub(super) struct Committer {
    pub settings: EmbeddedSettings,
    pub disk: Disk,
    pub status: Arc<Status>,
    pub index: Arc<dyn Index>,
    pub journal: Writer,
    pub appender: Appender,
    pub chores: Sender<Chore>,
    pub store: [u8; 16],
    /// Sequence number of the next batch.
    pub next: u64,
    /// Journal bytes that the index does not hold durably.
    pub unsaved: u64,
    pub frame: Vec<u8>,
}

/// What a group leads to before it is written.
#[derive(Default)]
struct Staged {
    outcomes: Vec<Result<u64, Refusal>>,
    /// Revisions that the group's batches leave behind.
    overlay: HashMap<Vec<u8>, Option<u64>>,
    erased: Vec<(BodyId, Location)>,
    count: u32,
}

impl Committer {
    /// Works until it is stopped or everybody has gone; answers where the
    /// journal ends if everything is durable.
    pub fn run(mut self, orders: &Receiver<Order>) -> Option<End> {
        loop {
            match orders.recv_timeout(IDLE) {
                Ok(Order::Commit(request)) => {
                    let expected = || self.status.expected();
                    let (group, stop) = group::gather(*request, orders, group::PATIENCE, expected);
                    self.guarded(group);
                    if stop {
                        break;
                    }
                }
                Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => self.rest(),
            }
        }
        self.status.stop();
        // Who slipped in behind the stop is refused, not forgotten.
        while let Ok(order) = orders.try_recv() {
            if let Order::Commit(request) = order {
                let _ = request.answer.send(Err(self.status.refusal()));
            }
        }
        self.finish()
    }

    /// A panic in an index engine must not leave anybody waiting.
    fn guarded(&mut self, group: Vec<Request>) {
        self.status.begin_group();
        let work = std::panic::AssertUnwindSafe(|| self.carry_out(group));
        if std::panic::catch_unwind(work).is_err() {
            self.status.poison("the committer panicked".into());
        }
        self.status.end_group();
    }

    fn carry_out(&mut self, mut group: Vec<Request>) {
        if let Some(refusal) = self.status.closed() {
            answer_all(group, &refusal);
            return;
        }
        frame::begin(&mut self.frame);
        let staged = match self.stage(&group) {
            Ok(staged) => staged,
            Err(refusal) => {
                if self.appender.take_back().is_err() {
                    self.status.poison("a body segment cannot be cut".into());
                }
                answer_all(group, &refusal);
                return;
            }
        };
        if staged.count > 0 {
            if let Err(refusal) = self.write(staged.count) {
                // After a failed sync nobody knows what a restart will find.
                if self.status.poisoned().is_some() {
                    group.iter_mut().for_each(keep_files);
                }
                answer_all(group, &refusal);
                return;
            }
            self.appender.keep();
            for (request, outcome) in group.iter_mut().zip(&staged.outcomes) {
                if outcome.is_ok() {
                    keep_files(request);
                }
            }
            let last = self.next + u64::from(staged.count) - 1;
            if let Err(refusal) = self.apply(last) {
                answer_all(group, &refusal);
                return;
            }
        }
        // Before the answers: who then asks for a checkpoint finds it erased.
        if !staged.erased.is_empty() {
            let _ = self.chores.send(Chore::Erase(staged.erased));
        }
        for (request, outcome) in group.into_iter().zip(staged.outcomes) {
            if let Ok(sequence) = outcome {
                request.after.tell(sequence);
            }
            let answer = outcome.map(|sequence| Committed { sequence });
            // Room is given back first, so that who is answered finds some.
            drop(request.room);
            let _ = request.answer.send(answer);
        }
        if self.unsaved >= self.settings.persist_bytes {
            self.persist();
        }
    }

    /// Checks each batch and writes the winners into the frame.
    fn stage(&mut self, group: &[Request]) -> Result<Staged, Refusal> {
        let free = self.status.free_space();
        let mut staged = Staged::default();
        for request in group {
            let mut outcome = self.admit(request, free);
            for check in &request.checks {
                if outcome.is_ok() && self.revision(&staged, &check.key)? != check.revision {
                    outcome = Err(Refusal::Conflict(check.key.clone()));
                }
            }
            if outcome.is_ok() {
                let sequence = self.next + u64::from(staged.count);
                self.stage_one(request, sequence, &mut staged)?;
                staged.count += 1;
                outcome = Ok(sequence);
            }
            staged.outcomes.push(outcome);
        }
        Ok(staged)
    }

    /// A new message needs the whole reserve; what is held already may go on
    /// (be released, settled) in half of it, and be deleted without any.
    fn admit(&self, request: &Request, free: u64) -> Result<u64, Refusal> {
        let puts = request.changes.iter().any(|change| matches!(change, Change::Put(..)));
        let needed = match (request.bodies.is_empty(), puts) {
            (false, _) => self.settings.reserve,
            (true, true) => self.settings.reserve / 2,
            (true, false) => 0,
        };
        if free < needed { Err(Refusal::Full) } else { Ok(0) }
    }

    fn stage_one(
        &mut self,
        request: &Request,
        sequence: u64,
        staged: &mut Staged,
    ) -> Result<(), Refusal> {
        let mut writer = BatchWriter::new(&mut self.frame);
        for body in &request.bodies {
            let location = match &body.content {
                Content::Small(payload) => self
                    .appender
                    .stage(body.id, body.day, body.raw, body.checksum, payload, sequence)
                    .map_err(|error| refuse(&self.status, "a body segment", &error))?,
                Content::Large(large) => large.location(body),
            };
            let key = location_key(body.id);
            writer.push(frame::Op::Put { key: &key, value: &location.to_bytes() });
            staged.overlay.insert(key, Some(sequence));
        }
        for change in &request.changes {
            let (key, revision) = match change {
                Change::Put(key, value) => {
                    writer.push(frame::Op::Put { key, value });
                    (key, Some(sequence))
                }
                Change::Delete(key) => {
                    writer.push(frame::Op::Delete { key });
                    (key, None)
                }
            };
            // Only records are ever checked, not index keys.
            if key.first().is_some_and(|first| *first < 0x80) {
                staged.overlay.insert(key.clone(), revision);
            }
        }
        for id in &request.erased {
            let key = location_key(*id);
            // A body of this very group cannot be erased by it: nobody knows
            // its name before he has been answered.
            let found = self.index.get(&key).map_err(|fault| broken(&self.status, &fault.0))?;
            if let Some(value) = found
                && let Some(location) = Location::from_bytes(&value.bytes)
            {
                writer.push(frame::Op::Erase { key: &key, location: &value.bytes });
                staged.erased.push((*id, location));
            }
        }
        Ok(())
    }

    fn revision(&self, staged: &Staged, key: &[u8]) -> Result<Option<u64>, Refusal> {
        if let Some(revision) = staged.overlay.get(key) {
            return Ok(*revision);
        }
        let value = self.index.get(key).map_err(|fault| broken(&self.status, &fault.0))?;
        Ok(value.map(|value| value.revision))
    }

    /// Bodies, then the frame, each synced once.
    fn write(&mut self, count: u32) -> Result<(), Refusal> {
        self.disk.pass(Point::BodyStaged);
        let bodies = self.appender.write(count >= BUSY);
        if let Err(error) = bodies {
            let refusal = refuse(&self.status, "a message", &error);
            return Err(self.give_back(refusal));
        }
        self.disk.pass(Point::BodySynced);
        if self.status.wants_new_segment() {
            self.journal.begin_segment();
        }
        if let Err(error) = self.journal.append(&mut self.frame, self.next, count) {
            let refusal = refuse(&self.status, "the journal", &error);
            return Err(self.give_back(refusal));
        }
        self.disk.pass(Point::JournalAppended);
        if let Err(error) = self.journal.sync() {
            let refusal = refuse(&self.status, "the journal", &error);
            return Err(match self.journal.take_back(self.frame.len()) {
                Ok(()) => refusal,
                Err(_) => Refusal::Unknown,
            });
        }
        self.disk.pass(Point::JournalSynced);
        self.unsaved += self.frame.len() as u64;
        self.status.grew(self.frame.len() as u64);
        Ok(())
    }

    /// Nothing of the group may stay behind.
    fn give_back(&mut self, refusal: Refusal) -> Refusal {
        if self.appender.take_back().is_err() {
            self.status.poison("a body segment cannot be cut".into());
            return self.status.refusal();
        }
        refusal
    }

    /// Durable now; the index has to know it before anybody is answered.
    fn apply(&mut self, last: u64) -> Result<(), Refusal> {
        let payload = &self.frame[frame::HEADER..self.frame.len() - frame::TRAILER];
        let count = u32::try_from(last + 1 - self.next).unwrap_or(u32::MAX);
        let mut ops = Vec::new();
        frame::ops(payload, self.next, count, |sequence, op| {
            ops.push(recover::index_op(sequence, op));
        });
        self.next = last + 1;
        let sentinel = Sentinel { store: self.store, applied: last };
        if let Err(fault) = self.index.apply(&ops, Some(sentinel)) {
            broken(&self.status, &fault.0);
            return Err(Refusal::Unknown);
        }
        self.status.applied(last);
        self.disk.pass(Point::IndexApplied);
        Ok(())
    }

    fn rest(&mut self) {
        let today = day_of(self.settings.clock.now());
        self.appender.close(|day| day < today);
        if self.unsaved > 0 {
            self.persist();
        }
    }

    /// An engine that is slow to persist leaves that to checkpoints.
    fn persist(&mut self) {
        self.unsaved = 0;
        if self.index.persists_often() {
            match self.index.persist() {
                Ok(()) => self.status.saved(self.next - 1),
                Err(fault) => drop(broken(&self.status, &fault.0)),
            }
        }
        let _ = self.chores.send(Chore::Look);
    }

    fn finish(mut self) -> Option<End> {
        if self.status.poisoned().is_some() {
            return None;
        }
        if let Err(fault) = self.index.persist() {
            broken(&self.status, &fault.0);
            return None;
        }
        self.appender.close(|_| true);
        match self.journal.end(self.next - 1) {
            Ok(end) => Some(end),
            Err(error) => {
                refuse(&self.status, "the journal's end", &error);
                None
            }
        }
    }
}

/// Full if the disk is; everything else poisons.
fn refuse(status: &Status, what: &str, error: &io::Error) -> Refusal {
    if is_full(error) {
        return Refusal::Full;
    }
    if is_passing(error) {
        return Refusal::Unavailable(error.to_string());
    }
    status.poison(format!("writing {what} failed: {error}"));
    status.refusal()
}

fn broken(status: &Status, why: &str) -> Refusal {
    status.poison(format!("the index failed: {why}"));
    status.refusal()
}

fn answer_all(group: Vec<Request>, refusal: &Refusal) {
    for request in group {
        let _ = request.answer.send(Err(refusal.clone()));
    }
}

fn keep_files(request: &mut Request) {
    for body in &mut request.bodies {
        if let Content::Large(large) = &mut body.content {
            large.keep = true;
        }
    }
}

/// The keys that belong to the store itself, for scans of everything.
pub(super) const EVERYTHING: (&[u8], &[u8]) = (&[], &[index::RESERVED]);

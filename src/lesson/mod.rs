//! Lessons: the content model learns on from what people say.
//!
//! Decisions leave [`Vote`]s; [`Lessons::step`], run by the gateway's keeping
//! and never while mail waits, hears them. Votes about nearly the same text
//! make one [`Lesson`]; when so many different people agree as the operator
//! wants (two at least), the model moves towards them, and back when they
//! take their word back. Administrators add a vote with
//! [`Vote::by_administrator`], in the batch of their audit entry.
//!
//! A lesson is on stable storage, with a number, before the model's file is
//! written; the file says up to which number it has learnt. Whatever crashes
//! in between is learnt at the next step, once. The file may also be replaced
//! by `reprieve train`: it is taken up within a step.

mod record;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use uuid::Uuid;

pub use record::{Lesson, Voice};

use crate::clock::{Clock, SignedDuration, Timestamp};
use crate::directory::Directory;
use crate::filter::content::{self, Current, Example, Guard, Model, ModelError, TextDigest};
use crate::mail::{Address, Limits, Message, prescan};
use crate::maillog::Maillog;
use crate::quarantine::{Held, Reported, stored};
use crate::reputation::Vote;
use crate::reputation::vote::person_key;
use crate::store::{Batch, Body, Fault, Index, Record, Refusal, Row, Store};

/// Votes that one step hears, and lessons that one look reads.
const STEP: usize = 200;
/// Lessons of one quarter that a text is compared with.
const CANDIDATES: usize = 64;
/// How much of the way to where it should stand a lesson moves its text.
const FORCE: f32 = 0.75;
/// How long a lesson can be taken back after its last voice.
const KEPT: SignedDuration = SignedDuration::from_hours(60 * 24);

/// What the operator chose.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The installation's own model; where there is none yet, it is made.
    pub file: PathBuf,
    /// Different people who must agree; `None`: nothing is learnt.
    pub people: Option<u32>,
    /// What trips one of these is never parsed.
    pub limits: Limits,
}

/// What it works with.
#[derive(Clone)]
pub struct Tools {
    pub store: Store,
    pub clock: Clock,
    pub directory: Directory,
    /// The model that the filter judges by.
    pub model: Current,
    pub maillog: Maillog,
}

/// Why a step ended early; the next one goes on where it stopped.
#[derive(Debug, thiserror::Error)]
pub enum LessonError {
    #[error(transparent)]
    Store(#[from] Fault),
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// Hears votes and teaches. Clones share everything.
#[derive(Clone)]
pub struct Lessons {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    tools: Tools,
    /// The file as it was when it was read or written last.
    seen: Mutex<Option<Stamp>>,
}

/// Tells one file from the one that replaces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: SystemTime,
    length: u64,
}

/// A decided change of a lesson and of the model.
struct Change {
    lesson: Lesson,
    /// The marks that the model moves at.
    moves: Option<Example>,
    /// Marks that are written down with it.
    body: Option<Body>,
    /// The voices ask for another change behind this one.
    more: bool,
}

impl Lessons {
    pub fn new(settings: Settings, tools: Tools) -> Self {
        Self { inner: Arc::new(Inner { settings, tools, seen: Mutex::default() }) }
    }

    /// Hears what is due, teaches what people agree about, writes the file and
    /// puts it into force. Answers how many votes it heard: 0 when nothing is
    /// left to do.
    ///
    /// # Errors
    /// [`LessonError`]; what was heard until then is not lost.
    pub async fn step(&self) -> Result<usize, LessonError> {
        let Tools { store, clock, model: current, maillog, .. } = &self.inner.tools;
        self.forget(clock.now()).await?;
        let waits = store.scan(&Vote::TABLE.key(&[]), &Vote::due_key(clock.now()), 1).await?;
        let behind = self.behind(&current.model(), 1).await?;
        if waits.is_empty() && behind.is_empty() && self.stamp() == self.seen() {
            return Ok(0);
        }
        let _guard = self.guard().await?;
        let mut model = self.read_again().await?;
        let before = Arc::clone(&model);
        self.catch_up(&mut model).await?;
        let heard = self.hear(&mut model).await;
        // Whatever stopped the hearing: what is decided already is written.
        if !Arc::ptr_eq(&before, &model) {
            self.save(&model).await?;
            maillog.model_taught(model.taught().number, model.taught().lessons);
        }
        current.replace(model);
        Ok(heard?)
    }

    /// Hears every vote that is due, until a round changes nothing.
    async fn hear(&self, model: &mut Arc<Model>) -> Result<usize, Fault> {
        let Tools { store, clock, .. } = &self.inner.tools;
        let mut heard = 0;
        for _ in 0..STEP {
            let behind = Vote::due_key(clock.now());
            let due = store.scan(&Vote::TABLE.key(&[]), &behind, STEP).await?;
            let mut changed = 0;
            for (_, value) in due {
                let vote: Row<Vote> = Row::read(value)?;
                changed += usize::from(self.hear_one(&vote, model).await?);
            }
            if changed == 0 {
                break;
            }
            heard += changed;
        }
        Ok(heard)
    }

    /// One vote, in one batch: the voice, and at most one change of the model.
    /// A vote that asks for a second change (people changed their minds) waits
    /// for the next round. `false`: somebody else changed the lesson first.
    async fn hear_one(&self, vote: &Row<Vote>, model: &mut Arc<Model>) -> Result<bool, Fault> {
        let mut batch = Batch::new();
        let Some((old, mut lesson)) = self.lesson_of(&vote.record).await? else {
            batch.remove(vote);
            return self.carried_out(batch).await;
        };
        lesson.hear(&vote.record);
        lesson.ends = lesson.ends.max(self.inner.tools.clock.now() + KEPT);
        let Change { lesson, moves, body, more } = self.decide(lesson, model).await?;
        batch.upsert(old.as_ref(), &lesson);
        if more {
            batch.require(vote);
        } else {
            batch.remove(vote);
        }
        if let Some(body) = body {
            batch.body(body);
        }
        let done = self.carried_out(batch).await?;
        if done && let Some(example) = moves {
            Arc::make_mut(model).follow(&example, lesson.change());
        }
        Ok(done)
    }

    /// The lesson that a vote belongs to, and how it stands now. `None`: the
    /// vote does not count, or nobody can say any more what it is about.
    async fn lesson_of(&self, vote: &Vote) -> Result<Option<(Option<Row<Lesson>>, Lesson)>, Fault> {
        if !self.counts(vote).await? {
            return Ok(None);
        }
        let mut old = self.about(vote.about).await?;
        if old.is_none() {
            let Some(text) = self.ask(vote.about, content::text_digest).await? else {
                return Ok(None);
            };
            old = self.find(text).await?;
            if old.is_none() {
                let ends = self.inner.tools.clock.now() + KEPT;
                return Ok(Some((None, Lesson::new(vote.about, text, ends))));
            }
        }
        Ok(old.map(|row| (Some(row.clone()), row.record)))
    }

    /// Whether the voter is somebody: many read a shared mailbox, and nobody
    /// speaks for a mail that names him as its sender. Everybody may take his
    /// word back.
    async fn counts(&self, vote: &Vote) -> Result<bool, Fault> {
        let Tools { store, directory, .. } = &self.inner.tools;
        if vote.withdrawn {
            return Ok(true);
        }
        let is_voter = |mailbox: &Address| person_key(&mailbox.base().to_string()) == vote.person;
        let is_shared = |one: &Address| {
            let mailbox = directory.mailbox(one);
            is_voter(&mailbox) && directory.is_shared(&mailbox)
        };
        let is_own = |sender: &Address| is_voter(&directory.mailbox(sender));
        let id = vote.about.as_bytes();
        if let Some(Row { record: held, .. }) = store.find::<Held>(id).await? {
            let shared = held.recipients.iter().any(|one| is_shared(&one.address));
            return Ok(!shared && !held.senders().into_iter().any(is_own));
        }
        let reported = store.find::<Reported>(id).await?.map(|row| row.record);
        Ok(reported.is_some_and(|one| !is_shared(&one.recipient) && !is_own(&one.from)))
    }

    /// What the voices ask of the model: nothing, a step, or that step back.
    /// With learning switched off, what was learnt stays.
    async fn decide(&self, mut lesson: Lesson, model: &Model) -> Result<Change, Fault> {
        let wanted = match self.inner.settings.people {
            Some(people) => lesson.wanted(people),
            None => lesson.taught,
        };
        if wanted == lesson.taught {
            return Ok(Change { lesson, moves: None, body: None, more: false });
        }
        let number = model.taught().number + 1;
        let mut example = self.marks(&lesson).await?;
        if lesson.taught.take().is_some() {
            lesson.number = number;
            return Ok(Change { lesson, moves: example, body: None, more: wanted.is_some() });
        }
        for voice in &lesson.voices {
            if example.is_none() {
                let read = |message: &Message| content::example(message, false);
                example = self.ask(Uuid::from_bytes(voice.about), read).await?;
            }
        }
        let (Some(spam), Some(example)) = (wanted, example) else {
            return Ok(Change { lesson, moves: None, body: None, more: false });
        };
        let mut body = None;
        if lesson.marks.is_none() {
            let id = Uuid::now_v7();
            lesson.marks = Some(id.into_bytes());
            body = Some(Body { id, expires: lesson.ends, content: Bytes::from(example.encode()) });
        }
        (lesson.taught, lesson.side) = (Some(spam), spam);
        (lesson.number, lesson.since) = (number, number);
        lesson.step = model.step(&example, spam, FORCE);
        lesson.heard = lesson.count(spam);
        Ok(Change { lesson, moves: Some(example), body, more: false })
    }

    /// Lessons that the file has not learnt: a crash came between, or the file
    /// is another one.
    async fn catch_up(&self, model: &mut Arc<Model>) -> Result<(), Fault> {
        let begun = model.taught().number;
        loop {
            let rows = self.behind(model, STEP).await?;
            if rows.is_empty() {
                return Ok(());
            }
            for lesson in rows {
                // What it never learnt it need not unlearn.
                let concerns = lesson.taught.is_some() || lesson.since <= begun;
                let known = self.marks(&lesson).await?;
                let model = Arc::make_mut(model);
                match known.filter(|_| concerns) {
                    Some(example) => model.follow(&example, lesson.change()),
                    None => model.pass_over(lesson.number),
                }
            }
        }
    }

    /// Lessons with a higher number than the model's, the lowest first.
    async fn behind(&self, model: &Model, limit: usize) -> Result<Vec<Lesson>, Fault> {
        let store = &self.inner.tools.store;
        let from = (model.taught().number + 1).to_be_bytes();
        let keys = store.referred(Index::LessonByNumber, &from, &[0xff; 9], limit).await?;
        let mut lessons = Vec::with_capacity(keys.len());
        for key in keys {
            lessons.extend(store.find::<Lesson>(&key).await?.map(|row| row.record));
        }
        Ok(lessons)
    }

    /// The marks that a lesson was taught with.
    async fn marks(&self, lesson: &Lesson) -> Result<Option<Example>, Fault> {
        let Some(id) = lesson.marks else { return Ok(None) };
        let body = self.inner.tools.store.body(Uuid::from_bytes(id)).await?;
        Ok(body.and_then(|bytes| Example::decode(&bytes)))
    }

    /// The lesson of this text or of one nearly the same.
    async fn find(&self, text: TextDigest) -> Result<Option<Row<Lesson>>, Fault> {
        let store = &self.inner.tools.store;
        for (band, quarter) in text.quarters() {
            let prefix = Lesson::text_key(band, quarter);
            for key in store.referred_by(Index::LessonByText, &prefix, CANDIDATES).await? {
                let row = store.find::<Lesson>(&key).await?;
                let like = |row: &Row<Lesson>| {
                    let other = TextDigest { digest: row.record.text, near: row.record.near };
                    text.is_like(other)
                };
                if let Some(row) = row.filter(like) {
                    return Ok(Some(row));
                }
            }
        }
        Ok(None)
    }

    /// The lesson in which somebody spoke about this message.
    async fn about(&self, message: Uuid) -> Result<Option<Row<Lesson>>, Fault> {
        let store = &self.inner.tools.store;
        let keys = store.referred_by(Index::LessonByMessage, message.as_bytes(), 1).await?;
        match keys.first() {
            Some(key) => store.find(key).await,
            None => Ok(None),
        }
    }

    /// What `look` sees in a held message. `None`: nothing, or the message is
    /// gone or is not to be parsed.
    async fn ask<T: Send + 'static>(
        &self,
        held: Uuid,
        look: impl FnOnce(&Message) -> Option<T> + Send + 'static,
    ) -> Result<Option<T>, Fault> {
        let Some(body) = self.inner.tools.store.body(held).await? else { return Ok(None) };
        let (_, message) = stored::read(&body)?;
        let limits = self.inner.settings.limits;
        let looked = tokio::task::spawn_blocking(move || {
            let simple = prescan::scan(message.bytes(), &limits).tripped.is_none();
            simple.then(|| look(&message)).flatten()
        });
        // A parser's panic makes no lesson.
        Ok(looked.await.ok().flatten())
    }

    /// Removes lessons that nobody can take back any more, the model keeps
    /// what it learnt; and reported messages whose time is over.
    async fn forget(&self, now: Timestamp) -> Result<(), Fault> {
        let store = &self.inner.tools.store;
        let until = now.as_microsecond().to_be_bytes();
        for key in store.referred(Index::ReportedEnds, &[], &until, STEP).await? {
            let Some(row) = store.find::<Reported>(&key).await? else { continue };
            let mut batch = Batch::new();
            batch.remove(&row).erase(row.record.id);
            self.carried_out(batch).await?;
        }
        for key in store.referred(Index::LessonEnds, &[], &until, STEP).await? {
            let Some(row) = store.find::<Lesson>(&key).await? else { continue };
            let mut batch = Batch::new();
            batch.remove(&row);
            if let Some(marks) = row.record.marks {
                batch.erase(Uuid::from_bytes(marks));
            }
            self.carried_out(batch).await?;
        }
        Ok(())
    }

    /// `false`: another change came first; the next round looks again.
    async fn carried_out(&self, batch: Batch) -> Result<bool, Fault> {
        match self.inner.tools.store.commit(batch).await {
            Ok(_) => Ok(true),
            Err(Refusal::Conflict(_)) => Ok(false),
            Err(refusal) => Err(Fault::Unavailable(refusal.to_string())),
        }
    }

    /// The model in force, or the file if that was replaced.
    async fn read_again(&self) -> Result<Arc<Model>, ModelError> {
        let stamp = self.stamp();
        if stamp.is_none() || stamp == self.seen() {
            return Ok(self.inner.tools.model.model());
        }
        let file = self.inner.settings.file.clone();
        let model = blocking(move || Model::open(&file)).await?;
        self.set_seen(stamp);
        Ok(Arc::new(model))
    }

    async fn save(&self, model: &Arc<Model>) -> Result<(), ModelError> {
        let (file, model) = (self.inner.settings.file.clone(), Arc::clone(model));
        blocking(move || model.save(&file)).await?;
        self.set_seen(self.stamp());
        Ok(())
    }

    /// Keeps `reprieve train` from writing meanwhile.
    async fn guard(&self) -> Result<Guard, ModelError> {
        let file = self.inner.settings.file.clone();
        blocking(move || Guard::take(&file)).await
    }

    fn stamp(&self) -> Option<Stamp> {
        let file = std::fs::metadata(&self.inner.settings.file).ok()?;
        Some(Stamp { modified: file.modified().ok()?, length: file.len() })
    }

    fn seen(&self) -> Option<Stamp> {
        *self.inner.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_seen(&self, stamp: Option<Stamp>) {
        *self.inner.seen.lock().unwrap_or_else(PoisonError::into_inner) = stamp;
    }
}

/// Files on a thread that may wait.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ModelError> + Send + 'static,
) -> Result<T, ModelError> {
    tokio::task::spawn_blocking(work).await.expect("reading and writing a model does not panic")
}

#[cfg(test)]
mod tests;

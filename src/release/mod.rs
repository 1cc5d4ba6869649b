//! Who may free what, and the one batch that frees it.
//!
//! A release moves the held copies to releasing, grants standing and enqueues
//! the delivery in a single batch; two clicks, two nodes or a hundred parallel
//! POSTs make one release. Blocks beat every trust at this moment too. The
//! caller has verified the token; this module trusts nothing else he says.
//! [`judge`] says who may, [`step`] and [`operator`] make the batch; here it
//! is carried out, or decided again because another change came first.

mod judge;
mod operator;
mod step;

use std::sync::Arc;

use uuid::Uuid;

use crate::clock::{Clock, SignedDuration};
use crate::directory::Directory;
use crate::failpoint;
use crate::maillog::Maillog;
use crate::quarantine::Held;
use crate::queue::Queue;
use crate::reputation::{Event, Reputation};
use crate::store::{Batch, Fault, Refusal, Row, Store};
use operator::{Also, Chosen};

/// How often a decision is made again when another came first.
const TRIES: usize = 8;

/// Limits of what a sender may free.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Delay before delivery in which the sender may take it back.
    pub delay: SignedDuration,
    /// From this score on a sender who proved nothing cannot free his mail.
    pub ceiling: f32,
    /// Releases a day, nothing proved, per client network.
    pub per_network: u32,
    /// Releases a day, nothing proved, per organisation.
    pub per_organisation: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            delay: SignedDuration::from_secs(60),
            ceiling: 15.0,
            per_network: 3,
            per_organisation: 200,
        }
    }
}

/// Carries out what senders decide about their held messages. Clones share
/// the store.
#[derive(Clone)]
pub struct Releases {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    clock: Clock,
    directory: Directory,
    reputation: Reputation,
    queue: Queue,
    maillog: Maillog,
    settings: Settings,
}

/// What the sender may do about a held message now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Declare and release.
    Release,
    /// It is bulk mail, or he was barred: appeal.
    Appeal,
    /// Too suspicious for a sender who proved nothing, or with one of our own
    /// domains as sender: the recipient has been asked.
    RecipientAsked,
    /// It cannot be scanned: the recipient or his administrator decides.
    RecipientDecides,
    /// Failed DMARC with p=reject: reasons and repair, no release.
    Repair,
    /// A rule of the recipient or his organisation refuses him.
    RecipientRefuses,
    /// Today's budget of his network or the organisation is spent: tomorrow.
    Tomorrow,
    /// Nothing is held any more: see the recipients' states.
    Over,
}

/// Why a release or another decision was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Show the page again: it says what holds now.
    #[error("the message's state allows no such step now ({0:?})")]
    Now(Way),
    #[error("no such message")]
    Unknown,
    #[error(transparent)]
    Store(#[from] Fault),
}

/// What somebody asks for.
#[derive(Clone, Copy)]
enum Wish<'a> {
    Release { slot: u16 },
    ReleaseByRecipient { slot: usize },
    TakeBack { slot: u16 },
    Disown { slot: u16 },
    ReleaseCopies(Chosen<'a>, Also<'a>),
    DeleteCopies(Chosen<'a>, Also<'a>),
}

/// What one look at the record came to.
enum Decided {
    /// It was done before.
    Stands,
    /// The one batch, the record as it will stand, and how many copies go.
    Change { batch: Batch, held: Box<Held>, freed: usize },
}

impl Releases {
    pub fn new(
        store: Store,
        clock: Clock,
        directory: Directory,
        reputation: Reputation,
        queue: Queue,
        maillog: Maillog,
        settings: Settings,
    ) -> Self {
        let inner = Inner { store, clock, directory, reputation, queue, maillog, settings };
        Self { inner: Arc::new(inner) }
    }

    /// The record, or `None` if it was purged.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn held(&self, id: Uuid) -> Result<Option<Held>, Fault> {
        Ok(self.find(id).await?.map(|row| row.record))
    }

    /// The record with its revision, which every change of it raises.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn find(&self, id: Uuid) -> Result<Option<Row<Held>>, Fault> {
        self.inner.store.find(id.as_bytes()).await
    }

    /// Frees all copies of `slot` that may be freed: each starts its
    /// countdown. Answers the record as it stands afterwards; if it was
    /// released before, that is the answer and not an error.
    ///
    /// # Errors
    /// [`Denied`].
    pub async fn release(&self, id: Uuid, slot: u16) -> Result<Held, Denied> {
        self.decide(id, Wish::Release { slot }).await
    }

    /// The recipient frees his own copy, whatever the sender may do: never
    /// malware or phishing, and not against his own or his organisation's
    /// block. Others' copies stay; the sender earns no standing.
    ///
    /// # Errors
    /// [`Denied`].
    pub async fn release_by_recipient(&self, id: Uuid, slot: usize) -> Result<Held, Denied> {
        self.decide(id, Wish::ReleaseByRecipient { slot }).await
    }

    /// Takes back what is still in its countdown.
    ///
    /// # Errors
    /// [`Denied`].
    pub async fn take_back(&self, id: Uuid, slot: u16) -> Result<Held, Denied> {
        self.decide(id, Wish::TakeBack { slot }).await
    }

    /// "I did not send it": the message becomes unreleasable by its sender,
    /// for every recipient of the transaction that it still waits for.
    ///
    /// # Errors
    /// [`Denied`].
    pub async fn disown(&self, id: Uuid, slot: u16) -> Result<Held, Denied> {
        self.decide(id, Wish::Disown { slot }).await
    }

    /// Decides, carries out, and decides again if another change came first.
    async fn decide(&self, id: Uuid, wish: Wish<'_>) -> Result<Held, Denied> {
        for _ in 0..TRIES {
            let row = self.row(id).await?;
            let decided = match wish {
                Wish::Release { slot } => self.released(&row, slot).await?,
                Wish::ReleaseByRecipient { slot } => self.released_by_recipient(&row, slot)?,
                Wish::TakeBack { slot } => self.taken_back(&row, slot).await?,
                Wish::Disown { slot } => self.disowned(&row, slot)?,
                Wish::ReleaseCopies(chosen, also) => self.released_copies(&row, chosen, also)?,
                Wish::DeleteCopies(chosen, also) => self.deleted_copies(&row, chosen, also)?,
            };
            let Decided::Change { batch, held, freed } = decided else { return Ok(row.record) };
            failpoint::pass("release-decided");
            if self.carried_out(batch).await? {
                failpoint::pass("release-committed");
                self.log(&held, wish, freed);
                return Ok(*held);
            }
        }
        Err(Denied::Store(Fault::Unavailable("the record changes too fast; try again".to_owned())))
    }

    fn log(&self, held: &Held, wish: Wish<'_>, freed: usize) {
        let Inner { maillog, queue, reputation, .. } = &*self.inner;
        match wish {
            Wish::Release { .. } => {
                reputation.history().note(&held.sender(), Event::Released);
                maillog.released(held.id, freed, held.sender().is_proved());
            }
            Wish::ReleaseCopies(..) => {
                reputation.history().note(&held.sender(), Event::Released);
                maillog.released(held.id, freed, false);
            }
            Wish::ReleaseByRecipient { .. } => maillog.released(held.id, freed, false),
            Wish::TakeBack { .. } | Wish::DeleteCopies(..) => maillog.taken_back(held.id),
            Wish::Disown { .. } => maillog.disowned(held.id),
        }
        if freed > 0 {
            queue.wake();
        }
    }

    async fn row(&self, id: Uuid) -> Result<Row<Held>, Denied> {
        self.find(id).await?.ok_or(Denied::Unknown)
    }

    /// `false`: another change came first, decide again.
    async fn carried_out(&self, batch: Batch) -> Result<bool, Fault> {
        match self.inner.store.commit(batch).await {
            Ok(_) => Ok(true),
            Err(Refusal::Conflict(_)) => Ok(false),
            Err(refusal) => Err(Fault::Unavailable(refusal.to_string())),
        }
    }
}

#[cfg(test)]
mod tests;

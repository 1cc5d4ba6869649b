//! Who may free what, and the one batch that frees it.
//!
//! A release moves the held copies to releasing, grants standing and enqueues
//! the delivery in a single batch; two clicks, two nodes or a hundred parallel
//! POSTs make one release. Blocks beat every trust at this moment too. The
//! caller has verified the token; this module trusts nothing else he says.

use uuid::Uuid;

use crate::quarantine::Held;
use crate::store::Fault;

/// Carries out what senders decide about their held messages. Clones share
/// the store.
#[derive(Clone)]
pub struct Releases {}

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

impl Releases {
    /// The record, or `None` if it was purged.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn held(&self, _id: Uuid) -> Result<Option<Held>, Fault> {
        todo!()
    }

    /// What may be done about `slot` (or [`ALL_RECIPIENTS`](crate::link::ALL_RECIPIENTS)) now.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn way(&self, _held: &Held, _slot: u16) -> Result<Way, Fault> {
        todo!()
    }

    /// Frees all copies of `slot` that may be freed: each starts its
    /// countdown. Answers the record as it stands afterwards; if it was
    /// released before, that is the answer and not an error.
    ///
    /// # Errors
    /// [`Denied`].
    pub async fn release(&self, _id: Uuid, _slot: u16) -> Result<Held, Denied> {
        todo!()
    }

    /// Takes back what is still in its countdown.
    ///
    /// # Errors
    /// [`Denied`].
    pub async fn take_back(&self, _id: Uuid, _slot: u16) -> Result<Held, Denied> {
        todo!()
    }

    /// "I did not send it": the message becomes unreleasable by its sender.
    ///
    /// # Errors
    /// [`Denied`].
    pub async fn disown(&self, _id: Uuid, _slot: u16) -> Result<Held, Denied> {
        todo!()
    }
}

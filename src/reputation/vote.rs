//! Votes: what somebody said of one message, for the content model.
//!
//! Whoever decides something about a held message puts his vote into the batch
//! of that decision ([`Batch::insert`](crate::store::Batch::insert)); nothing
//! is learnt there. `lesson` hears the votes later, those of one text together,
//! and teaches the model what enough different people agree about.
//! A sender's own release is no vote: nothing in a mail, and nobody who sends
//! one, can make it trusted (ATTACKS R-07).

use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::clock::{SignedDuration, Timestamp};
use crate::mail::Address;
use crate::store::{Record, Table};

/// A released message that its recipient does not flag for so long was wanted.
const SILENCE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How somebody said it. The numbers stand on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum VoteKind {
    /// A recipient called it spam: page, digest, report address.
    #[n(0)]
    Flag,
    /// A recipient's program did: moved to Junk, ARF complaint.
    #[n(1)]
    Machine,
    /// A recipient freed his own copy.
    #[n(2)]
    Release,
    /// A recipient got a released copy and said nothing.
    #[n(3)]
    Silence,
    /// An administrator taught it.
    #[n(4)]
    Administrator,
}

/// One vote, until it has been heard.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Vote {
    #[cbor(n(0), with = "crate::store::record::uuid")]
    id: Uuid,
    /// When it is to be heard.
    #[cbor(n(1), with = "crate::store::record::micros")]
    pub due: Timestamp,
    /// The held message that it is about.
    #[cbor(n(2), with = "crate::store::record::uuid")]
    pub about: Uuid,
    /// Whose it is: the hash of his address or login.
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    pub person: [u8; 16],
    #[n(4)]
    pub kind: VoteKind,
    #[n(5)]
    pub spam: bool,
    /// He takes back what he said.
    #[n(6)]
    pub withdrawn: bool,
}

impl VoteKind {
    pub const ALL: [Self; 5] =
        [Self::Flag, Self::Machine, Self::Release, Self::Silence, Self::Administrator];

    /// What it weighs, in quarters of a person's word. An administrator is one
    /// person more, not a judge.
    pub fn quarters(self) -> u32 {
        match self {
            Self::Flag | Self::Release | Self::Administrator => 4,
            Self::Machine => 2,
            Self::Silence => 1,
        }
    }

    /// The most that votes of this kind weigh together: what nobody clicked
    /// never outweighs a person, and silence is less than one.
    pub fn most(self) -> u32 {
        match self {
            Self::Flag | Self::Release | Self::Administrator => u32::MAX,
            Self::Machine => 4,
            Self::Silence => 3,
        }
    }
}

impl Vote {
    /// An administrator teaches: `login` says that the message is (not) spam.
    /// He may change his mind by saying the other.
    pub fn by_administrator(about: Uuid, login: &str, spam: bool, now: Timestamp) -> Self {
        Self::new(about, login, VoteKind::Administrator, spam, now)
    }

    /// `recipient` frees his own copy.
    pub fn of_release(about: Uuid, recipient: &Address, now: Timestamp) -> Self {
        Self::new(about, &recipient.base().to_string(), VoteKind::Release, false, now)
    }

    /// `recipient` got a released copy; heard after a week.
    pub fn of_silence(about: Uuid, recipient: &Address, now: Timestamp) -> Self {
        let due = now + SILENCE;
        Self::new(about, &recipient.base().to_string(), VoteKind::Silence, false, due)
    }

    /// `recipient` flags the message, or his program does.
    pub fn of_flag(about: Uuid, recipient: &Address, machine: bool, now: Timestamp) -> Self {
        let kind = if machine { VoteKind::Machine } else { VoteKind::Flag };
        Self::new(about, &recipient.base().to_string(), kind, true, now)
    }

    /// The same, taken back.
    pub fn withdrawn(self) -> Self {
        Self { withdrawn: true, ..self }
    }

    fn new(about: Uuid, person: &str, kind: VoteKind, spam: bool, due: Timestamp) -> Self {
        let person = person_key(person);
        Self { id: Uuid::now_v7(), due, about, person, kind, spam, withdrawn: false }
    }

    /// Behind the keys of all votes that are due.
    pub fn due_key(now: Timestamp) -> Vec<u8> {
        let behind = now.as_microsecond().saturating_add(1);
        Self::TABLE.key(&behind.to_be_bytes())
    }
}

/// An administrator whose login is his address is the same person.
pub fn person_key(person: &str) -> [u8; 16] {
    let hash = Sha256::digest(person.to_lowercase());
    hash.first_chunk().copied().unwrap_or_default()
}

impl Record for Vote {
    const TABLE: Table = Table::Vote;

    fn key(&self) -> Vec<u8> {
        let mut key = self.due.as_microsecond().to_be_bytes().to_vec();
        key.extend_from_slice(self.id.as_bytes());
        key
    }
}

//! The record of one recipient's flag against one identity.

use jiff::{SignedDuration, Timestamp};
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::directory::{OrganisationId, Pattern};
use crate::mail::Address;
use crate::reputation::standing::{Scope, scope_of};
use crate::reputation::{Network, Proofs, Sender, Standing, StandingState, Vote};
use crate::store::{Index, Record, Table};

/// How long a flag may be undone by who made it.
pub const UNDOABLE: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Who flagged. The numbers stand on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum FlagBy {
    /// Page, digest, report address, administrator.
    #[n(0)]
    Person,
    /// Moved to Junk, ARF complaint.
    #[n(1)]
    Machine,
}

/// One recipient's flag against one identity.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Flag {
    /// The sender's base address.
    #[n(0)]
    pub address: Address,
    #[n(1)]
    pub proofs: Proofs,
    #[n(2)]
    pub network: Network,
    #[n(3)]
    pub organisation: OrganisationId,
    /// The recipient's mailbox.
    #[n(4)]
    pub recipient: Address,
    #[n(5)]
    pub by: FlagBy,
    #[cbor(n(6), with = "crate::store::record::micros")]
    pub at: Timestamp,
    /// The held message that showed it to him, if one did.
    #[n(7)]
    #[cbor(with = "minicbor::bytes")]
    pub about: Option<[u8; 16]>,
    #[cbor(n(8), with = "crate::store::record::maybe_micros")]
    pub undone_at: Option<Timestamp>,
    /// How often the sender had been revoked before.
    #[n(9)]
    pub round: u16,
    /// This flag ended a trust; what it was.
    #[n(10)]
    pub ended: Option<StandingState>,
    /// This flag made the recipient's block.
    #[n(11)]
    pub blocked: bool,
}

impl Flag {
    pub fn stands(&self) -> bool {
        self.undone_at.is_none()
    }

    pub fn may_be_undone(&self, now: Timestamp) -> bool {
        self.stands() && now.duration_since(self.at) < UNDOABLE
    }

    pub fn sender(&self) -> Sender {
        Sender { address: Some(self.address.clone()), proofs: self.proofs, network: self.network }
    }

    pub(super) fn scope(&self) -> Scope {
        scope_of(&self.sender(), &self.organisation)
    }

    pub(super) fn pattern(&self) -> Pattern {
        pattern(&self.sender(), &self.address)
    }

    /// What it tells the content model, if a message is known.
    pub(super) fn vote(&self, now: Timestamp) -> Option<Vote> {
        let about = Uuid::from_bytes(self.about?);
        Some(Vote::of_flag(about, &self.recipient, self.by == FlagBy::Machine, now))
    }

    pub(super) fn counts(&self) -> bool {
        self.stands() && self.by == FlagBy::Person
    }
}

impl Record for Flag {
    const TABLE: Table = Table::Flag;

    /// Hashes: an identity and a recipient are longer than a key may be.
    fn key(&self) -> Vec<u8> {
        let mut key = sender_key(&self.address, &self.scope());
        key.extend_from_slice(&recipient_key(&self.organisation, &self.recipient));
        key
    }

    fn index_keys(&self) -> Vec<(Index, Vec<u8>)> {
        let key = recipient_key(&self.organisation, &self.recipient);
        vec![(Index::FlagByRecipient, key)]
    }
}

/// What blocks this identity.
pub fn pattern(sender: &Sender, address: &Address) -> Pattern {
    let address = address.base();
    if sender.is_proved() {
        Pattern::Proved(address)
    } else {
        Pattern::Unproved { address, network: sender.network }
    }
}

pub(super) fn sender_key(address: &Address, scope: &Scope) -> Vec<u8> {
    Sha256::digest(Standing::key_of(address, scope))[..16].to_vec()
}

pub(super) fn recipient_key(organisation: &OrganisationId, recipient: &Address) -> Vec<u8> {
    Sha256::digest(format!("{organisation}\0{recipient}"))[..16].to_vec()
}

//! Identity: the RFC5322.From address and what proved it.

use minicbor::{Decode, Encode};

use crate::directory::Claim;
use crate::mail::Address;
pub use crate::mail::Network;

/// What proved an address; each only when aligned with it (relaxed).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Proof {
    Spf = 0b001,
    Dkim = 0b010,
    Dmarc = 0b100,
}

/// The set of proofs that one message carries, or that a trust was earned
/// with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Proofs(#[n(0)] u8);

/// Who sent a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// RFC5322.From where it is one unambiguous address.
    pub address: Option<Address>,
    /// Empty unless `address` was proved.
    pub proofs: Proofs,
    pub network: Network,
}

impl Proofs {
    pub const NONE: Self = Self(0);

    #[must_use]
    pub fn with(self, proof: Proof) -> Self {
        Self(self.0 | proof as u8)
    }

    pub fn contains(self, proof: Proof) -> bool {
        self.0 & proof as u8 != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether a proof stands in both.
    pub fn shares(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Sender {
    /// Whether anything but the client's network vouches for the address.
    pub fn is_proved(&self) -> bool {
        self.address.is_some() && !self.proofs.is_empty()
    }

    /// The address, where it was proved.
    pub fn proved_address(&self) -> Option<&Address> {
        self.address.as_ref().filter(|_| self.is_proved())
    }

    /// What rules look at; `senders` are RFC5322.From and the reverse-path.
    pub fn claim<'a>(&'a self, senders: &'a [&'a Address]) -> Claim<'a> {
        Claim {
            senders,
            from: self.address.as_ref(),
            proved: self.is_proved(),
            network: Some(self.network),
        }
    }
}

//! Identity: the RFC5322.From address and what proved it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use minicbor::{Decode, Encode};

use crate::mail::Address;

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

/// A client's network: its /24 (IPv4) or /48 (IPv6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub struct Network(#[n(0)] IpAddr);

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

impl Network {
    pub fn of(ip: IpAddr) -> Self {
        Self(match ip.to_canonical() {
            IpAddr::V4(ip) => IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & 0xffff_ff00)),
            IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 80 << 80)),
        })
    }

    /// The first address of the network.
    pub fn first(self) -> IpAddr {
        self.0
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0, if self.0.is_ipv4() { 24 } else { 48 })
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
}

//! What the list keeps: suppressed addresses, strikes, exemptions, providers'
//! windows, imports. Keys end in the server's number, so that one address is
//! found for every server at once.

use minicbor::{Decode, Encode};
use uuid::Uuid;

use super::classify::Class;
use super::rule::Strikes;
use super::server::{OWN, ServerId};
use crate::clock::Timestamp;
use crate::mail::Address;
use crate::store::{Index, Record, Table};

/// Why an address is suppressed. The numbers stand on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Reason {
    /// A letter to it bounced for good.
    #[n(0)]
    Bounced,
    #[n(1)]
    UnknownHost,
    #[n(2)]
    UnknownUser,
    #[n(3)]
    ResendTimeout,
    #[n(4)]
    Rejecting,
    #[n(5)]
    AddressFormat,
    /// Somebody added it by hand.
    #[n(6)]
    Manual,
    /// It came with a list.
    #[n(7)]
    Uploaded,
    /// Its owner complained (RFC 5965).
    #[n(8)]
    Complaint,
}

impl Reason {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bounced => "bounced",
            Self::UnknownHost => "unknown_host",
            Self::UnknownUser => "unknown_user",
            Self::ResendTimeout => "resend_timeout",
            Self::Rejecting => "rejecting",
            Self::AddressFormat => "address_format",
            Self::Manual => "manual",
            Self::Uploaded => "uploaded",
            Self::Complaint => "complaint",
        }
    }

    /// The reason that a class of failures leads to, if it counts at all.
    pub fn of(class: Class) -> Option<Self> {
        Some(match class {
            Class::UnknownHost => Self::UnknownHost,
            Class::UnknownUser => Self::UnknownUser,
            Class::ResendTimeout => Self::ResendTimeout,
            Class::Rejecting => Self::Rejecting,
            Class::AddressFormat => Self::AddressFormat,
            _ => return None,
        })
    }
}

/// An address that we do not write to.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Suppressed {
    /// In its canonical form.
    #[n(0)]
    pub address: Address,
    #[cbor(n(1), with = "crate::store::record::micros")]
    pub since: Timestamp,
    #[n(2)]
    pub reason: Reason,
    /// Absent: our own courier.
    #[n(3)]
    #[cbor(default)]
    pub server: ServerId,
    /// When it is released by itself.
    #[cbor(n(4), with = "crate::store::record::maybe_micros")]
    pub until: Option<Timestamp>,
    /// How often it was suppressed before.
    #[n(5)]
    #[cbor(default)]
    pub relapses: u8,
}

/// What an address has done since its last success.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Count {
    #[n(0)]
    pub address: Address,
    #[n(1)]
    pub server: ServerId,
    #[n(2)]
    pub strikes: [Strikes; 5],
    #[n(3)]
    pub relapses: u8,
    /// It has its strikes and waits for the next run.
    #[n(4)]
    pub due: Option<Reason>,
}

/// An address that may not be suppressed ("stop cancellation").
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Exemption {
    #[n(0)]
    pub address: Address,
    #[n(1)]
    pub server: ServerId,
    /// What it was suppressed for.
    #[n(2)]
    pub reason: Reason,
    #[cbor(n(3), with = "crate::store::record::micros")]
    pub at: Timestamp,
    /// Who released it.
    #[n(4)]
    pub by: String,
    /// Errors since then.
    #[n(5)]
    pub errors: u32,
    /// The last error's class and words.
    #[n(6)]
    pub last_error: Option<String>,
}

/// What one provider answered within the present window.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Window {
    #[n(0)]
    pub server: ServerId,
    #[n(1)]
    pub domain: String,
    #[cbor(n(2), with = "crate::store::record::micros")]
    pub began: Timestamp,
    #[n(3)]
    pub all: u32,
    #[n(4)]
    pub unknown: u32,
    /// Since when nothing is learnt from it.
    #[cbor(n(5), with = "crate::store::record::maybe_micros")]
    pub opened: Option<Timestamp>,
}

/// A list that was uploaded, or is being.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Import {
    #[n(0)]
    pub server: ServerId,
    #[cbor(n(1), with = "crate::store::record::uuid")]
    pub id: Uuid,
    #[n(2)]
    pub file: String,
    #[n(3)]
    pub by: String,
    #[cbor(n(4), with = "crate::store::record::micros")]
    pub at: Timestamp,
    #[n(5)]
    pub records: u64,
    #[n(6)]
    pub duplicates: u64,
    #[n(7)]
    pub invalid: u64,
    #[n(8)]
    pub blocks: u32,
    #[n(9)]
    pub state: ImportState,
    /// When it came into force.
    #[cbor(n(10), with = "crate::store::record::maybe_micros")]
    pub active_at: Option<Timestamp>,
    /// When its addresses are released by themselves.
    #[cbor(n(11), with = "crate::store::record::maybe_micros")]
    pub until: Option<Timestamp>,
    /// So many of them, in the order of its blocks, have been.
    #[n(12)]
    #[cbor(default)]
    pub released: u64,
}

impl Import {
    /// Addresses in its blocks.
    pub fn addresses(&self) -> u64 {
        self.records.saturating_sub(self.duplicates + self.invalid)
    }
}

/// The numbers stand on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ImportState {
    /// Being written: nothing of it is in force.
    #[n(0)]
    Staged,
    /// Waits for the next run.
    #[n(1)]
    Registered,
    #[n(2)]
    Active,
    /// Its watch period is over, and all of its addresses are released.
    #[n(3)]
    Over,
}

/// Some addresses of an import, canonical and sorted.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Block {
    #[n(0)]
    pub server: ServerId,
    #[cbor(n(1), with = "crate::store::record::uuid")]
    pub import: Uuid,
    #[n(2)]
    pub number: u32,
    /// One a line.
    #[n(3)]
    pub addresses: String,
}

/// An uploaded address that was released: its blocks say nothing any more.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Lifted {
    #[n(0)]
    pub address: Address,
    #[n(1)]
    pub server: ServerId,
    #[cbor(n(2), with = "crate::store::record::micros")]
    pub at: Timestamp,
}

/// How far a log of another mail server was read.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct LogPosition {
    #[n(0)]
    pub path: String,
    #[n(1)]
    pub inode: u64,
    /// Bytes of whole lines that were read and noted.
    #[n(2)]
    pub offset: u64,
}

/// `address`, and behind a NUL, which no address holds, the server's number
/// unless it is our own.
pub fn key(address: &Address, server: ServerId) -> Vec<u8> {
    let mut key = address.canonical().to_string().into_bytes();
    if server != OWN {
        key.push(0);
        key.extend_from_slice(&server.to_be_bytes());
    }
    key
}

/// What [`key`] was made of.
pub fn of_key(key: &[u8]) -> Option<(&str, ServerId)> {
    let (address, server) = match key.iter().position(|byte| *byte == 0) {
        Some(end) => (&key[..end], ServerId::from_be_bytes(key[end + 1..].try_into().ok()?)),
        None => (key, OWN),
    };
    Some((std::str::from_utf8(address).ok()?, server))
}

fn time_key(server: ServerId, at: Timestamp) -> Vec<u8> {
    let mut key = server.to_be_bytes().to_vec();
    key.extend_from_slice(&at.as_microsecond().to_be_bytes());
    key
}

impl Record for Suppressed {
    const TABLE: Table = Table::Suppression;

    fn key(&self) -> Vec<u8> {
        key(&self.address, self.server)
    }

    fn index_keys(&self) -> Vec<(Index, Vec<u8>)> {
        self.until
            .map(|at| (Index::SuppressedUntil, time_key(self.server, at)))
            .into_iter()
            .collect()
    }
}

impl Record for Count {
    const TABLE: Table = Table::SuppressionCount;

    fn key(&self) -> Vec<u8> {
        key(&self.address, self.server)
    }

    fn index_keys(&self) -> Vec<(Index, Vec<u8>)> {
        let due = self.due.map(|_| (Index::CountDue, self.server.to_be_bytes().to_vec()));
        due.into_iter().collect()
    }
}

impl Record for Exemption {
    const TABLE: Table = Table::SuppressionExemption;

    fn key(&self) -> Vec<u8> {
        key(&self.address, self.server)
    }
}

impl Record for Lifted {
    const TABLE: Table = Table::SuppressionLifted;

    fn key(&self) -> Vec<u8> {
        key(&self.address, self.server)
    }
}

impl Record for Window {
    const TABLE: Table = Table::SuppressionWindow;

    fn key(&self) -> Vec<u8> {
        window_key(self.server, &self.domain)
    }
}

pub fn window_key(server: ServerId, domain: &str) -> Vec<u8> {
    let mut key = server.to_be_bytes().to_vec();
    key.extend_from_slice(domain.as_bytes());
    key
}

impl Record for Import {
    const TABLE: Table = Table::SuppressionImport;

    fn key(&self) -> Vec<u8> {
        import_key(self.server, self.id)
    }
}

pub fn import_key(server: ServerId, id: Uuid) -> Vec<u8> {
    let mut key = server.to_be_bytes().to_vec();
    key.extend_from_slice(id.as_bytes());
    key
}

impl Record for Block {
    const TABLE: Table = Table::SuppressionBlock;

    fn key(&self) -> Vec<u8> {
        let mut key = import_key(self.server, self.import);
        key.extend_from_slice(&self.number.to_be_bytes());
        key
    }
}

impl Record for LogPosition {
    const TABLE: Table = Table::SuppressionLog;

    fn key(&self) -> Vec<u8> {
        self.path.as_bytes().to_vec()
    }
}

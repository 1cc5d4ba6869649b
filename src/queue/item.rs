//! A queue item: one body on its way to its recipients.

use minicbor::{Decode, Encode};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::mail::{Address, ReversePath};
use crate::store::{Index, Record, Table};

/// What an item delivers. The numbers stand on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Kind {
    /// A released message, to its recipients' servers.
    #[n(0)]
    Release,
    /// A letter to a sender.
    #[n(1)]
    Letter,
    /// A DSN (RFC 3464) to a sender.
    #[n(2)]
    Dsn,
}

/// One body on its way.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Item {
    #[cbor(n(0), with = "crate::store::record::uuid")]
    pub id: Uuid,
    #[n(1)]
    pub kind: Kind,
    /// The held message that it is about.
    #[cbor(n(2), with = "crate::store::record::uuid")]
    pub held: Uuid,
    /// The body to send: the held message's, or a letter's own.
    #[cbor(n(3), with = "crate::store::record::uuid")]
    pub body: Uuid,
    #[n(4)]
    pub mail_from: ReversePath,
    #[n(5)]
    pub recipients: Vec<ItemRecipient>,
    /// Trace header fields that go in front of the body's bytes, CRLF ended.
    #[n(6)]
    pub trace: String,
    #[n(7)]
    pub eight_bit: bool,
    #[n(8)]
    pub smtputf8: bool,
    #[cbor(n(9), with = "crate::store::record::micros")]
    pub created_at: Timestamp,
    /// Not before this time; while claimed, the end of the lease.
    #[cbor(n(10), with = "crate::store::record::micros")]
    pub due_at: Timestamp,
    /// When the queue gives up.
    #[cbor(n(11), with = "crate::store::record::micros")]
    pub expires_at: Timestamp,
    #[n(12)]
    pub attempts: u32,
    /// Goes up with each claim, so that a worker that slept cannot settle
    /// another's claim.
    #[n(13)]
    pub generation: u32,
}

/// One recipient of an item.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct ItemRecipient {
    #[n(0)]
    pub address: Address,
    /// His slot in the held message.
    #[n(1)]
    pub slot: u16,
    #[n(2)]
    pub state: ItemState,
    /// The next hop's last reply: server and line.
    #[n(3)]
    pub server: Option<String>,
    #[n(4)]
    pub reply: Option<String>,
}

/// The numbers stand on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum ItemState {
    #[n(0)]
    Waiting,
    #[n(1)]
    Delivered,
    #[n(2)]
    Failed,
}

impl Item {
    /// Whether anybody is still waiting for it.
    pub fn is_open(&self) -> bool {
        self.recipients.iter().any(|one| one.state == ItemState::Waiting)
    }

    pub fn due_key(at: Timestamp) -> Vec<u8> {
        at.as_microsecond().to_be_bytes().to_vec()
    }
}

impl Record for Item {
    const TABLE: Table = Table::Item;

    fn key(&self) -> Vec<u8> {
        self.id.as_bytes().to_vec()
    }

    fn index_keys(&self) -> Vec<(Index, Vec<u8>)> {
        let due = self.is_open().then(|| (Index::ItemDue, Self::due_key(self.due_at)));
        due.into_iter().collect()
    }
}

//! A queue item: one body on its way to its recipients.
//!
//! An open item stands in the index of due items; one that ended with a
//! failure stays, out of that index, until `kept_until`, so that an
//! administrator can retry it.

use minicbor::{Decode, Encode};
use uuid::Uuid;

use crate::clock::{SignedDuration, Timestamp};
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
    /// Mail that was accepted and answered with 250 before a next hop had it;
    /// `held` is nil. The body is stored like a held message's.
    #[n(3)]
    Accepted,
}

impl Kind {
    /// The word that operators read.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Letter => "letter",
            Self::Dsn => "dsn",
            Self::Accepted => "accepted",
        }
    }
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
    /// A worker has claimed it and not settled yet. Found set when a lease has
    /// run out, it means that an attempt was cut short: the next hop may
    /// already have the message.
    #[n(14)]
    #[cbor(default)]
    pub claimed: bool,
    /// Until when an item that ended with a failure can be tried again.
    #[cbor(n(15), with = "crate::store::record::maybe_micros")]
    pub kept_until: Option<Timestamp>,
    /// What was known of the sender of [`Kind::Accepted`] mail: whether he may
    /// be told that it failed. `None`: nothing, so he may not.
    #[n(16)]
    pub origin: Option<Origin>,
}

impl Item {
    /// A letter to one of our own people, not to a sender.
    pub fn is_inside(&self) -> bool {
        self.kind == Kind::Letter && self.held.is_nil()
    }
}

/// What vouched for the sender of accepted mail when it was accepted.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Origin {
    /// RFC5322.From, if SPF or DKIM proved it, or if we serve its domain and
    /// its own network or login sent it.
    #[n(0)]
    pub proved: Option<Address>,
    #[n(1)]
    pub score: f32,
}

/// The parts of an item that its maker decides.
#[derive(Clone, Debug)]
pub struct Draft {
    pub kind: Kind,
    /// Nil for [`Kind::Accepted`], and for a letter to our own people.
    pub held: Uuid,
    pub body: Uuid,
    pub mail_from: ReversePath,
    /// Each with his slot in the held message.
    pub recipients: Vec<(Address, u16)>,
    pub trace: String,
    pub eight_bit: bool,
    pub smtputf8: bool,
    /// The first attempt is not before this time.
    pub due_at: Timestamp,
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
    /// An item as it enters the queue; the queue gives up `lifetime` after
    /// the first attempt is due.
    pub fn new(draft: Draft, now: Timestamp, lifetime: SignedDuration) -> Self {
        let waiting = |(address, slot)| ItemRecipient {
            address,
            slot,
            state: ItemState::Waiting,
            server: None,
            reply: None,
        };
        Self {
            id: Uuid::now_v7(),
            kind: draft.kind,
            held: draft.held,
            body: draft.body,
            mail_from: draft.mail_from,
            recipients: draft.recipients.into_iter().map(waiting).collect(),
            trace: draft.trace,
            eight_bit: draft.eight_bit,
            smtputf8: draft.smtputf8,
            created_at: now,
            due_at: draft.due_at,
            expires_at: draft.due_at.saturating_add(lifetime).unwrap_or(Timestamp::MAX),
            attempts: 0,
            generation: 0,
            claimed: false,
            kept_until: None,
            origin: None,
        }
    }

    /// Whether the body is the item's own, and goes with it. A released
    /// message's belongs to the quarantine.
    pub fn owns_body(&self) -> bool {
        self.kind != Kind::Release
    }

    /// Whether anybody is still waiting for it.
    pub fn is_open(&self) -> bool {
        self.recipients.iter().any(|one| one.state == ItemState::Waiting)
    }

    /// The index key of a due time.
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
        if self.is_open() {
            return vec![(Index::ItemDue, Self::due_key(self.due_at))];
        }
        let kept = self.kept_until.map(|until| (Index::ItemKept, Self::due_key(until)));
        kept.into_iter().collect()
    }
}

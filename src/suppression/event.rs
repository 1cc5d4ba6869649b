//! The delivery log and the error log: what became of each message to each
//! recipient, kept for a while (40 days unless told otherwise).
//!
//! A key begins with the time, so that forgetting takes from the front. A
//! report that is told twice has the same key. [`super::search`] finds them.

use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};

use super::classify::Class;
use super::server::ServerId;
use crate::clock::Timestamp;
use crate::store::{Batch, Fault, Record, Refusal, Row, Store, Table};

/// The numbers stand on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Outcome {
    #[n(0)]
    Queued,
    #[n(1)]
    Succeeded,
    #[n(2)]
    Deferred,
    #[n(3)]
    Failed,
    /// Not sent, because the address is suppressed: "blocking address".
    #[n(4)]
    Blocked,
    /// Its owner complained of a message (RFC 5965).
    #[n(5)]
    Complained,
}

impl Outcome {
    pub const ALL: [Self; 6] = [
        Self::Queued,
        Self::Succeeded,
        Self::Deferred,
        Self::Failed,
        Self::Blocked,
        Self::Complained,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Succeeded => "succeeded",
            Self::Deferred => "deferred",
            Self::Failed => "failed",
            Self::Blocked => "blocked",
            Self::Complained => "complained",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }

    /// Whether it stands in the error log.
    pub fn is_error(self) -> bool {
        !matches!(self, Self::Queued | Self::Succeeded)
    }
}

/// One line of both logs. Texts are of strangers, cut and cleaned.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Event {
    #[cbor(n(0), with = "crate::store::record::micros")]
    pub at: Timestamp,
    /// Tells events of one moment apart, and repeats from news.
    #[n(1)]
    pub mark: u64,
    #[n(2)]
    pub server: ServerId,
    /// The destination, canonical.
    #[n(3)]
    pub address: String,
    #[n(4)]
    pub outcome: Outcome,
    /// A class's word; empty for what succeeded.
    #[n(5)]
    pub class: String,
    #[n(6)]
    pub subject: String,
    #[n(7)]
    pub sender: String,
    #[n(8)]
    pub return_path: String,
    #[n(9)]
    pub message_id: String,
    /// The remote server's words.
    #[n(10)]
    pub response: String,
}

impl Event {
    /// `id` is whatever names this event for its teller: the same id at the
    /// same time for the same address is the same event.
    pub fn new(at: Timestamp, server: ServerId, address: &str, outcome: Outcome, id: &str) -> Self {
        let mut hash = Sha256::new();
        for part in [address, id, outcome.as_str()] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        hash.update(server.to_be_bytes());
        let digest = hash.finalize();
        let mut mark = [0; 8];
        mark.copy_from_slice(&digest[..8]);
        Self {
            at,
            mark: u64::from_be_bytes(mark),
            server,
            address: address.to_owned(),
            outcome,
            class: String::new(),
            subject: String::new(),
            sender: String::new(),
            return_path: String::new(),
            message_id: String::new(),
            response: String::new(),
        }
    }

    #[must_use]
    pub fn with_class(mut self, class: Class) -> Self {
        class.as_str().clone_into(&mut self.class);
        self
    }

    #[must_use]
    pub fn with_response(mut self, response: &str) -> Self {
        self.response = cut(response, 500);
        self
    }
}

/// Controls made visible, at most `limit` bytes.
pub fn cut(text: &str, limit: usize) -> String {
    let mut line = crate::mail::display::visible(text);
    while line.len() > limit {
        line.pop();
    }
    line
}

/// Forgets at most `limit` events older than `before`; answers how many.
///
/// # Errors
/// [`Fault`] if the store cannot read or write.
pub async fn forget(store: &Store, before: Timestamp, limit: usize) -> Result<usize, Fault> {
    let rows: Vec<Row<Event>> = store.page(&[], limit).await?;
    let mut batch = Batch::new();
    let mut gone = 0;
    for row in rows.iter().take_while(|row| row.record.at < before) {
        batch.remove(row);
        gone += 1;
    }
    if gone > 0 {
        match store.commit(batch).await {
            Ok(_) => {}
            Err(Refusal::Conflict(_)) => return Ok(0),
            Err(refusal) => return Err(Fault::Unavailable(refusal.to_string())),
        }
    }
    Ok(gone)
}

impl Record for Event {
    const TABLE: Table = Table::SuppressionEvent;

    fn key(&self) -> Vec<u8> {
        let mut key = self.at.as_microsecond().to_be_bytes().to_vec();
        key.extend_from_slice(&self.mark.to_be_bytes());
        key
    }
}

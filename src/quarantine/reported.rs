//! A message that was never held, as a recipient reported it: kept so that
//! the content model can hear what he says of it, as long as his organisation
//! keeps held mail, and cut at 128 KiB.
//!
//! These are a stranger's bytes on the word of a proved recipient: they say
//! nothing about who sent them, and nobody is shown them.

use minicbor::{Decode, Encode};
use uuid::Uuid;

use super::stored;
use crate::clock::Timestamp;
use crate::mail::{Address, Client, Envelope, Message, ReversePath};
use crate::store::{Batch, Body, Index, Record, Table};

/// Bytes of a message that are kept; the model reads no further either.
const KEPT: usize = 128 << 10;

/// One reported message; its body has the same id.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Reported {
    #[cbor(n(0), with = "crate::store::record::uuid")]
    pub id: Uuid,
    /// Whose word it is.
    #[n(1)]
    pub recipient: Address,
    /// The address that it shows, which nothing proves.
    #[n(2)]
    pub from: Address,
    /// When it is forgotten.
    #[cbor(n(3), with = "crate::store::record::micros")]
    pub ends: Timestamp,
}

impl Reported {
    /// Adds the record and the beginning of the message to the batch of the
    /// flag.
    pub fn keep(&self, batch: &mut Batch, message: &Message, now: Timestamp) {
        let bytes = message.bytes();
        let cut = Message::new(bytes.slice(..bytes.len().min(KEPT)));
        // It came as a part of another message: of its own session nothing is
        // known.
        let client = Client {
            ip: std::net::Ipv4Addr::UNSPECIFIED.into(),
            name: None,
            helo: String::new(),
            tls: None,
            esmtp: false,
        };
        let envelope = Envelope {
            client,
            authenticated: None,
            mail_from: ReversePath::Null,
            rcpt_to: Vec::new(),
            eight_bit: false,
            smtputf8: false,
            received_at: now,
            session_id: String::new(),
        };
        let content = stored::write(&envelope, &cut);
        batch.insert(self).body(Body { id: self.id, expires: self.ends, content });
    }
}

impl Record for Reported {
    const TABLE: Table = Table::Reported;

    fn key(&self) -> Vec<u8> {
        self.id.as_bytes().to_vec()
    }

    fn index_keys(&self) -> Vec<(Index, Vec<u8>)> {
        vec![(Index::ReportedEnds, self.ends.as_microsecond().to_be_bytes().to_vec())]
    }
}

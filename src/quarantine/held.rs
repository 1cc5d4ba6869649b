//! The record of a held message, and the legal transitions of each
//! recipient's copy.

use std::net::IpAddr;

use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Fingerprint, Reference};
use crate::clock::{SignedDuration, Timestamp};
use crate::directory::OrganisationId;
use crate::filter::verdict::Door;
use crate::filter::{Class, Finding};
use crate::mail::{Address, ReversePath};
use crate::reputation::{Network, Proofs, Sender};
use crate::store::{Index, Record, Table};

/// How long the page of an expired message can still say so.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(30 * 24);

/// A message in the quarantine: one for all held recipients of a transaction.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of the session or the message")]
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Held {
    /// UUIDv7; also the id of its body.
    #[cbor(n(0), with = "crate::store::record::uuid")]
    pub id: Uuid,
    #[n(1)]
    pub reference: Reference,
    #[cbor(n(2), with = "crate::store::record::micros")]
    pub received_at: Timestamp,
    /// When it expires; afterwards the body is erased.
    #[cbor(n(3), with = "crate::store::record::micros")]
    pub expires_at: Timestamp,
    #[n(4)]
    pub fingerprint: Fingerprint,
    #[n(5)]
    pub rfc5321_mail_from: ReversePath,
    #[n(6)]
    pub client: IpAddr,
    /// RFC5322.From, if it is one unambiguous address.
    #[n(7)]
    pub rfc5322_from: Option<Address>,
    #[n(8)]
    pub proofs: Proofs,
    /// Decoded, at most 300 bytes.
    #[n(9)]
    pub subject: String,
    /// RFC5322.From as people read it: name and address, at most 300 bytes.
    #[n(10)]
    pub from_text: String,
    #[n(11)]
    pub message_id: String,
    /// Bytes of the message.
    #[n(12)]
    pub size: u64,
    #[n(13)]
    pub attachments: u16,
    /// Names the message's exact bytes: [`Message::hash`](crate::mail::Message::hash).
    #[cbor(n(14), with = "minicbor::bytes")]
    pub digest: [u8; 32],
    #[n(15)]
    pub score: f32,
    /// By weight, the heaviest first; at most 30.
    #[n(16)]
    pub findings: Vec<Finding>,
    #[n(17)]
    pub telling: Telling,
    /// The language tag of the sender's pages and letter, if he showed one
    /// (Accept-Language or Content-Language of his mail).
    #[n(18)]
    pub language: Option<String>,
    /// In the order of the session; a recipient's place is his slot.
    #[n(19)]
    pub recipients: Vec<HeldRecipient>,
    /// Whether a letter may never be sent for it: automatic, bulk or a list.
    #[n(20)]
    pub automatic: bool,
    /// Whether the body is gone: the record stays a while for its page.
    #[n(21)]
    pub erased: bool,
    /// Header fields that go in front of the bytes when the message is
    /// delivered: our Received and what our marks say, CRLF ended.
    #[n(22)]
    pub trace: String,
    /// BODY=8BITMIME and SMTPUTF8 of the session, asked of the next hop too.
    #[n(23)]
    pub eight_bit: bool,
    #[n(24)]
    pub smtputf8: bool,
}

/// One recipient's copy.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct HeldRecipient {
    #[n(0)]
    pub address: Address,
    #[n(1)]
    pub organisation: OrganisationId,
    /// Named in To or Cc: may be shown to the sender's page.
    #[n(2)]
    pub named: bool,
    #[n(3)]
    pub class: Class,
    #[n(4)]
    pub door: Door,
    #[n(5)]
    pub state: State,
    #[cbor(n(6), with = "crate::store::record::micros")]
    pub changed_at: Timestamp,
    /// The queue item that delivers it, while releasing and afterwards.
    #[n(7)]
    #[cbor(with = "minicbor::bytes")]
    pub item: Option<[u8; 16]>,
    /// When the courier may take it: the end of the countdown.
    #[cbor(n(8), with = "crate::store::record::maybe_micros")]
    pub due_at: Option<Timestamp>,
    /// What the next hop said last.
    #[n(9)]
    pub outcome: Option<Outcome>,
}

/// What the next hop's server answered about one recipient.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Outcome {
    #[cbor(n(0), with = "crate::store::record::micros")]
    pub at: Timestamp,
    /// The server's name or address.
    #[n(1)]
    pub server: String,
    /// Its reply, as one line of printable text.
    #[n(2)]
    pub reply: String,
}

/// How the sender was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Telling {
    /// Not at all: marked so in the digest; one DSN at expiry if allowed.
    #[n(0)]
    Untold,
    /// By the SMTP reply with the link.
    #[n(1)]
    Reply,
    /// By a letter.
    #[n(2)]
    Letter,
}

/// The state of one recipient's copy. The numbers stand on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum State {
    /// Waiting for somebody's decision.
    #[n(0)]
    Held,
    /// Released; the countdown runs and the sender may take it back.
    #[n(1)]
    Releasing,
    /// The courier has it.
    #[n(2)]
    Released,
    /// The next hop took it.
    #[n(3)]
    Delivered,
    /// The next hop refused it for good, or the queue gave up.
    #[n(4)]
    Failed,
    /// Taken back by the sender, or never ours (the next hop refused in the
    /// session).
    #[n(5)]
    Withdrawn,
    /// A rule of the recipient or his organisation refuses the sender.
    #[n(6)]
    Refused,
    /// The address's owner says that he did not send it.
    #[n(7)]
    Disowned,
    #[n(8)]
    Expired,
}

impl State {
    /// The one list of legal transitions.
    pub fn may_become(self, next: Self) -> bool {
        use State::{
            Delivered, Disowned, Expired, Failed, Held, Refused, Released, Releasing, Withdrawn,
        };
        matches!(
            (self, next),
            (Held, Releasing | Released | Withdrawn | Refused | Disowned | Expired)
                // Back to hold: the trust was revoked, or the second scan found something.
                | (Releasing, Released | Withdrawn | Held | Refused | Failed)
                | (Released, Delivered | Failed | Held | Refused)
                | (Failed, Released | Expired)
        )
    }

    /// Nothing more happens to it by itself.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::Delivered | Self::Withdrawn | Self::Refused | Self::Disowned | Self::Expired
        )
    }

    /// The word in logs and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Releasing => "releasing",
            Self::Released => "released",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Withdrawn => "withdrawn",
            Self::Refused => "refused",
            Self::Disowned => "disowned",
            Self::Expired => "expired",
        }
    }
}

/// A transition that the state machine does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message that is {} cannot become {}", .from.as_str(), .to.as_str())]
pub struct Illegal {
    pub from: State,
    pub to: State,
}

impl HeldRecipient {
    /// # Errors
    /// [`Illegal`], and nothing is changed.
    pub fn become_state(&mut self, to: State, now: Timestamp) -> Result<(), Illegal> {
        if !self.state.may_become(to) {
            return Err(Illegal { from: self.state, to });
        }
        self.state = to;
        self.changed_at = now;
        Ok(())
    }
}

impl HeldRecipient {
    /// Whether the recipient may see it at all: malware and phishing never,
    /// and nothing that was refused.
    pub fn is_shown(&self) -> bool {
        !matches!(self.class, Class::Malware | Class::Phishing)
            && !matches!(self.state, State::Refused | State::Withdrawn)
    }
}

impl Held {
    /// The slots in this state.
    pub fn slots(&self, state: State) -> impl Iterator<Item = usize> {
        let places = self.recipients.iter().enumerate();
        places.filter(move |(_, one)| one.state == state).map(|(slot, _)| slot)
    }

    /// The copies' states in one line of the audit.
    pub fn states(&self) -> String {
        let mut all: Vec<&str> = self.recipients.iter().map(|one| one.state.as_str()).collect();
        all.dedup();
        all.join(", ")
    }

    /// Who sent it, as reputation asks.
    pub fn sender(&self) -> Sender {
        Sender {
            address: self.rfc5322_from.clone(),
            proofs: self.proofs,
            network: Network::of(self.client),
        }
    }

    /// Every address that the message claims as its sender: RFC5322.From and
    /// the reverse-path.
    pub fn senders(&self) -> Vec<&Address> {
        self.rfc5322_from.iter().chain(self.rfc5321_mail_from.address()).collect()
    }

    /// When the keeper looks at it next: to expire it, later to forget it.
    pub fn next_due(&self) -> Timestamp {
        if self.erased { self.expires_at + REMEMBERED } else { self.expires_at }
    }

    /// The index key of one recipient's mail: a hash of his base address.
    pub fn mailbox_key(recipient: &Address) -> Vec<u8> {
        Sha256::digest(recipient.base().to_string())[..16].to_vec()
    }

    /// The index key of its next due time.
    pub fn due_key(at: Timestamp) -> Vec<u8> {
        at.as_microsecond().to_be_bytes().to_vec()
    }
}

impl Record for Held {
    const TABLE: Table = Table::Held;

    fn key(&self) -> Vec<u8> {
        self.id.as_bytes().to_vec()
    }

    fn index_keys(&self) -> Vec<(Index, Vec<u8>)> {
        let mut keys = vec![
            (Index::HeldByReference, self.reference.key()),
            (Index::HeldByFingerprint, self.fingerprint.key()),
            (Index::HeldDue, Self::due_key(self.next_due())),
        ];
        let mut mailboxes: Vec<Vec<u8>> = self
            .recipients
            .iter()
            .filter(|one| one.is_shown())
            .map(|one| Self::mailbox_key(&one.address))
            .collect();
        mailboxes.sort_unstable();
        mailboxes.dedup();
        keys.extend(mailboxes.into_iter().map(|key| (Index::HeldByRecipient, key)));
        let sender = self.sender();
        if let Some(address) = sender.proved_address() {
            let mut key = address.base().to_string().into_bytes();
            key.push(0);
            keys.push((Index::HeldBySender, key));
        }
        keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn final_states_lead_nowhere_but_a_failed_delivery_may_be_tried_again() {
        use State::*;
        let all =
            [Held, Releasing, Released, Delivered, Failed, Withdrawn, Refused, Disowned, Expired];
        for from in all {
            let ways = all.into_iter().filter(|to| from.may_become(*to)).count();
            assert_eq!(ways == 0, from.is_final(), "{from:?}");
            assert!(!from.may_become(from));
        }
    }
}

//! The record of an appeal: what its sender says, what we know, what was
//! asked, and what was decided.

use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::directory::OrganisationId;
use crate::mail::{Address, Message};
use crate::quarantine::Held;
use crate::reputation::{Network, Proofs, Sender};
use crate::store::{Index, Record, Table};

/// Characters of a campaign's name.
const CAMPAIGN: usize = 120;
/// Lines of a conversation.
const LINES: usize = 20;

/// Where an appeal stands. The numbers stand on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum State {
    /// An administrator is to look at it.
    #[n(0)]
    Received,
    /// An administrator asked; the sender is to answer.
    #[n(1)]
    Asked,
    #[n(2)]
    Granted,
    #[n(3)]
    Denied,
}

/// Who wrote a line. The numbers stand on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Voice {
    #[n(0)]
    Sender,
    #[n(1)]
    Administrator,
}

/// What a grant lets through. The numbers stand on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Scope {
    /// This campaign's mail.
    #[n(0)]
    Campaign,
    /// All mail of this proved sender.
    #[n(1)]
    Identity,
}

/// What the sender says; each answer at most [`super::ANSWER`] characters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Claimed {
    #[n(0)]
    pub who: String,
    #[n(1)]
    pub what: String,
    /// Why these recipients should have it, and why it is urgent.
    #[n(2)]
    pub why: String,
    /// How they agreed to it.
    #[n(3)]
    pub agreed: String,
    #[n(4)]
    pub how_many: u32,
}

/// What we know ourselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Evidence {
    /// Whether SPF or DKIM proved the sample's sender.
    #[n(0)]
    pub proved: bool,
    /// List-Unsubscribe (RFC 2369).
    #[n(1)]
    pub unsubscribe: bool,
    /// One-click unsubscribing (RFC 8058).
    #[n(2)]
    pub one_click: bool,
    /// Messages of this sender in the quarantine.
    #[n(3)]
    pub held: u32,
    /// Recipients who flagged him.
    #[n(4)]
    pub flags: u32,
    #[n(5)]
    pub subject: String,
}

/// A line of the conversation.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Line {
    #[cbor(n(0), with = "crate::store::record::micros")]
    pub at: Timestamp,
    #[n(1)]
    pub voice: Voice,
    #[n(2)]
    pub text: String,
}

/// What a granted appeal lets through.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Grant {
    #[n(0)]
    pub scope: Scope,
    #[cbor(n(1), with = "crate::store::record::micros")]
    pub until: Timestamp,
    /// Messages in all.
    #[n(2)]
    pub volume: u32,
    #[n(3)]
    pub used: u32,
    /// `None`: everywhere; else these organisations, an admin's own.
    #[n(4)]
    pub organisations: Option<Vec<OrganisationId>>,
}

/// An administrator's word.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Decision {
    #[cbor(n(0), with = "crate::store::record::micros")]
    pub at: Timestamp,
    /// His login.
    #[n(1)]
    pub by: String,
    /// What the sender reads.
    #[n(2)]
    pub reason: String,
    #[n(3)]
    pub grant: Option<Grant>,
}

/// One sender's appeal for one campaign.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Appeal {
    /// From sender and campaign: there is one for both.
    #[cbor(n(0), with = "crate::store::record::uuid")]
    pub id: Uuid,
    /// The held message that it was made about.
    #[cbor(n(1), with = "crate::store::record::uuid")]
    pub held: Uuid,
    #[n(2)]
    pub reference: String,
    /// RFC5322.From, where it is one address.
    #[n(3)]
    pub address: Option<Address>,
    #[n(4)]
    pub from_text: String,
    #[n(5)]
    pub proofs: Proofs,
    #[n(6)]
    pub network: Network,
    /// List-Id, or the subject without its numbers.
    #[n(7)]
    pub campaign: String,
    #[n(8)]
    pub organisations: Vec<OrganisationId>,
    #[cbor(n(9), with = "crate::store::record::micros")]
    pub opened_at: Timestamp,
    #[cbor(n(10), with = "crate::store::record::micros")]
    pub deadline: Timestamp,
    #[n(11)]
    pub claimed: Claimed,
    #[n(12)]
    pub evidence: Evidence,
    #[n(13)]
    pub state: State,
    #[n(14)]
    pub lines: Vec<Line>,
    #[n(15)]
    pub decision: Option<Decision>,
}

impl State {
    pub fn is_open(self) -> bool {
        matches!(self, Self::Received | Self::Asked)
    }

    /// The word in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Asked => "question",
            Self::Granted => "granted",
            Self::Denied => "denied",
        }
    }
}

impl Appeal {
    pub fn sender(&self) -> Sender {
        Sender { address: self.address.clone(), proofs: self.proofs, network: self.network }
    }

    /// Whether the conversation takes another line.
    pub fn takes_lines(&self) -> bool {
        self.state.is_open() && self.lines.len() < LINES
    }

    /// Whether this appeal speaks for that message of its campaign too: not
    /// when it was granted and the grant lets nothing through any more. Then
    /// the sender may ask anew.
    pub fn speaks_for(&self, held: &Held, now: Timestamp) -> bool {
        let lets_through = |grant: &Grant| now < grant.until && grant.used < grant.volume;
        self.held == held.id
            || self.state != State::Granted
            || self.lasting_grant().is_some_and(lets_through)
    }

    /// The grant, if it counts for mail to come: only who can prove himself
    /// is known again.
    pub fn lasting_grant(&self) -> Option<&Grant> {
        let grant = self.decision.as_ref()?.grant.as_ref()?;
        self.sender().is_proved().then_some(grant)
    }
}

impl Record for Appeal {
    const TABLE: Table = Table::Appeal;

    fn key(&self) -> Vec<u8> {
        self.id.as_bytes().to_vec()
    }

    fn index_keys(&self) -> Vec<(Index, Vec<u8>)> {
        let mut due = vec![u8::from(!self.state.is_open())];
        due.extend_from_slice(&self.deadline.as_microsecond().to_be_bytes());
        vec![(Index::AppealDue, due), (Index::AppealByHeld, self.held.as_bytes().to_vec())]
    }
}

/// One sender's mailings of one kind are one campaign: by List-Id (RFC 2919),
/// else by the subject, in which issues differ by their numbers.
pub fn campaign(message: &Message) -> String {
    let list = message.text("List-Id").and_then(|text| {
        let from = text.rfind('<')?;
        let id: String = text[from + 1..].chars().take_while(|c| *c != '>').collect();
        (!id.trim().is_empty()).then(|| id.trim().to_ascii_lowercase())
    });
    let subject = || {
        let subject = message.text("Subject").unwrap_or_default().to_lowercase();
        let plain = subject.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
        plain.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    list.unwrap_or_else(subject).chars().take(CAMPAIGN).collect()
}

/// The id of the one appeal of a sender and campaign.
pub fn id_of(held: &Held, campaign: &str) -> Uuid {
    let sender = held.sender();
    let address = sender.address.as_ref().map(|one| one.base().to_string()).unwrap_or_default();
    let network = if sender.is_proved() { String::new() } else { sender.network.to_string() };
    let hash = Sha256::digest(format!("appeal\0{address}\0{network}\0{campaign}"));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issues_of_one_campaign_are_one() {
        let of =
            |text: &str| campaign(&Message::new(format!("{text}\r\n\r\n").into_bytes().into()));
        assert_eq!(of("List-Id: News <News.Shop.Example>\r\nSubject: a"), "news.shop.example");
        assert_eq!(of("Subject: Offer 17:  socks"), of("Subject: Offer 18: Socks"));
        assert_ne!(of("Subject: Offer: socks"), of("Subject: Offer: shoes"));
    }
}

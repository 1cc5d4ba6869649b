//! The record of an appeal: what its sender says, what we know, what was
//! asked, and what was decided.
//!
//! An organisation's own administrator decides for his organisations only; his
//! decision then says so, and the sender may ask anew for others. What was
//! granted before and still runs goes along in the new record.

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
    /// Nobody decided in time, or the sender did not answer.
    #[n(4)]
    Expired,
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
    /// Copies of these messages.
    #[n(6)]
    #[cbor(default)]
    pub copies: u32,
    /// Mail of his domain or network that passed lately; older mail counts
    /// less.
    #[n(7)]
    #[cbor(default)]
    pub passed: u32,
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
    /// `None`: for everybody; else for these alone, whose own administrator
    /// decided.
    #[n(4)]
    pub organisations: Option<Vec<OrganisationId>>,
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
    /// Grants of appeals before this one that still run.
    #[n(16)]
    #[cbor(default)]
    pub earlier: Vec<Decision>,
    /// Held mail is still to be freed.
    #[n(17)]
    #[cbor(default)]
    pub freeing: bool,
}

impl State {
    pub fn is_open(self) -> bool {
        matches!(self, Self::Received | Self::Asked)
    }

    /// The word in the API and in the audit.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Asked => "question",
            Self::Granted => "granted",
            Self::Denied => "denied",
            Self::Expired => "expired",
        }
    }
}

impl Scope {
    /// The word in the API, in forms and in the audit.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Campaign => "campaign",
            Self::Identity => "identity",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        [Self::Campaign, Self::Identity].into_iter().find(|one| one.as_str() == word)
    }
}

impl Grant {
    /// Whether it lets one more message through.
    pub fn runs(&self, now: Timestamp) -> bool {
        now < self.until && self.used < self.volume
    }
}

impl Decision {
    pub fn counts_for(&self, organisation: &OrganisationId) -> bool {
        self.organisations.as_ref().is_none_or(|all| all.contains(organisation))
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

    /// Whether this appeal speaks for that message of its campaign too. If
    /// not, its sender may ask anew: nobody decided in time, or whoever did
    /// decided for others, or the grant lets nothing through any more.
    pub fn speaks_for(&self, held: &Held, now: Timestamp) -> bool {
        let meant = self.decision.as_ref().is_some_and(|decision| {
            held.recipients.iter().all(|one| decision.counts_for(&one.organisation))
        });
        match self.state {
            State::Received | State::Asked => true,
            State::Expired => false,
            State::Denied => meant,
            State::Granted => {
                let runs = self.lasting_grant().is_some_and(|grant| grant.runs(now));
                meant && (self.held == held.id || runs)
            }
        }
    }

    /// The grant, if it counts for mail to come: only who can prove himself
    /// is known again.
    pub fn lasting_grant(&self) -> Option<&Grant> {
        let grant = self.decision.as_ref()?.grant.as_ref()?;
        self.sender().is_proved().then_some(grant)
    }

    /// Decisions whose grants still let mail of a proved sender through.
    pub fn running(&self, now: Timestamp) -> impl Iterator<Item = &Decision> {
        let all = self.decision.iter().chain(&self.earlier);
        all.filter(move |one| one.grant.as_ref().is_some_and(|grant| grant.runs(now)))
    }

    /// Since when an administrator is to act: since it came, or since its
    /// sender said something.
    pub fn waits_since(&self) -> Timestamp {
        let said = self.lines.iter().rev().find(|line| line.voice == Voice::Sender);
        said.map_or(self.opened_at, |line| line.at)
    }

    /// When it was over with it: decided, or expired.
    pub fn closed_at(&self) -> Option<Timestamp> {
        match self.state {
            State::Received | State::Asked => None,
            State::Expired => Some(self.deadline),
            State::Granted | State::Denied => self.decision.as_ref().map(|one| one.at),
        }
    }

    /// The index key in `tab` of what is due, or was closed, at that time.
    pub(super) fn due_key(tab: Tab, at: Timestamp) -> Vec<u8> {
        let micros = u64::try_from(at.as_microsecond()).unwrap_or(0);
        let (first, order) = match tab {
            Tab::Received => (0, micros),
            // The latest first.
            Tab::Closed => (1, u64::MAX - micros),
            Tab::Asked => (2, micros),
        };
        let mut key = vec![first];
        key.extend_from_slice(&order.to_be_bytes());
        key
    }

    /// The list in which it stands.
    pub fn tab(&self) -> Tab {
        match self.state {
            State::Received => Tab::Received,
            State::Asked => Tab::Asked,
            State::Granted | State::Denied | State::Expired => Tab::Closed,
        }
    }

    fn own_due_key(&self) -> Vec<u8> {
        Self::due_key(self.tab(), self.closed_at().unwrap_or(self.deadline))
    }

    /// Everything that it says, the sender first: subject, reference, answers,
    /// conversation, decision.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        let Claimed { who, what, why, agreed, .. } = &self.claimed;
        let fixed = [&self.from_text, &self.evidence.subject, &self.reference, &self.campaign];
        let decision = self.decision.iter().flat_map(|one| [&one.by, &one.reason]);
        let lines = self.lines.iter().map(|line| &line.text);
        let all = fixed.into_iter().chain([who, what, why, agreed]).chain(decision).chain(lines);
        all.map(String::as_str)
    }
}

/// What a list shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tab {
    /// An administrator is to act; the one that is due first on top.
    Received,
    /// The sender is to answer.
    Asked,
    /// Decided or expired, the latest first.
    Closed,
}

impl Tab {
    /// First and end key of its part of the index.
    pub(super) fn range(self) -> (Vec<u8>, Vec<u8>) {
        let first = Appeal::due_key(self, Timestamp::UNIX_EPOCH)[0];
        (vec![first], vec![first + 1])
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Asked => "question",
            Self::Closed => "closed",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        [Self::Received, Self::Asked, Self::Closed].into_iter().find(|tab| tab.as_str() == word)
    }
}

impl Record for Appeal {
    const TABLE: Table = Table::Appeal;

    fn key(&self) -> Vec<u8> {
        self.id.as_bytes().to_vec()
    }

    fn index_keys(&self) -> Vec<(Index, Vec<u8>)> {
        vec![
            (Index::AppealDue, self.own_due_key()),
            (Index::AppealByHeld, self.held.as_bytes().to_vec()),
        ]
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

//! Who is served: organisations, their domains, recipients' and
//! organisations' rules, and how each organisation wants its mail treated.
//!
//! Organisations are in memory, built from the configuration;
//! [`Directory::replace`] swaps them whole, and what the console changed about
//! them lies over that ([`overlay`]). A domain belongs to at most one. What
//! people decide (recipients' choices, rules) lives in the store, with a view
//! in memory: [`People`] writes both.

pub mod overlay;
pub mod people;
mod recipient;
mod rule;
#[cfg(test)]
pub mod sample;
pub mod search;
pub mod session;

pub use overlay::{Overlay, Overlays};
pub use people::{People, PeopleError};
pub use recipient::{Choices, Frequency, Recipient, Rhythm};
pub use rule::{Claim, Pattern, Rule, RuleAction, StoredRule};
pub use session::{Session, Sessions};

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use jiff::tz::TimeZone;
use minicbor::{Decode, Encode};

use crate::mail::{Address, Domain};
use people::View;

/// A short name of lower-case letters, digits and hyphens, 1 to 40 bytes.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, minicbor::Encode, minicbor::Decode,
)]
#[cbor(transparent)]
pub struct OrganisationId(#[n(0)] String);

/// How the sender of a held message is told, where he may be told at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Told {
    /// A letter to a proved sender, the SMTP reply to everybody else.
    #[default]
    Letter,
    /// The SMTP reply (550) for all.
    Reply,
    /// A 4xx reply with the link.
    Defer,
}

/// What happens to wanted-by-some mail of a class: marketing, poll, social.
/// The numbers stand on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Choice {
    #[default]
    #[n(0)]
    Deliver,
    #[n(1)]
    Hold,
    #[n(2)]
    Reject,
}

/// A client of the service.
#[derive(Clone, Debug)]
pub struct Organisation {
    pub id: OrganisationId,
    /// As people know it: leads every page and letter.
    pub name: String,
    pub domains: Vec<Domain>,
    pub contact: Contact,
    /// Language of pages and letters when the sender's is not known: a
    /// language tag that `web/` has a translation for.
    pub language: String,
    /// The organisation's own portal host, if it has one.
    pub host: Option<String>,
    /// `#rrggbb`, the accent of its pages.
    pub colour: Option<String>,
    /// Days that a held message is kept, 1 to 90.
    pub retention_days: u16,
    pub told: Told,
    pub marketing: Choice,
    pub poll: Choice,
    pub social: Choice,
    /// Near-duplicates to many from a sender without standing.
    pub mass: Choice,
    /// Hold the first mail of senders without standing.
    pub hold_first_contact: bool,
    pub rules: Vec<Rule>,
    pub digest: Digest,
    /// Whether each recipient may choose for himself about marketing, polls
    /// and social mail.
    pub people_choose: bool,
    /// A sentence of its own in letters to senders and on their pages.
    pub sentence: Option<String>,
    /// The picture that leads its pages; only the console sets one.
    pub logo: Option<Arc<overlay::Logo>>,
}

/// How an organisation's recipients are told what was held for them, unless
/// they chose otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    pub rhythm: Rhythm,
    /// A name of the IANA time zone database.
    pub zone: String,
}

/// Whom a blocked sender may turn to.
#[derive(Clone, Debug)]
pub struct Contact {
    /// The address shown to senders.
    pub postmaster: Address,
    pub telephone: Option<String>,
    /// As people read it: "weekdays 8-16".
    pub hours: Option<String>,
}

/// All organisations. Clones share them.
#[derive(Clone, Default)]
pub struct Directory {
    inner: Arc<RwLock<Arc<Organisations>>>,
    view: Arc<RwLock<View>>,
}

#[derive(Clone, Default)]
struct Organisations {
    /// As they count: what is written, with the overlays over it.
    all: Vec<Arc<Organisation>>,
    /// As the configuration has them, in the same order.
    written: Vec<Arc<Organisation>>,
    by_domain: HashMap<Domain, usize>,
    overlays: HashMap<OrganisationId, Overlay>,
}

/// Why a set of organisations is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    #[error("the domain {0} belongs to two organisations; remove it from one")]
    DomainTwice(Domain),
    #[error("two organisations have the id {0}; ids must differ")]
    IdTwice(OrganisationId),
}

impl OrganisationId {
    /// `None` unless 1 to 40 lower-case letters, digits and hyphens.
    pub fn new(text: &str) -> Option<Self> {
        let fits = (1..=40).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        fits.then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OrganisationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Choice {
    pub const ALL: [Self; 3] = [Self::Deliver, Self::Hold, Self::Reject];
    pub const WORDS: [&'static str; 3] = ["deliver", "hold", "reject"];

    /// The word in the configuration and the API.
    pub fn as_str(self) -> &'static str {
        Self::WORDS[self as usize]
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }
}

impl Told {
    pub const ALL: [Self; 3] = [Self::Letter, Self::Reply, Self::Defer];
    pub const WORDS: [&'static str; 3] = ["letter", "reply", "defer"];

    /// The word in the configuration and the API.
    pub fn as_str(self) -> &'static str {
        Self::WORDS[self as usize]
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }
}

impl Default for Digest {
    fn default() -> Self {
        let rhythm = Rhythm { frequency: Frequency::Daily, hour: 8, weekday: 0 };
        Self { rhythm, zone: "UTC".to_owned() }
    }
}

impl Digest {
    /// UTC where the system does not know the zone.
    pub fn zone(&self) -> TimeZone {
        TimeZone::get(&self.zone).unwrap_or(TimeZone::UTC)
    }
}

impl Organisation {
    /// What the configuration's rules say of this mail to `recipient`. A
    /// block beats every allowance (DESIGN: a block beats every trust).
    fn rule(&self, recipient: &Address, claim: &Claim<'_>) -> Option<RuleAction> {
        if self.rules.is_empty() {
            return None;
        }
        let recipient = recipient.base();
        let mut found = None;
        for rule in &self.rules {
            let his = rule.recipient.as_ref().is_none_or(|one| one.base() == recipient);
            if his && rule.sender.matches(claim) {
                if rule.action == RuleAction::Block {
                    return Some(RuleAction::Block);
                }
                found = Some(RuleAction::Allow);
            }
        }
        found
    }
}

impl Directory {
    /// # Errors
    /// [`DirectoryError`] if a domain or an id occurs twice.
    pub fn new(organisations: Vec<Organisation>) -> Result<Self, DirectoryError> {
        let directory = Self::default();
        directory.replace(organisations)?;
        Ok(directory)
    }

    /// Swaps all organisations at once; what the console changed stays over
    /// them.
    ///
    /// # Errors
    /// As [`Directory::new`]; nothing is changed then.
    pub fn replace(&self, organisations: Vec<Organisation>) -> Result<(), DirectoryError> {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let mut fresh =
            Organisations { overlays: inner.overlays.clone(), ..Organisations::default() };
        for organisation in organisations {
            if fresh.written.iter().any(|other| other.id == organisation.id) {
                return Err(DirectoryError::IdTwice(organisation.id));
            }
            let place = fresh.written.len();
            for domain in &organisation.domains {
                if fresh.by_domain.insert(domain.clone(), place).is_some() {
                    return Err(DirectoryError::DomainTwice(domain.clone()));
                }
            }
            fresh.written.push(Arc::new(organisation));
        }
        fresh.lay();
        *inner = Arc::new(fresh);
        Ok(())
    }

    /// Lays what the console changed over its organisation.
    fn lay(&self, overlay: Overlay) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let mut fresh = Organisations::clone(&inner);
        fresh.overlays.insert(overlay.organisation.clone(), overlay);
        fresh.lay();
        *inner = Arc::new(fresh);
    }

    /// An organisation as the configuration has it.
    pub fn written(&self, id: &OrganisationId) -> Option<Arc<Organisation>> {
        self.current().written.iter().find(|organisation| organisation.id == *id).cloned()
    }

    /// The organisation that `domain` belongs to, if it is served. Subdomains
    /// are not included: each served domain is named.
    pub fn organisation_of(&self, domain: &Domain) -> Option<Arc<Organisation>> {
        let all = self.current();
        all.by_domain.get(domain).map(|place| Arc::clone(&all.all[*place]))
    }

    pub fn organisation(&self, id: &OrganisationId) -> Option<Arc<Organisation>> {
        self.current().all.iter().find(|organisation| organisation.id == *id).cloned()
    }

    /// The organisation whose own portal host this is.
    pub fn organisation_at(&self, host: &str) -> Option<Arc<Organisation>> {
        let here = |one: &str| one.eq_ignore_ascii_case(host);
        self.current().all.iter().find(|one| one.host.as_deref().is_some_and(here)).cloned()
    }

    /// The organisation, where there is only one.
    pub fn only_organisation(&self) -> Option<Arc<Organisation>> {
        let all = self.current();
        (all.all.len() == 1).then(|| Arc::clone(&all.all[0]))
    }

    pub fn organisations(&self) -> Vec<Arc<Organisation>> {
        self.current().all.clone()
    }

    /// Whether mail to this domain is ours to judge.
    pub fn serves(&self, domain: &Domain) -> bool {
        self.current().by_domain.contains_key(domain)
    }

    /// What the rules of the organisation and of `recipient` say of this mail,
    /// those of the configuration and those that people made. A block beats
    /// every allowance.
    pub fn rule(
        &self,
        organisation: &Organisation,
        recipient: &Address,
        claim: &Claim<'_>,
    ) -> Option<RuleAction> {
        let written = organisation.rule(recipient, claim);
        if written == Some(RuleAction::Block) {
            return written;
        }
        self.read(|view| view.rule(&organisation.id, recipient, claim)).or(written)
    }

    /// What `recipient` chose about marketing, polls and social mail.
    pub fn choices(&self, recipient: &Address) -> Choices {
        self.read(|view| view.choices(recipient))
    }

    /// The mailbox behind an address: itself without tag, or whose alias it is.
    pub fn mailbox(&self, address: &Address) -> Address {
        self.read(|view| view.mailbox(address))
    }

    /// Every address whose mail this mailbox's owner reads: his own, its
    /// aliases, and shared mailboxes that he is a member of.
    pub fn readable_by(&self, mailbox: &Address) -> Vec<Address> {
        self.read(|view| view.readable_by(&mailbox.base()))
    }

    /// Whether several people read this mailbox.
    pub fn is_shared(&self, mailbox: &Address) -> bool {
        self.read(|view| view.is_shared(&mailbox.base()))
    }

    /// Remembers that mail for this recipient was taken.
    pub fn learn(&self, recipient: &Address, organisation: &OrganisationId) {
        let base = recipient.base();
        if !self.read(|view| view.knows(&base)) {
            self.view(|view| view.learn(base, organisation));
        }
    }

    fn read<T>(&self, ask: impl FnOnce(&View) -> T) -> T {
        ask(&self.view.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the view; for [`People`].
    fn view(&self, change: impl FnOnce(&mut View)) {
        change(&mut self.view.write().unwrap_or_else(PoisonError::into_inner));
    }

    fn current(&self) -> Arc<Organisations> {
        Arc::clone(&self.inner.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Organisations {
    /// Puts the overlays over what is written.
    fn lay(&mut self) {
        let over = |written: &Arc<Organisation>| match self.overlays.get(&written.id) {
            Some(overlay) => Arc::new(overlay.over(written)),
            None => Arc::clone(written),
        };
        self.all = self.written.iter().map(over).collect();
    }
}

//! Who is served: organisations, their domains, recipients' and
//! organisations' rules, and how each organisation wants its mail treated.
//!
//! In memory, built from the configuration; [`Directory::replace`] swaps it
//! whole. A domain belongs to at most one organisation.

#[cfg(test)]
pub mod sample;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use crate::mail::{Address, Domain};

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    #[default]
    Deliver,
    Hold,
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
    /// Hold the first mail of senders without standing.
    pub hold_first_contact: bool,
    pub rules: Vec<Rule>,
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

/// A block or an allowance, for one recipient or the whole organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// `None`: the whole organisation.
    pub recipient: Option<Address>,
    pub sender: Pattern,
    pub action: RuleAction,
}

/// Whom a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// One mailbox, compared by its base address.
    Address(Address),
    /// A domain and all below it.
    Domain(Domain),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleAction {
    Block,
    Allow,
}

/// All organisations. Clones share them.
#[derive(Clone, Default)]
pub struct Directory {
    inner: Arc<RwLock<Arc<Organisations>>>,
}

#[derive(Default)]
struct Organisations {
    all: Vec<Arc<Organisation>>,
    by_domain: HashMap<Domain, usize>,
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

impl Pattern {
    pub fn matches(&self, sender: &Address) -> bool {
        match self {
            Self::Address(address) => address.base() == sender.base(),
            Self::Domain(domain) => {
                let theirs = sender.domain().as_str();
                theirs
                    .strip_suffix(domain.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
        }
    }
}

impl Organisation {
    /// What a rule says of mail from these addresses to `recipient`. A block
    /// beats every allowance (DESIGN: a block beats every trust).
    pub fn rule(&self, recipient: &Address, senders: &[&Address]) -> Option<RuleAction> {
        let recipient = recipient.base();
        let mut found = None;
        for rule in &self.rules {
            let his = rule.recipient.as_ref().is_none_or(|one| one.base() == recipient);
            if his && senders.iter().any(|sender| rule.sender.matches(sender)) {
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

    /// Swaps all organisations at once.
    ///
    /// # Errors
    /// As [`Directory::new`]; nothing is changed then.
    pub fn replace(&self, organisations: Vec<Organisation>) -> Result<(), DirectoryError> {
        let mut fresh = Organisations::default();
        for organisation in organisations {
            if fresh.all.iter().any(|other| other.id == organisation.id) {
                return Err(DirectoryError::IdTwice(organisation.id));
            }
            let place = fresh.all.len();
            for domain in &organisation.domains {
                if fresh.by_domain.insert(domain.clone(), place).is_some() {
                    return Err(DirectoryError::DomainTwice(domain.clone()));
                }
            }
            fresh.all.push(Arc::new(organisation));
        }
        *self.inner.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
        Ok(())
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

    pub fn organisations(&self) -> Vec<Arc<Organisation>> {
        self.current().all.clone()
    }

    /// Whether mail to this domain is ours to judge.
    pub fn serves(&self, domain: &Domain) -> bool {
        self.current().by_domain.contains_key(domain)
    }

    fn current(&self) -> Arc<Organisations> {
        Arc::clone(&self.inner.read().unwrap_or_else(PoisonError::into_inner))
    }
}

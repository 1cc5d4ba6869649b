//! Rules: blocks and allowances of one recipient or a whole organisation.
//!
//! A block needs no proof, an allowance is worth something only to a sender
//! who is proved (ATTACKS I-16): the policy sees to that. A rule about an
//! identity matches only mail that is proved, or not, in the same way, so that
//! a forger cannot have an honest sender blocked.

use std::collections::HashMap;
use std::fmt;

use minicbor::{Decode, Encode};

use super::OrganisationId;
use crate::clock::Timestamp;
use crate::mail::{Address, Domain, Network};
use crate::store::{Index, Record, Table};

/// A block or an allowance, for one recipient or the whole organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// `None`: the whole organisation.
    pub recipient: Option<Address>,
    pub sender: Pattern,
    pub action: RuleAction,
}

/// Whom a rule is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Pattern {
    /// One mailbox, compared by its base address.
    #[n(0)]
    Address(#[n(0)] Address),
    /// A domain and all below it.
    #[n(1)]
    Domain(#[n(0)] Domain),
    /// RFC5322.From where it was proved.
    #[n(2)]
    Proved(#[n(0)] Address),
    /// RFC5322.From that nothing proved, from one network.
    #[n(3)]
    Unproved {
        #[n(0)]
        address: Address,
        #[n(1)]
        network: Network,
    },
}

/// The numbers stand on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum RuleAction {
    #[n(0)]
    Block,
    #[n(1)]
    Allow,
}

/// What a message says of who sent it, as rules look at it.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// RFC5322.From and the reverse-path, as far as they are known.
    pub senders: &'a [&'a Address],
    pub from: Option<&'a Address>,
    /// Whether `from` was proved.
    pub proved: bool,
    pub network: Option<Network>,
}

/// A rule that people made, as it is stored.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct StoredRule {
    #[n(0)]
    pub organisation: OrganisationId,
    /// The base address; `None`: the whole organisation.
    #[n(1)]
    pub recipient: Option<Address>,
    #[n(2)]
    pub sender: Pattern,
    #[n(3)]
    pub action: RuleAction,
    #[cbor(n(4), with = "crate::store::record::micros")]
    pub since: Timestamp,
    /// A flag made it, and undoing the flag ends it.
    #[n(5)]
    pub by_flag: bool,
    /// The reason that an administrator gave.
    #[n(6)]
    pub why: Option<String>,
    /// It ends by itself then; `None`: it does not.
    #[cbor(n(7), with = "crate::store::record::maybe_micros")]
    pub until: Option<Timestamp>,
    /// The administrator who made it; `None`: the recipient himself.
    #[n(8)]
    pub by: Option<String>,
}

impl<'a> Claim<'a> {
    /// What the envelope alone says, at RCPT.
    pub fn of_path(senders: &'a [&'a Address]) -> Self {
        Self { senders, from: None, proved: false, network: None }
    }
}

impl Pattern {
    /// With the base address, under which rules are kept.
    #[must_use]
    pub fn canonical(self) -> Self {
        match self {
            Self::Address(address) => Self::Address(address.base()),
            Self::Domain(domain) => Self::Domain(domain),
            Self::Proved(address) => Self::Proved(address.base()),
            Self::Unproved { address, network } => {
                Self::Unproved { address: address.base(), network }
            }
        }
    }

    pub fn matches(&self, claim: &Claim<'_>) -> bool {
        let from = |address: &Address| claim.from.is_some_and(|from| from.base() == address.base());
        match self {
            Self::Address(address) => {
                claim.senders.iter().any(|sender| address.base() == sender.base())
            }
            Self::Domain(domain) => claim.senders.iter().any(|sender| {
                let theirs = sender.domain().as_str();
                theirs
                    .strip_suffix(domain.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }),
            Self::Proved(address) => claim.proved && from(address),
            Self::Unproved { address, network } => {
                !claim.proved && claim.network == Some(*network) && from(address)
            }
        }
    }

    /// The address that it names, if it names one.
    pub fn address(&self) -> Option<&Address> {
        match self {
            Self::Address(address) | Self::Proved(address) | Self::Unproved { address, .. } => {
                Some(address)
            }
            Self::Domain(_) => None,
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) | Self::Proved(address) => write!(f, "{}", address.display()),
            Self::Domain(domain) => f.write_str(&domain.display()),
            Self::Unproved { address, network } => write!(f, "{} ({network})", address.display()),
        }
    }
}

impl StoredRule {
    /// The prefix of all rules of one recipient, or of the organisation.
    pub fn prefix(organisation: &OrganisationId, recipient: Option<&Address>) -> Vec<u8> {
        let recipient = recipient.map(|one| one.base().to_string()).unwrap_or_default();
        format!("{organisation}\0{recipient}\0").into_bytes()
    }

    /// The index key of an end.
    pub fn end_key(at: Timestamp) -> Vec<u8> {
        at.as_microsecond().to_be_bytes().to_vec()
    }
}

impl Record for StoredRule {
    const TABLE: Table = Table::Rule;

    fn key(&self) -> Vec<u8> {
        let mut key = Self::prefix(&self.organisation, self.recipient.as_ref());
        let sender = match &self.sender {
            Pattern::Address(address) => format!("a{address}"),
            Pattern::Domain(domain) => format!("d{}", domain.as_str()),
            Pattern::Proved(address) => format!("p{address}"),
            Pattern::Unproved { address, network } => format!("u{address} {network}"),
        };
        key.extend_from_slice(sender.as_bytes());
        key
    }

    fn index_keys(&self) -> Vec<(Index, Vec<u8>)> {
        self.until.map(|until| (Index::RuleEnds, Self::end_key(until))).into_iter().collect()
    }
}

/// The rules of one recipient or organisation, by what they are about: a
/// thousand cost no more than one.
#[derive(Default)]
pub(super) struct Ruleset {
    by_address: HashMap<Address, RuleAction>,
    by_domain: HashMap<String, RuleAction>,
    proved: HashMap<Address, RuleAction>,
    unproved: HashMap<(Address, Network), RuleAction>,
}

impl Ruleset {
    pub fn put(&mut self, sender: &Pattern, action: RuleAction) {
        match sender.clone() {
            Pattern::Address(address) => self.by_address.insert(address, action),
            Pattern::Domain(domain) => self.by_domain.insert(domain.as_str().to_owned(), action),
            Pattern::Proved(address) => self.proved.insert(address, action),
            Pattern::Unproved { address, network } => {
                self.unproved.insert((address, network), action)
            }
        };
    }

    pub fn take(&mut self, sender: &Pattern) {
        match sender.clone() {
            Pattern::Address(address) => self.by_address.remove(&address),
            Pattern::Domain(domain) => self.by_domain.remove(domain.as_str()),
            Pattern::Proved(address) => self.proved.remove(&address),
            Pattern::Unproved { address, network } => self.unproved.remove(&(address, network)),
        };
    }

    pub fn is_empty(&self) -> bool {
        self.by_address.is_empty()
            && self.by_domain.is_empty()
            && self.proved.is_empty()
            && self.unproved.is_empty()
    }

    /// A block beats every allowance.
    pub fn ask(&self, claim: &Claim<'_>) -> Option<RuleAction> {
        let mut found = None;
        let mut see = |action: Option<&RuleAction>| {
            if found != Some(RuleAction::Block) {
                found = action.copied().or(found);
            }
        };
        for sender in claim.senders {
            if !self.by_address.is_empty() {
                see(self.by_address.get(&sender.base()));
            }
            if !self.by_domain.is_empty() {
                let mut domain = sender.domain().as_str();
                loop {
                    see(self.by_domain.get(domain));
                    let Some((_, above)) = domain.split_once('.') else { break };
                    domain = above;
                }
            }
        }
        if let Some(from) = claim.from {
            if claim.proved {
                if !self.proved.is_empty() {
                    see(self.proved.get(&from.base()));
                }
            } else if let Some(network) = claim.network
                && !self.unproved.is_empty()
            {
                see(self.unproved.get(&(from.base(), network)));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    #[test]
    fn a_ruleset_answers_as_its_rules_do() {
        let network = Network::of([192, 0, 2, 1].into());
        let other = Network::of([198, 51, 100, 1].into());
        let patterns = [
            Pattern::Address(address("a@one.example")),
            Pattern::Domain(Domain::parse("two.example").unwrap()),
            Pattern::Proved(address("p@three.example")),
            Pattern::Unproved { address: address("u@four.example"), network },
        ];
        let senders = [
            "a@one.example",
            "A+tag@one.example",
            "b@one.example",
            "x@two.example",
            "x@deep.two.example",
            "x@nottwo.example",
            "p@three.example",
            "u@four.example",
        ];
        for action in [RuleAction::Block, RuleAction::Allow] {
            for pattern in &patterns {
                let mut set = Ruleset::default();
                set.put(pattern, action);
                let mut matched = 0;
                for sender in senders {
                    for (proved, network) in [(true, network), (false, network), (false, other)] {
                        let sender = address(sender);
                        let all = [&sender];
                        let claim = Claim {
                            senders: &all,
                            from: Some(&sender),
                            proved,
                            network: Some(network),
                        };
                        let expected = pattern.matches(&claim).then_some(action);
                        assert_eq!(set.ask(&claim), expected, "{pattern} {sender} {proved}");
                        matched += usize::from(expected.is_some());
                    }
                }
                assert!(matched > 0, "{pattern}");
                set.take(pattern);
                assert!(set.is_empty());
            }
        }
    }

    #[test]
    fn a_block_beats_an_allowance_whatever_it_is_about() {
        let sender = address("a@one.example");
        let claim = Claim { senders: &[&sender], from: Some(&sender), proved: true, network: None };
        for (block, allow) in [
            (
                Pattern::Address(sender.clone()),
                Pattern::Domain(Domain::parse("one.example").unwrap()),
            ),
            (Pattern::Domain(Domain::parse("example").unwrap()), Pattern::Proved(sender.clone())),
        ] {
            let mut set = Ruleset::default();
            set.put(&allow, RuleAction::Allow);
            assert_eq!(set.ask(&claim), Some(RuleAction::Allow));
            set.put(&block, RuleAction::Block);
            assert_eq!(set.ask(&claim), Some(RuleAction::Block));
        }
    }
}

//! What the hot path reads of recipients and rules: a view in memory of what
//! the store holds, kept by [`People`](super::People) behind every commit.
//!
//! Trusts whoever changes it to have written the store first.

use std::collections::HashMap;

use super::super::rule::Ruleset;
use super::super::{Choices, Claim, OrganisationId, Recipient, RuleAction, StoredRule};
use crate::mail::Address;

/// New recipients that wait to be written; more are learned from later mail.
const LEARNED: usize = 20_000;

/// What the hot path reads.
#[derive(Default)]
pub struct View {
    rules: HashMap<OrganisationId, HashMap<Option<Address>, Ruleset>>,
    people: HashMap<Address, Choices>,
    /// Alias -> mailbox.
    aliases: HashMap<Address, Address>,
    /// Member -> shared mailboxes.
    shared: HashMap<Address, Vec<Address>>,
    pub learned: HashMap<Address, OrganisationId>,
}

impl View {
    pub fn rule(
        &self,
        organisation: &OrganisationId,
        recipient: &Address,
        claim: &Claim<'_>,
    ) -> Option<RuleAction> {
        let sets = self.rules.get(organisation)?;
        let whole = sets.get(&None).and_then(|set| set.ask(claim));
        if whole == Some(RuleAction::Block) {
            return whole;
        }
        let base = recipient.base();
        let own = self.aliases.get(&base).cloned().unwrap_or(base);
        sets.get(&Some(own)).and_then(|set| set.ask(claim)).or(whole)
    }

    pub fn choices(&self, recipient: &Address) -> Choices {
        let base = recipient.base();
        let own = self.aliases.get(&base).unwrap_or(&base);
        self.people.get(own).copied().unwrap_or_default()
    }

    pub fn mailbox(&self, address: &Address) -> Address {
        let base = address.base();
        self.aliases.get(&base).cloned().unwrap_or(base)
    }

    pub fn readable_by(&self, mailbox: &Address) -> Vec<Address> {
        let mut all = vec![mailbox.clone()];
        all.extend(self.shared.get(mailbox).into_iter().flatten().cloned());
        let aliases = self.aliases.iter().filter(|(_, owner)| all.contains(owner));
        let aliases: Vec<Address> = aliases.map(|(alias, _)| alias.clone()).collect();
        all.extend(aliases);
        all
    }

    pub fn is_shared(&self, mailbox: &Address) -> bool {
        self.shared.values().flatten().any(|one| one == mailbox)
    }

    pub fn knows(&self, base: &Address) -> bool {
        self.people.contains_key(base)
            || self.aliases.contains_key(base)
            || self.learned.contains_key(base)
    }

    pub fn learn(&mut self, base: Address, organisation: &OrganisationId) {
        if self.learned.len() < LEARNED && !self.knows(&base) {
            self.learned.insert(base, organisation.clone());
        }
    }

    /// `old`: the recipient as the view knows him, if it does.
    pub fn put(&mut self, old: Option<&Recipient>, recipient: &Recipient) {
        self.learned.remove(&recipient.address);
        for alias in old.iter().flat_map(|old| &old.aliases) {
            self.aliases.remove(alias);
        }
        for alias in &recipient.aliases {
            self.aliases.insert(alias.clone(), recipient.address.clone());
        }
        for member in old.iter().flat_map(|old| &old.members) {
            if let Some(shared) = self.shared.get_mut(member) {
                shared.retain(|mailbox| *mailbox != recipient.address);
            }
        }
        for member in &recipient.members {
            let shared = self.shared.entry(member.clone()).or_default();
            shared.push(recipient.address.clone());
        }
        self.people.insert(recipient.address.clone(), recipient.choices());
    }

    pub fn set(&mut self, rule: &StoredRule) {
        let sets = self.rules.entry(rule.organisation.clone()).or_default();
        sets.entry(rule.recipient.clone()).or_default().put(&rule.sender, rule.action);
    }

    pub fn unset(&mut self, rule: &StoredRule) {
        let Some(sets) = self.rules.get_mut(&rule.organisation) else { return };
        if let Some(set) = sets.get_mut(&rule.recipient) {
            set.take(&rule.sender);
            if set.is_empty() {
                sets.remove(&rule.recipient);
            }
        }
        if sets.is_empty() {
            self.rules.remove(&rule.organisation);
        }
    }
}

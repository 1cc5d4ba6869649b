//! What lives in the store: recipients, their choices, and rules that people
//! made.
//!
//! Intake asks for them at every RCPT, so a view of them stands in memory
//! beside the configuration; [`People`] writes the store first and the view
//! behind it. Recipients are learned from mail: the view remembers a new one
//! at once, [`People::step`] writes him down.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Mutex;

use super::rule::Ruleset;
use super::{
    Choices, Claim, Directory, OrganisationId, Pattern, Recipient, RuleAction, StoredRule,
};
use crate::clock::{Clock, Timestamp};
use crate::mail::Address;
use crate::store::{Batch, Fault, Index, Record, Refusal, Row, Store};

/// New recipients that wait to be written; more are learned from later mail.
const LEARNED: usize = 20_000;
/// How often a decision is made again when another came first.
const TRIES: usize = 8;

/// What the hot path reads.
#[derive(Default)]
pub(super) struct View {
    rules: HashMap<OrganisationId, HashMap<Option<Address>, Ruleset>>,
    people: HashMap<Address, Choices>,
    /// Alias -> mailbox.
    aliases: HashMap<Address, Address>,
    /// Member -> shared mailboxes.
    shared: HashMap<Address, Vec<Address>>,
    learned: HashMap<Address, OrganisationId>,
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
    fn put(&mut self, old: Option<&Recipient>, recipient: &Recipient) {
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

    fn set(&mut self, rule: &StoredRule) {
        let sets = self.rules.entry(rule.organisation.clone()).or_default();
        sets.entry(rule.recipient.clone()).or_default().put(&rule.sender, rule.action);
    }

    fn unset(&mut self, rule: &StoredRule) {
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

/// Why a change of the directory was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeopleError {
    #[error("no such recipient")]
    Unknown,
    #[error("{0} belongs to another recipient already")]
    Taken(Address),
    #[error("{0} is of no domain of this organisation")]
    Foreign(Address),
    #[error(transparent)]
    Store(#[from] Fault),
}

/// A change of the rules that a batch makes.
#[derive(Clone, Debug)]
pub enum RuleChange {
    Set(StoredRule),
    Unset(StoredRule),
}

/// Recipients and rules in the store. Clones share everything.
#[derive(Clone)]
pub struct People {
    store: Store,
    clock: Clock,
    directory: Directory,
    /// The view is changed in the order of the commits.
    writing: Arc<Mutex<()>>,
}

impl People {
    /// Reads the view; needed once, before mail is taken.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn open(store: Store, clock: Clock, directory: Directory) -> Result<Self, Fault> {
        let people = Self { store, clock, directory, writing: Arc::default() };
        people.read().await?;
        Ok(people)
    }

    async fn read(&self) -> Result<(), Fault> {
        let mut view = View::default();
        self.store.each(|row: Row<Recipient>| view.put(None, &row.record)).await?;
        self.store.each(|row: Row<StoredRule>| view.set(&row.record)).await?;
        self.directory.view(|own| *own = view);
        Ok(())
    }

    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Writes down recipients that mail has shown; answers how many.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot write.
    pub async fn step(&self) -> Result<usize, Fault> {
        let mut fresh = Vec::new();
        self.directory.view(|view| {
            fresh = view.learned.iter().take(200).map(|(a, o)| (a.clone(), o.clone())).collect();
        });
        let count = fresh.len();
        let made = fresh.into_iter().map(|(address, organisation)| async move {
            self.of(&address, &organisation).await.map(|_| ())
        });
        futures_util::future::try_join_all(made).await?;
        Ok(count)
    }

    /// The recipient with this address, or of whom it is an alias.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn find(&self, address: &Address) -> Result<Option<Row<Recipient>>, Fault> {
        let mailbox = self.directory.mailbox(address);
        self.store.find(mailbox.to_string().as_bytes()).await
    }

    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn by_id(&self, id: uuid::Uuid) -> Result<Option<Row<Recipient>>, Fault> {
        let found = self.store.referred_by(Index::RecipientById, id.as_bytes(), 1).await?;
        match found.first() {
            Some(key) => self.store.find(key).await,
            None => Ok(None),
        }
    }

    /// The recipient of an address that mail was taken for; `None` for one
    /// that nobody knows.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write.
    pub async fn known(&self, address: &Address) -> Result<Option<Recipient>, Fault> {
        let mut learned = None;
        self.directory.view(|view| learned = view.learned.get(&address.base()).cloned());
        match learned {
            Some(organisation) => self.of(address, &organisation).await.map(Some),
            None => Ok(self.find(address).await?.map(|row| row.record)),
        }
    }

    /// The recipient, made if nobody knew him yet.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write.
    pub async fn of(
        &self,
        address: &Address,
        organisation: &OrganisationId,
    ) -> Result<Recipient, Fault> {
        for _ in 0..TRIES {
            if let Some(row) = self.find(address).await? {
                let known = row.record;
                self.directory.view(|view| _ = view.learned.remove(&address.base()));
                return Ok(known);
            }
            let now = self.clock.now();
            let mut recipient = Recipient::new(address, organisation.clone(), now);
            recipient.digest_at = self.next_digest(&recipient, now);
            let mut batch = Batch::new();
            batch.insert(&recipient);
            match self.store.commit(batch).await {
                Ok(_) => {
                    self.directory.view(|view| view.put(None, &recipient));
                    return Ok(recipient);
                }
                Err(Refusal::Conflict(_)) => {}
                Err(refusal) => return Err(Fault::Unavailable(refusal.to_string())),
            }
        }
        Err(Fault::Unavailable("the recipient changes too fast; try again".to_owned()))
    }

    /// When his next digest is due.
    pub fn next_digest(&self, recipient: &Recipient, now: Timestamp) -> Option<Timestamp> {
        let organisation = self.directory.organisation(&recipient.organisation)?;
        recipient.rhythm(organisation.digest.rhythm).next(now, &organisation.digest.zone())
    }

    /// Changes what a recipient chose, and sets his next digest by it.
    ///
    /// # Errors
    /// [`PeopleError`].
    pub async fn change(
        &self,
        address: &Address,
        change: impl Fn(&mut Recipient),
    ) -> Result<Recipient, PeopleError> {
        let _writing = self.writing.lock().await;
        for _ in 0..TRIES {
            let row = self.find(address).await?.ok_or(PeopleError::Unknown)?;
            let mut recipient = row.record.clone();
            change(&mut recipient);
            recipient.address = row.record.address.clone();
            for alias in recipient.aliases.iter_mut().chain(&mut recipient.members) {
                *alias = alias.base();
            }
            recipient.aliases.retain(|alias| *alias != row.record.address);
            self.check(&recipient).await?;
            recipient.digest_at = self.next_digest(&recipient, self.clock.now());
            let mut batch = Batch::new();
            batch.update(&row, &recipient);
            match self.store.commit(batch).await {
                Ok(_) => {
                    self.directory.view(|view| view.put(Some(&row.record), &recipient));
                    return Ok(recipient);
                }
                Err(Refusal::Conflict(_)) => {}
                Err(refusal) => return Err(Fault::Unavailable(refusal.to_string()).into()),
            }
        }
        Err(Fault::Unavailable("the recipient changes too fast; try again".to_owned()).into())
    }

    /// Aliases and members are of the same organisation, and nobody else's.
    async fn check(&self, recipient: &Recipient) -> Result<(), PeopleError> {
        for one in recipient.aliases.iter().chain(&recipient.members) {
            let theirs = self.directory.organisation_of(one.domain());
            if theirs.is_none_or(|theirs| theirs.id != recipient.organisation) {
                return Err(PeopleError::Foreign(one.clone()));
            }
        }
        for alias in &recipient.aliases {
            let mailbox = self.directory.mailbox(alias);
            let another = mailbox != *alias && mailbox != recipient.address;
            if another
                || self.store.find::<Recipient>(alias.to_string().as_bytes()).await?.is_some()
            {
                return Err(PeopleError::Taken(alias.clone()));
            }
        }
        Ok(())
    }

    /// The rules of one recipient, or those of the whole organisation.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn rules(
        &self,
        organisation: &OrganisationId,
        recipient: Option<&Address>,
        limit: usize,
    ) -> Result<Vec<StoredRule>, Fault> {
        let recipient = recipient.map(|one| self.directory.mailbox(one));
        let prefix = StoredRule::prefix(organisation, recipient.as_ref());
        let mut end = StoredRule::TABLE.key(&prefix);
        // The prefix ends with a zero byte.
        *end.last_mut().expect("a key has a table byte") = 1;
        let rows = self.store.scan(&StoredRule::TABLE.key(&prefix), &end, limit).await?;
        rows.into_iter().map(|(_, value)| Row::read(value).map(|row| row.record)).collect()
    }

    /// Makes a rule; the last one about the same sender counts.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write.
    pub async fn set_rule(
        &self,
        organisation: &OrganisationId,
        recipient: Option<&Address>,
        sender: Pattern,
        action: RuleAction,
    ) -> Result<StoredRule, Fault> {
        let rule = self.rule(organisation, recipient, sender, action);
        for _ in 0..TRIES {
            let mut batch = Batch::new();
            let change = self.put_rule(&mut batch, rule.clone()).await?;
            if self.commit(batch, vec![change]).await? {
                return Ok(rule);
            }
        }
        Err(Fault::Unavailable("the rule changes too fast; try again".to_owned()))
    }

    /// A rule of now, not written yet.
    pub fn rule(
        &self,
        organisation: &OrganisationId,
        recipient: Option<&Address>,
        sender: Pattern,
        action: RuleAction,
    ) -> StoredRule {
        StoredRule {
            organisation: organisation.clone(),
            recipient: recipient.map(|one| self.directory.mailbox(one)),
            sender: sender.canonical(),
            action,
            since: self.clock.now(),
            by_flag: false,
        }
    }

    /// Adds a rule to `batch`, which [`People::commit`] must carry out.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn put_rule(&self, batch: &mut Batch, rule: StoredRule) -> Result<RuleChange, Fault> {
        let row: Option<Row<StoredRule>> = self.store.find(&rule.key()).await?;
        batch.upsert(row.as_ref(), &rule);
        Ok(RuleChange::Set(rule))
    }

    /// Adds the end of a rule to `batch`, which [`People::commit`] must carry
    /// out; `None`: there is none.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn drop_rule(
        &self,
        batch: &mut Batch,
        rule: &StoredRule,
    ) -> Result<Option<RuleChange>, Fault> {
        let row: Option<Row<StoredRule>> = self.store.find(&rule.key()).await?;
        Ok(row.map(|row| {
            batch.remove(&row);
            RuleChange::Unset(row.record)
        }))
    }

    /// Ends a rule.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write.
    pub async fn remove_rule(&self, rule: &StoredRule) -> Result<(), Fault> {
        for _ in 0..TRIES {
            let mut batch = Batch::new();
            let Some(change) = self.drop_rule(&mut batch, rule).await? else { return Ok(()) };
            if self.commit(batch, vec![change]).await? {
                return Ok(());
            }
        }
        Err(Fault::Unavailable("the rule changes too fast; try again".to_owned()))
    }

    /// Carries out a batch that changes rules, and shows intake what it
    /// changed; `false`: another change came first.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot write.
    pub async fn commit(&self, batch: Batch, changes: Vec<RuleChange>) -> Result<bool, Fault> {
        let _writing = self.writing.lock().await;
        match self.store.commit(batch).await {
            Ok(_) => {
                self.directory.view(|view| {
                    for change in &changes {
                        match change {
                            RuleChange::Set(rule) => view.set(rule),
                            RuleChange::Unset(rule) => view.unset(rule),
                        }
                    }
                });
                Ok(true)
            }
            Err(Refusal::Conflict(_)) => Ok(false),
            Err(refusal) => Err(Fault::Unavailable(refusal.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::sample;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    async fn people(store: &Store) -> People {
        let clock = Clock::stopped_at(Timestamp::from_second(1_800_000_000).unwrap());
        People::open(store.clone(), clock, sample::directory(Vec::new())).await.unwrap()
    }

    fn asked(people: &People, recipient: &str, sender: &str) -> Option<RuleAction> {
        let directory = people.directory();
        let (recipient, sender) = (address(recipient), address(sender));
        let organisation = directory.organisation_of(recipient.domain()).unwrap();
        directory.rule(&organisation, &recipient, &Claim::of_path(&[&sender]))
    }

    #[tokio::test]
    async fn a_rule_counts_at_once_and_after_a_restart_and_ends() {
        let store = Store::in_memory();
        let people_now = people(&store).await;
        let ours = OrganisationId::new("ours").unwrap();
        let anna = address("anna@ours.example");
        let sender = Pattern::Address(address("Spam+7@far.example"));
        let block = RuleAction::Block;
        let rule = people_now.set_rule(&ours, Some(&anna), sender, block).await.unwrap();
        for people in [&people_now, &people(&store).await] {
            assert_eq!(asked(people, "Anna+x@ours.example", "spam@far.example"), Some(block));
            assert_eq!(asked(people, "bo@ours.example", "spam@far.example"), None);
            assert_eq!(asked(people, "anna@theirs.example", "spam@far.example"), None);
            assert_eq!(
                people.rules(&ours, Some(&anna), 10).await.unwrap(),
                std::slice::from_ref(&rule)
            );
            assert_eq!(people.rules(&ours, None, 10).await.unwrap(), []);
        }
        people_now.remove_rule(&rule).await.unwrap();
        assert_eq!(asked(&people_now, "anna@ours.example", "spam@far.example"), None);
        assert_eq!(asked(&people(&store).await, "anna@ours.example", "spam@far.example"), None);
    }

    #[tokio::test]
    async fn a_block_of_the_organisation_beats_what_a_person_allows() {
        let people = people(&Store::in_memory()).await;
        let ours = OrganisationId::new("ours").unwrap();
        let anna = address("anna@ours.example");
        let shop = Pattern::Domain(crate::mail::Domain::parse("shop.example").unwrap());
        let sender = Pattern::Address(address("a@shop.example"));
        people.set_rule(&ours, Some(&anna), sender.clone(), RuleAction::Allow).await.unwrap();
        assert_eq!(asked(&people, "anna@ours.example", "a@shop.example"), Some(RuleAction::Allow));
        people.set_rule(&ours, None, shop, RuleAction::Block).await.unwrap();
        assert_eq!(asked(&people, "anna@ours.example", "a@shop.example"), Some(RuleAction::Block));
        assert_eq!(asked(&people, "bo@ours.example", "a@shop.example"), Some(RuleAction::Block));
    }

    #[tokio::test]
    async fn recipients_are_learned_once_and_their_aliases_are_theirs() {
        let store = Store::in_memory();
        let people_now = people(&store).await;
        let ours = OrganisationId::new("ours").unwrap();
        let directory = people_now.directory();
        directory.learn(&address("Anna+tag@ours.example"), &ours);
        directory.learn(&address("anna@ours.example"), &ours);
        assert_eq!(people_now.step().await, Ok(1));
        assert_eq!(people_now.step().await, Ok(0));
        directory.learn(&address("anna@ours.example"), &ours);
        assert_eq!(people_now.step().await, Ok(0), "she is known");

        let alias = address("a.n@ours.example");
        let changed = people_now
            .change(&address("anna@ours.example"), |one| {
                one.aliases = vec![alias.clone()];
                one.marketing = Some(crate::directory::Choice::Hold);
            })
            .await
            .unwrap();
        assert!(changed.digest_at.is_some());
        let sender = Pattern::Address(address("x@far.example"));
        people_now.set_rule(&ours, Some(&alias), sender, RuleAction::Block).await.unwrap();
        for people in [&people_now, &people(&store).await] {
            assert_eq!(
                asked(people, "anna@ours.example", "x@far.example"),
                Some(RuleAction::Block)
            );
            assert_eq!(asked(people, "a.n@ours.example", "x@far.example"), Some(RuleAction::Block));
            let choices = people.directory().choices(&alias);
            assert_eq!(choices.marketing, Some(crate::directory::Choice::Hold));
            let found = people.find(&alias).await.unwrap().unwrap().record;
            assert_eq!(found.address, address("anna@ours.example"));
            assert_eq!(people.by_id(found.id).await.unwrap().unwrap().record, found);
        }
        people_now.of(&address("bo@ours.example"), &ours).await.unwrap();
        let steal = |one: &mut Recipient| one.aliases = vec![address("anna@ours.example")];
        let stolen = people_now.change(&address("bo@ours.example"), steal).await;
        assert_eq!(stolen, Err(PeopleError::Taken(address("anna@ours.example"))));
        let foreign = |one: &mut Recipient| one.aliases = vec![address("bo@theirs.example")];
        let foreign = people_now.change(&address("bo@ours.example"), foreign).await;
        assert_eq!(foreign, Err(PeopleError::Foreign(address("bo@theirs.example"))));
    }
}

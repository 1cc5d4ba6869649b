//! What lives in the store: recipients, their choices, and rules that people
//! made.
//!
//! Intake asks for them at every RCPT, so a view of them stands in memory
//! beside the configuration; [`People`] writes the store first and the view
//! behind it. Recipients are learned from mail: the view remembers a new one
//! at once, [`People::step`] writes him down.

mod rhythm;
mod rules;
mod view;

pub use rules::RuleChange;
pub(super) use view::View;

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError};

use tokio::sync::Mutex;

use super::{Digest, Directory, OrganisationId, Recipient, StoredRule};
use crate::clock::{Clock, Timestamp};
use crate::mail::Address;
use crate::store::{Batch, Fault, Index, Refusal, Row, Store};

/// How often a decision is made again when another came first.
const TRIES: usize = 8;

/// Adds to a decision's batch what belongs to it, with the record before and
/// after; `None` where there is none.
pub type Also<'a, R> = &'a (dyn Fn(&mut Batch, Option<&R>, Option<&R>) + Sync);

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

/// Recipients and rules in the store. Clones share everything.
#[derive(Clone)]
pub struct People {
    store: Store,
    clock: Clock,
    directory: Directory,
    /// The view is changed in the order of the commits.
    writing: Arc<Mutex<()>>,
    /// By which digests were last set.
    rhythms: Arc<std::sync::Mutex<HashMap<OrganisationId, Digest>>>,
}

impl People {
    /// Reads the view; needed once, before mail is taken.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn open(store: Store, clock: Clock, directory: Directory) -> Result<Self, Fault> {
        let (writing, rhythms) = Default::default();
        let people = Self { store, clock, directory, writing, rhythms };
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
        self.make(address, organisation, None, &|_, _, _| {}).await
    }

    /// The same; one that nobody knew yet is made `by` this administrator, in
    /// one batch with what `also` adds.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write.
    pub async fn make(
        &self,
        address: &Address,
        organisation: &OrganisationId,
        by: Option<&str>,
        also: Also<'_, Recipient>,
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
            recipient.by = by.map(str::to_owned);
            let mut batch = Batch::new();
            batch.insert(&recipient);
            also(&mut batch, None, Some(&recipient));
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

    fn rhythms(&self) -> MutexGuard<'_, HashMap<OrganisationId, Digest>> {
        self.rhythms.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.decide(address, change, &|_, _, _| {}).await
    }

    /// The same in one batch with what `also` adds.
    ///
    /// # Errors
    /// [`PeopleError`].
    pub async fn decide(
        &self,
        address: &Address,
        change: impl Fn(&mut Recipient),
        also: Also<'_, Recipient>,
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
            also(&mut batch, Some(&row.record), Some(&recipient));
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::{Claim, Frequency, Pattern, RuleAction, sample};

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

    #[tokio::test]
    async fn a_change_of_rhythm_sets_digests_anew() {
        let people = people(&Store::in_memory()).await;
        let ours = OrganisationId::new("ours").unwrap();
        let rhythm = |frequency, hour| {
            let one = sample::organisation("ours");
            let mut digest = one.digest.clone();
            digest.rhythm.frequency = frequency;
            digest.rhythm.hour = hour;
            vec![crate::directory::Organisation { digest, ..one }]
        };
        let directory = people.directory();
        directory.replace(rhythm(Frequency::Off, 8)).unwrap();
        let (anna, bo) = (address("anna@ours.example"), address("bo@ours.example"));
        people.of(&anna, &ours).await.unwrap();
        people.of(&bo, &ours).await.unwrap();
        let hourly = |one: &mut Recipient| one.frequency = Some(Frequency::Hourly);
        let hourly = people.change(&bo, hourly).await.unwrap().digest_at;
        let due = async |one: &Address| people.find(one).await.unwrap().unwrap().record.digest_at;
        assert_eq!(due(&anna).await, None);
        assert_eq!(people.follow_rhythms().await, Ok(0));
        directory.replace(rhythm(Frequency::Daily, 9)).unwrap();
        assert_eq!(people.follow_rhythms().await, Ok(1));
        // 08:00 UTC on a Friday.
        assert_eq!(due(&anna).await.unwrap().to_string(), "2027-01-15T09:00:00Z");
        assert_eq!(due(&bo).await, hourly, "who chose for himself keeps it");
        assert_eq!(people.follow_rhythms().await, Ok(0));
        directory.replace(rhythm(Frequency::Off, 9)).unwrap();
        assert_eq!(people.follow_rhythms().await, Ok(1));
        assert_eq!(due(&anna).await, None);
        people.clock.advance(crate::clock::SignedDuration::from_hours(1));
        directory.replace(rhythm(Frequency::Daily, 7)).unwrap();
        assert_eq!(people.follow_rhythms().await, Ok(1));
        assert_eq!(due(&bo).await, hourly, "what is due is being written");
    }
}

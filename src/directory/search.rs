//! Finding recipients and rules by a part of an address, the latest first
//! unless another order is asked for: over arenas in memory, never the tables.
//!
//! Who may see which organisation is the caller's question; the search is
//! bounded by the organisations that he names.

use std::collections::HashMap;
use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use super::{OrganisationId, Recipient, RuleAction, StoredRule};
use crate::store::arena::{Arena, Entry, Order, Seen};
use crate::store::{Fault, Listing, Record, Store, Unreadable};

/// Names as numbers, in the order in which they were met. Clones share them.
#[derive(Clone)]
pub struct Numbers<T>(Arc<Mutex<HashMap<T, u32>>>);

/// A record of one organisation that is found by its text.
pub trait Listed: Record + Clone {
    fn organisation(&self) -> &OrganisationId;
    /// The searched text.
    fn text(&self) -> String;
    /// Bits that a search may ask for.
    fn facts(&self) -> u64;
    /// Sorts what is found: microseconds.
    fn order(&self) -> i64;
}

/// Finds records of one table. Clones share the arena.
#[derive(Clone)]
pub struct Search<R> {
    store: Store,
    arena: Arc<Arena>,
    organisations: Numbers<OrganisationId>,
    of: PhantomData<fn() -> R>,
}

/// One page.
#[derive(Clone, Debug)]
pub struct Page<R> {
    pub found: Vec<R>,
    /// Records of this page that cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// The cursor of the next page, if there is one.
    pub next: Option<Vec<u8>>,
}

/// What is looked for; everything empty finds everything.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub text: String,
    /// Of these organisations only; `None`: of all.
    pub organisations: Option<Vec<OrganisationId>>,
    /// See [`Listed::facts`].
    pub facts: u64,
    pub order: Order,
}

impl<R: Listed> Search<R> {
    /// Follows the table from now on; [`Search::fill`] brings in the rest.
    pub fn new(store: Store) -> Self {
        let organisations = Numbers::default();
        let numbers = organisations.clone();
        let arena = Arena::follow::<R>(&store, false, move |record| entry(record, &numbers));
        Self { store, arena, organisations, of: PhantomData }
    }

    /// Reads the table once, at start.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn fill(&self) -> Result<(), Fault> {
        self.arena.fill::<R>(&self.store, |record| entry(record, &self.organisations)).await
    }

    /// At most `limit` records behind the cursor `after`.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn find(
        &self,
        wanted: &Wanted,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Page<R>, Fault> {
        let groups = wanted.organisations.as_ref().map(|own| self.organisations.of(own));
        let (arena, text, facts) = (Arc::clone(&self.arena), wanted.text.clone(), wanted.facts);
        let (after, order) = (after.map(<[u8]>::to_vec), wanted.order);
        let find = move || {
            arena.find_in(order, &text, after.as_deref(), limit, |seen: Seen<'_>| {
                let own = |groups: &Vec<u32>| seen.groups.iter().any(|one| groups.contains(one));
                seen.facts & facts == facts && groups.as_ref().is_none_or(own)
            })
        };
        let keys = tokio::task::spawn_blocking(find).await.unwrap_or_default();
        let Listing { records: found, unreadable } = self.store.listing(&keys.keys).await?;
        Ok(Page { found, unreadable, next: keys.keys.last().filter(|_| keys.more).cloned() })
    }
}

impl<T> Default for Numbers<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Clone + Eq + Hash> Numbers<T> {
    /// The numbers of these names.
    pub fn of<'a>(&self, names: impl IntoIterator<Item = &'a T>) -> Vec<u32>
    where
        T: 'a,
    {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = |name: &T| {
            let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
            known.get(name).copied().unwrap_or_else(|| *known.entry(name.clone()).or_insert(next))
        };
        names.into_iter().map(number).collect()
    }

    /// Every name, in the order of the numbers.
    pub fn all(&self) -> Vec<T> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<(&T, &u32)> = known.iter().collect();
        all.sort_unstable_by_key(|(_, number)| **number);
        all.into_iter().map(|(name, _)| name.clone()).collect()
    }
}

fn entry<R: Listed>(record: &R, numbers: &Numbers<OrganisationId>) -> Entry {
    Entry {
        text: record.text(),
        facts: record.facts(),
        groups: numbers.of([record.organisation()]),
        marks: Vec::new(),
        order: record.order(),
    }
}

impl Listed for Recipient {
    fn organisation(&self) -> &OrganisationId {
        &self.organisation
    }

    fn text(&self) -> String {
        let all = self.addresses().chain(&self.members);
        all.map(crate::mail::Address::display).collect::<Vec<_>>().join("\u{1f}")
    }

    fn facts(&self) -> u64 {
        0
    }

    fn order(&self) -> i64 {
        self.since.as_microsecond()
    }
}

impl Listed for StoredRule {
    fn organisation(&self) -> &OrganisationId {
        &self.organisation
    }

    fn text(&self) -> String {
        let recipient = self.recipient.as_ref().map(crate::mail::Address::display);
        let texts = [Some(self.sender.to_string()), recipient, self.why.clone(), self.by.clone()];
        texts.into_iter().flatten().collect::<Vec<_>>().join("\u{1f}")
    }

    fn facts(&self) -> u64 {
        Self::bit(self.action)
    }

    fn order(&self) -> i64 {
        self.since.as_microsecond()
    }
}

impl StoredRule {
    /// The fact that a search asks for.
    pub fn bit(action: RuleAction) -> u64 {
        1 << (action as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, SignedDuration, Timestamp};
    use crate::directory::{Pattern, People, sample};
    use crate::mail::Address;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    #[tokio::test]
    async fn recipients_and_rules_are_found_by_part_and_within_organisations() {
        let store = Store::in_memory();
        let clock = Clock::stopped_at(Timestamp::from_second(1_800_000_000).unwrap());
        let directory = sample::directory(Vec::new());
        let people = People::open(store.clone(), clock.clone(), directory).await.unwrap();
        let id = |text: &str| OrganisationId::new(text).unwrap();
        let recipients = Search::<Recipient>::new(store.clone());
        for (text, organisation) in [
            ("anna@ours.example", "ours"),
            ("bo@ours.example", "ours"),
            ("cy@theirs.example", "theirs"),
        ] {
            people.of(&address(text), &id(organisation)).await.unwrap();
            clock.advance(SignedDuration::from_secs(1));
        }
        recipients.fill().await.unwrap();
        let found = async |text: &str, own: Option<&str>, limit| {
            let organisations = own.map(|own| vec![id(own)]);
            let wanted = Wanted { text: text.to_owned(), organisations, ..Wanted::default() };
            let page = recipients.find(&wanted, None, limit).await.unwrap();
            let locals = page.found.iter().map(|one| one.address.local().to_owned());
            (locals.collect::<Vec<_>>().join(" "), page.next.is_some())
        };
        assert_eq!(found("", None, 10).await, ("cy bo anna".to_owned(), false));
        assert_eq!(found("", None, 2).await, ("cy bo".to_owned(), true));
        assert_eq!(found("OURS.example", None, 10).await.0, "bo anna");
        assert_eq!(found("example", Some("theirs"), 10).await.0, "cy");
        let alias = |one: &mut Recipient| one.aliases = vec![address("a.nna@ours.example")];
        people.change(&address("anna@ours.example"), alias).await.unwrap();
        assert_eq!(found("a.nna", Some("ours"), 10).await.0, "anna", "by an alias");

        let rules = Search::<StoredRule>::new(store.clone());
        rules.fill().await.unwrap();
        let sender = |text| Pattern::Address(address(text));
        let (block, allow) = (RuleAction::Block, RuleAction::Allow);
        people.set_rule(&id("ours"), None, sender("x@far.example"), block).await.unwrap();
        people.set_rule(&id("ours"), None, sender("y@far.example"), allow).await.unwrap();
        let wanted = |facts| Wanted { text: "far".to_owned(), facts, ..Wanted::default() };
        let blocks = rules.find(&wanted(StoredRule::bit(block)), None, 10).await.unwrap().found;
        assert_eq!(blocks.len(), 1);
        assert_eq!(blocks[0].sender, sender("x@far.example"));
        assert_eq!(rules.find(&wanted(0), None, 10).await.unwrap().found.len(), 2);
        let theirs = Wanted { organisations: Some(vec![id("theirs")]), ..Wanted::default() };
        assert_eq!(rules.find(&theirs, None, 10).await.unwrap().found, []);
    }

    #[tokio::test]
    async fn a_rule_ends_on_its_day() {
        let store = Store::in_memory();
        let clock = Clock::stopped_at(Timestamp::from_second(1_800_000_000).unwrap());
        let directory = sample::directory(Vec::new());
        let people = People::open(store.clone(), clock.clone(), directory).await.unwrap();
        let ours = OrganisationId::new("ours").unwrap();
        let sender = address("x@far.example");
        let rule = people.rule(&ours, None, Pattern::Address(sender.clone()), RuleAction::Block);
        let until = Some(clock.now() + SignedDuration::from_hours(24));
        people.make_rule(&StoredRule { until, ..rule }, &|_, _, _| {}).await.unwrap();
        let asked = || {
            let directory = people.directory();
            let organisation = directory.organisation(&ours).unwrap();
            let claim = crate::directory::Claim::of_path(&[]);
            let senders = [&sender];
            let claim = crate::directory::Claim { senders: &senders, ..claim };
            directory.rule(&organisation, &address("anna@ours.example"), &claim)
        };
        clock.advance(SignedDuration::from_hours(23));
        assert_eq!(people.end_due_rules(10).await, Ok(0));
        assert_eq!(asked(), Some(RuleAction::Block));
        clock.advance(SignedDuration::from_hours(1));
        assert_eq!(people.end_due_rules(10).await, Ok(1));
        assert_eq!(asked(), None);
        assert_eq!(people.rules(&ours, None, 10).await.unwrap(), []);
        assert_eq!(people.end_due_rules(10).await, Ok(0));
    }
}

//! Finding held messages by a part of an address or subject, by class, state
//! and time, the latest first unless another order is asked for: over an arena in memory, never the table.

use std::sync::Arc;

use super::{Held, HeldRecipient, Reference, State};
use crate::clock::Timestamp;
use crate::directory::OrganisationId;
use crate::directory::search::Numbers;
use crate::filter::Class;
use crate::store::arena::{Arena, Entry, Found, Order, Seen, fold};
use crate::store::{Fault, Index, Listing, Store, Unreadable};

/// What is looked for; everything empty finds everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// A part of an address or subject, or a whole reference.
    pub text: String,
    pub class: Option<Class>,
    pub state: Option<State>,
    /// Copies of these organisations only; `None`: of all.
    pub organisations: Option<Vec<OrganisationId>>,
    /// Held at this time or later.
    pub since: Option<Timestamp>,
    /// Held before this time.
    pub until: Option<Timestamp>,
    /// The text that sorts is who sent it.
    pub order: Order,
}

/// One page.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    pub held: Vec<Held>,
    /// Messages of this page that cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// The cursor of the next page, if there is one.
    pub next: Option<Vec<u8>>,
}

/// Finds held messages. Clones share the arena.
#[derive(Clone)]
pub struct HeldSearch {
    store: Store,
    pub(super) arena: Arc<Arena>,
    pub(super) names: Names,
}

/// What a row names by a number.
#[derive(Clone, Default)]
pub(super) struct Names {
    organisations: Numbers<OrganisationId>,
    pub findings: Numbers<String>,
}

impl Search {
    /// Whether a copy is one of those looked for, its text aside.
    pub fn wants(&self, one: &HeldRecipient) -> bool {
        let own = self.organisations.as_ref();
        own.is_none_or(|own| own.contains(&one.organisation))
            && self.class.is_none_or(|class| class == one.class)
            && self.state.is_none_or(|state| state == one.state)
    }

    fn facts(&self) -> u64 {
        self.class.map_or(0, class_bit) | self.state.map_or(0, state_bit)
    }
}

impl HeldSearch {
    /// Follows the quarantine from now on; [`HeldSearch::fill`] brings in what
    /// is held already.
    pub fn new(store: Store) -> Self {
        let names = Names::default();
        let known = names.clone();
        let arena = Arena::follow::<Held>(&store, false, move |held| entry(held, &known));
        Self { store, arena, names }
    }

    /// Reads the whole quarantine once, at start.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn fill(&self) -> Result<(), Fault> {
        self.arena.fill::<Held>(&self.store, |held| entry(held, &self.names)).await
    }

    /// Before that, a search finds less than there is.
    pub fn is_ready(&self) -> bool {
        self.arena.is_ready()
    }

    /// At most `limit` messages behind the cursor `after`.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn find(
        &self,
        search: &Search,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Page, Fault> {
        if let Some(reference) = Reference::parse(&search.text) {
            let Listing { records: held, unreadable } =
                self.by_reference(search, reference).await?;
            if !held.is_empty() || !unreadable.is_empty() {
                return Ok(Page { held, unreadable, next: None });
            }
        }
        let found = self.keys(search, after, limit).await;
        let Listing { records: mut held, unreadable } = self.store.listing(&found.keys).await?;
        held.retain(|held: &Held| held.recipients.iter().any(|one| search.wants(one)));
        let next = found.keys.last().filter(|_| found.more).cloned();
        Ok(Page { held, unreadable, next })
    }

    /// The keys alone, for work on many.
    pub async fn keys(&self, search: &Search, after: Option<&[u8]>, limit: usize) -> Found {
        let (arena, facts) = (Arc::clone(&self.arena), search.facts());
        let groups = search.organisations.as_ref().map(|own| self.names.organisations.of(own));
        let (text, after) = (search.text.clone(), after.map(<[u8]>::to_vec));
        let millis = |at: Option<Timestamp>, none| {
            at.map_or(none, |at| u64::try_from(at.as_millisecond()).unwrap_or(0))
        };
        let times = millis(search.since, 0)..millis(search.until, u64::MAX);
        let order = search.order;
        let find = move || {
            arena.find_in(order, &text, after.as_deref(), limit, |seen: Seen<'_>| {
                let own = |groups: &Vec<u32>| seen.groups.iter().any(|one| groups.contains(one));
                seen.facts & facts == facts
                    && times.contains(&held_at(seen.key))
                    && groups.as_ref().is_none_or(own)
            })
        };
        tokio::task::spawn_blocking(find).await.unwrap_or_default()
    }

    async fn by_reference(
        &self,
        search: &Search,
        reference: Reference,
    ) -> Result<Listing<Held>, Fault> {
        let keys = self.store.referred_by(Index::HeldByReference, &reference.key(), 10).await?;
        let own = Search { organisations: search.organisations.clone(), ..Search::default() };
        let mut listing = self.store.listing::<Held>(&keys).await?;
        listing.records.retain(|held| held.recipients.iter().any(|one| own.wants(one)));
        listing.unreadable.retain(|_| own.organisations.is_none());
        Ok(listing)
    }
}

fn entry(held: &Held, names: &Names) -> Entry {
    let mut text = fold(&format!("{}\u{1f}{}", held.from_text, held.subject));
    for address in held.senders() {
        let shown = fold(&address.display());
        // What stands there already is found there.
        if !text.contains(&shown) {
            text.push(' ');
            text.push_str(&shown);
        }
    }
    let mut organisations: Vec<&OrganisationId> = Vec::new();
    let mut facts = 0;
    for one in &held.recipients {
        text.push(' ');
        text.push_str(&one.address.display());
        facts |= class_bit(one.class) | state_bit(one.state);
        if !organisations.contains(&&one.organisation) {
            organisations.push(&one.organisation);
        }
    }
    let against = held.findings.iter().filter(|one| one.weight > 0.0).map(|one| &one.id);
    let (groups, mut marks) = (names.organisations.of(organisations), names.findings.of(against));
    marks.sort_unstable();
    marks.dedup();
    let order = i64::try_from(held_at(held.id.as_bytes())).unwrap_or(i64::MAX);
    Entry { text, facts, groups, marks, order }
}

/// Ids, which are the keys, begin with the time in milliseconds (RFC 9562
/// section 5.7).
fn held_at(key: &[u8]) -> u64 {
    key.iter().take(6).fold(0, |millis, byte| millis << 8 | u64::from(*byte))
}

fn class_bit(class: Class) -> u64 {
    1 << (class as u8)
}

pub(super) fn state_bit(state: State) -> u64 {
    1 << (32 + state as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SignedDuration;
    use crate::filter::Finding;
    use crate::mail::{Address, ReversePath};
    use crate::quarantine::sample;
    use crate::store::{Batch, Row};

    async fn store(store: &Store, held: &Held) {
        let old: Option<Row<Held>> = store.find(held.id.as_bytes()).await.unwrap();
        let mut batch = Batch::new();
        batch.upsert(old.as_ref(), held);
        store.commit(batch).await.unwrap();
    }

    /// DESIGN's figure for a million held messages, 300 MiB for everything,
    /// leaves this for what is kept of one.
    #[tokio::test]
    async fn what_is_kept_of_a_message_stays_below_200_bytes() {
        let kept = Store::in_memory();
        let now = crate::clock::Clock::system().now();
        let search = HeldSearch::new(kept.clone());
        let count = 8000;
        let mut batch = Batch::new();
        for nth in 0..count {
            let mut held = sample::held(&[&format!("anna.{nth}@example.fi")], now);
            let path = format!("bounce-{nth}@mailer{}.example", nth % 50);
            held.rfc5322_from = Address::parse(&format!("kari{nth}@katto.example")).ok();
            held.from_text = format!("Kari Katto <kari{nth}@katto.example>");
            held.rfc5321_mail_from = ReversePath::Address(Address::parse(&path).unwrap());
            held.subject = format!("An offer for the repair of your roof, number {nth}");
            held.findings = ["spf-fail", "first-contact", "dkim-none"][nth % 3..]
                .iter()
                .map(|id| Finding::new(*id, 1.0))
                .collect();
            batch.insert(&held);
        }
        kept.commit(batch).await.unwrap();
        search.fill().await.unwrap();
        assert_eq!(search.arena.len(), count);
        let each = search.arena.bytes() / count;
        assert!(each < 200, "{each} bytes, of which 135 are text and 16 its key");
    }

    #[tokio::test]
    async fn messages_are_found_by_parts_and_by_what_they_are() {
        let kept = Store::in_memory();
        let now = crate::clock::Clock::system().now();
        let mut one = sample::held(&["anna@example.fi"], now);
        one.subject = "Offer for the ROOF".to_owned();
        store(&kept, &one).await;
        let search = HeldSearch::new(kept.clone());
        search.fill().await.unwrap();
        let mut two = sample::held(&["bo@example.fi"], now);
        two.subject = "Something else".to_owned();
        store(&kept, &two).await;
        let none: [uuid::Uuid; 0] = [];
        let find = |text: &str, state, organisations| {
            let search = search.clone();
            let text = text.to_owned();
            async move {
                let wanted = Search { text, state, organisations, ..Search::default() };
                let page = search.find(&wanted, None, 10).await.unwrap();
                page.held.iter().map(|held| held.id).collect::<Vec<_>>()
            }
        };
        assert_eq!(find("", None, None).await, [two.id, one.id]);
        assert_eq!(find("the roof", None, None).await, [one.id]);
        assert_eq!(find("nobody", None, None).await, none);
        let other = OrganisationId::new("other").unwrap();
        assert_eq!(find("", None, Some(vec![other])).await, none);
        let own = one.recipients[0].organisation.clone();
        assert_eq!(find("", None, Some(vec![own])).await, [two.id, one.id]);
        let at = |id: uuid::Uuid| {
            Timestamp::from_millisecond(i64::try_from(id.as_u128() >> 80).unwrap()).unwrap()
        };
        let hour = SignedDuration::from_hours(1);
        for (since, until, order, expected) in [
            (None, None, Order::Oldest, &[one.id, two.id][..]),
            (Some(at(one.id)), None, Order::Oldest, &[one.id, two.id]),
            (None, Some(at(one.id)), Order::Oldest, &[]),
            (Some(at(two.id) + hour), None, Order::Latest, &[]),
            (Some(at(one.id) - hour), Some(at(two.id) + hour), Order::Latest, &[two.id, one.id]),
        ] {
            let wanted = Search { since, until, order, ..Search::default() };
            let page = search.find(&wanted, None, 10).await.unwrap();
            let found: Vec<_> = page.held.iter().map(|held| held.id).collect();
            assert_eq!(found, expected, "{since:?} {until:?} {order:?}");
        }
        one.recipients.iter_mut().for_each(|copy| copy.state = State::Expired);
        store(&kept, &one).await;
        assert_eq!(find("", Some(State::Expired), None).await, [one.id]);
        assert_eq!(find("roof", Some(State::Held), None).await, none);
    }
}

//! Finding log lines and exemptions by a part of the address.
//!
//! What is searched and filtered by lies in memory ([`Arena`]) and follows
//! the store; only the rows of the page are read. Latest first, or as asked:
//! other orders walk through all that is found. Filled at start; whoever
//! searches before that waits for it.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::Suppression;
use super::classify::Class;
use super::event::{Event, Outcome};
use super::record::Exemption;
use super::server::ServerId;
use crate::clock::Timestamp;
use crate::store::arena::{Arena, Entry, Found, Order, Seen};
use crate::store::{Fault, Record, Store};

/// What a search of the logs asks for. Empty fields ask for everything.
#[derive(Clone, Debug, Default)]
pub struct Query {
    pub server: Option<ServerId>,
    /// A part of the address.
    pub part: String,
    /// `part` is the whole address.
    pub exact: bool,
    /// Minutes count; seconds do not.
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    /// A class's or an outcome's word.
    pub reason: String,
    pub errors_only: bool,
    pub limit: usize,
    /// The key behind which to go on.
    pub after: Vec<u8>,
    pub order: Order,
}

/// The texts of both tables.
#[derive(Clone)]
pub(super) struct Arenas {
    events: Arc<Arena>,
    exemptions: Arc<Arena>,
    filling: Arc<Mutex<()>>,
}

impl Arenas {
    pub fn follow(store: &Store) -> Self {
        Self {
            events: Arena::follow::<Event>(store, false, event),
            exemptions: Arena::follow::<Exemption>(store, false, exemption),
            filling: Arc::default(),
        }
    }
}

impl Suppression {
    /// Brings logs and exemptions into memory, once.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn fill(&self) -> Result<(), Fault> {
        let Arenas { events, exemptions, filling } = &self.arenas;
        if events.is_ready() && exemptions.is_ready() {
            return Ok(());
        }
        let _only = filling.lock().await;
        if !events.is_ready() {
            events.fill::<Event>(&self.store, event).await?;
        }
        if !exemptions.is_ready() {
            exemptions.fill::<Exemption>(&self.store, exemption).await?;
        }
        Ok(())
    }

    /// One page of the logs in the query's order, and the cursor behind it.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn events(&self, query: &Query) -> Result<(Vec<Event>, Option<Vec<u8>>), Fault> {
        let wanted = Wanted::of(query);
        let part = query.part.trim();
        let needle = if query.exact { format!("<{part}>") } else { part.to_owned() };
        let wants = move |seen: Seen<'_>| wanted.wants(seen.facts);
        let arena = &self.arenas.events;
        let page = (query.after.clone(), query.limit, query.order);
        self.rows(arena, needle, page, wants).await
    }

    /// One page of the exemptions whose address holds `part`, and the cursor
    /// behind it.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn exempt_addresses(
        &self,
        server: ServerId,
        part: &str,
        (after, order): (&[u8], Order),
        limit: usize,
    ) -> Result<(Vec<Exemption>, Option<Vec<u8>>), Fault> {
        let wants = move |seen: Seen<'_>| seen.facts == u64::from(server);
        let (part, page) = (part.trim().to_owned(), (after.to_vec(), limit, order));
        self.rows(&self.arenas.exemptions, part, page, wants).await
    }

    async fn rows<R: Record>(
        &self,
        arena: &Arc<Arena>,
        needle: String,
        (after, limit, order): (Vec<u8>, usize, Order),
        wants: impl Fn(Seen<'_>) -> bool + Send + 'static,
    ) -> Result<(Vec<R>, Option<Vec<u8>>), Fault> {
        self.fill().await?;
        let arena = Arc::clone(arena);
        let find = move || {
            let after = Some(&after[..]).filter(|after| !after.is_empty());
            arena.find_in(order, &needle, after, limit, wants)
        };
        // A walk through all of it takes some milliseconds.
        let found: Found = tokio::task::spawn_blocking(find).await.unwrap_or_default();
        let mut rows = Vec::with_capacity(found.keys.len());
        for key in &found.keys {
            rows.extend(self.store.find::<R>(key).await?.map(|row| row.record));
        }
        Ok((rows, found.keys.last().filter(|_| found.more).cloned()))
    }
}

/// A query's filters as an event's facts show them.
#[derive(Clone, Copy)]
struct Wanted {
    server: Option<u64>,
    minutes: (u64, u64),
    errors_only: bool,
    /// An outcome, or a class; `None`: there is no such word.
    reason: Option<(Option<u64>, Option<u64>)>,
}

impl Wanted {
    fn of(query: &Query) -> Self {
        let outcome = Outcome::ALL.iter().position(|one| one.as_str() == query.reason);
        let class = Class::ALL.iter().position(|one| one.as_str() == query.reason);
        let known = query.reason.is_empty() || outcome.is_some() || class.is_some();
        let bits = |at: Option<usize>| at.map(|at| at as u64);
        Self {
            server: query.server.map(u64::from),
            minutes: (query.from.map_or(0, minute), query.to.map_or(u64::MAX, minute)),
            errors_only: query.errors_only,
            reason: known.then_some((bits(outcome), bits(class))),
        }
    }

    fn wants(&self, facts: u64) -> bool {
        let (class, outcome) = (facts & 0xf, facts >> 4 & 0xf);
        let (server, minute) = (facts >> 8 & 0xffff, facts >> 24);
        let reason = match self.reason {
            None => false,
            Some((None, None)) => true,
            Some((wanted_outcome, wanted_class)) => {
                wanted_outcome == Some(outcome) || wanted_class == Some(class)
            }
        };
        let error = Outcome::ALL.get(usize::try_from(outcome).unwrap_or(usize::MAX));
        reason
            && self.server.is_none_or(|wanted| wanted == server)
            && (self.minutes.0..=self.minutes.1).contains(&minute)
            && (!self.errors_only || error.is_some_and(|one| one.is_error()))
    }
}

/// Minutes since the epoch.
fn minute(at: Timestamp) -> u64 {
    u64::try_from(at.as_second() / 60).unwrap_or(0)
}

/// Minute, server, outcome, class: 40, 16, 4 and 4 bits.
fn event(event: &Event) -> Entry {
    let class = Class::ALL.iter().position(|one| one.as_str() == event.class);
    let outcome = Outcome::ALL.iter().position(|one| *one == event.outcome).unwrap_or(0);
    let class = class.unwrap_or(0xf);
    Entry {
        text: format!("<{}>", event.address),
        facts: minute(event.at) << 24
            | u64::from(event.server) << 8
            | (outcome as u64) << 4
            | class as u64,
        order: event.at.as_microsecond(),
        ..Entry::default()
    }
}

fn exemption(one: &Exemption) -> Entry {
    Entry {
        text: one.address.canonical().to_string(),
        facts: u64::from(one.server),
        order: one.at.as_microsecond(),
        ..Entry::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::forget;
    use super::*;
    use crate::clock::Clock;
    use crate::store::Batch;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[tokio::test]
    async fn a_period_a_part_and_a_reason_are_found_and_old_ones_forgotten() {
        let store = Store::in_memory();
        let list = Suppression::new(store.clone(), Clock::stopped_at(at(0)));
        for minute in 0..100 {
            let address = format!("user{minute}@far.example");
            let outcome = if minute % 2 == 0 { Outcome::Failed } else { Outcome::Succeeded };
            let mut event = Event::new(at(60 * minute), 0, &address, outcome, "x");
            if minute % 10 == 0 {
                event = event.with_class(Class::UnknownUser);
            }
            let mut batch = Batch::new();
            batch.insert(&event);
            store.commit(batch).await.unwrap();
        }
        let all = Query { limit: 1000, ..Query::default() };
        let count = async |query: Query| list.events(&query).await.unwrap().0.len();
        assert_eq!(count(all.clone()).await, 100);
        let period = Query { from: Some(at(600)), to: Some(at(60 * 19)), ..all.clone() };
        assert_eq!(count(period).await, 10);
        let errors = Query { errors_only: true, part: "R2".to_owned(), ..all.clone() };
        assert_eq!(count(errors).await, 6);
        for (reason, expected) in [("unknown_user", 10), ("succeeded", 50), ("nonsense", 0)] {
            let reason = Query { reason: reason.to_owned(), ..all.clone() };
            assert_eq!(count(reason).await, expected);
        }
        let whole = |part: &str| Query { part: part.to_owned(), exact: true, ..all.clone() };
        assert_eq!(count(whole("User1@far.example")).await, 1);
        assert_eq!(count(whole("ser1@far.example")).await, 0);
        assert_eq!(count(Query { server: Some(1), ..all.clone() }).await, 0);
        for (order, first) in [
            (Order::Oldest, "user0@far.example"),
            (Order::Text, "user0@far.example"),
            (Order::TextBackwards, "user9@far.example"),
        ] {
            let query = Query { order, limit: 1, ..all.clone() };
            assert_eq!(list.events(&query).await.unwrap().0[0].address, first, "{order:?}");
        }
        let (page, cursor) = list.events(&Query { limit: 7, ..all.clone() }).await.unwrap();
        assert_eq!(page[0].address, "user99@far.example");
        let next = Query { after: cursor.unwrap(), ..all.clone() };
        assert_eq!((page.len(), count(next).await), (7, 93));
        assert_eq!(forget(&store, at(60 * 50), 1000).await, Ok(50));
        assert_eq!(count(all).await, 50);
    }
}

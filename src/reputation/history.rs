//! History: what came from a client's network and from a proved domain before,
//! by our own verdicts, by releases and by flags, with decay.
//!
//! Two numbers for each, good and bad, that halve in two weeks. They live in
//! memory, bounded, and are written now and then by [`History::step`], never
//! while somebody waits; a crash loses a minute of them. A domain is only
//! remembered where something proved it, so that nobody spoils another's name
//! or borrows it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use minicbor::{Decode, Encode};

use crate::clock::{Clock, Timestamp};
use crate::reputation::Sender;
use crate::store::{Batch, Fault, Record, Refusal, Row, Store, Table};

/// Networks and domains that are remembered.
const MOST: usize = 100_000;
/// Those that have to go make room for so many more at once.
const ROOM: usize = MOST / 10;
/// Days in which a number halves.
const HALF: f64 = 14.0;
/// Records that one step writes.
const STEP: usize = 500;
/// A tally with less than this is forgotten.
const LITTLE: f64 = 0.1;

/// What happened to a sender's mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It passed, with nothing against it.
    Passed,
    /// It was held or refused for what it was.
    Stopped,
    /// Its sender released it.
    Released,
    /// A recipient called it unwanted.
    Flagged,
}

/// Good and bad, as of now.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Past {
    pub good: f64,
    pub bad: f64,
}

/// Remembers. Clones share everything.
#[derive(Clone)]
pub struct History {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    known: HashMap<String, Tally>,
    /// To be written or removed by the next step.
    changed: HashSet<String>,
}

/// The record of one network or domain.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Tally {
    /// `n 192.0.2.0/24` or `d example.org`.
    #[n(0)]
    subject: String,
    #[n(1)]
    good: f64,
    #[n(2)]
    bad: f64,
    /// When the numbers were true.
    #[cbor(n(3), with = "crate::store::record::micros")]
    at: Timestamp,
}

impl History {
    /// Empty; [`History::load`] brings what was written before.
    pub fn new(store: Store, clock: Clock) -> Self {
        Self { inner: Arc::new(Inner { store, clock, state: Mutex::default() }) }
    }

    /// Reads what was written before.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn load(&self) -> Result<(), Fault> {
        let mut after = Vec::new();
        loop {
            let rows: Vec<Row<Tally>> = self.inner.store.page(&after, STEP).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.record.key();
            let (mut state, now) = (self.state(), self.inner.clock.now());
            for row in rows {
                if row.record.past(now).count() < LITTLE {
                    state.changed.insert(row.record.subject.clone());
                }
                state.known.insert(row.record.subject.clone(), row.record);
            }
            if state.known.len() >= MOST {
                return Ok(());
            }
        }
    }

    /// Remembers an event; nothing is written yet.
    pub fn note(&self, sender: &Sender, event: Event) {
        let now = self.inner.clock.now();
        let (good, bad) = event.worth();
        let mut state = self.state();
        for subject in subjects(sender) {
            state.make_room(&subject);
            let tally = state.known.entry(subject.clone());
            let fresh = || Tally { subject: subject.clone(), good: 0.0, bad: 0.0, at: now };
            let tally = tally.or_insert_with(fresh);
            let past = tally.past(now);
            (tally.good, tally.bad, tally.at) = (past.good + good, past.bad + bad, now);
            state.changed.insert(subject);
        }
    }

    /// What is known of the sender's proved domain and of his network, the
    /// more telling of the two.
    pub fn past(&self, sender: &Sender) -> Past {
        let now = self.inner.clock.now();
        let state = self.state();
        let pasts = subjects(sender).filter_map(|one| Some(state.known.get(&one)?.past(now)));
        pasts.max_by(|a, b| a.count().total_cmp(&b.count())).unwrap_or_default()
    }

    /// Writes what changed, at most [`STEP`] records, and answers how many.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write; it is tried again then.
    pub async fn step(&self) -> Result<usize, Fault> {
        let now = self.inner.clock.now();
        let chosen: Vec<(String, Option<Tally>)> = {
            let mut state = self.state();
            let subjects: Vec<String> = state.changed.iter().take(STEP).cloned().collect();
            subjects
                .into_iter()
                .map(|subject| {
                    state.changed.remove(&subject);
                    let tally = state.known.get(&subject).cloned();
                    let kept = tally.filter(|tally| tally.past(now).count() >= LITTLE);
                    if kept.is_none() {
                        state.known.remove(&subject);
                    }
                    (subject, kept)
                })
                .collect()
        };
        let written = self.write(&chosen).await;
        if written.is_err() {
            self.state().changed.extend(chosen.into_iter().map(|(subject, _)| subject));
        }
        written
    }

    async fn write(&self, chosen: &[(String, Option<Tally>)]) -> Result<usize, Fault> {
        let mut batch = Batch::new();
        for (subject, tally) in chosen {
            let old: Option<Row<Tally>> = self.inner.store.find(subject.as_bytes()).await?;
            match (tally, old) {
                (Some(tally), old) => {
                    batch.upsert(old.as_ref(), tally);
                }
                (None, Some(old)) => {
                    batch.remove(&old);
                }
                (None, None) => {}
            }
        }
        if batch.is_empty() {
            return Ok(0);
        }
        match self.inner.store.commit(batch).await {
            Ok(_) => Ok(chosen.len()),
            // Another node was first: its numbers are as good as ours.
            Err(Refusal::Conflict(_)) => Ok(0),
            Err(refusal) => Err(Fault::Unavailable(refusal.to_string())),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Forgets the oldest tenth when there is no room for one more.
    fn make_room(&mut self, subject: &str) {
        if self.known.len() < MOST || self.known.contains_key(subject) {
            return;
        }
        let mut ages: Vec<(Timestamp, String)> =
            self.known.values().map(|tally| (tally.at, tally.subject.clone())).collect();
        ages.select_nth_unstable(ROOM);
        for (_, subject) in ages.drain(..ROOM) {
            self.known.remove(&subject);
            self.changed.insert(subject);
        }
    }
}

impl Event {
    /// What it adds to good and to bad: a person's word more than ours.
    fn worth(self) -> (f64, f64) {
        match self {
            Self::Passed => (1.0, 0.0),
            Self::Stopped => (0.0, 1.0),
            Self::Released => (3.0, 0.0),
            Self::Flagged => (0.0, 5.0),
        }
    }
}

impl Past {
    pub fn count(self) -> f64 {
        self.good + self.bad
    }
}

impl Tally {
    fn past(&self, now: Timestamp) -> Past {
        let days = now.duration_since(self.at).as_secs_f64().max(0.0) / 86_400.0;
        let left = 0.5_f64.powf(days / HALF);
        Past { good: self.good * left, bad: self.bad * left }
    }
}

impl Record for Tally {
    const TABLE: Table = Table::History;

    fn key(&self) -> Vec<u8> {
        self.subject.clone().into_bytes()
    }
}

/// The client's network, and the domain where it was proved.
fn subjects(sender: &Sender) -> impl Iterator<Item = String> {
    let domain = sender.proved_address().map(|one| format!("d {}", one.domain().organisational()));
    [Some(format!("n {}", sender.network)), domain].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SignedDuration;
    use crate::mail::{Address, Network};
    use crate::reputation::{Proof, Proofs};

    fn sender(address: &str, proofs: Proofs, ip: [u8; 4]) -> Sender {
        let address = Some(Address::parse(address).unwrap());
        Sender { address, proofs, network: Network::of(ip.into()) }
    }

    fn history() -> (History, Clock, Store) {
        let (store, clock) = (Store::in_memory(), Clock::stopped_at(Timestamp::UNIX_EPOCH));
        (History::new(store.clone(), clock.clone()), clock, store)
    }

    #[tokio::test]
    async fn what_happened_is_kept_over_a_restart_and_decays() {
        let (history, clock, store) = history();
        let proved = Proofs::NONE.with(Proof::Dkim);
        let one = sender("a@mail.shop.example", proved, [192, 0, 2, 1]);
        for _ in 0..8 {
            history.note(&one, Event::Stopped);
        }
        assert_eq!(history.step().await, Ok(2), "the network and the domain");
        assert_eq!(history.step().await, Ok(0));
        let again = History::new(store.clone(), clock.clone());
        again.load().await.unwrap();
        let elsewhere = sender("b@shop.example", proved, [203, 0, 113, 1]);
        assert_eq!(again.past(&elsewhere), Past { good: 0.0, bad: 8.0 });
        clock.advance(SignedDuration::from_hours(14 * 24));
        assert!((again.past(&elsewhere).bad - 4.0).abs() < 0.001);
        clock.advance(SignedDuration::from_hours(200 * 24));
        again.note(&elsewhere, Event::Passed);
        assert!(again.past(&one).bad < 0.01);
    }

    #[test]
    fn a_name_is_remembered_only_where_it_was_proved() {
        let (history, ..) = history();
        let forged = sender("ceo@victim.example", Proofs::NONE, [192, 0, 2, 1]);
        history.note(&forged, Event::Flagged);
        let proved = Proofs::NONE.with(Proof::Spf);
        let victim = sender("ceo@victim.example", proved, [203, 0, 113, 1]);
        assert_eq!(history.past(&victim), Past::default());
        let neighbour = sender("x@other.example", Proofs::NONE, [192, 0, 2, 200]);
        assert!((history.past(&neighbour).bad - 5.0).abs() < 0.001, "the same /24");
    }

    #[test]
    fn memory_is_bounded() {
        let (history, clock, _) = history();
        for n in 0..u32::try_from(MOST + 10).unwrap() {
            let [_, a, b, c] = n.to_be_bytes();
            history.note(&sender("a@b.example", Proofs::NONE, [a + 1, b, c, 0]), Event::Passed);
            if n == 0 {
                clock.advance(SignedDuration::from_secs(1));
            }
        }
        let state = history.state();
        assert!(state.known.len() <= MOST, "{}", state.known.len());
        assert!(!state.known.contains_key("n 1.0.0.0/24"), "the oldest went first");
    }
}

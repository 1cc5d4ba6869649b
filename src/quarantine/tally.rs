//! How often each finding was overruled: of the held messages that carry it,
//! how many somebody freed. A bad rule shows itself here.
//!
//! Counted over all messages that are remembered, in memory, from the
//! table's changes; never a scan of the table inside a request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Held, State};
use crate::store::{Fault, Record, Store, record};

/// Findings that are told apart; the rest are not counted.
const FINDINGS: usize = 128;
/// Records read at a time at start.
const PAGE: usize = 1000;

/// One finding's share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    pub finding: String,
    /// Remembered messages that carry it.
    pub held: u32,
    /// Of these, how many were freed.
    pub freed: u32,
}

/// Follows the quarantine. Clones share the counts.
#[derive(Clone, Default)]
pub struct Tally(Arc<Mutex<Counts>>);

#[derive(Default)]
struct Counts {
    names: Vec<String>,
    held: Vec<u32>,
    freed: Vec<u32>,
    /// What each message counts for: its findings, and whether it was freed.
    messages: HashMap<Vec<u8>, (u128, bool)>,
}

impl Tally {
    /// Follows the table from now on.
    pub fn new(store: &Store) -> Self {
        let tally = Self::default();
        let follows = tally.clone();
        store.watch(Held::TABLE, move |news| {
            let held = news.value.and_then(|bytes| record::decode::<Held>(bytes).ok());
            follows.lock().count(news.key, held.as_ref());
        });
        tally
    }

    /// Brings in what stands in the table already.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn fill(&self, store: &Store) -> Result<(), Fault> {
        let mut after = Vec::new();
        loop {
            let rows = store.page::<Held>(&after, PAGE).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.record.key();
            let mut counts = self.lock();
            for row in &rows {
                let key = row.record.key();
                // What changed meanwhile is newer than this page.
                if !counts.messages.contains_key(&key) {
                    counts.count(&key, Some(&row.record));
                }
            }
        }
    }

    /// Every finding, the one that was overruled most often first.
    pub fn shares(&self) -> Vec<Share> {
        let counts = self.lock();
        let mut all: Vec<Share> = (0..counts.names.len())
            .map(|place| Share {
                finding: counts.names[place].clone(),
                held: counts.held[place],
                freed: counts.freed[place],
            })
            .filter(|share| share.held > 0)
            .collect();
        all.sort_by(|a, b| {
            let (left, right) =
                (u64::from(a.freed) * u64::from(b.held), u64::from(b.freed) * u64::from(a.held));
            right.cmp(&left).then(b.held.cmp(&a.held)).then(a.finding.cmp(&b.finding))
        });
        all
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn count(&mut self, key: &[u8], held: Option<&Held>) {
        if let Some((findings, freed)) = self.messages.remove(key) {
            self.add(findings, freed, u32::wrapping_sub);
        }
        let Some(held) = held else { return };
        let mut findings = 0u128;
        for finding in held.findings.iter().filter(|one| one.weight > 0.0) {
            findings |= self.bit(&finding.id);
        }
        let freed = held.recipients.iter().any(|one| {
            let freed = [State::Releasing, State::Released, State::Delivered, State::Failed];
            freed.contains(&one.state)
        });
        self.messages.insert(key.to_vec(), (findings, freed));
        self.add(findings, freed, u32::wrapping_add);
    }

    fn bit(&mut self, finding: &str) -> u128 {
        let place = self.names.iter().position(|name| name == finding);
        let place = place.unwrap_or_else(|| {
            if self.names.len() < FINDINGS {
                self.names.push(finding.to_owned());
                self.held.push(0);
                self.freed.push(0);
                self.names.len() - 1
            } else {
                FINDINGS
            }
        });
        if place < FINDINGS { 1 << place } else { 0 }
    }

    fn add(&mut self, findings: u128, freed: bool, by: fn(u32, u32) -> u32) {
        for place in (0..self.names.len()).filter(|place| findings & (1 << place) != 0) {
            self.held[place] = by(self.held[place], 1);
            if freed {
                self.freed[place] = by(self.freed[place], 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::Finding;
    use crate::quarantine::sample;
    use crate::store::{Batch, Row};

    async fn put(store: &Store, held: &Held) {
        let old: Option<Row<Held>> = store.find(held.id.as_bytes()).await.unwrap();
        let mut batch = Batch::new();
        batch.upsert(old.as_ref(), held);
        store.commit(batch).await.unwrap();
    }

    #[tokio::test]
    async fn a_finding_s_share_follows_what_becomes_of_its_messages() {
        let store = Store::in_memory();
        let now = crate::clock::Clock::system().now();
        let held = |findings: &[&str]| {
            let mut held = sample::held(&["anna@example.fi"], now);
            held.findings = findings.iter().map(|id| Finding::new(*id, 1.0)).collect();
            held
        };
        let (mut one, two) = (held(&["spf-fail", "first-contact"]), held(&["spf-fail"]));
        put(&store, &one).await;
        let tally = Tally::new(&store);
        put(&store, &two).await;
        tally.fill(&store).await.unwrap();
        let share = |finding: &str, held, freed| Share { finding: finding.to_owned(), held, freed };
        assert_eq!(tally.shares(), [share("spf-fail", 2, 0), share("first-contact", 1, 0)]);
        one.recipients[0].state = State::Releasing;
        put(&store, &one).await;
        assert_eq!(tally.shares(), [share("first-contact", 1, 1), share("spf-fail", 2, 1)]);
        let row: Row<Held> = store.find(one.id.as_bytes()).await.unwrap().unwrap();
        let mut batch = Batch::new();
        batch.remove(&row);
        store.commit(batch).await.unwrap();
        assert_eq!(tally.shares(), [share("spf-fail", 1, 0)]);
    }
}

//! How often each finding was overruled: of the held messages that carry it,
//! how many somebody freed. A bad rule shows itself here.
//!
//! Counted over all messages that are remembered, as the search keeps them in
//! memory; never a scan of the table inside a request.

use std::sync::Arc;

use super::search::state_bit;
use super::{HeldSearch, State};

/// States of a copy that somebody let go.
const FREED: [State; 4] = [State::Releasing, State::Released, State::Delivered, State::Failed];

/// One finding's share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Share {
    pub finding: String,
    /// Remembered messages that carry it.
    pub held: u32,
    /// Of these, how many were freed.
    pub freed: u32,
}

impl HeldSearch {
    /// Every finding, the one that was overruled most often first.
    pub async fn shares(&self) -> Vec<Share> {
        let arena = Arc::clone(&self.arena);
        let freed = FREED.into_iter().fold(0, |bits, state| bits | state_bit(state));
        let counting = tokio::task::spawn_blocking(move || {
            let mut counts: Vec<(u32, u32)> = Vec::new();
            arena.for_each(|seen| {
                for &finding in seen.marks {
                    let finding = finding as usize;
                    counts.resize(counts.len().max(finding + 1), (0, 0));
                    counts[finding].0 += 1;
                    counts[finding].1 += u32::from(seen.facts & freed != 0);
                }
            });
            counts
        });
        let counts = counting.await.unwrap_or_default();
        let shares = self.names.findings.all().into_iter().zip(counts);
        let mut all: Vec<Share> = shares
            .map(|(finding, (held, freed))| Share { finding, held, freed })
            .filter(|share| share.held > 0)
            .collect();
        all.sort_by(|a, b| {
            let (left, right) =
                (u64::from(a.freed) * u64::from(b.held), u64::from(b.freed) * u64::from(a.held));
            right.cmp(&left).then(b.held.cmp(&a.held)).then(a.finding.cmp(&b.finding))
        });
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::Finding;
    use crate::quarantine::{Held, sample};
    use crate::store::{Batch, Row, Store};

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
        let search = HeldSearch::new(store.clone());
        put(&store, &two).await;
        search.fill().await.unwrap();
        let share = |finding: &str, held, freed| Share { finding: finding.to_owned(), held, freed };
        assert_eq!(search.shares().await, [share("spf-fail", 2, 0), share("first-contact", 1, 0)]);
        one.recipients[0].state = State::Releasing;
        put(&store, &one).await;
        assert_eq!(search.shares().await, [share("first-contact", 1, 1), share("spf-fail", 2, 1)]);
        let row: Row<Held> = store.find(one.id.as_bytes()).await.unwrap().unwrap();
        let mut batch = Batch::new();
        batch.remove(&row);
        store.commit(batch).await.unwrap();
        assert_eq!(search.shares().await, [share("spf-fail", 1, 0)]);
    }
}

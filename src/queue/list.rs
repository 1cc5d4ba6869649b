//! The queue as operators look at it, a page at a time: every item by its age,
//! those that wait by their next attempt, those that failed by when they are
//! forgotten. Each is an order of the store's own, from either end: however
//! long the queue is, a page costs its rows. By recipient there is none: it
//! would take another index key of every mail that passes, or a look at all.

use super::{Item, Queue};
use crate::store::{Fault, Index, Listing, Toward, Unreadable};

/// Which items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// By age.
    #[default]
    All,
    /// By the next attempt; while one is made, by the end of its lease.
    Waiting,
    /// They ended with a failure and can still be tried again: by when they
    /// are forgotten.
    Failed,
}

/// One page.
#[derive(Clone, Debug, Default)]
pub struct Page {
    pub items: Vec<Item>,
    /// Items of this page that cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// The cursor of the next page, if there is one.
    pub next: Option<Vec<u8>>,
}

impl Which {
    /// The word in addresses; empty for all.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "",
            Self::Waiting => "waiting",
            Self::Failed => "failed",
        }
    }

    /// The words of its orders in addresses: the usual one, and the other way.
    pub fn orders(self) -> [&'static str; 2] {
        match self {
            Self::All => ["oldest", "latest"],
            Self::Waiting | Self::Failed => ["due", "due-last"],
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        [Self::All, Self::Waiting, Self::Failed].into_iter().find(|one| one.as_str() == word)
    }
}

impl Queue {
    /// At most `limit` items behind a cursor (empty: from the first). Towards
    /// the last the oldest, or what is due soonest, comes first.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn list(
        &self,
        which: Which,
        toward: Toward,
        after: &[u8],
        limit: usize,
    ) -> Result<Page, Fault> {
        let index = match which {
            Which::All => return self.by_age(toward, after, limit).await,
            Which::Waiting => Index::ItemDue,
            Which::Failed => Index::ItemKept,
        };
        let mut found = self.store.references(index, EVERY, toward, (after, limit + 1)).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|one| one.cursor.clone());
        let keys: Vec<Vec<u8>> = found.into_iter().map(|one| one.key).collect();
        // One that was settled meanwhile is gone.
        let Listing { records: items, unreadable } = self.store.listing(&keys).await?;
        Ok(Page { items, unreadable, next })
    }

    async fn by_age(&self, toward: Toward, after: &[u8], limit: usize) -> Result<Page, Fault> {
        let (listing, next) = self.store.listing_page(toward, after, limit).await?;
        let Listing { records: items, unreadable } = listing;
        Ok(Page { items, unreadable, next })
    }

    /// How many failed and can still be tried again, counted up to `limit`.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn count_failed(&self, limit: usize) -> Result<usize, Fault> {
        Ok(self.store.referred(Index::ItemKept, EVERY.0, EVERY.1, limit).await?.len())
    }
}

/// All times of an index.
const EVERY: (&[u8], &[u8]) = (&[], &[0xff; 8]);

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::{Draft, ItemState, Kind, Settings};
    use super::*;
    use crate::clock::{Clock, SignedDuration, Timestamp};
    use crate::mail::{Address, ReversePath};
    use crate::store::{Batch, Store};

    /// Five items: `a` to `c` wait, `c` the soonest; `d` and `e` failed, and
    /// `e` is forgotten first.
    async fn queue() -> Queue {
        let store = Store::in_memory();
        let clock = Clock::stopped_at(Timestamp::from_second(1_800_000_000).unwrap());
        let queue = Queue::new(store.clone(), clock.clone(), Settings::default());
        let hours = |hours| clock.now() + SignedDuration::from_hours(hours);
        let all =
            [("a", 3, None), ("b", 2, None), ("c", 1, None), ("d", 0, Some(9)), ("e", 0, Some(8))];
        for (nth, (name, due, kept)) in (0u8..).zip(all) {
            let mut item = queue.draft(Draft {
                kind: Kind::Letter,
                held: Uuid::nil(),
                body: Uuid::nil(),
                mail_from: ReversePath::Null,
                recipients: vec![(Address::parse(&format!("{name}@far.example")).unwrap(), 0)],
                trace: String::new(),
                eight_bit: false,
                smtputf8: false,
                due_at: hours(due),
            });
            item.id = Uuid::from_u128(u128::from(nth));
            if let Some(kept) = kept {
                item.recipients[0].state = ItemState::Failed;
                item.kept_until = Some(hours(kept));
            }
            let mut batch = Batch::new();
            batch.insert(&item);
            store.commit(batch).await.unwrap();
        }
        queue
    }

    #[tokio::test]
    async fn every_order_is_paged_from_both_ends() {
        let queue = queue().await;
        for (which, expected) in
            [(Which::All, "abcde"), (Which::Waiting, "cba"), (Which::Failed, "ed")]
        {
            for toward in [Toward::Last, Toward::First] {
                let (mut after, mut seen) = (Vec::new(), String::new());
                loop {
                    let page = queue.list(which, toward, &after, 2).await.unwrap();
                    assert!(!page.items.is_empty() && page.items.len() <= 2);
                    seen.extend(page.items.iter().map(|one| one.recipients[0].address.local()));
                    let Some(next) = page.next else { break };
                    after = next;
                }
                let mut expected: Vec<char> = expected.chars().collect();
                if toward == Toward::First {
                    expected.reverse();
                }
                assert_eq!(seen, String::from_iter(expected), "{which:?} {toward:?}");
            }
        }
        assert_eq!(queue.count_failed(10).await, Ok(2));
        assert_eq!(queue.count_failed(1).await, Ok(1));
    }
}

//! The list in memory: sorted addresses in chunks, and above them what changed
//! since they were written.
//!
//! A lookup is two binary searches (some microseconds among ten millions); a
//! search for a part of an address is one walk at memory speed. Chunks never
//! change: new ones take the place of one after the other, so that readers
//! never wait for an upload and nothing is held twice. It is a cache of the
//! store. The other structure of this kind, [`crate::store::arena`], keeps
//! records in the order of time with what filters ask of them; this one is a
//! set in the order of its text, and half as large.

mod arena;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

pub use arena::Arena;
use arena::{cut, rewritten};

/// So many changes above the chunks are worth writing into them.
const MERGE_AT: usize = 100_000;

/// One server's list. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Roll {
    inner: Arc<RwLock<Inner>>,
    /// Held by who writes changes into the chunks.
    merging: Arc<Mutex<()>>,
}

#[derive(Debug, Default)]
struct Inner {
    arena: Arena,
    /// `true`: on the list; `false`: taken off it.
    changes: BTreeMap<String, bool>,
    /// Goes up with every change.
    generation: u64,
}

impl Roll {
    pub fn contains(&self, address: &str) -> bool {
        let inner = self.read();
        match inner.changes.get(address) {
            Some(listed) => *listed,
            None => inner.arena.contains(address),
        }
    }

    /// Puts an address on the list or takes it off.
    pub fn set(&self, address: &str, listed: bool) {
        let mut inner = self.write();
        inner.changes.insert(address.to_owned(), listed);
        inner.generation += 1;
    }

    /// Whether a [`Roll::merge`], even of nothing, is worth its while.
    pub fn has_many_changes(&self) -> bool {
        self.read().changes.len() >= MERGE_AT
    }

    /// Adds addresses, one a line in any order. Each is on the list when this
    /// returns, whatever was said of it before.
    pub fn merge(&self, addresses: &str) {
        let mut more: Vec<&str> = addresses.lines().collect();
        // Uploads come in blocks that are sorted: a stable sort merges them.
        #[expect(clippy::stable_sort_primitive, reason = "it finds what is sorted already")]
        more.sort();
        more.dedup();
        let _merging = self.merging.lock().unwrap_or_else(PoisonError::into_inner);
        // Only who is taken off from now on is not put back.
        self.write().changes.retain(|one, on| *on || more.binary_search(&one.as_str()).is_err());
        self.settle(&more);
    }

    /// Writes `more` and the changes into the chunks, one after the other, in
    /// short steps. Nobody else may be doing that.
    fn settle(&self, more: &[&str]) {
        let (mut nth, mut begin) = (0, 0);
        loop {
            let inner = self.read();
            let chunks = &inner.arena.chunks;
            let old = chunks.get(nth).map(Arc::clone);
            let next = chunks.get(nth + 1).map(|next| next.first().to_owned());
            let end = match &next {
                Some(next) => begin + more[begin..].partition_point(|one| *one < next.as_str()),
                None => more.len(),
            };
            // Chunks before this one have been written: no change is left
            // there but those that came since, for the next time.
            let from = match &old {
                Some(old) if nth > 0 => Bound::Included(old.first()),
                _ => Bound::Unbounded,
            };
            let to = next.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let changes = inner.changes.range::<str, _>((from, to));
            let changes: BTreeMap<String, bool> = changes.map(|(a, on)| (a.clone(), *on)).collect();
            drop(inner);
            let mut count = 1;
            if begin < end || !changes.is_empty() {
                let more = more[begin..end].iter().map(|one| (*one, true));
                let changed = changes.iter().map(|(address, listed)| (address.as_str(), *listed));
                let text = rewritten(old.as_deref(), more.chain(changed).collect());
                let fresh = cut(&text);
                count = fresh.len();
                let mut inner = self.write();
                inner.arena.chunks.splice(nth..nth + usize::from(old.is_some()), fresh);
                inner.generation += 1;
                // What changed meanwhile stays above it.
                for (address, listed) in &changes {
                    if inner.changes.get(address) == Some(listed) {
                        inner.changes.remove(address);
                    }
                }
            }
            if next.is_none() {
                return;
            }
            (nth, begin) = (nth + count, end);
        }
    }

    /// Replaces everything.
    pub fn reset(&self, arena: Arena) {
        let mut inner = self.write();
        inner.arena = arena;
        inner.changes.clear();
        inner.generation += 1;
    }

    /// Puts what was read from the store under what has changed meanwhile.
    pub fn adopt(&self, arena: Arena) {
        let mut inner = self.write();
        inner.arena = arena;
        inner.generation += 1;
    }

    /// What it holds, when nobody else uses it.
    pub fn into_arena(self) -> Arena {
        let mut inner = self.write();
        std::mem::take(&mut inner.arena)
    }

    /// Another number whenever the list may have changed.
    pub fn generation(&self) -> u64 {
        self.read().generation
    }

    /// How many are on the list.
    pub fn len(&self) -> usize {
        let inner = self.read();
        let added = inner.changes.iter().filter(|(a, on)| **on && !inner.arena.contains(a)).count();
        let gone = inner.changes.iter().filter(|(a, on)| !**on && inner.arena.contains(a)).count();
        inner.arena.len() + added - gone
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Addresses that hold `part` (lower case), in order, behind `after`.
    pub fn search(&self, part: &str, after: &str, limit: usize) -> Vec<String> {
        self.page(part, after, (limit, false))
    }

    /// The same from the last one to the first, before `before`; empty: all.
    pub fn search_back(&self, part: &str, before: &str, limit: usize) -> Vec<String> {
        self.page(part, before, (limit, true))
    }

    fn page(&self, part: &str, from: &str, (limit, backwards): (usize, bool)) -> Vec<String> {
        let (arena, gone, added) = {
            let inner = self.read();
            let range = match (from, backwards) {
                ("", _) => (Bound::Unbounded, Bound::Unbounded),
                (after, false) => (Bound::Excluded(after), Bound::Unbounded),
                (before, true) => (Bound::Unbounded, Bound::Excluded(before)),
            };
            let (mut gone, mut added) = (std::collections::HashSet::new(), Vec::new());
            for (address, listed) in inner.changes.range::<str, _>(range) {
                if !listed {
                    gone.insert(address.clone());
                } else if address.contains(part) {
                    added.push(address.clone());
                }
            }
            (inner.arena.clone(), gone, added)
        };
        let most = limit.saturating_add(gone.len());
        let mut found = if backwards {
            arena.search_back(part, from, most)
        } else {
            arena.search(part, from, most)
        };
        found.retain(|address| !gone.contains(address));
        found.extend(added);
        found.sort_unstable();
        found.dedup();
        if backwards {
            found.reverse();
        }
        found.truncate(limit);
        found
    }

    /// Calls `each` with every address, in order.
    pub fn for_each(&self, mut each: impl FnMut(&str)) {
        let (arena, changes) = {
            let inner = self.read();
            (inner.arena.clone(), inner.changes.clone())
        };
        for address in in_order(&arena, &changes) {
            each(address);
        }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The chunks' addresses and the changes above them, sorted, each once.
fn in_order<'a>(
    arena: &'a Arena,
    changes: &'a BTreeMap<String, bool>,
) -> impl Iterator<Item = &'a str> {
    let mut one = arena.iter().peekable();
    let mut two = changes.iter().peekable();
    std::iter::from_fn(move || {
        loop {
            let heads = [one.peek().copied(), two.peek().map(|(a, _)| a.as_str())];
            let least = heads.into_iter().flatten().min()?;
            one.next_if(|head| *head == least);
            if two.next_if(|(a, _)| a.as_str() == least).is_none_or(|(_, listed)| *listed) {
                return Some(least);
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::arena::CHUNK;
    use super::*;

    /// An upload of addresses that stand between those of many chunks.
    #[test]
    fn an_upload_is_merged_chunk_by_chunk() {
        let roll = Roll::default();
        let lines = |range: std::ops::Range<u32>, which: u32| {
            let wanted = range.filter(move |n| n % 3 == which).rev();
            wanted.map(|n| format!("user{n:04}@a.example\n")).collect::<Vec<_>>().concat()
        };
        roll.merge(&lines(0..6_000, 0));
        assert!(roll.read().arena.chunks.len() > 100, "there are several");
        roll.set("user0001@a.example", false);
        roll.set("user0003@a.example", false);
        roll.set("user5999@a.example", true);
        roll.merge(&(lines(0..6_000, 1) + &lines(0..6_000, 1)));
        assert_eq!(roll.len(), 4_000);
        assert!(roll.contains("user0001@a.example"), "an upload puts it back");
        assert!(!roll.contains("user0003@a.example"));
        assert!(roll.contains("user5999@a.example"));
        assert!(roll.read().changes.is_empty());
        let sizes = roll.read().arena.chunks.iter().map(|one| one.text.len()).collect::<Vec<_>>();
        assert!(sizes.iter().all(|size| (1..=2 * CHUNK).contains(size)), "{sizes:?}");
        let mut all = Vec::new();
        roll.for_each(|one| all.push(one.to_owned()));
        assert!(all.is_sorted());
        assert_eq!(roll.search("5998@", "", 2), ["user5998@a.example"]);
        let after = roll.search("user3", "user3000@a.example", 1);
        assert_eq!(after, ["user3001@a.example"]);
    }

    #[test]
    fn a_search_goes_on_where_it_stopped() {
        let roll = Roll::default();
        let addresses: Vec<String> = (0..100).map(|n| format!("user{n:03}@a.example")).collect();
        roll.reset(Arena::of_sorted(addresses.iter().map(String::as_str)));
        roll.set("user050@a.example", false);
        roll.set("userx@b.example", true);
        let (mut after, mut all) = (String::new(), Vec::new());
        loop {
            let page = roll.search("user", &after, 7);
            let Some(last) = page.last() else { break };
            after.clone_from(last);
            all.extend(page);
        }
        assert_eq!((all.len(), roll.len()), (100, 100));
        assert!(all.contains(&"userx@b.example".to_owned()));
        assert_eq!(roll.search("b.example", "", 10), ["userx@b.example"]);
        assert_eq!(roll.search("050", "", 10), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn a_roll_is_a_set(steps in prop::collection::vec(("[ab]{1,6}", any::<bool>(), 0u8..30), 0..150)) {
            let (roll, mut model) = (Roll::default(), BTreeSet::new());
            for (address, listed, merge) in steps {
                roll.set(&address, listed);
                if listed { model.insert(address); } else { model.remove(&address); }
                if merge == 0 { roll.merge(""); }
                if merge == 1 {
                    roll.merge("b\nab\nb\nbabba\n");
                    model.extend(["b", "ab", "babba"].map(str::to_owned));
                }
                if merge > 2 { continue; }
                let mut all = Vec::new();
                roll.for_each(|one| all.push(one.to_owned()));
                prop_assert_eq!(&all, &model.iter().cloned().collect::<Vec<_>>());
                prop_assert_eq!(roll.len(), model.len());
                for part in ["a", "ab", "b"] {
                    let expected: Vec<String> = model.iter().filter(|m| m.contains(part)).cloned().collect();
                    prop_assert_eq!(roll.search(part, "", 100), expected.clone());
                    let (mut pages, mut before) = (Vec::new(), String::new());
                    loop {
                        let page = roll.search_back(part, &before, 3);
                        let Some(last) = page.last() else { break };
                        before.clone_from(last);
                        pages.extend(page);
                    }
                    prop_assert!(pages.iter().eq(expected.iter().rev()), "{:?}", pages);
                    prop_assert_eq!(roll.contains(part), model.contains(part));
                }
            }
        }
    }
}

//! The list in memory: one contiguous arena of sorted addresses, and above
//! it what changed since it was built.
//!
//! A lookup is a binary search (some microseconds among ten millions); a
//! search for a part of an address is one scan of the arena at memory speed.
//! The arena never changes: a new one is built beside it and put in its place,
//! so that readers never wait for an import. It is a cache of the store.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, RwLock};

use memchr::memmem;

/// Changes above the arena after which it is built anew.
const MERGE_AT: usize = 100_000;

/// Sorted addresses, one a line.
#[derive(Debug, Default)]
pub struct Arena {
    /// Each address with a line feed behind it, and one before all.
    text: Vec<u8>,
    /// Where each 16th begins.
    starts: Vec<usize>,
    count: usize,
}

/// Lines between two starts: a quarter of a cache page each, and an index of
/// half a byte per address.
const STRIDE: usize = 16;

impl Arena {
    /// Of addresses in ascending order without repeats.
    pub fn of_sorted<'a>(addresses: impl Iterator<Item = &'a str>) -> Self {
        let mut arena = Self { text: vec![b'\n'], ..Self::default() };
        for address in addresses {
            if arena.count.is_multiple_of(STRIDE) {
                arena.starts.push(arena.text.len());
            }
            arena.text.extend_from_slice(address.as_bytes());
            arena.text.push(b'\n');
            arena.count += 1;
        }
        arena.text.shrink_to_fit();
        arena
    }

    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn contains(&self, address: &str) -> bool {
        let wanted = address.as_bytes();
        let block = self.starts.partition_point(|start| self.line(*start) <= wanted);
        let Some(block) = block.checked_sub(1) else { return false };
        let mut at = self.starts[block];
        for _ in 0..STRIDE {
            let line = self.line(at);
            if line == wanted {
                return true;
            }
            at += line.len() + 1;
            if line > wanted || at >= self.text.len() {
                return false;
            }
        }
        false
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let lines = self.text.get(1..).unwrap_or_default();
        // Only whole addresses were put in.
        let text = std::str::from_utf8(lines).unwrap_or_default();
        text.split_terminator('\n')
    }

    /// Addresses that hold `part`, in order, behind `after`, at most `limit`.
    fn search(&self, part: &str, after: &str, limit: usize) -> Vec<String> {
        let mut at = if after.is_empty() { 1 } else { self.behind(after.as_bytes()) };
        let finder = memmem::Finder::new(part.as_bytes());
        let mut found = Vec::new();
        while found.len() < limit && at < self.text.len() {
            let Some(hit) = finder.find(&self.text[at..]).map(|offset| at + offset) else { break };
            let start = memchr::memrchr(b'\n', &self.text[..hit]).map_or(0, |before| before + 1);
            let line = self.line(start);
            found.push(String::from_utf8_lossy(line).into_owned());
            at = start + line.len() + 1;
        }
        found
    }

    /// Where the first address behind `after` begins.
    fn behind(&self, after: &[u8]) -> usize {
        let block = self.starts.partition_point(|start| self.line(*start) <= after);
        let mut at = block.checked_sub(1).map_or(1, |block| self.starts[block]);
        while at < self.text.len() && self.line(at) <= after {
            at += self.line(at).len() + 1;
        }
        at
    }

    fn line(&self, start: usize) -> &[u8] {
        let rest = &self.text[start..];
        &rest[..memchr::memchr(b'\n', rest).unwrap_or(rest.len())]
    }
}

/// One server's list. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Roll {
    inner: Arc<RwLock<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    arena: Arc<Arena>,
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
        let changes = {
            let mut inner = self.write();
            inner.changes.insert(address.to_owned(), listed);
            inner.generation += 1;
            inner.changes.len()
        };
        if changes >= MERGE_AT {
            self.merge(&Arena::default());
        }
    }

    /// Adds all of `more` by building a new arena beside the old one.
    pub fn merge(&self, more: &Arena) {
        let (old, changes) = {
            let inner = self.read();
            (Arc::clone(&inner.arena), inner.changes.clone())
        };
        let fresh = Arc::new(merged(&old, more, &changes));
        let mut inner = self.write();
        inner.arena = fresh;
        inner.generation += 1;
        // What changed meanwhile stays above it.
        inner.changes.retain(|address, listed| changes.get(address) != Some(listed));
    }

    /// Replaces everything.
    pub fn reset(&self, arena: Arena) {
        let mut inner = self.write();
        inner.arena = Arc::new(arena);
        inner.changes.clear();
        inner.generation += 1;
    }

    /// Another number whenever the list may have changed.
    pub fn generation(&self) -> u64 {
        self.read().generation
    }

    /// How many are on the list, about: changes count as new.
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
        let (arena, gone, added) = {
            let inner = self.read();
            let behind = (Bound::Excluded(after.to_owned()), Bound::Unbounded);
            let behind =
                if after.is_empty() { (Bound::Unbounded, Bound::Unbounded) } else { behind };
            let range = inner.changes.range::<String, _>(behind);
            let (mut gone, mut added) = (std::collections::HashSet::new(), Vec::new());
            for (address, listed) in range {
                if !listed {
                    gone.insert(address.clone());
                } else if address.contains(part) {
                    added.push(address.clone());
                }
            }
            (Arc::clone(&inner.arena), gone, added)
        };
        let mut found = arena.search(part, after, limit.saturating_add(gone.len()));
        found.retain(|address| !gone.contains(address));
        found.extend(added);
        found.sort_unstable();
        found.dedup();
        found.truncate(limit);
        found
    }

    /// Calls `each` with every address, in order.
    pub fn for_each(&self, mut each: impl FnMut(&str)) {
        let (arena, changes) = {
            let inner = self.read();
            (Arc::clone(&inner.arena), inner.changes.clone())
        };
        for address in in_order(&arena, &Arena::default(), &changes) {
            each(address);
        }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn merged(old: &Arena, more: &Arena, changes: &BTreeMap<String, bool>) -> Arena {
    Arena::of_sorted(in_order(old, more, changes))
}

/// Both arenas and the changes above them, sorted, each once.
fn in_order<'a>(
    old: &'a Arena,
    more: &'a Arena,
    changes: &'a BTreeMap<String, bool>,
) -> impl Iterator<Item = &'a str> {
    let mut one = old.iter().peekable();
    let mut two = more.iter().peekable();
    let mut three = changes.iter().peekable();
    std::iter::from_fn(move || {
        loop {
            let heads =
                [one.peek().copied(), two.peek().copied(), three.peek().map(|(a, _)| a.as_str())];
            let least = heads.into_iter().flatten().min()?;
            one.next_if(|head| *head == least);
            // An import puts back what a change above it took off: who is to
            // stay off is exempt, and in no import that comes here.
            let imported = two.next_if(|head| *head == least).is_some();
            let listed = three.next_if(|(a, _)| a.as_str() == least).is_none_or(|(_, on)| *on);
            if imported || listed {
                return Some(least);
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_arena_knows_all_of_its_addresses_and_no_other() {
        let addresses: Vec<String> =
            (0..1000).map(|n| format!("user{:04}@a.example", n * 2)).collect();
        let arena = Arena::of_sorted(addresses.iter().map(String::as_str));
        assert_eq!((arena.len(), arena.iter().count()), (1000, 1000));
        for address in &addresses {
            assert!(arena.contains(address), "{address}");
        }
        for n in 0..1001 {
            assert!(!arena.contains(&format!("user{:04}@a.example", n * 2 + 1)));
        }
        assert!(!arena.contains("") && !arena.contains("zzz") && !arena.contains("aaa"));
        assert!(!Arena::default().contains("a@b"));
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
        fn a_roll_is_a_set(steps in prop::collection::vec(("[ab]{1,3}", any::<bool>(), 0u8..10), 0..60)) {
            let (roll, mut model) = (Roll::default(), BTreeSet::new());
            for (address, listed, merge) in steps {
                roll.set(&address, listed);
                if listed { model.insert(address); } else { model.remove(&address); }
                if merge == 0 { roll.merge(&Arena::default()); }
                let mut all = Vec::new();
                roll.for_each(|one| all.push(one.to_owned()));
                prop_assert_eq!(&all, &model.iter().cloned().collect::<Vec<_>>());
                prop_assert_eq!(roll.len(), model.len());
                for part in ["a", "ab", "b"] {
                    let expected: Vec<String> = model.iter().filter(|m| m.contains(part)).cloned().collect();
                    prop_assert_eq!(roll.search(part, "", 100), expected);
                    prop_assert_eq!(roll.contains(part), model.contains(part));
                }
            }
        }
    }
}

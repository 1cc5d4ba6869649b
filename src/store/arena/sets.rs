//! Sets of numbers, each kept once however many rows name it.
//!
//! Thousands of rows belong to the same few organisations or carry the same
//! few findings. A row has the number of its set, the set counts its rows and
//! goes with the last of them.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

/// Interned sets. A set's number is good until it was released as often as it
/// was taken.
#[derive(Default)]
pub(super) struct Sets {
    all: Vec<Set>,
    free: Vec<u32>,
    places: HashTable<u32>,
    hasher: RandomState,
}

#[derive(Default)]
struct Set {
    members: Box<[u32]>,
    rows: u32,
}

impl Sets {
    /// The number of this set, for one more row.
    pub fn take(&mut self, members: &[u32]) -> u32 {
        let hash = self.hasher.hash_one(members);
        let known = self.places.find(hash, |at| *self.all[*at as usize].members == *members);
        let at = known.copied().unwrap_or_else(|| self.add(members, hash));
        self.all[at as usize].rows += 1;
        at
    }

    fn add(&mut self, members: &[u32], hash: u64) -> u32 {
        let at = self.free.pop().unwrap_or_else(|| {
            self.all.push(Set::default());
            u32::try_from(self.all.len() - 1).expect("there are no more sets than rows")
        });
        self.all[at as usize].members = members.into();
        let (all, hasher) = (&self.all, &self.hasher);
        self.places.insert_unique(hash, at, |at| hasher.hash_one(&*all[*at as usize].members));
        at
    }

    /// One row less has this set.
    pub fn release(&mut self, at: u32) {
        let set = &mut self.all[at as usize];
        set.rows -= 1;
        if set.rows > 0 {
            return;
        }
        let hash = self.hasher.hash_one(&*set.members);
        set.members = Box::default();
        if let Ok(entry) = self.places.find_entry(hash, |other| *other == at) {
            entry.remove();
        }
        self.free.push(at);
    }

    pub fn members(&self, at: u32) -> &[u32] {
        &self.all[at as usize].members
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        let members: usize = self.all.iter().map(|set| size_of_val(&*set.members)).sum();
        members
            + self.all.capacity() * size_of::<Set>()
            + self.free.capacity() * size_of::<u32>()
            + self.places.allocation_size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_kept_once_and_goes_with_its_last_row() {
        let mut sets = Sets::default();
        let (one, two) = (sets.take(&[1, 2]), sets.take(&[]));
        assert_eq!(sets.take(&[1, 2]), one);
        assert_ne!(one, two);
        assert_eq!((sets.members(one), sets.members(two)), (&[1, 2][..], &[][..]));
        sets.release(one);
        assert_eq!(sets.take(&[1, 2]), one, "a row still names it");
        sets.release(one);
        sets.release(one);
        assert_eq!(sets.take(&[7]), one, "its place is used again");
        assert_ne!(sets.take(&[1, 2]), one);
        assert_eq!(sets.all.len(), 3);
    }
}

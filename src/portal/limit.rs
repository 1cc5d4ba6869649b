//! How often a network or an address may ask, in bounded memory.
//!
//! Counts per fixed window. When the table is full the counts of past windows
//! go first, then all: an attacker with that many networks gets a fresh
//! minute, never our memory.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use crate::clock::Timestamp;

const MOST: usize = 20_000;

/// Counts what each key did in the present window.
pub struct Limit<K> {
    /// Seconds.
    window: i64,
    most: u32,
    counts: Mutex<HashMap<K, Count>>,
}

#[derive(Clone, Copy)]
struct Count {
    window: i64,
    times: u32,
}

impl<K: Hash + Eq> Limit<K> {
    /// Lets each key act `most` times in each window of `window` seconds.
    pub fn new(most: u32, window: i64) -> Self {
        Self { window, most, counts: Mutex::default() }
    }

    /// Counts once more, and says whether that is still within the limit.
    pub fn allows(&self, key: K, now: Timestamp) -> bool {
        let window = now.as_second().div_euclid(self.window);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= MOST && !counts.contains_key(&key) {
            counts.retain(|_, count| count.window == window);
            if counts.len() >= MOST {
                counts.clear();
            }
        }
        let count = counts.entry(key).or_insert(Count { window, times: 0 });
        if count.window != window {
            *count = Count { window, times: 0 };
        }
        count.times = count.times.saturating_add(1);
        count.times <= self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_key_may_act_so_often_in_a_window_and_others_are_not_touched() {
        let limit = Limit::new(2, 60);
        assert!(limit.allows("a", at(0)) && limit.allows("a", at(59)));
        assert!(!limit.allows("a", at(59)));
        assert!(limit.allows("b", at(59)));
        assert!(limit.allows("a", at(60)));
    }

    #[test]
    fn its_memory_is_bounded() {
        let limit = Limit::new(1, 60);
        for key in 0..MOST * 3 {
            limit.allows(key, at(0));
        }
        assert!(limit.counts.lock().unwrap().len() <= MOST);
    }
}

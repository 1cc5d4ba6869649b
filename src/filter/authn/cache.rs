//! Parsed DNS records, kept until they expire.
//!
//! The resolver remembers answers; this remembers what was parsed from them
//! (keys, policies), and what cannot be parsed. One cache for each use of a
//! TXT record: what is asked as a policy must not spoil what is a key. Time here is the machine's monotonic clock,
//! because a TTL is not an instant of the calendar.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use mail_auth::{RecordSet, ResolverCache, Txt};

/// Locks per cache, so that cores do not wait for each other.
const SHARDS: usize = 16;
/// Entries per shard; a full shard forgets what has expired, else everything.
const ENTRIES: usize = 1024;

#[derive(Default)]
pub struct Caches {
    pub keys: Cache<Box<str>, Txt>,
    pub dmarc: Cache<Box<str>, Txt>,
    /// Domains of authors that have no DMARC policy.
    pub lawless: Cache<Box<str>, ()>,
    pub ptr: Cache<IpAddr, RecordSet<Box<str>>>,
    pub ipv4: Cache<Box<str>, RecordSet<Ipv4Addr>>,
    pub ipv6: Cache<Box<str>, RecordSet<Ipv6Addr>>,
}

pub struct Cache<K, V> {
    shards: [Mutex<HashMap<K, (V, Instant)>>; SHARDS],
    hasher: RandomState,
}

impl<K, V> Default for Cache<K, V> {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()), hasher: RandomState::new() }
    }
}

impl<K, V> Cache<K, V> {
    fn shard<Q: Hash + ?Sized>(&self, key: &Q) -> &Mutex<HashMap<K, (V, Instant)>> {
        let hash = self.hasher.hash_one(key);
        &self.shards[usize::try_from(hash % SHARDS as u64).unwrap_or(0)]
    }
}

impl<K: Hash + Eq, V: Clone> ResolverCache<K, V> for Cache<K, V> {
    fn get<Q>(&self, name: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let shard = self.shard(name).lock().unwrap_or_else(PoisonError::into_inner);
        let (value, until) = shard.get(name)?;
        (*until > Instant::now()).then(|| value.clone())
    }

    fn remove<Q>(&self, name: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let mut shard = self.shard(name).lock().unwrap_or_else(PoisonError::into_inner);
        shard.remove(name).map(|(value, _)| value)
    }

    fn insert(&self, key: K, value: V, valid_until: Instant) {
        let mut shard = self.shard(&key).lock().unwrap_or_else(PoisonError::into_inner);
        if shard.len() >= ENTRIES {
            let now = Instant::now();
            shard.retain(|_, (_, until)| *until > now);
            if shard.len() >= ENTRIES {
                shard.clear();
            }
        }
        shard.insert(key, (value, valid_until));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn entries_expire_and_stay_bounded() {
        let cache: Cache<Box<str>, u8> = Cache::default();
        let now = Instant::now();
        cache.insert("kept".into(), 1, now + Duration::from_mins(1));
        cache.insert("gone".into(), 2, now);
        assert_eq!(cache.get("kept"), Some(1));
        assert_eq!(cache.get("gone"), None);
        for n in 0..100_000 {
            cache.insert(format!("{n}").into(), 0, now + Duration::from_mins(1));
        }
        let held: usize = cache.shards.iter().map(|shard| shard.lock().unwrap().len()).sum();
        assert!(held <= SHARDS * ENTRIES);
    }
}

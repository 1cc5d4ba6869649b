//! The budgets of letters: one to an address in 24 hours, ten to a domain and
//! so many of the whole system in an hour (ATTACKS B-03).
//!
//! Limits over many are counter records, taken in the batch that holds the
//! message: two that race for the last letter conflict, and one decides again.

use std::sync::Mutex;

use minicbor::{Decode, Encode};

use super::may_notify::Spent;
use crate::clock::{SignedDuration, Timestamp};
use crate::mail::Address;
use crate::store::{Batch, Counter, Fault, Record, Row, Store, Table};

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// Of inbound mail, so much may be answered by letters: one in a hundred.
const INBOUND_SHARE: u32 = 100;
/// The system's counter.
const IN_ALL: &str = "letters";

/// The last letter to an address.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct LastLetter {
    /// The base address: plus-tags are one mailbox.
    #[n(0)]
    pub address: Address,
    #[cbor(n(1), with = "crate::store::record::micros")]
    pub sent_at: Timestamp,
}

impl LastLetter {
    /// Whether the address may get another letter.
    pub fn is_over(&self, now: Timestamp) -> bool {
        now >= self.sent_at + DAY
    }
}

impl Record for LastLetter {
    const TABLE: Table = Table::Notice;

    fn key(&self) -> Vec<u8> {
        self.address.to_string().into_bytes()
    }
}

/// What an address's budgets stand at.
pub(super) struct Ledger {
    last: Option<Row<LastLetter>>,
    address: Address,
    domain: String,
    pub rested: bool,
    pub to_domain: Spent,
    pub in_all: Spent,
}

impl Ledger {
    pub async fn read(
        store: &Store,
        to: &Address,
        now: Timestamp,
        limits: (u32, u32),
    ) -> Result<Self, Fault> {
        let address = to.base();
        let domain = format!("letters to {}", to.domain().organisational());
        let last: Option<Row<LastLetter>> = store.find(address.to_string().as_bytes()).await?;
        let rested = last.as_ref().is_none_or(|row| row.record.is_over(now));
        let to_domain = Counter::read(store, &domain, HOUR, now).await?;
        let in_all = Counter::read(store, IN_ALL, HOUR, now).await?;
        Ok(Self {
            last,
            address,
            domain,
            rested,
            to_domain: Spent { count: to_domain, limit: limits.0 },
            in_all: Spent { count: in_all, limit: limits.1 },
        })
    }

    /// Takes a letter from every budget within `batch`; `false` if another
    /// took the last one meanwhile.
    pub async fn take(
        &self,
        store: &Store,
        batch: &mut Batch,
        now: Timestamp,
    ) -> Result<bool, Fault> {
        let taken = Counter::take(store, batch, &self.domain, HOUR, now, self.to_domain.limit)
            .await?
            && Counter::take(store, batch, IN_ALL, HOUR, now, self.in_all.limit).await?;
        if taken {
            let letter = LastLetter { address: self.address.clone(), sent_at: now };
            batch.upsert(self.last.as_ref(), &letter);
        }
        Ok(taken)
    }
}

/// Takes one letter that anybody may ask for (`/lost`, `/me`), to an address
/// and from a network where that is known: so many an hour of each (ATTACKS
/// L-22).
pub(super) async fn take_lost(
    store: &Store,
    batch: &mut Batch,
    subjects: &[&str],
    now: Timestamp,
    limit: u32,
) -> Result<bool, Fault> {
    let mut all = true;
    for subject in subjects {
        let name = format!("lost {subject}");
        all &= Counter::take(store, batch, &name, HOUR, now, limit).await?;
    }
    Ok(all)
}

/// How much mail came in this hour and the one before, on this node. Only a
/// limit follows from it, so it need not last.
#[derive(Debug, Default)]
pub(super) struct Inbound {
    window: Mutex<Window>,
}

#[derive(Debug, Default)]
struct Window {
    hour: i64,
    count: u32,
    before: u32,
}

impl Inbound {
    pub fn count(&self, now: Timestamp) {
        let mut window = self.turned(now);
        window.count = window.count.saturating_add(1);
    }

    /// The system's letters in an hour: the larger of `floor` and 1 % of
    /// inbound.
    pub fn letters(&self, now: Timestamp, floor: u32) -> u32 {
        let window = self.turned(now);
        floor.max(window.count.max(window.before) / INBOUND_SHARE)
    }

    fn turned(&self, now: Timestamp) -> std::sync::MutexGuard<'_, Window> {
        let mut window = self.window.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let hour = now.as_second().div_euclid(HOUR.as_secs());
        if window.hour != hour {
            let before = if window.hour + 1 == hour { window.count } else { 0 };
            *window = Window { hour, count: 0, before };
        }
        window
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_percent_of_inbound_or_the_floor() {
        let inbound = Inbound::default();
        let mut now = Timestamp::from_second(1_800_000_000).unwrap();
        assert_eq!(inbound.letters(now, 200), 200);
        for _ in 0..30_000 {
            inbound.count(now);
        }
        assert_eq!(inbound.letters(now, 200), 300);
        now += HOUR;
        assert_eq!(inbound.letters(now, 200), 300);
        now += HOUR;
        assert_eq!(inbound.letters(now, 200), 200);
    }
}

//! The breaker: no letters once more than 5 of the last 100 bounced.
//!
//! One record holds the outcomes. It stays open until an operator closes it:
//! letters that bounce say that somebody makes us write to addresses that do
//! not exist, and time alone does not mend that.

use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};

use crate::clock::Timestamp;
use crate::mail::Address;
use crate::store::{Record, Table};

/// Outcomes that are remembered.
const REMEMBERED: usize = 100;
/// More bounces than this among them open the breaker.
const TOLERATED: usize = 5;

/// The outcomes of the last letters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Breaker {
    /// The oldest first.
    #[n(0)]
    outcomes: Vec<Settled>,
    #[cbor(n(1), with = "crate::store::record::maybe_micros")]
    opened_at: Option<Timestamp>,
}

/// The outcome of one letter.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
struct Settled {
    /// Tells letters apart without keeping addresses here.
    #[n(0)]
    mark: u64,
    #[n(1)]
    bounced: bool,
}

impl Breaker {
    /// The key of its only record.
    pub const KEY: &'static [u8] = b"letters";

    pub fn is_open(&self) -> bool {
        self.opened_at.is_some()
    }

    /// Since when no letter goes out.
    pub fn opened_at(&self) -> Option<Timestamp> {
        self.opened_at
    }

    pub fn bounced(&self) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.bounced).count()
    }

    pub fn remembered(&self) -> usize {
        self.outcomes.len()
    }

    /// Writes the outcome of the letter to `address` down. A bounce that comes
    /// after the receiver's 250 changes that letter's outcome. Answers whether
    /// the breaker opened by it.
    pub fn settle(&mut self, address: &Address, bounced: bool, now: Timestamp) -> bool {
        let mark = mark(address);
        let known = self.outcomes.iter_mut().rev().find(|outcome| outcome.mark == mark);
        match known {
            Some(outcome) if bounced => outcome.bounced = true,
            _ => {
                if self.outcomes.len() >= REMEMBERED {
                    self.outcomes.remove(0);
                }
                self.outcomes.push(Settled { mark, bounced });
            }
        }
        let opens = !self.is_open() && self.bounced() > TOLERATED;
        if opens {
            self.opened_at = Some(now);
        }
        opens
    }

    /// Starts again with nothing remembered.
    pub fn close(&mut self) {
        *self = Self::default();
    }
}

fn mark(address: &Address) -> u64 {
    let hash = Sha256::digest(address.base().to_string());
    let mut first = [0; 8];
    first.copy_from_slice(&hash[..8]);
    u64::from_be_bytes(first)
}

impl Record for Breaker {
    const TABLE: Table = Table::Breaker;

    fn key(&self) -> Vec<u8> {
        Self::KEY.to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: usize) -> Address {
        Address::parse(&format!("a{number}@example.org")).unwrap()
    }

    #[test]
    fn the_sixth_bounce_of_a_hundred_opens_it() {
        let (mut breaker, now) = (Breaker::default(), Timestamp::UNIX_EPOCH);
        for number in 0..300 {
            assert!(!breaker.settle(&address(number), number % 20 == 0, now), "{number}");
        }
        assert_eq!((breaker.remembered(), breaker.bounced()), (100, 5));
        assert!(breaker.settle(&address(299), true, now), "a bounce after the 250");
        assert!(breaker.is_open());
        assert_eq!(breaker.remembered(), 100);
        for number in 300..600 {
            breaker.settle(&address(number), false, now);
        }
        assert!(breaker.is_open(), "time does not close it");
        breaker.close();
        assert!(!breaker.is_open());
    }

    #[test]
    fn a_bounce_told_twice_counts_once() {
        let (mut breaker, now) = (Breaker::default(), Timestamp::UNIX_EPOCH);
        for _ in 0..10 {
            breaker.settle(&address(1), true, now);
        }
        assert_eq!(breaker.bounced(), 1);
    }
}

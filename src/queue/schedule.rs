//! When the queue tries again, and when it gives up.
//!
//! As Postfix does (RFC 5321 section 4.5.4.1): the delay doubles from
//! `minimal_backoff_time` to `maximal_backoff_time`, for five days.

use crate::clock::{SignedDuration, Timestamp};

/// The delays between attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// After the first attempt.
    pub first: SignedDuration,
    /// The delay doubles up to this.
    pub longest: SignedDuration,
    /// From the first due time; then what still waits has failed.
    pub lifetime: SignedDuration,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            first: SignedDuration::from_mins(5),
            longest: SignedDuration::from_secs(4000),
            lifetime: SignedDuration::from_hours(5 * 24),
        }
    }
}

impl Schedule {
    /// The delay after so many attempts (1 or more) were made.
    pub fn delay(&self, attempts: u32) -> SignedDuration {
        let doubled = 1i32.checked_shl(attempts.saturating_sub(1)).filter(|times| *times > 0);
        let delay = doubled.and_then(|times| self.first.checked_mul(times));
        delay.map_or(self.longest, |delay| delay.min(self.longest))
    }

    /// The next attempt. The last one is made at `expires_at` itself, so that
    /// no message fails without having been tried for the whole time.
    pub fn next(&self, attempts: u32, now: Timestamp, expires_at: Timestamp) -> Timestamp {
        let next = now.saturating_add(self.delay(attempts)).unwrap_or(Timestamp::MAX);
        next.min(expires_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_from_five_minutes_to_4000_seconds() {
        let schedule = Schedule::default();
        let seconds: Vec<i64> = (1..=6).map(|n| schedule.delay(n).as_secs()).collect();
        assert_eq!(seconds, [300, 600, 1200, 2400, 4000, 4000]);
        assert_eq!(schedule.delay(u32::MAX).as_secs(), 4000);
        assert_eq!(schedule.delay(32).as_secs(), 4000);
    }

    #[test]
    fn the_last_attempt_is_made_when_the_item_expires() {
        let schedule = Schedule::default();
        let start = Timestamp::UNIX_EPOCH;
        let end = start + schedule.lifetime;
        assert_eq!(schedule.next(9, end - SignedDuration::from_secs(1), end), end);
    }
}

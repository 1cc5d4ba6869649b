//! Five weeks of numbers that a small office would have, so that the charts
//! of a fresh demo show what they are for.
//!
//! They are made up; the present hour and all after it count what the demo
//! really does.

use crate::statistics::{Counts, Statistics, hour_of};
use crate::store::Fault;

/// The week that is shown, and the four behind it.
const HOURS: u32 = 5 * 168;

/// Writes the past of a demo that has none yet.
///
/// # Errors
/// [`Fault`] if the store cannot read or write.
pub async fn furnish(statistics: &Statistics) -> Result<(), Fault> {
    let all = statistics.last(HOURS).await?;
    let past = &all[..all.len().saturating_sub(1)];
    if past.iter().any(|one| *one != Counts::default()) {
        return Ok(());
    }
    let now = hour_of(statistics.now());
    for ago in 1..HOURS {
        statistics.add(now - ago, of(now - ago)).await?;
    }
    Ok(())
}

/// Busy by day, quiet at night and on Sundays, never twice the same.
fn of(hour: u32) -> Counts {
    // The epoch was a Thursday.
    let (of_day, day) = (hour % 24, (hour / 24 + 3) % 7);
    let busy = match of_day {
        8..=16 => 12,
        6..=7 | 17..=20 => 6,
        _ => 2,
    };
    let busy = if day == 6 { busy / 2 } else { busy };
    // Knuth's multiplicative hash: the same numbers at each start.
    let chance = |of: u32, below: u32| {
        u64::from(hour.wrapping_mul(2_654_435_761).rotate_left(of * 7) % below.max(1))
    };
    let held = u64::from(busy) / 2 + chance(1, busy);
    Counts {
        rejected: u64::from(busy) * 2 + chance(2, busy * 2),
        held,
        released: held / 5 + chance(3, 2),
        destroyed: chance(4, 9) / 7,
        delivered: held / 5,
    }
}

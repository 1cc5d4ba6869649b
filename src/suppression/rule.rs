//! When an address is suppressed, for how long, and when we stop learning:
//! pure functions over counts and settings, no store, no clock.
//!
//! A strike counts again only after an interval, so that one bad hour is one
//! strike; a later success clears the count; the watch period doubles with
//! each relapse. A provider that suddenly calls an unusual share of its users
//! unknown has an outage: nothing is learnt from it then.

use minicbor::{Decode, Encode};

use super::classify::Class;
use crate::clock::{SignedDuration, Timestamp};

/// The classes that can suppress an address, in the order of the settings.
pub const REASONS: [Class; 5] = [
    Class::UnknownHost,
    Class::UnknownUser,
    Class::ResendTimeout,
    Class::Rejecting,
    Class::AddressFormat,
];

/// What an operator decides for one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ReasonRule {
    #[n(0)]
    pub enabled: bool,
    /// Strikes until the address is suppressed, 1 to 1000.
    #[n(1)]
    pub after: u32,
}

/// How a server's list is run.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RunSettings {
    /// Minutes after midnight in `zone` at which the daily run begins.
    #[n(0)]
    pub daily_at: u32,
    /// An IANA time zone.
    #[n(1)]
    pub zone: String,
    /// What is reached is suppressed at once, without waiting for the run.
    #[n(2)]
    pub immediate: bool,
    /// Days until an address is released by itself; `None`: never.
    #[n(3)]
    pub watch_days: Option<u32>,
    /// In the order of [`REASONS`].
    #[n(4)]
    pub reasons: [ReasonRule; 5],
    /// Hours within which a second strike of the same kind is the same one.
    #[n(5)]
    pub strike_hours: u32,
    /// At most so many are released by the watch period in one day; `None`:
    /// all whose time is over.
    #[n(6)]
    pub releases_per_day: Option<u32>,
    /// A plan with blocking always on: nobody in the organisation changes this.
    #[n(7)]
    #[cbor(default)]
    pub fixed: bool,
}

impl Default for RunSettings {
    fn default() -> Self {
        let rule = |after| ReasonRule { enabled: true, after };
        Self {
            daily_at: 0,
            zone: "UTC".to_owned(),
            immediate: true,
            watch_days: None,
            reasons: [rule(1), rule(1), rule(3), rule(10), rule(1)],
            strike_hours: 24,
            releases_per_day: None,
            fixed: false,
        }
    }
}

/// Why settings cannot be used. Each is a sentence for the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    #[error("the time of the daily run is not between 00:00 and 23:59")]
    Time,
    #[error("{0:?} is no time zone; write it like Europe/Helsinki")]
    Zone(String),
    #[error("a reason acts after 1 to 1000 occurrences, not {0}")]
    After(u32),
    #[error("the watch period is 1 to 3650 days, or empty for ever")]
    Watch,
    #[error("a strike counts again after 0 to 720 hours")]
    Strike,
}

impl RunSettings {
    /// # Errors
    /// [`SettingsError`] for the first value that cannot be.
    pub fn check(&self) -> Result<(), SettingsError> {
        if self.daily_at >= 24 * 60 {
            return Err(SettingsError::Time);
        }
        if jiff::tz::TimeZone::get(&self.zone).is_err() {
            return Err(SettingsError::Zone(self.zone.clone()));
        }
        if let Some(rule) = self.reasons.iter().find(|rule| !(1..=1000).contains(&rule.after)) {
            return Err(SettingsError::After(rule.after));
        }
        if self.watch_days.is_some_and(|days| !(1..=3650).contains(&days)) {
            return Err(SettingsError::Watch);
        }
        if self.strike_hours > 720 {
            return Err(SettingsError::Strike);
        }
        Ok(())
    }

    pub fn rule(&self, class: Class) -> Option<ReasonRule> {
        REASONS.iter().position(|reason| *reason == class).map(|at| self.reasons[at])
    }

    fn time_zone(&self) -> jiff::tz::TimeZone {
        jiff::tz::TimeZone::get(&self.zone).unwrap_or(jiff::tz::TimeZone::UTC)
    }

    /// The day of its zone, as days since 1970-01-01.
    pub fn day(&self, now: Timestamp) -> i64 {
        let ahead = i64::from(self.time_zone().to_offset(now).seconds());
        (now.as_second() + ahead).div_euclid(24 * 3600)
    }

    /// The last time that a daily run was due, at or before `now`.
    pub fn last_due(&self, now: Timestamp) -> Timestamp {
        let zone = self.time_zone();
        let local = now.to_zoned(zone.clone());
        let (hour, minute) = (self.daily_at / 60 % 24, self.daily_at % 60);
        let at = |date: jiff::civil::Date| {
            let hour = i8::try_from(hour).unwrap_or(0);
            let minute = i8::try_from(minute).unwrap_or(0);
            date.at(hour, minute, 0, 0).to_zoned(zone.clone()).map(|zoned| zoned.timestamp())
        };
        let today = at(local.date()).unwrap_or(now);
        if today <= now {
            return today;
        }
        local.date().yesterday().ok().and_then(|date| at(date).ok()).unwrap_or(today)
    }
}

/// Strikes of one reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Strikes {
    #[n(0)]
    pub count: u32,
    /// Microseconds since the epoch.
    #[n(1)]
    pub last: i64,
}

/// One more failure: it counts if the last strike is long enough ago.
pub fn strike(
    strikes: &mut [Strikes; 5],
    class: Class,
    at: Timestamp,
    settings: &RunSettings,
) -> bool {
    let Some(which) = REASONS.iter().position(|reason| *reason == class) else { return false };
    let one = &mut strikes[which];
    let interval = i64::from(settings.strike_hours) * 3_600_000_000;
    // A failure that is told late, or twice, is no second strike either.
    if one.count > 0 && at.as_microsecond().saturating_sub(one.last) < interval {
        return false;
    }
    *one = Strikes { count: one.count.saturating_add(1), last: at.as_microsecond() };
    true
}

/// The first reason that is enabled and has its strikes.
pub fn reached(strikes: &[Strikes; 5], settings: &RunSettings) -> Option<Class> {
    let pairs = REASONS.iter().zip(strikes).zip(&settings.reasons);
    pairs
        .filter(|((_, strikes), rule)| rule.enabled && strikes.count >= rule.after)
        .map(|((class, _), _)| *class)
        .next()
}

/// When an address that is suppressed now for the `relapses`+1st time is
/// released by itself: twice as late each time, at most sixteen times.
pub fn watch_until(now: Timestamp, relapses: u8, settings: &RunSettings) -> Option<Timestamp> {
    let days = i64::from(settings.watch_days?) << relapses.min(4);
    Some(now.saturating_add(SignedDuration::from_hours(24 * days)).unwrap_or(Timestamp::MAX))
}

/// Unknown users that must have come from one provider within a window
/// before its share means anything.
pub const OUTAGE_AT_LEAST: u32 = 20;
/// Minutes of a window.
pub const WINDOW_MINUTES: i64 = 60;

/// Whether one provider's answers look like an outage: more than half of all
/// outcomes within the window say "unknown user".
pub fn looks_like_outage(unknown: u32, all: u32) -> bool {
    unknown >= OUTAGE_AT_LEAST && u64::from(unknown) * 2 > u64::from(all)
}

/// Addresses that nobody may suppress: `postmaster`, `abuse`, and the
/// patterns of an operator: `@domain`, `*@domain`, `local@`, or an address.
pub fn is_never(address: &str, patterns: &[String]) -> bool {
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    // RFC 2142 section 5: these are answered by people who can help.
    if matches!(local, "postmaster" | "abuse") {
        return true;
    }
    patterns.iter().any(|pattern| {
        let pattern = pattern.trim().to_lowercase();
        match pattern.rsplit_once('@') {
            Some(("" | "*", wanted)) => wanted == domain,
            Some((wanted, "" | "*")) => wanted == local,
            Some(_) => pattern == address,
            None => pattern == domain,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + hours * 3600).unwrap()
    }

    #[test]
    fn each_reason_acts_after_its_own_number() {
        let settings = RunSettings::default();
        for (class, after) in REASONS.into_iter().zip([1, 1, 3, 10, 1]) {
            let mut strikes = [Strikes::default(); 5];
            for day in 1..=after {
                assert!(strike(&mut strikes, class, at(24 * day), &settings));
                let expected = (day == after).then_some(class);
                assert_eq!(reached(&strikes, &settings), expected, "{class:?} {day}");
            }
        }
    }

    #[test]
    fn what_never_counts_is_no_strike() {
        let settings = RunSettings::default();
        let mut strikes = [Strikes::default(); 5];
        for class in
            [Class::MailboxFull, Class::OurFault, Class::Content, Class::Other, Class::None]
        {
            assert!(!strike(&mut strikes, class, at(0), &settings));
        }
        assert_eq!(reached(&strikes, &settings), None);
    }

    #[test]
    fn a_bad_hour_is_one_strike() {
        let settings = RunSettings::default();
        let mut strikes = [Strikes::default(); 5];
        let class = Class::ResendTimeout;
        let taken: Vec<bool> =
            [0, 1, 23, 24, 30, 48].map(|h| strike(&mut strikes, class, at(h), &settings)).into();
        assert_eq!(taken, [true, false, false, true, false, true]);
        assert_eq!(reached(&strikes, &settings), Some(class));
        let mut off = settings.clone();
        off.reasons[2].enabled = false;
        assert_eq!(reached(&strikes, &off), None);
    }

    #[test]
    fn the_watch_period_grows_with_each_relapse() {
        let settings = RunSettings { watch_days: Some(30), ..RunSettings::default() };
        let days = |relapses| {
            let until = watch_until(at(0), relapses, &settings).unwrap();
            until.duration_since(at(0)).as_hours() / 24
        };
        assert_eq!([0, 1, 2, 4, 9].map(days), [30, 60, 120, 480, 480]);
        assert_eq!(watch_until(at(0), 0, &RunSettings::default()), None);
    }

    #[test]
    fn an_outage_is_a_share_and_a_number() {
        for (unknown, all, expected) in
            [(0, 0, false), (19, 19, false), (20, 20, true), (20, 40, false), (21, 40, true)]
        {
            assert_eq!(looks_like_outage(unknown, all), expected, "{unknown} of {all}");
        }
    }

    #[test]
    fn never_means_never() {
        let patterns = ["@own.example".to_owned(), "Info@".to_owned(), "a@b.example".to_owned()];
        for (address, expected) in [
            ("postmaster@far.example", true),
            ("abuse@far.example", true),
            ("x@own.example", true),
            ("info@any.example", true),
            ("a@b.example", true),
            ("c@b.example", false),
            ("x@sub.own.example", false),
        ] {
            assert_eq!(is_never(address, &patterns), expected, "{address}");
        }
    }

    #[test]
    fn the_daily_run_is_in_the_servers_time() {
        let settings = RunSettings {
            daily_at: 9 * 60 + 30,
            zone: "Asia/Tokyo".to_owned(),
            ..RunSettings::default()
        };
        let now: Timestamp = "2026-11-23T00:29:00Z".parse().unwrap();
        assert_eq!(settings.last_due(now), "2026-11-22T00:30:00Z".parse().unwrap());
        let now: Timestamp = "2026-11-23T00:31:00Z".parse().unwrap();
        assert_eq!(settings.last_due(now), "2026-11-23T00:30:00Z".parse().unwrap());
        assert_eq!(settings.check(), Ok(()));
        // Midnight in Tokyo is three in the afternoon of UTC.
        let day = |text: &str| settings.day(text.parse().unwrap());
        let [before, after] = [day("2026-11-22T14:59:59Z"), day("2026-11-22T15:00:00Z")];
        assert_eq!((after - before, day("1970-01-01T00:00:00Z")), (1, 0));
        let wrong = RunSettings { zone: "Moon/Sea".to_owned(), ..settings };
        assert!(wrong.check().is_err());
    }
}

//! A recipient: one mailbox of an organisation, and what its owner chose.
//!
//! Known by the base address. An alias is another address of the same person;
//! a shared mailbox has members, and each of them gets its digest.

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{ToSpan, Zoned};
use minicbor::{Decode, Encode};
use uuid::Uuid;

use super::{Choice, OrganisationId};
use crate::clock::Timestamp;
use crate::mail::Address;
use crate::store::{Index, Record, Table};

/// How often a digest comes. The numbers stand on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Frequency {
    #[n(0)]
    Off,
    #[n(1)]
    Hourly,
    #[default]
    #[n(2)]
    Daily,
    #[n(3)]
    Weekly,
}

/// What people chose about mail that some want.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Choices {
    pub marketing: Option<Choice>,
    pub poll: Option<Choice>,
    pub social: Option<Choice>,
}

/// When digests come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rhythm {
    pub frequency: Frequency,
    /// 0 to 23, of the organisation's time.
    pub hour: u8,
    /// 0 is Monday.
    pub weekday: u8,
}

/// One mailbox of an organisation.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Recipient {
    #[cbor(n(0), with = "crate::store::record::uuid")]
    pub id: Uuid,
    /// The base address.
    #[n(1)]
    pub address: Address,
    #[n(2)]
    pub organisation: OrganisationId,
    #[cbor(n(3), with = "crate::store::record::micros")]
    pub since: Timestamp,
    /// A language tag; `None`: the organisation's.
    #[n(4)]
    pub language: Option<String>,
    #[n(5)]
    pub marketing: Option<Choice>,
    #[n(6)]
    pub poll: Option<Choice>,
    #[n(7)]
    pub social: Option<Choice>,
    /// `None`: the organisation's.
    #[n(8)]
    pub frequency: Option<Frequency>,
    #[n(9)]
    pub hour: Option<u8>,
    #[n(10)]
    pub weekday: Option<u8>,
    /// Other addresses of the same person.
    #[n(11)]
    pub aliases: Vec<Address>,
    /// Who reads a shared mailbox; empty: its owner.
    #[n(12)]
    pub members: Vec<Address>,
    /// When the next digest is due; `None`: none is.
    #[cbor(n(13), with = "crate::store::record::maybe_micros")]
    pub digest_at: Option<Timestamp>,
    /// Up to when digests have told what was held.
    #[cbor(n(14), with = "crate::store::record::micros")]
    pub told_until: Timestamp,
    /// The administrator who made him known; `None`: mail did, which the next
    /// hop took for him.
    #[n(15)]
    pub by: Option<String>,
}

impl Frequency {
    pub const ALL: [Self; 4] = [Self::Off, Self::Hourly, Self::Daily, Self::Weekly];
    pub const WORDS: [&'static str; 4] = ["off", "hourly", "daily", "weekly"];

    /// The word in the configuration, in forms and the API.
    pub fn as_str(self) -> &'static str {
        Self::WORDS[self as usize]
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }
}

impl Recipient {
    pub fn new(address: &Address, organisation: OrganisationId, now: Timestamp) -> Self {
        Self {
            id: Uuid::now_v7(),
            address: address.base(),
            organisation,
            since: now,
            language: None,
            marketing: None,
            poll: None,
            social: None,
            frequency: None,
            hour: None,
            weekday: None,
            aliases: Vec::new(),
            members: Vec::new(),
            digest_at: None,
            told_until: now,
            by: None,
        }
    }

    pub fn choices(&self) -> Choices {
        Choices { marketing: self.marketing, poll: self.poll, social: self.social }
    }

    /// His own rhythm, else the organisation's.
    pub fn rhythm(&self, theirs: Rhythm) -> Rhythm {
        Rhythm {
            frequency: self.frequency.unwrap_or(theirs.frequency),
            hour: self.hour.unwrap_or(theirs.hour),
            weekday: self.weekday.unwrap_or(theirs.weekday),
        }
    }

    /// What he chose of a rhythm; what counts already stays as it came, so
    /// that who follows the organisation goes on following it.
    pub fn choose(
        &mut self,
        theirs: Rhythm,
        (frequency, hour, weekday): (Option<Frequency>, Option<u8>, Option<u8>),
    ) {
        let now = self.rhythm(theirs);
        self.frequency = frequency.filter(|one| *one != now.frequency).or(self.frequency);
        self.hour = hour.filter(|one| *one != now.hour).or(self.hour);
        self.weekday = weekday.filter(|one| *one != now.weekday).or(self.weekday);
    }

    /// This mailbox and its aliases.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        std::iter::once(&self.address).chain(&self.aliases)
    }

    /// The index key of a due time.
    pub fn due_key(at: Timestamp) -> Vec<u8> {
        at.as_microsecond().to_be_bytes().to_vec()
    }
}

impl Record for Recipient {
    const TABLE: Table = Table::Recipient;

    fn key(&self) -> Vec<u8> {
        self.address.to_string().into_bytes()
    }

    fn index_keys(&self) -> Vec<(Index, Vec<u8>)> {
        let mut keys = vec![(Index::RecipientById, self.id.as_bytes().to_vec())];
        keys.extend(self.digest_at.map(|at| (Index::RecipientDue, Self::due_key(at))));
        keys
    }
}

impl Rhythm {
    /// The next time after `now` at which a digest is due.
    pub fn next(self, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let local = now.to_zoned(zone.clone());
        let next = match self.frequency {
            Frequency::Off => return None,
            Frequency::Hourly => start_of_hour(&local)?.checked_add(1.hour()).ok()?,
            Frequency::Daily => self.at_its_hour(&local, 1, |_| true)?,
            Frequency::Weekly => {
                let day = i8::try_from(self.weekday % 7).ok()?;
                let wanted = Weekday::from_monday_zero_offset(day).ok()?;
                self.at_its_hour(&local, 7, |one| one.weekday() == wanted)?
            }
        };
        Some(next.timestamp())
    }

    /// The first day, from today on, that `wanted` takes and whose hour is
    /// still to come.
    fn at_its_hour(self, now: &Zoned, days: i64, wanted: impl Fn(&Zoned) -> bool) -> Option<Zoned> {
        (0..=days).find_map(|day| {
            let one = now.checked_add(day.days()).ok()?;
            let hour = i8::try_from(self.hour.min(23)).ok()?;
            let one =
                one.with().hour(hour).minute(0).second(0).subsec_nanosecond(0).build().ok()?;
            (wanted(&one) && one > *now).then_some(one)
        })
    }
}

fn start_of_hour(at: &Zoned) -> Option<Zoned> {
    at.with().minute(0).second(0).subsec_nanosecond(0).build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_due_at_the_next_hour_day_or_week_of_the_organisation() {
        let helsinki = TimeZone::get("Europe/Helsinki").unwrap();
        // A Monday, 06:30 in Helsinki.
        let now: Timestamp = "2026-11-23T04:30:00Z".parse().unwrap();
        let next = |frequency, hour, weekday| {
            let rhythm = Rhythm { frequency, hour, weekday };
            rhythm.next(now, &helsinki).map(|at| at.to_string())
        };
        let at = |text: &str| Some(text.to_owned());
        assert_eq!(next(Frequency::Off, 8, 0), None);
        assert_eq!(next(Frequency::Hourly, 8, 0), at("2026-11-23T05:00:00Z"));
        assert_eq!(next(Frequency::Daily, 8, 0), at("2026-11-23T06:00:00Z"));
        assert_eq!(next(Frequency::Daily, 6, 0), at("2026-11-24T04:00:00Z"));
        assert_eq!(next(Frequency::Weekly, 8, 0), at("2026-11-23T06:00:00Z"));
        assert_eq!(next(Frequency::Weekly, 6, 0), at("2026-11-30T04:00:00Z"));
        assert_eq!(next(Frequency::Weekly, 8, 6), at("2026-11-29T06:00:00Z"));
    }
}

//! The settings that the console may lay over the file: how each is written,
//! shown and refused.
//!
//! One table, [`SETTINGS`]; pages, API and audit read it.

use jiff::tz::TimeZone;

use crate::directory::{Choice, Frequency, Organisation, Told};
use crate::mail::{Address, display};

/// Why a value is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("it may not be empty")]
    Empty,
    #[error("it is too long")]
    Long,
    #[error("it has characters that cannot be seen")]
    Invisible,
    #[error("it is none of the choices")]
    Choice,
    #[error("it is not a whole number of days from 1 to 90")]
    Days,
    #[error("it is not an hour from 0 to 23")]
    Hour,
    #[error("it is not a time zone such as Europe/Helsinki")]
    Zone,
    #[error("it is not a colour such as #0b6e4f")]
    Colour,
    #[error("it is not an address")]
    Address,
    #[error("it is not a language tag")]
    Language,
    #[error("it is not a PNG, JPEG or WebP picture")]
    Picture,
}

/// How a setting is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One line of at most so many characters.
    Line(usize),
    /// One of these words.
    Words(&'static [&'static str]),
    Days,
    /// 0 to 23.
    Hour,
    /// A name of the IANA time zone database.
    Zone,
    Colour,
    Address,
    Language,
}

/// A setting that the console may change, with the name it has in the file.
pub struct Setting {
    pub name: &'static str,
    pub kind: Kind,
    show: fn(&Organisation) -> String,
    set: fn(&mut Organisation, &str) -> Result<(), Unfit>,
}

/// A setting that is one of an enum's words.
macro_rules! word {
    ($name:literal, $type:ident, $($field:ident).+) => {
        Setting {
            name: $name,
            kind: Kind::Words(&$type::WORDS),
            show: |one| one.$($field).+.as_str().to_owned(),
            set: |one, text| {
                one.$($field).+ = $type::parse(text).ok_or(Unfit::Choice)?;
                Ok(())
            },
        }
    };
}

/// A line that may be left out.
macro_rules! line {
    ($name:literal, $most:literal, $($field:ident).+) => {
        Setting {
            name: $name,
            kind: Kind::Line($most),
            show: |one| one.$($field).+.clone().unwrap_or_default(),
            set: |one, text| line(text, $most).map(|text| one.$($field).+ = text),
        }
    };
}

/// Everything that the console may change, in the order of its page.
pub static SETTINGS: [Setting; 18] = [
    Setting {
        name: "name",
        kind: Kind::Line(100),
        show: |one| one.name.clone(),
        set: |one, text| line(text, 100).and_then(needed).map(|text| one.name = text),
    },
    Setting {
        name: "colour",
        kind: Kind::Colour,
        show: |one| one.colour.clone().unwrap_or_default(),
        set: |one, text| colour(text).map(|colour| one.colour = colour),
    },
    Setting {
        name: "language",
        kind: Kind::Language,
        show: |one| one.language.clone(),
        set: |one, text| language(text).map(|tag| one.language = tag),
    },
    line!("sentence", 300, sentence),
    Setting {
        name: "postmaster",
        kind: Kind::Address,
        show: |one| one.contact.postmaster.display(),
        set: |one, text| {
            let address = Address::parse_utf8(text.trim()).map_err(|_| Unfit::Address)?;
            one.contact.postmaster = address;
            Ok(())
        },
    },
    line!("telephone", 60, contact.telephone),
    line!("hours", 100, contact.hours),
    word!("marketing", Choice, marketing),
    word!("poll", Choice, poll),
    word!("social", Choice, social),
    word!("mass", Choice, mass),
    Setting {
        name: "people_choose",
        kind: Kind::Words(&["true", "false"]),
        show: |one| one.people_choose.to_string(),
        set: |one, text| {
            one.people_choose = text.parse().map_err(|_| Unfit::Choice)?;
            Ok(())
        },
    },
    Setting {
        name: "first_contact",
        kind: Kind::Words(&["deliver", "hold"]),
        show: |one| if one.hold_first_contact { "hold" } else { "deliver" }.to_owned(),
        set: |one, text| {
            one.hold_first_contact = match text {
                "hold" => true,
                "deliver" => false,
                _ => return Err(Unfit::Choice),
            };
            Ok(())
        },
    },
    word!("told", Told, told),
    word!("digest", Frequency, digest.rhythm.frequency),
    Setting {
        name: "digest_hour",
        kind: Kind::Hour,
        show: |one| one.digest.rhythm.hour.to_string(),
        set: |one, text| {
            let hour = text.trim().parse().ok().filter(|hour| *hour < 24);
            one.digest.rhythm.hour = hour.ok_or(Unfit::Hour)?;
            Ok(())
        },
    },
    Setting {
        name: "time_zone",
        kind: Kind::Zone,
        show: |one| one.digest.zone.clone(),
        set: |one, text| {
            let name = text.trim();
            TimeZone::get(name).map_err(|_| Unfit::Zone)?;
            name.clone_into(&mut one.digest.zone);
            Ok(())
        },
    },
    Setting {
        name: "retention",
        kind: Kind::Days,
        show: |one| one.retention_days.to_string(),
        set: |one, text| {
            let days = text.trim().parse().ok().filter(|days| (1..=90).contains(days));
            one.retention_days = days.ok_or(Unfit::Days)?;
            Ok(())
        },
    },
];

impl Setting {
    pub fn named(name: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.name == name)
    }

    /// Its value as it is written.
    pub fn of(&self, organisation: &Organisation) -> String {
        (self.show)(organisation)
    }

    /// # Errors
    /// [`Unfit`]; nothing is changed then.
    pub fn set(&self, organisation: &mut Organisation, text: &str) -> Result<(), Unfit> {
        (self.set)(organisation, text)
    }
}

/// `None` for an empty one.
fn line(text: &str, most: usize) -> Result<Option<String>, Unfit> {
    let text = text.trim();
    if text.chars().count() > most {
        return Err(Unfit::Long);
    }
    if text.chars().any(display::is_invisible) {
        return Err(Unfit::Invisible);
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

fn needed(text: Option<String>) -> Result<String, Unfit> {
    text.ok_or(Unfit::Empty)
}

fn colour(text: &str) -> Result<Option<String>, Unfit> {
    let text = text.trim().to_ascii_lowercase();
    match text.strip_prefix('#') {
        None if text.is_empty() => Ok(None),
        Some(digits) if digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()) => {
            Ok(Some(text))
        }
        _ => Err(Unfit::Colour),
    }
}

fn language(text: &str) -> Result<String, Unfit> {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let fits = plain && (2..=12).contains(&text.len());
    if fits { Ok(text.to_owned()) } else { Err(Unfit::Language) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::sample;

    #[test]
    fn every_setting_takes_what_it_shows() {
        let mut organisation = sample::organisation("ours");
        for setting in &SETTINGS {
            let shown = setting.of(&organisation);
            assert_eq!(setting.set(&mut organisation, &shown), Ok(()), "{}", setting.name);
            assert_eq!(setting.of(&organisation), shown, "{}", setting.name);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_and_changes_nothing() {
        let long = "x".repeat(400);
        let cases = [
            ("name", " ", Unfit::Empty),
            ("name", long.as_str(), Unfit::Long),
            ("name", "a\u{202e}b", Unfit::Invisible),
            ("sentence", "one\r\ntwo", Unfit::Invisible),
            ("colour", "red", Unfit::Colour),
            ("colour", "#12345g", Unfit::Colour),
            ("language", "<b>", Unfit::Language),
            ("postmaster", "nobody", Unfit::Address),
            ("marketing", "maybe", Unfit::Choice),
            ("mass", "", Unfit::Choice),
            ("people_choose", "yes", Unfit::Choice),
            ("first_contact", "reject", Unfit::Choice),
            ("told", "shout", Unfit::Choice),
            ("digest", "sometimes", Unfit::Choice),
            ("digest_hour", "24", Unfit::Hour),
            ("digest_hour", "-1", Unfit::Hour),
            ("time_zone", "Europe/Nowhere", Unfit::Zone),
            ("retention", "0", Unfit::Days),
            ("retention", "91", Unfit::Days),
        ];
        for (name, text, wrong) in cases {
            let mut organisation = sample::organisation("ours");
            let setting = Setting::named(name).unwrap();
            let before = setting.of(&organisation);
            assert_eq!(setting.set(&mut organisation, text), Err(wrong), "{name} {text:?}");
            assert_eq!(setting.of(&organisation), before, "{name} {text:?}");
        }
        assert!(Setting::named("domains").is_none(), "the file's alone");
    }
}

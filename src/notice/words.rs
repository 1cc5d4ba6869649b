//! The letter's words, in each language of `web/translations`.
//!
//! A language is a folder of Fluent files; the letter's stand in
//! `letter.ftl`. What a sender's mail says about its language is a wish: a
//! language that nobody translated gives way to the organisation's.

use std::borrow::Cow;
use std::collections::HashMap;

use fluent_templates::fluent_bundle::FluentValue;
use fluent_templates::{LanguageIdentifier, Loader as _};
use jiff::tz::TimeZone;

use crate::clock::Timestamp;

fluent_templates::static_loader! {
    static TRANSLATIONS = {
        locales: "./web/translations",
        fallback_language: "en",
        // A letter is read by programs that show the isolates as boxes.
        customise: |bundle| bundle.set_use_isolating(false),
    };
}

/// Those that there are translations for (RFC 5646), by tag.
pub fn languages() -> Vec<String> {
    let mut tags: Vec<String> =
        TRANSLATIONS.locales().map(|one| one.language.to_string()).collect();
    tags.sort();
    tags
}

/// The words of one language.
pub(super) struct Words {
    language: LanguageIdentifier,
}

/// Arguments of a sentence.
pub(super) type Arguments<'a> = HashMap<Cow<'static, str>, FluentValue<'a>>;

impl Words {
    /// The first of these wishes that there is a translation for, else
    /// English. A wish is a language tag (RFC 5646), or a list of them as in
    /// Content-Language (RFC 3282).
    pub fn choose(wishes: &[&str]) -> Self {
        let tags = wishes.iter().flat_map(|wish| wish.split([',', ';'])).map(str::trim);
        let known = tags.filter_map(|tag| {
            let wanted: LanguageIdentifier = tag.parse().ok()?;
            TRANSLATIONS.locales().find(|have| have.language == wanted.language).cloned()
        });
        let english = || "en".parse().expect("a language tag");
        Self { language: known.into_iter().next().unwrap_or_else(english) }
    }

    /// Its tag, for Content-Language and `<html lang>`.
    pub fn tag(&self) -> String {
        self.language.to_string()
    }

    pub fn say(&self, id: &str, arguments: &Arguments<'_>) -> String {
        let owned = arguments.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        TRANSLATIONS.lookup_with_args(&self.language, id, &owned)
    }

    /// A day in UTC as people write it.
    pub fn date(&self, at: Timestamp) -> String {
        let day = at.to_zoned(TimeZone::UTC).date();
        let arguments = Arguments::from([
            ("day".into(), i64::from(day.day()).into()),
            ("month".into(), i64::from(day.month()).into()),
            // As text: a number would be grouped in thousands.
            ("year".into(), day.year().to_string().into()),
        ]);
        self.say("letter-date", &arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_wish_that_is_translated_is_met() {
        let chosen = |wishes: &[&str]| Words::choose(wishes).tag();
        assert_eq!(chosen(&["fi-FI", "en"]), "fi");
        assert_eq!(chosen(&["tlh, ja;q=0.5", "fi"]), "ja");
        assert_eq!(chosen(&["", "\u{0}", "tlh"]), "en");
    }

    #[test]
    fn every_language_has_every_sentence_and_its_own_date() {
        let at = "2026-12-06T10:00:00Z".parse().unwrap();
        for (tag, date) in [("en", "6 December 2026"), ("fi", "6.12.2026"), ("ja", "2026年12月6日")]
        {
            let words = Words::choose(&[tag]);
            assert_eq!(words.date(at), date);
            let english = include_str!("../../web/translations/en/letter.ftl");
            let own = format!("web/translations/{tag}/letter.ftl");
            let own = std::fs::read_to_string(&own).unwrap();
            for id in english.lines().filter_map(|line| line.split_once(" = ")).map(|(id, _)| id) {
                assert!(
                    !id.starts_with("letter-") || own.contains(&format!("{id} = ")),
                    "{tag} {id}"
                );
            }
        }
    }
}

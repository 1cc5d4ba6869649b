//! Imitations of those whom we serve: names that a reader takes for theirs.
//!
//! A name is reduced to what the eye keeps of it (after UTS 39 section 4,
//! with a table of our own: letters of other scripts, digits, `rn`, marks and
//! hyphens); two names that reduce alike and are not the same are look-alikes.
//! Also a served name in front of somebody else's: `demo.example.evil.test`.
//! Pure; what a look-alike means is decided by `phishing`.

use std::collections::HashMap;
use std::sync::Arc;

use icu_normalizer::DecomposingNormalizerBorrowed;
use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;
use idna::uts46::{AsciiDenyList, Hyphens, Uts46};

use crate::directory::Organisation;
use crate::mail::Domain;

/// Shorter names are too much alike to be told apart.
const SHORT: usize = 5;

/// The served names by what the eye keeps of them.
pub struct Served {
    skeletons: HashMap<String, Domain>,
    names: HashMap<String, Domain>,
}

impl Served {
    pub fn new(organisations: &[Arc<Organisation>]) -> Self {
        let domains = || organisations.iter().flat_map(|one| &one.domains).cloned();
        Self {
            skeletons: domains().map(|one| (skeleton(&one.organisational()), one)).collect(),
            names: domains().map(|one| (one.as_str().to_owned(), one)).collect(),
        }
    }

    /// The served domain that `domain` imitates, if it is not that domain or
    /// below it.
    pub fn imitated(&self, domain: &Domain) -> Option<&Domain> {
        if self.names.is_empty() {
            return None;
        }
        let own = domain.organisational();
        let alike = self.skeletons.get(&skeleton(&own)).filter(|served| {
            served.organisational() != own && label(&own).chars().count() >= SHORT
        });
        alike.or_else(|| self.in_front(domain, &own))
    }

    /// A served name among the labels in front of the registered one.
    fn in_front(&self, domain: &Domain, own: &Domain) -> Option<&Domain> {
        let front = domain.as_str().strip_suffix(own.as_str())?.trim_end_matches('.');
        let labels: Vec<&str> = front.split('.').collect();
        let windows = (0..labels.len())
            .flat_map(|start| (start + 2..=labels.len().min(start + 4)).map(move |end| start..end));
        let served = windows.filter_map(|window| self.names.get(&labels[window].join(".")));
        served.into_iter().find(|served| served.organisational() != *own)
    }
}

fn label(domain: &Domain) -> &str {
    domain.as_str().split('.').next().unwrap_or_default()
}

/// What the eye keeps of a name.
fn skeleton(domain: &Domain) -> String {
    let (text, _) =
        Uts46::new().to_unicode(domain.as_str().as_bytes(), AsciiDenyList::STD3, Hyphens::Allow);
    let (label, rest) = text.split_once('.').unwrap_or((&*text, ""));
    let plain = DecomposingNormalizerBorrowed::new_nfkd().normalize(label);
    let categories = CodePointMapData::<GeneralCategory>::new();
    let kept: String = plain
        .chars()
        .filter(|c| categories.get(*c) != GeneralCategory::NonspacingMark && *c != '-')
        .map(latin)
        .collect();
    let kept = kept.replace("rn", "m").replace("vv", "w").replace("cl", "d");
    format!("{kept}.{rest}")
}

/// The Latin letter that a reader sees.
fn latin(c: char) -> char {
    match c {
        '0' | 'о' | 'ο' | 'օ' | 'ס' | 'º' => 'o',
        '1' | 'і' | 'ӏ' | 'ι' | 'ı' | 'i' | '|' | 'ا' => 'l',
        '3' | 'е' | 'ε' | 'ҽ' | 'є' => 'e',
        '5' | 'ѕ' => 's',
        '4' | 'а' | 'α' | 'ɑ' => 'a',
        '6' | 'Ь' | 'ь' | 'в' => 'b',
        'с' | 'ϲ' | 'ᴄ' => 'c',
        'ԁ' | 'ɗ' => 'd',
        'ɡ' | '9' | 'ց' => 'g',
        'һ' | 'հ' | 'н' => 'h',
        'ј' => 'j',
        'к' | 'κ' => 'k',
        'м' => 'm',
        'п' | 'ո' | 'η' => 'n',
        'р' | 'ρ' => 'p',
        'ԛ' => 'q',
        'г' => 'r',
        'т' | 'τ' | '7' => 't',
        'υ' | 'ս' | 'µ' | 'μ' => 'u',
        'ѵ' | 'ν' => 'v',
        'ԝ' | 'ω' | 'ѡ' => 'w',
        'х' | 'χ' => 'x',
        'у' | 'γ' | 'ү' => 'y',
        'ᴢ' | '2' => 'z',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::sample;

    #[test]
    fn imitations_are_told_from_the_thing_itself() {
        let mut organisation = sample::organisation("demo");
        organisation.domains = ["timber-mill.example", "näyte.example"]
            .iter()
            .map(|name| Domain::parse(name).unwrap())
            .collect();
        let served = Served::new(&[Arc::new(organisation)]);
        let imitated = |name: &str| {
            let name = Domain::parse(name).unwrap();
            served.imitated(&name).map(crate::mail::domain::Domain::display)
        };
        for name in [
            "timbermill.example",
            "tirnber-mill.example",
            "tlmber-mi11.example",
            "mail.timber-rnill.example",
            "timber-mіll.example",
            "tímber-mill.example",
            "timber-mill.example.evil.test",
            "login.timber-mill.example.evil.test",
        ] {
            assert_eq!(imitated(name).as_deref(), Some("timber-mill.example"), "{name}");
        }
        assert_eq!(imitated("nayte.example").as_deref(), Some("näyte.example"));
        for name in [
            "timber-mill.example",
            "mail.timber-mill.example",
            "timber.example",
            "timber-mill.test",
            "sawmill.example",
            "example.evil.test",
        ] {
            assert_eq!(imitated(name), None, "{name}");
        }
    }
}

//! Every finding that a check can make, with its default weight.
//!
//! One table: ids, weights, and so the list of messages that each language
//! must have. The sum of a message's weights is its score; from
//! `filter.hold` (5 by default) on it is held as unwanted. Administrators may
//! change weights, never ids.

use std::collections::BTreeMap;

use super::Finding;
use super::demotion::Demotions;

/// Ids and default weights. Positive: against the message.
pub const FINDINGS: &[(&str, f32)] = &[
    // Authentication. SPF fail alone holds; nothing at all, from a host
    // without a name, holds too.
    ("spf-fail", 5.0),
    ("spf-softfail", 3.0),
    ("spf-neutral", 2.0),
    ("spf-none", 2.0),
    ("spf-permerror", 2.0),
    ("spf-temperror", 1.0),
    ("dkim-none", 0.5),
    ("dkim-fail", 1.0),
    ("dkim-temperror", 0.5),
    ("dmarc-none", 0.5),
    ("dmarc-fail", 2.0),
    ("dmarc-quarantine", 6.0),
    ("dmarc-reject", 10.0),
    ("dmarc-temperror", 1.0),
    ("no-ptr", 2.5),
    ("ptr-mismatch", 1.5),
    ("proved", -1.0),
    ("arc-pass", 0.0),
    // Who it says it is from.
    ("from-missing", 5.0),
    ("from-ambiguous", 8.0),
    ("served-domain-in-from", 6.0),
    // Posing as somebody whom we serve; the rest decides by its class.
    ("look-alike", 8.0),
    ("link-poses", 4.0),
    ("link-differs", 1.0),
    ("name-imitates", 3.0),
    ("credential-form", 8.0),
    // What the same network or domain sent before.
    ("history-bad", 1.5),
    ("history-good", -0.5),
    // Lists in DNS: what a list's own weight is multiplied by.
    ("client-listed", 1.0),
    ("link-listed", 1.0),
    ("sender-listed", 1.0),
    ("vouched-by-list", 1.0),
    // Attachments; most of these decide by their class.
    ("malware", 20.0),
    ("attachment-dangerous", 20.0),
    ("attachment-disguised", 20.0),
    ("attachment-macro", 3.0),
    ("attachment-object", 3.0),
    ("attachment-encrypted", 3.0),
    ("attachment-unreadable", 3.0),
    ("attachment-bomb", 20.0),
    ("unscanned-limit", 3.0),
    ("unscanned-encrypted", 3.0),
    ("unscanned-macro", 3.0),
    ("too-complex", 5.0),
    ("unreadable", 5.0),
    // Bulk: told, not weighed; their classes are the organisations' choice.
    ("list-mail", 0.0),
    ("marketing", 0.0),
    ("poll", 0.0),
    ("social", 0.0),
    ("sending-platform", 0.0),
    ("discussion-list", 0.0),
    ("automatic", 0.0),
    ("mass", 5.0),
    ("replayed", 5.0),
    // Engines: the weight of one point of their score.
    ("rspamd", 0.8),
    ("spamassassin", 1.0),
    ("engine-clear", 0.0),
    ("engine-phishing", 10.0),
    // Content. The first is what a message scores at the margin from which
    // its content alone holds it; nothing to twice that, as the odds are.
    ("content", 5.0),
    ("text-hidden", 0.5),
    ("words-cut", 1.5),
    ("letters-without-width", 1.0),
    ("letters-mixed", 1.0),
    ("gtube", 1000.0),
];

/// The weights that are in force.
#[derive(Clone, Debug, Default)]
pub struct Weights {
    changed: BTreeMap<String, f32>,
    demotions: Demotions,
}

/// A weight was given to a finding that no check makes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no finding called {0}")]
pub struct UnknownFinding(pub String);

impl Weights {
    /// The defaults with these changes.
    ///
    /// # Errors
    /// [`UnknownFinding`].
    pub fn with(changed: BTreeMap<String, f32>) -> Result<Self, UnknownFinding> {
        match changed.keys().find(|id| default(id).is_none()) {
            Some(id) => Err(UnknownFinding(id.clone())),
            None => Ok(Self { changed, demotions: Demotions::default() }),
        }
    }

    /// The same with what operators took down.
    #[must_use]
    pub fn taken_down(self, demotions: Demotions) -> Self {
        Self { demotions, ..self }
    }

    /// The finding `id` with its weight in force.
    pub fn finding(&self, id: &'static str) -> Finding {
        let place = FINDINGS.iter().position(|(known, _)| *known == id);
        debug_assert!(place.is_some(), "{id} is not in the catalogue");
        let Some(place) = place else { return Finding::new(id, 0.0) };
        let weight = self.changed.get(id).copied().unwrap_or(FINDINGS[place].1);
        Finding::new(id, weight * self.demotions.left(place))
    }

    /// The weight of `id` before anything is taken down; `None`: no check
    /// makes it.
    pub fn of(&self, id: &str) -> Option<f32> {
        self.changed.get(id).copied().or_else(|| default(id))
    }

    /// The finding `id`, told but not weighed.
    #[allow(clippy::unused_self)]
    pub fn told(&self, id: &'static str) -> Finding {
        debug_assert!(default(id).is_some(), "{id} is not in the catalogue");
        Finding::new(id, 0.0)
    }
}

fn default(id: &str) -> Option<f32> {
    FINDINGS.iter().find(|(known, _)| *known == id).map(|(_, weight)| *weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_change_but_ids_do_not() {
        let weights = Weights::with([("spf-fail".to_owned(), 1.5)].into()).unwrap();
        assert_eq!(weights.finding("spf-fail"), Finding::new("spf-fail", 1.5));
        assert_eq!(weights.finding("spf-none"), Finding::new("spf-none", 2.0));
        let wrong = Weights::with([("spf-fial".to_owned(), 1.5)].into());
        assert_eq!(wrong.unwrap_err(), UnknownFinding("spf-fial".to_owned()));
    }

    #[test]
    fn ids_are_unique() {
        let ids: std::collections::HashSet<_> = FINDINGS.iter().map(|(id, _)| id).collect();
        assert_eq!(ids.len(), FINDINGS.len());
    }

    /// What a message of a Fluent file says, by its id.
    fn messages(text: &str) -> BTreeMap<&str, &str> {
        text.lines().filter_map(|line| line.split_once(" = ")).collect()
    }

    #[test]
    fn every_finding_has_words_in_every_language() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/web/translations");
        let read = |language: &str| {
            std::fs::read_to_string(format!("{root}/{language}/findings.ftl")).unwrap()
        };
        let english = read("en");
        let english = messages(&english);
        for folder in std::fs::read_dir(root).unwrap() {
            let language = folder.unwrap().file_name().into_string().unwrap();
            let text = read(&language);
            let words = messages(&text);
            for (id, _) in FINDINGS {
                for key in [format!("finding-{id}"), format!("finding-{id}-help")] {
                    let said = words.get(key.as_str()).unwrap_or_else(|| {
                        panic!("{language} has no {key}");
                    });
                    let (mut ours, mut theirs) = (terms(said), terms(english[key.as_str()]));
                    ours.sort_unstable();
                    ours.dedup();
                    theirs.sort_unstable();
                    theirs.dedup();
                    assert_eq!(ours, theirs, "{language}: {key} has other arguments");
                }
            }
            assert_eq!(words.len(), 2 * FINDINGS.len(), "{language} has words for nothing");
        }
    }

    /// The arguments of a message: `{ $name }`.
    fn terms(said: &str) -> Vec<&str> {
        said.split("{ $").skip(1).filter_map(|rest| rest.split(' ').next()).collect()
    }
}

//! A finding: one fact that a check found, with its weight and its words.
//!
//! The words are Fluent messages: `finding-<id>` says what was seen and
//! `finding-<id>-help` what the sender can do; `terms` are their arguments.
//! Weights are for policy and administrators; strangers never see them.

use minicbor::{Decode, Encode};

use crate::mail::Scan;
use crate::reputation::Sender;

/// One fact about a message.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Finding {
    /// Lower-case words with hyphens: `spf-fail`.
    #[n(0)]
    pub id: String,
    /// Positive: against the message; negative: in its favour; 0: only told.
    #[n(1)]
    pub weight: f32,
    /// Arguments of its words: `("record", "v=spf1 -all")`. Text from mail or
    /// DNS: never trusted, at most 300 bytes each.
    #[n(2)]
    pub terms: Vec<Term>,
}

/// A named argument of a finding's words.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Term {
    #[n(0)]
    pub name: String,
    #[n(1)]
    pub text: String,
}

/// Everything that the checks say of one message, before any recipient's view.
#[derive(Clone, Debug)]
pub struct Examination {
    pub scan: Scan,
    pub findings: Vec<Finding>,
    pub sender: Sender,
    /// What the findings alone say the message is (malware, phishing,
    /// unscannable, impersonated, marketing, poll, social, mass), strongest
    /// first; policy turns this and the score into a class.
    pub classes: Vec<super::Class>,
    /// Sum of the weights.
    pub score: f32,
    /// RFC 8601 results as the value of an Authentication-Results field,
    /// without our authserv-id.
    pub authentication: String,
    /// RFC 3834 automatic, list or bulk mail: never sent a letter.
    pub automatic: bool,
    /// Attachments that a mail program would show.
    pub attachments: u16,
    /// A discussion list (List-Post): never refused.
    pub discussion_list: bool,
    /// That it is spam, by the content model; between 0 and 1. `None`: not read.
    pub spam_probability: Option<f32>,
}

impl Examination {
    /// The score without what earlier verdicts of ours say, so that a history
    /// never feeds on itself.
    pub fn own_score(&self) -> f32 {
        let past = ["history-bad", "history-good"];
        let own = self.findings.iter().filter(|finding| !past.contains(&finding.id.as_str()));
        own.map(|finding| finding.weight).sum()
    }

    /// Whether a check found this.
    pub fn found(&self, id: &str) -> bool {
        self.findings.iter().any(|finding| finding.id == id)
    }
}

impl Finding {
    pub fn new(id: impl Into<String>, weight: f32) -> Self {
        Self { id: id.into(), weight, terms: Vec::new() }
    }

    /// Adds an argument of its words; the text is cut at 300 bytes.
    #[must_use]
    pub fn term(mut self, name: &str, text: impl Into<String>) -> Self {
        let mut text: String = text.into();
        if text.len() > 300 {
            let end = (0..=297).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
            text.truncate(end);
            text.push('…');
        }
        self.terms.push(Term { name: name.to_owned(), text });
        self
    }
}

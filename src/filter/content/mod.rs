//! The content model: what the wording and the build of a message resemble.
//!
//! A linear model over hashed marks ([`features`]), trained by least squares
//! ([`train`]), read from one checked file ([`model`]) and shared by all
//! threads. It speaks only against a message: nothing in a mail can make it
//! trusted. Tricks that show people other words than filters ([`text`]) are
//! findings of their own.

mod change;
mod current;
pub mod features;
pub mod model;
mod shape;
pub mod text;
pub mod train;

use std::cell::RefCell;

pub use change::{Change, Heard, Step, Taught};
pub use current::Current;
pub use features::Marks;
pub use model::{Guard, Learnt, Model, ModelError, Opinion};
pub use train::{Example, Platt};

use super::Finding;
use super::catalogue::Weights;
use super::parsed::{Parsed, Part, Text};
use super::similar;
use crate::mail::Message;

/// How far the odds may fall below those of the holding margin before content
/// says nothing any more: by e to this power. There a message is as likely spam
/// as any of those that the starter was trained on (three of ten), and what is
/// less likely speaks for a message, which content never does.
const REACH: f32 = 0.9;
/// Marks of a body below which content says nothing: some twenty bytes. No mail
/// that the starter was trained on says so little, and what it has never seen
/// it does not judge.
const FEW: usize = 16;
/// Unseen text longer than a preview line of newsletters.
const HIDDEN: u32 = 200;

thread_local! {
    /// The tables that one message needs: 200 KiB, kept for the next one.
    static MARKS: RefCell<Marks> = RefCell::new(Marks::default());
}

/// What content says.
#[derive(Debug, Default)]
pub struct Read {
    pub findings: Vec<Finding>,
    /// Between 0 and 1: that the message is spam.
    pub probability: f32,
}

/// Reads and judges a parsed message.
pub fn look(
    message: &Message,
    subject: &str,
    parts: &[Part<'_>],
    model: &Model,
    weights: &Weights,
) -> Read {
    MARKS.with_borrow_mut(|marks| {
        mark(marks, message, subject, parts);
        let opinion = model.judge(marks);
        let mut findings = tricks(marks.tricks(), weights);
        let share = (1.0 + opinion.beyond / REACH).clamp(0.0, 2.0);
        if share > 0.0 && marks.body() >= FEW {
            let mut finding = weights.finding("content");
            finding.weight *= share;
            findings.push(finding);
        }
        Read { findings, probability: opinion.probability }
    })
}

/// A message as something to learn from; `None` if it cannot be parsed.
pub fn example(message: &Message, spam: bool) -> Option<Example> {
    let parsed = Parsed::read(message)?;
    let subject = message.text("Subject").unwrap_or_default();
    MARKS.with_borrow_mut(|marks| {
        mark(marks, message, &subject, &parsed.parts());
        Some(Example::new(marks.blocks(), spam))
    })
}

/// What a text is found by again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextDigest {
    pub digest: u64,
    /// It may be compared by likeness.
    pub near: bool,
}

impl TextDigest {
    /// Texts that are like it share one of these.
    pub fn quarters(self) -> impl Iterator<Item = (usize, u16)> {
        let bands = if self.near { usize::MAX } else { 1 };
        similar::quarters(self.digest).into_iter().enumerate().take(bands)
    }

    pub fn is_like(self, other: Self) -> bool {
        let near = self.near && other.near && similar::is_near(self.digest, other.digest);
        near || self == other
    }
}

/// The digest of a message's text, or of all of it if it has no words; `None`
/// if it cannot be parsed.
pub fn text_digest(message: &Message) -> Option<TextDigest> {
    let parsed = Parsed::read(message)?;
    let subject = || message.text("Subject").unwrap_or_default();
    let found = similar::digest(&parsed.parts(), subject);
    let whole = message.hash().first_chunk::<8>().map(|eight| u64::from_le_bytes(*eight));
    let (digest, near) = found.unwrap_or((whole.unwrap_or_default(), false));
    Some(TextDigest { digest, near })
}

fn mark(marks: &mut Marks, message: &Message, subject: &str, parts: &[Part<'_>]) {
    let readable = parts.iter().filter_map(|part| Some((part.content, part.text? == Text::Html)));
    let fields = message.fields().map(|field| (field.name, field.value));
    marks.read(fields, message.body(), subject, readable);
}

fn tricks(tricks: text::Tricks, weights: &Weights) -> Vec<Finding> {
    let played = [
        (tricks.hidden > HIDDEN, "text-hidden"),
        (tricks.cut > 3, "words-cut"),
        (tricks.no_width > 2, "letters-without-width"),
        (tricks.mixed > 1, "letters-mixed"),
    ];
    played.iter().filter(|(is, _)| *is).map(|(_, id)| weights.finding(id)).collect()
}

#[cfg(test)]
#[path = "content_tests.rs"]
mod tests;

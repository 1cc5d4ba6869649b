//! A sentence of a translation, prepared at start as far as Fluent allows.
//!
//! Fluent says every sentence; what stands here is only what it said. One
//! without arguments is kept whole and escaped. One that takes a number is
//! kept for each small number it was asked for. One that takes texts is kept
//! as the text between them, which is exact because no translation selects by
//! anything but a number (a test reads them all). The rest is said anew.

use std::ops::Deref;
use std::sync::OnceLock;

use maud::Render;

/// A number from 0 below this is said once and remembered.
const REMEMBERED: usize = 128;
/// The first of the private characters that stand for texts while a sentence
/// is prepared.
const PLACES: u32 = 0xe000;

/// A sentence without arguments. It renders as it was escaped at start.
#[derive(Debug, Default)]
pub struct Sentence {
    plain: Box<str>,
    html: Box<str>,
}

/// What is put into a sentence.
#[derive(Clone, Debug)]
pub(super) enum Argument {
    Number(i64),
    Text(String),
}

/// The number by which plural forms are chosen, in every translation.
pub(super) const NUMBER: &str = "n";

/// A sentence in one language.
pub(super) enum Prepared {
    Fixed(Sentence),
    Counted(Counted),
    Filled(Vec<Piece>),
    /// Fluent is asked each time.
    Spoken,
}

/// What Fluent said for small numbers.
#[derive(Default)]
pub(super) struct Counted(OnceLock<Box<[OnceLock<Box<str>>]>>);

/// A run of a sentence's own text, or the name of a text to be put in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Own(Box<str>),
    Text(Box<str>),
}

impl Prepared {
    /// Prepares the sentence that `ask` says with these arguments, if it has
    /// one; `names` are those of all its arguments.
    pub fn of(names: &[&str], ask: impl Fn(&[(&str, Argument)]) -> Option<String>) -> Option<Self> {
        if let Some(plain) = ask(&[]) {
            return Some(Self::Fixed(Sentence::new(plain)));
        }
        let one = (NUMBER, Argument::Number(1));
        if ask(std::slice::from_ref(&one)).is_some() {
            return Some(Self::Counted(Counted::default()));
        }
        let texts = || names.iter().copied().filter(|name| *name != NUMBER);
        let places = texts().zip(PLACES..).filter_map(|(name, place)| {
            Some((name, Argument::Text(char::from_u32(place)?.to_string())))
        });
        let mut all: Vec<_> = places.collect();
        if let Some(said) = ask(&all) {
            return Some(Self::Filled(pieces(&said, &texts().collect::<Vec<_>>())));
        }
        all.push(one);
        ask(&all).map(|_| Self::Spoken)
    }
}

/// Takes the private characters out of what was said.
fn pieces(said: &str, names: &[&str]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = said;
    let place = |c: char| (u32::from(c).checked_sub(PLACES)).map_or(usize::MAX, |at| at as usize);
    while let Some((at, c)) = rest.char_indices().find(|(_, c)| place(*c) < names.len()) {
        pieces.push(Piece::Own(rest[..at].into()));
        pieces.push(Piece::Text(names[place(c)].into()));
        rest = &rest[at + c.len_utf8()..];
    }
    pieces.push(Piece::Own(rest.into()));
    pieces
}

/// The pieces with their texts; `None` if one is missing or is no text.
pub(super) fn fill(pieces: &[Piece], arguments: &[(&str, Argument)]) -> Option<String> {
    let mut said = String::with_capacity(256);
    for piece in pieces {
        match piece {
            Piece::Own(text) => said.push_str(text),
            Piece::Text(name) => {
                let found = arguments.iter().find(|(other, _)| **other == **name);
                let Some((_, Argument::Text(text))) = found else { return None };
                said.push_str(text);
            }
        }
    }
    Some(said)
}

impl Counted {
    /// What `ask` says for this number.
    pub fn said(
        &self,
        arguments: &[(&str, Argument)],
        ask: impl Fn() -> Option<String>,
    ) -> Option<String> {
        let number = arguments.iter().find(|(name, _)| *name == NUMBER);
        let small = match number {
            Some((_, Argument::Number(number))) => usize::try_from(*number).ok(),
            _ => None,
        };
        let Some(small) = small.filter(|number| *number < REMEMBERED) else { return ask() };
        let all = self.0.get_or_init(|| (0..REMEMBERED).map(|_| OnceLock::new()).collect());
        if let Some(said) = all[small].get() {
            return Some(said.to_string());
        }
        let said = ask()?;
        let _ = all[small].set(said.clone().into());
        Some(said)
    }
}

impl Sentence {
    fn new(plain: String) -> Self {
        let html = plain.as_str().render().into_string().into_boxed_str();
        Self { plain: plain.into_boxed_str(), html }
    }
}

impl Deref for Sentence {
    type Target = str;

    fn deref(&self) -> &str {
        &self.plain
    }
}

impl Render for Sentence {
    fn render_to(&self, buffer: &mut String) {
        buffer.push_str(&self.html);
    }
}

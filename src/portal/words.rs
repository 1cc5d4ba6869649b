//! What the pages say, in each language of `web/translations`.
//!
//! A language is a folder of Fluent files; adding one is adding a folder.
//! Sentences are prepared at start ([`sentence`]). Arguments that come from
//! mail or DNS are made visible and isolated (Unicode's FSI and PDI), and
//! [`Said`] turns the isolates into `<bdi>`: no translation needs markup, and
//! no mail text can bring any.

mod sentence;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use fluent_templates::fluent_bundle::FluentValue;
use fluent_templates::{LanguageIdentifier, Loader as _};
use maud::{Escaper, Render};

pub use self::sentence::Sentence;
use self::sentence::{Argument, Prepared, fill};
use crate::mail::display;

fluent_templates::static_loader! {
    static TRANSLATIONS = {
        locales: "./web/translations",
        fallback_language: "en",
        // Only what comes from mail is isolated, by `Arguments::mail`.
        customise: |bundle| bundle.set_use_isolating(false),
    };
}

/// The files that hold the portal's own sentences, in English: the list of
/// all message ids.
const OWN: [&str; 8] = [
    include_str!("../../web/translations/en/portal.ftl"),
    include_str!("../../web/translations/en/help.ftl"),
    include_str!("../../web/translations/en/admin.ftl"),
    include_str!("../../web/translations/en/blocking.ftl"),
    include_str!("../../web/translations/en/recipient.ftl"),
    include_str!("../../web/translations/en/appeal.ftl"),
    include_str!("../../web/translations/en/decisions.ftl"),
    include_str!("../../web/translations/en/organisation.ftl"),
];

/// The sentences of findings, in English.
const FINDINGS: &str = include_str!("../../web/translations/en/findings.ftl");

const FIRST_STRONG_ISOLATE: char = '\u{2068}';
const POP_ISOLATE: char = '\u{2069}';

/// One language.
pub struct Words {
    language: LanguageIdentifier,
    /// Its tag, as in `<html lang>`.
    tag: String,
    /// Its place among all languages.
    place: usize,
    sentences: HashMap<String, Prepared>,
    /// What is said where there is no such sentence: nothing.
    none: Sentence,
}

/// All languages. Clones share them.
#[derive(Clone)]
pub struct Languages {
    /// English first, then by tag.
    all: Arc<[Arc<Words>]>,
}

/// Arguments of a sentence.
#[derive(Default)]
pub struct Arguments(Vec<(&'static str, Argument)>);

/// A sentence with its arguments in place; renders isolates as `<bdi>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said(String);

impl Arguments {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a number, by which plural forms are chosen too.
    pub fn number(mut self, name: &'static str, number: i64) -> Self {
        self.0.push((name, Argument::Number(number)));
        self
    }

    /// Adds our own text.
    pub fn own(mut self, name: &'static str, text: impl Into<String>) -> Self {
        self.0.push((name, Argument::Text(text.into())));
        self
    }

    /// Adds text from mail, DNS or another server.
    pub fn mail(mut self, name: &'static str, text: &str) -> Self {
        self.0.push((name, Argument::Text(isolated(text))));
        self
    }
}

/// Text of strangers between isolates; whatever it brought itself is visible.
fn isolated(text: &str) -> String {
    let visible = display::visible(text);
    let mut isolated = String::with_capacity(visible.len() + 6);
    isolated.push(FIRST_STRONG_ISOLATE);
    isolated.push_str(&visible);
    isolated.push(POP_ISOLATE);
    isolated
}

/// Text as HTML. What needs no escape, most often everything, is taken whole.
pub(super) fn escape(text: &str, buffer: &mut String) {
    // Without an early end, which lets the compiler look at many bytes at once.
    let special = |byte: u8| matches!(byte, b'&' | b'<' | b'>' | b'"');
    if text.bytes().fold(false, |found, byte| found | special(byte)) {
        let _ = Escaper::new(buffer).write_str(text);
    } else {
        buffer.push_str(text);
    }
}

impl Render for Said {
    fn render_to(&self, buffer: &mut String) {
        let mut rest = self.0.as_str();
        if rest.is_ascii() {
            return escape(rest, buffer);
        }
        while let Some(at) = rest.find([FIRST_STRONG_ISOLATE, POP_ISOLATE]) {
            let (text, mark) = rest.split_at(at);
            escape(text, buffer);
            let opens = mark.starts_with(FIRST_STRONG_ISOLATE);
            buffer.push_str(if opens { "<bdi>" } else { "</bdi>" });
            rest = &mark[FIRST_STRONG_ISOLATE.len_utf8()..];
        }
        escape(rest, buffer);
    }
}

impl Languages {
    /// Every language of `web/translations` that speaks of itself
    /// (`language-name`).
    pub fn new() -> Self {
        let all = messages().into_iter().chain(messages_of(FINDINGS)).collect::<Vec<_>>();
        let mut all: Vec<_> = TRANSLATIONS
            .locales()
            .filter(|language| spoken(language, "language-name", &[]).is_some())
            .map(|language| Words::new(language.clone(), &all))
            .collect();
        all.sort_by(|a, b| (a.tag != "en", &a.tag).cmp(&(b.tag != "en", &b.tag)));
        let placed = all.into_iter().enumerate();
        Self { all: placed.map(|(place, one)| Arc::new(Words { place, ..one })).collect() }
    }

    pub fn all(&self) -> &[Arc<Words>] {
        &self.all
    }

    pub fn english(&self) -> &Arc<Words> {
        &self.all[0]
    }

    /// The language of a tag, or of the part of it before the first hyphen.
    pub fn find(&self, tag: &str) -> Option<&Arc<Words>> {
        let primary = tag.split('-').next().unwrap_or(tag);
        let named = |name: &str| self.all.iter().find(|one| one.tag.eq_ignore_ascii_case(name));
        named(tag).or_else(|| named(primary))
    }

    /// The first choice of an Accept-Language field (RFC 9110 section 12.5.4)
    /// that there is.
    pub fn accepted(&self, field: &str) -> Option<&Arc<Words>> {
        let mut best: Option<(f32, &Arc<Words>)> = None;
        for choice in field.split(',').take(20) {
            let (tag, rest) = choice.split_once(';').unwrap_or((choice, ""));
            let quality = rest.trim().strip_prefix("q=");
            let quality = quality.map_or(1.0, |q| q.trim().parse().unwrap_or(0.0));
            let Some(words) = self.find(tag.trim()) else { continue };
            if quality > best.map_or(0.0, |(best, _)| best) {
                best = Some((quality, words));
            }
        }
        best.map(|(_, words)| words)
    }
}

impl Default for Languages {
    fn default() -> Self {
        Self::new()
    }
}

impl Words {
    /// A sentence that this language lacks is English.
    fn new(language: LanguageIdentifier, messages: &[Message]) -> Self {
        let english = TRANSLATIONS.fallback();
        let prepared = messages.iter().filter_map(|message| {
            let of = |language| {
                Prepared::of(&message.arguments, |given| spoken(language, message.id, given))
            };
            Some((message.id.to_owned(), of(&language).or_else(|| of(english))?))
        });
        Self {
            tag: language.to_string(),
            place: 0,
            sentences: prepared.collect(),
            none: Sentence::default(),
            language,
        }
    }

    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Its place in [`Languages::all`].
    pub fn place(&self) -> usize {
        self.place
    }

    /// A sentence without arguments. The test of translations proves that
    /// each exists in each language.
    pub fn say(&self, id: &str) -> &Sentence {
        let Some(Prepared::Fixed(sentence)) = self.sentences.get(id) else {
            debug_assert!(false, "no sentence {id} in {}", self.tag);
            return &self.none;
        };
        sentence
    }

    /// A sentence with arguments; in English where this language lacks it.
    pub fn tell(&self, id: &str, arguments: &Arguments) -> Said {
        let told = self.told(id, &arguments.0);
        debug_assert!(told.is_some(), "no sentence {id} in {}", self.tag);
        told.unwrap_or_else(|| Said(String::new()))
    }

    /// A sentence of a finding, if there are words for it.
    pub fn finding<'a>(
        &self,
        id: &str,
        terms: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Option<Said> {
        let arguments: Vec<_> =
            terms.map(|(name, text)| (name, Argument::Text(isolated(text)))).collect();
        self.told(id, &arguments)
    }

    fn told(&self, id: &str, arguments: &[(&str, Argument)]) -> Option<Said> {
        let fluent = || {
            spoken(&self.language, id, arguments)
                .or_else(|| spoken(TRANSLATIONS.fallback(), id, arguments))
        };
        let said = match self.sentences.get(id)? {
            Prepared::Fixed(sentence) => Some(sentence.to_string()),
            Prepared::Counted(counted) => counted.said(arguments, fluent),
            Prepared::Filled(pieces) => fill(pieces, arguments).or_else(fluent),
            Prepared::Spoken => fluent(),
        };
        said.map(Said)
    }
}

/// What Fluent says in this language, if it has the sentence and every
/// argument that it asks for.
fn spoken(
    language: &LanguageIdentifier,
    id: &str,
    arguments: &[(&str, Argument)],
) -> Option<String> {
    let arguments: HashMap<&str, FluentValue<'_>> = arguments
        .iter()
        .map(|(name, argument)| match argument {
            Argument::Number(number) => (*name, FluentValue::from(*number)),
            Argument::Text(text) => (*name, FluentValue::from(text.as_str())),
        })
        .collect();
    TRANSLATIONS.lookup_single_language(language, id, Some(&arguments)).ok()
}

impl Said {
    /// As plain text, without isolates: for attributes.
    pub fn plain(&self) -> String {
        self.0.replace([FIRST_STRONG_ISOLATE, POP_ISOLATE], "")
    }
}

/// Text of strangers as a value of its own.
pub struct Shown<'a>(pub &'a str);

impl Render for Shown<'_> {
    fn render_to(&self, buffer: &mut String) {
        buffer.push_str("<bdi>");
        escape(&display::visible(self.0), buffer);
        buffer.push_str("</bdi>");
    }
}

/// The same of several lines, each by itself.
pub struct Lines<'a>(pub &'a str);

impl Render for Lines<'_> {
    fn render_to(&self, buffer: &mut String) {
        for line in self.0.lines() {
            Shown(line).render_to(buffer);
            buffer.push('\n');
        }
    }
}

/// A sentence as the English files write it.
struct Message {
    id: &'static str,
    /// The names of its arguments.
    arguments: Vec<&'static str>,
}

/// Every sentence of the portal's own files.
fn messages() -> Vec<Message> {
    OWN.into_iter().flat_map(messages_of).collect()
}

/// By Fluent's grammar a message begins a line with its identifier, and `$`
/// stands before the names of arguments only.
fn messages_of(file: &'static str) -> Vec<Message> {
    let mut all: Vec<Message> = Vec::new();
    for line in file.lines().filter(|line| !line.starts_with('#')) {
        if line.starts_with(|c: char| c.is_ascii_lowercase()) {
            let id = line.split_once('=').map_or("", |(id, _)| id.trim());
            all.push(Message { id, arguments: Vec::new() });
        }
        let Some(message) = all.last_mut() else { continue };
        for rest in line.split('$').skip(1) {
            let name = rest.split([' ', ')', ',', '}']).next().unwrap_or_default();
            if !message.arguments.contains(&name) {
                message.arguments.push(name);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests;

//! What the pages say, in each language of `web/translations`.
//!
//! A language is a folder of Fluent files; adding one is adding a folder.
//! Sentences without arguments are resolved once, at start. Arguments that
//! come from mail or DNS are made visible and isolated (Unicode's FSI and
//! PDI), and [`Said`] turns the isolates into `<bdi>`: no translation needs
//! markup, and no mail text can bring any.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use fluent_templates::fluent_bundle::FluentValue;
use fluent_templates::{LanguageIdentifier, Loader as _};
use maud::{Escaper, Render};

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
pub(super) const OWN: [&str; 6] = [
    include_str!("../../web/translations/en/portal.ftl"),
    include_str!("../../web/translations/en/help.ftl"),
    include_str!("../../web/translations/en/admin.ftl"),
    include_str!("../../web/translations/en/blocking.ftl"),
    include_str!("../../web/translations/en/recipient.ftl"),
    include_str!("../../web/translations/en/appeal.ftl"),
];

const FIRST_STRONG_ISOLATE: char = '\u{2068}';
const POP_ISOLATE: char = '\u{2069}';

/// One language.
pub struct Words {
    language: LanguageIdentifier,
    /// Its tag, as in `<html lang>`.
    tag: String,
    /// Sentences that need no arguments.
    fixed: HashMap<String, Box<str>>,
}

/// All languages. Clones share them.
#[derive(Clone)]
pub struct Languages {
    /// English first, then by tag.
    all: Arc<[Arc<Words>]>,
}

/// Arguments of a sentence.
#[derive(Default)]
pub struct Arguments(HashMap<&'static str, FluentValue<'static>>);

/// A sentence with its arguments in place; renders isolates as `<bdi>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said(String);

impl Arguments {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a number, by which plural forms are chosen too.
    pub fn number(mut self, name: &'static str, number: i64) -> Self {
        self.0.insert(name, FluentValue::from(number));
        self
    }

    /// Adds our own text.
    pub fn own(mut self, name: &'static str, text: impl Into<String>) -> Self {
        self.0.insert(name, FluentValue::from(text.into()));
        self
    }

    /// Adds text from mail, DNS or another server.
    pub fn mail(mut self, name: &'static str, text: &str) -> Self {
        self.0.insert(name, FluentValue::from(isolated(text)));
        self
    }
}

/// Text of strangers between isolates; whatever it brought itself is visible.
fn isolated(text: &str) -> String {
    format!("{FIRST_STRONG_ISOLATE}{}{POP_ISOLATE}", display::visible(text))
}

impl Render for Said {
    fn render_to(&self, buffer: &mut String) {
        let mut rest = self.0.as_str();
        while let Some(at) = rest.find([FIRST_STRONG_ISOLATE, POP_ISOLATE]) {
            let (text, mark) = rest.split_at(at);
            text.render_to(buffer);
            let opens = mark.starts_with(FIRST_STRONG_ISOLATE);
            buffer.push_str(if opens { "<bdi>" } else { "</bdi>" });
            rest = &mark[FIRST_STRONG_ISOLATE.len_utf8()..];
        }
        rest.render_to(buffer);
    }
}

impl Languages {
    /// Every language of `web/translations` that speaks of itself
    /// (`language-name`).
    pub fn new() -> Self {
        let ids = ids();
        let mut all: Vec<_> = TRANSLATIONS
            .locales()
            .map(|language| Arc::new(Words::new(language.clone(), &ids)))
            .filter(|words| words.fixed.contains_key("language-name"))
            .collect();
        all.sort_by(|a, b| (a.tag != "en", &a.tag).cmp(&(b.tag != "en", &b.tag)));
        Self { all: all.into() }
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
    fn new(language: LanguageIdentifier, ids: &[String]) -> Self {
        let none: Option<&HashMap<&str, FluentValue>> = None;
        let fixed = ids.iter().filter_map(|id| {
            let text = TRANSLATIONS.lookup_single_language(&language, id, none).ok()?;
            Some((id.clone(), text.into_boxed_str()))
        });
        Self { tag: language.to_string(), fixed: fixed.collect(), language }
    }

    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// A sentence without arguments. The test of translations proves that
    /// each exists in each language.
    pub fn say(&self, id: &str) -> &str {
        let text = self.fixed.get(id);
        debug_assert!(text.is_some(), "no sentence {id} in {}", self.tag);
        text.map_or("", |text| text)
    }

    /// A sentence with arguments; in English where this language lacks it.
    pub fn tell(&self, id: &str, arguments: &Arguments) -> Said {
        let told = self.try_tell(id, &arguments.0);
        debug_assert!(told.is_some(), "no sentence {id} in {}", self.tag);
        told.unwrap_or_else(|| Said(String::new()))
    }

    /// A sentence of a finding, if there are words for it.
    pub fn finding<'a>(
        &self,
        id: &str,
        terms: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Option<Said> {
        let arguments: HashMap<Cow<'_, str>, FluentValue<'_>> =
            terms.map(|(name, text)| (name.into(), isolated(text).into())).collect();
        self.try_tell(id, &arguments)
    }

    fn try_tell<K: AsRef<str>>(
        &self,
        id: &str,
        arguments: &HashMap<K, FluentValue<'_>>,
    ) -> Option<Said> {
        let told = |language| {
            TRANSLATIONS.lookup_single_language(language, id, Some(arguments)).ok().map(Said)
        };
        told(&self.language).or_else(|| told(TRANSLATIONS.fallback()))
    }
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
        let _ = Escaper::new(buffer).write_str(&display::visible(self.0));
        buffer.push_str("</bdi>");
    }
}

/// Every message id of the portal's own files: by Fluent's grammar a message
/// begins a line with its identifier.
pub(super) fn ids() -> Vec<String> {
    let lines = OWN.into_iter().flat_map(str::lines);
    let messages = lines.filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()));
    messages.filter_map(|line| Some(line.split_once('=')?.0.trim().to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::fs;

    use fluent_templates::fluent_bundle::FluentResource;

    use super::*;

    /// Message id -> its text, of every portal file of a language's folder.
    fn messages(language: &str) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        for file in
            ["portal.ftl", "help.ftl", "admin.ftl", "blocking.ftl", "recipient.ftl", "appeal.ftl"]
        {
            let path = format!("{}/web/translations/{language}/{file}", env!("CARGO_MANIFEST_DIR"));
            let text = fs::read_to_string(&path).unwrap_or_else(|_| panic!("{path} is missing"));
            if let Err((_, faults)) = FluentResource::try_new(text.clone()) {
                panic!("{path}: {faults:?}");
            }
            let mut id = String::new();
            for line in text.lines().filter(|line| !line.starts_with('#')) {
                if line.starts_with(|c: char| c.is_ascii_lowercase()) {
                    id = line.split_once('=').unwrap().0.trim().to_owned();
                }
                all.entry(id.clone()).or_insert_with(String::new).push_str(line);
            }
        }
        all.remove("");
        all
    }

    fn arguments(text: &str) -> BTreeSet<&str> {
        let found = text.split('$').skip(1);
        found.map(|rest| rest.split([' ', ')', ',']).next().unwrap()).collect()
    }

    #[test]
    fn every_language_says_every_sentence_with_its_arguments() {
        let english = messages("en");
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/web/translations");
        let mut tags = BTreeSet::new();
        for language in fs::read_dir(folder).unwrap() {
            let tag = language.unwrap().file_name().into_string().unwrap();
            let said = messages(&tag);
            for (id, text) in &english {
                let theirs = said.get(id).unwrap_or_else(|| panic!("{tag} does not say {id}"));
                let extra: Vec<_> =
                    arguments(theirs).difference(&arguments(text)).copied().collect();
                // The number of recipients matters to some grammars only.
                assert!(extra.is_empty() || extra == ["n"], "{tag}: {id} asks for {extra:?}");
            }
            for id in said.keys() {
                assert!(english.contains_key(id), "{tag} says {id}, which nobody asks for");
            }
            tags.insert(tag);
        }
        let languages = Languages::new();
        let served: BTreeSet<_> = languages.all().iter().map(|one| one.tag().to_owned()).collect();
        assert_eq!(served, tags, "adding a language is adding a folder");
        assert_eq!(languages.english().tag(), "en");
    }

    #[test]
    fn every_sentence_is_said_somewhere() {
        let mut sources = String::new();
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/src/portal");
        let rooms = ["", "/sender", "/admin", "/admin/suppression", "/recipient"];
        for folder in rooms.map(|room| format!("{root}{room}")) {
            for file in fs::read_dir(folder).unwrap() {
                let path = file.unwrap().path();
                if path.extension().is_some_and(|one| one == "rs") {
                    sources.push_str(&fs::read_to_string(path).unwrap());
                }
            }
        }
        for id in messages("en").keys() {
            assert!(sources.contains(&format!("\"{id}\"")), "nobody says {id}");
        }
    }

    #[test]
    fn w_01_text_of_strangers_brings_neither_markup_nor_isolates() {
        let languages = Languages::new();
        let arguments = Arguments::new().mail("domain", "\u{2069}<b>x\u{202e}");
        let said = languages.english().tell("delivered-to", &arguments);
        let html = said.render().into_string();
        assert!(html.contains("<bdi>\\u{2069}&lt;b&gt;x\\u{202e}</bdi>"), "{html}");
        assert_eq!(html.matches("<bdi>").count(), html.matches("</bdi>").count());
    }

    #[test]
    fn a_finding_without_words_is_left_out() {
        let words = Languages::new();
        assert_eq!(words.english().finding("finding-no-such", std::iter::empty()), None);
    }
}

//! Every sentence in every language: said, with its arguments, as Fluent says it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use fluent_templates::fluent_bundle::FluentResource;

use super::*;

/// Message id -> its text, of every portal file of a language's folder.
fn messages(language: &str) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for file in [
        "portal.ftl",
        "help.ftl",
        "admin.ftl",
        "blocking.ftl",
        "recipient.ftl",
        "appeal.ftl",
        "decisions.ftl",
        "organisation.ftl",
    ] {
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
            let extra: Vec<_> = arguments(theirs).difference(&arguments(text)).copied().collect();
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

/// What is prepared is exact only because of this.
#[test]
fn no_sentence_selects_by_anything_but_its_number() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/web/translations");
    for language in fs::read_dir(folder).unwrap() {
        for file in fs::read_dir(language.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            if path.ends_with("letter.ftl") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let selects: Vec<&str> = text.split("->").collect();
            for before in &selects[..selects.len() - 1] {
                assert!(before.trim_end().ends_with("{ $n"), "{}: {before}", path.display());
            }
        }
    }
}

/// Every sentence in every language, as Fluent says it and as it is said
/// here, twice, because what was said once may be remembered.
#[test]
fn what_is_prepared_is_what_fluent_says() {
    let languages = Languages::new();
    let all: Vec<Message> = super::messages().into_iter().chain(messages_of(FINDINGS)).collect();
    assert!(all.len() > 400, "{}", all.len());
    let mut kinds = BTreeSet::new();
    let words: Vec<_> = languages.all().iter().flat_map(|one| [one, one]).collect();
    for (words, message) in words.iter().flat_map(|one| all.iter().map(move |m| (one, m))) {
        kinds.insert(match &words.sentences[message.id] {
            Prepared::Fixed(_) => "fixed",
            Prepared::Counted(_) => "counted",
            Prepared::Filled(_) => "filled",
            Prepared::Spoken => "spoken",
        });
        for number in [0, 1, 2, 3, 5, 11, 21, 59, 100, 127, 128, 1000, 1_000_000, -1] {
            let names = message.arguments.iter().filter(|name| **name != sentence::NUMBER);
            let texts = names.enumerate().map(|(at, name)| {
                (*name, Argument::Text(isolated(&format!("<{at}> & \"\u{202e}\""))))
            });
            let mut given: Vec<_> = texts.collect();
            given.push((sentence::NUMBER, Argument::Number(number)));
            let english = || spoken(TRANSLATIONS.fallback(), message.id, &given);
            let fluent = spoken(&words.language, message.id, &given).or_else(english);
            let fluent = fluent.unwrap_or_else(|| panic!("nobody says {}", message.id));
            let said = words.told(message.id, &given).unwrap();
            assert_eq!(said.0, fluent, "{} {}", words.tag, message.id);
            let escaped = fluent.render().into_string();
            let isolates = [(FIRST_STRONG_ISOLATE, "<bdi>"), (POP_ISOLATE, "</bdi>")];
            let html = isolates.iter().fold(escaped, |html, (c, tag)| html.replace(*c, tag));
            assert_eq!(said.render().into_string(), html);
            if let Prepared::Fixed(sentence) = &words.sentences[message.id] {
                assert_eq!((&**sentence, sentence.render().into_string()), (&*fluent, html));
            }
        }
        // A text that is missing is not made up.
        if matches!(words.sentences[message.id], Prepared::Filled(_)) {
            assert_eq!(words.told(message.id, &[]), None, "{}", message.id);
        }
    }
    assert_eq!(kinds, ["counted", "filled", "fixed", "spoken"].into());
}

#[test]
fn every_sentence_is_said_somewhere() {
    let mut sources = String::new();
    let mut folders = vec![PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src/portal"))];
    while let Some(folder) = folders.pop() {
        for file in fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|one| one == "rs") {
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

#[test]
fn a_strangers_lines_stay_lines_and_each_is_made_visible() {
    let shown = maud::html! { (Lines("Dear Anna,\r\n\n<b>\u{202e}gnp.exe\n")) }.into_string();
    let line = |text: &str| format!("<bdi>{text}</bdi>\n");
    assert_eq!(shown, line("Dear Anna,") + &line("") + &line("&lt;b&gt;\\u{202e}gnp.exe"));
}

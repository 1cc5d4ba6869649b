//! Settings: the configuration in force, read-only, and where it is changed.
//!
//! Operators only. The gateway says what the keys are; secrets do not come
//! this far. The meanings are the reference's own words, in English as the
//! keys are.

use std::sync::{Arc, PoisonError, RwLock};

use axum::routing::get;
use maud::{Markup, html};

use super::table::{self, Column};
use super::{Admin, Place, Route, Section, Sheet};
use crate::account::Power;
use crate::portal::error::Trouble;
use crate::portal::words::{Shown, Words};

/// A key of the configuration as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigKey {
    /// Its full name: `filter.hold`, `organisation "example".name`.
    pub key: String,
    pub meaning: String,
    /// As TOML text; `None` if it has none, or may not be shown.
    pub value: Option<String>,
    /// Whether the file says it; else it is the default.
    pub written: bool,
    pub secret: bool,
}

/// The configuration in force. Clones share it.
#[derive(Clone, Default)]
pub struct Effective(Arc<RwLock<Arc<Vec<ConfigKey>>>>);

impl Effective {
    pub fn set(&self, keys: Vec<ConfigKey>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }

    pub fn all(&self) -> Arc<Vec<ConfigKey>> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

const COLUMNS: [Column; 3] = [
    Column::Text("settings-key"),
    Column::Text("settings-value"),
    Column::Text("settings-meaning"),
];

pub(super) fn routes() -> Vec<Route> {
    vec![Route::page(&Place::Settings, Power::Operate, get(show))]
}

async fn show(admin: Admin) -> Result<Markup, Trouble> {
    let words = admin.words();
    let all = admin.console().settings.all();
    let groups = groups(&all);
    let here = [
        (Place::Organisations, "admin-organisations-rail"),
        (Place::Rules, "admin-rules"),
        (Place::Senders, "admin-senders"),
        (Place::Keys, "admin-link-keys"),
        (Place::Accounts, "admin-accounts"),
        (Place::BlockingHome, "admin-blocking"),
    ];
    let body = html! {
        p.soft { (words.say("settings-help")) }
        h2 { (words.say("settings-here")) }
        p { (words.say("settings-here-help")) }
        nav.chips aria-label=(words.say("settings-here")) {
            @for (place, word) in here { a href=(place) { (words.say(word)) } }
        }
        @if groups.is_empty() { (table::empty(words.say("settings-empty"))) }
        @else {
            nav.chips aria-label=(words.say("settings-groups")) {
                @for (place, (name, _)) in groups.iter().enumerate() { a href={ "#group-" (place) } { (name) } }
            }
        }
        @for (place, (name, keys)) in groups.iter().enumerate() {
            @let id = format!("group-{place}");
            h2 id=(id) { code { (Shown(name)) } }
            (table::rows_under(words, &id, &COLUMNS, &rows(words, keys)))
        }
    };
    let title = words.say("admin-settings");
    Ok(admin.page(&Sheet { section: Section::Settings, title, notice: None, body }))
}

/// The keys of each table of the file, in the order in which they are read.
fn groups(all: &[ConfigKey]) -> Vec<(&str, Vec<&ConfigKey>)> {
    let mut groups: Vec<(&str, Vec<&ConfigKey>)> = Vec::new();
    for one in all {
        let name = one.key.rsplit_once('.').map_or("", |(name, _)| name);
        match groups.iter_mut().find(|(other, _)| *other == name) {
            Some((_, keys)) => keys.push(one),
            None => groups.push((name, vec![one])),
        }
    }
    groups
}

fn rows(words: &Words, keys: &[&ConfigKey]) -> Markup {
    html! {
        @for one in keys {
            tr {
                td { code { (one.key.rsplit('.').next().unwrap_or_default()) } }
                td.main {
                    @match &one.value {
                        Some(value) => code { (Shown(value)) },
                        None if one.secret && one.written => em { (words.say("settings-secret")) },
                        None => span.soft { (words.say("settings-none")) },
                    }
                    @if one.value.is_some() {
                        br; span.soft { (words.say(if one.written { "settings-file" } else { "settings-default" })) }
                    }
                }
                td.main lang="en" { (one.meaning) }
            }
        }
    }
}

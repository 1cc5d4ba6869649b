//! The shell around every page of the console: rail, head, keys.

use maud::{Markup, html};

use super::{Admin, Place};
use crate::account::Power;
use crate::portal::frame::Visitor;
use crate::portal::part::{self, Head};
use crate::portal::words::Arguments;

/// A section of the rail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    Overview,
    Quarantine,
    Senders,
    Appeals,
    Organisations,
    Recipients,
    Rules,
    Blocking,
    Queue,
    Statistics,
    Settings,
    Keys,
    Accounts,
    Tokens,
    Audit,
    Account,
}

/// The rail, in its order: section, its word, its address, what it asks for.
const RAIL: &[(Section, &str, Place<'static>, Power)] = &[
    (Section::Overview, "admin-overview", Place::Home, Power::See),
    (Section::Quarantine, "admin-quarantine", Place::Quarantine, Power::See),
    (Section::Senders, "admin-senders", Place::Senders, Power::SeeAll),
    (Section::Appeals, "admin-appeals", Place::Appeals, Power::See),
    (Section::Organisations, "admin-organisations-rail", Place::Organisations, Power::See),
    (Section::Recipients, "admin-recipients", Place::Recipients, Power::See),
    (Section::Rules, "admin-rules", Place::Rules, Power::See),
    (Section::Blocking, "admin-blocking", Place::BlockingHome, Power::See),
    (Section::Queue, "admin-queue", Place::Queue, Power::SeeAll),
    (Section::Statistics, "admin-statistics", Place::Statistics, Power::SeeAll),
    (Section::Settings, "admin-settings", Place::Settings, Power::Operate),
    (Section::Keys, "admin-link-keys", Place::Keys, Power::SeeAll),
    (Section::Accounts, "admin-accounts", Place::Accounts, Power::SeeAll),
    (Section::Tokens, "admin-tokens", Place::Tokens, Power::Own),
    (Section::Audit, "admin-audit", Place::Audit, Power::SeeAll),
];

/// The keys that the script knows, as `?` shows them.
const KEYS: [(&str, &str); 8] = [
    ("/", "admin-key-search"),
    ("j k", "admin-key-rows"),
    ("Enter", "admin-key-open"),
    ("x", "admin-key-choose"),
    ("r", "admin-key-release"),
    ("b", "admin-key-block"),
    ("g d", "admin-key-appeal"),
    ("?", "admin-key-help"),
];

/// A page before its shell.
pub struct Sheet<'a> {
    pub section: Section,
    /// Ours, never text from mail.
    pub title: &'a str,
    /// What was done, or why not, above everything.
    pub notice: Option<Markup>,
    pub body: Markup,
}

impl Admin {
    /// The page in its shell.
    pub fn page(&self, sheet: &Sheet<'_>) -> Markup {
        let words = self.words();
        let inner = html! {
            div.console {
                nav.rail aria-label=(words.say("admin-rail")) {
                    p.brand { span.mark aria-hidden="true" { "R" } span { (words.say("admin-name")) } }
                    ul {
                        @for (section, word, place, power) in RAIL {
                            @if self.may(*power) {
                                li {
                                    a href=(place) aria-current=[(*section == sheet.section).then_some("page")] {
                                        (words.say(word))
                                        @if *section == Section::Appeals { (self.appeals_waiting()) }
                                    }
                                }
                            }
                        }
                    }
                    (self.rail_foot())
                }
                main #main tabindex="-1" {
                    h1 { (sheet.title) }
                    @if let Some(notice) = &sheet.notice { div.notice role="status" { (notice) } }
                    (sheet.body)
                }
            }
            (keys(self))
        };
        document(&self.visitor, sheet.title, &inner)
    }

    /// How many appeals wait for him, as a number beside the word.
    fn appeals_waiting(&self) -> Markup {
        let count = super::appeals::waiting(self);
        let said = Arguments::new().number("n", i64::try_from(count).unwrap_or(i64::MAX));
        html! {
            @if count > 0 {
                span.count title=(self.words().tell("admin-appeals-wait", &said).plain()) { (count) }
            }
        }
    }

    fn rail_foot(&self) -> Markup {
        let words = self.words();
        html! {
            div.me {
                p { a href=(Place::Account) { (self.account.login) } br; span.soft { (super::admins::role_shown(words, &self.account.role)) } }
                form method="post" action=(Place::Logout) {
                    (self.token_field())
                    button.quiet type="submit" { (words.say("admin-logout")) }
                }
            }
            (languages(&self.visitor))
        }
    }

    /// The hidden field that every form needs.
    pub fn token_field(&self) -> Markup {
        html! { input type="hidden" name="form" value=(self.form_token()); }
    }
}

/// A page of the console outside of a session: log in, set up.
pub fn outside(visitor: &Visitor, title: &str, body: &Markup) -> Markup {
    let inner = html! {
        main.outside #main tabindex="-1" {
            p.brand { span.mark aria-hidden="true" { "R" } span { (visitor.words().say("admin-name")) } }
            h1 { (title) }
            (body)
            (languages(visitor))
        }
    };
    document(visitor, title, &inner)
}

fn document(visitor: &Visitor, title: &str, inner: &Markup) -> Markup {
    let assets = visitor.assets();
    let links = part::links(assets, &assets.console_style, &assets.console_script, None);
    let head = Head { title, name: visitor.words().say("admin-name"), links: &links };
    part::document(visitor, &head, inner)
}

fn languages(visitor: &Visitor) -> Markup {
    html! {
        nav.languages aria-label=(visitor.words().say("language-nav")) {
            @for one in visitor.languages().all() { (part::language(visitor, one, &"")) }
        }
    }
}

fn keys(admin: &Admin) -> Markup {
    let words = admin.words();
    html! {
        dialog #keys aria-labelledby="keys-title" {
            h2 #keys-title { (words.say("admin-keys")) }
            dl {
                @for (key, word) in KEYS {
                    div { dt { kbd { (key) } } dd { (words.say(word)) } }
                }
            }
            form method="dialog" { button type="submit" { (words.say("admin-close")) } }
        }
    }
}

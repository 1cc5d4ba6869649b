//! What is held for a recipient, the most likely wanted first; and what was
//! delivered to him from hold, to be reported.

use maud::{Markup, html};

use super::reader::Reader;
use crate::clock::Timestamp;
use crate::directory::RuleAction;
use crate::filter::Class;
use crate::portal::App;
use crate::portal::error::Trouble;
use crate::portal::part::{self, Page};
use crate::portal::path::{Deed, Path};
use crate::portal::words::{Arguments, Shown, Words};
use crate::quarantine::{Held, HeldRecipient, State, mailbox};

/// Messages that are looked at, the latest.
const LOOKED_AT: usize = 300;
/// Delivered messages that are listed.
const DELIVERED: usize = 30;

struct Line {
    held: Held,
    slot: usize,
}

impl Line {
    fn copy(&self) -> &HeldRecipient {
        &self.held.recipients[self.slot]
    }
}

pub async fn page(reader: &Reader) -> Result<Markup, Trouble> {
    let visitor = &reader.visitor;
    let app = visitor.app();
    let store = &app.recipients()?.store;
    let all = mailbox::messages(store, &reader.addresses, Timestamp::UNIX_EPOCH, LOOKED_AT).await?;
    let (mut waiting, mut delivered) = (Vec::new(), Vec::new());
    for held in all {
        let Some(slot) = reader.slot(&held) else { continue };
        let line = Line { held, slot };
        match line.copy().state {
            State::Held if !is_blocked(app, &line) => waiting.push(line),
            State::Releasing | State::Released | State::Delivered => delivered.push(line),
            _ => {}
        }
    }
    waiting.sort_by(|a, b| {
        let order = |one: &Line| (is_bulk(one.copy().class), one.held.score);
        order(a).partial_cmp(&order(b)).unwrap_or(std::cmp::Ordering::Equal)
    });
    delivered.truncate(DELIVERED);
    let words = visitor.words();
    let now = app.clock.now();
    let count = i64::try_from(waiting.len()).unwrap_or(i64::MAX);
    let body = html! {
        h1 { (words.say("me")) }
        p.lede { (part::AddressShown(&reader.recipient.address)) }
        @if waiting.is_empty() {
            p.empty { (words.say("me-empty")) }
        } @else {
            p { (words.tell("me-waiting", &Arguments::new().number("n", count))) }
            (lines(words, &waiting, now, &[Deed::Deliver, Deed::Block]))
        }
        @if !delivered.is_empty() {
            h2 { (words.say("me-delivered")) }
            (lines(words, &delivered, now, &[Deed::Spam]))
        }
        p.next-step { a href=(Path::MeSettings) { (words.say("me-settings")) } }
    };
    let brand = reader.brand();
    let title = words.say("me");
    Ok(part::page(visitor, &Page { brand: &brand, at: Path::Me, title, refresh: None, body }))
}

fn lines(words: &Words, lines: &[Line], now: Timestamp, deeds: &[Deed]) -> Markup {
    html! {
        ul.mail {
            @for line in lines {
                @let name = name(&line.held, line.slot);
                li {
                    p.subject { a href=(Path::MeHeld(&name)) { (subject(words, &line.held)) } }
                    p { (Shown(&line.held.from_text)) }
                    p.help {
                        (part::moment(words, line.held.received_at, now)) " · "
                        (words.say(why(line.copy().class)))
                    }
                    p.deeds {
                        @for deed in deeds {
                            a href=(Path::MeDeed(&name, deed.as_str())) { (words.say(label(*deed))) }
                        }
                    }
                }
            }
        }
    }
}

pub fn subject(words: &Words, held: &Held) -> Markup {
    html! {
        @if held.subject.trim().is_empty() { (words.say("no-subject")) }
        @else { (Shown(&held.subject)) }
    }
}

/// The message's name in addresses: it opens nothing without the session.
pub fn name(held: &Held, slot: usize) -> String {
    format!("{}-{slot}", held.id.simple())
}

pub fn is_bulk(class: Class) -> bool {
    matches!(class, Class::Marketing | Class::Poll | Class::Social | Class::Mass)
}

/// In three words.
pub fn why(class: Class) -> &'static str {
    match class {
        Class::Unscannable => "me-why-unscannable",
        Class::Impersonated => "me-why-impersonated",
        Class::Marketing => "me-why-marketing",
        Class::Poll => "me-why-poll",
        Class::Social => "me-why-social",
        Class::Mass => "me-why-mass",
        Class::FirstContact => "me-why-first-contact",
        _ => "me-why-unwanted",
    }
}

pub fn label(deed: Deed) -> &'static str {
    match deed {
        Deed::Deliver => "me-deliver",
        Deed::Accept => "me-accept",
        Deed::Block => "me-block",
        Deed::Spam => "me-spam",
        Deed::Undo => "me-undo",
    }
}

/// Blocked senders never appear.
fn is_blocked(app: &App, line: &Line) -> bool {
    let (sender, senders) = (line.held.sender(), line.held.senders());
    let copy = line.copy();
    app.directory.organisation(&copy.organisation).is_none_or(|organisation| {
        let rule = app.directory.rule(&organisation, &copy.address, &sender.claim(&senders));
        rule == Some(RuleAction::Block)
    })
}

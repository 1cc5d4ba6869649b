//! The quarantine: what is held, found by a part of an address or subject.

use axum::routing::get;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::table::{self, Address, Column, Found, ROWS, Sorted};
use super::{Admin, Asked, Place, Route, Section, Sheet};
use crate::account::Power;
use crate::clock::{SignedDuration, Timestamp};
use crate::filter::Class;
use crate::portal::error::Trouble;
use crate::portal::part;
use crate::portal::words::{Arguments, Shown, Words};
use crate::quarantine::{Held, HeldRecipient, Search, State};

pub(super) fn routes() -> Vec<Route> {
    vec![Route::page(&Place::Quarantine, Power::See, get(list))]
}

/// Classes that are ever held, and the chips' words for them.
const CLASSES: [(Class, &str); 8] = [
    (Class::Unwanted, "class-unwanted"),
    (Class::Mass, "class-mass"),
    (Class::Marketing, "class-marketing"),
    (Class::Impersonated, "class-impersonated"),
    (Class::Unscannable, "class-unscannable"),
    (Class::FirstContact, "class-first-contact"),
    (Class::Poll, "class-poll"),
    (Class::Social, "class-social"),
];

const STATES: [(State, &str); 9] = [
    (State::Held, "state-held"),
    (State::Releasing, "state-releasing"),
    (State::Released, "state-released"),
    (State::Delivered, "state-delivered"),
    (State::Failed, "state-failed"),
    (State::Withdrawn, "state-withdrawn"),
    (State::Refused, "state-refused"),
    (State::Disowned, "state-disowned"),
    (State::Expired, "state-expired"),
];

/// The class of this name, if it is ever held.
pub(super) fn class_named(name: &str) -> Option<Class> {
    CLASSES.iter().map(|(class, _)| *class).find(|class| class.as_str() == name)
}

/// The word of a class.
pub fn class_word(words: &Words, class: Class) -> &str {
    match CLASSES.iter().find(|(one, _)| *one == class) {
        Some((_, word)) => words.say(word),
        None => class.as_str(),
    }
}

/// A state with its mark: never by colour alone.
pub fn state_mark(words: &Words, state: State) -> Markup {
    let (kind, mark) = match state {
        State::Held => ("wait", "●"),
        State::Releasing | State::Released => ("move", "→"),
        State::Delivered => ("done", "✓"),
        State::Failed | State::Refused | State::Disowned => ("stop", "✕"),
        State::Withdrawn | State::Expired => ("over", "–"),
    };
    let word = STATES.iter().find(|(one, _)| *one == state).map_or("state-held", |(_, word)| word);
    html! { span class={ "state " (kind) } { span aria-hidden="true" { (mark) " " } (words.say(word)) } }
}

/// What the address asks for, within what he may see.
pub(super) fn search_of<'a>(admin: &Admin, field: impl Fn(&'static str) -> &'a str) -> Search {
    // The waiting ones are what the page is for; "all" has a word of its own.
    let state = match field("state") {
        "" => Some(State::Held),
        word => STATES.iter().map(|(state, _)| *state).find(|state| state.as_str() == word),
    };
    let last = day(field("to")).and_then(|day| day.tomorrow().ok());
    Search {
        text: field("q").trim().chars().take(200).collect(),
        class: class_named(field("class")),
        state,
        organisations: admin.organisations(),
        since: day(field("from")).and_then(midnight),
        until: last.and_then(midnight),
        order: table::order_of(field("sort")),
    }
}

/// A day as a form writes it: `2030-12-31`.
fn day(text: &str) -> Option<Date> {
    text.parse().ok()
}

fn midnight(day: Date) -> Option<Timestamp> {
    Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// The first and the last day that a search is about, as a form writes them;
/// empty: there is none.
pub(super) fn days(search: &Search) -> (String, String) {
    let text = |at: Option<Timestamp>| {
        at.map(|at| at.to_zoned(TimeZone::UTC).date().to_string()).unwrap_or_default()
    };
    (text(search.since), text(search.until.map(|until| until - SignedDuration::from_secs(1))))
}

/// The list's address with these filters.
pub(super) fn list_address(search: &Search) -> Address<'static> {
    let state = match search.state {
        Some(State::Held) => "",
        Some(state) => state.as_str(),
        None => "all",
    };
    let (from, to) = days(search);
    Address::new(Place::Quarantine)
        .with("q", &search.text)
        .with("class", search.class.map_or("", Class::as_str))
        .with("state", state)
        .with("from", &from)
        .with("to", &to)
        .with("sort", table::order_word(search.order))
}

async fn list(admin: Admin, asked: Asked) -> Result<Markup, Trouble> {
    let words = admin.words();
    let search = search_of(&admin, |name| asked.field(name));
    let after = asked.after();
    let console = admin.console();
    let page = console.search.find(&search, after.as_deref(), ROWS).await?;
    let address = list_address(&search);
    let rows = html! {
        form method="post" action=(Place::Bulk) {
            (rows(&admin, &search, &address, &page.held))
            @if admin.may(Power::Decide) { (bulk_bar(&admin, &search)) }
        }
    };
    let found = Found {
        rows: (!page.held.is_empty()).then_some(&rows),
        unreadable: &page.unreadable,
        paged: after.is_some(),
        next: page.next.as_deref(),
    };
    let nothing = if search.text.is_empty() { "admin-nothing-held" } else { "admin-nothing-found" };
    let body = html! {
        (table::search(words, &address, words.say("admin-search-held"), &search.text))
        (filters(words, &address, &search))
        @if !console.search.is_ready() { p.notice { (words.say("admin-filling")) } }
        (table::found(words, &address, nothing, &found))
    };
    let title = words.say("admin-quarantine");
    Ok(admin.page(&Sheet { section: Section::Quarantine, title, notice: None, body }))
}

fn filters(words: &Words, address: &Address<'_>, search: &Search) -> Markup {
    let mut states = vec![("", words.say("state-held"))];
    states.extend(STATES[1..].iter().map(|(state, word)| (state.as_str(), words.say(word))));
    states.push(("all", words.say("admin-all")));
    let mut classes = vec![("", words.say("admin-all"))];
    classes.extend(CLASSES.iter().map(|(class, word)| (class.as_str(), words.say(word))));
    let state = match search.state {
        Some(State::Held) => "",
        Some(state) => state.as_str(),
        None => "all",
    };
    let class = search.class.map_or("", Class::as_str);
    html! {
        (table::chips(words.say("admin-state"), address, "state", state, &states))
        (table::chips(words.say("admin-class"), address, "class", class, &classes))
        (days_form(words, address, search))
    }
}

/// From which day to which.
fn days_form(words: &Words, address: &Address<'_>, search: &Search) -> Markup {
    let (from, to) = days(search);
    html! {
        form.days method="get" action=(Place::Quarantine) {
            (address.with("from", "").hidden("to"))
            label for="from" { (words.say("admin-from-day")) }
            input #from type="date" name="from" value=(from);
            label for="to" { (words.say("admin-to-day")) }
            input #to type="date" name="to" value=(to);
            button.quiet type="submit" { (words.say("admin-show")) }
        }
    }
}

fn rows(admin: &Admin, search: &Search, address: &Address<'_>, all: &[Held]) -> Markup {
    const COLUMNS: [Column; 7] = [
        Column::Time("admin-received"),
        Column::Name("admin-from"),
        Column::Text("admin-subject"),
        Column::Text("admin-to"),
        Column::Text("admin-class"),
        Column::Number("admin-score"),
        Column::Text("admin-state"),
    ];
    let words = admin.words();
    let now = admin.app().clock.now();
    let sorted = Some(Sorted::by(address, search.order));
    html! {
        div.scroll tabindex="0" role="region" aria-label=(words.say("admin-quarantine")) {
            table.rows {
                thead { tr {
                    @if admin.may(Power::Decide) {
                        th.choose scope="col" { input type="checkbox" data-all aria-label=(words.say("admin-choose-all")); }
                    }
                    @for column in COLUMNS { (table::head(words, column, sorted)) }
                } }
                tbody {
                    @for held in all {
                        @let own: Vec<&HeldRecipient> = held.recipients.iter().filter(|one| search.wants(one)).collect();
                        tr {
                            @if admin.may(Power::Decide) {
                                td.choose { label { input type="checkbox" name="pick" value=(held.id) aria-label={ (words.say("admin-choose")) " " (held.reference) }; } }
                            }
                            td.time { (table::ago(words, held.received_at, now)) }
                            td { (Shown(&held.from_text)) }
                            td.main { a.row href=(Place::Held(&held.id.to_string())) { (subject(words, &held.subject)) } }
                            td {
                                @if let Some(first) = own.first() { (part::AddressShown(&first.address)) }
                                @if own.len() > 1 { " " (others(words, own.len() - 1)) }
                            }
                            td { @if let Some(first) = own.first() { (class_word(words, first.class)) } }
                            td.number { (format!("{:.1}", held.score)) }
                            td { @if let Some(first) = own.first() { (state_mark(words, first.state)) } }
                        }
                    }
                }
            }
        }
    }
}

/// What can be done with the chosen rows, or with all that is found.
fn bulk_bar(admin: &Admin, search: &Search) -> Markup {
    let words = admin.words();
    let (from, to) = days(search);
    html! {
        div.bulk {
            (admin.token_field())
            input type="hidden" name="q" value=(search.text);
            input type="hidden" name="class" value=(search.class.map_or("", Class::as_str));
            input type="hidden" name="from" value=(from);
            input type="hidden" name="to" value=(to);
            button type="submit" name="act" value="release" data-key="r" { (words.say("admin-release")) }
            button.danger type="submit" name="act" value="delete" { (words.say("admin-delete")) }
            label.inline { input type="checkbox" name="whole" value="1"; " " (words.say("admin-choose-whole")) }
        }
    }
}

/// A subject, or that there is none.
pub fn subject(words: &Words, subject: &str) -> Markup {
    html! {
        @if subject.trim().is_empty() { span.soft { (words.say("admin-no-subject")) } }
        @else { (Shown(subject)) }
    }
}

fn others(words: &Words, count: usize) -> Markup {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    html! { span.soft { (words.tell("admin-others", &Arguments::new().number("n", count))) } }
}

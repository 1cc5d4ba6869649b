//! The error log and the delivery log, searched by address, period and reason.

use axum::extract::Path as Captured;
use axum::routing::get;
use maud::{Markup, html};

use super::super::table::{self, Column, ROWS, Sorted};
use super::lists::reason_word;
use super::{Address, Admin, Asked, Place, Route, Trouble, server, tab};
use crate::account::Power;
use crate::clock::{SignedDuration, Timestamp};
use crate::portal::words::Shown;
use crate::suppression::Query;
use crate::suppression::classify::Class;
use crate::suppression::event::{Event, Outcome};

pub(super) fn routes() -> Vec<Route> {
    ["errors", "deliveries"].into_iter().map(route).collect()
}

fn route(which: &'static str) -> Route {
    let show = async move |admin: Admin, Captured(id): Captured<String>, asked: Asked| {
        show(&admin, &id, &asked, which).await
    };
    Route::page(&Place::Blocking(Place::ID, which), Power::See, get(show))
}

/// What an address asks for; days are UTC's.
pub(super) fn query(asked: &Asked) -> Query {
    let day = |name: &str| -> Option<Timestamp> {
        format!("{}T00:00:00Z", asked.field(name)).parse().ok()
    };
    Query {
        part: asked.field("q").trim().chars().take(200).collect(),
        reason: asked.field("reason").chars().take(40).collect(),
        from: day("from"),
        // To the end of that day.
        to: day("to").map(|to| to + SignedDuration::from_mins(24 * 60 - 1)),
        limit: ROWS,
        after: asked.after().unwrap_or_default(),
        order: table::order_of(asked.field("sort")),
        ..Query::default()
    }
}

async fn show(
    admin: &Admin,
    id: &str,
    asked: &Asked,
    which: &'static str,
) -> Result<Markup, Trouble> {
    let server = server(admin, id).await?;
    let words = admin.words();
    let errors_only = which == "errors";
    let query = Query { server: Some(server.id), errors_only, ..query(asked) };
    let (events, next) = admin.blocking().events(&query).await?;
    let here = Address::new(Place::Blocking(id, which))
        .with("q", &query.part)
        .with("reason", &query.reason)
        .with("from", asked.field("from"))
        .with("to", asked.field("to"))
        .with("sort", table::order_word(query.order));
    let label = if errors_only { "blocking-tab-errors" } else { "blocking-tab-deliveries" };
    let body = html! {
        (filters(admin, id, which, asked, &query))
        @if events.is_empty() { (table::empty(words.say("blocking-no-events"))) }
        @else { (rows(admin, &events, label, Some(Sorted::by(&here, query.order)))) }
        (table::pager(words, &here, !query.after.is_empty(), next.as_deref()))
        (super::downloads::link(admin, &server, which, &here).await?)
    };
    tab(admin, &server, which, None, body).await
}

/// Address, reason and period in one form.
fn filters(admin: &Admin, id: &str, which: &'static str, asked: &Asked, query: &Query) -> Markup {
    let words = admin.words();
    let outcomes = [Outcome::Blocked, Outcome::Complained];
    let more = [Outcome::Queued, Outcome::Succeeded, Outcome::Deferred, Outcome::Failed];
    let more = if which == "errors" { &more[2..] } else { &more[..] };
    let classes = Class::ALL.iter().filter(|class| **class != Class::None);
    let reasons = classes
        .map(|class| (class.as_str(), reason_word(class.as_str())))
        .chain(outcomes.iter().chain(more).map(|one| (one.as_str(), outcome_word(*one))));
    html! {
        form.filters method="get" action=(Place::Blocking(id, which)) role="search" {
            p {
                label for="q" { (words.say("blocking-search")) }
                input #q type="search" name="q" value=(query.part) maxlength="200" autocomplete="off" spellcheck="false";
            }
            p {
                label for="reason" { (words.say("blocking-reason")) }
                select #reason name="reason" {
                    option value="" { (words.say("blocking-any-reason")) }
                    @for (value, label) in reasons {
                        option value=(value) selected[value == query.reason] { (words.say(label)) }
                    }
                }
            }
            p {
                label for="from" { (words.say("blocking-from")) }
                input #from type="date" name="from" value=(asked.field("from"));
            }
            p {
                label for="to" { (words.say("blocking-to")) }
                input #to type="date" name="to" value=(asked.field("to"));
            }
            input type="hidden" name="sort" value=(table::order_word(query.order));
            button type="submit" { (words.say("admin-search")) }
        }
    }
}

/// Lines of a log as a table; `label` is the word for the whole.
pub(super) fn rows(
    admin: &Admin,
    events: &[Event],
    label: &str,
    sorted: Option<Sorted<'_>>,
) -> Markup {
    const COLUMNS: [Column; 5] = [
        Column::Time("admin-when"),
        Column::Name("admin-to"),
        Column::Text("admin-subject"),
        Column::Text("blocking-reason"),
        Column::Text("blocking-details"),
    ];
    let lines = html! { @for one in events { (row(admin, one)) } };
    table::sorted_rows(admin.words(), label, &COLUMNS, sorted, &lines)
}

fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Queued => "outcome-queued",
        Outcome::Succeeded => "outcome-succeeded",
        Outcome::Deferred => "outcome-deferred",
        Outcome::Failed => "outcome-failed",
        Outcome::Blocked => "outcome-blocked",
        Outcome::Complained => "outcome-complained",
    }
}

fn row(admin: &Admin, one: &Event) -> Markup {
    let words = admin.words();
    let now = admin.app().clock.now();
    let failed = matches!(one.outcome, Outcome::Deferred | Outcome::Failed);
    html! {
        tr {
            td.time { (table::ago(words, one.at, now)) }
            td.main { (Shown(&one.address)) }
            td { (Shown(&one.subject)) }
            td {
                (words.say(outcome_word(one.outcome)))
                @if failed { br; span.soft { (words.say(reason_word(&one.class))) } }
            }
            td {
                details {
                    summary { (words.say("blocking-details")) }
                    dl.facts {
                        div { dt { (words.say("admin-from")) } dd { (Shown(&one.sender)) } }
                        div { dt { (words.say("blocking-return-path")) } dd { (Shown(&one.return_path)) } }
                        div { dt { "Message-ID" } dd { (Shown(&one.message_id)) } }
                        div { dt { (words.say("admin-answer")) } dd { (Shown(&one.response)) } }
                    }
                }
            }
        }
    }
}

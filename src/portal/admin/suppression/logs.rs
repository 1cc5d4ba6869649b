//! The error log and the delivery log, searched by address, period and reason.

use axum::extract::Path as Captured;
use axum::routing::get;
use maud::{Markup, html};

use super::super::table::{self, ROWS};
use super::lists::{download, reason_word};
use super::{Address, Admin, Asked, Place, Route, Trouble, record, server, tab};
use crate::account::Power;
use crate::clock::Timestamp;
use crate::portal::words::Shown;
use crate::suppression::event::{self, Event, Query};

/// Rows of one CSV.
const EXPORTED: usize = 500_000;

pub(super) fn routes() -> Vec<Route> {
    let id = Place::ID;
    vec![
        Route::page(&Place::Blocking(id, "errors"), Power::SeeAll, get(errors)),
        Route::page(&Place::Blocking(id, "deliveries"), Power::SeeAll, get(deliveries)),
        Route::page(&Place::Blocking(id, "errors.csv"), Power::Operate, get(errors_csv)),
        Route::page(&Place::Blocking(id, "deliveries.csv"), Power::Operate, get(deliveries_csv)),
    ]
}

async fn errors(
    admin: Admin,
    Captured(id): Captured<String>,
    asked: Asked,
) -> Result<Markup, Trouble> {
    show(&admin, &id, &asked, ("errors", "errors.csv")).await
}

async fn deliveries(
    admin: Admin,
    Captured(id): Captured<String>,
    asked: Asked,
) -> Result<Markup, Trouble> {
    show(&admin, &id, &asked, ("deliveries", "deliveries.csv")).await
}

async fn show(
    admin: &Admin,
    id: &str,
    asked: &Asked,
    (which, csv): (&'static str, &'static str),
) -> Result<Markup, Trouble> {
    let server = server(admin, id).await?;
    let words = admin.words();
    let part: String = asked.field("q").trim().chars().take(200).collect();
    let reason: String = asked.field("reason").chars().take(40).collect();
    let day = |name: &str| -> Option<Timestamp> {
        let text = asked.field(name);
        format!("{text}T00:00:00Z").parse().ok()
    };
    let (from, to) = (day("from"), day("to"));
    let query = Query {
        server: Some(server.id),
        part: part.clone(),
        reason: reason.clone(),
        from,
        to: to.map(|to| to + crate::clock::SignedDuration::from_hours(24)),
        errors_only: which == "errors",
        limit: ROWS,
        after: asked.after().unwrap_or_default(),
    };
    let (events, next) = event::search(admin.blocking().store(), &query).await?;
    let here = Address::new(Place::Blocking(id, which))
        .with("q", &part)
        .with("reason", &reason)
        .with("from", asked.field("from"))
        .with("to", asked.field("to"));
    let now = admin.app().clock.now();
    let body = html! {
        (table::search(words, &here, words.say("blocking-search"), &part))
        form.actions method="get" action=(Place::Blocking(id, which)) {
            (here.hidden("from"))
            label for="from" { (words.say("blocking-from")) } " "
            input #from type="date" name="from" value=(asked.field("from"));
            " " button.quiet type="submit" { (words.say("admin-search")) }
        }
        @if events.is_empty() { (table::empty(words.say("blocking-no-events"))) }
        @else {
            div.scroll tabindex="0" role="region" aria-label=(words.say("blocking-tab-errors")) {
                table.rows {
                    thead { tr {
                        th scope="col" { (words.say("admin-when")) }
                        th scope="col" { (words.say("admin-to")) }
                        th scope="col" { (words.say("admin-subject")) }
                        th scope="col" { (words.say("blocking-reason")) }
                        th scope="col" { (words.say("blocking-details")) }
                    } }
                    tbody { @for one in &events { (row(admin, one, now)) } }
                }
            }
        }
        (table::pager(words, &here, !query.after.is_empty(), next.as_deref()))
        @if admin.may(Power::Operate) { p { a href=(Place::Blocking(id, csv)) { (words.say("blocking-csv")) } } }
    };
    tab(admin, &server, which, None, body).await
}

fn row(admin: &Admin, one: &Event, now: Timestamp) -> Markup {
    let words = admin.words();
    let word = match one.outcome {
        event::Outcome::Succeeded => "outcome-succeeded",
        event::Outcome::Queued => "outcome-queued",
        event::Outcome::Blocked => "outcome-blocked",
        _ => reason_word(&one.class),
    };
    html! {
        tr {
            td.time { (table::ago(words, one.at, now)) }
            td.main { (Shown(&one.address)) }
            td { (Shown(&one.subject)) }
            td { (words.say(word)) }
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

async fn errors_csv(
    admin: Admin,
    Captured(id): Captured<String>,
) -> Result<axum::response::Response, Trouble> {
    csv_of(&admin, &id, true).await
}

async fn deliveries_csv(
    admin: Admin,
    Captured(id): Captured<String>,
) -> Result<axum::response::Response, Trouble> {
    csv_of(&admin, &id, false).await
}

async fn csv_of(
    admin: &Admin,
    id: &str,
    errors_only: bool,
) -> Result<axum::response::Response, Trouble> {
    let server = server(admin, id).await?;
    record(admin, "download-log", server.id, "").await?;
    let heads = [
        "date",
        "address",
        "outcome",
        "reason",
        "subject",
        "sender",
        "return path",
        "message id",
        "response",
    ];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    let mut query =
        Query { server: Some(server.id), errors_only, limit: EXPORTED, ..Query::default() };
    loop {
        let (page, after) = event::search(admin.blocking().store(), &query).await?;
        rows.extend(page.into_iter().map(|one| {
            let outcome = one.outcome.as_str().to_owned();
            vec![
                one.at.to_string(),
                one.address,
                outcome,
                one.class,
                one.subject,
                one.sender,
                one.return_path,
                one.message_id,
                one.response,
            ]
        }));
        match after {
            Some(after) if rows.len() < EXPORTED => query.after = after,
            _ => break,
        }
    }
    Ok(download(if errors_only { "errors.csv" } else { "deliveries.csv" }, &rows))
}

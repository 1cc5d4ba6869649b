//! Where the list cannot be browsed: one address, whole, what was not sent to
//! it because of the list, and cancelling that.

use axum::extract::Path as Captured;
use axum::routing::{get, post};
use maud::{Markup, html};

use super::super::table::{self, ROWS};
use super::lists::{reason_word, released};
use super::logs::rows;
use super::{Acted, Admin, Asked, Place, Route, Trouble, server, tab, wrong_word};
use crate::account::Power;
use crate::portal::part;
use crate::portal::words::Shown;
use crate::suppression::{Query, Server, csv};

pub(super) fn routes() -> Vec<Route> {
    let id = Place::ID;
    vec![
        Route::page(&Place::Blocking(id, "find"), Power::See, get(find)),
        Route::act(&Place::Blocking(id, "cancel"), Power::Decide, post(cancel)),
    ]
}

async fn find(
    admin: Admin,
    Captured(id): Captured<String>,
    asked: Asked,
) -> Result<Markup, Trouble> {
    let server = server(&admin, &id).await?;
    page(&admin, &server, asked.field("q"), None).await
}

async fn cancel(
    admin: Admin,
    Captured(id): Captured<String>,
    form: Acted,
) -> Result<Markup, Trouble> {
    let server = server(&admin, &id).await?;
    let notice = released(&admin, &server, &form).await?;
    page(&admin, &server, form.field("address"), Some(notice)).await
}

async fn page(
    admin: &Admin,
    server: &Server,
    typed: &str,
    notice: Option<Markup>,
) -> Result<Markup, Trouble> {
    let words = admin.words();
    let id = server.id.to_string();
    let typed: String = typed.trim().chars().take(320).collect();
    let here = super::Address::new(Place::Blocking(&id, "find"));
    let wanted = if typed.is_empty() { None } else { Some(csv::address(&typed)) };
    let found = match &wanted {
        Some(Ok(address)) => Some(answer(admin, server, address).await?),
        Some(Err(why)) => Some(
            html! { p.notice role="alert" { bdi { (Shown(&typed)) } ": " (words.say(wrong_word(why))) } },
        ),
        None => None,
    };
    let body = html! {
        p.soft { (words.say("blocking-find-help")) }
        (table::search(words, &here, words.say("blocking-find-label"), &typed))
        @if let Some(found) = found { (found) }
    };
    tab(admin, server, "find", notice, body).await
}

/// Whether it is blocked, and what was not sent to it.
async fn answer(
    admin: &Admin,
    server: &Server,
    address: &crate::mail::Address,
) -> Result<Markup, Trouble> {
    let words = admin.words();
    let list = admin.blocking();
    let query = Query {
        server: Some(server.id),
        part: address.canonical().to_string(),
        exact: true,
        reason: "blocked".to_owned(),
        limit: ROWS,
        ..Query::default()
    };
    let (events, _) = list.events(&query).await?;
    let blocked = list.covers_for(server.id, address).await?;
    let known = list.find(server.id, address).await?;
    let now = admin.app().clock.now();
    Ok(html! {
        h2 { (part::AddressShown(address)) }
        @if blocked {
            p {
                span class="state stop" { span aria-hidden="true" { "✕ " } (words.say("blocking-is-blocked")) }
                @if let Some(row) = &known {
                    " · " (words.say(reason_word(row.record.reason.as_str())))
                    " · " (table::ago(words, row.record.since, now))
                }
            }
            @if admin.may(Power::Decide) {
                form.actions method="post" action=(Place::Blocking(&server.id.to_string(), "cancel")) {
                    (admin.token_field())
                    input type="hidden" name="address" value=(address.to_string());
                    button type="submit" { (words.say("blocking-cancel-one")) }
                }
            }
        } @else {
            p { span class="state done" { span aria-hidden="true" { "✓ " } (words.say("blocking-is-free")) } }
        }
        h2 { (words.say("blocking-not-sent")) }
        @if events.is_empty() { (table::empty(words.say("blocking-no-events"))) }
        @else { (rows(admin, &events, "blocking-not-sent", None)) }
    })
}

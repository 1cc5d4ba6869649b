//! Delivery blocking: the servers at the left, and for each its lists, run
//! settings, logs and distributions.
//!
//! What is released here is released for every reader at once; every act is
//! written into the audit.

mod lists;
mod logs;
mod settings;
mod versions;

use axum::response::Redirect;
use axum::routing::get;
use maud::{Markup, html};

use super::table::Address;
use super::{Acted, Admin, Asked, Place, Route, Section, Sheet};
use crate::account::Power;
use crate::mail;
use crate::portal::error::Trouble;
use crate::suppression::{Refused, Server, ServerId, Suppression};

/// The tabs in their order: the word in the address, and its label.
const TABS: [(&str, &str); 6] = [
    ("blocked", "blocking-tab-blocked"),
    ("exemptions", "blocking-tab-exemptions"),
    ("settings", "blocking-tab-settings"),
    ("errors", "blocking-tab-errors"),
    ("deliveries", "blocking-tab-deliveries"),
    ("distribution", "blocking-tab-distribution"),
];

pub(super) fn routes() -> Vec<Route> {
    let mut all = vec![Route::page(&Place::BlockingHome, Power::SeeAll, get(home))];
    all.extend(lists::routes());
    all.extend(settings::routes());
    all.extend(logs::routes());
    all.extend(versions::routes());
    all
}

async fn home() -> Redirect {
    Redirect::to(&Place::Blocking("0", "blocked").to_string())
}

impl Admin {
    fn blocking(&self) -> &Suppression {
        &self.console().suppression
    }
}

/// The server that an address names.
async fn server(admin: &Admin, id: &str) -> Result<Server, Trouble> {
    let id: ServerId = id.parse().map_err(|_| Trouble::NotFound)?;
    let all = admin.blocking().servers().await?;
    all.into_iter().find(|server| server.id == id).ok_or(Trouble::NotFound)
}

/// A tab of one server: the servers and the tabs around its body.
async fn tab(
    admin: &Admin,
    server: &Server,
    tab: &'static str,
    notice: Option<Markup>,
    body: Markup,
) -> Result<Markup, Trouble> {
    let words = admin.words();
    let servers = admin.blocking().servers().await?;
    let id = server.id.to_string();
    let body = html! {
        @if servers.len() > 1 {
            nav.chips aria-label=(words.say("blocking-servers")) {
                @for one in &servers {
                    a href=(Place::Blocking(&one.id.to_string(), tab)) aria-current=[(one.id == server.id).then_some("true")] { (one.name) }
                }
            }
        }
        nav.chips aria-label=(words.say("admin-blocking")) {
            @for (word, label) in TABS {
                a href=(Place::Blocking(&id, word)) aria-current=[(word == tab).then_some("true")] { (words.say(label)) }
            }
        }
        (body)
    };
    let title = words.say("admin-blocking");
    Ok(admin.page(&Sheet { section: Section::Blocking, title, notice, body }))
}

/// What was not done, in a sentence of the list's own; faults are troubles.
fn refusal(refused: Refused) -> Result<Markup, Trouble> {
    match refused {
        Refused::Store(fault) => Err(fault.into()),
        other => Ok(html! { bdi { (other.to_string()) } }),
    }
}

/// The address of a form's field.
fn address(form: &Acted) -> Result<mail::Address, Refused> {
    let text = form.field("address");
    crate::suppression::csv::address(text).map_err(|why| Refused::File(format!("{text}: {why}")))
}

/// Records an act on a server's list.
async fn record(admin: &Admin, what: &str, server: ServerId, about: &str) -> Result<(), Trouble> {
    let entry = admin.entry(what).about("address", about).after(format!("server {server}"));
    Ok(admin.console().accounts.audit().note(entry).await?)
}

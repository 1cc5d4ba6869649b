//! The queue: what is on its way, how often it was tried, and what was said.
//! All of it by age, what waits by its next attempt, what failed by when it is
//! forgotten; from either end.

use axum::extract::Path as Captured;
use axum::response::Redirect;
use axum::routing::{get, post};
use maud::{Markup, html};
use uuid::Uuid;

use super::table::{self, Address, Column, Found, ROWS, Sorted};
use super::{Acted, Admin, Asked, Place, Route, Section, Sheet};
use crate::account::Power;
use crate::clock::Timestamp;
use crate::portal::error::Trouble;
use crate::portal::part;
use crate::portal::words::{Shown, Words};
use crate::queue::{Item, ItemState, Kind, Which};
use crate::store::{Batch, Toward};

pub(super) fn routes() -> Vec<Route> {
    let id = Place::ID;
    vec![
        Route::page(&Place::Queue, Power::SeeAll, get(list)),
        Route::act(&Place::Retry(id), Power::Operate, post(retry)),
        Route::act(&Place::GiveUp(id), Power::Operate, post(give_up)),
    ]
}

fn kind(words: &Words, kind: Kind) -> &str {
    words.say(match kind {
        Kind::Release => "item-release",
        Kind::Letter => "item-letter",
        Kind::Dsn => "item-dsn",
        Kind::Accepted => "item-accepted",
    })
}

fn state_mark(words: &Words, item: &Item) -> Markup {
    let failed = item.recipients.iter().any(|one| one.state == ItemState::Failed);
    let (kind, mark, word) = match (item.is_open(), failed) {
        (true, _) if item.claimed => ("move", "→", "item-claimed"),
        (true, _) => ("wait", "●", "item-waiting"),
        (false, true) => ("stop", "✕", "state-failed"),
        (false, false) => ("done", "✓", "state-delivered"),
    };
    html! { span class={ "state " (kind) } { span aria-hidden="true" { (mark) " " } (words.say(word)) } }
}

async fn list(admin: Admin, asked: Asked) -> Result<Markup, Trouble> {
    let words = admin.words();
    let which = Which::parse(asked.field("state")).unwrap_or_default();
    // What is oldest, or due soonest, stands on top.
    let orders = which.orders();
    let order = table::one_of(&orders, asked.field("sort"));
    let toward = if order == orders[0] { Toward::Last } else { Toward::First };
    let after = asked.after();
    let queue = &admin.console().queue;
    let page = queue.list(which, toward, after.as_deref().unwrap_or(&[]), ROWS).await?;
    let load = queue.load().await?;
    let address = Address::new(Place::Queue)
        .with("state", which.as_str())
        .with("sort", if order == orders[0] { "" } else { order });
    let sorted = Sorted { address: &address, order, usual: orders[0] };
    let rows = (!page.items.is_empty()).then(|| rows(&admin, which, sorted, &page.items));
    let found = Found {
        rows: rows.as_ref(),
        unreadable: &page.unreadable,
        paged: after.is_some(),
        next: page.next.as_deref(),
    };
    let chips = [
        (Which::All.as_str(), words.say("admin-all")),
        (Which::Waiting.as_str(), words.say("item-waiting")),
        (Which::Failed.as_str(), words.say("state-failed")),
    ];
    let lists = Address::new(Place::Queue);
    let body = html! {
        p.soft { (words.say("admin-waiting")) ": " strong { (load.open) } }
        (table::chips(words.say("admin-state"), &lists, "state", which.as_str(), &chips))
        (table::found(words, &address, "admin-queue-empty", &found))
    };
    let title = words.say("admin-queue");
    Ok(admin.page(&Sheet { section: Section::Queue, title, notice: None, body }))
}

/// Each list is sorted by its own time.
fn rows(admin: &Admin, which: Which, sorted: Sorted<'_>, items: &[Item]) -> Markup {
    let (since, time) = match which {
        Which::All => (Column::Time("admin-since"), Column::Text("admin-next-attempt")),
        Which::Waiting => (Column::Text("admin-since"), Column::Due("admin-next-attempt")),
        Which::Failed => (Column::Text("admin-since"), Column::Due("admin-kept-until")),
    };
    let columns = [
        since,
        Column::Text("admin-kind"),
        Column::Text("admin-to"),
        Column::Text("admin-state"),
        Column::Number("admin-attempts"),
        time,
        Column::Text("admin-answer"),
        Column::Unsaid("admin-actions"),
    ];
    let operates = admin.may(Power::Operate);
    let form = admin.token_field();
    let body =
        html! { @for item in items { (row(admin, which, item, operates.then_some(&form))) } };
    let columns = &columns[..7 + usize::from(operates)];
    table::sorted_rows(admin.words(), "admin-queue", columns, Some(sorted), &body)
}

/// `form`: the token of the forms of who may act.
fn row(admin: &Admin, which: Which, item: &Item, form: Option<&Markup>) -> Markup {
    let words = admin.words();
    let now = admin.app().clock.now();
    let id = item.id.to_string();
    let answer = item.recipients.iter().find_map(|one| one.reply.as_deref());
    html! {
        tr {
            td.time { (table::ago(words, item.created_at, now)) }
            td {
                @if item.kind == Kind::Release { a href=(Place::Held(&item.held.to_string())) { (kind(words, item.kind)) } }
                @else { (kind(words, item.kind)) }
            }
            td { @for one in item.recipients.iter().take(3) { (part::AddressShown(&one.address)) " " } }
            td { (state_mark(words, item)) }
            td.number { (item.attempts) }
            td.time { @if let Some(at) = shown_time(which, item) { (table::ago(words, at, now)) } }
            td.main { @if let Some(answer) = answer { (Shown(answer)) } }
            @if let Some(form) = form {
                td {
                    form method="post" action=(Place::Retry(&id)) {
                        (form)
                        button.quiet type="submit" { (words.say("admin-retry")) }
                        @if item.is_open() {
                            " " button.danger type="submit" formaction=(Place::GiveUp(&id)) { (words.say("admin-give-up")) }
                        }
                    }
                }
            }
        }
    }
}

/// The next attempt, or when a failed item is forgotten.
fn shown_time(which: Which, item: &Item) -> Option<Timestamp> {
    match which {
        Which::Failed => item.kept_until,
        _ => item.is_open().then_some(item.due_at),
    }
}

fn item_id(text: &str) -> Result<Uuid, Trouble> {
    text.parse().map_err(|_| Trouble::NotFound)
}

async fn retry(
    admin: Admin,
    Captured(id): Captured<String>,
    form: Acted,
) -> Result<Redirect, Trouble> {
    let id = item_id(&id)?;
    let entry = admin.entry("retry-item").about("item", &id.to_string());
    (admin.console().retry)(id, entry.why(form.field("why"))).await?;
    Ok(Redirect::to(&Place::Queue.to_string()))
}

async fn give_up(
    admin: Admin,
    Captured(id): Captured<String>,
    form: Acted,
) -> Result<Redirect, Trouble> {
    let id = item_id(&id)?;
    let audit = admin.console().accounts.audit();
    let also = |batch: &mut Batch| {
        let entry = admin.entry("give-up-item").about("item", &id.to_string());
        audit.record(batch, entry.why(form.field("why")));
    };
    admin.app().releases.give_up(id, &also).await?;
    Ok(Redirect::to(&Place::Queue.to_string()))
}

//! The queue: what is on its way, how often it was tried, and what was said.

use axum::extract::Path as Captured;
use axum::response::Redirect;
use axum::routing::{get, post};
use maud::{Markup, html};
use uuid::Uuid;

use super::table::{self, Address, Column, ROWS};
use super::{Acted, Admin, Asked, Place, Route, Section, Sheet};
use crate::account::Power;
use crate::portal::error::Trouble;
use crate::portal::part;
use crate::portal::words::{Shown, Words};
use crate::queue::{Item, ItemState, Kind};
use crate::store::Batch;

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
    let failed_only = asked.field("state") == "failed";
    let after = asked.after();
    let console = admin.console();
    let (items, next) = if failed_only {
        (console.queue.failed(ROWS).await?, None)
    } else {
        let rows = console.store.page::<Item>(after.as_deref().unwrap_or(&[]), ROWS + 1).await?;
        let mut items: Vec<Item> = rows.into_iter().map(|row| row.record).collect();
        let more = items.len() > ROWS;
        items.truncate(ROWS);
        let next = items.last().filter(|_| more).map(|item| item.id.as_bytes().to_vec());
        (items, next)
    };
    let load = console.queue.load().await?;
    let state = if failed_only { "failed" } else { "" };
    let address = Address::new(Place::Queue).with("state", state);
    let rows = (!items.is_empty()).then(|| rows(&admin, &items));
    let chips = [("", words.say("admin-all")), ("failed", words.say("state-failed"))];
    let body = html! {
        p.soft { (words.say("admin-waiting")) ": " strong { (load.open) } }
        (table::chips(words.say("admin-state"), &address, "state", state, &chips))
        (table::found(words, &address, rows.as_ref(), "admin-queue-empty", (after.is_some(), next.as_deref())))
    };
    let title = words.say("admin-queue");
    Ok(admin.page(&Sheet { section: Section::Queue, title, notice: None, body }))
}

fn rows(admin: &Admin, items: &[Item]) -> Markup {
    const COLUMNS: [Column; 8] = [
        Column::Text("admin-since"),
        Column::Text("admin-kind"),
        Column::Text("admin-to"),
        Column::Text("admin-state"),
        Column::Number("admin-attempts"),
        Column::Text("admin-next-attempt"),
        Column::Text("admin-answer"),
        Column::Unsaid("admin-actions"),
    ];
    let operates = admin.may(Power::Operate);
    let body = html! { @for item in items { (row(admin, item, operates)) } };
    table::rows(admin.words(), "admin-queue", &COLUMNS[..7 + usize::from(operates)], &body)
}

fn row(admin: &Admin, item: &Item, operates: bool) -> Markup {
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
            td.time { @if item.is_open() { (table::ago(words, item.due_at, now)) } }
            td.main { @if let Some(answer) = answer { (Shown(answer)) } }
            @if operates {
                td {
                    form method="post" action=(Place::Retry(&id)) {
                        (admin.token_field())
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

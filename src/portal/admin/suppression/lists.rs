//! The blocked list and the exemptions: searched by a part of the address,
//! changed one at a time.

use axum::extract::Path as Captured;
use axum::routing::{get, post};
use maud::{Markup, html};

use super::super::table::{self, Column, ROWS, Sorted};
use super::{
    Acted, Address, Admin, Asked, Place, Route, Trouble, address, browsed, refusal, tab, told,
};
use crate::account::Power;
use crate::clock::Timestamp;
use crate::portal::part;
use crate::portal::words::Shown;
use crate::store::arena::Order;
use crate::suppression::{Exemption, Refused, Server, Suppressed};

pub(super) fn routes() -> Vec<Route> {
    let id = Place::ID;
    vec![
        Route::page(&Place::Blocking(id, "blocked"), Power::See, get(blocked)),
        Route::page(&Place::Blocking(id, "exemptions"), Power::See, get(exemptions)),
        Route::act(&Place::Blocking(id, "add"), Power::Decide, post(add)),
        Route::act(&Place::Blocking(id, "release"), Power::Decide, post(release)),
        Route::act(&Place::Blocking(id, "unexempt"), Power::Decide, post(unexempt)),
    ]
}

async fn blocked(
    admin: Admin,
    Captured(id): Captured<String>,
    asked: Asked,
) -> Result<Markup, Trouble> {
    let server = browsed(&admin, &id).await?;
    show_blocked(&admin, &server, &asked, None).await
}

async fn exemptions(
    admin: Admin,
    Captured(id): Captured<String>,
    asked: Asked,
) -> Result<Markup, Trouble> {
    let server = browsed(&admin, &id).await?;
    show_exemptions(&admin, &server, &asked, None).await
}

/// One page of either list.
struct List<'a> {
    tab: &'static str,
    label: &'static str,
    empty: &'a str,
    /// The last one, of the acts, only for those who may.
    columns: &'static [Column],
    rows: Vec<Markup>,
    next: Option<Vec<u8>>,
    /// Between the search field and the rows.
    above: Markup,
    order: Order,
    /// The order that stands in no address.
    usual: Order,
}

async fn show(
    admin: &Admin,
    server: &Server,
    asked: &Asked,
    notice: Option<Markup>,
    list: &List<'_>,
) -> Result<Markup, Trouble> {
    let words = admin.words();
    let part = part_of(asked);
    let id = server.id.to_string();
    let here = Address::new(Place::Blocking(&id, list.tab)).with("q", &part);
    let (order, usual) = (list.order.as_str(), list.usual.as_str());
    let here = here.with("sort", if order == usual { "" } else { order });
    let acts = usize::from(!admin.may(Power::Decide));
    let columns = &list.columns[..list.columns.len() - acts];
    let sorted = Some(Sorted { address: &here, order, usual });
    let body = html! {
        (table::search(words, &here, words.say("blocking-search"), &part))
        (list.above)
        @if list.rows.is_empty() { (table::empty(list.empty)) }
        @else {
            (table::sorted_rows(words, list.label, columns, sorted, &html! { @for row in &list.rows { tr { (row) } } }))
        }
        (table::pager(words, &here, asked.after().is_some(), list.next.as_deref()))
        (super::downloads::link(admin, server, list.tab, &here).await?)
    };
    tab(admin, server, list.tab, notice, body).await
}

fn part_of(asked: &Asked) -> String {
    asked.field("q").trim().chars().take(200).collect()
}

/// The cell of a row with its one act.
fn act(admin: &Admin, server: &Server, what: &'static str, label: &str, address: &str) -> Markup {
    let class = if what == "unexempt" { "danger" } else { "quiet" };
    html! {
        @if admin.may(Power::Decide) {
            td { form method="post" action=(Place::Blocking(&server.id.to_string(), what)) {
                (admin.token_field())
                input type="hidden" name="address" value=(address);
                button class=(class) type="submit" { (admin.words().say(label)) }
            } }
        }
    }
}

async fn show_blocked(
    admin: &Admin,
    server: &Server,
    asked: &Asked,
    notice: Option<Markup>,
) -> Result<Markup, Trouble> {
    let words = admin.words();
    let now = admin.app().clock.now();
    let after = asked.after().unwrap_or_default();
    let after = String::from_utf8_lossy(&after);
    let backwards = table::order_of(asked.field("sort")) == Order::TextBackwards;
    let (part, page) = (part_of(asked), (ROWS + 1, backwards));
    let mut found = admin.blocking().search_in(server.id, &part, &after, page).await?;
    let more = found.len() > ROWS;
    found.truncate(ROWS);
    let row = |one: &Suppressed| {
        let address = one.address.to_string();
        html! {
            td.main { (part::AddressShown(&one.address)) }
            td { (words.say(reason_word(one.reason.as_str()))) }
            td.time { @if one.since > Timestamp::UNIX_EPOCH { (table::ago(words, one.since, now)) } }
            td.time { @if let Some(until) = one.until { (table::ago(words, until, now)) } @else { (words.say("blocking-for-ever")) } }
            (act(admin, server, "release", "blocking-release", &address))
        }
    };
    let last = found.last().filter(|_| more);
    let above = html! {
        p.soft { (words.say("blocking-count")) ": " strong { (admin.blocking().roll(server.id).len()) } }
        @if admin.may(Power::Decide) {
            form.actions method="post" action=(Place::Blocking(&server.id.to_string(), "add")) {
                (admin.token_field())
                label.hidden for="add" { (words.say("blocking-add-label")) }
                input #add type="email" name="address" required maxlength="320" placeholder=(words.say("blocking-add-label"));
                button.quiet type="submit" { (words.say("blocking-add")) }
            }
        }
    };
    let list = List {
        tab: "blocked",
        label: "blocking-tab-blocked",
        empty: words.say("blocking-none"),
        columns: &[
            Column::Name("admin-address"),
            Column::Text("blocking-reason"),
            Column::Text("blocking-stopped"),
            Column::Text("blocking-until"),
            Column::Unsaid("admin-actions"),
        ],
        rows: found.iter().map(row).collect(),
        next: last.map(|one| one.address.canonical().to_string().into_bytes()),
        above,
        order: if backwards { Order::TextBackwards } else { Order::Text },
        usual: Order::Text,
    };
    show(admin, server, asked, notice, &list).await
}

async fn show_exemptions(
    admin: &Admin,
    server: &Server,
    asked: &Asked,
    notice: Option<Markup>,
) -> Result<Markup, Trouble> {
    let words = admin.words();
    let now = admin.app().clock.now();
    let after = asked.after().unwrap_or_default();
    let part = part_of(asked);
    let order = table::order_of(asked.field("sort"));
    let (list, page) = (admin.blocking(), (&after[..], order));
    let (found, next) = list.exempt_addresses(server.id, &part, page, ROWS).await?;
    let row = |one: &Exemption| {
        let address = one.address.to_string();
        html! {
            td.main { (part::AddressShown(&one.address)) }
            td { (words.say(reason_word(one.reason.as_str()))) }
            td.time { (table::ago(words, one.at, now)) }
            td.number { (one.errors) }
            td.main { @if let Some(last) = &one.last_error { (Shown(last)) } }
            (act(admin, server, "unexempt", "blocking-delete", &address))
        }
    };
    let list = List {
        tab: "exemptions",
        label: "blocking-tab-exemptions",
        empty: words.say("blocking-no-exemptions"),
        columns: &[
            Column::Name("admin-address"),
            Column::Text("blocking-reason"),
            Column::Time("blocking-cancelled"),
            Column::Number("blocking-errors"),
            Column::Text("blocking-last-error"),
            Column::Unsaid("admin-actions"),
        ],
        rows: found.iter().map(row).collect(),
        next,
        above: html! {},
        order,
        usual: Order::default(),
    };
    show(admin, server, asked, notice, &list).await
}

/// The words for a reason, or for the class of a failure.
pub(super) fn reason_word(reason: &str) -> &'static str {
    match reason {
        "bounced" => "reason-bounced",
        "unknown_host" => "reason-unknown-host",
        "unknown_user" => "reason-unknown-user",
        "resend_timeout" => "reason-resend-timeout",
        "rejecting" => "reason-rejecting",
        "address_format" => "reason-address-format",
        "manual" => "reason-manual",
        "uploaded" => "reason-uploaded",
        "complaint" => "reason-complaint",
        "mailbox_full" => "reason-mailbox-full",
        "our_fault" => "reason-our-fault",
        "content" => "reason-content",
        "none" => "reason-none",
        _ => "reason-other",
    }
}

async fn add(admin: Admin, Captured(id): Captured<String>, form: Acted) -> Result<Markup, Trouble> {
    let server = browsed(&admin, &id).await?;
    let also = told(&admin, "block-address", &server, form.field("address"));
    let done = match address(&form) {
        Ok(address) => admin.blocking().add(server.id, &address, admin.does(&also)).await,
        Err(refused) => Err(refused),
    };
    let notice = said(&admin, &form, done, "blocking-added")?;
    show_blocked(&admin, &server, &Asked::default(), Some(notice)).await
}

async fn release(
    admin: Admin,
    Captured(id): Captured<String>,
    form: Acted,
) -> Result<Markup, Trouble> {
    let server = browsed(&admin, &id).await?;
    let notice = released(&admin, &server, &form).await?;
    show_blocked(&admin, &server, &Asked::default(), Some(notice)).await
}

/// Releases the form's address; what was done, or why not.
pub(super) async fn released(
    admin: &Admin,
    server: &Server,
    form: &Acted,
) -> Result<Markup, Trouble> {
    let also = told(admin, "release-address", server, form.field("address"));
    let done = match address(form) {
        Ok(address) => admin.blocking().release(server.id, &address, admin.does(&also)).await,
        Err(refused) => Err(refused),
    };
    said(admin, form, done, "blocking-released")
}

async fn unexempt(
    admin: Admin,
    Captured(id): Captured<String>,
    form: Acted,
) -> Result<Markup, Trouble> {
    let server = browsed(&admin, &id).await?;
    let also = told(&admin, "unexempt-address", &server, form.field("address"));
    let done = match address(&form) {
        Ok(address) => admin.blocking().unexempt(server.id, &address, admin.does(&also)).await,
        Err(refused) => Err(refused),
    };
    let notice = said(&admin, &form, done, "blocking-unexempted")?;
    show_exemptions(&admin, &server, &Asked::default(), Some(notice)).await
}

/// Says what was done; or why not.
fn said(
    admin: &Admin,
    form: &Acted,
    done: Result<(), Refused>,
    word: &str,
) -> Result<Markup, Trouble> {
    match done {
        Ok(()) => {
            Ok(html! { (admin.words().say(word)) " " bdi { (Shown(form.field("address"))) } })
        }
        Err(refused) => refusal(admin, refused),
    }
}

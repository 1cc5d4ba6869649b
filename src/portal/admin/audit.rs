//! The audit: every decision, by time from either end, searched and exported.
//!
//! A search stops after a moment and then offers to go on, so that no request
//! walks through years; an export is sent piece by piece. Its cells that a
//! spreadsheet would calculate are prefixed (C-01).

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use maud::{Markup, html};

use super::table::{self, Address, Column, ROWS, Sorted, TIME};
use super::{Admin, Asked, Place, Route, Section, Sheet};
use crate::account::audit::{Bounds, Found, Order};
use crate::account::{Entry, Power};
use crate::portal::error::Trouble;
use crate::portal::part;
use crate::portal::words::Shown;
use crate::store::Fault;
use crate::suppression::csv::cell;

/// One piece of an export.
const PIECE: Bounds = Bounds { limit: 1000, most: 20_000, time: Duration::from_millis(200) };

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::page(&Place::Audit, Power::SeeAll, get(list)),
        Route::page(&Place::AuditCsv, Power::SeeAll, get(export)),
    ]
}

async fn find(admin: &Admin, asked: &Asked, after: &[u8], bounds: Bounds) -> Result<Found, Fault> {
    let order = if order(asked) == TIME[1] { Order::Oldest } else { Order::Latest };
    let audit = admin.console().accounts.audit();
    audit.find(asked.field("q"), order, after, bounds).await
}

fn order(asked: &Asked) -> &'static str {
    table::one_of(&TIME, asked.field("sort"))
}

async fn list(admin: Admin, asked: Asked) -> Result<Markup, Trouble> {
    let words = admin.words();
    let text = asked.field("q").trim();
    let after = asked.after();
    let from = after.as_deref().unwrap_or(&[]);
    let found = find(&admin, &asked, from, Bounds::of_page(ROWS)).await?;
    let order = order(&asked);
    let sort = if order == TIME[0] { "" } else { order };
    let address = Address::new(Place::Audit).with("q", text).with("sort", sort);
    let sorted = Sorted { address: &address, order, usual: TIME[0] };
    let rows = (!found.entries.is_empty()).then(|| rows(&admin, Some(sorted), &found.entries));
    let page = table::Found {
        rows: rows.as_ref(),
        unreadable: &found.unreadable,
        paged: after.is_some(),
        next: found.next.as_deref(),
    };
    let body = html! {
        (table::search(words, &address, words.say("admin-search-audit"), text))
        p { a href=(address.at(Place::AuditCsv)) { (words.say("admin-export")) } }
        (table::found(words, &address, "admin-nothing-found", &page))
    };
    let title = words.say("admin-audit");
    Ok(admin.page(&Sheet { section: Section::Audit, title, notice: None, body }))
}

/// Entries as a table; the overview shows the last few.
pub(super) fn rows(admin: &Admin, sorted: Option<Sorted<'_>>, entries: &[Entry]) -> Markup {
    const COLUMNS: [Column; 6] = [
        Column::Time("admin-when"),
        Column::Text("admin-who"),
        Column::Text("admin-what"),
        Column::Text("admin-about"),
        Column::Text("admin-why"),
        Column::Text("admin-change"),
    ];
    let words = admin.words();
    let now = admin.app().clock.now();
    let body = html! {
        @for entry in entries {
            tr {
                td.time { (table::ago(words, entry.at, now)) }
                td { (Shown(&entry.who)) }
                td { code { (entry.what) } }
                td.main { span.soft { (entry.kind) } " " (Shown(&entry.about)) }
                td { (Shown(&entry.why)) }
                td {
                    (Shown(&entry.before))
                    @if !entry.before.is_empty() && !entry.after.is_empty() { " → " }
                    (Shown(&entry.after))
                }
            }
        }
    };
    table::sorted_rows(words, "admin-audit", &COLUMNS, sorted, &body)
}

async fn export(admin: Admin, asked: Asked) -> Response {
    let begun = (admin, asked, Some(Vec::new()));
    let pieces = futures_util::stream::try_unfold(begun, async |(admin, asked, after)| {
        let Some(after) = after else { return Ok(None) };
        let Found { entries, next, .. } = find(&admin, &asked, &after, PIECE).await?;
        let piece = lines(after.is_empty(), &entries)?;
        Ok::<_, Fault>(Some((piece, (admin, asked, next))))
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=audit.csv")),
    ];
    (headers, Body::from_stream(pieces)).into_response()
}

/// Entries as lines of a CSV file; below its heading, if they begin it.
fn lines(first: bool, entries: &[Entry]) -> Result<Vec<u8>, Fault> {
    let unwritten = |error: csv::Error| Fault::Unavailable(error.to_string());
    let mut writer = csv::Writer::from_writer(Vec::new());
    if first {
        let head = ["time", "who", "what", "kind", "about", "why", "before", "after", "client"];
        writer.write_record(head).map_err(unwritten)?;
    }
    for entry in entries {
        let client = entry.client.map(|one| one.to_string()).unwrap_or_default();
        let time = part::exact(entry.at);
        let cells = [
            &time,
            &entry.who,
            &entry.what,
            &entry.kind,
            &entry.about,
            &entry.why,
            &entry.before,
            &entry.after,
            &client,
        ];
        writer.write_record(cells.map(|one| cell(one))).map_err(unwritten)?;
    }
    writer.into_inner().map_err(|error| Fault::Unavailable(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c_01_no_cell_is_a_formula() {
        for text in ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\0=1", "＝1", "＋1", "－1", "＠x"]
        {
            assert!(cell(text).starts_with('\''), "{text:?}");
        }
        assert_eq!(cell("anna@example.fi"), "anna@example.fi");
        assert_eq!(cell(""), "");
        let written = lines(false, &[Entry::new("anna", "release").why("=1+1")]).unwrap();
        let written = String::from_utf8(written).unwrap();
        assert!(written.contains(",anna,release,,,'=1+1,,,\n"), "{written}");
    }
}

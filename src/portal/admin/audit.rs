//! The audit: every decision, by time from either end, searched and exported.
//!
//! A search looks at a bounded number of entries and then offers to go on, so
//! that no request walks through years. Cells of the export that a
//! spreadsheet would calculate are prefixed (C-01).

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use maud::{Markup, html};

use super::table::{self, Address, Column, ROWS, Sorted, TIME};
use super::{Admin, Asked, Place, Route, Section, Sheet};
use crate::account::audit::{Found, Order};
use crate::account::{Entry, Power};
use crate::portal::error::Trouble;
use crate::portal::part;
use crate::portal::words::Shown;

/// Entries that one search looks at.
const LOOKED_AT: usize = 5000;
/// Entries of one export.
const EXPORTED: usize = 100_000;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::page(&Place::Audit, Power::SeeAll, get(list)),
        Route::page(&Place::AuditCsv, Power::SeeAll, get(export)),
    ]
}

async fn find(
    admin: &Admin,
    asked: &Asked,
    after: Option<&[u8]>,
    bounds: (usize, usize),
) -> Result<Found, Trouble> {
    let order = if order(asked) == TIME[1] { Order::Oldest } else { Order::Latest };
    let audit = admin.console().accounts.audit();
    Ok(audit.find(asked.field("q"), order, after.unwrap_or(&[]), bounds).await?)
}

fn order(asked: &Asked) -> &'static str {
    table::one_of(&TIME, asked.field("sort"))
}

async fn list(admin: Admin, asked: Asked) -> Result<Markup, Trouble> {
    let words = admin.words();
    let text = asked.field("q").trim();
    let after = asked.after();
    let found = find(&admin, &asked, after.as_deref(), (ROWS, LOOKED_AT)).await?;
    let order = order(&asked);
    let sort = if order == TIME[0] { "" } else { order };
    let address = Address::new(Place::Audit).with("q", text).with("sort", sort);
    let sorted = Sorted { address: &address, order, usual: TIME[0] };
    let rows = (!found.entries.is_empty()).then(|| rows(&admin, Some(sorted), &found.entries));
    let body = html! {
        (table::search(words, &address, words.say("admin-search-audit"), text))
        p { a href=(address.at(Place::AuditCsv)) { (words.say("admin-export")) } }
        (table::found(words, &address, rows.as_ref(), "admin-nothing-found", (after.is_some(), found.next.as_deref())))
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

async fn export(admin: Admin, asked: Asked) -> Result<Response, Trouble> {
    let found = find(&admin, &asked, None, (EXPORTED, EXPORTED)).await?;
    let mut writer = csv::Writer::from_writer(Vec::new());
    let head = ["time", "who", "what", "kind", "about", "why", "before", "after", "client"];
    writer.write_record(head).map_err(|_| Trouble::Broken)?;
    for entry in &found.entries {
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
        writer.write_record(cells.map(|cell| harmless(cell))).map_err(|_| Trouble::Broken)?;
    }
    let bytes = writer.into_inner().map_err(|_| Trouble::Broken)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=audit.csv")),
    ];
    Ok((headers, bytes).into_response())
}

/// A cell that no spreadsheet takes for a formula (C-01).
pub(super) fn harmless(cell: &str) -> String {
    const FORMULAS: [char; 8] = ['=', '+', '-', '@', '\t', '\r', '\0', '＝'];
    if cell.starts_with(FORMULAS) { format!("'{cell}") } else { cell.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c_01_no_cell_is_a_formula() {
        for cell in ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\0=1", "＝1"] {
            assert!(harmless(cell).starts_with('\''), "{cell:?}");
        }
        assert_eq!(harmless("anna@example.fi"), "anna@example.fi");
        assert_eq!(harmless(""), "");
    }
}

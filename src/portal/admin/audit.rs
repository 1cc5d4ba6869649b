//! The audit: every decision, the latest first, searched and exported.
//!
//! A search looks at a bounded number of entries and then offers to go on, so
//! that no request walks through years. Cells of the export that a
//! spreadsheet would calculate are prefixed (C-01).

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use maud::{Markup, html};

use super::table::{self, Address, Column, ROWS};
use super::{Admin, Asked, Place, Route, Section, Sheet};
use crate::account::{Entry, Power};
use crate::portal::error::Trouble;
use crate::portal::part;
use crate::portal::words::Shown;

/// Entries that one search looks at.
const LOOKED_AT: usize = 5000;
/// Entries of one export.
const EXPORTED: usize = 100_000;
const STEP: usize = 500;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::page(&Place::Audit, Power::SeeAll, get(list)),
        Route::page(&Place::AuditCsv, Power::SeeAll, get(export)),
    ]
}

/// Found entries, and where to go on.
struct Found {
    entries: Vec<Entry>,
    next: Option<Vec<u8>>,
}

async fn find(
    admin: &Admin,
    text: &str,
    after: Option<Vec<u8>>,
    (limit, most): (usize, usize),
) -> Result<Found, Trouble> {
    let audit = admin.console().accounts.audit();
    let needle = text.trim().to_lowercase();
    let mut cursor = after.unwrap_or_default();
    let mut entries = Vec::new();
    let mut looked_at = 0;
    loop {
        let page = audit.page(&cursor, STEP).await?;
        let last = page.len() < STEP;
        looked_at += page.len();
        for entry in page {
            if entries.len() == limit {
                return Ok(Found { entries, next: Some(cursor) });
            }
            cursor = entry.cursor();
            if needle.is_empty() || entry.contains(&needle) {
                entries.push(entry);
            }
        }
        if last {
            return Ok(Found { entries, next: None });
        }
        if looked_at >= most {
            return Ok(Found { entries, next: Some(cursor) });
        }
    }
}

async fn list(admin: Admin, asked: Asked) -> Result<Markup, Trouble> {
    let words = admin.words();
    let text = asked.field("q").trim();
    let after = asked.after();
    let paged = after.is_some();
    let found = find(&admin, text, after, (ROWS, LOOKED_AT)).await?;
    let address = Address::new(Place::Audit).with("q", text);
    let rows = (!found.entries.is_empty()).then(|| rows(&admin, &found.entries));
    let body = html! {
        (table::search(words, &address, words.say("admin-search-audit"), text))
        p { a href=(Address::new(Place::AuditCsv).with("q", text)) { (words.say("admin-export")) } }
        (table::found(words, &address, rows.as_ref(), "admin-nothing-found", (paged, found.next.as_deref())))
    };
    let title = words.say("admin-audit");
    Ok(admin.page(&Sheet { section: Section::Audit, title, notice: None, body }))
}

/// Entries as a table; the overview shows the last few.
pub(super) fn rows(admin: &Admin, entries: &[Entry]) -> Markup {
    const COLUMNS: [Column; 6] = [
        Column::Text("admin-when"),
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
    table::rows(words, "admin-audit", &COLUMNS, &body)
}

async fn export(admin: Admin, asked: Asked) -> Result<Response, Trouble> {
    let found = find(&admin, asked.field("q"), None, (EXPORTED, EXPORTED)).await?;
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

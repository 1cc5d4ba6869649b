//! The blocked list and the exemptions: searched by a part of the address,
//! changed one at a time, taken home as CSV.

use axum::extract::Path as Captured;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use maud::{Markup, html};

use super::super::table::{self, ROWS};
use super::{
    Acted, Address, Admin, Asked, Place, Route, Trouble, address, record, refusal, server, tab,
};
use crate::account::Power;
use crate::clock::Timestamp;
use crate::portal::part;
use crate::portal::words::Shown;
use crate::suppression::{Refused, Server, csv};

/// Rows of one CSV.
const EXPORTED: usize = 1_000_000;

pub(super) fn routes() -> Vec<Route> {
    let id = Place::ID;
    vec![
        Route::page(&Place::Blocking(id, "blocked"), Power::SeeAll, get(blocked)),
        Route::page(&Place::Blocking(id, "exemptions"), Power::SeeAll, get(exemptions)),
        Route::page(&Place::Blocking(id, "blocked.csv"), Power::Operate, get(blocked_csv)),
        Route::page(&Place::Blocking(id, "exemptions.csv"), Power::Operate, get(exemptions_csv)),
        Route::act(&Place::Blocking(id, "add"), Power::Operate, post(add)),
        Route::act(&Place::Blocking(id, "release"), Power::Operate, post(release)),
        Route::act(&Place::Blocking(id, "unexempt"), Power::Operate, post(unexempt)),
    ]
}

async fn blocked(
    admin: Admin,
    Captured(id): Captured<String>,
    asked: Asked,
) -> Result<Markup, Trouble> {
    let server = server(&admin, &id).await?;
    show_blocked(&admin, &server, &asked, None).await
}

async fn show_blocked(
    admin: &Admin,
    server: &Server,
    asked: &Asked,
    notice: Option<Markup>,
) -> Result<Markup, Trouble> {
    let words = admin.words();
    let id = server.id.to_string();
    let part: String = asked.field("q").trim().chars().take(200).collect();
    let cursor = asked.after().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let after = cursor.clone().unwrap_or_default();
    let mut found = admin.blocking().search(server.id, &part, &after, ROWS + 1).await?;
    let more = found.len() > ROWS;
    found.truncate(ROWS);
    let next = found.last().filter(|_| more).map(|one| one.address.canonical().to_string());
    let here = Address::new(Place::Blocking(&id, "blocked")).with("q", &part);
    let now = admin.app().clock.now();
    let body = html! {
        p.soft { (words.say("blocking-count")) ": " strong { (admin.blocking().roll(server.id).len()) } }
        (table::search(words, &here, words.say("blocking-search"), &part))
        @if admin.may(Power::Operate) {
            form.actions method="post" action=(Place::Blocking(&id, "add")) {
                (admin.token_field())
                label.hidden for="add" { (words.say("blocking-add-label")) }
                input #add type="email" name="address" required maxlength="320" placeholder=(words.say("blocking-add-label"));
                button.quiet type="submit" { (words.say("blocking-add")) }
            }
        }
        @if found.is_empty() { (table::empty(words.say("blocking-none"))) }
        @else {
            div.scroll tabindex="0" role="region" aria-label=(words.say("blocking-tab-blocked")) {
                table.rows {
                    thead { tr {
                        th scope="col" { (words.say("admin-address")) }
                        th scope="col" { (words.say("blocking-reason")) }
                        th scope="col" { (words.say("blocking-stopped")) }
                        th scope="col" { (words.say("blocking-until")) }
                        @if admin.may(Power::Operate) { th scope="col" { span.hidden { (words.say("admin-actions")) } } }
                    } }
                    tbody {
                        @for one in &found {
                            tr {
                                td.main { (part::AddressShown(&one.address)) }
                                td { (words.say(reason_word(one.reason.as_str()))) }
                                td.time { @if one.since > Timestamp::UNIX_EPOCH { (table::ago(words, one.since, now)) } }
                                td.time { @if let Some(until) = one.until { (table::ago(words, until, now)) } @else { (words.say("blocking-for-ever")) } }
                                @if admin.may(Power::Operate) {
                                    td { form method="post" action=(Place::Blocking(&id, "release")) {
                                        (admin.token_field())
                                        input type="hidden" name="address" value=(one.address.to_string());
                                        button.quiet type="submit" { (words.say("blocking-release")) }
                                    } }
                                }
                            }
                        }
                    }
                }
            }
        }
        (table::pager(words, &here, cursor.is_some(), next.as_deref().map(str::as_bytes)))
        @if admin.may(Power::Operate) { p { a href=(Place::Blocking(&id, "blocked.csv")) { (words.say("blocking-csv")) } } }
    };
    tab(admin, server, "blocked", notice, body).await
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
    let server = server(&admin, &id).await?;
    let done = match address(&form) {
        Ok(address) => admin.blocking().add(server.id, &address).await,
        Err(refused) => Err(refused),
    };
    finish(&admin, &server, "block-address", &form, done, "blocking-added").await
}

async fn release(
    admin: Admin,
    Captured(id): Captured<String>,
    form: Acted,
) -> Result<Markup, Trouble> {
    let server = server(&admin, &id).await?;
    let by = admin.account.login.as_str();
    let done = match address(&form) {
        Ok(address) => admin.blocking().release(server.id, &address, by).await,
        Err(refused) => Err(refused),
    };
    finish(&admin, &server, "release-address", &form, done, "blocking-released").await
}

/// The list again, with what was done or why not above it.
async fn finish(
    admin: &Admin,
    server: &Server,
    what: &str,
    form: &Acted,
    done: Result<(), Refused>,
    word: &str,
) -> Result<Markup, Trouble> {
    let typed = form.field("address");
    let notice = match done {
        Ok(()) => {
            record(admin, what, server.id, typed).await?;
            html! { (admin.words().say(word)) " " bdi { (Shown(typed)) } }
        }
        Err(refused) => refusal(refused)?,
    };
    show_blocked(admin, server, &Asked::default(), Some(notice)).await
}

async fn exemptions(
    admin: Admin,
    Captured(id): Captured<String>,
    asked: Asked,
) -> Result<Markup, Trouble> {
    let server = server(&admin, &id).await?;
    show_exemptions(&admin, &server, &asked, None).await
}

async fn show_exemptions(
    admin: &Admin,
    server: &Server,
    asked: &Asked,
    notice: Option<Markup>,
) -> Result<Markup, Trouble> {
    let words = admin.words();
    let id = server.id.to_string();
    let part: String = asked.field("q").trim().chars().take(200).collect();
    let found = admin.blocking().exemptions(server.id, &part, 500).await?;
    let here = Address::new(Place::Blocking(&id, "exemptions")).with("q", &part);
    let now = admin.app().clock.now();
    let body = html! {
        (table::search(words, &here, words.say("blocking-search"), &part))
        @if found.is_empty() { (table::empty(words.say("blocking-no-exemptions"))) }
        @else {
            div.scroll tabindex="0" role="region" aria-label=(words.say("blocking-tab-exemptions")) {
                table.rows {
                    thead { tr {
                        th scope="col" { (words.say("admin-address")) }
                        th scope="col" { (words.say("blocking-reason")) }
                        th scope="col" { (words.say("blocking-cancelled")) }
                        th.number scope="col" { (words.say("blocking-errors")) }
                        th scope="col" { (words.say("blocking-last-error")) }
                        @if admin.may(Power::Operate) { th scope="col" { span.hidden { (words.say("admin-actions")) } } }
                    } }
                    tbody {
                        @for one in &found {
                            tr {
                                td.main { (part::AddressShown(&one.address)) }
                                td { (words.say(reason_word(one.reason.as_str()))) }
                                td.time { (table::ago(words, one.at, now)) }
                                td.number { (one.errors) }
                                td.main { @if let Some(last) = &one.last_error { (Shown(last)) } }
                                @if admin.may(Power::Operate) {
                                    td { form method="post" action=(Place::Blocking(&id, "unexempt")) {
                                        (admin.token_field())
                                        input type="hidden" name="address" value=(one.address.to_string());
                                        button.danger type="submit" { (words.say("blocking-delete")) }
                                    } }
                                }
                            }
                        }
                    }
                }
            }
        }
        @if admin.may(Power::Operate) { p { a href=(Place::Blocking(&id, "exemptions.csv")) { (words.say("blocking-csv")) } } }
    };
    tab(admin, server, "exemptions", notice, body).await
}

async fn unexempt(
    admin: Admin,
    Captured(id): Captured<String>,
    form: Acted,
) -> Result<Markup, Trouble> {
    let server = server(&admin, &id).await?;
    let done = match address(&form) {
        Ok(address) => admin.blocking().unexempt(server.id, &address).await,
        Err(refused) => Err(refused),
    };
    let typed = form.field("address");
    let notice = match done {
        Ok(()) => {
            record(&admin, "unexempt-address", server.id, typed).await?;
            html! { (admin.words().say("blocking-unexempted")) " " bdi { (Shown(typed)) } }
        }
        Err(refused) => refusal(refused)?,
    };
    show_exemptions(&admin, &server, &Asked::default(), Some(notice)).await
}

async fn blocked_csv(admin: Admin, Captured(id): Captured<String>) -> Result<Response, Trouble> {
    let server = server(&admin, &id).await?;
    record(&admin, "download-blocked", server.id, "").await?;
    let mut rows = vec![["address", "reason", "since", "until"].map(str::to_owned).to_vec()];
    let mut after = String::new();
    while rows.len() < EXPORTED {
        let page = admin.blocking().search(server.id, "", &after, 5000).await?;
        let Some(last) = page.last() else { break };
        after = last.address.canonical().to_string();
        rows.extend(page.iter().map(|one| {
            let until = one.until.map(|at| at.to_string()).unwrap_or_default();
            let (reason, since) = (one.reason.as_str().to_owned(), one.since.to_string());
            vec![one.address.to_string(), reason, since, until]
        }));
    }
    Ok(download("blocked.csv", &rows))
}

async fn exemptions_csv(admin: Admin, Captured(id): Captured<String>) -> Result<Response, Trouble> {
    let server = server(&admin, &id).await?;
    record(&admin, "download-exemptions", server.id, "").await?;
    let heads = ["address", "reason", "at", "by", "errors", "last error"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    for one in admin.blocking().exemptions(server.id, "", EXPORTED).await? {
        let last = one.last_error.unwrap_or_default();
        let (reason, at) = (one.reason.as_str().to_owned(), one.at.to_string());
        rows.push(vec![one.address.to_string(), reason, at, one.by, one.errors.to_string(), last]);
    }
    Ok(download("exemptions.csv", &rows))
}

/// A CSV file to keep (ATTACKS C-01).
pub(super) fn download(name: &'static str, rows: &[Vec<String>]) -> Response {
    let bytes = csv::write(rows.iter().map(|row| row.iter().map(String::as_str).collect()));
    let kind = HeaderValue::from_static("text/csv; charset=utf-8");
    let how = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""));
    let how = how.unwrap_or(HeaderValue::from_static("attachment"));
    ([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, how)], bytes).into_response()
}

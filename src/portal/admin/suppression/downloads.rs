//! Taking lists and logs home as CSV: a right of the organisation, off until
//! an operator has granted it; the inquiry for it, and its decision.
//!
//! Operators have it by their role. Each file is sent piece by piece.

use axum::body::Body;
use axum::extract::Path as Captured;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};

use super::super::table::{self, Column};
use super::logs::query;
use super::{
    Acted, Address, Admin, Asked, Place, Route, Trouble, browsed, entry, record, refusal, server,
    tab,
};
use crate::account::{Power, Role};
use crate::directory::OrganisationId;
use crate::portal::words::Shown;
use crate::store::{Batch, Fault};
use crate::suppression::export::{Export, What};
use crate::suppression::{Inquiry, InquiryState, Query, Server, Suppression};

/// The file, the address that it is fetched from, and its label.
const FILES: [(What, &str, &str); 4] = [
    (What::Blocked, "blocked.csv", "blocking-tab-blocked"),
    (What::Exemptions, "exemptions.csv", "blocking-tab-exemptions"),
    (What::Errors, "errors.csv", "blocking-tab-errors"),
    (What::Deliveries, "deliveries.csv", "blocking-tab-deliveries"),
];

pub(super) fn routes() -> Vec<Route> {
    let id = Place::ID;
    let mut all = vec![
        Route::page(&Place::Blocking(id, "downloads"), Power::See, get(show)),
        Route::act(&Place::Blocking(id, "inquire"), Power::Decide, post(inquire)),
        Route::act(&Place::Blocking(id, "decide-inquiry"), Power::Operate, post(decide)),
    ];
    all.extend(FILES.map(|(what, place, _)| {
        let file = async move |admin: Admin, Captured(id): Captured<String>, asked: Asked| {
            csv(&admin, &id, what, query(&asked)).await
        };
        Route::page(&Place::Blocking(id, place), Power::See, get(file))
    }));
    all
}

const INQUIRY_COLUMNS: [Column; 6] = [
    Column::Text("admin-organisation"),
    Column::Text("admin-when"),
    Column::Text("blocking-by"),
    Column::Text("blocking-inquiry-why"),
    Column::Text("admin-state"),
    Column::Unsaid("admin-actions"),
];

/// Whether this role may download a server's lists and logs.
///
/// # Errors
/// [`Fault`] if the store cannot read.
pub(in crate::portal) async fn may_download(
    list: &Suppression,
    role: &Role,
    server: &Server,
) -> Result<bool, Fault> {
    match (role.may(Power::Operate), role.may(Power::Decide), &server.organisation) {
        (true, ..) => Ok(true),
        (_, true, Some(organisation)) => list.may_download(organisation).await,
        _ => Ok(false),
    }
}

/// The link to what a search found as CSV, for those who have the right.
pub(super) async fn link(
    admin: &Admin,
    server: &Server,
    tab: &str,
    here: &Address<'_>,
) -> Result<Markup, Trouble> {
    let words = admin.words();
    let file = FILES.into_iter().find(|(what, ..)| what.as_str() == tab);
    let may = may_download(admin.blocking(), &admin.account.role, server).await?;
    let id = server.id.to_string();
    Ok(html! {
        @if let (Some((_, place, _)), true) = (file, may) {
            p { a href=(here.at(Place::Blocking(&id, place))) { (words.say("blocking-csv")) } }
        }
    })
}

async fn csv(admin: &Admin, id: &str, what: What, query: Query) -> Result<Response, Trouble> {
    let server = match what {
        What::Blocked | What::Exemptions => browsed(admin, id).await?,
        What::Errors | What::Deliveries => server(admin, id).await?,
    };
    if !may_download(admin.blocking(), &admin.account.role, &server).await? {
        admin.refused(&format!("download {}", what.as_str())).await?;
        return Err(Trouble::NoDownload);
    }
    record(admin, "download", &server, what.as_str()).await?;
    let export = Export::new(admin.blocking(), server.id, what, query);
    Ok(attachment(export, what))
}

/// A CSV file to keep (ATTACKS C-01), piece by piece.
pub(in crate::portal) fn attachment(export: Export, what: What) -> Response {
    let pieces = futures_util::stream::try_unfold(export, async |mut export| {
        Ok::<_, Fault>(export.next().await?.map(|piece| (piece, export)))
    });
    let name = format!("attachment; filename=\"{}.csv\"", what.as_str());
    let kind = HeaderValue::from_static("text/csv; charset=utf-8");
    let how = HeaderValue::from_str(&name).unwrap_or(HeaderValue::from_static("attachment"));
    let heads = [(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, how)];
    (heads, Body::from_stream(pieces)).into_response()
}

async fn show(admin: Admin, Captured(id): Captured<String>) -> Result<Markup, Trouble> {
    let server = server(&admin, &id).await?;
    page(&admin, &server, None).await
}

async fn page(admin: &Admin, server: &Server, notice: Option<Markup>) -> Result<Markup, Trouble> {
    let words = admin.words();
    let list = admin.blocking();
    let id = server.id.to_string();
    let may = may_download(list, &admin.account.role, server).await?;
    let files = FILES.into_iter().filter(|(what, ..)| {
        !server.settings.fixed || matches!(what, What::Errors | What::Deliveries)
    });
    let mine = match &server.organisation {
        Some(organisation) => list.inquiry(organisation).await?,
        None => None,
    };
    let body = html! {
        @if may {
            p.soft { (words.say("blocking-downloads-help")) }
            ul.plain { @for (_, place, label) in files {
                li { a href=(Place::Blocking(&id, place)) { (words.say(label)) " (CSV)" } }
            } }
        } @else if admin.may(Power::Decide) {
            (form(admin, server, mine.as_ref()))
        } @else {
            p { (words.say("no-download-text")) }
        }
        @if admin.may(Power::Operate) { (decisions(admin, server, &list.inquiries().await?)) }
    };
    tab(admin, server, "downloads", notice, body).await
}

/// What an administrator without the right sees.
fn form(admin: &Admin, server: &Server, mine: Option<&Inquiry>) -> Markup {
    let words = admin.words();
    let now = admin.app().clock.now();
    html! {
        p { (words.say("no-download-text")) }
        @if let Some(mine) = mine {
            p role="status" {
                (state(admin, mine.state)) " · " (table::ago(words, mine.decided_at.unwrap_or(mine.at), now))
            }
        }
        h2 { (words.say("blocking-inquiry")) }
        form.narrow method="post" action=(Place::Blocking(&server.id.to_string(), "inquire")) {
            (admin.token_field())
            label for="why" { (words.say("blocking-inquiry-why")) }
            textarea #why name="why" required maxlength="1000" {}
            button type="submit" { (words.say("blocking-inquire")) }
        }
    }
}

fn state(admin: &Admin, state: InquiryState) -> Markup {
    let (class, mark, word) = match state {
        InquiryState::Open => ("wait", "… ", "inquiry-open"),
        InquiryState::Granted => ("done", "✓ ", "inquiry-granted"),
        InquiryState::Refused => ("stop", "✕ ", "inquiry-refused"),
    };
    html! { span class={ "state " (class) } { span aria-hidden="true" { (mark) } (admin.words().say(word)) } }
}

/// What an operator decides: an organisation's downloads, all at once.
fn decisions(admin: &Admin, server: &Server, all: &[Inquiry]) -> Markup {
    let words = admin.words();
    let now = admin.app().clock.now();
    let button = |one: &Inquiry, grant: &str, class: &str, label: &str| {
        html! {
            form method="post" action=(Place::Blocking(&server.id.to_string(), "decide-inquiry")) {
                (admin.token_field())
                input type="hidden" name="organisation" value=(one.organisation.as_str());
                button class=(class) type="submit" name="grant" value=(grant) { (words.say(label)) }
            }
        }
    };
    let rows = html! {
        @for one in all { tr {
            td { (one.organisation.as_str()) }
            td.time { (table::ago(words, one.at, now)) }
            td { (Shown(&one.by)) }
            td.main { (Shown(&one.why)) }
            td { (state(admin, one.state)) }
            td {
                @if one.state != InquiryState::Granted { (button(one, "yes", "", "blocking-grant")) }
                @if one.state != InquiryState::Refused { (button(one, "no", "danger", "blocking-deny")) }
            }
        } }
    };
    html! {
        h2 { (words.say("blocking-inquiries")) }
        @if all.is_empty() { (table::empty(words.say("blocking-no-inquiries"))) }
        @else { (table::rows(words, "blocking-inquiries", &INQUIRY_COLUMNS, &rows)) }
    }
}

async fn inquire(
    admin: Admin,
    Captured(id): Captured<String>,
    form: Acted,
) -> Result<Response, Trouble> {
    let server = server(&admin, &id).await?;
    let organisation = server.organisation.clone().ok_or(Trouble::NotFound)?;
    let why = form.field("why").trim();
    if why.is_empty() {
        let notice = html! { (admin.words().say("admin-reason-needed")) };
        return Ok(page(&admin, &server, Some(notice)).await?.into_response());
    }
    let told = entry(&admin, "ask-for-downloads", &server, organisation.as_str()).why(why);
    let audit = admin.console().accounts.audit();
    let also = |batch: &mut Batch| audit.record(batch, told.clone());
    let by = admin.account.login.as_str();
    match admin.blocking().inquire(&organisation, by, why, &also).await {
        Ok(()) => Ok(back(&id)),
        Err(refused) => {
            Ok(page(&admin, &server, Some(refusal(&admin, refused)?)).await?.into_response())
        }
    }
}

async fn decide(
    admin: Admin,
    Captured(id): Captured<String>,
    form: Acted,
) -> Result<Response, Trouble> {
    let server = server(&admin, &id).await?;
    let organisation = OrganisationId::new(form.field("organisation")).ok_or(Trouble::BadForm)?;
    let grant = match form.field("grant") {
        "yes" => true,
        "no" => false,
        _ => return Err(Trouble::BadForm),
    };
    let what = if grant { "grant-downloads" } else { "refuse-downloads" };
    let told = admin.entry(what).about("organisation", organisation.as_str());
    let told = told.of(vec![organisation.clone()]);
    let audit = admin.console().accounts.audit();
    let also = |batch: &mut Batch| audit.record(batch, told.clone());
    let by = admin.account.login.as_str();
    match admin.blocking().decide_inquiry(&organisation, grant, by, &also).await {
        Ok(()) => Ok(back(&id)),
        Err(refused) => {
            Ok(page(&admin, &server, Some(refusal(&admin, refused)?)).await?.into_response())
        }
    }
}

fn back(id: &str) -> Response {
    Redirect::to(&Place::Blocking(id, "downloads").to_string()).into_response()
}

//! Uploading a list: the file goes to disk as it comes, is read there, and
//! waits for somebody to register it.
//!
//! The work goes on when the window is closed; this page shows how far it is.
//! The form's token stands before the file, so that nothing of another site's
//! is ever spooled.

use std::io::Write;
use std::sync::Arc;

use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Path as Captured, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use maud::{Markup, html};
use uuid::Uuid;

use super::super::table::{self, Column};
use super::{
    Acted, Admin, Place, Route, Trouble, browsed, refusal, tab, told, why_not, wrong_word,
};
use crate::account::Power;
use crate::portal::form::cross_site;
use crate::portal::words::Shown;
use crate::suppression::record::{Import, ImportState};
use crate::suppression::upload::{Job, MOST_BYTES, Stage};
use crate::suppression::{Preview, Refused, Server, Suppression, Upload};

/// Bytes of a field beside the file.
const FIELD: usize = 4096;
/// Bytes of the form around its file.
const AROUND: u64 = 64 << 10;
/// Invalid rows that are shown at once.
const SHOWN: usize = 200;
/// Earlier uploads that are shown.
const EARLIER: usize = 20;

pub(super) fn routes() -> Vec<Route> {
    let id = Place::ID;
    let limit = DefaultBodyLimit::max(usize::try_from(MOST_BYTES + AROUND).unwrap_or(usize::MAX));
    let upload = Place::Blocking(id, "upload");
    vec![
        Route {
            path: upload.to_string(),
            get: Some(Power::Decide),
            post: Some(Power::Decide),
            to: get(show).post(take).layer(limit),
        },
        Route::act(&Place::Blocking(id, "register"), Power::Decide, post(register)),
        Route::act(&Place::Blocking(id, "drop"), Power::Decide, post(discard)),
    ]
}

async fn show(admin: Admin, Captured(id): Captured<String>) -> Result<Markup, Trouble> {
    let server = browsed(&admin, &id).await?;
    page(&admin, &server, None).await
}

async fn page(admin: &Admin, server: &Server, notice: Option<Markup>) -> Result<Markup, Trouble> {
    let words = admin.words();
    let jobs = admin.blocking().open_uploads(server.id);
    let mut earlier = admin.blocking().imports(server.id).await?;
    earlier.reverse();
    let moving = jobs.iter().any(|job| job.stage().is_moving());
    let body = html! {
        form.narrow method="post" action=(Place::Blocking(&server.id.to_string(), "upload")) enctype="multipart/form-data" {
            (admin.token_field())
            p {
                label for="column" { (words.say("upload-column")) }
                input #column type="text" name="column" maxlength="200" autocomplete="off" aria-describedby="column-help";
            }
            p.help #column-help { (words.say("upload-column-help")) }
            p {
                label for="file" { (words.say("upload-file")) }
                input #file type="file" name="file" required accept=".csv,.tsv,.txt,text/csv,text/plain";
            }
            p.help { (words.say("upload-help")) }
            button type="submit" { (words.say("upload-send")) }
        }
        @if !jobs.is_empty() {
            div data-refresh=[moving.then_some(2)] {
                @for job in &jobs { (shown(admin, server, job)) }
            }
        }
        @if !earlier.is_empty() { (history(admin, &earlier)) }
    };
    tab(admin, server, "upload", notice, body).await
}

/// One upload and what may be done with it.
fn shown(admin: &Admin, server: &Server, job: &Job) -> Markup {
    let words = admin.words();
    let now = admin.app().clock.now();
    let stage = job.stage();
    let word = match stage {
        Stage::Reading => "upload-reading",
        Stage::Checked(_) => "upload-checked",
        Stage::Registering(_) => "upload-registering",
        Stage::Registered(_) => "upload-registered",
        Stage::Refused(_) => "upload-refused",
        Stage::Dropped => "upload-dropped",
    };
    html! {
        section.job aria-label=(job.upload.file) {
            h2 { bdi { (Shown(&job.upload.file)) } }
            p role="status" {
                strong { (words.say(word)) } " · " (Shown(&job.upload.by)) " · " (table::ago(words, job.at, now))
            }
            @if stage.is_moving() {
                progress max=(job.bytes) value=(job.read()) aria-label=(words.say(word)) {}
                p.soft { (words.say("admin-goes-on")) }
            }
            @if let Stage::Refused(why) = &stage { p.notice { (why_not(admin, why)) } }
            @if let Some(found) = stage.preview() { (counts(admin, found)) }
            @if matches!(stage, Stage::Checked(_)) { (acts(admin, server, job)) }
        }
    }
}

fn counts(admin: &Admin, found: &Preview) -> Markup {
    let words = admin.words();
    html! {
        dl.facts {
            div { dt { (words.say("upload-records")) } dd.number { (found.records) } }
            div { dt { (words.say("upload-addresses")) } dd.number { (found.addresses) } }
            div { dt { (words.say("upload-duplicates")) } dd.number { (found.duplicates) } }
            div { dt { (words.say("upload-invalid")) } dd.number { (found.invalid) } }
        }
        @if !found.lines.is_empty() {
            details open[found.lines.len() <= 10] {
                summary { (words.say("upload-invalid-rows")) }
                (table::rows(words, "upload-invalid-rows", &INVALID_COLUMNS, &html! {
                    @for (line, why) in found.lines.iter().take(SHOWN) {
                        tr { td.number { (line) } td.main { (words.say(wrong_word(why))) } }
                    }
                }))
            }
        }
    }
}

const INVALID_COLUMNS: [Column; 2] = [Column::Number("upload-line"), Column::Text("upload-why")];
const EARLIER_COLUMNS: [Column; 8] = [
    Column::Text("upload-file"),
    Column::Text("admin-when"),
    Column::Text("blocking-by"),
    Column::Number("upload-records"),
    Column::Number("upload-duplicates"),
    Column::Number("upload-invalid"),
    Column::Text("admin-state"),
    Column::Text("blocking-until"),
];

fn acts(admin: &Admin, server: &Server, job: &Job) -> Markup {
    let words = admin.words();
    let id = server.id.to_string();
    let at_once = server.settings.immediate;
    html! {
        form.actions method="post" action=(Place::Blocking(&id, "register")) {
            (admin.token_field())
            input type="hidden" name="upload" value=(job.id);
            label.inline { input type="radio" name="when" value="run" checked[!at_once]; " " (words.say("upload-next-run")) }
            label.inline { input type="radio" name="when" value="now" checked[at_once]; " " (words.say("upload-at-once")) }
            button type="submit" { (words.say("upload-register")) }
            " " button.quiet type="submit" formaction=(Place::Blocking(&id, "drop")) { (words.say("upload-drop")) }
        }
    }
}

fn history(admin: &Admin, earlier: &[Import]) -> Markup {
    let words = admin.words();
    let now = admin.app().clock.now();
    let rows = html! {
        @for one in earlier.iter().take(EARLIER) { tr {
            td.main { (Shown(&one.file)) }
            td.time { (table::ago(words, one.at, now)) }
            td { (Shown(&one.by)) }
            td.number { (one.records) } td.number { (one.duplicates) } td.number { (one.invalid) }
            td { (words.say(match one.state {
                ImportState::Staged => "upload-registering",
                ImportState::Registered => "upload-next-run",
                ImportState::Active => "upload-in-force",
                ImportState::Over => "upload-over",
            })) }
            td.time { @if let Some(until) = one.until { (table::ago(words, until, now)) } }
        } }
    };
    html! {
        h2 { (words.say("upload-earlier")) }
        (table::rows(words, "upload-earlier", &EARLIER_COLUMNS, &rows))
    }
}

async fn take(
    admin: Admin,
    Captured(id): Captured<String>,
    request: Request,
) -> Result<Response, Trouble> {
    let server = browsed(&admin, &id).await?;
    if cross_site(request.headers(), admin.app()) {
        return Err(Trouble::CrossSite);
    }
    let mut parts = Multipart::from_request(request, &()).await.map_err(|_| Trouble::BadForm)?;
    let (mut proved, mut column) = (false, String::new());
    while let Some(field) = parts.next_field().await.map_err(broken)? {
        match field.name() {
            Some("form") => proved = admin.is_form_token(&text(field).await?),
            Some("column") => column = text(field).await?,
            Some("file") if proved => {
                let file = field.file_name().unwrap_or("list.csv").to_owned();
                let by = admin.account.login.as_str().to_owned();
                let upload = Upload { server: server.id, file, by, column, at_once: false };
                let bytes = field.map(|piece| piece.map_err(broken));
                let notice = match spool(admin.blocking(), bytes).await? {
                    Ok(id) => match admin.blocking().begin_upload(id, upload) {
                        Ok(_) => return Ok(back(&server)),
                        Err(refused) => refusal(&admin, refused)?,
                    },
                    Err(refused) => refusal(&admin, refused)?,
                };
                return Ok(page(&admin, &server, Some(notice)).await?.into_response());
            }
            _ => break,
        }
    }
    Err(if proved { Trouble::BadForm } else { Trouble::CrossSite })
}

/// Writes an upload's bytes to disk as they come.
///
/// # Errors
/// The stream's own; within it what kept it from being written.
pub(in crate::portal) async fn spool<E>(
    list: &Suppression,
    bytes: impl Stream<Item = Result<Bytes, E>>,
) -> Result<Result<Uuid, Refused>, E> {
    let (id, file) = match list.spool() {
        Ok(spooled) => spooled,
        Err(refused) => return Ok(Err(refused)),
    };
    let gone = Spooled { list, id: Some(id) };
    let (file, mut length) = (Arc::new(file), 0);
    let mut bytes = std::pin::pin!(bytes);
    while let Some(piece) = bytes.next().await {
        let piece = piece?;
        length += piece.len() as u64;
        if length > MOST_BYTES {
            return Ok(Err(Refused::TooLarge(MOST_BYTES >> 20)));
        }
        let into = Arc::clone(&file);
        let written = tokio::task::spawn_blocking(move || (&*into).write_all(&piece)).await;
        match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Ok(Err(Refused::File(error.to_string()))),
            Err(error) => return Ok(Err(Refused::File(error.to_string()))),
        }
    }
    gone.keep();
    Ok(Ok(id))
}

/// A spooled file that goes with an upload that was cut short.
struct Spooled<'a> {
    list: &'a Suppression,
    id: Option<Uuid>,
}

impl Spooled<'_> {
    fn keep(mut self) {
        self.id = None;
    }
}

impl Drop for Spooled<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.list.unspool(id);
        }
    }
}

async fn text(mut field: Field<'_>) -> Result<String, Trouble> {
    let mut bytes = Vec::new();
    while let Some(piece) = field.chunk().await.map_err(broken)? {
        if bytes.len() + piece.len() > FIELD {
            return Err(Trouble::BadForm);
        }
        bytes.extend_from_slice(&piece);
    }
    String::from_utf8(bytes).map_err(|_| Trouble::BadForm)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn broken(error: MultipartError) -> Trouble {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Trouble::TooLarge,
        _ => Trouble::BadForm,
    }
}

fn back(server: &Server) -> Response {
    Redirect::to(&Place::Blocking(&server.id.to_string(), "upload").to_string()).into_response()
}

async fn register(
    admin: Admin,
    Captured(id): Captured<String>,
    form: Acted,
) -> Result<Response, Trouble> {
    let server = browsed(&admin, &id).await?;
    let job = job(&admin, &server, &form)?;
    let at_once = form.field("when") == "now";
    let also = told(&admin, "register-upload", &server, &job.upload.file);
    // Twice pressed: the page shows how far it is.
    match admin.blocking().register_upload(&job, at_once, also) {
        Ok(_) => Ok(back(&server)),
        Err(refused) => {
            let notice = refusal(&admin, refused)?;
            Ok(page(&admin, &server, Some(notice)).await?.into_response())
        }
    }
}

async fn discard(
    admin: Admin,
    Captured(id): Captured<String>,
    form: Acted,
) -> Result<Response, Trouble> {
    let server = browsed(&admin, &id).await?;
    let job = job(&admin, &server, &form)?;
    admin.blocking().drop_upload(&job);
    Ok(back(&server))
}

fn job(admin: &Admin, server: &Server, form: &Acted) -> Result<Arc<Job>, Trouble> {
    admin.blocking().upload(server.id, form.field("upload")).ok_or(Trouble::NotFound)
}

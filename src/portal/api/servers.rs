//! Servers of the delivery blocking: settings, runs, distributions, uploads,
//! downloads; and the list for servers that fetch it by a token of their own.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path as Captured, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, post};
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use super::blocking::{browsed, by, list_of, page, record, refused, server, told as told_audit};
use super::problem::{Problem, json_text};
use super::resources::{Answer, ok, ok_once};
use super::{App, Caller};
use crate::account::Power;
use crate::clock::SignedDuration;
use crate::directory::OrganisationId;
use crate::portal::admin::suppression::covers;
use crate::portal::admin::suppression::downloads::{attachment, may_download};
use crate::portal::admin::suppression::upload::spool;
use crate::store::Batch;
use crate::suppression::change::{Change, Changed};
use crate::suppression::distribute::Drift;
use crate::suppression::export::{Export, What};
use crate::suppression::fetch::Fetched;
use crate::suppression::rule::REASONS;
use crate::suppression::upload::{Job, MOST_BYTES};
use crate::suppression::{self, Also, Server, Upload};

/// A server's run settings.
pub fn settings(server: &Server) -> Value {
    let settings = &server.settings;
    let reasons: serde_json::Map<String, Value> = REASONS
        .iter()
        .zip(settings.reasons)
        .map(|(class, rule)| {
            (class.as_str().to_owned(), json!({ "enabled": rule.enabled, "after": rule.after }))
        })
        .collect();
    json!({
        "daily_at": format!("{:02}:{:02}", settings.daily_at / 60, settings.daily_at % 60),
        "zone": settings.zone,
        "immediate": settings.immediate,
        "watch_days": settings.watch_days,
        "strike_hours": settings.strike_hours,
        "releases_per_day": settings.releases_per_day,
        "fixed": settings.fixed,
        "reasons": reasons,
    })
}

/// Whether a server has drifted: in words, or nothing.
pub fn drift(drift: &Drift) -> Value {
    match drift {
        Drift::None => Value::Null,
        Drift::Never => json!("never distributed"),
        Drift::Changed(how) => json!(how),
        Drift::Behind { has, last } => json!(format!("has version {has}, the last is {last}")),
    }
}

async fn shown(caller: &Caller, server: &Server) -> Result<Value, Problem> {
    let list = list_of(caller)?;
    let day = list.clock().now() + SignedDuration::from_hours(24);
    Ok(json!({
        "id": server.id,
        "name": server.name,
        "organisation": server.organisation.as_ref().map(OrganisationId::as_str),
        "way": server.way.to_string(),
        "blocked": list.roll(server.id).len(),
        "drift": drift(&list.drift(server.id).await?),
        "pinned": server.pinned,
        "never": server.never,
        "released_within_a_day": list.releases_until(server.id, day).await?,
        "version": server.version,
        "acknowledged": server.acknowledged,
        "trouble": server.trouble,
        "previous_run": server.previous_run.map(|at| at.to_string()),
        "settings": settings(server),
    }))
}

pub async fn servers(caller: Caller) -> Answer {
    caller.needs(Power::See, "GET servers").await?;
    let mut items = Vec::new();
    for one in list_of(&caller)?.servers().await? {
        if covers(&caller.account.role, &one) {
            items.push(shown(&caller, &one).await?);
        }
    }
    Ok(page(items, None))
}

/// A new server, by an operator.
pub async fn make(caller: Caller, body: Bytes) -> Answer {
    caller.needs(Power::Operate, "POST servers").await?;
    let change: Change = serde_json::from_slice(&body).map_err(|_| Problem::BAD_REQUEST)?;
    let name = change.name.clone().unwrap_or_default();
    let entry = caller.entry("make-server").about("server", &name);
    let audit = caller.console()?.accounts.audit();
    let also = |batch: &mut Batch| audit.record(batch, entry.clone());
    changed(&caller, Change { id: Change::NEXT, ..change }, &also).await
}

/// New settings: run settings by whoever decides there, the rest by operators.
pub async fn set(caller: Caller, Captured(id): Captured<String>, body: Bytes) -> Answer {
    caller.needs(Power::Decide, "POST settings").await?;
    let known = server(&caller, &id).await?;
    let change: Change = serde_json::from_slice(&body).map_err(|_| Problem::BAD_REQUEST)?;
    let of_operators = [change.name.is_some(), change.way.is_some(), change.fixed.is_some()];
    if of_operators.contains(&true) || change.organisation.is_some() || change.never.is_some() {
        caller.needs(Power::Operate, "POST settings").await?;
    } else if known.settings.fixed {
        return Err(Problem::FIXED_PLAN);
    }
    let also = told_audit(&caller, &known, "set-blocking", &known.name)?;
    changed(&caller, Change { id: known.id, ..change }, &also).await
}

async fn changed(caller: &Caller, change: Change, also: Also<'_>) -> Answer {
    let done = list_of(caller)?.change(change, by(caller, also)).await.map_err(refused)?;
    let Changed { server, cancelled, token } = done;
    let mut answer = shown(caller, &server).await?;
    answer["cancelled"] = json!(cancelled);
    if let Some(token) = token {
        answer["token"] = json!(token);
    }
    Ok(ok_once(&answer, &["token"]))
}

pub async fn run(caller: Caller, Captured(id): Captured<String>) -> Answer {
    caller.needs(Power::Decide, "POST run").await?;
    let server = browsed(&caller, &id).await?;
    let also = told_audit(&caller, &server, "run-blocking", "")?;
    let ran = list_of(&caller)?.run(server.id, by(&caller, &also)).await?;
    Ok(ok(&json!({
        "suppressed": ran.suppressed, "released": ran.released,
        "imports": ran.imports, "waiting": ran.waiting,
    })))
}

pub async fn distributions(caller: Caller, Captured(id): Captured<String>) -> Answer {
    caller.needs(Power::SeeAll, "GET distributions").await?;
    let server = server(&caller, &id).await?;
    let mut all = list_of(&caller)?.distributions(server.id).await?;
    all.reverse();
    let items = all.iter().map(|one| {
        json!({
            "version": one.version, "at": one.at.to_string(), "by": one.by,
            "addresses": one.addresses, "added": one.added, "removed": one.removed,
        })
    });
    Ok(page(items.collect(), None))
}

/// Addresses of a difference that are told.
const CHANGES: usize = 1000;

/// What a version has changed.
pub async fn changes(
    caller: Caller,
    Captured((id, version)): Captured<(String, String)>,
) -> Answer {
    caller.needs(Power::SeeAll, "GET distributions").await?;
    let server = server(&caller, &id).await?;
    let version = version.parse().map_err(|_| Problem::NOT_FOUND)?;
    let found = list_of(&caller)?.changes(server.id, version, CHANGES).await.map_err(refused)?;
    Ok(ok(&json!({ "version": version, "added": found.added, "removed": found.removed })))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Distribute {
    dry: bool,
    /// Put this older version back, and stay there.
    roll_back: Option<u64>,
}

pub async fn distribute(caller: Caller, Captured(id): Captured<String>, body: Bytes) -> Answer {
    caller.needs(Power::Operate, "POST distribute").await?;
    let server = server(&caller, &id).await?;
    let asked: Distribute = match &body[..] {
        [] => Distribute::default(),
        body => serde_json::from_slice(body).map_err(|_| Problem::BAD_REQUEST)?,
    };
    let list = list_of(&caller)?;
    if let Some(version) = asked.roll_back {
        let also = told_audit(&caller, &server, "roll-back-blocking", &version.to_string())?;
        list.roll_back(server.id, version, by(&caller, &also)).await.map_err(refused)?;
        return Ok(ok(&json!({ "version": version })));
    }
    if server.pinned && !asked.dry {
        list.resume(server.id, by(&caller, &|_| {})).await.map_err(refused)?;
    }
    let also = told_audit(&caller, &server, "distribute-blocking", "")?;
    let done = list.distribute(server.id, by(&caller, &also), asked.dry).await.map_err(refused)?;
    Ok(ok(&json!({
        "version": done.version, "addresses": done.addresses,
        "added": done.added, "removed": done.removed, "dry": asked.dry,
    })))
}

/// Providers from which nothing is learnt at present.
pub async fn breakers(caller: Caller, Captured(id): Captured<String>) -> Answer {
    caller.needs(Power::SeeAll, "GET breakers").await?;
    let server = server(&caller, &id).await?;
    let open = list_of(&caller)?.open_breakers().await?;
    let items = open.iter().filter(|one| one.server == server.id).map(|one| {
        json!({
            "domain": one.domain, "unknown": one.unknown, "of": one.all,
            "since": one.opened.map(|at| at.to_string()),
        })
    });
    Ok(page(items.collect(), None))
}

#[derive(Debug, Deserialize)]
struct Close {
    domain: String,
    /// Release what was suppressed since its outage began.
    #[serde(default)]
    undo: bool,
}

pub async fn close_breaker(caller: Caller, Captured(id): Captured<String>, body: Bytes) -> Answer {
    caller.needs(Power::Operate, "POST close-breaker").await?;
    let server = server(&caller, &id).await?;
    let asked: Close = serde_json::from_slice(&body).map_err(|_| Problem::BAD_REQUEST)?;
    let domain = asked.domain.to_lowercase();
    let open = list_of(&caller)?.open_breakers().await?;
    if !open.iter().any(|one| one.server == server.id && one.domain == domain) {
        return Err(Problem::NOT_FOUND);
    }
    let also = told_audit(&caller, &server, "close-blocking-breaker", &domain)?;
    let list = list_of(&caller)?;
    let done = list.close_breaker(server.id, &domain, asked.undo, by(&caller, &also)).await?;
    Ok(ok(&json!({ "domain": domain, "released": done })))
}

/// Uploads are larger than any other body.
pub fn upload_route() -> MethodRouter<App> {
    let most = usize::try_from(MOST_BYTES).unwrap_or(usize::MAX);
    post(upload).get(uploads).layer(DefaultBodyLimit::max(most))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Uploaded {
    column: String,
    file: String,
}

/// The body is the file; it is read, and waits to be registered.
async fn upload(
    caller: Caller,
    Captured(id): Captured<String>,
    Query(asked): Query<Uploaded>,
    body: Body,
) -> Answer {
    caller.needs(Power::Decide, "POST uploads").await?;
    let server = browsed(&caller, &id).await?;
    let list = list_of(&caller)?;
    let bytes = body.into_data_stream().map(|piece| piece.map_err(|_| Problem::BAD_REQUEST));
    let id = spool(list, bytes).await?.map_err(refused)?;
    let file = if asked.file.is_empty() { "list.csv".to_owned() } else { asked.file };
    let by = caller.account.login.as_str().to_owned();
    let upload = Upload { server: server.id, file, by, column: asked.column, at_once: false };
    let job = list.begin_upload(id, upload).map_err(refused)?;
    Ok(json_text(202, told(&job).to_string()))
}

async fn uploads(caller: Caller, Captured(id): Captured<String>) -> Answer {
    caller.needs(Power::Decide, "GET uploads").await?;
    let server = browsed(&caller, &id).await?;
    let all = list_of(&caller)?.open_uploads(server.id);
    Ok(page(all.iter().map(|job| told(job)).collect(), None))
}

async fn job(
    caller: &Caller,
    (id, upload): &(String, String),
) -> Result<(Server, Arc<Job>), Problem> {
    caller.needs(Power::Decide, "uploads").await?;
    let server = browsed(caller, id).await?;
    let job = list_of(caller)?.upload(server.id, upload).ok_or(Problem::NOT_FOUND)?;
    Ok((server, job))
}

pub async fn one_upload(caller: Caller, Captured(at): Captured<(String, String)>) -> Answer {
    Ok(ok(&told(&job(&caller, &at).await?.1)))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Register {
    /// In force at once, else with the next run.
    at_once: bool,
}

pub async fn register(
    caller: Caller,
    Captured(at): Captured<(String, String)>,
    body: Bytes,
) -> Answer {
    let (server, job) = job(&caller, &at).await?;
    let asked: Register = match &body[..] {
        [] => Register::default(),
        body => serde_json::from_slice(body).map_err(|_| Problem::BAD_REQUEST)?,
    };
    let also = told_audit(&caller, &server, "register-upload", &job.upload.file)?;
    if !list_of(&caller)?.register_upload(&job, asked.at_once, also).map_err(refused)? {
        return Err(Problem::DECIDED);
    }
    Ok(json_text(202, told(&job).to_string()))
}

pub async fn drop_upload(caller: Caller, Captured(at): Captured<(String, String)>) -> Answer {
    let (_, job) = job(&caller, &at).await?;
    if !list_of(&caller)?.drop_upload(&job) {
        return Err(Problem::DECIDED);
    }
    Ok(ok(&told(&job)))
}

fn told(job: &Job) -> Value {
    let stage = job.stage();
    let found = stage.preview();
    let lines: Vec<Value> = found
        .iter()
        .flat_map(|found| &found.lines)
        .map(|(line, why)| json!({ "line": line, "why": why.to_string() }))
        .collect();
    let why = match &stage {
        suppression::upload::Stage::Refused(why) => Some(why.to_string()),
        _ => None,
    };
    json!({
        "id": job.id.to_string(), "file": job.upload.file, "by": job.upload.by,
        "at": job.at.to_string(), "stage": stage.as_str(), "why": why,
        "bytes": job.bytes, "read": job.read(),
        "records": found.map(|found| found.records),
        "addresses": found.map(|found| found.addresses),
        "duplicates": found.map(|found| found.duplicates),
        "invalid": found.map(|found| found.invalid),
        "lines": lines,
    })
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Filter {
    q: String,
    reason: String,
}

/// A list or a log as CSV, where the right is granted.
pub async fn download(
    caller: Caller,
    Captured((id, file)): Captured<(String, String)>,
    Query(asked): Query<Filter>,
) -> Answer {
    caller.needs(Power::See, "GET download").await?;
    let what = file.strip_suffix(".csv");
    let what = What::ALL.into_iter().find(|one| Some(one.as_str()) == what);
    let what = what.ok_or(Problem::NOT_FOUND)?;
    let server = match what {
        What::Blocked | What::Exemptions => browsed(&caller, &id).await?,
        What::Errors | What::Deliveries => server(&caller, &id).await?,
    };
    let list = list_of(&caller)?;
    if !may_download(list, &caller.account.role, &server).await? {
        caller.refused("GET download").await?;
        return Err(Problem::NO_DOWNLOAD);
    }
    record(&caller, &server, "download", what.as_str()).await?;
    let query = suppression::Query { part: asked.q, reason: asked.reason, ..Default::default() };
    Ok(attachment(Export::new(list, server.id, what, query), what))
}

/// Inquiries for the right to download: all for operators, else one's own.
pub async fn inquiries(caller: Caller) -> Answer {
    caller.needs(Power::See, "GET inquiries").await?;
    let all = list_of(&caller)?.inquiries().await?;
    let his = all.iter().filter(|one| caller.account.role.covers(&one.organisation));
    let items = his.map(|one| {
        json!({
            "organisation": one.organisation.as_str(), "state": one.state.as_str(),
            "at": one.at.to_string(), "by": one.by, "why": one.why,
            "decided_at": one.decided_at.map(|at| at.to_string()), "decided_by": one.decided_by,
        })
    });
    Ok(page(items.collect(), None))
}

#[derive(Debug, Deserialize)]
struct Inquire {
    organisation: String,
    #[serde(default)]
    why: String,
    /// Absent: asked for; else decided.
    grant: Option<bool>,
}

/// Asks for the right, or decides about it.
pub async fn inquire(caller: Caller, body: Bytes) -> Answer {
    let asked: Inquire = serde_json::from_slice(&body).map_err(|_| Problem::BAD_REQUEST)?;
    let organisation = OrganisationId::new(&asked.organisation).ok_or(Problem::BAD_REQUEST)?;
    let (power, what) = match asked.grant {
        None => (Power::Decide, "ask-for-downloads"),
        Some(true) => (Power::Operate, "grant-downloads"),
        Some(false) => (Power::Operate, "refuse-downloads"),
    };
    caller.needs(power, what).await?;
    if !caller.account.role.covers(&organisation) {
        return Err(Problem::NOT_FOUND);
    }
    let entry = caller.entry(what).about("organisation", organisation.as_str()).why(&asked.why);
    let entry = entry.of(vec![organisation.clone()]);
    let audit = caller.console()?.accounts.audit();
    let also = |batch: &mut Batch| audit.record(batch, entry.clone());
    let (list, by) = (list_of(&caller)?, caller.account.login.as_str());
    let done = match asked.grant {
        None => list.inquire(&organisation, by, &asked.why, &also).await,
        Some(grant) => list.decide_inquiry(&organisation, grant, by, &also).await,
    };
    done.map_err(refused)?;
    Ok(ok(&json!({
        "organisation": organisation.as_str(),
        "may_download": list.may_download(&organisation).await?,
    })))
}

/// The list for a server that fetches it. `If-None-Match` with the entity tag
/// of what it has is its acknowledgement (RFC 9110 section 13.1.2).
pub async fn fetch(
    State(app): State<App>,
    Captured(id): Captured<String>,
    headers: HeaderMap,
) -> Answer {
    let list = &app.console.as_ref().ok_or(Problem::NOT_FOUND)?.suppression;
    let id = id.parse().map_err(|_| Problem::UNAUTHORIZED)?;
    let text = |name: header::HeaderName| headers.get(name).and_then(|field| field.to_str().ok());
    let token = text(header::AUTHORIZATION).and_then(|field| field.split_once(' '));
    let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let (_, token) = token.ok_or(Problem::UNAUTHORIZED)?;
    let has = text(header::IF_NONE_MATCH).and_then(version_of);
    match list.fetch(id, token.trim(), has).await? {
        Fetched::Unknown => Err(Problem::UNAUTHORIZED),
        Fetched::Nothing => Err(Problem::NOT_FOUND),
        Fetched::Same(version) => Ok((StatusCode::NOT_MODIFIED, heads(version)).into_response()),
        Fetched::List(version, file) => {
            let file = tokio::fs::File::from_std(file);
            let pieces = futures_util::stream::try_unfold(file, async |mut file| {
                let mut piece = vec![0; PIECE];
                let read = file.read(&mut piece).await?;
                piece.truncate(read);
                Ok::<_, std::io::Error>((read > 0).then(|| (Bytes::from(piece), file)))
            });
            Ok((heads(version), Body::from_stream(pieces)).into_response())
        }
    }
}

/// Bytes of a list that are sent at once.
const PIECE: usize = 64 << 10;

/// `"7"`, `W/"7"`, or several of them: the first.
fn version_of(field: &str) -> Option<u64> {
    let tag = field.split(',').next()?.trim();
    tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"').parse().ok()
}

fn heads(version: u64) -> [(header::HeaderName, HeaderValue); 3] {
    let tag = HeaderValue::from_str(&format!("\"{version}\""));
    [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
        (header::ETAG, tag.unwrap_or(HeaderValue::from_static("\"0\""))),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache")),
    ]
}

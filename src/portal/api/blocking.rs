//! Delivery blocking as JSON: servers, their blocked lists and logs, and the
//! events by which other mail servers tell what became of their messages.

use axum::body::Bytes;
use axum::extract::{Path as Captured, Query};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Caller;
use super::problem::{Problem, json_text};
use crate::account::Power;
use crate::clock::Timestamp;
use crate::suppression::classify::Class;
use crate::suppression::event::{self, Outcome};
use crate::suppression::{Noted, Refused, ServerId, Suppression, csv};

/// Rows of a page, unless fewer are asked for.
const ROWS: usize = 100;
/// Events of one request.
const EVENTS: usize = 1000;

type Answer = Result<Response, Problem>;

/// What lists understand.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct List {
    q: String,
    reason: String,
    after: String,
    limit: Option<usize>,
}

/// An address that something is done with.
#[derive(Debug, Deserialize)]
struct One {
    address: String,
}

/// What a mail server tells.
#[derive(Debug, Deserialize)]
struct Told {
    events: Vec<ToldEvent>,
}

#[derive(Debug, Deserialize)]
struct ToldEvent {
    /// The teller's name for it: told again, it changes nothing.
    id: String,
    /// RFC 3339.
    at: String,
    address: String,
    /// `succeeded`, `deferred`, `failed`.
    outcome: String,
    /// The remote server's answer.
    #[serde(default)]
    response: String,
    #[serde(default)]
    subject: String,
    #[serde(default)]
    sender: String,
    #[serde(default)]
    return_path: String,
    #[serde(default)]
    message_id: String,
}

fn list_of(caller: &Caller) -> Result<&Suppression, Problem> {
    Ok(&caller.console()?.suppression)
}

async fn server(caller: &Caller, id: &str) -> Result<ServerId, Problem> {
    let id: ServerId = id.parse().map_err(|_| Problem::NOT_FOUND)?;
    let all = list_of(caller)?.servers().await?;
    all.iter().find(|server| server.id == id).map(|server| server.id).ok_or(Problem::NOT_FOUND)
}

fn refused(refused: Refused) -> Problem {
    match refused {
        Refused::Store(fault) => fault.into(),
        Refused::NotListed(_) | Refused::NotExempt(_) | Refused::NoServer(_) => Problem::NOT_FOUND,
        _ => Problem::BAD_REQUEST,
    }
}

pub async fn servers(caller: Caller) -> Answer {
    caller.needs(Power::SeeAll, "GET servers").await?;
    let list = list_of(&caller)?;
    let mut items = Vec::new();
    for one in list.servers().await? {
        items.push(json!({
            "id": one.id,
            "name": one.name,
            "blocked": list.roll(one.id).len(),
            "version": one.version,
            "acknowledged": one.acknowledged,
            "trouble": one.trouble,
            "previous_run": one.previous_run.map(|at| at.to_string()),
        }));
    }
    Ok(json_text(200, json!({ "items": items, "next": null }).to_string()))
}

pub async fn blocked(
    caller: Caller,
    Captured(id): Captured<String>,
    Query(asked): Query<List>,
) -> Answer {
    caller.needs(Power::SeeAll, "GET blocked").await?;
    let id = server(&caller, &id).await?;
    let limit = asked.limit.unwrap_or(ROWS).clamp(1, ROWS);
    let found = list_of(&caller)?.search(id, &asked.q, &asked.after, limit).await?;
    let next = found.last().filter(|_| found.len() == limit);
    let next = next.map(|one| one.address.canonical().to_string());
    let items: Vec<Value> = found
        .iter()
        .map(|one| {
            json!({
                "address": one.address.to_string(),
                "reason": one.reason.as_str(),
                "since": one.since.to_string(),
                "until": one.until.map(|at| at.to_string()),
            })
        })
        .collect();
    Ok(json_text(200, json!({ "items": items, "next": next }).to_string()))
}

pub async fn block(caller: Caller, Captured(id): Captured<String>, body: Bytes) -> Answer {
    caller.needs(Power::Operate, "POST block").await?;
    let id = server(&caller, &id).await?;
    let one: One = serde_json::from_slice(&body).map_err(|_| Problem::BAD_REQUEST)?;
    let address = csv::address(&one.address).map_err(|_| Problem::BAD_REQUEST)?;
    list_of(&caller)?.add(id, &address).await.map_err(refused)?;
    record(&caller, "block-address", &one.address).await?;
    Ok(json_text(200, json!({ "blocked": one.address }).to_string()))
}

pub async fn release(caller: Caller, Captured(id): Captured<String>, body: Bytes) -> Answer {
    caller.needs(Power::Operate, "POST release address").await?;
    let id = server(&caller, &id).await?;
    let one: One = serde_json::from_slice(&body).map_err(|_| Problem::BAD_REQUEST)?;
    let address = csv::address(&one.address).map_err(|_| Problem::BAD_REQUEST)?;
    let by = caller.account.login.as_str();
    list_of(&caller)?.release(id, &address, by).await.map_err(refused)?;
    record(&caller, "release-address", &one.address).await?;
    Ok(json_text(200, json!({ "released": one.address }).to_string()))
}

pub async fn events(
    caller: Caller,
    Captured(id): Captured<String>,
    Query(asked): Query<List>,
) -> Answer {
    caller.needs(Power::SeeAll, "GET events").await?;
    let id = server(&caller, &id).await?;
    let after = URL_SAFE_NO_PAD.decode(&asked.after).map_err(|_| Problem::BAD_REQUEST)?;
    let query = event::Query {
        server: Some(id),
        part: asked.q,
        reason: asked.reason,
        limit: asked.limit.unwrap_or(ROWS).clamp(1, ROWS),
        after,
        ..event::Query::default()
    };
    let (found, next) = event::search(list_of(&caller)?.store(), &query).await?;
    let items: Vec<Value> = found
        .iter()
        .map(|one| {
            json!({
                "at": one.at.to_string(), "address": one.address, "outcome": one.outcome.as_str(),
                "reason": one.class, "subject": one.subject, "sender": one.sender,
                "return_path": one.return_path, "message_id": one.message_id,
                "response": one.response,
            })
        })
        .collect();
    let next = next.map(|next| URL_SAFE_NO_PAD.encode(next));
    Ok(json_text(200, json!({ "items": items, "next": next }).to_string()))
}

/// Takes all events or none that cannot be read; each counts once, however
/// often it is told.
pub async fn tell(caller: Caller, Captured(id): Captured<String>, body: Bytes) -> Answer {
    caller.needs(Power::Operate, "POST events").await?;
    let id = server(&caller, &id).await?;
    let told: Told = serde_json::from_slice(&body).map_err(|_| Problem::BAD_REQUEST)?;
    if told.events.len() > EVENTS {
        return Err(Problem::TOO_LARGE);
    }
    let noted: Result<Vec<Noted>, Problem> =
        told.events.into_iter().map(|one| noted(id, one)).collect();
    let list = list_of(&caller)?;
    let (mut taken, mut blocked) = (0, 0);
    for one in noted? {
        taken += 1;
        blocked += usize::from(list.note(&one).await?);
    }
    Ok(json_text(200, json!({ "taken": taken, "blocked": blocked }).to_string()))
}

fn noted(server: ServerId, one: ToldEvent) -> Result<Noted, Problem> {
    let at: Timestamp = one.at.parse().map_err(|_| Problem::BAD_REQUEST)?;
    let address = csv::address(&one.address).map_err(|_| Problem::BAD_REQUEST)?;
    let outcome = Outcome::parse(&one.outcome).ok_or(Problem::BAD_REQUEST)?;
    let mut noted = Noted::new(server, address, at, outcome).answered(None, &one.response);
    if outcome == Outcome::Queued {
        noted.class = Class::None;
    }
    noted.id = one.id;
    noted.subject = one.subject;
    noted.sender = one.sender;
    noted.return_path = one.return_path;
    noted.message_id = one.message_id;
    Ok(noted)
}

async fn record(caller: &Caller, what: &str, about: &str) -> Result<(), Problem> {
    let entry = caller.entry(what).about("address", about);
    Ok(caller.console()?.accounts.audit().note(entry).await?)
}

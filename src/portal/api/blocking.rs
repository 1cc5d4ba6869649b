//! Delivery blocking as JSON: blocked lists, exemptions and logs, and the
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
use crate::account::{Entry, Power};
use crate::clock::Timestamp;
use crate::portal::admin::suppression::covers;
use crate::store::Batch;
use crate::store::arena::Order;
use crate::suppression::classify::Class;
use crate::suppression::event::Outcome;
use crate::suppression::{self, By, Noted, Refused, Server, ServerId, Suppression, csv};

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
    /// RFC 3339; of the logs only.
    from: Option<String>,
    to: Option<String>,
    /// Only what stands in the error log.
    errors: bool,
    /// `q` is the whole address.
    exact: bool,
    /// `latest`, `oldest`, `name`, `name-backwards`; a blocked list has the
    /// last two.
    sort: String,
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
    /// `queued`, `succeeded`, `deferred`, `failed`, `blocked`, `complained`.
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

pub(super) fn list_of(caller: &Caller) -> Result<&Suppression, Problem> {
    Ok(&caller.console()?.suppression)
}

/// The server that an address names, if it is this account's.
pub(super) async fn server(caller: &Caller, id: &str) -> Result<Server, Problem> {
    let id: ServerId = id.parse().map_err(|_| Problem::NOT_FOUND)?;
    let all = list_of(caller)?.servers().await?;
    let his = |server: &Server| server.id == id && covers(&caller.account.role, server);
    all.into_iter().find(his).ok_or(Problem::NOT_FOUND)
}

/// The same, where its list may be browsed.
pub(super) async fn browsed(caller: &Caller, id: &str) -> Result<Server, Problem> {
    let server = server(caller, id).await?;
    if server.settings.fixed { Err(Problem::FIXED_PLAN) } else { Ok(server) }
}

pub(super) fn refused(refused: Refused) -> Problem {
    match refused {
        Refused::Store(fault) => fault.into(),
        Refused::NotListed(_)
        | Refused::NotExempt(_)
        | Refused::NoServer(_)
        | Refused::NoVersion(_)
        | Refused::NoVersions => Problem::NOT_FOUND,
        Refused::Busy => Problem::BUSY,
        other => Problem::wrong(other.to_string()),
    }
}

/// Records what changes nothing: a download.
pub(super) async fn record(
    caller: &Caller,
    server: &Server,
    what: &str,
    about: &str,
) -> Result<(), Problem> {
    let entry = entry(caller, server, what, about);
    Ok(caller.console()?.accounts.audit().note(entry).await?)
}

fn entry(caller: &Caller, server: &Server, what: &str, about: &str) -> Entry {
    let entry = caller.entry(what).about("address", about).after(format!("server {}", server.id));
    entry.of(server.organisation.iter().cloned().collect())
}

/// The audit entry of an act, for the batch that carries it out.
pub(super) fn told(
    caller: &Caller,
    server: &Server,
    what: &str,
    about: &str,
) -> Result<impl Fn(&mut Batch) + Send + Sync + use<>, Problem> {
    let audit = caller.console()?.accounts.audit().clone();
    let entry = entry(caller, server, what, about);
    Ok(move |batch: &mut Batch| audit.record(batch, entry.clone()))
}

/// He does it, and `also` is written with it.
pub(super) fn by<'a>(caller: &'a Caller, also: &'a (dyn Fn(&mut Batch) + Sync)) -> By<'a> {
    By { login: caller.account.login.as_str(), also }
}

/// An answer with the items of one page and the cursor behind them.
pub(super) fn page(items: Vec<Value>, next: Option<String>) -> Response {
    let mut answer = serde_json::Map::new();
    answer.insert("items".to_owned(), Value::Array(items));
    answer.insert("next".to_owned(), next.map_or(Value::Null, Value::String));
    json_text(200, Value::Object(answer).to_string())
}

impl List {
    fn limit(&self) -> usize {
        self.limit.unwrap_or(ROWS).clamp(1, ROWS)
    }

    fn order(&self) -> Result<Order, Problem> {
        if self.sort.is_empty() {
            return Ok(Order::default());
        }
        Order::parse(&self.sort).ok_or(Problem::BAD_REQUEST)
    }

    fn after(&self) -> Result<Vec<u8>, Problem> {
        URL_SAFE_NO_PAD.decode(&self.after).map_err(|_| Problem::BAD_REQUEST)
    }
}

/// A time that may be left out.
fn time(text: Option<&str>) -> Result<Option<Timestamp>, Problem> {
    text.map(|text| text.parse().map_err(|_| Problem::BAD_REQUEST)).transpose()
}

fn cursor(next: Option<Vec<u8>>) -> Option<String> {
    next.map(|next| URL_SAFE_NO_PAD.encode(next))
}

pub async fn blocked(
    caller: Caller,
    Captured(id): Captured<String>,
    Query(asked): Query<List>,
) -> Answer {
    caller.needs(Power::See, "GET blocked").await?;
    let server = browsed(&caller, &id).await?;
    let (limit, backwards) = (asked.limit(), asked.order()? == Order::TextBackwards);
    let list = list_of(&caller)?;
    let found = list.search_in(server.id, &asked.q, &asked.after, (limit, backwards)).await?;
    let next = found.last().filter(|_| found.len() == limit);
    let next = next.map(|one| one.address.canonical().to_string());
    let items = found.iter().map(|one| {
        let since = Some(one.since).filter(|since| *since > Timestamp::UNIX_EPOCH);
        json!({
            "address": one.address.to_string(),
            "reason": one.reason.as_str(),
            "since": since.map(|at| at.to_string()),
            "until": one.until.map(|at| at.to_string()),
        })
    });
    Ok(page(items.collect(), next))
}

pub async fn exemptions(
    caller: Caller,
    Captured(id): Captured<String>,
    Query(asked): Query<List>,
) -> Answer {
    caller.needs(Power::See, "GET exemptions").await?;
    let server = browsed(&caller, &id).await?;
    let (list, after, order) = (list_of(&caller)?, asked.after()?, asked.order()?);
    let found = list.exempt_addresses(server.id, &asked.q, (&after, order), asked.limit());
    let (found, next) = found.await?;
    let items = found.iter().map(|one| {
        json!({
            "address": one.address.to_string(),
            "reason": one.reason.as_str(),
            "at": one.at.to_string(),
            "by": one.by,
            "errors": one.errors,
            "last_error": one.last_error,
        })
    });
    Ok(page(items.collect(), cursor(next)))
}

/// What is done with one address of a list.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Block,
    Release,
    Unexempt,
}

/// Does it, effective for every reader at once.
pub async fn act(caller: &Caller, id: &str, act: Act, body: &[u8]) -> Answer {
    let (what, done) = match act {
        Act::Block => ("block-address", "blocked"),
        Act::Release => ("release-address", "released"),
        Act::Unexempt => ("unexempt-address", "subject_again"),
    };
    caller.needs(Power::Decide, what).await?;
    // Whose list may not be browsed may still release an address he knows.
    let server = match act {
        Act::Release => server(caller, id).await?,
        Act::Block | Act::Unexempt => browsed(caller, id).await?,
    };
    let one: One = serde_json::from_slice(body).map_err(|_| Problem::BAD_REQUEST)?;
    let address = csv::address(&one.address).map_err(|wrong| Problem::wrong(wrong.to_string()))?;
    let also = told(caller, &server, what, &one.address)?;
    let (list, by) = (list_of(caller)?, by(caller, &also));
    let carried_out = match act {
        Act::Block => list.add(server.id, &address, by).await,
        Act::Release => list.release(server.id, &address, by).await,
        Act::Unexempt => list.unexempt(server.id, &address, by).await,
    };
    carried_out.map_err(refused)?;
    Ok(json_text(200, json!({ done: one.address }).to_string()))
}

pub async fn events(
    caller: Caller,
    Captured(id): Captured<String>,
    Query(asked): Query<List>,
) -> Answer {
    caller.needs(Power::See, "GET events").await?;
    let server = server(&caller, &id).await?;
    let query = suppression::Query {
        server: Some(server.id),
        limit: asked.limit(),
        after: asked.after()?,
        order: asked.order()?,
        from: time(asked.from.as_deref())?,
        to: time(asked.to.as_deref())?,
        errors_only: asked.errors,
        exact: asked.exact,
        part: asked.q,
        reason: asked.reason,
    };
    let (found, next) = list_of(&caller)?.events(&query).await?;
    let items = found.iter().map(|one| {
        json!({
            "at": one.at.to_string(), "address": one.address, "outcome": one.outcome.as_str(),
            "reason": one.class, "subject": one.subject, "sender": one.sender,
            "return_path": one.return_path, "message_id": one.message_id,
            "response": one.response,
        })
    });
    Ok(page(items.collect(), cursor(next)))
}

/// Takes all events or none that cannot be read; each counts once, however
/// often it is told.
pub async fn tell(caller: Caller, Captured(id): Captured<String>, body: Bytes) -> Answer {
    caller.needs(Power::Decide, "POST events").await?;
    let id = server(&caller, &id).await?.id;
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
    if !matches!(outcome, Outcome::Deferred | Outcome::Failed) {
        noted.class = Class::None;
    }
    noted.id = one.id;
    noted.subject = one.subject;
    noted.sender = one.sender;
    noted.return_path = one.return_path;
    noted.message_id = one.message_id;
    Ok(noted)
}

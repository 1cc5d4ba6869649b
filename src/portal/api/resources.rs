//! Held messages, senders, the queue and the audit as JSON.

use axum::body::Bytes;
use axum::extract::{Path as Captured, Query};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::problem::{Problem, json_text};
use super::{Caller, Kept};
use crate::account::{Entry, Power, audit};
use crate::clock::Timestamp;
use crate::filter::Class;
use crate::portal::admin::{Act, about_held, teach};
use crate::quarantine::{Held, Search, State};
use crate::queue::{Item, ItemState, Which};
use crate::reputation::{Scope, Standing, StandingState, Vote};
use crate::store::arena::Order;
use crate::store::{Batch, Toward, Unreadable};

/// Rows of a page, unless fewer are asked for.
const ROWS: usize = 100;

pub type Answer = Result<Response, Problem>;

/// What lists understand.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct List {
    pub q: String,
    pub class: String,
    pub state: String,
    pub organisation: String,
    pub action: String,
    pub sort: String,
    pub since: String,
    pub until: String,
    pub after: String,
    pub limit: Option<usize>,
}

impl List {
    /// What is searched for.
    pub fn text(&self) -> String {
        self.q.trim().chars().take(200).collect()
    }

    /// # Errors
    /// 400 for what is no order.
    pub fn order(&self) -> Result<Order, Problem> {
        if self.sort.is_empty() {
            return Ok(Order::default());
        }
        Order::parse(&self.sort).ok_or(Problem::BAD_REQUEST)
    }

    /// The held messages that are searched for, of those that the caller may
    /// see.
    ///
    /// # Errors
    /// 400 for a word or a time that is none.
    pub fn search(&self, caller: &Caller) -> Result<Search, Problem> {
        Ok(Search {
            text: self.text(),
            class: words(&CLASSES, &self.class, Class::as_str)?,
            state: words(&STATES, &self.state, State::as_str)?,
            organisations: caller.account.role.organisations().map(<[_]>::to_vec),
            since: time(&self.since)?,
            until: time(&self.until)?,
            order: self.order()?,
        })
    }

    pub fn limit(&self) -> usize {
        self.limit.unwrap_or(ROWS).clamp(1, ROWS)
    }

    /// # Errors
    /// 400 for what is no cursor.
    pub fn after(&self) -> Result<Option<Vec<u8>>, Problem> {
        if self.after.is_empty() {
            return Ok(None);
        }
        URL_SAFE_NO_PAD.decode(&self.after).map(Some).map_err(|_| Problem::BAD_REQUEST)
    }
}

/// Why something is decided, for the audit.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Decision {
    why: String,
    state: String,
}

fn decision(body: &Bytes) -> Result<Decision, Problem> {
    if body.is_empty() {
        return Ok(Decision::default());
    }
    serde_json::from_slice(body).map_err(|_| Problem::BAD_REQUEST)
}

pub fn ok(value: &Value) -> Response {
    json_text(200, value.to_string())
}

/// An object with fields that no store may hold: the text of a mail, a secret
/// that is shown once. A repeat of the request is answered without them.
pub fn ok_once(value: &Value, once: &[&str]) -> Response {
    let mut kept = value.clone();
    if let Some(kept) = kept.as_object_mut() {
        kept.retain(|name, _| !once.contains(&name.as_str()));
    }
    let mut answer = ok(value);
    answer.extensions_mut().insert(Kept(kept.to_string()));
    answer
}

pub fn page(items: Vec<Value>, next: Option<Vec<u8>>) -> Response {
    page_but(items, next, &[])
}

/// The same, of a list that leaves out what cannot be read.
pub fn page_but(items: Vec<Value>, next: Option<Vec<u8>>, unreadable: &[Unreadable]) -> Response {
    let next = next.map(|next| URL_SAFE_NO_PAD.encode(next));
    let mut page = json!({ "items": Value::Array(items), "next": next });
    if !unreadable.is_empty() {
        let named =
            |one: &Unreadable| json!({ "table": format!("{:?}", one.table), "key": one.hex() });
        page["unreadable"] = unreadable.iter().map(named).collect();
    }
    ok(&page)
}

/// A time of RFC 3339.
fn time(text: &str) -> Result<Option<Timestamp>, Problem> {
    let time = (!text.is_empty()).then(|| text.parse().map_err(|_| Problem::BAD_REQUEST));
    time.transpose()
}

fn words<T: Copy>(
    all: &[T],
    text: &str,
    word: impl Fn(T) -> &'static str,
) -> Result<Option<T>, Problem> {
    if text.is_empty() {
        return Ok(None);
    }
    all.iter().copied().find(|one| word(*one) == text).map(Some).ok_or(Problem::BAD_REQUEST)
}

const STATES: [State; 9] = [
    State::Held,
    State::Releasing,
    State::Released,
    State::Delivered,
    State::Failed,
    State::Withdrawn,
    State::Refused,
    State::Disowned,
    State::Expired,
];

const CLASSES: [Class; 12] = [
    Class::Malware,
    Class::Unscannable,
    Class::Phishing,
    Class::Impersonated,
    Class::Unwanted,
    Class::Marketing,
    Class::Poll,
    Class::Social,
    Class::Mass,
    Class::Barred,
    Class::FirstContact,
    Class::Clean,
];

pub async fn held(caller: Caller, Query(list): Query<List>) -> Answer {
    caller.needs(Power::See, "GET held").await?;
    let search = list.search(&caller)?;
    let console = caller.console()?;
    let found = console.search.find(&search, list.after()?.as_deref(), list.limit()).await?;
    let items = found.held.iter().map(|held| shown(&caller, held)).collect();
    Ok(page_but(items, found.next, &found.unreadable))
}

/// The message, if a copy of it is the caller's to see.
pub async fn own(caller: &Caller, id: &str) -> Result<Held, Problem> {
    let id: Uuid = id.parse().map_err(|_| Problem::NOT_FOUND)?;
    let held = caller.visitor.app().releases.held(id).await?.ok_or(Problem::NOT_FOUND)?;
    let role = &caller.account.role;
    if held.recipients.iter().any(|one| role.covers(&one.organisation)) {
        return Ok(held);
    }
    caller.refused(&format!("held {id}")).await?;
    Err(Problem::FORBIDDEN)
}

pub async fn one_held(caller: Caller, Captured(id): Captured<String>) -> Answer {
    caller.needs(Power::See, "GET held").await?;
    let held = own(&caller, &id).await?;
    Ok(ok(&shown(&caller, &held)))
}

pub async fn release(caller: Caller, Captured(id): Captured<String>, body: Bytes) -> Answer {
    caller.needs(Power::Decide, "POST release").await?;
    decide_held(&caller, &id, &body, Act::Release).await
}

pub async fn delete(caller: Caller, Captured(id): Captured<String>, body: Bytes) -> Answer {
    caller.needs(Power::Decide, "POST delete").await?;
    decide_held(&caller, &id, &body, Act::Delete).await
}

/// A word about what the message is, for the content model.
pub async fn train(caller: Caller, Captured(id): Captured<String>, body: Bytes) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Taught {
        r#as: String,
        #[serde(default)]
        why: String,
    }
    caller.needs(Power::Decide, "POST train").await?;
    let held = own(&caller, &id).await?;
    let Taught { r#as, why } = serde_json::from_slice(&body).map_err(|_| Problem::BAD_REQUEST)?;
    let spam = match r#as.as_str() {
        "spam" => true,
        "wanted" => false,
        _ => return Err(Problem::BAD_REQUEST),
    };
    let now = caller.visitor.app().clock.now();
    let vote = Vote::by_administrator(held.id, caller.account.login.as_str(), spam, now);
    let entry = |what: &str| about_held(caller.entry(what), &held).why(&why);
    teach(caller.console()?, &entry, (&vote, spam)).await?;
    Ok(ok(&shown(&caller, &held)))
}

async fn decide_held(caller: &Caller, id: &str, body: &Bytes, act: Act) -> Answer {
    let why = decision(body)?.why;
    let held = own(caller, id).await?;
    let entry = |what: &str, held: &Held| about_held(caller.entry(what), held).why(&why);
    let app = caller.visitor.app();
    let done = act.carry_out(app, &caller.account.role, held.id, &entry).await?;
    Ok(ok(&shown(caller, &done)))
}

/// A message without its body; copies of others' organisations are left out.
fn shown(caller: &Caller, held: &Held) -> Value {
    let role = &caller.account.role;
    let own = held.recipients.iter().filter(|one| role.covers(&one.organisation));
    let recipients: Vec<Value> = own
        .map(|one| {
            json!({
                "address": one.address.to_string(),
                "organisation": one.organisation.as_str(),
                "class": one.class.as_str(),
                "state": one.state.as_str(),
                "changed": one.changed_at.to_string(),
                "reply": one.outcome.as_ref().map(|outcome| &outcome.reply),
            })
        })
        .collect();
    let findings: Vec<Value> =
        held.findings.iter().map(|one| json!({ "id": one.id, "weight": one.weight })).collect();
    json!({
        "id": held.id.to_string(),
        "reference": held.reference.to_string(),
        "received": held.received_at.to_string(),
        "expires": held.expires_at.to_string(),
        "mail_from": held.rfc5321_mail_from.to_string(),
        "from": held.from_text,
        "subject": held.subject,
        "client": held.client.to_string(),
        "size": held.size,
        "score": held.score,
        "findings": findings,
        "recipients": recipients,
    })
}

pub async fn senders(caller: Caller, Query(list): Query<List>) -> Answer {
    caller.needs(Power::SeeAll, "GET senders").await?;
    let state = match list.state.as_str() {
        "" => None,
        word => Some(StandingState::parse(word).ok_or(Problem::BAD_REQUEST)?),
    };
    let search = &caller.console()?.senders;
    let (text, after) = (list.text(), list.after()?);
    let found = search.find(&text, state, list.order()?, (after.as_deref(), list.limit())).await?;
    let senders = found.senders.iter().map(sender).collect();
    Ok(page_but(senders, found.next, &found.unreadable))
}

fn sender(standing: &Standing) -> Value {
    let (organisation, network) = match &standing.scope {
        Scope::Everywhere => (None, None),
        Scope::Within { organisation, network } => {
            (Some(organisation.as_str()), Some(network.to_string()))
        }
    };
    json!({
        "id": URL_SAFE_NO_PAD.encode(standing.id()),
        "address": standing.address.to_string(),
        "state": standing.state.as_str(),
        "since": standing.since.to_string(),
        "last_seen": standing.last_seen.to_string(),
        "releases": standing.releases,
        "revocations": standing.revocations,
        "organisation": organisation,
        "network": network,
    })
}

pub async fn decide(caller: Caller, Captured(id): Captured<String>, body: Bytes) -> Answer {
    caller.needs(Power::Operate, "POST sender").await?;
    let Decision { why, state } = decision(&body)?;
    let key = URL_SAFE_NO_PAD.decode(&id).map_err(|_| Problem::NOT_FOUND)?;
    let state = StandingState::parse(&state).filter(|state| *state != StandingState::Probation);
    let state = state.ok_or(Problem::BAD_REQUEST)?;
    let console = caller.console()?;
    let audit = console.accounts.audit();
    let also = |batch: &mut Batch, before: &Standing, after: &Standing| {
        let entry = caller.entry("decide-sender").about("sender", &after.address.display());
        let entry = entry.why(&why).before(before.state.as_str());
        audit.record(batch, entry.after(after.state.as_str()));
    };
    let done = console.reputation.decide(&key, state, &also).await?.ok_or(Problem::NOT_FOUND)?;
    Ok(ok(&sender(&done)))
}

pub async fn queue(caller: Caller, Query(list): Query<List>) -> Answer {
    caller.needs(Power::SeeAll, "GET queue").await?;
    let console = caller.console()?;
    let which = Which::parse(&list.state).ok_or(Problem::BAD_REQUEST)?;
    let toward = match which.orders().iter().position(|one| *one == list.sort) {
        Some(1) => Toward::First,
        None if !list.sort.is_empty() => return Err(Problem::BAD_REQUEST),
        _ => Toward::Last,
    };
    let after = list.after()?.unwrap_or_default();
    let found = console.queue.list(which, toward, &after, list.limit()).await?;
    Ok(page_but(found.items.iter().map(item).collect(), found.next, &found.unreadable))
}

fn item(item: &Item) -> Value {
    let state = |state| match state {
        ItemState::Waiting => "waiting",
        ItemState::Delivered => "delivered",
        ItemState::Failed => "failed",
    };
    let recipients: Vec<Value> = item
        .recipients
        .iter()
        .map(|one| {
            let address = one.address.to_string();
            json!({ "address": address, "state": state(one.state), "reply": one.reply })
        })
        .collect();
    json!({
        "id": item.id.to_string(),
        "held": (!item.held.is_nil()).then(|| item.held.to_string()),
        "created": item.created_at.to_string(),
        "due": item.is_open().then(|| item.due_at.to_string()),
        "kept_until": item.kept_until.map(|until| until.to_string()),
        "attempts": item.attempts,
        "recipients": recipients,
    })
}

pub async fn retry(caller: Caller, Captured(id): Captured<String>, body: Bytes) -> Answer {
    caller.needs(Power::Operate, "POST retry").await?;
    let id: Uuid = id.parse().map_err(|_| Problem::NOT_FOUND)?;
    let why = decision(&body)?.why;
    let entry = caller.entry("retry-item").about("item", &id.to_string()).why(&why);
    if !(caller.console()?.retry)(id, entry).await? {
        return Err(Problem::DECIDED);
    }
    Ok(ok(&json!({ "id": id.to_string() })))
}

pub async fn give_up(caller: Caller, Captured(id): Captured<String>, body: Bytes) -> Answer {
    caller.needs(Power::Operate, "POST give-up").await?;
    let id: Uuid = id.parse().map_err(|_| Problem::NOT_FOUND)?;
    let why = decision(&body)?.why;
    let audit = caller.console()?.accounts.audit();
    let also = |batch: &mut Batch| {
        let entry = caller.entry("give-up-item").about("item", &id.to_string());
        audit.record(batch, entry.why(&why));
    };
    if !caller.visitor.app().releases.give_up(id, &also).await? {
        return Err(Problem::DECIDED);
    }
    Ok(ok(&json!({ "id": id.to_string() })))
}

pub async fn audit(caller: Caller, Query(list): Query<List>) -> Answer {
    caller.needs(Power::SeeAll, "GET audit").await?;
    let order = match list.sort.as_str() {
        "" | "latest" => audit::Order::Latest,
        "oldest" => audit::Order::Oldest,
        _ => return Err(Problem::BAD_REQUEST),
    };
    let after = list.after()?.unwrap_or_default();
    let bounds = audit::Bounds::of_page(list.limit());
    let found = caller.console()?.accounts.audit().find(&list.q, order, &after, bounds).await?;
    let entries = found.entries.iter().map(decided).collect();
    Ok(page_but(entries, found.next, &found.unreadable))
}

fn decided(entry: &Entry) -> Value {
    json!({
        "at": entry.at.to_string(),
        "who": entry.who,
        "what": entry.what,
        "kind": entry.kind,
        "about": entry.about,
        "why": entry.why,
        "before": entry.before,
        "after": entry.after,
        "client": entry.client.map(|client| client.to_string()),
    })
}

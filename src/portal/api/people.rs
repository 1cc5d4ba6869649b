//! Organisations, recipients and rules as JSON: the same decisions as the
//! console's pages, by the same piece.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::{Path as Captured, Query};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Caller;
use super::problem::Problem;
use super::resources::{Answer, List, ok, page, page_but};
use crate::account::Power;
use crate::directory::overlay::SETTINGS;
use crate::directory::search::Wanted;
use crate::directory::{Frequency, Organisation, Recipient, RuleAction, StoredRule};
use crate::mail::Address;
use crate::portal::decisions::{Decider, Declined, Picture, action_word, rule_name};

/// A change of an organisation.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Change {
    /// Settings by name, as the configuration writes them; a retention is a
    /// number of days.
    values: BTreeMap<String, String>,
    /// Names of settings that go back to the file's value.
    back: Vec<String>,
    /// A picture in base64 (RFC 4648 section 4); empty: none.
    logo: Option<String>,
    why: String,
}

impl Caller {
    fn decider(&self) -> Decider {
        Decider {
            app: self.visitor.app().clone(),
            role: self.account.role.clone(),
            login: self.account.login.to_string(),
            who: self.who(),
            client: self.visitor.client,
        }
    }

    /// What is not his is recorded; what is wrong is said.
    async fn declined(&self, declined: Declined) -> Problem {
        match declined {
            Declined::NotFound => Problem::NOT_FOUND,
            Declined::Store(fault) => fault.into(),
            Declined::Foreign(what) => match self.refused(&what).await {
                Ok(()) => Problem::FORBIDDEN,
                Err(problem) => problem,
            },
            Declined::Wrong(wrong) => {
                let words = self.visitor.languages().english();
                let lines =
                    wrong.iter().map(|(field, id)| format!("{field}: {}", &**words.say(id)));
                Problem::wrong(lines.collect::<Vec<_>>().join(" "))
            }
        }
    }
}

fn read<'b, T: Deserialize<'b> + Default>(body: &'b Bytes) -> Result<T, Problem> {
    if body.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(body).map_err(|_| Problem::BAD_REQUEST)
}

pub async fn organisations(caller: Caller, Query(list): Query<List>) -> Answer {
    caller.needs(Power::See, "GET organisations").await?;
    let mut all = caller.decider().organisations();
    all.sort_by(|a, b| a.id.cmp(&b.id));
    let after = list.after()?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    all.retain(|one| after.as_deref().is_none_or(|after| one.id.as_str() > after));
    let more = all.len() > list.limit();
    all.truncate(list.limit());
    let next = all.last().filter(|_| more).map(|one| one.id.as_str().as_bytes().to_vec());
    let mut items = Vec::with_capacity(all.len());
    for one in &all {
        items.push(organisation(&caller, one).await?);
    }
    Ok(page(items, next))
}

pub async fn one_organisation(caller: Caller, Captured(id): Captured<String>) -> Answer {
    caller.needs(Power::See, "GET organisation").await?;
    match caller.decider().organisation(&id) {
        Ok(one) => Ok(ok(&organisation(&caller, &one).await?)),
        Err(declined) => Err(caller.declined(declined).await),
    }
}

pub async fn change_organisation(
    caller: Caller,
    Captured(id): Captured<String>,
    body: Bytes,
) -> Answer {
    caller.needs(Power::Decide, "POST organisation").await?;
    let change: Change = read(&body)?;
    let picture = match change.logo.as_deref() {
        None => Picture::Stays,
        Some("") => Picture::Goes,
        Some(text) => Picture::Is(STANDARD.decode(text).map_err(|_| Problem::BAD_REQUEST)?),
    };
    let values: Vec<(String, String)> = change.values.into_iter().collect();
    let decider = caller.decider();
    let changed =
        decider.change_organisation(&id, &values, &change.back, picture, &change.why).await;
    if let Err(declined) = changed {
        return Err(caller.declined(declined).await);
    }
    one_organisation(caller, Captured(id)).await
}

/// Each setting with what counts, and what the file says where it differs.
async fn organisation(caller: &Caller, one: &Organisation) -> Result<Value, Problem> {
    let overlay = caller.console()?.overlays.of(&one.id).await?;
    let written = caller.visitor.app().directory.written(&one.id);
    let mut settings = Map::new();
    for setting in &SETTINGS {
        let changed = overlay.value(setting.name).is_some();
        let file = written.as_deref().map(|written| setting.of(written));
        let source = if changed { "console" } else { "file" };
        let value = json!({ "value": setting.of(one), "source": source, "file": file });
        settings.insert(setting.name.to_owned(), value);
    }
    let domains: Vec<&str> = one.domains.iter().map(crate::mail::Domain::as_str).collect();
    Ok(json!({
        "id": one.id.as_str(),
        "name": one.name,
        "domains": domains,
        "host": one.host,
        "settings": settings,
        "logo": one.logo.as_ref().map(|logo| json!({ "type": logo.kind.media_type(), "size": logo.bytes.len() })),
    }))
}

pub async fn recipients(caller: Caller, Query(list): Query<List>) -> Answer {
    caller.needs(Power::See, "GET recipients").await?;
    let wanted = Wanted {
        text: list.text(),
        organisations: caller.decider().bounds(&list.organisation),
        facts: 0,
        order: list.order()?,
    };
    let search = &caller.console()?.recipients;
    let found = search.find(&wanted, list.after()?.as_deref(), list.limit()).await?;
    Ok(page_but(found.found.iter().map(recipient).collect(), found.next, &found.unreadable))
}

pub async fn one_recipient(caller: Caller, Captured(id): Captured<String>) -> Answer {
    caller.needs(Power::See, "GET recipient").await?;
    match caller.decider().recipient(&id).await {
        Ok(one) => Ok(ok(&recipient(&one))),
        Err(declined) => Err(caller.declined(declined).await),
    }
}

pub async fn add_recipient(caller: Caller, body: Bytes) -> Answer {
    caller.needs(Power::Decide, "POST recipients").await?;
    let fields: BTreeMap<String, String> = read(&body)?;
    let address = fields.get("address").ok_or(Problem::BAD_REQUEST)?;
    match caller.decider().add_recipient(address).await {
        Ok(one) => Ok(ok(&recipient(&one))),
        Err(declined) => Err(caller.declined(declined).await),
    }
}

pub async fn change_recipient(
    caller: Caller,
    Captured(id): Captured<String>,
    body: Bytes,
) -> Answer {
    caller.needs(Power::Decide, "POST recipient").await?;
    let fields: BTreeMap<String, String> = read(&body)?;
    let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
    match caller.decider().change_recipient(&id, &field).await {
        Ok(one) => Ok(ok(&recipient(&one))),
        Err(declined) => Err(caller.declined(declined).await),
    }
}

pub async fn send_digest(caller: Caller, Captured(id): Captured<String>) -> Answer {
    caller.needs(Power::Decide, "POST digest").await?;
    match caller.decider().send_digest(&id).await {
        Ok(sent) => Ok(ok(&json!({ "sent": sent }))),
        Err(declined) => Err(caller.declined(declined).await),
    }
}

pub async fn end_sessions(caller: Caller, Captured(id): Captured<String>) -> Answer {
    caller.needs(Power::Decide, "POST end-sessions").await?;
    match caller.decider().end_sessions(&id).await {
        Ok(()) => Ok(ok(&json!({ "ended": true }))),
        Err(declined) => Err(caller.declined(declined).await),
    }
}

fn recipient(one: &Recipient) -> Value {
    let list = |all: &[Address]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
    json!({
        "id": one.id.to_string(),
        "address": one.address.to_string(),
        "organisation": one.organisation.as_str(),
        "since": one.since.to_string(),
        "by": one.by,
        "aliases": list(&one.aliases),
        "members": list(&one.members),
        "digest": one.frequency.map(Frequency::as_str),
        "hour": one.hour,
        "weekday": one.weekday,
        "language": one.language,
        "next_digest": one.digest_at.map(|at| at.to_string()),
    })
}

pub async fn rules(caller: Caller, Query(list): Query<List>) -> Answer {
    caller.needs(Power::See, "GET rules").await?;
    let facts = match list.action.as_str() {
        "" => 0,
        "block" => StoredRule::bit(RuleAction::Block),
        "allow" => StoredRule::bit(RuleAction::Allow),
        _ => return Err(Problem::BAD_REQUEST),
    };
    let organisations = caller.decider().bounds(&list.organisation);
    let wanted = Wanted { text: list.text(), organisations, facts, order: list.order()? };
    let search = &caller.console()?.rules;
    let found = search.find(&wanted, list.after()?.as_deref(), list.limit()).await?;
    Ok(page_but(found.found.iter().map(rule).collect(), found.next, &found.unreadable))
}

pub async fn make_rule(caller: Caller, body: Bytes) -> Answer {
    caller.needs(Power::Decide, "POST rules").await?;
    let fields: BTreeMap<String, String> = read(&body)?;
    let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
    match caller.decider().make_rule(&field).await {
        Ok(made) => Ok(ok(&rule(&made))),
        Err(declined) => Err(caller.declined(declined).await),
    }
}

pub async fn end_rule(caller: Caller, Captured(id): Captured<String>) -> Answer {
    caller.needs(Power::Decide, "POST end rule").await?;
    match caller.decider().end_rule(&id).await {
        Ok(ended) => Ok(ok(&rule(&ended))),
        Err(declined) => Err(caller.declined(declined).await),
    }
}

fn rule(one: &StoredRule) -> Value {
    use crate::directory::Pattern;
    let (kind, network) = match &one.sender {
        Pattern::Address(_) => ("address", None),
        Pattern::Domain(_) => ("domain", None),
        Pattern::Proved(_) => ("proved", None),
        Pattern::Unproved { network, .. } => ("unproved", Some(network.to_string())),
    };
    let sender = match &one.sender {
        Pattern::Domain(domain) => domain.as_str().to_owned(),
        other => other.address().map(ToString::to_string).unwrap_or_default(),
    };
    json!({
        "id": rule_name(one),
        "organisation": one.organisation.as_str(),
        "recipient": one.recipient.as_ref().map(ToString::to_string),
        "sender": sender,
        "kind": kind,
        "network": network,
        "action": action_word(one.action),
        "why": one.why,
        "by": one.by,
        "by_flag": one.by_flag,
        "since": one.since.to_string(),
        "until": one.until.map(|until| until.to_string()),
    })
}

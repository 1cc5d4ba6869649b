//! What the lists keep, as an operator's commands print it.

use serde_json::{Value, json};

use crate::clock::Timestamp;
use crate::suppression::distribute::Drift;
use crate::suppression::event::Event;
use crate::suppression::rule::REASONS;
use crate::suppression::{Exemption, Inquiry, Server, Suppressed, Way};

pub(super) fn inquiry(one: &Inquiry) -> Value {
    json!({
        "organisation": one.organisation.as_str(), "state": one.state.as_str(),
        "by": one.by, "at": one.at.to_string(), "why": one.why,
        "decided_by": one.decided_by, "decided_at": one.decided_at.map(|at| at.to_string()),
    })
}

/// An uploaded address has no date of its own.
fn since(one: &Suppressed) -> String {
    if one.since == Timestamp::UNIX_EPOCH { String::new() } else { one.since.to_string() }
}

pub(super) fn suppressed(one: &Suppressed) -> Value {
    json!({
        "address": one.address.to_string(), "server": one.server, "reason": one.reason.as_str(),
        "since": since(one), "until": one.until.map(|at| at.to_string()), "relapses": one.relapses,
    })
}

pub(super) fn exemption(one: &Exemption) -> Value {
    json!({
        "address": one.address.to_string(), "server": one.server, "reason": one.reason.as_str(),
        "at": one.at.to_string(), "by": one.by, "errors": one.errors, "last_error": one.last_error,
    })
}

pub(super) fn told(one: &Event) -> Value {
    json!({
        "at": one.at.to_string(), "server": one.server, "address": one.address,
        "outcome": one.outcome.as_str(), "reason": one.class, "subject": one.subject,
        "sender": one.sender, "return_path": one.return_path, "message_id": one.message_id,
        "response": one.response,
    })
}

pub(super) fn shown(server: &Server, drift: &Drift, blocked: usize) -> Value {
    let settings = &server.settings;
    let reasons: serde_json::Map<String, Value> = REASONS
        .iter()
        .zip(settings.reasons)
        .map(|(class, rule)| {
            (class.as_str().to_owned(), json!({ "enabled": rule.enabled, "after": rule.after }))
        })
        .collect();
    let way = match &server.way {
        Way::Own => "own".to_owned(),
        Way::MapFile(path) => path.clone(),
        Way::Socketmap => "socketmap".to_owned(),
        Way::Download(_) => "download".to_owned(),
    };
    let drift = match drift {
        Drift::None => Value::Null,
        Drift::Never => json!("never distributed"),
        Drift::Changed(how) => json!(how),
        Drift::Behind { has, last } => json!(format!("has version {has}, the last is {last}")),
    };
    json!({
        "id": server.id, "name": server.name, "way": way, "blocked": blocked,
        "version": server.version, "drift": drift, "trouble": server.trouble,
        "pinned": server.pinned, "never": server.never,
        "organisation": server.organisation.as_ref().map(crate::directory::OrganisationId::as_str),
        "previous_run": server.previous_run.map(|at| at.to_string()),
        "settings": {
            "daily_at": format!("{:02}:{:02}", settings.daily_at / 60, settings.daily_at % 60),
            "zone": settings.zone, "immediate": settings.immediate,
            "watch_days": settings.watch_days, "strike_hours": settings.strike_hours,
            "releases_per_day": settings.releases_per_day, "fixed": settings.fixed,
            "reasons": reasons,
        },
    })
}

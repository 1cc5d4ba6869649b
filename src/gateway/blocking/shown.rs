//! What the lists keep, as an operator's commands print it.

use serde_json::{Value, json};

use crate::clock::Timestamp;
use crate::portal::{server_drift, server_settings};
use crate::suppression::distribute::Drift;
use crate::suppression::event::Event;
use crate::suppression::{Exemption, Inquiry, Server, Suppressed};

pub(super) fn inquiry(one: &Inquiry) -> Value {
    json!({
        "organisation": one.organisation.as_str(), "state": one.state.as_str(),
        "by": one.by, "at": one.at.to_string(), "why": one.why,
        "decided_by": one.decided_by, "decided_at": one.decided_at.map(|at| at.to_string()),
    })
}

/// An address of several uploads has no date of its own.
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
    json!({
        "id": server.id, "name": server.name, "way": server.way.to_string(), "blocked": blocked,
        "version": server.version, "drift": server_drift(drift), "trouble": server.trouble,
        "pinned": server.pinned, "never": server.never,
        "organisation": server.organisation.as_ref().map(crate::directory::OrganisationId::as_str),
        "previous_run": server.previous_run.map(|at| at.to_string()),
        "settings": server_settings(server),
    })
}

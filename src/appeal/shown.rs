//! An appeal as programs read it: the command and the API.

use serde_json::{Value, json};

use super::record::{Appeal, Voice};
use crate::reputation::Proof;

/// With what speaks for it and against it.
pub fn shown(appeal: &Appeal) -> Value {
    let lines: Vec<Value> = appeal
        .lines
        .iter()
        .map(|line| {
            let by = if line.voice == Voice::Sender { "sender" } else { "administrator" };
            json!({ "at": line.at.to_string(), "by": by, "text": line.text })
        })
        .collect();
    let decision = appeal.decision.as_ref().map(|one| {
        let grant = one.grant.as_ref().map(|grant| {
            json!({
                "scope": grant.scope.as_str(),
                "until": grant.until.to_string(),
                "volume": grant.volume,
                "used": grant.used,
            })
        });
        let organisations = one.organisations.as_ref();
        let organisations = organisations.map(|all| {
            all.iter().map(super::super::directory::OrganisationId::as_str).collect::<Vec<_>>()
        });
        json!({
            "at": one.at.to_string(),
            "by": one.by,
            "reason": one.reason,
            "grant": grant,
            "organisations": organisations,
        })
    });
    let proofs = [(Proof::Dmarc, "dmarc"), (Proof::Dkim, "dkim"), (Proof::Spf, "spf")];
    let proofs: Vec<&str> =
        proofs.iter().filter(|(one, _)| appeal.proofs.contains(*one)).map(|one| one.1).collect();
    let organisations: Vec<&str> =
        appeal.organisations.iter().map(super::super::directory::OrganisationId::as_str).collect();
    json!({
        "id": appeal.id.to_string(),
        "message": appeal.held.to_string(),
        "reference": appeal.reference,
        "from": appeal.from_text,
        "campaign": appeal.campaign,
        "organisations": organisations,
        "state": appeal.state.as_str(),
        "opened": appeal.opened_at.to_string(),
        "deadline": appeal.deadline.to_string(),
        "who": appeal.claimed.who,
        "what": appeal.claimed.what,
        "why": appeal.claimed.why,
        "agreed": appeal.claimed.agreed,
        "recipients": appeal.claimed.how_many,
        "proved": appeal.evidence.proved,
        "proofs": proofs,
        "unsubscribe": appeal.evidence.unsubscribe,
        "one_click": appeal.evidence.one_click,
        "held": appeal.evidence.held,
        "copies": appeal.evidence.copies,
        "passed": appeal.evidence.passed,
        "flags": appeal.evidence.flags,
        "subject": appeal.evidence.subject,
        "lines": lines,
        "decision": decision,
    })
}

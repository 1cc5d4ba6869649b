//! What a held message says, as JSON: for a reason, which the audit takes
//! before anything is answered.
//!
//! The same safe form as the console's page: the first text part as plain
//! text, attachments by name and type, nothing fetched. All of it is text of
//! strangers. An idempotency key keeps none of it.

use axum::body::Bytes;
use axum::extract::Path as Captured;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Caller;
use super::problem::Problem;
use super::resources::{Answer, ok_once, own};
use crate::account::Power;
use crate::portal::admin::read_body;

/// What a body says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    why: String,
}

pub async fn read(caller: Caller, Captured(id): Captured<String>, body: Bytes) -> Answer {
    caller.needs(Power::Read, "POST read").await?;
    let held = own(&caller, &id).await?;
    let Said { why } = serde_json::from_slice(&body).map_err(|_| Problem::BAD_REQUEST)?;
    if why.trim().is_empty() {
        return Err(Problem::wrong("why: a body is read for a reason".to_owned()));
    }
    if held.erased {
        return Err(Problem::NOT_FOUND);
    }
    let entry = caller.entry("read-body").why(&why);
    let seen = read_body(caller.console()?, entry, &held).await?;
    let fields: Vec<Value> = seen
        .fields
        .iter()
        .map(|(name, value)| json!({ "name": name, "value": value.trim() }))
        .collect();
    let attachments: Vec<Value> = seen
        .preview
        .attachments
        .iter()
        .map(|one| json!({ "name": one.name, "media": one.media, "size": one.size }))
        .collect();
    let answer = json!({
        "id": held.id.to_string(),
        "text": seen.preview.text,
        "cut": seen.preview.cut,
        "fields": fields,
        "attachments": attachments,
    });
    Ok(ok_once(&answer, &["text", "fields", "attachments"]))
}

//! Flags by programs: a recipient's "spam", passed on by a help desk or a
//! mailbox server, and its undoing.
//!
//! They act as his own: the sender is blocked for him, and a person's word
//! counts for his organisation (`by` is `person` or `machine`). Only who may
//! decide about the recipient's organisation says it, and the audit knows who.

use axum::body::Bytes;
use axum::extract::Path as Captured;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Caller;
use super::problem::Problem;
use super::resources::{Answer, ok, own};
use crate::account::{Entry, Power};
use crate::mail::Address;
use crate::portal::admin::about_held;
use crate::quarantine::{Held, HeldRecipient};
use crate::reputation::{Flag, FlagBy, FlagError};
use crate::store::Batch;

/// What a body says.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Said {
    recipient: String,
    by: String,
    why: String,
}

impl From<FlagError> for Problem {
    fn from(error: FlagError) -> Self {
        match error {
            FlagError::Nobody => Self::wrong(error.to_string()),
            FlagError::Gone => Self::NOT_FOUND,
            FlagError::Store(fault) => fault.into(),
        }
    }
}

impl Said {
    fn read(body: &Bytes) -> Result<Self, Problem> {
        serde_json::from_slice(body).map_err(|_| Problem::BAD_REQUEST)
    }

    fn by(&self) -> Result<FlagBy, Problem> {
        match self.by.as_str() {
            "" | "person" => Ok(FlagBy::Person),
            "machine" => Ok(FlagBy::Machine),
            _ => Err(Problem::BAD_REQUEST),
        }
    }

    /// The recipient's copy of the message, if it is the caller's to see.
    fn copy<'h>(&self, caller: &Caller, held: &'h Held) -> Result<&'h HeldRecipient, Problem> {
        let named = Address::parse(self.recipient.trim()).map_err(|_| Problem::BAD_REQUEST)?;
        let role = &caller.account.role;
        let his = |one: &&HeldRecipient| {
            one.address.base() == named.base() && role.covers(&one.organisation)
        };
        let nobody = || Problem::wrong("recipient: this message was not for him".to_owned());
        held.recipients.iter().find(his).ok_or_else(nobody)
    }

    fn entry(&self, caller: &Caller, what: &str, held: &Held) -> Entry {
        let about = format!("for {}", self.recipient.trim());
        about_held(caller.entry(what), held).why(&self.why).after(about)
    }
}

pub async fn flag(caller: Caller, Captured(id): Captured<String>, body: Bytes) -> Answer {
    caller.needs(Power::Decide, "POST flag").await?;
    let held = own(&caller, &id).await?;
    let said = Said::read(&body)?;
    let (by, copy) = (said.by()?, said.copy(&caller, &held)?);
    let console = caller.console()?;
    let entry = said.entry(&caller, "flag-sender", &held);
    let also = |batch: &mut Batch| console.accounts.audit().record(batch, entry.clone());
    let who = (&copy.organisation, &copy.address);
    let flag = console.flags.flag_with(&held.sender(), who, by, Some(held.id), &also).await?;
    Ok(ok(&shown(&flag)))
}

pub async fn undo(caller: Caller, Captured(id): Captured<String>, body: Bytes) -> Answer {
    caller.needs(Power::Decide, "POST unflag").await?;
    let held = own(&caller, &id).await?;
    let said = Said::read(&body)?;
    let copy = said.copy(&caller, &held)?;
    let console = caller.console()?;
    let entry = said.entry(&caller, "unflag-sender", &held);
    let also = |batch: &mut Batch| console.accounts.audit().record(batch, entry.clone());
    let who = (&copy.organisation, &copy.address);
    Ok(ok(&shown(&console.flags.undo_with(&held.sender(), who, &also).await?)))
}

fn shown(flag: &Flag) -> Value {
    json!({
        "sender": flag.address.to_string(),
        "recipient": flag.recipient.to_string(),
        "organisation": flag.organisation.as_str(),
        "by": if flag.by == FlagBy::Person { "person" } else { "machine" },
        "at": flag.at.to_string(),
        "undone": flag.undone_at.map(|at| at.to_string()),
        "ended_trust": flag.ended.is_some(),
    })
}

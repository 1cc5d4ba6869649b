//! Appeals as JSON: list, show, ask, grant, deny.
//!
//! The same rules as in the console: an organisation's administrator sees
//! what concerns his organisations, decides what concerns no others, and
//! grants for his own.

use axum::body::Bytes;
use axum::extract::{Path as Captured, Query};
use serde::Deserialize;
use serde_json::json;

use super::Caller;
use super::problem::Problem;
use super::resources::{Answer, List, ok, page_but};
use crate::account::Power;
use crate::appeal::{
    Appeal, AppealError, Appeals, Decider, Order, Scope, Tab, Terms, Wanted, shown,
};
use crate::clock::SignedDuration;

/// What a decision's body may say.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body {
    text: String,
    reason: String,
    scope: String,
    days: u16,
    volume: u32,
}

impl Body {
    fn read(bytes: &Bytes) -> Result<Self, Problem> {
        serde_json::from_slice(bytes).map_err(|_| Problem::BAD_REQUEST)
    }
}

impl From<AppealError> for Problem {
    fn from(error: AppealError) -> Self {
        match error {
            AppealError::Unknown | AppealError::Gone => Self::NOT_FOUND,
            AppealError::Decided { .. } => Self::APPEAL_DECIDED,
            AppealError::NotHis => Self::FORBIDDEN,
            AppealError::Incomplete
            | AppealError::Terms
            | AppealError::Unproved
            | AppealError::TooLong => Self::BAD_REQUEST,
            AppealError::Store(fault) => fault.into(),
        }
    }
}

fn appeals(caller: &Caller) -> Result<&Appeals, Problem> {
    caller.visitor.app().appeals.as_ref().ok_or(Problem::NOT_FOUND)
}

fn decider(caller: &Caller) -> Decider {
    Decider {
        who: caller.who(),
        client: Some(caller.visitor.client),
        organisations: caller.account.role.organisations().map(<[_]>::to_vec),
    }
}

/// The appeal, if it is the caller's to see.
async fn own(caller: &Caller, id: &str) -> Result<Appeal, Problem> {
    let id = id.parse().map_err(|_| Problem::NOT_FOUND)?;
    let appeal = appeals(caller)?.find(id).await?;
    if decider(caller).sees(&appeal) {
        return Ok(appeal);
    }
    caller.refused(&format!("appeal {id}")).await?;
    Err(Problem::FORBIDDEN)
}

pub async fn list(caller: Caller, Query(list): Query<List>) -> Answer {
    caller.needs(Power::See, "GET appeals").await?;
    let tab = match list.state.as_str() {
        "" => Tab::Received,
        word => Tab::parse(word).ok_or(Problem::BAD_REQUEST)?,
    };
    let own = caller.account.role.organisations();
    let after = list.after()?.unwrap_or_default();
    let order = Order::parse(&list.sort).ok_or(Problem::BAD_REQUEST)?;
    let text = list.text();
    let wanted = Wanted { tab, part: &text, organisations: own, order };
    let found = appeals(&caller)?.find_by(&wanted, &after, list.limit()).await?;
    Ok(page_but(found.appeals.iter().map(shown).collect(), found.next, &found.unreadable))
}

pub async fn one(caller: Caller, Captured(id): Captured<String>) -> Answer {
    caller.needs(Power::See, "GET appeal").await?;
    Ok(ok(&shown(&own(&caller, &id).await?)))
}

pub async fn ask(caller: Caller, Captured(id): Captured<String>, body: Bytes) -> Answer {
    caller.needs(Power::Decide, "POST ask").await?;
    let appeal = own(&caller, &id).await?;
    let Body { text, .. } = Body::read(&body)?;
    let asked = appeals(&caller)?.ask(&decider(&caller), appeal.id, &text).await?;
    Ok(ok(&shown(&asked)))
}

/// `freed` says how many held messages are on their way.
pub async fn grant(caller: Caller, Captured(id): Captured<String>, body: Bytes) -> Answer {
    caller.needs(Power::Decide, "POST grant").await?;
    let appeal = own(&caller, &id).await?;
    let Body { reason, scope, days, volume, .. } = Body::read(&body)?;
    let scope = Scope::parse(&scope).ok_or(Problem::BAD_REQUEST)?;
    let now = caller.visitor.app().clock.now();
    let until = now + SignedDuration::from_hours(24 * i64::from(days));
    let terms = Terms { scope, until, volume };
    let granted = appeals(&caller)?.grant(&decider(&caller), appeal.id, &reason, terms).await?;
    let mut value = shown(&granted.0);
    value["freed"] = json!(granted.1);
    Ok(ok(&value))
}

pub async fn deny(caller: Caller, Captured(id): Captured<String>, body: Bytes) -> Answer {
    caller.needs(Power::Decide, "POST deny").await?;
    let appeal = own(&caller, &id).await?;
    let Body { reason, .. } = Body::read(&body)?;
    let denied = appeals(&caller)?.deny(&decider(&caller), appeal.id, &reason).await?;
    Ok(ok(&shown(&denied)))
}

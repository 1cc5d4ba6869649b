//! Statistics and findings as JSON: the counts of each hour, and how often
//! each finding was overruled, with the power to take its weight down.

use axum::body::Bytes;
use axum::extract::{Path as Captured, Query};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Caller;
use super::problem::Problem;
use super::resources::{Answer, ok};
use crate::account::Power;
use crate::clock::Timestamp;
use crate::filter::demotion::{self, Demotion, DemotionError};
use crate::portal::admin::demote as decide;
use crate::statistics::hour_of;

/// Hours that one answer holds, at most: a year and a day.
const MOST: u32 = 367 * 24;

/// What may be left of a weight, in per cent.
const LEFT: [u8; 3] = [100, 50, 0];

/// What is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Span {
    hours: Option<u32>,
}

/// What a body says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Left {
    /// Of the weight, in per cent: 100, 50 or 0.
    left: u8,
}

pub async fn statistics(caller: Caller, Query(span): Query<Span>) -> Answer {
    caller.needs(Power::SeeAll, "GET statistics").await?;
    let hours = span.hours.unwrap_or(24);
    if !(1..=MOST).contains(&hours) {
        return Err(Problem::BAD_REQUEST);
    }
    let statistics = &caller.console()?.statistics;
    let counts = statistics.last(hours).await?;
    let first = i64::from(hour_of(statistics.now())) + 1 - i64::try_from(counts.len()).unwrap_or(0);
    let items: Vec<Value> = (first..)
        .zip(&counts)
        .map(|(hour, counts)| {
            json!({
                "hour": Timestamp::from_second(hour * 3600).unwrap_or_default().to_string(),
                "rejected": counts.rejected,
                "held": counts.held,
                "released": counts.released,
                "destroyed": counts.destroyed,
                "delivered": counts.delivered,
            })
        })
        .collect();
    Ok(ok(&json!({ "items": items })))
}

pub async fn findings(caller: Caller) -> Answer {
    caller.needs(Power::SeeAll, "GET findings").await?;
    let console = caller.console()?;
    let demoted = demotion::all(&console.store).await?;
    let items: Vec<Value> = console
        .search
        .shares()
        .await
        .iter()
        .map(|share| {
            let left = demoted.iter().find(|one| one.finding == share.finding);
            json!({
                "id": share.finding,
                "held": share.held,
                "freed": share.freed,
                "weight": console.weights.of(&share.finding),
                "left": left.map_or(100, |one| one.percent),
            })
        })
        .collect();
    Ok(ok(&json!({ "items": items })))
}

pub async fn demote(caller: Caller, Captured(id): Captured<String>, body: Bytes) -> Answer {
    caller.needs(Power::Operate, "POST demote").await?;
    let Left { left } = serde_json::from_slice(&body).map_err(|_| Problem::BAD_REQUEST)?;
    if !LEFT.contains(&left) {
        return Err(Problem::BAD_REQUEST);
    }
    let demotion = Demotion {
        finding: id,
        percent: left,
        by: caller.who(),
        at: caller.visitor.app().clock.now(),
    };
    match decide(caller.console()?, caller.entry("demote-finding"), &demotion).await {
        Ok(()) => Ok(ok(&json!({ "id": demotion.finding, "left": left }))),
        Err(DemotionError::Unknown(unknown)) => Err(Problem::wrong(unknown.to_string())),
        Err(DemotionError::Store(fault)) => Err(fault.into()),
    }
}

//! Amazon SES's bounces and complaints as JSON in a mail of Amazon SNS.
//!
//! The objects are Amazon's (`notificationType`, `bounce`, `complaint`);
//! mail servers break their long line with `!` and a fold.

use serde_json::Value;

use super::{Failure, Kind, RECIPIENTS};
use crate::mail::dsn::Action;

/// The recipients of a notification, if `text` is one.
pub(super) fn read(text: &str) -> Option<(Kind, Vec<Failure>)> {
    let start = text.find('{')?;
    if !text.contains("notificationType") && !text.contains("eventType") {
        return None;
    }
    let whole = text[start..].replace("!\n ", "").replace('\n', "");
    let outer: Value = serde_json::Deserializer::from_str(&whole).into_iter().next()?.ok()?;
    let inner = match outer["Message"].as_str() {
        Some(message) => serde_json::from_str(message).ok()?,
        None => outer,
    };
    if let Some(complained) = inner["complaint"]["complainedRecipients"].as_array() {
        return Some((
            Kind::Complaint,
            complained.iter().take(RECIPIENTS).filter_map(failure).collect(),
        ));
    }
    let bounced = inner["bounce"]["bouncedRecipients"].as_array()?;
    Some((Kind::Bounce, bounced.iter().take(RECIPIENTS).filter_map(failure).collect()))
}

fn failure(one: &Value) -> Option<Failure> {
    let text = |key: &str| one[key].as_str().unwrap_or_default();
    let diagnostic = text("diagnosticCode");
    let words = diagnostic.split_once(';').map_or(diagnostic, |(_, words)| words.trim());
    let mut failure = Failure::of_reply(one["emailAddress"].as_str()?, None, words);
    failure.action = match text("action") {
        "delayed" => Some(Action::Delayed),
        "failed" => Some(Action::Failed),
        _ => None,
    };
    if failure.status.is_none_or(|status| (status.1, status.2) == (0, 0)) {
        let written = super::codes::status(text("status"), None);
        failure.status = written.or(failure.status);
    }
    Some(failure)
}

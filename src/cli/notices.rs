//! `reprieve notices …`: whether letters to senders go out.
//!
//! Too many bounces open the breaker, and only an operator closes it: he looks
//! first whom we wrote to (`letter-settled` in the log).

use serde_json::Value;

use super::held::ask;
use super::{Configured, NoticesCommand};
use crate::gateway::Errand;

pub(super) async fn run(command: NoticesCommand) -> anyhow::Result<()> {
    match command {
        NoticesCommand::Show { configured, json } => {
            let breaker = breaker(&configured, Errand::Breaker).await?;
            println!("{}", if json { breaker.to_string() } else { sentence(&breaker) });
        }
        NoticesCommand::CloseBreaker(configured) => {
            println!("{}", sentence(&breaker(&configured, Errand::CloseBreaker).await?));
        }
    }
    Ok(())
}

async fn breaker(configured: &Configured, errand: Errand) -> anyhow::Result<Value> {
    ask(&configured.read()?, errand).await
}

fn sentence(breaker: &Value) -> String {
    let bounces = format!("{} of the last {} letters bounced", breaker["bounced"], breaker["of"]);
    match breaker["since"].as_str() {
        Some(since) => format!("No letters go out since {since}: {bounces}."),
        None => format!("The breaker is closed: {bounces}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn says_since_when_and_why() {
        let open = json!({ "open": true, "since": "2027-01-15T08:00:00Z", "bounced": 6, "of": 40 });
        let said =
            "No letters go out since 2027-01-15T08:00:00Z: 6 of the last 40 letters bounced.";
        assert_eq!(sentence(&open), said);
        let closed = json!({ "open": false, "since": null, "bounced": 0, "of": 0 });
        assert_eq!(sentence(&closed), "The breaker is closed: 0 of the last 0 letters bounced.");
    }
}

//! `reprieve appeals …`: what an operator decides about mass mailers.

use serde_json::Value;

use super::held::{ask, print_unreadable, visible};
use super::{AppealsCommand, One};
use crate::gateway::Errand;

pub(super) async fn run(command: AppealsCommand) -> anyhow::Result<()> {
    let (configured, errand, json) = match command {
        AppealsCommand::List { decided, configured, json } => {
            (configured, Errand::Appeals { decided }, json)
        }
        AppealsCommand::Show(One { which, configured, json }) => {
            (configured, Errand::Appeal { which }, json)
        }
        AppealsCommand::Ask { one: One { which, configured, json }, text, by } => {
            (configured, Errand::Question { which, by, text }, json)
        }
        AppealsCommand::Grant { one, identity, days, volume, reason, by } => {
            let One { which, configured, json } = one;
            (configured, Errand::Grant { which, by, identity, days, volume, reason }, json)
        }
        AppealsCommand::Deny { one: One { which, configured, json }, reason, by } => {
            (configured, Errand::Deny { which, by, reason }, json)
        }
    };
    let answer = ask(&configured.read()?, errand).await?;
    match &answer {
        Value::Array(all) => all.iter().for_each(|one| print(one, json)),
        one => print(one, json),
    }
    Ok(())
}

fn print(appeal: &Value, json: bool) {
    if json {
        println!("{appeal}");
        return;
    }
    if print_unreadable(appeal) {
        return;
    }
    let text = |key: &str| visible(appeal[key].as_str().unwrap_or_default());
    println!("{}  {}  {}", text("reference"), text("state"), text("id"));
    println!("    from {}   \"{}\"", text("from"), text("subject"));
    println!("    until {}   to {} recipients", text("deadline"), appeal["recipients"]);
    for key in ["who", "what", "why", "agreed"] {
        println!("    {key}: {}", text(key));
    }
    let yes = |key: &str| if appeal[key] == true { "yes" } else { "no" };
    println!(
        "    proved {}, unsubscribe {}, one-click {}, held {} in {} copies, passed {}, flags {}",
        yes("proved"),
        yes("unsubscribe"),
        yes("one_click"),
        appeal["held"],
        appeal["copies"],
        appeal["passed"],
        appeal["flags"]
    );
    for line in appeal["lines"].as_array().into_iter().flatten() {
        let word = |key: &str| visible(line[key].as_str().unwrap_or_default());
        println!("    {}: {}", word("by"), word("text"));
    }
    if let Some(by) = appeal["decision"]["by"].as_str() {
        let reason = appeal["decision"]["reason"].as_str().unwrap_or_default();
        println!("    decided by {}: {}", visible(by), visible(reason));
    }
    if let Some(freed) = appeal["freed"].as_u64() {
        println!("    {freed} held messages are on their way");
    }
}

//! `reprieve queue …`: what could not be delivered, and once more.
//!
//! What failed is kept for its retention: nobody whose address is not proved
//! is written to about it, so an operator has to see it.

use serde_json::Value;

use super::QueueCommand;
use super::held::{ask, print_unreadable, visible};
use crate::gateway::Errand;

pub(super) async fn run(command: QueueCommand) -> anyhow::Result<()> {
    match command {
        QueueCommand::List { configured, limit, json } => {
            let failed = ask(&configured.read()?, Errand::Undelivered { limit }).await?;
            for item in failed.as_array().into_iter().flatten() {
                if json {
                    println!("{item}");
                } else if !print_unreadable(item) {
                    print(item);
                }
            }
        }
        QueueCommand::Retry { item, configured } => {
            ask(&configured.read()?, Errand::Retry { item: item.to_string() }).await?;
            println!("{item} is delivered now");
        }
    }
    Ok(())
}

fn print(item: &Value) {
    let text = |value: &Value| visible(value.as_str().unwrap_or_default());
    let (id, kind, from) = (text(&item["item"]), text(&item["kind"]), text(&item["mail_from"]));
    println!("{id}  {kind}  from <{from}>  kept until {}", text(&item["kept_until"]));
    for one in item["recipients"].as_array().into_iter().flatten() {
        println!("    {}  {}", text(&one["address"]), text(&one["reply"]));
    }
}

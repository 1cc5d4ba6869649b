//! `reprieve held …`: what an operator does with held messages.
//!
//! A running gateway is asked through its operations listener, because its
//! store belongs to one process; a stopped one's store is opened.

use serde_json::Value;

use super::{HeldCommand, One};
use crate::gateway::{self, Config, Errand, errand};
use crate::link::KeyRing;

pub(super) async fn run(command: HeldCommand) -> anyhow::Result<()> {
    let (configured, errand, json) = match command {
        HeldCommand::List { configured, after, limit, json } => {
            (configured, Errand::List { after, limit }, json)
        }
        HeldCommand::Show(One { which, configured, json }) => {
            (configured, Errand::Show { which }, json)
        }
        HeldCommand::Release(One { which, configured, json }) => {
            (configured, Errand::Release { which }, json)
        }
        HeldCommand::Delete(One { which, configured, json }) => {
            (configured, Errand::Delete { which }, json)
        }
    };
    let answer = ask(&configured.read()?, errand).await?;
    match &answer {
        Value::Array(all) => all.iter().for_each(|one| print(one, json)),
        one => print(one, json),
    }
    Ok(())
}

/// The running gateway's answer, or, if none runs, the store's own.
///
/// # Errors
/// What the gateway said, or why the store cannot be opened.
pub(super) async fn ask(config: &Config, errand: Errand) -> anyhow::Result<Value> {
    ask_with(config, KeyRing::open(&config.keys.folder)?, errand).await
}

/// The same with keys that were read before.
pub(super) async fn ask_with(
    config: &Config,
    ring: KeyRing,
    errand: Errand,
) -> anyhow::Result<Value> {
    let operations = config.listen.operations;
    let asked = {
        let errand = errand.clone();
        tokio::task::spawn_blocking(move || errand::ask(operations, &ring, &errand)).await?
    };
    match asked {
        Ok(answer) => Ok(answer),
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            // If another process has the store after all, this says so.
            let opened = gateway::open(config).await?;
            let answer = opened.errands().run(errand).await;
            opened.close().await;
            answer.map_err(anyhow::Error::msg)
        }
        Err(error) => Err(error.into()),
    }
}

fn print(held: &Value, json: bool) {
    if json {
        println!("{held}");
        return;
    }
    if print_unreadable(held) {
        return;
    }
    let text = |key: &str| held[key].as_str().unwrap_or("").to_owned();
    let received = text("received");
    let received = received.get(..16).unwrap_or(&received);
    println!("{}  {}  {}", text("reference"), received.replace('T', " "), text("id"));
    println!("    from {}   \"{}\"", visible(&text("from")), visible(&text("subject")));
    for one in held["recipients"].as_array().into_iter().flatten() {
        let word = |key: &str| one[key].as_str().unwrap_or("").to_owned();
        println!(
            "    {:<9} {:<10} {} {}",
            word("state"),
            word("class"),
            word("address"),
            visible(&word("reply"))
        );
    }
}

/// Prints what a list has in the place of a record that cannot be read;
/// `false`: it is another.
pub(super) fn print_unreadable(one: &Value) -> bool {
    let Some(named) = one["unreadable"].as_str() else { return false };
    println!("{named} cannot be read; stop the gateway, and see: reprieve store verify");
    true
}

/// Text of strangers on a terminal: no control characters.
pub(super) fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

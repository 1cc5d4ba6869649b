//! `reprieve admin …`: who may use the console.
//!
//! A running gateway is asked through its operations listener; a stopped
//! one's store is opened. A link that is printed opens an account once: give
//! it to its owner by a way that nobody else reads.

use serde_json::Value;

use super::{AdminCommand, Administrator, held};
use crate::gateway::{AdminErrand, Errand};

pub(super) async fn run(command: AdminCommand) -> anyhow::Result<()> {
    let (one, errand) = match command {
        AdminCommand::List { configured, json } => {
            let answer = held::ask(&configured.read()?, Errand::Admin(AdminErrand::List)).await?;
            for account in answer.as_array().into_iter().flatten() {
                print(account, json);
            }
            return Ok(());
        }
        AdminCommand::Add { one, role, organisation } => {
            let login = one.login.clone();
            (one, AdminErrand::Add { login, role, organisations: organisation })
        }
        AdminCommand::Disable(one) => {
            let login = one.login.clone();
            (one, AdminErrand::Disable { login })
        }
        AdminCommand::Enable(one) => {
            let login = one.login.clone();
            (one, AdminErrand::Enable { login })
        }
        AdminCommand::Reset(one) => {
            let login = one.login.clone();
            (one, AdminErrand::Reset { login })
        }
    };
    let Administrator { configured, json, .. } = one;
    let answer = held::ask(&configured.read()?, Errand::Admin(errand)).await?;
    match answer["setup"].as_str() {
        _ if json => println!("{answer}"),
        Some(link) => println!("open within a day, once: {link}"),
        None if answer["disabled"] == true => println!("disabled; every session is over"),
        None => println!("enabled"),
    }
    Ok(())
}

fn print(account: &Value, json: bool) {
    if json {
        println!("{account}");
        return;
    }
    if held::print_unreadable(account) {
        return;
    }
    let text = |key: &str| account[key].as_str().unwrap_or("").to_owned();
    let state = match (account["disabled"] == true, account["set_up"] == true) {
        (true, _) => "disabled",
        (false, false) => "not set up",
        (false, true) => "active",
    };
    println!("{:<24} {:<10} {}  {}", text("login"), state, text("role"), text("last_login"));
}

//! `reprieve key …`: the keys that sign links.
//!
//! A running gateway reads them again on SIGHUP. Lay a new key on every node
//! (`new`, copy, SIGHUP) before any node signs with it (`promote`, SIGHUP).

use super::{KeyCommand, Keys};
use crate::link::ring::{KeyState, folder};
use crate::notice::generate_dkim;

pub(super) fn run(command: KeyCommand) -> anyhow::Result<()> {
    match command {
        KeyCommand::New(keys) => {
            let id = folder::new(&keys.folder()?)?;
            println!(
                "made key {id}; it verifies. When every node has it: reprieve key promote {id}"
            );
        }
        KeyCommand::Promote { id, keys } => {
            folder::promote(&keys.folder()?, id)?;
            println!("key {id} signs once the gateway has had a SIGHUP");
        }
        KeyCommand::Retire { id, keys } => {
            folder::retire(&keys.folder()?, id)?;
            println!("key {id} is gone; its links end once the gateway has had a SIGHUP");
        }
        KeyCommand::Dkim(configured) => {
            let config = configured.read()?;
            let notice = &config.notice;
            let made = generate_dkim(&config.keys.folder, &notice.selector, &notice.domain)?;
            println!("publish: {} IN TXT \"{}\"", made.0, made.1);
        }
        KeyCommand::List { keys, json } => {
            for key in folder::list(&keys.folder()?)? {
                let state = match key.state {
                    KeyState::Active => "active",
                    KeyState::Verifying => "verifying",
                };
                if json {
                    let line = serde_json::json!({
                        "id": key.id, "state": state, "created": key.created.to_string()
                    });
                    println!("{line}");
                } else {
                    println!("{:>5}  {state:<9}  {}", key.id, key.created);
                }
            }
        }
    }
    Ok(())
}

impl Keys {
    /// The folder that was named, or else the configuration's.
    fn folder(&self) -> anyhow::Result<std::path::PathBuf> {
        match &self.keys {
            Some(folder) => Ok(folder.clone()),
            None => Ok(self.configured.read()?.keys.folder),
        }
    }
}

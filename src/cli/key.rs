//! `reprieve key …`: the keys that sign links.
//!
//! A running gateway reads them again on SIGHUP. Lay a new key on every node
//! (`new`, copy, SIGHUP) before any node signs with it (`promote`, SIGHUP).
//! The audit of an installation that has run hears of an act on its keys
//! before and after; what it does not take is not done.

use std::fs::canonicalize;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::{KeyCommand, Keys, held};
use crate::account::Step;
use crate::gateway::{Config, Errand, KeyDeed, KeyErrand};
use crate::link::KeyRing;
use crate::link::ring::{KeyState, folder};
use crate::notice::{dkim_path, generate_dkim};

pub(super) async fn run(command: KeyCommand) -> anyhow::Result<()> {
    match command {
        KeyCommand::New(keys) => {
            let make = |at: &Path| Ok(folder::new(at)?);
            let id = keys.place()?.told(KeyDeed::NewKey, "", make, u16::to_string).await?;
            println!(
                "made key {id}; it verifies. When every node has it: reprieve key promote {id}"
            );
        }
        KeyCommand::Promote { id, keys } => {
            let (key, promote) = (id.to_string(), |at: &Path| Ok(folder::promote(at, id)?));
            keys.place()?.told(KeyDeed::PromoteKey, &key, promote, |()| key.clone()).await?;
            println!("key {id} signs once the gateway has had a SIGHUP");
        }
        KeyCommand::Retire { id, keys } => {
            let (key, retire) = (id.to_string(), |at: &Path| Ok(folder::retire(at, id)?));
            keys.place()?.told(KeyDeed::RetireKey, &key, retire, |()| key.clone()).await?;
            println!("key {id} is gone; its links end once the gateway has had a SIGHUP");
        }
        KeyCommand::Dkim(configured) => {
            let config = configured.read()?;
            let (selector, domain) = (config.notice.selector.clone(), config.notice.domain.clone());
            let make = |at: &Path| Ok(generate_dkim(at, &selector, &domain)?);
            let (name, record) = if dkim_path(&config.keys.folder, &selector).exists() {
                make(&config.keys.folder)?
            } else {
                let place = Place::of(config);
                place.told(KeyDeed::NewDkimKey, &selector, make, |_| selector.clone()).await?
            };
            println!("publish: {name} IN TXT \"{record}\"");
        }
        KeyCommand::List { keys, json } => {
            for key in folder::list(&keys.place()?.folder)? {
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
    fn place(self) -> anyhow::Result<Place> {
        let Some(folder) = self.keys else { return Ok(Place::of(self.configured.read()?)) };
        let is_same = |config: &Config| {
            let same = canonicalize(&folder).ok().zip(canonicalize(&config.keys.folder).ok());
            same.is_some_and(|(one, other)| one == other)
        };
        match self.configured.read().ok().filter(is_same) {
            Some(config) => Ok(Place::of(config)),
            None => Ok(Place { folder, audit: None }),
        }
    }
}

/// A folder of keys.
struct Place {
    folder: PathBuf,
    /// Whose keys they are, and these as they are before anything is done:
    /// the running gateway knows no others.
    audit: Option<(Config, KeyRing)>,
}

impl Place {
    /// Without a key that signs, or a store, nothing has run yet, and there is
    /// no audit.
    fn of(config: Config) -> Self {
        let folder = config.keys.folder.clone();
        let ring = KeyRing::open(&folder).ok().filter(|_| config.store.folder.exists());
        Self { folder, audit: ring.map(|ring| (config, ring)) }
    }

    /// Carries `act` out between the two entries of the audit. `asked` is what
    /// the key is called before, `called` after it.
    async fn told<T>(
        &self,
        deed: KeyDeed,
        asked: &str,
        act: impl FnOnce(&Path) -> anyhow::Result<T>,
        called: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<T> {
        let unasked = "nothing was done, because the audit did not take it";
        self.tell(deed, asked, Step::Asked).await.context(unasked)?;
        match act(&self.folder) {
            Ok(made) => {
                let unsaid = "it is done, but the audit did not take that";
                self.tell(deed, &called(&made), Step::Done).await.context(unsaid)?;
                Ok(made)
            }
            Err(error) => match self.tell(deed, asked, Step::Failed).await {
                Ok(()) => Err(error),
                Err(untold) => Err(error.context(untold)),
            },
        }
    }

    async fn tell(&self, deed: KeyDeed, key: &str, step: Step) -> anyhow::Result<()> {
        let Some((config, ring)) = &self.audit else { return Ok(()) };
        let told = KeyErrand { deed, key: key.to_owned(), step };
        held::ask_with(config, ring.clone(), Errand::Key(told)).await?;
        Ok(())
    }
}

//! TOML as typed -> [`Config`] as usable; refuses at start, never later.
//!
//! Every key is read once, with its default or an example beside it; every
//! mistake names the key, says what is wrong and shows a line that would be
//! right. `deploy/reprieve.toml` is the annotated reference of all keys, and a
//! test holds it against what is read here. Relative paths begin at the
//! configuration file's folder. Only `gateway` reads this.

mod blocking;
mod doors;
mod engines;
mod filter;
mod hops;
mod lists;
mod organisation;
mod reader;
mod reference;
mod sections;
mod value;

pub use blocking::Blocking;
pub use doors::{Listen, Milter, MilterAt, Networks, Portal, Smtp, Tls};
pub use engines::Engines;
pub use filter::Filter;
pub use hops::{Delivery, Hop, NextHop, Place, Protocol, Route, SmarthostAuth};
pub use reader::{Effective, Known, Mistake};
pub use reference::meanings;
pub use sections::{Appeals, Dns, Index, Keys, Log, LogFormat, Notice, Ready, Release, StoreAt};

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use toml::{Table, Value};

use crate::directory::{Directory, Organisation};
use crate::reputation::standing::Settings as ReputationSettings;
use reader::{Heard, Section};

/// Everything that an operator can decide, checked.
#[derive(Clone, Debug)]
pub struct Config {
    pub listen: Listen,
    pub portal: Portal,
    pub store: StoreAt,
    pub keys: Keys,
    pub organisations: Vec<Organisation>,
    pub networks: Networks,
    pub smtp: Smtp,
    pub milter: Milter,
    pub next_hop: NextHop,
    pub delivery: Delivery,
    pub filter: Filter,
    pub release: Release,
    pub appeals: Appeals,
    pub notice: Notice,
    pub reputation: ReputationSettings,
    pub suppression: Blocking,
    pub dns: Dns,
    pub log: Log,
    /// Every key with the value that is in force, in the order of reading.
    pub effective: Vec<Effective>,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the configuration {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    /// With line and column.
    #[error("the configuration is not TOML: {0}")]
    Toml(String),
    #[error(transparent)]
    Mistake(#[from] Mistake),
    #[error("--set {0:?}: write key=value, for example --set release.delay=\"5 s\"")]
    Override(String),
}

impl Config {
    /// Reads a file and applies `overrides`, each `key=value`.
    ///
    /// # Errors
    /// [`ConfigError`], which says what to change.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        Self::parse(&text, folder.unwrap_or(Path::new(".")), overrides)
    }

    /// The same for a text; relative paths begin at `folder`.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn parse(text: &str, folder: &Path, overrides: &[String]) -> Result<Self, ConfigError> {
        Self::parse_asking(text, folder, overrides).map(|(config, _)| config)
    }

    /// Every key that a configuration may have, with its default.
    ///
    /// # Panics
    /// Never: the minimal configuration within is a test of its own.
    pub fn keys() -> BTreeSet<Known> {
        let (_, asked) = Self::parse_asking(MINIMAL, Path::new("/"), &[])
            .expect("the minimal configuration is right");
        asked
    }

    fn parse_asking(
        text: &str,
        folder: &Path,
        overrides: &[String],
    ) -> Result<(Self, BTreeSet<Known>), ConfigError> {
        let mut table: Table =
            text.parse().map_err(|e: toml::de::Error| ConfigError::Toml(e.to_string()))?;
        for one in overrides {
            set(&mut table, one).ok_or_else(|| ConfigError::Override(one.clone()))?;
        }
        let asked = Rc::new(RefCell::new(Heard::default()));
        let mut root = Section::root(table, Rc::clone(&asked));
        let filter = Filter::read(root.section("filter")?)?;
        let mut config = Self {
            listen: Listen::read(root.section("listen")?)?,
            portal: Portal::read(root.section("portal")?)?,
            store: StoreAt::read(root.section("store")?)?,
            keys: Keys::read(root.section("keys")?)?,
            organisations: organisation::read(&mut root, filter.hold_first_contact)?,
            networks: Networks::read(root.section("networks")?)?,
            smtp: Smtp::read(root.section("smtp")?)?,
            milter: Milter::read(root.section("milter")?)?,
            next_hop: NextHop::read(root.section("next_hop")?)?,
            delivery: Delivery::read(root.section("delivery")?)?,
            filter,
            release: Release::read(root.section("release")?)?,
            appeals: Appeals::read(root.section("appeals")?)?,
            notice: Notice::read(root.section("notice")?)?,
            reputation: sections::reputation(root.section("reputation")?)?,
            suppression: Blocking::read(root.section("suppression")?)?,
            dns: Dns::read(root.section("dns")?)?,
            log: Log::read(root.section("log")?)?,
            effective: Vec::new(),
        };
        root.finish()?;
        config.check_organisations()?;
        config.resolve_paths(folder);
        let heard = asked.take();
        config.effective = heard.values;
        Ok((config, heard.known))
    }

    fn check_organisations(&self) -> Result<(), Mistake> {
        Directory::new(self.organisations.clone()).map(|_| ()).map_err(|error| Mistake {
            key: "organisation".to_owned(),
            wrong: error.to_string(),
            example: "each domain and each id once".to_owned(),
        })
    }

    fn resolve_paths(&mut self, folder: &Path) {
        let tls = self.smtp.tls.iter_mut().flat_map(|tls| [&mut tls.certificate, &mut tls.key]);
        let paths = [&mut self.store.folder, &mut self.keys.folder];
        let sockets = self.milter.listen.iter_mut().filter_map(|at| match at {
            MilterAt::Unix(path) => Some(path),
            MilterAt::Tcp(_) => None,
        });
        let delivery = &mut self.delivery;
        let password = delivery.smarthost_auth.as_mut().map(|auth| &mut auth.password);
        let more = delivery.ca.as_mut().into_iter().chain(password);
        for path in
            paths.into_iter().chain(self.dns.zone.as_mut()).chain(tls).chain(more).chain(sockets)
        {
            *path = folder.join(&*path);
        }
        // It is written all day, as the store is: where the store may be.
        let beside = self.store.folder.parent().unwrap_or(folder);
        self.filter.model = beside.join(&self.filter.model);
    }
}

/// What a configuration must say; the rest has defaults.
pub const MINIMAL: &str = r#"
[listen]
smtp = ["127.0.0.1:25"]
[portal]
url = "https://mail-release.example.com"
[store]
folder = "store"
[smtp]
hostname = "mx.example.com"
[next_hop]
server = "smtp:127.0.0.1:10026"
[notice]
domain = "mail-release.example.com"
[[organisation]]
id = "example"
name = "Example Ltd"
domains = ["example.com"]
postmaster = "postmaster@example.com"
[[organisation.rule]]
sender = "example.net"
action = "block"
[[delivery.route]]
domain = "example.net"
server = "smtp:mx.example.net:25"
"#;

/// Sets one key; the value is TOML, or else a text.
fn set(table: &mut Table, assignment: &str) -> Option<()> {
    let (key, value) = assignment.split_once('=')?;
    let (key, value) = (key.trim(), value.trim());
    let value = value.parse().unwrap_or_else(|_| Value::String(value.to_owned()));
    let mut segments: Vec<&str> = key.split('.').collect();
    let last = segments.pop().filter(|last| !last.is_empty())?;
    let mut here = table;
    let mut segments = segments.into_iter().peekable();
    while let Some(segment) = segments.next() {
        here = match here.entry(segment).or_insert_with(|| Value::Table(Table::new())) {
            Value::Table(table) => table,
            // organisation.ID.key
            Value::Array(list) => {
                let id = segments.next()?;
                let named =
                    |entry: &&mut Value| entry.get("id").and_then(Value::as_str) == Some(id);
                list.iter_mut().find(named)?.as_table_mut()?
            }
            _ => return None,
        };
    }
    here.insert(last.to_owned(), value);
    Some(())
}

//! The list on its way to mail servers: numbered versions, each with what
//! changed; a map file that Postfix never sees half written; drift and the
//! way back.
//!
//! Nothing here starts a child process (ATTACKS S-28): a map file is replaced in
//! one step, and what tells Postfix to read it again, or makes an `lmdb:` of it,
//! is the operator's (`deploy/postfix/reprieve-map.path`, systemd watches the
//! file), which writes beside it which version Postfix has. A release must not
//! wait for that: it is the socketmap's to be at once, and a `cdb:` needs none
//! of it.

use std::io;
use std::path::Path;

use super::map::{self, Changes, Form};
use super::server::{Distributed, Server, ServerId};
use super::way::{MapType, Way};
use super::{By, Suppression, list::Refused};
use crate::clock::SignedDuration;
use crate::store::{Batch, Fault};

/// What Postfix answers for a suppressed address (RFC 3463 X.7.1: policy, so
/// that no classifier takes it for a dead address of its own knowledge).
pub const ANSWER: &str =
    "554 5.7.1 Not sent: this address is on the delivery blocking list of your mail service";
/// Log lines that one step forgets.
const FORGOTTEN: usize = 1000;

/// What a distribution would change, or has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    pub version: u64,
    pub addresses: u64,
    pub added: u64,
    pub removed: u64,
    /// Whether the file is another now.
    pub written: bool,
}

/// Whether a server has what was distributed to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drift {
    None,
    /// It was never given anything.
    Never,
    /// The file is gone or another: by whom it was changed nobody knows.
    Changed(String),
    /// It has not fetched the last version.
    Behind {
        has: u64,
        last: u64,
    },
}

/// Whether a file counts as read once it is there: nobody says what Postfix has
/// read, and it is where Postfix reads. An `lmdb:` is nothing before it is made.
fn is_read_at_once(way: &Way) -> bool {
    match way {
        Way::MapFile { path, map } => {
            *map != MapType::Lmdb && map::read_mark(Path::new(path)).is_none()
        }
        Way::Own | Way::Socketmap | Way::Download(_) => false,
    }
}

impl Suppression {
    /// Gives a server its list; with `dry` only says what would change. When
    /// nothing changed, nothing is distributed.
    ///
    /// # Errors
    /// [`Refused`]; the old version stays in force, and the server's record
    /// says what went wrong.
    pub async fn distribute(
        &self,
        id: ServerId,
        by: impl Into<By<'_>>,
        dry: bool,
    ) -> Result<Difference, Refused> {
        let by = by.into();
        self.loaded()?;
        // Two would write one file, and number it alike.
        let _only = self.distributing.lock().await;
        let server = self.server(id).await?.record;
        let Some((path, form)) = self.list_file(&server) else {
            // The others ask, and have the newest at once.
            let addresses = self.roll(id).len() as u64;
            self.note_only(dry, by).await?;
            return Ok(Difference { version: server.version, addresses, ..Difference::default() });
        };
        let (roll, version) = (self.roll(id), server.version + 1);
        let work = move || map::write(&path, &roll, (version, form), dry);
        let done = tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| Fault::Unavailable(error.to_string()))?;
        match done {
            Ok(difference) if !difference.written => {
                self.note_only(dry, by).await?;
                Ok(difference)
            }
            Ok(difference) => {
                self.note_distributed(id, difference, by).await?;
                Ok(difference)
            }
            Err(error) => {
                let refused = Refused::Unwritable(error.to_string());
                self.note_trouble(id, &refused.to_string()).await?;
                Err(refused)
            }
        }
    }

    /// That somebody asked for what was there already.
    async fn note_only(&self, dry: bool, by: By<'_>) -> Result<(), Fault> {
        let mut batch = Batch::new();
        if !dry {
            (by.also)(&mut batch);
        }
        self.write(batch).await
    }

    async fn note_distributed(
        &self,
        id: ServerId,
        difference: Difference,
        by: By<'_>,
    ) -> Result<(), Refused> {
        let now = self.clock().now();
        let distributed = Distributed {
            server: id,
            version: difference.version,
            at: now,
            by: by.login.to_owned(),
            addresses: difference.addresses,
            added: difference.added,
            removed: difference.removed,
        };
        let also = |batch: &mut Batch| {
            batch.insert(&distributed);
            (by.also)(batch);
        };
        let noted = self.edit_server(id, By { login: by.login, also: &also }, |server| {
            server.version = difference.version;
            if is_read_at_once(&server.way) {
                server.acknowledged = difference.version;
                server.acknowledged_at = Some(now);
            }
            server.trouble = None;
            Ok(())
        });
        noted.await.map(|_| ())
    }

    pub(super) async fn note_trouble(&self, id: ServerId, words: &str) -> Result<(), Refused> {
        if let Some(log) = &self.log {
            log.step_failed("distribution", words);
        }
        let noted = self.edit_server(id, "schedule", |server| {
            server.trouble = Some(words.to_owned());
            Ok(())
        });
        noted.await.map(|_| ())
    }

    /// Puts an older version of the file back and stays there until
    /// [`Suppression::resume`].
    ///
    /// # Errors
    /// [`Refused::NoVersion`] if that version is not kept any more.
    pub async fn roll_back(
        &self,
        id: ServerId,
        version: u64,
        by: impl Into<By<'_>>,
    ) -> Result<(), Refused> {
        let _only = self.distributing.lock().await;
        let server = self.server(id).await?.record;
        let Some((path, form)) = self.list_file(&server) else {
            return Err(Refused::NoVersions);
        };
        let work = move || map::put_back(&path, version, form);
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|error| Fault::Unavailable(error.to_string()))?.map_err(
            |error| match error.kind() {
                io::ErrorKind::NotFound => Refused::NoVersion(version),
                _ => Refused::Unwritable(error.to_string()),
            },
        )?;
        let noted = self.edit_server(id, by, |server| {
            server.pinned = true;
            if is_read_at_once(&server.way) {
                server.acknowledged = version;
            }
            Ok(())
        });
        noted.await.map(|_| ())
    }

    /// Ends what [`Suppression::roll_back`] began.
    ///
    /// # Errors
    /// [`Refused`] if the store cannot write.
    pub async fn resume(&self, id: ServerId, by: impl Into<By<'_>>) -> Result<(), Refused> {
        let resumed = self.edit_server(id, by, |server| {
            server.pinned = false;
            Ok(())
        });
        resumed.await.map(|_| ())
    }

    /// Whether a server still has what it was given.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn drift(&self, id: ServerId) -> Result<Drift, Fault> {
        let server = self.server(id).await?.record;
        Ok(match &server.way {
            Way::Own | Way::Socketmap => Drift::None,
            _ if server.version == 0 => Drift::Never,
            Way::Download(_) | Way::MapFile { .. } => {
                let Some((path, form)) = self.list_file(&server) else { return Ok(Drift::Never) };
                let has = server.acknowledged;
                match (map::in_force(&path, form), form) {
                    (Ok(Some(version)), Form::Map(_))
                        if version != server.version && !server.pinned =>
                    {
                        Drift::Changed(format!("it holds version {version}"))
                    }
                    (Ok(Some(version)), _) if version == has => Drift::None,
                    (Ok(Some(last)), _) => Drift::Behind { has, last },
                    (Ok(None), _) => Drift::Changed("it is not ours any more".to_owned()),
                    (Err(error), _) => Drift::Changed(error.to_string()),
                }
            }
        })
    }

    /// The distributions of a server, the oldest first.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn distributions(&self, id: ServerId) -> Result<Vec<Distributed>, Fault> {
        let mut all = Vec::new();
        self.each(|one: Distributed| all.extend(Some(one).filter(|one| one.server == id))).await?;
        Ok(all)
    }

    /// What a version that is kept has changed against the one before it, at
    /// most `limit` addresses of each kind.
    ///
    /// # Errors
    /// [`Refused::NoVersion`] if one of both is not kept any more.
    pub async fn changes(
        &self,
        id: ServerId,
        version: u64,
        limit: usize,
    ) -> Result<Changes, Refused> {
        let server = self.server(id).await?.record;
        let (path, _) = self.list_file(&server).ok_or(Refused::NoVersions)?;
        let work = move || map::changes(&path, version, limit);
        let done = tokio::task::spawn_blocking(work).await;
        let done = done.map_err(|error| Fault::Unavailable(error.to_string()))?;
        done.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Refused::NoVersion(version),
            _ => Refused::File(error.to_string()),
        })
    }

    /// One step for every server: a daily run that is due, files that are
    /// behind; what live lookups refused is logged; and the logs forget what
    /// is old. Answers how many runs were made.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write.
    pub async fn step(&self) -> Result<usize, Fault> {
        self.loaded()?;
        let mut ran = 0;
        for server in self.servers().await? {
            if self.is_due(server.id).await? {
                self.run(server.id, "schedule").await?;
                ran += 1;
            }
            let Some((path, form)) = self.list_file(&server) else { continue };
            if !server.pinned {
                self.keep_map(&server).await?;
            }
            if matches!(form, Form::Map(_)) {
                self.note_read(&server, &path).await?;
            }
            self.watch_taken(&self.server(server.id).await?.record).await?;
        }
        self.note_refused().await?;
        self.rolls.settle().await;
        let old = self.clock().now() - SignedDuration::from_hours(24 * i64::from(self.keep_days));
        super::event::forget(self.store(), old, FORGOTTEN).await?;
        Ok(ran)
    }

    /// Writes a server's file again where the list or the file has changed.
    async fn keep_map(&self, server: &Server) -> Result<(), Fault> {
        let drift = self.drift(server.id).await?;
        if let Drift::Changed(how) = &drift {
            self.alarm_drift(server, how);
        }
        let generation = self.roll(server.id).generation();
        let same = {
            let last = self.distributed.read();
            let last = last.unwrap_or_else(std::sync::PoisonError::into_inner);
            last.get(&server.id) == Some(&generation)
        };
        let stands = match drift {
            // The file is right: who is behind reads it when he likes.
            Drift::None | Drift::Behind { .. } => true,
            Drift::Never | Drift::Changed(_) => false,
        };
        if same && stands {
            return Ok(());
        }
        match self.distribute(server.id, "schedule", false).await {
            Ok(_) => {
                let mut last =
                    self.distributed.write().unwrap_or_else(std::sync::PoisonError::into_inner);
                last.insert(server.id, generation);
                Ok(())
            }
            // The server's record and the log say so; the next step tries again.
            Err(Refused::Unwritable(_)) => Ok(()),
            Err(Refused::Store(fault)) => Err(fault),
            Err(other) => Err(Fault::Unavailable(other.to_string())),
        }
    }

    /// Takes over which version Postfix has read, where somebody says so.
    async fn note_read(&self, server: &Server, path: &Path) -> Result<(), Fault> {
        let Some(version) = map::read_mark(path) else { return Ok(()) };
        let Some(row) = self.known(server.id).await? else { return Ok(()) };
        let mut fresh = row.record.clone();
        fresh.acknowledged = version;
        if version == fresh.version {
            fresh.trouble = None;
        }
        if fresh == row.record {
            return Ok(());
        }
        fresh.acknowledged_at = Some(self.clock().now());
        let mut batch = Batch::new();
        batch.update(&row, &fresh);
        // Somebody changed the server meanwhile: the next step says it again.
        let _ = self.store().commit(batch).await;
        Ok(())
    }

    fn alarm_drift(&self, server: &Server, how: &str) {
        if let Some(log) = &self.log {
            log.step_failed("distribution", &format!("server {} has drifted: {how}", server.id));
        }
    }
}

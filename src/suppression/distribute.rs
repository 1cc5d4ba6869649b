//! The list on its way to mail servers: numbered versions, each with what
//! changed; a map file that Postfix never sees half written; drift and the
//! way back.
//!
//! Nothing here starts a child process (ATTACKS S-28): a `texthash:` file is
//! replaced in one step, and what tells Postfix to read it again is the
//! operator's (`deploy/postfix/reprieve-map.path`, systemd watches the file),
//! which writes beside it which version Postfix has read. A release must not
//! wait for that: it is the socketmap's to be at once.

use super::map::{self, read_head};
use super::record::{Distributed, Server, ServerId, Way};
use super::{By, Suppression, list::Refused};
use crate::clock::SignedDuration;
use crate::store::{Batch, Fault, Row};

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
        let server = self.server(id).await?.record;
        let Some(path) = self.list_path(&server) else {
            // The others ask, and have the newest at once.
            let addresses = self.roll(id).len() as u64;
            self.note_only(dry, by).await?;
            return Ok(Difference { version: server.version, addresses, ..Difference::default() });
        };
        let (roll, version) = (self.roll(id), server.version + 1);
        let answer = matches!(server.way, Way::MapFile(_)).then_some(ANSWER);
        let work = move || map::write(&path, &roll, (version, answer), dry);
        let done = tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| Fault::Unavailable(error.to_string()))?;
        match done {
            Ok(difference) if !difference.written => {
                self.note_only(dry, by).await?;
                Ok(difference)
            }
            Ok(difference) => {
                self.note_distributed(&server, difference, by).await?;
                Ok(difference)
            }
            Err(error) => {
                let words = format!("the list cannot be written: {error}");
                self.note_trouble(&server, &words).await?;
                Err(Refused::File(words))
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
        server: &Server,
        difference: Difference,
        by: By<'_>,
    ) -> Result<(), Refused> {
        let now = self.clock().now();
        let mut fresh = server.clone();
        fresh.version = difference.version;
        if matches!(&server.way, Way::MapFile(path) if map::read_mark(path).is_none()) {
            // Nobody says what Postfix has read: the file is where it reads.
            fresh.acknowledged = difference.version;
            fresh.acknowledged_at = Some(now);
        }
        fresh.trouble = None;
        let row = self.store().find::<Server>(&server.id.to_be_bytes()).await?;
        let mut batch = Batch::new();
        batch.upsert(row.as_ref(), &fresh);
        batch.insert(&Distributed {
            server: server.id,
            version: difference.version,
            at: now,
            by: by.login.to_owned(),
            addresses: difference.addresses,
            added: difference.added,
            removed: difference.removed,
        });
        (by.also)(&mut batch);
        Ok(self.write(batch).await?)
    }

    pub(super) async fn note_trouble(&self, server: &Server, words: &str) -> Result<(), Fault> {
        let row = self.store().find::<Server>(&server.id.to_be_bytes()).await?;
        let mut fresh = server.clone();
        fresh.trouble = Some(words.to_owned());
        let mut batch = Batch::new();
        batch.upsert(row.as_ref(), &fresh);
        if let Some(log) = &self.log {
            log.step_failed("distribution", words);
        }
        self.write(batch).await
    }

    /// Puts an older version of the file back and stays there until
    /// [`Suppression::resume`].
    ///
    /// # Errors
    /// [`Refused::File`] if that version is not kept any more.
    pub async fn roll_back(
        &self,
        id: ServerId,
        version: u64,
        by: impl Into<By<'_>>,
    ) -> Result<(), Refused> {
        let mut server = self.server(id).await?.record;
        let Some(path) = self.list_path(&server) else {
            return Err(Refused::File("a server that asks has no older versions".to_owned()));
        };
        map::put_back(&path, version)
            .map_err(|error| Refused::File(format!("version {version} is not there: {error}")))?;
        server.pinned = true;
        if matches!(&server.way, Way::MapFile(path) if map::read_mark(path).is_none()) {
            server.acknowledged = version;
        }
        self.set_server(&server, by).await
    }

    /// Ends what [`Suppression::roll_back`] began.
    ///
    /// # Errors
    /// [`Refused`] if the store cannot write.
    pub async fn resume(&self, id: ServerId, by: impl Into<By<'_>>) -> Result<(), Refused> {
        let mut server = self.server(id).await?.record;
        server.pinned = false;
        self.set_server(&server, by).await
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
            Way::Download(_) | Way::MapFile(_) => {
                let path = self.list_path(&server).unwrap_or_default();
                let has = server.acknowledged;
                match (read_head(&path), &server.way) {
                    (Ok(Some(version)), Way::MapFile(_))
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
            if self.list_path(&server).is_some() && !server.pinned {
                self.keep_map(&server).await?;
            }
            if let Way::MapFile(path) = &server.way {
                self.note_read(&server, path).await?;
            }
            if self.list_path(&server).is_some() {
                self.watch_taken(&self.server(server.id).await?.record).await?;
            }
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
            Err(Refused::File(_)) => Ok(()),
            Err(Refused::Store(fault)) => Err(fault),
            Err(other) => Err(Fault::Unavailable(other.to_string())),
        }
    }

    /// Takes over which version Postfix has read, where somebody says so.
    async fn note_read(&self, server: &Server, path: &str) -> Result<(), Fault> {
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

    /// A server's record by its name, for the socketmap.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn server_named(&self, name: &str) -> Result<Option<Server>, Fault> {
        let mut found = None;
        self.each(|one: Server| {
            if one.name == name {
                found = Some(one);
            }
        })
        .await?;
        Ok(found)
    }

    pub(super) async fn known(&self, id: ServerId) -> Result<Option<Row<Server>>, Fault> {
        self.store().find::<Server>(&id.to_be_bytes()).await
    }
}

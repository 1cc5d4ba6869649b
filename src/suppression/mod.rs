//! Addresses that we do not write to: learnt from errors, added by hand, or
//! uploaded; and what was learnt about each on the way.
//!
//! An address is found by its canonical form (RFC 5321 section 2.4: only the
//! final server interprets a local part, so tags stay). Decisions are store
//! batches; [`roll`] answers from memory and is built from the store by
//! [`Suppression::load`]. Every server has a list and settings of its own;
//! server 0 is our courier.

mod cdb;
pub mod change;
pub mod classify;
pub mod csv;
pub mod distribute;
pub mod event;
pub mod export;
pub mod fetch;
pub mod follow;
mod import;
pub mod inquiry;
mod learn;
mod list;
mod map;
mod memory;
pub mod record;
pub mod roll;
pub mod rule;
mod run;
mod search;
mod server;
pub mod socketmap;
pub mod tail;
pub mod upload;
mod way;

pub use import::{Preview, Upload};
pub use inquiry::{Inquiry, InquiryState};
pub use learn::Noted;
pub use list::Refused;
pub use record::{Exemption, Reason, Suppressed};
pub use rule::RunSettings;
pub use run::Ran;
pub use search::Query;
pub use server::{OWN, Server, ServerId};
pub use way::{MapType, Way};

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};

use crate::clock::Clock;
use crate::mail::Address;
use crate::maillog::Maillog;
use crate::store::record::Schema;
use crate::store::{Batch, Fault, Record, Row, Store};
use record::{Block, Count, Import, Lifted, Window};
use roll::Roll;
use server::Distributed;

/// The list. Clones share the store and the memory.
#[derive(Clone)]
pub struct Suppression {
    store: Store,
    clock: Clock,
    rolls: memory::Rolls,
    /// Patterns of our own domains, which our courier's list never holds.
    own: Arc<RwLock<Vec<String>>>,
    /// What of each list a map file was last made of.
    distributed: Arc<RwLock<HashMap<ServerId, u64>>>,
    /// Held by who writes a list into its file.
    distributing: Arc<tokio::sync::Mutex<()>>,
    arenas: search::Arenas,
    /// Refusals that live lookups have answered since the last step.
    refused: Arc<Mutex<HashMap<ServerId, HashSet<String>>>>,
    /// Where lists for download lie.
    lists: Option<PathBuf>,
    uploads: Option<upload::Uploads>,
    /// Days for which the logs are kept.
    keep_days: u16,
    log: Option<Maillog>,
}

/// What a caller adds to a batch: his audit entry.
pub type Also<'a> = &'a (dyn Fn(&mut Batch) + Sync);

/// Who does something, and what goes into the same batch.
#[derive(Clone, Copy)]
pub struct By<'a> {
    pub login: &'a str,
    pub also: Also<'a>,
}

impl<'a> From<&'a str> for By<'a> {
    fn from(login: &'a str) -> Self {
        Self { login, also: &|_| {} }
    }
}

/// What our courier answers for an address on its list: policy, so that no
/// classifier takes it for a dead address.
pub const NOT_SENT: &str = "554 5.7.1 Not sent: this address is on our delivery blocking list";

/// How many rows are read at once.
const PAGE: usize = 2000;

impl Suppression {
    pub fn new(store: Store, clock: Clock) -> Self {
        Self {
            arenas: search::Arenas::follow(&store),
            rolls: memory::Rolls::follow(&store),
            refused: Arc::default(),
            lists: None,
            uploads: None,
            store,
            clock,
            own: Arc::default(),
            distributed: Arc::default(),
            distributing: Arc::default(),
            keep_days: 40,
            log: None,
        }
    }

    /// The same list, whose alarms go to the log.
    #[must_use]
    pub fn with_log(mut self, log: Maillog) -> Self {
        self.log = Some(log);
        self
    }

    /// The same list, whose logs are kept for so many days.
    #[must_use]
    pub fn keeping(mut self, days: u16) -> Self {
        self.keep_days = days;
        self
    }

    /// The same list, which keeps uploads and lists for download in a folder of
    /// its own.
    #[must_use]
    pub fn in_folder(mut self, folder: &Path) -> Self {
        self.lists = Some(folder.join("lists"));
        self.uploads = Some(upload::Uploads::new(folder.join("uploads")));
        self
    }

    /// Patterns (`@domain`) that our own courier's list never holds: the
    /// domains that we serve.
    pub fn set_own_domains(&self, patterns: Vec<String>) {
        *self.own.write().unwrap_or_else(std::sync::PoisonError::into_inner) = patterns;
    }

    fn own_domains(&self) -> Vec<String> {
        self.own.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Every table of this room, for `store verify`.
    pub fn schemas() -> Vec<Schema> {
        vec![
            Schema::of::<Suppressed>(),
            Schema::of::<Count>(),
            Schema::of::<Exemption>(),
            Schema::of::<Server>(),
            Schema::of::<event::Event>(),
            Schema::of::<Distributed>(),
            Schema::of::<Window>(),
            Schema::of::<Import>(),
            Schema::of::<Block>(),
            Schema::of::<Lifted>(),
            Schema::of::<Inquiry>(),
            Schema::of::<record::LogPosition>(),
        ]
    }

    /// Whether our courier may not write to `address`.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn covers(&self, address: &Address) -> Result<bool, Fault> {
        self.covers_for(OWN, address).await
    }

    /// The same for another server.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn covers_for(&self, server: ServerId, address: &Address) -> Result<bool, Fault> {
        if self.roll(server).contains(&address.canonical().to_string()) {
            return Ok(true);
        }
        if self.rolls.are_loading() && self.find(server, address).await?.is_some() {
            return Ok(true);
        }
        self.loaded().map(|()| false)
    }

    /// Suppresses `address` for our courier within `batch`; `false` if it
    /// already was, or is exempt.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn suppress(
        &self,
        batch: &mut Batch,
        address: &Address,
        reason: Reason,
    ) -> Result<bool, Fault> {
        self.suppress_for(batch, OWN, address, reason, 0).await
    }

    /// One server's list in memory.
    pub fn roll(&self, server: ServerId) -> Roll {
        self.rolls.of(server)
    }

    /// The record of a single address, if it has one.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn find(
        &self,
        server: ServerId,
        address: &Address,
    ) -> Result<Option<Row<Suppressed>>, Fault> {
        self.store.find(&record::key(address, server)).await
    }

    /// Where lists for download lie.
    pub fn lists_folder(&self) -> Option<&Path> {
        self.lists.as_deref()
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    async fn lifted(
        &self,
        server: ServerId,
        address: &Address,
    ) -> Result<Option<Row<Lifted>>, Fault> {
        self.store.find(&record::key(address, server)).await
    }

    /// Whether anything was ever uploaded for this server.
    async fn is_uploaded(&self, server: ServerId) -> Result<bool, Fault> {
        let imports: Vec<Row<Import>> = self.store.page(&before(server), 1).await?;
        Ok(imports.first().is_some_and(|row| row.record.server == server))
    }

    /// Calls `each` with every record of a table.
    async fn each<R: Record>(&self, mut each: impl FnMut(R)) -> Result<(), Fault> {
        self.store.each(|row: Row<R>| each(row.record)).await
    }
}

/// The key just before a server's imports; empty for the first.
fn before(server: ServerId) -> Vec<u8> {
    match server.checked_sub(1) {
        None => Vec::new(),
        Some(before) => {
            let mut key = before.to_be_bytes().to_vec();
            key.extend_from_slice(&[0xff; 16]);
            key
        }
    }
}

#[cfg(test)]
mod tests;

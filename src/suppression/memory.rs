//! The lists in memory, for lookups and searches: filled from the store at
//! start, and changed by what was committed, never before.
//!
//! While they are being filled, what is not known yet is a [`Fault`]: mail to
//! such an address waits, and none goes to a suppressed one.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard, watch};

use super::record::{self, Block, Import, ImportState, Lifted, Suppressed};
use super::roll::Roll;
use super::server::{Server, ServerId};
use super::{PAGE, Suppression};
use crate::clock::SignedDuration;
use crate::store::{Batch, Fault, Record, Row, Store};

/// Bytes of addresses that are sorted at once.
const RUN: usize = 24 << 20;

/// After what time a load that failed is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// Every server's list. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Rolls {
    all: Arc<RwLock<HashMap<ServerId, Roll>>>,
    /// `true` while they are being filled.
    loading: Arc<watch::Sender<bool>>,
    /// How often a server was made, changed or removed.
    servers: Arc<AtomicU64>,
    /// Held by who writes many addresses into chunks, or all of them anew.
    rewriting: Arc<Mutex<()>>,
}

impl Rolls {
    /// Empty lists that follow the store from now on.
    pub fn follow(store: &Store) -> Self {
        let rolls = Self::default();
        let followed = rolls.clone();
        store.watch(Suppressed::TABLE, move |news| followed.set(news.key, news.value.is_some()));
        let followed = rolls.clone();
        store.watch(Lifted::TABLE, move |news| {
            // One that goes lists nothing: the upload that ends it does, for
            // as long as it is in force.
            if news.value.is_some() {
                followed.set(news.key, false);
            }
        });
        let servers = Arc::clone(&rolls.servers);
        store.watch(Server::TABLE, move |_| {
            servers.fetch_add(1, Ordering::Release);
        });
        rolls
    }

    fn set(&self, key: &[u8], listed: bool) {
        if let Some((address, server)) = record::of_key(key) {
            self.of(server).set(address, listed);
        }
    }

    pub fn of(&self, server: ServerId) -> Roll {
        let known = self.all.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(roll) = known.get(&server) {
            return roll.clone();
        }
        drop(known);
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        all.entry(server).or_default().clone()
    }

    /// Another number whenever a server's record is another: whoever remembers
    /// what its name means asks again then.
    pub fn servers_changed(&self) -> u64 {
        self.servers.load(Ordering::Acquire)
    }

    pub fn are_loading(&self) -> bool {
        *self.loading.borrow()
    }

    /// Nobody else writes into chunks while this is held.
    pub async fn rewriting(&self) -> MutexGuard<'_, ()> {
        self.rewriting.lock().await
    }

    /// Writes what changed into the chunks, where that is much.
    pub async fn settle(&self) {
        // Whoever writes there now leaves it for the next step.
        let Ok(_only) = self.rewriting.try_lock() else { return };
        for roll in self.with_many_changes() {
            // It is only slower where this fails.
            let _ = tokio::task::spawn_blocking(move || roll.merge("")).await;
        }
    }

    fn with_many_changes(&self) -> Vec<Roll> {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        all.values().filter(|roll| roll.has_many_changes()).cloned().collect()
    }
}

impl Suppression {
    /// Loads the lists and takes up what was uploaded; goes on beside the
    /// caller where that takes longer than `patience`.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn load_within(&self, patience: Duration) -> Result<(), Fault> {
        self.rolls.loading.send_replace(true);
        let list = self.clone();
        let mut loading = tokio::spawn(async move { list.load_all().await });
        let ended = tokio::time::timeout(patience, &mut loading).await;
        if let Ok(ended) = ended {
            return ended.map_err(|error| Fault::Unavailable(error.to_string()))?;
        }
        let list = self.clone();
        tokio::spawn(async move {
            let mut ended = loading.await;
            while let Ok(Err(fault)) = ended {
                if let Some(log) = &list.log {
                    log.step_failed("suppression", &fault.to_string());
                }
                tokio::time::sleep(AGAIN).await;
                ended = Ok(list.load_all().await);
            }
        });
        Ok(())
    }

    pub(super) async fn load_all(&self) -> Result<(), Fault> {
        self.load().await?;
        self.resume_uploads().await
    }

    #[cfg(test)]
    pub(super) fn reading(&self) {
        self.rolls.loading.send_replace(true);
    }

    /// Waits until the lists have been read.
    pub async fn until_loaded(&self) {
        // The sender lives as long as this.
        let _ = self.rolls.loading.subscribe().wait_for(|loading| !loading).await;
    }

    /// # Errors
    /// [`Fault`] while the lists are being read.
    pub(super) fn loaded(&self) -> Result<(), Fault> {
        if self.rolls.are_loading() {
            return Err(Fault::Unavailable("the blocked list is still being read".to_owned()));
        }
        Ok(())
    }

    /// Builds the lists in memory from the store. What changes meanwhile stands
    /// above what is read.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn load(&self) -> Result<(), Fault> {
        let mut imports = Vec::new();
        self.each(|one: Import| imports.push(one)).await?;
        for import in &imports {
            match import.state {
                // Long enough ago that nobody is at it.
                ImportState::Staged
                    if self.clock.now().duration_since(import.at)
                        >= SignedDuration::from_hours(1) =>
                {
                    self.forget_import(import).await?;
                }
                ImportState::Over => self.forget_blocks(import).await?,
                _ => {}
            }
        }
        self.rebuild(None).await?;
        self.rolls.loading.send_replace(false);
        Ok(())
    }

    /// Builds one server's list anew, where uploads have ended.
    pub(super) async fn reload(&self, server: ServerId) -> Result<(), Fault> {
        self.rebuild(Some(server)).await?;
        for over in self.imports(server).await?.iter().filter(|one| one.state == ImportState::Over)
        {
            self.forget_blocks(over).await?;
        }
        Ok(())
    }

    async fn rebuild(&self, only: Option<ServerId>) -> Result<(), Fault> {
        let _only = self.rolls.rewriting().await;
        let is_wanted = |server: ServerId| only.is_none_or(|only| only == server);
        let mut lifted: HashMap<ServerId, HashSet<String>> = HashMap::new();
        self.each(|row: Lifted| {
            if is_wanted(row.server) {
                let off = lifted.entry(row.server).or_default();
                off.insert(row.address.canonical().to_string());
            }
        })
        .await?;
        let fresh = || Growing::new(Roll::default());
        // An empty list takes the place of one that was not.
        let mut lists: HashMap<ServerId, Growing> =
            only.map(|id| (id, fresh())).into_iter().collect();
        let mut after = Vec::new();
        loop {
            let rows: Vec<Row<Suppressed>> = self.store.page(&after, PAGE).await?;
            let Some(last) = rows.last() else { break };
            after = last.record.key();
            for row in rows.iter().filter(|row| is_wanted(row.record.server)) {
                let growing = lists.entry(row.record.server).or_insert_with(fresh);
                growing.add(&row.record.address.canonical().to_string()).await?;
            }
        }
        let mut imports = Vec::new();
        self.each(|one: Import| imports.push(one)).await?;
        imports.retain(|one| one.state == ImportState::Active && is_wanted(one.server));
        for import in &imports {
            let growing = lists.entry(import.server).or_insert_with(fresh);
            let off = lifted.entry(import.server).or_default();
            let mut nth = 0;
            self.add_blocks(import, growing, |one| {
                nth += 1;
                nth > import.released && !off.contains(one)
            })
            .await?;
        }
        for (server, growing) in lists {
            let roll = growing.finish().await?;
            self.roll(server).adopt(roll.into_arena());
        }
        Ok(())
    }

    /// Removes an upload of which nothing is in force.
    pub(super) async fn forget_import(&self, import: &Import) -> Result<(), Fault> {
        self.forget_blocks(import).await?;
        let key = record::import_key(import.server, import.id);
        let mut batch = Batch::new();
        if let Some(row) = self.store.find::<Import>(&key).await? {
            batch.remove(&row);
        }
        self.write(batch).await
    }

    /// Removes the addresses of such an upload; that there was one stays known.
    async fn forget_blocks(&self, import: &Import) -> Result<(), Fault> {
        let key = record::import_key(import.server, import.id);
        loop {
            let rows: Vec<Row<Block>> = self.store.page(&key, 50).await?;
            let mut batch = Batch::new();
            for row in rows.iter().filter(|row| row.record.import == import.id) {
                batch.remove(row);
            }
            if batch.is_empty() {
                return Ok(());
            }
            self.write(batch).await?;
        }
    }

    /// Adds the addresses of an import that are wanted.
    pub(super) async fn add_blocks(
        &self,
        import: &Import,
        to: &mut Growing,
        mut wanted: impl FnMut(&str) -> bool,
    ) -> Result<(), Fault> {
        let mut after = record::import_key(import.server, import.id);
        for _ in 0..import.blocks {
            let rows: Vec<Row<Block>> = self.store.page(&after, 1).await?;
            let block = rows.first().map(|row| &row.record);
            let Some(block) = block.filter(|block| block.import == import.id) else { break };
            after = block.key();
            for address in block.addresses.lines().filter(|one| wanted(one)) {
                to.add(address).await?;
            }
        }
        Ok(())
    }
}

/// Adds many addresses to a list, a large sorted run at a time.
pub(super) struct Growing {
    roll: Roll,
    run: String,
}

impl Growing {
    pub fn new(roll: Roll) -> Self {
        Self { roll, run: String::new() }
    }

    pub async fn add(&mut self, address: &str) -> Result<(), Fault> {
        self.run.push_str(address);
        self.run.push('\n');
        if self.run.len() < RUN { Ok(()) } else { self.merge().await }
    }

    /// All that was added is on the list.
    pub async fn finish(mut self) -> Result<Roll, Fault> {
        self.merge().await?;
        Ok(self.roll)
    }

    /// Sorting a million addresses takes a second: not on a worker's thread.
    async fn merge(&mut self) -> Result<(), Fault> {
        let (roll, run) = (self.roll.clone(), std::mem::take(&mut self.run));
        let merging = tokio::task::spawn_blocking(move || roll.merge(&run));
        merging.await.map_err(|error| Fault::Unavailable(error.to_string()))
    }
}

//! The lists in memory, for lookups and searches: filled from the store at
//! start, and changed by what was committed, never before.
//!
//! While they are being filled, what is not known yet is a [`Fault`]: mail to
//! such an address waits, and none goes to a suppressed one.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::watch;

use super::record::{self, Block, Import, ImportState, Lifted, ServerId, Suppressed};
use super::roll::Roll;
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
}

impl Rolls {
    /// Empty lists that follow the store from now on.
    pub fn follow(store: &Store) -> Self {
        let rolls = Self::default();
        let followed = rolls.clone();
        store.watch(Suppressed::TABLE, move |news| followed.set(news.key, news.value.is_some()));
        let followed = rolls.clone();
        store.watch(Lifted::TABLE, move |news| followed.set(news.key, news.value.is_none()));
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

    pub fn are_loading(&self) -> bool {
        *self.loading.borrow()
    }

    /// Writes what changed into the chunks, where that is much.
    pub async fn settle(&self) {
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
        let mut lifted: HashMap<ServerId, HashSet<String>> = HashMap::new();
        self.each(|row: Lifted| {
            lifted.entry(row.server).or_default().insert(row.address.canonical().to_string());
        })
        .await?;
        let mut imports = Vec::new();
        self.each(|one: Import| imports.push(one)).await?;
        for staged in imports.iter().filter(|one| one.state == ImportState::Staged) {
            // Long enough ago that nobody is at it.
            if self.clock.now().duration_since(staged.at) >= SignedDuration::from_hours(1) {
                self.forget_import(staged).await?;
            }
        }
        let mut lists: HashMap<ServerId, Growing> = HashMap::new();
        let fresh = || Growing::new(Roll::default());
        let mut after = Vec::new();
        loop {
            let rows: Vec<Row<Suppressed>> = self.store.page(&after, PAGE).await?;
            let Some(last) = rows.last() else { break };
            after = last.record.key();
            for row in &rows {
                let growing = lists.entry(row.record.server).or_insert_with(fresh);
                growing.add(&row.record.address.canonical().to_string()).await?;
            }
        }
        for import in imports.iter().filter(|one| one.state == ImportState::Active) {
            let growing = lists.entry(import.server).or_insert_with(fresh);
            let off = lifted.entry(import.server).or_default();
            self.add_blocks(import, growing, |one| !off.contains(one)).await?;
        }
        for (server, growing) in lists {
            let roll = growing.finish().await?;
            self.roll(server).adopt(roll.into_arena());
        }
        self.rolls.loading.send_replace(false);
        Ok(())
    }

    /// Removes an upload of which nothing is in force.
    pub(super) async fn forget_import(&self, import: &Import) -> Result<(), Fault> {
        let key = record::import_key(import.server, import.id);
        loop {
            let rows: Vec<Row<Block>> = self.store.page(&key, 50).await?;
            let mut batch = Batch::new();
            for row in rows.iter().filter(|row| row.record.import == import.id) {
                batch.remove(row);
            }
            let done = batch.is_empty();
            if let (true, Some(row)) = (done, self.store.find::<Import>(&key).await?) {
                batch.remove(&row);
            }
            self.write(batch).await?;
            if done {
                return Ok(());
            }
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

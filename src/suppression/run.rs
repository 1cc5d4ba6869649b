//! The daily run: what has its strikes is suppressed, registered uploads come
//! into force, whose watch period is over is released.
//!
//! An upload has one watch period for all of its addresses, and says itself
//! how many of them were released: a million of them are no million records.

use super::list::Refused;
use super::record::{self, Count, Import, ImportState, Lifted, Reason, Suppressed};
use super::rule::Strikes;
use super::server::{OnDay, ServerId};
use super::{By, Suppression};
use crate::clock::Timestamp;
use crate::mail::Address;
use crate::store::{Batch, Fault, Index, Row};

/// Records that one step of a run writes.
const STEP: usize = 200;
/// Releases that a run looks at.
const MOST: usize = 1_000_000;

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    pub suppressed: usize,
    pub released: usize,
    pub imports: usize,
    /// Whose watch period is over, but who wait for another day.
    pub waiting: usize,
}

impl Suppression {
    /// How many the watch period releases until `by`: for the warning when
    /// that is many.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn releases_until(&self, server: ServerId, by: Timestamp) -> Result<usize, Fault> {
        let lists = self.lists_over(server, by).await?;
        Ok(self.over(server, by).await?.len() + lists.iter().map(still_listed).sum::<usize>())
    }

    /// Addresses with a record of their own whose watch period is over by then.
    async fn over(&self, server: ServerId, by: Timestamp) -> Result<Vec<Vec<u8>>, Fault> {
        let (from, to) = (until_key(server, Timestamp::MIN), until_key(server, by));
        self.store.referred(Index::SuppressedUntil, &from, &to, MOST).await
    }

    /// Uploads in force whose watch period is over by then.
    async fn lists_over(&self, server: ServerId, by: Timestamp) -> Result<Vec<Import>, Fault> {
        let mut lists = self.imports(server).await?;
        let is_over = |one: &Import| one.until.is_some_and(|until| until < by);
        lists.retain(|one| one.state == ImportState::Active && is_over(one));
        Ok(lists)
    }

    /// Cancels every suppression of one reason, when that is switched off.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write.
    pub async fn cancel_reason(&self, server: ServerId, reason: Reason) -> Result<usize, Fault> {
        let mut cancelled = Vec::new();
        self.each(|one: Suppressed| {
            cancelled.extend(Some(one).filter(|one| one.server == server && one.reason == reason));
        })
        .await?;
        for one in &cancelled {
            self.take_off(server, &one.address, None).await?;
        }
        Ok(cancelled.len())
    }

    /// Whether the daily run is due.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn is_due(&self, server: ServerId) -> Result<bool, Fault> {
        let server = self.server(server).await?.record;
        let due = server.settings.last_due(self.clock.now());
        Ok(server.previous_run.is_none_or(|previous| previous < due))
    }

    /// The run: what has its strikes is suppressed, registered uploads come
    /// into force, whose watch period is over is released.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write; the run is then repeated.
    pub async fn run(&self, server: ServerId, by: impl Into<By<'_>>) -> Result<Ran, Fault> {
        let by = by.into();
        self.loaded()?;
        let now = self.clock.now();
        let mut ran = Ran { suppressed: self.run_due(server).await?, ..Ran::default() };
        for import in self.imports(server).await? {
            if import.state == ImportState::Registered {
                self.activate(import, &|_| {}).await?;
                ran.imports += 1;
            }
        }
        (ran.released, ran.waiting) = self.release_over(server, now).await?;
        // Other settings may have been changed during a long run.
        let ended = self.edit_server(server, by, |server| {
            server.previous_run = Some(now);
            Ok(())
        });
        ended.await.map_err(Refused::into_fault)?;
        Ok(ran)
    }

    /// Releases whose watch period is over, as many as are allowed in a day;
    /// answers how many were released, and how many wait.
    async fn release_over(
        &self,
        server: ServerId,
        now: Timestamp,
    ) -> Result<(usize, usize), Fault> {
        let (over, lists) = (self.over(server, now).await?, self.lists_over(server, now).await?);
        let wanted = over.len() + lists.iter().map(still_listed).sum::<usize>();
        if wanted == 0 {
            return Ok((0, 0));
        }
        let allowed = self.allot(server, wanted, now).await?;
        let mut left = allowed;
        for key in over.iter().take(allowed) {
            left -= 1;
            if let Some(row) = self.store.find::<Suppressed>(key).await? {
                let relapses = row.record.relapses.saturating_add(1);
                self.take_off(server, &row.record.address, Some(relapses)).await?;
            }
        }
        let mut ended = false;
        for import in lists {
            let some = still_listed(&import).min(left);
            if some > 0 {
                self.release_some(&import, some).await?;
                (left, ended) = (left - some, true);
            }
        }
        if ended {
            self.reload(server).await?;
        }
        Ok((allowed, wanted - allowed))
    }

    /// How many of `wanted` may still be released on this day. They count as
    /// released from now on, so that no run of the same day, nor one that was
    /// cut short, exceeds it.
    async fn allot(&self, id: ServerId, wanted: usize, now: Timestamp) -> Result<usize, Fault> {
        let allotted = self.edit_server(id, "schedule", |server| {
            let day = server.settings.day(now);
            let already = server.released.filter(|one| one.day == day).map_or(0, |one| one.count);
            let most = server.settings.releases_per_day.map_or(u64::MAX, u64::from);
            let some = (wanted as u64).min(most.saturating_sub(already));
            server.released = Some(OnDay { day, count: already + some });
            Ok(some)
        });
        let (_, some) = allotted.await.map_err(Refused::into_fault)?;
        Ok(usize::try_from(some).unwrap_or(wanted))
    }

    /// Notes that `some` more of an upload's addresses are released.
    async fn release_some(&self, import: &Import, some: usize) -> Result<(), Fault> {
        let key = record::import_key(import.server, import.id);
        let Some(row) = self.store.find::<Import>(&key).await? else { return Ok(()) };
        let mut fresh = row.record.clone();
        fresh.released += some as u64;
        if fresh.released >= fresh.addresses() {
            fresh.state = ImportState::Over;
        }
        let mut batch = Batch::new();
        batch.update(&row, &fresh);
        self.write(batch).await
    }

    async fn run_due(&self, server: ServerId) -> Result<usize, Fault> {
        let mut suppressed = 0;
        loop {
            let keys = self.store.referred_by(Index::CountDue, &server.to_be_bytes(), STEP).await?;
            if keys.is_empty() {
                return Ok(suppressed);
            }
            for key in keys {
                let Some(row) = self.store.find::<Count>(&key).await? else { continue };
                let mut batch = Batch::new();
                let count = &row.record;
                if let Some(reason) = count.due {
                    let done = self
                        .suppress_for(&mut batch, server, &count.address, reason, count.relapses)
                        .await?;
                    suppressed += usize::from(done);
                }
                let quiet = Count { due: None, strikes: [Strikes::default(); 5], ..count.clone() };
                batch.update(&row, &quiet);
                self.write(batch).await?;
            }
        }
    }

    /// Takes an address off the list without an exemption; `relapses` is
    /// remembered for the next time.
    async fn take_off(
        &self,
        server: ServerId,
        address: &Address,
        relapses: Option<u8>,
    ) -> Result<(), Fault> {
        let Some(row) = self.find(server, address).await? else { return Ok(()) };
        let count: Option<Row<Count>> = self.store.find(&record::key(address, server)).await?;
        let mut batch = Batch::new();
        self.remove_in(&mut batch, &row).await?;
        if let Some(relapses) = relapses {
            let fresh = Count {
                address: address.canonical(),
                server,
                strikes: [Strikes::default(); 5],
                relapses,
                due: None,
            };
            batch.upsert(count.as_ref(), &fresh);
        }
        self.write(batch).await
    }

    /// Removes an address within `batch`, whatever lists hold it.
    pub(super) async fn remove_in(
        &self,
        batch: &mut Batch,
        row: &Row<Suppressed>,
    ) -> Result<(), Fault> {
        batch.remove(row);
        let Suppressed { address, server, .. } = &row.record;
        if self.is_uploaded(*server).await? && self.lifted(*server, address).await?.is_none() {
            let (address, at) = (address.clone(), self.clock.now());
            batch.insert(&Lifted { address, server: *server, at });
        }
        Ok(())
    }
}

/// Addresses of an upload that have not been released by its watch period.
fn still_listed(import: &Import) -> usize {
    let left = import.addresses().saturating_sub(import.released);
    usize::try_from(left).unwrap_or(usize::MAX)
}

fn until_key(server: ServerId, at: Timestamp) -> Vec<u8> {
    let mut key = server.to_be_bytes().to_vec();
    key.extend_from_slice(&at.as_microsecond().max(0).to_be_bytes());
    key
}

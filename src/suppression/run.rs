//! The daily run: what has its strikes is suppressed, registered uploads come
//! into force, whose watch period is over is released.

use super::record::{self, Count, ImportState, Lifted, Reason, ServerId, Suppressed};
use super::rule::Strikes;
use super::{By, Suppression};
use crate::clock::Timestamp;
use crate::mail::Address;
use crate::store::{Batch, Fault, Index, Row};

/// Records that one step of a run writes.
const STEP: usize = 200;

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
        let (from, to) = (until_key(server, Timestamp::MIN), until_key(server, by));
        Ok(self.store.referred(Index::SuppressedUntil, &from, &to, 1_000_000).await?.len())
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
        let settings = self.server(server).await?.record.settings;
        let most = settings.releases_per_day.map_or(usize::MAX, |n| n as usize);
        let (from, to) = (until_key(server, Timestamp::MIN), until_key(server, now));
        let over = self.store.referred(Index::SuppressedUntil, &from, &to, 1_000_000).await?;
        ran.waiting = over.len().saturating_sub(most);
        for key in over.into_iter().take(most) {
            if let Some(row) = self.store.find::<Suppressed>(&key).await? {
                let relapses = row.record.relapses.saturating_add(1);
                self.take_off(server, &row.record.address, Some(relapses)).await?;
                ran.released += 1;
            }
        }
        // Read again: the settings may have been changed during a long run.
        let row = self.server(server).await?;
        let mut record = row.record.clone();
        record.previous_run = Some(now);
        let mut batch = Batch::new();
        // Revision 0 is of nothing that was written.
        batch.upsert(Some(&row).filter(|row| row.revision > 0), &record);
        (by.also)(&mut batch);
        self.write(batch).await?;
        Ok(ran)
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

fn until_key(server: ServerId, at: Timestamp) -> Vec<u8> {
    let mut key = server.to_be_bytes().to_vec();
    key.extend_from_slice(&at.as_microsecond().max(0).to_be_bytes());
    key
}

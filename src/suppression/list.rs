//! What people do with the list: add, release, exempt, search, upload; and
//! the daily run.
//!
//! A release is in force for every reader of this process at once, whatever
//! the schedule. An upload is staged block by block and switched on by one
//! batch: all of it or nothing.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;

use uuid::Uuid;

use super::learn::TRIES;
use super::record::{
    self, Block, Count, Exemption, Import, ImportState, Lifted, Reason, Server, ServerId,
    Suppressed,
};
use super::roll::Roll;
use super::rule::{SettingsError, Strikes};
use super::{Suppression, csv};
use crate::clock::Timestamp;
use crate::mail::Address;
use crate::store::{Batch, Fault, Index, Record, Refusal, Row};

/// Why a person's wish is not carried out. Each is a sentence for him.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("{0} is not on the list")]
    NotListed(String),
    #[error("{0} is on the list already")]
    Listed(String),
    #[error("{0} is exempt; delete the exemption first")]
    Exempt(String),
    #[error("{0} has no exemption")]
    NotExempt(String),
    #[error("{0} may never be suppressed: it is one of our own, postmaster, abuse, or listed so")]
    Never(String),
    #[error("there is no server {0}")]
    NoServer(ServerId),
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("the file cannot be read: {0}")]
    File(String),
    #[error("downloads are granted already")]
    Granted,
    #[error("others are at it; try again in a moment")]
    Busy,
    #[error(transparent)]
    Store(#[from] Fault),
}

/// Addresses in one block of an upload.
const BLOCK: usize = 4000;
/// Invalid lines that are shown.
const SHOWN: usize = 1000;
/// Records that one step of a run writes.
const STEP: usize = 200;
/// Bytes of addresses that are sorted at once.
const RUN: usize = 24 << 20;

/// What an upload holds, before or after it is registered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    pub records: u64,
    /// Addresses that stand more than once in the file, counted from the second.
    pub duplicates: u64,
    pub invalid: u64,
    /// Line number, and why: the first thousand.
    pub lines: Vec<(u64, String)>,
    /// What will be on the list.
    pub addresses: u64,
}

/// Who uploads what.
#[derive(Clone, Debug)]
pub struct Upload {
    pub server: ServerId,
    pub file: String,
    pub by: String,
    /// Name of the column that holds the addresses; empty: the only one, or
    /// the first that looks like it.
    pub column: String,
    /// In force at once, else with the next run.
    pub at_once: bool,
}

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
    /// Adds an address by hand.
    ///
    /// # Errors
    /// [`Refused`], a sentence.
    pub async fn add(&self, server: ServerId, address: &Address) -> Result<(), Refused> {
        let text = address.canonical().to_string();
        let known = self.server(server).await?.record;
        if self.is_never(&known, &text) {
            return Err(Refused::Never(text));
        }
        if self.exemption(server, address).await?.is_some() {
            return Err(Refused::Exempt(text));
        }
        let mut batch = Batch::new();
        if !self.suppress_for(&mut batch, server, address, Reason::Manual, 0).await? {
            return Err(Refused::Listed(text));
        }
        Ok(self.write(batch).await?)
    }

    /// Releases an address: from now on it is exempt, with the reason for
    /// which it was suppressed.
    ///
    /// # Errors
    /// [`Refused`], a sentence.
    pub async fn release(
        &self,
        server: ServerId,
        address: &Address,
        by: &str,
    ) -> Result<(), Refused> {
        let text = address.canonical().to_string();
        if !self.covers_for(server, address).await? {
            return Err(Refused::NotListed(text));
        }
        self.exempt(server, address, by).await
    }

    /// Makes an address exempt, on the list or not.
    ///
    /// # Errors
    /// [`Refused`], a sentence.
    pub async fn exempt(
        &self,
        server: ServerId,
        address: &Address,
        by: &str,
    ) -> Result<(), Refused> {
        let text = address.canonical().to_string();
        for _ in 0..TRIES {
            let mut batch = Batch::new();
            let found = self.find(server, address).await?;
            let key = record::key(address, server);
            let count: Option<Row<Count>> = self.store.find(&key).await?;
            let known = self.exemption(server, address).await?;
            let uploaded = found.is_none() && self.covers_for(server, address).await?;
            if let Some(row) = &found {
                batch.remove(row);
            }
            if let Some(row) = &count {
                batch.remove(row);
            }
            if self.lifted(server, address).await?.is_none()
                && (uploaded || self.is_uploaded(server).await?)
            {
                batch.insert(&Lifted {
                    address: address.canonical(),
                    server,
                    at: self.clock.now(),
                });
            }
            let reason = match &found {
                Some(row) => row.record.reason,
                None if uploaded => Reason::Uploaded,
                None => Reason::Manual,
            };
            if known.is_none() {
                batch.insert(&Exemption {
                    address: address.canonical(),
                    server,
                    reason,
                    at: self.clock.now(),
                    by: by.to_owned(),
                    errors: 0,
                    last_error: None,
                });
            }
            match self.store.commit(batch).await {
                Ok(_) => {
                    self.roll(server).set(&text, false);
                    return Ok(());
                }
                Err(Refusal::Conflict(_)) => {}
                Err(refusal) => return Err(Fault::Unavailable(refusal.to_string()).into()),
            }
        }
        Err(Fault::Unavailable("the address changes all the time".to_owned()).into())
    }

    /// Deletes an exemption: the address is subject to blocking again.
    ///
    /// # Errors
    /// [`Refused`], a sentence.
    pub async fn unexempt(&self, server: ServerId, address: &Address) -> Result<(), Refused> {
        let row = self.exemption(server, address).await?;
        let Some(row) = row else {
            return Err(Refused::NotExempt(address.canonical().to_string()));
        };
        let mut batch = Batch::new();
        batch.remove(&row);
        Ok(self.write(batch).await?)
    }

    /// Suppressed addresses that hold `part`, in order, behind `after`.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn search(
        &self,
        server: ServerId,
        part: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<Suppressed>, Fault> {
        let mut found = Vec::new();
        for text in self.roll(server).search(&part.to_lowercase(), after, limit) {
            let Ok(address) = Address::parse_utf8(&text) else { continue };
            match self.find(server, &address).await? {
                Some(row) => found.push(row.record),
                // Uploaded: the list itself says no more of it.
                None if self.covers_for(server, &address).await? => found.push(Suppressed {
                    address,
                    since: Timestamp::UNIX_EPOCH,
                    reason: Reason::Uploaded,
                    server,
                    until: None,
                    relapses: 0,
                }),
                None => {}
            }
        }
        Ok(found)
    }

    /// Exemptions that hold `part`.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn exemptions(
        &self,
        server: ServerId,
        part: &str,
        limit: usize,
    ) -> Result<Vec<Exemption>, Fault> {
        let part = part.to_lowercase();
        let mut found = Vec::new();
        self.each(|one: Exemption| {
            if one.server == server
                && found.len() < limit
                && one.address.to_string().contains(&part)
            {
                found.push(one);
            }
        })
        .await?;
        Ok(found)
    }

    /// All servers, our own courier first.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn servers(&self) -> Result<Vec<Server>, Fault> {
        let mut all = vec![self.server(super::OWN).await?.record];
        self.each(|one: Server| all.extend(Some(one).filter(|one| one.id != super::OWN))).await?;
        Ok(all)
    }

    /// Writes a server's record: a new one, or new settings of a known one.
    ///
    /// # Errors
    /// [`Refused::Settings`] if they cannot be.
    pub async fn set_server(&self, server: &Server) -> Result<(), Refused> {
        server.settings.check()?;
        let row = self.store.find::<Server>(&server.id.to_be_bytes()).await?;
        let mut batch = Batch::new();
        batch.upsert(row.as_ref(), server);
        Ok(self.write(batch).await?)
    }

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
    pub async fn run(&self, server: ServerId) -> Result<Ran, Fault> {
        let now = self.clock.now();
        let mut ran = Ran { suppressed: self.run_due(server).await?, ..Ran::default() };
        for import in self.imports(server).await? {
            if import.state == ImportState::Registered {
                self.activate(&import).await?;
                ran.imports += 1;
            }
        }
        let row = self.server(server).await?;
        let most = row.record.settings.releases_per_day.map_or(usize::MAX, |n| n as usize);
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
        let mut record = row.record.clone();
        record.previous_run = Some(now);
        let known = self.store.find::<Server>(&server.to_be_bytes()).await?;
        let mut batch = Batch::new();
        batch.upsert(known.as_ref(), &record);
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
        batch.remove(&row);
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
        self.write(batch).await?;
        self.roll(server).set(&address.canonical().to_string(), false);
        Ok(())
    }

    /// A server's uploads, the oldest first.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn imports(&self, server: ServerId) -> Result<Vec<Import>, Fault> {
        let mut imports = Vec::new();
        self.each(|one: Import| imports.extend(Some(one).filter(|one| one.server == server)))
            .await?;
        Ok(imports)
    }

    /// Reads an upload and says what it holds, without registering it.
    ///
    /// # Errors
    /// [`Refused::File`] if it is no list.
    pub async fn preview(
        &self,
        upload: &Upload,
        file: impl Read + Send,
    ) -> Result<Preview, Refused> {
        self.read_upload(upload, file, None).await
    }

    /// Registers an upload: all of its valid addresses, or nothing.
    ///
    /// # Errors
    /// [`Refused`]; nothing of it is in force then.
    pub async fn register(
        &self,
        upload: &Upload,
        file: impl Read + Send,
    ) -> Result<Preview, Refused> {
        let id = Uuid::now_v7();
        let mut import = Import {
            server: upload.server,
            id,
            file: super::event::cut(&upload.file, 200),
            by: upload.by.clone(),
            at: self.clock.now(),
            records: 0,
            duplicates: 0,
            invalid: 0,
            blocks: 0,
            state: ImportState::Staged,
        };
        let mut batch = Batch::new();
        batch.insert(&import);
        self.write(batch).await?;
        let preview = self.read_upload(upload, file, Some(&mut import)).await?;
        let row = self.store.find::<Import>(&record::import_key(upload.server, id)).await?;
        import.records = preview.records;
        import.duplicates = preview.duplicates;
        import.invalid = preview.invalid;
        import.state = ImportState::Registered;
        let mut batch = Batch::new();
        batch.upsert(row.as_ref(), &import);
        self.write(batch).await?;
        if upload.at_once {
            self.activate(&import).await?;
        }
        Ok(preview)
    }

    async fn read_upload(
        &self,
        upload: &Upload,
        file: impl Read + Send,
        mut into: Option<&mut Import>,
    ) -> Result<Preview, Refused> {
        let server = self.server(upload.server).await?.record;
        let mut rows =
            csv::Rows::open(file, &upload.column).map_err(|e| Refused::File(e.to_string()))?;
        let (mut preview, mut seen) = (Preview::default(), HashSet::new());
        let mut block = String::new();
        let mut in_block = 0;
        while let Some(row) = rows.next().map_err(|e| Refused::File(e.to_string()))? {
            preview.records += 1;
            let (line, cell) = row;
            let address = match csv::address(cell) {
                Ok(address) => address,
                Err(why) => {
                    preview.invalid += 1;
                    if preview.lines.len() < SHOWN {
                        preview.lines.push((line, why));
                    }
                    continue;
                }
            };
            let text = address.canonical().to_string();
            if self.is_never(&server, &text) {
                preview.invalid += 1;
                if preview.lines.len() < SHOWN {
                    preview.lines.push((line, "this address may never be suppressed".to_owned()));
                }
                continue;
            }
            // 64 bits of a keyed hash: two addresses of a million share one
            // once in 30 million files.
            let mut hash = DefaultHasher::new();
            text.hash(&mut hash);
            if !seen.insert(hash.finish()) {
                preview.duplicates += 1;
                continue;
            }
            preview.addresses += 1;
            if into.is_some() {
                block.push_str(&text);
                block.push('\n');
                in_block += 1;
            }
            if in_block == BLOCK
                && let Some(import) = into.as_deref_mut()
            {
                self.write_block(import, &block).await?;
                block.clear();
                in_block = 0;
            }
        }
        if in_block > 0
            && let Some(import) = into
        {
            self.write_block(import, &block).await?;
        }
        Ok(preview)
    }

    /// Sorted, so that sorting all of them is merging.
    async fn write_block(&self, import: &mut Import, addresses: &str) -> Result<(), Fault> {
        let mut lines: Vec<&str> = addresses.split_inclusive('\n').collect();
        lines.sort_unstable();
        let addresses = lines.concat();
        let mut batch = Batch::new();
        let number = import.blocks;
        batch.insert(&Block { server: import.server, import: import.id, number, addresses });
        import.blocks += 1;
        self.write(batch).await
    }

    /// The one batch that puts an upload in force; then the memory follows.
    async fn activate(&self, import: &Import) -> Result<(), Fault> {
        let key = record::import_key(import.server, import.id);
        let Some(row) = self.store.find::<Import>(&key).await? else { return Ok(()) };
        let mut active = row.record.clone();
        active.state = ImportState::Active;
        let mut batch = Batch::new();
        batch.update(&row, &active);
        self.write(batch).await?;
        let exempt: HashSet<String> = self
            .exemptions(import.server, "", usize::MAX)
            .await?
            .into_iter()
            .map(|one| one.address.to_string())
            .collect();
        for address in &exempt {
            // An exempt address stays off, whatever comes in lists.
            if let Ok(address) = Address::parse_utf8(address)
                && self.lifted(import.server, &address).await?.is_none()
            {
                let mut batch = Batch::new();
                batch.insert(&Lifted { address, server: import.server, at: self.clock.now() });
                self.write(batch).await?;
            }
        }
        let (mut lifted, mut again) = (HashSet::new(), Vec::new());
        self.each(|one: Lifted| {
            let own = Some(one.address.canonical().to_string());
            lifted.extend(own.filter(|_| one.server == import.server));
        })
        .await?;
        let mut growing = Growing::new(self.roll(import.server));
        let wanted = |address: &str| {
            let listed = !exempt.contains(address);
            if listed && lifted.contains(address) {
                again.push(address.to_owned());
            }
            listed
        };
        self.add_blocks(&active, &mut growing, wanted).await?;
        growing.finish().await?;
        // Released from an earlier upload, subject to blocking since, and now
        // in a list again.
        for address in again.iter().filter_map(|one| Address::parse_utf8(one).ok()) {
            if let Some(row) = self.lifted(import.server, &address).await? {
                let mut batch = Batch::new();
                batch.remove(&row);
                self.write(batch).await?;
            }
        }
        // Who was released meanwhile stays off.
        for one in self.exemptions(import.server, "", usize::MAX).await? {
            let address = one.address.to_string();
            if !exempt.contains(&address) {
                self.roll(import.server).set(&address, false);
            }
        }
        Ok(())
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
    pub async fn finish(mut self) -> Result<(), Fault> {
        self.merge().await
    }

    /// Sorting a million addresses takes a second: not on a worker's thread.
    async fn merge(&mut self) -> Result<(), Fault> {
        let (roll, run) = (self.roll.clone(), std::mem::take(&mut self.run));
        let merging = tokio::task::spawn_blocking(move || roll.merge(&run));
        merging.await.map_err(|error| Fault::Unavailable(error.to_string()))
    }
}

fn until_key(server: ServerId, at: Timestamp) -> Vec<u8> {
    let mut key = server.to_be_bytes().to_vec();
    key.extend_from_slice(&at.as_microsecond().max(0).to_be_bytes());
    key
}

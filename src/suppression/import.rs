//! Uploads of lists: staged block by block, and switched on by one batch: all
//! of it or nothing.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::csv::Wrong;
use super::list::Refused;
use super::memory::Growing;
use super::record::{self, Block, Import, ImportState, Lifted};
use super::server::ServerId;
use super::{Also, Suppression, csv, rule};
use crate::mail::Address;
use crate::store::{Batch, Fault};

/// Addresses in one block of an upload.
const BLOCK: usize = 4000;
/// Invalid lines that are shown.
const SHOWN: usize = 1000;

/// What an upload holds, before or after it is registered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    pub records: u64,
    /// Addresses that stand more than once in the file, counted from the second.
    pub duplicates: u64,
    pub invalid: u64,
    /// Line number, and why: the first thousand.
    pub lines: Vec<(u64, Wrong)>,
    /// What will be on the list.
    pub addresses: u64,
}

impl Preview {
    /// Of an upload that was registered before; its invalid rows are forgotten.
    fn of(import: &Import) -> Self {
        let Import { records, duplicates, invalid, .. } = *import;
        Self { records, duplicates, invalid, addresses: import.addresses(), lines: Vec::new() }
    }
}

/// Who uploads what.
#[derive(Clone, Debug, Serialize, Deserialize)]
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

impl Suppression {
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
    /// [`Refused::NoList`] if it is none.
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
        self.register_as(Uuid::now_v7(), upload, file, &|_| {}).await
    }

    /// The same under an id of its own, which is registered once; `also` goes
    /// into the batch that does it.
    pub(super) async fn register_as(
        &self,
        id: Uuid,
        upload: &Upload,
        file: impl Read + Send,
        also: Also<'_>,
    ) -> Result<Preview, Refused> {
        self.loaded()?;
        let key = record::import_key(upload.server, id);
        if let Some(row) = self.store.find::<Import>(&key).await? {
            if row.record.state != ImportState::Staged {
                return Ok(Preview::of(&row.record));
            }
            // It was cut short.
            self.forget_import(&row.record).await?;
        }
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
            active_at: None,
            until: None,
            released: 0,
        };
        let mut batch = Batch::new();
        batch.insert(&import);
        self.write(batch).await?;
        let preview = self.read_upload(upload, file, Some(&mut import)).await?;
        import.records = preview.records;
        import.duplicates = preview.duplicates;
        import.invalid = preview.invalid;
        if upload.at_once {
            self.activate(import, also).await?;
        } else {
            import.state = ImportState::Registered;
            let row = self.store.find::<Import>(&key).await?;
            let mut batch = Batch::new();
            batch.upsert(row.as_ref(), &import);
            also(&mut batch);
            self.write(batch).await?;
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
        let mut rows = csv::Rows::open(file, &upload.column)?;
        let (mut preview, mut seen) = (Preview::default(), HashSet::new());
        let mut block = String::new();
        let mut in_block = 0;
        while let Some(row) = rows.next()? {
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
                    preview.lines.push((line, Wrong::Never));
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
    pub(super) async fn activate(&self, mut import: Import, also: Also<'_>) -> Result<(), Fault> {
        let exempt: HashSet<String> = self
            .exemptions(import.server, "", usize::MAX)
            .await?
            .into_iter()
            .map(|one| one.address.canonical().to_string())
            .collect();
        for address in exempt.iter().filter_map(|one| Address::parse_utf8(one).ok()) {
            // An exempt address stays off, whatever comes in lists.
            if self.lifted(import.server, &address).await?.is_none() {
                let mut batch = Batch::new();
                batch.insert(&Lifted { address, server: import.server, at: self.clock.now() });
                self.write(batch).await?;
            }
        }
        let key = record::import_key(import.server, import.id);
        let row = self.store.find::<Import>(&key).await?;
        let (now, settings) = (self.clock.now(), self.server(import.server).await?.record.settings);
        import.state = ImportState::Active;
        import.active_at = Some(now);
        import.until = rule::watch_until(now, 0, &settings);
        let mut batch = Batch::new();
        batch.upsert(row.as_ref(), &import);
        also(&mut batch);
        self.write(batch).await?;
        let _only = self.rolls.rewriting().await;
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
        self.add_blocks(&import, &mut growing, wanted).await?;
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
            let address = one.address.canonical().to_string();
            if !exempt.contains(&address) {
                self.roll(import.server).set(&address, false);
            }
        }
        Ok(())
    }
}

//! What the console changed about an organisation: an overlay on the
//! configuration file.
//!
//! The file says which organisations and domains there are, because whoever
//! installs the gateway answers for those; the console keeps, for each
//! organisation, only the settings that somebody changed there, as one record.
//! An overlaid setting counts at once, without a restart, and goes on counting
//! when the file is read again; taken away, the file's value is back.

mod logo;
mod setting;

pub use logo::{LOGO, Logo, Picture};
pub use setting::{Kind, SETTINGS, Setting, Unfit};

use std::sync::Arc;

use minicbor::{Decode, Encode};
use tokio::sync::Mutex;

use super::{Directory, Organisation, OrganisationId};
use crate::store::{Batch, Fault, Record, Refusal, Row, Store, Table};

/// How often a decision is made again when another came first.
const TRIES: usize = 8;

/// What the console changed about one organisation.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Overlay {
    #[n(0)]
    pub organisation: OrganisationId,
    /// Names of settings, sorted, and the values written over the file's.
    #[n(1)]
    values: Vec<(String, String)>,
    #[n(2)]
    pub logo: Option<Logo>,
}

/// Keeps the overlays. Clones share everything.
#[derive(Clone)]
pub struct Overlays {
    store: Store,
    directory: Directory,
    /// The directory changes in the order of the commits.
    writing: Arc<Mutex<()>>,
}

impl Record for Overlay {
    const TABLE: Table = Table::Overlay;

    fn key(&self) -> Vec<u8> {
        self.organisation.as_str().as_bytes().to_vec()
    }
}

impl Overlay {
    /// One that changes nothing.
    pub fn new(organisation: OrganisationId) -> Self {
        Self { organisation, values: Vec::new(), logo: None }
    }

    /// The value that stands over the file's.
    pub fn value(&self, name: &str) -> Option<&str> {
        let found = self.values.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Puts a value over the file's.
    pub fn put(&mut self, name: &str, value: &str) {
        self.take(name);
        let at = self.values.partition_point(|(other, _)| other.as_str() < name);
        self.values.insert(at, (name.to_owned(), value.to_owned()));
    }

    /// Back to the file's value.
    pub fn take(&mut self, name: &str) {
        self.values.retain(|(other, _)| other != name);
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && self.logo.is_none()
    }

    /// The organisation as it counts. A value that does not fit (a newer
    /// program wrote it) leaves the file's.
    pub fn over(&self, written: &Organisation) -> Organisation {
        let mut organisation = written.clone();
        for (name, value) in &self.values {
            if let Some(setting) = Setting::named(name) {
                let _ = setting.set(&mut organisation, value);
            }
        }
        organisation.logo = self.logo.clone().map(Arc::new);
        organisation
    }

    /// In one line, for the audit.
    pub fn shown(&self) -> String {
        let mut all: Vec<String> =
            self.values.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        all.extend(self.logo.as_ref().map(|logo| format!("{logo:?}")));
        all.join(", ")
    }
}

impl Overlays {
    /// Reads every overlay and lays it over the directory; needed once, before
    /// mail is taken.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn open(store: Store, directory: Directory) -> Result<Self, Fault> {
        store.each(|row: Row<Overlay>| directory.lay(row.record)).await?;
        Ok(Self { store, directory, writing: Arc::default() })
    }

    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn of(&self, id: &OrganisationId) -> Result<Overlay, Fault> {
        let row = self.row(id).await?;
        Ok(row.map_or_else(|| Overlay::new(id.clone()), |row| row.record))
    }

    async fn row(&self, id: &OrganisationId) -> Result<Option<Row<Overlay>>, Fault> {
        self.store.find(id.as_str().as_bytes()).await
    }

    /// Changes an organisation's overlay in one batch with what `also` adds:
    /// the overlay before and after. It counts at once.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write.
    pub async fn change(
        &self,
        id: &OrganisationId,
        change: impl Fn(&mut Overlay),
        also: &(dyn Fn(&mut Batch, &Overlay, &Overlay) + Sync),
    ) -> Result<Overlay, Fault> {
        let _writing = self.writing.lock().await;
        for _ in 0..TRIES {
            let row = self.row(id).await?;
            let empty = Overlay::new(id.clone());
            let before = row.as_ref().map_or(&empty, |row| &row.record);
            let mut after = before.clone();
            change(&mut after);
            if after == *before {
                return Ok(after);
            }
            let mut batch = Batch::new();
            batch.upsert(row.as_ref(), &after);
            also(&mut batch, before, &after);
            match self.store.commit(batch).await {
                Ok(_) => {
                    self.directory.lay(after.clone());
                    return Ok(after);
                }
                Err(Refusal::Conflict(_)) => {}
                Err(refusal) => return Err(Fault::Unavailable(refusal.to_string())),
            }
        }
        Err(Fault::Unavailable("the organisation changes too fast; try again".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::{Choice, sample};

    fn ours() -> OrganisationId {
        OrganisationId::new("ours").unwrap()
    }

    #[tokio::test]
    async fn an_overlay_counts_at_once_outlives_restart_and_reload_and_ends() {
        let store = Store::in_memory();
        let directory = sample::directory(Vec::new());
        let overlays = Overlays::open(store.clone(), directory.clone()).await.unwrap();
        let change = |overlay: &mut Overlay| {
            overlay.put("telephone", "+358 1");
            overlay.put("marketing", "hold");
        };
        overlays.change(&ours(), change, &|_, _, _| {}).await.unwrap();
        let check = |directory: &Directory| {
            let organisation = directory.organisation(&ours()).unwrap();
            assert_eq!(organisation.contact.telephone.as_deref(), Some("+358 1"));
            assert_eq!(organisation.marketing, Choice::Hold);
            assert_eq!(directory.written(&ours()).unwrap().contact.telephone, None);
        };
        check(&directory);
        let again = sample::directory(Vec::new());
        Overlays::open(store, again.clone()).await.unwrap();
        check(&again);
        // SIGHUP: the file says another name.
        let ours_now = Organisation { name: "New".to_owned(), ..sample::organisation("ours") };
        directory.replace(vec![ours_now]).unwrap();
        check(&directory);
        assert_eq!(directory.organisation(&ours()).unwrap().name, "New");
        overlays.change(&ours(), |overlay| overlay.take("telephone"), &|_, _, _| {}).await.unwrap();
        let organisation = directory.organisation(&ours()).unwrap();
        assert_eq!(organisation.contact.telephone, None, "the file's value is back");
        assert_eq!(organisation.marketing, Choice::Hold);
    }
}

//! What people do with the list: add, release, exempt, search.
//!
//! Each act is one batch, with its teller's audit entry in it, and is in force
//! for every reader of this process once that is durable, whatever the
//! schedule.

use super::csv::{CsvError, Wrong};
use super::learn::TRIES;
use super::record::{self, Count, Exemption, Import, ImportState, Lifted, Reason, Suppressed};
use super::rule::SettingsError;
use super::server::ServerId;
use super::{By, Suppression};
use crate::clock::Timestamp;
use crate::mail::Address;
use crate::store::{Batch, Fault, Refusal, Row};

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
    #[error("{0}: {1}")]
    Address(String, Wrong),
    #[error("the file cannot be read: {0}")]
    File(String),
    /// It was read, and is no list.
    #[error("the file cannot be read: {0}")]
    NoList(#[from] CsvError),
    #[error("it is larger than {0} MiB")]
    TooLarge(u64),
    /// The old one stays in force.
    #[error("the list cannot be written: {0}")]
    Unwritable(String),
    #[error("version {0} is not kept any more")]
    NoVersion(u64),
    #[error("a server that asks has no older versions")]
    NoVersions,
    #[error("{0:?} is no name for a server: a word, and no number")]
    Name(String),
    #[error("{0:?} is not socketmap, download, or a map file like cdb:/etc/postfix/blocked")]
    Way(String),
    /// A name, or the path of a map file.
    #[error("another server has {0:?} already")]
    Taken(String),
    #[error("there is a server {0} already")]
    ServerKnown(ServerId),
    /// Something that was typed is not what it should be.
    #[error("{0}")]
    Typed(String),
    #[error("downloads are granted already")]
    Granted,
    #[error("others are at it; try again in a moment")]
    Busy,
    #[error(transparent)]
    Store(#[from] Fault),
}

/// What the lists in force say of an uploaded address: which of them holds it
/// is not looked up.
struct Dates {
    /// The epoch where they differ.
    since: Timestamp,
    /// When the last of them ends.
    until: Option<Timestamp>,
}

impl Dates {
    fn of<'a>(lists: impl Iterator<Item = &'a Import> + Clone) -> Self {
        let mut began = lists.clone().map(|one| one.active_at.unwrap_or(one.at));
        let since = began.next().filter(|_| began.next().is_none());
        let ends: Option<Vec<Timestamp>> = lists.map(|one| one.until).collect();
        let until = ends.and_then(|ends| ends.into_iter().max());
        Self { since: since.unwrap_or(Timestamp::UNIX_EPOCH), until }
    }
}

impl Refused {
    /// For work that no person waits for.
    pub(super) fn into_fault(self) -> Fault {
        match self {
            Self::Store(fault) => fault,
            other => Fault::Unavailable(other.to_string()),
        }
    }
}

impl Suppression {
    /// Adds an address by hand.
    ///
    /// # Errors
    /// [`Refused`], a sentence.
    pub async fn add(
        &self,
        server: ServerId,
        address: &Address,
        by: impl Into<By<'_>>,
    ) -> Result<(), Refused> {
        let by = by.into();
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
        (by.also)(&mut batch);
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
        by: impl Into<By<'_>>,
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
        by: impl Into<By<'_>>,
    ) -> Result<(), Refused> {
        let by = by.into();
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
                    by: by.login.to_owned(),
                    errors: 0,
                    last_error: None,
                });
            }
            (by.also)(&mut batch);
            match self.store.commit(batch).await {
                Ok(_) => return Ok(()),
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
    pub async fn unexempt(
        &self,
        server: ServerId,
        address: &Address,
        by: impl Into<By<'_>>,
    ) -> Result<(), Refused> {
        let by = by.into();
        let row = self.exemption(server, address).await?;
        let Some(row) = row else {
            return Err(Refused::NotExempt(address.canonical().to_string()));
        };
        let mut batch = Batch::new();
        batch.remove(&row);
        (by.also)(&mut batch);
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
        self.search_in(server, part, after, (limit, false)).await
    }

    /// The same, or from the end of the list to its beginning.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn search_in(
        &self,
        server: ServerId,
        part: &str,
        after: &str,
        (limit, backwards): (usize, bool),
    ) -> Result<Vec<Suppressed>, Fault> {
        self.loaded()?;
        let lists = self.imports(server).await?;
        let lists = lists.iter().filter(|one| one.state == ImportState::Active);
        let uploaded = Dates::of(lists);
        let mut found = Vec::new();
        let (roll, part) = (self.roll(server), part.to_lowercase());
        let page = if backwards {
            roll.search_back(&part, after, limit)
        } else {
            roll.search(&part, after, limit)
        };
        for text in page {
            let Ok(address) = Address::parse_utf8(&text) else { continue };
            match self.find(server, &address).await? {
                Some(row) => found.push(row.record),
                // Uploaded: its list knows the dates.
                None if self.covers_for(server, &address).await? => found.push(Suppressed {
                    address,
                    since: uploaded.since,
                    reason: Reason::Uploaded,
                    server,
                    until: uploaded.until,
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
}

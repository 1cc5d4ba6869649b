//! Decisions about many messages that are being carried out: what was asked,
//! by whom, and how far it is.
//!
//! A job is a record, so that a restart only interrupts it. Its numbers are
//! written every few messages: after a crash they may be that many short,
//! never the decisions themselves, which are durable one by one.

use std::net::IpAddr;

use minicbor::{Decode, Encode};
use uuid::Uuid;

use super::Login;
use crate::clock::Timestamp;
use crate::store::{Batch, Fault, Record, Refusal, Row, Store, Table};

/// Jobs that wait or run.
const OPEN: usize = 4;
/// Ended jobs that are remembered.
const REMEMBERED: usize = 20;
/// How often a change is tried again when another came first.
const TRIES: usize = 8;
/// Messages that a job can name one by one.
pub const PICKED: usize = 200;

/// One job.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Job {
    #[cbor(n(0), with = "crate::store::record::uuid")]
    pub id: Uuid,
    #[n(1)]
    pub login: Login,
    /// `release`, `delete`.
    #[n(2)]
    pub act: String,
    #[n(3)]
    pub why: String,
    /// The ids of the messages, 16 bytes each; empty: those that the search
    /// finds.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub ids: Vec<u8>,
    #[n(5)]
    pub text: String,
    /// The class that is searched for; empty: any.
    #[n(6)]
    pub class: String,
    #[n(7)]
    pub total: u32,
    #[n(8)]
    pub done: u32,
    /// Decided by somebody else, blocked by its recipient, or gone.
    #[n(9)]
    pub left: u32,
    /// The last message that was looked at.
    #[cbor(n(10), with = "minicbor::bytes")]
    pub cursor: Vec<u8>,
    /// Messages that came later are not meant.
    #[cbor(n(11), with = "crate::store::record::micros")]
    pub began: Timestamp,
    #[n(12)]
    pub stopped: bool,
    #[n(13)]
    pub ended: bool,
    #[n(14)]
    pub client: Option<IpAddr>,
    /// The times that are searched for, as in a search.
    #[cbor(n(15), with = "crate::store::record::maybe_micros")]
    pub since: Option<Timestamp>,
    #[cbor(n(16), with = "crate::store::record::maybe_micros")]
    pub until: Option<Timestamp>,
    /// Who decides, in the audit; `None`: the login.
    #[n(17)]
    pub who: Option<String>,
}

impl Job {
    /// A job of `login`, not written yet.
    pub fn new(login: Login, act: &str, why: &str, now: Timestamp) -> Self {
        Self {
            id: Uuid::now_v7(),
            login,
            act: act.to_owned(),
            why: why.to_owned(),
            ids: Vec::new(),
            text: String::new(),
            class: String::new(),
            total: 0,
            done: 0,
            left: 0,
            cursor: Vec::new(),
            began: now,
            stopped: false,
            ended: false,
            client: None,
            since: None,
            until: None,
            who: None,
        }
    }

    /// About these messages, at most [`PICKED`].
    pub fn about(mut self, ids: &[Uuid]) -> Self {
        let ids = &ids[..ids.len().min(PICKED)];
        self.ids = ids.iter().flat_map(|id| *id.as_bytes()).collect();
        self.total = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        self
    }

    /// About what a search finds, so many at most; `class` empty: any.
    pub fn about_found(mut self, text: String, class: &str, total: usize) -> Self {
        self.text = text;
        class.clone_into(&mut self.class);
        self.total = u32::try_from(total).unwrap_or(u32::MAX);
        self
    }

    /// Of these only what came between two times.
    pub fn between(self, since: Option<Timestamp>, until: Option<Timestamp>) -> Self {
        Self { since, until, ..self }
    }

    /// Who decides, in the audit.
    pub fn who(&self) -> &str {
        self.who.as_deref().unwrap_or(self.login.as_str())
    }

    /// The messages that it names; `None`: it searches.
    pub fn picked(&self) -> Option<Vec<Uuid>> {
        let ids = self.ids.chunks_exact(16).filter_map(|id| Uuid::from_slice(id).ok());
        (!self.ids.is_empty()).then(|| ids.collect())
    }

    /// How many it has looked at.
    pub fn seen(&self) -> u32 {
        self.done.saturating_add(self.left)
    }
}

impl Record for Job {
    const TABLE: Table = Table::Job;

    fn key(&self) -> Vec<u8> {
        self.id.as_bytes().to_vec()
    }
}

/// All jobs. Clones share the store.
#[derive(Clone)]
pub struct Jobs {
    store: Store,
}

impl Jobs {
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// Writes a job down, with what `also` adds; `false`: enough wait already.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write.
    pub async fn add(&self, job: &Job, also: impl FnOnce(&mut Batch)) -> Result<bool, Fault> {
        let rows = self.all().await?;
        if rows.iter().filter(|row| !row.record.ended).count() >= OPEN {
            return Ok(false);
        }
        let mut batch = Batch::new();
        // Ids begin with the time: the oldest come first.
        let ended: Vec<&Row<Job>> = rows.iter().filter(|row| row.record.ended).collect();
        for old in ended.iter().take(ended.len().saturating_sub(REMEMBERED)) {
            batch.remove(old);
        }
        batch.insert(job);
        also(&mut batch);
        match self.store.commit(batch).await {
            Ok(_) => Ok(true),
            Err(refusal) => Err(Fault::Unavailable(refusal.to_string())),
        }
    }

    async fn all(&self) -> Result<Vec<Row<Job>>, Fault> {
        self.store.page::<Job>(&[], 1000).await
    }

    /// Jobs that have not ended, and the last that have; the oldest first.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn list(&self) -> Result<Vec<Job>, Fault> {
        Ok(self.all().await?.into_iter().map(|row| row.record).collect())
    }

    /// Jobs that have not ended, the oldest first.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn open(&self) -> Result<Vec<Job>, Fault> {
        Ok(self.list().await?.into_iter().filter(|job| !job.ended).collect())
    }

    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn find(&self, id: Uuid) -> Result<Option<Job>, Fault> {
        Ok(self.store.find::<Job>(id.as_bytes()).await?.map(|row| row.record))
    }

    /// Changes a job; `None`: it is gone.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write.
    pub async fn change(&self, id: Uuid, change: impl Fn(&mut Job)) -> Result<Option<Job>, Fault> {
        self.decide(id, change, |_| {}).await
    }

    /// The same in one batch with what `also` adds.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write.
    pub async fn decide(
        &self,
        id: Uuid,
        change: impl Fn(&mut Job),
        also: impl Fn(&mut Batch),
    ) -> Result<Option<Job>, Fault> {
        for _ in 0..TRIES {
            let row: Option<Row<Job>> = self.store.find(id.as_bytes()).await?;
            let Some(row) = row else { return Ok(None) };
            let mut job = row.record.clone();
            change(&mut job);
            let mut batch = Batch::new();
            batch.update(&row, &job);
            also(&mut batch);
            match self.store.commit(batch).await {
                Ok(_) => return Ok(Some(job)),
                Err(Refusal::Conflict(_)) => {}
                Err(refusal) => return Err(Fault::Unavailable(refusal.to_string())),
            }
        }
        Err(Fault::Unavailable("the job changes too fast; try again".to_owned()))
    }
}

//! The audit: who decided what, about what, why, before and after.
//!
//! Append-only: an entry is written in the batch of the decision that it
//! tells of, under a key of its own that must be absent, and nothing here
//! changes or removes one. Texts are made visible when they are recorded, so
//! that nothing that a stranger chose can break a line or a terminal.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use memchr::memmem::Finder;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::clock::{Clock, Timestamp};
use crate::mail::display;
use crate::store::{Batch, Fault, Record, Store, Table, Toward, Unreadable};

/// Characters of one text.
const LONGEST: usize = 500;
/// Entries that a search reads at a time.
const STEP: usize = 500;

/// How far an act is that takes part in no batch, as one on files. What the
/// audit does not take must not happen, so it hears first what is asked for,
/// and then what came of it: an entry without a second one means that nobody
/// knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    Asked,
    Done,
    Failed,
}

/// In which order entries are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    #[default]
    Latest,
    Oldest,
}

/// What one look may cost.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Entries that are found, at most.
    pub limit: usize,
    /// Entries that are looked at, about.
    pub most: usize,
    /// How long is looked; some hundred entries are looked at in any case.
    pub time: Duration,
}

impl Bounds {
    /// Of a page, which somebody waits for beside others.
    pub fn of_page(limit: usize) -> Self {
        Self { limit, most: 50_000, time: Duration::from_millis(40) }
    }
}

/// Entries that were found, and the cursor to go on from, if there may be
/// more.
#[derive(Clone, Debug, Default)]
pub struct Found {
    pub entries: Vec<Entry>,
    /// Entries between them that cannot be read, unless a text is looked for.
    pub unreadable: Vec<Unreadable>,
    pub next: Option<Vec<u8>>,
}

/// One decision.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Entry {
    #[cbor(n(0), with = "crate::store::record::micros")]
    pub at: Timestamp,
    /// Tells apart what happened in the same microsecond.
    #[n(1)]
    random: u64,
    /// A login, `console`, `token …` or `system`.
    #[n(2)]
    pub who: String,
    /// `release`, `delete`, `log-in`, …
    #[n(3)]
    pub what: String,
    /// The kind of thing that it is about: `held`, `sender`, `account`, …
    #[n(4)]
    pub kind: String,
    /// Which one.
    #[n(5)]
    pub about: String,
    /// The reason that was given.
    #[n(6)]
    pub why: String,
    #[n(7)]
    pub before: String,
    #[n(8)]
    pub after: String,
    #[n(9)]
    pub client: Option<IpAddr>,
    /// Whose mail it is about; empty: the whole service's.
    #[n(10)]
    pub organisations: Vec<crate::directory::OrganisationId>,
}

/// The record of all decisions. Clones share the store.
#[derive(Clone)]
pub struct Audit {
    store: Store,
    clock: Clock,
}

impl Entry {
    /// An entry to be filled and recorded.
    pub fn new(who: &str, what: &str) -> Self {
        Self {
            at: Timestamp::UNIX_EPOCH,
            random: 0,
            who: safe(who),
            what: safe(what),
            kind: String::new(),
            about: String::new(),
            why: String::new(),
            before: String::new(),
            after: String::new(),
            client: None,
            organisations: Vec::new(),
        }
    }

    pub fn from(mut self, client: IpAddr) -> Self {
        self.client = Some(client);
        self
    }

    pub fn about(mut self, kind: &str, about: &str) -> Self {
        self.kind = safe(kind);
        self.about = safe(about);
        self
    }

    pub fn why(mut self, why: &str) -> Self {
        self.why = safe(why.trim());
        self
    }

    pub fn before(mut self, before: impl AsRef<str>) -> Self {
        self.before = safe(before.as_ref());
        self
    }

    pub fn after(mut self, after: impl AsRef<str>) -> Self {
        self.after = safe(after.as_ref());
        self
    }

    /// Of an act that takes part in no batch.
    pub fn step(self, step: Step) -> Self {
        const ASKED: &str = "asked for";
        match step {
            Step::Asked => self.after(ASKED),
            Step::Done => self.before(ASKED).after("done"),
            Step::Failed => self.before(ASKED).after("failed"),
        }
    }

    pub fn of(mut self, organisations: Vec<crate::directory::OrganisationId>) -> Self {
        self.organisations = organisations;
        self
    }

    /// Its texts in lower case, each behind a line feed, in the place of what
    /// `folded` held: a search asks thousands of entries and allocates nothing.
    fn fold(&self, folded: &mut String) {
        folded.clear();
        let texts =
            [&self.who, &self.what, &self.kind, &self.about, &self.why, &self.before, &self.after];
        for text in texts {
            folded.push('\n');
            if text.is_ascii() {
                let from = folded.len();
                folded.push_str(text);
                folded[from..].make_ascii_lowercase();
            } else {
                folded.push_str(&text.to_lowercase());
            }
        }
    }

    /// The cursor behind it.
    pub fn cursor(&self) -> Vec<u8> {
        self.key()
    }
}

fn safe(text: &str) -> String {
    display::excerpt(text, LONGEST)
}

impl Record for Entry {
    const TABLE: Table = Table::Audit;

    /// The latest first: a scan goes upwards.
    fn key(&self) -> Vec<u8> {
        let micros = u64::try_from(self.at.as_microsecond()).unwrap_or(0);
        let mut key = (u64::MAX - micros).to_be_bytes().to_vec();
        key.extend_from_slice(&self.random.to_be_bytes());
        key
    }
}

impl Audit {
    pub fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock }
    }

    /// Adds the entry to the batch of its decision.
    ///
    /// # Panics
    /// If the system gives no random bytes.
    pub fn record(&self, batch: &mut Batch, mut entry: Entry) {
        let mut random = [0; 8];
        getrandom::fill(&mut random).expect("the system has random bytes");
        entry.at = self.clock.now();
        entry.random = u64::from_be_bytes(random);
        batch.insert(&entry);
    }

    /// Records what is no change of its own: a look at a body, a refusal.
    ///
    /// # Errors
    /// [`Fault`] if the store does not take it; then it must not happen.
    pub async fn note(&self, entry: Entry) -> Result<(), Fault> {
        let mut batch = Batch::new();
        self.record(&mut batch, entry);
        match self.store.commit(batch).await {
            Ok(_) => Ok(()),
            Err(refusal) => Err(Fault::Unavailable(refusal.to_string())),
        }
    }

    /// At most `limit` entries, the latest first, behind a cursor (empty: from
    /// the latest); without those that cannot be read.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn page(&self, after: &[u8], limit: usize) -> Result<Vec<Entry>, Fault> {
        let (page, _) = self.store.listing_page(Toward::Last, after, limit).await?;
        Ok(page.records)
    }

    /// Entries of which a text contains `text`, in this order, behind a cursor
    /// (empty: from the first). At its bounds it stops, and offers to go on.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn find(
        &self,
        text: &str,
        order: Order,
        after: &[u8],
        Bounds { limit, most, time }: Bounds,
    ) -> Result<Found, Fault> {
        let begun = Instant::now();
        let toward = match order {
            Order::Latest => Toward::Last,
            Order::Oldest => Toward::First,
        };
        let needle = text.trim().to_lowercase();
        let all = needle.is_empty();
        let (finder, mut folded) = (Finder::new(&needle), String::new());
        let mut cursor = after.to_vec();
        let mut found = Found::default();
        let mut looked_at = 0;
        loop {
            let step = if all { STEP.min(limit - looked_at) } else { STEP };
            let (page, next) = self.store.listing_page::<Entry>(toward, &cursor, step).await?;
            looked_at += page.records.len() + page.unreadable.len();
            for entry in page.records {
                if found.entries.len() == limit {
                    return Ok(Found { next: Some(cursor), ..found });
                }
                cursor = entry.cursor();
                if !all {
                    entry.fold(&mut folded);
                    if finder.find(folded.as_bytes()).is_none() {
                        continue;
                    }
                }
                found.entries.push(entry);
            }
            if all {
                found.unreadable.extend(page.unreadable);
            }
            let Some(next) = next else { return Ok(found) };
            let full = all && looked_at >= limit;
            if full || looked_at >= most || begun.elapsed() >= time {
                return Ok(Found { next: Some(next), ..found });
            }
            cursor = next;
        }
    }
}

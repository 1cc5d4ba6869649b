//! From outcomes to suppressed addresses: each outcome is logged, counted,
//! and acted on in one batch, the teller's own where he has one.
//!
//! A success clears the count; a failure of a class that counts is a strike;
//! an exempt address is only listed with its errors. A provider in an outage
//! teaches nothing, and what it taught within the window can be undone.

use std::collections::{HashMap, HashSet};
use std::sync::PoisonError;

use super::classify::{Class, classify};
use super::distribute::ANSWER;
use super::event::{Event, Outcome, cut};
use super::record::{self, Count, Exemption, Reason, Suppressed, Window};
use super::rule::{self, Strikes};
use super::server::{Server, ServerId};
use super::{By, OWN, Suppression};
use crate::clock::{SignedDuration, Timestamp};
use crate::mail::Address;
use crate::mail::bounce::{Command, Failure};
use crate::store::{Batch, Fault, Record, Refusal, Row};

/// How often a decision is made again when another came first.
pub(super) const TRIES: usize = 32;
/// Refusals of a server's live lookups that wait for the log; more are not
/// logged.
const REFUSALS: usize = 10_000;
/// Of these, so many go into one batch.
const REFUSED_AT_ONCE: usize = 500;

/// What became of one message to one recipient.
#[derive(Clone, Debug)]
pub struct Noted {
    pub server: ServerId,
    pub address: Address,
    pub at: Timestamp,
    pub outcome: Outcome,
    pub class: Class,
    /// The teller's name for it: told twice, it counts once.
    pub id: String,
    pub response: String,
    pub subject: String,
    pub sender: String,
    pub return_path: String,
    pub message_id: String,
}

impl Noted {
    pub fn new(server: ServerId, address: Address, at: Timestamp, outcome: Outcome) -> Self {
        Self {
            server,
            address,
            at,
            outcome,
            class: Class::None,
            id: String::new(),
            response: String::new(),
            subject: String::new(),
            sender: String::new(),
            return_path: String::new(),
            message_id: String::new(),
        }
    }

    /// A server's answer, classified.
    #[must_use]
    pub fn answered(mut self, command: Option<Command>, reply: &str) -> Self {
        if self.outcome != Outcome::Succeeded {
            self.class = classify(&Failure::of_reply(&self.address.to_string(), command, reply));
        }
        self.response = cut(reply, 500);
        self
    }

    fn event(&self) -> Event {
        let address = self.address.canonical().to_string();
        let mut event = Event::new(self.at, self.server, &address, self.outcome, &self.id);
        if self.outcome.is_error() {
            event = event.with_class(self.class);
        }
        event.response = cut(&self.response, 500);
        event.subject = cut(&self.subject, 200);
        event.sender = cut(&self.sender, 254);
        event.return_path = cut(&self.return_path, 254);
        event.message_id = cut(&self.message_id, 254);
        event
    }
}

/// Providers' windows that one batch changes, by key: each as it was read and
/// as it will be.
#[derive(Default)]
struct Windows(HashMap<Vec<u8>, (Option<Row<Window>>, Window)>);

impl Windows {
    fn write(self, batch: &mut Batch) {
        for (row, window) in self.0.values() {
            batch.upsert(row.as_ref(), window);
        }
    }
}

impl Suppression {
    /// Logs an outcome and learns from it; `true` if the address is
    /// suppressed by it. The same outcome told again changes nothing.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write.
    pub async fn note(&self, noted: &Noted) -> Result<bool, Fault> {
        for _ in 0..TRIES {
            let mut batch = Batch::new();
            let suppressed = self.note_in(&mut batch, std::slice::from_ref(noted)).await?;
            if batch.is_empty() {
                return Ok(false);
            }
            match self.store.commit(batch).await {
                Ok(_) => return Ok(suppressed > 0),
                Err(Refusal::Conflict(_)) => {}
                Err(refusal) => return Err(Fault::Unavailable(refusal.to_string())),
            }
        }
        Err(Fault::Unavailable("the address changes all the time".to_owned()))
    }

    /// The same for several outcomes within the batch of what they follow
    /// from; answers how many addresses are suppressed by them. On a conflict
    /// ask again with a fresh batch.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn note_in(&self, batch: &mut Batch, all: &[Noted]) -> Result<usize, Fault> {
        let (mut windows, mut told, mut learnt) = (Windows::default(), HashSet::new(), 0);
        for noted in all {
            let event = noted.event();
            let key = event.key();
            // Two recipients may be one address.
            if !told.insert((noted.server, event.address.clone()))
                || self.store.find::<Event>(&key).await?.is_some()
            {
                continue;
            }
            batch.insert(&event);
            learnt += usize::from(self.learn(batch, noted, &mut windows).await?);
        }
        windows.write(batch);
        Ok(learnt)
    }

    /// Logs what was queued within the batch that enqueues it.
    pub fn note_queued(&self, batch: &mut Batch, noted: &Noted) {
        batch.insert(&noted.event());
    }

    /// A live lookup has kept mail from this address: the next step logs it,
    /// once for each address.
    pub(super) fn refuse_live(&self, server: ServerId, address: &str) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let known = refused.entry(server).or_default();
        if known.len() < REFUSALS && !known.contains(address) {
            known.insert(address.to_owned());
        }
    }

    /// Logs what lookups have refused since the last step.
    pub(super) async fn note_refused(&self) -> Result<(), Fault> {
        let refused =
            std::mem::take(&mut *self.refused.lock().unwrap_or_else(PoisonError::into_inner));
        let refused: Vec<(ServerId, String)> = refused
            .into_iter()
            .flat_map(|(server, all)| all.into_iter().map(move |one| (server, one)))
            .collect();
        for some in refused.chunks(REFUSED_AT_ONCE) {
            let mut batch = Batch::new();
            for (server, address) in some {
                let Ok(address) = Address::parse_utf8(address) else { continue };
                let mut noted = Noted::new(*server, address, self.clock.now(), Outcome::Blocked);
                ANSWER.clone_into(&mut noted.response);
                batch.insert(&noted.event());
            }
            self.write(batch).await?;
        }
        Ok(())
    }

    async fn learn(
        &self,
        batch: &mut Batch,
        noted: &Noted,
        windows: &mut Windows,
    ) -> Result<bool, Fault> {
        match noted.outcome {
            Outcome::Succeeded | Outcome::Failed => {}
            // The owner's own word: no strikes, no provider to ask.
            Outcome::Complained => {
                let known = self.server(noted.server).await?.record;
                if self.is_never(&known, &noted.address.canonical().to_string()) {
                    return Ok(false);
                }
                let (server, reason) = (noted.server, Reason::Complaint);
                return self.suppress_for(batch, server, &noted.address, reason, 0).await;
            }
            Outcome::Queued | Outcome::Deferred | Outcome::Blocked => return Ok(false),
        }
        let server = self.server(noted.server).await?;
        let canonical = noted.address.canonical().to_string();
        // Our own domains, above all: nothing is learnt, so nothing is counted.
        if self.is_never(&server.record, &canonical) {
            return Ok(false);
        }
        let open = self.watch_provider(windows, noted).await?;
        let key = record::key(&noted.address, noted.server);
        let row: Option<Row<Count>> = self.store.find(&key).await?;
        if noted.outcome == Outcome::Succeeded {
            if let Some(row) = row {
                let cleared =
                    Count { strikes: [Strikes::default(); 5], due: None, ..row.record.clone() };
                if cleared.relapses == 0 {
                    batch.remove(&row);
                } else if cleared != row.record {
                    batch.update(&row, &cleared);
                }
            }
            return Ok(false);
        }
        let Some(reason) = Reason::of(noted.class) else { return Ok(false) };
        if open && noted.class == Class::UnknownUser {
            return Ok(false);
        }
        if let Some(exempt) = self.exemption(noted.server, &noted.address).await? {
            let mut record = exempt.record.clone();
            record.errors = record.errors.saturating_add(1);
            record.last_error =
                Some(format!("{}: {}", noted.class.as_str(), cut(&noted.response, 200)));
            batch.update(&exempt, &record);
            return Ok(false);
        }
        if self.covers_for(noted.server, &noted.address).await? {
            return Ok(false);
        }
        let mut count = row.as_ref().map_or_else(
            || Count {
                address: noted.address.canonical(),
                server: noted.server,
                strikes: [Strikes::default(); 5],
                relapses: 0,
                due: None,
            },
            |row| row.record.clone(),
        );
        rule::strike(&mut count.strikes, noted.class, noted.at, &server.record.settings);
        let reached = rule::reached(&count.strikes, &server.record.settings).and_then(Reason::of);
        let now = reached.is_some() && server.record.settings.immediate;
        count.due = reached.filter(|_| !now);
        if now {
            count.strikes = [Strikes::default(); 5];
        }
        let relapses = count.relapses;
        batch.upsert(row.as_ref(), &count);
        if now {
            let reason = reached.unwrap_or(reason);
            return self.suppress_for(batch, noted.server, &noted.address, reason, relapses).await;
        }
        Ok(false)
    }

    /// Counts the provider's outcomes; `true` while its answers teach nothing.
    async fn watch_provider(&self, windows: &mut Windows, noted: &Noted) -> Result<bool, Fault> {
        let domain = noted.address.domain().as_str();
        let key = record::window_key(noted.server, domain);
        let now = self.clock.now();
        if !windows.0.contains_key(&key) {
            let row: Option<Row<Window>> = self.store.find(&key).await?;
            let length = SignedDuration::from_mins(rule::WINDOW_MINUTES);
            let lasts =
                |one: &Window| one.opened.is_some() || now.duration_since(one.began) < length;
            let known = row.as_ref().map(|row| row.record.clone()).filter(lasts);
            let window = known.unwrap_or_else(|| Window {
                server: noted.server,
                domain: domain.to_owned(),
                began: now,
                all: 0,
                unknown: 0,
                opened: None,
            });
            windows.0.insert(key.clone(), (row, window));
        }
        let Some((_, window)) = windows.0.get_mut(&key) else { return Ok(false) };
        window.all = window.all.saturating_add(1);
        if noted.class == Class::UnknownUser && noted.outcome == Outcome::Failed {
            window.unknown = window.unknown.saturating_add(1);
        }
        if window.opened.is_none() && rule::looks_like_outage(window.unknown, window.all) {
            window.opened = Some(now);
            if let Some(log) = &self.log {
                log.suppression_breaker_opened(domain, window.unknown, window.all);
            }
        }
        Ok(window.opened.is_some())
    }

    /// Providers from which nothing is learnt at present.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn open_breakers(&self) -> Result<Vec<Window>, Fault> {
        let mut open = Vec::new();
        self.each(|window: Window| open.extend(Some(window).filter(|w| w.opened.is_some())))
            .await?;
        Ok(open)
    }

    /// Ends a provider's outage. With `undo`, every address of it that was
    /// suppressed as unknown since the window began is released, and its
    /// strikes are forgotten. Answers how many were released.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write.
    pub async fn close_breaker(
        &self,
        server: ServerId,
        domain: &str,
        undo: bool,
        by: impl Into<By<'_>>,
    ) -> Result<usize, Fault> {
        let by = by.into();
        let row: Option<Row<Window>> = self.store.find(&record::window_key(server, domain)).await?;
        let Some(row) = row else { return Ok(0) };
        let mut released = 0;
        if undo {
            let began = row.record.began;
            let mut wrong = Vec::new();
            self.each(|one: Suppressed| {
                let his = one.server == server && one.address.domain().as_str() == domain;
                if his && one.since >= began && one.reason == Reason::UnknownUser {
                    wrong.push(one.address);
                }
            })
            .await?;
            for address in wrong {
                let mut batch = Batch::new();
                if let Some(row) = self.find(server, &address).await? {
                    self.remove_in(&mut batch, &row).await?;
                }
                let count: Option<Row<Count>> =
                    self.store.find(&record::key(&address, server)).await?;
                if let Some(count) = count {
                    batch.remove(&count);
                }
                self.write(batch).await?;
                released += 1;
            }
        }
        let mut batch = Batch::new();
        batch.remove(&row);
        (by.also)(&mut batch);
        self.write(batch).await?;
        Ok(released)
    }

    pub(super) async fn exemption(
        &self,
        server: ServerId,
        address: &Address,
    ) -> Result<Option<Row<Exemption>>, Fault> {
        self.store.find(&record::key(address, server)).await
    }

    pub(super) fn is_never(&self, server: &Server, canonical: &str) -> bool {
        rule::is_never(canonical, &server.never)
            || (server.id == OWN && rule::is_never(canonical, &self.own_domains()))
    }

    /// Suppresses within `batch`; `false` if it already is, or is exempt.
    pub(super) async fn suppress_for(
        &self,
        batch: &mut Batch,
        server: ServerId,
        address: &Address,
        reason: Reason,
        relapses: u8,
    ) -> Result<bool, Fault> {
        if self.covers_for(server, address).await?
            || self.exemption(server, address).await?.is_some()
        {
            return Ok(false);
        }
        let settings = self.server(server).await?.record.settings;
        let since = self.clock.now();
        let address = address.canonical();
        batch.insert(&Suppressed {
            until: rule::watch_until(since, relapses, &settings),
            address: address.clone(),
            since,
            reason,
            server,
            relapses,
        });
        // Who suppresses for a letter's bounce says so himself.
        if let Some(log) = self.log.as_ref().filter(|_| reason != Reason::Bounced) {
            log.suppressed(&address, reason.as_str());
        }
        Ok(true)
    }

    /// Commits what nobody else decides about at the same time.
    pub(super) async fn write(&self, batch: Batch) -> Result<(), Fault> {
        if batch.is_empty() {
            return Ok(());
        }
        match self.store.commit(batch).await {
            Ok(_) => Ok(()),
            Err(refusal) => Err(Fault::Unavailable(refusal.to_string())),
        }
    }
}

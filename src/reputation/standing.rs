//! Standing: unknown, on probation, trusted, revoked, barred.
//!
//! A proved sender's release gives standing everywhere: probation, a ceiling
//! of messages a day that grows with clean days, then trust for good. With
//! nothing proved it is worth something in one organisation, from one
//! network, and lapses. Who was revoked twice can only appeal.

use jiff::{SignedDuration, Timestamp};
use minicbor::{Decode, Encode};

use super::{History, Network, Proofs, Sender};
use crate::clock::Clock;
use crate::directory::OrganisationId;
use crate::mail::Address;
use crate::store::{Batch, Fault, Record, Refusal, Row, Store, Table};

/// Where a standing counts.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Scope {
    /// In every organisation served: the address was proved.
    #[n(0)]
    Everywhere,
    /// In one organisation, for mail from one network: nothing was proved.
    #[n(1)]
    Within {
        #[n(0)]
        organisation: OrganisationId,
        #[n(1)]
        network: Network,
    },
}

/// The numbers stand on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum StandingState {
    #[n(0)]
    Probation,
    #[n(1)]
    Trusted,
    /// Recipients flagged him.
    #[n(2)]
    Revoked,
    /// Revoked twice, or by an administrator: he can only appeal.
    #[n(3)]
    Barred,
}

/// What we think of one sender.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Standing {
    /// The base address.
    #[n(0)]
    pub address: Address,
    #[n(1)]
    pub scope: Scope,
    /// What the trust was earned with; a mail must carry one of these.
    #[n(2)]
    pub proofs: Proofs,
    #[n(3)]
    pub state: StandingState,
    #[cbor(n(4), with = "crate::store::record::micros")]
    pub since: Timestamp,
    #[cbor(n(5), with = "crate::store::record::micros")]
    pub last_seen: Timestamp,
    /// Releases that led here.
    #[n(6)]
    pub releases: u32,
    /// Days on probation with mail and without a flag.
    #[n(7)]
    pub clean_days: u16,
    /// Messages accepted on the day of `last_seen` (UTC).
    #[n(8)]
    pub today: u32,
    #[n(9)]
    pub revocations: u16,
}

/// What policy asks about a sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Regard {
    Unknown,
    /// Trusted, or on probation and below the day's ceiling.
    Trusted,
    /// On probation and over the day's ceiling: judged like anybody.
    OverCeiling,
    Revoked,
    Barred,
}

/// Limits of probation and lapse.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Messages on the first day of probation; each clean day doubles it.
    pub probation_messages: u32,
    /// Clean days until trust is permanent.
    pub probation_days: u16,
    /// Days after which a network's standing lapses.
    pub network_lapse_days: u16,
    /// Days of silence that end a trust; `None`: never, as senders are promised.
    pub silence_days: Option<u16>,
    /// Organisations whose people must flag a trusted sender to end his trust.
    pub flags_to_revoke: u16,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            probation_messages: 50,
            probation_days: 7,
            network_lapse_days: 30,
            silence_days: None,
            flags_to_revoke: 1,
        }
    }
}

/// What we think of senders. Clones share the store.
#[derive(Clone)]
pub struct Reputation {
    pub(super) store: Store,
    pub(super) clock: Clock,
    settings: Settings,
    history: History,
}

impl Standing {
    /// The key: scope, then the base address.
    pub fn key_of(address: &Address, scope: &Scope) -> Vec<u8> {
        let mut key = match scope {
            Scope::Everywhere => vec![0],
            Scope::Within { organisation, network } => {
                let text = format!("\u{1}{organisation}\0{network}");
                text.into_bytes()
            }
        };
        key.push(0);
        key.extend_from_slice(address.base().to_string().as_bytes());
        key
    }

    fn new(address: &Address, scope: Scope, proofs: Proofs, now: Timestamp) -> Self {
        Self {
            address: address.base(),
            scope,
            proofs,
            state: StandingState::Probation,
            since: now,
            last_seen: now,
            releases: 0,
            clean_days: 0,
            today: 0,
            revocations: 0,
        }
    }

    /// A day with mail that is over was a clean one: a flag would have ended
    /// the probation.
    fn turn_day(&mut self, now: Timestamp) {
        if day(now) > day(self.last_seen) {
            let clean = self.state == StandingState::Probation && self.today > 0;
            self.clean_days = self.clean_days.saturating_add(u16::from(clean));
            self.today = 0;
        }
        self.last_seen = self.last_seen.max(now);
    }

    /// One more accepted message.
    fn count(&mut self, now: Timestamp, settings: &Settings) {
        self.turn_day(now);
        self.today = self.today.saturating_add(1);
        if self.state == StandingState::Probation && self.clean_days >= settings.probation_days {
            self.state = StandingState::Trusted;
            self.since = now;
        }
    }

    fn regard(&self, now: Timestamp, settings: &Settings) -> Regard {
        let silent = |days: u16| {
            now.duration_since(self.last_seen) > SignedDuration::from_hours(24 * i64::from(days))
        };
        match self.state {
            StandingState::Revoked => Regard::Revoked,
            StandingState::Barred => Regard::Barred,
            _ if self.scope != Scope::Everywhere && silent(settings.network_lapse_days) => {
                Regard::Unknown
            }
            _ if settings.silence_days.is_some_and(silent) => Regard::Unknown,
            StandingState::Trusted => Regard::Trusted,
            StandingState::Probation => {
                let today = if day(now) > day(self.last_seen) { 0 } else { self.today };
                let doubled = 1u32.checked_shl(u32::from(self.clean_days)).unwrap_or(u32::MAX);
                let ceiling = settings.probation_messages.saturating_mul(doubled);
                if today < ceiling { Regard::Trusted } else { Regard::OverCeiling }
            }
        }
    }
}

impl Record for Standing {
    const TABLE: Table = Table::Standing;

    fn key(&self) -> Vec<u8> {
        Self::key_of(&self.address, &self.scope)
    }
}

impl Reputation {
    pub fn new(store: Store, clock: Clock, settings: Settings) -> Self {
        let history = History::new(store.clone(), clock.clone());
        Self { store, clock, settings, history }
    }

    /// What came from networks and domains before.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// At least one.
    pub fn flags_to_revoke(&self) -> usize {
        usize::from(self.settings.flags_to_revoke.max(1))
    }

    /// What we think of `sender` when he writes to this organisation. Trust
    /// counts only if the mail carries one of the proofs it was earned with;
    /// a revocation counts for every mail with the proved address.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn regard(
        &self,
        sender: &Sender,
        organisation: &OrganisationId,
    ) -> Result<Regard, Fault> {
        let Some(row) = self.standing(sender, organisation).await? else {
            return Ok(Regard::Unknown);
        };
        let standing = row.record;
        let unproved =
            standing.scope == Scope::Everywhere && !standing.proofs.shares(sender.proofs);
        if unproved && matches!(standing.state, StandingState::Probation | StandingState::Trusted) {
            return Ok(Regard::Unknown);
        }
        Ok(standing.regard(self.clock.now(), &self.settings))
    }

    /// The standing that counts for this sender in this organisation.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn standing(
        &self,
        sender: &Sender,
        organisation: &OrganisationId,
    ) -> Result<Option<Row<Standing>>, Fault> {
        let Some(address) = &sender.address else {
            return Ok(None);
        };
        self.store.find(&Standing::key_of(address, &scope_of(sender, organisation))).await
    }

    /// Counts one accepted message of a sender who has standing. On probation
    /// every message counts, however many come side by side; of the others it
    /// is enough to know the day they were last seen.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write.
    pub async fn count(&self, sender: &Sender, organisation: &OrganisationId) -> Result<(), Fault> {
        loop {
            let Some(row) = self.standing(sender, organisation).await? else {
                return Ok(());
            };
            let now = self.clock.now();
            let seen_today = day(now) <= day(row.record.last_seen);
            if row.record.state != StandingState::Probation && seen_today {
                return Ok(());
            }
            let mut standing = row.record.clone();
            standing.count(now, &self.settings);
            let mut batch = Batch::new();
            batch.update(&row, &standing);
            match self.store.commit(batch).await {
                Ok(_) => return Ok(()),
                // Another message of his was counted first: that one is done,
                // so this ends when all of them are.
                Err(Refusal::Conflict(_)) => {}
                Err(refusal) => return Err(Fault::Unavailable(refusal.to_string())),
            }
        }
    }

    /// Adds to `batch` what a release earns: standing everywhere for a proved
    /// address, else in each of these organisations. After one revocation he
    /// begins again on probation; a barred sender earns nothing.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn grant(
        &self,
        batch: &mut Batch,
        sender: &Sender,
        organisations: &[OrganisationId],
    ) -> Result<(), Fault> {
        let Some(address) = &sender.address else {
            return Ok(());
        };
        let now = self.clock.now();
        let mut granted: Vec<Scope> = Vec::new();
        for organisation in organisations {
            let scope = scope_of(sender, organisation);
            if granted.contains(&scope) {
                continue;
            }
            let row: Option<Row<Standing>> =
                self.store.find(&Standing::key_of(address, &scope)).await?;
            let mut standing = row.as_ref().map_or_else(
                || Standing::new(address, scope.clone(), sender.proofs, now),
                |row| row.record.clone(),
            );
            granted.push(scope);
            standing.turn_day(now);
            match standing.state {
                StandingState::Barred => continue,
                // A second chance, from the beginning, and the last one: see
                // `revoke`.
                StandingState::Revoked => {
                    standing.state = StandingState::Probation;
                    standing.since = now;
                    standing.clean_days = 0;
                }
                StandingState::Probation | StandingState::Trusted => {}
            }
            standing.releases += 1;
            standing.proofs = standing.proofs.union(sender.proofs);
            batch.upsert(row.as_ref(), &standing);
        }
        Ok(())
    }

    /// Adds to `batch` the end of a sender's trust, by flags or an
    /// administrator. The second time bars him.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn revoke(
        &self,
        batch: &mut Batch,
        sender: &Sender,
        organisation: &OrganisationId,
    ) -> Result<(), Fault> {
        let Some(row) = self.standing(sender, organisation).await? else {
            return Ok(());
        };
        let mut standing = row.record.clone();
        standing.revocations = standing.revocations.saturating_add(1);
        standing.clean_days = 0;
        standing.since = self.clock.now();
        standing.state =
            if standing.revocations > 1 { StandingState::Barred } else { StandingState::Revoked };
        batch.update(&row, &standing);
        Ok(())
    }
}

pub(super) fn scope_of(sender: &Sender, organisation: &OrganisationId) -> Scope {
    if sender.is_proved() {
        Scope::Everywhere
    } else {
        Scope::Within { organisation: organisation.clone(), network: sender.network }
    }
}

/// Whole days since the epoch, UTC.
fn day(at: Timestamp) -> i64 {
    at.as_second().div_euclid(86_400)
}

#[cfg(test)]
mod tests;

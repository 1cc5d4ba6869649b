//! Flags: a recipient says "spam" (DESIGN section 2.4).
//!
//! A flag blocks that identity for that recipient at once. One that a person
//! made speaks for his organisation too: when enough organisations object to
//! a trusted sender, his trust ends everywhere. One that a machine made (moved
//! to Junk, an ARF complaint) acts for its recipient only. The same person may
//! undo his for 30 days, and what it ended comes back.

mod record;

use jiff::Timestamp;
use uuid::Uuid;

pub use record::{Flag, FlagBy, UNDOABLE, pattern};

use super::standing::{Scope, scope_of};
use super::{Event, Reputation, Sender, Standing, StandingState};
use crate::clock::Clock;
use crate::directory::{OrganisationId, People, RuleAction, StoredRule};
use crate::mail::Address;
use crate::maillog::Maillog;
use crate::store::{Batch, Fault, Index, Record, Row, Store};
use record::{recipient_key, sender_key};

/// How often a decision is made again when another came first.
const TRIES: usize = 8;
/// Flags against one sender that are looked at.
const LOOKED_AT: usize = 10_000;

/// Why a flag was not made or not undone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlagError {
    #[error("the message names no single sender, so that nobody can be flagged")]
    Nobody,
    #[error("there is no such flag, or it is older than 30 days")]
    Gone,
    #[error(transparent)]
    Store(#[from] Fault),
}

/// Carries flags out. Clones share everything.
#[derive(Clone)]
pub struct Flags {
    store: Store,
    clock: Clock,
    people: People,
    reputation: Reputation,
    maillog: Maillog,
}

impl Flags {
    pub fn new(
        store: Store,
        clock: Clock,
        people: People,
        reputation: Reputation,
        maillog: Maillog,
    ) -> Self {
        Self { store, clock, people, reputation, maillog }
    }

    /// `recipient` flags `sender`, whose message `about` he saw. Flagging
    /// twice is flagging once; a person's word counts where a machine's stood.
    ///
    /// # Errors
    /// [`FlagError`].
    pub async fn flag(
        &self,
        sender: &Sender,
        organisation: &OrganisationId,
        recipient: &Address,
        by: FlagBy,
        about: Option<Uuid>,
    ) -> Result<Flag, FlagError> {
        self.flag_with(sender, (organisation, recipient), by, about, &|_| {}).await
    }

    /// The same, with what `also` adds to the batch; a flag that stands
    /// already is not written again.
    ///
    /// # Errors
    /// [`FlagError`].
    pub async fn flag_with(
        &self,
        sender: &Sender,
        (organisation, recipient): (&OrganisationId, &Address),
        by: FlagBy,
        about: Option<Uuid>,
        also: &(dyn Fn(&mut Batch) + Sync),
    ) -> Result<Flag, FlagError> {
        let address = sender.address.as_ref().ok_or(FlagError::Nobody)?.base();
        let fresh = Flag {
            address,
            proofs: sender.proofs,
            network: sender.network,
            organisation: organisation.clone(),
            recipient: self.people.directory().mailbox(recipient),
            by,
            at: self.clock.now(),
            about: about.map(Uuid::into_bytes),
            undone_at: None,
            round: 0,
            ended: None,
            blocked: false,
        };
        for _ in 0..TRIES {
            let row: Option<Row<Flag>> = self.store.find(&fresh.key()).await?;
            if let Some(row) = &row
                && row.record.stands()
                && (row.record.by == FlagBy::Person || by == FlagBy::Machine)
            {
                return Ok(row.record.clone());
            }
            if let Some(flag) = self.flag_once(fresh.clone(), row.as_ref(), also).await? {
                if by == FlagBy::Person {
                    self.reputation.history().note(sender, Event::Flagged);
                }
                let word = if by == FlagBy::Person { "person" } else { "machine" };
                self.maillog.flagged(organisation.as_str(), word, flag.ended.is_some());
                return Ok(flag);
            }
        }
        Err(contended())
    }

    /// `None`: another change came first.
    async fn flag_once(
        &self,
        mut flag: Flag,
        row: Option<&Row<Flag>>,
        also: &(dyn Fn(&mut Batch) + Sync),
    ) -> Result<Option<Flag>, FlagError> {
        let mut batch = Batch::new();
        let mut changes = Vec::new();
        let rule = self.people.rule(
            &flag.organisation,
            Some(&flag.recipient),
            flag.pattern(),
            RuleAction::Block,
        );
        let standing_rule: Option<Row<StoredRule>> = self.store.find(&rule.key()).await?;
        let his_own = standing_rule
            .is_some_and(|row| row.record.action == RuleAction::Block && !row.record.by_flag);
        if !his_own {
            let rule = StoredRule { by_flag: true, ..rule };
            changes.push(self.people.put_rule(&mut batch, rule).await?);
            flag.blocked = true;
        }
        let sender = flag.sender();
        let standing = self.reputation.standing(&sender, &flag.organisation).await?;
        let earned = |one: &Standing| {
            // Trust that was earned with another proof is not this sender's.
            let his = one.scope != Scope::Everywhere || one.proofs.shares(sender.proofs);
            his && matches!(one.state, StandingState::Probation | StandingState::Trusted)
        };
        if let Some(standing) = &standing {
            flag.round = standing.record.revocations;
            if flag.by == FlagBy::Person && earned(&standing.record) {
                let objecting = self.objecting(&flag).await?;
                if objecting.len() >= self.reputation.flags_to_revoke() {
                    flag.ended = Some(standing.record.state);
                    self.reputation.revoke(&mut batch, &sender, &flag.organisation).await?;
                } else {
                    batch.require(standing);
                }
            }
        }
        if let Some(vote) = flag.vote(flag.at) {
            batch.insert(&vote);
        }
        batch.upsert(row, &flag);
        also(&mut batch);
        Ok(self.people.commit(batch, changes).await?.then_some(flag))
    }

    /// The organisations that object to this sender since his last
    /// revocation, with that of `flag`.
    async fn objecting(&self, flag: &Flag) -> Result<Vec<OrganisationId>, Fault> {
        let mut all = vec![flag.organisation.clone()];
        for row in self.against(&flag.address, &flag.scope()).await? {
            let one = row.record;
            if one.counts() && one.round >= flag.round && !all.contains(&one.organisation) {
                all.push(one.organisation);
            }
        }
        Ok(all)
    }

    /// Ends a flag: the block that it made goes, and the trust that it ended
    /// comes back unless others object as well.
    ///
    /// # Errors
    /// [`FlagError::Gone`] if there is none that may be undone.
    pub async fn undo(
        &self,
        sender: &Sender,
        organisation: &OrganisationId,
        recipient: &Address,
    ) -> Result<Flag, FlagError> {
        self.undo_with(sender, (organisation, recipient), &|_| {}).await
    }

    /// The same, with what `also` adds to the batch.
    ///
    /// # Errors
    /// [`FlagError::Gone`] if there is none that may be undone.
    pub async fn undo_with(
        &self,
        sender: &Sender,
        (organisation, recipient): (&OrganisationId, &Address),
        also: &(dyn Fn(&mut Batch) + Sync),
    ) -> Result<Flag, FlagError> {
        for _ in 0..TRIES {
            let now = self.clock.now();
            let row = self.row(sender, organisation, recipient).await?;
            let row = row.filter(|row| row.record.may_be_undone(now)).ok_or(FlagError::Gone)?;
            if let Some(flag) = self.undo_once(&row, now, also).await? {
                self.maillog.flag_undone(organisation.as_str());
                return Ok(flag);
            }
        }
        Err(contended())
    }

    /// Takes back what a machine said by a machine's word; a person's own flag
    /// stays.
    ///
    /// # Errors
    /// [`FlagError::Gone`] if no machine's flag stands that may be undone.
    pub async fn undo_by_machine(
        &self,
        sender: &Sender,
        organisation: &OrganisationId,
        recipient: &Address,
    ) -> Result<Flag, FlagError> {
        let flag = self.find(sender, organisation, recipient).await?;
        if !flag.is_some_and(|flag| flag.stands() && flag.by == FlagBy::Machine) {
            return Err(FlagError::Gone);
        }
        self.undo(sender, organisation, recipient).await
    }

    async fn undo_once(
        &self,
        row: &Row<Flag>,
        now: Timestamp,
        also: &(dyn Fn(&mut Batch) + Sync),
    ) -> Result<Option<Flag>, FlagError> {
        let mut flag = row.record.clone();
        flag.undone_at = Some(now);
        let mut batch = Batch::new();
        let mut changes = Vec::new();
        if flag.blocked {
            let rule = self.people.rule(
                &flag.organisation,
                Some(&flag.recipient),
                flag.pattern(),
                RuleAction::Block,
            );
            changes.extend(self.people.drop_flagged(&mut batch, &rule).await?);
        }
        if let Some(before) = flag.ended.take() {
            self.give_back(&mut batch, row, before, now).await?;
        }
        if let Some(vote) = flag.vote(now) {
            batch.insert(&vote.withdrawn());
        }
        batch.update(row, &flag);
        also(&mut batch);
        Ok(self.people.commit(batch, changes).await?.then_some(flag))
    }

    /// The trust comes back, or another flag answers for its end.
    async fn give_back(
        &self,
        batch: &mut Batch,
        undone: &Row<Flag>,
        before: StandingState,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let flag = &undone.record;
        let mut others: Vec<Row<Flag>> = Vec::new();
        for other in self.against(&flag.address, &flag.scope()).await? {
            let same = other.record.key() == flag.key();
            let known =
                others.iter().any(|one| one.record.organisation == other.record.organisation);
            if !same && !known && other.record.counts() && other.record.round >= flag.round {
                others.push(other);
            }
        }
        if others.len() >= self.reputation.flags_to_revoke() {
            let other = &others[0];
            let mut heir = other.record.clone();
            (heir.ended, heir.round) = (Some(before), flag.round);
            batch.update(other, &heir);
            return Ok(());
        }
        let row = self.reputation.standing(&flag.sender(), &flag.organisation).await?;
        let ours = |row: &Row<Standing>| {
            let state = matches!(row.record.state, StandingState::Revoked | StandingState::Barred);
            state && row.record.revocations == flag.round + 1
        };
        if let Some(row) = row.filter(ours) {
            let mut standing = row.record.clone();
            standing.state = before;
            standing.revocations = flag.round;
            standing.since = now;
            batch.update(&row, &standing);
        }
        Ok(())
    }

    /// The flag of this recipient against this sender, undone or not.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn find(
        &self,
        sender: &Sender,
        organisation: &OrganisationId,
        recipient: &Address,
    ) -> Result<Option<Flag>, Fault> {
        Ok(self.row(sender, organisation, recipient).await?.map(|row| row.record))
    }

    /// What a recipient flagged, at most `limit`.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn of_recipient(
        &self,
        organisation: &OrganisationId,
        recipient: &Address,
        limit: usize,
    ) -> Result<Vec<Flag>, Fault> {
        let mailbox = self.people.directory().mailbox(recipient);
        let prefix = recipient_key(organisation, &mailbox);
        let mut flags = Vec::new();
        for key in self.store.referred_by(Index::FlagByRecipient, &prefix, limit).await? {
            flags.extend(self.store.find::<Flag>(&key).await?.map(|row| row.record));
        }
        flags.sort_by_key(|flag| std::cmp::Reverse(flag.at));
        Ok(flags)
    }

    /// Every flag against a sender in this scope.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn against(&self, address: &Address, scope: &Scope) -> Result<Vec<Row<Flag>>, Fault> {
        let from = Flag::TABLE.key(&sender_key(address, scope));
        let mut to = from.clone();
        to.extend_from_slice(&[0xff; 17]);
        let rows = self.store.scan(&from, &to, LOOKED_AT).await?;
        rows.into_iter().map(|(_, value)| Row::read(value)).collect()
    }

    async fn row(
        &self,
        sender: &Sender,
        organisation: &OrganisationId,
        recipient: &Address,
    ) -> Result<Option<Row<Flag>>, Fault> {
        let Some(address) = &sender.address else { return Ok(None) };
        let mailbox = self.people.directory().mailbox(recipient);
        let mut key = sender_key(&address.base(), &scope_of(sender, organisation));
        key.extend_from_slice(&recipient_key(organisation, &mailbox));
        self.store.find(&key).await
    }
}

fn contended() -> FlagError {
    FlagError::Store(Fault::Unavailable("the flag changes too fast; try again".to_owned()))
}

#[cfg(test)]
mod tests;

//! Rules that people made: made, replaced, ended by hand or on their day.
//!
//! Each change is one batch with whatever else belongs to the decision, and
//! the view that intake reads follows behind it. The last rule about the same
//! sender counts.

use super::{Also, People, TRIES};
use crate::clock::SignedDuration;
use crate::directory::{OrganisationId, Pattern, RuleAction, StoredRule};
use crate::mail::Address;
use crate::store::{Batch, Fault, Index, Record, Refusal, Row};

/// A change of the rules that a batch makes.
#[derive(Clone, Debug)]
pub enum RuleChange {
    Set(StoredRule),
    Unset(StoredRule),
}

impl People {
    /// The rules of one recipient, or those of the whole organisation.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn rules(
        &self,
        organisation: &OrganisationId,
        recipient: Option<&Address>,
        limit: usize,
    ) -> Result<Vec<StoredRule>, Fault> {
        let recipient = recipient.map(|one| self.directory.mailbox(one));
        let prefix = StoredRule::prefix(organisation, recipient.as_ref());
        let mut end = StoredRule::TABLE.key(&prefix);
        // The prefix ends with a zero byte.
        *end.last_mut().expect("a key has a table byte") = 1;
        let rows = self.store.scan(&StoredRule::TABLE.key(&prefix), &end, limit).await?;
        rows.into_iter().map(|(_, value)| Row::read(value).map(|row| row.record)).collect()
    }

    /// The rule under this key.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn rule_under(&self, key: &[u8]) -> Result<Option<StoredRule>, Fault> {
        Ok(self.store.find(key).await?.map(|row| row.record))
    }

    /// A rule of now without an end, not written yet.
    pub fn rule(
        &self,
        organisation: &OrganisationId,
        recipient: Option<&Address>,
        sender: Pattern,
        action: RuleAction,
    ) -> StoredRule {
        StoredRule {
            organisation: organisation.clone(),
            recipient: recipient.map(|one| self.directory.mailbox(one)),
            sender: sender.canonical(),
            action,
            since: self.clock.now(),
            by_flag: false,
            why: None,
            until: None,
            by: None,
        }
    }

    /// Makes a rule of the recipient's own.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write.
    pub async fn set_rule(
        &self,
        organisation: &OrganisationId,
        recipient: Option<&Address>,
        sender: Pattern,
        action: RuleAction,
    ) -> Result<StoredRule, Fault> {
        let rule = self.rule(organisation, recipient, sender, action);
        self.make_rule(&rule, &|_, _, _| {}).await?;
        Ok(rule)
    }

    /// Makes a rule, in one batch with what `also` adds.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write.
    pub async fn make_rule(
        &self,
        rule: &StoredRule,
        also: Also<'_, StoredRule>,
    ) -> Result<(), Fault> {
        for _ in 0..TRIES {
            let row: Option<Row<StoredRule>> = self.store.find(&rule.key()).await?;
            let mut batch = Batch::new();
            batch.upsert(row.as_ref(), rule);
            also(&mut batch, row.as_ref().map(|row| &row.record), Some(rule));
            if self.commit(batch, vec![RuleChange::Set(rule.clone())]).await? {
                return Ok(());
            }
        }
        Err(contended())
    }

    /// Ends a rule.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write.
    pub async fn remove_rule(&self, rule: &StoredRule) -> Result<(), Fault> {
        self.end_rule(&rule.key(), &|_, _, _| {}).await.map(|_| ())
    }

    /// Ends the rule under this key, in one batch with what `also` adds;
    /// `false`: there is none.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write.
    pub async fn end_rule(&self, key: &[u8], also: Also<'_, StoredRule>) -> Result<bool, Fault> {
        for _ in 0..TRIES {
            let Some(row) = self.store.find::<StoredRule>(key).await? else { return Ok(false) };
            let mut batch = Batch::new();
            batch.remove(&row);
            also(&mut batch, Some(&row.record), None);
            if self.commit(batch, vec![RuleChange::Unset(row.record)]).await? {
                return Ok(true);
            }
        }
        Err(contended())
    }

    /// Ends the rules whose day has come, at most `limit`; answers how many it
    /// looked at.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write.
    pub async fn end_due_rules(&self, limit: usize) -> Result<usize, Fault> {
        // What is due at this very microsecond is due.
        let now = self.clock.now();
        let due = StoredRule::end_key(now + SignedDuration::from_micros(1));
        let due = self.store.referred(Index::RuleEnds, &[], &due, limit).await?;
        for key in &due {
            let Some(row) = self.store.find::<StoredRule>(key).await? else { continue };
            if row.record.until.is_some_and(|until| until <= now) {
                let mut batch = Batch::new();
                batch.remove(&row);
                // Where another change came first, the next step looks again.
                self.commit(batch, vec![RuleChange::Unset(row.record)]).await?;
            }
        }
        Ok(due.len())
    }

    /// Adds a rule to `batch`, which [`People::commit`] must carry out.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn put_rule(&self, batch: &mut Batch, rule: StoredRule) -> Result<RuleChange, Fault> {
        let row: Option<Row<StoredRule>> = self.store.find(&rule.key()).await?;
        batch.upsert(row.as_ref(), &rule);
        Ok(RuleChange::Set(rule))
    }

    /// Adds to `batch` the end of a rule that a flag made; `None`: there is
    /// none, or somebody has made it his own since. [`People::commit`] must
    /// carry the batch out.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn drop_flagged(
        &self,
        batch: &mut Batch,
        rule: &StoredRule,
    ) -> Result<Option<RuleChange>, Fault> {
        let row: Option<Row<StoredRule>> = self.store.find(&rule.key()).await?;
        Ok(row.filter(|row| row.record.by_flag).map(|row| {
            batch.remove(&row);
            RuleChange::Unset(row.record)
        }))
    }

    /// Carries out a batch that changes rules, and shows intake what it
    /// changed; `false`: another change came first.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot write.
    pub async fn commit(&self, batch: Batch, changes: Vec<RuleChange>) -> Result<bool, Fault> {
        let _writing = self.writing.lock().await;
        match self.store.commit(batch).await {
            Ok(_) => {
                self.directory.view(|view| {
                    for change in &changes {
                        match change {
                            RuleChange::Set(rule) => view.set(rule),
                            RuleChange::Unset(rule) => view.unset(rule),
                        }
                    }
                });
                Ok(true)
            }
            Err(Refusal::Conflict(_)) => Ok(false),
            Err(refusal) => Err(Fault::Unavailable(refusal.to_string())),
        }
    }
}

fn contended() -> Fault {
    Fault::Unavailable("the rule changes too fast; try again".to_owned())
}

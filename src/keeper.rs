//! The keeper: what happens to held messages by time alone.
//!
//! A message whose time is over expires: its body is erased, and a sender who
//! was never told gets one DSN where he may be written to. Its record stays a
//! while, so that the link's page can say so, and is then removed. What is
//! still on its way is left alone. One step is one look; the gateway loops.

use std::sync::Arc;

use uuid::Uuid;

use crate::clock::{Clock, SignedDuration, Timestamp};
use crate::maillog::Maillog;
use crate::notice::Notices;
use crate::quarantine::{Held, State, Telling};
use crate::store::{Batch, Counter, Fault, Index, Refusal, Row, Store};

/// How many records one step looks at.
const STEP: usize = 200;
/// A message that is on its way when it would expire is looked at again later.
const LATER: SignedDuration = SignedDuration::from_hours(24);

/// Expires and purges. Clones share everything.
#[derive(Clone)]
pub struct Keeper {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    clock: Clock,
    notices: Notices,
    maillog: Maillog,
}

impl Keeper {
    pub fn new(store: Store, clock: Clock, notices: Notices, maillog: Maillog) -> Self {
        Self { inner: Arc::new(Inner { store, clock, notices, maillog }) }
    }

    /// Does what is due now, at most [`STEP`] records of each kind, and
    /// answers how many it changed: 0 when nothing is left to do.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write; nothing is half done.
    pub async fn step(&self) -> Result<usize, Fault> {
        let Inner { store, clock, notices, .. } = &*self.inner;
        let now = clock.now();
        let due = Held::due_key(now);
        let mut changed = 0;
        for id in store.referred(Index::HeldDue, &[], &due, STEP).await? {
            match self.settle_one(&id, now).await {
                Ok(done) => changed += usize::from(done),
                Err(fault @ Fault::Unavailable(_)) => return Err(fault),
                // One record that cannot be read must not keep the others.
                Err(fault) => {
                    let id = Uuid::from_slice(&id).unwrap_or_default();
                    let words = format!("held message {id}: {fault}");
                    self.inner.maillog.step_failed("keeper", &words);
                }
            }
        }
        for row in Counter::ended(store, now, STEP).await? {
            let mut batch = Batch::new();
            batch.remove(&row);
            changed += usize::from(self.carried_out(batch).await?);
        }
        Ok(changed + notices.tidy(STEP).await?)
    }

    async fn settle_one(&self, id: &[u8], now: Timestamp) -> Result<bool, Fault> {
        match self.inner.store.find::<Held>(id).await? {
            Some(row) => self.settle(&row, now).await,
            None => Ok(false),
        }
    }

    /// One due message: forgotten, left alone, or expired.
    async fn settle(&self, row: &Row<Held>, now: Timestamp) -> Result<bool, Fault> {
        let mut batch = Batch::new();
        let mut held = row.record.clone();
        let moving = |state| matches!(state, State::Releasing | State::Released);
        if held.erased {
            batch.remove(row);
            let done = self.carried_out(batch).await?;
            if done {
                self.inner.maillog.purged(held.id);
            }
            return Ok(done);
        }
        if held.recipients.iter().any(|one| moving(one.state)) {
            held.expires_at = now + LATER;
            batch.update(row, &held);
            return self.carried_out(batch).await;
        }
        let waited = held.slots(State::Held).next().is_some();
        for one in &mut held.recipients {
            if one.state.may_become(State::Expired) {
                one.become_state(State::Expired, now).map_err(|e| Fault::Damaged(e.to_string()))?;
            }
        }
        held.erased = true;
        let told = waited
            && held.telling == Telling::Untold
            && self.inner.notices.tell_expired(&mut batch, &held).await?;
        batch.update(row, &held).erase(held.id);
        let done = self.carried_out(batch).await?;
        if done {
            self.inner.maillog.expired(held.id);
            if told {
                self.inner.maillog.told(held.id, "dsn");
            }
        }
        Ok(done)
    }

    /// `false`: another change came first; the next step looks again.
    async fn carried_out(&self, batch: Batch) -> Result<bool, Fault> {
        match self.inner.store.commit(batch).await {
            Ok(_) => Ok(true),
            Err(Refusal::Conflict(_)) => Ok(false),
            Err(refusal) => Err(Fault::Unavailable(refusal.to_string())),
        }
    }
}

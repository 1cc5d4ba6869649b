//! What a grant frees of what is held: not for those who block him, not what
//! is malware or phishing, and not beyond the grant's organisations.
//!
//! The same look says beforehand what a grant would free and what not.
//! Freeing goes message by message, each with its entry in the audit; the
//! appeal remembers that it is not done yet, so that a crash ends nothing.

use super::decide::Decider;
use super::record::{Scope, campaign};
use super::{Appeal, AppealError, Appeals, PAGE, TRIES, Tools};
use crate::directory::OrganisationId;
use crate::quarantine::{Held, HeldRecipient, State as Copy};
use crate::release::Denied;
use crate::store::{Batch, Fault, Index, Refusal};

/// Held messages that are looked at to say beforehand what would be freed.
const FORESEEN: usize = 300;

/// Copies by what a grant does with them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    pub freed: u32,
    /// The recipient or his organisation blocks the sender.
    pub blocked: u32,
    /// Other organisations decide for themselves.
    pub elsewhere: u32,
    /// Malware or phishing.
    pub harmful: u32,
}

/// What a grant would do with what is held now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Foreseen {
    pub campaign: Counted,
    pub identity: Counted,
    /// There is more than was looked at.
    pub more: bool,
}

impl Appeals {
    /// What would be delivered if it were granted now, by whoever decides for
    /// these organisations.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn foresee(&self, by: &Decider, appeal: &Appeal) -> Result<Foreseen, Fault> {
        let own = by.organisations.as_ref().map(|_| &appeal.organisations[..]);
        let mut foreseen = Foreseen::default();
        let mut after = Vec::new();
        let mut looked_at = 0;
        loop {
            let page = self.held_by(appeal, &after, FORESEEN).await?;
            for held in &page {
                if looked_at == FORESEEN {
                    foreseen.more = true;
                    return Ok(foreseen);
                }
                looked_at += 1;
                let mut counted = Counted::default();
                for copy in held.recipients.iter().filter(|one| one.state == Copy::Held) {
                    *self.place(held, copy, own, &mut counted) += 1;
                }
                foreseen.identity.add(counted);
                if counted != Counted::default() && self.is_of_campaign(held, appeal).await? {
                    foreseen.campaign.add(counted);
                }
            }
            let Some(last) = page.last() else { return Ok(foreseen) };
            after = last.id.as_bytes().to_vec();
        }
    }

    /// Where a copy that is held is counted.
    fn place<'c>(
        &self,
        held: &Held,
        copy: &HeldRecipient,
        own: Option<&[OrganisationId]>,
        counted: &'c mut Counted,
    ) -> &'c mut u32 {
        if own.is_some_and(|own| !own.contains(&copy.organisation)) {
            &mut counted.elsewhere
        } else if !copy.is_shown() {
            &mut counted.harmful
        } else if self.tools.releases.refuses(held, copy) {
            &mut counted.blocked
        } else {
            &mut counted.freed
        }
    }

    /// Frees what the grant covers and answers how many messages that were.
    pub(super) async fn free(&self, by: &Decider, appeal: &Appeal) -> Result<usize, AppealError> {
        let Some(decision) = &appeal.decision else { return Ok(0) };
        let Some(grant) = &decision.grant else { return Ok(0) };
        let audit = self.tools.accounts.audit();
        let mut freed = 0;
        let mut after = Vec::new();
        loop {
            let page = self.held_by(appeal, &after, PAGE).await?;
            for held in &page {
                let waits = held.slots(Copy::Held).next().is_some();
                let campaign = grant.scope == Scope::Campaign;
                if !waits || campaign && !self.is_of_campaign(held, appeal).await? {
                    continue;
                }
                let wanted = |copy: &HeldRecipient| {
                    copy.is_shown() && decision.counts_for(&copy.organisation)
                };
                let also = |batch: &mut Batch, before: &Held, after: &Held| {
                    let about = format!("{} {}", after.reference, after.from_text);
                    let entry = by.entry("release", appeal).about("held", &about);
                    let entry = entry.why(&format!("appeal {} granted", appeal.reference));
                    audit.record(batch, entry.before(before.states()).after(after.states()));
                };
                match self.tools.releases.release_copies(held.id, &wanted, &also).await {
                    Ok(_) => freed += 1,
                    // Everybody blocks him, or was faster.
                    Err(Denied::Now(_) | Denied::Unknown) => {}
                    Err(Denied::Store(fault)) => return Err(fault.into()),
                }
            }
            let Some(last) = page.last() else { break };
            after = last.id.as_bytes().to_vec();
        }
        self.freed(appeal).await?;
        Ok(freed)
    }

    /// Notes that nothing is left to be freed.
    async fn freed(&self, appeal: &Appeal) -> Result<(), AppealError> {
        for _ in 0..TRIES {
            let row = self.row(appeal.id).await?;
            let done = Appeal { freeing: false, ..row.record.clone() };
            let mut batch = Batch::new();
            batch.update(&row, &done);
            match self.tools.store.commit(batch).await {
                Ok(_) => break,
                Err(Refusal::Conflict(_)) => {}
                Err(refusal) => return Err(Fault::Unavailable(refusal.to_string()).into()),
            }
        }
        Ok(())
    }

    async fn is_of_campaign(&self, held: &Held, appeal: &Appeal) -> Result<bool, Fault> {
        if held.id == appeal.held {
            return Ok(true);
        }
        let message = self.message(held).await?;
        Ok(message.is_some_and(|message| campaign(&message) == appeal.campaign))
    }

    /// What is held of a proved sender, behind an id; of another the one
    /// message alone.
    async fn held_by(
        &self,
        appeal: &Appeal,
        after: &[u8],
        limit: usize,
    ) -> Result<Vec<Held>, Fault> {
        let Tools { store, releases, .. } = &*self.tools;
        let sender = appeal.sender();
        let Some(address) = sender.proved_address() else {
            let one = if after.is_empty() { releases.held(appeal.held).await? } else { None };
            return Ok(one.into_iter().collect());
        };
        let mut from = address.base().to_string().into_bytes();
        let mut end = from.clone();
        from.push(0);
        end.push(1);
        if !after.is_empty() {
            from.extend_from_slice(after);
            from.push(0);
        }
        let mut all = Vec::new();
        for id in store.referred(Index::HeldBySender, &from, &end, limit).await? {
            all.extend(store.find::<Held>(&id).await?.map(|row| row.record));
        }
        Ok(all)
    }
}

impl Counted {
    fn add(&mut self, more: Self) {
        self.freed += more.freed;
        self.blocked += more.blocked;
        self.elsewhere += more.elsewhere;
        self.harmful += more.harmful;
    }
}

//! What time alone changes about appeals: one that nobody decided in time
//! expires, with a letter to a proved sender; the record of a closed one goes
//! after its retention; and administrators who have an address are told what
//! waits for them, by at most one letter a day each.

use minicbor::{Decode, Encode};

use super::decide::Decider;
use super::record::{Appeal, State, Tab};
use super::{AppealError, Appeals, Tools};
use crate::account::{Account, Power};
use crate::clock::{SignedDuration, Timestamp};
use crate::mail::Address;
use crate::notice::{AppealStep, Waiting};
use crate::store::{Batch, Fault, Index, Record, Refusal, Row, Table};

/// Records that one step looks at.
const STEP: usize = 200;
/// Appeals that one letter counts.
const COUNTED: usize = 500;
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// When an administrator was told of appeals last.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Told {
    #[n(0)]
    login: String,
    #[cbor(n(1), with = "crate::store::record::micros")]
    at: Timestamp,
}

impl Record for Told {
    const TABLE: Table = Table::AppealTold;

    fn key(&self) -> Vec<u8> {
        self.login.as_bytes().to_vec()
    }
}

impl Appeals {
    /// Does what is due now; answers how many records it changed.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write; the next step goes on.
    pub async fn step(&self) -> Result<usize, Fault> {
        self.resume().await?;
        let mut changed = 0;
        for tab in [Tab::Received, Tab::Asked] {
            changed += self.expire(tab).await?;
        }
        Ok(changed + self.purge().await? + self.remind().await?)
    }

    /// Frees what a crash left held behind a grant.
    async fn resume(&self) -> Result<(), Fault> {
        loop {
            let Some(id) = self.unfinished().pop() else { return Ok(()) };
            let freed = match self.find(id).await {
                Ok(appeal) if appeal.freeing => self.free(&system(), &appeal).await.map(|_| ()),
                Ok(_) | Err(AppealError::Unknown) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(AppealError::Store(fault)) = freed {
                self.unfinished().push(id);
                return Err(fault);
            }
        }
    }

    async fn expire(&self, tab: Tab) -> Result<usize, Fault> {
        let Tools { store, clock, maillog, .. } = &*self.tools;
        let (first, _) = tab.range();
        let due = Appeal::due_key(tab, clock.now());
        let mut expired = 0;
        for key in store.referred(Index::AppealDue, &first, &due, STEP).await? {
            let Some(row) = store.find::<Appeal>(&key).await? else { continue };
            let id = row.record.id;
            let over = Some(AppealStep::Expired);
            let by = system();
            let done = self.change(id, over, Some((&by, "expire-appeal", "")), |appeal| {
                // Somebody spoke meanwhile, and there is time anew.
                if appeal.deadline > clock.now() {
                    return Err(AppealError::Gone);
                }
                appeal.state = State::Expired;
                Ok(())
            });
            match done.await {
                Ok(_) => {
                    maillog.appeal(id, "expired");
                    expired += 1;
                }
                Err(AppealError::Store(fault)) => return Err(fault),
                Err(_) => {}
            }
        }
        Ok(expired)
    }

    /// Forgets what was closed long ago and lets nothing through any more.
    async fn purge(&self) -> Result<usize, Fault> {
        let Tools { store, clock, .. } = &*self.tools;
        let now = clock.now();
        let old = Appeal::due_key(Tab::Closed, now - self.settings.keep);
        let (_, end) = Tab::Closed.range();
        let mut purged = 0;
        for key in store.referred(Index::AppealDue, &old, &end, STEP).await? {
            let row = store.find::<Appeal>(&key).await?;
            // A grant that still runs outlives the retention.
            let Some(row) = row.filter(|row| row.record.running(now).next().is_none()) else {
                continue;
            };
            let mut batch = Batch::new();
            batch.remove(&row);
            match store.commit(batch).await {
                Ok(_) => purged += 1,
                Err(Refusal::Conflict(_)) => {}
                Err(refusal) => return Err(Fault::Unavailable(refusal.to_string())),
            }
        }
        Ok(purged)
    }

    /// Tells administrators what waits for them.
    async fn remind(&self) -> Result<usize, Fault> {
        let Tools { clock, accounts, .. } = &*self.tools;
        let open = self.page(Tab::Received, None, &[], COUNTED).await?.appeals;
        if open.is_empty() {
            return Ok(0);
        }
        let mut told = 0;
        for account in accounts.list().await? {
            let Some(address) = &account.address else { continue };
            if account.disabled || !account.role.may(Power::Decide) {
                continue;
            }
            let own = account.role.organisations();
            let own = open.iter().filter(|one| own.is_none_or(|own| one.concerns(own)));
            let own: Vec<&Appeal> = own.collect();
            told += usize::from(self.tell_of(&account, address, &own, clock.now()).await?);
        }
        Ok(told)
    }

    /// One administrator's letter, if there is news for him and he had none
    /// today; `false` if not.
    async fn tell_of(
        &self,
        account: &Account,
        address: &Address,
        own: &[&Appeal],
        now: Timestamp,
    ) -> Result<bool, Fault> {
        let Tools { store, notices, directory, .. } = &*self.tools;
        let login = account.login.as_str();
        let row: Option<Row<Told>> = store.find(login.as_bytes()).await?;
        let last = row.as_ref().map_or(Timestamp::UNIX_EPOCH, |row| row.record.at);
        if now < last + DAY || !own.iter().any(|one| is_news(one, last, now)) {
            return Ok(false);
        }
        let first = own.first().and_then(|one| one.organisations.first());
        let Some(organisation) = first.and_then(|id| directory.organisation(id)) else {
            return Ok(false);
        };
        let waiting: Vec<Waiting<'_>> = own
            .iter()
            .map(|one| Waiting {
                from: &one.from_text,
                subject: &one.evidence.subject,
                deadline: one.deadline,
            })
            .collect();
        let mut batch = Batch::new();
        batch.upsert(row.as_ref(), &Told { login: login.to_owned(), at: now });
        if !notices.tell_administrator(&mut batch, &organisation, address, &waiting).await? {
            return Ok(false);
        }
        match store.commit(batch).await {
            Ok(_) => {
                notices.wake();
                Ok(true)
            }
            // Another node told him.
            Err(Refusal::Conflict(_)) => Ok(false),
            Err(refusal) => Err(Fault::Unavailable(refusal.to_string())),
        }
    }
}

/// Whether an administrator who was told last at that time should hear of it:
/// it is new, its sender said something, or a day is left.
fn is_news(appeal: &Appeal, last: Timestamp, now: Timestamp) -> bool {
    let late = appeal.deadline - DAY;
    appeal.waits_since() > last || (late <= now && last < late)
}

/// Nobody: time did it.
fn system() -> Decider {
    Decider { who: "system".to_owned(), client: None, organisations: None }
}

//! Appeals: a mass mailer, or a sender who was revoked, asks; an administrator
//! decides.
//!
//! One appeal per sender and campaign, until its grant is over. A grant lets the
//! campaign, or all of the sender's proved mail, through until a day and for so
//! many messages, and frees what is held, except for recipients and
//! organisations that block him. An operator decides for everybody; an
//! organisation's administrator about an appeal that concerns his
//! organisations alone, and then for these alone. Who is proved gets a letter
//! at each step; everybody has his status page. [`Appeals::step`] does what
//! time alone changes.

mod decide;
mod free;
mod grants;
mod keep;
mod list;
mod record;
mod shown;

use std::sync::{Arc, Mutex};

use uuid::Uuid;

pub use decide::{Decider, Terms};
pub use free::{Counted, Foreseen};
pub use grants::{Covering, Grants};
pub use keep::Told;
pub use list::{Order, Page, Wanted};
pub use record::{Appeal, Claimed, Decision, Evidence, Grant, Line, Scope, State, Tab, Voice};
pub use shown::shown;

use crate::account::Accounts;
use crate::clock::{Clock, SignedDuration};
use crate::directory::{Directory, OrganisationId};
use crate::mail::Message;
use crate::maillog::Maillog;
use crate::notice::{AppealStep, Notices};
use crate::quarantine::{Held, stored};
use crate::release::Releases;
use crate::reputation::standing::Scope as Standing;
use crate::reputation::{Flags, History};
use crate::store::{Batch, Fault, Index, Record, Refusal, Row, Store};
use record::{campaign, id_of};

/// Characters of each answer of the form and of each line.
pub const ANSWER: usize = 400;
/// How often a decision is made again when another came first.
const TRIES: usize = 8;
/// Held messages of one sender that the evidence counts.
const LOOKED_AT: usize = 1_000;
const PAGE: usize = 500;
/// Appeals that one search looks at.
const SEARCHED: usize = 5_000;

/// Why a step was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppealError {
    #[error("there is no such appeal")]
    Unknown,
    /// Who came second is told what the first decided.
    #[error("{by} has {word} it already")]
    Decided { by: String, word: &'static str },
    #[error("it concerns other organisations too: an operator decides")]
    NotHis,
    #[error("the message is not held any more")]
    Gone,
    #[error("an answer is missing")]
    Incomplete,
    #[error("a grant is for at least a message and ends within {} days from now", decide::LONGEST)]
    Terms,
    #[error("nothing proved this sender: only this campaign can be granted")]
    Unproved,
    #[error("the conversation is too long; use the telephone")]
    TooLong,
    #[error(transparent)]
    Store(#[from] Fault),
}

/// What the configuration says.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Within this an appeal is to be decided, or it expires; an answer or a
    /// question gives time anew.
    pub deadline: SignedDuration,
    /// So long the record of a decided or expired one is kept.
    pub keep: SignedDuration,
}

impl Default for Settings {
    fn default() -> Self {
        let days = |days: i64| SignedDuration::from_hours(24 * days);
        Self { deadline: days(7), keep: days(400) }
    }
}

/// What appeals work with.
#[derive(Clone)]
pub struct Tools {
    pub store: Store,
    pub clock: Clock,
    pub directory: Directory,
    pub releases: Releases,
    pub flags: Flags,
    pub history: History,
    pub accounts: Accounts,
    pub notices: Notices,
    pub maillog: Maillog,
}

/// Opens and decides appeals. Clones share everything.
#[derive(Clone)]
pub struct Appeals {
    settings: Settings,
    tools: Arc<Tools>,
    grants: Grants,
    names: list::Names,
    /// Granted, and a crash came before all was freed.
    unfinished: Arc<Mutex<Vec<Uuid>>>,
}

impl Appeals {
    /// Follows the table from now on; [`Appeals::fill`] brings what stands in
    /// it already.
    pub fn new(settings: Settings, tools: Tools) -> Self {
        let grants = Grants::default();
        let follows = grants.clone();
        tools.store.watch(Appeal::TABLE, move |news| follows.hear(news));
        let names = list::Names::new(&tools.store);
        Self { settings, tools: Arc::new(tools), grants, names, unfinished: Arc::default() }
    }

    /// Reads what was granted, and who appeals; needed once, before mail is
    /// taken.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn fill(&self) -> Result<(), Fault> {
        self.names.fill(&self.tools.store).await?;
        let read = |_: &[u8], appeal: Option<Appeal>| {
            // One that cannot be read lets nothing through, and a list names it.
            let Some(appeal) = appeal else { return };
            self.grants.put(&appeal);
            if appeal.freeing {
                self.unfinished().push(appeal.id);
            }
        };
        self.tools.store.each_listed(read).await
    }

    /// What intake asks, and the console's rail.
    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    /// The appeal that covers this held message, if its sender made one.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn of_held(&self, held: &Held) -> Result<Option<Appeal>, Fault> {
        let store = &self.tools.store;
        let key = held.id.as_bytes();
        let by_sample = store.referred_by(Index::AppealByHeld, key, 1).await?;
        let id = match (by_sample.first(), self.message(held).await?) {
            (Some(id), _) => id.clone(),
            (None, Some(message)) => id_of(held, &campaign(&message)).as_bytes().to_vec(),
            (None, None) => return Ok(None),
        };
        let found = store.find::<Appeal>(&id).await?.map(|row| row.record);
        Ok(found.filter(|appeal| appeal.speaks_for(held, self.tools.clock.now())))
    }

    /// # Errors
    /// [`AppealError::Unknown`], or [`Fault`] if the store cannot read.
    pub async fn find(&self, id: Uuid) -> Result<Appeal, AppealError> {
        Ok(self.row(id).await?.record)
    }

    /// The sender asks. A second appeal for the same campaign is the first
    /// one: what it says now is not looked at, unless the first does not speak
    /// for this message any more.
    ///
    /// # Errors
    /// [`AppealError`].
    pub async fn apply(&self, held: &Held, claimed: &Claimed) -> Result<Appeal, AppealError> {
        let answers = [&claimed.who, &claimed.what, &claimed.why, &claimed.agreed];
        if answers.iter().any(|answer| answer.trim().is_empty()) || claimed.how_many == 0 {
            return Err(AppealError::Incomplete);
        }
        let Tools { store, clock, .. } = &*self.tools;
        let message = self.message(held).await?.ok_or(AppealError::Gone)?;
        let now = clock.now();
        let sender = held.sender();
        let campaign = campaign(&message);
        let mut organisations: Vec<OrganisationId> =
            held.recipients.iter().map(|one| one.organisation.clone()).collect();
        organisations.sort_unstable();
        organisations.dedup();
        let mut appeal = Appeal {
            id: id_of(held, &campaign),
            held: held.id,
            reference: held.reference.to_string(),
            address: sender.address.clone(),
            from_text: held.from_text.clone(),
            proofs: sender.proofs,
            network: sender.network,
            campaign,
            organisations,
            opened_at: now,
            deadline: now + self.settings.deadline,
            claimed: Claimed {
                who: short(&claimed.who),
                what: short(&claimed.what),
                why: short(&claimed.why),
                agreed: short(&claimed.agreed),
                how_many: claimed.how_many,
            },
            evidence: self.evidence(held, &message).await?,
            state: State::Received,
            lines: Vec::new(),
            decision: None,
            earlier: Vec::new(),
            freeing: false,
        };
        let mut batch = Batch::new();
        match store.find::<Appeal>(&appeal.key()).await? {
            Some(row) if row.record.speaks_for(held, now) => return Ok(row.record),
            Some(row) => {
                appeal.earlier = row.record.running(now).cloned().collect();
                batch.update(&row, &appeal);
            }
            None => {
                batch.insert(&appeal);
            }
        }
        self.tell(&mut batch, &appeal, AppealStep::Received).await?;
        match store.commit(batch).await {
            Ok(_) => {
                self.tools.maillog.appeal(appeal.id, "received");
                self.tools.notices.wake();
                Ok(appeal)
            }
            // The same press twice: the first counts.
            Err(Refusal::Conflict(_)) => self.find(appeal.id).await,
            Err(refusal) => Err(Fault::Unavailable(refusal.to_string()).into()),
        }
    }

    /// One more message that a grant let through. Losing a race only means
    /// that one is not counted.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write.
    pub async fn count(store: &Store, covering: &Covering) -> Result<(), Fault> {
        let row = store.find::<Appeal>(covering.appeal.as_bytes()).await?;
        let Some(row) = row else { return Ok(()) };
        let mut appeal = row.record.clone();
        let mut decisions = appeal.decision.iter_mut().chain(&mut appeal.earlier);
        let decision = decisions.find(|one| one.at == covering.decided_at);
        let Some(grant) = decision.and_then(|one| one.grant.as_mut()) else { return Ok(()) };
        grant.used = grant.used.saturating_add(1);
        let mut batch = Batch::new();
        batch.update(&row, &appeal);
        match store.commit(batch).await {
            Ok(_) | Err(Refusal::Conflict(_)) => Ok(()),
            Err(refusal) => Err(Fault::Unavailable(refusal.to_string())),
        }
    }

    async fn row(&self, id: Uuid) -> Result<Row<Appeal>, AppealError> {
        let row = self.tools.store.find::<Appeal>(id.as_bytes()).await?;
        row.ok_or(AppealError::Unknown)
    }

    async fn tell(
        &self,
        batch: &mut Batch,
        appeal: &Appeal,
        step: AppealStep,
    ) -> Result<(), Fault> {
        match self.tools.releases.held(appeal.held).await? {
            Some(held) => self.tools.notices.tell_appeal(batch, &held, step).await,
            None => Ok(()),
        }
    }

    async fn evidence(&self, held: &Held, message: &Message) -> Result<Evidence, Fault> {
        let Tools { store, flags, history, .. } = &*self.tools;
        let sender = held.sender();
        let (mut volume, mut copies, mut flagged) = (1, held.recipients.len(), 0);
        if let Some(address) = sender.proved_address() {
            let mut prefix = address.base().to_string().into_bytes();
            prefix.push(0);
            let ids = store.referred_by(Index::HeldBySender, &prefix, LOOKED_AT).await?;
            volume = ids.len();
            copies = 0;
            for id in &ids {
                let held = store.find::<Held>(id).await?;
                copies += held.map_or(0, |row| row.record.recipients.len());
            }
            let against = flags.against(address, &Standing::Everywhere).await?;
            flagged = against.iter().filter(|row| row.record.stands()).count();
        }
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Ok(Evidence {
            proved: sender.is_proved(),
            unsubscribe: message.has("List-Unsubscribe"),
            one_click: message.has("List-Unsubscribe-Post"),
            held: number(volume),
            flags: number(flagged),
            subject: held.subject.clone(),
            copies: number(copies),
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
            passed: history.past(&sender).good.round() as u32,
        })
    }

    async fn message(&self, held: &Held) -> Result<Option<Message>, Fault> {
        let body = self.tools.store.body(held.id).await?;
        body.map(|body| stored::read(&body).map(|(_, message)| message)).transpose()
    }

    fn unfinished(&self) -> std::sync::MutexGuard<'_, Vec<Uuid>> {
        self.unfinished.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// What somebody typed, trimmed and cut.
fn short(text: &str) -> String {
    text.trim().chars().take(ANSWER).collect()
}

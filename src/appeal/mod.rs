//! Appeals: a mass mailer, or a sender who was revoked, asks; an administrator
//! decides.
//!
//! One appeal per sender and campaign, until its grant is over. A grant lets the
//! campaign, or all of the sender's proved mail, through until a day and for so
//! many messages, and frees what is held, except for recipients and
//! organisations that block him.
//! Two administrators who decide at once: one wins, the other is told. Who is
//! proved gets a letter at each step; everybody has his status page.

mod grants;
mod record;

use std::sync::Arc;

use uuid::Uuid;

pub use grants::{Covering, Grants};
pub use record::{Appeal, Claimed, Decision, Evidence, Grant, Line, Scope, State, Voice};

use crate::clock::{Clock, SignedDuration};
use crate::directory::OrganisationId;
use crate::mail::Message;
use crate::maillog::Maillog;
use crate::notice::{AppealStep, Notices};
use crate::quarantine::{Held, State as Copy, stored};
use crate::release::Releases;
use crate::reputation::Flags;
use crate::reputation::standing::Scope as Standing;
use crate::store::{Batch, Fault, Index, Record, Refusal, Row, Store};
use record::{campaign, id_of};

/// Days within which an appeal should be decided.
pub const DEADLINE: SignedDuration = SignedDuration::from_hours(3 * 24);
/// Characters of each answer of the form and of each line.
pub const ANSWER: usize = 400;
/// How often a decision is made again when another came first.
const TRIES: usize = 8;
/// Held messages of one sender that a grant looks at.
const LOOKED_AT: usize = 5_000;
const PAGE: usize = 500;

/// Why a step was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppealError {
    #[error("there is no such appeal")]
    Unknown,
    /// Who came second is told what the first decided.
    #[error("{by} has {word} it already")]
    Decided { by: String, word: &'static str },
    #[error("the message is not held any more")]
    Gone,
    #[error("an answer is missing")]
    Incomplete,
    #[error("the conversation is too long; use the telephone")]
    TooLong,
    #[error(transparent)]
    Store(#[from] Fault),
}

/// What appeals work with.
#[derive(Clone)]
pub struct Tools {
    pub store: Store,
    pub clock: Clock,
    pub releases: Releases,
    pub flags: Flags,
    pub notices: Notices,
    pub maillog: Maillog,
}

/// Opens and decides appeals. Clones share everything.
#[derive(Clone)]
pub struct Appeals {
    tools: Arc<Tools>,
    grants: Grants,
}

impl Appeals {
    /// Reads what was granted; needed once, before mail is taken.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn open(tools: Tools, grants: Grants) -> Result<Self, Fault> {
        let mut after = Vec::new();
        loop {
            let rows = tools.store.page::<Appeal>(&after, PAGE).await?;
            let Some(last) = rows.last() else { break };
            after = last.record.key();
            for row in &rows {
                grants.put(&row.record);
            }
        }
        Ok(Self { tools: Arc::new(tools), grants })
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

    /// Appeals that wait, the most urgent first; then, if `decided`, those
    /// that do not.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn list(&self, decided: bool, limit: usize) -> Result<Vec<Appeal>, Fault> {
        let store = &self.tools.store;
        let to: &[u8] = if decided { &[2] } else { &[1] };
        let mut all = Vec::new();
        for key in store.referred(Index::AppealDue, &[], to, limit).await? {
            all.extend(store.find::<Appeal>(&key).await?.map(|row| row.record));
        }
        Ok(all)
    }

    /// The sender asks. A second appeal for the same campaign is the first
    /// one: what it says now is not looked at, unless the first was granted
    /// and the grant is used up.
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
        let short = |text: &str| text.trim().chars().take(ANSWER).collect::<String>();
        let sender = held.sender();
        let campaign = campaign(&message);
        let mut organisations: Vec<OrganisationId> =
            held.recipients.iter().map(|one| one.organisation.clone()).collect();
        organisations.sort_unstable();
        organisations.dedup();
        let appeal = Appeal {
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
            deadline: now + DEADLINE,
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
        };
        let mut batch = Batch::new();
        match store.find::<Appeal>(&appeal.key()).await? {
            Some(row) if row.record.speaks_for(held, now) => return Ok(row.record),
            Some(row) => batch.update(&row, &appeal),
            None => batch.insert(&appeal),
        };
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

    /// An administrator asks the sender something.
    ///
    /// # Errors
    /// [`AppealError`].
    pub async fn ask(&self, id: Uuid, text: &str) -> Result<Appeal, AppealError> {
        self.say(id, Voice::Administrator, text).await
    }

    /// The sender answers, or adds something.
    ///
    /// # Errors
    /// [`AppealError`].
    pub async fn answer(&self, id: Uuid, text: &str) -> Result<Appeal, AppealError> {
        self.say(id, Voice::Sender, text).await
    }

    async fn say(&self, id: Uuid, voice: Voice, text: &str) -> Result<Appeal, AppealError> {
        let text: String = text.trim().chars().take(ANSWER).collect();
        if text.is_empty() {
            return Err(AppealError::Incomplete);
        }
        let now = self.tools.clock.now();
        let step = (voice == Voice::Administrator).then_some(AppealStep::Question);
        let said = self.change(id, step, |appeal| {
            if !appeal.takes_lines() {
                return Err(AppealError::TooLong);
            }
            appeal.lines.push(Line { at: now, voice, text: text.clone() });
            appeal.state = match voice {
                Voice::Sender => State::Received,
                Voice::Administrator => State::Asked,
            };
            Ok(())
        });
        said.await
    }

    /// Grants; then frees what is held. Answers the appeal and how many
    /// messages were freed.
    ///
    /// # Errors
    /// [`AppealError::Decided`] if somebody was faster.
    pub async fn grant(
        &self,
        id: Uuid,
        by: &str,
        reason: &str,
        grant: Grant,
    ) -> Result<(Appeal, usize), AppealError> {
        let at = self.tools.clock.now();
        let granted = self.change(id, Some(AppealStep::Granted), |appeal| {
            appeal.state = State::Granted;
            appeal.decision = Some(Decision {
                at,
                by: by.to_owned(),
                reason: reason.trim().chars().take(ANSWER).collect(),
                grant: Some(grant.clone()),
            });
            Ok(())
        });
        let appeal = granted.await?;
        self.grants.put(&appeal);
        self.tools.maillog.appeal(id, "granted");
        let freed = self.free(&appeal).await?;
        Ok((appeal, freed))
    }

    /// Denies, with a reason that the sender reads.
    ///
    /// # Errors
    /// [`AppealError::Decided`] if somebody was faster;
    /// [`AppealError::Incomplete`] without a reason.
    pub async fn deny(&self, id: Uuid, by: &str, reason: &str) -> Result<Appeal, AppealError> {
        let reason: String = reason.trim().chars().take(ANSWER).collect();
        if reason.is_empty() {
            return Err(AppealError::Incomplete);
        }
        let at = self.tools.clock.now();
        let denied = self.change(id, Some(AppealStep::Denied), |appeal| {
            appeal.state = State::Denied;
            let decision = Decision { at, by: by.to_owned(), reason: reason.clone(), grant: None };
            appeal.decision = Some(decision);
            Ok(())
        });
        let appeal = denied.await?;
        self.tools.maillog.appeal(id, "denied");
        Ok(appeal)
    }

    /// One more message that a grant let through. Losing a race only means
    /// that one is not counted.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write.
    pub async fn count(store: &Store, grants: &Grants, id: Uuid) -> Result<(), Fault> {
        let Some(row) = store.find::<Appeal>(id.as_bytes()).await? else { return Ok(()) };
        let mut appeal = row.record.clone();
        let grant = appeal.decision.as_mut().and_then(|one| one.grant.as_mut());
        let Some(grant) = grant else { return Ok(()) };
        grant.used = grant.used.saturating_add(1);
        let mut batch = Batch::new();
        batch.update(&row, &appeal);
        match store.commit(batch).await {
            Ok(_) => {
                grants.put(&appeal);
                Ok(())
            }
            Err(Refusal::Conflict(_)) => Ok(()),
            Err(refusal) => Err(Fault::Unavailable(refusal.to_string())),
        }
    }

    async fn row(&self, id: Uuid) -> Result<Row<Appeal>, AppealError> {
        let row = self.tools.store.find::<Appeal>(id.as_bytes()).await?;
        row.ok_or(AppealError::Unknown)
    }

    /// Changes an open appeal, with the letter of this step.
    async fn change(
        &self,
        id: Uuid,
        step: Option<AppealStep>,
        change: impl Fn(&mut Appeal) -> Result<(), AppealError>,
    ) -> Result<Appeal, AppealError> {
        for _ in 0..TRIES {
            let row = self.row(id).await?;
            if !row.record.state.is_open() {
                let by = row.record.decision.as_ref().map(|one| one.by.clone());
                let word = row.record.state.as_str();
                return Err(AppealError::Decided { by: by.unwrap_or_default(), word });
            }
            let mut appeal = row.record.clone();
            change(&mut appeal)?;
            let mut batch = Batch::new();
            batch.update(&row, &appeal);
            if let Some(step) = step {
                self.tell(&mut batch, &appeal, step).await?;
            }
            match self.tools.store.commit(batch).await {
                Ok(_) => {
                    self.tools.notices.wake();
                    return Ok(appeal);
                }
                Err(Refusal::Conflict(_)) => {}
                Err(refusal) => return Err(Fault::Unavailable(refusal.to_string()).into()),
            }
        }
        Err(Fault::Unavailable("the appeal changes too fast; try again".to_owned()).into())
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

    /// Frees what the grant covers: not for those who block him, not what is
    /// malware, and not beyond the grant's organisations.
    async fn free(&self, appeal: &Appeal) -> Result<usize, AppealError> {
        let Some(grant) = appeal.decision.as_ref().and_then(|one| one.grant.as_ref()) else {
            return Ok(0);
        };
        let mut freed = 0;
        for held in self.held_by(appeal).await? {
            let same = grant.scope == Scope::Identity
                || match self.message(&held).await? {
                    Some(message) => campaign(&message) == appeal.campaign,
                    None => false,
                };
            let mut any = false;
            for (slot, copy) in held.recipients.iter().enumerate() {
                let wanted = same
                    && copy.state == Copy::Held
                    && copy.is_shown()
                    && grant
                        .organisations
                        .as_ref()
                        .is_none_or(|all| all.contains(&copy.organisation));
                let Ok(slot) = u16::try_from(slot) else { continue };
                if wanted {
                    // One who blocks him, or was faster, is left alone.
                    any |= self.tools.releases.release_by_operator(held.id, slot).await.is_ok();
                }
            }
            freed += usize::from(any);
        }
        Ok(freed)
    }

    /// What is held of a proved sender; of another the one message alone.
    async fn held_by(&self, appeal: &Appeal) -> Result<Vec<Held>, Fault> {
        let Tools { store, releases, .. } = &*self.tools;
        let sender = appeal.sender();
        let Some(address) = sender.proved_address() else {
            return Ok(releases.held(appeal.held).await?.into_iter().collect());
        };
        let mut prefix = address.base().to_string().into_bytes();
        prefix.push(0);
        let mut all = Vec::new();
        for id in store.referred_by(Index::HeldBySender, &prefix, LOOKED_AT).await? {
            all.extend(store.find::<Held>(&id).await?.map(|row| row.record));
        }
        Ok(all)
    }

    async fn evidence(&self, held: &Held, message: &Message) -> Result<Evidence, Fault> {
        let Tools { store, flags, .. } = &*self.tools;
        let sender = held.sender();
        let (mut volume, mut flagged) = (1, 0);
        if let Some(address) = sender.proved_address() {
            let mut prefix = address.base().to_string().into_bytes();
            prefix.push(0);
            let ids = store.referred_by(Index::HeldBySender, &prefix, LOOKED_AT).await?;
            volume = ids.len();
            let against = flags.against(address, &Standing::Everywhere).await?;
            flagged = against.iter().filter(|row| row.record.stands()).count();
        }
        Ok(Evidence {
            proved: sender.is_proved(),
            unsubscribe: message.has("List-Unsubscribe"),
            one_click: message.has("List-Unsubscribe-Post"),
            held: u32::try_from(volume).unwrap_or(u32::MAX),
            flags: u32::try_from(flagged).unwrap_or(u32::MAX),
            subject: held.subject.clone(),
        })
    }

    async fn message(&self, held: &Held) -> Result<Option<Message>, Fault> {
        let body = self.tools.store.body(held.id).await?;
        body.map(|body| stored::read(&body).map(|(_, message)| message)).transpose()
    }
}

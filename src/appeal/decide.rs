//! Questions, answers and decisions: each is one batch with its letter to the
//! sender and its entry in the audit.
//!
//! Two administrators who decide at once: one wins, the other is told who and
//! what. An administrator of organisations decides about an appeal that
//! concerns no others, and what he grants counts for his own alone: also when
//! he grants all mail of an identity. For everybody only an operator decides.

use std::net::IpAddr;

use uuid::Uuid;

use super::record::{Decision, Grant, Line, Scope, State, Voice};
use super::{ANSWER, Appeal, AppealError, Appeals, TRIES, Tools, short};
use crate::account::Entry;
use crate::clock::{SignedDuration, Timestamp};
use crate::directory::OrganisationId;
use crate::notice::AppealStep;
use crate::store::{Batch, Fault, Refusal};

/// Days that a grant lasts at most.
pub const LONGEST: i32 = 1100;
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Who decides, and for whom.
#[derive(Clone, Debug)]
pub struct Decider {
    /// A login; with the token's name where a program asked.
    pub who: String,
    pub client: Option<IpAddr>,
    /// `None`: for everybody; else for these organisations alone, his own.
    pub organisations: Option<Vec<OrganisationId>>,
}

/// What is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    pub scope: Scope,
    pub until: Timestamp,
    /// Messages in all.
    pub volume: u32,
}

impl Appeal {
    /// Whether it is about mail to one of these organisations.
    pub fn concerns(&self, organisations: &[OrganisationId]) -> bool {
        self.organisations.iter().any(|one| organisations.contains(one))
    }
}

impl Decider {
    /// Whether the appeal is his to see and to ask about.
    pub fn sees(&self, appeal: &Appeal) -> bool {
        self.organisations.as_ref().is_none_or(|own| appeal.concerns(own))
    }

    /// Whether it is his to decide: it concerns nobody else's organisation.
    pub fn decides(&self, appeal: &Appeal) -> bool {
        let own = self.organisations.as_ref();
        own.is_none_or(|own| appeal.organisations.iter().all(|one| own.contains(one)))
    }

    /// His entry of the audit about an appeal.
    pub(super) fn entry(&self, what: &str, appeal: &Appeal) -> Entry {
        let about = format!("{} {}", appeal.reference, appeal.from_text);
        let mut entry = Entry::new(&self.who, what).about("appeal", &about);
        entry.client = self.client;
        entry.of(appeal.organisations.clone())
    }
}

impl Appeals {
    /// An administrator asks the sender something.
    ///
    /// # Errors
    /// [`AppealError`].
    pub async fn ask(&self, by: &Decider, id: Uuid, text: &str) -> Result<Appeal, AppealError> {
        if !by.sees(&self.find(id).await?) {
            return Err(AppealError::NotHis);
        }
        let audited = Some((by, "ask-appeal", text));
        self.say(id, Voice::Administrator, text, audited).await
    }

    /// The sender answers, or adds something.
    ///
    /// # Errors
    /// [`AppealError`].
    pub async fn answer(&self, id: Uuid, text: &str) -> Result<Appeal, AppealError> {
        self.say(id, Voice::Sender, text, None).await
    }

    async fn say(
        &self,
        id: Uuid,
        voice: Voice,
        text: &str,
        audited: Option<(&Decider, &str, &str)>,
    ) -> Result<Appeal, AppealError> {
        let text = short(text);
        if text.is_empty() {
            return Err(AppealError::Incomplete);
        }
        let now = self.tools.clock.now();
        // Whoever is to speak next has half of the whole time, at least.
        let later = now + self.settings.deadline / 2;
        let step = (voice == Voice::Administrator).then_some(AppealStep::Question);
        let said = self.change(id, step, audited, |appeal| {
            if !appeal.takes_lines() {
                return Err(AppealError::TooLong);
            }
            appeal.lines.push(Line { at: now, voice, text: text.clone() });
            appeal.deadline = appeal.deadline.max(later);
            appeal.state = match voice {
                Voice::Sender => State::Received,
                Voice::Administrator => State::Asked,
            };
            Ok(())
        });
        said.await
    }

    /// Grants; then frees what is held, also if nobody waits for the answer.
    /// Answers the appeal and how many messages were freed.
    ///
    /// # Errors
    /// [`AppealError::Decided`] if somebody was faster.
    pub async fn grant(
        &self,
        by: &Decider,
        id: Uuid,
        reason: &str,
        terms: Terms,
    ) -> Result<(Appeal, usize), AppealError> {
        let appeal = self.find(id).await?;
        let at = self.tools.clock.now();
        let Terms { scope, until, volume } = terms;
        if volume == 0 || until <= at || until > at + DAY * LONGEST {
            return Err(AppealError::Terms);
        }
        if scope == Scope::Identity && !appeal.sender().is_proved() {
            return Err(AppealError::Unproved);
        }
        let grant = Grant { scope, until, volume, used: 0 };
        let decided = self.decide(by, &appeal, reason, Some(grant)).await?;
        self.tools.maillog.appeal(id, "granted");
        let (this, granted, by) = (self.clone(), decided.clone(), by.clone());
        let freeing = tokio::spawn(async move { this.free(&by, &granted).await });
        let freed = freeing.await.map_err(|error| Fault::Unavailable(error.to_string()))??;
        Ok((decided, freed))
    }

    /// Denies, with a reason that the sender reads.
    ///
    /// # Errors
    /// [`AppealError::Decided`] if somebody was faster;
    /// [`AppealError::Incomplete`] without a reason.
    pub async fn deny(&self, by: &Decider, id: Uuid, reason: &str) -> Result<Appeal, AppealError> {
        if reason.trim().is_empty() {
            return Err(AppealError::Incomplete);
        }
        let denied = self.decide(by, &self.find(id).await?, reason, None).await?;
        self.tools.maillog.appeal(id, "denied");
        Ok(denied)
    }

    async fn decide(
        &self,
        by: &Decider,
        appeal: &Appeal,
        reason: &str,
        grant: Option<Grant>,
    ) -> Result<Appeal, AppealError> {
        if !by.decides(appeal) {
            return Err(AppealError::NotHis);
        }
        let at = self.tools.clock.now();
        let (state, step, what) = match grant {
            Some(_) => (State::Granted, AppealStep::Granted, "grant-appeal"),
            None => (State::Denied, AppealStep::Denied, "deny-appeal"),
        };
        let decided = self.change(appeal.id, Some(step), Some((by, what, reason)), |appeal| {
            appeal.state = state;
            appeal.freeing = grant.is_some();
            appeal.decision = Some(Decision {
                at,
                by: by.who.clone(),
                reason: short(reason),
                grant: grant.clone(),
                organisations: by.organisations.as_ref().map(|_| appeal.organisations.clone()),
            });
            Ok(())
        });
        decided.await
    }

    /// Changes an open appeal, with the letter of this step and its entry in
    /// the audit.
    pub(super) async fn change(
        &self,
        id: Uuid,
        step: Option<AppealStep>,
        audited: Option<(&Decider, &str, &str)>,
        change: impl Fn(&mut Appeal) -> Result<(), AppealError>,
    ) -> Result<Appeal, AppealError> {
        let Tools { store, accounts, notices, .. } = &*self.tools;
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
            if let Some((by, what, why)) = audited {
                let entry = by.entry(what, &appeal).why(why).before(stands(&row.record));
                accounts.audit().record(&mut batch, entry.after(stands(&appeal)));
            }
            if let Some(step) = step {
                self.tell(&mut batch, &appeal, step).await?;
            }
            match store.commit(batch).await {
                Ok(_) => {
                    notices.wake();
                    return Ok(appeal);
                }
                Err(Refusal::Conflict(_)) => {}
                Err(refusal) => return Err(Fault::Unavailable(refusal.to_string()).into()),
            }
        }
        Err(Fault::Unavailable("the appeal changes too fast; try again".to_owned()).into())
    }
}

/// How an appeal stands, in one line of the audit.
fn stands(appeal: &Appeal) -> String {
    let word = appeal.state.as_str();
    let Some(decision) = &appeal.decision else { return word.to_owned() };
    let mut line = word.to_owned();
    if let Some(Grant { scope, until, volume, .. }) = &decision.grant {
        let day = until.strftime("%Y-%m-%d");
        line += &format!(": {}, until {day}, {volume} messages", scope.as_str());
    }
    if let Some(own) = &decision.organisations {
        let own: Vec<&str> = own.iter().map(OrganisationId::as_str).collect();
        line += &format!(", for {}", own.join(", "));
    }
    line
}

const _: () = assert!(ANSWER <= 500, "the audit keeps a whole reason");

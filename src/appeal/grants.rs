//! Appeals as intake and the console's rail ask for them, in memory: what was
//! granted, for proved senders only, because a grant is worth something only
//! to who can prove himself; and what waits for an administrator.
//!
//! Follows the table's changes, so nothing has to tell it anything.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use uuid::Uuid;

use super::record::{Appeal, Decision, Scope, State, campaign};
use crate::clock::Timestamp;
use crate::directory::OrganisationId;
use crate::mail::{Address, Message};
use crate::reputation::Sender;
use crate::store::{News, record};

/// Grants in force by the sender's base address, and what waits. Clones share
/// them.
#[derive(Clone, Default)]
pub struct Grants {
    view: Arc<RwLock<View>>,
}

#[derive(Default)]
struct View {
    granted: HashMap<Address, Vec<Granted>>,
    waiting: HashMap<Uuid, Vec<OrganisationId>>,
}

struct Granted {
    appeal: Uuid,
    campaign: String,
    decision: Decision,
}

/// A grant that covers a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Covering {
    pub(super) appeal: Uuid,
    /// Which decision of the appeal it is.
    pub(super) decided_at: Timestamp,
    organisations: Option<Vec<OrganisationId>>,
}

impl Grants {
    /// The grants that cover this mail, those for everybody first. Whoever
    /// was never granted anything costs one look.
    pub fn covering(&self, sender: &Sender, message: &Message, now: Timestamp) -> Vec<Covering> {
        let view = self.view.read().unwrap_or_else(PoisonError::into_inner);
        if view.granted.is_empty() {
            return Vec::new();
        }
        let address = sender.proved_address().map(Address::base);
        let Some(all) = address.and_then(|address| view.granted.get(&address)) else {
            return Vec::new();
        };
        let named = campaign(message);
        let covers = |one: &&Granted| {
            let grant = one.decision.grant.as_ref();
            grant.is_some_and(|grant| {
                grant.runs(now) && (grant.scope == Scope::Identity || one.campaign == named)
            })
        };
        let covering = |one: &Granted| Covering {
            appeal: one.appeal,
            decided_at: one.decision.at,
            organisations: one.decision.organisations.clone(),
        };
        let mut found: Vec<Covering> = all.iter().filter(covers).map(covering).collect();
        found.sort_by_key(|one| one.organisations.is_some());
        found
    }

    /// Appeals on which an administrator of these organisations is to act;
    /// `None`: of all.
    pub fn waiting(&self, organisations: Option<&[OrganisationId]>) -> usize {
        let view = self.view.read().unwrap_or_else(PoisonError::into_inner);
        let Some(own) = organisations else { return view.waiting.len() };
        view.waiting.values().filter(|all| all.iter().any(|one| own.contains(one))).count()
    }

    /// A record changed.
    pub(super) fn hear(&self, news: &News<'_>) {
        let Ok(id) = Uuid::from_slice(news.key) else { return };
        match news.value.and_then(|bytes| record::decode::<Appeal>(bytes).ok()) {
            Some(appeal) => self.put(&appeal),
            None => self.write().forget(id),
        }
    }

    /// An appeal as it stands now.
    pub(super) fn put(&self, appeal: &Appeal) {
        let mut view = self.write();
        view.forget(appeal.id);
        if appeal.state == State::Received {
            view.waiting.insert(appeal.id, appeal.organisations.clone());
        }
        let sender = appeal.sender();
        let Some(address) = sender.proved_address() else { return };
        let decisions = appeal.decision.iter().chain(&appeal.earlier);
        for decision in decisions.filter(|one| one.grant.is_some()) {
            view.granted.entry(address.base()).or_default().push(Granted {
                appeal: appeal.id,
                campaign: appeal.campaign.clone(),
                decision: decision.clone(),
            });
        }
    }

    fn write(&self) -> RwLockWriteGuard<'_, View> {
        self.view.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl View {
    fn forget(&mut self, id: Uuid) {
        self.waiting.remove(&id);
        self.granted.retain(|_, all| {
            all.retain(|one| one.appeal != id);
            !all.is_empty()
        });
    }
}

impl Covering {
    pub fn counts_for(&self, organisation: &OrganisationId) -> bool {
        self.organisations.as_ref().is_none_or(|all| all.contains(organisation))
    }
}

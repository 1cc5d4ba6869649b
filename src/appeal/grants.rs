//! What was granted, as intake asks for it: in memory, for proved senders
//! only, because a grant is worth something only to who can prove himself.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use uuid::Uuid;

use super::record::{Appeal, Grant, Scope, campaign};
use crate::clock::Timestamp;
use crate::directory::OrganisationId;
use crate::mail::{Address, Message};
use crate::reputation::Sender;

/// Grants in force by the sender's base address. Clones share them.
#[derive(Clone, Default)]
pub struct Grants {
    view: Arc<RwLock<HashMap<Address, Vec<Held>>>>,
}

#[derive(Clone)]
struct Held {
    id: Uuid,
    campaign: String,
    grant: Grant,
}

impl Grants {
    /// The grant that covers this mail, if there is one. Whoever was never
    /// granted anything costs one look.
    pub fn covering(&self, sender: &Sender, message: &Message, now: Timestamp) -> Option<Covering> {
        let view = self.view.read().unwrap_or_else(PoisonError::into_inner);
        if view.is_empty() {
            return None;
        }
        let all = view.get(&sender.proved_address()?.base())?;
        let named = campaign(message);
        let one = all.iter().find(|one| {
            let covers = one.grant.scope == Scope::Identity || one.campaign == named;
            covers && now < one.grant.until && one.grant.used < one.grant.volume
        })?;
        Some(Covering { appeal: one.id, organisations: one.grant.organisations.clone() })
    }

    /// Shows intake an appeal as it stands now.
    pub(super) fn put(&self, appeal: &Appeal) {
        let sender = appeal.sender();
        let Some(address) = sender.proved_address() else { return };
        let mut view = self.view.write().unwrap_or_else(PoisonError::into_inner);
        let all = view.entry(address.base()).or_default();
        all.retain(|one| one.id != appeal.id);
        if let Some(grant) = appeal.decision.as_ref().and_then(|one| one.grant.clone()) {
            all.push(Held { id: appeal.id, campaign: appeal.campaign.clone(), grant });
        }
        if all.is_empty() {
            view.remove(&address.base());
        }
    }
}

/// A grant that covers a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Covering {
    pub appeal: Uuid,
    organisations: Option<Vec<OrganisationId>>,
}

impl Covering {
    pub fn counts_for(&self, organisation: &OrganisationId) -> bool {
        self.organisations.as_ref().is_none_or(|all| all.contains(organisation))
    }
}

//! Who may free what, as it stands now.
//!
//! Blocks of a recipient or his organisation come first, then what the filter
//! left open to the sender, then what is thought of him, then the budgets of
//! those who proved nothing. A pure look: nothing is written here, and what a
//! release takes from a budget goes into its caller's batch.

use super::{Inner, Releases, Way};
use crate::clock::SignedDuration;
use crate::directory::{OrganisationId, RuleAction};
use crate::filter::Class;
use crate::filter::verdict::Door;
use crate::link::ALL_RECIPIENTS;
use crate::quarantine::{Held, HeldRecipient, State};
use crate::reputation::{Network, Regard};
use crate::store::{Batch, Counter, Fault};

const DAY: SignedDuration = SignedDuration::from_hours(24);

impl Releases {
    /// What may be done about `slot` (or [`ALL_RECIPIENTS`]) now. Of several
    /// copies, what can be done about any counts.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn way(&self, held: &Held, slot: u16) -> Result<Way, Fault> {
        let (way, free) = self.judge(held, slot).await?;
        if way != Way::Release || held.sender().is_proved() {
            return Ok(way);
        }
        let within = self.spend(&mut Batch::new(), held, &free).await?;
        Ok(if within { Way::Release } else { Way::Tomorrow })
    }

    /// What may be done, and the slots that may be freed, budgets aside.
    pub(super) async fn judge(&self, held: &Held, slot: u16) -> Result<(Way, Vec<usize>), Fault> {
        let mut free = Vec::new();
        let mut closed = Way::Over;
        let sender = held.sender();
        let unproved = !sender.is_proved();
        let too_much = unproved
            && (held.score >= self.inner.settings.ceiling || self.uses_served_domain(held));
        for place in chosen(held, slot, State::Held) {
            let one = &held.recipients[place];
            let way = match one.door {
                _ if self.refuses(held, one) => Way::RecipientRefuses,
                Door::Appeal => Way::Appeal,
                Door::Ask if one.class == Class::Impersonated => Way::Repair,
                Door::Ask => Way::RecipientDecides,
                Door::Closed => Way::Over,
                Door::Release if too_much => Way::RecipientAsked,
                Door::Release => {
                    match self.inner.reputation.regard(&sender, &one.organisation).await? {
                        Regard::Barred => Way::Appeal,
                        _ => Way::Release,
                    }
                }
            };
            if way == Way::Release {
                free.push(place);
            } else if closed == Way::Over {
                closed = way;
            }
        }
        Ok((if free.is_empty() { closed } else { Way::Release }, free))
    }

    /// A block of the recipient or his organisation, as it stands now.
    pub fn refuses(&self, held: &Held, one: &HeldRecipient) -> bool {
        let Some(organisation) = self.inner.directory.organisation(&one.organisation) else {
            return true;
        };
        let (sender, senders) = (held.sender(), held.senders());
        let rule = self.inner.directory.rule(&organisation, &one.address, &sender.claim(&senders));
        rule == Some(RuleAction::Block)
    }

    fn uses_served_domain(&self, held: &Held) -> bool {
        held.senders().iter().any(|sender| self.inner.directory.serves(sender.domain()))
    }

    /// Takes one release of a sender who proved nothing from the day's
    /// budgets; `false` if one is spent.
    pub(super) async fn spend(
        &self,
        batch: &mut Batch,
        held: &Held,
        free: &[usize],
    ) -> Result<bool, Fault> {
        let Inner { store, clock, settings, .. } = &*self.inner;
        let now = clock.now();
        let network = format!("release network {}", Network::of(held.client));
        if !Counter::take(store, batch, &network, DAY, now, settings.per_network).await? {
            return Ok(false);
        }
        for organisation in organisations(held, free) {
            let name = format!("release organisation {organisation}");
            if !Counter::take(store, batch, &name, DAY, now, settings.per_organisation).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The places that `slot` means.
pub(super) fn places(held: &Held, slot: u16) -> impl Iterator<Item = usize> {
    let all = slot == ALL_RECIPIENTS;
    (0..held.recipients.len()).filter(move |place| all || *place == usize::from(slot))
}

/// Those of them in this state.
pub(super) fn chosen(held: &Held, slot: u16, state: State) -> Vec<usize> {
    places(held, slot).filter(|place| held.recipients[*place].state == state).collect()
}

/// Whose recipients these are, each once.
pub(super) fn organisations(held: &Held, places: &[usize]) -> Vec<OrganisationId> {
    let mut all: Vec<OrganisationId> =
        places.iter().map(|place| held.recipients[*place].organisation.clone()).collect();
    all.sort_unstable();
    all.dedup();
    all
}

//! "I lost my link": fresh links by letter, to an address that a held mail
//! proved, and to no other.
//!
//! Who asks is not known, so nothing may be learnt from the answer: the page
//! says the same to all, and calls this without waiting for it (ATTACKS
//! L-22). Three letters an hour to an address, three an hour for a network.

use uuid::Uuid;

use super::budget::take_lost;
use super::case::{has_door, kind_of};
use super::may_notify::Spent;
use super::{Facts, Notices, PathKind, letter, may_notify};
use crate::mail::Address;
use crate::quarantine::{Held, State};
use crate::reputation::Network;
use crate::store::{Batch, Fault, Index, Refusal};

/// Ids of held messages that are listed for one address.
const LISTED: usize = 5_000;
/// Records that are looked at, the latest.
const LOOKED_AT: usize = 200;
/// Links in one letter: the latest.
const LINKS: usize = 10;
/// How often the letter is tried again when another change came first.
const TRIES: usize = 4;

impl Notices {
    /// Sends a letter with fresh links to the held messages of `address`, if
    /// any held mail proved it. Does nothing, silently, in all other cases.
    /// Its time tells what it found: call it detached from the page.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write.
    pub async fn send_lost(&self, address: &str, network: Network) -> Result<(), Fault> {
        let tools = &self.inner.tools;
        let Ok(asked) = Address::parse(address.trim()) else { return Ok(()) };
        for _ in 0..TRIES {
            let mut batch = Batch::new();
            let subjects = [asked.base().to_string(), network.to_string()];
            let subjects = [subjects[0].as_str(), subjects[1].as_str()];
            let limit = self.inner.settings.lost;
            if !take_lost(&tools.store, &mut batch, &subjects, self.now(), limit).await? {
                return Ok(());
            }
            // The count is kept whatever is found, so that both cases are limited alike.
            let sent = self.lost_letter(&mut batch, &asked).await?;
            match tools.store.commit(batch).await {
                Ok(_) => {
                    if let Some(held) = sent {
                        tools.maillog.told(held, "lost");
                        tools.queue.wake();
                    }
                    return Ok(());
                }
                Err(Refusal::Conflict(_)) => {}
                Err(refusal) => return Err(Fault::Unavailable(refusal.to_string())),
            }
        }
        Ok(())
    }

    /// Puts the letter into `batch`, if there is anything to write about and
    /// it may be written; answers the latest held message that it names.
    async fn lost_letter(&self, batch: &mut Batch, asked: &Address) -> Result<Option<Uuid>, Fault> {
        let waiting = self.waiting_of(asked).await?;
        let Some(latest) = waiting.last() else { return Ok(None) };
        // The address that was proved, not the one that was typed.
        let Some(to) = latest.rfc5322_from.clone() else { return Ok(None) };
        let tools = &self.inner.tools;
        let first = latest.slots(State::Held).next().map(|slot| &latest.recipients[slot]);
        let organisation = first.and_then(|one| tools.directory.organisation(&one.organisation));
        let Some(organisation) = organisation else { return Ok(None) };
        if may_notify(&self.lost_facts(latest, &to).await?).is_err() {
            return Ok(None);
        }
        let id = Uuid::now_v7();
        let (held, about) = (latest.id, waiting.len().saturating_sub(LINKS));
        let all: Vec<(Held, String)> = waiting[about..]
            .iter()
            .map(|held| {
                let own = held.slots(State::Held).next().and_then(|slot| {
                    tools.directory.organisation(&held.recipients[slot].organisation)
                });
                (held.clone(), self.link(held, own.as_ref().unwrap_or(&organisation)))
            })
            .collect();
        let frame = self.frame(id, &organisation, &to);
        let Some(bytes) = self.signed(held, &letter::lost(&frame, &all)) else { return Ok(None) };
        self.post(batch, id, held, &to, bytes);
        Ok(Some(held))
    }

    /// What still waits of a proved sender and has a door, the oldest first.
    async fn waiting_of(&self, asked: &Address) -> Result<Vec<Held>, Fault> {
        let tools = &self.inner.tools;
        let mut prefix = asked.base().to_string().into_bytes();
        prefix.push(0);
        let ids = tools.store.referred_by(Index::HeldBySender, &prefix, LISTED).await?;
        let mut waiting = Vec::new();
        for id in &ids[ids.len().saturating_sub(LOOKED_AT)..] {
            if let Some(row) = tools.store.find::<Held>(id).await? {
                let held = row.record;
                let waits = held.slots(State::Held).next().is_some();
                if waits && held.expires_at > self.now() && has_door(&held) {
                    waiting.push(held);
                }
            }
        }
        Ok(waiting)
    }

    /// The owner of a proved address asked for it, so neither the message's
    /// kind nor the letter of today counts; readiness, breaker and suppression
    /// do, and so does the system's budget.
    pub(super) async fn lost_facts(&self, held: &Held, to: &Address) -> Result<Facts, Fault> {
        let facts = super::case::of_held(held, Some(to), &self.inner.settings);
        let (facts, _) = self.with_records(self.facts(facts), to).await?;
        let null = kind_of(&held.rfc5321_mail_from) == PathKind::Null;
        Ok(Facts {
            path: if null { PathKind::Null } else { PathKind::Plain },
            personal: true,
            score: 0.0,
            rested: true,
            to_domain: Spent { count: 0, limit: 1 },
            ..facts
        })
    }
}

//! What the delivery blocking learns from our own courier, and the lines of
//! the delivery log.
//!
//! It belongs to the batch that settles, so that no crash forgets a strike.
//! Where others write about the same provider all the time it is written
//! behind that batch instead: an answer must not be lost to keep a count.

use super::settle::newly;
use super::{Delivery, Tools};
use crate::mail::Message;
use crate::queue::item::{Item, ItemState};
use crate::queue::{Claimed, Outcome, Report};
use crate::suppression::classify::Class;
use crate::suppression::event::Outcome as Logged;
use crate::suppression::{NOT_SENT, Noted, OWN};

impl Delivery {
    /// What an attempt came to, for each who waited.
    pub(super) fn outcomes(
        &self,
        claimed: &Claimed,
        item: &Item,
        reports: &[Report],
        about: Option<&Message>,
    ) -> Vec<Noted> {
        let host = self.inner.settings.host.to_string();
        let now = self.inner.tools.clock.now();
        let pairs = newly(claimed.item(), item).zip(reports);
        let noted = pairs.map(|(one, report)| {
            let outcome = match one.state {
                ItemState::Delivered => Logged::Succeeded,
                ItemState::Waiting => Logged::Deferred,
                ItemState::Failed if report.reply == NOT_SENT => Logged::Blocked,
                ItemState::Failed => Logged::Failed,
            };
            let mut noted = Noted::new(OWN, one.address.clone(), now, outcome);
            noted = noted.answered(None, &report.reply);
            if outcome == Logged::Blocked {
                noted.class = Class::None;
            } else if outcome != Logged::Succeeded && report.server == host {
                // An answer of our own says nothing of the address.
                noted.class = Class::Other;
            } else if outcome == Logged::Failed && report.outcome == Outcome::Transient {
                noted.class = given_up(noted.class);
            }
            noted.id = format!("{} {}", item.id, claimed.item().generation);
            noted.return_path = item.mail_from.to_string();
            if let Some(about) = about {
                noted.subject = about.text("Subject").unwrap_or_default();
                about.message_id().unwrap_or_default().clone_into(&mut noted.message_id);
                noted.sender = about.from_display().map(|shown| shown.address).unwrap_or_default();
            }
            noted
        });
        noted.collect()
    }

    /// Notes outcomes behind the batch that settled them.
    pub(super) async fn note_behind(&self, outcomes: &[Noted]) {
        let Tools { suppression, maillog, .. } = &self.inner.tools;
        for noted in outcomes {
            if let Err(fault) = suppression.note(noted).await {
                maillog.step_failed("suppression", &fault.to_string());
            }
        }
    }
}

/// What it means when the last of many tries failed for a time.
fn given_up(class: Class) -> Class {
    match class {
        Class::MailboxFull | Class::OurFault | Class::Content => class,
        _ => Class::ResendTimeout,
    }
}

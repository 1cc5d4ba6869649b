//! The one batch behind an attempt: the item, the held copies, and what
//! follows from a failure.

use std::time::Duration;

use tokio::time::sleep;
use uuid::Uuid;

use super::{AGAIN, Delivery, Stopped, TRIES, Tools, is_claim};
use crate::clock::Timestamp;
use crate::failpoint;
use crate::mail::Message;
use crate::mail::bounce::Failure;
use crate::maillog::Maillog;
use crate::notice::{LetterSettled, Refused};
use crate::quarantine::{Held, Outcome as Heard, State};
use crate::queue::item::{Item, ItemRecipient, ItemState, Kind};
use crate::queue::{Claimed, Outcome, Report};
use crate::reputation::Vote;
use crate::store::{Batch, Fault, Refusal};
use crate::suppression::NOT_SENT;
use crate::suppression::classify::classify;

/// Tries with what is learnt in the same batch; then others write about the
/// same provider all the time, and it is written behind.
const TOGETHER: usize = 4;

/// What telling senders came to, for the log.
#[derive(Default)]
struct Told {
    letters: Vec<LetterSettled>,
    /// Why the sender of accepted mail that failed is not told.
    withheld: Option<Refused>,
}

impl Told {
    fn log(&self, maillog: &Maillog, item: Uuid) {
        self.letters.iter().for_each(|letter| letter.log(maillog));
        if let Some(refused) = self.withheld {
            maillog.dsn_withheld(item, &refused.to_string());
        }
    }
}

impl Delivery {
    /// Writes what an attempt came to. `reports` are for those who waited, in
    /// their order; `about` is the message, where it could be read.
    pub(super) async fn settle(
        &self,
        claimed: &Claimed,
        reports: &[Report],
        about: Option<&Message>,
    ) -> Result<(), Stopped> {
        let store = &self.inner.tools.store;
        failpoint::pass("courier-answered");
        // The breaker is one record: side by side they would only conflict.
        let _alone =
            if counts(claimed.item()) { Some(self.inner.settling.lock().await) } else { None };
        for attempt in 0..TRIES {
            let mut batch = Batch::new();
            batch.patient();
            let settled = self.write(&mut batch, claimed, reports, about, attempt < TOGETHER).await;
            let refusal = match settled {
                Ok((item, told)) => match store.commit(batch).await {
                    Ok(_) => {
                        failpoint::pass("courier-settled");
                        self.log(claimed, &item, reports);
                        if attempt >= TOGETHER {
                            let outcomes = self.outcomes(claimed, &item, reports, about);
                            self.note_behind(&outcomes).await;
                        }
                        told.log(&self.inner.tools.maillog, item.id);
                        self.inner.tools.queue.wake();
                        return Ok(());
                    }
                    Err(refusal) => refusal,
                },
                Err(fault) => Refusal::Unavailable(fault.to_string()),
            };
            match refusal {
                Refusal::Conflict(key) if is_claim(&key, claimed.item()) => {
                    return Err(Stopped::Lost);
                }
                Refusal::Conflict(_) => {}
                // The server's answer is known here only: worth some patience.
                _ => sleep(AGAIN).await,
            }
        }
        let words = "what the server answered could not be written down";
        Err(Fault::Unavailable(words.to_owned()).into())
    }

    async fn write(
        &self,
        batch: &mut Batch,
        claimed: &Claimed,
        reports: &[Report],
        about: Option<&Message>,
        learn: bool,
    ) -> Result<(Item, Told), Fault> {
        let Tools { queue, clock, notices, directory, suppression, .. } = &self.inner.tools;
        let now = clock.now();
        let held = self.held(claimed.item()).await?;
        let keep_until = held.as_ref().map(|row| row.record.expires_at);
        let item = queue.settle(batch, claimed, reports, keep_until);
        if let Some(row) = held {
            let mut record = row.record.clone();
            mark(&mut record, claimed.item(), &item, reports, now);
            batch.update(&row, &record);
        }
        let mut told = Told::default();
        match item.kind {
            Kind::Accepted => {
                let mut failed = newly(claimed.item(), &item).collect::<Vec<_>>();
                failed.retain(|one| one.state == ItemState::Failed);
                if let Some(about) = about.filter(|_| !failed.is_empty()) {
                    let dsn = notices.tell_undelivered(batch, &item, &failed, about).await?;
                    told.withheld = dsn.err();
                }
            }
            // A letter, or the DSN that stands for one. Digests would make the
            // breaker forget what came of letters to senders.
            Kind::Letter | Kind::Dsn if counts(&item) => {
                for (one, report) in newly(claimed.item(), &item).zip(reports) {
                    // Five days of 4xx say nothing of the address.
                    // And a letter that was not sent says nothing at all.
                    if report.outcome != Outcome::Transient && report.reply != NOT_SENT {
                        let bounced = report.outcome == Outcome::Permanent;
                        let to = one.address.to_string();
                        let class = classify(&Failure::of_reply(&to, None, &report.reply));
                        let settled =
                            notices.letter_settled_as(batch, &one.address, bounced, class).await?;
                        told.letters.push(settled);
                    }
                }
            }
            Kind::Letter | Kind::Dsn => {}
            // The sender of a released message has his page; whoever got it
            // may still say what he thinks of it.
            Kind::Release => {
                let newly = newly(claimed.item(), &item);
                for one in newly.filter(|one| one.state == ItemState::Delivered) {
                    let mailbox = directory.mailbox(&one.address);
                    batch.insert(&Vote::of_silence(item.held, &mailbox, now));
                }
            }
        }
        if learn {
            let outcomes = self.outcomes(claimed, &item, reports, about);
            suppression.note_in(batch, &outcomes).await?;
        }
        Ok((item, told))
    }

    fn log(&self, claimed: &Claimed, item: &Item, reports: &[Report]) {
        let Tools { maillog, clock, .. } = &self.inner.tools;
        let waited = clock.now().duration_since(item.created_at);
        let waited = Duration::try_from(waited).unwrap_or_default();
        let (id, held) = (item.id, item.held);
        for (one, report) in newly(claimed.item(), item).zip(reports) {
            let Report { server, reply, .. } = report;
            match one.state {
                ItemState::Delivered => {
                    maillog.delivered(id, held, &one.address, server, reply, waited);
                }
                ItemState::Waiting => maillog.delivery_deferred(id, item.attempts, server, reply),
                ItemState::Failed => maillog.delivery_failed(id, held, &one.address, server, reply),
            }
        }
    }
}

/// Whether what becomes of it counts for the breaker.
fn counts(item: &Item) -> bool {
    matches!(item.kind, Kind::Letter | Kind::Dsn) && !item.is_inside()
}

/// Those who waited before the attempt, as they stand behind it.
pub(super) fn newly<'a>(
    before: &'a Item,
    after: &'a Item,
) -> impl Iterator<Item = &'a ItemRecipient> {
    let pairs = before.recipients.iter().zip(&after.recipients);
    pairs.filter(|(before, _)| before.state == ItemState::Waiting).map(|(_, after)| after)
}

/// Writes each recipient's answer into his copy.
fn mark(held: &mut Held, before: &Item, after: &Item, reports: &[Report], now: Timestamp) {
    for (one, report) in newly(before, after).zip(reports) {
        let Some(copy) = held.recipients.get_mut(usize::from(one.slot)) else { continue };
        let state = match one.state {
            ItemState::Delivered => Some(State::Delivered),
            ItemState::Failed => Some(State::Failed),
            ItemState::Waiting => None,
        };
        if let Some(state) = state
            && copy.become_state(state, now).is_err()
        {
            // Not on its way any more by its record: what the record says
            // stands.
            continue;
        }
        copy.due_at = (one.state == ItemState::Waiting).then_some(after.due_at);
        copy.outcome =
            Some(Heard { at: now, server: report.server.clone(), reply: report.reply.clone() });
        debug_assert!(report.outcome != Outcome::Delivered || state == Some(State::Delivered));
    }
}

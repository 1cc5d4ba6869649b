//! How the sender is told: never backscatter, never silence.
//!
//! [`may_notify`] is one pure function that refuses by default; the budget
//! and the breaker bound what it allows; [`reply`] makes the one line of the
//! 550. A letter is written in the batch of what it follows from. Trusted is
//! only what the filter proved; nothing is taken from the mail's body.

mod admin_letter;
mod appeal_letter;
mod bounce;
mod breaker;
mod budget;
mod case;
mod digest;
mod expiry;
mod letter;
mod lost;
pub mod may_notify;
mod recipient_letter;
pub mod reply;
mod report;
mod return_path;
pub mod sign;
#[cfg(test)]
mod tests;
mod undelivered;
mod words;

pub use admin_letter::Waiting;
pub use appeal_letter::AppealStep;
pub use bounce::LetterSettled;
pub use breaker::Breaker;
pub use budget::LastLetter;
pub use case::Case;
pub use may_notify::{Facts, PathKind, Refused, may_notify};
pub use sign::{SignError, Signer, dkim_path, generate_dkim};
pub use words::languages;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use uuid::Uuid;

use crate::clock::{Clock, Timestamp};
use crate::directory::{Directory, Organisation, Told};
use crate::link::{ALL_RECIPIENTS, Links, Purpose, Token};
use crate::mail::{Address, Domain, Reply, ReversePath};
use crate::maillog::Maillog;
use crate::quarantine::{Held, State, Telling};
use crate::queue::{Draft, Item, Kind, Queue};
use crate::store::{Batch, Body, Fault, Record, Refusal, Row, Store};
use crate::suppression::Suppression;
use budget::{Inbound, Ledger};
use case::Channel;

/// What the operator decides about letters.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `notice.domain`: letters come from `notices@` it.
    pub domain: Domain,
    /// From this score on no letter is written.
    pub ceiling: f32,
    /// Letters to one sender domain in an hour.
    pub per_domain: u32,
    /// Letters of the whole system in an hour, if that is more than 1 % of
    /// inbound.
    pub in_all: u32,
    /// `/lost` letters in an hour, per address and per network.
    pub lost: u32,
}

impl Settings {
    pub fn new(domain: Domain) -> Self {
        Self { domain, ceiling: 15.0, per_domain: 10, in_all: 200, lost: 3 }
    }
}

/// What [`Notices`] works with.
#[derive(Clone)]
pub struct Tools {
    pub store: Store,
    pub clock: Clock,
    pub links: Links,
    pub directory: Directory,
    pub queue: Queue,
    pub suppression: Suppression,
    pub signer: Signer,
    pub maillog: Maillog,
}

/// Tells senders. Clones share everything.
#[derive(Clone)]
pub struct Notices {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    tools: Tools,
    /// `notice.ready`: SPF, DKIM, DMARC and PTR of the notice domain were seen
    /// right.
    ready: AtomicBool,
    inbound: Inbound,
    /// The address that [`Notices::tidy`] looked at last.
    tidied: Mutex<Vec<u8>>,
    desk: report::Desk,
}

impl Notices {
    /// No letter goes out before [`Notices::set_ready`].
    pub fn new(settings: Settings, tools: Tools) -> Self {
        let inner = Inner {
            settings,
            tools,
            ready: AtomicBool::new(false),
            inbound: Inbound::default(),
            tidied: Mutex::default(),
            desk: report::Desk::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Whether the notice domain's DNS was seen right, so that letters may go
    /// out.
    pub fn set_ready(&self, ready: bool) {
        self.inner.ready.store(ready, Ordering::Relaxed);
    }

    /// A message came in: the system's budget of letters is a share of these.
    pub fn count_inbound(&self) {
        self.inner.inbound.count(self.now());
    }

    /// Forgets letters that no budget asks for any more: looks at the next
    /// `limit` addresses, and answers how many it removed.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write.
    pub async fn tidy(&self, limit: usize) -> Result<usize, Fault> {
        let Inner { tools, tidied, .. } = &*self.inner;
        let after = tidied.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let rows: Vec<Row<LastLetter>> = tools.store.page(&after, limit).await?;
        // Behind the last address the next look begins at the first again.
        let next = if rows.len() < limit { None } else { rows.last() };
        let next = next.map(|row| row.record.key()).unwrap_or_default();
        let mut removed = 0;
        for row in rows.iter().filter(|row| row.record.is_over(self.now())) {
            let mut batch = Batch::new();
            batch.remove(row);
            match tools.store.commit(batch).await {
                Ok(_) => removed += 1,
                // A letter was written meanwhile.
                Err(Refusal::Conflict(_)) => {}
                Err(refusal) => return Err(Fault::Unavailable(refusal.to_string())),
            }
        }
        *tidied.lock().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(removed)
    }

    /// Decides how the sender of `held` is told, writes it into the record
    /// (`telling`) and into the batch that holds it (letter, queue item,
    /// budget), and answers the SMTP reply: 250, or 550 with the link.
    ///
    /// If the batch meets a conflict, hold and tell again in a fresh one: the
    /// last letter of a budget may have gone to somebody else.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read budgets.
    pub async fn tell(
        &self,
        batch: &mut Batch,
        held: &mut Held,
        case: &Case<'_>,
    ) -> Result<Reply, Fault> {
        let channel = case.channel(held);
        let letter = channel.tries_letter() && self.write_letter(batch, held, case).await?;
        let (telling, reply) = match channel {
            _ if letter => (Telling::Letter, reply::held(held.reference)),
            Channel::NoLink => (Telling::Reply, reply::refused(held.reference)),
            Channel::Silent | Channel::LetterOnly => (Telling::Untold, reply::held(held.reference)),
            Channel::Session(told) | Channel::LetterOr(told) => {
                (Telling::Reply, self.with_link(held, case.organisation, told))
            }
        };
        held.telling = telling;
        Ok(reply)
    }

    /// The answer to a repeat of a message that is still held: the same as
    /// before, with the same link (DESIGN section 2.6).
    pub fn reply_again(&self, held: &Held) -> Reply {
        if held.telling != Telling::Reply {
            return reply::held(held.reference);
        }
        let first = held.slots(State::Held).next().map(|slot| &held.recipients[slot].organisation);
        let directory = &self.inner.tools.directory;
        match first.and_then(|id| directory.organisation(id)) {
            Some(organisation) if case::has_door(held) => {
                self.with_link(held, &organisation, organisation.told)
            }
            _ => reply::refused(held.reference),
        }
    }

    /// The one link that all held recipients of the transaction share.
    pub fn link(&self, held: &Held, organisation: &Organisation) -> String {
        let token = Token {
            purpose: Purpose::Release,
            subject: held.id,
            slot: ALL_RECIPIENTS,
            expires: held.expires_at,
        };
        self.inner.tools.links.url(organisation.host.as_deref(), &token)
    }

    /// The header field by which the recipient in `slot` can report a message
    /// that is delivered to him now; empty if nobody takes reports.
    pub fn report_field(&self, held: &Held, slot: u16) -> String {
        let tools = &self.inner.tools;
        let copy = held.recipients.get(usize::from(slot));
        let organisation = copy.and_then(|one| tools.directory.organisation(&one.organisation));
        let (Some(organisation), Some(_)) = (organisation, self.people()) else {
            return String::new();
        };
        let expires = self.now() + crate::reputation::flag::UNDOABLE;
        let token = Token { purpose: Purpose::Flag, subject: held.id, slot, expires };
        let url = tools.links.url(organisation.host.as_deref(), &token);
        format!("{}:\r\n <{url}>\r\n", crate::mail::complaint::REPORT_FIELD)
    }

    fn with_link(&self, held: &Held, organisation: &Organisation, told: Told) -> Reply {
        let link = self.link(held, organisation);
        match told {
            Told::Defer => reply::deferred_with_link(held.reference, &link),
            Told::Letter | Told::Reply => reply::held_with_link(held.reference, &link),
        }
    }

    /// Puts a letter into `batch` if it may be written; `false` if not.
    async fn write_letter(
        &self,
        batch: &mut Batch,
        held: &Held,
        case: &Case<'_>,
    ) -> Result<bool, Fault> {
        let Some(to) = held.rfc5322_from.as_ref() else { return Ok(false) };
        let facts = case.facts(held, &self.inner.settings);
        let Ok(ledger) = self.permit(facts, to).await? else { return Ok(false) };
        let id = Uuid::now_v7();
        let link = self.link(held, case.organisation);
        let frame = self.frame(id, case.organisation, to);
        let Some(bytes) = self.signed(held.id, &letter::waiting(&frame, held, &link)) else {
            return Ok(false);
        };
        let tools = &self.inner.tools;
        if !ledger.take(&tools.store, batch, frame.now).await? {
            return Ok(false);
        }
        self.post(batch, id, held.id, to, bytes);
        Ok(true)
    }

    /// Asks [`may_notify`] with what the records say; they are not read for
    /// nothing. Allowed, the budgets that the letter takes from.
    async fn permit(&self, facts: Facts, to: &Address) -> Result<Result<Ledger, Refused>, Fault> {
        let facts = self.facts(facts);
        if let Err(refused) = may_notify(&facts.at_best()) {
            return Ok(Err(refused));
        }
        let (facts, ledger) = self.with_records(facts, to).await?;
        Ok(may_notify(&facts).map(|()| ledger))
    }

    /// The facts that this module knows without the store.
    fn facts(&self, facts: Facts) -> Facts {
        Facts { ready: self.is_ready(), ..facts }
    }

    /// Whether the notice domain was seen right and letters can be signed.
    fn is_ready(&self) -> bool {
        self.inner.ready.load(Ordering::Relaxed) && self.inner.tools.signer.is_able()
    }

    /// The facts with what the records say of breaker, suppression, budgets.
    async fn with_records(&self, facts: Facts, to: &Address) -> Result<(Facts, Ledger), Fault> {
        let tools = &self.inner.tools;
        let settings = &self.inner.settings;
        let now = self.now();
        let in_all = self.inner.inbound.letters(now, settings.in_all);
        let ledger = Ledger::read(&tools.store, to, now, (settings.per_domain, in_all)).await?;
        let facts = Facts {
            breaker_closed: !self.breaker().await?.is_open(),
            welcome: !tools.suppression.covers(to).await?,
            rested: ledger.rested,
            to_domain: ledger.to_domain,
            in_all: ledger.in_all,
            ..facts
        };
        Ok((facts, ledger))
    }

    fn frame<'a>(
        &'a self,
        id: Uuid,
        organisation: &'a Organisation,
        to: &'a Address,
    ) -> letter::Frame<'a> {
        letter::Frame { id, now: self.now(), domain: &self.inner.settings.domain, organisation, to }
    }

    /// The letter with its signatures; a failure is logged, and the sender is
    /// told otherwise.
    fn signed(&self, held: Uuid, message: &[u8]) -> Option<Bytes> {
        let tools = &self.inner.tools;
        let signed = tools.signer.sign(message);
        signed
            .map_err(|error| tools.maillog.letter_failed(held, &error.to_string()))
            .map(Bytes::from)
            .ok()
    }

    /// Puts the letter's body and its queue item into `batch`.
    fn post(&self, batch: &mut Batch, id: Uuid, held: Uuid, to: &Address, bytes: Bytes) {
        let tools = &self.inner.tools;
        let path = return_path::make(tools.links.ring(), held, &self.inner.settings.domain);
        let item = tools.queue.draft(Draft {
            kind: Kind::Letter,
            held,
            body: id,
            // Without a path of its own nobody could answer for the bounce.
            mail_from: path.map_or(ReversePath::Null, ReversePath::Address),
            recipients: vec![(to.clone(), ALL_RECIPIENTS)],
            trace: String::new(),
            eight_bit: false,
            smtputf8: false,
            due_at: self.now(),
        });
        self.enqueue(batch, &item, bytes);
    }

    /// The same for a DSN, signed, from the null path (RFC 5321 section
    /// 4.5.5), with what it takes from the budgets.
    async fn post_dsn(
        &self,
        batch: &mut Batch,
        ledger: &Ledger,
        (id, held): (Uuid, Uuid),
        to: &Address,
        written: &[u8],
    ) -> Result<Result<(), Refused>, Fault> {
        let tools = &self.inner.tools;
        let Some(bytes) = self.signed(held, written) else { return Ok(Err(Refused::NotReady)) };
        if !ledger.take(&tools.store, batch, self.now()).await? {
            return Ok(Err(Refused::Budget));
        }
        let item = tools.queue.draft(Draft {
            kind: Kind::Dsn,
            held,
            body: id,
            mail_from: ReversePath::Null,
            recipients: vec![(to.clone(), ALL_RECIPIENTS)],
            trace: String::new(),
            eight_bit: false,
            smtputf8: false,
            due_at: self.now(),
        });
        self.enqueue(batch, &item, bytes);
        Ok(Ok(()))
    }

    /// Letters and DSNs come from this address.
    fn own_address(&self) -> Option<Address> {
        Address::parse(&format!("notices@{}", self.inner.settings.domain)).ok()
    }

    fn enqueue(&self, batch: &mut Batch, item: &Item, content: Bytes) {
        let queue = &self.inner.tools.queue;
        batch.body(Body { id: item.body, expires: queue.body_expires(item), content });
        queue.enqueue(batch, item);
    }

    fn now(&self) -> Timestamp {
        self.inner.tools.clock.now()
    }
}

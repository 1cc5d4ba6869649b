//! Brings what waits in the queue to its servers, and settles what they said.
//!
//! One step claims what is due and attempts it: a released message is scanned
//! once more and its blocks are looked at again; then the courier is asked
//! once; then one batch writes the answer into the item, into the held
//! message, and into what follows from a failure. A crash between a server's
//! 250 and that batch repeats one attempt (RFC 5321 section 4.5.5 allows a
//! duplicate, never a loss), and the log counts it.

mod learn;
mod released;
mod settle;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Mutex;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::released::Prepared;
use crate::clock::{Clock, SignedDuration};
use crate::directory::Directory;
use crate::filter::Filter;
use crate::link::{KeyRing, mark};
use crate::mail::{Address, Domain, Message};
use crate::maillog::Maillog;
use crate::notice::Notices;
use crate::quarantine::{Held, State, stored};
use crate::queue::item::{Item, ItemState, Kind};
use crate::queue::{Claimed, Courier, Outcome, Parcel, Queue, Report};
use crate::reputation::Reputation;
use crate::store::{Batch, Fault, Record, Refusal, Row, Store};
use crate::suppression::{NOT_SENT, Suppression};

/// How often a decision is made again when another came first.
const TRIES: usize = 8;
/// When an item's next hop has no place free, it is looked at again after this.
const BUSY: SignedDuration = SignedDuration::from_secs(5);
/// How long the mark of an attempt is worth something: an MTA on the way may
/// keep the message in its queue.
const MARKED: SignedDuration = SignedDuration::from_hours(5 * 24);
/// Between two attempts to write an answer down.
const AGAIN: Duration = Duration::from_secs(1);

/// How much is attempted at the same time.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Loops of [`Delivery::run`]; more than the places at any one next hop,
    /// or one that hangs could stop all (ATTACKS R-06).
    pub workers: usize,
    /// Items that one step claims.
    pub batch: usize,
    /// Our name, where an answer is of our own making.
    pub host: Domain,
}

impl Settings {
    pub fn new(host: Domain) -> Self {
        Self { workers: 16, batch: 8, host }
    }
}

/// What [`Delivery`] works with.
#[derive(Clone)]
pub struct Tools {
    pub store: Store,
    pub clock: Clock,
    pub queue: Queue,
    pub courier: Courier,
    pub filter: Filter,
    pub directory: Directory,
    pub reputation: Reputation,
    /// Whom nobody writes to, and who learns from every answer.
    pub suppression: Suppression,
    /// Hears what became of its letters, and writes DSNs.
    pub notices: Notices,
    pub maillog: Maillog,
    /// Whose keys mark what we send, so that a milter of ours lets it pass once.
    pub marks: KeyRing,
}

/// The worker. Clones share everything.
#[derive(Clone)]
pub struct Delivery {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    tools: Tools,
    /// Claims of this process are made one behind the other: side by side
    /// they would all see the same first items, and all but one lose.
    claiming: Mutex<()>,
    /// And so are the answers to letters to senders.
    settling: Mutex<()>,
}

/// Why an attempt went no further.
enum Stopped {
    /// Somebody else has the item now, or it is gone.
    Lost,
    Fault(Fault),
}

impl From<Fault> for Stopped {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Delivery {
    pub fn new(settings: Settings, tools: Tools) -> Self {
        let inner =
            Inner { settings, tools, claiming: Mutex::default(), settling: Mutex::default() };
        Self { inner: Arc::new(inner) }
    }

    /// Claims what is due, attempts it, and settles it; answers how many
    /// items it claimed, 0 when nothing is due.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write; what was claimed is
    /// attempted again when its lease has run out.
    pub async fn step(&self) -> Result<usize, Fault> {
        let Inner { settings, tools, claiming, .. } = &*self.inner;
        let claims = {
            let _alone = claiming.lock().await;
            tools.queue.claim(settings.batch).await?
        };
        let claimed = claims.len();
        join_all(claims.into_iter().map(|claim| self.attempt(claim))).await;
        Ok(claimed)
    }

    /// Steps until `stop`: then what is being attempted is finished, and
    /// nothing new is begun.
    pub async fn run(&self, stop: &CancellationToken) {
        let workers = (0..self.inner.settings.workers).map(|_| self.work(stop));
        join_all(workers).await;
    }

    async fn work(&self, stop: &CancellationToken) {
        let Tools { queue, courier, maillog, .. } = &self.inner.tools;
        while !stop.is_cancelled() {
            let pause = async {
                match self.step().await {
                    Ok(0) => {
                        courier.sweep();
                        return true;
                    }
                    Ok(_) => {}
                    Err(fault) => {
                        maillog.step_failed("delivery", &fault.to_string());
                        sleep(AGAIN).await;
                    }
                }
                false
            };
            if pause.await {
                tokio::select! {
                    () = queue.woken() => {}
                    () = stop.cancelled() => {}
                }
            }
        }
    }

    /// An administrator's retry: what failed waits again, what waits is due
    /// now. `false`: there is no such item, or a worker has it right now.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write.
    pub async fn retry(
        &self,
        item: Uuid,
        also: &(dyn Fn(&mut Batch) + Sync),
    ) -> Result<bool, Fault> {
        let Tools { store, clock, queue, .. } = &self.inner.tools;
        for _ in 0..TRIES {
            let mut batch = Batch::new();
            let Some(row) = queue.find(item).await? else { return Ok(false) };
            let Some(fresh) = queue.retry(&mut batch, &row) else { return Ok(false) };
            if let Some(held) = self.held(&fresh).await? {
                let mut record = held.record.clone();
                for one in fresh.recipients.iter().filter(|one| one.state == ItemState::Waiting) {
                    let copy = record.recipients.get_mut(usize::from(one.slot));
                    if let Some(copy) = copy.filter(|copy| copy.state == State::Failed) {
                        // Failed -> Released is legal.
                        let _ = copy.become_state(State::Released, clock.now());
                        copy.due_at = Some(fresh.due_at);
                    }
                }
                batch.update(&held, &record);
            }
            also(&mut batch);
            match store.commit(batch).await {
                Ok(_) => {
                    queue.wake();
                    return Ok(true);
                }
                Err(Refusal::Conflict(_)) => {}
                Err(refusal) => return Err(Fault::Unavailable(refusal.to_string())),
            }
        }
        Err(Fault::Unavailable("the item changes all the time".to_owned()))
    }

    async fn attempt(&self, claimed: Claimed) {
        let id = claimed.item().id;
        match self.deliver(claimed).await {
            Ok(()) | Err(Stopped::Lost) => {}
            Err(Stopped::Fault(fault)) => {
                let words = format!("item {id}: {fault}");
                self.inner.tools.maillog.step_failed("delivery", &words);
            }
        }
    }

    /// One attempt: ready the message, ask the courier, settle.
    async fn deliver(&self, mut claimed: Claimed) -> Result<(), Stopped> {
        let Tools { store, courier, maillog, clock, .. } = &self.inner.tools;
        if claimed.interrupted {
            maillog.delivery_repeated(claimed.item().id);
        }
        let Some(place) = courier.reserve(&waiting(claimed.item())) else {
            return self.postpone(&claimed, clock.now() + BUSY).await;
        };
        let Some(bytes) = store.body(claimed.item().body).await? else {
            let gone = "554 5.3.0 Not sent: the message is not stored any more";
            return self
                .settle(&claimed, &self.ours(&claimed, Outcome::Permanent, gone), None)
                .await;
        };
        let message = match claimed.item().kind {
            Kind::Letter | Kind::Dsn => Message::new(bytes),
            Kind::Accepted => stored::read(&bytes)?.1,
            Kind::Release => {
                let (envelope, message) = stored::read(&bytes)?;
                match self.prepare(claimed, &envelope, &message).await? {
                    Prepared::Ready(prepared) => claimed = prepared,
                    Prepared::Over => return Ok(()),
                    Prepared::Later(claimed, why) => {
                        let reports = self.ours(&claimed, Outcome::Transient, &why);
                        return self.settle(&claimed, &reports, Some(&message)).await;
                    }
                }
                message
            }
        };
        let reports = self.carry(&mut claimed, &message, place).await?;
        self.settle(&claimed, &reports, Some(&message)).await
    }

    /// Asks the courier about those who may be written to. The others get an
    /// answer of our own: who caused the message sees it where he sees all
    /// answers.
    async fn carry(
        &self,
        claimed: &mut Claimed,
        message: &Message,
        place: crate::queue::courier::Place,
    ) -> Result<Vec<Report>, Stopped> {
        let everybody = waiting(claimed.item());
        let mut blocked = Vec::with_capacity(everybody.len());
        for address in &everybody {
            blocked.push(self.inner.tools.suppression.covers(address).await?);
        }
        let pairs = everybody.into_iter().zip(&blocked);
        let open: Vec<Address> = pairs.filter(|(_, no)| !**no).map(|(one, _)| one).collect();
        let mut answers = if open.is_empty() {
            Vec::new()
        } else {
            self.carry_to(claimed, message, place, &open).await?
        }
        .into_iter();
        let host = self.inner.settings.host.to_string();
        let not_sent = || Report::new(Outcome::Permanent, host.clone(), NOT_SENT);
        let answer = |no| if no { not_sent() } else { answers.next().unwrap_or_else(not_sent) };
        Ok(blocked.into_iter().map(answer).collect())
    }

    /// Asks the courier, and keeps the lease while he is on his way.
    async fn carry_to(
        &self,
        claimed: &mut Claimed,
        message: &Message,
        place: crate::queue::courier::Place,
        recipients: &[Address],
    ) -> Result<Vec<Report>, Stopped> {
        let Tools { queue, courier, .. } = &self.inner.tools;
        let item = claimed.item().clone();
        let head = self.marked(&item, message, recipients) + &self.report_field(&item).await?;
        let parcel = Parcel {
            mail_from: &item.mail_from,
            recipients,
            head: head.as_bytes(),
            body: message.bytes(),
            eight_bit: item.eight_bit,
            smtputf8: item.smtputf8,
        };
        let mut delivering = std::pin::pin!(courier.deliver(&parcel, place));
        let mut renewal = interval(queue.renewal());
        renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
        renewal.tick().await;
        loop {
            tokio::select! {
                reports = &mut delivering => return Ok(reports),
                _ = renewal.tick() => {
                    // While the store does not answer, the lease may run out:
                    // then the item is delivered twice, which beats never.
                    if let Ok(false) = queue.renew(claimed).await {
                        return Err(Stopped::Lost);
                    }
                }
            }
        }
    }

    /// The trace behind our mark: a milter of ours may see the message on its
    /// way, and the next hop may trust what was freed.
    fn marked(&self, item: &Item, message: &Message, to: &[Address]) -> String {
        let expires = self.inner.tools.clock.now().saturating_add(MARKED);
        let attempt = mark::Attempt {
            item: item.id,
            generation: item.generation,
            expires: expires.unwrap_or(crate::clock::Timestamp::MAX),
        };
        mark::field(&self.inner.tools.marks, &attempt, message, to.iter()) + &item.trace
    }

    /// For a released message the link by which its only recipient can report
    /// it. Of several each would need his own.
    async fn report_field(&self, item: &Item) -> Result<String, Fault> {
        match (item.recipients.as_slice(), self.held(item).await?) {
            ([only], Some(held)) => {
                Ok(self.inner.tools.notices.report_field(&held.record, only.slot))
            }
            _ => Ok(String::new()),
        }
    }

    async fn postpone(
        &self,
        claimed: &Claimed,
        due_at: crate::clock::Timestamp,
    ) -> Result<(), Stopped> {
        let mut batch = Batch::new();
        self.inner.tools.queue.postpone(&mut batch, claimed, due_at);
        match self.inner.tools.store.commit(batch).await {
            Ok(_) | Err(Refusal::Conflict(_)) => Ok(()),
            Err(refusal) => Err(Fault::Unavailable(refusal.to_string()).into()),
        }
    }

    /// The same answer for everybody, of our own making.
    fn ours(&self, claimed: &Claimed, outcome: Outcome, words: &str) -> Vec<Report> {
        let report = Report::new(outcome, self.inner.settings.host.to_string(), words);
        vec![report; waiting(claimed.item()).len()]
    }

    /// The held message that an item delivers.
    async fn held(&self, item: &Item) -> Result<Option<Row<Held>>, Fault> {
        if item.kind != Kind::Release {
            return Ok(None);
        }
        self.inner.tools.store.find(item.held.as_bytes()).await
    }
}

/// Those who wait, in the item's order.
fn waiting(item: &Item) -> Vec<Address> {
    let waiting = item.recipients.iter().filter(|one| one.state == ItemState::Waiting);
    waiting.map(|one| one.address.clone()).collect()
}

/// Whether a conflict means that the claim is lost, and not that something
/// beside it changed.
fn is_claim(key: &[u8], item: &Item) -> bool {
    key == Item::TABLE.key(&item.key())
}

#[cfg(test)]
mod tests;

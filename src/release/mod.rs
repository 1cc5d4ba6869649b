//! Who may free what, and the one batch that frees it.
//!
//! A release moves the held copies to releasing, grants standing and enqueues
//! the delivery in a single batch; two clicks, two nodes or a hundred parallel
//! POSTs make one release. Blocks beat every trust at this moment too. The
//! caller has verified the token; this module trusts nothing else he says.

mod operator;

use std::sync::Arc;

use uuid::Uuid;

use crate::clock::{Clock, SignedDuration, Timestamp};
use crate::directory::{Directory, OrganisationId, RuleAction};
use crate::failpoint;
use crate::filter::verdict::Door;
use crate::link::ALL_RECIPIENTS;
use crate::maillog::Maillog;
use crate::quarantine::held::Illegal;
use crate::quarantine::{Held, HeldRecipient, State};
use crate::queue::{Draft, Item, ItemRecipient, Kind, Queue};
use crate::reputation::{Event, Network, Regard, Reputation, Vote};
use crate::store::{Batch, Counter, Fault, Refusal, Row, Store};

/// How often a decision is made again when another came first.
const TRIES: usize = 8;
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Limits of what a sender may free.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Delay before delivery in which the sender may take it back.
    pub delay: SignedDuration,
    /// From this score on a sender who proved nothing cannot free his mail.
    pub ceiling: f32,
    /// Releases a day, nothing proved, per client network.
    pub per_network: u32,
    /// Releases a day, nothing proved, per organisation.
    pub per_organisation: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            delay: SignedDuration::from_secs(60),
            ceiling: 15.0,
            per_network: 3,
            per_organisation: 200,
        }
    }
}

/// Carries out what senders decide about their held messages. Clones share
/// the store.
#[derive(Clone)]
pub struct Releases {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    clock: Clock,
    directory: Directory,
    reputation: Reputation,
    queue: Queue,
    maillog: Maillog,
    settings: Settings,
}

/// What the sender may do about a held message now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Declare and release.
    Release,
    /// It is bulk mail, or he was barred: appeal.
    Appeal,
    /// Too suspicious for a sender who proved nothing, or with one of our own
    /// domains as sender: the recipient has been asked.
    RecipientAsked,
    /// It cannot be scanned: the recipient or his administrator decides.
    RecipientDecides,
    /// Failed DMARC with p=reject: reasons and repair, no release.
    Repair,
    /// A rule of the recipient or his organisation refuses him.
    RecipientRefuses,
    /// Today's budget of his network or the organisation is spent: tomorrow.
    Tomorrow,
    /// Nothing is held any more: see the recipients' states.
    Over,
}

/// Why a release or another decision was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Show the page again: it says what holds now.
    #[error("the message's state allows no such step now ({0:?})")]
    Now(Way),
    #[error("no such message")]
    Unknown,
    #[error(transparent)]
    Store(#[from] Fault),
}

/// What somebody asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Release,
    ReleaseByOperator,
    ReleaseByRecipient,
    TakeBack,
    Disown,
}

/// What one look at the record came to.
enum Decided {
    /// It was done before.
    Stands,
    /// The one batch, the record as it will stand, and how many copies go.
    Change { batch: Batch, held: Box<Held>, freed: usize },
}

impl Releases {
    pub fn new(
        store: Store,
        clock: Clock,
        directory: Directory,
        reputation: Reputation,
        queue: Queue,
        maillog: Maillog,
        settings: Settings,
    ) -> Self {
        let inner = Inner { store, clock, directory, reputation, queue, maillog, settings };
        Self { inner: Arc::new(inner) }
    }

    /// The record, or `None` if it was purged.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn held(&self, id: Uuid) -> Result<Option<Held>, Fault> {
        let row = self.inner.store.find::<Held>(id.as_bytes()).await?;
        Ok(row.map(|row| row.record))
    }

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

    /// Frees all copies of `slot` that may be freed: each starts its
    /// countdown. Answers the record as it stands afterwards; if it was
    /// released before, that is the answer and not an error.
    ///
    /// # Errors
    /// [`Denied`].
    pub async fn release(&self, id: Uuid, slot: u16) -> Result<Held, Denied> {
        self.decide(id, slot, Wish::Release).await
    }

    /// An operator frees all copies of `slot` that still wait, whatever the
    /// sender may do. Blocks of recipients still stand; the sender earns no
    /// standing, because he decided nothing.
    ///
    /// # Errors
    /// [`Denied`].
    pub async fn release_by_operator(&self, id: Uuid, slot: u16) -> Result<Held, Denied> {
        self.decide(id, slot, Wish::ReleaseByOperator).await
    }

    /// The recipient frees his own copy, whatever the sender may do: never
    /// malware or phishing, and not against his own or his organisation's
    /// block. Others' copies stay; the sender earns no standing.
    ///
    /// # Errors
    /// [`Denied`].
    pub async fn release_by_recipient(&self, id: Uuid, slot: usize) -> Result<Held, Denied> {
        let slot = u16::try_from(slot).map_err(|_| Denied::Unknown)?;
        self.decide(id, slot, Wish::ReleaseByRecipient).await
    }

    /// Takes back what is still in its countdown.
    ///
    /// # Errors
    /// [`Denied`].
    pub async fn take_back(&self, id: Uuid, slot: u16) -> Result<Held, Denied> {
        self.decide(id, slot, Wish::TakeBack).await
    }

    /// "I did not send it": the message becomes unreleasable by its sender,
    /// for every recipient of the transaction that it still waits for.
    ///
    /// # Errors
    /// [`Denied`].
    pub async fn disown(&self, id: Uuid, slot: u16) -> Result<Held, Denied> {
        self.decide(id, slot, Wish::Disown).await
    }

    /// Decides, carries out, and decides again if another change came first.
    async fn decide(&self, id: Uuid, slot: u16, wish: Wish) -> Result<Held, Denied> {
        for _ in 0..TRIES {
            let row = self.row(id).await?;
            let decided = match wish {
                Wish::Release => self.released(&row, slot).await?,
                Wish::ReleaseByOperator => self.released_by_operator(&row, slot)?,
                Wish::ReleaseByRecipient => self.released_by_recipient(&row, slot)?,
                Wish::TakeBack => self.taken_back(&row, slot).await?,
                Wish::Disown => self.disowned(&row, slot)?,
            };
            let Decided::Change { batch, held, freed } = decided else { return Ok(row.record) };
            failpoint::pass("release-decided");
            if self.carried_out(batch).await? {
                failpoint::pass("release-committed");
                self.log(&held, wish, freed);
                return Ok(*held);
            }
        }
        Err(Denied::Store(Fault::Unavailable("the record changes too fast; try again".to_owned())))
    }

    fn log(&self, held: &Held, wish: Wish, freed: usize) {
        let Inner { maillog, queue, reputation, .. } = &*self.inner;
        if freed > 0 && matches!(wish, Wish::Release | Wish::ReleaseByOperator) {
            reputation.history().note(&held.sender(), Event::Released);
        }
        match wish {
            Wish::Release => maillog.released(held.id, freed, held.sender().is_proved()),
            Wish::ReleaseByOperator | Wish::ReleaseByRecipient => {
                maillog.released(held.id, freed, false);
            }
            Wish::TakeBack => maillog.taken_back(held.id),
            Wish::Disown => maillog.disowned(held.id),
        }
        if freed > 0 {
            queue.wake();
        }
    }

    async fn released(&self, row: &Row<Held>, slot: u16) -> Result<Decided, Denied> {
        if already_freed(&row.record, slot) {
            return Ok(Decided::Stands);
        }
        let (way, free) = self.judge(&row.record, slot).await?;
        if way != Way::Release {
            return Err(Denied::Now(way));
        }
        let mut batch = Batch::new();
        let proved = row.record.sender().is_proved();
        if !proved && !self.spend(&mut batch, &row.record, &free).await? {
            return Err(Denied::Now(Way::Tomorrow));
        }
        let held = self.enqueue(&mut batch, row, &free)?;
        let organisations = organisations(&held, &free);
        self.inner.reputation.grant(&mut batch, &held.sender(), &organisations).await?;
        Ok(Decided::Change { batch, held: Box::new(held), freed: free.len() })
    }

    fn released_by_operator(&self, row: &Row<Held>, slot: u16) -> Result<Decided, Denied> {
        let mut free = chosen(&row.record, slot, State::Held);
        if free.is_empty() {
            return Err(Denied::Now(Way::Over));
        }
        free.retain(|place| !self.refuses(&row.record, &row.record.recipients[*place]));
        if free.is_empty() {
            return Err(Denied::Now(Way::RecipientRefuses));
        }
        let mut batch = Batch::new();
        let held = self.enqueue(&mut batch, row, &free)?;
        Ok(Decided::Change { batch, held: Box::new(held), freed: free.len() })
    }

    fn released_by_recipient(&self, row: &Row<Held>, slot: u16) -> Result<Decided, Denied> {
        let slot = usize::from(slot);
        let copy = row.record.recipients.get(slot).ok_or(Denied::Unknown)?;
        if matches!(copy.state, State::Releasing | State::Released | State::Delivered) {
            return Ok(Decided::Stands);
        }
        if copy.state != State::Held || !copy.is_shown() {
            return Err(Denied::Now(Way::Over));
        }
        if self.refuses(&row.record, copy) {
            return Err(Denied::Now(Way::RecipientRefuses));
        }
        let mut batch = Batch::new();
        let mailbox = self.inner.directory.mailbox(&copy.address);
        batch.insert(&Vote::of_release(row.record.id, &mailbox, self.inner.clock.now()));
        // He asked for it himself: nothing to take back.
        let held = self.enqueue_after(&mut batch, row, &[slot], SignedDuration::ZERO)?;
        Ok(Decided::Change { batch, held: Box::new(held), freed: 1 })
    }

    async fn taken_back(&self, row: &Row<Held>, slot: u16) -> Result<Decided, Denied> {
        let mut held = row.record.clone();
        let mut batch = Batch::new();
        if !self.stop_items(&mut batch, &mut held, slot).await? {
            return Err(Denied::Now(Way::Over));
        }
        batch.update(row, &held);
        Ok(Decided::Change { batch, held: Box::new(held), freed: 0 })
    }

    fn disowned(&self, row: &Row<Held>, slot: u16) -> Result<Decided, Denied> {
        let mut held = row.record.clone();
        let now = self.inner.clock.now();
        let waiting = chosen(&held, slot, State::Held);
        if waiting.is_empty() {
            let done = held.recipients.iter().any(|one| one.state == State::Disowned);
            return if done { Ok(Decided::Stands) } else { Err(Denied::Now(Way::Over)) };
        }
        for slot in waiting {
            held.recipients[slot].become_state(State::Disowned, now).map_err(illegal)?;
        }
        let mut batch = Batch::new();
        batch.update(row, &held);
        Ok(Decided::Change { batch, held: Box::new(held), freed: 0 })
    }

    async fn row(&self, id: Uuid) -> Result<Row<Held>, Denied> {
        self.inner.store.find::<Held>(id.as_bytes()).await?.ok_or(Denied::Unknown)
    }

    /// What may be done, and the slots that may be freed, budgets aside.
    async fn judge(&self, held: &Held, slot: u16) -> Result<(Way, Vec<usize>), Fault> {
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
                Door::Ask if one.class == crate::filter::Class::Impersonated => Way::Repair,
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
    async fn spend(&self, batch: &mut Batch, held: &Held, free: &[usize]) -> Result<bool, Fault> {
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

    /// States and queue item.
    fn enqueue(&self, batch: &mut Batch, row: &Row<Held>, free: &[usize]) -> Result<Held, Denied> {
        self.enqueue_after(batch, row, free, self.inner.settings.delay)
    }

    fn enqueue_after(
        &self,
        batch: &mut Batch,
        row: &Row<Held>,
        free: &[usize],
        delay: SignedDuration,
    ) -> Result<Held, Denied> {
        let now = self.inner.clock.now();
        let mut held = row.record.clone();
        let item = self.inner.queue.draft(delivery(&held, free, now + delay));
        for &place in free {
            let one = &mut held.recipients[place];
            one.become_state(State::Releasing, now).map_err(illegal)?;
            one.item = Some(item.id.into_bytes());
            one.due_at = Some(item.due_at);
        }
        batch.update(row, &held);
        self.inner.queue.enqueue(batch, &item);
        Ok(held)
    }

    /// Takes every copy of `slot` that is in its countdown out of its item;
    /// `false` if none was, or the courier has claimed it.
    async fn stop_items(
        &self,
        batch: &mut Batch,
        held: &mut Held,
        slot: u16,
    ) -> Result<bool, Denied> {
        let now = self.inner.clock.now();
        let mut stopped = false;
        let mut items: Vec<[u8; 16]> = chosen(held, slot, State::Releasing)
            .into_iter()
            .filter_map(|place| held.recipients[place].item)
            .collect();
        items.sort_unstable();
        items.dedup();
        for id in items {
            let Some(row) = self.inner.store.find::<Item>(&id).await? else { continue };
            if row.record.generation > 0 || row.record.due_at <= now {
                continue;
            }
            let mut dropped = Vec::new();
            for place in chosen(held, slot, State::Releasing) {
                if held.recipients[place].item == Some(id) {
                    held.recipients[place].become_state(State::Withdrawn, now).map_err(illegal)?;
                    dropped.push(place);
                    stopped = true;
                }
            }
            let gone = |one: &ItemRecipient| dropped.contains(&usize::from(one.slot));
            self.inner.queue.drop_slots(batch, &row, gone);
        }
        Ok(stopped)
    }

    /// `false`: another change came first, decide again.
    async fn carried_out(&self, batch: Batch) -> Result<bool, Denied> {
        match self.inner.store.commit(batch).await {
            Ok(_) => Ok(true),
            Err(Refusal::Conflict(_)) => Ok(false),
            Err(refusal) => Err(Denied::Store(Fault::Unavailable(refusal.to_string()))),
        }
    }
}

/// Nothing of these waits any more, and something was freed: a second
/// press of the same button.
fn already_freed(held: &Held, slot: u16) -> bool {
    let freed = |one: &HeldRecipient| {
        matches!(one.state, State::Releasing | State::Released | State::Delivered)
    };
    chosen(held, slot, State::Held).is_empty()
        && places(held, slot).any(|place| freed(&held.recipients[place]))
}

/// The delivery of these copies.
fn delivery(held: &Held, free: &[usize], due_at: Timestamp) -> Draft {
    let recipient = |&place: &usize| {
        (held.recipients[place].address.clone(), u16::try_from(place).unwrap_or(ALL_RECIPIENTS))
    };
    Draft {
        kind: Kind::Release,
        held: held.id,
        body: held.id,
        mail_from: held.rfc5321_mail_from.clone(),
        recipients: free.iter().map(recipient).collect(),
        trace: held.trace.clone(),
        eight_bit: held.eight_bit,
        smtputf8: held.smtputf8,
        due_at,
    }
}

/// The places that `slot` means.
fn places(held: &Held, slot: u16) -> impl Iterator<Item = usize> {
    let all = slot == ALL_RECIPIENTS;
    (0..held.recipients.len()).filter(move |place| all || *place == usize::from(slot))
}

fn chosen(held: &Held, slot: u16, state: State) -> Vec<usize> {
    places(held, slot).filter(|place| held.recipients[*place].state == state).collect()
}

fn organisations(held: &Held, places: &[usize]) -> Vec<OrganisationId> {
    let mut all: Vec<OrganisationId> =
        places.iter().map(|place| held.recipients[*place].organisation.clone()).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn illegal(illegal: Illegal) -> Denied {
    Denied::Store(Fault::Damaged(illegal.to_string()))
}

#[cfg(test)]
mod tests;

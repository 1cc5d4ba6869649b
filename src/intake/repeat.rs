//! The same message again (DESIGN section 2.6): while it is held a repeat
//! joins the record; once it was delivered a repeat is dropped with 250.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use uuid::Uuid;

use crate::clock::{SignedDuration, Timestamp};
use crate::mail::{Envelope, Recipient};
use crate::quarantine::{Fingerprint, Held, State};
use crate::store::{Fault, Index, Row, Store};

/// How many earlier records of one fingerprint are looked at.
const CANDIDATES: usize = 16;
/// What is passed on is remembered so long, and so many at most.
const PASSED_TIME: SignedDuration = SignedDuration::from_hours(24);
const PASSED_MOST: usize = 100_000;

/// What an earlier copy means for this transaction.
#[derive(Debug)]
pub enum Earlier {
    /// Every recipient's copy is held in this record: the same answer again.
    Held(Box<Held>),
    /// Every recipient has it already: 250, and it is dropped.
    Delivered,
    /// A copy is on its way: the client is to ask again later.
    OnItsWay,
    None,
}

/// What became of earlier copies for the recipients of `envelope`.
///
/// # Errors
/// [`Fault`] if the store cannot read.
pub async fn earlier(
    store: &Store,
    fingerprint: Fingerprint,
    envelope: &Envelope,
) -> Result<Earlier, Fault> {
    let ids = store.referred_by(Index::HeldByFingerprint, &fingerprint.key(), CANDIDATES).await?;
    for id in ids {
        let Some(Row { record: held, .. }) = store.find::<Held>(&id).await? else { continue };
        let states: Option<Vec<State>> =
            envelope.rcpt_to.iter().map(|wanted| copies(&held, wanted).next()).collect();
        let Some(states) = states else { continue };
        let all = |wanted: &[State]| states.iter().all(|state| wanted.contains(state));
        if all(&[State::Delivered]) {
            return Ok(Earlier::Delivered);
        }
        if all(&[State::Held]) {
            return Ok(Earlier::Held(Box::new(held)));
        }
        if all(&[State::Releasing, State::Released, State::Delivered]) {
            return Ok(Earlier::OnItsWay);
        }
    }
    Ok(Earlier::None)
}

/// The record that has a copy for each of these slots already, held or
/// released since: a message whose other recipients are accepted is sent
/// again until the next hop takes it, and must not be held twice.
///
/// # Errors
/// [`Fault`] if the store cannot read.
pub async fn kept(
    store: &Store,
    fingerprint: Fingerprint,
    envelope: &Envelope,
    slots: &[usize],
) -> Result<Option<Uuid>, Fault> {
    let ids = store.referred_by(Index::HeldByFingerprint, &fingerprint.key(), CANDIDATES).await?;
    for id in ids {
        let Some(Row { record: held, .. }) = store.find::<Held>(&id).await? else { continue };
        let has = |slot: &usize| {
            copies(&held, &envelope.rcpt_to[*slot]).any(|state| {
                let kept = [State::Held, State::Releasing, State::Released, State::Delivered];
                kept.contains(&state)
            })
        };
        if slots.iter().all(has) {
            return Ok(Some(held.id));
        }
    }
    Ok(None)
}

/// What became of this recipient's copies in an earlier record.
fn copies(held: &Held, recipient: &Recipient) -> impl Iterator<Item = State> {
    let wanted = recipient.address.canonical();
    let his = held.recipients.iter().filter(move |one| one.address.canonical() == wanted);
    his.map(|one| one.state)
}

/// What the next hop took while the client was already gone: its retry is
/// answered 250 and not delivered again. In memory, bounded, for a day.
#[derive(Default)]
pub struct Passed {
    state: Mutex<PassedState>,
}

type PassedKey = (Fingerprint, String);

#[derive(Default)]
struct PassedState {
    until: HashMap<PassedKey, Timestamp>,
    order: VecDeque<PassedKey>,
}

impl Passed {
    /// The slots to whom the message was passed on before.
    pub fn before(
        &self,
        fingerprint: Fingerprint,
        envelope: &Envelope,
        now: Timestamp,
    ) -> Vec<usize> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.until.is_empty() {
            return Vec::new();
        }
        let passed = |slot: &usize| {
            state.until.get(&key(fingerprint, envelope, *slot)).is_some_and(|until| now < *until)
        };
        (0..envelope.rcpt_to.len()).filter(passed).collect()
    }

    pub fn remember(
        &self,
        fingerprint: Fingerprint,
        envelope: &Envelope,
        slots: &[usize],
        now: Timestamp,
    ) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for slot in slots {
            let key = key(fingerprint, envelope, *slot);
            if state.until.insert(key.clone(), now + PASSED_TIME).is_none() {
                state.order.push_back(key);
            }
        }
        while state.order.len() > PASSED_MOST {
            if let Some(oldest) = state.order.pop_front() {
                state.until.remove(&oldest);
            }
        }
    }
}

fn key(fingerprint: Fingerprint, envelope: &Envelope, slot: usize) -> PassedKey {
    (fingerprint, envelope.rcpt_to[slot].address.canonical().to_string())
}

//! The courier's twin: keeps in memory what it was given, and answers as it
//! was told to. For tests; production refuses it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::mail::{Address, ReversePath};
use crate::queue::courier::{Outcome, Parcel, Report};

/// Takes everything until told otherwise. Clones share what was sent.
#[derive(Clone, Default)]
pub struct Memory {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    sent: Vec<Sent>,
    answers: HashMap<Address, (Outcome, String)>,
}

/// One transaction that was carried out for at least one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub mail_from: ReversePath,
    /// Those who took it.
    pub rcpt_to: Vec<Address>,
    /// Head and body.
    pub bytes: Vec<u8>,
}

impl Memory {
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on `recipient` is answered this way.
    pub fn answer(&self, recipient: &Address, outcome: Outcome, reply: &str) {
        self.lock().answers.insert(recipient.clone(), (outcome, reply.to_owned()));
    }

    /// Everything that was taken, in order.
    pub fn sent(&self) -> Vec<Sent> {
        self.lock().sent.clone()
    }

    pub(super) fn deliver(&self, parcel: &Parcel<'_>) -> Vec<Report> {
        let mut inner = self.lock();
        let mut reports = Vec::with_capacity(parcel.recipients.len());
        let mut taken = Vec::new();
        for recipient in parcel.recipients {
            let (outcome, reply) = match inner.answers.get(recipient) {
                Some((outcome, reply)) => (*outcome, reply.as_str()),
                None => (Outcome::Delivered, "250 2.0.0 Ok: in memory"),
            };
            if outcome == Outcome::Delivered {
                taken.push(recipient.clone());
            }
            reports.push(Report::new(outcome, "memory", reply));
        }
        if !taken.is_empty() {
            inner.sent.push(Sent {
                mail_from: parcel.mail_from.clone(),
                rcpt_to: taken,
                bytes: [parcel.head, parcel.body].concat(),
            });
        }
        reports
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

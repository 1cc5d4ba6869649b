//! Unit tests of the door: a script in the place of the intake.

use std::sync::{Arc, Mutex, MutexGuard};

use crate::intake::Answer;
use crate::mail::{Address, Envelope, Message, Reply};

/// What the script was asked, and what it answers.
#[derive(Clone, Default)]
pub struct Script {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
pub struct Inner {
    pub received: Vec<(Envelope, Message)>,
    pub answer: Option<Answer>,
    pub withdrawn: Vec<uuid::Uuid>,
    pub remembered: Vec<Vec<usize>>,
}

impl Script {
    pub fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// Serves every domain that does not begin with `other`.
    pub fn recipient(&self, _: &Envelope, recipient: &Address) -> Option<Reply> {
        let foreign = recipient.domain().as_str().starts_with("other");
        foreign.then(|| Reply::new(550, (5, 7, 1), "Relaying is not permitted"))
    }

    pub fn receive(&self, envelope: &Envelope, message: &Message) -> Answer {
        let mut inner = self.inner();
        inner.received.push((envelope.clone(), message.clone()));
        inner.answer.clone().unwrap_or_else(|| Answer {
            pass: Vec::new(),
            head: String::new(),
            reply: Reply::new(250, (2, 0, 0), "Ok"),
            held: None,
        })
    }

    pub fn withdraw(&self, held: uuid::Uuid) {
        self.inner().withdrawn.push(held);
    }

    pub fn passed_before(&self, _: &Envelope, _: &Message) -> Vec<usize> {
        self.inner().remembered.last().cloned().unwrap_or_default()
    }

    pub fn remember_passed(&self, _: &Envelope, _: &Message, slots: &[usize]) {
        self.inner().remembered.push(slots.to_vec());
    }
}

//! Intake: what a front door (SMTP, milter) asks, and what it is answered.
//!
//! The doors know their protocol; this module knows the journey: direction,
//! limits, filter, verdict, hold, telling. [`Intake::recipient`] answers RCPT,
//! [`Intake::receive`] answers the end of DATA. Nothing is answered with 250,
//! or with a link, before body and record are on stable storage.

pub mod smtp;

use crate::mail::{Address, Envelope, Message, Reply};

/// Judges mail for the doors. Clones share everything.
#[derive(Clone)]
pub struct Intake {}

/// The answer to a whole message.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Slots of the recipients to whom the message is passed on as it is: in
    /// front of a server by the session's next hop, at a milter by the MTA.
    pub pass: Vec<usize>,
    /// Header fields to put in front for those: trace and
    /// Authentication-Results, CRLF ended.
    pub head: String,
    /// What the client is told if nothing is passed on, or once the next hop
    /// took it for everybody in `pass`: 250 unless all were refused alike.
    pub reply: Reply,
    /// The hold that was made for the other recipients, to be withdrawn if
    /// the next hop refuses the passed part for good (5xx).
    pub held: Option<uuid::Uuid>,
}

impl Intake {
    /// Answers one RCPT TO from what the envelope knows: `None` accepts it.
    pub async fn recipient(&self, _envelope: &Envelope, _recipient: &Address) -> Option<Reply> {
        todo!()
    }

    /// Judges a message and makes its holds durable. Never fails: what cannot
    /// be judged or stored is answered with 4xx.
    pub async fn receive(&self, _envelope: &Envelope, _message: &Message) -> Answer {
        todo!()
    }

    /// The next hop refused the passed part with 5xx: the holds of the same
    /// transaction are withdrawn, because the client's bounce tells of all.
    pub async fn withdraw(&self, _held: uuid::Uuid) {
        todo!()
    }

    /// Remembers that the next hop took a message for these slots, so that a
    /// client that was cut off before our 250 is answered 250 and nothing is
    /// delivered twice. Returns what was remembered earlier for the same
    /// message and recipients.
    pub fn passed_before(&self, _envelope: &Envelope, _message: &Message) -> Vec<usize> {
        todo!()
    }

    pub fn remember_passed(&self, _envelope: &Envelope, _message: &Message, _slots: &[usize]) {
        todo!()
    }
}

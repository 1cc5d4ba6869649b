//! The one question that the queue asks: delivered, later, or never?
//!
//! A courier answers it for each recipient, with the server's own words. It
//! knows nothing of items, leases or retries.

use crate::mail::{Address, ReversePath};
use crate::queue::memory::Memory;
use crate::queue::relay::{Relay, Reservation};

/// What is to be delivered: `head` and `body` go out as they are, in this
/// order, and nothing between or behind them.
#[derive(Clone, Copy, Debug)]
pub struct Parcel<'a> {
    pub mail_from: &'a ReversePath,
    pub recipients: &'a [Address],
    /// Trace header fields, each ended with CRLF.
    pub head: &'a [u8],
    pub body: &'a [u8],
    /// BODY=8BITMIME (RFC 6152).
    pub eight_bit: bool,
    /// SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
}

/// Delivered, later, or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The next hop has taken responsibility.
    Delivered,
    /// To be tried again.
    Transient,
    /// Trying again would not help.
    Permanent,
}

/// What became of one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub outcome: Outcome,
    /// The next hop's name and address, for example
    /// `mx.example.org (192.0.2.1:25)`; our own name where we judged it.
    pub server: String,
    /// Its reply, or what went wrong, as one line of printable ASCII of at
    /// most 500 bytes. It begins with the reply code where there was one.
    pub reply: String,
}

/// Carries parcels. Clones share connections.
///
/// An enum of the two that exist: the set is closed, and no generic parameter
/// leaks into who uses one.
#[derive(Clone)]
pub enum Courier {
    /// To next hops by SMTP and LMTP.
    Relay(Relay),
    /// Into memory: the twin for tests, which production refuses.
    Memory(Memory),
}

/// A place at each next hop of a parcel, so that a hop that hangs holds no
/// more workers than it has places.
pub struct Place(Option<Reservation>);

impl Courier {
    /// A place for a parcel to these recipients; `None` while a next hop is
    /// as busy as it may be.
    pub fn reserve(&self, recipients: &[Address]) -> Option<Place> {
        match self {
            Self::Relay(relay) => relay.reserve(recipients).map(|one| Place(Some(one))),
            Self::Memory(_) => Some(Place(None)),
        }
    }

    /// Delivers to every recipient that takes it; answers one report for each
    /// recipient, in their order. `place` was reserved for them.
    pub async fn deliver(&self, parcel: &Parcel<'_>, place: Place) -> Vec<Report> {
        match (self, place.0) {
            (Self::Relay(relay), Some(reserved)) => relay.deliver(parcel, &reserved).await,
            (Self::Memory(memory), _) => memory.deliver(parcel),
            (Self::Relay(_), None) => {
                let report = Report::new(Outcome::Transient, "reprieve", "no place was reserved");
                vec![report; parcel.recipients.len()]
            }
        }
    }

    /// Closes connections that nobody has used for a while.
    pub fn sweep(&self) {
        if let Self::Relay(relay) = self {
            relay.sweep();
        }
    }
}

impl Outcome {
    /// The word in logs and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Transient => "transient",
            Self::Permanent => "permanent",
        }
    }

    /// By the first digit of an SMTP reply code. What is neither 2yz nor 5yz
    /// is tried again.
    pub fn of_code(code: u16) -> Self {
        match code {
            200..=299 => Self::Delivered,
            500..=599 => Self::Permanent,
            _ => Self::Transient,
        }
    }
}

impl Report {
    /// Whatever is not printable ASCII in `reply` becomes `?`.
    pub fn new(outcome: Outcome, server: impl Into<String>, reply: &str) -> Self {
        Self { outcome, server: printable(&server.into()), reply: printable(reply) }
    }
}

/// One line of printable ASCII, cut at 500 bytes: a server's words are text
/// of strangers, and stand on pages and in logs.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).take(500).collect()
}

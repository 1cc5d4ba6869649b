//! The quarantine: hold, find, expire, purge.
//!
//! A held message is one record ([`Held`]) for all recipients of its
//! transaction, and one body: the envelope and the exact bytes. Single use of
//! a link is a state of this record, changed by compare-and-swap.

pub mod fingerprint;
pub mod held;
pub mod mailbox;
pub mod reference;
pub mod reported;
#[cfg(test)]
pub mod sample;
pub mod search;
pub mod stored;
pub mod tally;

pub use fingerprint::Fingerprint;
pub use held::{Held, HeldRecipient, Outcome, State, Telling};
pub use reference::Reference;
pub use reported::Reported;
pub use search::{HeldSearch, Search};

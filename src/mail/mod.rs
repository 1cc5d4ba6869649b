//! The words of RFC 5321 and RFC 5322, without any I/O.
//!
//! Everything here is parsed once into a type that cannot be wrong; nothing
//! above this module checks an address, a reply or a size a second time.

pub mod address;
pub mod envelope;
pub mod message;
pub mod prescan;
pub mod reply;

pub use address::{Address, AddressError, Domain, ReversePath};
pub use envelope::{Client, Envelope, Recipient};
pub use message::Message;
pub use prescan::{Limits, Scan};
pub use reply::Reply;

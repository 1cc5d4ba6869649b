//! The words of RFC 5321 and RFC 5322, without any I/O.
//!
//! Everything here is parsed once into a type that cannot be wrong; nothing
//! above this module checks an address, a reply or a size a second time.

mod cbor;
use cbor::cbor_text;

pub mod address;
pub mod arf;
pub mod automatic;
pub mod bounce;
pub mod complaint;
pub mod decode;
pub mod display;
pub mod domain;
pub mod dsn;
pub mod envelope;
pub mod from;
pub mod mailbox;
pub mod message;
pub mod network;
pub mod prescan;
pub mod reply;
pub mod trace;

pub use address::{Address, AddressError, ReversePath};
pub use domain::Domain;
pub use envelope::{Client, Envelope, Recipient};
pub use from::FromHeader;
pub use mailbox::Shown;
pub use message::Message;
pub use network::Network;
pub use prescan::{Limits, Scan};
pub use reply::Reply;

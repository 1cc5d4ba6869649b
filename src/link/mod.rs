//! The link: tokens that only we can make, and the keys that make them.
//!
//! A token names a purpose, a subject and a time, and carries a tag of
//! HMAC-SHA-256 over these and the host it is for (RFC 2104). It opens
//! nothing by itself: what it leads to is a state in the store. Nothing here
//! does I/O except [`KeyRing::open`] and [`KeyRing::reload`].

mod links;
pub mod mark;
pub mod ring;
mod secret;
mod token;

pub use links::{BadBase, Links};
pub use mark::Mark;
pub use ring::{KeyError, KeyRing, KeyState, KeyStatus};
pub use secret::Encrypted;
pub use token::{ALL_RECIPIENTS, Invalid, Purpose, Token};

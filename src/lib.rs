//! x
pub mod clock;
pub mod mail;
pub mod store;

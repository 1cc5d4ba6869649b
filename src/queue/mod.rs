//! The delivery queue: enqueue, claim, settle.
//!
//! An item is written in the same batch as what it follows from. A worker
//! claims it under a lease with a generation number, asks the courier
//! (delivered, later or never?), and settles the answer per recipient.

pub mod item;

pub use item::{Item, ItemRecipient, ItemState, Kind};

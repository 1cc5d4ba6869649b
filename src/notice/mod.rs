//! How the sender is told: never backscatter, never silence.
//!
//! [`may_notify`] is one pure function that refuses by default; the budget
//! and the breaker bound what it allows; [`reply`] makes the one line of the
//! 550.

pub mod reply;

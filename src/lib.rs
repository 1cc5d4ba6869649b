//! Reprieve: a mail quarantine with a door for the sender.
//!
//! The map, in the order in which a message travels:
//!
//! - [`intake`] receives: an SMTP session, or an MTA that asks as a milter, at
//!   RCPT and at the end of DATA. [`mail`] holds the words: addresses, envelope,
//!   exact bytes, replies.
//! - [`filter`] checks and decides, with what [`directory`] knows of the
//!   recipients and [`reputation`] of the sender.
//! - [`quarantine`] holds what is suspicious, in the [`store`], which answers
//!   only when bytes are on stable storage; [`keeper`] ends what nobody freed.
//! - [`notice`] tells the sender, by the reply or by a letter, one [`link`].
//! - [`portal`] is where the link leads: see, declare, release. Recipients have
//!   their pages there, and administrators, whom [`account`] knows, the console.
//! - [`release`] is the one batch: state, standing, queue item. Mass mail has
//!   [`appeal`] instead: its sender asks, an administrator decides.
//! - [`queue`] brings it to the recipient's server; [`delivery`] checks again,
//!   sends, and settles the answer.
//! - [`suppression`] learns from bounces to whom nobody writes any more, and
//!   tells other mail servers; [`lesson`] learns from people what spam is.
//! - [`maillog`] says and counts what happened, and [`statistics`] keeps the
//!   counts for years.
//! - [`gateway`] builds all of it from [`config`] and runs it; [`demo`] plays the
//!   story on one machine; [`cli`] is what an operator types.
//!
//! Imports go down only, and `tests/layers.rs` enforces it:
//! `clock failpoint mail maillog` -> `store link` -> `directory` -> `reputation` ->
//! `filter` -> `quarantine queue suppression account statistics` -> `lesson notice release`
//! -> `appeal` -> `keeper delivery` -> `intake portal` -> `gateway` (with
//! `config`) -> `demo` -> `cli`.

pub mod clock;
pub mod failpoint;
pub mod mail;
pub mod maillog;

pub mod link;
pub mod store;

pub mod account;
pub mod directory;
pub mod filter;
pub mod quarantine;
pub mod queue;
pub mod reputation;
pub mod statistics;
pub mod suppression;

pub mod lesson;
pub mod notice;
pub mod release;

pub mod appeal;

pub mod delivery;
pub mod keeper;

pub mod intake;
pub mod portal;

pub mod config;
pub mod gateway;

pub mod demo;

pub mod cli;

//! The filter: checks find, policy decides.
//!
//! [`Filter::examine`] runs every check once per message and gathers their
//! [`Finding`]s; [`policy::decide`] is a pure function from these and one
//! recipient's view to a [`Judgement`]. A check that cannot answer (a scanner
//! that is configured and silent) means defer, never accept.

pub mod finding;
pub mod policy;
pub mod verdict;

pub use finding::{Examination, Finding};
pub use verdict::{Class, Judgement, Verdict};

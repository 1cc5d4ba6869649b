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

use crate::mail::{Envelope, Message};

/// Runs the checks. Clones share resolver, caches and windows.
#[derive(Clone)]
pub struct Filter {}

/// A check that must answer could not (a scanner is silent, DNS of a policy
/// failed for the time being): the message is deferred.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Undecided(pub String);

impl Filter {
    /// Runs every check on a message that the pre-scan has let through to
    /// parsers, or only those that need none if it tripped a limit.
    /// `outgoing`: malware only.
    ///
    /// # Errors
    /// [`Undecided`]: answer 451 4.7.1.
    pub async fn examine(
        &self,
        _envelope: &Envelope,
        _message: &Message,
        _outgoing: bool,
    ) -> Result<Examination, Undecided> {
        todo!()
    }
}

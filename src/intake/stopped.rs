//! Why a message was not judged to its end, and the 4xx that says so: nothing
//! is lost, the client asks again.

use crate::mail::Reply;
use crate::store::{Fault, Refusal};

/// Why a message was not judged to the end: always a 4xx.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stopped {
    #[error(transparent)]
    Store(Fault),
    #[error("the store's disk is full")]
    Full,
    #[error("other changes came first")]
    Conflict,
    #[error("not judged: {0}")]
    Undecided(String),
    /// The sender has released it and the courier has it.
    #[error("an earlier copy is on its way")]
    OnItsWay,
}

impl Stopped {
    pub fn reply(&self) -> Reply {
        match self {
            Self::Full => Reply::new(452, (4, 3, 1), "Not enough storage for now; try again later"),
            Self::OnItsWay => {
                Reply::new(451, (4, 7, 1), "An earlier copy is being delivered; try again later")
            }
            Self::Store(_) | Self::Conflict => {
                Reply::new(451, (4, 3, 0), "The message cannot be stored for now; try again later")
            }
            Self::Undecided(_) => {
                Reply::new(451, (4, 7, 1), "The message cannot be checked for now; try again later")
            }
        }
    }
}

impl From<Fault> for Stopped {
    fn from(fault: Fault) -> Self {
        Self::Store(fault)
    }
}

impl From<Refusal> for Stopped {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Full => Self::Full,
            Refusal::Conflict(_) => Self::Conflict,
            other => Self::Store(Fault::Unavailable(other.to_string())),
        }
    }
}

impl From<crate::filter::Undecided> for Stopped {
    fn from(undecided: crate::filter::Undecided) -> Self {
        Self::Undecided(undecided.0)
    }
}

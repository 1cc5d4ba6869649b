//! Class and verdict: what a message is, and what happens to it.

use minicbor::{Decode, Encode};

/// DESIGN section 2.5. The numbers stand on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Class {
    #[n(0)]
    Malware,
    #[n(1)]
    Unscannable,
    #[n(2)]
    Phishing,
    #[n(3)]
    Impersonated,
    #[n(4)]
    Unwanted,
    #[n(5)]
    Marketing,
    #[n(6)]
    Poll,
    #[n(7)]
    Social,
    #[n(8)]
    Mass,
    #[n(9)]
    Barred,
    #[n(10)]
    FirstContact,
    #[n(11)]
    Clean,
}

/// What happens to a message for one recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    Accept,
    Hold,
    /// 5xx without a held copy.
    Reject,
    /// 4xx: a check could not answer.
    Defer,
}

/// What the sender himself may do about a held message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Door {
    /// Release it.
    #[n(0)]
    Release,
    /// Ask an administrator.
    #[n(1)]
    Appeal,
    /// See why; the recipient or his administrator decides.
    #[n(2)]
    Ask,
    /// Nothing: no link exists.
    #[n(3)]
    Closed,
}

/// The policy's answer for one recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judgement {
    pub class: Class,
    pub verdict: Verdict,
    pub door: Door,
}

impl Judgement {
    /// Nothing is held against it.
    pub const ACCEPT: Self =
        Self { class: Class::Clean, verdict: Verdict::Accept, door: Door::Closed };
}

impl Class {
    /// The word in logs, the API and `replay`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malware => "malware",
            Self::Unscannable => "unscannable",
            Self::Phishing => "phishing",
            Self::Impersonated => "impersonated",
            Self::Unwanted => "unwanted",
            Self::Marketing => "marketing",
            Self::Poll => "poll",
            Self::Social => "social",
            Self::Mass => "mass",
            Self::Barred => "barred",
            Self::FirstContact => "first-contact",
            Self::Clean => "clean",
        }
    }
}

impl Verdict {
    /// The word in logs, the API and `replay`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Hold => "hold",
            Self::Reject => "reject",
            Self::Defer => "defer",
        }
    }
}

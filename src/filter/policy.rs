//! Policy: findings and one recipient's view -> class, verdict, door.
//!
//! A pure function with a table test; its thresholds are the configuration's.

use crate::directory::{Organisation, RuleAction};
use crate::filter::{Class, Examination, Judgement};
use crate::reputation::Regard;

/// Thresholds of the score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// From this score on a message is held as unwanted.
    pub hold: f32,
}

/// What is particular to one recipient.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pub organisation: &'a Organisation,
    /// The rule of the recipient or his organisation for this sender.
    pub rule: Option<RuleAction>,
    /// What we think of the sender, for this organisation.
    pub regard: Regard,
    /// The organisation has written to this address before.
    pub correspondent: bool,
    /// postmaster or abuse (RFC 5321 4.5.1, RFC 2142): malware aside, it passes.
    pub role_address: bool,
}

/// Decides for one recipient.
pub fn decide(_examination: &Examination, _view: &View<'_>, _thresholds: &Thresholds) -> Judgement {
    let _ = Class::Clean;
    todo!()
}

//! Policy: findings and one recipient's view -> class, verdict, door.
//!
//! A pure function with a table test; its thresholds are the configuration's.
//! DESIGN section 2.5, in this order: what nobody may have (malware), what
//! always passes (role addresses), a person's block, what cannot be judged,
//! what is forged, then rate, score, category and first contact. Trust lifts
//! the score, the first contact and the rate of the sender himself; never
//! malware, phishing, forgery or a replay.

use crate::directory::{Choice, Choices, Organisation, RuleAction};
use crate::filter::verdict::Door;
use crate::filter::{Class, Examination, Judgement, Verdict};
use crate::reputation::Regard;

/// Thresholds of the score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// From this score on a message is held as unwanted.
    pub hold: f32,
    /// What a correspondent's answer may carry more than others.
    pub correspondent: f32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { hold: 5.0, correspondent: 2.0 }
    }
}

/// What is particular to one recipient.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pub organisation: &'a Organisation,
    /// The rule of the recipient or his organisation for this sender.
    pub rule: Option<RuleAction>,
    /// What the recipient chose himself, stricter or milder.
    pub choices: Choices,
    /// What we think of the sender, for this organisation.
    pub regard: Regard,
    /// The organisation has written to this address before.
    pub correspondent: bool,
    /// postmaster or abuse (RFC 5321 4.5.1, RFC 2142): malware aside, it passes.
    pub role_address: bool,
}

/// Decides for one recipient.
pub fn decide(examination: &Examination, view: &View<'_>, thresholds: &Thresholds) -> Judgement {
    let is = |class| examination.classes.contains(&class);
    // A rule names an address, and an address can be forged: an allowance
    // needs a proof (ATTACKS I-16). A block needs none.
    let proved = examination.sender.is_proved();
    let allowed = view.rule == Some(RuleAction::Allow) && proved;
    let trusted = view.regard == Regard::Trusted;
    let bulk = [Class::Marketing, Class::Poll, Class::Social, Class::Mass].into_iter().any(is);

    if is(Class::Malware) {
        return reject(Class::Malware);
    }
    if view.role_address {
        return accept(Class::Clean);
    }
    if view.rule == Some(RuleAction::Block) {
        return reject(Class::Barred);
    }
    if is(Class::Unscannable) {
        return hold(Class::Unscannable, Door::Ask);
    }
    if is(Class::Phishing) {
        return reject(Class::Phishing);
    }
    if is(Class::Impersonated) {
        return hold(Class::Impersonated, Door::Ask);
    }
    match view.regard {
        // He may only appeal (DESIGN section 2.4).
        Regard::Barred if !allowed => return hold(Class::Unwanted, Door::Appeal),
        Regard::Revoked if !allowed => {
            return hold(Class::Unwanted, if bulk { Door::Appeal } else { Door::Release });
        }
        _ => {}
    }
    // Rate: a replay of what a trusted sender once signed is not his mail.
    if is(Class::Mass) && !allowed && (!trusted || examination.found("replayed")) {
        match view.organisation.mass {
            Choice::Hold => return hold(Class::Mass, Door::Appeal),
            Choice::Reject => return reject(Class::Mass),
            // Judged as any other mail.
            Choice::Deliver => {}
        }
    }
    let known = view.correspondent && proved;
    let limit = thresholds.hold + if known { thresholds.correspondent } else { 0.0 };
    if examination.score >= limit && !trusted && !allowed {
        return hold(Class::Unwanted, if bulk { Door::Appeal } else { Door::Release });
    }
    if let Some(category) = category(examination) {
        let organisation = view.organisation;
        let choice = match category {
            Class::Poll => view.choices.poll.unwrap_or(organisation.poll),
            Class::Social => view.choices.social.unwrap_or(organisation.social),
            _ => view.choices.marketing.unwrap_or(organisation.marketing),
        };
        return match choice {
            Choice::Hold if !allowed => hold(category, Door::Appeal),
            Choice::Reject if !allowed => reject(category),
            _ => accept(category),
        };
    }
    let stranger = !known && !allowed && !trusted;
    if view.organisation.hold_first_contact && stranger {
        return hold(Class::FirstContact, Door::Release);
    }
    accept(Class::Clean)
}

/// The wanted-by-some class that the message has, if any.
fn category(examination: &Examination) -> Option<Class> {
    [Class::Poll, Class::Social, Class::Marketing]
        .into_iter()
        .find(|class| examination.classes.contains(class))
}

fn accept(class: Class) -> Judgement {
    Judgement { class, verdict: Verdict::Accept, door: Door::Closed }
}

fn hold(class: Class, door: Door) -> Judgement {
    Judgement { class, verdict: Verdict::Hold, door }
}

fn reject(class: Class) -> Judgement {
    Judgement { class, verdict: Verdict::Reject, door: Door::Closed }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;

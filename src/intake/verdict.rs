//! One judgement per recipient, and what happens to the transaction then
//! (DESIGN section 2.5): after DATA an SMTP server has one reply for all.

use std::sync::Arc;

use super::rcpt::is_role;
use super::stopped::Stopped;
use super::{Intake, Parts};
use crate::appeal::{Appeals, Covering};
use crate::directory::{Choices, Organisation, RuleAction};
use crate::filter::policy::{self, View};
use crate::filter::{Class, Examination, Judgement, Verdict};
use crate::mail::{Address, Envelope, Message};
use crate::reputation::{Event, Regard, correspondent};

/// What happens to a transaction. Places are recipients' slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// 4xx for all: a check could not answer for somebody.
    Defer,
    /// 5xx for all, without a held copy.
    Reject(Class),
    /// The accepted pass, the held are held, the refused are recorded.
    Each { accept: Vec<usize>, hold: Vec<usize>, refuse: Vec<usize> },
}

/// Any defer: defer. Malware or phishing for anybody: reject. All refused:
/// reject. Else each his own.
pub fn combine(judgements: &[Judgement]) -> Outcome {
    if judgements.iter().any(|one| one.verdict == Verdict::Defer) {
        return Outcome::Defer;
    }
    let dangerous = |one: &&Judgement| {
        one.verdict == Verdict::Reject && matches!(one.class, Class::Malware | Class::Phishing)
    };
    if let Some(one) = judgements.iter().find(dangerous) {
        return Outcome::Reject(one.class);
    }
    let of = |verdict: Verdict| -> Vec<usize> {
        let places = judgements.iter().enumerate();
        places.filter(|(_, one)| one.verdict == verdict).map(|(place, _)| place).collect()
    };
    let (accept, hold, refuse) = (of(Verdict::Accept), of(Verdict::Hold), of(Verdict::Reject));
    match judgements.first() {
        Some(first) if accept.is_empty() && hold.is_empty() => Outcome::Reject(first.class),
        _ => Outcome::Each { accept, hold, refuse },
    }
}

impl Intake {
    /// One judgement per recipient, in the order of the envelope.
    pub(super) async fn judgements(
        &self,
        envelope: &Envelope,
        message: &Message,
        examination: &Examination,
    ) -> Result<Vec<Judgement>, Stopped> {
        let Parts { settings, directory, reputation, store, .. } = &self.inner.parts;
        let sender = &examination.sender;
        let mut senders: Vec<&Address> = sender.address.iter().collect();
        senders.extend(envelope.mail_from.address());
        let claim = sender.claim(&senders);
        let now = self.inner.parts.clock.now();
        let grants = self.inner.grants.get();
        let granted = grants.map(|grants| grants.covering(sender, message, now));
        let granted = granted.unwrap_or_default();
        let mut used: Vec<&Covering> = Vec::new();
        let mut known: Option<(Arc<Organisation>, Regard, bool)> = None;
        let mut judgements = Vec::with_capacity(envelope.rcpt_to.len());
        for recipient in &envelope.rcpt_to {
            let Some(organisation) = directory.organisation_of(recipient.address.domain()) else {
                judgements.push(Judgement::ACCEPT);
                continue;
            };
            if known.as_ref().is_none_or(|(one, ..)| one.id != organisation.id) {
                let regard = reputation.regard(sender, &organisation.id).await?;
                let correspondent = match &sender.address {
                    Some(address) => correspondent::knows(store, &organisation.id, address).await?,
                    None => false,
                };
                known = Some((organisation, regard, correspondent));
            }
            let Some((organisation, regard, correspondent)) = &known else { continue };
            let grant = granted.iter().find(|one| one.counts_for(&organisation.id));
            let view = View {
                organisation,
                // A grant allows like a rule, and never against one.
                rule: directory
                    .rule(organisation, &recipient.address, &claim)
                    .or(grant.map(|_| RuleAction::Allow)),
                choices: if organisation.people_choose {
                    directory.choices(&recipient.address)
                } else {
                    Choices::default()
                },
                regard: *regard,
                correspondent: *correspondent,
                role_address: is_role(&recipient.address),
            };
            let judgement = policy::decide(examination, &view, &settings.thresholds);
            let passes = judgement.verdict == Verdict::Accept;
            used.extend(grant.filter(|one| passes && !used.contains(one)));
            judgements.push(judgement);
        }
        for grant in used {
            Appeals::count(store, grant).await?;
        }
        Ok(judgements)
    }

    /// The sender's network and domain are remembered for what this was.
    pub(super) fn note(&self, examination: &Examination, judgements: &[Judgement]) {
        let score = examination.own_score();
        let refused = |one: &Judgement| matches!(one.class, Class::Malware | Class::Phishing);
        let event = if judgements.iter().any(refused)
            || score >= self.inner.parts.settings.thresholds.hold
        {
            Event::Stopped
        } else if score < 1.0 && judgements.iter().all(|one| one.verdict == Verdict::Accept) {
            Event::Passed
        } else {
            return;
        };
        self.inner.parts.reputation.history().note(&examination.sender, event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::verdict::Door;

    fn one(verdict: Verdict, class: Class) -> Judgement {
        Judgement { class, verdict, door: Door::Closed }
    }

    #[test]
    fn verdicts_per_recipient_make_one_answer() {
        use Class::{Barred, Clean, Malware, Marketing, Phishing, Unwanted};
        use Verdict::{Accept, Defer, Hold, Reject};
        let each = |accept: &[usize], hold: &[usize], refuse: &[usize]| Outcome::Each {
            accept: accept.to_vec(),
            hold: hold.to_vec(),
            refuse: refuse.to_vec(),
        };
        let table: &[(&[(Verdict, Class)], Outcome)] = &[
            (&[(Accept, Clean)], each(&[0], &[], &[])),
            (&[(Hold, Unwanted)], each(&[], &[0], &[])),
            (&[(Accept, Clean), (Defer, Clean)], Outcome::Defer),
            (&[(Reject, Malware), (Defer, Clean)], Outcome::Defer),
            (&[(Accept, Clean), (Reject, Malware)], Outcome::Reject(Malware)),
            (&[(Hold, Unwanted), (Reject, Phishing)], Outcome::Reject(Phishing)),
            (&[(Reject, Barred), (Reject, Marketing)], Outcome::Reject(Barred)),
            (&[(Reject, Barred), (Accept, Clean)], each(&[1], &[], &[0])),
            (
                &[(Hold, Unwanted), (Accept, Clean), (Reject, Barred), (Hold, Unwanted)],
                each(&[1], &[0, 3], &[2]),
            ),
        ];
        for (verdicts, outcome) in table {
            let judgements: Vec<_> =
                verdicts.iter().map(|(verdict, class)| one(*verdict, *class)).collect();
            assert_eq!(combine(&judgements), *outcome, "{verdicts:?}");
        }
    }
}

//! From one judgement per recipient to what happens to the transaction
//! (DESIGN section 2.5): after DATA an SMTP server has one reply for all.

use crate::filter::{Class, Judgement, Verdict};

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

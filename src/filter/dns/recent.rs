//! Answers that were given lately, until they expire.
//!
//! The resolver keeps answers too, but finding one there costs more than an
//! SPF record takes to evaluate, and the same domains send again and again.
//! Only records are kept, never their absence. Time is the machine's monotonic
//! clock, because a TTL is not an instant of the calendar.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use hickory_resolver::proto::rr::{RData, RecordType};

/// Names that are kept; when there are more, all are forgotten.
const NAMES: usize = 4096;

/// Clones share what is kept.
#[derive(Clone, Default)]
pub struct Recent {
    answers: Arc<RwLock<HashMap<Box<str>, Vec<Answer>>>>,
}

struct Answer {
    kind: RecordType,
    records: Vec<RData>,
    until: Instant,
}

impl Recent {
    pub fn find(&self, name: &str, kind: RecordType, now: Instant) -> Option<Vec<RData>> {
        let answers = self.answers.read().unwrap_or_else(PoisonError::into_inner);
        let answer = answers.get(name)?.iter().find(|one| one.kind == kind)?;
        (now < answer.until).then(|| answer.records.clone())
    }

    pub fn keep(&self, name: &str, kind: RecordType, records: &[RData], until: Instant) {
        let mut answers = self.answers.write().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= NAMES {
            answers.clear();
        }
        let of_name = answers.entry(name.into()).or_default();
        of_name.retain(|one| one.kind != kind);
        of_name.push(Answer { kind, records: records.to_vec(), until });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hickory_resolver::proto::rr::rdata::A;

    use super::*;

    #[test]
    fn an_answer_is_for_its_name_and_type_until_it_expires() {
        let (recent, now) = (Recent::default(), Instant::now());
        let records = [RData::A(A::new(192, 0, 2, 1))];
        let minute = Duration::from_mins(1);
        recent.keep("a.example", RecordType::A, &records, now + minute);
        assert_eq!(recent.find("a.example", RecordType::A, now).as_deref(), Some(&records[..]));
        assert_eq!(recent.find("b.example", RecordType::A, now), None);
        assert_eq!(recent.find("a.example", RecordType::TXT, now), None);
        assert_eq!(recent.find("a.example", RecordType::A, now + minute), None);
        recent.keep("a.example", RecordType::A, &[], now + minute);
        assert_eq!(recent.find("a.example", RecordType::A, now), Some(Vec::new()));
    }

    #[test]
    fn names_are_bounded() {
        let recent = Recent::default();
        for n in 0..3 * NAMES {
            recent.keep(&n.to_string(), RecordType::A, &[], Instant::now());
        }
        assert!(recent.answers.read().unwrap().len() <= NAMES);
    }
}

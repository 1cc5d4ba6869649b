//! What the next hop said of recipients, remembered for a while.
//!
//! A recipient that it took need not be asked about at each RCPT: held mail
//! then costs it nothing, and while it is away known recipients' mail is still
//! judged (what passes is answered 451). One that does not exist is refused
//! without it, so that who tries names tires us and not the mailbox server.
//! Only what a reply says of the *address* is remembered (RFC 3463 X.1.1,
//! X.1.6, X.1.10, X.2.1): another refusal may be the sender's. Bounded.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use crate::clock::{SignedDuration, Timestamp};
use crate::mail::{Address, Reply};

/// So many recipients at most; the oldest answers go first.
const MOST: usize = 100_000;
/// Statuses of class 5 that are the address's own fault.
const OF_THE_ADDRESS: [(u16, u16); 4] = [(1, 1), (1, 6), (1, 10), (2, 1)];

/// How long answers are remembered; zero: not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    pub positive: SignedDuration,
    pub negative: SignedDuration,
}

pub struct Verification {
    times: Times,
    answers: Mutex<Answers>,
}

#[derive(Default)]
struct Answers {
    of: HashMap<String, (Timestamp, Option<Reply>)>,
    order: VecDeque<String>,
}

impl Verification {
    pub fn new(times: Times) -> Self {
        Self { times, answers: Mutex::default() }
    }

    /// What the next hop said of the address not long ago.
    pub fn known(&self, address: &Address, now: Timestamp) -> Option<Reply> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.of.is_empty() {
            return None;
        }
        let (until, refusal) = answers.of.get(&key(address))?;
        let known = || refusal.clone().unwrap_or_else(|| Reply::new(250, (2, 1, 5), "Ok"));
        (now < *until).then(known)
    }

    pub fn note(&self, address: &Address, reply: &Reply, now: Timestamp) {
        let refusal = (!reply.is_positive()).then(|| reply.clone());
        let time = match &refusal {
            None => self.times.positive,
            Some(_) if is_of_the_address(reply) => self.times.negative,
            Some(_) => return,
        };
        if time <= SignedDuration::ZERO {
            return;
        }
        let Ok(until) = now.checked_add(time) else { return };
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let key = key(address);
        if answers.of.insert(key.clone(), (until, refusal)).is_none() {
            answers.order.push_back(key);
        }
        while answers.order.len() > MOST {
            if let Some(oldest) = answers.order.pop_front() {
                answers.of.remove(&oldest);
            }
        }
    }

    /// The next hop refused what it was thought to take: it is asked again.
    pub fn forget(&self, address: &Address) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((until, _)) = answers.of.get_mut(&key(address)) {
            *until = Timestamp::MIN;
        }
    }
}

/// As it was written, but for the domain's case: only the final server may
/// interpret a local part (RFC 5321 section 2.3.11).
fn key(address: &Address) -> String {
    address.to_string()
}

fn is_of_the_address(reply: &Reply) -> bool {
    let status = reply.enhanced().filter(|(class, ..)| *class == 5 && reply.is_permanent());
    status.is_some_and(|(_, subject, detail)| OF_THE_ADDRESS.contains(&(subject, detail)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(count: i64) -> SignedDuration {
        SignedDuration::from_mins(count)
    }

    #[test]
    fn answers_of_the_address_are_remembered_and_no_others() {
        let times = Times { positive: minutes(60), negative: minutes(5) };
        let verification = Verification::new(times);
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let anna = Address::parse("anna@ours.example").unwrap();
        let code =
            |after| verification.known(&anna, now + minutes(after)).map(|reply| reply.code());
        for (reply, until) in [
            (Reply::new(250, (2, 1, 5), "Ok"), Some((59, 250))),
            (Reply::new(550, (5, 1, 1), "No such user"), Some((4, 550))),
            (Reply::new(550, (5, 1, 10), "Not found"), Some((4, 550))),
            (Reply::new(550, (5, 7, 1), "We do not like the sender"), None),
            (Reply::new(553, (5, 1, 8), "The sender has no domain"), None),
            (Reply::new(450, (4, 1, 1), "Perhaps later"), None),
            (Reply::plain(550, "No"), None),
        ] {
            verification.forget(&anna);
            verification.note(&anna, &reply, now);
            match until {
                Some((until, expected)) => {
                    assert_eq!(code(until), Some(expected), "{reply}");
                    assert_eq!(code(until + 1), None, "{reply}");
                }
                None => assert_eq!(code(0), None, "{reply}"),
            }
        }
        verification.note(&anna, &Reply::new(250, (2, 1, 5), "Ok"), now);
        verification.forget(&anna);
        assert_eq!(code(0), None);
        let never = Verification::new(Times::default());
        never.note(&anna, &Reply::new(250, (2, 1, 5), "Ok"), now);
        assert_eq!(never.known(&anna, now), None);
    }

    #[test]
    fn so_many_are_remembered_at_most() {
        let verification = Verification::new(Times { positive: minutes(60), ..Times::default() });
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let ok = Reply::new(250, (2, 1, 5), "Ok");
        let address = |number: usize| Address::parse(&format!("a{number}@ours.example")).unwrap();
        for number in 0..MOST + 10 {
            verification.note(&address(number), &ok, now);
        }
        assert!(verification.known(&address(9), now).is_none());
        assert!(verification.known(&address(10), now).is_some());
        assert_eq!(verification.answers.lock().unwrap().of.len(), MOST);
    }
}

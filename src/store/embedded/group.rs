//! Which batches are synced together.
//!
//! A group takes what is waiting; under load it waits a moment for mail that is
//! on its way, and a batch that nobody waits for goes with that mail. It
//! trusts the count of those on their way for speed only: each wait ends by
//! itself.

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::committer::{Order, Request};

/// Batches in one group.
const GROUP: usize = 256;
/// Bytes in one group; a larger batch is a group of its own.
const GROUP_BYTES: usize = 1 << 20;
/// So many batches are worth a sync of their own.
const ENOUGH: usize = 32;
/// With fewer others on their way than this, a group does not wait for them.
const SIBLINGS: usize = 4;
/// How long a group waits for them: so often, so long. What is answered
/// together costs everybody less, the clients too.
const WAITS: usize = 4;
const WAIT: Duration = Duration::from_micros(500);
/// How long batches that are patient wait for mail that is on its way. A group
/// of their own would make all mail wait for one sync more.
pub(super) const PATIENCE: Duration = Duration::from_millis(10);

/// Takes what else is waiting, up to a group, and under load what comes in a
/// moment. The second answer is true if a stop came with it.
pub(super) fn gather(
    first: Request,
    orders: &Receiver<Order>,
    patience: Duration,
    expected: impl Fn() -> usize,
) -> (Vec<Request>, bool) {
    let until = Instant::now() + patience;
    let mut bytes = first.bytes;
    // Those that somebody waits for.
    let mut urgent = usize::from(!first.patient);
    let mut group = vec![first];
    let mut waits = 0;
    while group.len() < GROUP && bytes < GROUP_BYTES {
        let expected = expected();
        let order = match orders.try_recv() {
            Err(_) if urgent == 0 && expected > 0 => {
                let left = until.saturating_duration_since(Instant::now());
                orders.recv_timeout(left).ok()
            }
            order => order.ok(),
        };
        match order {
            Some(Order::Commit(request)) => {
                bytes += request.bytes;
                urgent += usize::from(!request.patient);
                group.push(*request);
            }
            Some(Order::Stop) => return (group, true),
            None if waits < WAITS && is_worth_waiting(urgent, expected) => {
                waits += 1;
                std::thread::sleep(WAIT);
            }
            None => break,
        }
    }
    (group, false)
}

/// `expected` counts the group's `urgent` batches too.
fn is_worth_waiting(urgent: usize, expected: usize) -> bool {
    (1..ENOUGH).contains(&urgent) && expected >= urgent + SIBLINGS
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::oneshot;

    use super::*;
    use crate::store::watch::After;

    fn request(patient: bool) -> Box<Request> {
        let room = Arc::new(tokio::sync::Semaphore::new(2));
        let one = || Arc::clone(&room).try_acquire_owned().unwrap();
        Box::new(Request {
            checks: Vec::new(),
            changes: Vec::new(),
            bodies: Vec::new(),
            erased: Vec::new(),
            bytes: 1,
            after: After::default(),
            patient,
            answer: oneshot::channel().0,
            room: (one(), one()),
        })
    }

    #[test]
    fn a_patient_batch_goes_with_the_mail_that_is_on_its_way() {
        let (sender, orders) = std::sync::mpsc::channel();
        let long = Duration::from_mins(1);
        let began = Instant::now();
        let (group, _) = gather(*request(true), &orders, long, || 0);
        assert_eq!(group.len(), 1, "nothing is on its way");
        let (group, _) = gather(*request(false), &orders, long, || 1);
        assert_eq!(group.len(), 1, "somebody waits for this one");
        assert!(began.elapsed() < long);
        let mail = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            sender.send(Order::Commit(request(false))).unwrap();
            sender
        });
        let (group, _) = gather(*request(true), &orders, long, || 1);
        assert_eq!(group.len(), 2);
        let _sender = mail.join().unwrap();
        let (group, _) = gather(*request(true), &orders, Duration::from_millis(1), || 1);
        assert_eq!(group.len(), 1, "patience ends");
    }

    #[test]
    fn nobody_waits_for_a_few_and_no_group_for_more_than_enough() {
        assert!(!is_worth_waiting(1, 1), "a sender alone");
        assert!(!is_worth_waiting(3, 5), "few of them");
        assert!(is_worth_waiting(1, 32));
        assert!(!is_worth_waiting(32, 32), "everybody is here");
        assert!(!is_worth_waiting(ENOUGH, 1000));
        assert!(!is_worth_waiting(7, 0), "others than were expected");
    }
}

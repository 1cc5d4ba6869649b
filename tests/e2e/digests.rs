//! A measurement: the digests of 10,000 recipients while mail comes in.
//!
//! `cargo nextest run --release --test e2e --run-ignored only digests
//! --no-capture` prints how long they take, to the last letter delivered, and
//! how intake fares meanwhile, and a row for the README's table. The clients
//! and the next hop run beside it. Smaller, to see that it runs:
//! `DIGESTS_RECIPIENTS=200`; `DIGESTS_INDEX=redb` takes the other index.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use reprieve::directory::Recipient;
use reprieve::queue::Which;
use reprieve::store::Toward;

use super::*;

const RECIPIENTS: usize = 10_000;
/// How long intake alone is watched before the digests, and after them.
const ALONE: Duration = Duration::from_secs(30);
const SESSIONS: usize = 16;
/// Between two looks; the clock of the house goes on by as much.
const TICK: Duration = Duration::from_millis(200);
const PADDING: usize = 8 * 1024;
/// More than are ever sent.
const ENDLESS: usize = usize::MAX / 2;

/// Held messages that come in over some sessions, each to the next recipient.
#[derive(Default)]
struct Intake {
    begun: AtomicUsize,
    answered: AtomicUsize,
}

impl Intake {
    /// Sends until `most` have been begun.
    async fn send(self: Arc<Self>, smtp: SocketAddr, recipients: usize, most: usize) {
        let sessions = (0..SESSIONS).map(|_| {
            let intake = Arc::clone(&self);
            tokio::spawn(async move {
                let mut sender = Sender::connect(smtp, "mail.sender.example").await.unwrap();
                loop {
                    let number = intake.begun.fetch_add(1, Ordering::Relaxed);
                    if number >= most {
                        return;
                    }
                    let to = format!("r{}@ours.example", number % recipients);
                    let from = format!("eva{number}@stranger.example");
                    let message =
                        mail(&from, &format!("m{number}"), &"All work. ".repeat(PADDING / 10));
                    let answer = sender.send(&from, &[&to], &message).await.unwrap();
                    assert_eq!(answer.code, 550, "held, and told: {}", answer.text);
                    intake.answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        for session in sessions.collect::<Vec<_>>() {
            session.await.unwrap();
        }
    }

    /// Messages a second while `meanwhile` goes on.
    #[allow(clippy::cast_precision_loss, reason = "a measurement")]
    async fn rate<T>(&self, meanwhile: impl Future<Output = T>) -> (f64, T) {
        let (began, before) = (Instant::now(), self.answered.load(Ordering::Relaxed));
        let done = meanwhile.await;
        let answered = self.answered.load(Ordering::Relaxed) - before;
        (answered as f64 / began.elapsed().as_secs_f64(), done)
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn digests_of_ten_thousand_while_mail_comes_in() {
    let recipients = number("DIGESTS_RECIPIENTS", RECIPIENTS);
    let index = std::env::var("DIGESTS_INDEX").unwrap_or_else(|_| "sled".to_owned());
    let house = House::with(vec![format!("store.index={index}")]).await;
    let smtp = house.smtp();
    let first = Arc::new(Intake::default());
    first.send(smtp, recipients, recipients).await;
    let gateway = house.gateway.as_ref().expect("it runs");
    // Whom mail has shown is written down beside it.
    let known = async || {
        let store = &gateway.errands().store;
        store.page::<Recipient>(&[], 2 * recipients).await.unwrap().len()
    };
    while known().await < recipients {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let intake = Arc::new(Intake::default());
    let sending = tokio::spawn(Arc::clone(&intake).send(smtp, recipients, ENDLESS));
    let (before, ()) = intake.rate(tokio::time::sleep(ALONE)).await;
    println!("intake alone: {before:.0} messages/s");
    house.clock.advance(SignedDuration::from_hours(24));
    // The worker has to see first that they are due. Nothing else is
    // delivered: what comes in is held.
    while house.outside.one(1).is_none() {
        tokio::time::sleep(TICK).await;
    }
    let begun = Instant::now();
    let delivered = async {
        for look in 1.. {
            if house.outside.one(recipients).is_some() {
                break;
            }
            tokio::time::sleep(TICK).await;
            // What is to be tried again a little later is due in time.
            house.clock.advance(SignedDuration::try_from(TICK).unwrap());
            if look % 50 == 0 {
                println!("{}", under_way(&house).await);
            }
        }
    };
    let (beside, ()) = intake.rate(delivered).await;
    let took = begun.elapsed();
    println!("{recipients} digests delivered in {took:.1?}, intake {beside:.0} messages/s");
    let (after, ()) = intake.rate(tokio::time::sleep(ALONE)).await;
    println!("intake alone again: {after:.0} messages/s");
    intake.begun.store(ENDLESS, Ordering::Relaxed);
    sending.await.unwrap();
    // The store has grown meanwhile: alone is what is between the two.
    let alone = f64::midpoint(before, after);
    let share = beside / alone;
    println!(
        "| digests of {recipients} recipients, delivered while mail comes in ({index}) | {took:.1?}; intake \
         {beside:.0}/s, {share:.2} of {alone:.0}/s alone (before {before:.0}, after {after:.0}) |"
    );
}

/// How many arrived, how many are on their way, and what one of them waits for.
async fn under_way(house: &House) -> String {
    let queue = &house.gateway.as_ref().expect("it runs").errands().queue;
    let load = queue.load().await.unwrap();
    let waiting = queue.list(Which::Waiting, Toward::First, &[], 1).await.unwrap().items;
    let reply = waiting.iter().flat_map(|one| &one.recipients).find_map(|one| one.reply.clone());
    format!("{} delivered, {} wait, one for {reply:?}", house.outside.all().len(), load.open)
}

fn number(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

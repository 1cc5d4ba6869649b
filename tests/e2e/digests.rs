//! A measurement: the digests of 10,000 recipients while mail comes in.
//!
//! `cargo nextest run --release --test e2e --run-ignored only digests
//! --no-capture` prints how long they take, to the last letter delivered, and
//! how intake fares meanwhile. The clients and the next hop run beside it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use reprieve::directory::Recipient;

use super::*;

const RECIPIENTS: usize = 10_000;
const SESSIONS: usize = 16;
const PADDING: usize = 8 * 1024;

/// Sends held messages, each to another of the recipients, until it is
/// stopped or has sent `most`.
async fn intake(smtp: SocketAddr, from: usize, most: usize, stop: Arc<AtomicBool>) -> usize {
    let next = Arc::new(AtomicUsize::new(from));
    let sessions = (0..SESSIONS).map(|_| {
        let (next, stop) = (Arc::clone(&next), Arc::clone(&stop));
        tokio::spawn(async move {
            let mut sender = Sender::connect(smtp, "mail.sender.example").await.unwrap();
            let mut sent = 0;
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= from + most || stop.load(Ordering::Relaxed) {
                    return sent;
                }
                let to = format!("r{}@ours.example", number % RECIPIENTS);
                let from = format!("eva{number}@stranger.example");
                let message =
                    mail(&from, &format!("m{number}"), &"All work. ".repeat(PADDING / 10));
                let answer = sender.send(&from, &[&to], &message).await.unwrap();
                assert_eq!(answer.code, 550, "held, and told: {}", answer.text);
                sent += 1;
            }
        })
    });
    let all = futures_util::future::join_all(sessions).await;
    all.into_iter().map(Result::unwrap).sum()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn digests_of_ten_thousand_while_mail_comes_in() {
    let house = House::new().await;
    let smtp = house.smtp();
    let on = || Arc::new(AtomicBool::new(false));
    intake(smtp, 0, RECIPIENTS, on()).await;
    let begun = Instant::now();
    let sent = intake(smtp, RECIPIENTS, 4_000, on()).await;
    let alone = rate(sent, begun);
    println!("intake alone: {alone:.0} messages/s");
    let gateway = house.gateway.as_ref().expect("it runs");
    // Whom mail has shown is written down beside it.
    let known = async || {
        let store = &gateway.errands().store;
        store.page::<Recipient>(&[], 2 * RECIPIENTS).await.unwrap().len()
    };
    while known().await < RECIPIENTS {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    house.clock.advance(SignedDuration::from_hours(24));
    let (stop, sending) = (on(), Instant::now());
    let more = tokio::spawn(intake(smtp, 2 * RECIPIENTS, usize::MAX / 2, Arc::clone(&stop)));
    // Nothing else is delivered: what comes in is held.
    house.outside.wait_for(|_| true).await;
    let begun = Instant::now();
    while house.outside.all().len() < RECIPIENTS {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let took = begun.elapsed();
    stop.store(true, Ordering::Relaxed);
    let beside = rate(more.await.unwrap(), sending);
    println!("{RECIPIENTS} digests delivered in {took:.1?}");
    println!("intake beside them: {beside:.0} messages/s, {:.2} of alone", beside / alone);
}

#[allow(clippy::cast_precision_loss, reason = "a measurement")]
fn rate(sent: usize, begun: Instant) -> f64 {
    sent as f64 / begun.elapsed().as_secs_f64()
}

//! A measurement: the digests of 10,000 recipients while mail comes in.
//!
//! `cargo nextest run --release --test e2e --run-ignored only digests
//! --no-capture` prints how long they take, to the last letter delivered, and
//! how intake fares meanwhile, and a row for the README's table. The clients
//! and the next hop run beside it. Smaller, to see that it runs:
//! `DIGESTS_RECIPIENTS=200 DIGESTS_ALONE=100`; `DIGESTS_INDEX=redb` takes the
//! other index.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use reprieve::directory::Recipient;
use reprieve::queue::Which;
use reprieve::store::Toward;

use super::*;

/// Messages by which the rate of intake alone is measured.
const ALONE: usize = 4_000;
const RECIPIENTS: usize = 10_000;
const SESSIONS: usize = 16;
/// Between two looks; the clock of the house goes on by as much.
const TICK: Duration = Duration::from_millis(200);
const PADDING: usize = 8 * 1024;

/// Sends held messages, each to another of the recipients, until it is
/// stopped or has sent `most`.
async fn intake(
    smtp: SocketAddr,
    recipients: usize,
    (from, most): (usize, usize),
    stop: Arc<AtomicBool>,
) -> usize {
    let next = Arc::new(AtomicUsize::new(from));
    let sessions = (0..SESSIONS).map(|_| {
        let (next, stop) = (Arc::clone(&next), Arc::clone(&stop));
        tokio::spawn(async move {
            let mut sender = Sender::connect(smtp, "mail.sender.example").await.unwrap();
            let mut sent = 0;
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= from.saturating_add(most) || stop.load(Ordering::Relaxed) {
                    return sent;
                }
                let to = format!("r{}@ours.example", number % recipients);
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
    let (recipients, first) =
        (number("DIGESTS_RECIPIENTS", RECIPIENTS), number("DIGESTS_ALONE", ALONE));
    let index = std::env::var("DIGESTS_INDEX").unwrap_or_else(|_| "sled".to_owned());
    let house = House::with(vec![format!("store.index={index}")]).await;
    let smtp = house.smtp();
    let on = || Arc::new(AtomicBool::new(false));
    intake(smtp, recipients, (0, recipients), on()).await;
    let begun = Instant::now();
    let sent = intake(smtp, recipients, (recipients, first), on()).await;
    let alone = rate(sent, begun);
    println!("intake alone: {alone:.0} messages/s");
    let gateway = house.gateway.as_ref().expect("it runs");
    // Whom mail has shown is written down beside it.
    let known = async || {
        let store = &gateway.errands().store;
        store.page::<Recipient>(&[], 2 * recipients).await.unwrap().len()
    };
    while known().await < recipients {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    house.clock.advance(SignedDuration::from_hours(24));
    let (stop, sending) = (on(), Instant::now());
    let more = (recipients + first, usize::MAX);
    let more = tokio::spawn(intake(smtp, recipients, more, Arc::clone(&stop)));
    // Nothing else is delivered: what comes in is held.
    let mut begun = None;
    let mut waited = 0;
    while house.outside.one(recipients).is_none() {
        if begun.is_none() && house.outside.one(1).is_some() {
            begun = Some(Instant::now());
        }
        tokio::time::sleep(TICK).await;
        // What is to be tried again a little later is due in time.
        house.clock.advance(SignedDuration::try_from(TICK).unwrap());
        waited += 1;
        if waited % 50 == 0 {
            println!("{}", under_way(&house).await);
        }
    }
    let begun = begun.unwrap_or(sending);
    let took = begun.elapsed();
    stop.store(true, Ordering::Relaxed);
    let beside = rate(more.await.unwrap(), sending);
    let share = beside / alone;
    println!("{recipients} digests delivered in {took:.1?}");
    println!("intake beside them: {beside:.0} messages/s, {share:.2} of alone");
    println!(
        "| digests of {recipients} recipients, delivered while mail comes in ({index}) | {took:.1?}; intake \
         {beside:.0}/s, {share:.2} of {alone:.0}/s alone |"
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

#[allow(clippy::cast_precision_loss, reason = "a measurement")]
fn rate(sent: usize, begun: Instant) -> f64 {
    sent as f64 / begun.elapsed().as_secs_f64()
}

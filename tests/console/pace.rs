//! A measurement: every page with 100,000 held messages and 50,000 senders,
//! eight administrators at once.
//!
//! `cargo nextest run --release --test console --run-ignored only pace
//! --no-capture` prints the median and the 95th percentile of each page.

use std::time::{Duration, Instant};

use reprieve::account::Role;
use reprieve::mail::Address;
use reprieve::portal::console_powers;
use reprieve::quarantine::Reference;
use reprieve::reputation::{Proof, Proofs, Scope, Standing, StandingState};
use reprieve::store::Batch;

use crate::client::Client;
use crate::console;
use crate::stage::{address, held, recipient};

const HELD: u32 = 100_000;
const SENDERS: u32 = 50_000;
const USERS: usize = 8;
const ROUNDS: usize = 12;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn pace() {
    let stage = console().await;
    let now = stage.clock.now();
    let mut last = String::new();
    for count in 0..HELD {
        let mut one = held(now);
        let [a, b, c, d] = count.to_be_bytes();
        one.reference = Reference::from_random([0, a, b, c, d]);
        one.subject = format!("Offer number {count} for the roof repair");
        one.rfc5322_from = Some(address(&format!("kari{count}@katto{}.example", count % 1000)));
        one.recipients = vec![recipient(&format!("anna{}@example.fi", count % 500), true, now)];
        last = one.id.to_string();
        let mut batch = Batch::new();
        batch.insert(&one);
        stage.store.commit(batch).await.unwrap();
    }
    for count in 0..SENDERS {
        let standing = Standing {
            address: Address::parse(&format!("s{count}@far{}.example", count % 700)).unwrap(),
            scope: Scope::Everywhere,
            proofs: Proofs::NONE.with(Proof::Dkim),
            state: StandingState::Trusted,
            since: now,
            last_seen: now,
            releases: 1,
            clean_days: 3,
            today: 1,
            revocations: 0,
        };
        let mut batch = Batch::new();
        batch.insert(&standing);
        stage.store.commit(batch).await.unwrap();
    }
    let mut pages: Vec<String> = console_powers()
        .into_iter()
        .filter(|(path, get, _)| get.is_some() && !path.contains('{'))
        .map(|(path, ..)| path)
        .collect();
    pages.push(format!("/admin/quarantine/{last}"));
    pages.push("/admin/quarantine?q=kari77".to_owned());
    pages.push("/admin/quarantine?q=nothing%20like%20it".to_owned());
    pages.push("/admin/senders?q=far69".to_owned());
    // One after the other: each moves the clock that the others' codes are of.
    let mut clients = Vec::new();
    for user in 0..USERS {
        clients.push(Client::enter(&stage, &format!("user{user}"), Role::Operator).await);
    }
    for path in pages {
        let users = clients.iter_mut().map(|client| {
            let path = path.clone();
            async move {
                let mut times = Vec::new();
                for _ in 0..ROUNDS {
                    let begun = Instant::now();
                    assert_eq!(client.get(&path).await.status.as_u16(), 200, "{path}");
                    times.push(begun.elapsed());
                }
                times
            }
        });
        let mut times: Vec<Duration> =
            futures_util::future::join_all(users).await.into_iter().flatten().collect();
        times.sort_unstable();
        let at = |share: usize| times[(times.len() - 1) * share / 100];
        println!("{path:60} median {:?}  p95 {:?}", at(50), at(95));
    }
}

//! The delivery blocking under load: ten million addresses, lookups in
//! process and over socketmap, a search for a part, an upload of a million.
//!
//! `cargo bench --bench suppression` prints one line a figure; the first
//! argument `quick` takes a tenth of everything.

#![allow(clippy::cast_precision_loss, reason = "figures for people")]

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use reprieve::clock::Clock;
use reprieve::store::{EmbeddedSettings, Store};
use reprieve::suppression::roll::Arena;
use reprieve::suppression::{OWN, Suppression, Upload, socketmap};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

fn main() {
    let tenth = std::env::args().any(|argument| argument == "quick");
    let millions = if tenth { 1 } else { 10 };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let list = Suppression::new(Store::in_memory(), Clock::system());

    let began = Instant::now();
    let count = millions * 1_000_000usize;
    let arena = {
        let addresses = (0..count).map(address).collect::<Vec<_>>();
        Arena::of_sorted(addresses.iter().map(String::as_str))
    };
    list.roll(OWN).reset(arena);
    println!(
        "{count} addresses: built in {:.1} s, RSS {} MiB",
        began.elapsed().as_secs_f64(),
        rss()
    );

    lookups(&list, count);
    searches(&list);
    runtime.block_on(over_socketmap(&list, count));
    let rows = if tenth { 100_000 } else { 1_000_000 };
    runtime.block_on(upload(&list, count, rows));
}

/// In ascending order.
fn address(number: usize) -> String {
    format!("user{number:08}.name@domain{:03}.example", number % 1000)
}

fn lookups(list: &Suppression, count: usize) {
    let roll = list.roll(OWN);
    let mut times = Vec::with_capacity(200_000);
    let mut found = 0;
    for round in 0..200_000usize {
        // Half of them are on the list.
        let wanted = address((round * 7_919 * 2_654_435) % (2 * count));
        let began = Instant::now();
        found += usize::from(roll.contains(&wanted));
        times.push(began.elapsed());
    }
    times.sort_unstable();
    let at = |share: usize| times[times.len() * share / 1000];
    println!(
        "lookup in process: p50 {:?}, p99 {:?}, p99.9 {:?} ({found} found)",
        at(500),
        at(990),
        at(999)
    );
}

fn searches(list: &Suppression) {
    let roll = list.roll(OWN);
    for part in ["domain999", "99999.name", "nobody-has-this", "user0"] {
        let began = Instant::now();
        let page = roll.search(part, "", 50);
        println!("search {part:?}: first page of {} in {:?}", page.len(), began.elapsed());
    }
}

async fn over_socketmap(list: &Suppression, count: usize) {
    const EACH: usize = 20_000;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address_of = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(socketmap::serve(list.clone(), listener, stop.clone()));
    let began = Instant::now();
    let clients: Vec<_> = (0..8)
        .map(|client| {
            std::thread::spawn(move || {
                let mut stream = std::net::TcpStream::connect(address_of).unwrap();
                stream.set_nodelay(true).unwrap();
                stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
                let mut buffer = [0; 512];
                for round in 0..EACH {
                    // As Postfix: one question, one answer.
                    let wanted = address(count + round * 8 + client);
                    let question = format!("own {wanted}");
                    stream.write_all(format!("{}:{question},", question.len()).as_bytes()).unwrap();
                    let read = stream.read(&mut buffer).unwrap();
                    assert!(read > 0);
                }
            })
        })
        .collect();
    tokio::task::spawn_blocking(move || clients.into_iter().for_each(|one| one.join().unwrap()))
        .await
        .unwrap();
    let took = began.elapsed().as_secs_f64();
    println!("socketmap, 8 connections: {:.0} lookups/s", (8 * EACH) as f64 / took);
    stop.cancel();
}

/// Onto a real store, while lookups go on.
async fn upload(list: &Suppression, count: usize, rows: usize) {
    let folder = std::env::temp_dir().join(format!("reprieve-bench-{}", std::process::id()));
    let (store, _) = Store::open(&folder, EmbeddedSettings::default()).unwrap();
    let real = Suppression::new(store.clone(), Clock::system());
    let mut file = String::from("name,address\n");
    for number in 0..rows {
        file.push_str("Somebody,");
        file.push_str(&address(count + number));
        file.push('\n');
    }
    let upload = Upload {
        server: OWN,
        file: "million.csv".to_owned(),
        by: "bench".to_owned(),
        column: "address".to_owned(),
        at_once: true,
    };
    let before = rss();
    let (reading, stop) = (list.roll(OWN), CancellationToken::new());
    let worst = {
        let stop = stop.clone();
        std::thread::spawn(move || {
            let mut worst = Duration::ZERO;
            while !stop.is_cancelled() {
                let began = Instant::now();
                reading.contains("user00000001.name@domain001.example");
                worst = worst.max(began.elapsed());
                std::thread::sleep(Duration::from_millis(1));
            }
            worst
        })
    };
    let began = Instant::now();
    let found = real.register(&upload, file.as_bytes()).await.unwrap();
    let took = began.elapsed().as_secs_f64();
    stop.cancel();
    println!(
        "upload of {} rows: {took:.1} s, RSS {before} -> {} MiB, slowest lookup meanwhile {:?}",
        found.records,
        rss(),
        worst.join().unwrap(),
    );
    store.close().await;
    let _ = std::fs::remove_dir_all(folder);
}

fn rss() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or("");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<usize>().ok()).unwrap_or(0) / 1024
}

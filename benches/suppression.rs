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
use reprieve::suppression::upload::{Job, Stage};
use reprieve::suppression::{OWN, Suppression, Upload, socketmap};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

fn main() {
    let tenth = std::env::args().any(|argument| argument == "quick");
    let millions = if tenth { 1 } else { 10 };
    let rows = if tenth { 100_000 } else { 1_000_000 };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    // First: the most memory that there ever was is this one's.
    runtime.block_on(upload(millions * 1_000_000, rows));
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
        memory("VmRSS")
    );

    lookups(&list, count);
    searches(&list);
    runtime.block_on(over_socketmap(&list, count));
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

/// A file on disk onto a real store, as the console does it, while lookups go
/// on: read once for what it holds, then registered.
async fn upload(count: usize, rows: usize) {
    let folder = std::env::temp_dir().join(format!("reprieve-bench-{}", std::process::id()));
    let (store, _) = Store::open(&folder.join("store"), EmbeddedSettings::default()).unwrap();
    let list = Suppression::new(store.clone(), Clock::system()).in_folder(&folder);
    let (id, file) = list.spool().unwrap();
    let mut file = std::io::BufWriter::new(file);
    file.write_all(b"name,address\n").unwrap();
    for number in 0..rows {
        writeln!(file, "Somebody,{}", address(count + number)).unwrap();
    }
    file.into_inner().unwrap();
    let upload = Upload {
        server: OWN,
        file: "million.csv".to_owned(),
        by: "bench".to_owned(),
        column: "address".to_owned(),
        at_once: true,
    };
    let before = memory("VmRSS");
    let worst = Watch::begin(&list);
    let began = Instant::now();
    let job = list.begin_upload(id, upload).unwrap();
    ended(&job).await;
    let checked = began.elapsed().as_secs_f64();
    let began = Instant::now();
    assert!(list.register_upload(&job, true, |_| {}).unwrap());
    ended(&job).await;
    let took = began.elapsed().as_secs_f64();
    assert!(matches!(job.stage(), Stage::Registered(_)), "{:?}", job.stage());
    assert_eq!(list.roll(OWN).len(), rows);
    println!(
        "upload of {rows} rows: checked in {checked:.1} s, in force in {took:.1} s more; \
         RSS {before} MiB before, {} MiB at most; slowest lookup meanwhile {:?}",
        memory("VmHWM"),
        worst.end(),
    );
    store.close().await;
    let _ = std::fs::remove_dir_all(folder);
}

async fn ended(job: &Job) {
    while job.stage().is_moving() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Looks something up every millisecond, and remembers the slowest.
struct Watch {
    stop: CancellationToken,
    looking: std::thread::JoinHandle<Duration>,
}

impl Watch {
    fn begin(list: &Suppression) -> Self {
        let (reading, stop) = (list.roll(OWN), CancellationToken::new());
        let stopped = stop.clone();
        let looking = std::thread::spawn(move || {
            let mut worst = Duration::ZERO;
            while !stopped.is_cancelled() {
                let began = Instant::now();
                reading.contains("user00000001.name@domain001.example");
                worst = worst.max(began.elapsed());
                std::thread::sleep(Duration::from_millis(1));
            }
            worst
        });
        Self { stop, looking }
    }

    fn end(self) -> Duration {
        self.stop.cancel();
        self.looking.join().unwrap()
    }
}

/// In MiB; `VmHWM` is the most that there ever was.
fn memory(which: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(which)).unwrap_or("");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<usize>().ok()).unwrap_or(0) / 1024
}

//! The delivery blocking under load: ten million addresses, lookups in
//! process and over socketmap, a search for a part, an upload of a million.
//!
//! `cargo bench --bench suppression` prints one line a figure; the first
//! argument `quick` takes a tenth of everything.

#![allow(clippy::cast_precision_loss, reason = "figures for people")]

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use reprieve::clock::Clock;
use reprieve::mail::Address;
use reprieve::store::{EmbeddedSettings, Store};
use reprieve::suppression::roll::Arena;
use reprieve::suppression::upload::{Job, Stage};
use reprieve::suppression::{OWN, Server, Suppression, Upload, Way, socketmap};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
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
    runtime.block_on(map_file(&list, count));
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
        // Half of them are on the list, the others between those.
        let wanted = address((round * 7_919 * 2_654_435) % count);
        let wanted = if round % 2 == 0 { wanted } else { wanted + "x" };
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

/// As Postfix: one question, one answer, on a blocking socket. The questions
/// lie ready, so that what is measured is the answers; what the driver itself
/// costs is said.
async fn over_socketmap(list: &Suppression, count: usize) {
    const EACH: usize = 40_000;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address_of = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(socketmap::serve(list.clone(), listener, stop.clone()));
    for (what, ending) in [("none listed", "x"), ("every one listed", "")] {
        let questions: Vec<_> = (0..8)
            .map(|client| {
                let one = |round: usize| {
                    // Far from each other, as recipients are.
                    let nth = (round * 8 + client) * 7_919 % count;
                    let question = format!("own {}{ending}", address(nth));
                    format!("{}:{question},", question.len()).into_bytes()
                };
                (0..EACH).map(one).collect::<Vec<_>>()
            })
            .collect();
        let (began, cpu) = (Instant::now(), cpu_of("self"));
        let clients = questions.into_iter().map(|questions| {
            std::thread::spawn(move || {
                let mut stream = std::net::TcpStream::connect(address_of).unwrap();
                stream.set_nodelay(true).unwrap();
                stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
                let mut buffer = [0; 512];
                for question in &questions {
                    stream.write_all(question).unwrap();
                    let read = stream.read(&mut buffer).unwrap();
                    assert!(read > 0 && buffer[read - 1] == b',');
                }
                cpu_of("thread-self")
            })
        });
        let clients: Vec<_> = clients.collect();
        let ended = move || clients.into_iter().map(|one| one.join().unwrap()).sum::<f64>();
        let driver = tokio::task::spawn_blocking(ended).await.unwrap();
        let (took, all) = (began.elapsed().as_secs_f64(), (8 * EACH) as f64);
        let server = cpu_of("self") - cpu - driver;
        println!(
            "socketmap, 8 connections, {what}: {:.0} lookups/s; CPU a lookup: {:.1} us, and the \
             driver's {:.1} us",
            all / took,
            server / all * 1e6,
            driver / all * 1e6
        );
    }
    release(list, address_of).await;
    stop.cancel();
}

/// From a person's press to the first answer on the wire that says so.
async fn release(list: &Suppression, to: std::net::SocketAddr) {
    let released = Address::parse(&address(4_711)).unwrap();
    let question = format!("own {released}");
    let question = format!("{}:{question},", question.len());
    let ask = async || {
        let mut stream = tokio::net::TcpStream::connect(to).await.unwrap();
        stream.write_all(question.as_bytes()).await.unwrap();
        let mut buffer = [0; 512];
        let read = stream.read(&mut buffer).await.unwrap();
        String::from_utf8_lossy(&buffer[..read]).into_owned()
    };
    assert!(ask().await.contains(":OK "));
    let began = Instant::now();
    list.release(OWN, &released, "bench").await.unwrap();
    while !ask().await.contains("NOTFOUND") {}
    println!("release: in force on the wire after {:?}", began.elapsed());
}

/// A cdb file of the whole list, and again after one address more.
async fn map_file(list: &Suppression, count: usize) {
    let folder = std::env::temp_dir().join(format!("reprieve-bench-map-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("blocked");
    let way = Way::map_file(&format!("cdb:{}", path.display())).unwrap();
    list.add_server(&Server::new(1, "mx1", way), "bench").await.unwrap();
    let lines = (0..count).map(|nth| address(nth) + "\n").collect::<String>();
    list.roll(1).merge(&lines);
    drop(lines);
    for what in ["all", "one released"] {
        let began = Instant::now();
        let written = list.distribute(1, "bench", false).await.unwrap();
        let bytes = std::fs::metadata(folder.join("blocked.cdb")).unwrap().len();
        println!(
            "cdb file, {what}: {} addresses in {:.1} s, {} MiB",
            written.addresses,
            began.elapsed().as_secs_f64(),
            bytes >> 20
        );
        list.roll(1).set(&address(4_711), false);
    }
    let _ = std::fs::remove_dir_all(folder);
}

/// Seconds of CPU that this process or thread has used (proc(5)).
fn cpu_of(whose: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{whose}/stat")).unwrap_or_default();
    // Behind the name, which may hold anything: utime and stime are the 12th
    // and 13th, in hundredths.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
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

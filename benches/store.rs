//! Measures the store: durable commits a second, starts, rebuilds, memory.
//!
//! `cargo bench --bench store -- INDEX HELD [SECONDS] [FOLDER]` fills a store
//! with HELD records, measures 32 submitters of one record (about 1 KiB, three
//! index keys) with a message of 10 KiB, then the starts after a clean stop
//! and after kill -9, and the rebuild of the index. What the console searches
//! follows in memory and is filled at each start. It prints one line each.

#![allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use minicbor::{Decode, Encode};
use reprieve::store::arena::{Arena, Entry};
use reprieve::store::{
    Batch, Body, BodyId, EmbeddedSettings, Index, IndexEngine, Record, Store, Table,
};

const SUBMITTERS: u64 = 32;

#[derive(Clone, Encode, Decode)]
struct Held {
    #[n(0)]
    #[cbor(with = "reprieve::store::record::uuid")]
    id: BodyId,
    #[n(1)]
    due: u64,
    #[n(2)]
    text: String,
}

impl Record for Held {
    const TABLE: Table = Table::Held;

    fn key(&self) -> Vec<u8> {
        self.id.as_bytes().to_vec()
    }

    fn index_keys(&self) -> Vec<(Index, Vec<u8>)> {
        let random = self.id.as_bytes()[8..].to_vec();
        vec![
            (Index::HeldByReference, random.clone()),
            (Index::HeldByFingerprint, random.into_iter().rev().collect()),
            (Index::HeldDue, self.due.to_be_bytes().to_vec()),
        ]
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let index = match words.first().map(String::as_str) {
        Some("redb") => IndexEngine::Redb,
        _ => IndexEngine::Sled,
    };
    let held: u64 = words.get(1).and_then(|word| word.parse().ok()).unwrap_or(10_000);
    let seconds: u64 = words.get(2).and_then(|word| word.parse().ok()).unwrap_or(5);
    let folder =
        words.get(3).map_or_else(|| tempfile::tempdir().expect("a folder").keep(), PathBuf::from);
    if std::env::var_os("STORE_BENCH_CHILD").is_some() {
        return child(&folder, index);
    }
    println!("{} in {}", index.name(), folder.display());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("tokio");
    let store = open(&folder, index, "new");
    searched(&runtime, &store);
    report(&runtime, &store, "fill", held, None, 1000);
    report(&runtime, &store, "10 KiB", u64::MAX, Some(Duration::from_secs(seconds)), 10_240);
    runtime.block_on(store.close());
    drop(store);
    let store = open(&folder, index, "clean");
    searched(&runtime, &store);
    drop(store);
    killed(&folder, index);
    open(&folder, index, "after kill -9");
    let began = Instant::now();
    let opened = Store::rebuild(&folder, index).expect("it is rebuilt");
    println!("rebuild: {:.1} s, {} replayed", began.elapsed().as_secs_f64(), opened.replayed);
    std::fs::remove_dir_all(&folder).expect("the folder goes");
}

fn open(folder: &Path, index: IndexEngine, what: &str) -> Store {
    let began = Instant::now();
    let settings = EmbeddedSettings { index, ..EmbeddedSettings::default() };
    let (store, opened) = Store::open(folder, settings).expect("it opens");
    let seconds = began.elapsed().as_secs_f64();
    println!("start {what}: {seconds:.2} s, {opened:?}, {} MiB", resident());
    store
}

/// Brings the console's search into memory, and looks for what nobody has.
fn searched(runtime: &tokio::runtime::Runtime, store: &Store) {
    let arena = Arena::follow::<Held>(store, false, entry);
    let began = Instant::now();
    runtime.block_on(arena.fill::<Held>(store, entry)).expect("it is read");
    let filled = began.elapsed();
    let began = Instant::now();
    let found = arena.find("nobody has this", None, 50, |_| true);
    println!(
        "search of {} filled in {:.1} s, {} MiB of its own; {} found in {:?}; {} MiB, {} at most",
        arena.len(),
        filled.as_secs_f64(),
        arena.bytes() >> 20,
        found.keys.len(),
        began.elapsed(),
        resident(),
        memory("VmHWM:")
    );
}

/// As much text as a held message has: a name, two addresses, a subject.
fn entry(held: &Held) -> Entry {
    let n = held.due;
    let text = format!(
        "kari katto <kari{n}@katto.example> an offer for the repair of your roof, number {n} \
         bounce-{n}@mailer.example anna.{n}@example.fi"
    );
    let order = i64::try_from(held.id.as_u128() >> 80).expect("48 bits");
    Entry { text, facts: 1, groups: vec![1], marks: vec![1, 2, 3], order }
}

fn report(
    runtime: &tokio::runtime::Runtime,
    store: &Store,
    what: &str,
    count: u64,
    time: Option<Duration>,
    length: usize,
) {
    let began = Instant::now();
    let mut waits = runtime.block_on(load(store, count, time, length));
    let seconds = began.elapsed().as_secs_f64();
    waits.sort_unstable();
    let at = |part: f64| {
        let nth = (waits.len() as f64 * part) as usize;
        waits.get(nth).map_or(0.0, |micros| f64::from(*micros) / 1000.0)
    };
    println!(
        "{what}: {} commits, {:.0}/s, p50 {:.1} ms, p99 {:.1} ms, p99.9 {:.1} ms, {} MiB, \
         {} at most",
        waits.len(),
        waits.len() as f64 / seconds,
        at(0.5),
        at(0.99),
        at(0.999),
        resident(),
        memory("VmHWM:")
    );
}

async fn load(store: &Store, count: u64, time: Option<Duration>, length: usize) -> Vec<u32> {
    let given = Arc::new(AtomicU64::new(0));
    let until = time.map(|time| Instant::now() + time);
    let message = text(length);
    let mut submitters = Vec::new();
    for _ in 0..SUBMITTERS {
        let (store, given, message) = (store.clone(), Arc::clone(&given), message.clone());
        submitters.push(tokio::spawn(async move {
            let mut waits = Vec::new();
            while until.is_none_or(|until| Instant::now() < until) {
                let nth = given.fetch_add(1, Ordering::Relaxed);
                if nth >= count {
                    break;
                }
                let began = Instant::now();
                store.commit(hold(nth, &message)).await.expect("it is taken");
                waits.push(u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX));
            }
            waits
        }));
    }
    let mut waits = Vec::new();
    for submitter in submitters {
        waits.extend(submitter.await.expect("a submitter"));
    }
    waits
}

fn hold(nth: u64, message: &Bytes) -> Batch {
    let id = BodyId::now_v7();
    let mut batch = Batch::new();
    batch.insert(&Held { id, due: nth, text: "r".repeat(950) });
    let expires = "2099-12-24T00:00:00Z".parse().expect("a time");
    batch.body(Body { id, expires, content: message.clone() });
    batch
}

/// Words in a random order: compresses about as well as mail.
fn text(length: usize) -> Bytes {
    let words = ["the ", "mail ", "was ", "held ", "until ", "somebody ", "lets ", "it\r\n", "go "];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::new();
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        if state.is_multiple_of(4) {
            bytes.extend_from_slice(format!("{:x}", state >> 32).as_bytes());
        }
        bytes.extend_from_slice(words[(state % 9) as usize].as_bytes());
    }
    bytes.truncate(length);
    Bytes::from(bytes)
}

/// Resident memory, in MiB.
fn resident() -> u64 {
    memory("VmRSS:")
}

fn memory(kind: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(kind)).unwrap_or("0 0");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// Lets another process commit, and kills it in the middle.
fn killed(folder: &Path, index: IndexEngine) {
    let program = std::env::current_exe().expect("this program");
    let mut child = Command::new(program)
        .args([index.name(), "0", "0"])
        .arg(folder)
        .env("STORE_BENCH_CHILD", "1")
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child");
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    for line in lines.map_while(Result::ok) {
        if line == "busy" {
            break;
        }
    }
    child.kill().expect("it is killed");
    child.wait().expect("it is gone");
}

fn child(folder: &Path, index: IndexEngine) {
    let store = open(folder, index, "child");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("tokio");
    runtime.block_on(load(&store, 5000, None, 1000));
    println!("busy");
    runtime.block_on(load(&store, u64::MAX, None, 1000));
}

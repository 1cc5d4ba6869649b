//! A process that commits and says what was acknowledged, to be killed; and
//! the recorder outside it that knows what must still be there.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use reprieve::store::{BodyId, Disk, EmbeddedSettings, IndexEngine, Point, Store};

use crate::common::{Note, find, forget, hold, message, note, schemas, settings};

/// Which process this one is to play; set only by [`start`].
const ROLE: &str = "REPRIEVE_STORE_TEST_CHILD";
/// How this very program plays it.
const PLAY: [&str; 4] =
    ["child::commits_until_it_dies", "--exact", "--nocapture", "--test-threads=1"];

/// Runs in the child alone.
#[test]
fn commits_until_it_dies() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let words: Vec<&str> = role.split('|').collect();
    let [folder, index, point, nth, count, submitters] = words[..] else { panic!("{role}") };
    let index = IndexEngine::ALL.into_iter().find(|engine| engine.name() == index).unwrap();
    let disk = match point.parse::<usize>() {
        Ok(point) => Disk::kill_at(Point::ALL[point], nth.parse().unwrap()),
        Err(_) => Disk::default(),
    };
    let settings = EmbeddedSettings {
        disk,
        journal_segment: 20_000,
        body_segment: 100_000,
        persist_bytes: 4_000,
        checkpoint_bytes: 12_000,
        ..settings(index)
    };
    let (store, _) = Store::open(Path::new(folder), settings).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let count: usize = count.parse().unwrap();
        let work: Vec<_> = (0..submitters.parse().unwrap())
            .map(|nth| tokio::spawn(submit(store.clone(), nth, count)))
            .collect();
        for submitter in work {
            submitter.await.unwrap();
        }
        store.close().await;
    });
}

async fn submit(store: Store, nth: usize, count: usize) {
    for round in 0..count {
        let (left, right) = (note("left"), note("right"));
        let mut batch = hold(&left, if round % 7 == nth { 270_000 } else { 1500 });
        batch.insert(&right);
        store.commit(batch).await.unwrap();
        say(&format!("held {} {}", left.id, right.id));
        let row = find(&store, right.id).await.unwrap();
        let mut batch = reprieve::store::Batch::new();
        batch.update(&row, &Note { due: 8, ..right.clone() });
        store.commit(batch).await.unwrap();
        say(&format!("moved {}", right.id));
        if round % 3 == 0 {
            let row = find(&store, left.id).await.unwrap();
            say(&format!("leaving {}", left.id));
            store.commit(forget(&row)).await.unwrap();
            say(&format!("gone {}", left.id));
        }
    }
}

/// One line to the recorder, at once.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\n@{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// A running child and what it says.
pub struct Running {
    pub child: Child,
    pub said: Receiver<String>,
}

/// Starts a child that works on `folder`, `count` rounds for each submitter,
/// and dies when it passes `die` for the n-th time.
pub fn start(
    folder: &Path,
    index: IndexEngine,
    die: Option<(Point, usize)>,
    count: usize,
) -> Running {
    let point = die.map(|(point, _)| Point::ALL.iter().position(|p| *p == point).unwrap());
    let point = point.map_or("-".into(), |point| point.to_string());
    let nth = die.map_or(0, |(_, nth)| nth);
    let role = format!("{}|{}|{point}|{nth}|{count}|8", folder.display(), index.name());
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(PLAY)
        .env(ROLE, role)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (say, said) = channel();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            if let Some(line) = line.strip_prefix('@') {
                let _ = say.send(line.to_owned());
            }
        }
    });
    Running { child, said }
}

/// One submitter's ten rounds under strace: how often it acknowledged. `None`
/// where there is no strace.
pub fn traced(folder: &Path, index: IndexEngine, trace: &Path) -> Option<usize> {
    let child = Command::new("strace")
        .args(["-f", "-y", "-s", "64", "-e", "trace=pwrite64,fdatasync,write", "-o"])
        .arg(trace)
        .arg(std::env::current_exe().unwrap())
        .args(PLAY)
        .env(ROLE, format!("{}|{}|-|0|10|1", folder.display(), index.name()))
        .output()
        .ok()?;
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
    let said = String::from_utf8_lossy(&child.stdout);
    let lines = said.lines().filter(|line| line.starts_with('@') && !line.contains("leaving"));
    Some(lines.count())
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Held,
    Moved,
    /// Asked to go; nobody knows whether it did.
    Leaving,
    Gone,
}

/// What was acknowledged, as far as somebody outside the process knows.
#[derive(Default)]
pub struct Recorder {
    fates: BTreeMap<BodyId, (Fate, &'static str)>,
    pub acknowledged: usize,
}

impl Recorder {
    pub fn record(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let id = |nth: usize| words[nth].parse::<BodyId>().unwrap();
        self.acknowledged += usize::from(words[0] != "leaving");
        let fate = match words[0] {
            "held" => {
                self.fates.insert(id(2), (Fate::Held, "right"));
                self.fates.insert(id(1), (Fate::Held, "left"));
                return;
            }
            "moved" => Fate::Moved,
            "leaving" => Fate::Leaving,
            "gone" => Fate::Gone,
            other => panic!("{other}"),
        };
        self.fates.get_mut(&id(1)).unwrap().0 = fate;
    }

    /// Whether this message was ever acknowledged.
    pub fn knows(&self, id: BodyId) -> bool {
        self.fates.contains_key(&id)
    }

    pub fn forget(&mut self) {
        self.fates.clear();
    }

    /// Everything acknowledged is there, nothing is there by half.
    pub async fn check(&self, store: &Store, why: &str) {
        for (id, (fate, side)) in &self.fates {
            let row = find(store, *id).await;
            let body = store.body(*id).await.unwrap();
            match (fate, &row) {
                (Fate::Gone, found) => assert_eq!((found, &body), (&None, &None), "{why}: back"),
                (Fate::Leaving, None) => assert_eq!(body, None, "{why}: half gone"),
                (_, None) => panic!("{why}: {side} {id} was acknowledged and is lost"),
                (_, Some(row)) => {
                    if *side == "left" {
                        let body = body.unwrap_or_else(|| panic!("{why}: {id} has no message"));
                        assert_eq!(body, message(*id, body.len()), "{why}: another message");
                    }
                    assert!(*fate != Fate::Moved || row.record.due == 8, "{why}: not moved");
                }
            }
        }
        // Who was never acknowledged is there with his pair or not at all.
        let rows = store.page::<Note>(&[], 1_000_000).await.unwrap();
        for row in rows.iter().filter(|row| row.record.text == "left") {
            assert!(store.body(row.record.id).await.unwrap().is_some(), "{why}: half a batch");
        }
    }

    /// Opens the folder as a start would and checks it all; `deep` also
    /// computes every index key and reads every message again.
    pub fn reopen(&self, folder: &Path, index: IndexEngine, why: &str, deep: bool) {
        // A kill before the first start was done leaves no store to verify.
        if deep && folder.join("format").exists() {
            let report = Store::verify(folder, &schemas())
                .unwrap_or_else(|error| panic!("{why}: it does not open: {error}"));
            assert_eq!(report.problems, Vec::<String>::new(), "{why}");
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (store, opened) = Store::open(folder, settings(index))
                .unwrap_or_else(|error| panic!("{why}: it does not open: {error}"));
            self.check(&store, &format!("{why} ({opened:?})")).await;
        });
    }
}

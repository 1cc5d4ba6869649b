//! T-01, T-07: kill -9 at each failpoint and at any moment, with a recorder
//! outside the process. Nothing acknowledged is lost.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use reprieve::clock::{Clock, SignedDuration, Timestamp};
use reprieve::store::{BodyId, EmbeddedSettings, IndexEngine, Point, Store};

use crate::child::{Recorder, start};
use crate::common::{Note, assert_sound, open, settings};

/// Kills for each index at failpoints: each point, so many times.
const EACH: usize = 8;
/// Kills for each index at any moment.
const RANDOM: usize = 52;
/// Kills of one folder before a new one is begun.
const FOLDER: usize = 12;

#[test]
fn t_01_kills_lose_nothing_with_sled() {
    kills(IndexEngine::Sled);
}

#[test]
fn t_01_kills_lose_nothing_with_redb() {
    kills(IndexEngine::Redb);
}

fn kills(index: IndexEngine) {
    let at_points = Point::ALL.iter().flat_map(|point| {
        // The clean mark is passed once, the others often.
        let nth = move |nth| if *point == Point::BeforeCleanMark { 1 } else { nth };
        (1..=EACH).map(move |round| Some((*point, nth(1 + round % 4))))
    });
    let plan: Vec<_> = at_points.chain((0..RANDOM).map(|_| None)).collect();
    let mut recorder = Recorder::default();
    let mut folder = tempfile::tempdir().unwrap();
    let mut killed = 0;
    for (round, die) in plan.into_iter().enumerate() {
        if round % FOLDER == 0 {
            swept_sound(folder.path(), index);
            recorder.forget();
            folder = tempfile::tempdir().unwrap();
        }
        let why = format!("{index:?}, kill {round} at {die:?}");
        killed += usize::from(kill_one(folder.path(), index, die, &mut recorder));
        recorder.reopen(folder.path(), index, &why, round % 5 == 0);
    }
    println!("{killed} kills, {} acknowledged, 0 lost", recorder.acknowledged);
    assert!(killed >= 100, "only {killed} kills");
    assert!(recorder.acknowledged > 1000, "only {} acknowledged", recorder.acknowledged);
}

/// Answers whether the child was killed before it was done.
fn kill_one(
    folder: &std::path::Path,
    index: IndexEngine,
    die: Option<(Point, usize)>,
    recorder: &mut Recorder,
) -> bool {
    let mut running = start(folder, index, die, if die.is_some() { 4 } else { 1000 });
    let after = getrandom::u32().unwrap() % 40;
    if die.is_none() {
        for _ in 0..after {
            recorder.record(&running.said.recv_timeout(Duration::from_mins(1)).unwrap());
        }
        running.child.kill().unwrap();
    }
    let status = running.child.wait().unwrap();
    for line in &running.said {
        recorder.record(&line);
    }
    status.signal() == Some(9)
}

/// Hours later nothing is left of batches that were never carried out.
fn swept_sound(folder: &std::path::Path, index: IndexEngine) {
    let clock = Clock::stopped_at(Timestamp::now());
    clock.advance(SignedDuration::from_hours(2));
    let later = EmbeddedSettings { clock, ..settings(index) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (store, _) = Store::open(folder, later).unwrap();
        store.sweep().await.unwrap();
        let again = store.sweep().await.unwrap();
        assert_eq!(again.orphans, 0);
        store.close().await;
    });
    assert_sound(folder);
}

#[test]
fn t_07_between_journal_and_index_it_is_found_again() {
    for index in IndexEngine::ALL {
        let folder = tempfile::tempdir().unwrap();
        let mut recorder = Recorder::default();
        assert!(kill_one(folder.path(), index, Some((Point::JournalSynced, 1)), &mut recorder));
        assert_eq!(recorder.acknowledged, 0);
        let (store, opened) = open(folder.path(), index);
        assert!(opened.sequence > 0 && opened.replayed == opened.sequence, "{opened:?}");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let rows = runtime.block_on(store.page::<Note>(&[], 100)).unwrap();
        assert_eq!(rows.len() as u64, opened.sequence * 2, "each batch holds a pair");
    }
}

#[test]
fn t_07_between_deletion_and_punch_it_is_erased_and_stays_so() {
    for index in IndexEngine::ALL {
        let folder = tempfile::tempdir().unwrap();
        let mut recorder = Recorder::default();
        assert!(kill_one(folder.path(), index, Some((Point::BeforePunch, 1)), &mut recorder));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (store, _) = open(folder.path(), index);
        // The checkpoint comes behind the erasures of the start.
        runtime.block_on(store.checkpoint()).unwrap();
        let rows = runtime.block_on(store.page::<Note>(&[], 1000)).unwrap();
        let living: Vec<_> = rows.iter().map(|row| row.record.id).collect();
        runtime.block_on(recorder.check(&store, "after the kill"));
        let mut erased = 0;
        for entry in fs::read_dir(folder.path().join("bodies")).unwrap() {
            let path = entry.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            let headers: Vec<_> = (0..bytes.len())
                .filter(|at| bytes[*at..].starts_with(b"RPB1"))
                .chain([bytes.len()])
                .collect();
            for pair in headers.windows(2) {
                let id = BodyId::from_slice(&bytes[pair[0] + 4..pair[0] + 20]).unwrap();
                let payload = &bytes[pair[0] + 40..pair[1]];
                if payload.iter().all(|byte| *byte == 0) {
                    assert!(!living.contains(&id));
                    erased += 1;
                } else {
                    // The kill may also have left a message of no batch: the
                    // sweep's work, hours later.
                    let orphan = !recorder.knows(id);
                    assert!(living.contains(&id) || orphan, "{id} still stands on the disk");
                }
            }
        }
        assert!(erased > 0, "the kill came before any deletion");
    }
}

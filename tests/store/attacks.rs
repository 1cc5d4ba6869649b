//! ATTACKS.md, group T, as far as it concerns the store.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reprieve::clock::{Clock, SignedDuration};
use reprieve::store::{
    Batch, Body, Disk, EmbeddedSettings, IndexEngine, OpenError, Refusal, State, Store,
};

use crate::common::{
    Note, assert_sound, expires, find, forget, hold, message, note, open, settings,
};

#[tokio::test]
async fn t_03_a_full_disk_refuses_and_then_works() {
    for index in IndexEngine::ALL {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::full_after(60_000);
        let full = EmbeddedSettings { disk: disk.clone(), ..settings(index) };
        let (store, _) = Store::open(folder.path(), full).unwrap();
        let (mut held, mut refused) = (Vec::new(), Vec::new());
        for nth in 0..100 {
            let fresh = note(&format!("{nth}"));
            // One in ten has a file of its own.
            let length = if nth % 10 == 9 { 300_000 } else { 3000 };
            match store.commit(hold(&fresh, length)).await {
                Ok(_) => held.push(fresh),
                Err(refusal) => {
                    assert_eq!(refusal, Refusal::Full);
                    refused.push(fresh);
                }
            }
        }
        assert!(!held.is_empty() && refused.len() > 10, "{} held", held.len());
        for note in &refused {
            assert_eq!(find(&store, note.id).await, None);
            assert_eq!(store.body(note.id).await.unwrap(), None);
        }
        disk.make_room(i64::MAX);
        let last = note("there is room again");
        store.commit(hold(&last, 3000)).await.unwrap();
        held.push(last);
        drop(store);
        let (store, opened) = open(folder.path(), index);
        assert_eq!(opened.torn, None, "a half-written group was cut at once");
        assert_eq!(store.page::<Note>(&[], 1000).await.unwrap().len(), held.len());
        for note in &held {
            assert!(store.body(note.id).await.unwrap().is_some());
        }
        drop(store);
        assert_sound(folder.path());
    }
}

#[tokio::test]
async fn t_03_the_reserve_is_for_what_is_held_already() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path(), IndexEngine::Redb);
    let held = note("held before");
    store.commit(hold(&held, 3000)).await.unwrap();
    store.close().await;
    let free = store.health().free;
    drop(store);
    let short = EmbeddedSettings { reserve: free / 2 * 3, ..settings(IndexEngine::Redb) };
    let (store, _) = Store::open(folder.path(), short).unwrap();
    assert_eq!(store.health().state, State::Full);
    assert!(!store.free_space_ok());
    assert_eq!(store.commit(hold(&note("new"), 10)).await, Err(Refusal::Full));
    let row = find(&store, held.id).await.unwrap();
    let mut batch = Batch::new();
    batch.update(&row, &Note { due: 8, ..held.clone() });
    store.commit(batch).await.unwrap();
    let row = find(&store, held.id).await.unwrap();
    store.commit(forget(&row)).await.unwrap();
}

#[tokio::test]
async fn t_04_a_failed_sync_stops_intake_and_is_not_retried() {
    for index in IndexEngine::ALL {
        // Syncs: the first journal segment, then two for each batch.
        for nth in 2..8 {
            let folder = tempfile::tempdir().unwrap();
            let disk = Disk::fail_sync(nth);
            let failing = EmbeddedSettings { disk: disk.clone(), ..settings(index) };
            let (store, _) = Store::open(folder.path(), failing).unwrap();
            let mut held = Vec::new();
            let refusal = loop {
                let fresh = note("until it fails");
                match store.commit(hold(&fresh, 2000)).await {
                    Ok(_) => held.push(fresh),
                    Err(refusal) => break refusal,
                }
            };
            assert!(matches!(refusal, Refusal::Unavailable(_)), "{refusal}");
            let asked = disk.syncs_left();
            for _ in 0..10 {
                let answer = store.commit(hold(&note("after it"), 2000)).await;
                assert!(matches!(answer, Err(Refusal::Unavailable(_))), "{answer:?}");
            }
            assert_eq!(disk.syncs_left(), asked, "nothing is synced after a failure");
            assert!(matches!(store.health().state, State::Poisoned(_)));
            store.close().await;
            drop(store);
            let (store, opened) = open(folder.path(), index);
            assert!(!opened.clean, "a poisoned store leaves no clean mark");
            assert_eq!(store.page::<Note>(&[], 100).await.unwrap().len(), held.len());
            store.commit(hold(&note("a restart recovers"), 2000)).await.unwrap();
            drop(store);
            assert_sound(folder.path());
        }
    }
}

#[tokio::test]
async fn t_06_a_lost_or_broken_index_is_rebuilt() {
    for index in IndexEngine::ALL {
        for (damage, clean) in
            [("gone", true), ("random", true), ("random", false), ("empty", false), ("empty", true)]
        {
            let folder = tempfile::tempdir().unwrap();
            let (store, _) = open(folder.path(), index);
            let held: Vec<_> = (0..60).map(|nth| note(&format!("{nth}"))).collect();
            for (nth, note) in held.iter().enumerate() {
                store.commit(hold(note, 500)).await.unwrap();
                if nth == 30 {
                    store.checkpoint().await.unwrap();
                }
            }
            if clean {
                store.close().await;
            }
            drop(store);
            let path = folder.path().join("index").join(index.name());
            match damage {
                "random" => scramble(&path),
                "gone" => fs::remove_dir_all(&path).unwrap(),
                _ => {
                    fs::remove_dir_all(&path).unwrap();
                    fs::create_dir_all(&path).unwrap();
                }
            }
            let (store, opened) = open(folder.path(), index);
            assert!(opened.rebuilt.is_some(), "{index:?} {damage}: {opened:?}");
            assert_eq!(opened.sequence, 60);
            for note in &held {
                assert_eq!(find(&store, note.id).await.unwrap().record, *note);
            }
            drop(store);
            assert_sound(folder.path());
        }
    }
}

/// Overwrites every file below with noise.
pub fn scramble(path: &std::path::Path) {
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            scramble(&path);
        } else {
            let mut noise = vec![0; fs::metadata(&path).unwrap().len() as usize];
            getrandom::fill(&mut noise).unwrap();
            fs::write(&path, noise).unwrap();
        }
    }
}

#[tokio::test]
async fn t_09_a_clock_that_jumps_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::stopped_at(reprieve::clock::Timestamp::now());
    let moved = EmbeddedSettings { clock: clock.clone(), ..settings(IndexEngine::Redb) };
    let (store, _) = Store::open(folder.path(), moved.clone()).unwrap();
    let hour = SignedDuration::from_hours(1);
    let mut held = Vec::new();
    for by in [-hour, hour * 24, hour, -hour * 24, hour * 24 * 400] {
        let fresh = note("kept");
        let mut batch = Batch::new();
        batch.insert(&fresh);
        // It expires at once, as far as the store can tell.
        let content = message(fresh.id, 3000);
        batch.body(Body { id: fresh.id, expires: clock.now(), content });
        store.commit(batch).await.unwrap();
        held.push(fresh);
        clock.advance(by);
        store.sweep().await.unwrap();
    }
    store.close().await;
    drop(store);
    let (store, _) = Store::open(folder.path(), moved).unwrap();
    clock.advance(hour * 24 * 1000);
    assert_eq!(store.sweep().await.unwrap().segments, 0, "what lives is not swept");
    for note in &held {
        assert_eq!(store.body(note.id).await.unwrap().unwrap(), message(note.id, 3000));
        let row = find(&store, note.id).await.unwrap();
        store.commit(forget(&row)).await.unwrap();
    }
    let bodies = || fs::read_dir(folder.path().join("bodies")).unwrap().count();
    let before = bodies();
    assert!(before > 0);
    assert_eq!(store.sweep().await.unwrap().segments, before as u64);
    assert_eq!(bodies(), 0, "past days in which nothing lives are unlinked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_10_a_live_backup_is_one_moment() {
    for index in IndexEngine::ALL {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = open(&folder.path().join("live"), index);
        for nth in 0..300 {
            store.commit(hold(&note(&format!("{nth}")), 2000)).await.unwrap();
        }
        store.commit(hold(&note("large"), 300_000)).await.unwrap();
        // While it is read, notes come in pairs and go in pairs.
        let stop = Arc::new(AtomicBool::new(false));
        let busy = tokio::spawn({
            let (store, stop) = (store.clone(), Arc::clone(&stop));
            async move {
                while !stop.load(Ordering::SeqCst) {
                    let (left, right) = (note("pair"), note("pair"));
                    let mut batch = hold(&left, 1500);
                    batch.insert(&right);
                    store.commit(batch).await.unwrap();
                    let rows = (find(&store, left.id).await, find(&store, right.id).await);
                    let mut batch = forget(&rows.0.unwrap());
                    batch.remove(&rows.1.unwrap());
                    if left.id.as_bytes()[15] & 1 == 0 {
                        store.commit(batch).await.unwrap();
                    }
                }
            }
        });
        let archive = folder.path().join("archive");
        store.backup(&archive).await.unwrap();
        stop.store(true, Ordering::SeqCst);
        busy.await.unwrap();

        let other = folder.path().join("elsewhere");
        let last = Store::restore(&archive, &other).unwrap();
        assert!(matches!(Store::restore(&archive, &other), Err(OpenError::Archive(_))));
        let (restored, opened) = open(&other, index);
        assert_eq!(opened.sequence, last);
        let rows = restored.page::<Note>(&[], 1_000_000).await.unwrap();
        assert_eq!(rows.iter().filter(|row| row.record.text != "pair").count(), 301);
        let pairs = rows.iter().filter(|row| row.record.text == "pair").count();
        assert_eq!(pairs % 2, 0, "no half batch");
        restored.commit(hold(&note("it goes on"), 2000)).await.unwrap();
        drop(restored);
        assert_sound(&other);
        let cut = fs::read(&archive).unwrap();
        fs::write(&archive, &cut[..cut.len() - 10]).unwrap();
        let third = folder.path().join("third");
        Store::restore(&archive, &third).unwrap_err();
        assert!(Store::verify(&third, &[]).is_err(), "half a restore is no store");
    }
}

#[tokio::test]
async fn t_13_a_newer_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path(), IndexEngine::Redb);
    store.commit(hold(&note("old"), 100)).await.unwrap();
    store.close().await;
    drop(store);
    let path = folder.path().join("format");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("store 1", "store 2")).unwrap();
    let error = Store::open(folder.path(), settings(IndexEngine::Redb)).err().unwrap();
    assert!(matches!(error, OpenError::Newer { .. }));
    assert!(error.to_string().contains("newer version"), "{error}");
    fs::write(&path, text).unwrap();
    let (store, _) = open(folder.path(), IndexEngine::Redb);
    assert_eq!(store.page::<Note>(&[], 10).await.unwrap().len(), 1);
    let _ = expires();
}

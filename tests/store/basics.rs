//! What the interface promises while nothing breaks.

use reprieve::store::{Batch, IndexEngine, OpenError, Refusal, Store};

use crate::common::{Note, assert_sound, find, forget, hold, message, note, open, settings};

#[tokio::test]
async fn a_committed_record_and_its_message_survive_a_clean_stop() {
    for index in IndexEngine::ALL {
        let folder = tempfile::tempdir().unwrap();
        let (store, opened) = open(folder.path(), index);
        assert_eq!((opened.sequence, opened.rebuilt), (0, None));
        let (small, large) = (note("small"), note("large"));
        store.commit(hold(&small, 10_000)).await.unwrap();
        store.commit(hold(&large, 700_000)).await.unwrap();
        store.close().await;
        assert!(matches!(store.commit(Batch::new()).await, Err(Refusal::Unavailable(_))));
        drop(store);

        let (store, opened) = open(folder.path(), index);
        assert!(opened.clean, "{opened:?}");
        assert_eq!((opened.sequence, opened.replayed, opened.rebuilt), (2, 0, None));
        for (note, length) in [(&small, 10_000), (&large, 700_000)] {
            assert_eq!(find(&store, note.id).await.unwrap().record, *note);
            let body = store.body(note.id).await.unwrap().unwrap();
            assert_eq!(body, message(note.id, length));
        }
        drop(store);
        assert_sound(folder.path());
    }
}

#[tokio::test]
async fn a_store_that_is_only_dropped_has_lost_nothing() {
    for index in IndexEngine::ALL {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = open(folder.path(), index);
        let held = note("dropped");
        store.commit(hold(&held, 1000)).await.unwrap();
        drop(store);
        let (store, opened) = open(folder.path(), index);
        assert!(!opened.clean);
        assert!(find(&store, held.id).await.is_some());
    }
}

#[tokio::test]
async fn of_two_decisions_on_one_record_one_loses() {
    for index in IndexEngine::ALL {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = open(folder.path(), index);
        let held = note("contested");
        store.commit(hold(&held, 100)).await.unwrap();
        assert!(matches!(store.commit(hold(&held, 100)).await, Err(Refusal::Conflict(_))));
        let row = find(&store, held.id).await.unwrap();
        let rivals = (0..100).map(|nth| {
            let mut batch = Batch::new();
            batch.update(&row, &Note { due: nth, ..held.clone() });
            let store = store.clone();
            tokio::spawn(async move { store.commit(batch).await })
        });
        let mut won = 0;
        for rival in rivals.collect::<Vec<_>>() {
            match rival.await.unwrap() {
                Ok(_) => won += 1,
                Err(refusal) => assert!(matches!(refusal, Refusal::Conflict(_)), "{refusal}"),
            }
        }
        assert_eq!(won, 1);
        let due = find(&store, held.id).await.unwrap().record.due;
        let index_key = reprieve::store::Index::HeldDue;
        let found = store.referred_by(index_key, &due.to_be_bytes(), 10).await.unwrap();
        assert_eq!(found, [held.id.as_bytes().to_vec()], "the index moved with the record");
        assert_eq!(store.referred_by(index_key, &[], 10).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn an_erased_message_is_gone_from_the_disk() {
    for index in IndexEngine::ALL {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = open(folder.path(), index);
        let (gone, stays) = (note("gone"), note("stays"));
        store.commit(hold(&gone, 5000)).await.unwrap();
        store.commit(hold(&stays, 5000)).await.unwrap();
        let row = find(&store, gone.id).await.unwrap();
        store.commit(forget(&row)).await.unwrap();
        assert_eq!(store.body(gone.id).await.unwrap(), None);
        // A checkpoint waits for the erasures before it.
        store.checkpoint().await.unwrap();
        let segment = std::fs::read_dir(folder.path().join("bodies")).unwrap().next().unwrap();
        let bytes = std::fs::read(segment.unwrap().path()).unwrap();
        let begins = bytes.windows(16).position(|w| w == gone.id.as_bytes()).unwrap() - 4;
        let next = bytes.windows(16).position(|w| w == stays.id.as_bytes()).unwrap() - 4;
        assert!(bytes[begins + 40..next].iter().all(|byte| *byte == 0), "the payload is punched");
        assert_eq!(store.body(stays.id).await.unwrap().unwrap(), message(stays.id, 5000));
        store.close().await;
        drop(store);
        assert_sound(folder.path());
    }
}

#[tokio::test]
async fn a_record_of_400_kib_comes_back_whole() {
    for index in IndexEngine::ALL {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = open(folder.path(), index);
        let mut long = note(&"r".repeat(400_000));
        let mut batch = Batch::new();
        batch.insert(&long);
        store.commit(batch).await.unwrap();
        for length in [300_000, 4_000, 10, 123_456] {
            let row = find(&store, long.id).await.unwrap();
            assert_eq!(row.record, long);
            long.text = "s".repeat(length);
            let mut batch = Batch::new();
            batch.update(&row, &long);
            store.commit(batch).await.unwrap();
        }
        let row = find(&store, long.id).await.unwrap();
        assert_eq!(row.record, long);
        assert_eq!(store.page::<Note>(&[], 10).await.unwrap(), std::slice::from_ref(&row));
        let mut batch = Batch::new();
        batch.remove(&row);
        store.commit(batch).await.unwrap();
        store.close().await;
        drop(store);
        assert_sound(folder.path());
    }
}

#[tokio::test]
async fn one_process_has_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path(), IndexEngine::Sled);
    let second = Store::open(folder.path(), settings(IndexEngine::Sled));
    assert!(matches!(second, Err(OpenError::Locked { .. })));
    assert!(matches!(Store::verify(folder.path(), &[]), Err(OpenError::Locked { .. })));
    drop(store);
    open(folder.path(), IndexEngine::Sled);
}

#[tokio::test]
async fn two_checkpoints_let_the_journal_go() {
    for index in IndexEngine::ALL {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = open(folder.path(), index);
        let mut held = Vec::new();
        for round in 0..4 {
            for nth in 0..50 {
                let fresh = note(&format!("{round} {nth}"));
                store.commit(hold(&fresh, 300)).await.unwrap();
                held.push(fresh);
            }
            store.checkpoint().await.unwrap();
        }
        let count = |name: &str| std::fs::read_dir(folder.path().join(name)).unwrap().count();
        assert_eq!(count("checkpoints"), 2);
        assert!(count("journal") <= 2, "{} segments", count("journal"));
        store.close().await;
        drop(store);
        for engine in IndexEngine::ALL {
            let opened = Store::rebuild(folder.path(), engine).unwrap();
            assert_eq!((opened.sequence, opened.records), (200, 200));
            assert_sound(folder.path());
            let (store, opened) = open(folder.path(), engine);
            assert_eq!(opened.rebuilt, None, "the rebuilt index is believed");
            for note in &held {
                assert_eq!(find(&store, note.id).await.unwrap().record, *note);
                assert!(store.body(note.id).await.unwrap().is_some());
            }
            store.close().await;
        }
    }
}

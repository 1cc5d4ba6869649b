//! Random operations on the in-memory model and on both engines, with stops,
//! crashes, checkpoints, rebuilds and changes of engine in between: all three
//! always answer the same.

use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use reprieve::store::{Batch, Body, BodyId, Index, IndexEngine, Record, Refusal, Store, Toward};

use crate::common::{Note, assert_sound, expires, find, message, open};

/// Notes that exist at most; few, so that operations meet.
const NOTES: u8 = 5;
/// Texts that a note may have.
const TEXTS: u16 = 6;

#[derive(Clone, Debug)]
enum Step {
    Insert(u8, u16),
    Update(u8, u16),
    /// With the revision of another note.
    Stale(u8),
    Remove(u8),
    /// Two notes in one batch.
    Both(u8, u8, u16),
    Close,
    Crash,
    Checkpoint,
    Rebuild,
    Change,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let note = 0..NOTES;
    let step = prop_oneof![
        6 => (note.clone(), 0..TEXTS).prop_map(|(note, text)| Step::Insert(note, text)),
        6 => (note.clone(), 0..TEXTS).prop_map(|(note, text)| Step::Update(note, text)),
        2 => note.clone().prop_map(Step::Stale),
        4 => note.clone().prop_map(Step::Remove),
        4 => (note.clone(), note, 0..TEXTS).prop_map(|(a, b, text)| Step::Both(a, b, text)),
        1 => Just(Step::Close),
        1 => Just(Step::Crash),
        1 => Just(Step::Checkpoint),
        1 => Just(Step::Rebuild),
        1 => Just(Step::Change),
    ];
    prop::collection::vec(step, 1..60)
}

fn id(note: u8) -> BodyId {
    BodyId::from_bytes([note; 16])
}

/// A note's message goes by its text, so that one may be stored again.
fn body(note: u8, text: u16) -> BodyId {
    BodyId::from_u128((u128::from(text) << 8) | u128::from(note))
}

fn written(note: u8, text: u16) -> Note {
    // Now and then longer than what sled keeps in one piece.
    let length = if text.is_multiple_of(3) { 9000 + usize::from(text) * 1000 } else { 20 };
    let long = format!("{text:0>length$}");
    Note { id: id(note), reference: text.to_string(), due: u64::from(note % 2), text: long }
}

/// The batch of a step, as this store's state makes it.
async fn batch(store: &Store, step: &Step) -> Option<Batch> {
    let mut batch = Batch::new();
    let mut put = |note: u8, text: u16, length: usize| {
        let fresh = body(note, text);
        batch.insert(&written(note, text));
        batch.body(Body { id: fresh, expires: expires(), content: message(fresh, length) });
    };
    match *step {
        Step::Insert(note, text) => put(note, text, 1 + usize::from(text) * 500),
        Step::Both(a, b, text) if a != b => {
            put(a, text, 300);
            put(b, text, 270_000);
        }
        Step::Update(note, text) => {
            let row = find(store, id(note)).await?;
            batch.update(&row, &written(note, text));
        }
        Step::Stale(note) => {
            let mut row = find(store, id(note)).await?;
            row.revision += 1;
            batch.update(&row, &written(note, 1));
        }
        Step::Remove(note) => {
            let row = find(store, id(note)).await?;
            batch.remove(&row);
            // Whichever it was stored with, and some that never were.
            for text in 0..TEXTS {
                batch.erase(body(note, text));
            }
        }
        _ => return None,
    }
    Some(batch)
}

/// Everything that can be read.
async fn reading(store: &Store) -> (Vec<Note>, Vec<Vec<Vec<u8>>>) {
    let notes = store.page::<Note>(&[], 100).await.unwrap();
    let mut found = Vec::new();
    for index in [Index::HeldByReference, Index::HeldDue, Index::HeldBySender] {
        found.push(store.referred_by(index, &[], 100).await.unwrap());
        found.push(backwards(store, index).await);
    }
    // From the end, a step at a time, it is the same.
    let (mut last, mut down) = (Vec::new(), Vec::new());
    while let Some(row) = store.page_toward::<Note>(Toward::First, &last, 1).await.unwrap().pop() {
        last = row.record.key();
        down.insert(0, row);
    }
    assert_eq!(down, notes);
    (notes.into_iter().map(|row| row.record).collect(), found)
}

/// An index from its end, three at a time.
async fn backwards(store: &Store, index: Index) -> Vec<Vec<u8>> {
    let (mut after, mut found) = (Vec::new(), Vec::new());
    loop {
        let range: (&[u8], &[u8]) = (&[], &[0xff; 40]);
        let page = store.references(index, range, Toward::First, (&after, 3)).await.unwrap();
        let Some(last) = page.last() else { break };
        after.clone_from(&last.cursor);
        found.extend(page.into_iter().map(|one| one.key));
    }
    let mut forwards = store.referred(index, &[], &[0xff; 40], 100).await.unwrap();
    forwards.reverse();
    assert_eq!(found, forwards);
    found
}

struct Engine {
    folder: tempfile::TempDir,
    index: IndexEngine,
    store: Option<Store>,
}

impl Engine {
    fn new(index: IndexEngine) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Some(open(folder.path(), index).0);
        Self { folder, index, store }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    async fn disturb(&mut self, step: &Step) {
        let store = self.store.take().unwrap();
        match step {
            Step::Checkpoint => store.checkpoint().await.unwrap(),
            Step::Close | Step::Rebuild => store.close().await,
            _ => {}
        }
        drop(store);
        match step {
            Step::Rebuild => drop(Store::rebuild(self.path(), self.index).unwrap()),
            Step::Change => {
                let other = IndexEngine::ALL.into_iter().find(|other| *other != self.index);
                self.index = other.unwrap();
            }
            _ => {}
        }
        self.store = Some(open(self.path(), self.index).0);
    }
}

#[test]
fn both_engines_answer_as_the_model_does() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: 8, ..Config::default() });
    let ran = runner.run(&steps(), |steps| {
        runtime.block_on(agree(&steps));
        Ok(())
    });
    ran.unwrap();
}

async fn agree(steps: &[Step]) {
    let model = Store::in_memory();
    let mut engines = IndexEngine::ALL.map(Engine::new);
    for step in steps {
        let Some(wanted) = batch(&model, step).await else {
            if matches!(step, Step::Update(..) | Step::Stale(_) | Step::Remove(_)) {
                continue;
            }
            for engine in &mut engines {
                engine.disturb(step).await;
            }
            continue;
        };
        let wanted = model.commit(wanted).await;
        for engine in &engines {
            let store = engine.store.as_ref().unwrap();
            let found = batch(store, step).await.expect("it finds what the model finds");
            let found = store.commit(found).await;
            match (&wanted, &found) {
                (Err(Refusal::Conflict(key)), Err(Refusal::Conflict(other))) => {
                    assert_eq!(key, other);
                }
                (wanted, found) => assert_eq!(wanted, found, "{step:?}"),
            }
            assert_eq!(reading(store).await, reading(&model).await, "after {step:?}");
            for (note, text) in (0..NOTES).flat_map(|note| (0..TEXTS).map(move |t| (note, t))) {
                let wanted = model.body(body(note, text)).await.unwrap();
                assert_eq!(store.body(body(note, text)).await.unwrap(), wanted);
            }
        }
    }
    for engine in engines {
        drop(engine.store);
        assert_sound(engine.folder.path());
    }
}

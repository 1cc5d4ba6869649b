//! The arena against a plain list, its cost in bytes, and walks while it
//! changes.

use minicbor::{Decode, Encode};
use proptest::prelude::*;

use super::*;
use crate::store::{Batch, Row, Table};

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
struct Note {
    #[n(0)]
    id: u32,
    #[n(1)]
    text: String,
    #[n(2)]
    facts: u64,
}

impl Record for Note {
    const TABLE: Table = Table::Held;

    fn key(&self) -> Vec<u8> {
        self.id.to_be_bytes().to_vec()
    }
}

fn entry(note: &Note) -> Entry {
    let order = i64::from(note.id);
    let (groups, marks) = (vec![note.id % 3], vec![note.id % 2]);
    Entry { text: note.text.clone(), facts: note.facts, groups, marks, order }
}

async fn put(store: &Store, id: u32, text: &str, facts: u64) {
    let old: Option<Row<Note>> = store.find(&id.to_be_bytes()).await.unwrap();
    let mut batch = Batch::new();
    batch.upsert(old.as_ref(), &Note { id, text: text.to_owned(), facts });
    store.commit(batch).await.unwrap();
}

async fn remove(store: &Store, id: u32) {
    let old: Row<Note> = store.find(&id.to_be_bytes()).await.unwrap().unwrap();
    let mut batch = Batch::new();
    batch.remove(&old);
    store.commit(batch).await.unwrap();
}

fn ids(found: &Found) -> Vec<u32> {
    let id = |key: &Vec<u8>| u32::from_be_bytes(key.as_slice().try_into().unwrap());
    found.keys.iter().map(id).collect()
}

#[tokio::test]
async fn it_holds_what_stood_there_and_what_comes() {
    let store = Store::in_memory();
    put(&store, 1, "Anna <anna@example.fi>", 1).await;
    put(&store, 2, "Äiti ja ISÄ", 2).await;
    let arena = Arena::follow(&store, false, entry);
    put(&store, 3, "annabel", 1).await;
    remove(&store, 2).await;
    put(&store, 2, "anna again", 2).await;
    remove(&store, 2).await;
    assert!(!arena.is_ready());
    arena.fill(&store, entry).await.unwrap();
    assert!(arena.is_ready());
    assert_eq!(arena.len(), 2);
    let all = |seen: Seen<'_>| seen.facts > 0;
    assert_eq!(ids(&arena.find("ANNA", None, 10, all)), [3, 1]);
    put(&store, 4, "isä 日本語", 4).await;
    assert_eq!(ids(&arena.find("ISÄ", None, 10, all)), [4]);
    assert_eq!(ids(&arena.find("本語", None, 10, all)), [4]);
    put(&store, 1, "Anna <anna@example.fi>", 8).await;
    assert_eq!(ids(&arena.find("", None, 10, |seen| seen.facts == 8)), [1]);
    assert_eq!(ids(&arena.find("", None, 10, |seen| seen.groups == [1])), [4, 1]);
    put(&store, 1, "renamed", 8).await;
    assert_eq!(ids(&arena.find("example", None, 10, all)), Vec::<u32>::new());
    assert_eq!(ids(&arena.find("", None, 10, all)), [1, 4, 3], "a new text is new");
    assert_eq!(arena.find("nowhere", None, 10, all), Found::default());
}

#[tokio::test]
async fn pages_follow_each_other_also_while_rows_come_and_go() {
    let store = Store::in_memory();
    let arena = Arena::follow(&store, false, entry);
    arena.fill(&store, entry).await.unwrap();
    for id in 0..1300 {
        put(&store, id, &format!("note {id} {}", if id % 7 == 0 { "seven" } else { "" }), 1).await;
    }
    let mut seen = Vec::new();
    let mut after: Option<Vec<u8>> = None;
    loop {
        let page = arena.find("seven", after.as_deref(), 50, |_| true);
        seen.extend(ids(&page));
        after = page.keys.last().cloned();
        if !page.more {
            break;
        }
        put(&store, 10_000 + u32::try_from(seen.len()).unwrap(), "seven, later", 1).await;
        remove(&store, u32::try_from(seen.len()).unwrap() * 3 + 1).await;
    }
    let mut expected: Vec<u32> = (0..1300).filter(|id| id % 7 == 0).rev().collect();
    expected.retain(|id| seen.contains(id) || id % 3 != 1);
    assert_eq!(seen, expected);
}

/// Every order, in pages, is the same as all at once and as a sorted list;
/// also where the last of a page is not wanted any more.
#[tokio::test]
async fn every_order_goes_on_behind_its_page() {
    let store = Store::in_memory();
    let arena = Arena::follow(&store, false, entry);
    arena.fill(&store, entry).await.unwrap();
    let text = |id: u32| format!("name {:03} of {}", id * 7 % 501, id % 3);
    for id in 0..700 {
        put(&store, id, &text(id), 1).await;
    }
    for (order, wanted) in [
        (Order::Latest, (0..700).rev().collect::<Vec<u32>>()),
        (Order::Oldest, (0..700).collect()),
        (Order::Text, {
            let mut all: Vec<u32> = (0..700).collect();
            all.sort_by_key(|id| (text(*id), *id));
            all
        }),
        (Order::TextBackwards, {
            let mut all: Vec<u32> = (0..700).collect();
            all.sort_by_key(|id| std::cmp::Reverse((text(*id), *id)));
            all
        }),
    ] {
        assert_eq!(Order::parse(order.as_str()), Some(order));
        let of_two = |id: &u32| text(*id).ends_with("of 2");
        let wanted: Vec<u32> = wanted.into_iter().filter(of_two).collect();
        let all = arena.find_in(order, "OF 2", None, 1000, |seen| seen.facts == 1);
        assert_eq!(ids(&all), wanted, "{order:?}");
        let (mut pages, mut after): (Vec<u32>, Option<Vec<u8>>) = (Vec::new(), None);
        loop {
            let page = arena.find_in(order, "of 2", after.as_deref(), 50, |seen| seen.facts == 1);
            pages.extend(ids(&page));
            after = page.keys.last().cloned();
            if !page.more {
                break;
            }
            let last = *pages.last().unwrap();
            put(&store, last, &text(last), 2).await;
        }
        assert_eq!(pages, wanted, "{order:?} in pages");
        for id in 0..700 {
            put(&store, id, &text(id), 1).await;
        }
    }
}

#[tokio::test]
async fn dropped_rows_give_their_room_back_and_nothing_is_lost() {
    let store = Store::in_memory();
    let arena = Arena::follow(&store, true, entry);
    arena.fill(&store, entry).await.unwrap();
    for round in 0..5u64 {
        for id in 0..2000 {
            put(&store, id, &format!("note {id}"), round + 1).await;
        }
    }
    assert_eq!(arena.len(), 2000);
    let each = arena.bytes() / 2000;
    assert!(each < 120, "{each} bytes a row, of which 15 are key and text");
    let found = arena.find("note 1234", None, 10, |seen| seen.facts == 5);
    assert_eq!(ids(&found), [1234]);
    let all = arena.find("", None, 5000, |_| true);
    assert_eq!(ids(&all), (0..2000).rev().collect::<Vec<_>>());
}

/// What a row costs beside its key and its text: a full quarantine has to fit
/// into memory with all else.
#[test]
fn a_row_costs_at_most_45_bytes_beside_key_and_text() {
    let arena = Arena::new(false);
    let rows = 300_000;
    let mut text = 0;
    for id in 0u32..rows {
        let entry = Entry {
            text: format!("kari katto <kari{id}@katto.example> an offer for the roof {id}"),
            facts: 1 << (id % 20),
            groups: vec![id % 500],
            marks: (0..id % 7).chain([id % 50 + 8]).collect(),
            order: 0,
        };
        text += entry.text.len();
        arena.put(uuid::Uuid::now_v7().as_bytes(), &entry);
    }
    let over = (arena.bytes() - text) / rows as usize - 16;
    assert!(over <= 45, "{over} bytes");
}

#[derive(Clone, Debug)]
enum Step {
    Put(u16, u8),
    Remove(u16),
    /// Everything from the first key on, so many: as a night of expiry does.
    Purge(u16, u16),
}

fn step() -> impl Strategy<Value = Vec<Step>> {
    let runs = (0u16..900, 1u16..700, any::<u8>())
        .prop_map(|(from, many, word)| (from..from + many).map(|k| Step::Put(k, word)).collect());
    prop_oneof![
        3 => runs,
        3 => (0u16..1500, any::<u8>()).prop_map(|(key, word)| vec![Step::Put(key, word)]),
        3 => (0u16..1500).prop_map(|key| vec![Step::Remove(key)]),
        2 => (0u16..1500, 1u16..900).prop_map(|(from, many)| vec![Step::Purge(from, many)]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn an_arena_is_a_list_in_the_order_of_what_came(
        steps in prop::collection::vec(step(), 1..40), change: bool,
    ) {
        let arena = Arena::new(change);
        let mut model: Vec<(u16, u8)> = Vec::new();
        for step in steps.into_iter().flatten() {
            match step {
                Step::Put(key, word) => {
                    let text = format!("word {word}");
                    let facts = u64::from(word) + 1;
                    arena.put(&key.to_be_bytes(), &Entry { text, facts, ..Entry::default() });
                    let known = model.iter().position(|(other, _)| *other == key);
                    if known.is_none_or(|at| change || model[at].1 != word) {
                        known.map(|at| model.remove(at));
                        model.push((key, word));
                    }
                }
                Step::Remove(key) => {
                    arena.remove(&key.to_be_bytes());
                    model.retain(|(other, _)| *other != key);
                }
                Step::Purge(from, many) => {
                    (from..from + many).for_each(|key| arena.remove(&key.to_be_bytes()));
                    model.retain(|(other, _)| !(from..from + many).contains(other));
                }
            }
        }
        prop_assert_eq!(arena.len(), model.len());
        let latest = model.iter().rev().map(|(key, _)| key.to_be_bytes().to_vec());
        prop_assert_eq!(arena.find("", None, usize::MAX, |_| true).keys, latest.collect::<Vec<_>>());
        let ones = model.iter().rev().filter(|(_, word)| format!("word {word}").contains("word 1"));
        let ones: Vec<Vec<u8>> = ones.map(|(key, _)| key.to_be_bytes().to_vec()).collect();
        let (mut pages, mut after) = (Vec::new(), None);
        loop {
            let page = arena.find("word 1", after.as_deref(), 7, |seen| seen.facts > 0);
            pages.extend(page.keys.iter().cloned());
            after = page.keys.last().cloned();
            if !page.more {
                break;
            }
        }
        prop_assert_eq!(pages, ones);
        let mut facts = 0;
        arena.for_each(|seen| facts += seen.facts);
        prop_assert_eq!(facts, model.iter().map(|(_, word)| u64::from(*word) + 1).sum::<u64>());
    }
}

/// A walk that was under way when blocks were merged.
#[test]
fn no_row_is_missed_or_met_twice_while_blocks_are_merged() {
    let arena = Arena::new(false);
    for id in 0u32..100_000 {
        let text = if id % 100 == 0 { "kept" } else { "goes" };
        let entry = Entry { text: text.to_owned(), ..Entry::default() };
        arena.put(&id.to_be_bytes(), &entry);
    }
    let full = arena.bytes();
    let kept: Vec<u32> = (0..100_000).rev().filter(|id| id % 100 == 0).collect();
    let finder = Finder::new("kept");
    let (mut found, mut id) = (Found::default(), 0u32);
    let mut cursor = Some(arena.read().begin_walk(None));
    while let Some(from) = cursor {
        cursor = arena.read().search(from, &finder, &mut |hit: Hit<'_>| {
            if !hit.again || !found.keys.iter().any(|known| known == hit.seen.key) {
                found.keys.push(hit.seen.key.to_vec());
            }
            Some(())
        });
        // From both ends towards the middle, between the steps of the walk.
        for _ in 0..30_000 {
            for gone in [id, 99_999_u32.saturating_sub(id)] {
                if gone % 100 != 0 {
                    arena.remove(&gone.to_be_bytes());
                }
            }
            id += 1;
        }
    }
    assert_eq!(ids(&found), kept);
    assert_eq!(arena.len(), 1000);
    assert!(arena.bytes() < full / 4, "{} of {full}", arena.bytes());
}

/// `cargo nextest run --release --run-ignored only a_million`
#[tokio::test]
#[ignore = "a measurement"]
async fn a_million_rows_are_searched_in_less_than_300_ms() {
    let arena = Arena::new(false);
    for id in 0u32..1_000_000 {
        let text = format!(
            "Kari Katto {id} <kari{id}@katto{}.example> bounce+{id}@mailer.example \
             anna.{id}@example.fi An offer for the roof repair number {id}",
            id % 1000
        );
        let entry = Entry { text, facts: 1, groups: vec![1], ..Entry::default() };
        arena.put(uuid::Uuid::now_v7().as_bytes(), &entry);
    }
    for needle in ["nothing like it", "kari7@", "roof", "@katto999.example", "e"] {
        let begun = std::time::Instant::now();
        let found = arena.find(needle, None, 50, |_| true);
        println!("{needle:?}: {} in {:?}", found.keys.len(), begun.elapsed());
        let begun = std::time::Instant::now();
        let _ = arena.find(needle, None, 50, |seen| seen.facts == 2);
        println!("{needle:?}, all filtered out: {:?}", begun.elapsed());
        for order in [Order::Oldest, Order::Text, Order::TextBackwards] {
            let begun = std::time::Instant::now();
            let found = arena.find_in(order, needle, None, 50, |_| true);
            println!("{needle:?}, {order:?}: {} in {:?}", found.keys.len(), begun.elapsed());
        }
    }
    println!("{} MiB", arena.bytes() >> 20);
}

//! What a page tells of a message, written once and shown again: to whom it
//! goes, subject, time and size, why it was stopped.
//!
//! All of this changes only with the record, and with the clock where the
//! message's age is told. It is kept under all that it depends on, so what is
//! shown is what would be written now. Nothing of the visitor is in it: token
//! and nonces, and what he may do now, are written for each request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use maud::{Markup, html};
use uuid::Uuid;

use super::case::Case;
use super::waiting::{details, lede, reasons};
use crate::portal::part::{self, Age};
use crate::portal::words::{Arguments, Words};

/// Messages in all their languages. When they are more, all are forgotten.
const MOST: usize = 512;
/// A longer one is written anew each time.
const MOST_BYTES: usize = 16 * 1024;

/// What was told of messages that wait.
#[derive(Default)]
pub struct Told(Mutex<HashMap<Key, Kept>>);

/// Message, slot, and the language's place.
type Key = (Uuid, u16, usize);

struct Kept {
    revision: u64,
    age: Age,
    pieces: Arc<Pieces>,
}

/// The pieces, in the order of the page.
pub struct Pieces {
    pub what: Markup,
    /// Until when it waits.
    pub until: Markup,
}

impl Told {
    /// The pieces of this case, as they would be written now.
    pub fn of(&self, words: &Words, case: &Case) -> Arc<Pieces> {
        let key = (case.held.id, case.slot, words.place());
        let age = Age::of(case.held.received_at, case.now);
        let same = |kept: &Kept| kept.revision == case.revision && kept.age == age;
        let all = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = all().get(&key).filter(|kept| same(kept)) {
            return Arc::clone(&kept.pieces);
        }
        let pieces = Arc::new(Pieces::write(words, case));
        if pieces.what.0.len() <= MOST_BYTES {
            let mut all = all();
            if all.len() >= MOST && !all.contains_key(&key) {
                all.clear();
            }
            let kept = Kept { revision: case.revision, age, pieces: Arc::clone(&pieces) };
            all.insert(key, kept);
        }
        pieces
    }
}

impl Pieces {
    fn write(words: &Words, case: &Case) -> Self {
        let day = part::day(words, case.held.expires_at).plain();
        Self {
            what: html! {
                (part::Room(4096))
                (lede(words, "waiting-lede", &Case::named(case.waiting())))
                (details(words, case))
                (reasons(words, case))
            },
            until: html! {
                p { (words.tell("waits-until", &Arguments::new().own("day", day))) }
            },
        }
    }
}

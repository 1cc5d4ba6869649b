//! Searches in another order than the latest first.
//!
//! An arena lies in the order of time, so the others are a walk over all that
//! is found, of which one page is kept: no more memory, and at a million rows
//! as long as a search that finds nothing.

use std::collections::{BTreeSet, VecDeque};

use super::{Arena, Found, Seen};

/// Bytes of a text that sort it.
const SORTED_BY: usize = 64;

/// In which order a search gives what it finds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    #[default]
    Latest,
    Oldest,
    /// By the beginning of the text.
    Text,
    TextBackwards,
}

impl Order {
    const ALL: [Self; 4] = [Self::Latest, Self::Oldest, Self::Text, Self::TextBackwards];

    /// The word in addresses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Latest => "latest",
            Self::Oldest => "oldest",
            Self::Text => "name",
            Self::TextBackwards => "name-backwards",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }
}

impl Arena {
    /// As [`Arena::find`], in this order; a key `after` that is gone begins at
    /// the first again.
    pub fn find_in(
        &self,
        order: Order,
        needle: &str,
        after: Option<&[u8]>,
        limit: usize,
        wanted: impl Fn(Seen<'_>) -> bool,
    ) -> Found {
        match order {
            Order::Latest => self.find(needle, after, limit, wanted),
            Order::Oldest => self.oldest(needle, after, limit, wanted),
            Order::Text => self.by_text(needle, after, (limit, false), wanted),
            Order::TextBackwards => self.by_text(needle, after, (limit, true), wanted),
        }
    }

    /// From the latest down to the cursor: the last that are met come first.
    fn oldest(
        &self,
        needle: &str,
        after: Option<&[u8]>,
        limit: usize,
        wanted: impl Fn(Seen<'_>) -> bool,
    ) -> Found {
        let mut last: VecDeque<Vec<u8>> = VecDeque::new();
        self.each_hit(needle, None, |hit| {
            let key = hit.seen.key;
            // Also where it is not wanted any more.
            if after == Some(key) {
                return None;
            }
            if wanted(hit.seen) && !(hit.again && last.iter().any(|known| known == key)) {
                if last.len() > limit {
                    last.pop_front();
                }
                last.push_back(key.to_vec());
            }
            Some(())
        });
        let more = last.len() > limit;
        Found { keys: last.into_iter().rev().take(limit).collect(), more }
    }

    /// Of all that is found behind the cursor, the first by their texts.
    fn by_text(
        &self,
        needle: &str,
        after: Option<&[u8]>,
        (limit, backwards): (usize, bool),
        wanted: impl Fn(Seen<'_>) -> bool,
    ) -> Found {
        let after = after.and_then(|key| {
            let rows = self.read();
            rows.text(key).map(|text| (begin(text).to_vec(), key.to_vec()))
        });
        // Whether the first comes before the second.
        let before = |one: (&[u8], &[u8]), other: (&[u8], &[u8])| {
            if backwards { one > other } else { one < other }
        };
        let mut best: BTreeSet<(Vec<u8>, Vec<u8>)> = BTreeSet::new();
        self.each_hit(needle, None, |hit| {
            let one = (begin(hit.text), hit.seen.key);
            let seen = after
                .as_ref()
                .is_some_and(|(text, key)| !before((text.as_slice(), key.as_slice()), one));
            if seen || !wanted(hit.seen) {
                return Some(());
            }
            if best.len() > limit {
                let worst = if backwards { best.first() } else { best.last() };
                if worst.is_some_and(|(text, key)| !before(one, (text.as_slice(), key.as_slice())))
                {
                    return Some(());
                }
            }
            best.insert((one.0.to_vec(), one.1.to_vec()));
            if best.len() > limit + 1 {
                if backwards {
                    best.pop_first()
                } else {
                    best.pop_last()
                };
            }
            Some(())
        });
        let more = best.len() > limit;
        let keys = best.into_iter().map(|(_, key)| key);
        let keys =
            if backwards { keys.rev().take(limit).collect() } else { keys.take(limit).collect() };
        Found { keys, more }
    }
}

fn begin(text: &[u8]) -> &[u8] {
    &text[..text.len().min(SORTED_BY)]
}

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
            let mut after = Vec::new();
            rank(self.read().text(key)?, key, backwards, &mut after);
            Some(after)
        });
        // One more than asked for says that there is more.
        let (mut best, mut one) = (BTreeSet::<Vec<u8>>::new(), Vec::new());
        self.each_hit(needle, None, |hit| {
            rank(hit.text, hit.seen.key, backwards, &mut one);
            let full = best.len() > limit;
            if full && best.last().is_some_and(|worst| one >= *worst)
                || after.as_ref().is_some_and(|after| one <= *after)
                || hit.again && best.contains(&one)
                || !wanted(hit.seen)
            {
                return Some(());
            }
            // Its memory serves again: a walk may find better ones all the way.
            let worst = if full { best.pop_last() } else { None };
            let mut kept = worst.unwrap_or_default();
            kept.clone_from(&one);
            best.insert(kept);
            Some(())
        });
        let more = best.len() > limit;
        let keys = best.iter().take(limit).map(|one| ranked(one, backwards)).collect();
        Found { keys, more }
    }
}

/// Bytes that compare as rows are sorted: text, a zero, which no folded text
/// has, and key; backwards, all of them turned over.
fn rank(text: &[u8], key: &[u8], backwards: bool, into: &mut Vec<u8>) {
    into.clear();
    into.extend_from_slice(&text[..text.len().min(SORTED_BY)]);
    into.push(0);
    into.extend_from_slice(key);
    if backwards {
        for byte in into {
            *byte = !*byte;
        }
    }
}

/// The key in a [`rank`].
fn ranked(rank: &[u8], backwards: bool) -> Vec<u8> {
    let turned = if backwards { u8::MAX } else { 0 };
    let key = rank.iter().position(|byte| *byte == turned).map_or(rank.len(), |end| end + 1);
    rank[key..].iter().map(|byte| byte ^ turned).collect()
}

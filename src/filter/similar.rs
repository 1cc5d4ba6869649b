//! Near-duplicates: how many recipients got what is nearly the same text.
//!
//! A similarity digest (that of Charikar, 64 bits over words and pairs of
//! words) finds texts that differ in a name or a number; a sliding window
//! counts distinct recipients over all organisations. Memory is bounded: what
//! is oldest is forgotten first. The texts themselves are not kept.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::parsed::{Part, Text};
use crate::mail::Address;

/// Words that are looked at.
const WORDS: usize = 1000;
/// Fewer words than this say too little to be compared by likeness.
const FEW: usize = 12;
/// Bits in which two digests of the same text may differ.
const DISTANCE: u32 = 6;
/// Digests are found by any of four quarters that they share.
const BANDS: usize = 4;
/// Candidates of one quarter that are compared.
const CANDIDATES: usize = 64;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// From this many distinct recipients on it is many.
    pub recipients: usize,
    pub window: SignedDuration,
    /// Texts that are remembered.
    pub texts: usize,
}

/// Counts recipients per text.
pub struct Window {
    settings: Settings,
    hasher: RandomState,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    texts: HashMap<u64, Recipients>,
    bands: [HashMap<u16, Vec<u64>>; BANDS],
    /// Texts by the time they were first seen, or seen again when they would
    /// have been forgotten.
    order: VecDeque<(Timestamp, u64)>,
}

#[derive(Default)]
struct Recipients {
    last: Option<Timestamp>,
    /// Hashes of recipients, and when; never more than `recipients`.
    seen: Vec<(u64, Timestamp)>,
}

impl Window {
    pub fn new(settings: Settings) -> Self {
        Self { settings, hasher: RandomState::new(), state: Mutex::default() }
    }

    /// Counts these recipients for a text and answers how many it has had
    /// within the window, at most `recipients` of the settings. `near`: texts
    /// of a similar digest count as this one.
    pub fn count<'a>(
        &self,
        digest: u64,
        near: bool,
        recipients: impl Iterator<Item = &'a Address>,
        now: Timestamp,
    ) -> usize {
        let most = self.settings.recipients;
        let since = now.saturating_sub(self.settings.window).unwrap_or(Timestamp::MIN);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.forget(since, self.settings.texts);
        let key = state.find(digest, near, now);
        let Some(text) = state.texts.get_mut(&key) else {
            return 0;
        };
        text.last = Some(now);
        text.seen.retain(|(_, at)| *at >= since);
        for recipient in recipients {
            let hash = self.hasher.hash_one(recipient.canonical().to_string());
            if let Some(known) = text.seen.iter_mut().find(|(known, _)| *known == hash) {
                known.1 = now;
            } else if text.seen.len() < most {
                text.seen.push((hash, now));
            }
        }
        text.seen.len()
    }

    /// Whether a count is many.
    pub fn is_many(&self, count: usize) -> bool {
        count >= self.settings.recipients
    }
}

impl State {
    /// The key of this text: its own digest or one nearby.
    fn find(&mut self, digest: u64, near: bool, now: Timestamp) -> u64 {
        if self.texts.contains_key(&digest) {
            return digest;
        }
        if near {
            for (band, quarter) in self.bands.iter().zip(quarters(digest)) {
                let candidates = band.get(&quarter).into_iter().flatten().rev().take(CANDIDATES);
                if let Some(like) =
                    candidates.copied().find(|other| (other ^ digest).count_ones() <= DISTANCE)
                {
                    return like;
                }
            }
            for (band, quarter) in self.bands.iter_mut().zip(quarters(digest)) {
                band.entry(quarter).or_default().push(digest);
            }
        }
        self.texts.insert(digest, Recipients::default());
        self.order.push_back((now, digest));
        digest
    }

    /// Forgets texts not seen since, and the oldest when there are too many.
    fn forget(&mut self, since: Timestamp, most: usize) {
        while let Some((at, digest)) = self.order.front().copied() {
            let full = self.texts.len() >= most;
            if at >= since && !full {
                break;
            }
            self.order.pop_front();
            match self.texts.get(&digest).and_then(|text| text.last) {
                Some(last) if last >= since && !full => self.order.push_back((last, digest)),
                _ => self.remove(digest),
            }
        }
    }

    fn remove(&mut self, digest: u64) {
        self.texts.remove(&digest);
        for (band, quarter) in self.bands.iter_mut().zip(quarters(digest)) {
            if let Some(all) = band.get_mut(&quarter) {
                all.retain(|other| *other != digest);
                if all.is_empty() {
                    band.remove(&quarter);
                }
            }
        }
    }
}

fn quarters(digest: u64) -> [u16; BANDS] {
    std::array::from_fn(|band| u16::try_from(digest >> (16 * band) & 0xffff).unwrap_or(0))
}

/// The digest of what people read in a message, and whether it may be compared
/// by likeness. `None` if there are hardly any words.
pub fn digest(parts: &[Part<'_>], subject: &str) -> Option<(u64, bool)> {
    let mut best: Vec<u64> = Vec::new();
    for part in parts {
        let Some(kind) = part.text else { continue };
        let words = words(part.content, kind == Text::Html);
        if words.len() > best.len() {
            best = words;
        }
        if best.len() >= FEW {
            break;
        }
    }
    if best.len() >= FEW {
        return Some((simhash(&best), true));
    }
    if best.is_empty() {
        return None;
    }
    // So few words are the same text only if the subject is the same too.
    let all = best.into_iter().chain(words(subject.as_bytes(), false));
    Some((all.fold(0, |sum: u64, word| mix(sum.rotate_left(7) ^ word)), false))
}

/// Hashes of the words: letters only, in lower case; numbers are what
/// personalised mail varies, and tags are not read.
fn words(text: &[u8], html: bool) -> Vec<u64> {
    let mut words = Vec::with_capacity(WORDS.min(text.len() / 6 + 1));
    let (mut word, mut length, mut in_tag) = (0_u64, 0, false);
    for byte in text.iter().chain(b" ") {
        match byte {
            b'<' if html => in_tag = true,
            b'>' if html => in_tag = false,
            _ => {}
        }
        let letter = (byte.is_ascii_alphabetic() || *byte >= 0x80) && !in_tag;
        if letter {
            word = (word ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0000_01b3);
            length += 1;
        } else if length > 0 {
            if length > 1 {
                words.push(mix(word));
                if words.len() == WORDS {
                    break;
                }
            }
            (word, length) = (0xcbf2_9ce4_8422_2325, 0);
        }
    }
    words
}

/// Each bit is what most words and pairs of words say.
fn simhash(words: &[u64]) -> u64 {
    let mut sums = [0_i32; 64];
    let pairs = words.windows(2).map(|pair| mix(pair[0].rotate_left(23) ^ pair[1]));
    for feature in words.iter().copied().chain(pairs) {
        for (bit, sum) in sums.iter_mut().enumerate() {
            *sum += i32::from(feature >> bit & 1 == 1) * 2 - 1;
        }
    }
    sums.iter().enumerate().fold(0, |all, (bit, sum)| all | u64::from(*sum > 0) << bit)
}

/// The finaliser of the third Murmur hash, which spreads every bit over all.
fn mix(mut x: u64) -> u64 {
    x ^= x >> 33;
    x = x.wrapping_mul(0xff51_afd7_ed55_8ccd);
    x ^= x >> 33;
    x = x.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ x >> 33
}

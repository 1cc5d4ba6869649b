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
/// Binary digits that count the words and the pairs of them.
const DIGITS: usize = (2 * WORDS).ilog2() as usize + 1;
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
                if let Some(like) = candidates.copied().find(|other| is_near(*other, digest)) {
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

/// Whether two digests of likeness are of the same text.
pub fn is_near(one: u64, other: u64) -> bool {
    (one ^ other).count_ones() <= DISTANCE
}

/// What digests of the same text share one of.
pub fn quarters(digest: u64) -> [u16; BANDS] {
    std::array::from_fn(|band| u16::try_from(digest >> (16 * band) & 0xffff).unwrap_or(0))
}

/// The digest of what people read in a message, and whether it may be compared
/// by likeness. `None` if there are hardly any words.
pub fn digest(parts: &[Part<'_>], subject: impl FnOnce() -> String) -> Option<(u64, bool)> {
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
    let all = best.into_iter().chain(words(subject().as_bytes(), false));
    Some((all.fold(0, |sum: u64, word| mix(sum.rotate_left(7) ^ word)), false))
}

/// Hashes of the words: letters only, in lower case; numbers are what
/// personalised mail varies, and tags are not read.
fn words(text: &[u8], html: bool) -> Vec<u64> {
    let mut words = Vec::with_capacity(WORDS.min(text.len() / 6 + 1));
    let mut rest = text;
    while let Some(first) = rest.first()
        && words.len() < WORDS
    {
        if html && *first == b'<' {
            // A tag that does not end hides the rest.
            let end = memchr::memchr(b'>', rest).map_or(rest.len(), |end| end + 1);
            rest = &rest[end..];
            continue;
        }
        let (length, hash) = word(rest);
        if length > 1 {
            words.push(hash);
        }
        rest = &rest[length.max(1)..];
    }
    words
}

/// How many letters `text` begins with, and their hash without regard to
/// ASCII case. Eight bytes at a time: one at a time would cost more than all
/// other checks of a message.
fn word(text: &[u8]) -> (usize, u64) {
    let (mut length, mut hash) = (0, 0_u64);
    loop {
        let eight = eight_bytes(&text[length..]);
        // A byte that is no letter has its highest bit set here.
        let letters = (others(eight).trailing_zeros() / 8) as usize;
        if letters > 0 {
            let mask = u64::MAX >> (64 - 8 * letters);
            hash = (hash ^ (eight | LOWER_CASE) & mask).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            hash = hash.rotate_left(29);
        }
        length += letters;
        if letters < 8 {
            return (length, mix(hash ^ length as u64));
        }
    }
}

/// Turns ASCII letters into lower case, eight at a time.
const LOWER_CASE: u64 = repeated(0x20);

/// The first eight bytes, the first one lowest; zeros behind the end.
fn eight_bytes(text: &[u8]) -> u64 {
    let mut eight = [0; 8];
    match text.first_chunk::<8>() {
        Some(first) => eight = *first,
        None => eight[..text.len()].copy_from_slice(text),
    }
    u64::from_le_bytes(eight)
}

/// The highest bit of each byte that is no letter: neither ASCII's nor beyond
/// ASCII. No sum below carries from one byte into the next.
fn others(eight: u64) -> u64 {
    const HIGH: u64 = repeated(0x80);
    let low = (eight | LOWER_CASE) & !HIGH;
    let from_a = low + repeated(0x80 - b'a');
    let behind_z = low + repeated(0x80 - b'z' - 1);
    !(eight | from_a & !behind_z) & HIGH
}

const fn repeated(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Each bit is what most words and pairs of words say.
fn simhash(words: &[u64]) -> u64 {
    // Binary digits of 64 counters side by side: counting a word is adding it
    // to all of them at once.
    let mut digits = [0_u64; DIGITS];
    let pairs = words.windows(2).map(|pair| mix(pair[0].rotate_left(23) ^ pair[1]));
    for feature in words.iter().copied().chain(pairs) {
        let mut carry = feature;
        for digit in &mut digits {
            (*digit, carry) = (*digit ^ carry, *digit & carry);
            if carry == 0 {
                break;
            }
        }
    }
    let half = (2 * words.len() - 1) / 2;
    let count = |bit: usize| {
        digits.iter().rev().fold(0, |count, digit| count << 1 | usize::from(digit >> bit & 1 == 1))
    };
    (0..64).fold(0, |all, bit| all | u64::from(count(bit) > half) << bit)
}

/// The finaliser of the third Murmur hash, which spreads every bit over all.
fn mix(mut x: u64) -> u64 {
    x ^= x >> 33;
    x = x.wrapping_mul(0xff51_afd7_ed55_8ccd);
    x ^= x >> 33;
    x = x.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ x >> 33
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One letter at a time.
    fn spelled(text: &[u8], html: bool) -> Vec<Vec<u8>> {
        let (mut words, mut word, mut in_tag) = (Vec::new(), Vec::new(), false);
        for byte in text.iter().chain(b" ") {
            in_tag |= html && *byte == b'<';
            if (byte.is_ascii_alphabetic() || *byte >= 0x80) && !in_tag {
                word.push(if *byte < 0x80 { byte.to_ascii_lowercase() } else { *byte | 0x20 });
            } else {
                words.push(std::mem::take(&mut word));
            }
            in_tag &= *byte != b'>';
        }
        words.retain(|word| word.len() > 1);
        words.truncate(WORDS);
        words
    }

    fn plainly(words: &[u64]) -> u64 {
        let pairs = words.windows(2).map(|pair| mix(pair[0].rotate_left(23) ^ pair[1]));
        let features: Vec<u64> = words.iter().copied().chain(pairs).collect();
        let ones = |bit: usize| features.iter().filter(|one| **one >> bit & 1 == 1).count();
        (0..64).fold(0, |all, bit| all | u64::from(2 * ones(bit) > features.len()) << bit)
    }

    proptest! {
        #[test]
        fn words_are_those_that_are_spelled(
            text in "([a-zA-Z]{0,20}[ <>0-9@`{\\[z~é本]{0,2}){0,30}", html: bool,
        ) {
            let spelled = spelled(text.as_bytes(), html);
            let hashed: Vec<u64> = spelled.iter().map(|word| super::word(word).1).collect();
            prop_assert_eq!(words(text.as_bytes(), html), hashed);
        }

        #[test]
        fn letters_are_told_from_other_bytes(bytes: [u8; 8]) {
            let others = others(u64::from_le_bytes(bytes)).to_le_bytes();
            for (byte, other) in bytes.iter().zip(others) {
                let letter = byte.is_ascii_alphabetic() || *byte >= 0x80;
                prop_assert_eq!(other, if letter { 0 } else { 0x80 });
            }
        }

        #[test]
        fn counting_side_by_side_is_counting(words in prop::collection::vec(any::<u64>(), 12..200)) {
            prop_assert_eq!(simhash(&words), plainly(&words));
        }
    }

    #[test]
    fn counters_hold_all_words() {
        assert_eq!(plainly(&[7; WORDS]), simhash(&[7; WORDS]));
    }
}

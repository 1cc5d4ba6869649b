//! What people teach a model: numbered changes, and how many of them.
//!
//! The numbers are those of the lessons in the store; a model's file says up
//! to which one it has learnt.

use minicbor::{Decode, Encode};

use super::features::BLOCKS;

/// Kinds of voices, in the order of their numbers on disk.
pub const KINDS: usize = 5;
/// Bytes of [`Taught`] in a file.
const LENGTH: usize = 8 + 4 + 4 * KINDS;

/// How far a message's marks move, block by block, in a model's own units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Step(#[n(0)] pub [i16; BLOCKS]);

/// Voices behind what was taught, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Heard(#[n(0)] pub [u32; KINDS]);

/// One change that people asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub number: u64,
    pub spam: bool,
    pub step: Step,
    pub heard: Heard,
    /// Towards it; or back again.
    pub forth: bool,
}

/// What people taught a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taught {
    /// The last change that it made.
    pub number: u64,
    /// Texts that stand learnt.
    pub lessons: u32,
    pub heard: Heard,
}

impl Step {
    /// The same way back.
    #[must_use]
    pub fn back(self) -> Self {
        Self(self.0.map(i16::saturating_neg))
    }
}

impl Taught {
    /// A change was made.
    pub fn count(&mut self, change: &Change) {
        let add = |count: &mut u32, some: u32| {
            let sum = if change.forth { count.checked_add(some) } else { count.checked_sub(some) };
            *count = sum.unwrap_or(if change.forth { u32::MAX } else { 0 });
        };
        self.number = change.number;
        add(&mut self.lessons, 1);
        for (count, voices) in self.heard.0.iter_mut().zip(change.heard.0) {
            add(count, voices);
        }
    }

    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut out = self.number.to_le_bytes().to_vec();
        out.extend_from_slice(&self.lessons.to_le_bytes());
        out.extend(self.heard.0.iter().flat_map(|count| count.to_le_bytes()));
        out
    }

    /// What stands first in `bytes`, and the rest.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (own, rest) = bytes.split_first_chunk::<LENGTH>()?;
        let word = |at: usize| u32::from_le_bytes([own[at], own[at + 1], own[at + 2], own[at + 3]]);
        let number = u64::from(word(4)) << 32 | u64::from(word(0));
        let heard = Heard(std::array::from_fn(|kind| word(12 + 4 * kind)));
        Some((Self { number, lessons: word(8), heard }, rest))
    }
}

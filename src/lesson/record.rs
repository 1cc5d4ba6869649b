//! What is known of one text: who said what of it, and what the model was
//! taught for it.
//!
//! Texts that are nearly the same share one record, so that two copies of a
//! campaign are one lesson with two voices.

use minicbor::{Decode, Encode};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::filter::content::{self, Heard, Step, TextDigest};
use crate::reputation::{Vote, VoteKind};
use crate::store::{Index, Record, Table};

/// Voices that one lesson keeps.
const VOICES: usize = 64;

/// One person's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Voice {
    /// The hash of his address or login.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub person: [u8; 16],
    #[n(1)]
    pub kind: VoteKind,
    #[n(2)]
    pub spam: bool,
    /// The held message that he saw.
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    pub about: [u8; 16],
}

/// One text, what people said of it, and what was learnt.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Lesson {
    #[cbor(n(0), with = "crate::store::record::uuid")]
    pub id: Uuid,
    #[n(1)]
    pub text: u64,
    /// Texts of a similar digest are this one.
    #[n(2)]
    pub near: bool,
    #[n(3)]
    pub voices: Vec<Voice>,
    /// When it is forgotten: nobody can take his word back any more.
    #[cbor(n(4), with = "crate::store::record::micros")]
    pub ends: Timestamp,
    /// What the model was taught; `None`: nothing that still stands.
    #[n(5)]
    pub taught: Option<bool>,
    /// The number of the model's change that this lesson made last; 0: none.
    #[n(6)]
    pub number: u64,
    /// The number with which it was taught; a model older than this has
    /// nothing to take back.
    #[n(7)]
    pub since: u64,
    /// How far that moved the model.
    #[n(8)]
    pub step: Step,
    /// The body that keeps the message's marks.
    #[n(9)]
    #[cbor(with = "minicbor::bytes")]
    pub marks: Option<[u8; 16]>,
    /// The voices that it was taught for, by kind.
    #[n(10)]
    pub heard: Heard,
    /// As what it was taught last.
    #[n(11)]
    pub side: bool,
}

impl Lesson {
    pub fn new(about: Uuid, text: TextDigest, ends: Timestamp) -> Self {
        Self {
            id: about,
            text: text.digest,
            near: text.near,
            voices: Vec::new(),
            ends,
            taught: None,
            number: 0,
            since: 0,
            step: Step::default(),
            marks: None,
            heard: Heard::default(),
            side: false,
        }
    }

    /// Takes a vote in: each person has one voice, his latest; silence does
    /// not unsay what he said.
    pub fn hear(&mut self, vote: &Vote) {
        let before = self.voices.iter().position(|one| one.person == vote.person);
        if vote.withdrawn {
            if let Some(at) = before.filter(|at| self.voices[*at].kind == vote.kind) {
                self.voices.remove(at);
            }
            return;
        }
        let about = vote.about.into_bytes();
        let voice = Voice { person: vote.person, kind: vote.kind, spam: vote.spam, about };
        let same = self.voices.iter().filter(|one| one.kind == vote.kind);
        let weight = same.map(|one| one.kind.quarters()).sum::<u32>();
        match before {
            Some(at) if vote.kind.quarters() >= self.voices[at].kind.quarters() => {
                self.voices[at] = voice;
            }
            None if self.voices.len() < VOICES && weight < vote.kind.most() => {
                self.voices.push(voice);
            }
            _ => {}
        }
    }

    /// What the model should know of it: spam or ham, once the words on that
    /// side outweigh the others by those of `people` persons, and so many
    /// different ones said so.
    pub fn wanted(&self, people: u32) -> Option<bool> {
        let (spam, ham) = (self.weight(true), self.weight(false));
        let side = spam > ham;
        let persons = self.voices.iter().filter(|one| one.spam == side).count();
        let agreed = spam.abs_diff(ham) >= people.saturating_mul(4) && persons >= people as usize;
        agreed.then_some(side)
    }

    fn weight(&self, spam: bool) -> u32 {
        let of = |kind: VoteKind| {
            let said = self.voices.iter().filter(|one| one.spam == spam && one.kind == kind);
            said.map(|one| one.kind.quarters()).sum::<u32>().min(kind.most())
        };
        VoteKind::ALL.into_iter().map(of).sum()
    }

    /// How many voices of each kind are on this side.
    pub fn count(&self, spam: bool) -> Heard {
        let mut heard = Heard::default();
        for one in self.voices.iter().filter(|one| one.spam == spam) {
            heard.0[one.kind as usize] += 1;
        }
        heard
    }

    /// The model's last change for it: towards it, or back.
    pub fn change(&self) -> content::Change {
        let forth = self.taught.is_some();
        let (number, spam) = (self.number, self.side);
        content::Change { number, spam, step: self.step, heard: self.heard, forth }
    }

    /// The index key of one quarter of a digest.
    pub fn text_key(band: usize, quarter: u16) -> Vec<u8> {
        let [high, low] = quarter.to_be_bytes();
        vec![u8::try_from(band).unwrap_or(u8::MAX), high, low]
    }
}

impl Record for Lesson {
    const TABLE: Table = Table::Lesson;

    fn key(&self) -> Vec<u8> {
        self.id.as_bytes().to_vec()
    }

    fn index_keys(&self) -> Vec<(Index, Vec<u8>)> {
        let ends = self.ends.as_microsecond().to_be_bytes().to_vec();
        let mut keys = vec![(Index::LessonEnds, ends)];
        let text = TextDigest { digest: self.text, near: self.near };
        for (band, quarter) in text.quarters() {
            keys.push((Index::LessonByText, Self::text_key(band, quarter)));
        }
        let mut seen: Vec<[u8; 16]> = self.voices.iter().map(|voice| voice.about).collect();
        seen.sort_unstable();
        seen.dedup();
        keys.extend(seen.into_iter().map(|about| (Index::LessonByMessage, about.to_vec())));
        if self.number > 0 {
            keys.push((Index::LessonByNumber, self.number.to_be_bytes().to_vec()));
        }
        keys
    }
}

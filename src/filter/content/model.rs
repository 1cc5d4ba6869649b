//! The model as bytes: a table of weights, and what its margins are worth.
//!
//! A file is a header of fixed length, what people taught since, if they did,
//! the table (16 bits a weight, zstd), and a CRC-32C over all of it. It is
//! written whole or not at all, by one program at a time ([`Guard`]). A file of
//! another version, of another size or with a wrong sum is refused. In memory
//! it takes 2 MiB.

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use super::change::{Change, Step, Taught};
use super::features::{BITS, Marks, scale};
use super::train::{Example, Machine, Platt};

/// Trained on public mail of 2002 (README, "The content model").
static STARTER: &[u8] = include_bytes!("starter.model");

const MAGIC: &[u8; 4] = b"RPCM";
/// Counts what a mark is: a table of one version says nothing to another.
const VERSION: u8 = 3;
const HEADER: usize = 40;
const MARKS: usize = 1 << BITS;
/// Steps of a trained table within its usual weight (root of the mean square).
const FINE: f32 = 6.0;
/// Steps of later learning within one step of the training.
const FINER: i16 = 16;

/// A model, ready to judge. Shared behind an [`Arc`].
#[derive(Clone, PartialEq)]
pub struct Model {
    weights: Box<[i16]>,
    /// What one unit of a weight is.
    unit: f32,
    bias: f32,
    meaning: Platt,
    /// The margin from which mail is to be held by its content alone.
    hold: f32,
    learnt: Learnt,
    taught: Taught,
}

/// Nobody else writes the model's file while this lives.
#[derive(Debug)]
pub struct Guard {
    /// Closing it ends the lock.
    _file: File,
}

/// How many mails of each kind made the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Learnt {
    pub spam: u32,
    pub ham: u32,
    /// How many of these came after the training.
    pub later: u32,
}

/// What a model says of a message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Opinion {
    /// Between 0 and 1: that the message is spam.
    pub probability: f32,
    /// 0 at the margin from which the message is to be held; in units of the
    /// logarithm of the odds.
    pub beyond: f32,
}

/// Why a model cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error("cannot read or write the content model {path}: {source}")]
    Io { path: String, source: std::io::Error },
    #[error("{0} is not a content model of this version: train it again")]
    Foreign(String),
    #[error("the content model {0} is damaged (its sum is wrong): copy or train it again")]
    Damaged(String),
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("learnt", &self.learnt).finish_non_exhaustive()
    }
}

impl Model {
    /// The model that comes with the program.
    pub fn starter() -> Arc<Self> {
        static MODEL: LazyLock<Arc<Model>> = LazyLock::new(|| {
            // The program's own bytes, held by a test; without them, no opinion.
            Arc::new(Model::decode(STARTER, "starter").unwrap_or_else(|_| Model::empty()))
        });
        Arc::clone(&MODEL)
    }

    /// A model without an opinion.
    pub fn empty() -> Self {
        Self {
            weights: vec![0; MARKS].into_boxed_slice(),
            unit: 1.0 / 4096.0,
            bias: 0.0,
            meaning: Platt { slope: -1.0, shift: 0.0 },
            hold: f32::MAX,
            learnt: Learnt::default(),
            taught: Taught::default(),
        }
    }

    /// A trained machine, rounded; `hold` is a margin.
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
    pub fn of(machine: &Machine, meaning: Platt, hold: f32, learnt: Learnt) -> Self {
        let squares: f64 = machine.weights.iter().map(|w| f64::from(*w).powi(2)).sum();
        let used = machine.weights.iter().filter(|weight| **weight != 0.0).count().max(1);
        // Steps well below the usual weight; the few heaviest are cut off.
        let unit = ((squares / used as f64).sqrt() as f32 / FINE).max(f32::MIN_POSITIVE);
        let most = f32::from(i16::MAX / FINER);
        let round = |weight: &f32| (weight / unit).round().clamp(-most, most) as i16;
        // Finer steps behind the same table let single mails be learnt later.
        let weights = machine.weights.iter().map(|weight| round(weight) * FINER).collect();
        // As exact as a file says it.
        let [slope, shift] = [meaning.slope, meaning.shift].map(|one| f64::from(one as f32));
        let meaning = Platt { slope, shift };
        Self {
            weights,
            unit: unit / f32::from(FINER),
            bias: machine.bias,
            meaning,
            hold,
            learnt,
            taught: Taught::default(),
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`ModelError`].
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let name = path.display().to_string();
        let bytes =
            std::fs::read(path).map_err(|source| ModelError::Io { path: name.clone(), source })?;
        Self::decode(&bytes, &name)
    }

    /// Writes a file: all of it, or what stood there stays.
    ///
    /// # Errors
    /// [`ModelError::Io`].
    pub fn save(&self, path: &Path) -> Result<(), ModelError> {
        let fresh = path.with_extension("fresh");
        let write = || {
            let mut file = File::create(&fresh)?;
            std::io::Write::write_all(&mut file, &self.encode())?;
            file.sync_all()?;
            std::fs::rename(&fresh, path)?;
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
        };
        write().map_err(|source| ModelError::Io { path: path.display().to_string(), source })
    }

    /// The bytes of a file.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1 << 20);
        out.extend_from_slice(MAGIC);
        let taught = u8::from(self.taught != Taught::default());
        out.extend_from_slice(&[VERSION, u8::try_from(BITS).unwrap_or(0), taught, 0]);
        for count in [self.learnt.spam, self.learnt.ham, self.learnt.later] {
            out.extend_from_slice(&count.to_le_bytes());
        }
        #[allow(clippy::cast_possible_truncation)]
        let meaning = [self.meaning.slope as f32, self.meaning.shift as f32];
        for number in [self.unit, self.bias, meaning[0], meaning[1], self.hold] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        if taught == 1 {
            out.extend_from_slice(&self.taught.to_bytes());
        }
        // Low bytes first, then the high ones; negative numbers between the
        // positive ones, so that most high bytes are 0.
        let folded: Vec<u16> =
            self.weights.iter().map(|w| (w.wrapping_shl(1) ^ (w >> 15)).cast_unsigned()).collect();
        let planes = folded.iter().map(|w| w.to_le_bytes()[0]);
        let planes: Vec<u8> = planes.chain(folded.iter().map(|w| w.to_le_bytes()[1])).collect();
        // The starter travels; a file that changes all day is to be written fast.
        let level = if taught == 1 { 3 } else { 19 };
        out.extend(zstd::bulk::compress(&planes, level).unwrap_or_default());
        let sum = crc32c::crc32c(&out);
        out.extend_from_slice(&sum.to_le_bytes());
        out
    }

    /// Reads the bytes of a file; `name` is for errors.
    ///
    /// # Errors
    /// [`ModelError::Foreign`] or [`ModelError::Damaged`].
    pub fn decode(bytes: &[u8], name: &str) -> Result<Self, ModelError> {
        let foreign = || ModelError::Foreign(name.to_owned());
        let damaged = || ModelError::Damaged(name.to_owned());
        let (content, sum) = bytes.split_last_chunk::<4>().ok_or_else(foreign)?;
        let (header, table) = content.split_at_checked(HEADER).ok_or_else(foreign)?;
        if !header.starts_with(MAGIC) || header[4] != VERSION || u32::from(header[5]) != BITS {
            return Err(foreign());
        }
        let (taught, table) = match header[6] {
            0 => (Taught::default(), table),
            1 => Taught::from_bytes(table).ok_or_else(foreign)?,
            _ => return Err(foreign()),
        };
        if crc32c::crc32c(content) != u32::from_le_bytes(*sum) {
            return Err(damaged());
        }
        let word = |at: usize| {
            let place = 8 + 4 * at;
            [header[place], header[place + 1], header[place + 2], header[place + 3]]
        };
        let float = |at: usize| f32::from_le_bytes(word(at));
        let planes = zstd::bulk::decompress(table, 2 * MARKS).map_err(|_| damaged())?;
        if planes.len() != 2 * MARKS || !(3..8).all(|at| float(at).is_finite()) {
            return Err(damaged());
        }
        let (low, high) = planes.split_at(MARKS);
        let unfold = |(low, high): (&u8, &u8)| {
            let folded = u16::from_le_bytes([*low, *high]);
            (folded >> 1).cast_signed() ^ -(folded & 1).cast_signed()
        };
        let count = |at| u32::from_le_bytes(word(at));
        Ok(Self {
            weights: low.iter().zip(high).map(unfold).collect(),
            unit: float(3),
            bias: float(4),
            meaning: Platt { slope: float(5).into(), shift: float(6).into() },
            hold: float(7),
            learnt: Learnt { spam: count(0), ham: count(1), later: count(2) },
            taught,
        })
    }

    /// What people taught it.
    pub fn taught(&self) -> Taught {
        self.taught
    }

    /// Takes the place of `other` as the installation's own: what was said up
    /// to now was said about that one.
    #[must_use]
    pub fn instead_of(self, other: &Self) -> Self {
        let taught = Taught { number: other.taught.number, ..Taught::default() };
        Self { taught, ..self }
    }

    pub fn learnt(&self) -> Learnt {
        self.learnt
    }

    /// Positive: rather spam than ham.
    pub fn margin(&self, marks: &Marks) -> f32 {
        self.sum(marks.blocks().iter().map(Vec::as_slice))
    }

    /// The same for marks that were kept.
    pub fn margin_of(&self, example: &Example) -> f32 {
        self.sum(example.blocks().iter().map(|block| &**block))
    }

    /// What it thinks of a message.
    pub fn judge(&self, marks: &Marks) -> Opinion {
        self.opinion(self.margin(marks))
    }

    #[allow(clippy::cast_possible_truncation)]
    fn opinion(&self, margin: f32) -> Opinion {
        Opinion {
            probability: self.meaning.probability(margin.into()) as f32,
            beyond: (margin - self.hold) * -self.meaning.slope as f32,
        }
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
    fn sum<'a>(&self, blocks: impl Iterator<Item = &'a [u32]>) -> f32 {
        let mut sum = 0_f64;
        for (place, block) in blocks.enumerate() {
            let units: i64 = block
                .iter()
                .map(|mark| i64::from(self.weights[*mark as usize & (MARKS - 1)]))
                .sum();
            sum += units as f64 * scale(place, block.len());
        }
        self.bias + (sum * f64::from(self.unit)) as f32
    }

    /// Moves the weights so that `example` stands nearer to its side, where it
    /// does not already stand there clearly. `force` is between 0 and 1: how
    /// much of the way it goes; `first`: this mail was not heard before.
    pub fn learn(&mut self, example: &Example, force: f32, first: bool) {
        if first {
            self.learnt.count(example.spam, true);
        }
        self.shift(example, self.step(example, example.spam, force));
    }

    /// How far each mark of a message's blocks is to move so that it stands
    /// nearer to its side; nothing if it stands there clearly.
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
    pub fn step(&self, example: &Example, spam: bool, force: f32) -> Step {
        let sign = if spam { 1.0 } else { -1.0 };
        let blocks = example.blocks();
        let lack = 1.0 - sign * self.margin_of(example);
        let step = f64::from(sign * lack.max(0.0) * force.clamp(0.0, 1.0));
        let step = step / (example.length().max(1.0) * f64::from(self.unit));
        let each = |block: usize| {
            let each = step * scale(block, blocks[block].len());
            each.round().clamp(-1e4, 1e4) as i16
        };
        Step(std::array::from_fn(each))
    }

    /// Carries out a change that people asked for, and counts it.
    pub fn follow(&mut self, example: &Example, change: Change) {
        let step = if change.forth { change.step } else { change.step.back() };
        self.shift(example, step);
        self.learnt.count(change.spam, change.forth);
        self.taught.count(&change);
    }

    /// Counts a change that is none for this model.
    pub fn pass_over(&mut self, number: u64) {
        self.taught.number = number;
    }

    fn shift(&mut self, example: &Example, step: Step) {
        for (block, each) in example.blocks().iter().zip(step.0) {
            for mark in block {
                let weight = &mut self.weights[*mark as usize & (MARKS - 1)];
                *weight = weight.saturating_add(each);
            }
        }
    }
}

impl Learnt {
    /// One mail more that came after the training, or one less.
    fn count(&mut self, spam: bool, more: bool) {
        let kind = if spam { &mut self.spam } else { &mut self.ham };
        for count in [kind, &mut self.later] {
            *count = if more { count.saturating_add(1) } else { count.saturating_sub(1) };
        }
    }
}

impl Guard {
    /// Waits until nobody writes the model at `path`.
    ///
    /// # Errors
    /// [`ModelError::Io`] if there can be no lock beside it.
    pub fn take(path: &Path) -> Result<Self, ModelError> {
        let lock = path.with_extension("lock");
        let file = File::open(&lock).or_else(|_| File::create(&lock));
        let locked = file.and_then(|file| file.lock().map(|()| Self { _file: file }));
        locked.map_err(|source| ModelError::Io { path: lock.display().to_string(), source })
    }
}

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;

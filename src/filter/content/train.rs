//! Training: a linear machine, and what its margins mean.
//!
//! Least squares with a ridge, solved in the dual one mail at a time (as Hsieh
//! et al. 2008 do for support vectors): mails that stand clear on their side
//! have their say too, and unseen mail is told apart better for it. By
//! cross-validation it also learns what a margin is worth as a probability
//! (Platt 1999, with Lin's corrections). The same mails in the same order give
//! the same model, bit for bit: its dice are its own.

use super::features::{BITS, BLOCKS, length, scale};
use super::model::{Learnt, Model};

/// How far a mail may stand from its side, against how heavy the weights are.
const RIDGE: f64 = 0.1;
const ROUNDS: usize = 300;
const CLOSE: f64 = 0.01;

/// One mail to learn from.
#[derive(Clone, Debug)]
pub struct Example {
    blocks: [Box<[u32]>; BLOCKS],
    pub spam: bool,
}

/// Weights of all marks and of the constant.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    pub weights: Vec<f32>,
    pub bias: f32,
}

/// `probability = 1 / (1 + exp(slope * margin + shift))`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Platt {
    pub slope: f64,
    pub shift: f64,
}

/// Parts of the cross-validation.
pub const FOLDS: usize = 10;
/// The share of ham that may be held for its content alone.
const HAM_HELD: f64 = 0.003;
/// So many of the worst ham say how fast ham grows rare above them.
const WORST: usize = 20;

/// A whole model of these mails, with what its margins are worth.
pub fn model(examples: &[Example]) -> Model {
    let margins = cross_validate(examples, FOLDS, 1);
    let all: Vec<&Example> = examples.iter().collect();
    let (meaning, hold) = meaning(&margins, examples);
    let count = |spam| u32::try_from(examples.iter().filter(|e| e.spam == spam).count());
    let learnt = Learnt {
        spam: count(true).unwrap_or(u32::MAX),
        ham: count(false).unwrap_or(u32::MAX),
        later: 0,
    };
    Model::of(&Machine::train(&all), meaning, hold, learnt)
}

/// What margins of unseen mails are worth, and from which one on mail is held.
///
/// The few ham that stand highest are other ones in other mail: their tail is
/// taken for exponential, and the margin is where it leaves [`HAM_HELD`].
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
pub fn meaning(margins: &[f64], examples: &[Example]) -> (Platt, f32) {
    let spam: Vec<bool> = examples.iter().map(|example| example.spam).collect();
    let mut ham: Vec<f64> =
        margins.iter().zip(&spam).filter(|(_, spam)| !**spam).map(|(margin, _)| *margin).collect();
    ham.sort_by(|a, b| b.total_cmp(a));
    let (worst, rest) = ham.split_at(WORST.min(ham.len() / 2));
    let hold = rest.first().map_or(0.0, |next| {
        let above: f64 = worst.iter().map(|margin| margin - next).sum();
        let mean = above / worst.len().max(1) as f64;
        next + mean * ((worst.len() as f64 + 0.5) / (ham.len() as f64 * HAM_HELD)).ln()
    });
    (Platt::fit(margins, &spam), hold as f32)
}

impl Example {
    pub fn new(blocks: &[Vec<u32>; BLOCKS], spam: bool) -> Self {
        Self { blocks: std::array::from_fn(|block| blocks[block].clone().into()), spam }
    }

    pub fn blocks(&self) -> &[Box<[u32]>; BLOCKS] {
        &self.blocks
    }

    /// Its marks in few bytes: in order, as differences.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for block in &self.blocks {
            let mut marks = block.to_vec();
            marks.sort_unstable();
            number(u32::try_from(marks.len()).unwrap_or(u32::MAX), &mut out);
            let mut before = 0;
            for mark in marks {
                number(mark - before, &mut out);
                before = mark;
            }
        }
        out
    }

    /// Reads what [`Example::encode`] wrote; `None` if it is not that.
    pub fn decode(mut bytes: &[u8]) -> Option<Self> {
        let mut blocks: [Box<[u32]>; BLOCKS] = Default::default();
        for block in &mut blocks {
            let count = read_number(&mut bytes)?;
            let mut before = 0_u32;
            let mut marks = Vec::new();
            for _ in 0..count {
                before = before.checked_add(read_number(&mut bytes)?)?;
                marks.push(before);
            }
            *block = marks.into();
        }
        Some(Self { blocks, spam: false })
    }

    /// The same mail as if one block were never there: what is it worth?
    pub fn without(&self, block: usize) -> Self {
        let mut less = self.clone();
        if let Some(block) = less.blocks.get_mut(block) {
            *block = Box::default();
        }
        less
    }

    fn sign(&self) -> f64 {
        if self.spam { 1.0 } else { -1.0 }
    }

    fn scales(&self) -> [f64; BLOCKS] {
        std::array::from_fn(|block| scale(block, self.blocks[block].len()))
    }

    /// The square of the mail's length.
    pub fn length(&self) -> f64 {
        length(std::array::from_fn(|block| self.blocks[block].len()))
    }
}

/// Seven bits a byte, the lowest first; the highest bit says that more follow.
fn number(mut value: u32, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

fn read_number(bytes: &mut &[u8]) -> Option<u32> {
    let mut value = 0_u32;
    for shift in [0, 7, 14, 21] {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u32::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

impl Machine {
    /// Trains on these mails.
    #[allow(clippy::cast_possible_truncation)]
    pub fn train(examples: &[&Example]) -> Self {
        let mut weights = vec![0_f32; 1 << BITS];
        let mut bias = 0_f64;
        let mut pulls = vec![0_f64; examples.len()];
        let mut order: Vec<usize> = (0..examples.len()).collect();
        let mut dice = Dice(0x5eed);
        for _ in 0..ROUNDS {
            dice.shuffle(&mut order);
            let mut worst = 0_f64;
            for &place in &order {
                let example = examples[place];
                let scales = example.scales();
                let margin = margin(&weights, bias, example, &scales);
                let lack = example.sign() - margin - RIDGE * pulls[place];
                worst = worst.max(lack.abs());
                let step = lack / (1.0 + example.length() + RIDGE);
                pulls[place] += step;
                bias += step;
                for (block, scale) in example.blocks.iter().zip(scales) {
                    let step = (step * scale) as f32;
                    for mark in block {
                        weights[*mark as usize] += step;
                    }
                }
            }
            if worst < CLOSE {
                break;
            }
        }
        Self { weights, bias: bias as f32 }
    }

    /// Positive: spam.
    pub fn margin(&self, example: &Example) -> f64 {
        margin(&self.weights, f64::from(self.bias), example, &example.scales())
    }
}

fn margin(weights: &[f32], bias: f64, example: &Example, scales: &[f64; BLOCKS]) -> f64 {
    let blocks = example.blocks.iter().zip(scales);
    blocks.fold(bias, |sum, (block, scale)| {
        let marks: f64 = block.iter().map(|mark| f64::from(weights[*mark as usize])).sum();
        sum + marks * scale
    })
}

/// The margin of each mail by a machine that has not seen it: `folds` parts,
/// each with its share of every class.
pub fn cross_validate(examples: &[Example], folds: usize, seed: u64) -> Vec<f64> {
    let part = parts(examples, folds, seed);
    let mut margins = vec![0.0; examples.len()];
    std::thread::scope(|scope| {
        let (part, workers) = (&part, std::thread::available_parallelism().map_or(1, usize::from));
        let judge = move |worker: usize| {
            let mut judged = Vec::new();
            for fold in (worker..folds).step_by(workers) {
                let known: Vec<&Example> = examples
                    .iter()
                    .zip(part)
                    .filter(|(_, p)| **p != fold)
                    .map(|(e, _)| e)
                    .collect();
                let machine = Machine::train(&known);
                let unseen = (0..examples.len()).filter(|place| part[*place] == fold);
                judged.extend(unseen.map(|place| (place, machine.margin(&examples[place]))));
            }
            judged
        };
        let threads: Vec<_> =
            (0..workers.min(folds)).map(|worker| scope.spawn(move || judge(worker))).collect();
        for thread in threads {
            for (place, margin) in thread.join().unwrap_or_default() {
                margins[place] = margin;
            }
        }
    });
    margins
}

/// Which fold each mail is judged in.
pub fn parts(examples: &[Example], folds: usize, seed: u64) -> Vec<usize> {
    let mut part = vec![0; examples.len()];
    let mut dice = Dice(seed ^ 0xf01d);
    for spam in [false, true] {
        let mut places: Vec<usize> =
            (0..examples.len()).filter(|place| examples[*place].spam == spam).collect();
        dice.shuffle(&mut places);
        for (turn, place) in places.into_iter().enumerate() {
            part[place] = turn % folds;
        }
    }
    part
}

impl Platt {
    /// Fits margins of unseen mails to what they were (Lin, Lin and Weng 2007).
    #[allow(clippy::cast_precision_loss)]
    pub fn fit(margins: &[f64], spam: &[bool]) -> Self {
        let spams = spam.iter().filter(|is| **is).count() as f64;
        let hams = spam.len() as f64 - spams;
        let (high, low) = ((spams + 1.0) / (spams + 2.0), 1.0 / (hams + 2.0));
        let mut fit = Self { slope: 0.0, shift: ((hams + 1.0) / (spams + 1.0)).ln() };
        for _ in 0..100 {
            let (mut a, mut b, mut aa, mut ab, mut bb) = (0.0, 0.0, 1e-9, 0.0, 1e-9);
            for (margin, is) in margins.iter().zip(spam) {
                let p = fit.probability(*margin);
                let (rest, q) = (if *is { high } else { low } - p, p * (1.0 - p));
                a += margin * rest;
                b += rest;
                aa += margin * margin * q;
                ab += margin * q;
                bb += q;
            }
            let det = aa * bb - ab * ab;
            let (da, db) = ((bb * a - ab * b) / det, (aa * b - ab * a) / det);
            // A full Newton step may overshoot where margins part the classes.
            let most = (da.abs() / 2.0).max(db.abs() / 2.0).max(1.0);
            fit.slope -= da / most;
            fit.shift -= db / most;
            if da.abs() + db.abs() < 1e-9 {
                break;
            }
        }
        fit
    }

    /// Between 0 and 1: that a mail of this margin is spam.
    pub fn probability(self, margin: f64) -> f64 {
        1.0 / (1.0 + (self.slope * margin + self.shift).exp())
    }
}

/// A small generator of its own (splitmix64): the same dice everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    #[allow(clippy::cast_possible_truncation)]
    fn shuffle(&mut self, order: &mut [usize]) {
        for last in (1..order.len()).rev() {
            let other = self.roll() % (last as u64 + 1);
            order.swap(last, other as usize);
        }
    }
}

#[cfg(test)]
#[path = "train_tests.rs"]
mod tests;

//! What a message is judged by: hashed marks of its header, its way, its body
//! and its words.
//!
//! Five blocks, each a set (what stands there twice counts once): the header
//! as written, without the fields that the receiving side writes; the hosts of
//! the Received lines; the body as sent; the words that people read, decoded;
//! the message's shape ([`shape`]).
//! Scripts without spaces between words are taken in pairs of characters.
//! Everything is bounded and linear; nothing is trusted.

use super::{shape, text};

/// A mark is a number below `2^BITS`: its place in the model's table.
pub const BITS: u32 = 20;
/// Header, way, body, words, shape.
pub const BLOCKS: usize = 5;

const HEADER_BYTES: usize = 4000;
const BODY_BYTES: usize = 6000;
const WORDS_BYTES: usize = 6000;
/// Hosts and words of one Received line, and of how many lines.
const HOP_TOKENS: usize = 30;
const HOPS: usize = 24;
const TOKEN_BYTES: usize = 30;

/// Fields that say what other filters, mailboxes and the receiving side think.
/// A model that heeds them learns its teacher's mailbox, or another's verdict.
const UNHEARD: &[&str] = &[
    "x-spam",
    "x-status",
    "x-keywords",
    "x-uid",
    "status",
    "lines",
    "x-pyzor",
    "x-hint",
    "x-razor",
    "content-length",
    "x-mozilla",
    "delivered-to",
    "delivery-date",
    "return-path",
    "x-sieve",
    "x-delivered-to",
    "x-mail-from",
    "x-resolved",
    "x-evolution",
    "x-original-to",
    "envelope-to",
    "x-original-date",
    "replied",
    "forwarded",
    "x-rcpt",
    "x-envelope",
    "x-apparently",
    "x-egroups",
    "x-lookup",
    "x-mdrcpt",
    "x-return",
    "authentication-results",
    "arc-",
    "dkim-signature",
    "received-spf",
];

/// A part that people read: decoded bytes, and whether they are HTML.
pub type Readable<'a> = (&'a [u8], bool);

/// The marks of one message. Reused from message to message: no allocation.
pub struct Marks {
    blocks: [Vec<u32>; BLOCKS],
    seen: Box<[u64]>,
    line: Vec<u8>,
    /// The fields of the header, by their names.
    order: Vec<u64>,
    page: text::Page,
}

impl Default for Marks {
    fn default() -> Self {
        Self {
            blocks: std::array::from_fn(|_| Vec::with_capacity(4096)),
            seen: vec![0; 1 << (BITS - 6)].into_boxed_slice(),
            line: Vec::with_capacity(HEADER_BYTES + 1024),
            order: Vec::with_capacity(64),
            page: text::Page::default(),
        }
    }
}

impl Marks {
    /// What was played on the words.
    pub fn tricks(&self) -> text::Tricks {
        self.page.tricks()
    }
    /// The blocks, each without doubles, in order of appearance.
    pub fn blocks(&self) -> &[Vec<u32>; BLOCKS] {
        &self.blocks
    }

    /// Reads a message: its fields from the top, its body's bytes, its
    /// decoded subject and its decoded readable parts.
    pub fn read<'a>(
        &mut self,
        fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
        body: &[u8],
        subject: &str,
        readable: impl Iterator<Item = Readable<'a>>,
    ) {
        self.blocks.iter_mut().for_each(Vec::clear);
        self.header(fields);
        grams(&body[..body.len().min(BODY_BYTES)], 2, &mut self.blocks[2], &mut self.seen);
        self.forget(2);
        self.page.begin(WORDS_BYTES);
        self.page.plain(subject.as_bytes());
        for (bytes, html) in readable {
            if html { self.page.html(bytes) } else { self.page.plain(bytes) }
        }
        words(self.page.text(), &mut self.blocks[3], &mut self.seen);
        self.forget(3);
        let (block, seen) = (&mut self.blocks[4], &mut self.seen);
        let mut before = 0;
        for this in self.order.drain(..) {
            add(hash(this, 4), block, seen);
            add(hash(shape::pair(before, this), 4), block, seen);
            before = this;
        }
        shape::body(body, &mut |number| add(hash(number, 4), block, seen));
        self.forget(4);
    }

    fn header<'a>(&mut self, fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) {
        let (mut line, mut hops) = (std::mem::take(&mut self.line), 0);
        line.clear();
        for (name, value) in fields {
            if name.eq_ignore_ascii_case(b"received") {
                hops += 1;
                if hops <= HOPS {
                    hop(value, &mut self.blocks[1], &mut self.seen);
                }
            } else if line.len() < HEADER_BYTES && !unheard(name) {
                self.order.push(shape::field(name));
                line.extend_from_slice(name);
                line.extend_from_slice(b": ");
                unfold(value, HEADER_BYTES, &mut line);
                line.push(b'\n');
            }
        }
        add(hash(hops as u64, 0x11), &mut self.blocks[1], &mut self.seen);
        self.forget(1);
        line.truncate(HEADER_BYTES);
        grams(&line, 0, &mut self.blocks[0], &mut self.seen);
        self.forget(0);
        self.line = line;
    }

    /// Makes room for the next block.
    fn forget(&mut self, block: usize) {
        for mark in &self.blocks[block] {
            self.seen[(mark >> 6) as usize] = 0;
        }
    }
}

fn unheard(name: &[u8]) -> bool {
    UNHEARD.iter().any(|known| {
        name.get(..known.len()).is_some_and(|start| start.eq_ignore_ascii_case(known.as_bytes()))
    })
}

/// RFC 5322 section 2.2.3, and one space for the fold.
fn unfold(value: &[u8], most: usize, out: &mut Vec<u8>) {
    let value = value.trim_ascii();
    let mut folded = false;
    for byte in &value[..value.len().min(most)] {
        match byte {
            b'\r' | b'\n' => folded = true,
            b' ' | b'\t' if folded => {}
            _ => {
                if std::mem::take(&mut folded) {
                    out.push(b' ');
                }
                out.push(*byte);
            }
        }
    }
}

fn add(mark: u32, block: &mut Vec<u32>, seen: &mut [u64]) {
    let (place, bit) = ((mark >> 6) as usize, 1_u64 << (mark & 63));
    if seen[place] & bit == 0 {
        seen[place] |= bit;
        block.push(mark);
    }
}

/// Spreads 40 bits and the block's salt over the table.
#[allow(clippy::cast_possible_truncation)]
fn hash(value: u64, salt: u64) -> u32 {
    let mixed = (value ^ salt << 52).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
    (mixed >> (64 - BITS)) as u32
}

/// Every five bytes.
fn grams(bytes: &[u8], salt: u64, block: &mut Vec<u32>, seen: &mut [u64]) {
    for five in bytes.windows(5) {
        let value = u64::from(u32::from_le_bytes([five[0], five[1], five[2], five[3]]))
            | u64::from(five[4]) << 32;
        add(hash(value, salt), block, seen);
    }
}

/// The words and pairs of neighbours in one Received line; digits are alike.
fn hop(value: &[u8], block: &mut Vec<u32>, seen: &mut [u64]) {
    let mut before = 0;
    let tokens =
        value.split(|byte| !in_token(*byte)).map(trimmed).filter(|token| !token.is_empty());
    for token in tokens.take(HOP_TOKENS) {
        let mut word = 0xcbf2_9ce4_8422_2325_u64;
        for byte in &token[..token.len().min(TOKEN_BYTES)] {
            let byte = if byte.is_ascii_digit() { b'#' } else { byte.to_ascii_lowercase() };
            word = (word ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        add(hash(word, 1), block, seen);
        if before != 0 {
            add(hash(word.rotate_left(17) ^ before, 0x21), block, seen);
        }
        before = word;
    }
}

fn in_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0xc0 || b"$!%'_@.-".contains(&byte)
}

fn trimmed(token: &[u8]) -> &[u8] {
    let at_edge = |byte: &u8| b".-'_".contains(byte);
    let Some(start) = token.iter().position(|byte| !at_edge(byte)) else { return &[] };
    let end = token.iter().rposition(|byte| !at_edge(byte)).unwrap_or(start);
    &token[start..=end]
}

/// Every five bytes of words with spaces between them; of other scripts every
/// character and every pair.
fn words(text: &str, block: &mut Vec<u32>, seen: &mut [u64]) {
    let (mut window, mut filled, mut before) = (0_u64, 0, None);
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let run = if unsegmented(character) {
            let this = u64::from(u32::from(character));
            add(hash(this, 0x13), block, seen);
            if let Some(before) = before {
                add(hash(this | before << 21, 0x23), block, seen);
            }
            before = Some(this);
            filled = 0;
            character.len_utf8()
        } else {
            before = None;
            // What is ASCII needs no decoding, and is what most text is.
            let ascii = rest.bytes().take_while(u8::is_ascii).count();
            let run = ascii.max(character.len_utf8());
            for byte in rest[..run].bytes() {
                window = (window << 8 | u64::from(byte)) & 0xff_ffff_ffff;
                filled += 1;
                if filled >= 5 {
                    add(hash(window, 3), block, seen);
                }
            }
            run
        };
        rest = &rest[run..];
    }
}

/// Thai to Khmer, kana, Han, Hangul and their full-width forms: scripts that
/// write words without spaces, or long words of few syllables.
fn unsegmented(character: char) -> bool {
    matches!(u32::from(character),
        0x0e00..=0x0eff | 0x1000..=0x109f | 0x1780..=0x17ff | 0x3040..=0x30ff | 0x31f0..=0x31ff
        | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xac00..=0xd7af | 0xf900..=0xfaff
        | 0xff66..=0xff9f | 0x2_0000..=0x3_ffff)
}

#[cfg(test)]
#[path = "features_tests.rs"]
mod tests;

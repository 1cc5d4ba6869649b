//! What a message is judged by: hashed marks of its header, its way, its body
//! and its words.
//!
//! Five blocks, each a set (what stands there twice counts once): the words of
//! the header, field by field, without the fields that the receiving side
//! writes; the words of the Received lines; the body as sent; the words that
//! people read, decoded; the message's shape ([`shape`]). Numbers and dates of
//! the header are no marks: they are others next year.
//! Scripts without spaces between words are taken in pairs of characters.
//! Everything is bounded and linear; nothing is trusted.

use super::{shape, text};

/// A mark is a number below `2^BITS`: its place in the model's table.
pub const BITS: u32 = 20;
/// Header, way, body, words, shape.
pub const BLOCKS: usize = 5;
/// How much each block counts beside the others, squared: by cross-validation.
const WORTH: [f64; BLOCKS] = [1.0, 2.0, 1.0, 2.0, 1.0];
/// Marks that a block is taken to have besides its own: of a few marks nobody
/// can be sure, and a message that says next to nothing is not to be held.
const UNSAID: [f64; BLOCKS] = [50.0, 20.0, 1.0, 1.0, 20.0];

/// Bytes of one field, and of all of them.
const FIELD_BYTES: usize = 600;
const HEADER_BYTES: usize = 12_000;
const BODY_BYTES: usize = 20_000;
const WORDS_BYTES: usize = 20_000;
/// Words of one Received line, and of how many lines.
const HOP_TOKENS: usize = 30;
const HOPS: u32 = 24;
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
    "x-originalarrivaltime",
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

/// One bit for every mark.
const SEEN: usize = 1 << (BITS - 6);
type Seen = [u64; SEEN];

fn nothing_seen() -> Box<Seen> {
    vec![0; SEEN].into_boxed_slice().try_into().expect("it has this length")
}

/// A part that people read: decoded bytes, and whether they are HTML.
pub type Readable<'a> = (&'a [u8], bool);

/// The marks of one message. Reused from message to message: no allocation.
pub struct Marks {
    blocks: [Vec<u32>; BLOCKS],
    seen: Box<Seen>,
    /// The fields of the header, by their names.
    order: Vec<u64>,
    page: text::Page,
}

impl Default for Marks {
    fn default() -> Self {
        Self {
            blocks: std::array::from_fn(|_| Vec::with_capacity(4096)),
            seen: nothing_seen(),
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

    /// Marks of the body as it was sent.
    pub fn body(&self) -> usize {
        self.blocks[2].len()
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
        fours(&body[..body.len().min(BODY_BYTES)], 2, &mut self.blocks[2], &mut self.seen);
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

    /// Header and way: a mark that both have counts where it stands first.
    fn header<'a>(&mut self, fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) {
        let (mut hops, mut bytes) = (0_u32, 0);
        let [header, way, ..] = &mut self.blocks;
        for (name, value) in fields {
            if name.eq_ignore_ascii_case(b"received") {
                hops += 1;
                if hops <= HOPS {
                    hop(value, way, &mut self.seen);
                }
            } else if bytes < HEADER_BYTES && !unheard(name) {
                let value = &value[..value.len().min(FIELD_BYTES)];
                bytes += name.len() + value.len();
                self.order.push(shape::field(name));
                field(name, value, header, &mut self.seen);
            }
        }
        // Mail without a way has none that it could be known by.
        if hops > 0 {
            add(hash(hops.into(), 0x11), way, &mut self.seen);
        }
        self.forget(0);
        self.forget(1);
    }

    /// Makes room for the next block.
    fn forget(&mut self, block: usize) {
        for mark in &self.blocks[block] {
            self.seen[(mark >> 6) as usize] = 0;
        }
    }
}

fn unheard(name: &[u8]) -> bool {
    let Some(first) = name.first().map(u8::to_ascii_lowercase) else { return false };
    UNHEARD.iter().filter(|known| known.as_bytes()[0] == first).any(|known| {
        name.get(..known.len()).is_some_and(|start| start.eq_ignore_ascii_case(known.as_bytes()))
    })
}

/// What each mark of a block of so many counts: a block has at most the length
/// of its worth, however many there are.
#[allow(clippy::cast_precision_loss)]
pub fn scale(block: usize, marks: usize) -> f64 {
    (WORTH[block] / (marks as f64 + UNSAID[block])).sqrt()
}

/// The square of a message's length, for marks counted by [`scale`].
#[allow(clippy::cast_precision_loss)]
pub fn length(marks: [usize; BLOCKS]) -> f64 {
    let of = |(block, marks): (usize, usize)| marks as f64 * scale(block, marks).powi(2);
    marks.into_iter().enumerate().map(of).sum()
}

fn add(mark: u32, block: &mut Vec<u32>, seen: &mut Seen) {
    if is_new(mark, seen) {
        block.push(mark);
    }
}

/// Whether a mark stands there for the first time.
fn is_new(mark: u32, seen: &mut Seen) -> bool {
    let (word, bit) = (&mut seen[(mark >> 6) as usize & (SEEN - 1)], 1_u64 << (mark & 63));
    let new = *word & bit == 0;
    *word |= bit;
    new
}

/// Spreads 40 bits and the block's salt over the table.
#[allow(clippy::cast_possible_truncation)]
fn hash(value: u64, salt: u64) -> u32 {
    let mixed = (value ^ salt << 52).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
    (mixed >> (64 - BITS)) as u32
}

/// Every four bytes.
fn fours(bytes: &[u8], salt: u64, block: &mut Vec<u32>, seen: &mut Seen) {
    let Some((first, rest)) = bytes.split_first_chunk::<3>() else { return };
    // Each is written down and only what is new stays: nobody can guess which
    // it is, the processor neither.
    let mut next = block.len();
    block.resize(next + rest.len(), 0);
    let mut window = u32::from_be_bytes([0, first[0], first[1], first[2]]);
    let mut before = None;
    for byte in rest {
        window = window << 8 | u32::from(*byte);
        // A run of one byte says the same again, and each time would wait for
        // what was just written.
        if before.replace(window) == Some(window) {
            continue;
        }
        let mark = hash(window.into(), salt);
        block[next] = mark;
        next += usize::from(is_new(mark, seen));
    }
    block.truncate(next);
}

/// The words and pairs of neighbours in one field, its ends among them.
fn field(name: &[u8], value: &[u8], block: &mut Vec<u32>, seen: &mut Seen) {
    let name_number = shape::field(name);
    let dated = name.eq_ignore_ascii_case(b"date") || name.eq_ignore_ascii_case(b"resent-date");
    add(hash(name_number, 0), block, seen);
    let mut before = name_number;
    for token in tokens(value) {
        let named = dated && token.len() == 3 && token[0].is_ascii_uppercase();
        let token = if named && token[1].is_ascii_lowercase() { &b"Mmm"[..] } else { token };
        let word = token.iter().fold(name_number, |word, byte| shape::step(word, *byte));
        add(hash(word, 0), block, seen);
        add(hash(shape::pair(before, word), 0x20), block, seen);
        before = word;
    }
    add(hash(shape::pair(before, name_number), 0x20), block, seen);
}

/// The words and pairs of neighbours in one Received line, in small letters.
fn hop(value: &[u8], block: &mut Vec<u32>, seen: &mut Seen) {
    let mut before = 0;
    for token in tokens(value).take(HOP_TOKENS) {
        let token = if names_date(token) { &b"mmm"[..] } else { token };
        let word = shape::named(token, 5);
        add(hash(word, 1), block, seen);
        if before != 0 {
            add(hash(shape::pair(before, word), 0x21), block, seen);
        }
        before = word;
    }
}

/// Days and months (RFC 5322 section 3.3).
fn names_date(token: &[u8]) -> bool {
    const NAMES: [&[u8; 3]; 19] = [
        b"mon", b"tue", b"wed", b"thu", b"fri", b"sat", b"sun", b"jan", b"feb", b"mar", b"apr",
        b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec",
    ];
    token.len() == 3 && NAMES.iter().any(|name| token.eq_ignore_ascii_case(*name))
}

/// Words, hosts and addresses, cut where numbers stand.
fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let tokens = value.split(|byte| !in_token(*byte)).map(trimmed);
    tokens.filter(|token| !token.is_empty()).map(|token| &token[..token.len().min(TOKEN_BYTES)])
}

fn in_token(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte >= 0xc0 || b"$!%'_@.-".contains(&byte)
}

fn trimmed(token: &[u8]) -> &[u8] {
    let at_edge = |byte: &u8| b".-'_".contains(byte);
    let Some(start) = token.iter().position(|byte| !at_edge(byte)) else { return &[] };
    let end = token.iter().rposition(|byte| !at_edge(byte)).unwrap_or(start);
    &token[start..=end]
}

/// Every four bytes of words with spaces between them; of other scripts every
/// character and every pair.
fn words(mut text: &str, block: &mut Vec<u32>, seen: &mut Seen) {
    while !text.is_empty() {
        // Most text is ASCII, and that is seen at a glance.
        let found = if text.is_ascii() { None } else { text.find(unsegmented) };
        let (spaced, rest) = text.split_at(found.unwrap_or(text.len()));
        fours(spaced.as_bytes(), 3, block, seen);
        let (script, rest) = rest.split_at(rest.find(|c| !unsegmented(c)).unwrap_or(rest.len()));
        let mut before = None;
        for this in script.chars().map(|character| u64::from(u32::from(character))) {
            add(hash(this, 0x13), block, seen);
            if let Some(before) = before {
                add(hash(this | before << 21, 0x23), block, seen);
            }
            before = Some(this);
        }
        text = rest;
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

//! Address lists as people may see them: forgiving, linear, bounded.
//!
//! For To, Cc and the shown From. What is read here proves nothing; identity
//! takes [`from`](super::from), which refuses what this guesses at.

use super::decode;
use super::display::visible;

/// How many bytes of an address field are read.
const LIST_BYTES: usize = 256 << 10;

/// A mailbox as text for people, controls made visible.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// The display name, decoded.
    pub name: Option<String>,
    /// What stands for the address, as written; it may not be one.
    pub address: String,
}

/// Reads at most `limit` mailboxes of an address list (RFC 5322 section 3.4);
/// groups are flattened, comments left out.
pub fn list(raw: &[u8], limit: usize) -> Vec<Shown> {
    let raw = &raw[..raw.len().min(LIST_BYTES)];
    let mut found = Vec::new();
    let mut part = Part::default();
    let mut rest = raw;
    while let Some((&byte, tail)) = rest.split_first() {
        if found.len() == limit {
            return found;
        }
        rest = tail;
        match byte {
            b'\r' | b'\n' => {}
            b'"' => rest = part.quoted(tail),
            b'(' => rest = comment(tail),
            b'<' if part.angle.is_none() => {
                let end = memchr::memchr(b'>', tail).unwrap_or(tail.len());
                part.angle = Some(&tail[..end]);
                rest = tail.get(end + 1..).unwrap_or_default();
            }
            // A group: its name goes, its members stay.
            b':' if part.angle.is_none() => part = Part::default(),
            b',' | b';' => found.extend(std::mem::take(&mut part).shown()),
            _ => part.words.push(byte),
        }
    }
    if found.len() < limit {
        found.extend(part.shown());
    }
    found
}

/// What stands between two commas.
#[derive(Default)]
struct Part<'a> {
    /// Text outside of angle brackets and comments, quotes kept.
    words: Vec<u8>,
    angle: Option<&'a [u8]>,
}

impl Part<'_> {
    /// Takes a quoted string whose first quote is read; gives back the rest.
    fn quoted<'r>(&mut self, input: &'r [u8]) -> &'r [u8] {
        self.words.push(b'"');
        let mut escaped = false;
        for (at, &byte) in input.iter().enumerate() {
            if !matches!(byte, b'\r' | b'\n') {
                self.words.push(byte);
            }
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => return &input[at + 1..],
                _ => {}
            }
        }
        &[]
    }

    fn shown(self) -> Option<Shown> {
        let words = self.words.trim_ascii();
        match self.angle {
            Some(angle) => {
                let name = decode::text(&unquoted(words));
                let address = String::from_utf8_lossy(angle.trim_ascii());
                let name = (!name.trim().is_empty()).then(|| visible(name.trim()));
                Some(Shown { name, address: visible(&address) })
            }
            None if words.is_empty() => None,
            None => Some(Shown { name: None, address: visible(&String::from_utf8_lossy(words)) }),
        }
    }
}

/// Skips a comment whose first parenthesis is read; nesting is counted.
fn comment(input: &[u8]) -> &[u8] {
    let mut depth = 1_usize;
    let mut escaped = false;
    for (at, byte) in input.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &input[at + 1..];
        }
    }
    &[]
}

/// Takes the quotes and backslashes of quoted strings out of a phrase.
fn unquoted(words: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(words.len());
    let (mut inside, mut escaped) = (false, false);
    for &byte in words {
        match byte {
            _ if escaped => {
                escaped = false;
                out.push(byte);
            }
            b'\\' if inside => escaped = true,
            b'"' => inside = !inside,
            _ => out.push(byte),
        }
    }
    out
}

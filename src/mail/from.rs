//! RFC5322.From, read so strictly that no two parsers can read it differently.
//!
//! An identity is earned and trusted by this address (DESIGN 2.3), so a From
//! that could name somebody else to another program is nobody's. The forms
//! are those of the espoofer collection (ATTACKS I-06).

use super::address::is_atext;
use super::message::{Line, Message};
use super::{Address, decode};

/// RFC5322.From as far as it can be trusted to mean one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromHeader {
    /// Exactly one From field with exactly one plain address.
    Single(Address),
    /// No From field at all.
    Missing,
    /// Several fields or addresses, or a form that parsers read differently.
    Ambiguous,
}

impl FromHeader {
    /// The one address, if there is one.
    pub fn address(&self) -> Option<&Address> {
        match self {
            Self::Single(address) => Some(address),
            Self::Missing | Self::Ambiguous => None,
        }
    }
}

/// Longest From value that is read: more is doubtful by itself.
const VALUE_BYTES: usize = 4096;

pub(super) fn read(message: &Message) -> FromHeader {
    let block = message.header_block();
    if has_stray(block) {
        return FromHeader::Ambiguous;
    }
    let mut found: Option<&[u8]> = None;
    let mut doubtful = false;
    for line in message.lines() {
        if looks_like_from(line.0) || hides_from(line) {
            match line.field() {
                Some(field) if found.is_none() && is_plain_from(line) => found = Some(field.value),
                _ => return FromHeader::Ambiguous,
            }
        } else if found.is_none() {
            // Other parsers may end the header here, or miss the next field.
            doubtful |= line.field().is_none() || has_blank_fold(line.0);
        }
    }
    match found {
        _ if doubtful => FromHeader::Ambiguous,
        None => FromHeader::Missing,
        Some(value) => mailbox(value).map_or(FromHeader::Ambiguous, FromHeader::Single),
    }
}

/// A lone CR or LF, or a NUL, hides lines from some parsers and not from others.
pub(super) fn has_stray(block: &[u8]) -> bool {
    memchr::memchr3_iter(b'\r', b'\n', 0, block).any(|at| match block[at] {
        b'\r' => block.get(at + 1) != Some(&b'\n'),
        b'\n' => at == 0 || block[at - 1] != b'\r',
        _ => true,
    })
}

/// Whether anybody could read the line's name as From: everything before the
/// colon that is not a printable ASCII character is taken out, and colons in
/// front of the name are passed over.
fn looks_like_from(line: &[u8]) -> bool {
    let start = line.iter().position(|b| b.is_ascii_graphic() && *b != b':');
    let line = start.map_or(&[][..], |start| &line[start..]);
    let mut name = line.iter().take_while(|b| **b != b':').filter(|b| b.is_ascii_graphic());
    b"from".iter().all(|want| name.next().is_some_and(|b| b.to_ascii_lowercase() == *want))
        && name.next().is_none()
}

/// Whether a line that is no field by its first part folds into one that reads
/// as From: some parsers drop the first and begin anew.
fn hides_from(line: Line<'_>) -> bool {
    let mut parts = line.0.split(|b| *b == b'\n');
    let first = parts.next().unwrap_or_default();
    Line(first).field().is_none() && parts.any(looks_like_from)
}

fn is_plain_from(line: Line<'_>) -> bool {
    line.0.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"From:"))
}

/// A continuation of white space only: for some parsers the header's end.
fn has_blank_fold(line: &[u8]) -> bool {
    line.split(|b| *b == b'\n').any(|part| part.trim_ascii().is_empty())
}

/// Reads `[phrase] <addr-spec> [comment]` or `addr-spec [comment]`.
fn mailbox(value: &[u8]) -> Option<Address> {
    if value.len() > VALUE_BYTES || has_blank_fold(value) && value.contains(&b'\n') {
        return None;
    }
    // Names in a raw charset are common in old mail. Such bytes are opaque
    // here: every ASCII character between them is still judged, and none of
    // them may stand in the address.
    let text = String::from_utf8_lossy(value).replace("\r\n", "");
    if text.chars().any(|c| c.is_control() && c != '\t') {
        return None;
    }
    let mut rest = text.trim_matches([' ', '\t']);
    if let Some(before) = without_comment(rest) {
        rest = before;
    }
    let address = match rest.strip_suffix('>') {
        Some(inner) => {
            let (phrase, address) = inner.rsplit_once('<')?;
            is_plain_phrase(phrase).then_some(address)?
        }
        // For some a quoted word here is the name of what follows.
        None if rest.starts_with('"') => return None,
        None => rest,
    };
    // What needs its quotes ends the address for one parser and not for another;
    // an encoded word in front of it is a name for some.
    let bare =
        |local: &str| local.split('"').all(|part| part.chars().all(|c| c == '.' || is_atext(c)));
    let plain = |a: &Address| bare(a.local()) && !a.local().contains("=?");
    if address.contains(char::REPLACEMENT_CHARACTER) {
        return None;
    }
    Address::parse_utf8(address).ok().filter(plain)
}

/// `text` without the one plain comment at its end, if there is one.
fn without_comment(text: &str) -> Option<&str> {
    let (before, comment) = text.strip_suffix(')')?.rsplit_once('(')?;
    is_plain_comment(comment).then(|| before.trim_end_matches([' ', '\t']))
}

fn is_plain_comment(comment: &str) -> bool {
    !comment.contains(['<', '>', '@', '"', '\\', '(', ')']) && decodes_plainly(comment)
}

/// Whether a display name is one for every parser: quoted strings, words and
/// plain comments, without anything that could be an address or a separator.
fn is_plain_phrase(phrase: &str) -> bool {
    let mut rest = phrase;
    while let Some(first) = rest.chars().next() {
        rest = &rest[first.len_utf8()..];
        match first {
            '"' => match quoted_end(rest) {
                Some(end) => rest = &rest[end..],
                None => return false,
            },
            '(' => match rest.split_once(')') {
                Some((comment, after)) if is_plain_comment(comment) => rest = after,
                _ => return false,
            },
            '<' | '>' | '@' | ',' | ';' | ':' | '\\' | ')' => return false,
            _ => {}
        }
    }
    decodes_plainly(phrase)
}

/// Where the quoted string ends whose first quote is read. A bracket inside
/// would be an address to a parser that does not know quotes.
fn quoted_end(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '<' | '>' => return None,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Some parsers decode encoded words first and look for addresses then.
fn decodes_plainly(phrase: &str) -> bool {
    if !phrase.contains("=?") {
        return true;
    }
    let decoded = decode::text(phrase.as_bytes());
    let listed = decoded.contains('@') && decoded.contains([',', ';']);
    !decoded.contains(['<', '>', '\0', '\r', '\n']) && !decoded.contains("=?") && !listed
}

#[cfg(test)]
mod tests;

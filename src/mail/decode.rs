//! Header text for people: unfolded, encoded words decoded (RFC 2047).
//!
//! Linear in the input and bounded in what it reads. What cannot be decoded
//! stays as it was written or becomes U+FFFD; nothing here is ever trusted.
//! Controls are left in: [`display::visible`](super::display::visible) shows them.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use mail_parser::decoders::charsets::map::charset_decoder;

/// How many bytes of a raw value are read; the rest is not shown.
pub const TEXT_BYTES: usize = 16 << 10;

/// Unfolds and decodes a raw value.
pub fn text(raw: &[u8]) -> String {
    let raw = &raw[..raw.len().min(TEXT_BYTES)];
    // RFC 5322 section 2.2.3: unfolding takes the CRLF out, not the white space.
    let unfolded: Vec<u8> = raw.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
    words(unfolded.trim_ascii())
}

/// An encoded word that is not decoded yet.
struct Word<'a> {
    charset: &'a [u8],
    bytes: Vec<u8>,
}

/// Decodes all encoded words of one unfolded line.
fn words(mut rest: &[u8]) -> String {
    let mut out = String::with_capacity(rest.len());
    let mut open: Option<Word> = None;
    while !rest.is_empty() {
        let start = memchr::memmem::find(rest, b"=?").unwrap_or(rest.len());
        let (plain, tail) = rest.split_at(start);
        let Some((next, length)) = word(tail) else {
            close(&mut open, &mut out);
            let end = rest.len().min(start + 2);
            out.push_str(&String::from_utf8_lossy(&rest[..end]));
            rest = &rest[end..];
            continue;
        };
        // RFC 2047 section 6.2: white space between two encoded words is no text.
        if open.is_none() || !plain.trim_ascii().is_empty() {
            close(&mut open, &mut out);
            out.push_str(&String::from_utf8_lossy(plain));
        }
        match &mut open {
            // A character may be split between two words of one charset.
            Some(before) if before.charset.eq_ignore_ascii_case(next.charset) => {
                before.bytes.extend_from_slice(&next.bytes);
            }
            _ => {
                close(&mut open, &mut out);
                open = Some(next);
            }
        }
        rest = &tail[length..];
    }
    close(&mut open, &mut out);
    out
}

fn close(open: &mut Option<Word>, out: &mut String) {
    if let Some(word) = open.take() {
        match charset_decoder(word.charset) {
            Some(decode) => out.push_str(&decode(&word.bytes)),
            None => out.push_str(&String::from_utf8_lossy(&word.bytes)),
        }
    }
}

/// Longest encoded word that is read. RFC 2047 says 75; many write longer.
const WORD_BYTES: usize = 1000;

/// Reads `=?charset?encoding?text?=` at the start of `input`; with its length.
fn word(input: &[u8]) -> Option<(Word<'_>, usize)> {
    let window = input.get(2..input.len().min(WORD_BYTES))?;
    let charset_end = window.iter().take(64).position(|b| *b == b'?')?;
    let encoding = window.get(charset_end + 1)?.to_ascii_lowercase();
    if window.get(charset_end + 2) != Some(&b'?') {
        return None;
    }
    let text = &window[charset_end + 3..];
    let text_end = memchr::memmem::find(text, b"?=")?;
    let encoded = &text[..text_end];
    let bytes = match encoding {
        b'b' => base64(encoded),
        b'q' => q(encoded),
        _ => return None,
    };
    // RFC 2231 section 5: a language may follow the charset.
    let charset = window[..charset_end].split(|b| *b == b'*').next().unwrap_or_default();
    let well_named = !charset.is_empty() && charset.iter().all(u8::is_ascii_graphic);
    well_named.then_some((Word { charset, bytes }, 2 + charset_end + 3 + text_end + 2))
}

/// Base64 as mail has it: foreign characters skipped, padding optional.
pub(super) fn base64(encoded: &[u8]) -> Vec<u8> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let mut clean: Vec<u8> = encoded
        .iter()
        .copied()
        .filter(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
        .collect();
    if clean.len() % 4 == 1 {
        clean.pop();
    }
    LENIENT.decode(&clean).unwrap_or_default()
}

/// RFC 2047 section 4.2.
fn q(encoded: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = encoded.iter().map(|b| if *b == b'_' { b' ' } else { *b }).collect();
    quoted_printable(&spaced)
}

/// RFC 2045 section 6.7, forgiving: a bad `=XX` stays as it is.
pub(super) fn quoted_printable(encoded: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        match (first, tail) {
            (b'=', [b'\r', b'\n', after @ ..] | [b'\n', after @ ..]) => rest = after,
            (b'=', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    out.push(high << 4 | low);
                    rest = after;
                }
                _ => out.push(b'='),
            },
            _ => out.push(first),
        }
    }
    out
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

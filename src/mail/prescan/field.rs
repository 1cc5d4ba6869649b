//! What one header field tells about the structure, and what it costs to parse.
//!
//! RFC 2045 section 5 (Content-Type), 6 (Content-Transfer-Encoding), RFC 2231
//! section 3 (continuations), RFC 2047 (encoded words). Names and values are
//! read as forgivingly as any parser would.

/// How a forwarded message is encoded; RFC 2046 section 5.2.1 forbids it, some
/// programs do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Base64,
    QuotedPrintable,
}

/// What a header block says about the part that it heads.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// There is a Content-Type.
    pub typed: bool,
    /// message/rfc822, message/global and the like.
    pub message: bool,
    pub digest: bool,
    /// Every value that some parser may take for the boundary.
    pub boundaries: Vec<Vec<u8>>,
    pub encoding: Option<Encoding>,
}

/// Candidates for one boundary; ordinary mail has one.
const BOUNDARIES: usize = 4;
/// RFC 2046 allows 70.
const BOUNDARY_BYTES: usize = 256;

impl Facts {
    /// Takes in one raw field; `false` if parsers would disagree about it.
    pub fn read(&mut self, raw: &[u8]) -> bool {
        if is_named(raw, b"content-type") {
            self.typed = true;
            self.content_type(value(raw))
        } else if is_named(raw, b"content-transfer-encoding") {
            self.transfer_encoding(value(raw))
        } else {
            true
        }
    }

    fn content_type(&mut self, value: &[u8]) -> bool {
        let lower = value.to_ascii_lowercase();
        let media = lower.split(|b| *b == b';').next().unwrap_or_default();
        if contains(media, b"multipart") {
            self.digest |= contains(media, b"digest");
            return self.boundary(value, &lower);
        }
        let nested = [&b"rfc822"[..], b"global", b"news"];
        self.message |= contains(media, b"message") && nested.iter().any(|n| contains(media, n));
        true
    }

    fn boundary(&mut self, value: &[u8], lower: &[u8]) -> bool {
        for at in memchr::memmem::find_iter(lower, b"boundary") {
            let rest = value[at + 8..].trim_ascii_start();
            match rest.first() {
                Some(b'=') => {
                    for text in candidates(rest[1..].trim_ascii_start()) {
                        if !text.is_empty() && !self.boundaries.contains(&text) {
                            self.boundaries.push(text);
                        }
                    }
                }
                // RFC 2231 for a boundary: nobody writes it, not all read it.
                Some(b'*') => return false,
                _ => {}
            }
        }
        self.boundaries.len() <= BOUNDARIES
            && self.boundaries.iter().all(|text| text.len() <= BOUNDARY_BYTES)
    }

    fn transfer_encoding(&mut self, value: &[u8]) -> bool {
        let lower = value.trim_ascii().to_ascii_lowercase();
        let encoding = match &lower[..] {
            b"base64" => Some(Encoding::Base64),
            b"quoted-printable" => Some(Encoding::QuotedPrintable),
            _ => None,
        };
        let clear = self.encoding.is_none_or(|known| Some(known) == encoding);
        self.encoding = self.encoding.or(encoding);
        clear && !contains(&lower, b"=?")
    }
}

/// The values that parsers may take from behind `boundary=`.
fn candidates(rest: &[u8]) -> Vec<Vec<u8>> {
    if let Some(quoted) = rest.strip_prefix(b"\"") {
        let mut text = Vec::new();
        let mut bytes = quoted.iter().copied();
        while let Some(byte) = bytes.next() {
            match byte {
                b'"' => break,
                b'\\' => text.extend(bytes.next()),
                b'\r' | b'\n' => {}
                _ => text.push(byte),
            }
        }
        text.truncate(text.trim_ascii_end().len());
        return vec![text];
    }
    let all = rest.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
    let token = all.split(u8::is_ascii_whitespace).next().unwrap_or_default();
    let joined: Vec<u8> = all.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
    vec![token.to_vec(), joined, all.to_vec()]
}

/// Sums over all fields of what foreign parsers are slow at.
#[derive(Debug, Default)]
pub(super) struct Complexity {
    continuations: usize,
    encoded_words: usize,
    separators: usize,
}

/// `name*0=`: parsers compare each with all others of its field.
const FIELD_CONTINUATIONS: usize = 1000;
const CONTINUATIONS: usize = 10_000;
const ENCODED_WORDS: usize = 10_000;
/// Commas: addresses, mostly.
const SEPARATORS: usize = 20_000;
const COMMENT_DEPTH: usize = 100;

impl Complexity {
    /// Adds a raw field; `false` if it is too much now.
    pub fn add(&mut self, raw: &[u8]) -> bool {
        let (mut continuations, mut comments, mut deepest) = (0_usize, 0_usize, 0_usize);
        let mut before = 0;
        for &byte in raw {
            match byte {
                b'0'..=b'9' if before == b'*' => continuations += 1,
                b'?' if before == b'=' => self.encoded_words += 1,
                b',' => self.separators += 1,
                b'(' => {
                    comments += 1;
                    deepest = deepest.max(comments);
                }
                b')' => comments = comments.saturating_sub(1),
                _ => {}
            }
            before = byte;
        }
        self.continuations += continuations;
        continuations <= FIELD_CONTINUATIONS
            && deepest <= COMMENT_DEPTH
            && self.continuations <= CONTINUATIONS
            && self.encoded_words <= ENCODED_WORDS
            && self.separators <= SEPARATORS
    }
}

/// Whether a parser could take `line` for a field of this lower-case name:
/// only the printable characters before the colon count, and colons in front
/// of the name are passed over.
pub(super) fn is_named(line: &[u8], name: &[u8]) -> bool {
    let mut wanted = name.iter();
    for byte in line.iter().filter(|byte| byte.is_ascii_graphic()) {
        if *byte == b':' && wanted.len() < name.len() {
            return wanted.len() == 0;
        }
        if *byte != b':' && wanted.next() != Some(&byte.to_ascii_lowercase()) {
            return false;
        }
    }
    false
}

fn value(raw: &[u8]) -> &[u8] {
    let name = raw.iter().position(|b| b.is_ascii_graphic() && *b != b':').unwrap_or(0);
    memchr::memchr(b':', &raw[name..]).map_or(&[], |colon| &raw[name + colon + 1..])
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(text, part).is_some()
}

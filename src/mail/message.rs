//! A message as its exact bytes, with a view of its header fields.
//!
//! Nothing here changes a byte. Header fields are found by RFC 5322's own
//! rules only (name, colon, folded value); decoding is for display.

use bytes::Bytes;

/// The exact bytes of a message as they were received, CRLF line ends.
#[derive(Clone, Debug)]
pub struct Message {
    bytes: Bytes,
    /// Where the body begins: behind the empty line that ends the header.
    body_start: usize,
}

/// One header field: its name and its raw value, folding included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    pub name: &'a [u8],
    pub value: &'a [u8],
}

impl Message {
    pub fn new(bytes: Bytes) -> Self {
        let body_start = body_start(&bytes);
        Self { bytes, body_start }
    }

    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub fn body(&self) -> &[u8] {
        &self.bytes[self.body_start..]
    }

    /// The header block with its last CRLF, without the empty line.
    pub fn header_block(&self) -> &[u8] {
        todo!()
    }

    /// The header fields from the top.
    pub fn fields(&self) -> impl Iterator<Item = Field<'_>> {
        std::iter::empty()
    }

    /// All fields of this name (ASCII case ignored), from the top.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.fields()
            .filter(move |field| field.name.eq_ignore_ascii_case(name.as_bytes()))
            .map(|field| field.value)
    }

    /// The first field of this name, unfolded and decoded (RFC 2047) for
    /// display: text, never trusted.
    pub fn text(&self, _name: &str) -> Option<String> {
        todo!()
    }

    /// The addresses of RFC5322.From, read strictly: anything that two parsers
    /// could read differently is [`From::Ambiguous`](FromHeader::Ambiguous).
    pub fn from(&self) -> FromHeader {
        todo!()
    }
}

/// RFC5322.From as far as it can be trusted to mean one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromHeader {
    /// Exactly one From field with exactly one plain address.
    Single(crate::mail::Address),
    /// No From field at all.
    Missing,
    /// Several fields or addresses, or a form that parsers read differently.
    Ambiguous,
}

fn body_start(bytes: &[u8]) -> usize {
    if bytes.starts_with(b"\r\n") {
        return 2;
    }
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map_or(bytes.len(), |at| at + 4)
}

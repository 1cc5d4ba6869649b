//! A message as its exact bytes, with a view of its header fields.
//!
//! Nothing here changes a byte. Header fields are found by RFC 5322's own
//! rules only (name, colon, folded value); decoding is for display. A line
//! that is no field is skipped here and makes `From` doubtful in
//! [`from`](super::from).

use std::sync::OnceLock;

use bytes::Bytes;
use memchr::{memchr, memmem};
use sha2::{Digest, Sha256};

use super::decode;
pub use super::from::FromHeader;
use super::mailbox::{self, Shown};
use super::{Address, from};

/// The exact bytes of a message as they were received, CRLF line ends.
#[derive(Clone, Debug)]
pub struct Message {
    bytes: Bytes,
    /// Where the body begins: behind the empty line that ends the header.
    body_start: usize,
    /// Hashing is dear, and several ask for it.
    body_hash: OnceLock<[u8; 32]>,
}

/// One header field: its name and its raw value, folding included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// 1 to n printable ASCII characters without a colon.
    pub name: &'a [u8],
    /// What follows the colon, without the last CRLF.
    pub value: &'a [u8],
}

/// How many addresses of To and Cc are read at most.
pub const NAMED_RECIPIENTS: usize = 1000;

impl Message {
    pub fn new(bytes: Bytes) -> Self {
        let body_start = body_start(&bytes);
        Self { bytes, body_start, body_hash: OnceLock::new() }
    }

    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub fn body(&self) -> &[u8] {
        &self.bytes[self.body_start..]
    }

    /// The header block with its last CRLF, without the empty line.
    pub fn header_block(&self) -> &[u8] {
        let head = &self.bytes[..self.body_start];
        match head.strip_suffix(b"\r\n\r\n") {
            Some(block) => &head[..block.len() + 2],
            None if head == b"\r\n" => &[],
            None => head,
        }
    }

    /// The header fields from the top. A line that is no field (RFC 5322
    /// section 3.6.8, white space before the colon allowed as in 4.5) is left out.
    pub fn fields(&self) -> impl Iterator<Item = Field<'_>> {
        self.lines().filter_map(Line::field)
    }

    /// Whether the header is there, ends with an empty line, has no stray CR,
    /// LF or NUL, and every line of it is a field: nobody reads it otherwise.
    pub fn has_sound_header(&self) -> bool {
        let block = self.header_block();
        !block.is_empty()
            && block.len() + 2 == self.body_start
            && !from::has_stray(block)
            && self.lines().all(|line| line.field().is_some())
    }

    /// The message without the header fields that `drop` chooses; `None` if
    /// it chooses none.
    pub fn without(&self, mut drop: impl FnMut(&Field<'_>) -> bool) -> Option<Self> {
        let mut chosen = |line: &Line<'_>| line.field().is_some_and(|field| drop(&field));
        let kept: Vec<Line<'_>> = self.lines().filter(|line| !chosen(line)).collect();
        if kept.len() == self.lines().count() {
            return None;
        }
        let mut bytes = Vec::with_capacity(self.bytes.len());
        for Line(line) in kept {
            bytes.extend_from_slice(line);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(&self.bytes[self.header_block().len()..]);
        Some(Self::new(bytes.into()))
    }

    /// Every unfolded line of the header, fields or not.
    pub(super) fn lines(&self) -> Lines<'_> {
        Lines { rest: self.header_block() }
    }

    /// All fields of this name (ASCII case ignored), from the top.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.fields()
            .filter(move |field| field.name.eq_ignore_ascii_case(name.as_bytes()))
            .map(|field| field.value)
    }

    /// Whether a field of this name is there.
    pub fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// The first field of this name, unfolded and decoded (RFC 2047) for
    /// display: text, never trusted. At most [`decode::TEXT_BYTES`] of it.
    pub fn text(&self, name: &str) -> Option<String> {
        self.all(name).next().map(decode::text)
    }

    /// The addresses of RFC5322.From, read strictly: anything that two parsers
    /// could read differently is [`From::Ambiguous`](FromHeader::Ambiguous).
    pub fn from(&self) -> FromHeader {
        from::read(self)
    }

    /// The first From field as people may see it: guessed, never trusted.
    pub fn from_display(&self) -> Option<Shown> {
        mailbox::list(self.all("From").next()?, 1).into_iter().next()
    }

    /// The first Message-ID between `<` and `>` (RFC 5322 section 3.6.4), if it
    /// is printable ASCII without white space and of at most 998 bytes.
    pub fn message_id(&self) -> Option<&str> {
        let value = self.all("Message-ID").next()?.trim_ascii();
        let id = value.strip_prefix(b"<")?;
        let id = &id[..memchr(b'>', id)?];
        let sane = !id.is_empty() && id.len() <= 998 && id.iter().all(u8::is_ascii_graphic);
        std::str::from_utf8(id).ok().filter(|_| sane)
    }

    /// The Date field's value, trimmed and unfolded, as written.
    pub fn date(&self) -> Option<String> {
        self.text("Date")
    }

    /// The addresses that To and Cc name, in order, at most
    /// [`NAMED_RECIPIENTS`]; what is no address is left out.
    pub fn to_and_cc(&self) -> Vec<Address> {
        let mut named = Vec::new();
        for name in ["To", "Cc"] {
            for value in self.all(name) {
                let room = NAMED_RECIPIENTS.saturating_sub(named.len());
                let shown = mailbox::list(value, room);
                named.extend(shown.iter().filter_map(|s| Address::parse_utf8(&s.address).ok()));
            }
        }
        named
    }

    /// SHA-256 of the body's bytes.
    pub fn body_hash(&self) -> [u8; 32] {
        *self.body_hash.get_or_init(|| Sha256::digest(self.body()).into())
    }

    /// Names the exact bytes: SHA-256 of the SHA-256 of the header, with the
    /// empty line behind it, and that of the body. So the body is hashed once
    /// for this and for its fingerprint.
    pub fn hash(&self) -> [u8; 32] {
        let header = Sha256::digest(&self.bytes[..self.body_start]);
        Sha256::new().chain_update(header).chain_update(self.body_hash()).finalize().into()
    }
}

/// One line of a header with its folded continuations, without the last CRLF.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a>(pub &'a [u8]);

impl<'a> Line<'a> {
    pub fn field(self) -> Option<Field<'a>> {
        let colon = memchr(b':', self.0)?;
        // RFC 5322 section 4.5.8: obsolete white space before the colon.
        let name = self.0[..colon].trim_ascii_end();
        let good = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
        good.then_some(Field { name, value: &self.0[colon + 1..] })
    }
}

/// Splits a header block at each CRLF that no white space follows.
pub(super) struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let mut from = 0;
        let (line, rest) = loop {
            match memchr(b'\n', &self.rest[from..]).map(|at| from + at) {
                None => break (self.rest, &[][..]),
                Some(lf) => {
                    from = lf + 1;
                    let folded = matches!(self.rest.get(from), Some(b' ' | b'\t'));
                    if !folded && self.rest[..lf].ends_with(b"\r") {
                        break (&self.rest[..lf - 1], &self.rest[from..]);
                    }
                }
            }
        };
        self.rest = rest;
        Some(Line(line))
    }
}

fn body_start(bytes: &[u8]) -> usize {
    if bytes.starts_with(b"\r\n") {
        return 2;
    }
    memmem::find(bytes, b"\r\n\r\n").map_or(bytes.len(), |at| at + 4)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(text: &str) -> Message {
        Message::new(text.to_owned().into_bytes().into())
    }

    #[test]
    fn fields_are_found_with_their_folding() {
        let text = "A: one\r\nB :two\r\n three\r\nno field\r\nC:\r\n\r\nbody\r\n\r\nD: no\r\n";
        let message = message(text);
        let fields: Vec<_> = message.fields().map(|f| (f.name, f.value)).collect();
        let expected: [(&[u8], &[u8]); 3] =
            [(b"A", b" one"), (b"B", b"two\r\n three"), (b"C", b"")];
        assert_eq!(fields, expected);
        assert_eq!(message.body(), b"body\r\n\r\nD: no\r\n");
        assert_eq!(message.header_block(), &text.as_bytes()[..text.find("\r\n\r\n").unwrap() + 2]);
    }

    #[test]
    fn chosen_fields_are_taken_out_and_all_else_stays() {
        let text = "A: 1\r\n x\r\nB: 2\r\nnone\r\na: 3\r\n\r\nA: body\r\n";
        let drop = |field: &Field<'_>| field.name.eq_ignore_ascii_case(b"A");
        let left = message(text).without(drop).unwrap();
        assert_eq!(left.bytes(), &b"B: 2\r\nnone\r\n\r\nA: body\r\n"[..]);
        assert!(left.without(drop).is_none());
        assert_eq!(message("A: 1\r\n").without(drop).unwrap().bytes(), &b""[..]);
    }

    #[test]
    fn headers_without_body_and_bodies_without_header() {
        for (text, block, body) in [
            ("", "", ""),
            ("\r\n", "", ""),
            ("\r\nbody", "", "body"),
            ("A: b\r\n", "A: b\r\n", ""),
            ("A: b", "A: b", ""),
            ("A: b\r\n\r\n", "A: b\r\n", ""),
        ] {
            let message = message(text);
            assert_eq!(message.header_block(), block.as_bytes(), "{text:?}");
            assert_eq!(message.body(), body.as_bytes(), "{text:?}");
        }
        assert_eq!(message("A: b").fields().count(), 1);
    }

    #[test]
    fn text_is_decoded_for_people() {
        for (value, text) in [
            ("hello\r\n world", "hello world"),
            ("=?utf-8?q?H=C3=A4?=\r\n =?utf-8?q?_du?= da", "Hä du da"),
            // One character in two words, as some programs cut them.
            ("=?utf-8?b?4pw=?= =?UTF-8?b?kw==?=", "✓"),
            ("=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "日本"),
            ("=?iso-8859-1*de?q?=E4?=", "ä"),
            ("=?x-unknown?q?a?= =?utf-8?x?a?= =?utf-8?q?a", "a =?utf-8?x?a?= =?utf-8?q?a"),
            ("=?utf-8?q?=5F=ZZ=?=", "_=ZZ="),
            ("=?=?=?", "=?=?=?"),
        ] {
            assert_eq!(
                message(&format!("Subject: {value}\r\n\r\n")).text("subject").unwrap(),
                text
            );
        }
        assert_eq!(message("A: b\r\n\r\n").text("Subject"), None);
    }

    #[test]
    fn i_09_charsets_that_lie_give_replacement_characters() {
        for value in
            ["=?utf-7?q?+AGEAZ-?=", "=?utf-16?b?/w==?=", "=?utf-8?q?=FF=FE?=", "=?gb18030?q?=81?="]
        {
            message(&format!("Subject: {value}\r\n\r\n")).text("Subject").unwrap();
        }
        let raw = Message::new((&b"Subject: \xff\r\n\r\n"[..]).into());
        assert_eq!(raw.text("Subject").unwrap(), "\u{fffd}");
    }

    #[test]
    fn shown_names_and_addresses_are_text() {
        let from = |value: &str| message(&format!("From: {value}\r\n\r\n")).from_display().unwrap();
        let shown = |name: Option<&str>, address: &str| Shown {
            name: name.map(str::to_owned),
            address: address.to_owned(),
        };
        assert_eq!(from("\"B, =?utf-8?q?=C3=84?=\" <a@b>"), shown(Some("B, Ä"), "a@b"));
        assert_eq!(from("a@b (Anna)"), shown(None, "a@b"));
        assert_eq!(from("\"x\u{202e}y\" <a@b>"), shown(Some("x\\u{202e}y"), "a@b"));
        assert_eq!(from("broken <a@b"), shown(Some("broken"), "a@b"));
        assert_eq!(message("From: \r\n\r\n").from_display(), None);
    }

    #[test]
    fn recipients_named_in_to_and_cc() {
        let text = "To: A <a@x>, \"b, c\" <b@x>,\r\n c@x (d@x)\r\nCc: group: d@x, <e@x>;, bad\r\nTo: f@x\r\n\r\n";
        let named: Vec<_> = message(text).to_and_cc().iter().map(ToString::to_string).collect();
        assert_eq!(named, ["a@x", "b@x", "c@x", "f@x", "d@x", "e@x"]);
    }

    #[test]
    fn a_thousand_recipients_are_named_at_most() {
        let text = format!("To: {}\r\nCc: b@x\r\n\r\n", "a@x,".repeat(5000));
        assert_eq!(message(&text).to_and_cc().len(), NAMED_RECIPIENTS);
    }

    #[test]
    fn message_ids_are_plain_or_none() {
        let id = |value: &str| {
            message(&format!("message-id: {value}\r\n\r\n")).message_id().map(str::to_owned)
        };
        assert_eq!(id("<1@x>").as_deref(), Some("1@x"));
        assert_eq!(id("\r\n <1@x> (c)").as_deref(), Some("1@x"));
        for bad in ["", "1@x", "<>", "<a b@x>", "<ü@x>", "<1@x"] {
            assert_eq!(id(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn header_and_body_are_the_message(text in "[a:\r\n \t]{0,40}|(A: b\r\n( c\r\n)?){0,3}(\r\n)?x?") {
            let message = message(&text);
            let parts = message.header_block().len() + message.body().len();
            prop_assert!(parts == text.len() || parts + 2 == text.len());
            for field in message.fields() {
                prop_assert!(!field.name.is_empty() && !field.name.contains(&b':'));
            }
        }
    }
}

//! One parse of a message for all checks that look into it.
//!
//! mail-parser is only ever called here, only on what the pre-scan let
//! through, and inside `catch_unwind`: it is a large parser of hostile input.
//! It reads the MIME structure; header fields that decide anything are read
//! by [`Message`](crate::mail::Message) itself.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;

use mail_parser::decoders::base64::base64_decode_stream;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::{MessageParser, MimeHeaders, PartType};

use crate::mail::Message;

/// Nested messages that are looked into.
const DEPTH: usize = 8;

/// A leaf of the MIME tree with its decoded content.
#[derive(Debug)]
pub struct Part<'p> {
    /// File name of Content-Disposition or Content-Type.
    pub name: Option<&'p str>,
    /// `type/subtype` in lower case; empty if none is given.
    pub media: String,
    pub content: &'p [u8],
    /// Text to be read, not a file to be opened.
    pub text: Option<Text>,
    pub saved: Saved<'p>,
}

/// What a mail program may write into a file for a part. It can be another
/// thing than [`Part::content`], which is text made readable or, where the
/// encoding is none of RFC 2045, what stands there undecoded.
#[derive(Debug)]
pub enum Saved<'p> {
    /// The content.
    Same,
    Bytes(Cow<'p, [u8]>),
    /// Some program may know this encoding; here nobody does.
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    Plain,
    Html,
}

/// The parsed message.
pub enum Parsed<'m> {
    Mime(Box<mail_parser::Message<'m>>),
    /// A text that says nothing of MIME (RFC 2045 section 5.2).
    Plain(&'m [u8]),
}

static PARSER: LazyLock<MessageParser> =
    LazyLock::new(|| MessageParser::new().with_mime_headers().default_header_ignore());

impl<'m> Parsed<'m> {
    /// Parses; `None` if the parser panics or sees no message at all.
    pub fn read(message: &'m Message) -> Option<Self> {
        if is_plain(message) {
            return Some(Self::Plain(message.body()));
        }
        let bytes: &'m [u8] = message.bytes();
        let parsed = catch_unwind(AssertUnwindSafe(|| PARSER.parse(bytes))).ok()??;
        Some(Self::Mime(Box::new(parsed)))
    }

    /// Attachments that a mail program would show: files and forwarded
    /// messages, not pictures within the text.
    pub fn attachments(&self) -> u16 {
        let shown = |part: &&mail_parser::MessagePart<'_>| match &part.body {
            PartType::Message(_) | PartType::Binary(_) => true,
            PartType::Text(_) | PartType::Html(_) | PartType::InlineBinary(_) => is_file(part),
            PartType::Multipart(_) => false,
        };
        let Self::Mime(message) = self else { return 0 };
        u16::try_from(message.parts.iter().filter(shown).count()).unwrap_or(u16::MAX)
    }

    /// The first text to be read, HTML made plain.
    pub fn body_text(&self) -> Option<String> {
        match self {
            Self::Mime(message) => message.body_text(0).map(std::borrow::Cow::into_owned),
            Self::Plain(content) => Some(String::from_utf8_lossy(content).into_owned()),
        }
    }

    /// All leaves in order, those of forwarded messages included.
    pub fn parts(&self) -> Vec<Part<'_>> {
        let mut parts = Vec::new();
        match self {
            Self::Mime(message) => gather(message, 0, &mut parts),
            Self::Plain(content) => parts.push(Part {
                name: None,
                media: String::new(),
                content,
                text: Some(Text::Plain),
                saved: Saved::Same,
            }),
        }
        parts
    }
}

/// Whether no parser could see anything but one text: a header of sound
/// fields only, in which no name of a MIME field stands anywhere.
fn is_plain(message: &Message) -> bool {
    let header = message.header_block();
    let mentions = |at: usize| {
        header[at..].get(..8).is_some_and(|word| word.eq_ignore_ascii_case(b"content-"))
    };
    message.has_sound_header() && !memchr::memchr2_iter(b'c', b'C', header).any(mentions)
}

fn gather<'p>(message: &'p mail_parser::Message<'_>, depth: usize, parts: &mut Vec<Part<'p>>) {
    for part in &message.parts {
        let (content, text): (&[u8], _) = match &part.body {
            PartType::Text(text) => (text.as_bytes(), Some(Text::Plain)),
            PartType::Html(text) => (text.as_bytes(), Some(Text::Html)),
            PartType::Binary(bytes) | PartType::InlineBinary(bytes) => (bytes, None),
            PartType::Message(inner) => {
                if depth < DEPTH {
                    gather(inner, depth + 1, parts);
                }
                continue;
            }
            PartType::Multipart(_) => continue,
        };
        let media = part.content_type().map_or_else(String::new, |kind| {
            format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or_default()).to_ascii_lowercase()
        });
        let name = part.attachment_name();
        let saved = saved(part, message.raw_message(), text.is_some());
        let text = text.filter(|_| !is_file(part));
        parts.push(Part { name, media, content, text, saved });
    }
}

/// `is_text`: the parser took it for text and replaced what is none.
fn saved<'p>(part: &mail_parser::MessagePart<'_>, whole: &'p [u8], is_text: bool) -> Saved<'p> {
    if !is_text && part.encoding != mail_parser::Encoding::None {
        return Saved::Same;
    }
    let range = part.raw_body_offset() as usize..part.raw_end_offset() as usize;
    let sent = whole.get(range).unwrap_or_default();
    // RFC 2045 section 6.1: a token, but programs look for a word they know.
    let encoding = part.content_transfer_encoding().unwrap_or_default().to_ascii_lowercase();
    if encoding.contains("base64") {
        // What is not of the alphabet is passed over (section 6.8).
        let letters = sent.iter().filter(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'));
        let bytes = base64_decode_stream(letters, sent.len(), u8::MAX);
        return bytes.map_or(Saved::Closed, |bytes| Saved::Bytes(bytes.into()));
    }
    let is_opened = !is_text || is_file(part) || part.attachment_name().is_some();
    if encoding.contains("quoted-printable") {
        let bytes = if is_opened { quoted_printable_decode(sent) } else { None };
        return bytes.map_or(Saved::Same, |bytes| Saved::Bytes(bytes.into()));
    }
    // uuencode and its like (section 6.3). Any other word is taken for none.
    if is_opened && encoding.starts_with("x-") {
        return Saved::Closed;
    }
    if is_text { Saved::Bytes(sent.into()) } else { Saved::Same }
}

fn is_file(part: &mail_parser::MessagePart<'_>) -> bool {
    part.content_disposition().is_some_and(mail_parser::ContentType::is_attachment)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_parsed(text: &str) -> bool {
        let message = Message::new(text.to_owned().into_bytes().into());
        matches!(Parsed::read(&message), Some(Parsed::Mime(_)))
    }

    #[test]
    fn only_what_can_be_nothing_but_text_is_taken_unparsed() {
        assert!(!is_parsed("From: a@b\r\nSubject: c\r\n d\r\n\r\nbody\r\n"));
        for text in [
            "From: a@b\r\nContent-Type: text/html\r\n\r\n<p>\r\n",
            "cONTENT-Transfer-encoding: base64\r\n\r\nAAAA\r\n",
            "Subject: x\r\n\u{a0}Content-Type: x\r\n\r\n",
            "From: a@b\r\nno field\r\n\r\nbody\r\n",
            "\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\n",
            " \r\nContent-Type: text/html\r\n\r\n",
            "From: a@b\nSubject: c\n\nbody\n",
            "From: a@b\r\nX: \rContent-Type: text/html\r\n\r\n",
        ] {
            assert!(is_parsed(text), "{text:?}");
        }
    }

    #[test]
    fn a_text_is_the_same_parsed_and_unparsed() {
        let text = "From: a@b\r\nSubject: c\r\n\r\nbody\r\nof it\r\n";
        let plain = Message::new(text.to_owned().into_bytes().into());
        let mime = format!("MIME-Version: 1.0\r\nContent-Type: text/plain\r\n{text}");
        let mime = Message::new(mime.into_bytes().into());
        let (plain, mime) = (Parsed::read(&plain).unwrap(), Parsed::read(&mime).unwrap());
        assert!(matches!((&plain, &mime), (Parsed::Plain(_), Parsed::Mime(_))));
        assert_eq!(plain.attachments(), mime.attachments());
        let (plain, mime) = (plain.parts(), mime.parts());
        assert_eq!((plain.len(), plain[0].name, plain[0].text), (1, mime[0].name, mime[0].text));
        assert_eq!(plain[0].content, mime[0].content);
    }
}

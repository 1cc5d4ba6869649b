//! One parse of a message for all checks that look into it.
//!
//! mail-parser is only ever called here, only on what the pre-scan let
//! through, and inside `catch_unwind`: it is a large parser of hostile input.
//! It reads the MIME structure; header fields that decide anything are read
//! by [`Message`](crate::mail::Message) itself.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;

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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    Plain,
    Html,
}

/// The parsed message.
pub struct Parsed<'m>(mail_parser::Message<'m>);

static PARSER: LazyLock<MessageParser> =
    LazyLock::new(|| MessageParser::new().with_mime_headers().default_header_ignore());

impl<'m> Parsed<'m> {
    /// Parses; `None` if the parser panics or sees no message at all.
    pub fn read(message: &'m Message) -> Option<Self> {
        let bytes: &'m [u8] = message.bytes();
        catch_unwind(AssertUnwindSafe(|| PARSER.parse(bytes))).ok()?.map(Self)
    }

    /// Attachments that a mail program would show: files and forwarded
    /// messages, not pictures within the text.
    pub fn attachments(&self) -> u16 {
        let shown = |part: &&mail_parser::MessagePart<'_>| match &part.body {
            PartType::Message(_) | PartType::Binary(_) => true,
            PartType::Text(_) | PartType::Html(_) | PartType::InlineBinary(_) => is_file(part),
            PartType::Multipart(_) => false,
        };
        u16::try_from(self.0.parts.iter().filter(shown).count()).unwrap_or(u16::MAX)
    }

    /// All leaves in order, those of forwarded messages included.
    pub fn parts(&self) -> Vec<Part<'_>> {
        let mut parts = Vec::new();
        gather(&self.0, 0, &mut parts);
        parts
    }
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
        let text = text.filter(|_| !is_file(part));
        parts.push(Part { name, media, content, text });
    }
}

fn is_file(part: &mail_parser::MessagePart<'_>) -> bool {
    part.content_disposition().is_some_and(mail_parser::ContentType::is_attachment)
}

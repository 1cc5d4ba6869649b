//! What a person may safely see of a message: its text, and its attachments
//! by name, type and size. HTML becomes text; nothing is ever fetched.
//!
//! Only what the pre-scan lets through is parsed.

use super::parsed::Parsed;
use crate::mail::{Limits, Message, display, prescan};

/// Characters of the text that are shown.
const CHARACTERS: usize = 20_000;
/// Attachments that are listed.
const LISTED: usize = 50;

/// A safe view of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    /// Plain text; `None` if it cannot be read.
    pub text: Option<String>,
    /// The text goes on.
    pub cut: bool,
    pub attachments: Vec<Attachment>,
}

/// An attachment as it calls itself: all text of strangers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    pub name: String,
    /// `type/subtype`.
    pub media: String,
    /// Bytes, decoded.
    pub size: u64,
}

/// Reads the first text part and the list of attachments.
pub fn preview(message: &Message) -> Preview {
    if prescan::scan(message.bytes(), &Limits::default()).tripped.is_some() {
        return Preview::default();
    }
    let Some(parsed) = Parsed::read(message) else { return Preview::default() };
    let text = parsed.body_text().unwrap_or_default();
    let cut = text.chars().count() > CHARACTERS;
    let text: String = text.chars().take(CHARACTERS).filter(|c| *c != '\r').collect();
    let attachments = parsed.parts().into_iter().filter(|part| part.text.is_none());
    let attachments = attachments.take(LISTED).map(|part| Attachment {
        name: display::excerpt(part.name.unwrap_or_default(), 200),
        media: display::excerpt(&part.media, 100),
        size: part.content.len() as u64,
    });
    Preview { text: Some(text.trim_end().to_owned()), cut, attachments: attachments.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Message {
        Message::new(text.replace('\n', "\r\n").into_bytes().into())
    }

    #[test]
    fn html_becomes_text_and_attachments_are_named() {
        let mail = message(
            "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\
             Content-Type: text/html\n\n<p>Hello <b>Anna</b><img src=\"http://evil.example/x\">\
             <script>alert(1)</script></p>\n--b\nContent-Type: application/pdf; name=offer.pdf\n\
             Content-Disposition: attachment; filename=offer.pdf\n\nabc\n--b--\n",
        );
        let preview = preview(&mail);
        let text = preview.text.unwrap();
        assert!(text.contains("Hello Anna") && !text.contains('<'), "{text}");
        assert!(!text.contains("alert"), "{text}");
        assert_eq!(preview.attachments.len(), 1);
        assert_eq!(preview.attachments[0].name, "offer.pdf");
        assert_eq!(preview.attachments[0].media, "application/pdf");
    }

    #[test]
    fn i_01_what_trips_a_limit_is_never_parsed() {
        let nested = "Content-Type: message/rfc822\r\n\r\n".repeat(35_000);
        assert_eq!(preview(&Message::new(nested.into_bytes().into())).text, None);
    }

    #[test]
    fn a_long_text_is_cut() {
        let mail = message(&format!("Subject: x\n\n{}\n", "word ".repeat(10_000)));
        let preview = preview(&mail);
        assert!(preview.cut);
        assert!(preview.text.unwrap().chars().count() <= CHARACTERS);
    }
}

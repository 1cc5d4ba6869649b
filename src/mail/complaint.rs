//! Reports about mail: complaints in ARF (RFC 5965), and messages that a
//! person forwarded as an attachment.
//!
//! What is read here comes from strangers and proves nothing; the link in the
//! original's own field proves, once it is verified, to whom it was delivered.
//! The message must have passed the [`prescan`](super::prescan) untripped.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use mail_parser::{MessageParser, MimeHeaders, PartType};

use super::{Address, Message};

/// The header field of a delivered message that holds the link to report it.
pub const REPORT_FIELD: &str = "Reprieve-Report";
/// Originals in one report that are read.
const ORIGINALS: usize = 20;
/// Bytes of an original that are read: its header is what counts.
const ORIGINAL_BYTES: usize = 256 << 10;

/// A report with the messages that it is about.
#[derive(Clone, Debug, Default)]
pub struct Complaint {
    /// `multipart/report; report-type=feedback-report` (RFC 5965 section 2).
    pub by_machine: bool,
    pub originals: Vec<Original>,
}

/// A message that somebody complains about.
#[derive(Clone, Debug)]
pub struct Original {
    /// Its link to report it, not verified.
    pub link: Option<String>,
    /// Its single RFC5322.From, not verified.
    pub from: Option<Address>,
    /// Its beginning, where more than its header came along.
    pub message: Option<Message>,
}

/// Reads a report; without originals it is none.
pub fn read(message: &Message) -> Complaint {
    let parsed =
        catch_unwind(AssertUnwindSafe(|| MessageParser::default().parse(&message.bytes()[..])));
    let Ok(Some(parsed)) = parsed else { return Complaint::default() };
    let by_machine = parsed.content_type().is_some_and(|kind| {
        let report = kind.subtype().is_some_and(|one| one.eq_ignore_ascii_case("report"));
        let feedback = kind.attribute("report-type");
        report && feedback.is_some_and(|one| one.eq_ignore_ascii_case("feedback-report"))
    });
    let mut originals = Vec::new();
    for part in parsed.parts.iter().skip(1) {
        if originals.len() == ORIGINALS {
            break;
        }
        let (bytes, whole): (&[u8], bool) = match &part.body {
            PartType::Message(inner) => {
                let offsets = (part.raw_body_offset() as usize, part.raw_end_offset() as usize);
                let plain = message.bytes().get(offsets.0..offsets.1);
                // An encoded one was decoded into bytes of its own.
                let own = inner.raw_message().len() != message.bytes().len();
                (if own { inner.raw_message() } else { plain.unwrap_or_default() }, true)
            }
            // RFC 6522 section 4: text/rfc822-headers, in any case (RFC 2045 section 5.1).
            PartType::Text(text)
                if part
                    .content_type()
                    .and_then(|kind| kind.subtype())
                    .is_some_and(|one| one.eq_ignore_ascii_case("rfc822-headers")) =>
            {
                (text.as_bytes(), false)
            }
            _ => continue,
        };
        originals.push(original(bytes, whole));
    }
    Complaint { by_machine, originals }
}

fn original(bytes: &[u8], whole: bool) -> Original {
    let bytes = &bytes[..bytes.len().min(ORIGINAL_BYTES)];
    let message = Message::new(Bytes::copy_from_slice(bytes));
    let link = message.text(REPORT_FIELD).map(|text| {
        text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '<' | '>')).collect()
    });
    let from = message.from().address().cloned();
    Original { link, from, message: whole.then_some(message) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(text: &str) -> Message {
        Message::new(Bytes::from(text.replace('\n', "\r\n")))
    }

    fn forwarded(kind: &str, part: &str, headers: &str) -> Message {
        message(&format!(
            "From: anna@ours.example\nMIME-Version: 1.0\nContent-Type: {kind}; boundary=b\n\n\
             --b\nContent-Type: text/plain\n\nspam!\n--b\nContent-Type: {part}\n\n\
             {headers}\n\nbuy\n--b--\n"
        ))
    }

    const HEADERS: &str = "Reprieve-Report:\n <https://mail.example/f/token>\n\
                           From: Kari <kari@far.example>\nSubject: x";

    /// The one original, as every test here writes it.
    fn assert_read(report: &Message, by_machine: bool, whole: bool) {
        let read = read(report);
        assert_eq!((read.by_machine, read.originals.len()), (by_machine, 1));
        let one = &read.originals[0];
        assert_eq!(one.link.as_deref(), Some("https://mail.example/f/token"));
        assert_eq!(one.from, Address::parse("kari@far.example").ok());
        let kept = one.message.as_ref();
        assert_eq!(kept.is_some(), whole);
        assert!(
            kept.is_none_or(|one| one.bytes().ends_with(b"\r\n\r\nbuy\r\n")
                || one.bytes().ends_with(b"\r\n\r\nbuy")),
            "{kept:?}"
        );
    }

    #[test]
    fn a_forwarded_attachment_and_a_complaint_are_told_apart() {
        let forward = forwarded("multipart/mixed", "message/rfc822", HEADERS);
        assert_read(&forward, false, true);
        let arf = "multipart/report; report-type=feedback-report";
        assert_read(&forwarded(arf, "message/rfc822", HEADERS), true, true);
        assert_read(&forwarded(arf, "text/rfc822-headers", HEADERS), true, false);
        assert_read(&forwarded(arf, "Text/RFC822-Headers", HEADERS), true, false);
    }

    #[test]
    fn an_encoded_original_is_read_too() {
        use base64::Engine as _;
        let inner = format!("{HEADERS}\n\nbuy\n").replace('\n', "\r\n");
        let encoded = base64::engine::general_purpose::STANDARD.encode(inner);
        let part = "message/rfc822\nContent-Transfer-Encoding: base64";
        assert_eq!(
            read(&forwarded("multipart/mixed", part, &format!("\n{encoded}"))).originals.len(),
            1
        );
    }

    #[test]
    fn mail_without_an_original_is_no_report() {
        assert!(read(&message("From: a@b.example\n\nspam\n")).originals.is_empty());
        assert!(read(&message("")).originals.is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(body in prop::collection::vec(any::<u8>(), 0..500)) {
            let mut bytes = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
                Content-Type: message/rfc822\r\n\r\n".to_vec();
            bytes.extend(body);
            read(&Message::new(bytes.into()));
        }
    }
}

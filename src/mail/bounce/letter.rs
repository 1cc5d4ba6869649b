//! The parts of a bounce: what it says to people, its machine-readable
//! parts, and what is left of the message that it returns.
//!
//! Line ends are normalised first (CR alone, LF and CRLF all occur, ATTACKS
//! I-14), then the message passes the prescan before any MIME parser.

use std::borrow::Cow;

use mail_parser::{MessageParser, MimeHeaders, PartType};

use super::sections::first_address;
use crate::mail::{Limits, Message, automatic, mailbox, prescan};

/// A bounce taken apart. Texts have LF line ends.
#[derive(Debug, Default)]
pub(super) struct Letter {
    /// To people, without the returned message.
    pub text: String,
    /// All message/delivery-status parts.
    pub status: String,
    /// PowerMTA's line `X-PowerMTA-BounceCategory` of them, or nothing.
    pub category: String,
    /// All message/feedback-report parts.
    pub feedback: String,
    /// The head of the returned message, as far as it came back.
    pub original: String,
    /// To and Cc of the returned message.
    pub original_to: Vec<String>,
    /// X-Failed-Recipients (Exim, Google) and kin.
    pub failed: Vec<String>,
    /// To whom the bounce was written.
    pub to: Vec<String>,
    pub from: Option<String>,
    subject: String,
    from_daemon: bool,
    null_path: bool,
    automatic: bool,
}

/// Bytes of text that are kept of each kind.
const TEXT_BYTES: usize = 256 << 10;
/// Addresses of one header field that are read.
const NAMED: usize = 100;

impl Letter {
    /// `None` if the message trips a limit or is no message at all.
    pub fn open(bytes: &[u8]) -> Option<Self> {
        let message = Message::new(with_crlf(bytes).into());
        if prescan::scan(message.bytes(), &Limits::default()).tripped.is_some() {
            return None;
        }
        let mut letter = Self::of_header(&message);
        letter.take_parts(&message);
        letter.cut_original();
        let category = |line: &&str| line.starts_with("X-PowerMTA-BounceCategory:");
        letter.category = letter.status.lines().find(category).unwrap_or_default().to_owned();
        Some(letter)
    }

    fn of_header(message: &Message) -> Self {
        let field = |name: &str| message.text(name).unwrap_or_default().to_lowercase();
        let from = field("From");
        let path = field("Return-Path");
        Self {
            failed: addresses(message, "X-Failed-Recipients"),
            to: addresses(message, "To"),
            from: addresses(message, "From").into_iter().next(),
            from_daemon: DAEMONS.iter().any(|name| from.contains(name)),
            null_path: path.trim() == "<>" || path.contains("mailer-daemon"),
            automatic: automatic::is_automatic(message)
                || AWAY.iter().any(|word| field("Subject").starts_with(word)),
            subject: field("Subject"),
            ..Self::default()
        }
    }

    fn take_parts(&mut self, message: &Message) {
        let Some(parsed) = MessageParser::default().parse(&message.bytes()[..]) else {
            self.add_text(&String::from_utf8_lossy(message.body()));
            return;
        };
        let mut html = None;
        for part in &parsed.parts {
            let kind = part.content_type();
            let media = kind.map_or_else(String::new, |kind| {
                format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or("")).to_ascii_lowercase()
            });
            match &media[..] {
                "message/delivery-status" | "message/global-delivery-status" => {
                    push(&mut self.status, &text_of(part.contents()));
                }
                "message/feedback-report" => push(&mut self.feedback, &text_of(part.contents())),
                "text/rfc822-headers" | "message/global-headers" => {
                    push(&mut self.original, &text_of(part.contents()));
                }
                _ => match &part.body {
                    PartType::Message(inner) => {
                        push(&mut self.original, &text_of(&inner.raw_message));
                    }
                    PartType::Text(text) => self.add_text(text),
                    PartType::Html(page) => html = html.or(Some(page)),
                    _ => {}
                },
            }
        }
        if let (true, Some(page)) = (self.text.trim().is_empty(), html) {
            self.add_text(&mail_parser::decoders::html::html_to_text(page));
        }
        if self.text.trim().is_empty() && self.status.is_empty() {
            // Parts that no parser divides are read as they stand.
            self.add_text(&String::from_utf8_lossy(message.body()));
        }
    }

    fn add_text(&mut self, text: &str) {
        push(&mut self.text, &text_of(text.as_bytes()));
    }

    /// Divides the text where the returned message begins, and reads to whom
    /// that was written.
    fn cut_original(&mut self) {
        let text = unquoted(&self.text);
        let mut at = 0;
        let mut cut = None;
        for line in text.split_inclusive('\n') {
            if begins_original(line) {
                cut = Some(at);
                break;
            }
            at += line.len();
        }
        if let Some(cut) = cut {
            push(&mut self.original, &text[cut..]);
        }
        self.text = text[..cut.unwrap_or(text.len())].to_owned();
        for name in ["to:", "cc:", "x-hmxmroriginalrecipient:"] {
            let mut lines = self.original.lines();
            let found = lines.find(|line| {
                line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
            });
            self.original_to.extend(found.and_then(first_address).map(|(_, a)| a.to_owned()));
        }
    }

    /// RFC 3834 section 5, and no bounce that calls itself so.
    pub fn is_automatic(&self) -> bool {
        self.automatic
            && !self.from_daemon
            && self.failed.is_empty()
            && !SUBJECTS.iter().any(|word| self.subject.contains(word))
    }

    pub fn looks_like_a_bounce(&self) -> bool {
        let lower = self.text.to_lowercase();
        let told = PHRASES.iter().any(|phrase| lower.contains(phrase));
        !self.failed.is_empty()
            || self.from_daemon
            || SUBJECTS.iter().any(|word| self.subject.contains(word))
            || told
            || (self.null_path && super::reply_code(&self.text).is_some())
    }

    /// An address of whoever writes the bounce: to be asked for help.
    pub fn is_its_own(&self, address: &str) -> bool {
        let local = address.split('@').next().unwrap_or_default().to_ascii_lowercase();
        self.from.as_deref().is_some_and(|from| from.eq_ignore_ascii_case(address))
            || ["postmaster", "mailer-daemon", "abuse", "support", "helpdesk", "admin"]
                .contains(&&local[..])
    }

    /// Whether it only warns that delivery takes longer.
    pub fn is_warning(&self) -> bool {
        let lower = self.text.to_ascii_lowercase();
        ["warning message only", "only a temporary failure", "has been delayed"]
            .iter()
            .any(|word| lower.contains(word))
            || self.subject.contains("(delay)")
    }
}

/// Who writes bounces.
const DAEMONS: &[&str] = &[
    "mailer-daemon",
    "mailer daemon",
    "postmaster",
    "post_master",
    "mail delivery",
    "mail deliver system",
    "mail administrator",
    "system administrator",
    "mailerdaemon",
    "mdaemon",
    "mail router",
    "mail transport",
    "mail transfer",
    "lsmtp",
];

/// What bounces are called, in lower case.
const SUBJECTS: &[&str] = &[
    "undeliver",
    "returned mail",
    "failure notice",
    "delivery status notification",
    "delivery notification",
    "mail delivery",
    "delivery failure",
    "delivery failed",
    "delivery has failed",
    "failed delivery",
    "mail failure",
    "returned to sender",
    "mail system error",
    "message delivery",
    "nondeliverable",
    "non-delivery",
    "unzustellbar",
    "non remis",
    "mail failed",
    "mail rejected",
    "message rejected",
    "rejected mail",
    "user unknown",
    "delivery problem",
    "delivery error",
    "delivery report",
    "non delivery",
    "bounced mail",
    "nicht zugestellt",
    "fehlgeschlagen",
    "non délivr",
    "non recapit",
    "mancato recapito",
    "no entregado",
    "no se puede entregar",
    "não entregue",
    "niet bezorg",
    "kan inte levereras",
    "ej levererat",
    "ei toimitettu",
    "toimitus epäonnistui",
    "не доставлен",
    "недоставлен",
    "退信",
    "退回",
    "配信エラー",
    "配信できません",
    "loop alert",
    "are not member",
    "could not send message",
    "エラー",
    "配信不能",
    "送信できません",
];

/// What they say.
const PHRASES: &[&str] = &[
    "could not be delivered",
    "unable to deliver",
    "was not delivered",
    "couldn't be delivered",
    "not able to deliver",
    "not a member of this mailing list",
    "did not reach the following recipient",
    "delivery to the following recipient",
    "addresses had permanent fatal errors",
    "addresses had delivery",
    "error delivering your mail",
    "cannot be delivered",
    "could not deliver",
    "undeliverable to",
    "has encountered delivery problems",
    "konnte nicht zugestellt werden",
    "konnte nicht ausgeliefert werden",
    "n'a pas pu être remis",
    "n'a pas pu etre remis",
    "non è stato possibile recapitare",
    "no se ha podido entregar",
    "não pôde ser entregue",
    "kon niet worden bezorgd",
    "kunde inte levereras",
    "ei voitu toimittaa",
    "配信できませんでした",
    "無法傳送",
    "无法投递",
];

/// How automatic answers are called.
const AWAY: &[&str] = &[
    "automatic reply",
    "out of office",
    "auto:",
    "autoreply",
    "away until",
    "自動応答",
    "abwesenheit",
];

/// Whether the returned message begins with this line.
fn begins_original(line: &str) -> bool {
    let line = line.trim_end();
    let lower = line.trim_start().to_ascii_lowercase();
    if lower.starts_with("received: from")
        || lower.starts_with("received:from")
        || lower.starts_with("return-path: <")
    {
        return true;
    }
    let words = lower.trim_matches(|c: char| c == '-' || c == '=' || c.is_whitespace());
    ORIGINAL.iter().any(|start| words.starts_with(start))
}

/// How mail servers announce the returned message.
const ORIGINAL: &[&str] = &[
    "below this line is a copy of",
    "below is a copy of the original",
    "enclosed is a copy of the message",
    "original message",
    "message headers follow",
    "this is a copy of the message",
    "this is a copy of your message",
    "the header of the original message",
    "unsent message follows",
    "unsent message below",
    "returned message",
    "message header follows",
    "included is a copy of the message header",
    "attached is a copy of the",
    "text of your message follows",
    "original mail as follows",
    "original message follows",
    "attachment is a copy of the message",
    "here is a copy of the first part of the message",
    "start of returned message",
    "your message reads",
];

/// Takes one level of `> ` off a letter that somebody forwarded.
fn unquoted(text: &str) -> Cow<'_, str> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let (quoted, all) =
        lines.fold((0, 0), |(q, n), line| (q + usize::from(line.starts_with('>')), n + 1));
    if quoted * 2 < all || quoted == 0 {
        return Cow::Borrowed(text);
    }
    let bare = |line: &str| {
        let inner = line.strip_prefix('>').unwrap_or(line);
        inner.strip_prefix(' ').unwrap_or(inner).to_owned()
    };
    Cow::Owned(text.lines().map(bare).collect::<Vec<_>>().join("\n"))
}

fn addresses(message: &Message, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    for value in message.all(name) {
        let shown = mailbox::list(value, NAMED);
        found.extend(shown.into_iter().map(|one| one.address).filter(|a| a.contains('@')));
    }
    found
}

fn push(into: &mut String, text: &str) {
    let mut room = TEXT_BYTES.saturating_sub(into.len()).min(text.len());
    while !text.is_char_boundary(room) {
        room -= 1;
    }
    into.push_str(&text[..room]);
    into.push_str("\n\n");
}

/// Text with LF line ends; ISO-2022-JP where it stands undeclared (RFC 1468).
fn text_of(bytes: &[u8]) -> String {
    let bytes = &bytes[..bytes.len().min(TEXT_BYTES)];
    let text = if memchr::memmem::find(bytes, b"\x1b$").is_some() {
        encoding_rs::ISO_2022_JP.decode(bytes).0
    } else {
        String::from_utf8_lossy(bytes)
    };
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// Every line end as CRLF, without an mbox line at the top.
fn with_crlf(bytes: &[u8]) -> Vec<u8> {
    let mut rest = bytes;
    if rest.starts_with(b"From ") {
        let end = memchr::memchr2(b'\n', b'\r', rest).map_or(rest.len(), |at| at + 1);
        let crlf = rest[..end].ends_with(b"\r") && rest.get(end) == Some(&b'\n');
        rest = &rest[end + usize::from(crlf)..];
    }
    let mut out = Vec::with_capacity(rest.len() + rest.len() / 16);
    let mut before = 0;
    for &byte in rest {
        match byte {
            b'\n' if before == b'\r' => {}
            b'\n' | b'\r' => out.extend_from_slice(b"\r\n"),
            _ => out.push(byte),
        }
        before = byte;
    }
    out
}

//! Delivery status notifications: ours written, others' read.
//!
//! RFC 3464 (message/delivery-status), RFC 6522 (multipart/report), RFC 6533
//! (UTF-8 forms). A DSN of ours goes out with the null reverse-path and carries
//! the message's own fields Message-ID, Date, From and To only: never its
//! subject or body, which could be anybody's advertisement. What is read here
//! comes from strangers: it is bounded, and text for people, not proof.

use mail_builder::headers::{content_type::ContentType, raw::Raw, text::Text};
use mail_builder::{MessageBuilder, mime::MimePart};
use mail_parser::{MessageParser, MimeHeaders};

use crate::clock::Timestamp;
use crate::mail::display::visible;
use crate::mail::{Address, Domain, Message, trace};

/// RFC 3464 section 2.3.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Failed,
    Delayed,
    Delivered,
    Relayed,
    Expanded,
}

/// What a DSN says of one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Final-Recipient without its address type, as written.
    pub final_recipient: String,
    /// Original-Recipient (RFC 3461 ORCPT), if given.
    pub original_recipient: Option<String>,
    pub action: Option<Action>,
    /// Class, subject, detail of RFC 3463.
    pub status: Option<(u8, u16, u16)>,
    /// Diagnostic-Code without its type: the other server's words.
    pub diagnostic: Option<String>,
    /// Remote-MTA without its type.
    pub remote_mta: Option<String>,
    /// The diagnostic is of a program on the reporting machine (`x-unix`).
    pub local: bool,
}

/// A DSN that we write.
#[derive(Clone, Debug)]
pub struct Dsn<'a> {
    /// The sender shown: the system's own address.
    pub from: &'a Address,
    pub to: &'a Address,
    pub subject: &'a str,
    /// What happened, for people; any language.
    pub text: &'a str,
    pub reporting_mta: &'a Domain,
    /// When the message was received.
    pub arrived_at: Timestamp,
    pub now: Timestamp,
    /// Left of the @ of its own Message-ID: letters, digits, dots, hyphens.
    pub id: &'a str,
    pub recipients: &'a [Report],
    /// The message that it is about.
    pub about: &'a Message,
}

impl Dsn<'_> {
    /// The whole message, CRLF line ends, ASCII only unless addresses are not.
    pub fn write(&self) -> Vec<u8> {
        let parts = vec![
            MimePart::new("text/plain", self.text),
            plain_part("message/delivery-status", self.status_fields()),
            plain_part("text/rfc822-headers", about_fields(self.about)),
        ];
        let report =
            ContentType::new("multipart/report").attribute("report-type", "delivery-status");
        let mut letter = MessageBuilder::new()
            .header("From", Raw::new(format!("<{}>", self.from)))
            .header("To", Raw::new(format!("<{}>", self.to)))
            .header("Subject", Text::new(visible(self.subject)))
            .header("Date", Raw::new(trace::date(self.now)))
            .header("Message-ID", Raw::new(format!("<{}@{}>", self.id, self.from.domain())))
            // RFC 3834 section 5.
            .header("Auto-Submitted", Raw::new("auto-replied"))
            .header("MIME-Version", Raw::new("1.0"));
        if let Some(about) = self.about.message_id() {
            let reference = || Raw::new(format!("<{about}>"));
            letter = letter.header("In-Reply-To", reference()).header("References", reference());
        }
        let mut bytes = Vec::with_capacity(4096);
        letter.body(MimePart::new(report, parts)).serialize(&mut bytes);
        bytes
    }

    fn status_fields(&self) -> String {
        let mut fields = format!("Reporting-MTA: dns; {}\r\n", self.reporting_mta);
        fields += &format!("Arrival-Date: {}\r\n", trace::date(self.arrived_at));
        for report in self.recipients {
            fields += "\r\n";
            report.write(&mut fields);
        }
        fields
    }
}

/// A part that is to stay readable as it is: no encoding chosen by length.
fn plain_part(media: &'static str, fields: String) -> MimePart<'static> {
    let encoding = if fields.is_ascii() { "7bit" } else { "8bit" };
    MimePart::new(ContentType::new(media), fields.into_bytes()).transfer_encoding(encoding)
}

/// The fields by which a sender knows his message, in one line each.
fn about_fields(about: &Message) -> String {
    let mut fields = String::new();
    for name in ["Message-ID", "Date", "From", "To"] {
        if let Some(value) = about.all(name).next() {
            let line = one_line(&String::from_utf8_lossy(value), 900);
            fields += &format!("{name}: {line}\r\n");
        }
    }
    fields
}

impl Report {
    fn write(&self, out: &mut String) {
        let kind = if self.final_recipient.is_ascii() { "rfc822" } else { "utf-8" };
        if let Some(original) = &self.original_recipient {
            *out += &format!("Original-Recipient: {kind}; {}\r\n", one_line(original, 300));
        }
        *out += &format!("Final-Recipient: {kind}; {}\r\n", one_line(&self.final_recipient, 300));
        *out += &format!("Action: {}\r\n", self.action.unwrap_or(Action::Failed).as_str());
        let (class, subject, detail) = self.status.unwrap_or((5, 0, 0));
        *out += &format!("Status: {class}.{subject}.{detail}\r\n");
        if let Some(mta) = &self.remote_mta {
            *out += &format!("Remote-MTA: dns; {}\r\n", one_line(mta, 255));
        }
        if let Some(diagnostic) = &self.diagnostic {
            *out += &format!("Diagnostic-Code: smtp; {}\r\n", one_line(diagnostic, 900));
        }
    }
}

impl Action {
    fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Delayed => "delayed",
            Self::Delivered => "delivered",
            Self::Relayed => "relayed",
            Self::Expanded => "expanded",
        }
    }

    fn read(text: &str) -> Option<Self> {
        let word = text.split_ascii_whitespace().next()?;
        [Self::Failed, Self::Delayed, Self::Delivered, Self::Relayed, Self::Expanded]
            .into_iter()
            .find(|action| action.as_str().eq_ignore_ascii_case(word))
    }
}

/// Text that cannot end a field: controls made visible, at most `limit` bytes.
fn one_line(text: &str, limit: usize) -> String {
    let unfolded = text.replace(['\r', '\n'], "");
    let mut line = visible(unfolded.trim());
    while line.len() > limit {
        line.pop();
    }
    line
}

/// How many recipients of one DSN are read.
const RECIPIENTS: usize = 1000;
/// How many bytes of a message/delivery-status part are read.
const STATUS_BYTES: usize = 1 << 20;

/// What a received DSN says of each recipient: empty if it is none.
///
/// The message must have passed the [`prescan`](super::prescan) untripped.
pub fn read(message: &Message) -> Vec<Report> {
    let Some(parsed) = MessageParser::default().parse(&message.bytes()[..]) else {
        return Vec::new();
    };
    let status = parsed.parts.iter().find(|part| {
        part.content_type().is_some_and(|kind| {
            let subtype = kind.subtype().unwrap_or_default();
            kind.ctype().eq_ignore_ascii_case("message")
                && ["delivery-status", "global-delivery-status"]
                    .iter()
                    .any(|known| subtype.eq_ignore_ascii_case(known))
        })
    });
    status.map(|part| reports(part.contents())).unwrap_or_default()
}

/// Reads the blocks of a message/delivery-status body, with any line ends.
pub fn reports(body: &[u8]) -> Vec<Report> {
    let text = String::from_utf8_lossy(&body[..body.len().min(STATUS_BYTES)]);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut reports = Vec::new();
    let mut block: Vec<(String, String)> = Vec::new();
    for line in text.lines().chain([""]) {
        if line.trim().is_empty() {
            reports.extend(report(&std::mem::take(&mut block)));
            if reports.len() == RECIPIENTS {
                break;
            }
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = block.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            block.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    reports
}

/// One block, if it is about a recipient.
fn report(block: &[(String, String)]) -> Option<Report> {
    let field = |name: &str| block.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    // RFC 3464 section 2.3.2 wants Final-Recipient; some write only the other.
    let typed = |name: &str, limit| field(name).map(|value| untyped(value, limit));
    let original_recipient = typed("original-recipient", 1000);
    let final_recipient = typed("final-recipient", 1000).or_else(|| original_recipient.clone())?;
    Some(Report {
        final_recipient,
        original_recipient,
        action: field("action").and_then(Action::read),
        status: field("status").and_then(status),
        diagnostic: typed("diagnostic-code", 4000),
        remote_mta: typed("remote-mta", 1000),
        local: field("diagnostic-code")
            .is_some_and(|value| value.get(..6).is_some_and(|t| t.eq_ignore_ascii_case("x-unix"))),
    })
}

/// `rfc822; <a@b>` without the type and the brackets.
fn untyped(value: &str, limit: usize) -> String {
    let is_type =
        |t: &str| !t.is_empty() && t.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    let value = match value.split_once(';') {
        Some((kind, rest)) if is_type(kind.trim()) => rest.trim(),
        _ => value,
    };
    let inner = value.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
    let mut line = inner.unwrap_or(value).to_owned();
    while line.len() > limit {
        line.pop();
    }
    line
}

/// RFC 3463 section 2: `5.1.1`, a comment may follow.
fn status(text: &str) -> Option<(u8, u16, u16)> {
    let word = text.split(|c: char| c.is_whitespace() || c == '(').next()?;
    let mut digits = word.split('.');
    let class: u8 = digits.next()?.parse().ok().filter(|class| [2, 4, 5].contains(class))?;
    let mut part = || digits.next()?.parse().ok().filter(|part: &u16| *part < 1000);
    let (subject, detail) = (part()?, part()?);
    digits.next().is_none().then_some((class, subject, detail))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(text: &str) -> Message {
        Message::new(text.to_owned().into_bytes().into())
    }

    fn failed(recipient: &str) -> Report {
        Report {
            final_recipient: recipient.to_owned(),
            original_recipient: None,
            action: Some(Action::Failed),
            status: Some((5, 7, 1)),
            diagnostic: Some("550 5.7.1 Message expired in quarantine".to_owned()),
            remote_mta: None,
            local: false,
        }
    }

    fn written(about: &Message, subject: &str, text: &str, reports: &[Report]) -> Message {
        let dsn = Dsn {
            from: &Address::parse("mailer@notice.example").unwrap(),
            to: &Address::parse("a@far.example").unwrap(),
            subject,
            text,
            reporting_mta: &Domain::parse("mx.ours.example").unwrap(),
            arrived_at: Timestamp::UNIX_EPOCH,
            now: Timestamp::UNIX_EPOCH,
            id: "d-1",
            recipients: reports,
            about,
        };
        Message::new(dsn.write().into())
    }

    #[test]
    fn a_dsn_is_read_as_it_was_written() {
        let about = message("Message-ID: <1@far>\r\nSubject: BUY\r\nTo: b@ours\r\n\r\nBUY NOW\r\n");
        let reports = [failed("b@ours.example"), failed("ü@ours.example")];
        let dsn = written(&about, "Undelivered", "Ei toimitettu: näin kävi.", &reports);
        assert_eq!(read(&dsn), reports);
        assert_eq!(dsn.message_id(), Some("d-1@notice.example"));
        assert_eq!(dsn.text("In-Reply-To").as_deref(), Some("<1@far>"));
        assert!(super::super::automatic::is_automatic(&dsn));
        let scan = crate::mail::prescan::scan(dsn.bytes(), &crate::mail::Limits::default());
        assert_eq!((scan.stray, scan.tripped), (None, None));
        let text = String::from_utf8_lossy(dsn.bytes());
        assert!(text.contains("Message-ID: <1@far>\r\n") && !text.contains("BUY"), "{text}");
        assert!(text.contains("multipart/report"), "{text}");
    }

    #[test]
    fn i_14_any_line_ends_are_read() {
        let body = "Reporting-MTA: dns; x\n\nFinal-Recipient: RFC822; <a@b.example>\nAction: failed (x)\n\
                    Status: 5.1.1 (no such user)\nDiagnostic-Code: smtp; 550\n  no such user\n";
        let expected = vec![Report {
            final_recipient: "a@b.example".to_owned(),
            original_recipient: None,
            action: Some(Action::Failed),
            status: Some((5, 1, 1)),
            diagnostic: Some("550 no such user".to_owned()),
            remote_mta: None,
            local: false,
        }];
        for end in ["\n", "\r\n", "\r"] {
            assert_eq!(reports(body.replace('\n', end).as_bytes()), expected);
        }
    }

    #[test]
    fn a_bounce_of_postfix_is_read() {
        let text = include_str!("../../tests/mail/bounce.eml").replace('\n', "\r\n");
        let [report] = &read(&message(&text))[..] else { panic!("one recipient") };
        assert_eq!(report.final_recipient, "nobody@far.example");
        assert_eq!((report.action, report.status), (Some(Action::Failed), Some((5, 1, 1))));
        assert_eq!(report.remote_mta.as_deref(), Some("mx.far.example"));
        assert!(report.diagnostic.as_deref().unwrap().ends_with("address rejected: User unknown"));
    }

    #[test]
    fn what_is_no_status_is_none() {
        for text in ["", "5", "5.1", "5.1.1.1", "3.1.1", "5.1.1000", "5.x.1", "-5.1.1", "5..1"] {
            assert_eq!(status(text), None, "{text}");
        }
        assert_eq!(status("4.4.7(x)"), Some((4, 4, 7)));
    }

    #[test]
    fn a_thousand_recipients_are_read_at_most() {
        let block = "Final-Recipient: rfc822; a@b\r\n\r\n".repeat(5000);
        assert_eq!(reports(block.as_bytes()).len(), RECIPIENTS);
    }

    #[test]
    fn mail_that_is_no_dsn_has_no_reports() {
        assert_eq!(read(&message("Subject: x\r\n\r\nFinal-Recipient: rfc822; a@b\r\n")), []);
        assert_eq!(read(&message("")), []);
    }

    /// Every bounce of the folder in `REPRIEVE_CORPUS`.
    #[test]
    #[ignore = "needs a folder of real mail in REPRIEVE_CORPUS"]
    fn i_14_real_bounces_are_read() {
        let folder = std::path::PathBuf::from(std::env::var("REPRIEVE_CORPUS").unwrap());
        let (mut dsns, mut recipients, mut with_status) = (0, 0, 0);
        for entry in std::fs::read_dir(folder.join("bounces")).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                continue;
            }
            let bytes = std::fs::read(path).unwrap();
            let found = read(&Message::new(bytes.into()));
            dsns += usize::from(!found.is_empty());
            recipients += found.len();
            with_status += found.iter().filter(|report| report.status.is_some()).count();
        }
        println!("{dsns} DSNs, {recipients} recipients, {with_status} with a status");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(body in prop::collection::vec(any::<u8>(), 0..500)) {
            reports(&body);
            read(&Message::new(body.into()));
        }

        #[test]
        fn nothing_quoted_breaks_a_dsn(
            diagnostic in "\\PC{0,1200}|[\r\n\t a-z:]{0,40}", recipient in "[\r\n a-z@:ü]{1,40}",
            subject in "\\PC{0,200}|[\r\n\t a-z:]{0,40}", from in "[^\r\n]{0,100}",
        ) {
            let about = message(&format!("From: {from}\r\n\r\n"));
            let mut report = failed(&recipient);
            report.diagnostic = Some(diagnostic);
            let dsn = written(&about, &subject, "text", &[report]);
            let names: Vec<_> = dsn.fields().map(|f| f.name.to_ascii_lowercase()).collect();
            prop_assert!(!names.iter().any(|name| name == b"bcc" || name == b"a"));
            prop_assert!(names.len() <= 10, "{}", dsn.header_block().escape_ascii());
            prop_assert_eq!(read(&dsn).len(), 1);
        }
    }
}

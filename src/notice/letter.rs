//! The letter: what a proved sender reads, as the bytes of a message.
//!
//! `multipart/alternative` of text and simple HTML (RFC 2046 section 5.1.4);
//! never `multipart/report`, which mail programs turn into a form of their
//! own. Nothing of the held mail's body is in it, and of its header only the
//! subject, in the subject, without anything that a program would make a link
//! of. The fields of RFC 3834 say that a machine wrote it.

use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address as Mailbox;
use mail_builder::headers::date::Date;
use mail_builder::headers::raw::Raw;
use uuid::Uuid;

use super::words::{Arguments, Words};
use crate::clock::Timestamp;
use crate::directory::{Contact, Organisation};
use crate::mail::{Address, Domain, display};
use crate::quarantine::{Held, State};

/// Names the letter, and a loop (ATTACKS B-01).
pub const NOTICE_FIELD: &str = "Reprieve-Notice";
/// Characters of his subject in ours.
const SUBJECT_CHARS: usize = 60;
/// Recipients that are named before "and n others".
const NAMED: usize = 3;

/// What every letter has.
pub(super) struct Frame<'a> {
    pub id: Uuid,
    pub now: Timestamp,
    /// The domain that letters come from.
    pub domain: &'a Domain,
    pub organisation: &'a Organisation,
    pub to: &'a Address,
}

/// The letter about one held message.
pub(super) fn waiting(frame: &Frame<'_>, held: &Held, link: &str) -> Vec<u8> {
    let words = words(frame, held.language.as_deref());
    let paragraphs = [
        Paragraph::Text(recipients(&words, held)),
        Paragraph::Text(words.say("letter-see", &Arguments::new())),
        Paragraph::Link(link.to_owned()),
        Paragraph::Text(words.say(
            "letter-until",
            &Arguments::from([("date".into(), words.date(held.expires_at).into())]),
        )),
        Paragraph::Text(contact(&words, frame.organisation)),
        Paragraph::Text(words.say(
            "letter-reference",
            &Arguments::from([("reference".into(), held.reference.to_string().into())]),
        )),
    ];
    let own = frame.organisation.sentence.as_deref().map(display::visible);
    let own = own.map(Paragraph::Text);
    let subject = linkless(&held.subject);
    let subject = if subject.is_empty() {
        words.say("letter-subject-none", &Arguments::new())
    } else {
        words.say("letter-subject", &Arguments::from([("subject".into(), subject.into())]))
    };
    let mut builder = head(frame, &words, subject);
    if let Some(id) = threading(&held.message_id) {
        builder = builder.in_reply_to(id).references(id);
    }
    let [first, see, link, until, rest @ ..] = paragraphs;
    let paragraphs: Vec<Paragraph> =
        [first, see, link, until].into_iter().chain(own).chain(rest).collect();
    finish(builder, &words, &paragraphs)
}

/// The answer to "I lost my link": every held message with a fresh link.
pub(super) fn lost(frame: &Frame<'_>, all: &[(Held, String)]) -> Vec<u8> {
    let language = all.last().and_then(|(held, _)| held.language.as_deref());
    let words = words(frame, language);
    let count = Arguments::from([("count".into(), count(all.len()).into())]);
    let mut paragraphs = vec![
        Paragraph::Text(words.say("letter-lost", &count)),
        Paragraph::Text(words.say("letter-lost-see", &count)),
    ];
    for (held, link) in all {
        let arguments = Arguments::from([
            ("date".into(), words.date(held.received_at).into()),
            ("reference".into(), held.reference.to_string().into()),
        ]);
        paragraphs.push(Paragraph::Text(words.say("letter-lost-each", &arguments)));
        paragraphs.push(Paragraph::Link(link.clone()));
    }
    paragraphs.push(Paragraph::Text(words.say("letter-lost-ignore", &Arguments::new())));
    paragraphs.push(Paragraph::Text(contact(&words, frame.organisation)));
    let subject = words.say("letter-lost-subject", &Arguments::new());
    finish(head(frame, &words, subject), &words, &paragraphs)
}

pub(super) enum Paragraph {
    Text(String),
    Heading(String),
    /// A message in a digest.
    Message {
        subject: String,
        from: String,
        facts: String,
    },
    /// Labels with where they lead.
    Links(Vec<(String, String)>),
    /// On a line of its own.
    Link(String),
}

pub(super) fn words(frame: &Frame<'_>, wish: Option<&str>) -> Words {
    Words::choose(&[wish.unwrap_or_default(), &frame.organisation.language])
}

pub(super) fn head<'a>(frame: &Frame<'a>, words: &Words, subject: String) -> MessageBuilder<'a> {
    let name = display::visible(&frame.organisation.name);
    MessageBuilder::new()
        .from(Mailbox::new_address(Some(name), format!("notices@{}", frame.domain)))
        .to(Mailbox::new_address(None::<String>, frame.to.to_string()))
        .reply_to(Mailbox::new_address(
            None::<String>,
            frame.organisation.contact.postmaster.to_string(),
        ))
        .subject(subject)
        .date(Date::new(frame.now.as_second()))
        .message_id(format!("{}@{}", frame.id, frame.domain))
        // RFC 3834 section 5; the second asks Exchange for the same.
        .header("Auto-Submitted", Raw::new("auto-replied"))
        .header("X-Auto-Response-Suppress", Raw::new("All"))
        .header("Content-Language", Raw::new(words.tag()))
        .header(NOTICE_FIELD, Raw::new(frame.id.to_string()))
}

pub(super) fn finish(
    builder: MessageBuilder<'_>,
    words: &Words,
    paragraphs: &[Paragraph],
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4096);
    builder.text_body(text(paragraphs)).html_body(html(words, paragraphs)).serialize(&mut bytes);
    bytes
}

fn text(paragraphs: &[Paragraph]) -> String {
    let lines = paragraphs.iter().map(|paragraph| match paragraph {
        Paragraph::Text(text) | Paragraph::Heading(text) | Paragraph::Link(text) => text.clone(),
        Paragraph::Message { subject, from, facts } => {
            format!("* {subject}\r\n  {from}\r\n  {facts}")
        }
        Paragraph::Links(links) => {
            let lines = links.iter().map(|(label, link)| format!("  {label}: {link}"));
            lines.collect::<Vec<_>>().join("\r\n")
        }
    });
    lines.collect::<Vec<_>>().join("\r\n\r\n") + "\r\n"
}

/// As little HTML as shows the same: the link's text is the link, so that
/// nobody has to trust what it hides.
fn html(words: &Words, paragraphs: &[Paragraph]) -> String {
    let mut page = String::with_capacity(2048);
    page.push_str("<!DOCTYPE html>\r\n<html lang=\"");
    escape(&words.tag(), &mut page);
    page.push_str("\"><head><meta charset=\"utf-8\"></head>\r\n");
    page.push_str("<body style=\"font-family:sans-serif;line-height:1.5;max-width:36em\">\r\n");
    for paragraph in paragraphs {
        page.push_str("<p>");
        match paragraph {
            Paragraph::Text(text) => escape(text, &mut page),
            Paragraph::Heading(text) => {
                page.push_str("<strong>");
                escape(text, &mut page);
                page.push_str("</strong>");
            }
            Paragraph::Message { subject, from, facts } => {
                page.push_str("<strong>");
                escape(subject, &mut page);
                page.push_str("</strong><br>");
                escape(from, &mut page);
                page.push_str("<br>");
                escape(facts, &mut page);
            }
            Paragraph::Links(links) => {
                for (place, (label, link)) in links.iter().enumerate() {
                    page.push_str(if place == 0 { "<a href=\"" } else { " &#183; <a href=\"" });
                    escape(link, &mut page);
                    page.push_str("\">");
                    escape(label, &mut page);
                    page.push_str("</a>");
                }
            }
            Paragraph::Link(link) => {
                page.push_str("<a href=\"");
                escape(link, &mut page);
                page.push_str("\">");
                escape(link, &mut page);
                page.push_str("</a>");
            }
        }
        page.push_str("</p>\r\n");
    }
    page.push_str("</body></html>\r\n");
    page
}

fn escape(text: &str, into: &mut String) {
    for c in text.chars() {
        match c {
            '&' => into.push_str("&amp;"),
            '<' => into.push_str("&lt;"),
            '>' => into.push_str("&gt;"),
            '"' => into.push_str("&quot;"),
            '\'' => into.push_str("&#39;"),
            c => into.push(c),
        }
    }
}

/// "Your message to … has not been delivered yet": recipients that To or Cc
/// name, the rest as a number (ATTACKS L-28).
fn recipients(words: &Words, held: &Held) -> String {
    let waiting: Vec<_> = held.slots(State::Held).map(|slot| &held.recipients[slot]).collect();
    let names: Vec<String> = waiting
        .iter()
        .filter(|one| one.named && is_plain(one.address.local()))
        .take(NAMED)
        .map(|one| one.address.display())
        .collect();
    let others = waiting.len().max(1) - names.len();
    let arguments = Arguments::from([
        ("names".into(), names.join(", ").into()),
        ("named".into(), count(names.len()).into()),
        ("count".into(), count(others).into()),
    ]);
    let id = match (names.is_empty(), others) {
        (true, _) => "letter-waiting-hidden",
        (false, 0) => "letter-waiting-named",
        (false, _) => "letter-waiting-others",
    };
    words.say(id, &arguments)
}

/// A local part that carries no message of its own: a catch-all domain takes
/// every other one too.
fn is_plain(local: &str) -> bool {
    local.len() <= 40 && local.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-+".contains(&b))
}

pub(super) fn contact(words: &Words, organisation: &Organisation) -> String {
    let Contact { postmaster, telephone, hours } = &organisation.contact;
    let mut parts = vec![organisation.name.clone(), postmaster.display()];
    parts.extend(telephone.clone().map(|number| match hours {
        Some(hours) => format!("{number} ({hours})"),
        None => number,
    }));
    let parts = display::visible(&parts.join(" · "));
    words.say("letter-contact", &Arguments::from([("contact".into(), parts.into())]))
}

/// His subject, without control characters and without anything that a mail
/// program would make a link of (ATTACKS B-06).
pub(super) fn linkless(subject: &str) -> String {
    let clean: String = subject
        .chars()
        .map(|c| if display::is_invisible(c) || c.is_whitespace() { ' ' } else { c })
        .collect();
    let words: Vec<&str> = clean
        .split_whitespace()
        .map(|word| if is_linkable(word) { "[...]" } else { word })
        .collect();
    display::excerpt(&words.join(" "), SUBJECT_CHARS)
}

/// Whether a word looks like a URL, a host or an address: a scheme, an @, or a
/// dot between letters. Rather one word too many.
fn is_linkable(word: &str) -> bool {
    // Full-width and ideographic stops are dots to IDNA (RFC 3490 section 3.1).
    let word: String = word
        .chars()
        .map(|c| if matches!(c, '\u{3002}' | '\u{ff0e}' | '\u{ff61}') { '.' } else { c })
        .collect();
    let lower = word.to_lowercase();
    let schemes = ["://", "www.", "@", "mailto:", "tel:", "javascript:", "data:", "＠", "：//"];
    let dotted = || {
        let labels: Vec<&str> = lower.split('.').collect();
        labels.windows(2).any(|pair| {
            let before = pair[0].chars().next_back().is_some_and(char::is_alphanumeric);
            let behind = pair[1].chars().take(2).filter(|c| c.is_alphabetic()).count();
            before && behind == 2
        })
    };
    schemes.iter().any(|scheme| lower.contains(scheme)) || dotted()
}

/// A Message-ID that may be quoted (RFC 5322 section 3.6.4): without its
/// angle brackets.
fn threading(id: &str) -> Option<&str> {
    let id = id.trim().trim_start_matches('<').trim_end_matches('>');
    let sane = id.len() <= 250
        && id.contains('@')
        && id.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"\\(),;".contains(&b));
    sane.then_some(id)
}

pub(super) fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::directory::sample::organisation;
    use crate::mail::Message;
    use crate::quarantine::sample;

    proptest! {
        /// Whatever the mail says of itself, the letter has our fields once,
        /// and no line that SMTP would read differently.
        #[test]
        fn no_text_of_his_breaks_the_letter(
            subject in ".{0,120}|(\\PC|\r|\n|\x00){0,80}",
            id in ".{0,60}|<[!-~]{1,300}@[!-~]{1,20}>",
            language in ".{0,20}",
            local in "[a-z!#$%&'*/=?^_`{|}~.-]{1,30}",
        ) {
            let now = Timestamp::from_second(1_800_000_000).unwrap();
            let mut held = sample::held(&["anna@ours.example"], now);
            (held.subject, held.message_id, held.language) = (subject, id, Some(language));
            let written = format!("{local}@ours.example");
            if let Ok(address) = Address::parse(&written) {
                held.recipients[0].address = address;
            }
            let domain = Domain::parse("notice.example").unwrap();
            let to = Address::parse("\"a b\"@far.example").unwrap();
            let organisation = organisation("ours");
            let id = Uuid::from_u128(7);
            let frame = Frame { id, now, domain: &domain, organisation: &organisation, to: &to };
            let bytes = waiting(&frame, &held, "https://mail.example/r/token");
            let text = String::from_utf8(bytes.clone()).unwrap();
            prop_assert!(text.is_ascii(), "7bit");
            let stripped = text.replace("\r\n", "");
            prop_assert!(!stripped.contains(['\r', '\n', '\0']));
            prop_assert!(text.split("\r\n").all(|line| line.len() <= 998));
            let letter = Message::new(bytes.into());
            for name in ["From", "To", "Subject", "Reply-To", "Auto-Submitted", "Message-ID"] {
                prop_assert_eq!(letter.all(name).count(), 1, "{}", name);
            }
            prop_assert!(letter.fields().count() <= 15);
            prop_assert!(!letter.has("Bcc") && !letter.has("Cc"));
            prop_assert!(letter.text("Subject").unwrap().chars().count() <= 100);
        }
    }

    #[test]
    fn b_06_no_link_is_made_of_his_subject() {
        for (subject, ours) in [
            ("Offer for the roof repair", "Offer for the roof repair"),
            ("Q3: 1.5 % up. See you...", "Q3: 1.5 % up. See you..."),
            ("buy https://evil.example/x now", "buy [...] now"),
            ("buy at evil.example!", "buy at [...]"),
            ("EVIL.Example", "[...]"),
            ("evil。example", "[...]"),
            ("mail me@evil", "mail [...]"),
            ("www.evil", "[...]"),
            ("a\r\nBcc: x", "a Bcc: x"),
            ("\u{202e}gpj.exe", "[...]"),
            ("ev\u{200b}il", "ev il"),
            ("", ""),
        ] {
            assert_eq!(linkless(subject), ours, "{subject:?}");
        }
        assert_eq!(linkless(&"ä".repeat(100)).chars().count(), 61);
    }

    #[test]
    fn only_a_sane_message_id_is_quoted() {
        assert_eq!(threading("<a.b@c>"), Some("a.b@c"));
        assert_eq!(threading("a b@c"), None);
        assert_eq!(threading("a@c>\r\nBcc: x@y"), None);
        assert_eq!(threading("ä@c"), None);
        assert_eq!(threading(""), None);
        assert_eq!(threading(&format!("{}@c", "a".repeat(300))), None);
    }
}

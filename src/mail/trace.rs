//! Our own trace: the `Received:` field, and how it is found again in a loop.
//!
//! RFC 5321 section 4.4. Our lines say `by <host> (Reprieve)`. Nothing that a
//! client says (HELO, addresses) can end the line or write another one's
//! clauses: what is no host name or literal is replaced character by character.

use std::fmt::Write;
use std::net::IpAddr;

use jiff::fmt::rfc2822::DateTimePrinter;

use crate::clock::Timestamp;
use crate::mail::{Address, Envelope, Message};

/// The program's name in the comment behind `by`.
const PROGRAM: &str = "Reprieve";
/// So many of our own lines are a loop, whoever the recipients are.
const OURS: usize = 6;
/// Longest name that is quoted from a client (RFC 5321 section 4.5.3.1.2).
const NAME_CHARS: usize = 255;

/// The field that goes in front of a message, CRLF ended. `for` names the
/// recipient only if there is exactly one, so that no Bcc is told.
pub fn received(envelope: &Envelope, host: &str) -> String {
    let client = &envelope.client;
    let mut field = format!("Received: from {} (", name(&client.helo));
    match (&client.name, client.ip.to_canonical()) {
        (Some(name_of), _) => write!(field, "{} ", name(name_of)),
        (None, _) => write!(field, "unknown "),
    }
    .and_then(|()| match client.ip.to_canonical() {
        IpAddr::V4(ip) => write!(field, "[{ip}])"),
        IpAddr::V6(ip) => write!(field, "[IPv6:{ip}])"),
    })
    .and_then(|()| write!(field, "\r\n\tby {} ({PROGRAM})", name(host)))
    .and_then(|()| write!(field, "\r\n\twith {} id {}", with(envelope), name(&envelope.session_id)))
    .expect("a string takes every character");
    if let [only] = &envelope.rcpt_to[..]
        && is_quotable(&only.address)
    {
        field.push_str("\r\n\tfor <");
        field.push_str(&only.address.to_string());
        field.push('>');
    }
    field.push_str(";\r\n\t");
    field.push_str(&date(envelope.received_at));
    field.push_str("\r\n");
    field
}

/// A time as RFC 5322 section 3.3 writes it, in UTC.
pub fn date(at: Timestamp) -> String {
    let printed = DateTimePrinter::new().timestamp_to_string(&at);
    // A year that RFC 5322 cannot write (before 0) is told as the epoch.
    let printed = printed.unwrap_or_else(|_| "Thu, 1 Jan 1970 00:00:00 -0000".to_owned());
    // "-0000" would say that the local zone is unknown; ours is UTC.
    printed.replace("-0000", "+0000")
}

/// Whether the message was here before: for one of these recipients, or six
/// times for anybody (RFC 5321 section 6.3).
pub fn loops<'a>(
    message: &Message,
    host: &str,
    recipients: impl Iterator<Item = &'a Address>,
) -> bool {
    let host = name(host);
    let ours: Vec<Line> =
        message.all("Received").filter_map(|value| Line::read(value, &host)).collect();
    ours.len() >= OURS
        || !ours.is_empty()
            && recipients.map(Address::canonical).any(|recipient| {
                ours.iter().any(|line| line.recipient.as_ref() == Some(&recipient))
            })
}

/// One of our own lines.
struct Line {
    recipient: Option<Address>,
}

impl Line {
    /// Reads what [`received`] writes; anything else is somebody else's.
    fn read(value: &[u8], host: &str) -> Option<Self> {
        let text = std::str::from_utf8(value.get(..value.len().min(4096))?).ok()?;
        let text = text.replace("\r\n", "");
        // No clause before this one can hold a parenthesis of its own.
        let (_, rest) = text.split_once(")\tby ").or_else(|| text.split_once(") by "))?;
        let (by, rest) = rest.split_once(' ')?;
        let rest = rest.strip_prefix('(')?.strip_prefix(PROGRAM)?.strip_prefix(')')?;
        if !by.eq_ignore_ascii_case(host) {
            return None;
        }
        let path = rest.split_once("for <").and_then(|(_, path)| path.rsplit_once(">;"));
        let address = path.and_then(|(path, _)| Address::parse_utf8(path).ok());
        Some(Self { recipient: address.map(|address| address.canonical()) })
    }
}

/// RFC 3848 and RFC 6531 section 4.3.
fn with(envelope: &Envelope) -> &'static str {
    match (envelope.smtputf8, envelope.client.esmtp, envelope.client.tls.is_some()) {
        (true, _, true) => "UTF8SMTPS",
        (true, _, false) => "UTF8SMTP",
        (false, _, true) => "ESMTPS",
        (false, true, false) => "ESMTP",
        (false, false, false) => "SMTP",
    }
}

/// A host name, literal or id as it may stand in the field: letters, digits
/// and `.-_:[]`; everything else is `?`.
fn name(text: &str) -> String {
    let good = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
    let clean: String =
        text.chars().take(NAME_CHARS).map(|c| if good(c) { c } else { '?' }).collect();
    if clean.is_empty() { "unknown".to_owned() } else { clean }
}

/// Whether an address reads the same to everybody inside a trace field.
fn is_quotable(address: &Address) -> bool {
    !address.local().contains(['"', '(', ')', '<', '>', ';', '\\'])
        && !address.local().contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mail::{Client, Recipient, ReversePath};

    fn envelope(helo: &str, to: &[&str]) -> Envelope {
        let recipient = |to: &&str| Recipient {
            address: Address::parse_utf8(to).unwrap(),
            raw: (*to).to_owned(),
        };
        Envelope {
            client: Client {
                ip: "192.0.2.7".parse().unwrap(),
                name: None,
                helo: helo.to_owned(),
                tls: None,
                esmtp: true,
            },
            authenticated: None,
            mail_from: ReversePath::Null,
            rcpt_to: to.iter().map(recipient).collect(),
            eight_bit: false,
            smtputf8: false,
            received_at: "2026-11-23T01:02:03Z".parse().unwrap(),
            session_id: "s1-2".to_owned(),
        }
    }

    fn message(head: &str) -> Message {
        Message::new(format!("{head}Subject: x\r\n\r\nbody\r\n").into_bytes().into())
    }

    fn goes_round(head: &str, to: &str) -> bool {
        let to = Address::parse_utf8(to).unwrap();
        loops(&message(head), "mx.ours", std::iter::once(&to))
    }

    #[test]
    fn the_field_is_as_rfc_5321_has_it() {
        let mut one = envelope("far.example", &["b@ours.example"]);
        assert_eq!(
            received(&one, "mx.ours"),
            "Received: from far.example (unknown [192.0.2.7])\r\n\
             \tby mx.ours (Reprieve)\r\n\twith ESMTP id s1-2\r\n\tfor <b@ours.example>;\r\n\
             \tMon, 23 Nov 2026 01:02:03 +0000\r\n"
        );
        one.client.ip = "2001:db8::1".parse().unwrap();
        one.client.name = Some("a.example".to_owned());
        one.client.tls = Some("TLS1.3".to_owned());
        let field = received(&one, "mx.ours");
        assert!(field.contains("(a.example [IPv6:2001:db8::1])\r\n"), "{field}");
        assert!(field.contains("with ESMTPS id"), "{field}");
    }

    #[test]
    fn several_recipients_are_not_named() {
        let field = received(&envelope("x", &["a@ours.example", "b@ours.example"]), "mx.ours");
        assert!(!field.contains("for <"), "{field}");
    }

    #[test]
    fn s_38_our_own_line_for_the_same_recipient_is_a_loop() {
        let head = received(&envelope("x", &["B@ours.example"]), "mx.ours");
        assert!(goes_round(&head, "b@ours.example"));
        assert!(!goes_round(&head, "c@ours.example"));
        assert!(!goes_round(&head.replace("mx.ours", "mx.other"), "b@ours.example"));
        assert!(!goes_round(&head.replace("Reprieve", "Postfix"), "b@ours.example"));
    }

    #[test]
    fn s_38_six_of_ours_are_a_loop_and_five_are_none() {
        let head = received(&envelope("x", &["b@ours.example"]), "mx.ours");
        assert!(!goes_round(&head.repeat(5), "c@ours.example"));
        assert!(goes_round(&head.repeat(6), "c@ours.example"));
    }

    #[test]
    fn a_line_refolded_on_its_way_is_still_ours() {
        let head = received(&envelope("x", &["b@ours.example"]), "mx.ours");
        let flat = head.trim_end().replace("\r\n\t", " ") + "\r\n";
        assert!(goes_round(&flat, "b@ours.example"));
    }

    proptest! {
        #[test]
        fn nothing_injected_breaks_the_field(
            helo in "\\PC*|[\r\n\t ():;<>\\[\\]a-z.]*", name in "\\PC*|[\r\n\t ();]*",
            id in "\\PC{0,20}",
        ) {
            let mut one = envelope(&helo, &["b@ours.example"]);
            one.client.name = Some(name);
            one.session_id = id;
            let head = received(&one, "mx.ours");
            let message = message(&head);
            let fields: Vec<_> = message.fields().collect();
            prop_assert_eq!(fields.len(), 2);
            prop_assert!(head.is_ascii() && head.lines().all(|line| line.len() <= 998));
            prop_assert_eq!(head.matches("(Reprieve)").count(), 1);
            prop_assert!(goes_round(&head, "b@ours.example"));
            prop_assert!(!goes_round(&head, "c@ours.example"));
        }

        #[test]
        fn every_date_is_read_again(second in -62_135_596_800_i64..253_402_300_799) {
            let at = Timestamp::from_second(second).unwrap();
            let read = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date(at));
            prop_assert_eq!(read.unwrap(), at);
        }
    }
}

//! From against the espoofer forms, ordinary names and random headers.

use mail_parser::MessageParser;
use proptest::prelude::*;

use super::{Address, FromHeader, Message};

fn read(header: &str) -> FromHeader {
    Message::new(format!("{header}\r\nSubject: x\r\n\r\nbody\r\n").into_bytes().into()).from()
}

fn single(value: &str) -> Option<String> {
    read(&format!("From: {value}")).address().map(ToString::to_string)
}

#[test]
fn ordinary_forms_have_one_address() {
    for value in [
        "a@b.example",
        "<a@b.example>",
        "Anna B <a@b.example>",
        "\"B, Anna\" <a@b.example>",
        "\"Anna \\\"A\\\" B\" <a@b.example>",
        "\"anna@private.example\" <a@b.example>",
        "Anna (Work) <a@b.example>",
        "a@b.example (Anna B)",
        "Anna B <a@b.example> (Work)",
        "=?utf-8?q?Anna_=C3=84?= <a@b.example>",
        "=?utf-8?b?QiwgQW5uYQ==?= <a@b.example>",
        "Änna <a@b.example>",
        "J. R. Doe <a@b.example>",
        "Anna\r\n B\r\n\t<a@b.example>",
        "a@B.Example",
    ] {
        assert_eq!(single(value).as_deref(), Some("a@b.example"), "{value}");
    }
    // Japanese telephones had such addresses.
    assert_eq!(single("<\"a..\"@b.example>").as_deref(), Some("\"a..\"@b.example"));
}

#[test]
fn i_06_several_from_fields() {
    assert_eq!(read("From: a@legit\r\nFrom: b@attack"), FromHeader::Ambiguous);
    assert_eq!(read("From: a@legit\r\nFROM: a@legit"), FromHeader::Ambiguous);
    assert_eq!(read("From: a@legit\r\nfrom : b@attack"), FromHeader::Ambiguous);
}

#[test]
fn i_06_names_that_some_parsers_take_for_from() {
    for header in [
        " From: a@legit\r\nFrom: b@attack",
        "From : a@legit",
        "From\t: a@legit",
        "From\r\n : a@legit",
        "From\r\n : a@legit\r\nFrom: b@attack",
        "Fr om: a@legit\r\nFrom: b@attack",
        ":From: a@legit\r\nFrom: b@attack",
        "From: b@attack\r\n: :From: a@legit",
        "\0From: a@legit\r\nFrom: b@attack",
        "From\u{a0}: a@legit\r\nFrom: b@attack",
        "X: y\r\n \r\nFrom: b@attack",
        "From: a@legit\r\nno field\r\n From: b@attack",
        "From: a@legit\r\n:x\r\n From: b@attack",
        "From: a@legit\r\nno field\r\n :From: b@attack",
        "no field\r\nFrom: b@attack",
        "X: y\rFrom: a@legit\r\nFrom: b@attack",
        "X: y\nFrom: a@legit\r\nFrom: b@attack",
        "From: b@attack\r\nX: \0",
    ] {
        assert_eq!(read(header), FromHeader::Ambiguous, "{header:?}");
    }
}

#[test]
fn i_06_other_fields_are_no_from() {
    assert_eq!(read("Sender: a@legit"), FromHeader::Missing);
    assert_eq!(read("Resent-From: a@legit"), FromHeader::Missing);
    assert_eq!(read("X-From: a@legit"), FromHeader::Missing);
    assert_eq!(read(""), FromHeader::Missing);
}

#[test]
fn i_06_values_that_parsers_read_differently() {
    for value in [
        "a@legit, b@attack",
        "=?utf-8?b?PGFkbWluQGxlZ2l0Pg==?=<b@attack>",
        "=?utf-8?b?PGFAbGVnaXQ+LA==?=, <b@attack>",
        "=?utf-8?q?a@legit,?= <b@attack>",
        "=?utf-8?q?<a@legit>?= <b@attack>",
        "=?utf-8?q?Anna?=a@legit",
        "<@a,@b:admin@legit>",
        "<admin@legit>\\,<x@attack>",
        "admin@legit,<x@attack>",
        "<x@attack>admin@legit",
        "<x@attack> admin@legit",
        "admin@legit <x@attack>",
        "<admin@legit> <x@attack>",
        "<<x@attack>>",
        "\"<admin@legit>\" <x@attack>",
        "\"admin@legit <x@attack>",
        "(admin@legit) <x@attack>",
        "x@attack (<admin@legit>)",
        "(a (b)) <x@attack>",
        "group: a@legit;",
        "group:;",
        "<a@legit@attack>",
        "<\"a@legit\"@attack>",
        "<\"a:\"@legit>",
        "<\" \"@legit>",
        "\"a\"@legit",
        "<a @legit>",
        "< a@legit >",
        "a@[192.0.2.1]",
        "a",
        "",
        "<>",
        "Anna\r\n \r\n <a@legit>",
        "An\u{7}na <a@legit>",
    ] {
        assert_eq!(read(&format!("From: {value}")), FromHeader::Ambiguous, "{value:?}");
    }
    let raw = |value: &[u8]| {
        let message = [b"From: ", value, b"\r\n\r\n"].concat();
        Message::new(message.into()).from()
    };
    let legit = FromHeader::Single(Address::parse("a@legit").unwrap());
    assert_eq!(raw(b"\xe4 <a@legit>"), legit);
    assert_eq!(raw(b"\"Nils \xe4\" <a@legit>"), legit);
    for value in [&b"<\xe4@legit>"[..], b"\xe4a@legit", b"a@l\xe4git", b"\xe4<b@attack> <a@legit>"]
    {
        assert_eq!(raw(value), FromHeader::Ambiguous, "{value:?}");
    }
    assert_eq!(read(&format!("From: {} <a@legit>", "x".repeat(5000))), FromHeader::Ambiguous);
}

/// How much of real mail has one plain From; prints the others.
#[test]
#[ignore = "needs a folder of real mail in REPRIEVE_CORPUS"]
fn real_mail_has_one_from() {
    let folder = std::path::PathBuf::from(std::env::var("REPRIEVE_CORPUS").unwrap());
    for kind in ["ham", "hard_ham", "spam"] {
        let (mut single, mut missing, mut ambiguous) = (0, 0, 0);
        let mut open = vec![folder.join(kind)];
        while let Some(path) = open.pop() {
            if path.is_dir() {
                open.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
                continue;
            }
            let mut bytes = Vec::new();
            let text = std::fs::read(path).unwrap();
            // The folder's files are mbox entries: a first line that is no field.
            let start =
                text.iter().position(|b| *b == b'\n').filter(|_| text.starts_with(b"From "));
            for line in text[start.map_or(0, |at| at + 1)..].split(|b| *b == b'\n') {
                bytes.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
                bytes.extend_from_slice(b"\r\n");
            }
            let message = Message::new(bytes.into());
            message.to_and_cc();
            match message.from() {
                FromHeader::Single(_) => single += 1,
                FromHeader::Missing => missing += 1,
                FromHeader::Ambiguous => {
                    ambiguous += 1;
                    let value = message.all("From").next().unwrap_or_default();
                    println!("{kind}: {}", value.escape_ascii());
                }
            }
        }
        println!("{kind}: {single} single, {missing} missing, {ambiguous} ambiguous");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Where we see one address, mail-parser sees the same one and no other.
    #[test]
    fn a_parser_agrees_on_a_single_from(tokens in prop::collection::vec(prop::sample::select(vec![
        "From:", "from :", "\r\nFrom: ", "\r\n ", "\r\n", " ", "a@legit", "<b@attack>", "<a@legit>", ",", ";",
        ":", "(", ")", "\"", "\\", "Anna", "=?utf-8?q?<a@legit>?=", "=?utf-8?q?Anna?=", "Sender: x@y\r\n", "@", "ü", "\0",
    ]), 0..12)) {
        let message = Message::new(format!("From: {}\r\n\r\n", tokens.concat()).into_bytes().into());
        if let FromHeader::Single(address) = message.from() {
            let parsed = MessageParser::default().parse(&message.bytes()[..]).unwrap();
            let others: Vec<_> =
                parsed.from().unwrap().iter().filter_map(|one| one.address()).collect();
            prop_assert_eq!(others.len(), 1);
            prop_assert_eq!(Address::parse_utf8(others[0]), Ok(address));
        }
    }

    #[test]
    fn any_header_is_read(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut header = b"From: ".to_vec();
        header.extend(bytes);
        let message = Message::new(header.into());
        message.from();
        message.from_display();
        message.to_and_cc();
        message.text("From");
        message.message_id();
        message.fields().count();
    }
}

//! The prescan against the catalogue's bombs, ordinary mail, and a real
//! parser: mail-parser must never see more than the prescan counted.

use mail_parser::{MessageParser, PartType};
use proptest::prelude::*;

use super::{Limit, Limits, Scan, Stray, scan};

fn scanned(message: impl AsRef<[u8]>) -> Scan {
    scan(message.as_ref(), &Limits::default())
}

/// Parts and depth as mail-parser sees them.
fn parsed(message: &[u8]) -> (usize, usize) {
    fn count(message: &mail_parser::Message<'_>) -> (usize, usize) {
        let mut parts = message.parts.len();
        let mut depth = 0;
        for part in &message.parts {
            if let PartType::Message(nested) = &part.body {
                let (inner, below) = count(nested);
                parts += inner;
                depth = depth.max(below + 1);
            }
        }
        (parts, depth)
    }
    MessageParser::default().parse(message).map_or((0, 0), |message| count(&message))
}

fn crlf(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into_bytes()
}

#[test]
fn ordinary_mail_is_counted() {
    let message = crlf(
        "Received: by a\nReceived: by b\nSubject: x\nContent-Type: multipart/mixed;\n boundary=\"b\"\n\n\
         preamble\n--b\nContent-Type: text/plain\n\nhello\n--b\nContent-Type: multipart/alternative; boundary=c\n\n\
         --c\n\none\n--c\n\ntwo\n--c--\n--b\nContent-Type: message/rfc822\n\nSubject: inner\n\nbody\n--b--\nepilogue\n",
    );
    let scan = scanned(&message);
    assert_eq!(scan.received_count, 2);
    assert_eq!(scan.header_count, 4);
    assert_eq!(scan.depth, 2);
    assert!((7..=10).contains(&scan.parts), "{scan:?}");
    assert_eq!((scan.tripped, scan.stray), (None, None));
    let header = message.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 2;
    assert_eq!(scan.header_bytes, header);
}

#[test]
fn the_samples_trip_nothing() {
    for (text, depth) in [
        (include_str!("../../../tests/mail/digest.eml"), 4),
        (include_str!("../../../tests/mail/forwarded.eml"), 3),
        (include_str!("../../../tests/mail/bounce.eml"), 1),
    ] {
        let message = crlf(text);
        let scan = scanned(&message);
        let (parts, nested) = parsed(&message);
        assert_eq!((scan.tripped, scan.stray), (None, None), "{text}");
        assert_eq!(scan.depth, depth, "{text}");
        assert!(parts <= scan.parts && scan.parts <= 20 && nested <= scan.depth, "{scan:?}");
    }
}

#[test]
fn siblings_do_not_add_depth() {
    let mut text = String::from("Content-Type: multipart/digest; boundary=b\n\n");
    for _ in 0..200 {
        text += "--b\n\nSubject: one\nContent-Type: multipart/mixed; boundary=in\n\n--in\n\nx\n--in--\n";
    }
    text += "--b--\n";
    let scan = scanned(crlf(&text));
    assert_eq!(scan.depth, 3);
    assert_eq!(scan.tripped, None, "{scan:?}");
}

#[test]
fn s_01_stray_bytes() {
    for (text, stray) in [
        (&b"A: b\r\n\r\nx\n.\r\n"[..], Some(Stray::BareLf)),
        (b"\nA: b\r\n\r\n", Some(Stray::BareLf)),
        (b"A: b\r\n\r\nx\r.\r\n\n", Some(Stray::BareCr)),
        (b"A: b\r\n\r\nx\r", Some(Stray::BareCr)),
        (b"A: b\r\n\r\n\r\r\n\0", Some(Stray::BareCr)),
        (b"A: b\r\n\r\n\0\r\r\n", Some(Stray::Nul)),
        (b"A: b\r\n\r\nx\r\n", None),
        (b"", None),
    ] {
        assert_eq!(scanned(text).stray, stray, "{}", text.escape_ascii());
    }
}

#[test]
fn i_01_nested_messages() {
    let bomb = "Content-Type: message/rfc822\r\n\r\n".repeat(35_000);
    assert_eq!(scanned(&bomb).tripped, Some(Limit::Depth));
}

#[test]
fn i_01_nested_messages_inside_base64() {
    use base64::Engine;
    let inner = "Content-Type: message/rfc822\r\n\r\n".repeat(35_000);
    let encoded = base64::engine::general_purpose::STANDARD.encode(inner);
    let bomb = format!(
        "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n{encoded}\r\n"
    );
    assert_eq!(scanned(&bomb).tripped, Some(Limit::Depth));
}

#[test]
fn i_02_siblings_and_nested_multiparts() {
    let mut siblings = String::from("Content-Type: multipart/mixed; boundary=b\r\n\r\n");
    siblings += &"--b\r\n\r\n".repeat(1_170_000);
    assert_eq!(scanned(&siblings).tripped, Some(Limit::Parts));

    // One line, as mail-parser finds boundaries anywhere.
    let mut line = String::from("Content-Type: multipart/mixed; boundary=b\r\n\r\n");
    line += &"x--b".repeat(1_000_000);
    assert_eq!(scanned(&line).tripped, Some(Limit::Parts));

    let mut nested = String::new();
    for level in 0..100_000 {
        nested += &format!("Content-Type: multipart/mixed; boundary={level}\r\n\r\n--{level}\r\n");
    }
    assert_eq!(scanned(&nested).tripped, Some(Limit::Depth));
}

#[test]
fn i_03_expensive_fields() {
    let wide = Limits { header_bytes: 20 << 20, ..Limits::default() };
    let mut continuations = String::from("Content-Type: text/plain");
    for at in 0..500_000 {
        continuations += &format!(";\r\n a*{at}=x");
    }
    for bomb in [
        continuations,
        format!("Subject: {}\r\n\r\n", "=?utf-8?q?a?=".repeat(800_000)),
        format!("To: {}\r\n\r\n", "a@b,".repeat(2_500_000)),
        format!("To: {}\r\n\r\n", "(".repeat(5_000_000)),
    ] {
        assert_eq!(scan(bomb.as_bytes(), &wide).tripped, Some(Limit::Complexity));
        assert_eq!(scanned(&bomb).tripped, Some(Limit::HeaderBytes));
    }
}

#[test]
fn i_04_many_headers_and_a_large_block() {
    assert_eq!(scanned("A: b\r\n".repeat(10_000)).tripped, Some(Limit::HeaderCount));
    assert_eq!(scanned("A: b\r\n".repeat(100_000)).tripped, Some(Limit::HeaderCount));
    let block = format!("A: {}\r\n\r\n", "x".repeat(1 << 20));
    assert_eq!(scanned(block).tripped, Some(Limit::HeaderBytes));
    assert_eq!(scanned(vec![b'x'; (25 << 20) + 1]).tripped, Some(Limit::Size));
}

#[test]
fn limits_are_exact() {
    let limits = Limits { header_count: 3, depth: 1, ..Limits::default() };
    assert_eq!(scan(b"A: b\r\nA: b\r\nA: b\r\n\r\n", &limits).tripped, None);
    let four = scan(b"A: b\r\nA: b\r\nA: b\r\nA: b\r\n\r\n", &limits);
    assert_eq!(four.tripped, Some(Limit::HeaderCount));
    let one = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n";
    assert_eq!(scan(one, &limits).tripped, None);
}

#[test]
fn boundaries_are_read_as_anybody_might() {
    for header in [
        "Content-Type: multipart/mixed; boundary=\"b c\"",
        "content-type:multipart/MIXED;BOUNDARY = \"b\\ c\"",
        "Content-Type : multipart/mixed;\r\n x=y;\r\n\tboundary=\r\n \"b c\"",
        "Con tent-Type: multipart/mixed; boundary=b c",
        ": :Content-Type: multipart/mixed; boundary=b c",
        "X: y\r\nContent-Type: (x) multipart/mixed; boundary=b; boundary=\"b c\"",
    ] {
        let message = format!("{header}\r\n\r\n--b c\r\n\r\nx\r\n--b c\r\n\r\ny\r\n--b c--\r\n");
        assert!(scanned(&message).parts >= 3, "{header}: {:?}", scanned(&message));
    }
    let odd = "Content-Type: multipart/mixed; boundary*0=b; boundary*1=c\r\n\r\n";
    assert_eq!(scanned(odd).tripped, Some(Limit::Complexity));
}

/// Every file of the folder in `REPRIEVE_CORPUS`: real mail trips nothing.
#[test]
#[ignore = "needs a folder of real mail in REPRIEVE_CORPUS"]
fn real_mail_trips_nothing() {
    fn files(path: std::path::PathBuf, found: &mut Vec<std::path::PathBuf>) {
        if path.is_dir() {
            for entry in std::fs::read_dir(path).unwrap() {
                files(entry.unwrap().path(), found);
            }
        } else {
            found.push(path);
        }
    }
    let mut found = Vec::new();
    files(std::env::var("REPRIEVE_CORPUS").unwrap().into(), &mut found);
    let (mut deepest, mut most) = (0, 0);
    for file in &found {
        let text = std::fs::read(file).unwrap();
        let text = String::from_utf8_lossy(&text).replace("\r\n", "\n").replace('\n', "\r\n");
        let scan = scanned(&text);
        let (parts, depth) = parsed(text.as_bytes());
        if scan.tripped.is_some() || parts > scan.parts || depth > scan.depth {
            println!("{}: {scan:?}, mail-parser {parts} parts, {depth} deep", file.display());
        }
        deepest = deepest.max(scan.depth);
        most = most.max(scan.parts);
    }
    println!("{} files, depth at most {deepest}, parts at most {most}", found.len());
}

/// Text that is likely to be MIME, and likely to be broken.
fn mime() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "\r\n",
        "\r\n",
        "\r\n\r\n",
        "\n",
        " ",
        "--",
        "-",
        "a",
        "b",
        "--a",
        "--b",
        "--a--",
        "--b--",
        "\r\n--a\r\n",
        "\r\n--b\r\n",
        "\r\n--a--\r\n",
        "\r\n--b--\r\n",
        "\r\n--a\r\n\r\n",
        "Content-Type: ",
        "content-type:",
        "Content-Type : ",
        ":Content-Type:",
        "multipart/mixed",
        "multipart/digest",
        "message/rfc822",
        "message/global",
        "; boundary=a",
        "; boundary=\"b\"",
        ";boundary=\"--a\"",
        "; boundary=a b",
        "\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n",
        "\r\nContent-Type: multipart/digest; boundary=\"b\"\r\n\r\n--b\r\n\r\n",
        "\r\nContent-Type: message/rfc822\r\n\r\n",
        "\r\nContent-Transfer-Encoding: base64\r\n",
        "\r\nContent-Transfer-Encoding: quoted-printable\r\n",
        "Q29udGVudC1UeXBlOiBtZXNzYWdlL3JmYzgyMg0KDQpBOiBiDQoNCmM=",
        "Subject: x\r\n",
        "(",
        ")",
        "\"",
        "\\",
        ";",
        "=",
        "*",
        "=?utf-8?q?a?=",
    ]);
    prop::collection::vec(token, 0..60).prop_map(|tokens| tokens.concat())
}

/// A sound MIME structure.
#[derive(Clone, Debug)]
enum Part {
    Text(&'static str),
    Message(Box<Part>),
    Multipart(Vec<Part>),
}

fn part() -> impl Strategy<Value = Part> {
    let bodies = vec!["", "hello\r\n", "--\r\nsignature\r\n", "-----\r\nContent-Type: a\r\n"];
    let text = prop::sample::select(bodies).prop_map(Part::Text);
    text.prop_recursive(5, 30, 5, |inner| {
        prop_oneof![
            inner.clone().prop_map(|part| Part::Message(Box::new(part))),
            prop::collection::vec(inner, 1..5).prop_map(Part::Multipart),
        ]
    })
}

impl Part {
    fn depth(&self) -> usize {
        match self {
            Self::Text(_) => 0,
            Self::Message(inner) => 1 + inner.depth(),
            Self::Multipart(parts) => 1 + parts.iter().map(Self::depth).max().unwrap_or(0),
        }
    }

    fn write(&self, out: &mut String, boundaries: &mut usize) {
        match self {
            Self::Text(text) => *out += &format!("Content-Type: text/plain\r\n\r\n{text}"),
            Self::Message(inner) => {
                *out += "Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n";
                inner.write(out, boundaries);
            }
            Self::Multipart(parts) => {
                // Boundaries that begin like each other.
                let boundary = format!("--=_{}", "x".repeat(*boundaries));
                *boundaries += 1;
                *out += &format!("Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n");
                for part in parts {
                    *out += &format!("\r\n--{boundary}\r\n");
                    part.write(out, boundaries);
                }
                *out += &format!("\r\n--{boundary}--\r\n");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// However broken the structure is, what a parser makes of it is bounded
    /// by the limits.
    #[test]
    fn broken_mail_is_bounded_for_a_parser(message in mime()) {
        let limits = Limits { parts: 8, depth: 3, ..Limits::default() };
        let scan = scan(message.as_bytes(), &limits);
        if scan.tripped.is_none() {
            let (parts, depth) = parsed(message.as_bytes());
            prop_assert!(parts <= 2 * limits.parts && depth <= 2 * limits.parts,
                "{parts} parts, {depth} deep, {scan:?}");
        }
    }

    #[test]
    fn a_parser_never_sees_more_in_sound_mail(part in part()) {
        let mut message = String::new();
        part.write(&mut message, &mut 0);
        let scan = scanned(&message);
        let (parts, nested) = parsed(message.as_bytes());
        prop_assert_eq!(scan.tripped, None);
        prop_assert_eq!(scan.depth, part.depth(), "{}", message);
        prop_assert!(parts <= scan.parts && nested <= scan.depth, "{parts} parts, {scan:?}");
    }

    #[test]
    fn any_bytes_are_scanned(message in prop::collection::vec(any::<u8>(), 0..2000)) {
        scanned(&message);
    }

    #[test]
    fn strays_are_what_a_slow_reader_finds(message in "[\r\n\0x]{0,12}") {
        let bytes = message.as_bytes();
        let slow = (0..bytes.len()).find_map(|at| match bytes[at] {
            0 => Some(Stray::Nul),
            b'\r' if bytes.get(at + 1) != Some(&b'\n') => Some(Stray::BareCr),
            b'\n' if at == 0 || bytes[at - 1] != b'\r' => Some(Stray::BareLf),
            _ => None,
        });
        prop_assert_eq!(scanned(bytes).stray, slow);
    }
}

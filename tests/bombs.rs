//! What a hostile message may cost (ATTACKS I-01 to I-07): 64 MiB beside its
//! own bytes, whatever is in it, and in a release build 2 s.
//!
//! The allocator counts. One test, so that nothing else is counted with it.
//! Each bomb also says what must be found: a filter that looks away is cheap.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Instant;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use peak_alloc::PeakAlloc;
use reprieve::clock::{Clock, Timestamp};
use reprieve::directory::Directory;
use reprieve::filter::{Class, Examination, Filter, Settings, dns};
use reprieve::mail::{Address, Client, Envelope, Message, Recipient, ReversePath};

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

/// Bytes that examining a message may take, its own aside.
const MEMORY: usize = 64 << 20;
/// Seconds, in a release build.
const SECONDS: f64 = 2.0;

/// What must be said of a bomb.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Must {
    /// It is held as unscannable, or refused.
    Unscannable,
    /// It is read to the end, or refused: any verdict, in time.
    Bounded,
}
use Must::{Bounded, Unscannable};

struct Bomb {
    name: &'static str,
    bytes: Vec<u8>,
    must: Must,
}

#[tokio::test]
async fn i_01_to_i_07_no_message_costs_more_than_64_mib() {
    let settings = Settings {
        authenticate: false,
        dns: dns::Source::Text(String::new()),
        ..Settings::default()
    };
    let filter = Filter::new(settings, Directory::default(), Clock::system()).unwrap();
    // What is made once for all messages is not this one's.
    examine(&filter, b"From: a@far.example\r\n\r\n<p>hello".to_vec()).await;
    let mut wrong = Vec::new();
    for make in BOMBS {
        let Bomb { name, bytes, must } = make();
        let (examination, memory, seconds) = examine(&filter, bytes).await;
        // A bomb in an archive is refused as malware is.
        let seen = |class| examination.classes.contains(&class);
        let unscannable = seen(Class::Unscannable) || seen(Class::Malware);
        let found: Vec<&str> = examination.findings.iter().map(|one| one.id.as_str()).collect();
        if must == Unscannable && !unscannable {
            wrong.push(format!("{name}: only {found:?}"));
        }
        println!("{name}: {} KiB, {seconds:.2} s, {found:?}", memory >> 10);
        let slow = !cfg!(debug_assertions) && seconds > SECONDS;
        if memory > MEMORY || slow {
            wrong.push(format!("{name}: {} MiB, {seconds:.1} s", memory >> 20));
        }
    }
    assert!(wrong.is_empty(), "too dear, or not seen:\n{}", wrong.join("\n"));
}

/// Examines, and says what it took beside the message: bytes and seconds.
async fn examine(filter: &Filter, bytes: Vec<u8>) -> (Examination, usize, f64) {
    let message = Message::new(Bytes::from(bytes));
    let before = ALLOCATED.current_usage();
    ALLOCATED.reset_peak_usage();
    let began = Instant::now();
    let examination = filter.examine(&envelope(), &message, false).await.unwrap();
    let seconds = began.elapsed().as_secs_f64();
    (examination, ALLOCATED.peak_usage().saturating_sub(before), seconds)
}

const BOMBS: &[fn() -> Bomb] = &[
    || {
        bomb(
            "I-01 nested messages",
            "Content-Type: message/rfc822\r\n\r\n".repeat(35_000),
            Unscannable,
        )
    },
    || bomb("I-01 nested messages at the limit", at_depth(31), Bounded),
    || bomb("I-02 a million siblings", siblings(1_170_000), Unscannable),
    || bomb("I-02 as many siblings as may be", siblings(998), Bounded),
    || bomb("I-02 nested multiparts", multiparts(172_000), Unscannable),
    || bomb("I-02 nested multiparts at the limit", multiparts(30), Bounded),
    || bomb("I-03 continuations", continuations(10 << 20), Unscannable),
    || bomb("I-03 continuations within the header", continuations(250 << 10), Bounded),
    || {
        bomb(
            "I-03 encoded words",
            header("Subject", &"=?utf-8?q?a?= ".repeat(10 << 16)),
            Unscannable,
        )
    },
    || {
        bomb(
            "I-03 encoded words within",
            header("Subject", &"=?utf-8?q?a?= ".repeat(18_000)),
            Bounded,
        )
    },
    || bomb("I-03 two million addresses", header("To", &"a@b,".repeat(2_500_000)), Unscannable),
    || bomb("I-03 addresses within", header("To", &"a@b,".repeat(64_000)), Bounded),
    || bomb("I-03 five million comments", header("To", &"(".repeat(5_000_000)), Unscannable),
    || bomb("I-03 comments within", header("To", &"(".repeat(250_000)), Bounded),
    || bomb("I-04 100,000 fields", "X-A: b\r\n".repeat(100_000) + "\r\nhello\r\n", Unscannable),
    || bomb("I-04 a field of a megabyte", header("X-A", &"b ".repeat(1 << 19)), Unscannable),
    || bomb("I-04 one long name", "a".repeat(250 << 10) + "\r\n\r\nhello\r\n", Bounded),
    || attached("I-07 gzip of 1000 : 1", "a.gz", &gzip(200 << 20), Unscannable),
    || {
        attached(
            "I-07 zip of 1000 : 1",
            "a.zip",
            &zip(&[("a.txt", deflate(200 << 20), 200 << 20)]),
            Unscannable,
        )
    },
    || attached("I-07 zips in zips", "a.zip", &nested(20), Unscannable),
    || attached("I-07 entries that overlap", "a.zip", &overlapping(2000), Unscannable),
    || attached("I-07 a zip of many files", "a.zip", &many(60_000), Unscannable),
    || attached("I-07 many small zips", "a.zip", &zips_in_a_zip(1400), Bounded),
    || page("unclosed tags", &"<div style=\"color:#fff".repeat(400_000)),
    || page("nested tags", &"<div><b><i><font color=red>".repeat(300_000)),
    || page("one tag", &format!("<p {}>", "a=b ".repeat(2_000_000))),
    || page("angle brackets", &"<".repeat(10 << 20)),
    || page("comments", &"<!--".repeat(2 << 20)),
    || page("entities", &"&amp;&#x41;&unknown;".repeat(500_000)),
    || page("hidden text", &"<span style=\"display:none\">a</span>".repeat(250_000)),
    || page("links", &"<a href=\"http://a.example/b?c=d\">http://e.example</a>".repeat(150_000)),
    || page("forms", &"<form action=x><input type=password>".repeat(200_000)),
    || {
        bomb(
            "text without a space",
            "Subject: x\r\n\r\n".to_owned() + &"a".repeat(20 << 20),
            Bounded,
        )
    },
    || {
        bomb(
            "text of letters alone",
            "Subject: x\r\n\r\n".to_owned() + &"a ".repeat(10 << 20),
            Bounded,
        )
    },
    || {
        bomb(
            "text of links",
            "Subject: x\r\n\r\n".to_owned() + &"http://a.example/ ".repeat(1 << 20),
            Bounded,
        )
    },
    || {
        bomb(
            "Han without end",
            "Content-Type: text/plain; charset=utf-8\r\n\r\n".to_owned() + &"漢".repeat(5 << 20),
            Bounded,
        )
    },
    || encoded("quoted-printable", &"=41=\r\n".repeat(3 << 20)),
    || encoded("base64", &"QUFB\r\n".repeat(3 << 20)),
    || bomb("I-09 UTF-7", charset("utf-7", &"+AGEAYg-".repeat(1 << 20)), Bounded),
    || bomb("I-09 UTF-16", charset("utf-16", &"\u{d8}a".repeat(1 << 20)), Bounded),
    || bomb("I-09 no such charset", charset("x-none", &"\u{e9}".repeat(1 << 20)), Bounded),
];

fn bomb(name: &'static str, text: String, must: Must) -> Bomb {
    Bomb { name, bytes: text.into_bytes(), must }
}

fn page(name: &'static str, html: &str) -> Bomb {
    bomb(name, format!("From: a@far.example\r\nContent-Type: text/html\r\n\r\n{html}"), Bounded)
}

fn encoded(name: &'static str, body: &str) -> Bomb {
    let head = "From: a@far.example\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: ";
    bomb(name, format!("{head}{name}\r\n\r\n{body}"), Bounded)
}

fn charset(name: &str, body: &str) -> String {
    format!("From: a@far.example\r\nContent-Type: text/plain; charset={name}\r\n\r\n{body}")
}

fn header(name: &str, value: &str) -> String {
    format!("{name}: {value}\r\n\r\nhello\r\n")
}

fn at_depth(depth: usize) -> String {
    "Content-Type: message/rfc822\r\n\r\n".repeat(depth) + "Subject: x\r\n\r\nhello\r\n"
}

fn siblings(count: usize) -> String {
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_owned() + &"--b\r\n\r\n".repeat(count)
}

fn multiparts(depth: usize) -> String {
    let mut text = String::new();
    for n in 0..depth {
        let _ = write!(text, "Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n");
    }
    text
}

fn continuations(bytes: usize) -> String {
    let mut value = "attachment".to_owned();
    for n in 0.. {
        if value.len() >= bytes {
            break;
        }
        let _ = write!(value, ";\r\n filename*{n}*=utf-8''a%20b");
    }
    header("Content-Disposition", &value)
}

/// A file in base64 beside a word of text.
fn attached(name: &'static str, file: &str, content: &[u8], must: Must) -> Bomb {
    let content = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, content);
    let mut text = "From: a@far.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
        --b\r\n\r\nhello\r\n--b\r\nContent-Type: application/octet-stream\r\n\
        Content-Transfer-Encoding: base64\r\n"
        .to_owned();
    let _ = write!(text, "Content-Disposition: attachment; filename={file}\r\n\r\n");
    for line in content.as_bytes().chunks(76) {
        text.push_str(std::str::from_utf8(line).unwrap());
        text.push_str("\r\n");
    }
    bomb(name, text + "--b--\r\n", must)
}

fn zeros(bytes: usize, mut out: impl std::io::Write) {
    let megabyte = vec![0; 1 << 20];
    for _ in 0..bytes >> 20 {
        out.write_all(&megabyte).unwrap();
    }
}

fn gzip(bytes: usize) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    zeros(bytes, &mut packer);
    packer.finish().unwrap()
}

fn deflate(bytes: usize) -> Vec<u8> {
    let mut packer = DeflateEncoder::new(Vec::new(), Compression::best());
    zeros(bytes, &mut packer);
    packer.finish().unwrap()
}

fn packed(content: &[u8]) -> Vec<u8> {
    let mut packer = DeflateEncoder::new(Vec::new(), Compression::best());
    packer.write_all(content).unwrap();
    packer.finish().unwrap()
}

/// Name, packed content, size when unpacked.
type Entry<'a> = (&'a str, Vec<u8>, usize);

fn zip(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut directory = Vec::new();
    for (name, content, size) in entries {
        let offset = file.len();
        let fields = fields(name, content.len(), *size);
        file.extend(b"PK\x03\x04");
        file.extend(&fields);
        file.extend(name.as_bytes());
        file.extend(content);
        listed(&mut directory, &fields, offset, name);
    }
    ended(file, &directory, entries.len())
}

fn fields(name: &str, packed: usize, size: usize) -> Vec<u8> {
    let mut fields = b"\x14\0\0\0\x08\0\0\0\0\0\0\0\0\0".to_vec();
    for number in [packed, size] {
        fields.extend(u32::try_from(number).unwrap().to_le_bytes());
    }
    fields.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
    fields.extend([0; 2]);
    fields
}

fn listed(directory: &mut Vec<u8>, fields: &[u8], offset: usize, name: &str) {
    directory.extend(b"PK\x01\x02\x14\0");
    directory.extend(fields);
    directory.extend([0; 10]);
    directory.extend(u32::try_from(offset).unwrap().to_le_bytes());
    directory.extend(name.as_bytes());
}

fn ended(mut file: Vec<u8>, directory: &[u8], count: usize) -> Vec<u8> {
    let start = u32::try_from(file.len()).unwrap();
    let count = u16::try_from(count).unwrap().to_le_bytes();
    file.extend(directory);
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend(count);
    file.extend(count);
    file.extend(u32::try_from(directory.len()).unwrap().to_le_bytes());
    file.extend(start.to_le_bytes());
    file.extend([0; 2]);
    file
}

/// A zip in a zip, and so on.
fn nested(levels: usize) -> Vec<u8> {
    (0..levels).fold(b"hello".to_vec(), |inner, _| zip(&[("a.zip", packed(&inner), inner.len())]))
}

/// One packed megabyte that every entry claims (the shape of zbsm.zip).
fn overlapping(count: usize) -> Vec<u8> {
    let content = deflate(1 << 20);
    let fields = fields("a", content.len(), 1 << 20);
    let mut file = b"PK\x03\x04".to_vec();
    file.extend(&fields);
    file.push(b'a');
    file.extend(&content);
    let mut directory = Vec::new();
    (0..count).for_each(|_| listed(&mut directory, &fields, 0, "a"));
    ended(file, &directory, count)
}

fn many(count: usize) -> Vec<u8> {
    let empty = packed(b"");
    zip(&(0..count).map(|_| ("a", empty.clone(), 0)).collect::<Vec<_>>())
}

/// Each holds 64 KiB of zeros.
fn zips_in_a_zip(count: usize) -> Vec<u8> {
    let inner = zip(&[("a.txt", packed(&vec![0; 64 << 10]), 64 << 10)]);
    zip(&(0..count).map(|_| ("a.zip", packed(&inner), inner.len())).collect::<Vec<_>>())
}

fn envelope() -> Envelope {
    let address = Address::parse("r@demo.example").unwrap();
    Envelope {
        client: Client {
            ip: [192, 0, 2, 1].into(),
            name: None,
            helo: "far.example".into(),
            tls: None,
            esmtp: true,
        },
        authenticated: None,
        mail_from: ReversePath::Null,
        rcpt_to: vec![Recipient { raw: address.to_string(), address }],
        eight_bit: true,
        smtputf8: false,
        received_at: Timestamp::UNIX_EPOCH,
        session_id: "bomb".into(),
    }
}

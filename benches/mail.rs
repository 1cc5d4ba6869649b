//! What every message passes at the door: prescan, header view, addresses.
//!
//! `cargo bench --bench mail`. The prescan is to be memory-bound on ordinary
//! bodies and linear on the bombs of ATTACKS I-01 to I-03.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use reprieve::mail::{Address, Limits, Message, prescan};

const HEADER: &str = "Received: from a.example (a.example [192.0.2.1])\r\n\tby mx (Postfix);\r\n\
    \tMon, 23 Nov 2026 09:00:00 +0000\r\nFrom: Anna B <anna@far.example>\r\n\
    To: b@ours.example\r\nSubject: =?utf-8?q?Hei?=\r\nMessage-ID: <1@far.example>\r\n\
    MIME-Version: 1.0\r\n";

fn text(bytes: usize) -> String {
    let line = "The quick brown fox jumps over the lazy dog -- and then he does it once again.\r\n";
    format!("{HEADER}Content-Type: text/plain\r\n\r\n{}", line.repeat(bytes / line.len()))
}

fn attachment(bytes: usize) -> String {
    let line = "JVBERi0xLjQKJcOkw7zDtsOfCjIgMCBvYmoKPDwvTGVuZ3RoIDMgMCBSL0ZpbHRlci9GbGF0ZURl\r\n";
    format!(
        "{HEADER}Content-Type: multipart/mixed; boundary=\"----=_1\"\r\n\r\n------=_1\r\n\r\nhi\r\n\
         ------=_1\r\nContent-Transfer-Encoding: base64\r\n\r\n{}------=_1--\r\n",
        line.repeat(bytes / line.len())
    )
}

/// Inputs made to cost the most without tripping a limit early.
fn dashes(bytes: usize, unit: &str) -> String {
    let mut header = String::new();
    for level in 0..30 {
        header +=
            &format!("Content-Type: multipart/mixed; boundary=-{level}\r\n\r\n---{level}\r\n");
    }
    header + "\r\n" + &unit.repeat(bytes / unit.len())
}

fn scans(c: &mut Criterion) {
    let mut group = c.benchmark_group("prescan");
    group.sample_size(20);
    for (name, message) in [
        ("text 10 KiB", text(10 << 10)),
        ("text 10 MiB", text(10 << 20)),
        ("attachment 10 MiB", attachment(10 << 20)),
        ("dashes 10 MiB", dashes(10 << 20, "-")),
        ("dashes and letters 10 MiB", dashes(10 << 20, "---x")),
        ("short lines 10 MiB", dashes(10 << 20, "c\r\n")),
    ] {
        group.throughput(Throughput::Bytes(message.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| prescan::scan(black_box(message.as_bytes()), &Limits::default()));
        });
    }
    group.finish();
}

fn views(c: &mut Criterion) {
    let message = Message::new(text(10 << 10).into_bytes().into());
    c.bench_function("from", |b| b.iter(|| black_box(&message).from()));
    c.bench_function("subject", |b| b.iter(|| black_box(&message).text("Subject")));
    c.bench_function("address", |b| b.iter(|| Address::parse(black_box("anna+x@far.example"))));
}

criterion_group!(benches, scans, views);
criterion_main!(benches);

//! The whole filter over real mail, one core, DNS answered from a zone.
//!
//! `cargo bench --bench filter`; the mails are those below the folder that
//! `REPRIEVE_CORPUS` names (`../shared/corpus` if it is not set). The figure is
//! messages per second.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use jiff::Timestamp;
use reprieve::clock::Clock;
use reprieve::demo::corpus;
use reprieve::directory::Directory;
use reprieve::filter::{Filter, Settings, dns};
use reprieve::mail::message::FromHeader;
use reprieve::mail::{Address, Client, Envelope, Message, Recipient, ReversePath};

/// As if each came from its author's domain, from one of 250 hosts.
fn envelope(place: usize, message: &Message) -> Envelope {
    let host = u8::try_from(place % 250).unwrap_or(0) + 1;
    let mail_from = match message.from() {
        FromHeader::Single(address) => ReversePath::Address(address),
        FromHeader::Missing | FromHeader::Ambiguous => ReversePath::Null,
    };
    let to = format!("r{place}@demo.example");
    let address = Address::parse(&to).expect("an address");
    Envelope {
        client: Client {
            ip: IpAddr::from([192, 0, 2, host]),
            name: None,
            helo: "mta.example".into(),
            tls: None,
            esmtp: true,
        },
        authenticated: None,
        mail_from,
        rcpt_to: vec![Recipient { address, raw: to }],
        eight_bit: false,
        smtputf8: false,
        received_at: Timestamp::UNIX_EPOCH,
        session_id: "bench".into(),
    }
}

fn examine(criterion: &mut Criterion) {
    let folder = std::env::var("REPRIEVE_CORPUS").unwrap_or_else(|_| "../shared/corpus".into());
    let mut mails = Vec::new();
    let folders = [folder.into(), concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mail").into()];
    let read = corpus::read::<io::Error>(&folders, &mut |sample| {
        mails.push(Message::new(sample.message.into()));
        Ok(())
    });
    read.expect("a folder of mails");
    let mails: Vec<(Envelope, Message)> = mails
        .into_iter()
        .enumerate()
        .map(|(place, message)| (envelope(place, &message), message))
        .collect();

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let filter = runtime.block_on(async {
        let zone = "*.2.0.192.in-addr.arpa PTR mta.example\n\
                    mta.example A 192.0.2.1\n\
                    *.com TXT \"v=spf1 a mx ip4:198.51.100.0/24 ~all\"\n";
        let settings = Settings { dns: dns::Source::Text(zone.into()), ..Settings::default() };
        Filter::new(settings, Directory::default(), Clock::system()).expect("a filter")
    });

    runtime.block_on(tell(&filter, &mails));

    let mut group = criterion.benchmark_group("filter");
    group.throughput(Throughput::Elements(mails.len() as u64));
    group.sample_size(10).measurement_time(Duration::from_secs(20));
    group.bench_function("examine", |bencher| {
        bencher.iter_batched(
            || (),
            |()| {
                runtime.block_on(async {
                    for (envelope, message) in &mails {
                        let _ = filter.examine(envelope, message, false).await;
                    }
                });
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// What is found in them, so that a fast filter that finds nothing is seen.
async fn tell(filter: &Filter, mails: &[(Envelope, Message)]) {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (envelope, message) in mails {
        match filter.examine(envelope, message, false).await {
            Err(_) => *seen.entry("undecided".into()).or_default() += 1,
            Ok(examination) => {
                let classes = examination.classes.iter().map(|class| class.as_str().to_owned());
                let found = examination.findings.iter().map(|one| one.id.clone());
                for what in classes.map(|class| format!("class {class}")).chain(found) {
                    *seen.entry(what).or_default() += 1;
                }
            }
        }
    }
    println!("{} mails", mails.len());
    for (what, count) in seen {
        println!("{count:6} {what}");
    }
}

criterion_group!(benches, examine);
criterion_main!(benches);

//! Messages, envelopes and filters for these tests.

use bytes::Bytes;
use jiff::Timestamp;
use reprieve::clock::Clock;
use reprieve::directory::Directory;
use reprieve::filter::engine::Settings as Engines;
use reprieve::filter::{Filter, Settings, dns};
use reprieve::mail::{Address, Client, Envelope, Message, Recipient, ReversePath};

pub fn filter(engines: Engines) -> Filter {
    let dns = dns::Source::Text("sender.example TXT \"v=spf1 ip4:192.0.2.0/24 -all\"\n".into());
    let settings = Settings { engines, dns, ..Settings::default() };
    Filter::new(settings, Directory::default(), Clock::system()).unwrap()
}

pub fn envelope() -> Envelope {
    Envelope {
        client: Client {
            ip: [192, 0, 2, 1].into(),
            name: Some("mta.sender.example".into()),
            helo: "mta.sender.example".into(),
            tls: None,
            esmtp: true,
        },
        authenticated: None,
        mail_from: ReversePath::Address(Address::parse("bob@sender.example").unwrap()),
        rcpt_to: vec![Recipient {
            address: Address::parse("anna@demo.example").unwrap(),
            raw: "anna@demo.example".into(),
        }],
        eight_bit: false,
        smtputf8: false,
        received_at: Timestamp::UNIX_EPOCH,
        session_id: "test-1".into(),
    }
}

pub fn mail(body: &str) -> Message {
    Message::new(Bytes::from(format!(
        "From: bob@sender.example\r\nTo: anna@demo.example\r\nSubject: Minutes of Monday\r\n\
         Date: Mon, 2 Jan 2023 10:00:00 +0000\r\nMessage-ID: <1@sender.example>\r\n\r\n{body}\r\n"
    )))
}

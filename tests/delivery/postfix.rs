//! The courier in front of a stock Postfix.

use std::collections::HashMap;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use reprieve::clock::Clock;
use reprieve::mail::{Address, ReversePath};
use reprieve::queue::client::Timeouts;
use reprieve::queue::pool::Bounds;
use reprieve::queue::relay::Relay;
use reprieve::queue::route::{NextHop, Protocol, Routes, TlsPolicy};
use reprieve::queue::tls::ClientTls;
use reprieve::queue::{Courier, Outcome, Parcel, Report};

use stock::{Postfix, is_here};

#[path = "../postfix/mod.rs"]
mod stock;

fn courier(postfix: &Postfix) -> Courier {
    let default = NextHop {
        host: postfix.front().ip().to_string(),
        port: postfix.front().port(),
        protocol: Protocol::Smtp,
        tls: TlsPolicy::Opportunistic,
        helo: "gateway.example".to_owned(),
        auth: None,
    };
    let routes = Routes { default, per_domain: HashMap::new() };
    let tls = ClientTls::new(Vec::new()).unwrap();
    let bounds = Bounds::default();
    Courier::Relay(Relay::new(routes, tls, Timeouts::default(), bounds, Clock::system()))
}

async fn send(postfix: &Postfix, body: &[u8]) -> Report {
    let courier = courier(postfix);
    let to = [Address::parse("anna@one.example").unwrap()];
    let parcel = Parcel {
        mail_from: &ReversePath::Address(Address::parse("from@far.example").unwrap()),
        recipients: &to,
        head: b"X-Trace: ours\r\n",
        body,
        eight_bit: false,
        smtputf8: false,
    };
    courier.deliver(&parcel, courier.reserve(&to).unwrap()).await.remove(0)
}

/// As a careless client would: nothing but CRLF dots is stuffed.
async fn send_carelessly(postfix: &Postfix, body: &[u8]) {
    let mut stream = BufReader::new(TcpStream::connect(postfix.front()).await.unwrap());
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    for command in ["HELO x", "MAIL FROM:<a@b.example>", "RCPT TO:<anna@one.example>", "DATA"] {
        stream.write_all(format!("{command}\r\n").as_bytes()).await.unwrap();
        stream.read_line(&mut line).await.unwrap();
    }
    stream.write_all(body).await.unwrap();
    stream.write_all(b"\r\n.\r\nQUIT\r\n").await.unwrap();
    // Everything has been answered when Postfix says goodbye.
    while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {}
}

const SMUGGLED: &str = "MAIL FROM:<boss@one.example>\r\nRCPT TO:<anna@one.example>\r\nDATA\r\n\
    Subject: smuggled\r\n\r\npay";

/// With all that Postfix would add.
const FIELDS: &str = "From: from@far.example\r\nDate: Mon, 2 Mar 2026 12:00:00 +0000\r\n\
    Message-Id: <1@far.example>\r\nSubject: a\r\n";

#[tokio::test]
async fn r_01_a_smuggling_body_never_becomes_a_second_mail() {
    if !is_here() {
        return;
    }
    let postfix = Postfix::on_hold("").await;
    for end in ["\r\n.\n", "\n.\n", "\n.\r\n", "\r.\r"] {
        let body = format!("Subject: a\r\n\r\nhello{end}{SMUGGLED}\r\n");
        let report = send(&postfix, body.as_bytes()).await;
        assert_eq!(report.outcome, Outcome::Permanent, "{end:?}: {report:?}");
    }
    assert_eq!(postfix.held().len(), 0);
    // The same commands behind honest line ends are text.
    let body = format!("{FIELDS}\r\nhello\r\n.\r\n{SMUGGLED}\r\n.\r\n..\r\n");
    let report = send(&postfix, body.as_bytes()).await;
    assert_eq!(report.outcome, Outcome::Delivered, "{report:?}");
    let held = postfix.held();
    assert_eq!(held.len(), 1, "{held:?}");
    let sent = format!("X-Trace: ours\n{}", body.replace("\r\n", "\n"));
    assert!(held[0].ends_with(&sent), "{:?} in {:?}", sent, held[0]);
}

/// What R-01 defends against is real: this Postfix takes the smuggled mail
/// from a client that lets lone line feeds through.
#[tokio::test]
async fn a_careless_client_would_smuggle() {
    if !is_here() {
        return;
    }
    let postfix = Postfix::on_hold("").await;
    let body = format!("Subject: a\r\n\r\nhello\r\n.\n{SMUGGLED}");
    send_carelessly(&postfix, body.as_bytes()).await;
    assert_eq!(postfix.held().len(), 2, "{:?}", postfix.held());
}

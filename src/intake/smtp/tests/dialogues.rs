//! Every script of `tests/dialogues/`, whole and split at every byte, and
//! what does not fit into a script.

#[path = "../../../../tests/dialogue/mod.rs"]
mod dialogue;

use std::sync::Arc;

use rustls::ClientConfig;
use tempfile::TempDir;

pub use self::dialogue::{Client, Writes};
use super::passing::hop::certificate;
use super::{Running, beside, settings};
use crate::intake::smtp::{Certificate, Door, Limits, Settings};
use crate::queue::tls::ClientTls;

/// A certificate of our own, and a client that trusts it.
pub struct Tls {
    pub certificate: Certificate,
    pub client: Arc<ClientConfig>,
    folder: TempDir,
}

impl Tls {
    pub fn make() -> Self {
        let (folder, chain, key) = certificate("mx.ours.example");
        let certificate = Certificate::load(&chain, &key).unwrap();
        let client = ClientTls::trusting(Some(&chain)).unwrap().verified();
        Self { certificate, client, folder }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_dialogue_goes_as_written() {
    let tls = Tls::make();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dialogues");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let script = std::fs::read_to_string(&path).unwrap();
        for writes in [Writes::Whole, Writes::Split] {
            let settings = Settings { certificate: Some(tls.certificate.clone()), ..settings() };
            let running = Running::start(settings).await;
            let (address, client) = (running.address, Arc::clone(&tls.client));
            let (asked, script, name) = (running.script.clone(), script.clone(), path.clone());
            beside(move || {
                println!("{} {writes:?}", name.display());
                let messages = || asked.inner().received.len();
                dialogue::run(&script, address, writes, &client, messages);
            })
            .await;
            count += 1;
        }
    }
    assert!(count > 60, "{count} dialogues");
}

/// What was taken from `wire`, the bytes behind 354.
async fn taken(wire: Vec<u8>, writes: Writes) -> (String, Option<Vec<u8>>) {
    taken_by(settings(), wire, writes).await
}

pub async fn taken_by(
    settings: Settings,
    wire: Vec<u8>,
    writes: Writes,
) -> (String, Option<Vec<u8>>) {
    let running = Running::start(settings).await;
    let address = running.address;
    let reply = beside(move || {
        let mut client = Client::connect(address, Writes::Whole);
        client.reply();
        client.ask("EHLO client.example");
        client.ask("MAIL FROM:<a@sender.example>");
        client.ask("RCPT TO:<b@ours.example>");
        assert!(client.ask("DATA").starts_with("354"));
        client.writes = writes;
        client.send(&wire);
        client.reply()
    })
    .await;
    let received = running.script.inner().received.pop();
    (reply, received.map(|(_, message)| message.bytes().to_vec()))
}

#[tokio::test(flavor = "multi_thread")]
async fn s_24_s_33_bytes_come_through_as_they_are() {
    let line = |length: usize| [vec![b'x'; length], b"\r\n".to_vec()].concat();
    for (wire, content) in [
        (line(998), line(998)),
        (line(999), line(999)),
        (line(64 << 10), line(64 << 10)),
        (line(5 << 20), line(5 << 20)),
        (b"..\r\n".to_vec(), b".\r\n".to_vec()),
        (b"...\r\n..x\r\n\r\n..\r\n".to_vec(), b"..\r\n.x\r\n\r\n.\r\n".to_vec()),
        (b".x\r\n".to_vec(), b"x\r\n".to_vec()),
        (b"\xff\xfe\r\n".to_vec(), b"\xff\xfe\r\n".to_vec()),
        (Vec::new(), Vec::new()),
    ] {
        let wire = [wire, b".\r\n".to_vec()].concat();
        let all = [Writes::Whole, Writes::Split];
        for writes in if wire.len() > 1 << 16 { &all[..1] } else { &all[..] } {
            let (reply, received) = taken(wire.clone(), *writes).await;
            assert!(reply.starts_with("250"), "{reply}");
            assert_eq!(received.as_ref(), Some(&content));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_size_limit_holds_while_the_message_comes() {
    let limits = Limits { message: 100_000, ..Limits::default() };
    let running = Running::start(Settings { limits, ..settings() }).await;
    let address = running.address;
    beside(move || {
        let ready = || {
            let mut client = Client::connect(address, Writes::Whole);
            client.reply();
            client.ask("EHLO client.example");
            client.ask("MAIL FROM:<a@sender.example>");
            client.ask("RCPT TO:<b@ours.example>");
            assert!(client.ask("DATA").starts_with("354"));
            client
        };
        let mut client = ready();
        client.send(&b"0123456789abcde\r\n".repeat(10_000));
        client.send(b".\r\nNOOP\r\n");
        assert!(client.reply().starts_with("552 5.3.4"));
        assert!(client.reply().starts_with("250"));
        // What does not end is not read to its end.
        let mut client = ready();
        client.send(&b"0123456789abcde\r\n".repeat(1_000_000));
        assert!(client.reply().starts_with("552 5.3.4"));
        assert_eq!(client.reply(), "closed");
    })
    .await;
    assert!(running.script.inner().received.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn s_19_a_command_without_an_end() {
    let running = Running::start(settings()).await;
    let address = running.address;
    beside(move || {
        let mut client = Client::connect(address, Writes::Whole);
        client.reply();
        client.send(&vec![b'x'; 10 << 20]);
        assert!(client.reply().starts_with("421"));
        assert_eq!(client.reply(), "closed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s_32_a_thousand_recipients_and_one() {
    let running = Running::start(settings()).await;
    let address = running.address;
    beside(move || {
        let mut client = Client::connect(address, Writes::Whole);
        client.reply();
        client.ask("EHLO client.example");
        client.ask("MAIL FROM:<a@sender.example>");
        for number in 0..1000 {
            assert!(client.ask(&format!("RCPT TO:<r{number}@ours.example>")).starts_with("250"));
        }
        assert!(client.ask("RCPT TO:<r1000@ours.example>").starts_with("452 4.5.3"));
        assert!(client.ask("RCPT TO:<r7@ours.example>").starts_with("250"));
        assert!(client.ask("DATA").starts_with("354"));
        assert!(client.ask("hello\r\n.").starts_with("250"));
    })
    .await;
    assert_eq!(running.script.inner().received[0].0.rcpt_to.len(), 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn s_35_the_51st_connection_of_a_client() {
    let running = Running::start(settings()).await;
    let address = running.address;
    beside(move || {
        let mut clients: Vec<Client> = (0..50)
            .map(|_| {
                let mut client = Client::connect(address, Writes::Whole);
                assert!(client.reply().starts_with("220"));
                client
            })
            .collect();
        let mut one_more = Client::connect(address, Writes::Whole);
        assert!(one_more.reply().starts_with("421 4.7.0"));
        assert_eq!(one_more.reply(), "closed");
        let mut elsewhere = Client::connect_from("127.0.0.2", address);
        assert!(elsewhere.reply().starts_with("220"));
        assert!(clients[0].ask("QUIT").starts_with("221"));
        assert_eq!(clients[0].reply(), "closed");
        drop(clients);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ehlo_offers_what_the_contract_says() {
    let tls = Tls::make();
    let proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let settings = Settings {
        certificate: Some(tls.certificate.clone()),
        xforward: proxies.clone(),
        xclient: proxies,
        ..settings()
    };
    let running = Running::start(settings).await;
    let (address, config) = (running.address, Arc::clone(&tls.client));
    beside(move || {
        let mut client = Client::connect(address, Writes::Whole);
        client.reply();
        let offer = client.ask("EHLO client.example");
        for keyword in [
            "PIPELINING",
            "SIZE 26214400",
            "8BITMIME",
            "SMTPUTF8",
            "STARTTLS",
            "XFORWARD",
            "XCLIENT",
            "ENHANCEDSTATUSCODES",
        ] {
            assert!(offer.contains(keyword), "{keyword} in {offer}");
        }
        for keyword in ["CHUNKING", "AUTH", "DSN", "ETRN"] {
            assert!(!offer.contains(keyword), "{keyword} in {offer}");
        }
        client.ask("STARTTLS");
        client.start_tls(config);
        assert!(!client.ask("EHLO client.example").contains("STARTTLS"));
        client.ask("MAIL FROM:<a@sender.example>");
        client.ask("RCPT TO:<b@ours.example>");
        client.ask("DATA");
        client.ask("hello\r\n.");
    })
    .await;
    let tls = running.script.inner().received[0].0.client.tls.clone();
    assert!(tls.is_some_and(|facts| facts.starts_with("TLSv1.3 TLS_")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_exchanged_while_the_server_runs() {
    let old = Tls::make();
    let new = Tls::make();
    let settings = Settings { certificate: Some(old.certificate.clone()), ..settings() };
    let running = Running::start(settings).await;
    for file in ["cert.pem", "key.pem"] {
        std::fs::copy(new.folder.path().join(file), old.folder.path().join(file)).unwrap();
    }
    old.certificate.reload().unwrap();
    std::fs::write(old.folder.path().join("key.pem"), "nonsense").unwrap();
    assert!(old.certificate.reload().is_err());
    let address = running.address;
    beside(move || {
        let mut client = Client::connect(address, Writes::Whole);
        client.reply();
        client.ask("EHLO client.example");
        client.ask("STARTTLS");
        client.start_tls(Arc::clone(&new.client));
        assert!(client.ask("EHLO client.example").starts_with("250"));
    })
    .await;
}

/// The envelope of one message that is sent after `lines`.
async fn envelope_after(
    settings: Settings,
    door: Door,
    header: &'static str,
    lines: &'static [&'static str],
) -> crate::mail::Envelope {
    let running = Running::at_door(settings, door).await;
    let address = running.address;
    beside(move || {
        let mut client = Client::connect(address, Writes::Whole);
        client.send(header.as_bytes());
        assert!(client.reply().starts_with("220"));
        let mail = ["MAIL FROM:<a@sender.example>", "RCPT TO:<b@ours.example>", "DATA", "x\r\n."];
        for line in lines.iter().chain(&mail) {
            let reply = client.ask(line);
            assert!(reply.starts_with(['2', '3']), "{line}: {reply}");
        }
    })
    .await;
    running.script.inner().received[0].0.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn xforward_xclient_and_proxy_say_who_the_client_is() {
    let proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let listed =
        Settings { xforward: proxies.clone(), xclient: proxies.clone(), proxies, ..settings() };
    let seen = envelope_after(
        listed.clone(),
        Door::Plain,
        "",
        &[
            "EHLO proxy.example",
            "XFORWARD ADDR=192.0.2.7 NAME=mx.sender.example",
            "XFORWARD HELO=real.example PROTO=SMTP",
        ],
    )
    .await;
    assert_eq!(seen.client.ip.to_string(), "192.0.2.7");
    assert_eq!(seen.client.name.as_deref(), Some("mx.sender.example"));
    assert_eq!((seen.client.helo.as_str(), seen.client.esmtp), ("real.example", false));
    let seen = envelope_after(
        listed.clone(),
        Door::Plain,
        "",
        &["EHLO proxy.example", "XCLIENT ADDR=IPV6:2001:db8::7 LOGIN=anna", "EHLO real.example"],
    )
    .await;
    assert_eq!(seen.client.ip.to_string(), "2001:db8::7");
    assert_eq!(seen.authenticated.as_deref(), Some("anna"));
    let seen = envelope_after(
        listed.clone(),
        Door::Proxied,
        "PROXY TCP4 192.0.2.8 192.0.2.9 4711 25\r\n",
        &["EHLO real.example"],
    )
    .await;
    assert_eq!(seen.client.ip.to_string(), "192.0.2.8");
    let seen =
        envelope_after(listed, Door::Proxied, "PROXY UNKNOWN\r\n", &["EHLO real.example"]).await;
    assert_eq!(seen.client.ip.to_string(), "127.0.0.1");
}

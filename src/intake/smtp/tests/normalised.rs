//! Listed networks of old scanners and printers: a lone CR or LF from there
//! becomes CRLF; from everywhere else it is refused (DESIGN section 4).

use super::dialogues::{Client, Writes, taken_by};
use super::{Running, beside, settings};
use crate::intake::smtp::Settings;

fn listing(network: &str) -> Settings {
    Settings { normalised: vec![network.parse().unwrap()], ..settings() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lone_cr_or_lf_of_a_listed_network_becomes_crlf() {
    for (wire, content) in [
        (&b"Subject: a\n\nb\nc\n.\n"[..], &b"Subject: a\r\n\r\nb\r\nc\r\n"[..]),
        (b"Subject: a\r\rb\r\n.\r\n", b"Subject: a\r\n\r\nb\r\n"),
        (b"a\n\rb\r\n.\r\n", b"a\r\n\r\nb\r\n"),
        (b"a\r\nb\nc\r\n.\r\n", b"a\r\nb\r\nc\r\n"),
        (b"..\n.x\n.\n", b".\r\nx\r\n"),
    ] {
        for writes in [Writes::Whole, Writes::Split] {
            let (reply, received) = taken_by(listing("127.0.0.0/8"), wire.to_vec(), writes).await;
            assert!(reply.starts_with("250"), "{reply}: {wire:?}");
            assert_eq!(received.as_deref(), Some(content), "{wire:?} {writes:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lone_cr_or_lf_of_everybody_else_is_refused() {
    for wire in [&b"Subject: a\n\nb\n.\n\r\n.\r\n"[..], b"a\rb\r\n.\r\n"] {
        for writes in [Writes::Whole, Writes::Split] {
            let (reply, received) = taken_by(listing("192.0.2.0/24"), wire.to_vec(), writes).await;
            assert!(reply.starts_with("550 5.5.2"), "{reply}: {wire:?}");
            assert_eq!(received, None);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_a_listed_network_may_end_with_lf() {
    for (network, noop) in [("127.0.0.0/8", "250"), ("192.0.2.0/24", "500 5.5.2")] {
        let running = Running::start(listing(network)).await;
        let address = running.address;
        let reply = beside(move || {
            let mut client = Client::connect(address, Writes::Whole);
            client.reply();
            client.send(b"NOOP\n");
            // An end that both kinds understand.
            client.send(b"\r\n");
            client.reply()
        })
        .await;
        assert!(reply.starts_with(noop), "{network}: {reply}");
    }
}

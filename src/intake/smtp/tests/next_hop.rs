//! The way to the next hop: TLS as the policy says, and a Unix socket.

use tokio::net::{TcpListener, UnixListener};

use super::passing::hop::{Hop, certificate};
use super::passing::{BODY, MAIL, next_hop, passing, say};
use super::{Running, settings};
use crate::intake::smtp::{Certificate, Settings};
use crate::queue::route::{Protocol, TlsPolicy};
use crate::queue::tls::ClientTls;

const LINES: &[&str] = &[MAIL, "RCPT TO:<b@ours.example>", "DATA", BODY];

/// What the client is told, and what the next hop saw: how many sessions were
/// encrypted, and how many messages came.
async fn passed(policy: TlsPolicy, offered: bool, trusted: bool) -> (String, usize, usize) {
    let (_folder, chain, key) = certificate("localhost");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hop = Hop::default();
    if offered {
        hop.offer_tls(Certificate::load(&chain, &key).unwrap().acceptor());
    }
    let mut to = next_hop("localhost", listener.local_addr().unwrap().port(), Protocol::Smtp);
    to.server.tls = policy;
    to.tls = ClientTls::trusting(trusted.then_some(&*chain)).unwrap();
    tokio::spawn(hop.clone().serve(listener));
    let running = Running::start(Settings { next_hop: Some(to), ..settings() }).await;
    running.script.inner().answer = Some(passing(&[0]));
    let reply = say(&running, LINES).await.remove(1);
    (reply, hop.encrypted(), hop.messages().len())
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_as_the_policy_says() {
    for (policy, offered, trusted, encrypted, messages) in [
        (TlsPolicy::None, true, true, 0, 1),
        (TlsPolicy::Opportunistic, false, false, 0, 1),
        (TlsPolicy::Opportunistic, true, false, 1, 1),
        (TlsPolicy::Required, false, false, 0, 0),
        (TlsPolicy::Required, true, false, 1, 1),
        (TlsPolicy::Verified, false, true, 0, 0),
        (TlsPolicy::Verified, true, false, 0, 0),
        (TlsPolicy::Verified, true, true, 1, 1),
    ] {
        let case = format!("{policy:?}, offered: {offered}, trusted: {trusted}");
        let (reply, seen, came) = passed(policy, offered, trusted).await;
        assert_eq!((seen, came), (encrypted, messages), "{case}");
        let told = if messages == 1 { "250 2.0.0 fine" } else { "451 4.4.1" };
        assert!(reply.starts_with(told), "{case}: {reply}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lmtp_over_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lmtp");
    let hop = Hop::default();
    hop.speak_lmtp();
    tokio::spawn(hop.clone().serve_socket(UnixListener::bind(&path).unwrap()));
    // TLS is never asked for on a socket.
    let mut to = next_hop(path.to_str().unwrap(), 0, Protocol::Lmtp);
    to.server.tls = TlsPolicy::Opportunistic;
    let running = Running::start(Settings { next_hop: Some(to), ..settings() }).await;
    running.script.inner().answer = Some(passing(&[0]));
    let replies = say(&running, LINES).await;
    assert_eq!(replies[3], "250 2.0.0 Accepted");
    assert_eq!(hop.heard()[0], "LHLO mx.ours.example");
    assert_eq!(hop.messages().len(), 1);
}

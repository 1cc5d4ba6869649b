//! A stock Postfix that obeys the delivery blocking: by a live lookup, and by
//! a map file that is replaced under it.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use reprieve::clock::Clock;
use reprieve::mail::Address;
use reprieve::store::Store;
use reprieve::suppression::{OWN, Query, Server, Suppression, Way, socketmap};

use stock::{Postfix, is_here};

#[path = "postfix/mod.rs"]
mod stock;

const BLOCKED: &str = "blocked@one.example";

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// What Postfix answers to RCPT.
async fn rcpt(postfix: &Postfix, to: &str) -> String {
    let mut stream = BufReader::new(TcpStream::connect(postfix.front()).await.unwrap());
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    let to = format!("RCPT TO:<{to}>");
    for command in ["HELO client.example", "MAIL FROM:<s@far.example>", &to] {
        stream.write_all(format!("{command}\r\n").as_bytes()).await.unwrap();
        line.clear();
        stream.read_line(&mut line).await.unwrap();
    }
    stream.write_all(b"QUIT\r\n").await.unwrap();
    line
}

#[tokio::test]
async fn postfix_asks_the_socketmap_and_a_release_is_at_once() {
    let list = Suppression::new(Store::in_memory(), Clock::system());
    list.add(OWN, &address(BLOCKED), "test").await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(socketmap::serve(list.clone(), listener, stop.clone()));
    let ask = format!(
        "smtpd_recipient_restrictions = check_recipient_access \
         socketmap:inet:127.0.0.1:{port}:own, permit_mynetworks, reject\n"
    );
    if !is_here() {
        return;
    }
    let postfix = Postfix::on_hold(&ask).await;
    let refused = rcpt(&postfix, "Blocked@One.Example").await;
    assert!(refused.starts_with("554 5.7.1 "), "{refused}");
    assert!(refused.contains("delivery blocking list"), "{refused}");
    assert!(rcpt(&postfix, "anna@one.example").await.starts_with("250 "));

    list.step().await.unwrap();
    let blocked = Query { reason: "blocked".to_owned(), limit: 10, ..Query::default() };
    let (log, _) = list.events(&blocked).await.unwrap();
    assert_eq!(log.iter().map(|one| &one.address[..]).collect::<Vec<_>>(), [BLOCKED]);

    list.release(OWN, &address(BLOCKED), "test").await.unwrap();
    let taken = rcpt(&postfix, BLOCKED).await;
    assert!(taken.starts_with("250 "), "{taken}");
    stop.cancel();
    serving.await.unwrap();
}

#[tokio::test]
async fn postfix_obeys_a_map_file_and_its_replacement() {
    let folder = tempfile::tempdir().unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).unwrap();
    let path = folder.path().join("blocked");
    let list = Suppression::new(Store::in_memory(), Clock::system());
    let way = Way::MapFile(path.display().to_string());
    list.set_server(&Server::new(1, "mx1", way), "test").await.unwrap();
    list.add(1, &address(BLOCKED), "test").await.unwrap();
    list.step().await.unwrap();
    let map = format!(
        "smtpd_recipient_restrictions = check_recipient_access texthash:{}, \
         permit_mynetworks, reject\n",
        path.display()
    );
    if !is_here() {
        return;
    }
    let postfix = Postfix::on_hold(&map).await;
    let refused = rcpt(&postfix, BLOCKED).await;
    assert!(refused.starts_with("554 5.7.1 "), "{refused}");

    list.release(1, &address(BLOCKED), "test").await.unwrap();
    list.step().await.unwrap();
    // The operator's part: systemd sees the file change.
    postfix.reload();
    let accepted = async {
        while !rcpt(&postfix, BLOCKED).await.starts_with("250 ") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), accepted).await.expect("within 10 seconds");
}

//! kill -9 of the whole program while mail comes in: every link that was
//! given leads to its page afterwards, and the store finds nothing wrong.
//!
//! The recorder is this process; the program is the real one. The kills come
//! at the times that the load makes; `REPRIEVE_KILLS` chooses how many.

use std::process::{Child, Command, Stdio};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn t_01_no_promise_is_lost_when_the_program_is_killed() {
    let kills = std::env::var("REPRIEVE_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(25);
    let folder = tempfile::tempdir().unwrap();
    furnish(folder.path());
    let (smtp, portal) = (free_port(), free_port());
    // The next hop is asked for every recipient.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let text = config(listener.local_addr().unwrap(), smtp, portal);
    tokio::spawn(Outside::default().serve(listener));
    std::fs::write(folder.path().join("reprieve.toml"), text).unwrap();

    let mut promised: Vec<String> = Vec::new();
    for round in 0..kills {
        let mut program = start(folder.path());
        let mut senders = tokio::task::JoinSet::new();
        for place in 0..4 {
            senders.spawn(send_until_it_dies(smtp, format!("{round}-{place}")));
        }
        // As soon as so many promises of this round can exist: a moment that
        // differs from round to round, without any clock.
        let enough = 1 + round % 13;
        let mut first = Vec::new();
        for _ in 0..enough {
            first.extend(one_promise(smtp, &format!("{round}-first-{}", first.len())).await);
        }
        program.kill().unwrap();
        program.wait().unwrap();
        promised.extend(first);
        while let Some(links) = senders.join_next().await {
            promised.extend(links.unwrap());
        }
    }
    assert!(promised.len() >= kills, "only {} promises were made", promised.len());

    let mut program = start(folder.path());
    wait_for(smtp).await;
    for link in &promised {
        let page = Browser::default().open(link).await.unwrap();
        assert_eq!(page.status, 200, "a link that was given is dead: {link}");
        assert!(page.words().contains("Story"), "the page shows the message: {}", page.words());
    }
    program.kill().unwrap();
    program.wait().unwrap();
    let verified = reprieve(folder.path(), &["store", "verify"]).output().unwrap();
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(verified.status.success(), "{said}{}", String::from_utf8_lossy(&verified.stderr));
}

/// Links for which the program answered before it died.
async fn send_until_it_dies(smtp: SocketAddr, name: String) -> Vec<String> {
    let mut links = Vec::new();
    wait_for(smtp).await;
    loop {
        let before = links.len();
        links.extend(one_promise(smtp, &format!("{name}-{before}")).await);
        if links.len() == before {
            return links;
        }
    }
}

async fn one_promise(smtp: SocketAddr, name: &str) -> Option<String> {
    wait_for(smtp).await;
    let mut sender = Sender::connect(smtp, "mail.sender.example").await.ok()?;
    let message = mail("eva@stranger.example", name, &"x".repeat(10_000));
    let answer =
        sender.send("eva@stranger.example", &["anna@ours.example"], &message).await.ok()?;
    link_in(&answer.text).map(str::to_owned)
}

pub(super) fn start(folder: &Path) -> Child {
    reprieve(folder, &["serve"]).spawn().unwrap()
}

fn reprieve(folder: &Path, command: &[&str]) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_reprieve"));
    program
        .args(command)
        .arg("--config")
        .arg(folder.join("reprieve.toml"))
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    program
}

/// Until the program listens, or has died.
pub(super) async fn wait_for(smtp: SocketAddr) {
    for _ in 0..500 {
        if tokio::net::TcpStream::connect(smtp).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(super) fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

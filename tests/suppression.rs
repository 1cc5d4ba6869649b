//! A stock Postfix that obeys the delivery blocking: by a live lookup, and by
//! a map file that is replaced under it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use reprieve::clock::Clock;
use reprieve::mail::Address;
use reprieve::store::Store;
use reprieve::suppression::distribute::Drift;
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
    let (_folder, path, list) = with_map("texthash").await;
    let map = asks("texthash", &path);
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
    accepts(&postfix, BLOCKED).await;
}

/// A list of server 1 in a map file of this type, with one blocked address.
async fn with_map(map: &str) -> (tempfile::TempDir, std::path::PathBuf, Suppression) {
    let folder = tempfile::tempdir().unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).unwrap();
    let path = folder.path().join("blocked");
    let list = Suppression::new(Store::in_memory(), Clock::system());
    let way = Way::map_file(&format!("{map}:{}", path.display())).unwrap();
    list.add_server(&Server::new(1, "mx1", way), "test").await.unwrap();
    list.add(1, &address(BLOCKED), "test").await.unwrap();
    list.step().await.unwrap();
    (folder, path, list)
}

/// The configuration for Postfix's commands: where no mail system is set up,
/// Debian's has none.
fn mail_config() -> &'static Path {
    static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        std::fs::write(folder.path().join("main.cf"), "compatibility_level = 3.6\n").unwrap();
        folder
    });
    FOLDER.path()
}

fn command(name: &str) -> Command {
    let mut command = Command::new(name);
    command.env("MAIL_CONFIG", mail_config());
    command
}

/// `false`, said aloud, where Postfix cannot read this type.
fn reads(map: &str) -> bool {
    let known = command("postconf").arg("-m").output();
    let here = known
        .is_ok_and(|known| String::from_utf8_lossy(&known.stdout).lines().any(|line| line == map));
    if !here {
        assert!(std::env::var_os("CI").is_none(), "needs postfix-{map}");
        eprintln!("skipped: needs Debian's postfix-{map}");
    }
    here
}

/// What `postmap -q` finds.
fn query(map: &str, path: &Path, address: &str) -> Option<String> {
    let table = format!("{map}:{}", path.display());
    let found = command("postmap").arg("-q").arg(address).arg(table).output().unwrap();
    found.status.success().then(|| String::from_utf8(found.stdout).unwrap())
}

fn asks(map: &str, path: &Path) -> String {
    let path = path.display();
    format!(
        "smtpd_recipient_restrictions = check_recipient_access {map}:{path}, \
         permit_mynetworks, reject\n"
    )
}

async fn accepts(postfix: &Postfix, to: &str) {
    let accepted = async {
        while !rcpt(postfix, to).await.starts_with("250 ") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), accepted).await.expect("within 10 seconds");
}

/// Nobody tells Postfix: it sees that the file was replaced.
#[tokio::test]
async fn postfix_reads_our_cdb_and_its_replacement_without_a_reload() {
    if !is_here() || !reads("cdb") {
        return;
    }
    let (_folder, path, list) = with_map("cdb").await;
    for number in 0..2_000 {
        let one = address(&format!("user{number}@far.example"));
        list.add(1, &one, "test").await.unwrap();
    }
    list.step().await.unwrap();
    for listed in [BLOCKED, "user0@far.example", "user1999@far.example"] {
        let answer = query("cdb", &path, listed).unwrap();
        assert!(answer.starts_with("554 5.7.1 Not sent"), "{answer}");
    }
    assert_eq!(query("cdb", &path, "user2000@far.example"), None);
    let postfix = Postfix::on_hold(&asks("cdb", &path)).await;
    let refused = rcpt(&postfix, "Blocked@One.example").await;
    assert!(refused.starts_with("554 5.7.1 "), "{refused}");
    list.release(1, &address(BLOCKED), "test").await.unwrap();
    list.step().await.unwrap();
    accepts(&postfix, BLOCKED).await;
}

/// Runs the operator's part as systemd does; whether it ended well.
fn reprieve_map(map: &str, path: &Path, config: &Path) -> bool {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/postfix/reprieve-map");
    let mut service = Command::new("sh");
    service.arg(script).arg(map).arg(path).env("MAIL_CONFIG", config).stderr(Stdio::null());
    service.status().unwrap().success()
}

#[tokio::test]
async fn an_lmdb_is_made_by_the_operators_service_and_a_failure_keeps_the_old_one() {
    if !is_here() || !reads("lmdb") {
        return;
    }
    let (folder, path, list) = with_map("lmdb").await;
    // Nothing of it is in force before it is made.
    assert_eq!(list.drift(1).await.unwrap(), Drift::Behind { has: 0, last: 1 });
    let etc = mail_config();
    assert!(reprieve_map("lmdb", &path, etc));
    list.step().await.unwrap();
    assert_eq!(list.drift(1).await.unwrap(), Drift::None);
    assert!(query("lmdb", &path, BLOCKED).unwrap().starts_with("554 5.7.1 "));
    let postfix = Postfix::on_hold(&asks("lmdb", &path)).await;
    let refused = rcpt(&postfix, BLOCKED).await;
    assert!(refused.starts_with("554 5.7.1 "), "{refused}");

    list.release(1, &address(BLOCKED), "test").await.unwrap();
    list.step().await.unwrap();
    // Something stands in its way.
    let in_the_way = folder.path().join("blocked.making.lmdb");
    std::fs::create_dir(&in_the_way).unwrap();
    assert!(!reprieve_map("lmdb", &path, etc));
    list.step().await.unwrap();
    assert_eq!(list.drift(1).await.unwrap(), Drift::Behind { has: 1, last: 2 });
    assert!(query("lmdb", &path, BLOCKED).is_some(), "the old one is in force");
    std::fs::remove_dir(in_the_way).unwrap();
    assert!(reprieve_map("lmdb", &path, etc));
    list.step().await.unwrap();
    assert_eq!(list.drift(1).await.unwrap(), Drift::None);
    accepts(&postfix, BLOCKED).await;
}

#[tokio::test]
async fn the_operators_service_tells_postfix_of_a_texthash() {
    if !is_here() {
        return;
    }
    let (_folder, path, list) = with_map("texthash").await;
    let postfix = Postfix::on_hold(&asks("texthash", &path)).await;
    assert!(reprieve_map("texthash", &path, &postfix.etc()));
    list.step().await.unwrap();
    list.release(1, &address(BLOCKED), "test").await.unwrap();
    list.step().await.unwrap();
    assert_eq!(list.drift(1).await.unwrap(), Drift::Behind { has: 1, last: 2 });
    assert!(!reprieve_map("texthash", &path, Path::new("/nowhere")), "no Postfix there");
    list.step().await.unwrap();
    assert_eq!(list.drift(1).await.unwrap(), Drift::Behind { has: 1, last: 2 });
    assert!(reprieve_map("texthash", &path, &postfix.etc()));
    accepts(&postfix, BLOCKED).await;
    list.step().await.unwrap();
    assert_eq!(list.drift(1).await.unwrap(), Drift::None);
}

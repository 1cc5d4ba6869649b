//! Dovecot's IMAPSieve, with the scripts of deploy/dovecot as they are
//! packaged: a recipient moves a message to Junk, and back, one that was
//! released or one that was never held. Debian's Dovecot, also as the next hop
//! over LMTP, in a root file system of its own; needs root.

#[path = "../postfix/mod.rs"]
mod postfix;
#[path = "../steps/mod.rs"]
mod steps;

use std::io::BufRead;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use reprieve::clock::{Clock, SignedDuration, Timestamp};
use reprieve::demo::client::{Answer, Sender};
use reprieve::gateway::{Config, Gateway, Sockets};
use reprieve::quarantine::Reported;

use steps::link_in;

const PATIENCE: Duration = Duration::from_mins(1);

/// Moving is a machine's word: it counts for her alone, and moving back takes
/// it back. Emptying Junk says nothing.
#[tokio::test(flavor = "multi_thread")]
async fn moving_to_junk_flags_for_this_recipient_and_moving_back_undoes() {
    let Some(house) = House::new().await else { return };
    let answer = house.send("anna@ours.example", "first").await;
    let link = link_in(&answer.text).expect("held, with a link").to_owned();
    steps::release(&house.clock, &link).await;
    house.clock.advance(SignedDuration::from_secs(61));
    let mut anna = house.mailbox("anna@ours.example").await;
    anna.arrives().await;
    assert!(anna.says("FETCH 1 BODY.PEEK[HEADER]").await.contains("\r\nReprieve-Report:"));

    anna.moves(1, "Junk").await;
    let answer = house.send("anna@ours.example", "second").await;
    assert!(answer.text.contains("does not accept"), "{}", answer.text);
    let answer = house.send("bo@ours.example", "third").await;
    // The release gave the sender standing with her organisation.
    assert_eq!(answer.code, 250, "for her alone: {}", answer.text);

    anna.says("SELECT Junk").await;
    anna.moves(1, "Trash").await;
    let answer = house.send("anna@ours.example", "fourth").await;
    assert!(answer.text.contains("does not accept"), "thrown away: {}", answer.text);
    anna.says("SELECT Trash").await;
    anna.moves(1, "Junk").await;
    anna.says("SELECT Junk").await;
    anna.moves(1, "INBOX").await;
    let answer = house.send("anna@ours.example", "fifth").await;
    assert_eq!(answer.code, 250, "taken back: {}", answer.text);
}

/// It has no link: the mailbox server's own MTA carries the complaint, and the
/// gateway knows by SPF whose word it is.
#[tokio::test(flavor = "multi_thread")]
async fn moving_what_was_never_held_is_reported_and_taken_back() {
    let Some(house) = House::new().await else { return };
    let mut anna = house.mailbox("anna@ours.example").await;
    let eva = "eva@proved.example";
    anna.append(&format!(
        "From: <{eva}>\r\nTo: <anna@ours.example>\r\nSubject: Tulips\r\n\r\n\
         Buy golden tulips\r\n.\r\n--\r\n"
    ))
    .await;
    anna.arrives().await;
    anna.moves(1, "Junk").await;
    let store = house.gateway.errands().store.clone();
    let kept = store.page::<Reported>(&[], 9).await.unwrap();
    assert_eq!(kept.len(), 1, "the content model will hear of it");
    assert_eq!(kept[0].record.recipient.to_string(), "anna@ours.example");
    let answer = house.send_from(eva, "anna@ours.example", "first").await;
    assert!(answer.text.contains("does not accept"), "{}", answer.text);
    let answer = house.send_from(eva, "bo@ours.example", "second").await;
    assert!(!answer.text.contains("does not accept"), "for her alone: {}", answer.text);

    anna.says("SELECT Junk").await;
    anna.moves(1, "INBOX").await;
    let answer = house.send_from(eva, "anna@ours.example", "third").await;
    assert!(!answer.text.contains("does not accept"), "taken back: {}", answer.text);
}

/// A sender's own field leads nowhere else.
#[tokio::test(flavor = "multi_thread")]
async fn a_forged_field_is_not_followed() {
    let Some(house) = House::new().await else { return };
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let at = trap.local_addr().unwrap();
    let mut anna = house.mailbox("anna@ours.example").await;
    let forged =
        format!("Reprieve-Report: <http://{at}/f/AAAA>\r\nFrom: <eva@evil.example>\r\n\r\nx\r\n");
    anna.append(&forged).await;
    anna.arrives().await;
    anna.moves(1, "Junk").await;
    // The move is answered after the script has ended: what it asked would wait.
    assert!(trap.accept().is_err(), "the script followed the sender's own field");
}

/// A gateway before its Dovecot.
struct House {
    _folder: tempfile::TempDir,
    clock: Clock,
    gateway: Gateway,
    imap: SocketAddr,
    _dovecot: Dovecot,
}

impl House {
    /// `None`, said aloud, where Dovecot cannot run.
    async fn new() -> Option<Self> {
        if !is_here() {
            return None;
        }
        let bind = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (portal, smtp) = (bind(), bind());
        let url = format!("http://{}", portal.local_addr().unwrap());
        let (imap, lmtp) = (postfix::free_port(), postfix::free_port());
        let dovecot = Dovecot::start(&url, [imap, lmtp, smtp.local_addr().unwrap()]).await?;
        let folder = tempfile::tempdir().unwrap();
        steps::furnish(folder.path());
        let zone = folder.path().join("zone.txt");
        let own = "ours.example. IN TXT \"v=spf1 ip4:127.0.0.1 -all\"\n";
        std::fs::write(&zone, std::fs::read_to_string(&zone).unwrap() + own).unwrap();
        let text = steps::config(&url, &format!("lmtp:{lmtp}"));
        let config = Config::parse(&text, folder.path(), &[]).unwrap();
        let sockets = Sockets {
            smtp: vec![smtp],
            portal: Some(portal),
            operations: Some(bind()),
            ..Sockets::default()
        };
        let clock = Clock::stopped_at(Timestamp::now());
        let gateway = Gateway::start(config, sockets, clock.clone()).await.unwrap();
        Some(Self { _folder: folder, clock, gateway, imap, _dovecot: dovecot })
    }

    async fn send(&self, to: &str, id: &str) -> Answer {
        self.send_from("eva@stranger.example", to, id).await
    }

    async fn send_from(&self, from: &str, to: &str, id: &str) -> Answer {
        let message = format!(
            "From: <{from}>\r\nTo: <{to}>\r\nSubject: Story {id}\r\n\
             Date: Mon, 23 Nov 2026 02:00:00 +0000\r\nMessage-ID: <{id}@story.example>\r\n\r\n{id}\r\n"
        );
        let mut sender =
            Sender::connect(self.gateway.smtp[0], "mail.sender.example").await.unwrap();
        sender.send(from, &[to], message.as_bytes()).await.unwrap()
    }

    async fn mailbox(&self, user: &str) -> Mailbox {
        let mut stream = BufReader::new(TcpStream::connect(self.imap).await.unwrap());
        let mut greeting = String::new();
        stream.read_line(&mut greeting).await.unwrap();
        assert!(greeting.starts_with("* OK"), "{greeting}");
        let mut mailbox = Mailbox { stream };
        mailbox.says(&format!("LOGIN {user} secret")).await;
        mailbox.says("CREATE Junk").await;
        mailbox.says("CREATE Trash").await;
        mailbox
    }
}

/// A mail program that is signed in (RFC 3501).
struct Mailbox {
    stream: BufReader<TcpStream>,
}

impl Mailbox {
    /// Whatever the server answers to a command that it carries out.
    async fn says(&mut self, command: &str) -> String {
        self.stream.write_all(format!("a {command}\r\n").as_bytes()).await.unwrap();
        let answer = tokio::time::timeout(PATIENCE, self.answer()).await.expect("it answers");
        assert!(answer.lines().last().unwrap().starts_with("a OK"), "{command}: {answer}");
        answer
    }

    async fn answer(&mut self) -> String {
        let mut answer = String::new();
        loop {
            let begins = answer.len();
            assert_ne!(self.stream.read_line(&mut answer).await.unwrap(), 0, "gone: {answer}");
            if answer[begins..].starts_with("a ") {
                return answer;
            }
        }
    }

    /// Until something is in the INBOX.
    async fn arrives(&mut self) {
        let arrival = async {
            while !self.says("SELECT INBOX").await.contains("* 1 EXISTS") {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, arrival).await.expect("it arrives");
    }

    /// RFC 6851.
    async fn moves(&mut self, number: u32, to: &str) {
        self.says(&format!("MOVE {number} {to}")).await;
    }

    /// RFC 7888: without waiting for leave.
    async fn append(&mut self, message: &str) {
        self.says(&format!("APPEND INBOX {{{}+}}\r\n{message}", message.len())).await;
    }
}

fn is_here() -> bool {
    let programs = ["dovecot", "sievec", "curl"];
    let found = |name: &&str| {
        ["/usr/sbin", "/usr/bin"].iter().any(|folder| Path::new(folder).join(name).exists())
    };
    let lmtp = Path::new("/usr/lib/dovecot/lmtp").exists();
    let here = rustix::process::geteuid().is_root() && lmtp && programs.iter().all(found);
    if !here {
        assert!(std::env::var_os("CI").is_none(), "needs root, curl and Dovecot");
        eprintln!("skipped: needs root, curl and Debian's dovecot-imapd, -lmtpd and -sieve");
    }
    here
}

/// Runs, with the README followed.
struct Dovecot {
    child: Child,
}

impl Dovecot {
    /// `ports`: of IMAP, LMTP and the gateway's SMTP.
    async fn start(portal: &str, ports: [SocketAddr; 3]) -> Option<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dovecot/server");
        let mut child = Command::new("unshare")
            .args(["-m", "-p", "--fork", "--kill-child"])
            .arg(script)
            .arg(portal)
            .args(ports.map(|at| at.port().to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = std::io::BufReader::new(child.stdout.take().unwrap());
        let mut this = Self { child };
        let up = tokio::task::spawn_blocking(move || {
            let mut text = String::new();
            while !text.ends_with("\nup\n") && said.read_line(&mut text).unwrap() > 0 {}
            // What it says later must not fill the pipe.
            std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::stderr()));
            text
        });
        let text = tokio::time::timeout(PATIENCE, up).await.expect("it starts in time").unwrap();
        if text.ends_with("\nup\n") {
            return Some(this);
        }
        let ended = this.child.wait().unwrap();
        assert!(ended.code() == Some(77) && std::env::var_os("CI").is_none(), "{ended}: {text}");
        eprintln!("skipped: no overlay file system here");
        None
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        // It is the first of its process namespace, and takes all along.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! B-10: DSNs that other people's servers make are read as what they are.
//! M-10, L-25: the bounces that other people's servers make of our 550 carry
//! the whole link, and it opens: Debian's Postfix, Exim 4.96 and OpenSMTPD 6.8
//! as *sending* servers. `tests/peers/server` runs the two that cannot be
//! installed beside Postfix; both need root.

#[path = "../postfix/mod.rs"]
mod postfix;
#[path = "../steps/mod.rs"]
mod steps;

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use reprieve::clock::Clock;
use reprieve::demo::client::Sender;
use reprieve::demo::outside::{Arrived, Outside};
use reprieve::gateway::{Config, Gateway, Sockets};
use reprieve::mail::bounce;
use reprieve::suppression::classify::{Class, classify};

use postfix::Postfix;

const PATIENCE: Duration = Duration::from_secs(90);
/// On the longest host name that there is (RFC 1035 section 2.3.4).
static URL: LazyLock<String> = LazyLock::new(|| {
    let label = "a".repeat(63);
    format!("https://{label}.{label}.{label}.{}.example", "b".repeat(53))
});

/// A gateway, and an outside world.
struct World {
    _folder: tempfile::TempDir,
    _gateway: Gateway,
    smtp: SocketAddr,
    portal: SocketAddr,
    outside: Outside,
    sink: SocketAddr,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        steps::furnish(folder.path());
        let (outside, sink) = steps::outside().await;
        let bind = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (smtp, portal) = (bind(), bind());
        let at = (smtp.local_addr().unwrap(), portal.local_addr().unwrap());
        let text = steps::config(&URL, &format!("smtp:{sink}"));
        let config = Config::parse(&text, folder.path(), &[]).unwrap();
        let sockets = Sockets {
            smtp: vec![smtp],
            portal: Some(portal),
            operations: Some(bind()),
            ..Sockets::default()
        };
        let gateway = Gateway::start(config, sockets, Clock::system()).await.unwrap();
        Self { _folder: folder, _gateway: gateway, smtp: at.0, portal: at.1, outside, sink }
    }

    /// What the portal shows to who comes by its own name.
    async fn page(&self, path: &str) -> String {
        let mut stream = tokio::net::TcpStream::connect(self.portal).await.unwrap();
        let host = URL.strip_prefix("https://").unwrap();
        let asked = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(asked.as_bytes()).await.unwrap();
        let mut page = Vec::new();
        stream.read_to_end(&mut page).await.unwrap();
        String::from_utf8_lossy(&page).into_owned()
    }

    /// A stranger's user writes by way of `server`; his bounce must lead him
    /// to his mail.
    async fn bounce_has_the_link(&self, server: SocketAddr, name: &str) {
        let message = format!(
            "From: <eva@stranger.example>\r\nTo: <anna@ours.example>\r\nSubject: {name}\r\n\
             Date: Mon, 23 Nov 2026 02:00:00 +0000\r\nMessage-ID: <{name}@stranger.example>\r\n\
             \r\nDear Anna\r\n"
        );
        let mut sender = Sender::connect(server, "desk.stranger.example").await.unwrap();
        let taken =
            sender.send("eva@stranger.example", &["anna@ours.example"], message.as_bytes()).await;
        assert_eq!(taken.unwrap().code, 250, "{name} takes it");
        let is_it = |one: &Arrived| one.rcpt_to == ["eva@stranger.example"];
        let bounce = tokio::time::timeout(PATIENCE, self.outside.wait_for(is_it)).await;
        let bounce = bounce.unwrap_or_else(|_| panic!("{name} sends no bounce"));
        assert_eq!(bounce.mail_from, "", "{name}");
        let text = String::from_utf8_lossy(bounce.message.body()).into_owned();
        let at = text.find(URL.as_str()).unwrap_or_else(|| panic!("{name} has no link: {text}"));
        let report = text.find("message/delivery-status").unwrap_or(text.len());
        assert!(at < report, "{name} has it where nobody reads: {text}");
        // Mail programs let white space end a link, and nothing else of ours.
        assert!(text[..at].ends_with(char::is_whitespace), "{name}: {text}");
        let link: &str = text[at..].split_whitespace().next().unwrap();
        assert_eq!(link.len(), URL.len() + "/r/".len() + 56, "{name}: {text}");
        let token = link.strip_prefix(URL.as_str()).unwrap();
        let page = self.page(token).await;
        assert!(page.starts_with("HTTP/1.1 200 "), "{name}: {link} in {text}\n{page}");
        assert!(page.contains("<form"), "{name}: the link leads to nothing: {text}");
    }
}

/// Answers RCPT by the name of the recipient; nobody is taken.
async fn refuser() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                stream.write_all(b"220 mx.ours.example ESMTP\r\n").await?;
                let mut line = String::new();
                while stream.read_line(&mut line).await? > 0 {
                    let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
                    let refused = REFUSED.iter().find(|(to, ..)| line.contains(to));
                    let answer = match (&verb[..], refused) {
                        ("RCPT", Some((_, answer, ..))) => *answer,
                        ("RCPT" | "DATA", _) => "554 5.5.1 No valid recipients",
                        ("QUIT", _) => "221 2.0.0 Bye",
                        _ => "250 2.0.0 Ok",
                    };
                    stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
                    line.clear();
                }
                Ok::<_, std::io::Error>(())
            });
        }
    });
    address
}

/// To whom, the answer, our class of the DSN that comes back.
const REFUSED: [(&str, &str, Class); 4] = [
    ("nobody@ours.example", "550 5.1.1 User unknown in virtual mailbox table", Class::UnknownUser),
    ("full@ours.example", "552 5.2.2 Mailbox full: over quota", Class::MailboxFull),
    (
        "listed@ours.example",
        "554 5.7.1 Service unavailable; Client host blocked using zen.spamhaus.org",
        Class::OurFault,
    ),
    ("shut@ours.example", "550 5.2.1 This mailbox is disabled", Class::Rejecting),
];

/// What `server` writes back for each refusal is read as what it was.
async fn dsns_are_classified(world: &World, server: SocketAddr, name: &str) {
    let mut sender = Sender::connect(server, "desk.stranger.example").await.unwrap();
    for (to, _, class) in REFUSED {
        let message = format!(
            "From: <eva@stranger.example>\r\nTo: <{to}>\r\nSubject: {name} {to}\r\n\
             Date: Mon, 23 Nov 2026 02:00:00 +0000\r\nMessage-ID: <{to}.{name}@x.example>\r\n\
             \r\nDear Anna\r\n"
        );
        let taken = sender.send("eva@stranger.example", &[to], message.as_bytes()).await;
        assert_eq!(taken.unwrap().code, 250, "{name} takes it");
        let is_it = |one: &Arrived| {
            one.rcpt_to == ["eva@stranger.example"]
                && String::from_utf8_lossy(one.message.bytes()).contains(to)
        };
        let came = tokio::time::timeout(PATIENCE, world.outside.wait_for(is_it)).await;
        let came = came.unwrap_or_else(|_| panic!("{name} sends no DSN for {to}"));
        let read = bounce::read(came.message.bytes());
        let text = String::from_utf8_lossy(came.message.bytes());
        assert_eq!(read.kind, bounce::Kind::Bounce, "{name}: {text}");
        let [failure] = &read.failures[..] else { panic!("{name} {to}: {read:?}\n{text}") };
        assert_eq!((&failure.address[..], classify(failure)), (to, class), "{name}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b_10_dsns_of_postfix_are_classified() {
    if !postfix::is_here() {
        return;
    }
    let mut world = World::new().await;
    world.smtp = refuser().await;
    let postfix = Postfix::with_back_door(&to_us(&world)).await;
    dsns_are_classified(&world, postfix.front(), "postfix").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b_10_dsns_of_exim_are_classified() {
    dsns_of("exim").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b_10_dsns_of_opensmtpd_are_classified() {
    dsns_of("opensmtpd").await;
}

async fn dsns_of(name: &'static str) {
    if !postfix::is_here() {
        return;
    }
    let mut world = World::new().await;
    world.smtp = refuser().await;
    let address = postfix::free_port();
    let Some(mut server) = Server::start(name, address, &world).await else { return };
    dsns_are_classified(&world, address, name).await;
    server.stop();
}

/// A Postfix that sends ours.example to the world's gateway and everything
/// else to its sink.
fn to_us(world: &World) -> String {
    format!(
        "transport_maps = inline:{{ {{ ours.example = smtp:[127.0.0.1]:{} }} }}\n\
         default_transport = smtp:[127.0.0.1]:{}\n\
         mynetworks = 127.0.0.0/8\n\
         smtpd_relay_restrictions = permit_mynetworks, reject\n",
        world.smtp.port(),
        world.sink.port()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn m_10_l_25_a_bounce_by_postfix_has_the_whole_link() {
    if !postfix::is_here() {
        return;
    }
    let world = World::new().await;
    let postfix = Postfix::with_back_door(&to_us(&world)).await;
    world.bounce_has_the_link(postfix.front(), "postfix").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn m_10_l_25_a_bounce_by_exim_has_the_whole_link() {
    peer("exim").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn m_10_l_25_a_bounce_by_opensmtpd_has_the_whole_link() {
    peer("opensmtpd").await;
}

/// deploy/postfix/README.md on a clean Debian Postfix, every command pasted as
/// written.
#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_follows_the_readme() {
    let Some(said) = run("newcomer").await else { return };
    for word in [
        "ok    milter.listen: /var/spool/postfix/reprieve/milter negotiates as a milter",
        "ok    next_hop.server: 127.0.0.1:10026 answers",
        "ok    the test mail was held, and 127.0.0.1:25 gave our link to its sender",
        "publish TXT _dmarc.mail-release.example.com",
        "a bounce goes to postmaster@example.com",
        "and nobody else's",
        "\ninstalled again: the same keys\n",
        "\nremoved: keys and mail stay\n",
        "\npurged: nothing stays\n",
    ] {
        assert!(said.contains(word), "{word} in\n{said}");
    }
}

/// The commands in deploy/compose/compose.yaml as written, and its Postfix.
#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_follows_the_compose_file() {
    let Some(said) = run("compose").await else { return };
    for word in [
        "Set up the first within a day: https://mail-release.example.com/admin/setup/",
        "ok    milter.listen: 0.0.0.0:10027 negotiates as a milter",
        "ok    next_hop.server: postfix:10026 answers, with TLS",
        "ok    the test mail was held, and 172.28.0.3:25 gave our link to its sender",
        "\nanna got 1\n",
        "\npostmaster got 2\n",
        "\nsomebody got 1\n",
        "\nany other at 10026: 554 5.7.1\n",
    ] {
        assert!(said.contains(word), "{word} in\n{said}");
    }
}

/// What a script of this folder printed, in a root file system and a network of
/// its own; `None`, said aloud, where that cannot be had.
async fn run(name: &str) -> Option<String> {
    if !postfix::is_here() {
        return None;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers").join(name);
    let mut command = Command::new("unshare");
    command.args(["-m", "-n", "-p", "--fork", "--kill-child"]).arg(script);
    command.arg(env!("CARGO_BIN_EXE_reprieve"));
    let run = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = tokio::time::timeout(2 * PATIENCE, run).await.expect("three minutes").unwrap();
    if output.status.code() == Some(77) && std::env::var_os("CI").is_none() {
        eprintln!("skipped: no overlay file system or no virtual network here");
        return None;
    }
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

async fn peer(name: &'static str) {
    if !postfix::is_here() {
        return;
    }
    let world = World::new().await;
    let address = postfix::free_port();
    let Some(mut server) = Server::start(name, address, &world).await else { return };
    world.bounce_has_the_link(address, name).await;
    server.stop();
    let gone = async {
        while Sender::connect(address, "probe.example").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("it ends with its test");
}

/// Exim or OpenSMTPD.
struct Server {
    child: Child,
}

impl Server {
    /// `None`, said aloud, where its package cannot be had.
    async fn start(name: &str, at: SocketAddr, world: &World) -> Option<Self> {
        let folder = packages();
        std::fs::create_dir_all(&folder).unwrap();
        let ports = [at, world.smtp, world.sink].map(|address| address.port().to_string());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/server");
        let child = Command::new("unshare")
            .args(["-m", "-p", "--fork", "--kill-child"])
            .arg(script)
            .arg(name)
            .arg(&folder)
            .args(ports)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Self { child };
        let up = async {
            loop {
                if let Some(ended) = server.child.try_wait().unwrap() {
                    return Err(ended);
                }
                if Sender::connect(at, "probe.example").await.is_ok() {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, up).await.expect("it greets in time") {
            Ok(()) => Some(server),
            Err(ended) if ended.code() == Some(77) && std::env::var_os("CI").is_none() => {
                eprintln!("skipped: apt-get cannot download {name}");
                None
            }
            Err(ended) => panic!("{name} ends: {ended}"),
        }
    }

    fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Unpacked once for all runs.
fn packages() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers")
}

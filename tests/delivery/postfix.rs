//! A stock Postfix as the next hop: it puts everything on hold, so that its
//! queue can be counted. Needs root and Debian's postfix; elsewhere skipped
//! with a word (never where `CI` is set).

use std::collections::HashMap;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
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

const POSTFIX: &str = "/usr/sbin/postfix";

/// A private instance: its own configuration, queue and port.
struct Postfix {
    folder: TempDir,
    address: SocketAddr,
}

impl Postfix {
    /// `None`, said aloud, where it cannot run.
    async fn start() -> Option<Self> {
        let root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
        if !root || !Path::new(POSTFIX).exists() {
            assert!(std::env::var_os("CI").is_none(), "needs root and postfix");
            eprintln!("skipped: needs root and Debian's postfix");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let this = Self { folder, address };
        this.configure(port);
        let output = this.postfix("start");
        assert!(output.status.success(), "{output:?}");
        this.wait().await;
        Some(this)
    }

    fn configure(&self, port: u16) {
        let at = |name: &str| self.folder.path().join(name);
        for name in ["etc", "queue", "data"] {
            fs::create_dir(at(name)).unwrap();
        }
        let owned = Command::new("chown").arg("postfix").arg(at("data")).status().unwrap();
        assert!(owned.success());
        let path = |name: &str| at(name).display().to_string();
        // What decides about ends of DATA and of lines is as Debian ships it.
        let main = format!(
            "compatibility_level = 3.6\n\
             queue_directory = {}\n\
             data_directory = {}\n\
             maillog_file = {}\n\
             maillog_file_prefixes = {}\n\
             myhostname = hop.example\n\
             mydestination = one.example\n\
             mynetworks = 127.0.0.0/8\n\
             inet_interfaces = 127.0.0.1\n\
             alias_maps =\n\
             local_recipient_maps =\n\
             smtpd_client_restrictions = check_client_access static:HOLD\n",
            path("queue"),
            path("data"),
            path("maillog"),
            self.folder.path().display(),
        );
        fs::write(at("etc/main.cf"), main).unwrap();
        let mut master = vec![format!("127.0.0.1:{port} inet n - n - - smtpd\n")];
        for (name, kind, wakeup, limit, program) in [
            ("pickup", "unix", "60", "1", "pickup"),
            ("cleanup", "unix", "-", "0", "cleanup"),
            ("qmgr", "unix", "300", "1", "qmgr"),
            ("rewrite", "unix", "-", "-", "trivial-rewrite"),
            ("bounce", "unix", "-", "0", "bounce"),
            ("defer", "unix", "-", "0", "bounce"),
            ("trace", "unix", "-", "0", "bounce"),
            ("proxymap", "unix", "-", "-", "proxymap"),
            ("anvil", "unix", "-", "1", "anvil"),
            ("error", "unix", "-", "-", "error"),
            ("local", "unix", "-", "-", "local"),
            ("postlog", "unix-dgram", "-", "1", "postlogd"),
        ] {
            let public = ["pickup", "cleanup", "qmgr", "postlog"].contains(&name);
            let private = if public { "n" } else { "-" };
            master.push(format!("{name} {kind} {private} - n {wakeup} {limit} {program}\n"));
        }
        fs::write(at("etc/master.cf"), master.concat()).unwrap();
    }

    fn postfix(&self, word: &str) -> std::process::Output {
        Command::new(POSTFIX)
            .arg("-c")
            .arg(self.folder.path().join("etc"))
            .arg(word)
            .output()
            .unwrap()
    }

    /// Until it greets; its own start has a bound of its own.
    async fn wait(&self) {
        let greeted = async {
            loop {
                if let Ok(stream) = TcpStream::connect(self.address).await {
                    let mut line = String::new();
                    let _ = BufReader::new(stream).read_line(&mut line).await;
                    if line.starts_with("220") {
                        return;
                    }
                }
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        };
        let limit = std::time::Duration::from_secs(20);
        let log = || fs::read_to_string(self.folder.path().join("maillog")).unwrap_or_default();
        tokio::time::timeout(limit, greeted).await.unwrap_or_else(|_| panic!("{}", log()));
    }

    /// Each message on hold, headers and body as Postfix keeps them.
    fn held(&self) -> Vec<String> {
        let etc = self.folder.path().join("etc");
        let files = fs::read_dir(self.folder.path().join("queue/hold")).unwrap();
        files
            .map(|file| {
                let shown = Command::new("postcat")
                    .arg("-c")
                    .arg(&etc)
                    .arg("-hb")
                    .arg(file.unwrap().path())
                    .output()
                    .unwrap();
                assert!(shown.status.success(), "{shown:?}");
                String::from_utf8(shown.stdout).unwrap()
            })
            .collect()
    }

    fn courier(&self) -> Courier {
        let default = NextHop {
            host: self.address.ip().to_string(),
            port: self.address.port(),
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

    async fn send(&self, body: &[u8]) -> Report {
        let courier = self.courier();
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
    async fn send_carelessly(&self, body: &[u8]) {
        let mut stream = BufReader::new(TcpStream::connect(self.address).await.unwrap());
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
}

impl Drop for Postfix {
    fn drop(&mut self) {
        self.postfix("abort");
    }
}

const SMUGGLED: &str = "MAIL FROM:<boss@one.example>\r\nRCPT TO:<anna@one.example>\r\nDATA\r\n\
    Subject: smuggled\r\n\r\npay";

/// With all that Postfix would add.
const FIELDS: &str = "From: from@far.example\r\nDate: Mon, 2 Mar 2026 12:00:00 +0000\r\n\
    Message-Id: <1@far.example>\r\nSubject: a\r\n";

#[tokio::test]
async fn r_01_a_smuggling_body_never_becomes_a_second_mail() {
    let Some(postfix) = Postfix::start().await else { return };
    for end in ["\r\n.\n", "\n.\n", "\n.\r\n", "\r.\r"] {
        let body = format!("Subject: a\r\n\r\nhello{end}{SMUGGLED}\r\n");
        let report = postfix.send(body.as_bytes()).await;
        assert_eq!(report.outcome, Outcome::Permanent, "{end:?}: {report:?}");
    }
    assert_eq!(postfix.held().len(), 0);
    // The same commands behind honest line ends are text.
    let body = format!("{FIELDS}\r\nhello\r\n.\r\n{SMUGGLED}\r\n.\r\n..\r\n");
    let report = postfix.send(body.as_bytes()).await;
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
    let Some(postfix) = Postfix::start().await else { return };
    let body = format!("Subject: a\r\n\r\nhello\r\n.\n{SMUGGLED}");
    postfix.send_carelessly(body.as_bytes()).await;
    assert_eq!(postfix.held().len(), 2, "{:?}", postfix.held());
}

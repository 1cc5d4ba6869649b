//! A private Postfix: Debian's programs with a configuration, a queue and
//! ports of its own, started and stopped by the test that has it. Needs root;
//! where it cannot run that is said, and with `CI` set it is a failure.

#![allow(dead_code, reason = "each test that shares it uses its part")]

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;

const POSTFIX: &str = "/usr/sbin/postfix";

/// A running instance.
pub struct Postfix {
    folder: TempDir,
    doors: Vec<SocketAddr>,
}

/// `false`, said aloud, where it cannot run.
pub fn is_here() -> bool {
    let root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
    let here = root && Path::new(POSTFIX).exists();
    if !here {
        assert!(std::env::var_os("CI").is_none(), "needs root and postfix");
        eprintln!("skipped: needs root and Debian's postfix");
    }
    here
}

pub fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

impl Postfix {
    /// A stock server that puts everything on hold, so that its queue can be
    /// counted: what decides about ends of DATA and of lines is as Debian
    /// ships it. `main`: further lines of main.cf.
    pub async fn on_hold(main: &str) -> Self {
        let hold = "myhostname = hop.example\n\
                    mydestination = one.example\n\
                    mynetworks = 127.0.0.0/8\n\
                    smtpd_client_restrictions = check_client_access static:HOLD\n";
        Self::start(&format!("{hold}{main}"), &[""]).await
    }

    /// A server with two doors: the Internet's, and one where what was freed
    /// comes back. `main`: further lines of main.cf.
    pub async fn with_back_door(main: &str) -> Self {
        let mta = "myhostname = mta.example\n\
                   mydestination =\n\
                   mynetworks = 10.255.255.0/24\n\
                   smtpd_peername_lookup = no\n\
                   smtp_dns_support_level = disabled\n\
                   smtp_host_lookup = native\n\
                   minimal_backoff_time = 1s\n";
        let back = "-o smtpd_milters= -o mynetworks=127.0.0.0/8 \
                    -o smtpd_relay_restrictions=permit_mynetworks,reject";
        Self::start(&format!("{mta}{main}"), &["", back]).await
    }

    /// One smtpd for each of `doors`, which are its options.
    async fn start(main: &str, doors: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let this = Self { folder, doors: doors.iter().map(|_| free_port()).collect() };
        this.configure(main, doors);
        let output = this.postfix("start");
        assert!(output.status.success(), "{output:?}");
        for door in &this.doors {
            this.wait(*door).await;
        }
        this
    }

    fn configure(&self, main: &str, doors: &[&str]) {
        let at = |name: &str| self.folder.path().join(name);
        for name in ["etc", "queue", "data"] {
            fs::create_dir(at(name)).unwrap();
        }
        assert!(Command::new("chown").arg("postfix").arg(at("data")).status().unwrap().success());
        let path = |name: &str| at(name).display().to_string();
        let main = format!(
            "compatibility_level = 3.6\n\
             queue_directory = {}\n\
             data_directory = {}\n\
             maillog_file = {}\n\
             maillog_file_prefixes = {}\n\
             inet_interfaces = 127.0.0.1\n\
             alias_maps =\n\
             local_recipient_maps =\n\
             {main}\n",
            path("queue"),
            path("data"),
            path("maillog"),
            self.folder.path().display(),
        );
        fs::write(at("etc/main.cf"), main).unwrap();
        let door = |(at, options)| format!("{at} inet n - n - 250 smtpd {options}\n");
        let mut master: Vec<String> = self.doors.iter().zip(doors).map(door).collect();
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
            ("scache", "unix", "-", "1", "scache"),
            ("smtp", "unix", "-", "-", "smtp"),
            ("error", "unix", "-", "-", "error"),
            ("retry", "unix", "-", "-", "error"),
            ("local", "unix", "-", "-", "local"),
            ("tlsmgr", "unix", "1000?", "1", "tlsmgr"),
            ("postlog", "unix-dgram", "-", "1", "postlogd"),
        ] {
            let public = ["pickup", "cleanup", "qmgr", "postlog"].contains(&name);
            let private = if public { "n" } else { "-" };
            master.push(format!("{name} {kind} {private} - n {wakeup} {limit} {program}\n"));
        }
        fs::write(at("etc/master.cf"), master.concat()).unwrap();
    }

    /// Where the Internet comes in.
    pub fn front(&self) -> SocketAddr {
        self.doors[0]
    }

    /// Where what was freed comes back.
    pub fn back(&self) -> SocketAddr {
        self.doors[1]
    }

    pub fn etc(&self) -> PathBuf {
        self.folder.path().join("etc")
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("maillog")).unwrap_or_default()
    }

    fn postfix(&self, word: &str) -> Output {
        Command::new(POSTFIX).arg("-c").arg(self.etc()).arg(word).output().unwrap()
    }

    /// Configuration and tables are read again.
    pub fn reload(&self) {
        let output = self.postfix("reload");
        assert!(output.status.success(), "{output:?}");
    }

    /// Until it greets.
    async fn wait(&self, address: SocketAddr) {
        let greeted = async {
            loop {
                if let Ok(stream) = TcpStream::connect(address).await {
                    let mut line = String::new();
                    let _ = BufReader::new(stream).read_line(&mut line).await;
                    // Without a milter it defers before it greets: it is up.
                    if line.starts_with("220") || line.starts_with("451") {
                        return;
                    }
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let limit = Duration::from_secs(30);
        tokio::time::timeout(limit, greeted).await.unwrap_or_else(|_| panic!("{}", self.log()));
    }

    /// Queue files of this queue.
    pub fn queued(&self, queue: &str) -> usize {
        let folder = self.folder.path().join("queue").join(queue);
        fs::read_dir(folder).map_or(0, Iterator::count)
    }

    /// Each message on hold, headers and body as Postfix keeps them.
    pub fn held(&self) -> Vec<String> {
        let files = fs::read_dir(self.folder.path().join("queue/hold")).unwrap();
        files
            .map(|file| {
                let shown = Command::new("postcat")
                    .arg("-c")
                    .arg(self.etc())
                    .arg("-hb")
                    .arg(file.unwrap().path())
                    .output()
                    .unwrap();
                assert!(shown.status.success(), "{shown:?}");
                String::from_utf8(shown.stdout).unwrap()
            })
            .collect()
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        self.postfix("abort");
    }
}

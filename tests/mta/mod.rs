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

/// What it is to do.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Lines of main.cf.
    pub main: String,
    /// Options of the re-injection port's smtpd, each `-o name=value`.
    pub back: String,
}

/// A running instance.
pub struct Postfix {
    folder: TempDir,
    /// Where the Internet comes in.
    pub front: SocketAddr,
    /// Where what was freed comes back.
    pub back: SocketAddr,
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
    pub async fn start(wanted: Wanted) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let this = Self { folder, front: free_port(), back: free_port() };
        this.configure(&wanted);
        let output = this.postfix("start");
        assert!(output.status.success(), "{output:?}");
        this.wait(this.front).await;
        this.wait(this.back).await;
        this
    }

    fn configure(&self, wanted: &Wanted) {
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
             myhostname = mta.example\n\
             mydestination =\n\
             mynetworks = 10.255.255.0/24\n\
             inet_interfaces = 127.0.0.1\n\
             alias_maps =\n\
             local_recipient_maps =\n\
             smtpd_peername_lookup = no\n\
             smtp_dns_support_level = disabled\n\
             smtp_host_lookup = native\n\
             minimal_backoff_time = 1s\n\
             {}",
            path("queue"),
            path("data"),
            path("maillog"),
            self.folder.path().display(),
            wanted.main,
        );
        fs::write(at("etc/main.cf"), main).unwrap();
        let mut master = vec![
            format!("{} inet n - n - 250 smtpd\n", self.front),
            format!(
                "{} inet n - n - 250 smtpd -o smtpd_milters= -o mynetworks=127.0.0.0/8 \
                 -o smtpd_relay_restrictions=permit_mynetworks,reject {}\n",
                self.back, wanted.back
            ),
        ];
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
            ("postlog", "unix-dgram", "-", "1", "postlogd"),
        ] {
            let public = ["pickup", "cleanup", "qmgr", "postlog"].contains(&name);
            let private = if public { "n" } else { "-" };
            master.push(format!("{name} {kind} {private} - n {wakeup} {limit} {program}\n"));
        }
        fs::write(at("etc/master.cf"), master.concat()).unwrap();
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
}

impl Drop for Postfix {
    fn drop(&mut self) {
        self.postfix("abort");
    }
}

//! A stock Postfix as the next hop: it puts everything on hold, so that its
//! queue can be counted. Needs root and Debian's postfix; elsewhere skipped
//! with a word (never where `CI` is set).

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;

const POSTFIX: &str = "/usr/sbin/postfix";

/// A private instance: its own configuration, queue and port.
pub struct Postfix {
    folder: TempDir,
    pub address: SocketAddr,
}

impl Postfix {
    /// `None`, said aloud, where it cannot run. `more` are further lines of
    /// main.cf.
    pub async fn start(more: &str) -> Option<Self> {
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
        this.configure(port, more);
        let output = this.postfix("start");
        assert!(output.status.success(), "{output:?}");
        this.wait().await;
        Some(this)
    }

    fn configure(&self, port: u16, more: &str) {
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
             smtpd_client_restrictions = check_client_access static:HOLD\n\
             {more}\n",
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
            ("tlsmgr", "unix", "1000?", "1", "tlsmgr"),
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

    /// Configuration and tables are read again.
    #[allow(dead_code, reason = "not every test that shares this file needs it")]
    pub fn reload(&self) {
        let output = self.postfix("reload");
        assert!(output.status.success(), "{output:?}");
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
    #[allow(dead_code, reason = "not every test that shares this file needs it")]
    pub fn held(&self) -> Vec<String> {
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
}

impl Drop for Postfix {
    fn drop(&mut self) {
        self.postfix("abort");
    }
}

//! A program that a test starts and that ends with it, and fakes of one.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use reprieve::filter::engine::Place;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

/// How long a daemon may take to be ready.
const READY: Duration = Duration::from_mins(2);

/// Runs until it is dropped.
pub struct Daemon(Child);

impl Daemon {
    /// Starts `program` and waits for a line that contains `ready`. `None`,
    /// said aloud, if it is not installed.
    pub fn start(program: &str, arguments: &[&str], ready: &str) -> Option<Self> {
        if !Path::new(program).exists() {
            assert!(std::env::var_os("CI").is_none(), "needs {program}");
            eprintln!("skipped: {program} is not installed");
            return None;
        }
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (say, hear) = mpsc::channel();
        follow(child.stdout.take().unwrap(), say.clone());
        follow(child.stderr.take().unwrap(), say);
        let this = Self(child);
        let mut said = String::new();
        while !said.contains(ready) {
            match hear.recv_timeout(READY) {
                Ok(line) => said.push_str(&line),
                Err(elapsed) => panic!("{program} is not ready: {elapsed}\n{said}"),
            }
        }
        Some(this)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

/// Reads to the end, so that the daemon never blocks on a full pipe.
fn follow(from: impl Read + Send + 'static, say: mpsc::Sender<String>) {
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let _ = say.send(line + "\n");
        }
    });
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub fn place(port: u16) -> Place {
    Place::Tcp { host: "127.0.0.1".into(), port }
}

/// A server that reads everything and answers every connection with `answer`
/// once `end` was read, or never without an answer.
pub async fn fake(end: &'static [u8], answer: Option<&'static [u8]>) -> Place {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut chunk) = (Vec::new(), [0; 4096]);
                while let Ok(length) = stream.read(&mut chunk).await {
                    if length == 0 {
                        return;
                    }
                    read.extend(&chunk[..length]);
                    if read.ends_with(end)
                        && let Some(answer) = answer
                    {
                        let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await;
                        return;
                    }
                }
            });
        }
    });
    place(port)
}

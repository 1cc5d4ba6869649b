//! The outside world: a mail server that takes everything and keeps it.
//!
//! What recipients get (passed on and released mail) and what senders get
//! (letters, bounces) arrives here, as exact bytes. It speaks as much SMTP
//! (RFC 5321) as the gateway needs of a next hop, and is no server for
//! strangers: it listens on loopback.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::clock::Timestamp;
use crate::mail::Message;

/// A message as it arrived.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// Counts from 1.
    pub id: usize,
    pub mail_from: String,
    pub rcpt_to: Vec<String>,
    pub received: Timestamp,
    pub message: Message,
}

/// Everything that arrived so far. Clones share it.
#[derive(Clone)]
pub struct Outside {
    arrived: Arc<Mutex<Vec<Arrived>>>,
    count: watch::Sender<usize>,
}

impl Default for Outside {
    fn default() -> Self {
        Self { arrived: Arc::default(), count: watch::Sender::new(0) }
    }
}

impl Outside {
    /// Takes mail on `listener` until the program ends.
    pub async fn serve(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            // Each command of a group is answered by itself.
            let _ = stream.set_nodelay(true);
            let outside = self.clone();
            tokio::spawn(async move {
                // A broken connection is the client's affair.
                let _ = outside.session(stream).await;
            });
        }
    }

    /// In the order of arrival.
    pub fn all(&self) -> Vec<Arrived> {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The message `id`, if it has arrived.
    pub fn one(&self, id: usize) -> Option<Arrived> {
        let arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        arrived.get(id.checked_sub(1)?).cloned()
    }

    /// Waits until a message arrives for which `wanted` holds.
    pub async fn wait_for(&self, wanted: impl Fn(&Arrived) -> bool) -> Arrived {
        let mut count = self.count.subscribe();
        loop {
            if let Some(found) = self.all().into_iter().find(&wanted) {
                return found;
            }
            // The sender lives as long as `self`.
            let _ = count.changed().await;
        }
    }

    async fn session(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let (reader, mut writer) = stream.split();
        let mut reader = BufReader::new(reader);
        writer.write_all(b"220 outside.example ESMTP\r\n").await?;
        let (mut mail_from, mut rcpt_to) = (String::new(), Vec::new());
        let mut line = Vec::new();
        loop {
            line.clear();
            if reader.read_until(b'\n', &mut line).await? == 0 {
                return Ok(());
            }
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            let verb = text.get(..4).unwrap_or("").to_ascii_uppercase();
            let reply: &[u8] = match verb.as_str() {
                "EHLO" => {
                    b"250-outside.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n\
                      250-ENHANCEDSTATUSCODES\r\n250 SIZE 52428800\r\n"
                }
                "MAIL" => {
                    mail_from = path(&text);
                    b"250 2.1.0 Ok\r\n"
                }
                "RCPT" => {
                    rcpt_to.push(path(&text));
                    b"250 2.1.5 Ok\r\n"
                }
                "DATA" => {
                    writer.write_all(b"354 End with a dot\r\n").await?;
                    let bytes = data(&mut reader).await?;
                    let id = self.keep(&mail_from, std::mem::take(&mut rcpt_to), bytes);
                    writer.write_all(format!("250 2.0.0 Kept as {id}\r\n").as_bytes()).await?;
                    continue;
                }
                "RSET" => {
                    rcpt_to.clear();
                    b"250 2.0.0 Ok\r\n"
                }
                "HELO" | "NOOP" => b"250 Ok\r\n",
                "QUIT" => {
                    writer.write_all(b"221 2.0.0 Bye\r\n").await?;
                    return Ok(());
                }
                _ => b"502 5.5.1 Not known here\r\n",
            };
            writer.write_all(reply).await?;
        }
    }

    /// Keeps a message that did not come over the network.
    pub fn keep(&self, mail_from: &str, rcpt_to: Vec<String>, bytes: Vec<u8>) -> usize {
        let mut arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        let id = arrived.len() + 1;
        arrived.push(Arrived {
            id,
            mail_from: mail_from.to_owned(),
            rcpt_to,
            received: Timestamp::now(),
            message: Message::new(bytes.into()),
        });
        self.count.send_replace(id);
        id
    }
}

/// What stands between `<` and `>`.
fn path(line: &str) -> String {
    let inner = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inner.map_or_else(String::new, |(path, _)| path.to_owned())
}

/// RFC 5321 section 4.5.2: until a line with a single dot, dots unstuffed.
async fn data(reader: &mut (impl AsyncBufReadExt + Unpin)) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line == b".\r\n" && (bytes.is_empty() || bytes.ends_with(b"\r\n")) {
            return Ok(bytes);
        }
        let stuffed = line.starts_with(b".") && (bytes.is_empty() || bytes.ends_with(b"\r\n"));
        bytes.extend_from_slice(&line[usize::from(stuffed)..]);
    }
}

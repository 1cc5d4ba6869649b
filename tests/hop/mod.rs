//! A next hop that answers as it is told.

#![allow(dead_code, reason = "each test that shares it uses its part")]

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, UnixListener};
use tokio_rustls::TlsAcceptor;

/// A connection, encrypted or not.
trait Both: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Both for S {}

type Stream = BufReader<Box<dyn Both>>;

/// A server that says 250 unless it was told otherwise, and keeps what it
/// heard.
#[derive(Clone, Default)]
pub struct Hop {
    inner: Arc<Mutex<HopInner>>,
}

#[derive(Default)]
struct HopInner {
    heard: Vec<String>,
    messages: Vec<Vec<u8>>,
    /// For lines that begin so, the answers to come; empty: it hangs up.
    answers: HashMap<&'static str, VecDeque<&'static str>>,
    lmtp: bool,
    tls: Option<TlsAcceptor>,
    /// Sessions that were encrypted.
    encrypted: usize,
}

const OFFER: &str = "250-PIPELINING\r\n250-SIZE 1000000\r\n250-8BITMIME\r\n\
                     250-XFORWARD NAME ADDR PROTO HELO SOURCE\r\n250 ENHANCEDSTATUSCODES\r\n";

/// A certificate of our own for `name`: its PEM chain and key, in a folder.
pub fn certificate(name: &str) -> (TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let (chain, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&chain, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (folder, chain, key)
}

impl Hop {
    /// From now on these answers to lines that begin so, then 250 again. An
    /// empty answer hangs up.
    pub fn answer(&self, verb: &'static str, answers: &[&'static str]) {
        self.inner.lock().unwrap().answers.insert(verb, answers.iter().copied().collect());
    }

    /// The commands since the last time.
    pub fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.inner.lock().unwrap().heard)
    }

    /// The messages since the last time, as they stood on the wire.
    pub fn messages(&self) -> Vec<String> {
        let messages = std::mem::take(&mut self.inner.lock().unwrap().messages);
        messages.into_iter().map(|bytes| String::from_utf8(bytes).unwrap()).collect()
    }

    /// LMTP: an answer for each recipient.
    pub fn speak_lmtp(&self) {
        self.inner.lock().unwrap().lmtp = true;
    }

    /// Offers STARTTLS.
    pub fn offer_tls(&self, acceptor: TlsAcceptor) {
        self.inner.lock().unwrap().tls = Some(acceptor);
    }

    /// How many sessions were encrypted.
    pub fn encrypted(&self) -> usize {
        self.inner.lock().unwrap().encrypted
    }

    pub async fn serve(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(self.clone().session(Box::new(stream)));
        }
    }

    pub async fn serve_socket(self, listener: UnixListener) {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(self.clone().session(Box::new(stream)));
        }
    }

    async fn session(self, stream: Box<dyn Both>) {
        let mut stream = BufReader::new(stream);
        let mut tls = self.inner.lock().unwrap().tls.clone();
        stream.write_all(b"220 hop.example\r\n").await.unwrap();
        let mut recipients = 0;
        let mut line = String::new();
        while stream.read_line(&mut line).await.is_ok_and(|count| count > 0) {
            let command = std::mem::take(&mut line).trim_end().to_owned();
            // It comes whenever the client's session ends: no test can wait.
            if command == "QUIT" {
                return;
            }
            if command == "STARTTLS"
                && let Some(acceptor) = tls.take()
            {
                stream.write_all(b"220 2.0.0 go on\r\n").await.unwrap();
                // Who does not trust us hangs up.
                let Ok(secure) = acceptor.accept(stream.into_inner()).await else { return };
                stream = BufReader::new(Box::new(secure));
                self.inner.lock().unwrap().encrypted += 1;
                continue;
            }
            let told = self.told(&command);
            self.inner.lock().unwrap().heard.push(command.clone());
            let reply = match &command[..4] {
                _ if told == Some("") => return,
                _ if told.is_some() => format!("{}\r\n", told.unwrap()),
                "EHLO" | "LHLO" if tls.is_some() => {
                    format!("250-hop.example\r\n250-STARTTLS\r\n{OFFER}")
                }
                "EHLO" | "LHLO" => format!("250-hop.example\r\n{OFFER}"),
                "DATA" => "354 go on\r\n".to_owned(),
                _ => "250 2.0.0 fine\r\n".to_owned(),
            };
            if command.starts_with("RCPT") && reply.starts_with('2') {
                recipients += 1;
            }
            if command.starts_with("RSET") {
                recipients = 0;
            }
            if stream.write_all(reply.as_bytes()).await.is_err() {
                return;
            }
            if reply.starts_with("354") && self.message(&mut stream, recipients).await.is_none() {
                return;
            }
        }
    }

    /// Reads to the end of data, and answers.
    async fn message(&self, stream: &mut Stream, recipients: usize) -> Option<()> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n.\r\n") {
            bytes.push(stream.read_u8().await.ok()?);
        }
        bytes.truncate(bytes.len() - 3);
        let lmtp = {
            let mut inner = self.inner.lock().unwrap();
            inner.messages.push(bytes);
            inner.lmtp
        };
        for _ in 0..if lmtp { recipients } else { 1 } {
            let told = self.told(".").unwrap_or("250 2.0.0 kept");
            if told.is_empty() {
                return None;
            }
            stream.write_all(format!("{told}\r\n").as_bytes()).await.ok()?;
        }
        Some(())
    }

    fn told(&self, line: &str) -> Option<&'static str> {
        let answers = &mut self.inner.lock().unwrap().answers;
        let verb = answers.iter_mut().find(|(verb, _)| line.starts_with(**verb))?;
        verb.1.pop_front()
    }
}

//! SpamAssassin's daemon, asked by `SYMBOLS` (its PROTOCOL document, 1.5).
//!
//! spamd learns the envelope from header fields only: Return-Path and a
//! Received line of ours stand in front of what it is shown, which changes
//! nothing that DKIM covers. It closes the connection behind each answer, so
//! none is kept. The answer is bounded.

use std::io;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use super::servers::{Place, Servers, Silence};
use super::{Advice, Engine, Opinion, Symbol};
use crate::mail::{Envelope, Message, trace};

/// Bytes of an answer; more is no answer.
const ANSWER: u64 = 1 << 20;

/// `[filter.spamassassin]`
#[derive(Clone, Debug)]
pub struct Settings {
    pub servers: Vec<Place>,
    pub timeout: Duration,
    /// Whose preferences count; `None`: those of spamd's own user.
    pub user: Option<String>,
    /// Bytes; a larger message is not asked about. spamc's default is 512 KB.
    pub size: usize,
    /// Our name in the Received line that spamd is shown.
    pub host: String,
}

pub struct Spamd {
    servers: Servers,
    settings: Settings,
}

impl Spamd {
    pub fn new(settings: &Settings) -> Self {
        Self {
            servers: Servers::new(&settings.servers, settings.timeout),
            settings: settings.clone(),
        }
    }

    /// Everything that stands before the message itself.
    fn head(&self, envelope: &Envelope, length: usize) -> Vec<u8> {
        let path = envelope.mail_from.address().map(ToString::to_string).unwrap_or_default();
        let trace = trace::received(envelope, &self.settings.host);
        let front = format!("Return-Path: <{path}>\r\n{trace}");
        let mut head = format!("SYMBOLS SPAMC/1.5\r\nContent-length: {}\r\n", front.len() + length);
        if let Some(user) = &self.settings.user {
            head.push_str(&format!("User: {user}\r\n"));
        }
        head.push_str("\r\n");
        head.push_str(&front);
        head.into_bytes()
    }
}

impl Engine for Spamd {
    fn name(&self) -> &'static str {
        "spamassassin"
    }

    fn ask<'a>(
        &'a self,
        envelope: &'a Envelope,
        message: &'a Message,
    ) -> BoxFuture<'a, Result<Opinion, Silence>> {
        let bytes: &[u8] = message.bytes();
        if bytes.len() > self.settings.size {
            return std::future::ready(Ok(Opinion::default())).boxed();
        }
        let ask = move |place: std::sync::Arc<Place>| async move {
            let head = self.head(envelope, bytes.len());
            match &*place {
                Place::Tcp { host, port } => {
                    talk(TcpStream::connect((host.as_str(), *port)).await?, &head, bytes).await
                }
                Place::Unix(path) => talk(UnixStream::connect(path).await?, &head, bytes).await,
            }
        };
        self.servers.ask(ask).boxed()
    }
}

async fn talk(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    head: &[u8],
    bytes: &[u8],
) -> io::Result<Opinion> {
    stream.write_all(head).await?;
    stream.write_all(bytes).await?;
    stream.shutdown().await?;
    let mut said = Vec::new();
    stream.take(ANSWER).read_to_end(&mut said).await?;
    read(&String::from_utf8_lossy(&said))
}

/// `SPAMD/1.1 0 EX_OK`, header lines, and the symbols' names as the body.
fn read(said: &str) -> io::Result<Opinion> {
    let odd = || {
        let start: String = said.lines().next().unwrap_or_default().chars().take(100).collect();
        io::Error::other(format!("spamd said {start:?}"))
    };
    let (head, body) = said.split_once("\r\n\r\n").ok_or_else(odd)?;
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.strip_prefix("SPAMD/")).ok_or_else(odd)?;
    if status.split(' ').nth(1) != Some("0") {
        return Err(odd());
    }
    // `Spam: True ; 15.0 / 5.0`
    let field = |line: &str| {
        let (name, value) = line.split_once(':')?;
        let score = value.split_once(';')?.1.split('/').next()?.trim();
        name.eq_ignore_ascii_case("spam").then(|| score.parse().ok())?
    };
    let score = lines.find_map(field).ok_or_else(odd)?;
    let names = body.split(',').map(str::trim).filter(|name| !name.is_empty());
    let symbols = names.map(|name| Symbol { name: name.to_owned(), score: None }).collect();
    Ok(Opinion { score, advice: Advice::None, symbols })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let said =
            "SPAMD/1.1 0 EX_OK\r\nContent-length: 3\r\nSpam: True ; 8.5 / 5.0\r\n\r\nA,B\r\n";
        let opinion = read(said).unwrap();
        assert!((opinion.score - 8.5).abs() < f64::EPSILON);
        let names: Vec<&str> = opinion.symbols.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["A", "B"]);
        let said = "SPAMD/1.1 0 EX_OK\r\nSpam: False ; -0.1 / 5.0\r\n\r\n";
        assert!(read(said).unwrap().symbols.is_empty());
        for odd in [
            "",
            "SPAMD/1.1 0 EX_OK\r\n\r\n",
            "SPAMD/1.1 75 EX_TEMPFAIL\r\nSpam: False ; 0.0 / 5.0\r\n\r\n",
            "HTTP/1.1 0 OK\r\nSpam: False ; 0.0 / 5.0\r\n\r\n",
            "SPAMD/1.1 0 EX_OK\r\nSpam: True ; high / 5.0\r\n\r\n",
        ] {
            assert!(read(odd).is_err(), "{odd}");
        }
    }
}

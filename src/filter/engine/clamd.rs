//! ClamAV's daemon, asked by INSTREAM (clamd(8)) over TCP or a local socket.
//!
//! Three answers and no fourth: clean, infected, not scanned. What is over a
//! limit, of ours or of clamd's, is never clean. A daemon that is configured
//! and gives no answer means defer; that is the caller's duty.

use std::io;
use std::time::Duration;

use clamav_client::tokio::{Socket, Tcp, scan_buffer};

use super::servers::{Place, Servers, Silence};
use crate::mail::Message;

/// Bytes of one INSTREAM chunk.
const CHUNK: usize = 256 << 10;

/// `[filter.clamd]`
#[derive(Clone, Debug)]
pub struct Settings {
    pub servers: Vec<Place>,
    /// For the answer of one server; a scan asks two at most.
    pub timeout: Duration,
    /// Bytes; a larger message is not scanned. At most clamd's
    /// StreamMaxLength, which closes the connection without a word.
    pub size: usize,
}

/// What clamd said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scanned {
    Clean,
    /// With the signature's name.
    Infected(String),
    Unscanned(Why),
}

/// Why a message was not scanned to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Over a limit of ours or clamd's.
    Limit,
    /// clamd found something locked (its AlertEncrypted).
    Encrypted,
    /// clamd found macros (its AlertOLE2Macros).
    Macro,
}

pub struct Clamd {
    servers: Servers,
    size: usize,
}

impl Clamd {
    pub fn new(settings: &Settings) -> Self {
        Self { servers: Servers::new(&settings.servers, settings.timeout), size: settings.size }
    }

    /// Scans the whole message as it came.
    ///
    /// # Errors
    /// [`Silence`]: no server gave an answer.
    pub async fn scan(&self, message: &Message) -> Result<Scanned, Silence> {
        let bytes: &[u8] = message.bytes();
        if bytes.len() > self.size {
            return Ok(Scanned::Unscanned(Why::Limit));
        }
        let scan = async |place: std::sync::Arc<Place>| {
            let answer = match &*place {
                Place::Tcp { host, port } => {
                    let host_address = (host.as_str(), *port);
                    scan_buffer(bytes, Tcp { host_address }, Some(CHUNK)).await
                }
                Place::Unix(socket_path) => {
                    scan_buffer(bytes, Socket { socket_path }, Some(CHUNK)).await
                }
            };
            read(&answer?)
        };
        self.servers.ask(scan).await
    }
}

/// `stream: OK`, `stream: NAME FOUND`; all else is no answer.
fn read(answer: &[u8]) -> io::Result<Scanned> {
    let text = String::from_utf8_lossy(answer);
    let text = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
    if text.starts_with("INSTREAM size limit exceeded") {
        return Ok(Scanned::Unscanned(Why::Limit));
    }
    let said = text.strip_prefix("stream: ");
    if said == Some("OK") {
        return Ok(Scanned::Clean);
    }
    let Some(name) = said.and_then(|said| said.strip_suffix(" FOUND")) else {
        let start: String = text.chars().take(200).collect();
        return Err(io::Error::other(format!("clamd said {start:?}")));
    };
    Ok(if name.starts_with("Heuristics.Limits.") {
        Scanned::Unscanned(Why::Limit)
    } else if name.starts_with("Heuristics.Encrypted.") {
        Scanned::Unscanned(Why::Encrypted)
    } else if name.contains("OLE2.ContainsMacros") {
        Scanned::Unscanned(Why::Macro)
    } else {
        Scanned::Infected(name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let said = |text: &str| read(text.as_bytes()).ok();
        assert_eq!(said("stream: OK\0"), Some(Scanned::Clean));
        let infected = Some(Scanned::Infected("Win.Test.EICAR_HDB-1".into()));
        assert_eq!(said("stream: Win.Test.EICAR_HDB-1 FOUND\0"), infected);
        let unscanned = |why| Some(Scanned::Unscanned(why));
        let limit = "stream: Heuristics.Limits.Exceeded.MaxFiles FOUND\0";
        assert_eq!(said(limit), unscanned(Why::Limit));
        assert_eq!(said("INSTREAM size limit exceeded. ERROR\0"), unscanned(Why::Limit));
        assert_eq!(said("stream: Heuristics.Encrypted.Zip FOUND\0"), unscanned(Why::Encrypted));
        let macros = "stream: Heuristics.OLE2.ContainsMacros FOUND\0";
        assert_eq!(said(macros), unscanned(Why::Macro));
    }

    #[test]
    fn whatever_else_is_said_is_no_answer() {
        for odd in ["", "stream: ", "OK", "stream: OK not", "stream: Can't allocate ERROR", "PONG"]
        {
            assert!(read(odd.as_bytes()).is_err(), "{odd}");
        }
    }
}

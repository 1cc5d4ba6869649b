//! The bytes between us and the next hop.

use std::io;
use std::time::Duration;

use memchr::memmem;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout};

use crate::intake::smtp::wire::{Ended, Line, Pace, Stream, Wire};
use crate::mail::Reply;

use super::reply::{Answer, ReplyLine};
use super::{NextHop, NextHopTls, Place, Protocol, RelayError};

/// An open session with the next hop.
pub struct Connection {
    wire: Wire,
    patience: Duration,
    data_patience: Duration,
    /// The lines of its EHLO answer, without the first.
    keywords: Vec<String>,
}

/// Longest reply line that is read: longer than RFC 5321's 512 bytes, because
/// servers with long policy texts exist.
const REPLY_BYTES: usize = 4 << 10;
/// Lines of one reply.
const REPLY_LINES: usize = 100;
/// Up to here a message is copied so that it leaves in one write.
const SMALL_BYTES: usize = 64 << 10;

impl Connection {
    /// Connects, reads the greeting, says EHLO or LHLO, and does STARTTLS if
    /// it is asked for.
    pub async fn open(next_hop: &NextHop) -> Result<Self, RelayError> {
        let stream = timeout(next_hop.patience, connect(&next_hop.place))
            .await
            .map_err(|_| RelayError::Slow)?
            .map_err(RelayError::Unreachable)?;
        let mut connection = Self {
            wire: Wire::new(stream, REPLY_BYTES),
            patience: next_hop.patience,
            data_patience: next_hop.data_patience,
            keywords: Vec::new(),
        };
        let greeting = connection.answer(next_hop.patience).await?.reply();
        if greeting.code() != 220 {
            return Err(RelayError::Refused(greeting));
        }
        connection.hello(next_hop).await?;
        if let Some(tls) = &next_hop.tls {
            connection.start_tls(tls).await?;
            connection.hello(next_hop).await?;
        }
        Ok(connection)
    }

    pub fn offers(&self, keyword: &str) -> bool {
        self.keyword(keyword).is_some()
    }

    /// What stands behind an offered keyword.
    pub fn keyword(&self, keyword: &str) -> Option<&str> {
        self.keywords.iter().find_map(|line| {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            word.eq_ignore_ascii_case(keyword).then_some(rest)
        })
    }

    /// Sends commands and reads their replies; all at once if the next hop
    /// takes pipelining.
    pub async fn exchange(&mut self, commands: &[String]) -> Result<Vec<Reply>, RelayError> {
        let mut replies = Vec::with_capacity(commands.len());
        if self.offers("PIPELINING") {
            for command in commands {
                self.say(command);
            }
            for _ in commands {
                replies.push(self.answer(self.patience).await?.reply());
            }
        } else {
            for command in commands {
                self.say(command);
                replies.push(self.answer(self.patience).await?.reply());
            }
        }
        Ok(replies)
    }

    /// Sends a message that has CRLF line ends only, and reads `answers`.
    pub async fn send(
        &mut self,
        head: &[u8],
        message: &[u8],
        answers: usize,
    ) -> Result<Vec<Reply>, RelayError> {
        self.wire.push(head);
        let mut rest = message;
        if message.first() == Some(&b'.') {
            self.wire.push(b".");
        }
        // RFC 5321 section 4.5.2: a dot before each line that begins with one.
        while let Some(at) = memmem::find(rest, b"\r\n.") {
            let (line, next) = rest.split_at(at + 2);
            self.push(line).await?;
            self.wire.push(b".");
            rest = next;
        }
        self.push(rest).await?;
        if !message.is_empty() && !message.ends_with(b"\r\n") {
            self.wire.push(b"\r\n");
        }
        self.wire.push(b".\r\n");
        let mut replies = Vec::with_capacity(answers);
        for _ in 0..answers {
            replies.push(self.answer(self.data_patience).await?.reply());
        }
        Ok(replies)
    }

    /// Polite, and no more: whatever it answers, we are gone.
    pub async fn quit(mut self) {
        self.say("QUIT");
        let _ = self.wire.flush(Duration::from_secs(1)).await;
    }

    fn say(&mut self, command: &str) {
        self.wire.push(command.as_bytes());
        self.wire.push(b"\r\n");
    }

    async fn push(&mut self, bytes: &[u8]) -> Result<(), RelayError> {
        for piece in bytes.chunks(SMALL_BYTES) {
            if self.wire.queued() + piece.len() > SMALL_BYTES {
                self.wire.flush(self.patience).await.map_err(|_| RelayError::Closed)?;
            }
            self.wire.push(piece);
        }
        Ok(())
    }

    async fn hello(&mut self, next_hop: &NextHop) -> Result<(), RelayError> {
        self.say(&match next_hop.protocol {
            Protocol::Smtp => format!("EHLO {}", next_hop.helo),
            Protocol::Lmtp => format!("LHLO {}", next_hop.helo),
        });
        let answer = self.answer(self.patience).await?;
        if answer.code() != 250 {
            return Err(RelayError::Refused(answer.reply()));
        }
        self.keywords = answer.into_keywords();
        Ok(())
    }

    async fn start_tls(&mut self, tls: &NextHopTls) -> Result<(), RelayError> {
        if !self.offers("STARTTLS") {
            return Err(RelayError::NoTls);
        }
        self.say("STARTTLS");
        let reply = self.answer(self.patience).await?.reply();
        if reply.code() != 220 {
            return Err(RelayError::Refused(reply));
        }
        self.wire.purge();
        let Stream::Plain(stream) = self.wire.take_stream() else {
            return Err(RelayError::Closed);
        };
        let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::clone(&tls.config));
        let stream = timeout(self.patience, connector.connect(tls.name.clone(), stream))
            .await
            .map_err(|_| RelayError::Slow)?
            .map_err(RelayError::Tls)?;
        self.wire.put_stream(Stream::Tls(Box::new(stream.into())));
        Ok(())
    }

    /// Sends what is queued and reads one reply, however many lines it has.
    async fn answer(&mut self, patience: Duration) -> Result<Answer, RelayError> {
        let mut answer = Answer::default();
        for _ in 0..REPLY_LINES {
            let pace = Pace { begin: Instant::now() + patience, command: patience };
            let length = match self.wire.next_line(pace).await {
                Ok(Line::Whole(length)) => length,
                Ok(Line::TooLong) | Err(Ended::Endless) => return Err(RelayError::NotSmtp),
                Err(Ended::Gone) => return Err(RelayError::Closed),
                Err(Ended::Silent | Ended::Slow) => return Err(RelayError::Slow),
            };
            let line = ReplyLine::parse(self.wire.line(length));
            self.wire.consume(length);
            if answer.add(line.ok_or(RelayError::NotSmtp)?).ok_or(RelayError::NotSmtp)? {
                return Ok(answer);
            }
        }
        Err(RelayError::NotSmtp)
    }
}

async fn connect(place: &Place) -> io::Result<Stream> {
    match place {
        Place::Tcp(address) => {
            let stream = TcpStream::connect(address).await?;
            // Commands are whole when they are written.
            stream.set_nodelay(true)?;
            Ok(Stream::Plain(stream))
        }
        Place::Unix(path) => UnixStream::connect(path).await.map(Stream::Unix),
    }
}

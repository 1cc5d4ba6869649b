//! The connection to a client: lines in, replies out.
//!
//! Replies gather until the client's commands are used up, and leave in one
//! write (RFC 2920). A line ends with CRLF only. What a client does not end
//! in time, or at all, is cut off here; memory for a line is bounded.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use crate::failpoint;
use crate::mail::Reply;

use super::limits::ENDLESS_BYTES;

/// Bytes with or without TLS.
#[derive(Debug)]
pub enum Stream {
    Plain(TcpStream),
    Tls(Box<tokio_rustls::TlsStream<TcpStream>>),
    /// The twin for tests of time.
    #[cfg(test)]
    Memory(tokio::io::DuplexStream),
    /// While TLS is being agreed on.
    None,
}

/// A stream with its buffers.
#[derive(Debug)]
pub struct Wire {
    stream: Stream,
    input: BytesMut,
    /// How much of `input` has no line end in it.
    searched: usize,
    /// Bytes of the current line that were thrown away.
    skipped: usize,
    output: Vec<u8>,
    /// Bytes of the longest line with its CRLF.
    longest: usize,
    reads: u64,
    /// Lone CR or LF becomes CRLF (listed old devices); the last byte seen.
    normalise: Option<u8>,
    /// The client has said that nothing follows.
    last_word: bool,
}

/// A line that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// So many bytes, without CRLF; see [`Wire::line`].
    Whole(usize),
    /// It was longer than the longest that is read, and is gone.
    TooLong,
}

/// Why there is no line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    #[error("the client closed the connection")]
    Gone,
    #[error("the client said nothing for too long")]
    Silent,
    #[error("the client did not end its command in time")]
    Slow,
    #[error("the client sends a line that does not end")]
    Endless,
}

/// Times for one line.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// When the first byte must have come.
    pub begin: Instant,
    /// From the first byte to the end.
    pub command: Duration,
}

const READ_BYTES: usize = 4 << 10;
/// What most replies fit into.
const OUTPUT_BYTES: usize = 256;

impl Wire {
    pub fn new(stream: Stream, longest: usize) -> Self {
        Self {
            stream,
            input: BytesMut::new(),
            searched: 0,
            skipped: 0,
            output: Vec::with_capacity(OUTPUT_BYTES),
            longest,
            reads: 0,
            normalise: None,
            last_word: false,
        }
    }

    /// Takes lone CR or LF for CRLF from now on.
    pub fn normalise(&mut self) {
        self.normalise = Some(0);
    }

    /// Waits for a line. Flushes replies before it waits. May be dropped and
    /// called again.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn next_line(&mut self, pace: Pace) -> Result<Line, Ended> {
        let mut deadline = None;
        loop {
            if let Some(line) = self.find_line()? {
                return Ok(line);
            }
            self.flush(pace.command).await.map_err(|_| Ended::Gone)?;
            if deadline.is_none() && (self.skipped > 0 || !self.input.is_empty()) {
                deadline = Some(Instant::now() + pace.command);
            }
            let read = timeout_at(deadline.unwrap_or(pace.begin), self.fill()).await;
            match read {
                Ok(Ok(0) | Err(_)) => return Err(Ended::Gone),
                Ok(Ok(_)) => {}
                Err(_) if deadline.is_some() => return Err(Ended::Slow),
                Err(_) => return Err(Ended::Silent),
            }
        }
    }

    /// The bytes of a line that [`Wire::next_line`] found.
    pub fn line(&self, length: usize) -> &[u8] {
        &self.input[..length]
    }

    /// Takes a line away, with its CRLF.
    pub fn consume(&mut self, length: usize) {
        self.skip(length + 2);
    }

    fn find_line(&mut self) -> Result<Option<Line>, Ended> {
        while let Some(at) = memchr::memchr(b'\n', &self.input[self.searched..]) {
            let lf = self.searched + at;
            if lf == 0 || self.input[lf - 1] != b'\r' {
                self.searched = lf + 1;
                continue;
            }
            if self.skipped == 0 && lf < self.longest {
                return Ok(Some(Line::Whole(lf - 1)));
            }
            self.consume(lf - 1);
            self.skipped = 0;
            return Ok(Some(Line::TooLong));
        }
        self.searched = self.input.len();
        if self.skipped + self.input.len() > ENDLESS_BYTES {
            return Err(Ended::Endless);
        }
        if self.input.len() > self.longest {
            // The last byte may be the CR of the line's end.
            let gone = self.input.len() - 1;
            self.input.advance(gone);
            self.searched -= gone;
            self.skipped += gone;
        }
        Ok(None)
    }

    /// What has been read and not been used.
    pub fn buffered(&self) -> &[u8] {
        &self.input
    }

    /// Takes so many bytes away.
    pub fn skip(&mut self, length: usize) {
        self.input.advance(length);
        self.searched = 0;
    }

    /// Reads what is there. 0: the client is gone.
    pub async fn fill(&mut self) -> io::Result<usize> {
        self.input.reserve(READ_BYTES);
        let before = self.input.len();
        let count = self.stream.read_buf(&mut self.input).await?;
        self.reads += 1;
        if let Some(last) = &mut self.normalise {
            let fresh = self.input.split_off(before);
            let mut clean = Vec::new();
            lines_end_with_crlf(&fresh, last, &mut clean);
            self.input.extend_from_slice(&clean);
        }
        Ok(count)
    }

    /// Whether the client sent more than it was asked for: what it pipelined
    /// is here, or has just arrived.
    pub fn has_input(&mut self) -> bool {
        if self.input.is_empty() {
            let _ = self.fill().now_or_never();
        }
        !self.input.is_empty()
    }

    /// How often something has arrived: a command that came in a later read
    /// than our reply left was sent with that reply known.
    pub fn reads(&self) -> u64 {
        self.reads
    }

    /// Forgets what the client sent and we have not read.
    pub fn purge(&mut self) {
        self.input.clear();
        self.searched = 0;
    }

    /// Appends what arrives to `bytes`, which has room. 0: the client is gone.
    pub async fn read_into(&mut self, bytes: &mut Vec<u8>) -> io::Result<usize> {
        let before = bytes.len();
        let count = self.stream.read_buf(bytes).await?;
        self.reads += 1;
        if let Some(last) = &mut self.normalise {
            let fresh = bytes.split_off(before);
            lines_end_with_crlf(&fresh, last, bytes);
        }
        Ok(count)
    }

    /// The client has said its last word.
    pub fn heard_all(&mut self) {
        self.last_word = true;
    }

    /// Gives back what belongs to the next commands.
    pub fn unread(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// Queues a reply.
    pub fn say(&mut self, reply: &Reply) {
        use std::io::Write;
        // Writing to a Vec does not fail.
        let _ = write!(self.output, "{reply}\r\n");
    }

    /// Queues a line of a reply that goes on.
    pub fn say_more(&mut self, code: u16, text: &str) {
        self.output.extend_from_slice(format!("{code}-{text}\r\n").as_bytes());
    }

    /// Sends what was queued.
    ///
    /// # Errors
    /// The client is gone, or reads nothing for `patience`.
    pub async fn flush(&mut self, patience: Duration) -> io::Result<()> {
        if self.output.is_empty() {
            return Ok(());
        }
        let written = timeout(patience, async {
            self.stream.write_all(&self.output).await?;
            self.stream.flush().await
        });
        written.await.map_err(|_| io::ErrorKind::TimedOut)??;
        self.output.clear();
        failpoint::pass(failpoint::REPLY_WRITTEN);
        Ok(())
    }

    /// Closes so that the client can read our last words: a socket that is
    /// closed with unread bytes in it takes them back. Behind the client's
    /// last word there are none.
    pub async fn close(mut self, patience: Duration) {
        let _ = self.flush(patience).await;
        if self.last_word && matches!(self.stream, Stream::Plain(_)) && !self.has_input() {
            return;
        }
        let _ = timeout(patience, self.stream.shutdown()).await;
        let mut scrap = vec![0; READ_BYTES];
        let _ = timeout(patience, async {
            for _ in 0..LINGER_READS {
                if !matches!(self.stream.read(&mut scrap).await, Ok(1..)) {
                    return;
                }
            }
        })
        .await;
    }

    /// The bare stream, to be wrapped in TLS.
    pub fn take_stream(&mut self) -> Stream {
        std::mem::replace(&mut self.stream, Stream::None)
    }

    pub fn put_stream(&mut self, stream: Stream) {
        self.stream = stream;
    }
}

/// Reads of 4 KiB that a closing connection still takes: 16 MiB.
const LINGER_READS: usize = 4096;

/// Copies `bytes` to `clean`, each lone CR or LF as CRLF.
fn lines_end_with_crlf(bytes: &[u8], last: &mut u8, clean: &mut Vec<u8>) {
    for byte in bytes {
        match (*last == b'\r', *byte == b'\n') {
            (true, false) => clean.push(b'\n'),
            (false, true) => clean.push(b'\r'),
            _ => {}
        }
        clean.push(*byte);
        *last = *byte;
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
            #[cfg(test)]
            Self::Memory(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
            #[cfg(test)]
            Self::Memory(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
            #[cfg(test)]
            Self::Memory(stream) => Pin::new(stream).poll_flush(cx),
            Self::None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            #[cfg(test)]
            Self::Memory(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

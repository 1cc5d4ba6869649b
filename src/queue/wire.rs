//! Bytes on a client's connection: replies read within bounds, a message
//! written exactly.
//!
//! RFC 5321 sections 4.2 (replies) and 4.5.2 (transparency). Trusts nothing
//! that the server says: lines, lines per reply and time are bounded.

use std::fmt;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use memchr::{memchr3_iter, memmem};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// RFC 5321 section 4.5.3.1.5 says 512; some servers write more.
const LINE_BYTES: usize = 4096;
const REPLY_LINES: usize = 200;
const WRITE_BYTES: usize = 64 << 10;

/// A connection's two directions, encrypted or not.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// One reply of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerReply {
    pub code: u16,
    /// The text of each line, as sent save that bytes which are not UTF-8 are
    /// replaced. Never trusted.
    pub lines: Vec<String>,
}

/// What goes wrong on the wire.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    #[error("no answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    #[error("the server closed the connection")]
    Closed,
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("the server does not speak SMTP")]
    Malformed,
}

/// A stream with what was read of it and not used yet.
pub struct Wire {
    stream: Box<dyn Stream>,
    read: BytesMut,
}

impl Wire {
    pub fn new(stream: Box<dyn Stream>) -> Self {
        Self { stream, read: BytesMut::new() }
    }

    /// The bare stream, for TLS. `None` if the server sent more than it was
    /// asked for: what stands before the handshake could be anybody's and
    /// would be taken for an answer given inside it (CVE-2011-0411 and its
    /// like).
    pub fn into_stream(self) -> Option<Box<dyn Stream>> {
        self.read.is_empty().then_some(self.stream)
    }

    /// Whether a reply has come that nobody asked for (421 before a close).
    pub fn has_unread(&self) -> bool {
        !self.read.is_empty()
    }

    /// Reads one reply, of one line or of many.
    ///
    /// # Errors
    /// [`WireError`]; the connection is of no use then.
    pub async fn reply(&mut self, limit: Duration) -> Result<ServerReply, WireError> {
        timeout(limit, self.read_reply()).await.map_err(|_| WireError::TimedOut(limit))?
    }

    async fn read_reply(&mut self) -> Result<ServerReply, WireError> {
        let mut reply: Option<ServerReply> = None;
        loop {
            let line = self.line().await?;
            let (code, last, text) = parse_line(&line).ok_or(WireError::Malformed)?;
            let reply = reply.get_or_insert_with(|| ServerReply { code, lines: Vec::new() });
            if reply.code != code || reply.lines.len() >= REPLY_LINES {
                return Err(WireError::Malformed);
            }
            reply.lines.push(text);
            if last {
                return Ok(reply.clone());
            }
        }
    }

    async fn line(&mut self) -> Result<BytesMut, WireError> {
        let mut seen = 0;
        loop {
            if let Some(at) = self.read[seen..].iter().position(|byte| *byte == b'\n') {
                let mut line = self.read.split_to(seen + at);
                self.read.advance(1);
                if line.last() == Some(&b'\r') {
                    line.truncate(line.len() - 1);
                }
                return Ok(line);
            }
            seen = self.read.len();
            if seen > LINE_BYTES {
                return Err(WireError::Malformed);
            }
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Err(WireError::Closed);
            }
        }
    }

    /// # Errors
    /// [`WireError`]; the connection is of no use then.
    pub async fn write(&mut self, bytes: &[u8], limit: Duration) -> Result<(), WireError> {
        let written = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        Ok(timeout(limit, written).await.map_err(|_| WireError::TimedOut(limit))??)
    }

    /// Writes `parts` as one message with a dot in front of each line that
    /// begins with one, then the final dot. Lines end with CRLF and only
    /// there (see [`has_stray`]); a last line without CRLF gets it, as there
    /// is no other way to send it. `limit` is for each 64 KiB.
    ///
    /// # Errors
    /// [`WireError`]; the server may already have answered then.
    pub async fn message(&mut self, parts: &[&[u8]], limit: Duration) -> Result<(), WireError> {
        let size: usize = parts.iter().map(|part| part.len()).sum();
        let mut out = Vec::with_capacity(WRITE_BYTES.min(size + LINE_BYTES));
        let mut line_start = true;
        for part in parts.iter().filter(|part| !part.is_empty()) {
            let mut rest = *part;
            if line_start && rest[0] == b'.' {
                out.push(b'.');
            }
            while let Some(at) = memmem::find(rest, b"\n.") {
                let (lines, next) = rest.split_at(at + 1);
                self.gather(&mut out, lines, limit).await?;
                out.push(b'.');
                rest = next;
            }
            self.gather(&mut out, rest, limit).await?;
            line_start = part.ends_with(b"\n");
        }
        out.extend_from_slice(if line_start { b".\r\n" } else { b"\r\n.\r\n" });
        self.write(&out, limit).await
    }

    /// Adds bytes to what leaves in one write, and lets it leave when full.
    async fn gather(
        &mut self,
        out: &mut Vec<u8>,
        bytes: &[u8],
        limit: Duration,
    ) -> Result<(), WireError> {
        for piece in bytes.chunks(WRITE_BYTES) {
            if out.len() + piece.len() > WRITE_BYTES {
                self.write(out, limit).await?;
                out.clear();
            }
            out.extend_from_slice(piece);
        }
        Ok(())
    }
}

/// Whether a lone CR, a lone LF or a NUL stands in the message that `parts`
/// make. Such a message is never sent: a server that reads the lone one as a
/// line's end would find commands of a stranger in it.
pub fn has_stray(parts: &[&[u8]]) -> bool {
    // Whether a CR was the last byte so far.
    let mut after_cr = false;
    for part in parts.iter().filter(|part| !part.is_empty()) {
        if after_cr && part[0] != b'\n' {
            return true;
        }
        for at in memchr3_iter(b'\r', b'\n', 0, part) {
            let before = if at == 0 { after_cr } else { part[at - 1] == b'\r' };
            let paired = match part[at] {
                b'\n' => before,
                b'\r' => part.get(at + 1).is_none_or(|next| *next == b'\n'),
                _ => false,
            };
            if !paired {
                return true;
            }
        }
        after_cr = part.ends_with(b"\r");
    }
    after_cr
}

/// Code, whether it is the reply's last line, and the text.
fn parse_line(line: &[u8]) -> Option<(u16, bool, String)> {
    let (digits, rest) = line.split_at_checked(3)?;
    if !digits.iter().all(u8::is_ascii_digit) || !(b'2'..=b'5').contains(&digits[0]) {
        return None;
    }
    let code = digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    let (last, text) = match rest {
        // RFC 5321 section 4.2: a client must accept a code without a text.
        [] => (true, rest),
        [b' ', text @ ..] => (true, text),
        [b'-', text @ ..] => (false, text),
        _ => return None,
    };
    Some((code, last, String::from_utf8_lossy(text).into_owned()))
}

impl ServerReply {
    /// 2yz or 3yz.
    pub fn is_positive(&self) -> bool {
        self.code < 400
    }
}

impl fmt::Display for ServerReply {
    /// On one line: the code, then the lines; an enhanced status code (RFC
    /// 2034) that each line repeats is said once. Not sanitised.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        let status = self.lines[0].split(' ').next().filter(|word| word.split('.').count() == 3);
        for (place, line) in self.lines.iter().enumerate() {
            let repeated = status.filter(|_| place > 0).and_then(|word| line.strip_prefix(word));
            let line = repeated.map_or(line.as_str(), str::trim_start);
            if !line.is_empty() {
                write!(f, " {line}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(1);

    async fn written(parts: &[&[u8]]) -> Vec<u8> {
        let (here, mut there) = tokio::io::duplex(1 << 20);
        let mut wire = Wire::new(Box::new(here));
        wire.message(parts, SOON).await.unwrap();
        drop(wire);
        let mut bytes = Vec::new();
        there.read_to_end(&mut bytes).await.unwrap();
        bytes
    }

    async fn read(bytes: &[u8]) -> Result<ServerReply, WireError> {
        let (here, mut there) = tokio::io::duplex(1 << 20);
        there.write_all(bytes).await.unwrap();
        drop(there);
        Wire::new(Box::new(here)).reply(SOON).await
    }

    #[tokio::test]
    async fn dots_are_stuffed_at_line_starts_and_nothing_is_added() {
        let cases: [(&[&[u8]], &[u8]); 7] = [
            (&[b"a\r\n"], b"a\r\n.\r\n"),
            (&[b".\r\n"], b"..\r\n.\r\n"),
            (&[b"a: b\r\n", b".c\r\n"], b"a: b\r\n..c\r\n.\r\n"),
            (&[b"a\r\n..\r\n.x.\r\n"], b"a\r\n...\r\n..x.\r\n.\r\n"),
            (&[b"a", b".b\r\n"], b"a.b\r\n.\r\n"),
            (&[b"a"], b"a\r\n.\r\n"),
            (&[b""], b".\r\n"),
        ];
        for (parts, wanted) in cases {
            assert_eq!(written(parts).await, wanted, "{parts:?}");
        }
    }

    #[tokio::test]
    async fn a_message_larger_than_the_buffer_arrives_whole() {
        let line = [vec![b'.'; 999], b"\r\n".to_vec()].concat();
        let body = line.repeat(500);
        let sent = written(&[&body]).await;
        assert_eq!(sent.len(), body.len() + 500 + 3);
    }

    #[test]
    fn stray_bytes_are_seen_also_across_parts() {
        for bad in [&b"a\nb"[..], b"a\rb", b"\n.\r\n", b"a\0b", b"a\r", b"\r\r\n", b"\n"] {
            assert!(has_stray(&[bad]), "{bad:?}");
        }
        assert!(has_stray(&[b"a\r", b"b"]));
        assert!(!has_stray(&[b"a\r", b"\nb\r\n"]));
        assert!(!has_stray(&[b"a: b\r\n", b"\r\n.\r\n"]));
    }

    #[tokio::test]
    async fn replies_are_read_as_servers_write_them() {
        let one = read(b"250\r\n").await.unwrap();
        assert_eq!((one.code, one.to_string().as_str()), (250, "250"));
        let odd = read(b"571 5.7.1 nein, danke \xff\r\n").await.unwrap();
        assert_eq!(odd.code, 571);
        let many = read(b"550-5.1.1 no such\r\n550 5.1.1 user\r\n").await.unwrap();
        assert_eq!(many.to_string(), "550 5.1.1 no such user");
        for bad in [&b"hello\r\n"[..], b"25x a\r\n", b"250-a\r\n251 b\r\n", b"650 a\r\n", b"25"] {
            assert!(read(bad).await.is_err(), "{bad:?}");
        }
        let endless = b"250-x\r\n".repeat(10_000);
        assert!(matches!(read(&endless).await, Err(WireError::Malformed)));
        assert!(matches!(read(&[b'2'; 10_000]).await, Err(WireError::Malformed)));
    }
}

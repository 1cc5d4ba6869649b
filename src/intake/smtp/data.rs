//! Reads what follows 354 until CRLF "." CRLF, and nothing else ends it.
//!
//! RFC 5321 sections 4.1.1.4 and 4.5.2. What a line end is decides where the
//! next envelope begins, so it is trusted to nobody: a message with a lone
//! CR, a lone LF or a NUL is read to its real end and refused there. Bytes
//! arrive in one growing buffer, are searched once at memory speed, and leave
//! as they are; only a message with stuffed dots is moved, in place.

use bytes::Bytes;
use memchr::{memchr_iter, memmem};

/// Why a message cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    #[error("the message has a line end that is not CRLF")]
    LoneLineEnd,
    #[error("the message has a NUL byte")]
    Nul,
    #[error("the message is larger than the limit")]
    TooBig,
    #[error("too many large messages are being received at once")]
    NoRoom,
}

/// A message as it arrives.
#[derive(Debug)]
pub struct Receiver {
    bytes: Vec<u8>,
    /// Everything before this place in `bytes` is decided.
    decided: usize,
    /// Whether the first line has been looked at.
    begun: bool,
    /// Lines that began with a dot that the client put there.
    stuffed: usize,
    /// Bytes that were forgotten because a flaw was found before.
    forgotten: usize,
    limit: usize,
    flaw: Option<Flaw>,
}

/// A message that is whole.
#[derive(Debug)]
pub struct Received {
    pub content: Result<Bytes, Flaw>,
    /// What the client sent behind the end: its next commands.
    pub rest: Vec<u8>,
}

/// Where content ends and the next command begins.
struct End {
    content: usize,
    rest: usize,
}

/// Free space that a read finds at least.
const READ_BYTES: usize = 8 << 10;
/// First size of the buffer if the client has not declared one.
const FIRST_BYTES: usize = 32 << 10;
/// Most that is set aside because the client says so.
const DECLARED_BYTES: usize = 1 << 20;
/// What the end of data looks like at the beginning of a line.
const DOT_LINE: &[u8] = b".\r\n";
/// A line that the client begins with a dot, its own or a stuffed one.
const LINE_WITH_DOT: &[u8] = b"\r\n.";

impl Receiver {
    /// Takes messages of at most `limit` bytes; `declared` is SIZE= of MAIL.
    pub fn new(limit: usize, declared: Option<usize>) -> Self {
        let first = declared
            .map_or(FIRST_BYTES, |size| size.saturating_add(READ_BYTES).min(DECLARED_BYTES));
        Self {
            bytes: Vec::with_capacity(first),
            decided: 0,
            begun: false,
            stuffed: 0,
            forgotten: 0,
            limit,
            flaw: None,
        }
    }

    /// Where the next bytes are to be appended, with room for them.
    pub fn space(&mut self) -> &mut Vec<u8> {
        if self.bytes.capacity() - self.bytes.len() < READ_BYTES {
            self.bytes.reserve(FIRST_BYTES);
        }
        &mut self.bytes
    }

    /// Bytes that the buffer holds in memory now.
    pub fn held(&self) -> usize {
        self.bytes.capacity()
    }

    /// Bytes that came so far, forgotten ones too.
    pub fn received(&self) -> usize {
        self.forgotten + self.bytes.len()
    }

    /// What is known to be wrong so far.
    pub fn flaw(&self) -> Option<Flaw> {
        self.flaw
    }

    /// From now on the message is only read to its end.
    pub fn give_up(&mut self, flaw: Flaw) {
        self.flaw.get_or_insert(flaw);
        self.forget();
        self.bytes.shrink_to(FIRST_BYTES);
    }

    /// Looks at what was appended. `true` once the end of data has come; then
    /// [`Receiver::finish`] gives the message.
    pub fn look(&mut self) -> bool {
        if self.end().is_some() {
            return true;
        }
        let size = (self.forgotten + self.decided).saturating_sub(self.stuffed);
        if self.flaw.is_none() && size > self.limit {
            self.give_up(Flaw::TooBig);
        } else if self.flaw.is_some() {
            self.forget();
        }
        false
    }

    /// The message, and the bytes behind it. Call it after
    /// [`Receiver::look`] said that the end has come.
    pub fn finish(mut self) -> Received {
        let end = self.end().unwrap_or(End { content: self.bytes.len(), rest: self.bytes.len() });
        let rest = self.bytes.split_off(end.rest);
        self.bytes.truncate(end.content);
        let size = self.forgotten + self.bytes.len() - self.stuffed;
        if size > self.limit {
            self.flaw.get_or_insert(Flaw::TooBig);
        }
        if let Some(flaw) = self.flaw.or_else(|| flaw(&self.bytes)) {
            return Received { content: Err(flaw), rest };
        }
        if self.stuffed > 0 {
            unstuff(&mut self.bytes);
        }
        Received { content: Ok(Bytes::from(self.bytes)), rest }
    }

    /// Searches on from where the last search stopped. What may still become
    /// the dot alone is left for the next time.
    fn end(&mut self) -> Option<End> {
        if !self.begun {
            if self.bytes.starts_with(DOT_LINE) {
                return Some(End { content: 0, rest: DOT_LINE.len() });
            }
            if DOT_LINE.starts_with(&self.bytes) {
                return None;
            }
            self.begun = true;
            self.stuffed += usize::from(self.bytes[0] == b'.');
        }
        while let Some(at) = memmem::find(&self.bytes[self.decided..], LINE_WITH_DOT) {
            self.decided += at;
            let next = &self.bytes[self.decided + 2..];
            if next.starts_with(DOT_LINE) {
                let content = self.decided + 2;
                return Some(End { content, rest: content + DOT_LINE.len() });
            }
            if DOT_LINE.starts_with(next) {
                return None;
            }
            self.stuffed += 1;
            self.decided += LINE_WITH_DOT.len();
        }
        // The last two bytes may be a line's end, and the dot be still to come.
        self.decided = self.decided.max(self.bytes.len().saturating_sub(2));
        None
    }

    /// Keeps no more than the search still needs.
    fn forget(&mut self) {
        self.bytes.drain(..self.decided);
        self.forgotten += std::mem::take(&mut self.decided);
    }
}

/// What RFC 5321 section 2.3.8 forbids in a message: a CR or LF that is not
/// part of CRLF, and (section 4.5.2) NUL.
pub fn flaw(message: &[u8]) -> Option<Flaw> {
    if is_clean(message) {
        return None;
    }
    let lines = memmem::find_iter(message, b"\r\n").count();
    let paired = memchr_iter(b'\n', message).count() == lines
        && memchr_iter(b'\r', message).count() == lines;
    Some(if paired { Flaw::Nul } else { Flaw::LoneLineEnd })
}

/// Every byte is followed by LF if and only if it is CR, and none is NUL. One
/// pass without a branch, which the compiler turns into vector instructions.
fn is_clean(message: &[u8]) -> bool {
    let (Some(first), Some(last)) = (message.first(), message.last()) else { return true };
    let bad = message.iter().zip(&message[1..]).fold(0, |bad, (one, next)| {
        bad | (u8::from(*one == b'\r') ^ u8::from(*next == b'\n')) | u8::from(*next == 0)
    });
    bad == 0 && *first != b'\n' && *first != 0 && *last != b'\r'
}

/// RFC 5321 section 4.5.2: takes the first dot from each line that has one.
fn unstuff(bytes: &mut Vec<u8>) {
    let finder = memmem::Finder::new(LINE_WITH_DOT);
    let mut read = usize::from(bytes.first() == Some(&b'.'));
    let mut write = 0;
    while read < bytes.len() {
        let found = finder.find(&bytes[read..]);
        let upto = found.map_or(bytes.len(), |at| read + at + 2);
        bytes.copy_within(read..upto, write);
        write += upto - read;
        read = upto + usize::from(found.is_some());
    }
    bytes.truncate(write);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Gives `wire` in pieces of `step` bytes.
    fn receive(wire: &[u8], limit: usize, step: usize) -> Option<Received> {
        let mut receiver = Receiver::new(limit, None);
        let mut pieces = wire.chunks(step);
        while let Some(piece) = pieces.next() {
            receiver.space().extend_from_slice(piece);
            if receiver.look() {
                let mut received = receiver.finish();
                received.rest.extend(pieces.flatten());
                return Some(received);
            }
        }
        None
    }

    /// RFC 5321 read word by word, one byte at a time.
    fn plainly(wire: &[u8]) -> Option<(Result<Vec<u8>, Flaw>, usize)> {
        let mut line_start = true;
        let mut content = Vec::new();
        let mut at = 0;
        while at < wire.len() {
            if line_start && wire[at..].starts_with(b".\r\n") {
                return Some((flaw(&content).map_or(Ok(content), Err), at + 3));
            }
            if !(line_start && wire[at] == b'.') {
                content.push(wire[at]);
            }
            line_start = wire[..=at].ends_with(b"\r\n");
            at += 1;
        }
        None
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn agrees_with_the_plain_reading(
            wire in prop::collection::vec(prop::sample::select(b"\r\n.\0x".to_vec()), 0..40),
            step in 1usize..7,
        ) {
            let mut wire = wire;
            wire.extend_from_slice(b"\r\n.\r\nNOOP\r\n");
            let received = receive(&wire, 1000, step).unwrap();
            let (content, end) = plainly(&wire).unwrap();
            prop_assert_eq!(received.content.map(|bytes| bytes.to_vec()), content);
            prop_assert_eq!(received.rest, &wire[end..]);
        }

        #[test]
        fn a_flawed_message_is_forgotten_while_it_is_read(
            wire in prop::collection::vec(prop::sample::select(b"\r\n.x".to_vec()), 0..400),
        ) {
            let mut receiver = Receiver::new(3, None);
            let mut wire = wire;
            wire.splice(0..0, *b"12345\n");
            for byte in &wire {
                receiver.space().push(*byte);
                if receiver.look() {
                    break;
                }
                prop_assert!(receiver.bytes.len() <= 6 + 5);
            }
        }
    }

    #[test]
    fn s_02_to_s_10_no_other_ending_ends_data() {
        for ending in [
            &b"\n.\r\n"[..],
            b"\r\n.\n",
            b"\r.\r",
            b"\r.\n",
            b"\n.\r",
            b"\r.\r\n",
            b"\r\n.\r",
            b"\r\n.\r\r\n",
            b"\r\r\n.\r\r\n",
            b"\n.\n",
        ] {
            let mut wire = b"x".to_vec();
            wire.extend_from_slice(ending);
            wire.extend_from_slice(b"MAIL FROM:<smuggled@a.test>\r\n.\r\n");
            for step in 1..wire.len() {
                let received = receive(&wire, 1000, step).unwrap();
                assert_eq!(received.content.unwrap_err(), Flaw::LoneLineEnd, "{ending:?}");
                assert!(received.rest.is_empty(), "{ending:?}");
            }
        }
    }

    #[test]
    fn the_limit_counts_content_and_not_stuffing() {
        let content = |wire: &[u8]| receive(wire, 4, 1).unwrap().content;
        assert_eq!(content(b"..a\r\n.\r\n").unwrap(), &b".a\r\n"[..]);
        assert_eq!(content(b"..ab\r\n.\r\n"), Err(Flaw::TooBig));
        assert_eq!(content(b"ab\r\n.\r\n").unwrap(), &b"ab\r\n"[..]);
    }

    #[test]
    fn a_plain_message_leaves_without_a_copy() {
        let mut receiver = Receiver::new(1000, None);
        receiver.space().extend_from_slice(b"a: b\r\n\r\nc\r\n.\r\n");
        let place = receiver.bytes.as_ptr();
        assert!(receiver.look());
        assert_eq!(receiver.finish().content.unwrap().as_ptr(), place);
    }
}

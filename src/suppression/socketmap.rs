//! The live lookup: Postfix asks whether an address is suppressed.
//!
//! socketmap_table(5): netstrings, `name key` in, `OK value`, `NOTFOUND ` or
//! `TEMP reason` out. The name is a server's; domains and local parts, which
//! Postfix asks too, are never found. Bounded: bytes of a request,
//! connections, and idle time; a client that breaks the protocol is closed.
//!
//! A question costs one read, one lookup and one write: which list a name
//! means is remembered until a server changes, and an address that is plain
//! ASCII is looked up as it came, in lower case.

use std::io::{self, Write};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Suppression;
use super::distribute::ANSWER;
use super::roll::Roll;
use super::server::{OWN, ServerId};
use crate::mail::Address;
use crate::store::Fault;

/// Bytes of a request: a name and an address.
const REQUEST: usize = 1000;
/// Bytes that are read, and answers that are kept back, at once.
const PIECE: usize = 8 << 10;
/// Connections at once; Postfix opens one per process.
const CONNECTIONS: usize = 512;
/// A client that asks nothing for so long is closed; Postfix comes again.
const IDLE: Duration = Duration::from_mins(10);

/// Serves until `stop`.
pub async fn serve(list: Suppression, listener: TcpListener, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    // All of them end when this one does.
    let mut sessions = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let Ok((stream, _)) = accepted else {
            // Out of descriptors: the next moment may have some.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        while sessions.try_join_next().is_some() {}
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let list = list.clone();
        sessions.spawn(async move {
            let _place = place;
            let _ = stream.set_nodelay(true);
            // A client that went away is no event.
            let _ = session(&list, stream).await;
        });
    }
}

/// Answers one connection's questions, in order.
///
/// # Errors
/// If the connection breaks, or what comes is no netstring.
pub async fn session<S: AsyncRead + AsyncWrite + Unpin>(
    list: &Suppression,
    mut stream: S,
) -> io::Result<()> {
    let mut asked = Asked { list, last: None, key: String::new() };
    let (mut questions, mut answers) = (Vec::with_capacity(PIECE), Vec::new());
    let (mut last, mut idle) = (Instant::now(), pin!(sleep(IDLE)));
    loop {
        let mut at = 0;
        while let Some((question, length)) = netstring(&questions[at..])? {
            let answer = asked.answer(question).await;
            answer.put(&mut answers);
            at += length;
            if answers.len() >= PIECE {
                send(&mut stream, &mut answers).await?;
            }
        }
        if at > 0 {
            questions.drain(..at);
            last = Instant::now();
        }
        // What is asked together is answered together.
        send(&mut stream, &mut answers).await?;
        let read = tokio::select! {
            biased;
            read = stream.read_buf(&mut questions) => read?,
            // Set once, and again only when it rings: not with each question.
            () = &mut idle => {
                if last.elapsed() >= IDLE {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                idle.as_mut().reset(last + IDLE);
                continue;
            }
        };
        if read == 0 {
            let whole = questions.is_empty();
            return if whole { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
    }
}

async fn send<S: AsyncWrite + Unpin>(stream: &mut S, answers: &mut Vec<u8>) -> io::Result<()> {
    if !answers.is_empty() {
        timeout(IDLE, stream.write_all(answers)).await??;
        answers.clear();
    }
    Ok(())
}

/// The netstring at the beginning, and how many bytes it takes; `None`: it is
/// not whole yet.
fn netstring(bytes: &[u8]) -> io::Result<Option<(&[u8], usize)>> {
    let broken = || io::Error::from(io::ErrorKind::InvalidData);
    let (mut length, mut digits) = (0, 0);
    loop {
        match bytes.get(digits) {
            None => return Ok(None),
            Some(digit @ b'0'..=b'9') if length <= REQUEST => {
                length = length * 10 + usize::from(digit - b'0');
                digits += 1;
            }
            Some(b':') if digits > 0 => break,
            Some(_) => return Err(broken()),
        }
    }
    if length > REQUEST {
        return Err(broken());
    }
    let text = digits + 1;
    match bytes.get(text + length) {
        None => Ok(None),
        Some(b',') => Ok(Some((&bytes[text..text + length], text + length + 1))),
        Some(_) => Err(broken()),
    }
}

/// What Postfix is told.
enum Answer {
    Listed,
    NotFound,
    Unreadable,
    /// The question is none.
    NoQuestion,
    NoServer(String),
}

impl Answer {
    fn put(&self, into: &mut Vec<u8>) {
        let (word, text) = match self {
            Self::Listed => ("OK ", ANSWER),
            Self::NotFound => ("NOTFOUND ", ""),
            Self::Unreadable => ("TEMP ", "the list cannot be read now"),
            Self::NoQuestion => ("PERM ", "a request is a name and a key"),
            Self::NoServer(name) => ("PERM there is no server called ", &name[..]),
        };
        // Writing to memory does not fail.
        let _ = write!(into, "{}:{word}{text},", word.len() + text.len());
    }
}

/// What a connection remembers from one question to the next.
struct Asked<'a> {
    list: &'a Suppression,
    /// Postfix asks for the same server all day.
    last: Option<Known>,
    /// The room in which a key is made lower case.
    key: String,
}

struct Known {
    name: Box<[u8]>,
    id: ServerId,
    roll: Roll,
    /// Servers had changed so often.
    changes: u64,
}

impl Asked<'_> {
    async fn answer(&mut self, question: &[u8]) -> Answer {
        let Some(end) = memchr::memchr(b' ', question) else { return Answer::NoQuestion };
        let (name, key) = (&question[..end], &question[end + 1..]);
        let key = key.strip_prefix(b"<").and_then(|key| key.strip_suffix(b">")).unwrap_or(key);
        let address = if is_plain(key) {
            None
        } else {
            match std::str::from_utf8(key).map(Address::parse_utf8) {
                Ok(Ok(address)) => Some(address),
                // Domains, local parts and networks are asked for too.
                _ => return Answer::NotFound,
            }
        };
        self.key.clear();
        match &address {
            Some(address) => self.key.push_str(&address.canonical().to_string()),
            None => self.key.extend(key.iter().map(|byte| char::from(byte.to_ascii_lowercase()))),
        }
        match self.is_listed(name).await {
            Ok(Some(true)) => Answer::Listed,
            Ok(Some(false)) => Answer::NotFound,
            Ok(None) => Answer::NoServer(printable(name)),
            Err(_) => Answer::Unreadable,
        }
    }

    /// Whether the key is on the list that `name` means; `None`: it means none.
    async fn is_listed(&mut self, name: &[u8]) -> Result<Option<bool>, Fault> {
        let changes = self.list.rolls.servers_changed();
        let is_known = |last: &Known| last.changes == changes && *last.name == *name;
        if !self.last.as_ref().is_some_and(is_known) {
            let Some(id) = server(self.list, name).await? else { return Ok(None) };
            let roll = self.list.roll(id);
            self.last = Some(Known { name: name.into(), id, roll, changes });
        }
        let Some(Known { id, roll, .. }) = &self.last else { return Ok(None) };
        let listed = roll.contains(&self.key) || self.is_stored(*id).await?;
        if listed {
            self.list.refuse_live(*id, &self.key);
        }
        Ok(Some(listed))
    }

    /// While the lists are being read, the store knows more than they do.
    async fn is_stored(&self, server: ServerId) -> Result<bool, Fault> {
        if !self.list.rolls.are_loading() {
            return Ok(false);
        }
        match Address::parse_utf8(&self.key) {
            Ok(address) => self.list.covers_for(server, &address).await,
            Err(_) => Ok(false),
        }
    }
}

/// Whether a key's canonical form, if it is an address at all, is the key in
/// lower case: letters, digits and few signs, and no A-label.
fn is_plain(key: &[u8]) -> bool {
    let Some(at) = memchr::memchr(b'@', key) else { return false };
    let (local, domain) = (&key[..at], &key[at + 1..]);
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-+=".contains(byte);
    !local.is_empty()
        && !domain.is_empty()
        && local.iter().all(is_plain)
        && domain.iter().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(byte))
        && !domain.windows(2).any(|two| two == b"--")
}

/// By number or by name; `own` is our courier's.
async fn server(list: &Suppression, name: &[u8]) -> Result<Option<ServerId>, Fault> {
    let Ok(name) = std::str::from_utf8(name) else { return Ok(None) };
    if name == "own" || name == "0" {
        return Ok(Some(OWN));
    }
    if let Ok(id) = name.parse::<ServerId>() {
        return Ok(list.known(id).await?.map(|row| row.record.id));
    }
    Ok(list.server_named(name).await?.map(|server| server.id))
}

fn printable(name: &[u8]) -> String {
    name.iter()
        .filter(|byte| byte.is_ascii_graphic())
        .take(50)
        .map(|byte| char::from(*byte))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_netstring_is_whole_or_waits_or_is_broken() {
        let whole = |bytes: &'static [u8]| netstring(bytes).unwrap();
        assert_eq!(whole(b"3:a b,2:xy,"), Some((&b"a b"[..], 6)));
        assert_eq!(whole(b"0:,"), Some((&b""[..], 3)));
        for part in [&b""[..], b"3", b"3:", b"3:a b", b"1000:x"] {
            assert_eq!(whole(part), None, "{part:?}");
        }
        for broken in [&b":"[..], b"a", b"-1:", b"3:abcd", b"1001:", b"99999999999999999999999"] {
            assert!(netstring(broken).is_err(), "{broken:?}");
        }
    }

    proptest! {
        /// The short way finds what the long way finds.
        #[test]
        fn a_plain_key_is_its_canonical_form(
            key in "[aZ9.+=_-]{1,4}@[aX9.-]{1,5}(\\.|)(example|9|Com|xn--a|)"
        ) {
            if let (true, Ok(address)) = (is_plain(key.as_bytes()), Address::parse_utf8(&key)) {
                prop_assert_eq!(address.canonical().to_string(), key.to_ascii_lowercase());
            }
        }
    }
}

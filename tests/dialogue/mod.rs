//! Runs SMTP dialogues that are written down as scripts.
//!
//! ```text
//! # what it shows
//! ! whole             only as whole writes, not split (with the reason)
//! -> MAIL FROM:<>     a line, sent with CRLF; lines in a row are one write
//! => a\r\n.\r\n       bytes: \r \n \0 \\ \xNN, and {x*500} for 500 times x
//! <- 250 2.1.0        a reply begins so (its last line, if it has several)
//! <- closed           the server ends the connection
//! ! tls               the client begins TLS here
//! ! messages 1        so many messages have been taken since the beginning
//! 20x-> NOOP          the same so many times; also 20x<-
//! ```

#![allow(dead_code, reason = "each test that shares it uses its part")]

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

/// How a script's bytes are written to the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writes {
    /// Everything up to the next expected reply at once.
    Whole,
    /// Each byte by itself.
    Split,
}

/// A client of the server under test.
pub struct Client {
    stream: Transport,
    input: Vec<u8>,
    pub writes: Writes,
}

enum Transport {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    None,
}

impl Client {
    pub fn connect(address: SocketAddr, writes: Writes) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self { stream: Transport::Plain(stream), input: Vec::new(), writes }
    }

    /// From another address of the loopback network. Needs a tokio runtime.
    pub fn connect_from(ip: &str, address: SocketAddr) -> Self {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(ip.parse().unwrap(), 0)).unwrap();
        let stream = tokio::runtime::Handle::current().block_on(socket.connect(address)).unwrap();
        let stream = stream.into_std().unwrap();
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let stream = Transport::Plain(stream);
        Self { stream, input: Vec::new(), writes: Writes::Whole }
    }

    /// Sends bytes. A server that has closed may have done so rightly: the
    /// next expected reply tells.
    pub fn send(&mut self, bytes: &[u8]) {
        let step = if self.writes == Writes::Split { 1 } else { bytes.len().max(1) };
        for piece in bytes.chunks(step) {
            let written = match &mut self.stream {
                Transport::Plain(stream) => stream.write_all(piece),
                Transport::Tls(stream) => stream.write_all(piece).and_then(|()| stream.flush()),
                Transport::None => unreachable!(),
            };
            if written.is_err() {
                return;
            }
        }
    }

    /// Sends a line and gives the reply to it.
    pub fn ask(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n").as_bytes());
        self.reply()
    }

    /// One reply, its lines joined by LF; `closed` if the server is gone.
    pub fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let Some(line) = self.line() else {
                assert!(reply.is_empty(), "the connection ended inside {reply:?}");
                return "closed".to_owned();
            };
            let more = line.as_bytes().get(3) == Some(&b'-');
            reply.push_str(&line);
            if !more {
                return reply;
            }
            reply.push('\n');
        }
    }

    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.input.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.input.drain(..=at).collect();
                let line = line.strip_suffix(b"\r\n").expect("replies end with CRLF");
                return Some(String::from_utf8(line.to_vec()).expect("replies are ASCII"));
            }
            let mut piece = [0; 4096];
            let read = match &mut self.stream {
                Transport::Plain(stream) => stream.read(&mut piece),
                Transport::Tls(stream) => stream.read(&mut piece),
                Transport::None => unreachable!(),
            };
            match read {
                Ok(0) => return None,
                Ok(count) => self.input.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    panic!("the server said nothing for 20 s; read so far: {:?}", self.input)
                }
                Err(_) => return None,
            }
        }
    }

    pub fn start_tls(&mut self, config: Arc<ClientConfig>) {
        let Transport::Plain(stream) = std::mem::replace(&mut self.stream, Transport::None) else {
            panic!("TLS is active");
        };
        assert!(self.input.is_empty(), "said before TLS: {:?}", self.input);
        let name = ServerName::try_from("mx.ours.example").unwrap();
        let session = ClientConnection::new(config, name).unwrap();
        self.stream = Transport::Tls(Box::new(StreamOwned::new(session, stream)));
    }
}

/// Runs `script` as `writes` says; `false` if it is not for that.
///
/// `messages` counts what the server took.
pub fn run(
    script: &str,
    address: SocketAddr,
    writes: Writes,
    tls: &Arc<ClientConfig>,
    messages: impl Fn() -> usize,
) -> bool {
    let lines = script.lines().map(str::trim_end);
    let lines: Vec<&str> = lines.filter(|l| !l.is_empty() && !l.starts_with('#')).collect();
    if writes == Writes::Split && lines.iter().any(|line| line.starts_with("! whole")) {
        return false;
    }
    let mut client = Client::connect(address, writes);
    let mut out = Vec::new();
    for line in lines {
        let (times, line) = repeated(line);
        let (mark, text) = line.split_at(line.len().min(2));
        let text = text.trim_start();
        match mark {
            "->" => {
                for _ in 0..times {
                    out.extend(bytes(text));
                    out.extend(b"\r\n");
                }
            }
            "=>" => (0..times).for_each(|_| out.extend(bytes(text))),
            "<-" => {
                client.send(&std::mem::take(&mut out));
                for _ in 0..times {
                    let reply = client.reply();
                    let last = reply.lines().last().unwrap_or_default();
                    assert!(last.starts_with(text), "{writes:?}: {reply:?} instead of {text:?}");
                }
            }
            "! " | "!" => {
                client.send(&std::mem::take(&mut out));
                match text.split_once(' ').unwrap_or((text, "")) {
                    ("tls", _) => client.start_tls(Arc::clone(tls)),
                    ("messages", count) => {
                        assert_eq!(messages(), count.parse::<usize>().unwrap(), "messages taken");
                    }
                    ("whole", _) => {}
                    other => panic!("no such directive: {other:?}"),
                }
            }
            _ => panic!("not a line of a dialogue: {line:?}"),
        }
    }
    true
}

fn repeated(line: &str) -> (usize, &str) {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    match line[digits..].strip_prefix('x') {
        Some(rest) if digits > 0 => (line[..digits].parse().unwrap(), rest),
        _ => (1, line),
    }
}

/// Reads the escapes of a script.
fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '\\' => {
                let (byte, length) = match rest.as_bytes()[0] {
                    b'r' => (b'\r', 1),
                    b'n' => (b'\n', 1),
                    b'0' => (0, 1),
                    b'x' => (u8::from_str_radix(&rest[1..3], 16).unwrap(), 3),
                    other => (other, 1),
                };
                bytes.push(byte);
                rest = &rest[length..];
            }
            '{' => {
                let (inner, after) = rest.split_once('}').unwrap();
                let (what, times) = inner.split_once('*').unwrap();
                bytes.extend(what.repeat(times.parse().unwrap()).bytes());
                rest = after;
            }
            c => bytes.extend(c.to_string().bytes()),
        }
    }
    bytes
}

//! A mail server that does what a test tells it: takes mail, refuses any
//! command, hangs at it, or closes. SMTP or LMTP, with TLS if given.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

use super::route::{NextHop, Protocol, TlsPolicy};

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// What the sink does instead of taking it.
#[derive(Clone, Debug)]
pub enum Act {
    Reply(&'static str),
    /// Says nothing any more.
    Hang,
    Close,
}

/// A message that the sink took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The whole MAIL command.
    pub mail: String,
    pub rcpt_to: Vec<String>,
    /// Without transparency dots and the final dot.
    pub bytes: Vec<u8>,
    /// Which connection brought it, from 1.
    pub connection: usize,
    pub encrypted: bool,
}

#[derive(Default)]
struct State {
    rules: Vec<(String, Act)>,
    taken: Vec<Taken>,
    connections: usize,
    commands: Vec<String>,
}

/// Ends with its test.
pub struct Sink {
    pub address: SocketAddr,
    lmtp: bool,
    state: Arc<Mutex<State>>,
    task: AbortHandle,
}

/// How the sink is set up.
#[derive(Clone, Default)]
pub struct Setup {
    pub lmtp: bool,
    pub offers: Vec<&'static str>,
    pub tls: Option<TlsAcceptor>,
}

impl Sink {
    pub async fn start(setup: Setup) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::<Mutex<State>>::default();
        let (shared, lmtp) = (Arc::clone(&state), setup.lmtp);
        let serve = async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (state, setup) = (Arc::clone(&shared), setup.clone());
                tokio::spawn(async move {
                    let _ = session(Box::new(stream), &state, &setup).await;
                });
            }
        };
        let task = tokio::spawn(serve).abort_handle();
        Self { address, lmtp, state, task }
    }

    /// Listens on a Unix socket in `folder`.
    pub fn on_socket(folder: &std::path::Path, setup: Setup) -> (Self, NextHop) {
        let path = folder.join("sink");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let state = Arc::<Mutex<State>>::default();
        let (shared, lmtp) = (Arc::clone(&state), setup.lmtp);
        let serve = async move {
            let (stream, _) = listener.accept().await.unwrap();
            let _ = session(Box::new(stream), &shared, &setup).await;
        };
        let task = tokio::spawn(serve).abort_handle();
        let sink = Self { address: ([127, 0, 0, 1], 0).into(), lmtp, state, task };
        let hop = NextHop { host: path.display().to_string(), ..sink.hop(TlsPolicy::Verified) };
        (sink, hop)
    }

    pub async fn plain() -> Self {
        Self::start(Setup { offers: vec!["8BITMIME", "SIZE 1000000"], ..Setup::default() }).await
    }

    /// From now on, what begins with `command` (`CONNECT`, `EHLO`, `RCPT
    /// TO:<a@`, `.`; in LMTP `.a@` for one recipient) is answered so. The
    /// latest rule counts.
    pub fn rule(&self, command: &str, act: Act) {
        self.state.lock().unwrap().rules.insert(0, (command.to_owned(), act));
    }

    pub fn forget_rules(&self) {
        self.state.lock().unwrap().rules.clear();
    }

    pub fn taken(&self) -> Vec<Taken> {
        self.state.lock().unwrap().taken.clone()
    }

    pub fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }

    /// Every command of every connection, in the order of their arrival.
    pub fn commands(&self) -> Vec<String> {
        self.state.lock().unwrap().commands.clone()
    }

    pub fn hop(&self, tls: TlsPolicy) -> NextHop {
        NextHop {
            host: "127.0.0.1".to_owned(),
            port: self.address.port(),
            protocol: if self.lmtp { Protocol::Lmtp } else { Protocol::Smtp },
            tls,
            helo: "gateway.example".to_owned(),
            auth: None,
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Session<'a> {
    stream: BufReader<Box<dyn Stream>>,
    state: &'a Mutex<State>,
}

impl Session<'_> {
    /// The reply of the rule, or `usual`. An error ends the session.
    async fn answer(&mut self, command: &str, usual: &str) -> std::io::Result<bool> {
        let act = {
            let mut state = self.state.lock().unwrap();
            state.commands.push(command.to_owned());
            let rule = state.rules.iter().find(|(prefix, _)| command.starts_with(prefix));
            rule.map(|(_, act)| act.clone())
        };
        let reply = match act {
            None => usual,
            Some(Act::Reply(reply)) => reply,
            Some(Act::Close) => return Err(std::io::ErrorKind::ConnectionAborted.into()),
            Some(Act::Hang) => std::future::pending().await,
        };
        self.stream.get_mut().write_all(format!("{reply}\r\n").as_bytes()).await?;
        Ok(reply.starts_with(['2', '3']))
    }

    async fn line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end_matches("\r\n").to_owned())
    }

    async fn message(&mut self) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        loop {
            let start = bytes.len();
            if self.stream.read_until(b'\n', &mut bytes).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            if bytes[start..] == *b".\r\n" {
                bytes.truncate(start);
                return Ok(bytes);
            }
            if bytes[start] == b'.' {
                bytes.remove(start);
            }
        }
    }
}

async fn session(
    stream: Box<dyn Stream>,
    state: &Mutex<State>,
    setup: &Setup,
) -> std::io::Result<()> {
    let mut session = Session { stream: BufReader::new(stream), state };
    let connection = {
        let mut state = state.lock().unwrap();
        state.connections += 1;
        state.connections
    };
    let (mut mail, mut rcpt_to, mut encrypted) = (String::new(), Vec::new(), false);
    session.answer("CONNECT", "220 sink.example ESMTP").await?;
    loop {
        let line = session.line().await?;
        let verb = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" | "LHLO" => {
                let mut reply = vec!["sink.example".to_owned()];
                reply.extend(setup.offers.iter().map(|offer| (*offer).to_owned()));
                if setup.tls.is_some() && !encrypted {
                    reply.push("STARTTLS".to_owned());
                }
                let last = reply.pop().unwrap();
                let mut text: String =
                    reply.iter().flat_map(|line| ["250-", line, "\r\n"]).collect();
                text.push_str("250 ");
                text.push_str(&last);
                let right = (verb == "LHLO") == setup.lmtp;
                let usual = if right { text.as_str() } else { "500 5.5.1 wrong protocol" };
                session.answer(&line, usual).await?;
            }
            "STARTTLS" => {
                if session.answer(&line, "220 go ahead").await? {
                    let acceptor = setup.tls.clone().unwrap();
                    let tls = acceptor.accept(session.stream.into_inner()).await?;
                    session = Session { stream: BufReader::new(Box::new(tls)), state };
                    encrypted = true;
                }
            }
            "MAIL" => {
                if session.answer(&line, "250 2.1.0 Ok").await? {
                    mail = line;
                }
            }
            "RCPT" => {
                if session.answer(&line, "250 2.1.5 Ok").await? {
                    let path = line.trim_start_matches("RCPT TO:<").trim_end_matches('>');
                    rcpt_to.push(path.to_owned());
                }
            }
            "RSET" => {
                (mail, rcpt_to) = (String::new(), Vec::new());
                session.answer(&line, "250 2.0.0 Ok").await?;
            }
            "QUIT" => return session.answer(&line, "221 2.0.0 Bye").await.map(drop),
            "DATA" => {
                if !session.answer(&line, "354 End with .").await? {
                    continue;
                }
                let bytes = session.message().await?;
                let mut took = Vec::new();
                if setup.lmtp {
                    for one in &rcpt_to {
                        if session.answer(&format!(".{one}"), "250 2.0.0 Taken").await? {
                            took.push(one.clone());
                        }
                    }
                } else if session.answer(".", "250 2.0.0 Taken").await? {
                    took.clone_from(&rcpt_to);
                }
                if !took.is_empty() {
                    let mail = std::mem::take(&mut mail);
                    let taken = Taken { mail, rcpt_to: took, bytes, connection, encrypted };
                    state.lock().unwrap().taken.push(taken);
                }
                rcpt_to.clear();
            }
            _ => drop(session.answer(&line, "250 2.0.0 Ok").await?),
        }
    }
}

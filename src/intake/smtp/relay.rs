//! The client's half of the pass-through proxy: one connection to the next
//! hop for each session, SMTP (RFC 5321) or LMTP (RFC 2033).
//!
//! Opened at the first RCPT. Its answers go to our client as they come. What
//! the next hop says is trusted as an answer, never as bytes: replies are
//! rebuilt. A message goes out exactly as it came in, trace fields in front,
//! and never with a lone CR or LF.

mod connection;
mod reply;

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use crate::mail::{Envelope, Message, Reply, ReversePath};
use crate::maillog::Maillog;

use super::data::flaw;
use super::forward::to_xtext;
use connection::Connection;

/// The server that accepted mail is passed on to.
#[derive(Clone)]
pub struct NextHop {
    pub place: Place,
    pub protocol: Protocol,
    /// Pass each RCPT on as it comes, and answer what it answers. If not, the
    /// next hop hears of recipients when a message passes.
    pub ask_recipients: bool,
    /// STARTTLS is required, and the certificate checked.
    pub tls: Option<NextHopTls>,
    /// Tell it the client by XFORWARD, if it offers that.
    pub xforward: bool,
    /// Our name in EHLO or LHLO.
    pub helo: String,
    /// To connect, and for each command.
    pub patience: Duration,
    /// For the answer to a whole message (RFC 5321 section 4.5.3.2.6 lets our
    /// client wait 10 minutes).
    pub data_patience: Duration,
}

/// Where the next hop listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// `host:port`.
    Tcp(String),
    /// A socket's path; TLS is not spoken there.
    Unix(PathBuf),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Smtp,
    /// One answer for each recipient at the end of data.
    Lmtp,
}

/// What the next hop must prove.
#[derive(Clone, Debug)]
pub struct NextHopTls {
    /// [`client_config`](super::tls::client_config).
    pub config: std::sync::Arc<ClientConfig>,
    /// The name in its certificate.
    pub name: ServerName<'static>,
}

/// What became of a message that was to be passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The next hop took it for every recipient.
    Taken,
    /// It did not, or not for all: `reply` is what our client is told.
    Refused {
        /// Slots for which it did take it (LMTP).
        taken: Vec<usize>,
        reply: Reply,
    },
}

/// Why the next hop gave no answer. Our client is told 451 4.4.1.
#[derive(Debug, thiserror::Error)]
pub(super) enum RelayError {
    #[error("the next hop cannot be reached: {0}")]
    Unreachable(std::io::Error),
    #[error("the next hop did not answer in time")]
    Slow,
    #[error("the next hop closed the connection")]
    Closed,
    #[error("the next hop's answer is not SMTP")]
    NotSmtp,
    #[error("the next hop does not offer STARTTLS, which is required")]
    NoTls,
    #[error("TLS with the next hop failed: {0}")]
    Tls(std::io::Error),
    #[error("the next hop refused our session: {0}")]
    Refused(Reply),
}

/// One session's way to the next hop.
pub struct Relay {
    next_hop: NextHop,
    session: String,
    maillog: Maillog,
    connection: Option<Connection>,
    /// The next hop's transaction, as far as it has come.
    state: State,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// None is open.
    Clean,
    /// One is open that nobody wants: RSET first.
    Stale,
    /// MAIL was accepted, and so many RCPT.
    Open(usize),
}

impl Relay {
    /// `session` names the client's session in the log.
    pub fn new(next_hop: NextHop, session: String, maillog: Maillog) -> Self {
        Self { next_hop, session, maillog, connection: None, state: State::Clean }
    }

    /// Whether RCPT is to be passed on.
    pub fn asks_recipients(&self) -> bool {
        self.next_hop.ask_recipients
    }

    /// Passes one RCPT on, behind MAIL if it is the first, and gives the next
    /// hop's answer.
    pub async fn recipient(
        &mut self,
        envelope: &Envelope,
        size: Option<usize>,
        raw: &str,
    ) -> Reply {
        let raws = [raw];
        let answer = match self.state {
            State::Open(_) => self.further(&raws).await,
            State::Clean | State::Stale => self.begin(envelope, size, &raws).await,
        };
        match answer {
            Ok(mut replies) => match replies.pop() {
                Some(reply) if is_done(&reply) || !reply.is_positive() => reply,
                _ => self.lost(&RelayError::NotSmtp),
            },
            Err(error) => self.lost(&error),
        }
    }

    /// Passes the message on to the recipients in `slots`.
    ///
    /// If these are not all that the next hop accepted, it is a transaction
    /// of its own. A connection that was lost while the intake judged is
    /// opened again; once the message was sent, it is not.
    pub async fn deliver(
        &mut self,
        envelope: &Envelope,
        message: &Message,
        slots: &[usize],
        head: &str,
    ) -> Delivery {
        if flaw(head.as_bytes()).or_else(|| flaw(message.bytes())).is_some() {
            self.maillog.next_hop_failed(&self.session, "a lone CR or LF, or a NUL, is not sent");
            return refused(Reply::new(550, (5, 6, 0), "The message cannot be passed on"));
        }
        let raws: Vec<&str> = slots
            .iter()
            .filter_map(|slot| envelope.rcpt_to.get(*slot))
            .map(|recipient| recipient.raw.as_str())
            .collect();
        let size = head.len() + message.bytes().len();
        let ready = self.state == State::Open(raws.len()) && raws.len() == envelope.rcpt_to.len();
        let permitted = match if ready { self.start().await } else { Err(RelayError::Closed) } {
            Ok(reply) => Ok(reply),
            Err(_) => self.start_again(envelope, size, &raws).await,
        };
        match permitted {
            Ok(reply) if reply.code() == 354 => {}
            Ok(reply) => return refused(never_positive(reply)),
            Err(error) => return refused(self.lost(&error)),
        }
        match self.send(head.as_bytes(), message.bytes(), slots.len()).await {
            Ok(replies) => combine(slots, &replies),
            Err(error) => refused(self.lost(&error)),
        }
    }

    /// The transaction is over for our client. Nothing is sent yet.
    pub fn end_transaction(&mut self) {
        if self.state != State::Clean {
            self.state = State::Stale;
        }
    }

    /// Says QUIT, and does not wait for the answer.
    pub async fn quit(mut self) {
        if let Some(connection) = self.connection.take() {
            connection.quit().await;
        }
    }

    /// [RSET] [XFORWARD] MAIL RCPT..., in one write where the next hop takes
    /// pipelining. The answers to RCPT, or for each the refusal of MAIL.
    async fn begin(
        &mut self,
        envelope: &Envelope,
        size: Option<usize>,
        raws: &[&str],
    ) -> Result<Vec<Reply>, RelayError> {
        // A connection that idled since the last message may be gone.
        if self.connection.is_some() {
            match self.open(envelope, size, raws).await {
                Err(RelayError::Closed | RelayError::Slow) => self.connection = None,
                answer => return answer,
            }
        }
        self.connection = Some(Connection::open(&self.next_hop).await?);
        self.state = State::Clean;
        self.open(envelope, size, raws).await
    }

    async fn open(
        &mut self,
        envelope: &Envelope,
        size: Option<usize>,
        raws: &[&str],
    ) -> Result<Vec<Reply>, RelayError> {
        let connection = self.connection.as_mut().ok_or(RelayError::Closed)?;
        if envelope.smtputf8 && !connection.offers("SMTPUTF8") {
            let reply = Reply::new(550, (5, 6, 7), "The recipient's server does not take SMTPUTF8");
            return Ok(vec![reply; raws.len()]);
        }
        let mut commands = Vec::with_capacity(raws.len() + 3);
        if self.state == State::Stale {
            commands.push("RSET".to_owned());
        }
        if self.next_hop.xforward
            && let Some(offered) = connection.keyword("XFORWARD")
        {
            commands.extend(xforward(offered, envelope));
        }
        commands.push(mail(connection, envelope, size));
        let before = commands.len();
        commands.extend(raws.iter().map(|raw| format!("RCPT TO:<{raw}>")));
        self.state = State::Stale;
        let mut replies = connection.exchange(&commands).await?;
        let answers = replies.split_off(before);
        let Some(mail) = replies.pop().filter(|reply| !reply.is_positive()) else {
            self.state = State::Open(answers.iter().filter(|reply| is_done(reply)).count());
            return Ok(answers);
        };
        Ok(vec![mail; raws.len()])
    }

    async fn further(&mut self, raws: &[&str]) -> Result<Vec<Reply>, RelayError> {
        let connection = self.connection.as_mut().ok_or(RelayError::Closed)?;
        let commands: Vec<String> = raws.iter().map(|raw| format!("RCPT TO:<{raw}>")).collect();
        let replies = connection.exchange(&commands).await?;
        if let State::Open(count) = &mut self.state {
            *count += replies.iter().filter(|reply| is_done(reply)).count();
        }
        Ok(replies)
    }

    async fn start(&mut self) -> Result<Reply, RelayError> {
        let connection = self.connection.as_mut().ok_or(RelayError::Closed)?;
        self.state = State::Stale;
        let reply = connection.exchange(&["DATA".to_owned()]).await?.pop();
        // RFC 5321 section 3.8: 421 says that the connection is lost.
        reply.filter(|reply| reply.code() != 421).ok_or(RelayError::Closed)
    }

    /// A new transaction for these recipients only. If one of them is refused
    /// now, nothing is sent, and his answer is the answer.
    async fn start_again(
        &mut self,
        envelope: &Envelope,
        size: usize,
        raws: &[&str],
    ) -> Result<Reply, RelayError> {
        self.end_transaction();
        let answers = self.begin(envelope, Some(size), raws).await?;
        match worst(&answers) {
            Some(refusal) => Ok(refusal.clone()),
            None => self.start().await,
        }
    }

    async fn send(
        &mut self,
        head: &[u8],
        message: &[u8],
        recipients: usize,
    ) -> Result<Vec<Reply>, RelayError> {
        let connection = self.connection.as_mut().ok_or(RelayError::Closed)?;
        let answers = match self.next_hop.protocol {
            Protocol::Smtp => 1,
            Protocol::Lmtp => recipients,
        };
        let replies = connection.send(head, message, answers).await?;
        self.state = State::Clean;
        Ok(replies)
    }

    /// The connection is of no use any more.
    fn lost(&mut self, error: &RelayError) -> Reply {
        self.connection = None;
        self.state = State::Clean;
        self.maillog.next_hop_failed(&self.session, &error.to_string());
        no_answer()
    }
}

fn no_answer() -> Reply {
    Reply::new(451, (4, 4, 1), "The recipient's server does not answer, try again later")
}

fn refused(reply: Reply) -> Delivery {
    Delivery::Refused { taken: Vec::new(), reply }
}

/// A 2xx where 354 must stand would be a promise that nobody made.
fn never_positive(reply: Reply) -> Reply {
    if reply.is_positive() { no_answer() } else { reply }
}

/// 4xx before 5xx: our client tries again, and those who took the message
/// are not written to twice. With 5xx only, its bounce tells of all.
fn worst(replies: &[Reply]) -> Option<&Reply> {
    let transient = replies.iter().find(|reply| reply.is_transient());
    transient.or_else(|| replies.iter().find(|reply| !is_done(reply)))
}

fn is_done(reply: &Reply) -> bool {
    (200..300).contains(&reply.code())
}

/// One answer for all, or (LMTP) one for each of `slots`.
fn combine(slots: &[usize], replies: &[Reply]) -> Delivery {
    let Some(reply) = worst(replies) else { return Delivery::Taken };
    let each = slots.iter().zip(replies);
    let taken = each.filter(|(_, reply)| is_done(reply)).map(|(slot, _)| *slot).collect();
    Delivery::Refused { taken, reply: never_positive(reply.clone()) }
}

fn mail(connection: &Connection, envelope: &Envelope, size: Option<usize>) -> String {
    let mut command = match &envelope.mail_from {
        ReversePath::Null => "MAIL FROM:<>".to_owned(),
        ReversePath::Address(address) => format!("MAIL FROM:<{address}>"),
    };
    if let Some(size) = size.filter(|_| connection.offers("SIZE")) {
        // Writing to a String does not fail.
        let _ = write!(command, " SIZE={size}");
    }
    if envelope.eight_bit && connection.offers("8BITMIME") {
        command.push_str(" BODY=8BITMIME");
    }
    if envelope.smtputf8 {
        command.push_str(" SMTPUTF8");
    }
    command
}

/// Postfix's `XFORWARD_README`. One command each: a line has 512 bytes, and a
/// HELO name may take half of it.
fn xforward(offered: &str, envelope: &Envelope) -> Vec<String> {
    let client = &envelope.client;
    let ip = match client.ip {
        std::net::IpAddr::V4(ip) => ip.to_string(),
        std::net::IpAddr::V6(ip) => format!("IPV6:{ip}"),
    };
    let value = |text: Option<&str>| match text {
        Some(text) if !text.is_empty() && text.len() <= 255 => to_xtext(text),
        _ => "[UNAVAILABLE]".to_owned(),
    };
    let attributes = [
        ("NAME", value(client.name.as_deref())),
        ("ADDR", ip),
        ("HELO", value(Some(&client.helo))),
        ("PROTO", if client.esmtp { "ESMTP" } else { "SMTP" }.to_owned()),
        ("SOURCE", "REMOTE".to_owned()),
    ];
    let is_offered = |name: &str| offered.split(' ').any(|word| word.eq_ignore_ascii_case(name));
    attributes
        .into_iter()
        .filter(|(name, value)| is_offered(name) && value.len() < 480)
        .map(|(name, value)| format!("XFORWARD {name}={value}"))
        .collect()
}

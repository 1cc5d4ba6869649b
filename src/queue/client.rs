//! An SMTP (RFC 5321) or LMTP (RFC 2033) client, one method per verb.
//!
//! Our own and not a library's: lettre's connection has no LHLO, reads only
//! UTF-8 replies with a text and a second digit below 6, keeps what was read
//! before STARTTLS, and has no time-out per step. Trusts nothing that the
//! server says, except that 2yz behind the final dot means it has the message.

mod offers;
mod reach;

use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::mail::{Address, ReversePath};
use crate::queue::route::{NextHop, Protocol, TlsPolicy};
use crate::queue::tls::ClientTls;
use crate::queue::wire::Wire;
pub use crate::queue::wire::{ServerReply, WireError};
pub use offers::{MailParameters, Offers};
use reach::{connect, handshake};

/// Commands that are said before their replies are read: few enough that both
/// fit into what a system buffers (RFC 2920 section 3.1).
const PIPELINED: usize = 100;

/// How long each step may take: RFC 5321 section 4.5.3.2, a connect as Postfix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    pub connect: Duration,
    /// The greeting, EHLO, STARTTLS with its handshake, AUTH.
    pub greeting: Duration,
    pub mail: Duration,
    pub rcpt: Duration,
    pub data: Duration,
    /// For each 64 KiB of the message.
    pub block: Duration,
    /// From the final dot to its reply.
    pub end: Duration,
    pub rset: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            greeting: Duration::from_mins(5),
            mail: Duration::from_mins(5),
            rcpt: Duration::from_mins(5),
            data: Duration::from_mins(2),
            block: Duration::from_mins(3),
            end: Duration::from_mins(10),
            rset: Duration::from_secs(20),
        }
    }
}

impl Timeouts {
    /// The same for each step.
    pub fn all(limit: Duration) -> Self {
        Self {
            connect: limit,
            greeting: limit,
            mail: limit,
            rcpt: limit,
            data: limit,
            block: limit,
            end: limit,
            rset: limit,
        }
    }
}

/// A step of the dialogue, as error messages name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    Connect,
    Greeting,
    Hello,
    StartTls,
    Auth,
    Forward,
    Mail,
    Rcpt,
    Data,
    Message,
    End,
    Reset,
}

/// Why a dialogue could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server answered 4yz or 5yz to a command without which nothing goes.
    #[error("{reply}")]
    Refused { step: Step, reply: ServerReply },
    /// The connection failed.
    #[error("{}: {fault}", .step.as_str())]
    Wire { step: Step, fault: WireError },
    #[error("the next hop's name has no address: {0}")]
    Resolve(String),
    #[error("the next hop does not offer STARTTLS, which its route requires")]
    NoTls,
    #[error("TLS failed: {0}")]
    Tls(String),
    #[error("AUTH PLAIN or LOGIN is configured, and the next hop offers neither")]
    NoAuth,
    #[error("AUTH is configured, and the connection is not encrypted")]
    AuthInClear,
    /// A command would carry a line's end: it was not sent.
    #[error("an address cannot be sent")]
    Unsendable,
}

/// A greeted connection, between transactions or in one.
pub struct Connection {
    wire: Wire,
    offers: Offers,
    /// Whether nobody between us and the server can listen.
    private: bool,
    server: String,
    encrypted: bool,
    timeouts: Timeouts,
}

impl Connection {
    /// Connects, greets, encrypts and authenticates as the route says. Where
    /// TLS is opportunistic and its handshake fails, connects again without.
    ///
    /// # Errors
    /// [`ClientError`] of the address tried last.
    pub async fn open(
        hop: &NextHop,
        tls: &ClientTls,
        timeouts: Timeouts,
    ) -> Result<Self, ClientError> {
        match Self::open_with(hop, hop.tls, tls, timeouts).await {
            Err(ClientError::Tls(_)) if hop.tls == TlsPolicy::Opportunistic => {
                Self::open_with(hop, TlsPolicy::None, tls, timeouts).await
            }
            opened => opened,
        }
    }

    async fn open_with(
        hop: &NextHop,
        policy: TlsPolicy,
        tls: &ClientTls,
        timeouts: Timeouts,
    ) -> Result<Self, ClientError> {
        let (stream, peer) = connect(hop, timeouts.connect).await?;
        let mut connection = Self {
            wire: Wire::new(stream),
            offers: Offers::default(),
            private: peer.is_none_or(|peer| peer.ip().is_loopback()),
            server: peer.map_or_else(|| hop.host.clone(), |peer| format!("{} ({peer})", hop.host)),
            encrypted: false,
            timeouts,
        };
        let greeting = connection.reply(Step::Greeting).await?;
        positive(Step::Greeting, greeting)?;
        connection.hello(hop).await?;
        if policy != TlsPolicy::None && !hop.is_socket() {
            connection = connection.secure(hop, policy, tls).await?;
        }
        if hop.auth.is_some() {
            connection.authenticate(hop).await?;
        }
        Ok(connection)
    }

    /// What the server offers on this connection.
    pub fn offers(&self) -> &Offers {
        &self.offers
    }

    /// The server as pages and logs name it: `host (address:port)`.
    pub fn server(&self) -> &str {
        &self.server
    }

    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// Whether the server has spoken without being asked: it is closing.
    pub fn has_unread(&self) -> bool {
        self.wire.has_unread()
    }

    async fn hello(&mut self, hop: &NextHop) -> Result<(), ClientError> {
        let verb = if hop.protocol == Protocol::Lmtp { "LHLO" } else { "EHLO" };
        let mut reply = self.command(Step::Hello, &format!("{verb} {}", hop.helo)).await?;
        // RFC 5321 section 3.2: a server without extensions is greeted by HELO.
        if reply.code >= 500 && hop.protocol == Protocol::Smtp {
            reply = self.command(Step::Hello, &format!("HELO {}", hop.helo)).await?;
            self.offers = Offers::default();
            return positive(Step::Hello, reply).map(drop);
        }
        let reply = positive(Step::Hello, reply)?;
        self.offers = Offers::read(&reply);
        Ok(())
    }

    async fn secure(
        mut self,
        hop: &NextHop,
        policy: TlsPolicy,
        tls: &ClientTls,
    ) -> Result<Self, ClientError> {
        let optional = policy == TlsPolicy::Opportunistic;
        if !self.offers.starttls {
            return if optional { Ok(self) } else { Err(ClientError::NoTls) };
        }
        let reply = self.command(Step::StartTls, "STARTTLS").await?;
        if reply.code != 220 {
            return if optional {
                Ok(self)
            } else {
                Err(ClientError::Refused { step: Step::StartTls, reply })
            };
        }
        let config = if policy == TlsPolicy::Verified { &tls.verified } else { &tls.unverified };
        let injected = || ClientError::Tls("data came before the handshake".to_owned());
        let stream = self.wire.into_stream().ok_or_else(injected)?;
        let limit = self.timeouts.greeting;
        self.wire = Wire::new(handshake(stream, &hop.host, config, limit).await?);
        self.encrypted = true;
        // RFC 3207 section 4.2: what was said in the clear is forgotten.
        self.hello(hop).await?;
        Ok(self)
    }

    async fn authenticate(&mut self, hop: &NextHop) -> Result<(), ClientError> {
        let Some(auth) = &hop.auth else { return Ok(()) };
        if !self.encrypted && !self.private {
            return Err(ClientError::AuthInClear);
        }
        let reply = if self.offers.auth_plain {
            // RFC 4616: authorization identity (none), login, password.
            let secret = BASE64.encode(format!("\0{}\0{}", auth.login, auth.password));
            self.command(Step::Auth, &format!("AUTH PLAIN {secret}")).await?
        } else if self.offers.auth_login {
            let mut reply = self.command(Step::Auth, "AUTH LOGIN").await?;
            for secret in [&auth.login, &auth.password] {
                if reply.code == 334 {
                    reply = self.command(Step::Auth, &BASE64.encode(secret)).await?;
                }
            }
            reply
        } else {
            return Err(ClientError::NoAuth);
        };
        if reply.code == 235 { Ok(()) } else { Err(refused(Step::Auth, reply)) }
    }

    /// MAIL FROM. Any reply is an answer, not an error.
    ///
    /// # Errors
    /// [`ClientError`] if the connection is of no use any more.
    pub async fn mail(
        &mut self,
        from: &ReversePath,
        parameters: MailParameters,
    ) -> Result<ServerReply, ClientError> {
        self.command(Step::Mail, &self.mail_line(from, parameters)).await
    }

    /// MAIL as it is said to this server, for [`Connection::exchange`].
    pub fn mail_line(&self, from: &ReversePath, parameters: MailParameters) -> String {
        let mut line = format!("MAIL FROM:<{from}>");
        if let Some(size) = parameters.size.filter(|_| self.offers.size.is_some()) {
            // Writing to a string cannot fail.
            let _ = write!(line, " SIZE={size}");
        }
        if parameters.eight_bit && self.offers.eight_bit {
            line.push_str(" BODY=8BITMIME");
        }
        if parameters.smtputf8 && self.offers.smtputf8 {
            line.push_str(" SMTPUTF8");
        }
        line
    }

    /// Says commands and reads a reply to each; many at a time if the server
    /// takes pipelining (RFC 2920). Any reply is an answer, not an error.
    ///
    /// # Errors
    /// [`ClientError`] if the connection is of no use any more.
    pub async fn exchange(
        &mut self,
        commands: &[(Step, String)],
    ) -> Result<Vec<ServerReply>, ClientError> {
        if commands.iter().any(|(_, line)| !is_line(line)) {
            return Err(ClientError::Unsendable);
        }
        let together = if self.offers.pipelining { PIPELINED } else { 1 };
        let mut replies = Vec::with_capacity(commands.len());
        for group in commands.chunks(together) {
            let step = group[0].0;
            let lines: String = group.iter().flat_map(|(_, line)| [line, "\r\n"]).collect();
            let written = self.wire.write(lines.as_bytes(), self.limit(step)).await;
            written.map_err(|fault| ClientError::Wire { step, fault })?;
            for (step, _) in group {
                replies.push(self.reply(*step).await?);
            }
        }
        Ok(replies)
    }

    /// RCPT TO. Any reply is an answer, not an error.
    ///
    /// # Errors
    /// [`ClientError`] if the connection is of no use any more.
    pub async fn rcpt(&mut self, to: &Address) -> Result<ServerReply, ClientError> {
        self.command(Step::Rcpt, &format!("RCPT TO:<{to}>")).await
    }

    /// DATA; 354 asks for [`Connection::message`].
    ///
    /// # Errors
    /// [`ClientError`] if the connection is of no use any more.
    pub async fn data(&mut self) -> Result<ServerReply, ClientError> {
        self.command(Step::Data, "DATA").await
    }

    /// Writes the message (its parts one behind the other, exactly) and the
    /// final dot. [`Connection::end`] reads what the server says: one reply
    /// in SMTP, one for each accepted recipient in LMTP.
    ///
    /// # Errors
    /// [`ClientError`]; a server that has had enough may have said why, so
    /// read a reply also then.
    pub async fn message(&mut self, parts: &[&[u8]]) -> Result<(), ClientError> {
        let written = self.wire.message(parts, self.timeouts.block).await;
        written.map_err(|fault| ClientError::Wire { step: Step::Message, fault })
    }

    /// A reply behind the final dot.
    ///
    /// # Errors
    /// [`ClientError`] if none came: whether the server has the message is
    /// not known.
    pub async fn end(&mut self) -> Result<ServerReply, ClientError> {
        self.reply(Step::End).await
    }

    /// RSET: ends a transaction that leads nowhere.
    ///
    /// # Errors
    /// [`ClientError`] if the connection is of no use any more.
    pub async fn rset(&mut self) -> Result<(), ClientError> {
        let reply = self.command(Step::Reset, "RSET").await?;
        positive(Step::Reset, reply).map(drop)
    }

    /// QUIT, without waiting for an answer: nothing depends on it.
    pub async fn quit(mut self) {
        let _ = self.wire.write(b"QUIT\r\n", Duration::from_secs(1)).await;
    }

    async fn command(&mut self, step: Step, line: &str) -> Result<ServerReply, ClientError> {
        let mut replies = self.exchange(&[(step, line.to_owned())]).await?;
        // One command, one reply.
        replies.pop().ok_or(ClientError::Unsendable)
    }

    async fn reply(&mut self, step: Step) -> Result<ServerReply, ClientError> {
        let reply = self.wire.reply(self.limit(step)).await;
        reply.map_err(|fault| ClientError::Wire { step, fault })
    }

    fn limit(&self, step: Step) -> Duration {
        match step {
            Step::Connect => self.timeouts.connect,
            Step::Greeting | Step::Hello | Step::StartTls | Step::Auth => self.timeouts.greeting,
            Step::Forward | Step::Mail => self.timeouts.mail,
            Step::Rcpt => self.timeouts.rcpt,
            Step::Data => self.timeouts.data,
            Step::Message => self.timeouts.block,
            Step::End => self.timeouts.end,
            Step::Reset => self.timeouts.rset,
        }
    }
}

/// Whether nothing but one line stands there.
fn is_line(line: &str) -> bool {
    !line.bytes().any(|byte| matches!(byte, b'\r' | b'\n' | 0))
}

fn positive(step: Step, reply: ServerReply) -> Result<ServerReply, ClientError> {
    if (200..300).contains(&reply.code) { Ok(reply) } else { Err(refused(step, reply)) }
}

fn refused(step: Step, reply: ServerReply) -> ClientError {
    ClientError::Refused { step, reply }
}

impl Step {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Greeting => "greeting",
            Self::Hello => "EHLO",
            Self::StartTls => "STARTTLS",
            Self::Auth => "AUTH",
            Self::Forward => "XFORWARD",
            Self::Mail => "MAIL",
            Self::Rcpt => "RCPT",
            Self::Data => "DATA",
            Self::Message => "message",
            Self::End => "end of DATA",
            Self::Reset => "RSET",
        }
    }
}

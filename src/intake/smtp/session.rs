//! One SMTP session: reads a command, calls the method named after it, sends
//! the reply that it returns.
//!
//! RFC 5321 sections 3 and 4, RFC 3207 (STARTTLS), Postfix's XCLIENT and
//! XFORWARD. Here is what belongs to the connection; MAIL, RCPT and DATA are
//! in [`super::transaction`].

use std::net::IpAddr;
use std::sync::Arc;

use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::mail::{Client, Envelope, Message, Reply};

use super::command::{Command, SyntaxError};
use super::forward::Attributes;
use super::relay::Relay;
use super::server::Shared;
use super::transaction::Transaction;
use super::wire::{Ended, Line, Pace, Stream, Wire};
use super::{listed, tls};

/// One connection's state.
pub struct Session {
    pub(super) shared: Arc<Shared>,
    pub(super) wire: Wire,
    /// Who connected. Rights are his, whomever he speaks for.
    peer: IpAddr,
    /// The client as checks see it.
    pub(super) client: Client,
    /// Who authenticated at the proxy (XCLIENT LOGIN).
    pub(super) login: Option<String>,
    /// XFORWARD: whom the next transaction comes from.
    pub(super) forwarded: Option<Attributes>,
    pub(super) greeted: bool,
    pub(super) transaction: Option<Transaction>,
    pub(super) relay: Option<Relay>,
    /// What the next hop took; the client has not shown that it knows.
    pub(super) unacknowledged: Option<Unacknowledged>,
    pub(super) id: String,
    began: Instant,
    errors: usize,
    pub(super) idle_commands: usize,
    /// The reply at hand is the last.
    pub(super) closing: bool,
    /// TLS begins behind the reply at hand.
    upgrading: bool,
    stop: CancellationToken,
}

/// A message that was passed on, until the client goes on.
pub struct Unacknowledged {
    pub envelope: Envelope,
    pub message: Message,
    pub slots: Vec<usize>,
    /// [`Wire::reads`] when our 250 left.
    pub reads: u64,
}

/// Why a session ends without QUIT.
#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error(transparent)]
    Ended(Ended),
    #[error("the session has lasted too long")]
    TooLong,
    #[error("the server is to stop")]
    Stopping,
}

impl Session {
    pub fn new(
        shared: Arc<Shared>,
        wire: Wire,
        peer: IpAddr,
        client: IpAddr,
        id: String,
        stop: CancellationToken,
    ) -> Self {
        let relay = shared.settings.next_hop.clone();
        let relay = relay.map(|next_hop| Relay::new(next_hop, id.clone(), shared.maillog.clone()));
        Self {
            shared,
            wire,
            peer,
            client: nobody(client),
            login: None,
            forwarded: None,
            greeted: false,
            transaction: None,
            relay,
            unacknowledged: None,
            id,
            began: Instant::now(),
            errors: 0,
            idle_commands: 0,
            closing: false,
            upgrading: false,
            stop,
        }
    }

    /// Runs until QUIT, or until a limit or the client ends it.
    pub async fn run(mut self) {
        self.shared.maillog.connected(&self.id, self.client.ip);
        let greeting = self.greeting();
        self.wire.say(&greeting);
        while !self.closing {
            let line = match self.next_line().await {
                Ok(line) => line,
                Err(cause) => {
                    self.part(&cause);
                    break;
                }
            };
            self.acknowledge();
            let reply = self.obey(line).await;
            let reply = self.count(reply);
            self.wire.say(&reply);
            if std::mem::take(&mut self.upgrading) && !Box::pin(self.start_tls()).await {
                break;
            }
        }
        self.end().await;
    }

    fn greeting(&self) -> Reply {
        Reply::plain(220, format!("{} ESMTP", self.shared.settings.hostname))
    }

    async fn next_line(&mut self) -> Result<Line, Cause> {
        let limits = &self.shared.settings.limits;
        let end = self.began + limits.session;
        let idle = self.transaction.is_none();
        if idle && self.stop.is_cancelled() {
            return Err(Cause::Stopping);
        }
        let now = Instant::now();
        if now >= end {
            return Err(Cause::TooLong);
        }
        let pace = Pace { begin: (now + limits.silence).min(end), command: limits.command };
        tokio::select! {
            biased;
            line = self.wire.next_line(pace) => line.map_err(Cause::Ended),
            () = self.stop.cancelled(), if idle => Err(Cause::Stopping),
        }
    }

    /// Says goodbye where somebody may hear it.
    fn part(&mut self, cause: &Cause) {
        let (enhanced, text) = match cause {
            Cause::Ended(Ended::Gone) => return,
            Cause::Ended(Ended::Silent | Ended::Slow) => ((4, 4, 2), "Timeout"),
            Cause::Ended(Ended::Endless) => ((4, 7, 0), "Line does not end"),
            Cause::TooLong => ((4, 4, 2), "Session is too long, connect again"),
            Cause::Stopping => ((4, 3, 2), "Service is shutting down, connect again"),
        };
        self.shared.maillog.session_ended(&self.id, &cause.to_string());
        self.wire.say(&Reply::new(421, enhanced, text));
    }

    async fn end(mut self) {
        if let Some(passed) = self.unacknowledged.take() {
            let judge = &self.shared.judge;
            judge.remember_passed(&passed.envelope, &passed.message, &passed.slots);
        }
        if let Some(relay) = self.relay.take_if(|relay| relay.is_connected()) {
            Box::pin(relay.quit()).await;
        }
        self.wire.close(self.shared.settings.limits.command.min(LINGER)).await;
        self.shared.maillog.disconnected(&self.id);
    }

    /// A command that arrived after our 250 had left shows that it was read.
    fn acknowledge(&mut self) {
        self.unacknowledged.take_if(|passed| self.wire.reads() > passed.reads);
    }

    async fn obey(&mut self, line: Line) -> Reply {
        let Line::Whole(length) = line else { return SyntaxError::TooLong.reply() };
        let utf8 = self.transaction.as_ref().is_some_and(|t| t.envelope.smtputf8);
        let command = Command::parse(self.wire.line(length), utf8);
        self.wire.consume(length);
        match command {
            Ok(command) => self.carry_out(command).await,
            Err(error) => error.reply(),
        }
    }

    async fn carry_out(&mut self, command: Command) -> Reply {
        match command {
            Command::Mail(mail) => self.mail(mail),
            Command::Rcpt(path) => self.rcpt(path).await,
            // What a message needs is large, and most of a session's life is not
            // about a message: boxed, it is not carried along.
            Command::Data => Box::pin(self.data()).await,
            Command::Rset => self.rset(),
            Command::Ehlo(name) => self.ehlo(name),
            Command::Helo(name) => self.helo(name),
            Command::Quit => self.quit(),
            Command::StartTls => self.starttls(),
            Command::Noop => self.noop(),
            Command::Vrfy => self.vrfy(),
            Command::Help => self.help(),
            Command::XForward(attributes) => self.xforward(attributes),
            Command::XClient(attributes) => self.xclient(attributes),
            Command::NotOffered => not_offered(),
            Command::Bdat => self.bdat(),
        }
    }

    /// Ends the session of a client that only makes errors or only idles.
    fn count(&mut self, reply: Reply) -> Reply {
        let limits = &self.shared.settings.limits;
        if reply.is_permanent() {
            self.errors += 1;
        }
        let text = if self.closing {
            return reply;
        } else if self.errors > limits.errors {
            "Too many errors"
        } else if self.idle_commands > limits.idle_commands {
            "Too many commands without mail"
        } else {
            return reply;
        };
        self.shared.maillog.session_ended(&self.id, text);
        self.closing = true;
        self.upgrading = false;
        Reply::new(421, (4, 7, 0), text)
    }

    /// A whole message came: what the client did before is forgiven.
    pub(super) fn forgive(&mut self) {
        self.errors = 0;
        self.idle_commands = 0;
    }

    fn ehlo(&mut self, name: String) -> Reply {
        self.greet(name, true);
        let settings = &self.shared.settings;
        self.wire.say_more(250, &settings.hostname);
        self.wire.say_more(250, "PIPELINING");
        self.wire.say_more(250, &format!("SIZE {}", settings.limits.message));
        if settings.certificate.is_some() && self.client.tls.is_none() {
            self.wire.say_more(250, "STARTTLS");
        }
        if listed(&settings.xforward, self.peer) {
            self.wire.say_more(250, "XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE");
        }
        if listed(&settings.xclient, self.peer) {
            self.wire.say_more(250, "XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT");
        }
        self.wire.say_more(250, "8BITMIME");
        self.wire.say_more(250, "SMTPUTF8");
        Reply::plain(250, "ENHANCEDSTATUSCODES")
    }

    fn helo(&mut self, name: String) -> Reply {
        self.greet(name, false);
        Reply::plain(250, self.shared.settings.hostname.clone())
    }

    /// RFC 5321 section 4.1.4: a later EHLO or HELO is a RSET too.
    fn greet(&mut self, name: String, esmtp: bool) {
        self.idle_commands += usize::from(self.greeted);
        self.end_transaction();
        self.greeted = true;
        self.client.helo = name;
        self.client.esmtp = esmtp;
    }

    fn rset(&mut self) -> Reply {
        self.idle_commands += 1;
        self.end_transaction();
        Reply::new(250, (2, 0, 0), "Ok")
    }

    fn noop(&mut self) -> Reply {
        self.idle_commands += 1;
        Reply::new(250, (2, 0, 0), "Ok")
    }

    /// RFC 5321 section 3.5.3: who has a mailbox is nobody's business.
    fn vrfy(&mut self) -> Reply {
        self.idle_commands += 1;
        Reply::new(252, (2, 0, 0), "Send some mail, it will be tried")
    }

    fn help(&mut self) -> Reply {
        self.idle_commands += 1;
        Reply::new(214, (2, 0, 0), "See RFC 5321")
    }

    fn quit(&mut self) -> Reply {
        self.closing = true;
        self.wire.heard_all();
        Reply::new(221, (2, 0, 0), "Bye")
    }

    /// The chunk that follows must never be read as commands, and its length
    /// is the client's word only: the session ends.
    fn bdat(&mut self) -> Reply {
        self.wire.say(&not_offered());
        self.closing = true;
        Reply::new(421, (4, 7, 0), "A chunk would follow, connect again without BDAT")
    }

    fn starttls(&mut self) -> Reply {
        if self.shared.settings.certificate.is_none() {
            return not_offered();
        }
        if self.client.tls.is_some() {
            return out_of_order("TLS is active");
        }
        self.upgrading = true;
        Reply::new(220, (2, 0, 0), "Ready to start TLS")
    }

    /// RFC 3207 section 4.2: whatever was sent or said in the clear is
    /// forgotten (CVE-2011-0411). `false`: there is no session any more.
    async fn start_tls(&mut self) -> bool {
        let limits = &self.shared.settings.limits;
        let Some(certificate) = &self.shared.settings.certificate else { return false };
        self.wire.purge();
        if self.wire.flush(limits.command).await.is_err() {
            return false;
        }
        let Stream::Plain(stream) = self.wire.take_stream() else { return false };
        let agreed = timeout(limits.command, certificate.acceptor().accept(stream)).await;
        let Ok(Ok(stream)) = agreed else {
            self.shared.maillog.session_ended(&self.id, "TLS was not agreed on");
            return false;
        };
        self.client.tls = Some(tls::facts(stream.get_ref().1));
        self.wire.put_stream(Stream::Tls(Box::new(stream.into())));
        self.end_transaction();
        self.greeted = false;
        self.client.helo.clear();
        true
    }

    fn xforward(&mut self, attributes: Attributes) -> Reply {
        if !listed(&self.shared.settings.xforward, self.peer) {
            return not_listed();
        }
        if self.transaction.is_some() {
            return out_of_order("A transaction is open");
        }
        self.forwarded.get_or_insert_default().add(attributes);
        Reply::new(250, (2, 0, 0), "Ok")
    }

    fn xclient(&mut self, attributes: Attributes) -> Reply {
        if !listed(&self.shared.settings.xclient, self.peer) {
            return not_listed();
        }
        if self.transaction.is_some() {
            return out_of_order("A transaction is open");
        }
        let tls = self.client.tls.take();
        let mut client = nobody(self.client.ip);
        client.tls = tls;
        stand_in(&mut client, &attributes);
        self.client = client;
        self.login = attributes.login.flatten();
        self.forwarded = None;
        self.greeted = false;
        self.greeting()
    }

    /// Ends the transaction, and what XFORWARD said for it.
    pub(super) fn end_transaction(&mut self) {
        self.transaction = None;
        self.forwarded = None;
        if let Some(relay) = &mut self.relay {
            relay.end_transaction();
        }
    }
}

/// How long a session that has ended may take to read our last reply.
const LINGER: std::time::Duration = std::time::Duration::from_secs(2);

/// A client that has only connected.
fn nobody(ip: IpAddr) -> Client {
    Client { ip, name: None, helo: String::new(), tls: None, esmtp: false }
}

/// Puts what a proxy knows in the place of what the connection shows.
pub(super) fn stand_in(client: &mut Client, attributes: &Attributes) {
    if let Some(Some(addr)) = attributes.addr {
        client.ip = addr;
    }
    if let Some(name) = &attributes.name {
        client.name.clone_from(name);
    }
    if let Some(Some(helo)) = &attributes.helo {
        client.helo.clone_from(helo);
    }
    if let Some(esmtp) = attributes.esmtp {
        client.esmtp = esmtp;
    }
}

pub(super) fn out_of_order(text: &str) -> Reply {
    Reply::new(503, (5, 5, 1), text)
}

fn not_offered() -> Reply {
    Reply::new(502, (5, 5, 1), "Command not offered")
}

fn not_listed() -> Reply {
    Reply::new(550, (5, 7, 0), "Not permitted")
}

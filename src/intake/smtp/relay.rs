//! The client's half of the pass-through proxy: one connection to the next
//! hop for each session, by the queue's client (SMTP or LMTP).
//!
//! Opened at the first RCPT. Its answers go to our client as they come. What
//! the next hop says is trusted as an answer, never as bytes: replies are
//! rebuilt. A message goes out exactly as it came in, trace fields in front,
//! and never with a lone CR or LF.

mod reply;

use crate::mail::{Envelope, Message, Reply};
use crate::maillog::Maillog;
use crate::queue::client::{ClientError, Connection, MailParameters, Step, Timeouts};
use crate::queue::route::{self, Protocol};
use crate::queue::tls::ClientTls;
use crate::queue::wire::{ServerReply, WireError, has_stray};

use super::forward::to_xtext;
use reply::{is_done, rebuilt};

/// The server that accepted mail is passed on to.
#[derive(Clone, Debug)]
pub struct NextHop {
    pub server: route::NextHop,
    pub tls: ClientTls,
    pub timeouts: Timeouts,
    /// Pass each RCPT on as it comes, and answer what it answers. If not, the
    /// next hop hears of recipients when a message passes.
    pub ask_recipients: bool,
    /// Tell it the client by XFORWARD, if it offers that.
    pub xforward: bool,
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
                _ => self.lost(&broken(Step::Rcpt, WireError::Malformed)),
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
        if has_stray(&[head.as_bytes(), message.bytes()]) {
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
        let started = if ready { self.start().await.ok() } else { None };
        let permitted = match started {
            Some(reply) => Ok(reply),
            None => self.start_again(envelope, size, &raws).await,
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

    /// Whether the next hop has been asked anything.
    pub fn is_connected(&self) -> bool {
        self.connection.is_some()
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
    ) -> Result<Vec<Reply>, ClientError> {
        // A connection that idled since the last message may be gone.
        if self.connection.is_some() {
            match self.open(envelope, size, raws).await {
                Err(ClientError::Wire { .. }) => self.connection = None,
                answer => return answer,
            }
        }
        let NextHop { server, tls, timeouts, .. } = &self.next_hop;
        self.connection = Some(Connection::open(server, tls, *timeouts).await?);
        self.state = State::Clean;
        self.open(envelope, size, raws).await
    }

    async fn open(
        &mut self,
        envelope: &Envelope,
        size: Option<usize>,
        raws: &[&str],
    ) -> Result<Vec<Reply>, ClientError> {
        let connection = self.connection.as_mut().ok_or_else(closed)?;
        if envelope.smtputf8 && !connection.offers().smtputf8 {
            let reply = Reply::new(550, (5, 6, 7), "The recipient's server does not take SMTPUTF8");
            return Ok(vec![reply; raws.len()]);
        }
        let mut commands = Vec::with_capacity(raws.len() + 3);
        if self.state == State::Stale {
            commands.push((Step::Reset, "RSET".to_owned()));
        }
        if self.next_hop.xforward
            && let Some(offered) = &connection.offers().xforward
        {
            commands.extend(xforward(offered, envelope));
        }
        let parameters = MailParameters {
            eight_bit: envelope.eight_bit,
            smtputf8: envelope.smtputf8,
            size: size.map(|size| size as u64),
        };
        commands.push((Step::Mail, connection.mail_line(&envelope.mail_from, parameters)));
        let before = commands.len();
        commands.extend(raws.iter().map(|raw| rcpt(raw)));
        self.state = State::Stale;
        let mut replies = connection.exchange(&commands).await?;
        let answers: Vec<Reply> = replies.split_off(before).iter().map(rebuilt).collect();
        let Some(mail) = replies.pop().filter(|reply| !reply.is_positive()) else {
            self.state = State::Open(answers.iter().filter(|reply| is_done(reply)).count());
            return Ok(answers);
        };
        Ok(vec![rebuilt(&mail); raws.len()])
    }

    async fn further(&mut self, raws: &[&str]) -> Result<Vec<Reply>, ClientError> {
        let connection = self.connection.as_mut().ok_or_else(closed)?;
        let commands: Vec<_> = raws.iter().map(|raw| rcpt(raw)).collect();
        let replies = connection.exchange(&commands).await?;
        let replies: Vec<Reply> = replies.iter().map(rebuilt).collect();
        if let State::Open(count) = &mut self.state {
            *count += replies.iter().filter(|reply| is_done(reply)).count();
        }
        Ok(replies)
    }

    async fn start(&mut self) -> Result<Reply, ClientError> {
        let connection = self.connection.as_mut().ok_or_else(closed)?;
        self.state = State::Stale;
        let reply = connection.data().await?;
        // RFC 5321 section 3.8: 421 says that the connection is lost.
        if reply.code == 421 { Err(closed()) } else { Ok(rebuilt(&reply)) }
    }

    /// A new transaction for these recipients only. If one of them is refused
    /// now, nothing is sent, and his answer is the answer.
    async fn start_again(
        &mut self,
        envelope: &Envelope,
        size: usize,
        raws: &[&str],
    ) -> Result<Reply, ClientError> {
        self.end_transaction();
        let answers = self.begin(envelope, Some(size), raws).await?;
        match worst(&answers) {
            Some(refusal) => Ok(refusal.clone()),
            None => self.start().await,
        }
    }

    /// The message, and an answer for all or (LMTP) for each recipient.
    async fn send(
        &mut self,
        head: &[u8],
        message: &[u8],
        recipients: usize,
    ) -> Result<Vec<Reply>, ClientError> {
        let connection = self.connection.as_mut().ok_or_else(closed)?;
        let answers = match self.next_hop.server.protocol {
            Protocol::Smtp => 1,
            Protocol::Lmtp => recipients,
        };
        connection.message(&[head, message]).await?;
        let mut replies: Vec<ServerReply> = Vec::with_capacity(answers);
        while replies.len() < answers {
            match connection.end().await {
                Ok(reply) => replies.push(reply),
                Err(error) if replies.is_empty() => return Err(error),
                Err(error) => {
                    // Those who have the message keep it; the others wait.
                    let lost = self.lost(&error);
                    let mut replies: Vec<Reply> = replies.iter().map(rebuilt).collect();
                    replies.resize(answers, lost);
                    return Ok(replies);
                }
            }
        }
        self.state = State::Clean;
        Ok(replies.iter().map(rebuilt).collect())
    }

    /// The connection is of no use any more.
    fn lost(&mut self, error: &ClientError) -> Reply {
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

/// One answer for all, or (LMTP) one for each of `slots`.
fn combine(slots: &[usize], replies: &[Reply]) -> Delivery {
    let Some(reply) = worst(replies) else { return Delivery::Taken };
    let each = slots.iter().zip(replies);
    let taken = each.filter(|(_, reply)| is_done(reply)).map(|(slot, _)| *slot).collect();
    Delivery::Refused { taken, reply: never_positive(reply.clone()) }
}

fn rcpt(raw: &str) -> (Step, String) {
    (Step::Rcpt, format!("RCPT TO:<{raw}>"))
}

fn closed() -> ClientError {
    broken(Step::Connect, WireError::Closed)
}

fn broken(step: Step, fault: WireError) -> ClientError {
    ClientError::Wire { step, fault }
}

/// Postfix's `XFORWARD_README`. One command each: a line has 512 bytes, and a
/// HELO name may take half of it.
fn xforward(offered: &str, envelope: &Envelope) -> Vec<(Step, String)> {
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
        .map(|(name, value)| (Step::Forward, format!("XFORWARD {name}={value}")))
        .collect()
}

//! One MTA's connection: negotiation, then message after message.
//!
//! One method for each command. State ends with the message: at its end, at
//! ABORT, and with the client at QUIT_NC. What comes out of order ends the
//! connection, and the MTA's own default (tempfail) holds.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::macros::{Macros, OfMessage, WANTED};
use super::packet::{Answer, Command, Family, OLDEST, VERSION, action, step};
use super::transaction::Transaction;
use super::verdict::{self, Form};
use super::wire::{Broken, Stream, Wire};
use crate::intake;
use crate::intake::smtp::flaw_reply;
use crate::mail::{Address, Client, Domain, Envelope, Recipient, Reply, ReversePath};

/// What we change in messages; an MTA that does not let us is refused.
const NEEDED: [(u32, &str); 3] = [
    (action::ADD_HEADERS, "add headers"),
    (action::CHANGE_HEADERS, "remove headers"),
    (action::DELETE_RECIPIENT, "delete recipients"),
];
/// What the MTA may leave out. Every flag here is honoured below.
pub(super) const WELCOME: u32 = step::NO_UNKNOWN
    | step::NO_DATA
    | step::NO_REPLY_CONNECT
    | step::NO_REPLY_HELO
    | step::NO_REPLY_MAIL
    | step::NO_REPLY_HEADER
    | step::NO_REPLY_END_OF_HEADERS
    | step::NO_REPLY_BODY
    | step::LEADING_SPACE;

/// A connection.
pub struct Session<S> {
    shared: Arc<Shared>,
    wire: Wire<S>,
    id: String,
    stop: CancellationToken,
    /// The steps that were agreed on; `None` before the negotiation.
    steps: Option<u32>,
    macros: Macros,
    client: Client,
    /// Why the sender was refused, for his recipients where the MTA did not
    /// wait to hear it at MAIL.
    refused: Option<Reply>,
    transaction: Option<Transaction>,
}

/// Whether the connection goes on.
enum Next {
    Go,
    Close,
}

impl<S: Stream> Session<S> {
    pub fn new(shared: Arc<Shared>, wire: Wire<S>, id: String, stop: CancellationToken) -> Self {
        Self {
            shared,
            wire,
            id,
            stop,
            steps: None,
            macros: Macros::default(),
            client: unknown(),
            refused: None,
            transaction: None,
        }
    }

    pub async fn run(mut self) {
        if let Err(broken) = self.converse().await {
            self.shared.maillog.session_ended(&self.id, &broken.to_string());
        }
    }

    async fn converse(&mut self) -> Result<(), Broken> {
        loop {
            let stop = self.stop.clone();
            let packet = tokio::select! {
                packet = self.wire.packet() => packet?,
                // A message that has begun may end; nothing else begins.
                () = stop.cancelled(), if self.transaction.is_none() => None,
            };
            let Some(packet) = packet else { return self.wire.flush().await };
            let command = Command::read(&packet)?;
            if self.steps.is_none() && !matches!(command, Command::Negotiate { .. }) {
                return Err(Broken::Order("a command before the negotiation"));
            }
            if let Next::Close = self.obey(command).await? {
                return self.wire.flush().await;
            }
        }
    }

    async fn obey(&mut self, command: Command<'_>) -> Result<Next, Broken> {
        match command {
            Command::Negotiate { version, actions, steps } => {
                self.negotiate(version, actions, steps)?;
            }
            Command::Macros(pairs) => self.macros.keep(&pairs),
            Command::Connect { host, family, address } => self.connect(host, family, address),
            Command::Helo(name) => self.helo(name),
            Command::Mail { path, parameters } => self.mail(path, &parameters),
            Command::Rcpt { path } => self.rcpt(path).await?,
            Command::Data | Command::Unknown => self.wire.say(&Answer::Continue),
            Command::Header { name, value } => {
                let spaced = self.has(step::LEADING_SPACE);
                self.transaction()?.header(name, value, spaced);
                self.go_on(step::NO_REPLY_HEADER);
            }
            Command::EndOfHeaders => {
                self.transaction()?.end_of_headers();
                self.go_on(step::NO_REPLY_END_OF_HEADERS);
            }
            Command::Body(piece) => {
                self.transaction()?.body(piece);
                self.go_on(step::NO_REPLY_BODY);
            }
            Command::EndOfMessage(piece) => {
                self.transaction()?.body(piece);
                self.end_of_message().await?;
            }
            Command::Abort => self.end_transaction(),
            Command::QuitNewConnection => {
                self.end_transaction();
                self.macros = Macros::default();
                self.client = unknown();
            }
            Command::Quit => return Ok(Next::Close),
        }
        Ok(Next::Go)
    }

    /// ATTACKS M-02: what an older MTA lacks is done without, unless we could
    /// not do our work; nothing is agreed on that was not offered.
    fn negotiate(&mut self, version: u32, actions: u32, steps: u32) -> Result<(), Broken> {
        if version < OLDEST {
            return Err(Broken::Unable("speak a version of the protocol that we know"));
        }
        for (needed, words) in NEEDED {
            if actions & needed == 0 {
                return Err(Broken::Unable(words));
            }
        }
        let agreed = steps & WELCOME;
        let chooses = actions & action::CHOOSE_MACROS;
        let needed = NEEDED.iter().fold(chooses, |all, (one, _)| all | one);
        self.steps = Some(agreed);
        self.wire.say(&Answer::Negotiate {
            version: version.min(VERSION),
            actions: needed,
            steps: agreed,
            macros: if chooses == 0 { &[] } else { WANTED },
        });
        Ok(())
    }

    fn connect(&mut self, host: &[u8], family: Family, address: &[u8]) {
        let told = std::str::from_utf8(address).ok().and_then(ip);
        let host = text(host);
        let ip = match family {
            // A process of the MTA's own machine.
            Family::Local => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            Family::Inet | Family::Inet6 => told,
            Family::Unknown => None,
        };
        let verified = self.macros.is_name_verified() && Domain::parse(&host).is_ok();
        self.client = Client {
            ip: ip.or_else(|| self.macros.client_addr()).unwrap_or(unknown().ip),
            name: (verified && ip.is_some() && host != "unknown").then_some(host),
            ..unknown()
        };
        self.go_on(step::NO_REPLY_CONNECT);
    }

    fn helo(&mut self, name: &[u8]) {
        self.client.helo = text(name);
        self.go_on(step::NO_REPLY_HELO);
    }

    fn mail(&mut self, path: &[u8], parameters: &[&[u8]]) {
        self.transaction = None;
        self.refused = self.begin(path, parameters).err();
        match &self.refused {
            Some(reply) if !self.has(step::NO_REPLY_MAIL) => self.wire.say(&Answer::Reply(reply)),
            _ => self.go_on(step::NO_REPLY_MAIL),
        }
    }

    fn begin(&mut self, path: &[u8], parameters: &[&[u8]]) -> Result<(), Reply> {
        let Shared { intake, maillog, clock, settings, budget, .. } = &*self.shared;
        if let Some(reply) = intake.unready() {
            maillog.deferred(&self.id, reply.text());
            return Err(reply);
        }
        let given =
            |wanted: &str| parameters.iter().any(|one| one.eq_ignore_ascii_case(wanted.as_bytes()));
        let authenticated = self.macros.authenticated();
        let own = authenticated.is_some() || intake.is_own(self.client.ip);
        let mail_from = match text(bare(path)).as_str() {
            "" => ReversePath::Null,
            path => match self.address(path) {
                Some(address) => ReversePath::Address(address),
                // Never held, so never sent anywhere with this path.
                None if own => ReversePath::Null,
                None => {
                    return Err(Reply::new(501, (5, 5, 4), "The sender's address cannot be read"));
                }
            },
        };
        let envelope = Envelope {
            client: Client { tls: self.macros.tls(), ..self.client.clone() },
            authenticated,
            mail_from,
            rcpt_to: Vec::new(),
            eight_bit: given("BODY=8BITMIME"),
            smtputf8: given("SMTPUTF8"),
            received_at: clock.now(),
            session_id: self.id.clone(),
        };
        let limit = settings.limits.message;
        self.transaction = Some(Transaction::new(envelope, budget.share(), limit));
        Ok(())
    }

    async fn rcpt(&mut self, path: &[u8]) -> Result<(), Broken> {
        let shared = Arc::clone(&self.shared);
        let Shared { intake, maillog, settings, .. } = &*shared;
        if let Some(reply) = &self.refused {
            self.wire.say(&Answer::Reply(reply));
            return Ok(());
        }
        let raw = text(bare(path));
        let address = self.address(&raw);
        let transaction = self.transaction()?;
        let envelope = &mut transaction.envelope;
        let Some(address) = address else {
            if envelope.authenticated.is_some() || intake.is_own(envelope.client.ip) {
                transaction.unread += 1;
                self.wire.say(&Answer::Continue);
            } else {
                let reply = Reply::new(501, (5, 5, 4), "The recipient's address cannot be read");
                self.wire.say(&Answer::Reply(&reply));
            }
            return Ok(());
        };
        let known = envelope.rcpt_to.iter().position(|one| one.address == address);
        let refusal = match known {
            Some(_) => None,
            None if envelope.rcpt_to.len() >= settings.limits.recipients => {
                Some(Reply::new(452, (4, 5, 3), "Too many recipients"))
            }
            None => intake.recipient_at_mta(envelope, &address).await,
        };
        if let Some(reply) = refusal {
            maillog.recipient_refused(envelope, &address, &reply);
            self.wire.say(&Answer::Reply(&reply));
            return Ok(());
        }
        let slot = known.unwrap_or_else(|| {
            envelope.rcpt_to.push(Recipient { address, raw });
            envelope.rcpt_to.len() - 1
        });
        transaction.exact.push((slot, path.to_vec()));
        self.wire.say(&Answer::Continue);
        Ok(())
    }

    /// The intake decides; the MTA is told within its patience.
    async fn end_of_message(&mut self) -> Result<(), Broken> {
        let shared = Arc::clone(&self.shared);
        let Shared { intake, maillog, settings, .. } = &*shared;
        let Some(mut transaction) = self.transaction.take() else {
            return Err(Broken::Order("the end of no message"));
        };
        let came = Instant::now();
        let _expected = intake.expect();
        if let Some(queue_id) = self.macros.message.queue_id.take() {
            transaction.envelope.session_id = queue_id;
        }
        let envelope = &transaction.envelope;
        let ip = envelope.client.ip;
        let normalise = settings.normalised.iter().any(|network| network.contains(&ip))
            || envelope.authenticated.is_some()
            || intake.is_own(ip);
        let message = match transaction.finish(normalise) {
            Ok(message) => message,
            Err(flaw) => {
                let reply = flaw_reply(flaw);
                maillog.answered(&self.id, &reply, came.elapsed());
                self.wire.say(&Answer::Reply(&reply));
                self.end_transaction();
                return Ok(());
            }
        };
        let envelope = &transaction.envelope;
        maillog.received(envelope, message.bytes().len());
        // Boxed: a connection that waits for its next message needs no room for it.
        let judging = Box::pin(intake.receive(envelope, &message));
        let answer = if let Some(answer) = self.patiently(judging).await {
            answer
        } else {
            maillog.deferred(&envelope.session_id, "the checks took too long");
            let reply = Reply::new(451, (4, 7, 1), "The checks took too long; try again later");
            intake::Answer::only(reply)
        };
        maillog.answered(&envelope.session_id, &answer.reply, came.elapsed());
        let form = Form { host: &settings.host, spaced: self.has(step::LEADING_SPACE) };
        verdict::say(&mut self.wire, &form, &transaction, &message, &answer);
        drop((transaction, message));
        self.end_transaction();
        Ok(())
    }

    /// Waits for the answer within the MTA's patience (ATTACKS M-14), and
    /// tells it meanwhile that we are at work. An MTA that went away changes
    /// nothing: what is to be held is held.
    async fn patiently<T>(&mut self, judging: impl Future<Output = T>) -> Option<T> {
        let (every, within) = (self.shared.settings.progress, self.shared.settings.answer);
        let mut ticks = interval_at(Instant::now() + every, every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let waiting = async {
            let mut judging = std::pin::pin!(judging);
            loop {
                tokio::select! {
                    biased;
                    answer = &mut judging => return answer,
                    _ = ticks.tick() => {
                        self.wire.say(&Answer::Progress);
                        let _ = self.wire.flush().await;
                    }
                }
            }
        };
        timeout(within, waiting).await.ok()
    }

    fn end_transaction(&mut self) {
        self.transaction = None;
        self.refused = None;
        self.macros.message = OfMessage::default();
        self.wire.rest();
    }

    fn transaction(&mut self) -> Result<&mut Transaction, Broken> {
        self.transaction.as_mut().ok_or(Broken::Order("a part of no message"))
    }

    fn has(&self, wanted: u32) -> bool {
        self.steps.is_some_and(|steps| steps & wanted != 0)
    }

    /// The MTA waits for an answer unless it agreed not to.
    fn go_on(&mut self, unless: u32) {
        if !self.has(unless) {
            self.wire.say(&Answer::Continue);
        }
    }

    /// An address; one without a domain is the MTA's own (RFC 5321 section
    /// 2.3.5 lets local programs write so), but postmaster is ours.
    fn address(&self, path: &str) -> Option<Address> {
        if let Ok(address) = Address::parse_utf8(path) {
            return Some(address);
        }
        if path.contains('@') {
            return None;
        }
        if path.eq_ignore_ascii_case("postmaster") {
            return self.shared.intake.postmaster();
        }
        Address::parse_utf8(&format!("{path}@{}", self.macros.host()?)).ok()
    }
}

/// Before CONNECT, and where it names no address (ATTACKS M-03).
fn unknown() -> Client {
    Client {
        ip: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        name: None,
        helo: "unknown".to_owned(),
        tls: None,
        esmtp: true,
    }
}

/// An address as CONNECT and `{client_addr}` write it.
pub(super) fn ip(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix("IPv6:").unwrap_or(text);
    bare.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

/// What stands between the brackets, or all of it where there are none.
fn bare(path: &[u8]) -> &[u8] {
    path.strip_prefix(b"<").and_then(|rest| rest.strip_suffix(b">")).unwrap_or(path)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    impl<S: Stream> Session<S> {
        /// What waiting for a judge does, for a test of its time.
        pub async fn wait_for<T>(&mut self, judging: impl Future<Output = T>) -> Option<T> {
            self.patiently(judging).await
        }
    }
}

//! MAIL, RCPT, DATA: one mail transaction (RFC 5321 section 3.3).
//!
//! The intake answers who may be written to and what becomes of the message;
//! with a next hop its answers are given on as they come, and the message is
//! passed on inside the session, so that clean mail is never ours to lose.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use crate::failpoint;
use crate::intake::forged;
use crate::mail::{Envelope, Message, Recipient, Reply};
use crate::store::Expected;

use super::command::{ForwardPath, Mail};
use super::data::{Flaw, Received, Receiver};
use super::limits::Share;
use super::relay::Delivery;
use super::server::Shared;
use super::session::{Session, Unacknowledged, out_of_order, stand_in};

/// From MAIL to the end of DATA.
pub struct Transaction {
    pub envelope: Envelope,
    /// SIZE= of MAIL, bytes.
    pub size: Option<usize>,
}

/// Why no message came.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the client closed the connection inside a message")]
    Gone,
    #[error("the message came too slowly")]
    Slow,
    /// Longer than anybody need read to its end.
    #[error("the message has no end: {0}")]
    Endless(Flaw),
}

impl Session {
    pub(super) fn mail(&mut self, mail: Mail) -> Reply {
        if !self.greeted {
            return out_of_order("Say EHLO first");
        }
        if self.transaction.is_some() {
            return out_of_order("A transaction is open");
        }
        if mail.size.is_some_and(|size| size > self.shared.settings.limits.message) {
            return flaw_reply(Flaw::TooBig);
        }
        if let Some(reply) = self.shared.judge.unready() {
            self.shared.maillog.deferred(&self.id, reply.text());
            return reply;
        }
        let mut client = self.client.clone();
        if let Some(forwarded) = &self.forwarded {
            stand_in(&mut client, forwarded);
        }
        let envelope = Envelope {
            client,
            authenticated: self.login.clone(),
            mail_from: mail.from,
            rcpt_to: Vec::new(),
            eight_bit: mail.eight_bit,
            smtputf8: mail.smtputf8,
            received_at: self.shared.clock.now(),
            session_id: self.id.clone(),
        };
        self.transaction = Some(Transaction { envelope, size: mail.size });
        Reply::new(250, (2, 1, 0), "Ok")
    }

    pub(super) async fn rcpt(&mut self, path: ForwardPath) -> Reply {
        let settings = &self.shared.settings;
        let Some(transaction) = &mut self.transaction else {
            return out_of_order("Say MAIL first");
        };
        let envelope = &mut transaction.envelope;
        let (address, raw) = match path {
            ForwardPath::Postmaster(raw) => match self.shared.judge.postmaster() {
                Some(address) => (address, raw),
                None => return Reply::new(550, (5, 7, 1), "No domain is served here"),
            },
            ForwardPath::Address { address, raw } => (address, raw),
        };
        let accepted = Reply::new(250, (2, 1, 5), "Ok");
        if envelope.rcpt_to.iter().any(|recipient| recipient.address == address) {
            return accepted;
        }
        // A bounce goes to one sender (RFC 5321 section 4.5.5).
        let most =
            if envelope.mail_from.address().is_some() { settings.limits.recipients } else { 1 };
        if envelope.rcpt_to.len() >= most {
            return Reply::new(452, (4, 5, 3), "Too many recipients");
        }
        let refusal = self.shared.judge.recipient(envelope, &address).await;
        let ends_here = refusal.is_none() && self.shared.judge.ends_here(&address);
        let relay = self.relay.as_mut().filter(|relay| relay.asks_recipients() && !ends_here);
        let reply = match (refusal, relay) {
            (Some(refusal), _) => refusal,
            (None, Some(relay)) => {
                let Shared { verification, clock, .. } = &*self.shared;
                if let Some(reply) = verification.known(&address, clock.now()) {
                    reply
                } else {
                    let asked = relay.recipient(envelope, transaction.size, &raw);
                    let reply = Box::pin(asked).await;
                    verification.note(&address, &reply, clock.now());
                    reply
                }
            }
            (None, None) => accepted,
        };
        if reply.is_positive() {
            envelope.rcpt_to.push(Recipient { address, raw });
        } else {
            self.shared.maillog.recipient_refused(envelope, &address, &reply);
        }
        reply
    }

    pub(super) async fn data(&mut self) -> Reply {
        // RFC 2920 section 3.1: DATA ends a group. What came with it is the
        // body of a client that does not wait, or of somebody who smuggles.
        if self.wire.has_input() {
            self.closing = true;
            return Reply::new(554, (5, 5, 0), "Wait for 354 before the message");
        }
        let size = match &self.transaction {
            None => return out_of_order("Say MAIL first"),
            Some(transaction) if transaction.envelope.rcpt_to.is_empty() => {
                return Reply::new(554, (5, 5, 1), "No valid recipients");
            }
            Some(transaction) => transaction.size,
        };
        self.wire.say(&Reply::plain(354, "End data with <CR><LF>.<CR><LF>"));
        let mut share = self.shared.budget.share();
        let expected = self.shared.judge.expect();
        let received = match self.receive(size, &mut share).await {
            Ok(received) => received,
            Err(broken) => return self.broken(&broken),
        };
        self.wire.unread(&received.rest);
        let came = Instant::now();
        let reply = match (received.content, self.transaction.take()) {
            (Ok(content), Some(transaction)) => {
                self.judge(transaction.envelope, Message::new(content), expected).await
            }
            (Ok(_), None) => out_of_order("Say MAIL first"),
            (Err(flaw), _) => flaw_reply(flaw),
        };
        self.shared.maillog.answered(&self.id, &reply, came.elapsed());
        failpoint::pass("reply-ready");
        self.end_transaction();
        reply
    }

    /// Reads to the end of data, at the least at the rate that is asked.
    async fn receive(
        &mut self,
        size: Option<usize>,
        share: &mut Share,
    ) -> Result<Received, Broken> {
        let shared = Arc::clone(&self.shared);
        let limits = &shared.settings.limits;
        self.wire.flush(limits.command).await.map_err(|_| Broken::Gone)?;
        let began = Instant::now();
        let mut receiver = Receiver::new(limits.message, size);
        let most = limits.message.saturating_mul(2).saturating_add(1 << 20);
        loop {
            let room = receiver.space();
            if !share.set(room.capacity()) {
                receiver.give_up(Flaw::NoRoom);
                // Forgetting needs little, and that little is always given.
                share.set(receiver.held());
            }
            let earned = limits.data_grace.as_secs()
                + receiver.received() as u64 / u64::from(limits.data_rate.max(1));
            let slowest = began + std::time::Duration::from_secs(earned);
            let deadline = slowest.min(Instant::now() + limits.data_pause);
            match timeout_at(deadline, self.wire.read_into(receiver.space())).await {
                Ok(Ok(1..)) => {}
                Ok(_) => return Err(Broken::Gone),
                Err(_) => return Err(Broken::Slow),
            }
            if receiver.look() {
                return Ok(receiver.finish());
            }
            if receiver.received() > most {
                return Err(Broken::Endless(receiver.flaw().unwrap_or(Flaw::TooBig)));
            }
        }
    }

    /// Nothing of such a message was stored.
    fn broken(&mut self, broken: &Broken) -> Reply {
        self.closing = true;
        self.end_transaction();
        self.shared.maillog.session_ended(&self.id, &broken.to_string());
        match broken {
            Broken::Gone => Reply::new(421, (4, 4, 2), "Connection lost"),
            Broken::Slow => Reply::new(421, (4, 4, 2), "The message comes too slowly"),
            Broken::Endless(flaw) => flaw_reply(*flaw),
        }
    }

    /// The intake decides; what passes is passed on.
    async fn judge(&mut self, envelope: Envelope, message: Message, expected: Expected) -> Reply {
        let judge = self.shared.judge.clone();
        self.shared.maillog.received(&envelope, message.bytes().len());
        let mut answer = judge.receive(&envelope, &message).await;
        drop(expected);
        self.forgive();
        if answer.pass.is_empty() {
            return answer.reply;
        }
        let Some(relay) = &mut self.relay else {
            // Without a next hop the intake keeps what it accepts.
            self.shared.maillog.deferred(&self.id, "no next hop takes accepted mail");
            return Reply::new(451, (4, 3, 0), "Try again later");
        };
        let passed = judge.passed_before(&envelope, &message);
        answer.pass.retain(|slot| !passed.contains(slot));
        if answer.pass.is_empty() {
            return answer.reply;
        }
        let unforged = forged::removed(&message, &self.shared.settings.hostname, answer.own);
        let sent = unforged.as_ref().unwrap_or(&message);
        match relay.deliver(&envelope, sent, &answer.pass, &answer.head).await {
            Delivery::Taken => {
                let slots = [passed, answer.pass].concat();
                let reads = self.wire.reads();
                self.unacknowledged = Some(Unacknowledged { envelope, message, slots, reads });
                answer.reply
            }
            Delivery::Refused { taken, reply } => {
                for slot in answer.pass.iter().filter(|_| reply.is_permanent()) {
                    self.shared.verification.forget(&envelope.rcpt_to[*slot].address);
                }
                if reply.is_permanent()
                    && let Some(held) = answer.held
                {
                    judge.withdraw(held).await;
                }
                if reply.is_transient() && !taken.is_empty() {
                    judge.remember_passed(&envelope, &message, &[passed, taken].concat());
                }
                reply
            }
        }
    }
}

/// What a client is told of a message that cannot be taken.
pub(in crate::intake) fn flaw_reply(flaw: Flaw) -> Reply {
    let (code, enhanced, text) = match flaw {
        Flaw::LoneLineEnd => {
            (550, (5, 5, 2), "Lines must end with CRLF, and CR or LF not stand alone")
        }
        Flaw::Nul => (550, (5, 6, 0), "The message has a NUL byte"),
        Flaw::TooBig => (552, (5, 3, 4), "The message is too large"),
        Flaw::NoRoom => (452, (4, 3, 1), "Too much mail at once, try again later"),
    };
    Reply::new(code, enhanced, text)
}

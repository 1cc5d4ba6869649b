//! Intake: what a front door (SMTP, milter) asks, and what it is answered.
//!
//! The doors know their protocol; this module knows the journey: direction,
//! limits, filter, verdict, hold, telling. [`Intake::recipient`] answers RCPT,
//! [`Intake::receive`] answers the end of DATA. Nothing is answered with 250,
//! or with a link, before body and record are on stable storage.

mod carry_out;
pub mod direction;
mod forged;
mod hold;
mod marked;
pub mod milter;
mod rcpt;
mod repeat;
pub mod smtp;
mod stopped;
mod verdict;

use std::sync::{Arc, OnceLock};

use uuid::Uuid;

use self::direction::Networks;
use self::rcpt::barred;
use self::repeat::{Earlier, Passed};
use self::stopped::Stopped;
use self::verdict::Outcome;
use crate::appeal::Grants;
use crate::clock::Clock;
use crate::directory::Directory;
use crate::filter::policy::Thresholds;
use crate::filter::{Class, Filter};
use crate::link::Links;
use crate::mail::{Address, Envelope, Message, Reply};
use crate::maillog::Maillog;
use crate::notice::Notices;
use crate::quarantine::{Fingerprint, Held, State, Telling};
use crate::queue::{Origin, Queue};
use crate::reputation::{Network, Proof, Proofs, Reputation, Sender, correspondent};
use crate::store::{self, Batch, Fault, Row, Store};

/// RFC 5321 section 6.3: more hops than this are a loop.
const HOPS: usize = 50;
/// How often a decision is made again when another came first.
const TRIES: usize = 4;

/// What is the same for all mail.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Our name in Received and Authentication-Results fields.
    pub host: String,
    pub networks: Networks,
    pub thresholds: Thresholds,
    /// Accepted mail goes to the delivery queue, because no next hop takes it
    /// inside the session.
    pub queue_accepted: bool,
    /// Answer a second organisation's recipient with 451.
    pub one_organisation_per_transaction: bool,
}

/// The parts that judging takes.
pub struct Parts {
    pub settings: Settings,
    pub clock: Clock,
    pub store: Store,
    pub directory: Directory,
    pub reputation: Reputation,
    pub filter: Filter,
    pub notices: Notices,
    pub queue: Queue,
    pub links: Links,
    pub maillog: Maillog,
}

/// Judges mail for the doors. Clones share everything.
#[derive(Clone)]
pub struct Intake {
    inner: Arc<Inner>,
}

struct Inner {
    parts: Parts,
    grants: OnceLock<Grants>,
    passed: Passed,
}

/// The answer to a whole message.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Slots of the recipients to whom the message is passed on as it is: in
    /// front of a server by the session's next hop, at a milter by the MTA.
    pub pass: Vec<usize>,
    /// Header fields to put in front for those: trace and
    /// Authentication-Results, CRLF ended.
    pub head: String,
    /// What the client is told if nothing is passed on, or once the next hop
    /// took it for everybody in `pass`: 250 unless all were refused alike.
    pub reply: Reply,
    /// We sent it ourselves: what it says in our name is true.
    pub own: bool,
    /// The hold that was made for the other recipients, to be withdrawn if
    /// the next hop refuses the passed part for good (5xx).
    pub held: Option<Uuid>,
}

impl Answer {
    fn only(reply: Reply) -> Self {
        Self { pass: Vec::new(), head: String::new(), reply, own: false, held: None }
    }
}

impl Intake {
    pub fn new(parts: Parts) -> Self {
        Self {
            inner: Arc::new(Inner { parts, grants: OnceLock::new(), passed: Passed::default() }),
        }
    }

    /// Mail that an appeal was granted for passes from now on.
    pub fn honour(&self, grants: Grants) {
        let _ = self.inner.grants.set(grants);
    }

    /// Whether a client of this address is one of our own networks.
    pub fn is_own(&self, ip: std::net::IpAddr) -> bool {
        self.inner.parts.settings.networks.is_own(ip)
    }

    /// The answer to MAIL while no message can be kept: 452 if the disk is
    /// full, else 451. `None`: one can.
    pub fn unready(&self) -> Option<Reply> {
        let stopped = match self.inner.parts.store.health().state {
            store::State::Ready => return None,
            store::State::Full => Stopped::Full,
            state => Stopped::Store(Fault::Unavailable(format!("{state:?}"))),
        };
        Some(stopped.reply())
    }

    /// Says that a message is coming, until the answer is dropped.
    pub fn expect(&self) -> store::Expected {
        self.inner.parts.store.expect()
    }

    /// Judges a message and makes its holds durable. Never fails: what cannot
    /// be judged or stored is answered with 4xx.
    pub async fn receive(&self, envelope: &Envelope, message: &Message) -> Answer {
        match self.judge(envelope, message).await {
            Ok(answer) => answer,
            Err(stopped) => {
                self.inner.parts.maillog.deferred(&envelope.session_id, &stopped.to_string());
                Answer::only(stopped.reply())
            }
        }
    }

    /// The next hop refused the passed part with 5xx: the holds of the same
    /// transaction are withdrawn, because the client's bounce tells of all.
    pub async fn withdraw(&self, held: Uuid) {
        for _ in 0..TRIES {
            match self.withdraw_once(held).await {
                Ok(()) | Err(Stopped::Store(_)) => return,
                Err(_) => {}
            }
        }
    }

    /// The slots to whom an earlier copy was passed on while its client was
    /// already gone.
    pub fn passed_before(&self, envelope: &Envelope, message: &Message) -> Vec<usize> {
        let now = self.inner.parts.clock.now();
        self.inner.passed.before(Fingerprint::of(message), envelope, now)
    }

    /// Remembers that the next hop took a message for these slots, so that a
    /// client that was cut off before our 250 is answered 250 and nothing is
    /// delivered twice.
    pub fn remember_passed(&self, envelope: &Envelope, message: &Message, slots: &[usize]) {
        let now = self.inner.parts.clock.now();
        self.inner.passed.remember(Fingerprint::of(message), envelope, slots, now);
    }

    /// DATA, as DESIGN section 2 tells it.
    async fn judge(&self, envelope: &Envelope, message: &Message) -> Result<Answer, Stopped> {
        let Parts { settings, directory, filter, store, notices, .. } = &self.inner.parts;
        if let [only] = envelope.rcpt_to.as_slice()
            && let Some(letter) = notices.return_path(&only.address)
        {
            return Ok(Answer::only(notices.take_bounce(letter, envelope, message).await));
        }
        if envelope.rcpt_to.iter().any(|one| notices.is_report(&one.address)) {
            return self.take_report(envelope, message).await;
        }
        if let Some(answer) = self.marked(envelope, message).await? {
            return Ok(answer);
        }
        if let Some(reply) = self.loops(envelope, message) {
            return Ok(Answer::only(reply));
        }
        if direction::is_outgoing(envelope, &settings.networks, directory) {
            return self.send_out(envelope, message).await;
        }
        notices.count_inbound();
        let (judged, relayed) = direction::judged(envelope, message, &settings.networks);
        let fingerprint = Fingerprint::of(message);
        match repeat::earlier(store, fingerprint, envelope).await? {
            Earlier::None => {}
            Earlier::Held(held) => return Ok(self.same_again(envelope, &held, relayed)),
            Earlier::Delivered => {
                return Ok(Answer::only(Reply::new(250, (2, 0, 0), "Delivered before")));
            }
            Earlier::OnItsWay => return Err(Stopped::OnItsWay),
        }
        let examination = filter.examine(&judged, message, false).await?;
        let judgements = self.judgements(&judged, message, &examination).await?;
        self.note(&examination, &judgements);
        match verdict::combine(&judgements) {
            Outcome::Defer => Err(Stopped::Undecided("a check could not answer".to_owned())),
            Outcome::Reject(class) => Ok(self.rejected(class, envelope)),
            Outcome::Each { accept, hold, refuse } => {
                let case = hold::Case {
                    envelope,
                    judged: &judged,
                    message,
                    fingerprint,
                    examination: &examination,
                    judgements: &judgements,
                    relayed,
                };
                self.carry_out(&case, accept, hold, refuse).await
            }
        }
    }

    /// A recipient's report: his word counts if he is one of our own users, or
    /// proved as any sender.
    async fn take_report(&self, envelope: &Envelope, message: &Message) -> Result<Answer, Stopped> {
        let Parts { settings, filter, notices, .. } = &self.inner.parts;
        let own = envelope.authenticated.is_some() || settings.networks.is_own(envelope.client.ip);
        let reporter = if own {
            Sender {
                address: message.from().address().cloned(),
                proofs: Proofs::NONE.with(Proof::Spf),
                network: Network::of(envelope.client.ip),
            }
        } else {
            filter.examine(envelope, message, false).await?.sender
        };
        Ok(Answer::only(notices.take_report(&reporter, message).await))
    }

    /// Outgoing: malware only; the recipients become correspondents.
    async fn send_out(&self, envelope: &Envelope, message: &Message) -> Result<Answer, Stopped> {
        let Parts { directory, filter, store, clock, .. } = &self.inner.parts;
        let examination = filter.examine(envelope, message, true).await?;
        if examination.classes.contains(&Class::Malware) {
            return Ok(self.rejected(Class::Malware, envelope));
        }
        let from = message.from();
        let from = from.address().or(envelope.mail_from.address());
        let organisation = from.and_then(|from| directory.organisation_of(from.domain()));
        // Who sends from his own network or login is who he says, as far as
        // that domain is ours.
        let proved = organisation.as_ref().and(from).cloned();
        let origin = Origin { proved, score: 0.0 };
        if let Some(organisation) = organisation {
            let outside: Vec<&Address> = envelope
                .rcpt_to
                .iter()
                .map(|one| &one.address)
                .filter(|address| !directory.serves(address.domain()))
                .collect();
            correspondent::note(store, &organisation.id, &outside, clock.now()).await?;
        }
        let all = (0..envelope.rcpt_to.len()).collect();
        let head = self.head(envelope, None);
        self.pass_on(envelope, message, Batch::new(), all, head, origin).await
    }

    /// A repeat of what is held: the same answer, the same link.
    fn same_again(&self, envelope: &Envelope, held: &Held, relayed: bool) -> Answer {
        self.inner.parts.maillog.held_again(&envelope.session_id, held.id);
        let reply = match held.telling {
            Telling::Reply if !relayed => self.inner.parts.notices.reply_again(held),
            _ => accepted(),
        };
        Answer::only(reply)
    }

    /// A 5xx for the whole transaction.
    fn rejected(&self, class: Class, envelope: &Envelope) -> Answer {
        let Parts { directory, links, maillog, .. } = &self.inner.parts;
        let reply = match class {
            Class::Malware => Reply::new(554, (5, 7, 1), "Message refused: it carries malware"),
            Class::Phishing => {
                Reply::new(550, (5, 7, 1), "Message refused: it imitates somebody to steal secrets")
            }
            _ => {
                let first = envelope.rcpt_to.first().map(|one| one.address.domain());
                match first.and_then(|domain| directory.organisation_of(domain)) {
                    Some(organisation) => barred(links, &organisation),
                    None => Reply::new(550, (5, 7, 1), "Message refused by policy"),
                }
            }
        };
        maillog.rejected(&envelope.session_id, class.as_str(), &reply);
        Answer::only(reply)
    }

    /// RFC 5321 section 6.3, and our own trace for the same recipient or six
    /// of ours.
    fn loops(&self, envelope: &Envelope, message: &Message) -> Option<Reply> {
        let looping = || Reply::new(554, (5, 4, 6), "Routing loop detected");
        if message.all("Received").count() > HOPS {
            return Some(looping());
        }
        let host = &self.inner.parts.settings.host;
        let recipients = envelope.rcpt_to.iter().map(|one| &one.address);
        crate::mail::trace::loops(message, host, recipients).then(looping)
    }

    /// Trace fields that go in front of what is passed on.
    fn head(&self, envelope: &Envelope, authentication: Option<&str>) -> String {
        let host = &self.inner.parts.settings.host;
        let mut head = crate::mail::trace::received(envelope, host);
        if let Some(results) = authentication.filter(|results| !results.is_empty()) {
            head.insert_str(0, &format!("Authentication-Results: {host};\r\n\t{results}\r\n"));
        }
        head
    }

    async fn withdraw_once(&self, id: Uuid) -> Result<(), Stopped> {
        let Parts { store, clock, .. } = &self.inner.parts;
        let Some(row): Option<Row<Held>> = store.find(id.as_bytes()).await? else {
            return Ok(());
        };
        let mut held = row.record.clone();
        for one in &mut held.recipients {
            let _ = one.become_state(State::Withdrawn, clock.now());
        }
        let mut batch = Batch::new();
        batch.update(&row, &held);
        store.commit(batch).await?;
        Ok(())
    }
}

fn accepted() -> Reply {
    Reply::new(250, (2, 0, 0), "Accepted")
}

#[cfg(test)]
mod tests;

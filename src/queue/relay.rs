//! The courier to next hops: one transaction per hop, one answer per
//! recipient.
//!
//! What goes out is `head` and `body`, byte for byte; what cannot go out so
//! (a lone CR or LF, SMTPUTF8 or 8BITMIME towards a server without it) is not
//! sent at all. RFC 5321, 2033 (LMTP), 1870 (SIZE), 6152, 6531.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::join_all;
use tokio::sync::OwnedSemaphorePermit;

use crate::clock::Clock;
use crate::mail::Address;
use crate::queue::client::{ClientError, Connection, MailParameters, ServerReply, Step, Timeouts};
use crate::queue::courier::{Outcome, Parcel, Report};
use crate::queue::pool::{Bounds, Pool};
use crate::queue::route::{NextHop, Protocol, Routes};
use crate::queue::tls::ClientTls;
use crate::queue::wire::has_stray;

/// RFC 5321 section 4.5.3.1.8: a server takes at least so many recipients.
const RECIPIENTS: usize = 100;

/// Delivers by SMTP and LMTP. Clones share connections.
#[derive(Clone)]
pub struct Relay {
    inner: Arc<Inner>,
}

struct Inner {
    routes: Routes,
    tls: ClientTls,
    timeouts: Timeouts,
    bounds: Bounds,
    clock: Clock,
    pools: Mutex<HashMap<NextHop, Arc<Pool>>>,
}

/// The right to one connection to each next hop of a parcel.
pub struct Reservation {
    permits: Vec<(NextHop, OwnedSemaphorePermit)>,
}

/// Replies to one transaction, by the recipient's place in it.
type Answers = Vec<Option<Report>>;

impl Relay {
    pub fn new(
        routes: Routes,
        tls: ClientTls,
        timeouts: Timeouts,
        bounds: Bounds,
        clock: Clock,
    ) -> Self {
        let pools = Mutex::default();
        Self { inner: Arc::new(Inner { routes, tls, timeouts, bounds, clock, pools }) }
    }

    /// Reserves a connection to each hop of these recipients; `None` while
    /// one of the hops has as many as it may have.
    pub fn reserve(&self, recipients: &[Address]) -> Option<Reservation> {
        let mut permits: Vec<(NextHop, OwnedSemaphorePermit)> = Vec::new();
        for recipient in recipients {
            let hop = self.inner.routes.next_hop(recipient.domain());
            if permits.iter().all(|(reserved, _)| reserved != hop) {
                permits.push((hop.clone(), self.inner.pool(hop).reserve()?));
            }
        }
        Some(Reservation { permits })
    }

    /// Delivers over reserved connections. Every hop is served at the same
    /// time, and gets its recipients in transactions of 100.
    pub async fn deliver(&self, parcel: &Parcel<'_>, reservation: &Reservation) -> Vec<Report> {
        if has_stray(&[parcel.head, parcel.body]) {
            let words = "554 5.6.0 Not sent: a lone CR, LF or NUL stands in the message";
            return vec![
                Report::new(Outcome::Permanent, "reprieve", words);
                parcel.recipients.len()
            ];
        }
        let hops = reservation.permits.iter().map(|(hop, _)| async move {
            let pool = self.inner.pool(hop);
            let mine: Vec<usize> = (0..parcel.recipients.len())
                .filter(|place| {
                    self.inner.routes.next_hop(parcel.recipients[*place].domain()) == hop
                })
                .collect();
            let mut answered = Vec::with_capacity(mine.len());
            for places in mine.chunks(RECIPIENTS) {
                let to: Vec<&Address> = places.iter().map(|at| &parcel.recipients[*at]).collect();
                let reports = self.inner.transaction(&pool, hop, parcel, &to).await;
                answered.extend(places.iter().copied().zip(reports));
            }
            answered
        });
        let mut reports: Answers = vec![None; parcel.recipients.len()];
        for (place, report) in join_all(hops).await.into_iter().flatten() {
            reports[place] = Some(report);
        }
        let unrouted = || Report::new(Outcome::Transient, "reprieve", "no connection was reserved");
        reports.into_iter().map(|report| report.unwrap_or_else(unrouted)).collect()
    }

    /// Closes connections that nobody has used for a while.
    pub fn sweep(&self) {
        for pool in self.inner.pools.lock().unwrap_or_else(PoisonError::into_inner).values() {
            pool.sweep();
        }
    }
}

impl Inner {
    fn pool(&self, hop: &NextHop) -> Arc<Pool> {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(hop) {
            return Arc::clone(pool);
        }
        let pool = Arc::new(Pool::new(self.bounds, self.clock.clone()));
        pools.insert(hop.clone(), Arc::clone(&pool));
        pool
    }

    /// One transaction, on an idle connection if there is a living one.
    async fn transaction(
        &self,
        pool: &Pool,
        hop: &NextHop,
        parcel: &Parcel<'_>,
        to: &[&Address],
    ) -> Vec<Report> {
        let everybody =
            |outcome, words: &str| vec![Report::new(outcome, hop.to_string(), words); to.len()];
        while let Some(idle) = pool.take() {
            let mut dialogue = Dialogue::new(idle.connection, hop.protocol, to);
            // A kept connection may be dead, or its server about to close it
            // (421); that shows at its first command, when nothing is lost
            // yet and another can be taken.
            if dialogue.run(parcel, true).await == End::Stale {
                continue;
            }
            return dialogue.finish(pool, idle.messages);
        }
        if let Some(why) = pool.resting() {
            return everybody(Outcome::Transient, &format!("not tried again so soon: {why}"));
        }
        match Connection::open(hop, &self.tls, self.timeouts).await {
            Ok(connection) => {
                let mut dialogue = Dialogue::new(connection, hop.protocol, to);
                dialogue.run(parcel, false).await;
                dialogue.finish(pool, 0)
            }
            Err(error) => {
                let words = error.to_string();
                let outcome = outcome_of(&error);
                if outcome == Outcome::Transient {
                    pool.rest(&words);
                }
                everybody(outcome, &words)
            }
        }
    }
}

/// How a dialogue ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The connection can carry another transaction.
    Clean,
    /// It cannot.
    Broken,
    /// It was dead before anything was said.
    Stale,
}

/// One transaction on one connection.
struct Dialogue<'a> {
    connection: Connection,
    protocol: Protocol,
    to: &'a [&'a Address],
    answers: Answers,
    end: End,
}

impl<'a> Dialogue<'a> {
    fn new(connection: Connection, protocol: Protocol, to: &'a [&'a Address]) -> Self {
        Self { connection, protocol, to, answers: vec![None; to.len()], end: End::Broken }
    }

    /// Says everything and remembers every answer.
    async fn run(&mut self, parcel: &Parcel<'_>, reused: bool) -> End {
        self.end = match self.say(parcel, reused).await {
            Ok(end) => end,
            Err(ClientError::Wire { step: Step::Mail, .. }) if reused => End::Stale,
            Err(error) => {
                self.fill(outcome_of(&error), &error.to_string());
                End::Broken
            }
        };
        self.end
    }

    /// The reports, and the connection back to its pool.
    fn finish(mut self, pool: &Pool, messages: u32) -> Vec<Report> {
        self.fill(Outcome::Transient, "no answer");
        if self.end == End::Clean {
            pool.give_back(self.connection, messages + 1);
        }
        self.answers.into_iter().flatten().collect()
    }

    async fn say(&mut self, parcel: &Parcel<'_>, reused: bool) -> Result<End, ClientError> {
        if let Some(words) = self.unfit(parcel) {
            self.fill(Outcome::Permanent, &words);
            return Ok(End::Clean);
        }
        let parts = [parcel.head, parcel.body];
        let parameters = MailParameters {
            eight_bit: parcel.eight_bit || !parts.iter().all(|part| part.is_ascii()),
            smtputf8: parcel.smtputf8,
            size: Some(size(parcel)),
        };
        let reply = self.connection.mail(parcel.mail_from, parameters).await?;
        if reply.code != 250 {
            if reused && reply.code == 421 {
                return Ok(End::Stale);
            }
            return self.refused(&reply).await;
        }
        for place in 0..self.to.len() {
            let reply = self.connection.rcpt(self.to[place]).await?;
            if !(200..300).contains(&reply.code) {
                self.answer(place, &reply);
            }
            if reply.code == 421 {
                self.fill(Outcome::Transient, &reply.to_string());
                return Ok(End::Broken);
            }
        }
        if self.answers.iter().all(Option::is_some) {
            self.connection.rset().await?;
            return Ok(End::Clean);
        }
        let reply = self.connection.data().await?;
        if reply.code != 354 {
            return self.refused(&reply).await;
        }
        let written = self.connection.message(&parts).await;
        self.replies(written).await
    }

    /// Reads what is said behind the final dot, or instead of it.
    async fn replies(&mut self, written: Result<(), ClientError>) -> Result<End, ClientError> {
        let waiting: Vec<usize> =
            (0..self.to.len()).filter(|place| self.answers[*place].is_none()).collect();
        if let Err(fault) = written {
            // A server that has had enough says so and closes; its word is
            // worth more than "broken pipe", unless it claims success.
            return match self.connection.end().await {
                Ok(reply) if !reply.is_positive() => {
                    self.fill(Outcome::of_code(reply.code), &reply.to_string());
                    Ok(End::Broken)
                }
                _ => Err(fault),
            };
        }
        match self.protocol {
            Protocol::Smtp => {
                let reply = self.connection.end().await?;
                self.fill(Outcome::of_code(reply.code), &reply.to_string());
                Ok(if reply.code == 421 { End::Broken } else { End::Clean })
            }
            // RFC 2033 section 4.2: one reply for each recipient that RCPT
            // accepted, in their order.
            Protocol::Lmtp => {
                for place in waiting {
                    let reply = self.connection.end().await?;
                    self.answer(place, &reply);
                }
                Ok(End::Clean)
            }
        }
    }

    /// MAIL or DATA was not accepted: that is the answer for everybody who
    /// waits.
    async fn refused(&mut self, reply: &ServerReply) -> Result<End, ClientError> {
        // 2yz where it makes no sense is not a delivery.
        let outcome =
            if reply.code < 400 { Outcome::Transient } else { Outcome::of_code(reply.code) };
        self.fill(outcome, &reply.to_string());
        if reply.code == 421 || reply.code < 400 {
            return Ok(End::Broken);
        }
        self.connection.rset().await?;
        Ok(End::Clean)
    }

    /// Why this server cannot be given the message as it is.
    fn unfit(&self, parcel: &Parcel<'_>) -> Option<String> {
        let offers = self.connection.offers();
        let beyond_ascii = |address: &Address| !address.to_string().is_ascii();
        let needs_utf8 = parcel.smtputf8
            || self.to.iter().any(|address| beyond_ascii(address))
            || parcel.mail_from.address().is_some_and(beyond_ascii);
        if needs_utf8 && !offers.smtputf8 {
            // RFC 6531 section 3.5.
            return Some("550 5.6.7 Not sent: the next hop does not take SMTPUTF8".to_owned());
        }
        if parcel.eight_bit && !offers.eight_bit {
            // RFC 6152 section 3: convert, which would break signatures, or
            // give back. What came without BODY=8BITMIME goes on as it came.
            return Some("554 5.6.3 Not sent: the next hop does not take 8BITMIME".to_owned());
        }
        let limit = offers.size.filter(|limit| *limit > 0)?;
        let size = size(parcel);
        (size > limit).then(|| {
            format!("552 5.3.4 Not sent: {size} bytes, and the next hop takes {limit} at most")
        })
    }

    fn answer(&mut self, place: usize, reply: &ServerReply) {
        let outcome = if (300..400).contains(&reply.code) {
            Outcome::Transient
        } else {
            Outcome::of_code(reply.code)
        };
        let words = reply.to_string();
        self.answers[place] = Some(Report::new(outcome, self.connection.server(), &words));
    }

    /// The same answer for everybody who has none yet.
    fn fill(&mut self, outcome: Outcome, words: &str) {
        let server = self.connection.server().to_owned();
        for answer in self.answers.iter_mut().filter(|answer| answer.is_none()) {
            *answer = Some(Report::new(outcome, server.clone(), words));
        }
    }
}

fn size(parcel: &Parcel<'_>) -> u64 {
    (parcel.head.len() + parcel.body.len()) as u64
}

/// A connection that cannot be used is tried again; a server that refuses us
/// for good at its greeting or at EHLO is believed. What our own configuration
/// is at fault for (AUTH, STARTTLS) is for an administrator to repair, and
/// waits for him.
fn outcome_of(error: &ClientError) -> Outcome {
    match error {
        ClientError::Refused { step: Step::Greeting | Step::Hello, reply } => {
            Outcome::of_code(reply.code)
        }
        ClientError::Unsendable => Outcome::Permanent,
        _ => Outcome::Transient,
    }
}

//! The log's words: one function per event writes its line and counts it.
//!
//! Lines are structured (`tracing`): an `event` and its fields. Never logged:
//! tokens and links, passwords, bodies, subjects, whole addresses; foreign
//! text only scrubbed ([`mask`]). The test below holds every event to that.
//! A held message is named by its id and reference, which open nothing.

pub mod mask;
mod meters;
pub mod writer;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tracing::{debug, error, info, warn};
use uuid::Uuid;

use crate::mail::{Address, Envelope, Reply};
use mask::{Masked, MaskedPath, Scrubbed};
use meters::Meters;

/// Places in the totals.
const REJECTED: usize = 0;
const HELD: usize = 1;
const RELEASED: usize = 2;
const DESTROYED: usize = 3;
const DELIVERED: usize = 4;

/// Writes the log and counts. Clones share the numbers.
#[derive(Clone)]
pub struct Maillog {
    meters: Arc<Meters>,
    registry: Arc<Registry>,
    /// Since the start: what [`Maillog::totals`] answers.
    totals: Arc<[AtomicU64; 5]>,
}

impl std::fmt::Debug for Maillog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Maillog")
    }
}

impl Default for Maillog {
    fn default() -> Self {
        let (meters, registry) = Meters::new();
        let totals = Arc::default();
        Self { meters: Arc::new(meters), registry: Arc::new(registry), totals }
    }
}

impl Maillog {
    /// Since the start: messages rejected (malware aside) and held, copies
    /// released, malware rejected, copies delivered.
    pub fn totals(&self) -> [u64; 5] {
        std::array::from_fn(|place| self.totals[place].load(Ordering::Relaxed))
    }

    fn count(&self, place: usize, more: u64) {
        self.totals[place].fetch_add(more, Ordering::Relaxed);
    }
}

/// The doors: what clients do.
impl Maillog {
    pub fn connected(&self, session: &str, client: IpAddr) {
        self.meters.connections.inc();
        self.meters.sessions_open.inc();
        debug!(event = "connected", session, %client);
    }

    pub fn disconnected(&self, session: &str) {
        self.meters.sessions_open.dec();
        debug!(event = "disconnected", session);
    }

    /// `reason` is one of few fixed words: `too-many`, `relay-unlisted`.
    pub fn connection_refused(&self, client: IpAddr, reason: &'static str) {
        self.meters.connections_refused.get_or_create(&[("reason", reason)]).inc();
        info!(event = "connection-refused", %client, reason);
    }

    /// A session that we ended: too many errors, too slow, a broken protocol.
    pub fn session_ended(&self, session: &str, reason: &str) {
        info!(event = "session-ended", session, reason = %Scrubbed(reason));
    }

    /// An engine beside the filter gave no answer; `engine` is its fixed name.
    pub fn engine_silent(&self, engine: &'static str, reason: &str) {
        self.meters.engines_silent.get_or_create(&[("engine", engine)]).inc();
        warn!(event = "engine-silent", engine, reason = %Scrubbed(reason));
    }

    /// The next hop did not answer, or may not be sent what it should get.
    pub fn next_hop_failed(&self, session: &str, reason: &str) {
        warn!(event = "next-hop-failed", session, reason = %Scrubbed(reason));
    }

    pub fn recipient_refused(&self, envelope: &Envelope, recipient: &Address, reply: &Reply) {
        self.meters.recipients_refused.inc();
        info!(
            event = "recipient-refused",
            session = envelope.session_id,
            client = %envelope.client.ip,
            mail_from = %MaskedPath(&envelope.mail_from),
            rcpt_to = %Masked(recipient),
            code = reply.code(),
        );
    }

    /// A whole message has come; `size` in bytes.
    pub fn received(&self, envelope: &Envelope, size: usize) {
        self.meters.received.inc();
        self.meters.received_bytes.inc_by(size as u64);
        info!(
            event = "received",
            session = envelope.session_id,
            client = %envelope.client.ip,
            mail_from = %MaskedPath(&envelope.mail_from),
            recipients = envelope.rcpt_to.len(),
            size,
        );
    }

    /// The end of DATA was answered, `took` after it came.
    pub fn answered(&self, session: &str, reply: &Reply, took: Duration) {
        self.meters.answer_seconds.observe(took.as_secs_f64());
        debug!(event = "answered", session, code = reply.code(), seconds = took.as_secs_f64());
    }
}

/// Verdicts: `class` is the class's word.
impl Maillog {
    pub fn accepted(&self, session: &str, class: &'static str, recipients: usize) {
        self.verdict("accept", class);
        info!(event = "accepted", session, class, recipients);
    }

    /// `reference` in its written form. `score` is the sum of the weights.
    pub fn held(
        &self,
        session: &str,
        held: Uuid,
        reference: &str,
        class: &'static str,
        score: f32,
        recipients: usize,
    ) {
        self.verdict("hold", class);
        self.count(HELD, 1);
        info!(event = "held", session, %held, reference, class, score, recipients);
    }

    /// The same message again: it joins the record.
    pub fn held_again(&self, session: &str, held: Uuid) {
        info!(event = "held-again", session, %held);
    }

    /// A message that we sent ourselves came by, and passes unjudged.
    pub fn mark_used(&self, session: &str) {
        self.meters.marks.get_or_create(&[("worth", "pass")]).inc();
        info!(event = "mark-used", session);
    }

    /// A mark that is forged, altered, expired or used before.
    pub fn mark_refused(&self, session: &str) {
        self.meters.marks.get_or_create(&[("worth", "nothing")]).inc();
        warn!(event = "mark-refused", session);
    }

    pub fn rejected(&self, session: &str, class: &'static str, reply: &Reply) {
        self.verdict("reject", class);
        self.count(if class == "malware" { DESTROYED } else { REJECTED }, 1);
        info!(event = "rejected", session, class, code = reply.code());
    }

    /// 4xx: `reason` is what could not answer.
    pub fn deferred(&self, session: &str, reason: &str) {
        self.verdict("defer", "none");
        warn!(event = "deferred", session, reason = %Scrubbed(reason));
    }

    fn verdict(&self, verdict: &'static str, class: &'static str) {
        self.meters.verdicts.get_or_create(&[("verdict", verdict), ("class", class)]).inc();
    }
}

/// Telling the sender. `how` is `letter`, `reply`, `untold`, `dsn`, `lost` or
/// `withheld`.
impl Maillog {
    pub fn told(&self, held: Uuid, how: &'static str) {
        self.meters.told.get_or_create(&[("how", how)]).inc();
        info!(event = "told", %held, how);
    }

    /// The outcome of a letter at its receiver.
    pub fn letter_settled(&self, to: &Address, bounced: bool) {
        let outcome = if bounced { "bounced" } else { "delivered" };
        self.meters.letters.get_or_create(&[("outcome", outcome)]).inc();
        info!(event = "letter-settled", to = %Masked(to), outcome);
    }

    /// Too many letters bounce: none goes out until an operator says so.
    pub fn breaker_opened(&self, bounced: usize, of: usize) {
        self.meters.breaker_open.set(1);
        error!(event = "breaker-opened", bounced, of);
    }

    pub fn breaker_closed(&self) {
        self.meters.breaker_open.set(0);
        warn!(event = "breaker-closed");
    }

    /// Mail to a return path of ours: a bounce, or something else (`auto-reply`).
    pub fn bounce(&self, held: Uuid, kind: &'static str) {
        self.meters.bounces.get_or_create(&[("kind", kind)]).inc();
        info!(event = "bounce", %held, kind);
    }

    /// Mail to a return path that we never made.
    pub fn bounce_forged(&self) {
        self.meters.bounces.get_or_create(&[("kind", "forged")]).inc();
        info!(event = "bounce-forged");
    }

    pub fn suppressed(&self, address: &Address, reason: &'static str) {
        self.meters.suppressed.inc();
        info!(event = "suppressed", address = %Masked(address), reason);
    }

    /// A provider suddenly calls most of its users unknown: nothing is learnt
    /// from it until an operator has looked.
    pub fn suppression_breaker_opened(&self, domain: &str, unknown: u32, of: u32) {
        warn!(event = "suppression-breaker-opened", domain = %Scrubbed(domain), unknown, of);
    }

    /// Accepted mail failed, and its sender may not be told.
    pub fn dsn_withheld(&self, item: Uuid, reason: &str) {
        self.meters.told.get_or_create(&[("how", "withheld")]).inc();
        warn!(event = "dsn-withheld", %item, reason = %Scrubbed(reason));
    }

    /// A letter could not be composed or signed: the sender was told otherwise.
    pub fn letter_failed(&self, held: Uuid, reason: &str) {
        error!(event = "letter-failed", %held, reason = %Scrubbed(reason));
    }
}

/// The sender's pages.
impl Maillog {
    /// `led_to`: `page`, or the word of the end that it had.
    pub fn link_opened(&self, held: Uuid, led_to: &'static str) {
        self.meters.links.get_or_create(&[("led_to", led_to)]).inc();
        info!(event = "link-opened", %held, led_to);
    }

    /// Something that is no token of ours.
    pub fn link_invalid(&self, client: IpAddr) {
        self.meters.links.get_or_create(&[("led_to", "nowhere")]).inc();
        info!(event = "link-invalid", %client);
    }

    /// `proved`: whether more than the client's network vouched for him.
    pub fn released(&self, held: Uuid, recipients: usize, proved: bool) {
        self.decision("released");
        self.count(RELEASED, recipients as u64);
        info!(event = "released", %held, recipients, proved);
    }

    pub fn taken_back(&self, held: Uuid) {
        self.decision("taken-back");
        info!(event = "taken-back", %held);
    }

    pub fn disowned(&self, held: Uuid) {
        self.decision("disowned");
        warn!(event = "disowned", %held);
    }

    /// The second scan put it back to hold.
    pub fn held_back(&self, held: Uuid, class: &'static str) {
        self.decision("held-back");
        warn!(event = "held-back", %held, class);
    }

    /// A recipient of `organisation` said "spam"; `by` is `person` or
    /// `machine`; `ended` a trust.
    pub fn flagged(&self, organisation: &str, by: &'static str, ended: bool) {
        self.decision("flag");
        info!(event = "flagged", organisation, by, ended);
    }

    /// The content model learnt on: up to which change, and how many lessons
    /// it stands on now.
    pub fn model_taught(&self, number: u64, lessons: u32) {
        info!(event = "model-taught", number, lessons);
    }

    pub fn flag_undone(&self, organisation: &str) {
        self.decision("undo-flag");
        info!(event = "flag-undone", organisation);
    }

    /// An appeal came, or was decided; `word` is `received`, `granted` or
    /// `denied`.
    pub fn appeal(&self, appeal: Uuid, word: &'static str) {
        self.decision(word);
        info!(event = "appeal", %appeal, word);
    }

    /// A report came by mail; so many of its originals counted.
    pub fn report_taken(&self, counted: usize) {
        info!(event = "report-taken", counted);
    }

    /// A page was answered; `route` is the route's pattern, never its path.
    pub fn page(&self, route: &'static str, status: u16, took: Duration) {
        self.meters.page_seconds.observe(took.as_secs_f64());
        debug!(event = "page", route, status, seconds = took.as_secs_f64());
    }

    fn decision(&self, decision: &'static str) {
        self.meters.decisions.get_or_create(&[("decision", decision)]).inc();
    }
}

/// The queue and the quarantine's keeper.
impl Maillog {
    /// `waited` since the item was enqueued.
    pub fn delivered(
        &self,
        item: Uuid,
        held: Uuid,
        to: &Address,
        server: &str,
        reply: &str,
        waited: Duration,
    ) {
        self.meters.deliveries.get_or_create(&[("outcome", "delivered")]).inc();
        self.count(DELIVERED, 1);
        self.meters.delivery_seconds.observe(waited.as_secs_f64());
        info!(
            event = "delivered",
            %item,
            %held,
            to = %Masked(to),
            server = %Scrubbed(server),
            reply = %Scrubbed(reply),
            seconds = waited.as_secs(),
        );
    }

    /// A 4xx or no connection: tried again later.
    pub fn delivery_deferred(&self, item: Uuid, attempts: u32, server: &str, reply: &str) {
        self.meters.deliveries.get_or_create(&[("outcome", "deferred")]).inc();
        info!(
            event = "delivery-deferred",
            %item,
            attempts,
            server = %Scrubbed(server),
            reply = %Scrubbed(reply),
        );
    }

    /// A 5xx, or the queue gave up.
    pub fn delivery_failed(&self, item: Uuid, held: Uuid, to: &Address, server: &str, reply: &str) {
        self.meters.deliveries.get_or_create(&[("outcome", "failed")]).inc();
        warn!(
            event = "delivery-failed",
            %item,
            %held,
            to = %Masked(to),
            server = %Scrubbed(server),
            reply = %Scrubbed(reply),
        );
    }

    /// An earlier attempt was cut short before its answer was written down:
    /// this one may deliver a second copy.
    pub fn delivery_repeated(&self, item: Uuid) {
        self.meters.deliveries.get_or_create(&[("outcome", "repeated")]).inc();
        warn!(event = "delivery-repeated", %item);
    }

    pub fn queue_waiting(&self, items: usize) {
        self.meters.queue_waiting.set(i64::try_from(items).unwrap_or(i64::MAX));
    }

    pub fn expired(&self, held: Uuid) {
        self.meters.expired.inc();
        info!(event = "expired", %held);
    }

    pub fn purged(&self, held: Uuid) {
        self.meters.purged.inc();
        debug!(event = "purged", %held);
    }
}

/// The house itself.
impl Maillog {
    /// A batch was answered, `took` after it was handed over.
    pub fn committed(&self, took: Duration) {
        self.meters.commit_seconds.observe(took.as_secs_f64());
    }

    /// A write or sync failed: nothing is taken until a restart recovers.
    pub fn store_poisoned(&self, reason: &str) {
        self.meters.store_poisoned.set(1);
        error!(event = "store-poisoned", reason = %Scrubbed(reason));
    }

    /// The index was set aside and is built again from the journal.
    pub fn index_rebuilt(&self, reason: &str, records: u64, took: Duration) {
        let seconds = took.as_secs_f64();
        warn!(event = "index-rebuilt", reason = %Scrubbed(reason), records, seconds);
    }

    /// A worker's step failed; it will be tried again.
    pub fn step_failed(&self, worker: &'static str, reason: &str) {
        error!(event = "step-failed", worker, reason = %Scrubbed(reason));
    }

    /// An administrator's session began.
    pub fn logged_in(&self, login: &str, client: IpAddr) {
        info!(event = "logged-in", login = %Scrubbed(login), %client);
    }

    /// Nobody was let in. What was typed is never logged: it may be a password.
    pub fn login_refused(&self, reason: &'static str, client: IpAddr) {
        warn!(event = "login-refused", reason, %client);
    }

    /// An administrator asked for what his role does not include.
    pub fn console_refused(&self, login: &str, route: &str, client: IpAddr) {
        let route = Scrubbed(route);
        warn!(event = "console-refused", login = %Scrubbed(login), %route, %client);
    }

    pub fn started(&self, version: &'static str) {
        info!(event = "started", version);
    }

    /// `what` is `keys` or `certificates`.
    pub fn reloaded(&self, what: &'static str) {
        info!(event = "reloaded", what);
    }

    pub fn reload_failed(&self, what: &'static str, reason: &str) {
        error!(event = "reload-failed", what, reason = %Scrubbed(reason));
    }

    pub fn stopped(&self) {
        info!(event = "stopped");
    }

    /// The numbers as `OpenMetrics` text, for `/metrics`.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests;

//! The counters, gauges and histograms behind the log's events.
//!
//! Names follow Prometheus: a unit at the end, `_total` added by the encoder.
//! Labels take fixed words only, never an address, a domain or a client: the
//! number of series does not grow with the mail.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// One label: its name and one of few words.
pub(super) type Label = [(&'static str, &'static str); 1];
type Labels = [(&'static str, &'static str); 2];

/// Everything that is counted.
pub(super) struct Meters {
    pub connections: Counter,
    pub connections_refused: Family<Label, Counter>,
    pub received: Counter,
    pub received_bytes: Counter,
    pub recipients_refused: Counter,
    pub engines_silent: Family<Label, Counter>,
    pub verdicts: Family<Labels, Counter>,
    pub marks: Family<Label, Counter>,
    pub told: Family<Label, Counter>,
    pub links: Family<Label, Counter>,
    pub decisions: Family<Label, Counter>,
    pub deliveries: Family<Label, Counter>,
    pub letters: Family<Label, Counter>,
    pub bounces: Family<Label, Counter>,
    pub suppressed: Counter,
    pub expired: Counter,
    pub purged: Counter,
    pub answer_seconds: Histogram,
    pub commit_seconds: Histogram,
    pub delivery_seconds: Histogram,
    pub page_seconds: Histogram,
    pub sessions_open: Gauge,
    pub queue_waiting: Gauge,
    pub breaker_open: Gauge,
    pub store_poisoned: Gauge,
}

impl Meters {
    /// The meters, and the registry that shows them.
    pub fn new() -> (Self, Registry) {
        // 0.5 ms to 16 s.
        let fast = || Histogram::new(exponential_buckets(0.0005, 2.0, 16));
        // 1 s to 6 days.
        let slow = || Histogram::new(exponential_buckets(1.0, 2.0, 20));
        let meters = Self {
            connections: Counter::default(),
            connections_refused: Family::default(),
            received: Counter::default(),
            received_bytes: Counter::default(),
            recipients_refused: Counter::default(),
            engines_silent: Family::default(),
            verdicts: Family::default(),
            marks: Family::default(),
            told: Family::default(),
            links: Family::default(),
            decisions: Family::default(),
            deliveries: Family::default(),
            letters: Family::default(),
            bounces: Family::default(),
            suppressed: Counter::default(),
            expired: Counter::default(),
            purged: Counter::default(),
            answer_seconds: fast(),
            commit_seconds: fast(),
            delivery_seconds: slow(),
            page_seconds: fast(),
            sessions_open: Gauge::default(),
            queue_waiting: Gauge::default(),
            breaker_open: Gauge::default(),
            store_poisoned: Gauge::default(),
        };
        let mut registry = Registry::with_prefix("reprieve");
        meters.register(&mut registry);
        (meters, registry)
    }

    fn register(&self, to: &mut Registry) {
        to.register("connections", "SMTP and milter connections taken", self.connections.clone());
        to.register(
            "connections_refused",
            "Connections refused, by reason",
            self.connections_refused.clone(),
        );
        to.register("received", "Messages received to the end of DATA", self.received.clone());
        to.register("received_bytes", "Bytes of received messages", self.received_bytes.clone());
        to.register(
            "recipients_refused",
            "Recipients refused at RCPT",
            self.recipients_refused.clone(),
        );
        to.register(
            "engines_silent",
            "Questions that an engine did not answer",
            self.engines_silent.clone(),
        );
        to.register("verdicts", "Messages by verdict and class", self.verdicts.clone());
        to.register("marks", "Marks of released mail that came by", self.marks.clone());
        to.register("told", "Held messages by how their sender was told", self.told.clone());
        to.register("links", "Links opened, by where they led", self.links.clone());
        to.register("decisions", "What senders decided", self.decisions.clone());
        to.register("deliveries", "Delivery attempts by outcome", self.deliveries.clone());
        to.register("letters", "Letters by outcome", self.letters.clone());
        to.register("bounces", "Mail to keyed return paths, by kind", self.bounces.clone());
        to.register("suppressed", "Addresses newly suppressed", self.suppressed.clone());
        to.register("expired", "Held messages that expired", self.expired.clone());
        to.register("purged", "Records forgotten after their time", self.purged.clone());
        to.register(
            "answer_seconds",
            "From the end of DATA to the reply",
            self.answer_seconds.clone(),
        );
        to.register(
            "commit_seconds",
            "From handing a batch to the store to its answer",
            self.commit_seconds.clone(),
        );
        to.register(
            "delivery_seconds",
            "From release to the next hop's 250",
            self.delivery_seconds.clone(),
        );
        to.register("page_seconds", "Time to answer an HTTP request", self.page_seconds.clone());
        to.register("sessions_open", "Sessions open now", self.sessions_open.clone());
        to.register("queue_waiting", "Queue items waiting now", self.queue_waiting.clone());
        to.register("breaker_open", "1 while no letters go out", self.breaker_open.clone());
        to.register("store_poisoned", "1 until a restart recovers", self.store_poisoned.clone());
    }
}

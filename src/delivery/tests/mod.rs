//! From the release to the recipient's server: what arrives, what does not,
//! and who wins each race.

mod accepted;
mod learnt;
mod relayed;
mod released;

use bytes::Bytes;

use super::*;
use crate::clock::Timestamp;
use crate::directory::{Pattern, Rule, RuleAction, sample};
use crate::filter::verdict::Door;
use crate::filter::{self, Class, dns};
use crate::link::{ALL_RECIPIENTS, KeyRing, Links};
use crate::mail::{Client, Envelope, Recipient, ReversePath};
use crate::notice::{self, Signer, generate_dkim};
use crate::queue::client::Timeouts;
use crate::queue::memory::Memory;
use crate::queue::pool::Bounds;
use crate::queue::relay::Relay;
use crate::queue::route::{self, Routes, TlsPolicy};
use crate::queue::tls::ClientTls;
use crate::queue::{self, Draft, Origin};
use crate::release::{self, Denied, Releases};
use crate::reputation::{Vote, VoteKind, standing};
use crate::store::Body;
use crate::suppression::Suppression;

#[expect(dead_code, reason = "the courier's own tests use the rest")]
#[path = "../../../tests/delivery/sink.rs"]
mod sink;

const MESSAGE: &[u8] = b"From: sender@far.example\r\nSubject: roof\r\n\r\nhello\r\n.\r\n..dots\r\n";
const DANGEROUS: &[u8] = b"From: sender@far.example\r\nMIME-Version: 1.0\r\n\
    Content-Type: application/octet-stream; name=\"invoice.exe\"\r\n\
    Content-Disposition: attachment; filename=\"invoice.exe\"\r\n\r\nMZ\r\n";

struct World {
    tools: Tools,
    sent: Memory,
    delivery: Delivery,
    releases: Releases,
    suppression: Suppression,
}

impl World {
    fn new() -> Self {
        let sent = Memory::new();
        Self::with(Courier::Memory(sent.clone()), sent)
    }

    fn with(courier: Courier, sent: Memory) -> Self {
        Self::on(Store::in_memory(), start(), courier, sent)
    }

    fn on(store: Store, clock: Clock, courier: Courier, sent: Memory) -> Self {
        let directory = sample::directory(Vec::new());
        let zone = dns::Source::Text("far.example A 192.0.2.7\n".to_owned());
        let settings = filter::Settings { dns: zone, ..filter::Settings::default() };
        let filter = Filter::new(settings, directory.clone(), clock.clone()).unwrap();
        let queue = Queue::new(store.clone(), clock.clone(), queue::Settings::default());
        let reputation =
            Reputation::new(store.clone(), clock.clone(), standing::Settings::default());
        let suppression = Suppression::new(store.clone(), clock.clone());
        let maillog = Maillog::default();
        let notice_domain = Domain::parse("notice.example").unwrap();
        let keys = tempfile::tempdir().unwrap();
        generate_dkim(keys.path(), "e1", &notice_domain).unwrap();
        let notices = Notices::new(
            notice::Settings::new(notice_domain.clone()),
            notice::Tools {
                store: store.clone(),
                clock: clock.clone(),
                links: Links::new(KeyRing::ephemeral(), "https://mail.example").unwrap(),
                directory: directory.clone(),
                queue: queue.clone(),
                suppression: suppression.clone(),
                signer: Signer::open(keys.path(), &notice_domain).unwrap(),
                maillog: maillog.clone(),
            },
        );
        notices.set_ready(true);
        let releases = Releases::new(
            store.clone(),
            clock.clone(),
            directory.clone(),
            reputation.clone(),
            queue.clone(),
            maillog.clone(),
            release::Settings::default(),
        );
        let tools = Tools {
            store,
            clock,
            queue,
            courier,
            filter,
            directory,
            reputation,
            suppression: suppression.clone(),
            notices,
            maillog,
            marks: KeyRing::ephemeral(),
        };
        let settings = Settings::new(Domain::parse("gateway.example").unwrap());
        let delivery = Delivery::new(settings, tools.clone());
        Self { tools, sent, delivery, releases, suppression }
    }

    /// Holds a message from `sender@far.example`.
    async fn hold(&self, recipients: &[&str], message: &'static [u8]) -> Uuid {
        let held = crate::quarantine::sample::held(recipients, self.tools.clock.now());
        let content = stored::write(&envelope(recipients), &message_of(message));
        let mut batch = Batch::new();
        batch.insert(&held).body(Body { id: held.id, expires: held.expires_at, content });
        self.tools.store.commit(batch).await.unwrap();
        held.id
    }

    /// Holds and releases; the countdown is over.
    async fn released(&self, recipients: &[&str]) -> Uuid {
        let id = self.hold(recipients, MESSAGE).await;
        self.releases.release(id, ALL_RECIPIENTS).await.unwrap();
        self.advance(60);
        id
    }

    fn advance(&self, seconds: i64) {
        self.tools.clock.advance(SignedDuration::from_secs(seconds));
    }

    async fn held(&self, id: Uuid) -> Held {
        self.releases.held(id).await.unwrap().unwrap()
    }

    async fn states(&self, id: Uuid) -> Vec<State> {
        self.held(id).await.recipients.iter().map(|one| one.state).collect()
    }

    async fn item_of(&self, id: Uuid) -> Uuid {
        Uuid::from_bytes(self.held(id).await.recipients[0].item.unwrap())
    }

    /// Steps until nothing is due.
    async fn run(&self) {
        while self.delivery.step().await.unwrap() > 0 {}
    }

    async fn enqueue(
        &self,
        kind: Kind,
        held: Uuid,
        from: ReversePath,
        to: &str,
        content: Bytes,
    ) -> Item {
        let item = self.draft(kind, held, from, to);
        self.post(&item, content).await;
        item
    }

    fn draft(&self, kind: Kind, held: Uuid, from: ReversePath, to: &str) -> Item {
        self.tools.queue.draft(Draft {
            kind,
            held,
            body: Uuid::now_v7(),
            mail_from: from,
            recipients: vec![(address(to), 0)],
            trace: String::new(),
            eight_bit: false,
            smtputf8: false,
            due_at: self.tools.clock.now(),
        })
    }

    async fn post(&self, item: &Item, content: Bytes) {
        let mut batch = Batch::new();
        batch.body(Body { id: item.body, expires: self.tools.queue.body_expires(item), content });
        self.tools.queue.enqueue(&mut batch, item);
        self.tools.store.commit(batch).await.unwrap();
    }

    /// Nothing is left behind.
    async fn is_idle(&self) -> bool {
        self.tools.queue.load().await.unwrap().open == 0
    }
}

fn start() -> Clock {
    Clock::stopped_at(Timestamp::from_second(1_800_000_000).unwrap())
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn message_of(bytes: &'static [u8]) -> Message {
    Message::new(Bytes::from_static(bytes))
}

fn envelope(recipients: &[&str]) -> Envelope {
    let recipient = |text: &&str| Recipient { address: address(text), raw: (*text).to_owned() };
    Envelope {
        client: Client {
            ip: [192, 0, 2, 7].into(),
            name: None,
            helo: "far.example".to_owned(),
            tls: None,
            esmtp: true,
        },
        authenticated: None,
        mail_from: ReversePath::Address(address("sender@far.example")),
        rcpt_to: recipients.iter().map(recipient).collect(),
        eight_bit: false,
        smtputf8: false,
        received_at: Timestamp::UNIX_EPOCH,
        session_id: "s".to_owned(),
    }
}

/// What follows our mark, which stands in front of everything.
fn unmarked(bytes: &[u8]) -> &[u8] {
    assert!(bytes.starts_with(b"Reprieve-Released: i="));
    let end = memchr::memmem::find(bytes, b"\r\n\tt=").unwrap();
    let last = memchr::memmem::find(&bytes[end + 2..], b"\r\n").unwrap();
    &bytes[end + 2 + last + 2..]
}

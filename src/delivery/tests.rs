//! From the release to the recipient's server: what arrives, what does not,
//! and who wins each race.

use std::collections::HashMap;

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
#[path = "../../tests/delivery/sink.rs"]
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

#[tokio::test]
async fn a_released_message_arrives_exactly_with_its_trace_in_front() {
    let world = World::new();
    let id = world.hold(&["anna@ours.example"], MESSAGE).await;
    world.releases.release(id, ALL_RECIPIENTS).await.unwrap();
    world.run().await;
    assert!(world.sent.sent().is_empty(), "the countdown runs");
    assert_eq!(world.states(id).await, [State::Releasing]);
    world.advance(60);
    world.run().await;
    let sent = world.sent.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(unmarked(&sent[0].bytes), [b"Received: by mx.ours\r\n", MESSAGE].concat());
    assert_eq!(sent[0].mail_from, ReversePath::Address(address("sender@far.example")));
    assert_eq!(world.states(id).await, [State::Delivered]);
    let outcome = world.held(id).await.recipients[0].outcome.clone().unwrap();
    assert_eq!(outcome.at, world.tools.clock.now());
    assert_eq!(outcome.reply, "250 2.0.0 Ok: in memory");
    assert!(world.tools.queue.find(world.item_of(id).await).await.unwrap().is_none());
    assert!(world.is_idle().await);
    let votes = world.tools.store.page::<Vote>(&[], 10).await.unwrap();
    assert_eq!(votes.len(), 1, "what its recipient thinks of it is asked later");
    assert_eq!((votes[0].record.about, votes[0].record.kind), (id, VoteKind::Silence));
    assert!(votes[0].record.due > world.tools.clock.now());
}

#[tokio::test]
async fn taking_back_and_claiming_have_one_winner() {
    let world = World::new();
    let id = world.hold(&["anna@ours.example"], MESSAGE).await;
    world.releases.release(id, ALL_RECIPIENTS).await.unwrap();
    world.releases.take_back(id, ALL_RECIPIENTS).await.unwrap();
    world.advance(60);
    world.run().await;
    assert!(world.sent.sent().is_empty());
    assert_eq!(world.states(id).await, [State::Withdrawn]);

    let late = world.released(&["anna@ours.example"]).await;
    let claimed = world.tools.queue.claim(1).await.unwrap().remove(0);
    let denied = world.releases.take_back(late, ALL_RECIPIENTS).await;
    assert!(matches!(denied, Err(Denied::Now(_))), "{denied:?}");
    world.delivery.attempt(claimed).await;
    assert_eq!(world.states(late).await, [State::Delivered]);
}

#[tokio::test]
async fn a_block_made_after_the_release_beats_it() {
    let world = World::new();
    let id = world.released(&["anna@ours.example", "bo@ours.example"]).await;
    let block = Rule {
        recipient: Some(address("anna@ours.example")),
        sender: Pattern::Address(address("sender@far.example")),
        action: RuleAction::Block,
    };
    let ours =
        crate::directory::Organisation { rules: vec![block], ..sample::organisation("ours") };
    world.tools.directory.replace(vec![ours]).unwrap();
    world.run().await;
    assert_eq!(world.states(id).await, [State::Refused, State::Delivered]);
    assert_eq!(world.sent.sent()[0].rcpt_to, [address("bo@ours.example")]);
    assert!(world.is_idle().await);
}

#[tokio::test]
async fn malware_found_by_the_second_scan_is_not_sent_and_stays_closed() {
    let world = World::new();
    let id = world.hold(&["anna@ours.example"], DANGEROUS).await;
    world.releases.release(id, ALL_RECIPIENTS).await.unwrap();
    world.advance(60);
    world.run().await;
    assert!(world.sent.sent().is_empty());
    let held = world.held(id).await;
    let copy = &held.recipients[0];
    assert_eq!((copy.state, copy.class, copy.door), (State::Held, Class::Malware, Door::Closed));
    assert_eq!(held.findings[0].id, "attachment-dangerous");
    let again = world.releases.release(id, ALL_RECIPIENTS).await;
    assert!(matches!(again, Err(Denied::Now(_))), "{again:?}");
    assert!(world.is_idle().await);
}

#[tokio::test]
async fn who_lost_his_trust_since_the_release_is_held_again() {
    let world = World::new();
    let id = world.released(&["anna@ours.example"]).await;
    let held = world.held(id).await;
    let mut batch = Batch::new();
    let organisation = &held.recipients[0].organisation;
    world.tools.reputation.revoke(&mut batch, &held.sender(), organisation).await.unwrap();
    world.tools.store.commit(batch).await.unwrap();
    world.run().await;
    assert!(world.sent.sent().is_empty());
    assert_eq!(world.states(id).await, [State::Held]);

    // A release that came after the revocation counts.
    world.advance(1);
    world.releases.release(id, ALL_RECIPIENTS).await.unwrap();
    world.advance(60);
    world.run().await;
    assert_eq!(world.states(id).await, [State::Delivered]);
}

#[tokio::test]
async fn r_04_only_those_who_were_put_off_are_tried_again() {
    let world = World::new();
    let (later, never) = (address("bo@ours.example"), address("cleo@theirs.example"));
    world.sent.answer(&later, Outcome::Transient, "450 4.2.0 busy");
    world.sent.answer(&never, Outcome::Permanent, "550 5.1.1 no such user");
    let id = world.released(&["anna@ours.example", "bo@ours.example", "cleo@theirs.example"]).await;
    world.run().await;
    assert_eq!(world.states(id).await, [State::Delivered, State::Released, State::Failed]);
    let held = world.held(id).await;
    assert_eq!(held.recipients[1].outcome.as_ref().unwrap().reply, "450 4.2.0 busy");
    let next = world.tools.clock.now() + SignedDuration::from_mins(5);
    assert_eq!(held.recipients[1].due_at, Some(next));
    world.sent.answer(&later, Outcome::Delivered, "250 2.0.0 Ok");
    world.run().await;
    assert_eq!(world.sent.sent().len(), 1, "not before its turn");
    world.advance(300);
    world.run().await;
    assert_eq!(world.sent.sent()[1].rcpt_to, [later]);
    assert_eq!(world.states(id).await, [State::Delivered, State::Delivered, State::Failed]);
    assert!(world.is_idle().await);
}

#[tokio::test]
async fn r_03_what_failed_keeps_its_body_and_can_be_retried() {
    let world = World::new();
    let anna = address("anna@ours.example");
    world.sent.answer(&anna, Outcome::Permanent, "550 5.7.1 never");
    let id = world.released(&["anna@ours.example"]).await;
    let item = world.item_of(id).await;
    world.run().await;
    assert_eq!(world.states(id).await, [State::Failed]);
    assert!(world.tools.store.body(id).await.unwrap().is_some());
    assert!(world.is_idle().await, "no DSN: the sender has his page");

    world.sent.answer(&anna, Outcome::Delivered, "250 2.0.0 Ok");
    let (one, two) =
        tokio::join!(world.delivery.retry(item, &|_| {}), world.delivery.retry(item, &|_| {}));
    assert!(one.unwrap() && two.unwrap());
    assert_eq!(world.states(id).await, [State::Released]);
    world.run().await;
    assert_eq!(world.states(id).await, [State::Delivered]);
    assert_eq!(world.sent.sent().len(), 1);
    assert!(!world.delivery.retry(item, &|_| {}).await.unwrap());
}

#[tokio::test]
async fn r_10_two_releases_at_once_deliver_once() {
    let world = World::new();
    let id = world.hold(&["anna@ours.example"], MESSAGE).await;
    let release = || world.releases.release(id, ALL_RECIPIENTS);
    let (one, two) = tokio::join!(release(), release());
    one.unwrap();
    two.unwrap();
    world.advance(60);
    world.run().await;
    assert_eq!(world.sent.sent().len(), 1);
}

#[tokio::test]
async fn r_08_an_answer_that_was_not_written_down_costs_one_duplicate_and_is_counted() {
    let world = World::new();
    let id = world.released(&["anna@ours.example"]).await;
    // A worker is killed between the server's 250 and the settling batch.
    let mut claimed = world.tools.queue.claim(1).await.unwrap().remove(0);
    let place = world.tools.courier.reserve(&waiting(claimed.item())).unwrap();
    let sent = world.delivery.carry(&mut claimed, &message_of(MESSAGE), place).await;
    assert_eq!(sent.ok().unwrap()[0].outcome, Outcome::Delivered);
    drop(claimed);
    world.run().await;
    assert_eq!(world.sent.sent().len(), 1, "the lease holds");
    world.advance(91);
    world.run().await;
    world.advance(91);
    world.run().await;
    assert_eq!(world.sent.sent().len(), 2);
    assert_eq!(world.states(id).await, [State::Delivered]);
    let counted = world.tools.maillog.encode();
    assert!(counted.contains("reprieve_deliveries_total{outcome=\"repeated\"} 1"), "{counted}");
}

#[tokio::test]
async fn two_workers_on_one_store_deliver_everything_once() {
    let world = World::new();
    let courier = Courier::Memory(world.sent.clone());
    let (store, clock) = (world.tools.store.clone(), world.tools.clock.clone());
    let other = World::on(store, clock, courier, world.sent.clone());
    let mut ids = Vec::new();
    for _ in 0..30 {
        ids.push(world.hold(&["anna@ours.example"], MESSAGE).await);
    }
    for id in &ids {
        let row = world.tools.store.find::<Held>(id.as_bytes()).await.unwrap().unwrap();
        let mut held = row.record.clone();
        let item = world.tools.queue.draft(Draft {
            kind: Kind::Release,
            held: *id,
            body: *id,
            mail_from: ReversePath::Null,
            recipients: vec![(address("anna@ours.example"), 0)],
            trace: String::new(),
            eight_bit: false,
            smtputf8: false,
            due_at: world.tools.clock.now(),
        });
        held.recipients[0].state = State::Releasing;
        let mut batch = Batch::new();
        batch.update(&row, &held);
        world.tools.queue.enqueue(&mut batch, &item);
        world.tools.store.commit(batch).await.unwrap();
    }
    let stop = CancellationToken::new();
    let work = async {
        tokio::join!(world.delivery.run(&stop), other.delivery.run(&stop));
    };
    let watch = async {
        while !world.is_idle().await {
            tokio::task::yield_now().await;
        }
        stop.cancel();
    };
    tokio::join!(work, watch);
    assert_eq!(world.sent.sent().len(), 30);
    for id in ids {
        assert_eq!(world.states(id).await, [State::Delivered]);
    }
}

#[tokio::test]
async fn a_letter_that_bounces_suppresses_its_address() {
    let world = World::new();
    let (good, bad) = ("good@far.example", "bad@far.example");
    world.sent.answer(&address(bad), Outcome::Permanent, "550 5.1.1 no such user");
    let letter = Bytes::from_static(b"Subject: blocked\r\n\r\nsee\r\n");
    for to in [good, bad] {
        world.enqueue(Kind::Letter, Uuid::now_v7(), ReversePath::Null, to, letter.clone()).await;
    }
    world.run().await;
    assert_eq!(unmarked(&world.sent.sent()[0].bytes), letter);
    assert!(world.suppression.covers(&address(bad)).await.unwrap());
    assert!(!world.suppression.covers(&address(good)).await.unwrap());
    assert!(world.is_idle().await, "a letter's failure writes no further letter");
}

#[tokio::test]
async fn accepted_mail_is_delivered_and_its_body_goes_with_the_item() {
    let world = World::new();
    let content = stored::write(&envelope(&["anna@ours.example"]), &message_of(MESSAGE));
    let from = ReversePath::Address(address("sender@far.example"));
    let item = world.enqueue(Kind::Accepted, Uuid::nil(), from, "anna@ours.example", content).await;
    world.run().await;
    assert_eq!(unmarked(&world.sent.sent()[0].bytes), MESSAGE);
    assert!(world.tools.store.body(item.body).await.unwrap().is_none());
}

/// Accepted mail from `path` that its recipient's server refuses.
async fn refused(world: &World, path: &str, proved: Option<&str>, message: &'static [u8]) -> Item {
    let anna = "anna@ours.example";
    world.sent.answer(&address(anna), Outcome::Permanent, "550 5.1.1 unknown");
    let content = stored::write(&envelope(&[anna]), &message_of(message));
    let path = ReversePath::parse(path, false).unwrap();
    let mut item = world.draft(Kind::Accepted, Uuid::nil(), path, anna);
    item.origin = proved.map(|proved| Origin { proved: Some(address(proved)), score: 0.0 });
    world.post(&item, content).await;
    world.run().await;
    world.tools.queue.find(item.id).await.unwrap().expect("a failed item is kept").record
}

#[tokio::test]
async fn accepted_mail_that_fails_is_told_to_a_proved_reverse_path_once() {
    let world = World::new();
    refused(&world, "sender@far.example", Some("sender@far.example"), MESSAGE).await;
    let sent = world.sent.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].mail_from, ReversePath::Null);
    assert_eq!(sent[0].rcpt_to, [address("sender@far.example")]);
    let dsn = String::from_utf8(sent[0].bytes.clone()).unwrap();
    for line in [
        "Final-Recipient: rfc822; anna@ours.example",
        "Action: failed",
        "Status: 5.1.1",
        "Diagnostic-Code: smtp; 550 5.1.1 unknown",
        "From: <notices@notice.example>",
        "DKIM-Signature: ",
    ] {
        assert!(dsn.contains(line), "{line} is missing in:\n{dsn}");
    }
    assert!(!dsn.contains("hello"), "nothing of the body");
    refused(&world, "sender@far.example", Some("sender@far.example"), MESSAGE).await;
    assert_eq!(world.sent.sent().len(), 1, "one in 24 hours");
}

#[tokio::test]
async fn accepted_mail_that_fails_is_no_backscatter() {
    const LIST: &[u8] = b"From: sender@far.example\r\nPrecedence: bulk\r\n\r\nhello\r\n";
    const OWN: &[u8] = b"From: sender@far.example\r\nReprieve-Notice: 1\r\n\r\nhello\r\n";
    let sender = "sender@far.example";
    for (path, proved, message) in [
        (sender, None, MESSAGE),
        ("victim@other.example", Some(sender), MESSAGE),
        ("", Some(sender), MESSAGE),
        ("owner-list@far.example", Some(sender), MESSAGE),
        (sender, Some(sender), LIST),
        (sender, Some(sender), OWN),
    ] {
        let world = World::new();
        let item = refused(&world, path, proved, message).await;
        assert_eq!(world.sent.sent().len(), 0, "{path} {proved:?}");
        assert!(world.is_idle().await, "{path}: nothing is written");
        // Kept as it failed: to be seen, and tried again.
        assert_eq!(item.recipients[0].state, ItemState::Failed);
        assert!(world.tools.store.body(item.body).await.unwrap().is_some());
        let counted = "reprieve_told_total{how=\"withheld\"} 1";
        assert!(world.tools.maillog.encode().contains(counted), "{path}");
    }
    let world = World::new();
    world.tools.notices.set_ready(false);
    refused(&world, sender, Some(sender), MESSAGE).await;
    assert_eq!(world.sent.sent().len(), 0, "the notice domain is not ready");
}

#[tokio::test]
async fn a_body_that_is_gone_fails_its_item() {
    let world = World::new();
    let id = world.released(&["anna@ours.example"]).await;
    let mut batch = Batch::new();
    batch.erase(id);
    world.tools.store.commit(batch).await.unwrap();
    world.run().await;
    // Releasing may fail without having been released.
    assert_eq!(world.states(id).await, [State::Failed]);
}

fn relay_world(sink: &sink::Sink, connections: usize) -> World {
    let clock = start();
    let routes = Routes { default: sink.hop(TlsPolicy::None), per_domain: HashMap::new() };
    let bounds = Bounds { connections, ..Bounds::default() };
    let tls = ClientTls::new(Vec::new()).unwrap();
    let relay = Relay::new(routes, tls, Timeouts::default(), bounds, clock.clone());
    World::on(Store::in_memory(), clock, Courier::Relay(relay), Memory::new())
}

#[tokio::test(start_paused = true)]
async fn a_slow_server_keeps_its_item_as_long_as_it_takes() {
    let sink = sink::Sink::plain().await;
    sink.rule(".", sink::Act::Hang);
    let world = relay_world(&sink, 4);
    let id = world.released(&["anna@ours.example"]).await;
    let step = world.delivery.step();
    let watch = async {
        while !sink.commands().contains(&".".to_owned()) {
            tokio::task::yield_now().await;
        }
        let item = world.item_of(id).await;
        for _ in 0..5 {
            let due = world.tools.queue.find(item).await.unwrap().unwrap().record.due_at;
            world.advance(60);
            // Time passes until the lease is renewed, which takes 30 s.
            let renewed = async {
                while world.tools.queue.find(item).await.unwrap().unwrap().record.due_at == due {
                    sleep(Duration::from_secs(1)).await;
                }
            };
            let limit = Duration::from_mins(1);
            tokio::time::timeout(limit, renewed).await.expect("the lease is renewed");
            assert!(world.tools.queue.claim(1).await.unwrap().is_empty());
        }
    };
    let (stepped, ()) = tokio::join!(step, watch);
    assert_eq!(stepped.unwrap(), 1);
    let held = world.held(id).await;
    assert_eq!(held.recipients[0].state, State::Released);
    assert!(held.recipients[0].outcome.as_ref().unwrap().reply.contains("no answer within 600 s"));
}

#[tokio::test]
async fn r_06_an_item_without_a_place_waits_without_an_attempt() {
    let sink = sink::Sink::plain().await;
    let world = relay_world(&sink, 1);
    let id = world.released(&["anna@ours.example"]).await;
    let taken = world.tools.courier.reserve(&[address("anna@ours.example")]).unwrap();
    world.run().await;
    let row = world.tools.queue.find(world.item_of(id).await).await.unwrap().unwrap();
    assert_eq!(row.record.attempts, 0);
    assert!(!row.record.claimed);
    drop(taken);
    world.advance(5);
    world.run().await;
    assert_eq!(unmarked(&sink.taken()[0].bytes), [b"Received: by mx.ours\r\n", MESSAGE].concat());
    assert_eq!(world.states(id).await, [State::Delivered]);
}

#[tokio::test]
async fn nothing_is_sent_to_a_suppressed_address_and_the_log_says_so() {
    let world = World::new();
    let to = "dead@far.example";
    world.suppression.add(crate::suppression::OWN, &address(to), "test").await.unwrap();
    let letter = Bytes::from_static(b"Subject: for you\r\n\r\nsee\r\n");
    let item = world.enqueue(Kind::Letter, Uuid::now_v7(), ReversePath::Null, to, letter).await;
    world.run().await;
    assert_eq!(world.sent.sent().len(), 0);
    let row = world.tools.queue.find(item.id).await.unwrap().unwrap();
    assert_eq!(row.record.recipients[0].state, ItemState::Failed);
    assert_eq!(row.record.recipients[0].reply.as_deref(), Some(NOT_SENT));
    let query =
        crate::suppression::Query { reason: "blocked".to_owned(), limit: 10, ..Default::default() };
    let (events, _) = world.tools.suppression.events(&query).await.unwrap();
    assert_eq!((events.len(), &events[0].address[..]), (1, to));
    assert_eq!(events[0].subject, "for you");
}

#[tokio::test]
async fn the_courier_learns_who_is_unknown() {
    let world = World::new();
    let to = "gone@far.example";
    world.sent.answer(
        &address(to),
        Outcome::Permanent,
        "550 5.1.1 <gone@far.example>: User unknown",
    );
    let content = stored::write(&envelope(&[to]), &message_of(MESSAGE));
    let from = ReversePath::Address(address("anna@ours.example"));
    world.enqueue(Kind::Accepted, Uuid::nil(), from, to, content).await;
    world.run().await;
    let listed = world.suppression.find(crate::suppression::OWN, &address(to)).await.unwrap();
    assert_eq!(listed.unwrap().record.reason, crate::suppression::Reason::UnknownUser);
}

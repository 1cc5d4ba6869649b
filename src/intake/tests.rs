//! The journey of a message, with the real filter, notices and records.

use std::net::IpAddr;

use bytes::Bytes;

use super::*;
use crate::clock::{SignedDuration, Timestamp};
use crate::directory::{Choice, Pattern, Rule, sample::organisation};
use crate::directory::{Organisation, RuleAction};
use crate::filter::dns::{Dns, Zone};
use crate::filter::{self};
use crate::keeper::Keeper;
use crate::link::{ALL_RECIPIENTS, KeyRing, Purpose};
use crate::mail::{Client, Domain, Recipient, ReversePath};
use crate::notice::{self, Tools};
use crate::queue::{self, Item, Kind};
use crate::release::{self, Releases};
use crate::reputation::standing;
use crate::store::{Index, Table};
use crate::suppression::Suppression;

const ZONE: &str = "\
    good.example TXT \"v=spf1 ip4:192.0.2.0/24 -all\"\n\
    10.2.0.192.in-addr.arpa PTR good.example\n\
    good.example A 192.0.2.10\n\
    strict.example TXT \"v=spf1 -all\"\n";
pub(super) const GOOD: [u8; 4] = [192, 0, 2, 10];
pub(super) const BAD: [u8; 4] = [203, 0, 113, 66];
/// The test string that is held whoever sends it.
pub(super) const GTUBE: &str =
    "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";
/// The test string that every scanner calls malware.
pub(super) const EICAR: &str =
    r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*";

pub(super) struct World {
    pub intake: Intake,
    pub store: Store,
    pub clock: Clock,
    pub links: Links,
    pub releases: Releases,
    keeper: Keeper,
    _keys: tempfile::TempDir,
}

impl World {
    pub fn new() -> Self {
        Self::with(|_| {}, |_| {})
    }

    pub fn with(
        organise: impl FnOnce(&mut Organisation),
        settle: impl FnOnce(&mut Settings),
    ) -> Self {
        let keys = tempfile::tempdir().unwrap();
        let store = Store::in_memory();
        let clock = Clock::stopped_at(Timestamp::from_second(1_800_000_000).unwrap());
        let links = Links::new(KeyRing::ephemeral(), "https://mail.example").unwrap();
        let mut ours = organisation("ours");
        organise(&mut ours);
        let directory = Directory::new(vec![ours, organisation("theirs")]).unwrap();
        let maillog = Maillog::default();
        let queue = Queue::new(store.clone(), clock.clone(), queue::Settings::default());
        let reputation =
            Reputation::new(store.clone(), clock.clone(), standing::Settings::default());
        let domain = Domain::parse("notice.example").unwrap();
        notice::sign::generate_dkim(keys.path(), "s1", &domain).unwrap();
        let notices = Notices::new(
            notice::Settings::new(domain.clone()),
            Tools {
                store: store.clone(),
                clock: clock.clone(),
                links: links.clone(),
                directory: directory.clone(),
                queue: queue.clone(),
                suppression: Suppression::new(store.clone(), clock.clone()),
                signer: notice::sign::Signer::open(keys.path(), &domain).unwrap(),
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
            release::Settings { ceiling: 2000.0, ..release::Settings::default() },
        );
        let filter_settings = filter::Settings::default();
        let dns = Dns::of_zone(Zone::parse(ZONE).unwrap(), &filter_settings.patience).unwrap();
        let filter = Filter::with_dns(filter_settings, dns, directory.clone(), clock.clone());
        let mut settings = Settings {
            host: "mx.ours.example".to_owned(),
            networks: Networks::default(),
            thresholds: Thresholds::default(),
            queue_accepted: false,
            one_organisation_per_transaction: false,
        };
        settle(&mut settings);
        let keeper = Keeper::new(store.clone(), clock.clone(), notices.clone(), maillog.clone());
        let parts = Parts {
            settings,
            clock: clock.clone(),
            store: store.clone(),
            directory,
            reputation,
            filter,
            notices,
            queue,
            links: links.clone(),
            maillog,
        };
        let intake = Intake::new(parts);
        Self { intake, store, clock, links, releases, keeper, _keys: keys }
    }

    pub fn envelope(&self, from: &str, ip: [u8; 4], to: &[&str]) -> Envelope {
        let recipient =
            |to: &&str| Recipient { address: Address::parse(to).unwrap(), raw: (*to).to_owned() };
        Envelope {
            client: Client {
                ip: IpAddr::from(ip),
                name: None,
                helo: "mta.good.example".to_owned(),
                tls: None,
                esmtp: true,
            },
            authenticated: None,
            mail_from: ReversePath::parse(from, false).unwrap(),
            rcpt_to: to.iter().map(recipient).collect(),
            eight_bit: false,
            smtputf8: false,
            received_at: self.clock.now(),
            session_id: "t".to_owned(),
        }
    }

    pub async fn held(&self) -> Vec<Held> {
        let rows = self.store.page::<Held>(&[], 100).await.unwrap();
        rows.into_iter().map(|row| row.record).collect()
    }

    pub async fn items(&self, kind: Kind) -> Vec<Item> {
        let rows = self.store.page::<Item>(&[], 100).await.unwrap();
        rows.into_iter().map(|row| row.record).filter(|item| item.kind == kind).collect()
    }

    /// The id that the link in a reply leads to.
    pub fn linked(&self, reply: &Reply) -> Uuid {
        let (_, token) = reply.text().rsplit_once("https://mail.example/r/").expect("a link");
        let token = self.links.read("mail.example", Purpose::Release, token).unwrap();
        assert_eq!(token.slot, ALL_RECIPIENTS);
        token.subject
    }
}

pub(super) fn message(from: &str, more: &str, body: &str) -> Message {
    let text = format!(
        "From: {from}\nTo: anna@ours.example\nSubject: Offer for the roof\n\
         Date: Fri, 15 Jan 2027 08:00:00 +0000\nMessage-ID: <1@good.example>\n{more}\n{body}\n"
    );
    Message::new(Bytes::from(text.replace('\n', "\r\n")))
}

#[tokio::test]
async fn clean_proved_mail_passes_with_our_trace() {
    let world = World::new();
    let envelope = world.envelope("bo@good.example", GOOD, &["anna@ours.example"]);
    let answer = world.intake.receive(&envelope, &message("bo@good.example", "", "hello")).await;
    assert_eq!(answer.pass, [0]);
    assert_eq!(answer.reply.code(), 250);
    assert!(answer.head.contains("Authentication-Results: mx.ours.example;"), "{}", answer.head);
    assert!(answer.head.contains("\r\nReceived: from mta.good.example"), "{}", answer.head);
    assert!(answer.head.ends_with("\r\n"));
    assert!(world.held().await.is_empty());
}

#[tokio::test]
async fn an_unproved_suspicious_sender_is_told_in_the_reply_and_the_copy_kept() {
    let world = World::new();
    let envelope = world.envelope("bo@strict.example", BAD, &["anna@ours.example"]);
    let mail = message("bo@strict.example", "", GTUBE);
    let answer = world.intake.receive(&envelope, &mail).await;
    assert_eq!((answer.reply.code(), answer.reply.enhanced()), (550, Some((5, 7, 1))));
    assert!(answer.pass.is_empty());
    let held = world.held().await.remove(0);
    assert_eq!(world.linked(&answer.reply), held.id);
    assert!(answer.reply.text().contains(&held.reference.to_string()));
    assert_eq!(held.telling, Telling::Reply);
    assert_eq!(held.subject, "Offer for the roof");
    assert!(held.recipients[0].named);

    let stored = world.store.body(held.id).await.unwrap().unwrap();
    let (kept, bytes) = crate::quarantine::stored::read(&stored).unwrap();
    assert_eq!(kept, envelope);
    assert_eq!(bytes.bytes(), mail.bytes(), "the exact bytes are kept");
    assert_eq!(bytes.hash(), held.digest);
}

#[tokio::test]
async fn a_proved_sender_gets_a_letter_and_250() {
    let world = World::with(|ours| ours.hold_first_contact = true, |_| {});
    let envelope = world.envelope("bo@good.example", GOOD, &["anna@ours.example"]);
    let answer = world.intake.receive(&envelope, &message("bo@good.example", "", "hello")).await;
    assert_eq!(answer.reply.code(), 250, "{}", answer.reply);
    assert_eq!(world.held().await[0].telling, Telling::Letter);
    let letters = world.items(Kind::Letter).await;
    assert_eq!(letters[0].recipients[0].address.to_string(), "bo@good.example");
    assert!(world.store.body(letters[0].body).await.unwrap().is_some());
}

#[tokio::test]
async fn malware_is_refused_and_leaves_nothing() {
    let world = World::new();
    let envelope = world.envelope("bo@good.example", GOOD, &["anna@ours.example"]);
    let answer = world.intake.receive(&envelope, &message("bo@good.example", "", EICAR)).await;
    assert_eq!((answer.reply.code(), answer.reply.enhanced()), (554, Some((5, 7, 1))));
    assert!(!answer.reply.text().contains("http"), "no link for malware");
    assert!(world.held().await.is_empty());
    assert!(world.store.scan(&[], &[0xff], 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_same_message_again_joins_and_after_delivery_is_dropped() {
    let world = World::new();
    let envelope = world.envelope("bo@strict.example", BAD, &["anna@ours.example"]);
    let mail = message("bo@strict.example", "", GTUBE);
    let first = world.intake.receive(&envelope, &mail).await.reply;
    let again = world.intake.receive(&envelope, &mail).await.reply;
    assert_eq!(world.linked(&again), world.linked(&first));
    assert_eq!(world.held().await.len(), 1);
    let other = message("bo@strict.example", "X-Other: 1\n", &format!("{GTUBE} again"));
    world.intake.receive(&envelope, &other).await;
    assert_eq!(world.held().await.len(), 2, "another body is another message");

    let id = world.linked(&first);
    world.releases.release(id, ALL_RECIPIENTS).await.unwrap();
    let meanwhile = world.intake.receive(&envelope, &mail).await;
    assert_eq!(meanwhile.reply.code(), 451, "{}", meanwhile.reply);
    assert!(meanwhile.pass.is_empty());

    let row = world.store.find::<Held>(id.as_bytes()).await.unwrap().unwrap();
    let mut held = row.record.clone();
    held.recipients[0].state = State::Delivered;
    let mut batch = Batch::new();
    batch.update(&row, &held);
    world.store.commit(batch).await.unwrap();
    let dropped = world.intake.receive(&envelope, &mail).await;
    assert_eq!(dropped.reply.code(), 250);
    assert!(dropped.pass.is_empty(), "it is not delivered twice");
}

#[tokio::test]
async fn s_46_outgoing_mail_is_never_held_and_makes_correspondents() {
    let world =
        World::with(|_| {}, |settings| settings.networks.own = vec!["10.0.0.0/8".parse().unwrap()]);
    let envelope = world.envelope("anna@ours.example", [10, 1, 1, 1], &["bo@strict.example"]);
    assert_eq!(
        world.intake.recipient(&envelope, &envelope.rcpt_to[0].address).await,
        None,
        "our own network may send anywhere"
    );
    let answer = world.intake.receive(&envelope, &message("anna@ours.example", "", GTUBE)).await;
    assert_eq!((answer.pass, answer.reply.code()), (vec![0], 250));
    assert!(world.held().await.is_empty());

    let ours = crate::directory::OrganisationId::new("ours").unwrap();
    let bo = Address::parse("bo@strict.example").unwrap();
    assert!(correspondent::knows(&world.store, &ours, &bo).await.unwrap());

    let answer = world.intake.receive(&envelope, &message("anna@ours.example", "", EICAR)).await;
    assert_eq!(answer.reply.code(), 554, "malware is refused in every direction");
}

#[tokio::test]
async fn s_47_behind_a_relay_the_real_client_is_judged_and_no_550_is_given() {
    let relay = [198, 51, 100, 25];
    let world = World::with(
        |_| {},
        |settings| settings.networks.relays = vec!["198.51.100.0/24".parse().unwrap()],
    );
    let envelope = world.envelope("bo@strict.example", relay, &["anna@ours.example"]);
    let trace = "Received: from forger (unknown [203.0.113.66]) by mx2.ours.example; now\n";
    let text = format!("{trace}From: bo@strict.example\nSubject: x\n\n{GTUBE}\n");
    let mail = Message::new(Bytes::from(text.replace('\n', "\r\n")));
    let answer = world.intake.receive(&envelope, &mail).await;
    assert_eq!(answer.reply.code(), 250, "{}", answer.reply);
    let held = world.held().await.remove(0);
    assert_eq!(held.client, IpAddr::from(BAD));
    assert_eq!(held.telling, Telling::Untold);
    assert_eq!(world.intake.receive(&envelope, &mail).await.reply.code(), 250, "again as before");
}

#[tokio::test]
async fn verdicts_are_per_recipient() {
    let block = Rule {
        recipient: Some(Address::parse("anna@ours.example").unwrap()),
        sender: Pattern::Domain(Domain::parse("good.example").unwrap()),
        action: RuleAction::Block,
    };
    let world = World::with(|ours| ours.rules = vec![block], |_| {});
    let envelope =
        world.envelope("bo@good.example", GOOD, &["anna@ours.example", "carl@ours.example"]);
    let answer = world.intake.receive(&envelope, &message("bo@good.example", "", "hello")).await;
    assert_eq!((answer.pass, answer.reply.code()), (vec![1], 250));
    let held = world.held().await.remove(0);
    assert_eq!(held.recipients.len(), 1);
    assert_eq!(held.recipients[0].state, State::Refused);

    let only = world.envelope("bo@good.example", GOOD, &["anna@ours.example"]);
    let answer = world.intake.receive(&only, &message("bo@good.example", "", "hi")).await;
    assert_eq!(answer.reply.code(), 550);
    assert!(answer.reply.text().ends_with("https://mail.example/help"), "{}", answer.reply);
}

#[tokio::test]
async fn one_part_accepted_means_250_and_never_a_550_for_all() {
    let world = World::with(|ours| ours.marketing = Choice::Hold, |_| {});
    let envelope =
        world.envelope("news@good.example", GOOD, &["anna@ours.example", "c@theirs.example"]);
    let list = "List-Unsubscribe: <https://good.example/u>\nList-Id: <news.good.example>\n\
                List-Unsubscribe-Post: List-Unsubscribe=One-Click\nPrecedence: bulk\n";
    let answer =
        world.intake.receive(&envelope, &message("news@good.example", list, "offers")).await;
    assert_eq!(answer.pass, [1]);
    assert_eq!(answer.reply.code(), 250);
    let held = world.held().await.remove(0);
    assert_eq!((held.recipients[0].class, held.telling), (Class::Marketing, Telling::Untold));

    world.intake.withdraw(held.id).await;
    assert_eq!(world.held().await[0].recipients[0].state, State::Withdrawn);
}

#[tokio::test]
async fn s_45_role_addresses_pass() {
    let world = World::new();
    for role in ["postmaster@ours.example", "Abuse@ours.example"] {
        let envelope = world.envelope("bo@strict.example", BAD, &[role]);
        let mail = message("bo@strict.example", "", GTUBE);
        assert_eq!(world.intake.receive(&envelope, &mail).await.pass, [0], "{role}");
    }
    assert_eq!(world.intake.postmaster().unwrap().to_string(), "postmaster@ours.example");
}

#[tokio::test]
async fn s_31_strangers_do_not_relay() {
    let world = World::new();
    let envelope = world.envelope("bo@good.example", GOOD, &[]);
    let other = Address::parse("victim@other.example").unwrap();
    let reply = world.intake.recipient(&envelope, &other).await.unwrap();
    assert_eq!((reply.code(), reply.enhanced()), (550, Some((5, 7, 1))));
}

#[tokio::test]
async fn a_second_organisation_can_be_asked_to_come_separately() {
    let world = World::with(|_| {}, |settings| settings.one_organisation_per_transaction = true);
    let envelope = world.envelope("bo@good.example", GOOD, &["anna@ours.example"]);
    let same = Address::parse("carl@ours.example").unwrap();
    let other = Address::parse("dora@theirs.example").unwrap();
    assert_eq!(world.intake.recipient(&envelope, &same).await, None);
    let reply = world.intake.recipient(&envelope, &other).await.unwrap();
    assert_eq!(reply.to_string(), "451 4.3.0 Send to this domain separately");
}

#[tokio::test]
async fn s_38_loops_are_refused_without_a_notice() {
    let world = World::new();
    let envelope = world.envelope("bo@good.example", GOOD, &["anna@ours.example"]);
    let foreign = "Received: from a by b; Fri, 15 Jan 2027 08:00:00 +0000\n";
    let far = message("bo@good.example", &foreign.repeat(51), "hello");
    assert_eq!(
        world.intake.receive(&envelope, &far).await.reply.to_string(),
        "554 5.4.6 Routing loop detected"
    );

    let head = world.intake.receive(&envelope, &message("bo@good.example", "", "hi")).await.head;
    let ours = head[head.find("Received:").unwrap()..].replace("\r\n", "\n");
    let back = message("bo@good.example", &ours, "hi");
    assert_eq!(world.intake.receive(&envelope, &back).await.reply.code(), 554);
    let onward = world.envelope("bo@good.example", GOOD, &["dora@theirs.example"]);
    assert_eq!(world.intake.receive(&onward, &back).await.reply.code(), 250, "another recipient");
    assert!(world.held().await.is_empty());
}

#[tokio::test]
async fn accepted_mail_without_a_next_hop_in_the_session_is_queued_first() {
    let world = World::with(
        |_| {},
        |settings| {
            settings.queue_accepted = true;
            settings.thresholds.hold = 1000.0;
        },
    );
    let envelope = world.envelope("bo@good.example", GOOD, &["anna@ours.example"]);
    let answer = world.intake.receive(&envelope, &message("bo@good.example", "", "hello")).await;
    assert_eq!((answer.pass, answer.reply.code()), (Vec::new(), 250));
    let items = world.items(Kind::Accepted).await;
    assert_eq!(items.len(), 1);
    assert!(world.store.body(items[0].body).await.unwrap().is_some());
    let proved = |item: &Item| item.origin.as_ref().and_then(|origin| origin.proved.clone());
    assert_eq!(proved(&items[0]).unwrap().to_string(), "bo@good.example");

    let forged = world.envelope("bo@weak.example", BAD, &["anna@ours.example"]);
    world.intake.receive(&forged, &message("bo@weak.example", "", "hi")).await;
    let items = world.items(Kind::Accepted).await;
    assert_eq!(items.iter().map(proved).filter(Option::is_none).count(), items.len() - 1);
    assert_eq!(items.len(), 2, "no proof, and still accepted");
}

#[tokio::test]
async fn b_07_b_08_a_bounce_of_a_letter_ends_letters_to_that_address() {
    let world = World::with(|ours| ours.hold_first_contact = true, |_| {});
    let good = world.envelope("bo@good.example", GOOD, &["anna@ours.example"]);
    world.intake.receive(&good, &message("bo@good.example", "", "hello")).await;
    let path = world.items(Kind::Letter).await[0].mail_from.to_string();
    let fresh = world.envelope("", BAD, &[]);
    let forged = Address::parse("bounce+forged@notice.example").unwrap();
    assert!(world.intake.recipient(&fresh, &forged).await.is_some(), "a forged path is refused");

    let envelope = world.envelope("", BAD, &[&path]);
    assert_eq!(world.intake.recipient(&fresh, &envelope.rcpt_to[0].address).await, None);
    let dsn = "From: MAILER-DAEMON@good.example\nSubject: failed\nMIME-Version: 1.0\n\
        Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n\
        --b\nContent-Type: text/plain\n\nfailed\n--b\nContent-Type: message/delivery-status\n\n\
        Reporting-MTA: dns; mta.good.example\n\nFinal-Recipient: rfc822; bo@good.example\n\
        Action: failed\nStatus: 5.1.1\n\n--b--\n";
    let dsn = Message::new(Bytes::from(dsn.replace('\n', "\r\n")));
    let answer = world.intake.receive(&envelope, &dsn).await;
    assert_eq!((answer.pass.len(), answer.reply.code()), (0, 250), "{}", answer.reply);
    let suppressed = world
        .store
        .scan(&Table::Suppression.key(&[]), &Table::Suppression.end(), 10)
        .await
        .unwrap();
    assert_eq!(suppressed.len(), 1);
}

#[tokio::test]
async fn what_nobody_released_expires_and_is_forgotten() {
    let world = World::new();
    let envelope = world.envelope("bo@strict.example", BAD, &["anna@ours.example"]);
    let mail = message("bo@strict.example", "", GTUBE);
    world.intake.receive(&envelope, &mail).await;
    let id = world.held().await[0].id;
    assert_eq!(world.keeper.step().await, Ok(0), "nothing is due");

    world.clock.advance(SignedDuration::from_hours(14 * 24 + 1));
    assert_eq!(world.keeper.step().await, Ok(1));
    let held = world.held().await.remove(0);
    assert_eq!((held.recipients[0].state, held.erased), (State::Expired, true));
    assert_eq!(world.store.body(id).await, Ok(None), "the body is erased");
    assert!(world.releases.release(id, ALL_RECIPIENTS).await.is_err());

    world.clock.advance(SignedDuration::from_hours(30 * 24));
    world.keeper.step().await.unwrap();
    assert!(world.held().await.is_empty(), "and then the record goes");
}

#[tokio::test]
async fn a_record_that_cannot_be_read_does_not_keep_the_others_from_expiring() {
    /// What rot looks like: the index key stands, the record is none.
    #[derive(minicbor::Encode, minicbor::Decode)]
    struct Rotten(#[n(0)] u8);
    impl crate::store::Record for Rotten {
        const TABLE: Table = Table::Held;
        fn key(&self) -> Vec<u8> {
            vec![self.0; 16]
        }
        fn index_keys(&self) -> Vec<(Index, Vec<u8>)> {
            vec![(Index::HeldDue, vec![0; 8])]
        }
    }
    let world = World::new();
    let envelope = world.envelope("bo@strict.example", BAD, &["anna@ours.example"]);
    world.intake.receive(&envelope, &message("bo@strict.example", "", GTUBE)).await;
    let id = world.held().await[0].id;
    let mut batch = Batch::new();
    batch.insert(&Rotten(0));
    world.store.commit(batch).await.unwrap();
    world.clock.advance(SignedDuration::from_hours(14 * 24 + 1));
    assert_eq!(world.keeper.step().await, Ok(1));
    assert_eq!(world.store.body(id).await, Ok(None), "the readable one expired");
    assert_eq!(world.keeper.step().await, Ok(0), "and nothing turns in a circle");
}

#[tokio::test]
async fn a_released_message_does_not_expire_on_its_way() {
    let world = World::new();
    let envelope = world.envelope("bo@strict.example", BAD, &["anna@ours.example"]);
    world.intake.receive(&envelope, &message("bo@strict.example", "", GTUBE)).await;
    let id = world.held().await[0].id;
    world.clock.advance(SignedDuration::from_hours(14 * 24 - 1));
    world.releases.release(id, ALL_RECIPIENTS).await.unwrap();
    world.clock.advance(SignedDuration::from_hours(2));
    world.keeper.step().await.unwrap();
    assert_eq!(world.held().await[0].recipients[0].state, State::Releasing);
    assert!(world.store.body(id).await.unwrap().is_some());
}

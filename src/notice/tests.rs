//! How senders are told: the inputs of ATTACKS group B, and every channel.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use bytes::Bytes;
use minicbor::{Decode, Encode};
use tempfile::TempDir;

use super::*;
use crate::clock::SignedDuration;
use crate::directory::sample::organisation;
use crate::filter::verdict::Door;
use crate::filter::{self, Class, Examination, Filter};
use crate::link::KeyRing;
use crate::mail::{Client, Envelope, Message, Recipient, Scan};
use crate::quarantine::{sample, stored};
use crate::queue;
use crate::reputation::{Network, Proof, Proofs};
use crate::store::{Record, Table};

const LINK: &str = "https://mail.example/r/";

pub(super) struct World {
    pub store: Store,
    pub clock: Clock,
    pub notices: Notices,
    pub organisation: Organisation,
    pub maillog: Maillog,
    pub records: Vec<(String, String)>,
    _keys: TempDir,
}

/// One message and its session, as a test changes them.
struct Sent {
    held: Held,
    envelope: Envelope,
    message: Message,
    examination: Examination,
    relayed: bool,
    partly_accepted: bool,
}

impl World {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let domain = Domain::parse("notice.example").unwrap();
        let keys = tempfile::tempdir().unwrap();
        generate_dkim(keys.path(), "e1", &domain).unwrap();
        let rsa = keys.path().join("dkim-r1.pem");
        fs::write(&rsa, include_bytes!("test-rsa.pem")).unwrap();
        fs::set_permissions(&rsa, fs::Permissions::from_mode(0o600)).unwrap();
        let signer = Signer::open(keys.path(), &domain).unwrap();
        let records = signer.records(&domain);
        let store = Store::in_memory();
        let clock = Clock::stopped_at(Timestamp::from_second(1_800_000_000).unwrap());
        let maillog = Maillog::default();
        let organisation = organisation("ours");
        let tools = Tools {
            store: store.clone(),
            clock: clock.clone(),
            links: Links::new(KeyRing::ephemeral(), "https://mail.example").unwrap(),
            directory: Directory::new(vec![organisation.clone()]).unwrap(),
            queue: Queue::new(store.clone(), clock.clone(), queue::Settings::default()),
            suppression: Suppression::new(store.clone(), clock.clone()),
            signer,
            maillog: maillog.clone(),
        };
        let mut settings = Settings::new(domain);
        change(&mut settings);
        let notices = Notices::new(settings, tools);
        notices.set_ready(true);
        Self { store, clock, notices, organisation, maillog, records, _keys: keys }
    }

    /// A message from a proved person, with nothing against a letter.
    fn personal(&self) -> Sent {
        self.from("sender@far.example")
    }

    fn from(&self, sender: &str) -> Sent {
        let address = Address::parse(sender).unwrap();
        let mut held = sample::held(&["anna@ours.example"], self.clock.now());
        held.proofs = Proofs::NONE.with(Proof::Dkim);
        held.rfc5322_from = Some(address.clone());
        held.rfc5321_mail_from = ReversePath::Address(address.clone());
        held.message_id = "roof.1@far.example".to_owned();
        held.subject = "Offer for the roof repair".to_owned();
        let text =
            format!("From: {sender}\r\nSubject: Offer\r\n\r\nBuy at https://evil.example\r\n");
        let anna = held.recipients[0].address.clone();
        let envelope = Envelope {
            client: Client {
                ip: held.client,
                name: None,
                helo: "mx.far.example".to_owned(),
                tls: None,
                esmtp: true,
            },
            authenticated: None,
            mail_from: held.rfc5321_mail_from.clone(),
            rcpt_to: vec![Recipient { raw: anna.to_string(), address: anna }],
            eight_bit: false,
            smtputf8: false,
            received_at: self.clock.now(),
            session_id: "s".to_owned(),
        };
        let examination = Examination {
            scan: Scan::default(),
            findings: Vec::new(),
            sender: held.sender(),
            classes: Vec::new(),
            score: held.score,
            authentication: String::new(),
            automatic: false,
            attachments: 0,
            discussion_list: false,
            spam_probability: None,
        };
        let message = Message::new(Bytes::from(text));
        Sent { held, envelope, message, examination, relayed: false, partly_accepted: false }
    }

    /// Tells the sender and carries the batch out.
    async fn tell(&self, sent: &mut Sent) -> Reply {
        self.try_tell(sent).await.unwrap()
    }

    async fn try_tell(&self, sent: &mut Sent) -> Result<Reply, Fault> {
        let case = Case {
            envelope: &sent.envelope,
            message: &sent.message,
            examination: &sent.examination,
            organisation: &self.organisation,
            relayed: sent.relayed,
            partly_accepted: sent.partly_accepted,
        };
        let mut batch = Batch::new();
        let reply = self.notices.tell(&mut batch, &mut sent.held, &case).await?;
        let content = stored::write(&sent.envelope, &sent.message);
        batch.body(Body { id: sent.held.id, expires: sent.held.expires_at, content });
        batch.insert(&sent.held);
        self.store.commit(batch).await.unwrap();
        Ok(reply)
    }

    async fn items(&self) -> Vec<Item> {
        let rows = self.store.page::<Item>(&[], 1000).await.unwrap();
        rows.into_iter().map(|row| row.record).collect()
    }

    /// The only letter, and its item.
    async fn letter(&self) -> (Item, Message) {
        let mut items = self.items().await;
        assert_eq!(items.len(), 1);
        let item = items.remove(0);
        let bytes = self.store.body(item.body).await.unwrap().unwrap();
        (item, Message::new(bytes))
    }

    /// A mail back to the letter's return path: the null path, this body.
    fn answer(&self, text: &str) -> (Envelope, Message) {
        let mut envelope = self.personal().envelope;
        envelope.mail_from = ReversePath::Null;
        (envelope, Message::new(Bytes::from(text.replace('\n', "\r\n"))))
    }
}

const DSN: &str = "From: mailer-daemon@far.example
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: text/plain

no such user
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; far.example

Final-Recipient: rfc822; sender@far.example
Action: failed
Status: 5.1.1
--b--
";

fn is_blocked_with_link(reply: &Reply) -> bool {
    reply.code() == 550
        && reply.enhanced() == Some((5, 7, 1))
        && reply.text().contains(LINK)
        && reply.text().starts_with("Message blocked (")
}

#[tokio::test]
async fn a_proved_sender_gets_a_letter_in_the_batch_that_holds() {
    let world = World::new();
    let mut sent = world.personal();
    let reply = world.tell(&mut sent).await;
    assert_eq!((reply.code(), reply.enhanced()), (250, Some((2, 0, 0))));
    assert!(!reply.text().contains("http"));
    assert_eq!(sent.held.telling, Telling::Letter);

    let (item, letter) = world.letter().await;
    assert_eq!((item.kind, item.held), (Kind::Letter, sent.held.id));
    assert_eq!(item.recipients[0].address.to_string(), "sender@far.example");
    let path = item.mail_from.address().unwrap();
    assert_eq!(world.notices.return_path(path), Some(sent.held.id));

    let field = |name| letter.text(name).unwrap_or_default();
    assert_eq!(field("From"), "\"ours Oy\" <notices@notice.example>");
    assert_eq!(field("To"), "<sender@far.example>");
    assert_eq!(field("Reply-To"), "<postmaster@ours.example>");
    assert_eq!(field("Subject"), "Not yet delivered: Offer for the roof repair");
    assert_eq!(field("In-Reply-To"), "<roof.1@far.example>");
    assert_eq!(field("References"), "<roof.1@far.example>");
    assert_eq!(field("Auto-Submitted"), "auto-replied");
    assert_eq!(field("X-Auto-Response-Suppress"), "All");
    assert_eq!(field("Content-Language"), "en");
    assert!(field("Content-Type").starts_with("multipart/alternative"));
    assert_eq!(field("Reprieve-Notice"), item.body.to_string());
    assert_eq!(field("Message-ID"), format!("<{}@notice.example>", item.body));
    assert!(letter.text("DKIM-Signature").is_some());

    let (text, html) = parts(&letter);
    let link = world.notices.link(&sent.held, &world.organisation);
    assert!(text.contains("Your message to anna@ours.example has not been delivered yet."));
    assert!(text.lines().any(|line| line == link), "{text}");
    assert!(text.contains("It waits until 29 January 2027; you need not send it again."));
    assert!(text.contains("postmaster@ours.example"));
    assert!(html.contains(&format!("<a href=\"{link}\">{link}</a>")));
    for held in [&text, &html] {
        assert!(!held.contains("evil.example"), "nothing of the body");
        assert!(!held.contains("Offer"), "the subject stands in the subject only");
        assert!(!held.contains("<img"));
    }
}

fn parts(letter: &Message) -> (String, String) {
    let parsed = mail_parser::MessageParser::default().parse(&letter.bytes()[..]).unwrap();
    let (text, html) = (parsed.body_text(0).unwrap(), parsed.body_html(0).unwrap());
    (text.replace('\r', ""), html.into_owned())
}

#[tokio::test]
async fn the_letter_speaks_his_language_and_counts_who_is_not_named() {
    let world = World::new();
    let mut sent = world.personal();
    sent.held.language = Some("fi-FI".to_owned());
    let mut copies = sample::held(&["b@ours.example", "c@ours.example"], world.clock.now());
    copies.recipients.iter_mut().for_each(|one| one.named = false);
    sent.held.recipients.append(&mut copies.recipients);
    world.tell(&mut sent).await;
    let (_, letter) = world.letter().await;
    let (text, html) = parts(&letter);
    assert_eq!(letter.text("Content-Language").unwrap(), "fi");
    let first = "Viestiäsi osoitteeseen anna@ours.example ja 2 muulle vastaanottajalle ei ole vielä toimitettu.";
    assert!(text.starts_with(first), "{text}");
    assert!(html.contains("<html lang=\"fi\">"));
    assert!(!text.contains("b@ours"));
}

/// No letter, and the refusal with the link instead.
async fn assert_replied(world: &World, mut sent: Sent, why: &str) {
    let reply = world.tell(&mut sent).await;
    assert!(is_blocked_with_link(&reply), "{why}: {reply}");
    assert_eq!(sent.held.telling, Telling::Reply, "{why}");
    assert!(world.items().await.is_empty(), "{why}");
}

#[tokio::test]
async fn b_01_automatic_bulk_and_null_path_mail_gets_no_letter() {
    let world = World::new();
    let path = |text| ReversePath::parse(text, false).unwrap();
    let mut sent = world.personal();
    sent.examination.automatic = true;
    assert_replied(&world, sent, "automatic").await;
    let mut sent = world.personal();
    sent.held.automatic = true;
    assert_replied(&world, sent, "automatic by the record").await;
    for text in ["", "owner-x@far.example", "x-bounces@far.example", "MAILER-DAEMON@far.example"] {
        let mut sent = world.personal();
        (sent.envelope.mail_from, sent.held.rfc5321_mail_from) = (path(text), path(text));
        assert_replied(&world, sent, text).await;
    }
    let mut sent = world.personal();
    sent.message = Message::new("Reprieve-Notice: 1\r\n\r\n".into());
    assert_replied(&world, sent, "our own letter").await;
    let mut sent = world.from("notices@notice.example");
    sent.message = Message::new("\r\n".into());
    assert_replied(&world, sent, "our own address").await;
    assert_replied(&world, world.from("no-reply@far.example"), "nobody reads it").await;
}

#[tokio::test]
async fn b_02_an_unproved_sender_gets_the_reply_only() {
    let world = World::new();
    let mut sent = world.personal();
    sent.held.proofs = Proofs::NONE;
    assert_replied(&world, sent, "unproved").await;
    let mut sent = world.personal();
    sent.held.rfc5322_from = None;
    assert_replied(&world, sent, "ambiguous From").await;
    let mut sent = world.personal();
    sent.held.score = 15.0;
    assert_replied(&world, sent, "above the ceiling").await;
}

/// Bytes that are no breaker: whoever reads them fails.
#[derive(Encode, Decode)]
struct Rot(#[n(0)] u8);

impl Record for Rot {
    const TABLE: Table = Table::Breaker;
    fn key(&self) -> Vec<u8> {
        Breaker::KEY.to_vec()
    }
}

#[tokio::test]
async fn an_unproved_sender_costs_no_read() {
    let world = World::new();
    let mut batch = Batch::new();
    batch.insert(&Rot(1));
    world.store.commit(batch).await.unwrap();
    let mut sent = world.personal();
    assert!(world.try_tell(&mut sent).await.is_err(), "a proved sender's breaker is read");
    sent.held.proofs = Proofs::NONE;
    assert!(is_blocked_with_link(&world.tell(&mut sent).await));
}

#[tokio::test]
async fn without_a_checked_domain_or_a_key_no_letter_goes_out() {
    let world = World::new();
    world.notices.set_ready(false);
    assert_replied(&world, world.personal(), "not ready").await;

    let mut world = World::new();
    let empty = tempfile::tempdir().unwrap();
    let mut tools = world.notices.inner.tools.clone();
    let settings = world.notices.inner.settings.clone();
    tools.signer = Signer::open(empty.path(), &settings.domain).unwrap();
    world.notices = Notices::new(settings, tools);
    world.notices.set_ready(true);
    assert_replied(&world, world.personal(), "no key").await;
}

#[tokio::test]
async fn b_03_ten_thousand_mails_of_one_sender_make_one_letter() {
    let world = World::new();
    for _ in 0..10_000 {
        world.tell(&mut world.personal()).await;
    }
    assert_eq!(world.items().await.len(), 1);
}

#[tokio::test]
async fn b_12_the_second_mail_in_a_day_is_told_by_the_reply() {
    let world = World::new();
    assert_eq!(world.tell(&mut world.personal()).await.code(), 250);
    world.clock.advance(SignedDuration::from_hours(23));
    let mut tagged = world.from("Sender+shop@far.example");
    assert!(is_blocked_with_link(&world.tell(&mut tagged).await), "a tag is the same mailbox");
    world.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(world.tell(&mut world.personal()).await.code(), 250);
    assert_eq!(world.items().await.len(), 2);
}

#[tokio::test]
async fn a_domain_gets_ten_letters_an_hour_and_all_together_their_share() {
    let world = World::with(|settings| settings.in_all = 12);
    for number in 0..12 {
        let mut sent = world.from(&format!("s{number}@mail.far.example"));
        let code = world.tell(&mut sent).await.code();
        assert_eq!(code, if number < 10 { 250 } else { 550 }, "{number}");
    }
    for number in 0..3 {
        let mut sent = world.from(&format!("s{number}@other.example"));
        let code = world.tell(&mut sent).await.code();
        assert_eq!(code, if number < 2 { 250 } else { 550 }, "{number}");
    }
    world.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(world.tell(&mut world.from("s11@far.example")).await.code(), 250);
}

#[tokio::test]
async fn two_that_race_for_one_letter_conflict() {
    let world = World::new();
    let mut replies = Vec::new();
    let mut batches = Vec::new();
    for _ in 0..2 {
        let mut sent = world.personal();
        let case = Case {
            envelope: &sent.envelope,
            message: &sent.message,
            examination: &sent.examination,
            organisation: &world.organisation,
            relayed: false,
            partly_accepted: false,
        };
        let mut batch = Batch::new();
        replies.push(world.notices.tell(&mut batch, &mut sent.held, &case).await.unwrap().code());
        batches.push(batch);
    }
    assert_eq!(replies, [250, 250]);
    assert!(world.store.commit(batches.remove(0)).await.is_ok());
    assert!(world.store.commit(batches.remove(0)).await.is_err());
}

#[tokio::test]
async fn b_11_a_forwarders_rewritten_path_is_neither_written_to_nor_refused() {
    let world = World::new();
    let mut sent = world.personal();
    let path = "SRS0=ab=XY=far.example=sender@forwarder.example";
    sent.envelope.mail_from = ReversePath::parse(path, false).unwrap();
    sent.held.rfc5321_mail_from = sent.envelope.mail_from.clone();
    let reply = world.tell(&mut sent).await;
    assert_eq!((reply.code(), sent.held.telling), (250, Telling::Untold));
    assert!(!reply.text().contains("http"));
    assert!(world.items().await.is_empty());
}

#[tokio::test]
async fn every_channel_is_chosen_as_the_design_says() {
    let world = World::new();
    let mut list = world.personal();
    list.examination.discussion_list = true;
    assert_eq!(world.tell(&mut list).await.code(), 250);
    assert_eq!(list.held.telling, Telling::Untold);

    for (relayed, partly_accepted) in [(true, false), (false, true)] {
        let mut unproved = world.from("unproved@far.example");
        unproved.held.proofs = Proofs::NONE;
        (unproved.relayed, unproved.partly_accepted) = (relayed, partly_accepted);
        assert_eq!(world.tell(&mut unproved).await.code(), 250);
        assert_eq!(unproved.held.telling, Telling::Untold);

        let mut proved = world.from(&format!("p{relayed}@far.example"));
        (proved.relayed, proved.partly_accepted) = (relayed, partly_accepted);
        assert_eq!(world.tell(&mut proved).await.code(), 250);
        assert_eq!(proved.held.telling, Telling::Letter);
    }

    for class in [Class::Malware, Class::Phishing] {
        let mut sent = world.from("m@far.example");
        sent.held.recipients[0].class = class;
        let reply = world.tell(&mut sent).await;
        assert_eq!(reply.code(), 550);
        assert!(!reply.text().contains("http"), "{reply}");
        assert!(!world.notices.reply_again(&sent.held).text().contains("http"));
    }
    let mut closed = world.from("m@far.example");
    closed.held.recipients[0].door = Door::Closed;
    assert!(!world.tell(&mut closed).await.text().contains("http"));
}

#[tokio::test]
async fn an_organisation_may_choose_the_reply_for_all() {
    let mut world = World::new();
    world.organisation.told = Told::Reply;
    assert!(is_blocked_with_link(&world.tell(&mut world.personal()).await));
    world.organisation.told = Told::Defer;
    let reply = world.tell(&mut world.personal()).await;
    assert_eq!((reply.code(), reply.enhanced()), (451, Some((4, 7, 1))));
    assert!(reply.text().contains(LINK));
    assert!(world.items().await.is_empty());
}

#[tokio::test]
async fn a_repeat_gets_the_same_answer() {
    let world = World::new();
    let mut sent = world.personal();
    sent.held.proofs = Proofs::NONE;
    let first = world.tell(&mut sent).await;
    assert_eq!(world.notices.reply_again(&sent.held), first);
    let mut letter = world.personal();
    let first = world.tell(&mut letter).await;
    assert_eq!(world.notices.reply_again(&letter.held), first);
}

#[tokio::test]
async fn b_07_one_hard_bounce_suppresses_and_nothing_is_answered() {
    let world = World::new();
    let mut sent = world.personal();
    world.tell(&mut sent).await;
    let (item, _) = world.letter().await;
    let held = world.notices.return_path(item.mail_from.address().unwrap()).unwrap();
    let covered = async || {
        let address = Address::parse("sender@far.example").unwrap();
        world.notices.inner.tools.suppression.covers(&address).await.unwrap()
    };

    let vacation = "Auto-Submitted: auto-replied\n\nI am away. Action: failed, Status: 5.1.1\n";
    let (envelope, message) = world.answer(vacation);
    assert_eq!(world.notices.take_bounce(held, &envelope, &message).await.code(), 250);
    let (mut envelope, message) = world.answer(DSN);
    envelope.mail_from = ReversePath::parse("somebody@far.example", false).unwrap();
    world.notices.take_bounce(held, &envelope, &message).await;
    let (envelope, delayed) = world.answer(&DSN.replace("failed", "delayed"));
    world.notices.take_bounce(held, &envelope, &delayed).await;
    assert!(!covered().await);

    let (envelope, message) = world.answer(DSN);
    assert_eq!(world.notices.take_bounce(held, &envelope, &message).await.code(), 250);
    assert!(covered().await);
    world.notices.take_bounce(held, &envelope, &message).await;
    assert_eq!(world.items().await.len(), 1, "no answer to a bounce");
    world.clock.advance(SignedDuration::from_hours(48));
    let reply = world.tell(&mut world.personal()).await;
    assert!(is_blocked_with_link(&reply));
}

/// Not every server speaks RFC 3464: the letters of qmail and Exim count too.
#[tokio::test]
async fn b_07_a_bounce_without_a_report_suppresses_as_well() {
    let qmail = "From: MAILER-DAEMON@far.example\nSubject: failure notice\n\n\
                 Hi. This is the qmail-send program at far.example.\n\
                 I'm afraid I wasn't able to deliver your message to the following addresses.\n\
                 This is a permanent error; I've given up. Sorry it didn't work out.\n\n\
                 <sender@far.example>:\n\
                 Sorry, no mailbox here by that name. (#5.1.1)\n";
    let late = qmail.replace("(#5.1.1)", "I'm not going to try again (#4.4.1)");
    for (text, suppressed) in [(late.as_str(), false), (qmail, true)] {
        let world = World::new();
        let mut sent = world.personal();
        world.tell(&mut sent).await;
        let (item, _) = world.letter().await;
        let held = world.notices.return_path(item.mail_from.address().unwrap()).unwrap();
        let (envelope, message) = world.answer(text);
        assert_eq!(world.notices.take_bounce(held, &envelope, &message).await.code(), 250);
        let address = Address::parse("sender@far.example").unwrap();
        let covered = world.notices.inner.tools.suppression.covers(&address).await.unwrap();
        assert_eq!(covered, suppressed, "{text}");
    }
}

#[tokio::test]
async fn b_08_a_bounce_without_our_key_is_ignored_and_counted() {
    let world = World::new();
    let forged = format!("notice-0001{}@notice.example", "0".repeat(52));
    for text in [&forged, "notice-@notice.example", "notices@notice.example", "a@b.example"] {
        let address = Address::parse(text).unwrap();
        assert_eq!(world.notices.return_path(&address), None, "{text}");
        let forged = text.starts_with("notice-");
        assert_eq!(world.notices.is_forged_bounce(&address), forged, "{text}");
    }
    let counted = "reprieve_bounces_total{kind=\"forged\"} 2";
    assert!(world.maillog.encode().contains(counted), "{}", world.maillog.encode());
}

#[tokio::test]
async fn the_breaker_ends_letters_until_an_operator_closes_it() {
    let world = World::new();
    for number in 0..6 {
        let mut batch = Batch::new();
        let address = Address::parse(&format!("dead{number}@other.example")).unwrap();
        let settled = world.notices.letter_settled(&mut batch, &address, true).await.unwrap();
        world.store.commit(batch).await.unwrap();
        settled.log(&world.maillog);
    }
    assert!(world.maillog.encode().contains("reprieve_breaker_open 1"));
    let open = world.notices.breaker().await.unwrap();
    assert_eq!(open.opened_at(), Some(world.clock.now()));
    assert_eq!((open.bounced(), open.remembered()), (6, 6));
    assert_replied(&world, world.personal(), "breaker").await;
    world.notices.close_breaker(&|_| {}).await.unwrap();
    assert_eq!(world.tell(&mut world.personal()).await.code(), 250);
}

#[tokio::test]
async fn l_22_a_lost_link_goes_to_a_proved_address_three_times_an_hour() {
    let world = World::new();
    let network = Network::of([198, 51, 100, 1].into());
    let ask = async |address: &str, network| {
        world.notices.send_lost(address, network).await.unwrap();
        world.items().await.len()
    };
    let mut unproved = world.from("forged@far.example");
    unproved.held.proofs = Proofs::NONE;
    world.tell(&mut unproved).await;
    let mut sent = world.personal();
    sent.held.telling = Telling::Reply;
    let mut batch = Batch::new();
    batch.insert(&sent.held);
    world.store.commit(batch).await.unwrap();

    for nobody in ["forged@far.example", "not an address"] {
        assert_eq!(ask(nobody, network).await, 0, "{nobody}");
    }
    let other = Network::of([203, 0, 113, 1].into());
    assert_eq!(ask("SENDER+x@far.example", network).await, 1);
    let (item, letter) = world.letter().await;
    assert_eq!(item.recipients[0].address.to_string(), "sender@far.example");
    let (text, _) = parts(&letter);
    assert!(text.contains(LINK) && text.contains(&sent.held.reference.to_string()), "{text}");
    assert!(text.contains("A message of yours has not been delivered yet."));

    assert_eq!(ask("sender@far.example", network).await, 2);
    assert_eq!(ask("sender@far.example", network).await, 2, "the network has asked three times");
    assert_eq!(ask("sender@far.example", other).await, 3);
    assert_eq!(ask("sender@far.example", other).await, 3, "the address has had three");
    world.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(ask("sender@far.example", other).await, 4);
}

#[tokio::test]
async fn who_was_never_told_gets_one_dsn_when_the_message_expires() {
    let world = World::new();
    let expire = async |mut sent: Sent| {
        world.tell(&mut sent).await;
        sent.held.telling = Telling::Untold;
        let now = world.clock.now();
        for one in &mut sent.held.recipients {
            one.become_state(State::Expired, now).unwrap();
        }
        let mut batch = Batch::new();
        let told = world.notices.tell_expired(&mut batch, &sent.held).await.unwrap();
        world.store.commit(batch).await.unwrap();
        told
    };
    let relayed = |mut sent: Sent| {
        sent.relayed = true;
        sent.examination.discussion_list = true;
        sent
    };
    assert!(expire(relayed(world.personal())).await);
    let (item, dsn) = world.letter().await;
    assert_eq!((item.kind, &item.mail_from), (Kind::Dsn, &ReversePath::Null));
    assert_eq!(item.recipients[0].address.to_string(), "sender@far.example");
    let reports = crate::mail::dsn::read(&dsn);
    assert_eq!(reports[0].status, Some((5, 7, 1)));
    assert_eq!(reports[0].final_recipient, "anna@ours.example");
    assert!(!String::from_utf8_lossy(dsn.bytes()).contains("evil.example"));
    assert!(dsn.text("DKIM-Signature").is_some());

    assert!(!expire(relayed(world.personal())).await, "one in 24 hours");
    let mut foreign = relayed(world.from("other@far.example"));
    foreign.held.rfc5321_mail_from = ReversePath::parse("x@elsewhere.example", false).unwrap();
    assert!(!expire(foreign).await, "the reverse-path is not of the proved domain");
    let mut unproved = relayed(world.from("third@far.example"));
    unproved.held.proofs = Proofs::NONE;
    assert!(!expire(unproved).await);
    assert_eq!(world.items().await.len(), 1);
}

/// The letter at a receiver that checks everything: our own filter.
#[tokio::test]
async fn b_13_spf_dkim_and_dmarc_pass_and_are_aligned() {
    let world = World::new();
    world.tell(&mut world.personal()).await;
    let (item, letter) = world.letter().await;
    let mut zone = "notice.example TXT \"v=spf1 ip4:203.0.113.25 -all\"\n\
                    _dmarc.notice.example TXT \"v=DMARC1; p=reject; adkim=s; aspf=s\"\n"
        .to_owned();
    assert_eq!(world.records.len(), 2, "RSA and Ed25519");
    assert!(world.records[0].1.starts_with("v=DKIM1; k=rsa; p="), "RSA first");
    for (name, value) in &world.records {
        let (one, two) = value.split_at(value.len().min(250));
        zone += &format!("{name} TXT \"{one}\" \"{two}\"\n");
    }
    let settings =
        filter::Settings { dns: filter::dns::Source::Text(zone), ..filter::Settings::default() };
    let receiver = Filter::new(settings, Directory::default(), Clock::system()).unwrap();
    let mut envelope = world.personal().envelope;
    envelope.client.ip = [203, 0, 113, 25].into();
    envelope.client.helo = "notice.example".to_owned();
    envelope.mail_from = item.mail_from.clone();

    let seen = receiver.examine(&envelope, &letter, false).await.unwrap();
    for proof in [Proof::Spf, Proof::Dkim, Proof::Dmarc] {
        assert!(seen.sender.proofs.contains(proof), "{proof:?}: {}", seen.authentication);
    }
    assert_eq!(seen.authentication.matches("dkim=pass").count(), 2, "{}", seen.authentication);
    assert!(seen.automatic, "nobody answers it");

    let changed = String::from_utf8_lossy(letter.bytes()).replace("ours.example", "evil.example");
    let changed = Message::new(Bytes::from(changed));
    let seen = receiver.examine(&envelope, &changed, false).await.unwrap();
    assert!(!seen.sender.proofs.contains(Proof::Dkim));
}

#[tokio::test]
async fn letters_of_yesterday_are_forgotten() {
    let world = World::new();
    for number in 0..5 {
        world.tell(&mut world.from(&format!("s{number}@far.example"))).await;
    }
    world.clock.advance(SignedDuration::from_hours(12));
    world.tell(&mut world.from("fresh@far.example")).await;
    assert_eq!(world.notices.tidy(100).await, Ok(0));
    world.clock.advance(SignedDuration::from_hours(12));
    let mut removed = 0;
    for _ in 0..5 {
        removed += world.notices.tidy(2).await.unwrap();
    }
    assert_eq!(removed, 5);
    assert_eq!(world.store.page::<LastLetter>(&[], 10).await.unwrap().len(), 1);
}

/// ATTACKS W-01 in letters: a subject is text in the Subject field and adds
/// nothing else to the letter.
#[tokio::test]
async fn w_01_the_big_list_of_naughty_strings_in_letters() {
    let world = World::with(|settings| (settings.per_domain, settings.in_all) = (9999, 9999));
    let letter = async |sender: &str, subject: &str| {
        let mut sent = world.from(sender);
        sent.held.subject = subject.to_owned();
        sent.held.from_text = subject.to_owned();
        assert_eq!(world.tell(&mut sent).await.code(), 250, "{subject}");
        let item = world.items().await.into_iter().find(|item| item.held == sent.held.id).unwrap();
        Message::new(world.store.body(item.body).await.unwrap().unwrap())
    };
    let names = |letter: &Message| -> Vec<String> {
        letter.fields().map(|field| String::from_utf8_lossy(field.name).into_owned()).collect()
    };
    let plain = letter("s@plain.example", "Offer").await;
    let tags = parts(&plain).1.matches('<').count();
    let list = include_str!("../../tests/blns/blns.txt");
    let lines = list.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let mut count = 0;
    for (number, line) in lines.enumerate() {
        let told = letter(&format!("s@far{number}.example"), line).await;
        assert_eq!(names(&told), names(&plain), "{line}");
        let (text, html) = parts(&told);
        assert_eq!(html.matches('<').count(), tags, "{line}: {html}");
        let start: String = line.trim().chars().take(12).collect();
        let ours = parts(&plain).0.contains(&start) || start.len() < 6;
        assert!(ours || !text.contains(&start), "{line}: only in the subject");
        assert!(told.bytes().is_ascii() && !told.text("Subject").unwrap().contains('\u{202e}'));
        count += 1;
    }
    assert!(count > 450, "only {count} texts");
}

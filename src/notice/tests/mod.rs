//! How senders are told: the inputs of ATTACKS group B, and every channel. Here
//! stands what its rooms share: the world and a message as it was sent.

mod bounces;
mod budget;
mod channels;
mod letters;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use bytes::Bytes;
use tempfile::TempDir;

use super::*;
use crate::directory::sample::organisation;
use crate::filter::Examination;
use crate::link::KeyRing;
use crate::mail::{Client, Envelope, Message, Recipient, Scan};
use crate::quarantine::{sample, stored};
use crate::queue;
use crate::reputation::{Proof, Proofs};

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
        fs::write(&rsa, include_bytes!("../test-rsa.pem")).unwrap();
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

fn is_blocked_with_link(reply: &Reply) -> bool {
    reply.code() == 550
        && reply.enhanced() == Some((5, 7, 1))
        && reply.text().contains(LINK)
        && reply.text().starts_with("Message blocked (")
}

fn parts(letter: &Message) -> (String, String) {
    let parsed = mail_parser::MessageParser::default().parse(&letter.bytes()[..]).unwrap();
    let (text, html) = (parsed.body_text(0).unwrap(), parsed.body_html(0).unwrap());
    (text.replace('\r', ""), html.into_owned())
}

/// No letter, and the refusal with the link instead.
async fn assert_replied(world: &World, mut sent: Sent, why: &str) {
    let reply = world.tell(&mut sent).await;
    assert!(is_blocked_with_link(&reply), "{why}: {reply}");
    assert_eq!(sent.held.telling, Telling::Reply, "{why}");
    assert!(world.items().await.is_empty(), "{why}");
}

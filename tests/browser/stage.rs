//! A portal with everything behind it in memory, and held messages made by
//! hand: what its tests and the browser stand on.
#![allow(dead_code)]

use std::net::IpAddr;
use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;

use reprieve::account::job::Jobs;
use reprieve::account::{Accounts, Cost};
use reprieve::appeal::{self, Appeals};
use reprieve::clock::{Clock, SignedDuration, Timestamp};
use reprieve::directory::search::Search;
use reprieve::directory::{
    Choice, Contact, Digest, Directory, Organisation, OrganisationId, Overlays, People, Rule,
    Sessions, Told,
};
use reprieve::filter::catalogue::Weights;
use reprieve::filter::verdict::Door;
use reprieve::filter::{Class, Finding};
use reprieve::link::{ALL_RECIPIENTS, KeyRing, Links, Purpose, Token};
use reprieve::mail::{Address, Client, Domain, Envelope, Message, ReversePath};
use reprieve::maillog::Maillog;
use reprieve::notice::{self, Notices, Signer};
use reprieve::portal::{Console, Effective, Portal, Recipients, Services, Settings};
use reprieve::quarantine::{
    Fingerprint, Held, HeldRecipient, HeldSearch, Reference, State, Telling, stored,
};
use reprieve::queue::{self, Queue};
use reprieve::release::{self, Releases};
use reprieve::reputation::{Flags, Proof, Proofs, Reputation, SenderSearch, standing};
use reprieve::statistics::Statistics;
use reprieve::store::{Batch, Body, Fault, Store};
use uuid::Uuid;

/// Everything around one portal.
pub struct Stage {
    pub store: Store,
    pub clock: Clock,
    pub directory: Directory,
    pub links: Links,
    pub releases: Releases,
    pub console: Console,
    pub appeals: Appeals,
    pub services: Services,
    pub recipients: Recipients,
    pub portal: Portal,
    /// Of uploads and lists for download.
    _folder: Arc<tempfile::TempDir>,
}

impl Stage {
    /// A portal at `base` for Example Oy, which serves example.fi.
    pub fn new(base: &str, clock: Clock) -> Self {
        Self::with(base, clock, Settings::default(), |_| {})
    }

    pub fn with(
        base: &str,
        clock: Clock,
        settings: Settings,
        change: impl FnOnce(&mut Services),
    ) -> Self {
        Self::over(Store::in_memory(), base, clock, settings, change)
    }

    #[expect(clippy::too_many_lines, reason = "one line for each part of a house")]
    pub fn over(
        store: Store,
        base: &str,
        clock: Clock,
        settings: Settings,
        change: impl FnOnce(&mut Services),
    ) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let keys = folder.path().join("keys");
        std::fs::DirBuilder::new().mode(0o700).create(&keys).unwrap();
        reprieve::link::ring::folder::new(&keys).unwrap();
        let directory = Directory::new(vec![organisation()]).unwrap();
        let links = Links::new(KeyRing::ephemeral(), base).unwrap();
        let reputation =
            Reputation::new(store.clone(), clock.clone(), standing::Settings::default());
        let queue = Queue::new(store.clone(), clock.clone(), queue::Settings::default());
        let people = people(store.clone(), clock.clone(), directory.clone());
        let releases = Releases::new(
            store.clone(),
            clock.clone(),
            directory.clone(),
            reputation.clone(),
            queue.clone(),
            Maillog::default(),
            release::Settings::default(),
        );
        let accounts =
            Accounts::new(store.clone(), clock.clone(), Cost::NONE, links.ring().clone());
        let audit = accounts.audit().clone();
        let console = Console {
            accounts,
            store: store.clone(),
            ring: links.ring().clone(),
            search: HeldSearch::new(store.clone()),
            senders: SenderSearch::new(store.clone()),
            overlays: waited(Overlays::open(store.clone(), directory.clone())),
            recipients: Search::new(store.clone()),
            rules: Search::new(store.clone()),
            settings: Effective::default(),
            jobs: Jobs::new(store.clone()),
            digest: Arc::new(move |_, entry| {
                let audit = audit.clone();
                Box::pin(async move { audit.note(entry).await.map(|()| true) })
            }),
            flags: Flags::new(
                store.clone(),
                clock.clone(),
                people.clone(),
                reputation.clone(),
                Maillog::default(),
            ),
            reputation: reputation.clone(),
            queue: queue.clone(),
            statistics: Statistics::new(store.clone(), clock.clone(), Maillog::default()),
            weights: Weights::default(),
            suppression: reprieve::suppression::Suppression::new(store.clone(), clock.clone())
                .in_folder(folder.path()),
            retry: Arc::new(|_, _| Box::pin(async { Ok(false) })),
            letters_stopped: Arc::new(|| Box::pin(async { Ok(false) })),
            keys,
        };
        // Without a key nothing is signed.
        let keyless = std::env::temp_dir().join("reprieve-keyless");
        std::fs::create_dir_all(&keyless).unwrap();
        let notice_domain = Domain::parse("notice.example").unwrap();
        let notices = Notices::new(
            notice::Settings::new(notice_domain.clone()),
            notice::Tools {
                store: store.clone(),
                clock: clock.clone(),
                links: links.clone(),
                directory: directory.clone(),
                queue: queue.clone(),
                suppression: console.suppression.clone(),
                signer: Signer::open(&keyless, &notice_domain).unwrap(),
                maillog: Maillog::default(),
            },
        );
        let appeals = Appeals::new(
            appeal::Settings::default(),
            appeal::Tools {
                store: store.clone(),
                clock: clock.clone(),
                directory: directory.clone(),
                releases: releases.clone(),
                flags: console.flags.clone(),
                history: reputation.history().clone(),
                accounts: console.accounts.clone(),
                notices,
                maillog: Maillog::default(),
            },
        );
        let recipients = Recipients {
            store: store.clone(),
            flags: console.flags.clone(),
            people,
            sessions: Sessions::new(store.clone(), clock.clone()),
            invite: Arc::new(|_| Box::pin(async {})),
        };
        let mut services = Services {
            links: links.clone(),
            releases: releases.clone(),
            directory: directory.clone(),
            clock: clock.clone(),
            log: Maillog::default(),
            lost: None,
            ready: Arc::new(|| Ok(())),
            console: Some(console.clone()),
            recipients: Some(recipients.clone()),
            appeals: Some(appeals.clone()),
        };
        change(&mut services);
        let portal = Portal::new(settings, services.clone());
        Self {
            store,
            clock,
            directory,
            links,
            releases,
            console,
            appeals,
            services,
            recipients,
            portal,
            _folder: folder,
        }
    }

    /// Stores a held message after `change` and answers its token.
    pub async fn hold(&self, change: impl FnOnce(&mut Held)) -> (Uuid, String) {
        let mut held = held(self.clock.now());
        change(&mut held);
        let mut batch = Batch::new();
        batch.insert(&held);
        self.store.commit(batch).await.unwrap();
        (held.id, self.token(held.id))
    }

    /// Stores the body of a held message for a day.
    pub async fn body(&self, id: Uuid, message: &str) {
        let envelope = Envelope {
            client: Client {
                ip: [192, 0, 2, 25].into(),
                name: None,
                helo: "katto.example".to_owned(),
                tls: None,
                esmtp: true,
            },
            authenticated: None,
            mail_from: ReversePath::Null,
            rcpt_to: Vec::new(),
            eight_bit: false,
            smtputf8: false,
            received_at: self.clock.now(),
            session_id: "s1".to_owned(),
        };
        let content = stored::write(&envelope, &Message::new(message.as_bytes().to_vec().into()));
        let expires = self.clock.now() + SignedDuration::from_hours(24);
        let mut batch = Batch::new();
        batch.body(Body { id, expires, content });
        self.store.commit(batch).await.unwrap();
    }

    pub fn token(&self, subject: Uuid) -> String {
        self.token_until(subject, self.clock.now() + SignedDuration::from_hours(14 * 24))
    }

    pub fn token_until(&self, subject: Uuid, expires: Timestamp) -> String {
        let token = Token { purpose: Purpose::Release, subject, slot: ALL_RECIPIENTS, expires };
        token.mint(self.links.ring(), self.links.host())
    }

    pub async fn states(&self, id: Uuid) -> Vec<State> {
        let held = self.releases.held(id).await.unwrap().unwrap();
        held.recipients.iter().map(|one| one.state).collect()
    }

    /// Changes the stored record as the queue or the keeper would.
    pub async fn change(&self, id: Uuid, change: impl FnOnce(&mut Held)) {
        let row = self.store.find::<Held>(id.as_bytes()).await.unwrap().unwrap();
        let mut held = row.record.clone();
        change(&mut held);
        let mut batch = Batch::new();
        batch.update(&row, &held);
        self.store.commit(batch).await.unwrap();
    }

    pub fn rule(&self, rule: Rule) {
        let mut organisation = organisation();
        organisation.rules.push(rule);
        self.directory.replace(vec![organisation]).unwrap();
    }
}

pub fn organisation() -> Organisation {
    Organisation {
        id: OrganisationId::new("example").unwrap(),
        name: "Example Oy".to_owned(),
        domains: vec![Domain::parse("example.fi").unwrap()],
        contact: Contact {
            postmaster: address("postmaster@example.fi"),
            telephone: Some("+358 9 1234 5678".to_owned()),
            hours: Some("weekdays 8–16".to_owned()),
        },
        language: "en".to_owned(),
        host: None,
        colour: Some("#1d6b52".to_owned()),
        retention_days: 14,
        told: Told::default(),
        marketing: Choice::Deliver,
        poll: Choice::Deliver,
        social: Choice::Deliver,
        mass: Choice::Hold,
        hold_first_contact: false,
        rules: Vec::new(),
        digest: Digest::default(),
        people_choose: true,
        sentence: None,
        logo: None,
    }
}

/// A message from a proved sender to one recipient, 14 minutes old.
pub fn held(now: Timestamp) -> Held {
    let from = address("kari@katto.example");
    Held {
        id: Uuid::now_v7(),
        reference: Reference::parse("7K2M-9QXD").unwrap(),
        received_at: now - SignedDuration::from_mins(14),
        expires_at: now + SignedDuration::from_hours(14 * 24),
        fingerprint: Fingerprint::of(&Message::new("\r\n".into())),
        rfc5321_mail_from: ReversePath::Address(from.clone()),
        client: IpAddr::from([192, 0, 2, 25]),
        rfc5322_from: Some(from),
        proofs: Proofs::NONE.with(Proof::Spf),
        subject: "Offer for the roof repair".to_owned(),
        from_text: "Kari Katto <kari@katto.example>".to_owned(),
        message_id: "<1@katto.example>".to_owned(),
        size: 48 * 1024,
        attachments: 1,
        digest: [0; 32],
        score: 6.5,
        findings: vec![
            Finding::new("spf-softfail", 3.0)
                .term("domain", "katto.example")
                .term("client", "192.0.2.25")
                .term("record", "v=spf1 include:_spf.katto.example ~all"),
            Finding::new("first-contact", 1.5),
        ],
        telling: Telling::Reply,
        language: None,
        recipients: vec![recipient("anna@example.fi", true, now)],
        automatic: false,
        erased: false,
        trace: String::new(),
        eight_bit: false,
        smtputf8: false,
    }
}

pub fn recipient(text: &str, named: bool, now: Timestamp) -> HeldRecipient {
    HeldRecipient {
        address: address(text),
        organisation: OrganisationId::new("example").unwrap(),
        named,
        class: Class::Unwanted,
        door: Door::Release,
        state: State::Held,
        changed_at: now,
        item: None,
        due_at: None,
        outcome: None,
    }
}

pub fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn people(store: Store, clock: Clock, directory: Directory) -> People {
    waited(People::open(store, clock, directory))
}

/// On a thread of its own: a store on disk answers only where a runtime waits.
fn waited<T: Send>(open: impl Future<Output = Result<T, Fault>> + Send) -> T {
    std::thread::scope(|scope| {
        let open = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(open).unwrap()
        });
        open.join().unwrap()
    })
}

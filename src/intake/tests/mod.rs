//! The journey of a message, with the real filter, notices and records.

mod directed;
mod judged;
mod kept;

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

//! Beside a real Postfix: the sender's whole story through `smtpd_milters`,
//! both ways of telling him; what is freed goes back in by the port for it,
//! or by the front door with its mark; and `miltertest` as a judge from
//! outside.

mod outside_judge;
#[path = "../postfix/mod.rs"]
mod postfix;
#[path = "../steps/mod.rs"]
mod steps;
mod story;

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use reprieve::clock::{Clock, SignedDuration, Timestamp};
use reprieve::demo::client::{Answer, Sender};
use reprieve::demo::outside::{Arrived, Outside};
use reprieve::gateway::{Config, Gateway, Sockets};

use postfix::Postfix;
use steps::{furnish, link_in};

/// Longer than this nothing takes, however busy the machine is.
const PATIENCE: Duration = Duration::from_mins(1);

/// A gateway beside its Postfix, and an outside world that receives.
struct House {
    folder: tempfile::TempDir,
    clock: Clock,
    outside: Outside,
    milter: SocketAddr,
    portal: SocketAddr,
    postfix: Option<Postfix>,
    gateway: Option<Gateway>,
}

/// Where released mail goes back in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Back {
    /// The port without a milter.
    Door,
    /// The front, where the milter is asked again.
    Front,
}

impl House {
    async fn new(back: Back, settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (outside, sink) = steps::outside().await;
        furnish(folder.path());
        let milter = postfix::free_port();
        let main = format!(
            "relay_domains = ours.example release.ours.example\n\
             relay_transport = smtp:[127.0.0.1]:{port}\n\
             default_transport = smtp:[127.0.0.1]:{port}\n\
             smtpd_milters = inet:{milter}\n",
            port = sink.port(),
        );
        let front = if back == Back::Front {
            // Letters leave by there too.
            "mynetworks = 127.0.0.0/8\nsmtpd_relay_restrictions = permit_mynetworks, reject\n"
        } else {
            "smtpd_relay_restrictions = reject_unauth_destination\n"
        };
        let clock = Clock::stopped_at(Timestamp::now());
        let portal = postfix::free_port();
        let mut house =
            Self { folder, clock, outside, milter, portal, postfix: None, gateway: None };
        let postfix = Postfix::with_back_door(&(main + front)).await;
        let back = if back == Back::Front { postfix.front() } else { postfix.back() };
        house.postfix = Some(postfix);
        house.start(back, settings).await;
        house
    }

    async fn start(&mut self, back: SocketAddr, settings: &[&str]) {
        let bind = |address: SocketAddr| TcpListener::bind(address).unwrap();
        let sockets = Sockets {
            smtp: vec![bind(([127, 0, 0, 1], 0).into())],
            milter: vec![bind(self.milter)],
            portal: Some(bind(self.portal)),
            operations: Some(bind(([127, 0, 0, 1], 0).into())),
            ..Sockets::default()
        };
        let text = config(back, self.portal);
        let settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
        let config = Config::parse(&text, self.folder.path(), &settings).unwrap();
        let gateway = Gateway::start(config, sockets, self.clock.clone()).await;
        self.gateway = Some(gateway.unwrap_or_else(|error| panic!("{error}")));
    }

    fn postfix(&self) -> &Postfix {
        self.postfix.as_ref().expect("it runs")
    }

    async fn send(&self, mail_from: &str, rcpt_to: &[&str], message: &[u8]) -> Answer {
        let mut sender =
            Sender::connect(self.postfix().front(), "mail.sender.example").await.unwrap();
        sender.send(mail_from, rcpt_to, message).await.unwrap()
    }

    /// Released, and its countdown over.
    async fn release(&self, link: &str) {
        steps::release(&self.clock, link).await;
        self.clock.advance(SignedDuration::from_secs(61));
    }

    /// Waits for a mail to this recipient whose text has `word`.
    async fn arrives(&self, recipient: &str, word: &str) -> (Arrived, String) {
        let is_it = |one: &Arrived| {
            let text = String::from_utf8_lossy(one.message.bytes());
            one.rcpt_to.iter().any(|to| to == recipient) && text.contains(word)
        };
        let arrival = tokio::time::timeout(PATIENCE, self.outside.wait_for(is_it)).await;
        let arrived = arrival.unwrap_or_else(|_| panic!("never came:\n{}", self.postfix().log()));
        let text = String::from_utf8_lossy(arrived.message.bytes()).into_owned();
        (arrived, text)
    }

    fn copies(&self, word: &str) -> usize {
        let has = |one: &Arrived| String::from_utf8_lossy(one.message.bytes()).contains(word);
        self.outside.all().iter().filter(|one| has(one)).count()
    }
}

fn config(back: SocketAddr, portal: SocketAddr) -> String {
    format!(
        r#"
[listen]
smtp = ["127.0.0.1:0"]
portal = "{portal}"
operations = "127.0.0.1:0"
[milter]
listen = ["127.0.0.1:0"]
[portal]
url = "http://{portal}"
[store]
folder = "store"
reserve = "1 MiB"
[smtp]
hostname = "mx.ours.example"
[next_hop]
server = "smtp:{back}"
[delivery]
smarthost = "smtp:{back}"
[notice]
domain = "release.ours.example"
ready = "always"
[dns]
zone = "zone.txt"
[[organisation]]
id = "ours"
name = "Ours Oy"
domains = ["ours.example"]
postmaster = "postmaster@ours.example"
first_contact = "hold"
"#
    )
}

fn mail(from: &str, id: &str, text: &str) -> Vec<u8> {
    format!(
        "From: <{from}>\r\nTo: <anna@ours.example>\r\nSubject: Story {id}\r\n folded\r\n\
         Date: Mon, 23 Nov 2026 02:00:00 +0000\r\nMessage-ID: <{id}@story.example>\r\n\
         Authentication-Results: mx.ours.example; dkim=pass\r\n\r\n{text}\r\n"
    )
    .into_bytes()
}

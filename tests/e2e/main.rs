//! End-to-end stories: the whole gateway over real sockets, with a DNS of its
//! own, an outside world that receives, and (but for the kills) a clock that
//! the story moves. One file per story.

mod appeal;
mod digests;
mod held;
mod killed;
mod letter;
mod memory;
mod operations;
mod recipient;
mod refused;
mod restart;
#[path = "../steps/mod.rs"]
mod steps;

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use reprieve::clock::{Clock, SignedDuration, Timestamp};
use reprieve::demo::client::{Answer, Browser, Page, Sender};
use reprieve::demo::outside::{Arrived, Outside};
use reprieve::gateway::{Config, Gateway, Sockets};

use steps::{furnish, link_in};

/// Longer than this nothing takes, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(30);

/// A gateway with everything around it.
struct House {
    folder: tempfile::TempDir,
    clock: Clock,
    outside: Outside,
    next_hop: SocketAddr,
    gateway: Option<Gateway>,
    /// Keys of the configuration, as on the command line.
    overrides: Vec<String>,
}

impl House {
    async fn new() -> Self {
        Self::with(Vec::new()).await
    }

    async fn with(overrides: Vec<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (outside, next_hop) = steps::outside().await;
        furnish(folder.path());
        let clock = Clock::stopped_at(Timestamp::now());
        let mut house = Self { folder, clock, outside, next_hop, gateway: None, overrides };
        house.start().await;
        house
    }

    async fn start(&mut self) {
        let (sockets, smtp, portal) = sockets();
        let text = config(self.next_hop, smtp, portal);
        let config = Config::parse(&text, self.folder.path(), &self.overrides).unwrap();
        let gateway = Gateway::start(config, sockets, self.clock.clone()).await;
        self.gateway = Some(gateway.unwrap_or_else(|error| panic!("{error}")));
    }

    async fn stop(&mut self) {
        self.gateway.take().expect("it runs").stop().await;
    }

    fn smtp(&self) -> SocketAddr {
        self.gateway.as_ref().expect("it runs").smtp[0]
    }

    async fn send(&self, mail_from: &str, rcpt_to: &[&str], message: &[u8]) -> Answer {
        let mut sender = Sender::connect(self.smtp(), "mail.sender.example").await.unwrap();
        sender.send(mail_from, rcpt_to, message).await.unwrap()
    }

    async fn release(&self, link: &str) {
        steps::release(&self.clock, link).await;
    }

    /// Waits for a mail to this recipient with this Message-ID.
    async fn arrives(&self, recipient: &str, message: &[u8]) -> Arrived {
        let is_it = |one: &Arrived| {
            one.rcpt_to.iter().any(|to| to == recipient) && one.message.bytes().ends_with(message)
        };
        let arrival = tokio::time::timeout(PATIENCE, self.outside.wait_for(is_it));
        arrival.await.expect("what was promised arrives, byte for byte")
    }

    /// Opens a page until it says `word`: the server's answer is written down
    /// just after it was given.
    async fn page_that_says(&self, word: &str, link: &str) -> Page {
        for _ in 0..300 {
            let page = Browser::default().open(link).await.unwrap();
            if page.words().contains(word) {
                return page;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the page never says {word:?}");
    }

    fn copies(&self, message: &[u8]) -> usize {
        self.outside.all().iter().filter(|one| one.message.bytes().ends_with(message)).count()
    }
}

fn sockets() -> (Sockets, SocketAddr, SocketAddr) {
    let bind = || TcpListener::bind("127.0.0.1:0").unwrap();
    let (smtp, portal, operations) = (bind(), bind(), bind());
    let addresses = (smtp.local_addr().unwrap(), portal.local_addr().unwrap());
    let sockets = Sockets {
        smtp: vec![smtp],
        portal: Some(portal),
        operations: Some(operations),
        ..Sockets::default()
    };
    (sockets, addresses.0, addresses.1)
}

fn config(next_hop: SocketAddr, smtp: SocketAddr, portal: SocketAddr) -> String {
    format!(
        r#"
[listen]
smtp = ["{smtp}"]
portal = "{portal}"
operations = "127.0.0.1:0"
[portal]
url = "http://{portal}"
[store]
folder = "store"
reserve = "1 MiB"
[smtp]
hostname = "mx.ours.example"
[next_hop]
server = "smtp:{next_hop}"
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
marketing = "hold"
"#
    )
}

fn mail(from: &str, id: &str, text: &str) -> Vec<u8> {
    format!(
        "From: <{from}>\r\nTo: <anna@ours.example>\r\nSubject: Story {id}\r\n\
         Date: Mon, 23 Nov 2026 02:00:00 +0000\r\nMessage-ID: <{id}@story.example>\r\n\r\n{text}\r\n"
    )
    .into_bytes()
}

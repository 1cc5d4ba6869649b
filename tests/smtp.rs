//! The SMTP door with the real intake behind it: every dialogue, and the
//! pass-through proxy where holds and a next hop meet.

mod dialogue;
mod hop;
mod postfix;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dialogue::{Client, Writes};
use hop::Hop;
use postfix::{Postfix, is_here};
use reprieve::clock::Clock;
use reprieve::config::{Config, MINIMAL};
use reprieve::directory::Directory;
use reprieve::filter::dns::{Dns, Zone};
use reprieve::filter::{self, Filter};
use reprieve::intake::direction::Networks;
use reprieve::intake::smtp::{self, Certificate, Door, NextHop, Server};
use reprieve::intake::{Intake, Parts, Settings};
use reprieve::link::{KeyRing, Links};
use reprieve::mail::Domain;
use reprieve::maillog::Maillog;
use reprieve::notice::{self, Notices, Tools, sign::Signer};
use reprieve::quarantine::{Held, State};
use reprieve::queue::client::Timeouts;
use reprieve::queue::route::{self, Protocol, TlsPolicy};
use reprieve::queue::tls::ClientTls;
use reprieve::queue::{self, Item, Queue};
use reprieve::reputation::{Reputation, standing};
use reprieve::store::Store;
use reprieve::suppression::Suppression;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The test string that is held whoever sends it.
const GTUBE: &str = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";

/// A server on a port of its own, until it is dropped.
struct World {
    address: SocketAddr,
    store: Store,
    stop: CancellationToken,
}

/// Keys that take long to make.
fn keys() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let domain = Domain::parse("notice.example").unwrap();
    notice::sign::generate_dkim(folder.path(), "s1", &domain).unwrap();
    folder
}

impl World {
    async fn start(settings: smtp::Settings, keys: &TempDir) -> Self {
        let (store, clock, maillog) = (Store::in_memory(), Clock::system(), Maillog::default());
        let queue_accepted = settings.next_hop.is_none();
        let intake = intake(keys, &store, &clock, &maillog, queue_accepted);
        let server = Server::new(settings, intake, clock, maillog);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let token = stop.clone();
        tokio::spawn(async move { server.serve(listener, Door::Plain, token).await });
        Self { address, store, stop }
    }

    async fn held(&self) -> Vec<Held> {
        let rows = self.store.page::<Held>(b"", 1000).await.unwrap();
        rows.into_iter().map(|row| row.record).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn intake(
    keys: &TempDir,
    store: &Store,
    clock: &Clock,
    maillog: &Maillog,
    queue_accepted: bool,
) -> Intake {
    let links = Links::new(KeyRing::ephemeral(), "https://mail.example").unwrap();
    let directory = directory();
    let queue = Queue::new(store.clone(), clock.clone(), queue::Settings::default());
    let domain = Domain::parse("notice.example").unwrap();
    let tools = Tools {
        store: store.clone(),
        clock: clock.clone(),
        links: links.clone(),
        directory: directory.clone(),
        queue: queue.clone(),
        suppression: Suppression::new(store.clone(), clock.clone()),
        signer: Signer::open(keys.path(), &domain).unwrap(),
        maillog: maillog.clone(),
    };
    let filter = filter::Settings::default();
    let zone = Zone::parse("sender.example. TXT \"v=spf1 ip4:127.0.0.0/8 -all\"").unwrap();
    let dns = Dns::of_zone(zone, &filter.patience).unwrap();
    Intake::new(Parts {
        settings: Settings {
            host: "mx.ours.example".to_owned(),
            networks: Networks::default(),
            thresholds: filter::policy::Thresholds::default(),
            queue_accepted,
            one_organisation_per_transaction: false,
        },
        clock: clock.clone(),
        store: store.clone(),
        directory: directory.clone(),
        reputation: Reputation::new(store.clone(), clock.clone(), standing::Settings::default()),
        filter: Filter::with_dns(filter, dns, directory, clock.clone()),
        notices: Notices::new(notice::Settings::new(domain), tools),
        queue,
        links,
        maillog: maillog.clone(),
    })
}

/// The organisation of the minimal configuration, as `ours.example`.
fn directory() -> Directory {
    let text = MINIMAL.replace("example.com", "ours.example");
    let config = Config::parse(&text, Path::new("/"), &[]).unwrap();
    Directory::new(config.organisations).unwrap()
}

/// Runs what blocks beside the server.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_dialogue_goes_as_written() {
    let (_folder, chain, key) = hop::certificate("mx.ours.example");
    let certificate = Certificate::load(&chain, &key).unwrap();
    let trusting = ClientTls::trusting(Some(&chain)).unwrap().verified();
    let keys = keys();
    let dialogues = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dialogues");
    for entry in std::fs::read_dir(dialogues).unwrap() {
        let path = entry.unwrap().path();
        let script = std::fs::read_to_string(&path).unwrap();
        for writes in [Writes::Whole, Writes::Split] {
            let settings = smtp::Settings {
                certificate: Some(certificate.clone()),
                ..smtp::Settings::new("mx.ours.example")
            };
            let world = World::start(settings, &keys).await;
            let (address, store) = (world.address, world.store.clone());
            let (script, name, tls) = (script.clone(), path.clone(), Arc::clone(&trusting));
            beside(move || {
                println!("{} {writes:?}", name.display());
                let runtime = tokio::runtime::Handle::current();
                dialogue::run(&script, address, writes, &tls, || {
                    let items = runtime.block_on(store.page::<Item>(b"", 1000)).unwrap().len();
                    items + runtime.block_on(store.page::<Held>(b"", 1000)).unwrap().len()
                });
            })
            .await;
        }
    }
}

async fn in_front_of_a_hop() -> (World, Hop) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hop = Hop::default();
    let next_hop = next_hop(listener.local_addr().unwrap(), None);
    tokio::spawn(hop.clone().serve(listener));
    let settings =
        smtp::Settings { next_hop: Some(next_hop), ..smtp::Settings::new("mx.ours.example") };
    (World::start(settings, &keys()).await, hop)
}

/// Without TLS, or with a certificate that these roots vouch for.
fn next_hop(address: SocketAddr, roots: Option<&Path>) -> NextHop {
    NextHop {
        server: route::NextHop {
            host: address.ip().to_string(),
            port: address.port(),
            protocol: Protocol::Smtp,
            tls: if roots.is_some() { TlsPolicy::Verified } else { TlsPolicy::None },
            helo: "mx.ours.example".to_owned(),
            auth: None,
        },
        tls: ClientTls::trusting(roots).unwrap(),
        timeouts: Timeouts::all(Duration::from_secs(20)),
        ask_recipients: true,
        xforward: true,
    }
}

/// Sends one message and gives the answer to it.
async fn send(world: &World, to: &'static [&'static str], text: &str) -> String {
    let (address, text) = (world.address, text.to_owned());
    beside(move || {
        let mut client = Client::connect(address, Writes::Whole);
        client.reply();
        client.ask("EHLO client.sender.example");
        client.ask("MAIL FROM:<a@sender.example>");
        for to in to {
            let reply = client.ask(&format!("RCPT TO:<{to}>"));
            assert!(reply.starts_with("250"), "{reply}");
        }
        client.ask("DATA");
        let reply = client.ask(&format!(
            "From: a@sender.example\r\nTo: {}\r\nSubject: hello\r\nMessage-ID: <1@sender.example>\r\n\
             Date: Thu, 1 Oct 2026 10:00:00 +0300\r\n\r\n{text}\r\n.",
            to.join(", ")
        ));
        client.ask("QUIT");
        reply
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn clean_mail_passes_and_nothing_of_it_stays() {
    let (world, hop) = in_front_of_a_hop().await;
    let reply = send(&world, &["b@ours.example"], "Good morning.").await;
    assert!(reply.starts_with("250"), "{reply}");
    let messages = hop.messages();
    assert_eq!(messages.len(), 1);
    assert!(
        messages[0].starts_with("Received: ")
            || messages[0].starts_with("Authentication-Results: ")
    );
    assert!(messages[0].ends_with("\r\n\r\nGood morning.\r\n"));
    assert!(world.held().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_held_message_nothing_passes() {
    let (world, hop) = in_front_of_a_hop().await;
    let reply = send(&world, &["b@ours.example"], GTUBE).await;
    assert!(reply.starts_with("550 5.7.1 Message blocked ("), "{reply}");
    assert!(hop.messages().is_empty());
    assert_eq!(world.held().await.len(), 1);
}

/// DESIGN section 6: the next hop's 4xx goes to the client, and its retry adds
/// no second hold and is passed on.
#[tokio::test(flavor = "multi_thread")]
async fn a_retry_after_the_next_hops_4xx_adds_no_second_hold() {
    let (world, hop) = in_front_of_a_hop().await;
    let to = &["postmaster@ours.example", "b@ours.example"];
    hop.answer(".", &["452 4.2.2 full"]);
    assert_eq!(send(&world, to, GTUBE).await, "452 4.2.2 full");
    let held = world.held().await;
    assert_eq!(held.len(), 1);
    hop.messages();

    let reply = send(&world, to, GTUBE).await;
    assert!(reply.starts_with("250"), "{reply}");
    assert_eq!(hop.messages().len(), 1, "postmaster has it now");
    let again = world.held().await;
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].id, held[0].id);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_hops_5xx_withdraws_the_hold() {
    let (world, hop) = in_front_of_a_hop().await;
    hop.answer(".", &["550 5.7.9 never"]);
    let reply = send(&world, &["postmaster@ours.example", "b@ours.example"], GTUBE).await;
    assert_eq!(reply, "550 5.7.9 never");
    let held = world.held().await;
    assert!(held.iter().flat_map(|held| &held.recipients).all(|one| one.state != State::Held));
}

/// A stock smtpd behind us, by a verified certificate: its answer to RCPT, and
/// the message in its queue.
#[tokio::test(flavor = "multi_thread")]
async fn a_real_postfix_takes_what_passes() {
    let (_folder, chain, key) = hop::certificate("127.0.0.1");
    let more = format!(
        "smtpd_tls_security_level = encrypt\nsmtpd_tls_cert_file = {}\nsmtpd_tls_key_file = {}\n\
         smtpd_authorized_xforward_hosts = 127.0.0.1\nrelay_domains = ours.example\n\
         smtpd_recipient_restrictions = check_recipient_access inline:{{gone@ours.example=REJECT}}",
        chain.display(),
        key.display(),
    );
    if !is_here() {
        return;
    }
    let postfix = Postfix::on_hold(&more).await;
    let settings = smtp::Settings {
        next_hop: Some(next_hop(postfix.front(), Some(&chain))),
        ..smtp::Settings::new("mx.ours.example")
    };
    let world = World::start(settings, &keys()).await;

    let reply = send(&world, &["b@ours.example"], "Good morning.\r\n..dot").await;
    assert!(reply.starts_with("250"), "{reply}");
    let kept = postfix.held();
    assert_eq!(kept.len(), 1);
    assert!(kept[0].contains("Received: from client.sender.example"), "{}", kept[0]);
    assert!(kept[0].contains("(Postfix) with ESMTPS id"), "{}", kept[0]);
    assert!(kept[0].ends_with("\n\nGood morning.\n.dot\n"), "{}", kept[0]);
    assert!(world.held().await.is_empty());

    let address = world.address;
    let refused = beside(move || {
        let mut client = Client::connect(address, Writes::Whole);
        client.reply();
        client.ask("EHLO client.sender.example");
        client.ask("MAIL FROM:<a@sender.example>");
        let refused = client.ask("RCPT TO:<gone@ours.example>");
        client.ask("QUIT");
        refused
    })
    .await;
    assert!(refused.starts_with("554 5.7.1 <gone@ours.example>"), "{refused}");
}

//! The whole story on one machine, with nothing installed.
//!
//! Starts the gateway on loopback with two organisations, a DNS of its own
//! and an inbox that plays the outside world; sends real sample mails and
//! prints the pages to open. Headless it plays the story to its end and
//! checks every promise. Its options and its JSON line are a contract that
//! other programs hold us to (DESIGN section 6).

pub mod blocking;
pub mod client;
pub mod corpus;
mod feed;
mod history;
mod inbox;
pub mod outside;
mod post;
mod samples;
mod story;
mod world;

use std::fs::{self, DirBuilder};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use crate::account::{self, Entry, Login};
use crate::clock::Clock;
use crate::gateway::{Config, Errand, Gateway, Sockets};
use crate::link::ring::folder;
use crate::mail::{Address, Domain};
use crate::notice;
use inbox::Inbox;
use outside::Outside;
use post::Post;
use story::Story;
use world::Addresses;

/// The demo's administrator.
const ADMIN: &str = "admin";

/// The command line of `reprieve demo`.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Run the story to its end, then exit.
    pub headless: bool,
    /// Send nothing.
    pub empty: bool,
    /// Print one line of JSON when everything listens.
    pub json: bool,
    pub smtp: Option<SocketAddr>,
    /// Where an MTA may ask; without it, any free port.
    pub milter: Option<SocketAddr>,
    pub portal: Option<SocketAddr>,
    pub inbox: Option<SocketAddr>,
    /// Where the state is kept; without it, in a folder that goes with us.
    pub data: Option<PathBuf>,
    /// `key=value` of the configuration.
    pub set: Vec<String>,
    /// Real mails for the headless story.
    pub corpus: Vec<PathBuf>,
}

/// Runs the demo until it is stopped (SIGINT, SIGTERM), or headless to its
/// end.
///
/// # Errors
/// What kept it from starting, or the first promise that was not kept.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let data = Data::new(options.data.clone())?;
    let doors = Doors::bind(&options)?;
    let at = doors.addresses()?;
    prepare(&data.folder, &at)?;
    let config = Config::read(&data.folder.join("reprieve.toml"), &options.set)?;

    let outside = Outside::default();
    tokio::spawn(outside.clone().serve(listening(doors.outside)?));
    let post = Post { gateway: at.smtp, outside: outside.clone() };
    let portal = format!("http://{}", at.portal);
    let inbox = Inbox { outside: outside.clone(), post: post.clone(), portal: portal.clone() };
    tokio::spawn(inbox.serve(listening(doors.inbox)?));
    let sockets = Sockets {
        smtp: vec![doors.smtp],
        milter: vec![doors.milter],
        portal: Some(doors.portal),
        operations: Some(doors.operations),
        ..Sockets::default()
    };
    let gateway = Gateway::start(config, sockets, Clock::system()).await?;

    let password = account::recovery::fresh().swap_remove(0);
    let login = Login::parse(ADMIN)?;
    let accounts = &gateway.errands().admins.accounts;
    accounts.add_for_demo(login.clone(), &password).await?;
    let address = Some(Address::parse(&format!("{ADMIN}@{}", world::SERVED[0]))?);
    accounts.set_address(&Entry::new("demo", "set-address"), &login, address).await?;

    announce(&options, &at, &password);
    let run = uuid::Uuid::now_v7().simple().to_string();
    let admin = (ADMIN.to_owned(), password);
    let story = Story { post, outside, portal, admin, run, aloud: !options.json };
    let played = if options.headless {
        headless(&story, &at, options.corpus).await
    } else {
        if !options.empty {
            story.send_samples().await?;
            blocking::furnish(&gateway.errands().suppression).await?;
            history::furnish(&gateway.errands().statistics).await?;
            // The recipient's side: what was held, told to her.
            let to = "anna@demo.example".to_owned();
            let sent = gateway.errands().run(Errand::Digest { to }).await;
            sent.map_err(anyhow::Error::msg)?;
        }
        stopped().await
    };
    gateway.stop().await;
    played
}

/// The story, and a corpus before it.
async fn headless(story: &Story, at: &Addresses, corpus: Vec<PathBuf>) -> anyhow::Result<()> {
    if !corpus.is_empty() {
        story.say("Feeding the corpus by SMTP …");
        let fed = feed::feed(at.smtp, corpus).await?;
        feed::print(&fed);
        ensure!(fed.mails > 0, "the corpus has no mails");
        let kept = story.first_releasable(&fed.kept).await?;
        if let Some(kept) = kept {
            story.say("One of them, from hold to delivery:");
            story.release(&kept.link, "").await?;
            story.delivered(&kept.bytes, &format!("bo@{}", world::SERVED[1])).await?;
            story.say("");
        }
    }
    story.play().await
}

/// What is printed when everything listens.
fn announce(options: &Options, at: &Addresses, password: &str) {
    let Addresses { smtp, milter, portal, inbox, operations, .. } = at;
    if options.json {
        let line = serde_json::json!({
            "smtp": smtp.to_string(),
            "portal": format!("http://{portal}"),
            "inbox": format!("http://{inbox}"),
            "milter": milter.to_string(),
            "operations": format!("http://{operations}"),
            "served": world::SERVED,
            "admin": { "login": ADMIN, "password": password },
        });
        println!("{line}");
    } else {
        println!("reprieve demo: everything listens.\n");
        println!(
            "  the outside world   http://{inbox}/   <- open this: letters, bounces, deliveries"
        );
        println!("  for blocked senders http://{portal}/help");
        println!("  for recipients      http://{portal}/me   (as anna@demo.example)");
        println!(
            "  administrators      http://{portal}/admin   login {ADMIN}, password {password}"
        );
        println!("  SMTP                {smtp}   (served: {})", world::SERVED.join(", "));
        println!("  milter              {milter}   (smtpd_milters = inet:{milter})");
        println!("  metrics             http://{operations}/metrics\n");
    }
}

/// SIGINT or SIGTERM.
async fn stopped() -> anyhow::Result<()> {
    let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = term.recv() => {}
    }
    Ok(())
}

/// Keys, zone and configuration; what is there already stays.
fn prepare(folder: &Path, at: &Addresses) -> anyhow::Result<()> {
    let keys = folder.join("keys");
    private_folder(&keys)?;
    if folder::list(&keys)?.is_empty() {
        folder::new(&keys)?;
    }
    let domain = Domain::parse("release.demo.example").context("the notice domain")?;
    if !keys.join("dkim-reprieve.pem").exists() {
        notice::generate_dkim(&keys, "reprieve", &domain)?;
    }
    let records = notice::Signer::open(&keys, &domain)?.records(&domain);
    let dkim = records.first().map(|(_, value)| world::txt(value)).context("no DKIM key")?;
    let zone = folder.join("zone.txt");
    fs::write(&zone, world::zone(&dkim))?;
    fs::write(folder.join("reprieve.toml"), world::config(at, &zone))?;
    Ok(())
}

/// The folder of the demo's state; one of our own making goes with us.
struct Data {
    folder: PathBuf,
    ours: bool,
}

impl Data {
    fn new(chosen: Option<PathBuf>) -> anyhow::Result<Self> {
        let ours = chosen.is_none();
        let name = || format!("reprieve-demo-{}", uuid::Uuid::now_v7());
        let folder = chosen.unwrap_or_else(|| std::env::temp_dir().join(name()));
        private_folder(&folder)?;
        let folder = folder.canonicalize()?;
        Ok(Self { folder, ours })
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        if self.ours {
            // Nothing is lost with it; a leftover is the system's to clean.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

fn private_folder(folder: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("cannot make {}", folder.display()))
}

/// Bound before anything starts, so that every address is known.
struct Doors {
    smtp: TcpListener,
    milter: TcpListener,
    portal: TcpListener,
    inbox: TcpListener,
    operations: TcpListener,
    outside: TcpListener,
}

impl Doors {
    fn bind(options: &Options) -> anyhow::Result<Self> {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        // Ports that are easy to remember, where nobody chose and they are free.
        let usual = |port| if options.headless { 0 } else { port };
        let door = |chosen: Option<SocketAddr>, port: u16| match chosen {
            Some(address) => {
                TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))
            }
            None => TcpListener::bind((Ipv4Addr::LOCALHOST, usual(port)))
                .or_else(|_| TcpListener::bind(any))
                .context("no free port on loopback"),
        };
        Ok(Self {
            smtp: door(options.smtp, 2525)?,
            milter: door(options.milter, 10027)?,
            portal: door(options.portal, 8080)?,
            inbox: door(options.inbox, 8025)?,
            operations: door(None, 0)?,
            outside: door(None, 0)?,
        })
    }

    fn addresses(&self) -> anyhow::Result<Addresses> {
        Ok(Addresses {
            smtp: self.smtp.local_addr()?,
            milter: self.milter.local_addr()?,
            portal: self.portal.local_addr()?,
            inbox: self.inbox.local_addr()?,
            operations: self.operations.local_addr()?,
            outside: self.outside.local_addr()?,
        })
    }
}

fn listening(listener: TcpListener) -> std::io::Result<tokio::net::TcpListener> {
    listener.set_nonblocking(true)?;
    tokio::net::TcpListener::from_std(listener)
}

//! Every room with its settings, from the configuration: nothing listens yet.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::account::{self, Account, Accounts, ApiToken, Cost, Session};
use crate::appeal::{self, Appeal, Appeals};
use crate::clock::{Clock, SignedDuration};
use crate::config::{self, Config};
use crate::delivery::{self, Delivery};
use crate::directory::search::Search;
use crate::directory::{
    self, Directory, DirectoryError, Overlay, Overlays, People, Recipient, Sessions, StoredRule,
};
use crate::filter::demotion::{Demotion, Demotions};
use crate::filter::{self, Filter, catalogue, content, dns, engine, policy, similar};
use crate::intake::direction::Networks;
use crate::intake::{self, Intake, milter, smtp};
use crate::keeper::Keeper;
use crate::lesson::{self, Lesson, Lessons};
use crate::link::{BadBase, KeyError, KeyRing, Links};
use crate::maillog::Maillog;
use crate::notice::{self, Breaker, LastLetter, Notices, SignError, Signer};
use crate::portal::{self, Portal};
use crate::quarantine::{Held, HeldSearch};
use crate::queue::{self, Item, Queue};
use crate::release::{self, Releases};
use crate::reputation::correspondent::Correspondent;
use crate::reputation::{Flag, Flags, History, Reputation, SenderSearch, Standing, Vote, history};
use crate::statistics::{Hour, Statistics};
use crate::store::record::Schema;
use crate::store::{Counter, EmbeddedSettings, IndexEngine, OpenError, Opened, Store};
use crate::suppression::event::Outcome;
use crate::suppression::{Noted, OWN, Suppression};

use super::admins::Admins;
use super::errand::Errands;
use super::hops::{HopError, Hops};
use super::sockets::BindError;

/// Why the gateway does not start. Each is a sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Model(#[from] content::ModelError),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    Store(#[from] OpenError),
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error(transparent)]
    Portal(#[from] BadBase),
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error(transparent)]
    Sign(#[from] SignError),
    #[error("dns: {0}")]
    Dns(#[from] dns::DnsError),
    #[error("filter.weights: {0}")]
    Weights(#[from] catalogue::UnknownFinding),
    #[error("smtp.tls_certificate, smtp.tls_key: {0}")]
    Certificate(#[from] smtp::tls::TlsError),
    #[error(transparent)]
    Hop(#[from] HopError),
    #[error("the lists in the store cannot be read: {0}")]
    Lists(#[from] crate::store::Fault),
    #[error("cannot listen: {0}")]
    Listen(#[from] std::io::Error),
}

/// Every table, as `store verify` sees it.
pub static SCHEMAS: std::sync::LazyLock<Vec<Schema>> = std::sync::LazyLock::new(|| {
    let mut all = vec![
        Schema::of::<Held>(),
        Schema::of::<Item>(),
        Schema::of::<Standing>(),
        Schema::of::<Correspondent>(),
        Schema::of::<history::Tally>(),
        Schema::of::<Counter>(),
        Schema::of::<LastLetter>(),
        Schema::of::<Breaker>(),
        Schema::of::<Recipient>(),
        Schema::of::<StoredRule>(),
        Schema::of::<Overlay>(),
        Schema::of::<Flag>(),
        Schema::of::<Vote>(),
        Schema::of::<Lesson>(),
        Schema::of::<directory::Session>(),
        Schema::of::<Appeal>(),
        Schema::of::<appeal::Told>(),
        Schema::of::<Account>(),
        Schema::of::<Session>(),
        Schema::of::<ApiToken>(),
        Schema::of::<Hour>(),
        Schema::of::<Demotion>(),
        Schema::of::<account::idempotency::Answered>(),
        Schema::of::<account::job::Job>(),
        Schema::of::<account::Entry>(),
    ];
    all.extend(Suppression::schemas());
    all
});

/// Everything, built.
pub(super) struct Rooms {
    pub store: Store,
    pub opened: Opened,
    pub ring: KeyRing,
    pub certificate: Option<smtp::Certificate>,
    pub directory: Directory,
    pub people: People,
    pub sessions: Sessions,
    pub notices: Notices,
    pub smtp: smtp::Server,
    pub milter: milter::Server,
    pub portal: Portal,
    pub delivery: Delivery,
    pub queue: Queue,
    pub suppression: Suppression,
    pub keeper: Keeper,
    pub history: History,
    pub lessons: Lessons,
    pub maillog: Maillog,
    pub errands: Errands,
    pub appeals: Appeals,
    pub search: HeldSearch,
    pub senders: SenderSearch,
    pub recipients: Search<Recipient>,
    pub rules: Search<StoredRule>,
    /// What the console shows of the configuration.
    pub settings: portal::Effective,
    pub statistics: Statistics,
    /// Set once the doors are to close: `/health/ready` says so.
    pub stopping: Arc<AtomicBool>,
}

/// One line a room, from the ground up: splitting it would hide the order.
#[allow(clippy::too_many_lines)]
pub(super) async fn build(config: &Config, clock: Clock) -> Result<Rooms, StartError> {
    let maillog = Maillog::default();
    let ring = KeyRing::open(&config.keys.folder)?;
    let links = Links::new(ring.clone(), &config.portal.url)?;
    let directory = Directory::new(config.organisations.clone())?;
    let signer = Signer::open(&config.keys.folder, &config.notice.domain)?;
    let certificate = match &config.smtp.tls {
        Some(tls) => Some(smtp::Certificate::load(&tls.certificate, &tls.key)?),
        None => None,
    };
    let mut chosen = filter_settings(config)?;
    chosen.engines.maillog = maillog.clone();
    let judging = chosen.model.clone();
    let demotions = Demotions::default();
    chosen.weights = chosen.weights.taken_down(demotions.clone());
    let weights = chosen.weights.clone();
    let filter = Filter::new(chosen, directory.clone(), clock.clone())?;
    let hops = Hops::new(config)?;
    let courier = hops.courier(config, &clock);
    let (store, opened) = open_store(config, &clock).await?;

    demotions.follow(&store).await?;
    let people = People::open(store.clone(), clock.clone(), directory.clone()).await?;
    let overlays = Overlays::open(store.clone(), directory.clone()).await?;
    let reputation = Reputation::new(store.clone(), clock.clone(), config.reputation);
    reputation.history().load().await?;
    let history = reputation.history().clone();
    filter.remember(history.clone());
    let lessons = Lessons::new(
        lesson::Settings {
            file: config.filter.model.clone(),
            people: config.filter.learn.then_some(config.filter.learn_people),
            limits: config.smtp.limits,
        },
        lesson::Tools {
            store: store.clone(),
            clock: clock.clone(),
            directory: directory.clone(),
            model: judging,
            maillog: maillog.clone(),
        },
    );
    let suppression = Suppression::new(store.clone(), clock.clone())
        .with_log(maillog.clone())
        .in_folder(&config.store.folder.join("blocking"))
        .keeping(config.suppression.keep_days);
    suppression.set_own_domains(own_domains(config));
    suppression.load().await?;
    let queue = Queue::new(store.clone(), clock.clone(), queue_settings(config))
        .telling(log_queued(&suppression));
    let notices = Notices::new(
        notice_settings(config),
        notice::Tools {
            store: store.clone(),
            clock: clock.clone(),
            links: links.clone(),
            directory: directory.clone(),
            queue: queue.clone(),
            suppression: suppression.clone(),
            signer,
            maillog: maillog.clone(),
        },
    );
    let flags = Flags::new(
        store.clone(),
        clock.clone(),
        people.clone(),
        reputation.clone(),
        maillog.clone(),
    );
    notices.serve_recipients(people.clone(), flags.clone());
    notices.set_ready(super::ready::letters_may_go(config));
    let releases = Releases::new(
        store.clone(),
        clock.clone(),
        directory.clone(),
        reputation.clone(),
        queue.clone(),
        maillog.clone(),
        release_settings(config),
    );
    let delivery = Delivery::new(
        delivery::Settings {
            workers: config.delivery.workers,
            ..delivery::Settings::new(config.smtp.hostname.clone())
        },
        delivery::Tools {
            store: store.clone(),
            clock: clock.clone(),
            queue: queue.clone(),
            courier,
            filter: filter.clone(),
            directory: directory.clone(),
            reputation: reputation.clone(),
            suppression: suppression.clone(),
            notices: notices.clone(),
            maillog: maillog.clone(),
            marks: ring.clone(),
        },
    );
    let intake = Intake::new(intake::Parts {
        settings: intake_settings(config),
        clock: clock.clone(),
        store: store.clone(),
        directory: directory.clone(),
        reputation: reputation.clone(),
        filter,
        notices: notices.clone(),
        queue: queue.clone(),
        links: links.clone(),
        maillog: maillog.clone(),
    });
    let smtp_settings = smtp_settings(config, certificate.clone(), hops.in_session(config));
    let accounts = Accounts::new(store.clone(), clock.clone(), Cost::FULL);
    let appeals = Appeals::new(
        appeal_settings(config),
        appeal::Tools {
            store: store.clone(),
            clock: clock.clone(),
            directory: directory.clone(),
            releases: releases.clone(),
            flags: flags.clone(),
            history: history.clone(),
            accounts: accounts.clone(),
            notices: notices.clone(),
            maillog: maillog.clone(),
        },
    );
    appeals.fill().await?;
    intake.honour(appeals.grants().clone());
    let sessions = Sessions::new(store.clone(), clock.clone());
    let stopping = Arc::new(AtomicBool::new(false));
    let search = HeldSearch::new(store.clone());
    let senders = SenderSearch::new(store.clone());
    let settings = portal::Effective::default();
    settings.set(effective(config));
    let recipients = Search::new(store.clone());
    let rules = Search::new(store.clone());
    let statistics = Statistics::new(store.clone(), clock.clone(), maillog.clone());
    let console = portal::Console {
        accounts: accounts.clone(),
        store: store.clone(),
        ring: ring.clone(),
        search: search.clone(),
        senders: senders.clone(),
        overlays,
        recipients: recipients.clone(),
        rules: rules.clone(),
        digest: digest(&notices),
        settings: settings.clone(),
        jobs: account::job::Jobs::new(store.clone()),
        reputation: reputation.clone(),
        flags: flags.clone(),
        queue: queue.clone(),
        statistics: statistics.clone(),
        weights,
        suppression: suppression.clone(),
        retry: retry(&delivery),
        letters_stopped: letters_stopped(&notices),
        keys: config.keys.folder.clone(),
    };
    let admins = Admins { accounts, directory: directory.clone(), links: links.clone() };
    let portal = Portal::new(
        portal_settings(config),
        portal::Services {
            links,
            releases: releases.clone(),
            directory: directory.clone(),
            clock: clock.clone(),
            log: maillog.clone(),
            lost: Some(lost(&notices)),
            ready: ready(&store, &stopping),
            console: Some(console),
            recipients: Some(portal::Recipients {
                store: store.clone(),
                people: people.clone(),
                flags,
                sessions: sessions.clone(),
                invite: invite(&notices),
            }),
            appeals: Some(appeals.clone()),
        },
    );
    let milter_settings = milter_settings(config, &smtp_settings);
    Ok(Rooms {
        history,
        lessons,
        milter: milter::Server::new(
            milter_settings,
            intake.clone(),
            clock.clone(),
            maillog.clone(),
        ),
        smtp: smtp::Server::new(smtp_settings, intake, clock.clone(), maillog.clone()),
        keeper: Keeper::new(store.clone(), clock.clone(), notices.clone(), maillog.clone()),
        errands: Errands {
            store: store.clone(),
            suppression: suppression.clone(),
            clock,
            releases,
            notices: notices.clone(),
            queue: queue.clone(),
            delivery: delivery.clone(),
            appeals: appeals.clone(),
            admins,
        },
        appeals,
        search,
        senders,
        recipients,
        rules,
        settings,
        statistics,
        store,
        opened,
        ring,
        certificate,
        directory,
        people,
        sessions,
        notices,
        portal,
        delivery,
        queue,
        suppression,
        maillog,
        stopping,
    })
}

/// The delivery log's line for what the queue takes.
fn log_queued(list: &Suppression) -> queue::Enqueued {
    let list = list.clone();
    Arc::new(move |batch, item| {
        for one in &item.recipients {
            let queued = Outcome::Queued;
            let mut noted = Noted::new(OWN, one.address.clone(), item.created_at, queued);
            noted.id = item.id.to_string();
            noted.return_path = item.mail_from.to_string();
            list.note_queued(batch, &noted);
        }
    })
}

/// Each key of the configuration as the console shows it.
pub(super) fn effective(config: &Config) -> Vec<portal::ConfigKey> {
    let meanings = config::meanings();
    let shown = |one: &config::Effective| portal::ConfigKey {
        key: one.key.clone(),
        meaning: meanings.get(&one.name).cloned().unwrap_or_default(),
        value: one.value.clone(),
        written: one.written,
        secret: one.secret,
    };
    config.effective.iter().map(shown).collect()
}

/// The served domains, as patterns that the blocking list never holds.
pub(super) fn own_domains(config: &Config) -> Vec<String> {
    let domains = config.organisations.iter().flat_map(|one| &one.domains);
    domains.map(|domain| format!("@{domain}")).collect()
}

async fn open_store(config: &Config, clock: &Clock) -> Result<(Store, Opened), StartError> {
    let settings = EmbeddedSettings {
        index: index(config.store.index),
        reserve: config.store.reserve,
        redb_cache: config.store.redb_cache,
        clock: clock.clone(),
        ..EmbeddedSettings::default()
    };
    let folder: PathBuf = config.store.folder.clone();
    let opening = tokio::task::spawn_blocking(move || Store::open(&folder, settings));
    Ok(opening.await.expect("opening a store does not panic")?)
}

/// The engine that the configuration names.
pub fn index(chosen: config::Index) -> IndexEngine {
    match chosen {
        config::Index::Sled => IndexEngine::Sled,
        config::Index::Redb => IndexEngine::Redb,
    }
}

pub(super) fn dns_source(config: &Config) -> dns::Source {
    match &config.dns.zone {
        Some(zone) => dns::Source::Zone(zone.clone()),
        None if config.dns.servers.is_empty() => dns::Source::System,
        None => dns::Source::Servers(config.dns.servers.clone()),
    }
}

pub(super) fn filter_settings(config: &Config) -> Result<filter::Settings, StartError> {
    let defaults = filter::Settings::default();
    let chosen = &config.filter;
    let window =
        |recipients, window, texts| similar::Settings { recipients, window: signed(window), texts };
    Ok(filter::Settings {
        model: model(config)?.into(),
        limits: config.smtp.limits,
        dns: dns_source(config),
        patience: dns::Patience { message: config.dns.timeout, ..defaults.patience },
        weights: catalogue::Weights::with(chosen.weights.clone())?,
        engines: engines(config),
        lists: chosen.lists.clone(),
        trusted_sealers: chosen.trusted_sealers.clone(),
        defer_temperror: chosen.defer_temperror,
        mass: window(chosen.mass_recipients, chosen.mass_window, defaults.mass.texts),
        replay: window(chosen.replay_recipients, chosen.replay_window, defaults.replay.texts),
        ..defaults
    })
}

fn engines(config: &Config) -> engine::Settings {
    let chosen = config.filter.engines.clone();
    let host = config.smtp.hostname.to_string();
    engine::Settings {
        clamd: chosen.clamd,
        rspamd: chosen.rspamd,
        spamd: chosen
            .spamassassin
            .map(|(settings, how)| (engine::spamd::Settings { host, ..settings }, how)),
        ..engine::Settings::default()
    }
}

/// The installation's own model, or the one that comes with the program.
///
/// # Errors
/// [`StartError`] if the installation's own cannot be read.
pub fn model(config: &Config) -> Result<Arc<content::Model>, StartError> {
    let own = &config.filter.model;
    if own.exists() {
        Ok(Arc::new(content::Model::open(own)?))
    } else {
        Ok(content::Model::starter())
    }
}

fn queue_settings(config: &Config) -> queue::Settings {
    let defaults = queue::Settings::default();
    let chosen = &config.delivery;
    queue::Settings {
        schedule: queue::Schedule {
            first: signed(chosen.first_retry),
            longest: signed(chosen.longest_retry),
            lifetime: signed(chosen.lifetime),
        },
        ..defaults
    }
}

fn notice_settings(config: &Config) -> notice::Settings {
    let chosen = &config.notice;
    notice::Settings {
        ceiling: chosen.ceiling,
        per_domain: chosen.per_domain_hour,
        in_all: chosen.per_hour,
        ..notice::Settings::new(chosen.domain.clone())
    }
}

fn release_settings(config: &Config) -> release::Settings {
    let chosen = &config.release;
    release::Settings {
        delay: signed(chosen.delay),
        ceiling: chosen.ceiling,
        per_network: chosen.per_network,
        per_organisation: chosen.per_organisation,
    }
}

fn appeal_settings(config: &Config) -> appeal::Settings {
    let days = |days: u16| SignedDuration::from_hours(24 * i64::from(days));
    let chosen = &config.appeals;
    appeal::Settings { deadline: days(chosen.deadline_days), keep: days(chosen.keep_days) }
}

fn intake_settings(config: &Config) -> intake::Settings {
    intake::Settings {
        host: config.smtp.hostname.to_string(),
        networks: networks(config),
        thresholds: thresholds(config),
        queue_accepted: false,
        one_organisation_per_transaction: config.smtp.one_organisation_per_transaction,
    }
}

fn networks(config: &Config) -> Networks {
    Networks { own: config.networks.own.clone(), relays: config.networks.relays.clone() }
}

pub(super) fn thresholds(config: &Config) -> policy::Thresholds {
    policy::Thresholds { hold: config.filter.hold, correspondent: config.filter.correspondent }
}

fn smtp_settings(
    config: &Config,
    certificate: Option<smtp::Certificate>,
    next_hop: smtp::NextHop,
) -> smtp::Settings {
    let hostname = config.smtp.hostname.to_string();
    let networks = &config.networks;
    let defaults = smtp::Limits::default();
    smtp::Settings {
        limits: smtp::Limits {
            connections: config.smtp.connections,
            connections_per_client: config.smtp.connections_per_client,
            message: config.smtp.limits.size,
            receiving: config.smtp.receiving,
            recipients: config.smtp.recipients,
            ..defaults
        },
        certificate,
        xforward: networks.proxies.clone(),
        xclient: networks.proxies.clone(),
        proxies: networks.proxies.clone(),
        normalised: networks.normalise.clone(),
        uncounted: networks.relays.iter().chain(&networks.proxies).copied().collect(),
        next_hop: Some(next_hop),
        verification: smtp::verification::Times {
            positive: signed(config.next_hop.known_recipients),
            negative: signed(config.next_hop.unknown_recipients),
        },
        ..smtp::Settings::new(hostname)
    }
}

fn milter_settings(config: &Config, smtp: &smtp::Settings) -> milter::Settings {
    milter::Settings {
        allow: config.milter.allow.clone(),
        limits: smtp::Limits { connections: config.milter.connections, ..smtp.limits.clone() },
        normalised: smtp.normalised.clone(),
        ..milter::Settings::new(smtp.hostname.clone())
    }
}

fn portal_settings(config: &Config) -> portal::Settings {
    portal::Settings {
        trusted_proxies: config.portal.proxies.clone(),
        statistics: config.portal.statistics,
        postmaster: config.organisations.first().map(|one| one.contact.postmaster.clone()),
        ..portal::Settings::default()
    }
}

/// `/lost` asks for a letter and does not wait for it.
fn lost(notices: &Notices) -> portal::Lost {
    let notices = notices.clone();
    Arc::new(move |address, network| {
        let notices = notices.clone();
        Box::pin(async move {
            if let Err(fault) = notices.send_lost(&address.to_string(), network).await {
                tracing::warn!(event = "step-failed", worker = "lost", %fault);
            }
        })
    })
}

/// The console's "retry now".
fn retry(delivery: &Delivery) -> portal::Retry {
    let delivery = delivery.clone();
    Arc::new(move |item| {
        let delivery = delivery.clone();
        Box::pin(async move { delivery.retry(item).await })
    })
}

/// Whether the breaker of letters is open.
fn letters_stopped(notices: &Notices) -> portal::Stopped {
    let notices = notices.clone();
    Arc::new(move || {
        let notices = notices.clone();
        Box::pin(async move { Ok(notices.breaker().await?.is_open()) })
    })
}

/// The console's "send his digest now".
fn digest(notices: &Notices) -> portal::SendDigest {
    let notices = notices.clone();
    Arc::new(move |address| {
        let notices = notices.clone();
        Box::pin(async move { notices.digest_now(&address).await })
    })
}

/// The recipient's page asks for a letter and does not wait for it.
fn invite(notices: &Notices) -> portal::recipient::Invite {
    let notices = notices.clone();
    Arc::new(move |address| {
        let notices = notices.clone();
        Box::pin(async move {
            if let Err(fault) = notices.invite(&address).await {
                tracing::warn!(event = "step-failed", worker = "invite", %fault);
            }
        })
    })
}

/// Whether mail is taken, for load balancers.
fn ready(store: &Store, stopping: &Arc<AtomicBool>) -> portal::Ready {
    let (store, stopping) = (store.clone(), Arc::clone(stopping));
    Arc::new(move || {
        if stopping.load(Ordering::Relaxed) {
            return Err("stopping".to_owned());
        }
        super::operations::readiness(&store)
    })
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

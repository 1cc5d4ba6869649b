//! Every room with its settings, from the configuration: nothing listens yet.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::account::{self, Account, Accounts, ApiToken, Cost, Session};
use crate::appeal::{self, Appeal, Appeals};
use crate::clock::Clock;
use crate::config::Config;
use crate::delivery::{self, Delivery};
use crate::directory::search::Search;
use crate::directory::{
    self, Directory, DirectoryError, Overlay, Overlays, People, Recipient, Sessions, StoredRule,
};
use crate::filter::demotion::{Demotion, Demotions};
use crate::filter::{Filter, catalogue, content, dns};
use crate::intake::{self, Intake, milter, smtp};
use crate::keeper::Keeper;
use crate::lesson::{self, Lesson, Lessons};
use crate::link::{BadBase, KeyError, KeyRing, Links};
use crate::maillog::Maillog;
use crate::notice::{self, Breaker, LastLetter, Notices, SignError, Signer};
use crate::portal::{self, Portal};
use crate::quarantine::{Held, HeldSearch, Reported};
use crate::queue::{Item, Queue};
use crate::release::Releases;
use crate::reputation::correspondent::Correspondent;
use crate::reputation::{Flag, Flags, History, Reputation, SenderSearch, Standing, Vote, history};
use crate::statistics::{Hour, Statistics};
use crate::store::record::Schema;
use crate::store::{Counter, EmbeddedSettings, OpenError, Opened, Store};
use crate::suppression::Suppression;

use super::admins::Admins;
use super::errand::Errands;
use super::hooks;
use super::hops::{HopError, Hops};
use super::settings;
use super::sockets::BindError;

/// For so long a start waits for the blocked lists before it opens the doors.
const PATIENCE: Duration = Duration::from_secs(3);

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
        Schema::of::<Reported>(),
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
    let mut chosen = settings::filter(config)?;
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
    let lessons = lessons(config, &store, &clock, &directory, judging, &maillog);
    let suppression = suppression(config, &store, &clock, &maillog).await?;
    let queue = Queue::new(store.clone(), clock.clone(), settings::queue(config))
        .telling(hooks::log_queued(&suppression));
    let notices = Notices::new(
        settings::notice(config),
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
        settings::release(config),
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
        settings: settings::intake(config),
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
    let smtp_settings = settings::smtp(config, certificate.clone(), hops.in_session(config));
    let accounts = Accounts::new(store.clone(), clock.clone(), Cost::FULL, ring.clone());
    let appeals = Appeals::new(
        settings::appeal(config),
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
    let shown = portal::Effective::default();
    shown.set(settings::effective(config));
    let recipients = Search::new(store.clone());
    let rules = Search::new(store.clone());
    let statistics = Statistics::new(store.clone(), clock.clone(), maillog.clone());
    let audit = accounts.audit().clone();
    let console = portal::Console {
        accounts: accounts.clone(),
        store: store.clone(),
        ring: ring.clone(),
        search: search.clone(),
        senders: senders.clone(),
        overlays,
        recipients: recipients.clone(),
        rules: rules.clone(),
        digest: hooks::digest(&notices, &audit),
        settings: shown.clone(),
        jobs: account::job::Jobs::new(store.clone()),
        reputation: reputation.clone(),
        flags: flags.clone(),
        queue: queue.clone(),
        statistics: statistics.clone(),
        weights,
        suppression: suppression.clone(),
        retry: hooks::retry(&delivery, &audit),
        letters_stopped: hooks::letters_stopped(&notices),
        keys: config.keys.folder.clone(),
    };
    let admins = Admins { accounts, directory: directory.clone(), links: links.clone() };
    let portal = Portal::new(
        settings::portal(config),
        portal::Services {
            links,
            releases: releases.clone(),
            directory: directory.clone(),
            clock: clock.clone(),
            log: maillog.clone(),
            lost: Some(hooks::lost(&notices)),
            ready: hooks::ready(&store, &stopping),
            console: Some(console),
            recipients: Some(portal::Recipients {
                store: store.clone(),
                people: people.clone(),
                flags,
                sessions: sessions.clone(),
                invite: hooks::invite(&notices),
            }),
            appeals: Some(appeals.clone()),
        },
    );
    let milter_settings = settings::milter(config, &smtp_settings);
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
            statistics: statistics.clone(),
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
        settings: shown,
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

fn lessons(
    config: &Config,
    store: &Store,
    clock: &Clock,
    directory: &Directory,
    model: content::Current,
    maillog: &Maillog,
) -> Lessons {
    let settings = lesson::Settings {
        file: config.filter.model.clone(),
        people: config.filter.learn.then_some(config.filter.learn_people),
        limits: config.smtp.limits,
    };
    let tools = lesson::Tools {
        store: store.clone(),
        clock: clock.clone(),
        directory: directory.clone(),
        model,
        maillog: maillog.clone(),
    };
    Lessons::new(settings, tools)
}

async fn suppression(
    config: &Config,
    store: &Store,
    clock: &Clock,
    maillog: &Maillog,
) -> Result<Suppression, StartError> {
    let suppression = Suppression::new(store.clone(), clock.clone())
        .with_log(maillog.clone())
        .in_folder(&config.store.folder.join("blocking"))
        .keeping(config.suppression.keep_days);
    suppression.set_own_domains(settings::own_domains(config));
    suppression.load_within(PATIENCE).await?;
    Ok(suppression)
}

async fn open_store(config: &Config, clock: &Clock) -> Result<(Store, Opened), StartError> {
    let settings = EmbeddedSettings {
        index: settings::index(config.store.index),
        reserve: config.store.reserve,
        redb_cache: config.store.redb_cache,
        clock: clock.clone(),
        ..EmbeddedSettings::default()
    };
    let folder: PathBuf = config.store.folder.clone();
    let opening = tokio::task::spawn_blocking(move || Store::open(&folder, settings));
    Ok(opening.await.expect("opening a store does not panic")?)
}

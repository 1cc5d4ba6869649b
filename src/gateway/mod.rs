//! The gateway: builds every room with its settings and runs them.
//!
//! It alone knows all types and alone reads the configuration; nothing is
//! decided here. [`Gateway::start`] answers once everything listens;
//! [`Gateway::stop`] finishes what was promised and closes the store.
//! [`serve`] is the same for a service: systemd's readiness and watchdog
//! (sd_notify(3)), SIGTERM to stop, SIGHUP to read keys, certificates and
//! organisations again.

mod admins;
pub mod blocking;
mod build;
pub mod errand;
mod hooks;
mod hops;
mod keys;
mod limits;
mod operations;
mod ready;
mod settings;
mod sockets;
mod workers;

pub use admins::{AdminErrand, Admins};
pub use build::{SCHEMAS, StartError};
pub use errand::{Errand, Errands};
pub use hops::check_hops;
pub use keys::{KeyDeed, KeyErrand};
pub use ready::{Finding as DnsFinding, check_notice_domain, mark_ready};
pub use settings::{index, model};
pub use sockets::{BindError, Sockets};

pub use crate::config::{Config, ConfigError, Index, LogFormat, MINIMAL, MilterAt, Ready};

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::filter::{self, Filter, policy};
use crate::intake::smtp;
use crate::maillog::Maillog;
use crate::portal;
use build::Rooms;

/// A running gateway.
pub struct Gateway {
    rooms: Rooms,
    /// Closes the doors.
    doors: CancellationToken,
    /// Stops the workers, after the doors are closed.
    workers: CancellationToken,
    open: JoinSet<()>,
    working: JoinSet<()>,
    pub smtp: Vec<SocketAddr>,
    pub milter: Vec<SocketAddr>,
    pub portal: SocketAddr,
    pub operations: SocketAddr,
}

impl Gateway {
    /// Builds everything and opens the doors. Doors without a socket in
    /// `sockets` are bound as the configuration says.
    ///
    /// # Errors
    /// [`StartError`], a sentence for the operator; nothing runs then.
    pub async fn start(config: Config, sockets: Sockets, clock: Clock) -> Result<Self, StartError> {
        limits::raise_open_files();
        // First: a second gateway then ends before it touches the store.
        let sockets = sockets.bind(&config)?;
        let lookups = sockets::all("suppression.socketmap", &config.suppression.socketmap)?;
        let rooms = build::build(&config, clock).await?;
        rooms.report_opening();
        let (doors, workers) = (CancellationToken::new(), CancellationToken::new());
        let mut gateway = Self {
            portal: address(sockets.portal.as_ref()),
            operations: address(sockets.operations.as_ref()),
            smtp: sockets.smtp.iter().map(|one| address(Some(one))).collect(),
            milter: sockets.milter.iter().map(|one| address(Some(one))).collect(),
            rooms,
            doors,
            workers,
            open: JoinSet::new(),
            working: JoinSet::new(),
        };
        gateway.start_workers();
        gateway.follow_logs(&config);
        gateway.open_doors(sockets)?;
        gateway.open_lookups(lookups)?;
        gateway.rooms.maillog.started(env!("CARGO_PKG_VERSION"));
        Ok(gateway)
    }

    /// Closes the doors, finishes what is under way, and leaves the mark of a
    /// clean stop.
    pub async fn stop(mut self) {
        self.rooms.stopping.store(true, Ordering::Relaxed);
        self.doors.cancel();
        while self.open.join_next().await.is_some() {}
        self.workers.cancel();
        while self.working.join_next().await.is_some() {}
        self.rooms.store.close().await;
        self.rooms.maillog.stopped();
    }

    /// Reads keys, certificate and organisations again. What cannot be read
    /// stays as it was, and the log says so.
    pub fn reload(&self, config: &Config) {
        let Rooms { maillog, ring, certificate, directory, notices, .. } = &self.rooms;
        report(maillog, "keys", ring.reload());
        self.encrypt_again();
        if let Some(certificate) = certificate {
            report(maillog, "certificate", certificate.reload());
        }
        report(maillog, "organisations", directory.replace(config.organisations.clone()));
        notices.set_ready(ready::letters_may_go(config));
        self.rooms.suppression.set_own_domains(settings::own_domains(config));
        // The other keys count after a restart only.
        let is_organisation = |one: &portal::ConfigKey| one.key.starts_with("organisation");
        let mut shown = self.rooms.settings.all().to_vec();
        shown.retain(|one| !is_organisation(one));
        shown.extend(settings::effective(config).into_iter().filter(is_organisation));
        self.rooms.settings.set(shown);
    }

    /// The log and its counters.
    pub fn maillog(&self) -> &Maillog {
        &self.rooms.maillog
    }

    /// What operators may ask.
    pub fn errands(&self) -> &Errands {
        &self.rooms.errands
    }

    /// The setup link of the first operator, if nobody can log in yet.
    ///
    /// # Errors
    /// [`Fault`](crate::store::Fault) if the store cannot read or write.
    pub async fn first_operator_link(&self) -> Result<Option<String>, crate::store::Fault> {
        let admins = &self.rooms.errands.admins;
        let first = admins.accounts.first_operator().await?;
        Ok(first.map(|(login, secret)| admins.setup_link(&login, &secret)))
    }

    /// What stands in the store encrypted with a key that is not the active
    /// one is encrypted anew, so that the old key can be retired.
    fn encrypt_again(&self) {
        let accounts = self.rooms.errands.admins.accounts.clone();
        let maillog = self.rooms.maillog.clone();
        tokio::spawn(async move {
            match accounts.encrypt_again().await {
                Ok(lost) => {
                    for login in lost {
                        let error = crate::account::LoginRefused::Unreadable(login);
                        maillog.step_failed("accounts", &error.to_string());
                    }
                }
                Err(fault) => maillog.step_failed("accounts", &fault.to_string()),
            }
        });
    }

    /// Where Postfix asks whether an address is suppressed.
    fn open_lookups(&mut self, listeners: Vec<std::net::TcpListener>) -> Result<(), StartError> {
        for listener in listeners {
            let listener = sockets::listening(listener)?;
            let (list, stop) = (self.rooms.suppression.clone(), self.doors.clone());
            self.open.spawn(crate::suppression::socketmap::serve(list, listener, stop));
        }
        Ok(())
    }

    fn open_doors(&mut self, sockets: Sockets) -> Result<(), StartError> {
        let plain = sockets.smtp.into_iter().map(|one| (one, smtp::Door::Plain));
        let proxied = sockets.smtp_proxied.into_iter().map(|one| (one, smtp::Door::Proxied));
        for (listener, door) in plain.chain(proxied) {
            let listener = sockets::listening(listener)?;
            let (server, stop) = (self.rooms.smtp.clone(), self.doors.clone());
            self.open.spawn(async move { server.serve(listener, door, stop).await });
        }
        for listener in sockets::milters(sockets.milter, sockets.milter_unix)? {
            let (server, stop) = (self.rooms.milter.clone(), self.doors.clone());
            self.open.spawn(async move { server.serve(listener, stop).await });
        }
        if let Some(listener) = sockets.portal {
            let listener = sockets::listening(listener)?;
            let (portal, stop) = (self.rooms.portal.clone(), self.doors.clone());
            self.open.spawn(portal.serve(listener, stop.cancelled_owned()));
        }
        if let Some(listener) = sockets.operations {
            let listener = sockets::listening(listener)?;
            let operations = operations::Operations {
                maillog: self.rooms.maillog.clone(),
                store: self.rooms.store.clone(),
                ring: self.rooms.ring.clone(),
                errands: self.rooms.errands.clone(),
            };
            let stop = self.doors.clone();
            self.open.spawn(operations::serve(operations, listener, stop.cancelled_owned()));
        }
        Ok(())
    }
}

impl Rooms {
    /// What opening the store found goes to the log.
    fn report_opening(&self) {
        let opened = &self.opened;
        if let Some(reason) = &opened.rebuilt {
            self.maillog.index_rebuilt(reason, opened.records, Duration::ZERO);
        }
        if let Some(torn) = &opened.torn {
            tracing::warn!(
                event = "torn-end-cut", file = %torn.file.display(), bytes = torn.bytes,
                aside = %torn.aside.display(),
            );
        }
    }
}

/// Runs the gateway as a service until SIGTERM or SIGINT.
///
/// # Errors
/// [`StartError`]; a configuration that cannot be read again on SIGHUP is
/// only logged.
pub async fn serve(
    file: PathBuf,
    overrides: Vec<String>,
    config: Config,
) -> Result<(), StartError> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hup = signal(SignalKind::hangup())?;
    let sockets = Sockets::from_systemd()?;
    let gateway = Gateway::start(config, sockets, Clock::system()).await?;
    tell_systemd(&[sd_notify::NotifyState::Ready]);
    match gateway.first_operator_link().await {
        Ok(Some(link)) => eprintln!(
            "reprieve: there is no administrator yet. Set up the first within a day: {link}"
        ),
        Ok(None) => {}
        Err(fault) => gateway.maillog().step_failed("first operator", &fault.to_string()),
    }
    let mut dog = tokio::time::interval(watchdog());
    loop {
        tokio::select! {
            _ = term.recv() => break,
            _ = int.recv() => break,
            _ = hup.recv() => match Config::read(&file, &overrides) {
                Ok(config) => gateway.reload(&config),
                Err(error) => {
                    gateway.maillog().reload_failed("configuration", &error.to_string());
                }
            },
            // A store that hangs or is poisoned needs a restart: no bark, and
            // systemd makes it.
            _ = dog.tick() => if operations::is_alive(&gateway.rooms.store) {
                tell_systemd(&[sd_notify::NotifyState::Watchdog]);
            },
        }
    }
    tell_systemd(&[sd_notify::NotifyState::Stopping]);
    gateway.stop().await;
    Ok(())
}

/// Half of what systemd waits for; without a watchdog, seldom.
fn watchdog() -> Duration {
    sd_notify::watchdog_enabled().map_or(Duration::from_hours(1), |every| every / 2)
}

/// Without systemd nobody listens, and that is well.
fn tell_systemd(state: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "systemd could not be told");
    }
}

/// Reads a configuration for the commands.
///
/// # Errors
/// [`ConfigError`], which says what to change.
pub fn read(path: &Path, overrides: &[String]) -> Result<Config, ConfigError> {
    Config::read(path, overrides)
}

/// Filter and thresholds alone, for `replay`. Mail from files cannot wait, so
/// what DNS does not answer is judged without; `authenticate`: ask it at all.
///
/// # Errors
/// [`StartError`] if there is no resolver.
pub fn judge(
    config: &Config,
    clock: Clock,
    authenticate: bool,
) -> Result<(Filter, policy::Thresholds), StartError> {
    let directory = crate::directory::Directory::new(config.organisations.clone())?;
    let settings = settings::filter(config)?;
    let settings = filter::Settings { authenticate, defer_temperror: false, ..settings };
    let filter = Filter::new(settings, directory, clock)?;
    Ok((filter, settings::thresholds(config)))
}

/// Everything but doors and workers, for commands on a stopped gateway.
///
/// # Errors
/// [`StartError`]; [`OpenError::Locked`](crate::store::OpenError::Locked) if
/// it runs.
pub async fn open(config: &Config) -> Result<Opened, StartError> {
    let rooms = build::build(config, Clock::system()).await?;
    Ok(Opened { rooms })
}

/// A stopped gateway's rooms.
pub struct Opened {
    rooms: Rooms,
}

impl Opened {
    pub fn errands(&self) -> &Errands {
        &self.rooms.errands
    }

    pub async fn close(self) {
        self.rooms.store.close().await;
    }
}

fn report<E: std::fmt::Display>(maillog: &Maillog, what: &'static str, result: Result<(), E>) {
    match result {
        Ok(()) => maillog.reloaded(what),
        Err(error) => maillog.reload_failed(what, &error.to_string()),
    }
}

fn address(listener: Option<&std::net::TcpListener>) -> SocketAddr {
    let local = listener.and_then(|listener| listener.local_addr().ok());
    local.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)))
}

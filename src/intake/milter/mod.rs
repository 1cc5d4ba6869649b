//! The milter door: beside an MTA that asks about each message.
//!
//! [`Server`] accepts MTAs over TCP, from listed networks only since the
//! protocol has no authentication, and over Unix sockets, whose folder says
//! who may. A [`session`] speaks [`packet`]s over a [`wire`] and gathers a
//! [`transaction`]; the intake decides, exactly as for SMTP, and its answer
//! becomes [`verdict`] packets. What passes goes on in the MTA; what is held
//! is durable here before the MTA is told to discard or to refuse it.

mod macros;
pub mod packet;
mod session;
#[cfg(test)]
mod tests;
mod transaction;
mod verdict;
mod wire;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ipnet::IpNet;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::session::Session;
use self::wire::{Patience, Stream, Wire};
use super::Intake;
use super::smtp::limits::{Budget, Gate, Limits};
use crate::clock::Clock;
use crate::maillog::Maillog;

/// After `accept` failed (no file descriptors left), before it is tried again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How the door behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Networks of MTAs that may connect over TCP.
    pub allow: Vec<IpNet>,
    /// Messages, recipients, connections, time for the end: as for SMTP.
    pub limits: Limits,
    /// Networks whose lone CR or LF become CRLF instead of a refusal.
    pub normalised: Vec<IpNet>,
    /// Our name in Authentication-Results: fields that claim it are removed.
    pub host: String,
    /// An MTA may be silent for so long: an SMTP client of its may be.
    pub silence: Duration,
    /// The answer to a message comes within this time, by then as a 4xx:
    /// well inside Postfix's `milter_content_timeout` of 300 s.
    pub answer: Duration,
    /// Between two words of progress while checks are at work.
    pub progress: Duration,
}

impl Settings {
    /// Nobody may connect over TCP.
    pub fn new(host: impl Into<String>) -> Self {
        Self {
            allow: Vec::new(),
            limits: Limits::default(),
            normalised: Vec::new(),
            host: host.into(),
            silence: Duration::from_secs(7210),
            answer: Duration::from_mins(4),
            progress: Duration::from_secs(20),
        }
    }
}

/// A door that is open.
#[derive(Debug)]
pub enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// The milter. Clones share counts and limits.
#[derive(Clone)]
pub struct Server {
    shared: Arc<Shared>,
}

/// What all sessions share.
struct Shared {
    settings: Settings,
    intake: Intake,
    clock: Clock,
    maillog: Maillog,
    budget: Budget,
    gate: Arc<Gate>,
    sessions: AtomicU64,
}

enum Accepted {
    Tcp(TcpStream, IpAddr),
    Unix(UnixStream),
}

impl Server {
    pub fn new(settings: Settings, intake: Intake, clock: Clock, maillog: Maillog) -> Self {
        let gate = Gate::new(&settings.limits);
        let budget = Budget::new(&settings.limits);
        // The ids need only differ from those of the process before.
        let sessions = AtomicU64::new(getrandom::u64().unwrap_or_default() >> 16);
        Self {
            shared: Arc::new(Shared { settings, intake, clock, maillog, budget, gate, sessions }),
        }
    }

    /// Serves `listener` until `stop`. Connections between messages then end;
    /// messages may be answered within [`Limits::shutdown`].
    pub async fn serve(&self, listener: Listener, stop: CancellationToken) {
        let sessions = TaskTracker::new();
        let abort = CancellationToken::new();
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            let accepted = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    self.shared.maillog.step_failed("milter", &error.to_string());
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let (server, stop, abort) = (self.clone(), stop.clone(), abort.clone());
            sessions.spawn(async move {
                tokio::select! {
                    () = server.connection(accepted, stop) => {}
                    () = abort.cancelled() => {}
                }
            });
        }
        sessions.close();
        if timeout(self.shared.settings.limits.shutdown, sessions.wait()).await.is_err() {
            abort.cancel();
            sessions.wait().await;
        }
    }

    async fn connection(&self, accepted: Accepted, stop: CancellationToken) {
        let Shared { settings, maillog, gate, .. } = &*self.shared;
        let from = match &accepted {
            Accepted::Tcp(_, peer) => *peer,
            Accepted::Unix(_) => IpAddr::from([127, 0, 0, 1]),
        };
        let Ok(_pass) = gate.enter() else {
            return maillog.connection_refused(from, "milter-full");
        };
        match accepted {
            Accepted::Tcp(stream, peer) => {
                if !settings.allow.iter().any(|network| network.contains(&peer)) {
                    return maillog.connection_refused(peer, "milter-unlisted");
                }
                // Answers are whole when they are written.
                let _ = stream.set_nodelay(true);
                self.session(stream, stop).await;
            }
            Accepted::Unix(stream) => self.session(stream, stop).await,
        }
    }

    async fn session<S: Stream>(&self, stream: S, stop: CancellationToken) {
        let Shared { settings, sessions, .. } = &*self.shared;
        let patience = Patience { silence: settings.silence, packet: settings.limits.command };
        let id = format!("{:012x}", sessions.fetch_add(1, Ordering::Relaxed));
        let wire = Wire::new(stream, patience);
        Session::new(Arc::clone(&self.shared), wire, id, stop).run().await;
    }
}

impl Listener {
    async fn accept(&self) -> std::io::Result<Accepted> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok(Accepted::Tcp(stream, peer.ip().to_canonical()))
            }
            Self::Unix(listener) => Ok(Accepted::Unix(listener.accept().await?.0)),
        }
    }
}

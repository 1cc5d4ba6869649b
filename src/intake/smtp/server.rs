//! Accepts connections, and ends them in order.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::intake::Intake;
use crate::mail::Reply;
use crate::maillog::Maillog;

use super::judge::Judge;
use super::limits::{Budget, COMMAND_BYTES, Crowded, Gate, Pass};
use super::session::Session;
use super::verification::Verification;
use super::wire::{Stream, Wire};
use super::{Settings, listed, proxy};

/// The SMTP server. Clones share counts and limits, so that several
/// listeners are one server.
#[derive(Clone)]
pub struct Server {
    shared: Arc<Shared>,
}

/// What all sessions share.
pub struct Shared {
    pub settings: Settings,
    pub judge: Judge,
    pub clock: Clock,
    pub maillog: Maillog,
    pub budget: Budget,
    pub verification: Verification,
    gate: Arc<Gate>,
    sessions: AtomicU64,
}

/// What a connection to a listener begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// The client itself.
    Plain,
    /// A PROXY header, version 1 or 2, always.
    Proxied,
}

/// After `accept` failed (no file descriptors left), before it is tried again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long a client that is turned away at once may take to read why.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(2);

impl Server {
    pub fn new(settings: Settings, intake: Intake, clock: Clock, maillog: Maillog) -> Self {
        Self::with_judge(settings, Judge::Intake(intake), clock, maillog)
    }

    pub(super) fn with_judge(
        settings: Settings,
        judge: Judge,
        clock: Clock,
        maillog: Maillog,
    ) -> Self {
        let gate = Gate::new(&settings.limits);
        let budget = Budget::new(&settings.limits);
        let verification = Verification::new(settings.verification);
        // The ids need only differ from those of the process before.
        let sessions = AtomicU64::new(getrandom::u64().unwrap_or_default() >> 16);
        Self {
            shared: Arc::new(Shared {
                settings,
                judge,
                clock,
                maillog,
                budget,
                verification,
                gate,
                sessions,
            }),
        }
    }

    /// Serves `listener` until `stop`. Idle clients are then told 421;
    /// transactions may end within [`Limits::shutdown`](super::Limits).
    pub async fn serve(&self, listener: TcpListener, door: Door, stop: CancellationToken) {
        let sessions = TaskTracker::new();
        let abort = CancellationToken::new();
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    self.shared.maillog.step_failed("smtp", &error.to_string());
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Ok(pass) = self.shared.gate.enter() else {
                self.shared.maillog.connection_refused(peer.ip(), "server-full");
                turn_away_at_once(&stream);
                continue;
            };
            let (server, stop, abort) = (self.clone(), stop.clone(), abort.clone());
            sessions.spawn(async move {
                tokio::select! {
                    () = server.connection(stream, peer, door, pass, stop) => {}
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

    async fn connection(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        door: Door,
        pass: Pass,
        stop: CancellationToken,
    ) {
        // Replies are whole when they are written.
        let _ = stream.set_nodelay(true);
        let peer = peer.ip().to_canonical();
        let mut wire = Wire::new(Stream::Plain(stream), COMMAND_BYTES);
        let client = match door {
            Door::Plain => peer,
            Door::Proxied => match self.proxied(&mut wire, peer).await {
                Ok(client) => client,
                Err(reply) => return turn_away(wire, &reply).await,
            },
        };
        self.session(wire, peer, client, pass, stop).await;
    }

    /// Runs one session on a stream that is ready for the greeting.
    pub(super) async fn session(
        &self,
        mut wire: Wire,
        peer: IpAddr,
        client: IpAddr,
        mut pass: Pass,
        stop: CancellationToken,
    ) {
        if !listed(&self.shared.settings.uncounted, client)
            && let Err(crowded) = pass.count_for(client)
        {
            self.shared.maillog.connection_refused(client, "too-many");
            return turn_away(wire, &crowded_reply(crowded)).await;
        }
        if listed(&self.shared.settings.normalised, client) {
            wire.normalise();
        }
        let number = self.shared.sessions.fetch_add(1, Ordering::Relaxed);
        let id = format!("{number:012x}");
        let session = Session::new(Arc::clone(&self.shared), wire, peer, client, id, stop);
        // A session is large, and a task is moved before it runs.
        Box::pin(session.run()).await;
    }

    async fn proxied(&self, wire: &mut Wire, peer: IpAddr) -> Result<IpAddr, Reply> {
        let settings = &self.shared.settings;
        if !listed(&settings.proxies, peer) {
            self.shared.maillog.connection_refused(peer, "proxy-unlisted");
            return Err(Reply::new(550, (5, 7, 1), "Only listed proxies may connect here"));
        }
        proxy::read_header(wire, settings.limits.command)
            .await
            .map(|client| client.unwrap_or(peer))
            .map_err(|_| {
                self.shared.maillog.connection_refused(peer, "proxy-header");
                Reply::new(550, (5, 5, 0), "A PROXY header must come first")
            })
    }

    #[cfg(test)]
    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    #[cfg(test)]
    pub(super) fn enter(&self) -> Pass {
        self.shared.gate.enter().unwrap()
    }
}

fn crowded_reply(crowded: Crowded) -> Reply {
    Reply::new(421, (4, 7, 0), crowded.to_string())
}

async fn turn_away(mut wire: Wire, reply: &Reply) {
    wire.say(reply);
    wire.close(REFUSAL_PATIENCE).await;
}

/// The server is full: a task for each further client would not be bounded.
fn turn_away_at_once(stream: &TcpStream) {
    let _ = stream.try_write(format!("{}\r\n", crowded_reply(Crowded::Server)).as_bytes());
}

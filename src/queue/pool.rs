//! Connections to one next hop: bounded in number, kept a short while for the
//! next message, and none for a while after the hop could not be reached.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::clock::{Clock, SignedDuration, Timestamp};
use crate::queue::client::Connection;

/// Bounds of the connections to each next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Connections at the same time.
    pub connections: usize,
    /// How long an unused connection is kept.
    pub idle: Duration,
    /// Messages over one connection.
    pub messages: u32,
    /// How long a hop that could not be reached is left alone: until then its
    /// mail is answered with what was wrong, without another attempt.
    pub rest: SignedDuration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: 4,
            idle: Duration::from_secs(30),
            messages: 100,
            rest: SignedDuration::from_secs(30),
        }
    }
}

/// The connections to one next hop.
pub(super) struct Pool {
    permits: Arc<Semaphore>,
    bounds: Bounds,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    idle: Vec<Idle>,
    /// Until when the hop rests, and why.
    resting: Option<(Timestamp, String)>,
}

/// A connection between two transactions.
pub(super) struct Idle {
    pub connection: Connection,
    /// Messages that it has carried.
    pub messages: u32,
    since: Instant,
}

impl Pool {
    pub fn new(bounds: Bounds, clock: Clock) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(bounds.connections)),
            bounds,
            clock,
            state: Mutex::default(),
        }
    }

    /// The right to use one connection; `None` while all are in use.
    pub fn reserve(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.permits).try_acquire_owned().ok()
    }

    /// An unused connection that the server has not spoken on.
    pub fn take(&self) -> Option<Idle> {
        let mut state = self.lock();
        self.drop_stale(&mut state);
        state.idle.pop()
    }

    /// Keeps a connection for the next message, if it may carry another.
    /// The hop answers, so its rest is over.
    pub fn give_back(&self, connection: Connection, messages: u32) {
        let mut state = self.lock();
        state.resting = None;
        if messages < self.bounds.messages && !connection.has_unread() {
            state.idle.push(Idle { connection, messages, since: Instant::now() });
        }
    }

    /// The hop could not be reached.
    pub fn rest(&self, why: &str) {
        let until = self.clock.now() + self.bounds.rest;
        self.lock().resting = Some((until, why.to_owned()));
    }

    /// Why the hop is left alone now.
    pub fn resting(&self) -> Option<String> {
        let mut state = self.lock();
        let now = self.clock.now();
        state.resting.take_if(|(until, _)| *until <= now);
        state.resting.as_ref().map(|(_, why)| why.clone())
    }

    /// Closes what has been unused for too long.
    pub fn sweep(&self) {
        self.drop_stale(&mut self.lock());
    }

    fn drop_stale(&self, state: &mut State) {
        let idle = self.bounds.idle;
        // Closing without QUIT: RFC 5321 asks for it, every server copes, and
        // nobody should wait for a server here.
        state.idle.retain(|one| one.since.elapsed() < idle && !one.connection.has_unread());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! The servers of one engine: asked in turn, left alone when they are silent.
//!
//! A server that fails three times in a row is not asked for half a minute;
//! then one question tries it again (a breaker), so that a dead engine costs
//! nothing but that question. Nothing that a server says is trusted to end:
//! every attempt has a time limit.

use std::fmt;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};

/// Servers that one question tries.
const TRIES: usize = 2;
/// Failures in a row after which a server is left alone.
const FAILURES: u32 = 3;
/// How long it is left alone.
const PAUSE: Duration = Duration::from_secs(30);

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

/// No server gave an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Silence(pub String);

/// The servers of one engine.
pub struct Servers {
    all: Vec<Server>,
    patience: Duration,
    turn: AtomicUsize,
}

struct Server {
    place: Arc<Place>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    failures: u32,
    /// Not asked before this.
    rests_until: Option<Instant>,
}

impl Servers {
    /// `patience`: for one server's answer; a question asks two at most.
    pub fn new(places: &[Place], patience: Duration) -> Self {
        let server =
            |place: &Place| Server { place: Arc::new(place.clone()), state: Mutex::default() };
        Self { all: places.iter().map(server).collect(), patience, turn: AtomicUsize::new(0) }
    }

    /// Asks one server, and another if that one fails.
    ///
    /// # Errors
    /// [`Silence`] with the last failure, or that all are being left alone.
    pub async fn ask<T, F>(&self, ask: impl Fn(Arc<Place>) -> F) -> Result<T, Silence>
    where
        F: Future<Output = io::Result<T>>,
    {
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut silence = Silence("every server failed lately and is left alone".to_owned());
        let mut tries = TRIES;
        for at in 0..self.all.len() {
            let server = &self.all[(first.wrapping_add(at)) % self.all.len()];
            if tries == 0 || !server.may_be_asked() {
                continue;
            }
            tries -= 1;
            let failure = match timeout(self.patience, ask(Arc::clone(&server.place))).await {
                Ok(Ok(answer)) => {
                    server.answered();
                    return Ok(answer);
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("no answer within {} ms", self.patience.as_millis()),
            };
            server.failed();
            silence = Silence(format!("{}: {failure}", server.place));
        }
        Err(silence)
    }
}

impl Server {
    /// Of those that ask while the pause ends, one is let through.
    fn may_be_asked(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.rests_until {
            Some(until) if Instant::now() < until => false,
            Some(_) => {
                state.rests_until = Some(Instant::now() + PAUSE);
                true
            }
            None => true,
        }
    }

    fn answered(&self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = State::default();
    }

    fn failed(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.failures = state.failures.saturating_add(1);
        if state.failures >= FAILURES {
            state.rests_until = Some(Instant::now() + PAUSE);
        }
    }
}

impl Place {
    /// `host:port`, `[address]:port` or `/path`.
    pub fn parse(text: &str) -> Option<Self> {
        if text.starts_with('/') {
            return Some(Self::Unix(PathBuf::from(text)));
        }
        let (host, port) = text.rsplit_once(':')?;
        let port = port.parse().ok().filter(|port| *port != 0)?;
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        let sound = bare.parse::<std::net::Ipv6Addr>().is_ok()
            || (!bare.is_empty() && bare == host && bare.chars().all(name));
        sound.then(|| Self::Tcp { host: bare.to_owned(), port })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(port: u16) -> Place {
        Place::Tcp { host: "engine.example".into(), port }
    }

    fn port(place: &Place) -> u16 {
        match place {
            Place::Tcp { port, .. } => *port,
            Place::Unix(_) => 0,
        }
    }

    #[test]
    fn places_are_read() {
        assert_eq!(Place::parse("engine.example:1"), Some(place(1)));
        let six = Place::parse("[::1]:3310").unwrap();
        assert_eq!(six, Place::Tcp { host: "::1".into(), port: 3310 });
        assert_eq!(six.to_string(), "[::1]:3310");
        assert_eq!(Place::parse("/run/clamd"), Some(Place::Unix("/run/clamd".into())));
        for bad in ["", "host", "host:0", "host:x", ":1", "a b:1", "http://a:1"] {
            assert_eq!(Place::parse(bad), None, "{bad}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn another_server_is_asked_when_one_fails_or_hangs() {
        let servers = Servers::new(&[place(1), place(2)], Duration::from_secs(1));
        for _ in 0..4 {
            let ask = async |place: Arc<Place>| match port(&place) {
                1 => std::future::pending().await,
                port => Ok(port),
            };
            assert_eq!(servers.ask(ask).await, Ok(2));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_server_is_left_alone_and_tried_again() {
        let servers = Servers::new(&[place(1)], Duration::from_secs(1));
        let asked = AtomicUsize::new(0);
        let refuse = async |_| {
            asked.fetch_add(1, Ordering::Relaxed);
            Err::<(), _>(io::Error::other("refused"))
        };
        for _ in 0..10 {
            assert!(servers.ask(refuse).await.is_err());
        }
        assert_eq!(asked.load(Ordering::Relaxed), 3, "the breaker opens");
        tokio::time::advance(PAUSE).await;
        for _ in 0..10 {
            assert!(servers.ask(refuse).await.is_err());
        }
        assert_eq!(asked.load(Ordering::Relaxed), 4, "one question tries it");
        tokio::time::advance(PAUSE).await;
        assert_eq!(servers.ask(async |_| Ok(7)).await, Ok(7));
        assert!(servers.ask(refuse).await.is_err());
        assert_eq!(asked.load(Ordering::Relaxed), 5, "an answer closes the breaker");
    }
}

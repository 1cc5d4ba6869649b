//! Unit tests of the door: a script in the place of the intake.

mod dialogues;
mod next_hop;
mod normalised;
mod passing;
mod time;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::judge::Judge;
use super::{Door, Server, Settings};
use crate::clock::Clock;

use crate::intake::Answer;
use crate::mail::{Address, Envelope, Message, Reply};
use crate::maillog::Maillog;

/// What the script was asked, and what it answers.
#[derive(Clone, Default)]
pub struct Script {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
pub struct Inner {
    pub received: Vec<(Envelope, Message)>,
    pub answer: Option<Answer>,
    pub unready: Option<Reply>,
    pub withdrawn: Vec<uuid::Uuid>,
    pub remembered: Vec<Vec<usize>>,
}

#[allow(clippy::unused_self, reason = "it stands for the intake")]
impl Script {
    pub fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// Serves every domain that does not begin with `other`.
    pub fn recipient(&self, _: &Envelope, recipient: &Address) -> Option<Reply> {
        let foreign = recipient.domain().as_str().starts_with("other");
        foreign.then(|| Reply::new(550, (5, 7, 1), "Relaying is not permitted"))
    }

    pub fn ends_here(&self, recipient: &Address) -> bool {
        recipient.local() == "letter+key"
    }

    pub fn postmaster(&self) -> Option<Address> {
        Address::parse("postmaster@ours.example").ok()
    }

    pub fn receive(&self, envelope: &Envelope, message: &Message) -> Answer {
        let mut inner = self.inner();
        inner.received.push((envelope.clone(), message.clone()));
        inner.answer.clone().unwrap_or_else(|| Answer {
            pass: Vec::new(),
            head: String::new(),
            reply: Reply::new(250, (2, 0, 0), "Ok"),
            own: false,
            held: None,
        })
    }

    pub fn withdraw(&self, held: uuid::Uuid) {
        self.inner().withdrawn.push(held);
    }

    pub fn passed_before(&self, _: &Envelope, _: &Message) -> Vec<usize> {
        self.inner().remembered.last().cloned().unwrap_or_default()
    }

    pub fn remember_passed(&self, _: &Envelope, _: &Message, slots: &[usize]) {
        self.inner().remembered.push(slots.to_vec());
    }
}

/// A server that runs until it is dropped.
pub struct Running {
    pub address: SocketAddr,
    pub script: Script,
    pub stop: CancellationToken,
    pub server: Server,
    task: Option<tokio::task::JoinHandle<()>>,
}

impl Running {
    pub async fn start(settings: Settings) -> Self {
        Self::at_door(settings, Door::Plain).await
    }

    pub async fn at_door(settings: Settings, door: Door) -> Self {
        let script = Script::default();
        let server = server(settings, &script);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let (one, token) = (server.clone(), stop.clone());
        let task = Some(tokio::spawn(async move { one.serve(listener, door, token).await }));
        Self { address, script, stop, server, task }
    }

    /// Stops in order.
    pub async fn end(mut self) {
        self.stop.cancel();
        self.task.take().unwrap().await.unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub fn server(settings: Settings, script: &Script) -> Server {
    let judge = Judge::Script(script.clone());
    Server::with_judge(settings, judge, Clock::system(), Maillog::default())
}

pub fn settings() -> Settings {
    Settings::new("mx.ours.example")
}

/// Runs what blocks beside the server.
pub async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

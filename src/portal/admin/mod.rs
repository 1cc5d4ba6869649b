//! The console: dense, quiet, met every day by the same few people.
//!
//! Each page file answers its [`Route`]s, and each route names the [`Power`]
//! it asks for; [`gate`] stands in front of all of them and lets nobody by
//! who lacks it, so no page can forget. [`shell`] stands around every page:
//! rail, search, tables, forms. GET shows, POST acts, and every POST carries
//! a token of its session.

mod accounts;
mod admins;
mod appeals;
mod audit;
mod bulk;
mod gate;
mod keys;
mod login;
mod message;
mod organisations;
mod overview;
mod place;
mod quarantine;
mod queue;
mod recipients;
mod rules;
mod senders;
mod settings;
mod shell;
mod statistics;
pub(super) mod suppression;
mod table;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::routing::MethodRouter;
use futures_util::future::BoxFuture;
use uuid::Uuid;

use super::limit::Limit;
use super::{App, Inner};
use crate::account::job::Jobs;
use crate::account::{Accounts, Entry, Power};
use crate::directory::search::Search;
use crate::directory::{Overlays, Recipient, StoredRule};
use crate::filter::catalogue::Weights;
use crate::link::KeyRing;
use crate::mail::Address;
use crate::quarantine::HeldSearch;
use crate::queue::Queue;
use crate::reputation::{Flags, Network, Reputation, SenderSearch};
use crate::statistics::Statistics;
use crate::store::{Fault, Store};
use crate::suppression::Suppression;

pub(super) use admins::setup_link;
pub(super) use bulk::{Turn, begin_job, go_on, stop_job, waiting as waiting_for};
use gate::{Acted, Admin, Asked};
pub use message::about_held;
pub(super) use message::{Act, read_body, teach};
use place::Place;
pub use settings::{ConfigKey, Effective};
use shell::{Section, Sheet};
pub(super) use statistics::decide as demote;

/// Attempts to log in per network, in ten minutes.
const PER_NETWORK: u32 = 30;
/// Attempts per account from devices that it does not know, in ten minutes.
const PER_ACCOUNT: u32 = 10;
/// Attempts per account from one device that it knows, in ten minutes.
const PER_DEVICE: u32 = 10;
/// Attempts with a right or wrong code per account and device, in a minute
/// (ATTACKS A-02: the tenth is refused).
const CODES: u32 = 9;

/// Attempts an item's delivery now, with this entry of the audit in the same
/// batch; `false`: there is none, or a worker has it.
pub type Retry = Arc<dyn Fn(Uuid, Entry) -> BoxFuture<'static, Result<bool, Fault>> + Send + Sync>;
/// Whether letters to senders have stopped, because too many bounced.
pub type Stopped = Arc<dyn Fn() -> BoxFuture<'static, Result<bool, Fault>> + Send + Sync>;

/// Writes a recipient's digest now, with this entry of the audit in the same
/// batch; `false`: there is nothing to tell.
pub type SendDigest =
    Arc<dyn Fn(Address, Entry) -> BoxFuture<'static, Result<bool, Fault>> + Send + Sync>;

/// What the console works with.
#[derive(Clone)]
pub struct Console {
    pub accounts: Accounts,
    pub store: Store,
    pub ring: KeyRing,
    pub search: HeldSearch,
    pub senders: SenderSearch,
    /// What was changed here about organisations.
    pub overlays: Overlays,
    pub recipients: Search<Recipient>,
    pub rules: Search<StoredRule>,
    /// Sends a recipient his digest now.
    pub digest: SendDigest,
    /// Decisions about many messages.
    pub jobs: Jobs,
    /// The configuration in force.
    pub settings: Effective,
    pub reputation: Reputation,
    pub flags: Flags,
    pub queue: Queue,
    pub suppression: Suppression,
    pub statistics: Statistics,
    /// What findings weigh, with what operators took down.
    pub weights: Weights,
    /// Attempts a queue's item now.
    pub retry: Retry,
    /// Whether letters to senders have stopped.
    pub letters_stopped: Stopped,
    /// The folder of the keys that sign links.
    pub keys: PathBuf,
}

/// What the console keeps in memory for itself.
pub(super) struct Doors {
    by_network: Limit<Network>,
    by_account: Limit<String>,
    by_device: Limit<String>,
    codes: Limit<String>,
}

impl Doors {
    pub fn new() -> Self {
        Self {
            by_network: Limit::new(PER_NETWORK, 600),
            by_account: Limit::new(PER_ACCOUNT, 600),
            by_device: Limit::new(PER_DEVICE, 600),
            codes: Limit::new(CODES, 60),
        }
    }
}

/// A page or an action, and what it asks for. `None`: there is no such method.
pub struct Route {
    pub path: String,
    pub get: Option<Power>,
    pub post: Option<Power>,
    pub to: MethodRouter<App>,
}

impl Route {
    /// A page that is looked at.
    pub fn page(path: &Place<'_>, power: Power, to: MethodRouter<App>) -> Self {
        Self { path: path.to_string(), get: Some(power), post: None, to }
    }

    /// An action.
    pub fn act(path: &Place<'_>, power: Power, to: MethodRouter<App>) -> Self {
        Self { path: path.to_string(), get: None, post: Some(power), to }
    }
}

/// Every page behind the gate.
fn all() -> Vec<Route> {
    let pages = [
        overview::routes(),
        quarantine::routes(),
        message::routes(),
        bulk::routes(),
        senders::routes(),
        appeals::routes(),
        organisations::routes(),
        recipients::routes(),
        rules::routes(),
        suppression::routes(),
        queue::routes(),
        statistics::routes(),
        settings::routes(),
        keys::routes(),
        accounts::routes(),
        admins::routes(),
        audit::routes(),
    ];
    pages.into_iter().flatten().collect()
}

/// The console's routes; none without a [`Console`].
pub(super) fn router(app: &Arc<Inner>) -> Router<App> {
    if app.console.is_none() {
        return Router::new();
    }
    let mut powers = HashMap::new();
    let mut behind = Router::new();
    for route in all() {
        powers.insert(route.path.clone(), (route.get, route.post));
        behind = behind.route(&route.path, route.to);
    }
    let gate = gate::Gate { app: Arc::clone(app), powers: Arc::new(powers) };
    behind
        .route_layer(axum::middleware::from_fn_with_state(gate, gate::gate))
        .merge(login::router())
}

/// Every route behind the gate with the powers it asks for: for the test of
/// roles, which tries them all.
pub fn powers() -> Vec<(String, Option<Power>, Option<Power>)> {
    all().into_iter().map(|route| (route.path, route.get, route.post)).collect()
}

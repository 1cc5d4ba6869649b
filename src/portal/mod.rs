//! The portal: where the link leads. See, declare, release.
//!
//! Routes and what they share. Every address is a [`path::Path`]; GET shows
//! and changes nothing, POST acts; [`frame`] stands around every page. The
//! portal trusts a token whose tag is right, and nothing else that a visitor
//! brings.

mod admin;
mod api;
mod asset;
mod chart;
mod decisions;
mod error;
mod form;
mod frame;
mod limit;
mod nonce;
mod part;
mod path;
mod public;
pub mod recipient;
mod sender;
mod serve;
mod shell;
mod words;

use std::future::Future;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::routing::{get, post};
use futures_util::future::BoxFuture;
use ipnet::IpNet;
use tokio::net::TcpListener;

use crate::appeal::Appeals;
use crate::clock::Clock;
use crate::directory::Directory;
use crate::link::Links;
use crate::mail::Address;
use crate::maillog::Maillog;
use crate::release::Releases;
use crate::reputation::Network;
pub use admin::powers as console_powers;
pub use admin::{ConfigKey, Console, Effective, Retry, SendDigest, Stopped, about_held};
#[doc(hidden)]
pub use api::{paths as api_paths, server_drift, server_settings};
use asset::Assets;
use error::Trouble;
use limit::Limit;
use nonce::Nonces;
use path::{Entry, Path, Step};
use shell::Shells;
use words::Languages;

pub use frame::Peer;
pub use recipient::{ROUTES as RECIPIENT_ROUTES, Recipients};
pub use serve::{Bounds, serve};

/// Sends a fresh link to an address, if a held mail proved it.
pub type Lost = Arc<dyn Fn(Address, Network) -> BoxFuture<'static, ()> + Send + Sync>;
/// Why the service cannot do its work now, if it cannot.
pub type Ready = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// The patterns of all routes: their names in the log.
const ROUTES: [&str; 21] = [
    "/",
    "/r",
    "/r/{token}",
    "/r/{token}/release",
    "/r/{token}/disown",
    "/r/{token}/withdraw",
    "/held",
    "/held/release",
    "/held/disown",
    "/held/withdraw",
    "/a/{token}",
    "/a/{token}/answer",
    "/lost",
    "/help",
    "/about",
    "/stats",
    "/health/live",
    "/health/ready",
    "/robots.txt",
    "/assets/{name}",
    "/logo/{name}",
];
/// Letters that `/lost` asks for per address and per network in an hour.
const LOST_AN_HOUR: u32 = 3;
/// The first invalid token in a minute that is answered 429.
const GUESSES_A_MINUTE: u32 = 30;

/// What the configuration says about the portal.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The operator's address, on pages of no organisation.
    pub postmaster: Option<Address>,
    /// Whether everybody may see `/stats`.
    pub statistics: bool,
    pub bounds: Bounds,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            trusted_proxies: Vec::new(),
            postmaster: None,
            statistics: false,
            bounds: Bounds { connections: 1024, per_client: 128 },
        }
    }
}

/// What the portal works with.
#[derive(Clone)]
pub struct Services {
    pub links: Links,
    pub releases: Releases,
    pub directory: Directory,
    pub clock: Clock,
    pub log: Maillog,
    /// `None`: `/lost` says what it always says, and nothing is sent.
    pub lost: Option<Lost>,
    pub ready: Ready,
    /// `None`: there is no `/admin`.
    pub console: Option<Console>,
    /// `None`: recipients have no pages here.
    pub recipients: Option<Recipients>,
    /// `None`: nobody decides appeals here.
    pub appeals: Option<Appeals>,
}

/// The pages, ready to be served. Clones share everything.
#[derive(Clone)]
pub struct Portal {
    app: App,
}

type App = Arc<Inner>;

struct Inner {
    settings: Settings,
    services: Services,
    /// The installation's own host, as it is signed into tokens.
    host: Arc<str>,
    /// Whether `portal.url` is https.
    secure: bool,
    /// Of every answer.
    headers: HeaderMap,
    assets: Assets,
    languages: Languages,
    shells: Shells,
    told: sender::Told,
    nonces: Nonces,
    guesses: Limit<Network>,
    lost_by_network: Limit<Network>,
    lost_by_address: Limit<Address>,
    doors: admin::Doors,
    /// Of the decisions about many messages.
    turn: admin::Turn,
}

impl Deref for Inner {
    type Target = Services;

    fn deref(&self) -> &Services {
        &self.services
    }
}

impl Inner {
    fn recipients(&self) -> Result<&Recipients, Trouble> {
        self.recipients.as_ref().ok_or(Trouble::NotFound)
    }

    /// Whether this visitor may have a letter written to `address` now. Who
    /// asks too often counts for no address: he may not fill the table of
    /// those that were asked for.
    fn may_ask_for_letter(&self, visitor: &frame::Visitor, address: &Address) -> bool {
        let now = self.clock.now();
        self.lost_by_network.allows(Network::of(visitor.client), now)
            && self.lost_by_address.allows(address.base(), now)
    }

    /// A cookie with what every cookie of ours needs.
    fn cookie(&self, cookie: &str) -> Option<HeaderValue> {
        let secure = if self.secure { "; Secure" } else { "" };
        HeaderValue::try_from(format!("{cookie}{secure}")).ok()
    }
}

impl Portal {
    pub fn new(settings: Settings, services: Services) -> Self {
        let Services { links, clock, .. } = &services;
        let secure = links.page(None, "").starts_with("https:");
        let app = Inner {
            settings,
            host: links.host().into(),
            secure,
            headers: frame::headers(secure),
            nonces: Nonces::new(links.ring().clone(), clock.clone()),
            services,
            assets: Assets::new(),
            languages: Languages::new(),
            shells: Shells::default(),
            told: sender::Told::default(),
            guesses: Limit::new(GUESSES_A_MINUTE - 1, 60),
            lost_by_network: Limit::new(LOST_AN_HOUR, 3600),
            lost_by_address: Limit::new(LOST_AN_HOUR, 3600),
            doors: admin::Doors::new(),
            turn: admin::Turn::new(),
        };
        Self { app: Arc::new(app) }
    }

    /// Serves the pages on `listener` until `shutdown`; open requests may end.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()> + Send) {
        let bounds = self.app.settings.bounds;
        let proxies = self.app.settings.trusted_proxies.clone();
        let is_proxy = move |ip: IpAddr| proxies.iter().any(|net| net.contains(&ip));
        serve::serve(self.router(), listener, bounds, is_proxy, shutdown).await;
    }

    /// Goes on with decisions about many messages that a restart interrupted;
    /// the console's search must be filled.
    ///
    /// # Errors
    /// [`Fault`](crate::store::Fault) if the store cannot read.
    pub async fn go_on(&self) -> Result<(), crate::store::Fault> {
        admin::go_on(&self.app).await
    }

    /// The routes, for tests and for other listeners.
    pub fn router(&self) -> Router {
        let app = &self.app;
        let frame = axum::middleware::from_fn_with_state(Arc::clone(app), frame::frame);
        let pages = sender_routes(Entry::Link(Path::TOKEN))
            .merge(sender_routes(Entry::Cookie))
            .route(
                &Path::Appeal(Path::TOKEN).to_string(),
                get(sender::appeal::show).post(sender::appeal::apply),
            )
            .route(
                &Path::AppealAnswer(Path::TOKEN).to_string(),
                get(sender::appeal::back).post(sender::appeal::answer),
            )
            .merge(recipient::routes())
            .route(&Path::Paste.to_string(), post(sender::paste).get(public::lost))
            .route(&Path::Root.to_string(), get(public::root))
            .route(&Path::Help.to_string(), get(public::help))
            .route(&Path::About.to_string(), get(public::about))
            .route(&Path::Statistics.to_string(), get(public::statistics))
            .route(&Path::Lost.to_string(), get(public::lost).post(public::send_lost))
            .route(&Path::Robots.to_string(), get(public::robots))
            .route(&Path::Asset(Path::NAME).to_string(), get(public::asset))
            .route(&Path::Logo(Path::NAME).to_string(), get(public::logo))
            .merge(admin::router(app))
            .merge(api::router(app))
            .fallback(|| async { Trouble::NotFound })
            .method_not_allowed_fallback(|| async { Trouble::Method })
            .layer(frame);
        Router::new()
            .route(&Path::Live.to_string(), get(|| async { "alive\n" }))
            .route(&Path::Ready.to_string(), get(ready))
            .merge(pages)
            .with_state(Arc::clone(app))
    }
}

/// The sender's page and its forms.
fn sender_routes(entry: Entry<'static>) -> Router<App> {
    let path = |step| Path::Sender(entry, step).to_string();
    let page = get(sender::see).post(sender::declare);
    [Step::Release, Step::Disown, Step::Withdraw].into_iter().fold(
        Router::new().route(&path(Step::Declare), page),
        |routes, step| {
            let act = move |app, entered, form| sender::confirm(step, app, entered, form);
            routes.route(&path(step), get(sender::back).post(act))
        },
    )
}

/// Asked by load balancers, by address and not by our host's name.
async fn ready(axum::extract::State(app): axum::extract::State<App>) -> (StatusCode, &'static str) {
    match (app.ready)() {
        Ok(()) => (StatusCode::OK, "ready\n"),
        Err(reason) => {
            app.log.step_failed("ready", &reason);
            (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
        }
    }
}

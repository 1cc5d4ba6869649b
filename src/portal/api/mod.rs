//! `/api/v1`: the console's powers for programs.
//!
//! A bearer token (RFC 6750) acts for the account that made it, with the
//! smaller of the two powers, and with that account's organisations. Lists
//! page by cursor; an `Idempotency-Key` makes a POST safe to repeat; errors
//! are problem documents (RFC 9457). Times are RFC 3339 in UTC.

mod accounts;
mod appeals;
mod blocking;
mod flags;
mod jobs;
mod openapi;
mod people;
mod problem;
mod reading;
mod resources;
mod servers;
mod service;

pub use servers::{drift as server_drift, settings as server_settings};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{FromRequestParts, Path as Captured, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, get, post};

use super::App;
use super::admin::Console;
use super::frame::Visitor;
use crate::account::idempotency::Begun;
use crate::account::{Account, ApiToken, Entry, Power};
use crate::reputation::Network;
use blocking::Act;
use problem::Problem;

/// Bytes of a request's body.
const BODY: usize = 64 * 1024;
/// Bytes of an idempotency key.
const KEY: usize = 255;

/// What an idempotency key keeps of an answer that no store may hold whole.
#[derive(Clone)]
struct Kept(String);

/// Who asks: a token and the account that it acts for.
#[derive(Clone)]
pub(super) struct Caller {
    pub visitor: Visitor,
    pub account: Account,
    pub token: ApiToken,
}

impl Caller {
    pub fn console(&self) -> Result<&Console, Problem> {
        self.visitor.app().console.as_ref().ok_or(Problem::NOT_FOUND)
    }

    /// # Errors
    /// 403 unless both the token and its account may; that is recorded.
    pub async fn needs(&self, power: Power, what: &str) -> Result<(), Problem> {
        if self.token.scope.may(power) && self.account.role.may(power) {
            return Ok(());
        }
        self.refused(what).await?;
        Err(Problem::FORBIDDEN)
    }

    pub async fn refused(&self, what: &str) -> Result<(), Problem> {
        let login = self.account.login.as_str();
        self.visitor.app().log.console_refused(login, what, self.visitor.client);
        let entry = self.entry("refused").about("route", what);
        Ok(self.console()?.accounts.audit().note(entry).await?)
    }

    /// The account, by this token.
    pub fn who(&self) -> String {
        format!("{} (token {})", self.account.login, self.token.name)
    }

    /// An entry of the audit.
    pub fn entry(&self, what: &str) -> Entry {
        Entry::new(&self.who(), what).from(self.visitor.client)
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or(Problem::UNAUTHORIZED)
    }
}

/// The routes; none without a console.
pub(super) fn router(app: &App) -> Router<App> {
    if app.console.is_none() {
        return Router::new();
    }
    let mut routes = Router::new();
    for (path, to) in all() {
        routes = routes.route(path, to);
    }
    routes
        .route("/api/v1/{*rest}", any(|| async { Problem::NOT_FOUND }))
        .method_not_allowed_fallback(|| async { Problem::METHOD })
        .route_layer(axum::middleware::from_fn_with_state(app.clone(), admit))
        .route("/api/v1/openapi.json", get(openapi::document))
        // By a server's own token, which is no account's.
        .route("/api/v1/servers/{id}/list", get(servers::fetch))
}

/// Every route that a token opens, with what answers it.
fn all() -> Vec<(&'static str, MethodRouter<App>)> {
    let account = |deed: accounts::Deed| {
        post(async move |caller: Caller, Captured(login): Captured<String>| {
            accounts::act(&caller, &login, deed).await
        })
    };
    let mut all = vec![
        ("/api/v1/held", get(resources::held)),
        ("/api/v1/held/{id}", get(resources::one_held)),
        ("/api/v1/held/{id}/read", post(reading::read)),
        ("/api/v1/held/{id}/release", post(resources::release)),
        ("/api/v1/held/{id}/delete", post(resources::delete)),
        ("/api/v1/held/{id}/train", post(resources::train)),
        ("/api/v1/held/{id}/flag", post(flags::flag)),
        ("/api/v1/held/{id}/unflag", post(flags::undo)),
        ("/api/v1/jobs", get(jobs::list).post(jobs::begin)),
        ("/api/v1/jobs/{id}", get(jobs::one)),
        ("/api/v1/jobs/{id}/stop", post(jobs::stop)),
        ("/api/v1/senders", get(resources::senders)),
        ("/api/v1/senders/{id}/decide", post(resources::decide)),
        ("/api/v1/appeals", get(appeals::list)),
        ("/api/v1/appeals/{id}", get(appeals::one)),
        ("/api/v1/appeals/{id}/ask", post(appeals::ask)),
        ("/api/v1/appeals/{id}/grant", post(appeals::grant)),
        ("/api/v1/appeals/{id}/deny", post(appeals::deny)),
        ("/api/v1/queue", get(resources::queue)),
        ("/api/v1/queue/{id}/retry", post(resources::retry)),
        ("/api/v1/queue/{id}/give-up", post(resources::give_up)),
        ("/api/v1/organisations", get(people::organisations)),
        (
            "/api/v1/organisations/{id}",
            get(people::one_organisation).post(people::change_organisation),
        ),
        ("/api/v1/recipients", get(people::recipients).post(people::add_recipient)),
        ("/api/v1/recipients/{id}", get(people::one_recipient).post(people::change_recipient)),
        ("/api/v1/recipients/{id}/digest", post(people::send_digest)),
        ("/api/v1/recipients/{id}/end-sessions", post(people::end_sessions)),
        ("/api/v1/rules", get(people::rules).post(people::make_rule)),
        ("/api/v1/rules/{id}/end", post(people::end_rule)),
        ("/api/v1/statistics", get(service::statistics)),
        ("/api/v1/findings", get(service::findings)),
        ("/api/v1/findings/{id}/demote", post(service::demote)),
        ("/api/v1/accounts", get(accounts::list).post(accounts::add)),
        ("/api/v1/accounts/{id}/disable", account(accounts::Deed::Disable)),
        ("/api/v1/accounts/{id}/enable", account(accounts::Deed::Enable)),
        ("/api/v1/accounts/{id}/reset", account(accounts::Deed::Reset)),
        ("/api/v1/audit", get(resources::audit)),
    ];
    all.extend(blocking_routes());
    all
}

/// Their patterns: for the test that holds them and the document together.
pub fn paths() -> Vec<&'static str> {
    all().into_iter().map(|(path, _)| path).collect()
}

/// Delivery blocking.
fn blocking_routes() -> Vec<(&'static str, MethodRouter<App>)> {
    let act = |act: Act| {
        post(async move |caller: Caller, Captured(id): Captured<String>, body: Bytes| {
            blocking::act(&caller, &id, act, &body).await
        })
    };
    vec![
        ("/api/v1/servers", get(servers::servers).post(servers::make)),
        ("/api/v1/servers/{id}/settings", post(servers::set)),
        ("/api/v1/servers/{id}/blocked", get(blocking::blocked)),
        ("/api/v1/servers/{id}/block", act(Act::Block)),
        ("/api/v1/servers/{id}/release", act(Act::Release)),
        ("/api/v1/servers/{id}/exemptions", get(blocking::exemptions)),
        ("/api/v1/servers/{id}/unexempt", act(Act::Unexempt)),
        ("/api/v1/servers/{id}/events", get(blocking::events).post(blocking::tell)),
        ("/api/v1/servers/{id}/run", post(servers::run)),
        ("/api/v1/servers/{id}/distributions", get(servers::distributions)),
        ("/api/v1/servers/{id}/distributions/{version}", get(servers::changes)),
        ("/api/v1/servers/{id}/distribute", post(servers::distribute)),
        ("/api/v1/servers/{id}/breakers", get(servers::breakers)),
        ("/api/v1/servers/{id}/close-breaker", post(servers::close_breaker)),
        ("/api/v1/servers/{id}/uploads", servers::upload_route()),
        ("/api/v1/servers/{id}/uploads/{upload}", get(servers::one_upload)),
        ("/api/v1/servers/{id}/uploads/{upload}/register", post(servers::register)),
        ("/api/v1/servers/{id}/uploads/{upload}/drop", post(servers::drop_upload)),
        ("/api/v1/servers/{id}/downloads/{file}", get(servers::download)),
        ("/api/v1/inquiries", get(servers::inquiries).post(servers::inquire)),
    ]
}

/// Lets by who has a token that is good, and answers a repeated POST.
async fn admit(State(app): State<App>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let caller = match caller(&app, &parts).await {
        Ok(caller) => caller,
        Err(problem) => return problem.into_response(),
    };
    parts.extensions.insert(caller.clone());
    // What only looks changes nothing, and is answered as things stand.
    let key = parts.headers.get("idempotency-key").filter(|_| parts.method == Method::POST);
    let Some(key) = key.and_then(|key| key.to_str().ok()).map(str::to_owned) else {
        return next.run(Request::from_parts(parts, body)).await;
    };
    if key.is_empty() || key.len() > KEY {
        return Problem::BAD_KEY.into_response();
    }
    let Ok(bytes) = axum::body::to_bytes(body, BODY).await else {
        return Problem::TOO_LARGE.into_response();
    };
    let (method, path) = (parts.method.as_str().to_owned(), parts.uri.to_string());
    let asked: [&[u8]; 3] = [method.as_bytes(), path.as_bytes(), &bytes];
    let begun = match caller.console() {
        Ok(console) => console.accounts.begin(&caller.token.hash, &key, &asked).await,
        Err(problem) => return problem.into_response(),
    };
    let row = match begun {
        Ok(Begun::Fresh(row)) => row,
        Ok(Begun::Again(status, body)) => return problem::json_text(status, body),
        Ok(Begun::Running) => return Problem::RUNNING.into_response(),
        Ok(Begun::Other) => return Problem::OTHER_REQUEST.into_response(),
        Err(fault) => return Problem::from(fault).into_response(),
    };
    let answer = next.run(Request::from_parts(parts, bytes.into())).await;
    let (mut parts, body) = answer.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap_or_default();
    let text = match parts.extensions.remove::<Kept>() {
        Some(Kept(text)) => text,
        None => String::from_utf8_lossy(&body).into_owned(),
    };
    if let Ok(console) = caller.console() {
        // The work is done either way; a repeat is then told that it runs.
        let _ = console.accounts.finish(&row, parts.status.as_u16(), &text).await;
    }
    Response::from_parts(parts, body.into())
}

async fn caller(app: &App, parts: &Parts) -> Result<Caller, Problem> {
    let visitor = parts.extensions.get::<Visitor>().cloned().ok_or(Problem::BROKEN)?;
    let console = app.console.as_ref().ok_or(Problem::NOT_FOUND)?;
    let field = parts.headers.get(header::AUTHORIZATION).and_then(|field| field.to_str().ok());
    let text = field.and_then(|field| field.split_once(' '));
    let text = text.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let found = match text {
        Some((_, text)) => console.accounts.bearer(text.trim()).await?,
        None => None,
    };
    match found {
        Some((account, token)) => Ok(Caller { visitor, account, token }),
        None if app.guesses.allows(Network::of(visitor.client), app.clock.now()) => {
            Err(Problem::UNAUTHORIZED)
        }
        None => Err(Problem::TOO_MANY),
    }
}

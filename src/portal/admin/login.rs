//! Into the console and out of it: log in, set up, log out.
//!
//! The form is bound to a cookie of its own, so that nobody is logged in by
//! another site (W-05); the session's secret is always fresh. Attempts are
//! bounded per network and per account; devices that have logged in before
//! have a bound of their own, so guessing from elsewhere never locks the
//! owner out.

use axum::Router;
use axum::extract::{Path as Captured, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use axum::routing::get;
use maud::{Markup, html};

use super::gate::{form_token, is_form_token, session_cookie, set_cookie};
use super::{Console, Place, shell};
use crate::account::totp::Totp;
use crate::account::{AccountError, Attempt, BadPassword, Entry, LoginRefused, Secret};
use crate::portal::App;
use crate::portal::error::Trouble;
use crate::portal::form::{Bounds, Form};
use crate::portal::frame::{Visitor, cookie};
use crate::reputation::Network;

const LABEL: &str = "reprieve console login v1";
const FORM: Bounds = Bounds { bytes: 16 * 1024, fields: 10 };
/// Bytes of a password that are looked at at all.
const LONGEST: usize = 1024;
/// A year, for the cookie that makes a device known.
const YEAR: u32 = 365 * 86_400;

pub(super) fn router() -> Router<App> {
    let setup = Place::Setup(Place::ID, Place::SECRET).to_string();
    Router::new()
        .route(&Place::Login.to_string(), get(show).post(log_in))
        .route(&setup, get(show_setup).post(set_up))
}

fn login_cookie(app: &App) -> &'static str {
    if app.secure { "__Host-login" } else { "login" }
}

fn device_cookie(app: &App) -> &'static str {
    if app.secure { "__Host-device" } else { "device" }
}

fn console(app: &App) -> Result<&Console, Trouble> {
    app.console.as_ref().ok_or(Trouble::NotFound)
}

async fn show(State(app): State<App>, visitor: Visitor) -> Result<Response, Trouble> {
    login_page(&app, &visitor, StatusCode::OK, ("", None))
}

/// The form with a fresh cookie; `said` is what was typed as login, and why
/// the form is shown again.
fn login_page(
    app: &App,
    visitor: &Visitor,
    status: StatusCode,
    said: (&str, Option<&str>),
) -> Result<Response, Trouble> {
    let words = visitor.words();
    let secret = Secret::new();
    let token = form_token(&console(app)?.ring, LABEL, secret.hash().as_bytes());
    let (typed, wrong) = said;
    let body = html! {
        form method="post" action=(Place::Login) {
            @if let Some(wrong) = wrong { p.wrong #wrong role="alert" { (words.say(wrong)) } }
            input type="hidden" name="form" value=(token);
            label for="login" { (words.say("admin-login")) }
            input #login name="login" type="text" autocomplete="username" autocapitalize="off"
                spellcheck="false" required maxlength="64" value=(typed) autofocus[wrong.is_none()];
            label for="password" { (words.say("admin-password")) }
            input #password name="password" type="password" autocomplete="current-password"
                required maxlength="1024" autofocus[wrong.is_some()]
                aria-describedby=[wrong.map(|_| "wrong")];
            label for="code" { (words.say("admin-code")) }
            input #code name="code" type="text" autocomplete="one-time-code" autocapitalize="off"
                spellcheck="false" maxlength="20" aria-describedby="code-help";
            p.help #code-help { (words.say("admin-code-help")) }
            button type="submit" { (words.say("admin-log-in")) }
        }
    };
    let page = shell::outside(visitor, words.say("admin-log-in"), &body);
    let bound = set_cookie(app, login_cookie(app), &secret.to_text(), Some(3600));
    Ok((status, AppendHeaders(bound), page).into_response())
}

async fn log_in(
    State(app): State<App>,
    visitor: Visitor,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Trouble> {
    let form = read(request, &app).await?;
    let console = console(&app)?;
    let bound = cookie(&headers, login_cookie(&app)).and_then(Secret::parse);
    let genuine = bound.is_some_and(|secret| {
        is_form_token(&console.ring, LABEL, secret.hash().as_bytes(), form.field("form"))
    });
    if form.is_cross_site() {
        return Err(Trouble::CrossSite);
    }
    let typed = form.field("login").trim();
    if !genuine {
        let said = (typed, Some("admin-login-again"));
        return login_page(&app, &visitor, StatusCode::FORBIDDEN, said);
    }
    let device = cookie(&headers, device_cookie(&app)).and_then(Secret::parse);
    if !may_try(&app, &visitor, typed, device.as_ref()).await? {
        app.log.login_refused("too many attempts", visitor.client);
        let said = (typed, Some("admin-login-later"));
        return login_page(&app, &visitor, StatusCode::TOO_MANY_REQUESTS, said);
    }
    let agent = headers.get(header::USER_AGENT).and_then(|one| one.to_str().ok()).unwrap_or("");
    let attempt = Attempt {
        login: typed,
        password: form.field("password"),
        code: form.field("code"),
        client: visitor.client,
        agent,
    };
    match console.accounts.log_in(&attempt).await {
        Ok(done) => {
            app.log.logged_in(done.account.login.as_str(), visitor.client);
            let cookies = [
                set_cookie(&app, session_cookie(&app), &done.session.to_text(), None),
                set_cookie(&app, device_cookie(&app), &done.device.to_text(), Some(YEAR)),
                set_cookie(&app, login_cookie(&app), "", Some(0)),
            ];
            let home = Redirect::to(&Place::Home.to_string());
            Ok((AppendHeaders(cookies.into_iter().flatten()), home).into_response())
        }
        Err(LoginRefused::Wrong) => {
            app.log.login_refused("wrong", visitor.client);
            let said = (typed, Some("admin-login-wrong"));
            login_page(&app, &visitor, StatusCode::UNPROCESSABLE_ENTITY, said)
        }
        Err(error @ LoginRefused::Unreadable(_)) => {
            app.log.step_failed("log in", &error.to_string());
            let said = (typed, Some("admin-login-unreadable"));
            login_page(&app, &visitor, StatusCode::UNPROCESSABLE_ENTITY, said)
        }
        Err(LoginRefused::Store(fault)) => Err(fault.into()),
    }
}

/// A form that is too large, or holds a password that is none, is no form
/// nothing is spent on it.
async fn read(request: Request, app: &App) -> Result<Form, Trouble> {
    let form = Form::read(request, app, FORM).await.map_err(|trouble| match trouble {
        Trouble::TooLarge => Trouble::BadForm,
        other => other,
    })?;
    if form.field("password").len() > LONGEST { Err(Trouble::BadForm) } else { Ok(form) }
}

async fn may_try(
    app: &App,
    visitor: &Visitor,
    typed: &str,
    device: Option<&Secret>,
) -> Result<bool, Trouble> {
    let now = app.clock.now();
    let login: String = typed.to_ascii_lowercase().chars().take(64).collect();
    let known = match device {
        Some(device) => console(app)?.accounts.knows_device(&login, device).await?,
        None => false,
    };
    let doors = &app.doors;
    let from =
        if known { device.map_or(String::new(), |one| one.hash().short()) } else { String::new() };
    let place = format!("{login} {from}");
    if !doors.codes.allows(place.clone(), now) {
        return Ok(false);
    }
    if known {
        return Ok(doors.by_device.allows(place, now));
    }
    let network = doors.by_network.allows(Network::of(visitor.client), now);
    Ok(network && doors.by_account.allows(login, now))
}

async fn show_setup(
    State(app): State<App>,
    visitor: Visitor,
    Captured((login, secret)): Captured<(String, String)>,
) -> Result<Response, Trouble> {
    let console = console(&app)?;
    let secret = Secret::parse(&secret).ok_or(Trouble::Link)?;
    let login = console.accounts.setup_of(&login, &secret).await.map_err(setup_trouble)?;
    let page = setup_page(&visitor, login.as_str(), &secret, &Totp::new(), None);
    Ok(page.into_response())
}

fn setup_page(
    visitor: &Visitor,
    login: &str,
    secret: &Secret,
    totp: &Totp,
    wrong: Option<&str>,
) -> Markup {
    let words = visitor.words();
    let base32 = totp.base32();
    let groups: Vec<&str> = (0..base32.len() / 4).map(|at| &base32[at * 4..at * 4 + 4]).collect();
    let secret = secret.to_text();
    let body = html! {
        form method="post" action=(Place::Setup(login, &secret)) {
            @if let Some(wrong) = wrong { p.wrong #wrong role="alert" { (words.say(wrong)) } }
            input type="hidden" name="totp" value=(base32);
            p { (words.say("admin-login")) ": " strong { (login) } }
            label for="password" { (words.say("admin-new-password")) }
            input #password name="password" type="password" autocomplete="new-password"
                required minlength="12" maxlength="1024" aria-describedby="password-help";
            p.help #password-help { (words.say("admin-password-help")) }
            h2 { (words.say("admin-authenticator")) }
            p { (words.say("admin-authenticator-text")) }
            p.secret { code { (groups.join(" ")) } }
            p { a href=(totp.url(login, &visitor.host)) { (words.say("admin-authenticator-open")) } }
            label for="code" { (words.say("admin-first-code")) }
            input #code name="code" type="text" inputmode="numeric" autocomplete="one-time-code"
                required maxlength="10";
            button type="submit" { (words.say("admin-set-up")) }
        }
    };
    shell::outside(visitor, words.say("admin-setup"), &body)
}

async fn set_up(
    State(app): State<App>,
    visitor: Visitor,
    Captured((login, text)): Captured<(String, String)>,
    request: Request,
) -> Result<Response, Trouble> {
    let form = read(request, &app).await?;
    if form.is_cross_site() {
        return Err(Trouble::CrossSite);
    }
    let accounts = &console(&app)?.accounts;
    let secret = Secret::parse(&text).ok_or(Trouble::Link)?;
    let login = accounts.setup_of(&login, &secret).await.map_err(setup_trouble)?;
    let totp = Totp::from_base32(form.field("totp")).ok_or(Trouble::BadForm)?;
    let by = Entry::new(login.as_str(), "set-up").from(visitor.client);
    let chosen = (&totp, form.field("code"));
    let done = accounts.set_up(&by, (&login, &secret), form.field("password"), chosen).await;
    let wrong = match done {
        Ok(codes) => return Ok(set_up_page(&visitor, &codes).into_response()),
        Err(AccountError::Password(BadPassword::Short)) => "admin-password-short",
        Err(AccountError::Password(_)) => "admin-password-long",
        Err(AccountError::Code) => "admin-code-wrong",
        Err(error) => return Err(setup_trouble(error)),
    };
    let page = setup_page(&visitor, login.as_str(), &secret, &totp, Some(wrong));
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

fn set_up_page(visitor: &Visitor, codes: &[String]) -> Markup {
    let words = visitor.words();
    let body = html! {
        p { (words.say("admin-recovery-text")) }
        ul.codes { @for code in codes { li { code { (code) } } } }
        p { a.button href=(Place::Login) { (words.say("admin-log-in")) } }
    };
    shell::outside(visitor, words.say("admin-recovery"), &body)
}

/// One page for every link that is not good.
fn setup_trouble(error: AccountError) -> Trouble {
    match error {
        AccountError::Store(fault) => fault.into(),
        _ => Trouble::NotFound,
    }
}

//! The recipient's own pages: what is held for him, and what he decides.
//!
//! He has no password. A link that is mailed to him begins a session of eight
//! hours; a link of the digest opens one message. GET shows, POST acts, and a
//! form is answered only with the nonce of its page. He sees his own mailbox,
//! its aliases and the shared mailboxes that he is a member of, nothing else.

mod flag;
mod list;
mod message;
mod reader;
mod settings;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path as Captured, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::future::BoxFuture;
use maud::{Markup, html};

use super::App;
use super::error::Trouble;
use super::form::Form;
use super::frame::Visitor;
use super::part::{self, Brand, Icon, Page};
use super::path::Path;
use super::public::{address_form, see_other};
use super::sender::read;
use crate::directory::{People, Sessions};
use crate::link::Purpose;
use crate::mail::Address;
use crate::reputation::{Flags, Network};
use crate::store::Store;
use reader::Reader;
pub(super) use settings::{DAYS, frequency_word, pattern};

/// Mails a recipient the link to his page, if he is one.
pub type Invite = Arc<dyn Fn(Address) -> BoxFuture<'static, ()> + Send + Sync>;

/// What recipients are served with.
#[derive(Clone)]
pub struct Recipients {
    pub store: Store,
    pub people: People,
    pub flags: Flags,
    pub sessions: Sessions,
    pub invite: Invite,
}

/// The patterns of these pages: their names in the log, and what tests go
/// through.
pub const ROUTES: [&str; 13] = [
    "/me",
    "/me/{token}",
    "/me/held/{name}",
    "/me/held/{name}/{deed}",
    "/me/settings",
    "/me/senders",
    "/me/leave",
    "/d/{token}",
    "/d/{token}/{deed}",
    "/f/{token}",
    "/f/{token}/undo",
    "/f/{token}/junk",
    "/f/{token}/not-junk",
];

pub(super) fn routes() -> Router<App> {
    let deed = Path::DEED;
    let path = |path: Path<'_>| path.to_string();
    Router::new()
        .route(&path(Path::Me), get(home).post(ask))
        .route(&path(Path::MeLink(Path::TOKEN)), get(enter).post(begin))
        .route(&path(Path::MeHeld(Path::NAME)), get(message::show))
        .route(&path(Path::MeDeed(Path::NAME, deed)), get(message::ask).post(message::act))
        .route(&path(Path::MeSettings), get(settings::show).post(settings::save))
        .route(&path(Path::MeSenders), post(settings::sender))
        .route(&path(Path::MeLeave), post(settings::leave))
        .route(&path(Path::Message(Path::TOKEN)), get(message::show))
        .route(&path(Path::MessageDeed(Path::TOKEN, deed)), get(message::ask).post(message::act))
        .route(&path(Path::Flag(Path::TOKEN)), get(flag::show).post(flag::flag))
        .route(&path(Path::FlagUndo(Path::TOKEN)), get(flag::back).post(flag::undo))
        .route(&path(Path::FlagJunk(Path::TOKEN)), post(flag::junk))
        .route(&path(Path::FlagNotJunk(Path::TOKEN)), post(flag::not_junk))
}

/// His list, or the form that asks for a link.
async fn home(visitor: Visitor, reader: Option<Reader>) -> Result<Markup, Trouble> {
    match reader {
        Some(reader) => list::page(&reader).await,
        None => Ok(ask_form(&visitor, "", None)),
    }
}

/// The same answer for every address, as for a lost link.
async fn ask(State(app): State<App>, visitor: Visitor, form: Form) -> Result<Response, Trouble> {
    if form.is_cross_site() {
        return Err(Trouble::CrossSite);
    }
    let services = app.recipients()?;
    let typed = form.field("address").trim();
    let Ok(address) = Address::parse(typed) else {
        let page = ask_form(&visitor, typed, Some("lost-wrong"));
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    };
    if app.may_ask_for_letter(&visitor, &address) {
        tokio::spawn((services.invite)(address));
    }
    let words = visitor.words();
    let body = html! {
        h1 { (Icon::Done) (words.say("lost-answer")) }
        p { (words.say("me-asked")) }
        p { (words.say("lost-answer-limit")) }
    };
    Ok(shown(&visitor, words.say("me"), body).into_response())
}

fn ask_form(visitor: &Visitor, typed: &str, wrong: Option<&str>) -> Markup {
    let words = visitor.words();
    let body = html! {
        h1 { (words.say("me")) }
        p { (words.say("me-ask")) }
        (address_form(words, Path::Me, typed, wrong))
    };
    shown(visitor, words.say("me"), body)
}

/// The link of a letter: a page with one button, because scanners open links.
async fn enter(
    State(app): State<App>,
    mut visitor: Visitor,
    Captured(text): Captured<String>,
) -> Result<Response, Trouble> {
    let Some(recipient) = linked(&app, &mut visitor, &text).await? else {
        return Ok(over(&visitor));
    };
    let words = visitor.words();
    let nonce = visitor.nonce(&text, "begin");
    let body = html! {
        h1 { (words.say("me")) }
        p { (words.say("me-enter")) }
        p.recipients { (part::AddressShown(&recipient.address)) }
        form method="post" action=(Path::MeLink(&text)) {
            input type="hidden" name="nonce" value=(nonce);
            button #enter type="submit" { (words.say("me-open")) }
        }
        p.help { (words.say("me-enter-lasts")) }
    };
    Ok(shown(&visitor, words.say("me"), body).into_response())
}

async fn begin(
    State(app): State<App>,
    mut visitor: Visitor,
    Captured(text): Captured<String>,
    headers: HeaderMap,
    form: Form,
) -> Result<Response, Trouble> {
    let Some(recipient) = linked(&app, &mut visitor, &text).await? else {
        return Ok(over(&visitor));
    };
    if visitor.check(&text, "begin", &form).is_err() {
        return Ok(see_other(Path::MeLink(&text)));
    }
    let agent = headers.get(header::USER_AGENT).and_then(|one| one.to_str().ok());
    let network = Network::of(visitor.client);
    let sessions = &app.recipients()?.sessions;
    let secret = sessions.begin(recipient.id, network, agent.unwrap_or_default()).await?;
    let name = reader::cookie_name(&app);
    let cookie = format!("{name}={secret}; Path=/; HttpOnly; SameSite=Lax; Max-Age=28800");
    let mut response = see_other(Path::Me);
    response.headers_mut().extend(app.cookie(&cookie).map(|one| (header::SET_COOKIE, one)));
    Ok(response)
}

/// The recipient of a genuine link; `None` once it has expired.
async fn linked(
    app: &App,
    visitor: &mut Visitor,
    text: &str,
) -> Result<Option<crate::directory::Recipient>, Trouble> {
    let token = read(app, visitor, Purpose::Recipient, text)?;
    if token.has_expired(app.clock.now()) {
        return Ok(None);
    }
    let row = app.recipients()?.people.by_id(token.subject).await?;
    let recipient = row.map(|row| row.record);
    if let Some(recipient) = &recipient {
        reader::speak(app, visitor, recipient);
    }
    Ok(recipient)
}

/// A link that has expired leads to the form for a fresh one.
fn over(visitor: &Visitor) -> Response {
    (StatusCode::GONE, ask_form(visitor, "", None)).into_response()
}

fn shown(visitor: &Visitor, title: &str, body: Markup) -> Markup {
    let brand: Brand = visitor.brand();
    part::page(visitor, &Page { brand: &brand, at: Path::Me, title, refresh: None, body })
}

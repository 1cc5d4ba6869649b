//! `/f/<token>`: the link in the header of a message that was delivered from
//! hold. A person flags here; his mail server may, when he moves the message
//! to Junk.
//!
//! GET shows and changes nothing. The machine's address takes a bare POST: no
//! page leads there, and the token is its only secret.

use axum::extract::{FromRequestParts, Path as Captured, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use maud::html;

use super::list::subject;
use super::message::settled;
use crate::link::Purpose;
use crate::portal::App;
use crate::portal::error::Trouble;
use crate::portal::form::Form;
use crate::portal::frame::{Visitor, captured};
use crate::portal::part::{self, Icon, Page};
use crate::portal::path::{Deed, Path};
use crate::portal::public::see_other;
use crate::portal::sender::read;
use crate::portal::words::Shown;
use crate::quarantine::{Held, HeldRecipient};
use crate::reputation::{Flag, FlagBy};

/// A delivered message behind a genuine link.
pub struct Case {
    visitor: Visitor,
    /// The token as it came.
    text: String,
    held: Held,
    slot: usize,
    flag: Option<Flag>,
}

/// Whose link has expired, or whose message is forgotten, reads so.
impl FromRequestParts<App> for Case {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let loaded = Self::load(parts, app).await.map_err(IntoResponse::into_response)?;
        loaded.map_err(|visitor| gone(&visitor))
    }
}

impl Case {
    async fn load(parts: &mut Parts, app: &App) -> Result<Result<Self, Visitor>, Trouble> {
        let mut visitor = Visitor::from_request_parts(parts, app).await?;
        let text = captured(parts, app, "token").await?.ok_or(Trouble::Link)?;
        let token = read(app, &visitor, Purpose::Flag, &text)?;
        if token.has_expired(app.clock.now()) {
            return Ok(Err(visitor));
        }
        let slot = usize::from(token.slot);
        let held = app.releases.held(token.subject).await?;
        let Some(held) = held.filter(|held| held.recipients.len() > slot) else {
            return Ok(Err(visitor));
        };
        let services = app.recipients()?;
        let copy = &held.recipients[slot];
        if let Some(row) = services.people.find(&copy.address).await? {
            super::reader::speak(app, &mut visitor, &row.record);
        }
        let sender = held.sender();
        let found = services.flags.find(&sender, &copy.organisation, &copy.address);
        let flag = found.await?.filter(Flag::stands);
        Ok(Ok(Self { visitor, text, held, slot, flag }))
    }

    fn copy(&self) -> &HeldRecipient {
        &self.held.recipients[self.slot]
    }
}

pub async fn show(case: Case) -> Response {
    page(&case, None)
}

/// A form's address opened by hand.
pub async fn back(Captured(text): Captured<String>) -> Response {
    see_other(Path::Flag(&text))
}

pub async fn flag(State(app): State<App>, case: Case, form: Form) -> Result<Response, Trouble> {
    if !is_ours(&case, Deed::Spam, &form) {
        return Ok(page(&case, Some("me-again")));
    }
    act(&app, &case, FlagBy::Person).await?;
    Ok(see_other(Path::Flag(&case.text)))
}

pub async fn undo(State(app): State<App>, case: Case, form: Form) -> Result<Response, Trouble> {
    if !is_ours(&case, Deed::Undo, &form) {
        return Ok(page(&case, Some("me-again")));
    }
    take_back(&app, &case).await?;
    Ok(see_other(Path::Flag(&case.text)))
}

/// The mail server's word: moved to Junk.
pub async fn junk(State(app): State<App>, case: Case) -> Result<StatusCode, Trouble> {
    act(&app, &case, FlagBy::Machine).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Moved out of Junk: what a machine flagged, a machine may undo; a person's
/// own flag stays.
pub async fn not_junk(State(app): State<App>, case: Case) -> Result<StatusCode, Trouble> {
    let (copy, flags) = (case.copy(), &app.recipients()?.flags);
    let sender = case.held.sender();
    settled(flags.undo_by_machine(&sender, &copy.organisation, &copy.address).await)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn act(app: &App, case: &Case, by: FlagBy) -> Result<(), Trouble> {
    let copy = case.copy();
    let flags = &app.recipients()?.flags;
    let about = Some(case.held.id);
    let sender = case.held.sender();
    settled(flags.flag(&sender, &copy.organisation, &copy.address, by, about).await)
}

async fn take_back(app: &App, case: &Case) -> Result<(), Trouble> {
    let copy = case.copy();
    let flags = &app.recipients()?.flags;
    settled(flags.undo(&case.held.sender(), &copy.organisation, &copy.address).await)
}

fn is_ours(case: &Case, deed: Deed, form: &Form) -> bool {
    case.visitor.check(&case.text, deed.as_str(), form).is_ok()
}

fn page(case: &Case, wrong: Option<&str>) -> Response {
    let Case { visitor, text, .. } = case;
    let words = visitor.words();
    let now = visitor.app().clock.now();
    let nonce = |deed: Deed| visitor.nonce(text, deed.as_str());
    let undoable = case.flag.as_ref().is_some_and(|flag| flag.may_be_undone(now));
    let machine = case.flag.as_ref().is_some_and(|flag| flag.by == FlagBy::Machine);
    let heading = if case.flag.is_some() { "me-flagged" } else { "me-spam-ask" };
    let icon = if case.flag.is_some() { Icon::Done } else { Icon::Question };
    let body = html! {
        h1 { (icon) (words.say(heading)) }
        dl.details {
            div { dt { (words.say("me-from")) } dd { (Shown(&case.held.from_text)) } }
            div { dt { (words.say("subject")) } dd { (subject(words, &case.held)) } }
            div { dt { (words.say("me-to")) } dd { (part::AddressShown(&case.copy().address)) } }
        }
        @if case.flag.is_some() { p { (words.say("me-flagged-text")) } }
        @else { p { (words.say("me-spam-text")) } }
        @if let Some(wrong) = wrong { p.wrong role="alert" { (words.say(wrong)) } }
        @if case.flag.is_none() || machine {
            form method="post" action=(Path::Flag(text)) {
                input type="hidden" name="nonce" value=(nonce(Deed::Spam));
                button #do type="submit" { (words.say("me-spam")) }
            }
        }
        @if undoable {
            form method="post" action=(Path::FlagUndo(text)) {
                input type="hidden" name="nonce" value=(nonce(Deed::Undo));
                button.quiet #undo type="submit" { (words.say("me-undo")) }
            }
        }
    };
    let brand = visitor.brand_of(&case.copy().organisation);
    let title = words.say("me-spam");
    let at = Path::Flag(text);
    let page = part::page(visitor, &Page { brand: &brand, at, title, refresh: None, body });
    let status = if wrong.is_some() { StatusCode::FORBIDDEN } else { StatusCode::OK };
    (status, page).into_response()
}

fn gone(visitor: &Visitor) -> Response {
    let words = visitor.words();
    let body = html! {
        h1 { (Icon::Stopped) (words.say("me-flag-gone")) }
        p { (words.say("me-flag-gone-text")) }
    };
    (StatusCode::GONE, super::shown(visitor, words.say("me-spam"), body)).into_response()
}

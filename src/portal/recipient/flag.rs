//! `/f/<token>`: the link in the header of a message that was delivered from
//! hold. A person flags here; his mail server may, when he moves the message
//! to Junk.
//!
//! GET shows and changes nothing. The machine's address takes a bare POST: no
//! page leads there, and the token is its only secret.

use axum::extract::{Path as Captured, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::html;

use super::list::subject;
use super::message::settled;
use crate::link::Purpose;
use crate::portal::App;
use crate::portal::error::Trouble;
use crate::portal::form::Form;
use crate::portal::frame::Visitor;
use crate::portal::part::{self, Brand, Icon, Page};
use crate::portal::path::{Deed, Path};
use crate::portal::public::see_other;
use crate::portal::sender::read;
use crate::portal::words::Shown;
use crate::quarantine::{Held, HeldRecipient};
use crate::reputation::{Flag, FlagBy};

/// A delivered message behind a genuine link.
struct Case {
    held: Held,
    slot: usize,
    flag: Option<Flag>,
}

impl Case {
    /// `None`: the link has expired, or the message is forgotten.
    async fn load(app: &App, visitor: &mut Visitor, text: &str) -> Result<Option<Self>, Trouble> {
        let token = read(app, visitor, Purpose::Flag, text)?;
        if token.has_expired(app.clock.now()) {
            return Ok(None);
        }
        let slot = usize::from(token.slot);
        let held = app.releases.held(token.subject).await?;
        let Some(held) = held.filter(|held| held.recipients.len() > slot) else { return Ok(None) };
        let services = app.recipients()?;
        let copy = &held.recipients[slot];
        if let Some(row) = services.people.find(&copy.address).await? {
            super::reader::speak(app, visitor, &row.record);
        }
        let sender = held.sender();
        let found = services.flags.find(&sender, &copy.organisation, &copy.address);
        let flag = found.await?.filter(Flag::stands);
        Ok(Some(Self { held, slot, flag }))
    }

    fn copy(&self) -> &HeldRecipient {
        &self.held.recipients[self.slot]
    }
}

pub async fn show(
    State(app): State<App>,
    mut visitor: Visitor,
    Captured(text): Captured<String>,
) -> Result<Response, Trouble> {
    match Case::load(&app, &mut visitor, &text).await? {
        Some(case) => Ok(page(&app, &visitor, &text, &case, None)),
        None => Ok(gone(&visitor)),
    }
}

/// A form's address opened by hand.
pub async fn back(Captured(text): Captured<String>) -> Response {
    see_other(Path::Flag(&text))
}

pub async fn flag(
    State(app): State<App>,
    mut visitor: Visitor,
    Captured(text): Captured<String>,
    form: Form,
) -> Result<Response, Trouble> {
    let Some(case) = Case::load(&app, &mut visitor, &text).await? else {
        return Ok(gone(&visitor));
    };
    if !is_ours(&app, &visitor, &text, Deed::Spam, &form) {
        return Ok(page(&app, &visitor, &text, &case, Some("me-again")));
    }
    act(&app, &case, FlagBy::Person).await?;
    Ok(see_other(Path::Flag(&text)))
}

pub async fn undo(
    State(app): State<App>,
    mut visitor: Visitor,
    Captured(text): Captured<String>,
    form: Form,
) -> Result<Response, Trouble> {
    let Some(case) = Case::load(&app, &mut visitor, &text).await? else {
        return Ok(gone(&visitor));
    };
    if !is_ours(&app, &visitor, &text, Deed::Undo, &form) {
        return Ok(page(&app, &visitor, &text, &case, Some("me-again")));
    }
    take_back(&app, &case).await?;
    Ok(see_other(Path::Flag(&text)))
}

/// The mail server's word: moved to Junk.
pub async fn junk(
    State(app): State<App>,
    mut visitor: Visitor,
    Captured(text): Captured<String>,
) -> Result<Response, Trouble> {
    let Some(case) = Case::load(&app, &mut visitor, &text).await? else {
        return Ok(gone(&visitor));
    };
    act(&app, &case, FlagBy::Machine).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Moved out of Junk: what a machine flagged, a machine may undo; a person's
/// own flag stays.
pub async fn not_junk(
    State(app): State<App>,
    mut visitor: Visitor,
    Captured(text): Captured<String>,
) -> Result<Response, Trouble> {
    let Some(case) = Case::load(&app, &mut visitor, &text).await? else {
        return Ok(gone(&visitor));
    };
    if case.flag.as_ref().is_some_and(|flag| flag.by == FlagBy::Machine) {
        take_back(&app, &case).await?;
    }
    Ok(StatusCode::NO_CONTENT.into_response())
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

fn is_ours(app: &App, visitor: &Visitor, text: &str, deed: Deed, form: &Form) -> bool {
    let nonce = form.field("nonce");
    let checked = app.nonces.check_for(&visitor.host, text, deed.as_str(), nonce);
    checked.is_ok() && !form.is_cross_site()
}

fn page(app: &App, visitor: &Visitor, text: &str, case: &Case, wrong: Option<&str>) -> Response {
    let words = visitor.words();
    let now = app.clock.now();
    let nonce = |deed: Deed| app.nonces.mint_for(&visitor.host, text, deed.as_str());
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
    let brand = match app.directory.organisation(&case.copy().organisation) {
        Some(organisation) => Brand::from(&*organisation),
        None => visitor.brand(),
    };
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

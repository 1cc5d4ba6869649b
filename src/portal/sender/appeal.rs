//! Where mass mailers are led: they cannot release themselves.
//!
//! The page says what to do now. The address is the appeal's own from the
//! start, with a token of its own purpose, so that links stay right when the
//! form of an appeal stands here.

use axum::extract::{Path as Captured, State};
use maud::{Markup, html};

use super::case::Case;
use super::entered::{Entered, read};
use crate::link::{Purpose, Token};
use crate::portal::App;
use crate::portal::error::Trouble;
use crate::portal::frame::Visitor;
use crate::portal::part::{self, Brand, Icon, Page};
use crate::portal::path::Path;

/// The appeal's token for this message, as long-lived as the link.
pub fn token(app: &App, entered: &Entered, case: &Case) -> String {
    let token = Token { purpose: Purpose::Appeal, subject: case.held.id, ..entered.token };
    token.mint(app.links.ring(), &entered.visitor.host)
}

/// "Mass mailers cannot release themselves."
pub async fn show(
    State(app): State<App>,
    mut visitor: Visitor,
    Captured(text): Captured<String>,
) -> Result<Markup, Trouble> {
    let token = read(&app, &visitor, Purpose::Appeal, &text)?;
    let held = app.releases.held(token.subject).await?;
    let first = held.as_ref().and_then(|held| held.recipients.first());
    let organisation = first.and_then(|one| app.directory.organisation(&one.organisation));
    let language = organisation.as_ref().map(|one| one.language.as_str());
    visitor.speak(&[held.as_ref().and_then(|held| held.language.as_deref()), language]);
    let brand = organisation.map_or_else(|| visitor.brand(), |one| Brand::from(&*one));
    let words = visitor.words();
    let body = html! {
        h1 { (Icon::Stopped) (words.say("bulk")) }
        p.lede { (words.say("bulk-text")) }
        p { (words.say("bulk-other")) }
        h2 { (words.say("bulk-now")) }
        p { (words.say("bulk-write")) }
        @if let Some(contact) = &brand.contact { p { (part::contact_line(words, contact)) } }
        @if let Some(held) = &held {
            p {
                (words.say("reference")) " "
                span.reference { (held.reference.to_string()) }
            }
        }
        p { (words.say("bulk-waits")) }
    };
    let title = words.say("bulk");
    let at = Path::Appeal(&text);
    Ok(part::page(&visitor, &Page { brand: &brand, at, title, refresh: None, body }))
}

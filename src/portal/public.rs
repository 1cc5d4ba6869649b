//! Pages that belong to no message: help, what this is, a lost link, and the
//! public statistics, which name nobody.

use axum::extract::{Path as Captured, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};

use super::App;
use super::asset::FOREVER;
use super::chart::{KINDS, figure, with_band};
use super::error::Trouble;
use super::form::Form;
use super::frame::Visitor;
use super::part::{self, Brand, Icon, Page};
use super::path::Path;
use super::words::Words;
use crate::directory::OrganisationId;
use crate::mail::Address;
use crate::reputation::Network;
use crate::statistics::Counts;

/// Days of the public statistics; behind them stand as many before.
const SHOWN: u32 = 28;

pub async fn root() -> Redirect {
    Redirect::to(&Path::Help.to_string())
}

pub async fn robots() -> &'static str {
    "User-agent: *\nDisallow: /\n"
}

pub async fn asset(
    State(app): State<App>,
    Captured(name): Captured<String>,
) -> Result<Response, Trouble> {
    app.assets.serve(&name).ok_or(Trouble::NotFound)
}

/// The name holds the picture's hash, so it never changes.
pub async fn logo(
    State(app): State<App>,
    Captured(name): Captured<String>,
) -> Result<Response, Trouble> {
    let (id, version) = name.rsplit_once('-').ok_or(Trouble::NotFound)?;
    let id = OrganisationId::new(id).ok_or(Trouble::NotFound)?;
    let organisation = app.directory.organisation(&id).ok_or(Trouble::NotFound)?;
    let logo = organisation.logo.as_ref().filter(|logo| logo.version == version);
    let logo = logo.ok_or(Trouble::NotFound)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(logo.kind.media_type())),
        (header::CACHE_CONTROL, HeaderValue::from_static(FOREVER)),
    ];
    Ok((headers, logo.bytes.clone()).into_response())
}

/// "For blocked senders".
pub async fn help(visitor: Visitor) -> Markup {
    let words = visitor.words();
    let brand = visitor.brand();
    let body = html! {
        h1 { (words.say("help")) }
        p.lede { (words.say("help-lede")) }
        h2 { (words.say("help-why")) }
        (list(words, &["help-why-rule", "help-why-history", "help-why-quantity", "help-why-proof"]))
        h2 { (words.say("help-through")) }
        (list(words, &["help-through-link", "help-through-proof", "help-through-contact"]))
        h2 { (words.say("help-release")) }
        p { (words.say("help-release-text")) }
        h2 { (words.say("help-nothing")) }
        p { (words.say("help-nothing-text")) }
        (list(words, &["help-nothing-address", "help-nothing-bounce", "help-nothing-again"]))
        p { a href=(Path::Lost) { (words.say("lost-link")) } }
        h2 { (words.say("help-mass")) }
        p { (words.say("help-mass-text")) }
        h2 { (words.say("help-contact")) }
        p {
            @match brand.contact() {
                Some(contact) => (part::contact_line(words, contact)),
                None => (words.say("help-contact-text")),
            }
        }
    };
    shown(&visitor, Path::Help, words.say("help"), body)
}

/// "What is this page?"
pub async fn about(visitor: Visitor) -> Markup {
    let words = visitor.words();
    let body = html! {
        h1 { (words.say("about")) }
        p.lede { (words.say("about-who")) }
        p { (words.say("about-why")) }
        p { (words.say("about-asks")) }
        p { (words.say("about-check")) }
        p { (words.say("about-doubt")) }
    };
    shown(&visitor, Path::About, words.say("about"), body)
}

pub async fn lost(visitor: Visitor) -> Markup {
    lost_form(&visitor, "", None)
}

/// The same answer for every address: whether we hold something from it is
/// nobody's business. What is done about it happens behind the answer.
pub async fn send_lost(
    State(app): State<App>,
    visitor: Visitor,
    form: Form,
) -> Result<Response, Trouble> {
    if form.is_cross_site() {
        return Err(Trouble::CrossSite);
    }
    let typed = form.field("address").trim();
    let Ok(address) = Address::parse(typed) else {
        let page = lost_form(&visitor, typed, Some("lost-wrong"));
        return Ok((axum::http::StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    };
    if app.may_ask_for_letter(&visitor, &address)
        && let Some(lost) = &app.lost
    {
        tokio::spawn(lost(address, Network::of(visitor.client)));
    }
    let words = visitor.words();
    let body = html! {
        h1 { (Icon::Done) (words.say("lost-answer")) }
        p { (words.say("lost-answer-text")) }
        p { (words.say("lost-answer-limit")) }
    };
    Ok(shown(&visitor, Path::Lost, words.say("lost"), body).into_response())
}

fn lost_form(visitor: &Visitor, typed: &str, wrong: Option<&str>) -> Markup {
    let words = visitor.words();
    let body = html! {
        h1 { (words.say("lost")) }
        p { (words.say("lost-text")) }
        (address_form(words, Path::Lost, typed, wrong))
    };
    shown(visitor, Path::Lost, words.say("lost"), body)
}

/// The one field of a form that asks for a letter.
pub fn address_form(words: &Words, action: Path<'_>, typed: &str, wrong: Option<&str>) -> Markup {
    html! {
        form method="post" action=(action) {
            label for="address" { (words.say("lost-label")) }
            @if let Some(wrong) = wrong { p.wrong #wrong role="alert" { (words.say(wrong)) } }
            input #address name="address" type="email" autocomplete="email" required
                maxlength="254" value=(typed) aria-invalid=[wrong.map(|_| "true")]
                aria-describedby=[wrong.map(|_| "wrong")] autofocus[wrong.is_some()];
            button #send type="submit" { (words.say("lost-button")) }
        }
    }
}

/// Totals, shares and charts of the last four weeks, where the operator shows
/// them to everybody.
pub async fn statistics(State(app): State<App>, visitor: Visitor) -> Result<Markup, Trouble> {
    let console = app.console.as_ref().filter(|_| app.settings.statistics);
    let hours = console.ok_or(Trouble::NotFound)?.statistics.last(2 * SHOWN * 24).await?;
    let words = visitor.words();
    let days: Vec<Counts> = hours
        .chunks(24)
        .map(|day| day.iter().copied().fold(Counts::default(), Counts::plus))
        .collect();
    let sum =
        days[days.len() - SHOWN as usize..].iter().copied().fold(Counts::default(), Counts::plus);
    // What the filter stopped; the rest of the counts is what became of it.
    let stopped = (sum.held + sum.rejected + sum.destroyed).max(1);
    let body = html! {
        h1 { (words.say("stats")) }
        p.lede { (words.say("stats-text")) }
        dl.details {
            @for (word, read) in KINDS {
                div {
                    dt { (words.say(word)) }
                    dd { (read(&sum)) " (" (read(&sum) * 100 / stopped) " %)" }
                }
            }
        }
        p.small { (words.say("stats-shares")) }
        @for (word, read) in KINDS {
            @let all: Vec<u64> = days.iter().map(read).collect();
            (figure(words, word, &with_band(&all, 7, SHOWN as usize), "stats-begin"))
        }
        p.small { (words.say("admin-band")) }
    };
    // Of the whole service: no organisation leads it.
    let brand = Brand::installation(app.settings.postmaster.as_ref());
    let title = words.say("stats");
    Ok(part::page(
        &visitor,
        &Page { brand: &brand, at: Path::Statistics, title, refresh: None, body },
    ))
}

fn list(words: &Words, ids: &[&str]) -> Markup {
    html! { ul.plain { @for id in ids { li { (words.say(id)) } } } }
}

fn shown(visitor: &Visitor, at: Path<'_>, title: &str, body: Markup) -> Markup {
    let brand = visitor.brand();
    part::page(visitor, &Page { brand: &brand, at, title, refresh: None, body })
}

/// A redirect that POST and GET both follow with GET (RFC 9110 15.4.4).
pub fn see_other(path: Path<'_>) -> Response {
    let location = [(header::LOCATION, path.to_string())];
    (axum::http::StatusCode::SEE_OTHER, location).into_response()
}

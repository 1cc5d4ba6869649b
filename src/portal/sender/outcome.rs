//! What became of the message: on its way, delivered, failed, or ended.
//!
//! Copies that share their fate share a paragraph. Recipients in Bcc are
//! counted, never named, and their server's words are not shown.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::case::Case;
use super::entered::Entered;
use super::waiting::{details, lede, no_release, others, recipients};
use crate::portal::part::{self, Brand, Icon, Page};
use crate::portal::path::{Path, Step};
use crate::portal::words::{Arguments, Shown, Words};
use crate::quarantine::{HeldRecipient, State};

/// Seconds between two looks of the script while something moves.
const REFRESH: u32 = 4;

/// The order in which fates are told: what still moves first.
const ORDER: [State; 9] = [
    State::Releasing,
    State::Released,
    State::Failed,
    State::Held,
    State::Delivered,
    State::Withdrawn,
    State::Refused,
    State::Disowned,
    State::Expired,
];

/// The page of a message of which at least one copy does not wait any more.
pub fn page(entered: &Entered, case: &Case) -> Response {
    let words = entered.visitor.words();
    let present: Vec<State> = present(case).collect();
    let leads = present.iter().copied().find(|state| *state != State::Held);
    let leads = leads.unwrap_or(State::Held);
    let (icon, heading) = heading(leads);
    let moving = present.iter().any(|one| matches!(one, State::Releasing | State::Released));
    let body = html! {
        div role="status" data-told=(told(case)) {
            h1 { (icon) (words.say(heading)) }
            @for state in &present { (fate(entered, case, *state, present.len() > 1)) }
        }
        (details(words, case))
        @if moving {
            p.refresh { a href=(entered.path(Step::Declare)) { (words.say("refresh")) } }
        }
    };
    let page = entered.page(case, words.say(heading), moving.then_some(REFRESH), body);
    let status = if leads == State::Expired { StatusCode::GONE } else { StatusCode::OK };
    (status, page).into_response()
}

/// Changes whenever the page has news, so that the script leaves it alone
/// until then.
fn told(case: &Case) -> String {
    let news = |one: &HeldRecipient| one.changed_at.max(at(one)).as_microsecond();
    case.copies().map(news).max().unwrap_or_default().to_string()
}

/// The page of a message that nobody can release any more: expired or purged.
pub fn gone(entered: &Entered) -> Markup {
    let words = entered.visitor.words();
    let body = html! {
        h1 { (Icon::Stopped) (words.say("expired")) }
        p.lede { (words.say("expired-text")) }
        p { (words.say("expired-now")) }
    };
    let brand: Brand = entered.visitor.brand();
    let at: Path<'_> = entered.path(Step::Declare);
    let title = words.say("expired");
    part::page(&entered.visitor, &Page { brand: &brand, at, title, refresh: None, body })
}

fn heading(state: State) -> (Icon, &'static str) {
    match state {
        State::Held => (Icon::Waiting, "waiting"),
        State::Releasing | State::Released => (Icon::Moving, "moving"),
        State::Delivered => (Icon::Done, "delivered"),
        State::Failed => (Icon::Stopped, "failed"),
        State::Withdrawn => (Icon::Stopped, "withdrawn"),
        State::Refused => (Icon::Stopped, "recipient-refuses"),
        State::Disowned => (Icon::Done, "disowned"),
        State::Expired => (Icon::Stopped, "expired"),
    }
}

/// What became of the copies that do not wait, beside a page of those that do.
pub fn elsewhere(entered: &Entered, case: &Case) -> Markup {
    html! { @for state in present(case).filter(|state| *state != State::Held) { (fate(entered, case, state, true)) } }
}

fn present(case: &Case) -> impl Iterator<Item = State> {
    ORDER.into_iter().filter(|state| case.copies().any(|one| one.state == *state))
}

/// All copies in one state.
fn fate(entered: &Entered, case: &Case, state: State, several: bool) -> Markup {
    let words = entered.visitor.words();
    let copies = || case.copies().filter(move |one| one.state == state);
    let named = Case::named(copies());
    let heading = heading(state).1;
    html! {
        section.fate {
            @if several { h2 { (words.say(heading)) } }
            @match state {
                State::Releasing => (countdown(entered, case, &named)),
                State::Released => {
                    p.lede { (words.say("released-text")) }
                    (recipients(words, &named))
                    @for one in &named.shown { (answer(words, one, "answer-later")) }
                }
                State::Delivered | State::Failed => {
                    @let (line, reply) = if state == State::Delivered {
                        ("delivered-to", "answer")
                    } else {
                        ("failed-to", "answer-refused")
                    };
                    @for one in &named.shown {
                        p.lede { (words.tell(line, &place(one))) " " (part::clock_time(at(one))) }
                        p.recipient { (part::AddressShown(&one.address)) }
                        (answer(words, one, reply))
                    }
                    @if named.others > 0 { p { (others(words, &named)) } }
                    @if state == State::Failed { p { (words.say("failed-now")) } }
                }
                State::Held => {
                    (recipients(words, &named))
                    (no_release(words, case.way))
                }
                State::Withdrawn => {
                    (lede(words, "withdrawn-text", &named))
                    @for one in &named.shown { (answer(words, one, "answer-refused")) }
                    p { (words.say("withdrawn-now")) }
                }
                State::Refused => {
                    (recipients(words, &named))
                    p { (words.say("refuses-text")) }
                    p { (words.say("refuses-now")) }
                }
                State::Disowned => (disowned(words)),
                State::Expired => {
                    p.lede { (words.say("expired-text")) }
                    (recipients(words, &named))
                    p { (words.say("expired-now")) }
                }
            }
        }
    }
}

/// The countdown, and the way to stop it.
fn countdown(entered: &Entered, case: &Case, named: &super::case::Named<'_>) -> Markup {
    let words = entered.visitor.words();
    let dues = case.copies().filter(|one| one.state == State::Releasing);
    let due = dues.filter_map(|one| one.due_at).min();
    let due = due.filter(|due| *due > case.now);
    html! {
        (lede(words, "releasing-text", named))
        @if let Some(due) = due {
            p.countdown {
                (words.say("releasing-starts")) " "
                time #countdown role="timer" datetime=(due) title=(part::exact(due)) data-due=(due)
                    data-seconds=(words.say("countdown-seconds")) {
                    (part::countdown(words, due, case.now))
                }
            }
            form method="post" action=(entered.path(Step::Withdraw)) {
                input type="hidden" name="nonce" value=(entered.nonce(Step::Withdraw));
                button.quiet #take-back type="submit" { (words.say("take-back")) }
            }
        } @else {
            p { (words.say("releasing-now")) }
        }
    }
}

fn disowned(words: &Words) -> Markup {
    html! {
        p.lede { (words.say("disowned-text")) }
        p { (words.say("disowned-advice")) }
        dl.advice {
            dt { "SPF" } dd { (words.say("disowned-spf")) }
            dt { "DKIM" } dd { (words.say("disowned-dkim")) }
            dt { "DMARC" } dd { (words.say("disowned-dmarc")) }
        }
        p { (words.say("disowned-ask")) }
    }
}

fn place(one: &HeldRecipient) -> Arguments {
    Arguments::new().mail("domain", &one.address.domain().display())
}

fn at(one: &HeldRecipient) -> crate::clock::Timestamp {
    one.outcome.as_ref().map_or(one.changed_at, |outcome| outcome.at)
}

/// What the recipient's server said, in small print.
fn answer(words: &Words, one: &HeldRecipient, id: &str) -> Markup {
    html! {
        @if let Some(outcome) = &one.outcome {
            p.answer {
                (words.say(id)) " "
                code { (Shown(&outcome.reply)) }
            }
        }
    }
}

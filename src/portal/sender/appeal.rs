//! The appeal: where mass mailers, and senders who were revoked, ask for what
//! they cannot release themselves; and how it stands.
//!
//! The form says plainly what it is for, keeps what was typed when it is
//! refused, and shows beside it what we know already. One appeal per sender
//! and campaign: whoever comes again sees how the first stands.

use axum::extract::{FromRequestParts, Path as Captured, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::case::Case;
use super::entered::{Entered, read};
use crate::appeal::{ANSWER, Appeal, AppealError, Claimed, State as Stands, Voice};
use crate::link::{Purpose, Token};
use crate::portal::App;
use crate::portal::error::Trouble;
use crate::portal::form::Form;
use crate::portal::frame::{Visitor, captured};
use crate::portal::part::{self, Brand, Icon, Page};
use crate::portal::path::Path;
use crate::portal::public::see_other;
use crate::portal::words::{Arguments, Shown};
use crate::quarantine::{Held, State as Copy};

/// The appeal's token for this message, as long-lived as the link.
pub fn token(app: &App, entered: &Entered, case: &Case) -> String {
    let token = Token { purpose: Purpose::Appeal, subject: case.held.id, ..entered.token };
    token.mint(app.links.ring(), &entered.visitor.host)
}

/// A visitor with a genuine token of an appeal.
pub struct Asked {
    visitor: Visitor,
    text: String,
    held: Option<Held>,
    brand: Brand,
    appeal: Option<Appeal>,
}

impl FromRequestParts<App> for Asked {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Trouble> {
        let mut visitor = Visitor::from_request_parts(parts, app).await?;
        let text = captured(parts, app, "token").await?.ok_or(Trouble::Link)?;
        let token = read(app, &visitor, Purpose::Appeal, &text)?;
        let held = app.releases.held(token.subject).await?;
        let first = held.as_ref().and_then(|held| held.recipients.first());
        let organisation = first.and_then(|one| app.directory.organisation(&one.organisation));
        let language = organisation.as_ref().map(|one| one.language.as_str());
        visitor.speak(&[held.as_ref().and_then(|held| held.language.as_deref()), language]);
        let brand = organisation.map_or_else(|| visitor.brand(), Brand::Organisation);
        let appeal = match (&app.appeals, &held) {
            (Some(appeals), Some(held)) => appeals.of_held(held).await?,
            _ => None,
        };
        Ok(Self { visitor, text, held, brand, appeal })
    }
}

impl Asked {
    /// The message, if there is still something to ask for.
    fn waiting(&self) -> Option<&Held> {
        self.held.as_ref().filter(|held| {
            !held.erased && held.recipients.iter().any(|one| one.state == Copy::Held)
        })
    }

    fn check(&self, form: &Form, word: &str) -> bool {
        self.visitor.check(&self.text, word, form).is_ok()
    }

    fn nonce(&self, word: &str) -> String {
        self.visitor.nonce(&self.text, word)
    }

    fn shell(&self, title: &str, body: Markup) -> Markup {
        let at = Path::Appeal(&self.text);
        part::page(&self.visitor, &Page { brand: &self.brand, at, title, refresh: None, body })
    }
}

pub async fn show(State(app): State<App>, asked: Asked) -> Markup {
    page(&app, &asked, None)
}

/// A form's address opened by hand.
pub async fn back(Captured(text): Captured<String>) -> Response {
    see_other(Path::Appeal(&text))
}

pub async fn apply(State(app): State<App>, asked: Asked, form: Form) -> Result<Response, Trouble> {
    let (Some(appeals), Some(held), None) = (&app.appeals, asked.waiting(), &asked.appeal) else {
        return Ok(see_other(Path::Appeal(&asked.text)));
    };
    let typed = |name: &str| form.field(name).to_owned();
    let claimed = Claimed {
        who: typed("who"),
        what: typed("what"),
        why: typed("why"),
        agreed: typed("agreed"),
        how_many: form.field("how-many").trim().parse().unwrap_or(0),
    };
    let again = |wrong| ask(&asked, &claimed, form.field("how-many"), Some(wrong));
    if !asked.check(&form, "apply") {
        return Ok((StatusCode::FORBIDDEN, again("me-again")).into_response());
    }
    match appeals.apply(held, &claimed).await {
        Ok(_) | Err(AppealError::Gone) => Ok(see_other(Path::Appeal(&asked.text))),
        Err(AppealError::Store(fault)) => Err(fault.into()),
        Err(_) => {
            Ok((StatusCode::UNPROCESSABLE_ENTITY, again("appeal-incomplete")).into_response())
        }
    }
}

/// The sender answers a question, or adds something.
pub async fn answer(State(app): State<App>, asked: Asked, form: Form) -> Result<Response, Trouble> {
    let (Some(appeals), Some(appeal)) = (&app.appeals, &asked.appeal) else {
        return Ok(see_other(Path::Appeal(&asked.text)));
    };
    if !asked.check(&form, "answer") {
        return Ok((StatusCode::FORBIDDEN, page(&app, &asked, Some("me-again"))).into_response());
    }
    match appeals.answer(appeal.id, form.field("text")).await {
        Err(AppealError::Store(fault)) => Err(fault.into()),
        _ => Ok(see_other(Path::Appeal(&asked.text))),
    }
}

fn page(app: &App, asked: &Asked, wrong: Option<&str>) -> Markup {
    match (&asked.appeal, &app.appeals, asked.waiting()) {
        (Some(appeal), ..) => status(app, asked, appeal, wrong),
        (None, Some(_), Some(_)) => ask(asked, &Claimed::default(), "", wrong),
        _ => elsewhere(asked),
    }
}

/// Nothing is held any more, or nobody decides appeals here.
fn elsewhere(asked: &Asked) -> Markup {
    let words = asked.visitor.words();
    let body = html! {
        h1 { (Icon::Stopped) (words.say("bulk")) }
        p.lede { (words.say("bulk-text")) }
        p { (words.say("bulk-other")) }
        h2 { (words.say("bulk-now")) }
        p { (words.say("bulk-write")) }
        @if let Some(contact) = asked.brand.contact() { p { (part::contact_line(words, contact)) } }
        @if let Some(held) = &asked.held {
            p {
                (words.say("reference")) " "
                span.reference { (held.reference.to_string()) }
            }
        }
        @if asked.waiting().is_some() { p { (words.say("bulk-waits")) } }
    };
    asked.shell(words.say("bulk"), body)
}

/// The form, calm. `many` is the number as it was typed.
fn ask(asked: &Asked, claimed: &Claimed, many: &str, wrong: Option<&str>) -> Markup {
    let words = asked.visitor.words();
    let held = asked.held.as_ref();
    let questions = [
        ("who", "appeal-who", &claimed.who),
        ("what", "appeal-what", &claimed.what),
        ("why", "appeal-why", &claimed.why),
        ("agreed", "appeal-agreed", &claimed.agreed),
    ];
    let answered = questions.iter().all(|(.., value)| !value.trim().is_empty());
    let body = html! {
        h1 { (Icon::Stopped) (words.say("bulk")) }
        p.lede { (words.say("bulk-text")) }
        p { (words.say("bulk-other")) }
        h2 { (words.say("appeal-ask")) }
        p { (words.say("appeal-ask-text")) }
        @if let Some(held) = held {
            dl.details {
                div { dt { (words.say("subject")) } dd { (Shown(&held.subject)) } }
                div {
                    dt { (words.say("me-proof")) }
                    dd { (words.say(if held.sender().is_proved() { "me-proof-yes" } else { "me-proof-no" })) }
                }
                div {
                    dt { (words.say("reference")) }
                    dd { span.reference { (held.reference.to_string()) } }
                }
            }
        }
        form method="post" action=(Path::Appeal(&asked.text)) {
            @if let Some(wrong) = wrong { p.wrong #wrong role="alert" { (words.say(wrong)) } }
            input type="hidden" name="nonce" value=(asked.nonce("apply"));
            @for (name, id, value) in questions {
                label for=(name) { (words.say(id)) }
                textarea id=(name) name=(name) rows="3" required maxlength=(ANSWER)
                    autofocus[wrong.is_some() && value.trim().is_empty()] { (value) }
            }
            label for="how-many" { (words.say("appeal-how-many")) }
            input #how-many name="how-many" type="text" inputmode="numeric" required maxlength="9"
                value=(many) autofocus[wrong.is_some() && answered && claimed.how_many == 0];
            button #send type="submit" { (words.say("appeal-send")) }
        }
        p { (words.say("bulk-waits")) }
    };
    asked.shell(words.say("bulk"), body)
}

/// How it stands, and the conversation.
fn status(app: &App, asked: &Asked, appeal: &Appeal, wrong: Option<&str>) -> Markup {
    let words = asked.visitor.words();
    let now = app.clock.now();
    let (icon, heading, text) = match appeal.state {
        Stands::Received => (Icon::Waiting, "appeal-received", "appeal-received-text"),
        Stands::Asked => (Icon::Question, "appeal-question", "appeal-question-text"),
        Stands::Granted => (Icon::Done, "appeal-granted", "appeal-granted-text"),
        // An expired one lets him ask anew, so no page shows it.
        Stands::Denied | Stands::Expired => (Icon::Stopped, "appeal-denied", "appeal-denied-text"),
    };
    let body = html! {
        h1 { (icon) (words.say(heading)) }
        p.lede { (words.say(text)) }
        @if let Some(grant) = appeal.lasting_grant() {
            p {
                (words.tell("appeal-until", &Arguments::new()
                    .own("day", part::day(words, grant.until).plain())
                    .number("n", i64::from(grant.volume))))
            }
        }
        @if let Some(decision) = &appeal.decision {
            @if !decision.reason.is_empty() { blockquote { (Shown(&decision.reason)) } }
        }
        dl.details {
            div { dt { (words.say("subject")) } dd { (Shown(&appeal.evidence.subject)) } }
            div { dt { (words.say("sent")) } dd { (part::moment(words, appeal.opened_at, now)) } }
            div {
                dt { (words.say("reference")) }
                dd { span.reference { (appeal.reference) } }
            }
        }
        @if !appeal.lines.is_empty() {
            h2 { (words.say("appeal-talk")) }
            ul.rows {
                @for line in &appeal.lines {
                    li {
                        span {
                            strong {
                                (words.say(match line.voice {
                                    Voice::Sender => "appeal-you",
                                    Voice::Administrator => "appeal-we",
                                }))
                            }
                            " " (Shown(&line.text))
                        }
                        span { (part::moment(words, line.at, now)) }
                    }
                }
            }
        }
        @if appeal.takes_lines() {
            form method="post" action=(Path::AppealAnswer(&asked.text)) {
                @if let Some(wrong) = wrong { p.wrong role="alert" { (words.say(wrong)) } }
                input type="hidden" name="nonce" value=(asked.nonce("answer"));
                label for="text" { (words.say("appeal-add")) }
                textarea #text name="text" rows="3" required maxlength=(ANSWER) {}
                button #send type="submit" { (words.say("appeal-say")) }
            }
        }
        @if appeal.state.is_open() {
            p { (words.say("bulk-waits")) }
        }
    };
    asked.shell(words.say(heading), body)
}

//! What a recipient chooses: digest, language, what happens to mailings; whom
//! he blocks and allows, what he reported, and where he is signed in.

use std::collections::HashSet;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::message::settled;
use super::reader::{Reader, cookie_name};
use crate::directory::{
    Choice, Frequency, Organisation, Pattern, Recipient, RuleAction, Session, StoredRule,
};
use crate::mail::{Address, Domain};
use crate::portal::App;
use crate::portal::error::Trouble;
use crate::portal::form::Form;
use crate::portal::frame::Visitor;
use crate::portal::part::{self, Page};
use crate::portal::path::Path;
use crate::portal::public::see_other;
use crate::portal::words::{Arguments, Shown, Words};
use crate::reputation::Flag;

/// Rules, flags and sessions that the page lists.
const LISTED: usize = 200;
const CHOICES: [(&str, &str, Option<Choice>); 4] = [
    ("", "me-choice-theirs", None),
    ("deliver", "me-choice-deliver", Some(Choice::Deliver)),
    ("hold", "me-choice-hold", Some(Choice::Hold)),
    ("reject", "me-choice-reject", Some(Choice::Reject)),
];
pub const DAYS: [&str; 7] = ["day-1", "day-2", "day-3", "day-4", "day-5", "day-6", "day-7"];

pub async fn show(reader: Reader) -> Result<Markup, Trouble> {
    page(&reader, None, None).await
}

pub async fn save(State(app): State<App>, reader: Reader, form: Form) -> Result<Response, Trouble> {
    if !reader.check(&form, "settings") {
        return again(&reader).await;
    }
    let chosen = |name: &str| {
        let value = form.field(name).to_owned();
        CHOICES.iter().find(|(word, ..)| *word == value).and_then(|(.., choice)| *choice)
    };
    let frequency = Frequency::parse(form.field("digest"));
    let number = |name: &str, below: u8| {
        form.field(name).parse::<u8>().ok().filter(|number| *number < below)
    };
    let language = reader.visitor.languages().find(form.field("language"));
    let language = language.map(|words| words.tag().to_owned());
    let organisation = app.directory.organisation(&reader.recipient.organisation);
    let chooses = organisation.as_ref().is_some_and(|one| one.people_choose);
    let theirs = organisation.map(|one| one.digest.rhythm).unwrap_or_default();
    let people = &app.recipients()?.people;
    let changed = people.change(&reader.recipient.address, |one: &mut Recipient| {
        one.choose(theirs, (frequency, number("hour", 24), number("weekday", 7)));
        one.language.clone_from(&language);
        if chooses {
            (one.marketing, one.poll, one.social) =
                (chosen("marketing"), chosen("poll"), chosen("social"));
        }
    });
    changed.await.map_err(|error| Trouble::Unavailable(error.to_string()))?;
    Ok(see_other(Path::MeSettings))
}

/// Blocks or allows a sender, ends a rule, undoes a flag, ends a session.
pub async fn sender(
    State(app): State<App>,
    reader: Reader,
    form: Form,
) -> Result<Response, Trouble> {
    if !reader.check(&form, "senders") {
        return again(&reader).await;
    }
    let services = app.recipients()?;
    let (people, recipient) = (&services.people, &reader.recipient);
    let (organisation, own) = (&recipient.organisation, &recipient.address);
    match form.field("do") {
        word @ ("block" | "allow") => {
            let typed = form.field("sender");
            let Some(pattern) = pattern(typed) else {
                let page = page(&reader, None, Some(typed)).await?;
                return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
            };
            let action = if word == "block" { RuleAction::Block } else { RuleAction::Allow };
            people.set_rule(organisation, Some(own), pattern, action).await?;
        }
        "end-rule" => {
            let rules = people.rules(organisation, Some(own), LISTED).await?;
            // His own and that of a report read alike: both end.
            for rule in rules.iter().filter(|rule| rule_name(rule) == form.field("which")) {
                people.remove_rule(rule).await?;
            }
        }
        "undo-flag" => {
            let flags = services.flags.of_recipient(organisation, own, LISTED).await?;
            let named = flags.iter().find(|flag| flag_name(flag) == form.field("which"));
            if let Some(flag) = named {
                settled(services.flags.undo(&flag.sender(), organisation, own).await)?;
            }
        }
        "end-session" => {
            services.sessions.end(recipient.id, Some(form.field("which")), &|_| {}).await?;
        }
        _ => return Err(Trouble::BadForm),
    }
    Ok(see_other(Path::MeSettings))
}

/// Ends this session, or all.
pub async fn leave(
    State(app): State<App>,
    reader: Reader,
    form: Form,
) -> Result<Response, Trouble> {
    if !reader.check(&form, "leave") {
        return Ok(see_other(Path::MeSettings));
    }
    let name = reader.session.name();
    let which = if form.field("all").is_empty() { Some(name.as_str()) } else { None };
    app.recipients()?.sessions.end(reader.recipient.id, which, &|_| {}).await?;
    let cookie = format!("{}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0", cookie_name(&app));
    let mut response = see_other(Path::Me);
    let cookie: Option<HeaderValue> = app.cookie(&cookie);
    response.headers_mut().extend(cookie.map(|one| (header::SET_COOKIE, one)));
    Ok(response)
}

/// The word of a frequency.
pub fn frequency_word(frequency: Frequency) -> &'static str {
    match frequency {
        Frequency::Off => "me-digest-off",
        Frequency::Hourly => "me-digest-hourly",
        Frequency::Daily => "me-digest-daily",
        Frequency::Weekly => "me-digest-weekly",
    }
}

/// An address, or a domain with all below it.
pub fn pattern(typed: &str) -> Option<Pattern> {
    let typed = typed.trim();
    if typed.contains('@') && !typed.starts_with('@') {
        Address::parse_utf8(typed).ok().map(Pattern::Address)
    } else {
        Domain::parse(typed.trim_start_matches('@')).ok().map(Pattern::Domain)
    }
}

/// The page whose form was not accepted, with fresh ones.
async fn again(reader: &Reader) -> Result<Response, Trouble> {
    Ok((StatusCode::FORBIDDEN, page(reader, Some("me-again"), None).await?).into_response())
}

/// `mistyped`: what was typed as a sender and is none.
async fn page(
    reader: &Reader,
    wrong: Option<&str>,
    mistyped: Option<&str>,
) -> Result<Markup, Trouble> {
    let Reader { visitor, recipient, .. } = reader;
    let app = visitor.app();
    let services = app.recipients()?;
    let (organisation, own) = (&recipient.organisation, &recipient.address);
    let rules = services.people.rules(organisation, Some(own), LISTED).await?;
    let flags = services.flags.of_recipient(organisation, own, LISTED).await?;
    let sessions = services.sessions.of(recipient.id).await?;
    let theirs = app.directory.organisation(organisation);
    let words = visitor.words();
    let nonce = |word: &str| reader.nonce(word);
    let now = app.clock.now();
    let body = html! {
        h1 { (words.say("me-settings")) }
        p.lede { (part::AddressShown(own)) }
        @if let Some(wrong) = wrong { p.wrong role="alert" { (words.say(wrong)) } }
        @if let Some(theirs) = &theirs {
            (choices(visitor, recipient, theirs, &nonce("settings")))
        }
        (senders(words, &rules, &nonce("senders"), mistyped))
        @if flags.iter().any(Flag::stands) {
            h2 { (words.say("me-flags")) }
            ul.rows {
                @for flag in flags.iter().filter(|flag| flag.stands()) {
                    li {
                        span { (Shown(&flag.address.display())) " " (part::moment(words, flag.at, now)) }
                        @if flag.may_be_undone(now) {
                            (row_form("undo-flag", &flag_name(flag), &nonce("senders"), words.say("me-undo")))
                        }
                    }
                }
            }
        }
        (browsers(words, &sessions, reader, &nonce("senders"), now))
        form method="post" action=(Path::MeLeave) {
            input type="hidden" name="nonce" value=(nonce("leave"));
            button.quiet #leave type="submit" { (words.say("me-leave")) }
            button.quiet type="submit" name="all" value="yes" { (words.say("me-leave-all")) }
        }
        p.next-step { a href=(Path::Me) { (words.say("me-back")) } }
    };
    let brand = reader.brand();
    let title = words.say("me-settings");
    let at = Path::MeSettings;
    Ok(part::page(visitor, &Page { brand: &brand, at, title, refresh: None, body }))
}

fn choices(visitor: &Visitor, recipient: &Recipient, theirs: &Organisation, nonce: &str) -> Markup {
    let words = visitor.words();
    let rhythm = recipient.rhythm(theirs.digest.rhythm);
    let language = recipient.language.as_deref().unwrap_or(&theirs.language);
    let mailings = [
        ("marketing", "me-why-marketing", recipient.marketing),
        ("poll", "me-why-poll", recipient.poll),
        ("social", "me-why-social", recipient.social),
    ];
    html! {
        form method="post" action=(Path::MeSettings) {
            input type="hidden" name="nonce" value=(nonce);
            label for="digest" { (words.say("me-digest")) }
            select #digest name="digest" {
                @for one in Frequency::ALL {
                    option value=(one.as_str()) selected[one == rhythm.frequency] { (words.say(frequency_word(one))) }
                }
            }
            label for="hour" { (words.tell("me-digest-hour", &Arguments::new().own("zone", theirs.digest.zone.as_str()))) }
            select #hour name="hour" {
                @for hour in 0..24u8 {
                    option value=(hour) selected[hour == rhythm.hour] { (format!("{hour:02}:00")) }
                }
            }
            label for="weekday" { (words.say("me-digest-weekday")) }
            select #weekday name="weekday" {
                @for (day, id) in (0u8..).zip(DAYS) {
                    option value=(day) selected[day == rhythm.weekday] { (words.say(id)) }
                }
            }
            label for="language" { (words.say("language-nav")) }
            select #language name="language" {
                @for one in visitor.languages().all() {
                    option value=(one.tag()) lang=(one.tag()) selected[one.tag() == language] {
                        (one.say("language-name"))
                    }
                }
            }
            @if theirs.people_choose {
                @for (name, id, choice) in mailings {
                    label for=(name) { (words.say(id)) }
                    select id=(name) name=(name) {
                        @for (word, id, value) in CHOICES {
                            option value=(word) selected[value == choice] { (words.say(id)) }
                        }
                    }
                }
            }
            button #save type="submit" { (words.say("me-save")) }
        }
    }
}

fn senders(words: &Words, rules: &[StoredRule], nonce: &str, mistyped: Option<&str>) -> Markup {
    html! {
        h2 { (words.say("me-senders")) }
        @for (action, heading) in [(RuleAction::Block, "me-blocks"), (RuleAction::Allow, "me-allows")] {
            @let named = named(rules, action);
            @if !named.is_empty() {
                h3 { (words.say(heading)) }
                ul.rows {
                    @for rule in named {
                        li {
                            span { (Shown(&rule.sender.to_string())) }
                            (row_form("end-rule", &rule_name(rule), nonce, words.say("me-end")))
                        }
                    }
                }
            }
        }
        form method="post" action=(Path::MeSenders) {
            input type="hidden" name="nonce" value=(nonce);
            label for="sender" { (words.say("me-sender")) }
            @if mistyped.is_some() { p.wrong #wrong role="alert" { (words.say("me-sender-wrong")) } }
            input #sender name="sender" type="text" autocomplete="off" autocapitalize="off"
                spellcheck="false" required maxlength="254" value=[mistyped]
                aria-invalid=[mistyped.map(|_| "true")] aria-describedby=[mistyped.map(|_| "wrong")]
                autofocus[mistyped.is_some()];
            button type="submit" name="do" value="block" { (words.say("me-block")) }
            button.quiet type="submit" name="do" value="allow" { (words.say("me-allow")) }
        }
        p.help { (words.say("me-allow-proof")) }
    }
}

fn browsers(
    words: &Words,
    sessions: &[Session],
    reader: &Reader,
    nonce: &str,
    now: crate::clock::Timestamp,
) -> Markup {
    html! {
        h2 { (words.say("me-sessions")) }
        ul.rows {
            @for session in sessions {
                li {
                    span {
                        (part::moment(words, session.since, now)) " · "
                        (Shown(&session.network.to_string())) " · " (Shown(&session.agent))
                    }
                    @if *session == reader.session {
                        strong { (words.say("me-session-this")) }
                    } @else {
                        (row_form("end-session", &session.name(), nonce, words.say("me-end")))
                    }
                }
            }
        }
    }
}

fn row_form(what: &str, which: &str, nonce: &str, label: &str) -> Markup {
    html! {
        form.row method="post" action=(Path::MeSenders) {
            input type="hidden" name="nonce" value=(nonce);
            input type="hidden" name="which" value=(which);
            button.quiet type="submit" name="do" value=(what) { (label) }
        }
    }
}

/// Rules with this action, one for each name.
fn named(rules: &[StoredRule], action: RuleAction) -> Vec<&StoredRule> {
    let mut seen = HashSet::new();
    let alike = rules.iter().filter(|rule| rule.action == action);
    alike.filter(|rule| seen.insert(rule.sender.to_string())).collect()
}

/// What names a rule in a form: as it is shown.
fn rule_name(rule: &StoredRule) -> String {
    format!("{:?} {}", rule.action, rule.sender)
}

fn flag_name(flag: &Flag) -> String {
    format!("{} {}", flag.address, flag.at.as_microsecond())
}

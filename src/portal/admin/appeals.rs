//! Appeals: who waits for a decision, what he says beside what is known of
//! him, the conversation, and the decision itself.
//!
//! An organisation's administrator sees what concerns his organisations and
//! decides what concerns no others; what he grants counts for his own. Before
//! a grant the page says how many held messages it would deliver, and which
//! not and why. A form that is refused keeps what was typed.

use axum::extract::Path as Captured;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};

use super::message::authentication;
use super::quarantine::subject;
use super::table::{self, Address, Column, ROWS};
use super::{Acted, Admin, Asked, Place, Route, Section, Sheet};
use crate::account::Power;
use crate::appeal::{
    ANSWER, Appeal, AppealError, Appeals, Counted, Decider, Foreseen, Scope, State, Tab, Terms,
    Voice,
};
use crate::clock::SignedDuration;
use crate::portal::error::Trouble;
use crate::portal::part;
use crate::portal::words::{Arguments, Shown, Words};
use crate::quarantine::Held;

/// What a grant begins with in the form: days, and messages in all.
const DAYS: &str = "90";
const VOLUME: &str = "10000";

const TABS: [(Tab, &str); 3] = [
    (Tab::Received, "admin-appeals-received"),
    (Tab::Asked, "admin-appeals-asked"),
    (Tab::Closed, "admin-appeals-closed"),
];

pub(super) fn routes() -> Vec<Route> {
    let id = Place::ID;
    vec![
        Route::page(&Place::Appeals, Power::See, get(list)),
        Route::page(&Place::Appeal(id), Power::See, get(show)),
        Route::act(&Place::AskAppeal(id), Power::Decide, post(ask)),
        Route::act(&Place::GrantAppeal(id), Power::Decide, post(grant)),
        Route::act(&Place::DenyAppeal(id), Power::Decide, post(deny)),
    ]
}

/// How many appeals wait for him.
pub(super) fn waiting(admin: &Admin) -> usize {
    let appeals = admin.app().appeals.as_ref();
    let own = admin.account.role.organisations();
    appeals.map_or(0, |appeals| appeals.grants().waiting(own))
}

fn state_mark(words: &Words, state: State) -> Markup {
    let (kind, mark, word) = match state {
        State::Received => ("wait", "●", "appeal-state-received"),
        State::Asked => ("move", "→", "appeal-state-asked"),
        State::Granted => ("done", "✓", "appeal-state-granted"),
        State::Denied => ("stop", "✕", "appeal-state-denied"),
        State::Expired => ("over", "–", "appeal-state-expired"),
    };
    html! { span class={ "state " (kind) } { span aria-hidden="true" { (mark) " " } (words.say(word)) } }
}

async fn list(admin: Admin, asked: Asked) -> Result<Markup, Trouble> {
    let words = admin.words();
    let tab = Tab::parse(asked.field("state")).unwrap_or(Tab::Received);
    let shown = if tab == Tab::Received { "" } else { tab.as_str() };
    let text: String = asked.field("q").trim().chars().take(200).collect();
    let after = asked.after();
    let own = admin.organisations();
    let from = after.as_deref().unwrap_or(&[]);
    let (all, next) = appeals(&admin)?.find_by(&text, tab, own.as_deref(), from, ROWS).await?;
    let address = Address::new(Place::Appeals).with("q", &text).with("state", shown);
    let chips = TABS
        .map(|(one, word)| (if one == Tab::Received { "" } else { one.as_str() }, words.say(word)));
    let rows = (!all.is_empty()).then(|| rows(&admin, &all));
    let none = tab == Tab::Received && text.is_empty();
    let nothing = if none { "admin-appeals-none" } else { "admin-nothing-found" };
    let body = html! {
        (table::search(words, &address, words.say("admin-search-appeals"), &text))
        (table::chips(words.say("admin-state"), &address, "state", shown, &chips))
        (table::found(words, &address, rows.as_ref(), nothing, (after.is_some(), next.as_deref())))
    };
    let title = words.say("admin-appeals");
    Ok(admin.page(&Sheet { section: Section::Appeals, title, notice: None, body }))
}

fn rows(admin: &Admin, all: &[Appeal]) -> Markup {
    const COLUMNS: [Column; 7] = [
        Column::Text("admin-appeal-since"),
        Column::Text("admin-from"),
        Column::Text("admin-subject"),
        Column::Number("admin-appeal-many"),
        Column::Text("admin-organisation"),
        Column::Text("admin-appeal-deadline"),
        Column::Text("admin-state"),
    ];
    let words = admin.words();
    let now = admin.app().clock.now();
    let body = html! {
        @for one in all {
            tr {
                td.time { (table::ago(words, one.waits_since(), now)) }
                td { (Shown(&one.from_text)) }
                td.main { a.row href=(Place::Appeal(&one.id.to_string())) { (subject(words, &one.evidence.subject)) } }
                td.number { (one.claimed.how_many) }
                td { (own_organisations(admin, one)) }
                td.time { @if one.state.is_open() { (table::ago(words, one.deadline, now)) } }
                td { (state_mark(words, one.state)) }
            }
        }
    };
    table::rows(words, "admin-appeals", &COLUMNS, &body)
}

/// The appeal's organisations that are his to know; and that there are others.
fn own_organisations(admin: &Admin, appeal: &Appeal) -> Markup {
    let covers = |id: &&_| admin.account.role.covers(id);
    let own: Vec<&str> = appeal
        .organisations
        .iter()
        .filter(covers)
        .map(crate::directory::OrganisationId::as_str)
        .collect();
    let others = own.len() < appeal.organisations.len();
    html! {
        (own.join(", "))
        @if others { " " span.soft { (admin.words().say("admin-appeal-others")) } }
    }
}

/// What was typed into the forms of a page.
struct Typed<'a> {
    scope: &'a str,
    days: &'a str,
    volume: &'a str,
    reason: &'a str,
    question: &'a str,
    denial: &'a str,
}

impl Typed<'_> {
    const FRESH: Typed<'static> = Typed {
        scope: "campaign",
        days: DAYS,
        volume: VOLUME,
        reason: "",
        question: "",
        denial: "",
    };
}

fn appeals(admin: &Admin) -> Result<&Appeals, Trouble> {
    admin.app().appeals.as_ref().ok_or(Trouble::NotFound)
}

fn decider(admin: &Admin) -> Decider {
    Decider {
        who: admin.account.login.to_string(),
        client: Some(admin.visitor.client),
        organisations: admin.organisations(),
    }
}

/// One appeal and whoever looks at it.
struct Case {
    admin: Admin,
    by: Decider,
    appeal: Appeal,
}

impl Case {
    /// # Errors
    /// [`Trouble::NotFound`], or [`Trouble::Forbidden`] for one that concerns
    /// none of his organisations; that is recorded.
    async fn open(admin: Admin, id: &str) -> Result<Self, Trouble> {
        let id = id.parse().map_err(|_| Trouble::NotFound)?;
        let appeal = match appeals(&admin)?.find(id).await {
            Ok(appeal) => appeal,
            Err(AppealError::Store(fault)) => return Err(fault.into()),
            Err(_) => return Err(Trouble::NotFound),
        };
        let by = decider(&admin);
        if !by.sees(&appeal) {
            admin.refused(&format!("appeal {id}")).await?;
            return Err(Trouble::Forbidden);
        }
        Ok(Self { admin, by, appeal })
    }

    async fn page(&self, notice: Option<Markup>, typed: &Typed<'_>) -> Result<Markup, Trouble> {
        let words = self.admin.words();
        let open = self.appeal.state.is_open();
        let may = self.admin.may(Power::Decide);
        let decides = may && open && self.by.decides(&self.appeal);
        let held = self.admin.app().releases.held(self.appeal.held).await?;
        let foreseen = if decides {
            Some(appeals(&self.admin)?.foresee(&self.by, &self.appeal).await?)
        } else {
            None
        };
        let body = html! {
            (facts(self, held.as_ref()))
            div.split {
                (says(words, &self.appeal))
                div {
                    (known(words, &self.appeal))
                    @if let Some(held) = &held { (authentication(words, held)) }
                }
            }
            (talk(self, may, typed))
            @if let Some(foreseen) = &foreseen {
                div.split {
                    (grant_form(self, foreseen, typed))
                    (deny_form(self, typed))
                }
            } @else if may && open {
                p.notice { (words.say("admin-appeal-not-his")) }
            }
        };
        let title = words.say("admin-appeal");
        Ok(self.admin.page(&Sheet { section: Section::Appeals, title, notice, body }))
    }

    /// Back to the page, which shows how it stands now; or why nothing was
    /// done, with what was typed.
    async fn ended(
        mut self,
        done: Result<(), AppealError>,
        typed: &Typed<'_>,
    ) -> Result<Response, Trouble> {
        let words = self.admin.words();
        let (status, notice) = match done {
            Ok(()) => {
                let id = self.appeal.id.to_string();
                return Ok(Redirect::to(&Place::Appeal(&id).to_string()).into_response());
            }
            Err(AppealError::Store(fault)) => return Err(fault.into()),
            Err(AppealError::Unknown) => return Err(Trouble::NotFound),
            Err(AppealError::NotHis) => {
                self.admin.refused(&format!("appeal {}", self.appeal.id)).await?;
                return Err(Trouble::Forbidden);
            }
            Err(AppealError::Decided { by, .. }) => {
                self.appeal = appeals(&self.admin)?.find(self.appeal.id).await.map_err(fault)?;
                let said = Arguments::new().mail("by", &by);
                (
                    StatusCode::CONFLICT,
                    html! {
                        @if by.is_empty() { (words.say("admin-appeal-expired")) }
                        @else { (words.tell("admin-appeal-decided", &said)) }
                        " " (state_mark(words, self.appeal.state))
                    },
                )
            }
            Err(error) => {
                let word = match error {
                    AppealError::TooLong => "admin-appeal-too-long",
                    AppealError::Unproved => "admin-appeal-unproved",
                    AppealError::Terms => "admin-appeal-terms",
                    _ => "admin-appeal-incomplete",
                };
                (StatusCode::UNPROCESSABLE_ENTITY, html! { span.bad { (words.say(word)) } })
            }
        };
        let page = self.page(Some(notice), typed).await?;
        Ok((status, page).into_response())
    }
}

fn fault(error: AppealError) -> Trouble {
    match error {
        AppealError::Store(fault) => fault.into(),
        _ => Trouble::NotFound,
    }
}

async fn show(admin: Admin, Captured(id): Captured<String>) -> Result<Markup, Trouble> {
    Case::open(admin, &id).await?.page(None, &Typed::FRESH).await
}

async fn ask(
    admin: Admin,
    Captured(id): Captured<String>,
    form: Acted,
) -> Result<Response, Trouble> {
    let case = Case::open(admin, &id).await?;
    let question = form.field("question");
    let done = appeals(&case.admin)?.ask(&case.by, case.appeal.id, question).await;
    case.ended(done.map(|_| ()), &Typed { question, ..Typed::FRESH }).await
}

async fn grant(
    admin: Admin,
    Captured(id): Captured<String>,
    form: Acted,
) -> Result<Response, Trouble> {
    let case = Case::open(admin, &id).await?;
    let typed = Typed {
        scope: form.field("scope"),
        days: form.field("days"),
        volume: form.field("volume"),
        reason: form.field("reason"),
        ..Typed::FRESH
    };
    let terms = Scope::parse(typed.scope).zip(terms(&typed)).map(|(scope, (days, volume))| {
        let until = case.admin.app().clock.now() + SignedDuration::from_hours(24 * i64::from(days));
        Terms { scope, until, volume }
    });
    let done = match terms {
        Some(terms) => {
            let all = appeals(&case.admin)?;
            all.grant(&case.by, case.appeal.id, typed.reason, terms).await.map(|_| ())
        }
        None => Err(AppealError::Terms),
    };
    case.ended(done, &typed).await
}

/// Days and messages.
fn terms(typed: &Typed<'_>) -> Option<(u16, u32)> {
    Some((typed.days.trim().parse().ok()?, typed.volume.trim().parse().ok()?))
}

async fn deny(
    admin: Admin,
    Captured(id): Captured<String>,
    form: Acted,
) -> Result<Response, Trouble> {
    let case = Case::open(admin, &id).await?;
    let denial = form.field("reason");
    let done = appeals(&case.admin)?.deny(&case.by, case.appeal.id, denial).await;
    case.ended(done.map(|_| ()), &Typed { denial, ..Typed::FRESH }).await
}

fn facts(case: &Case, held: Option<&Held>) -> Markup {
    let (admin, appeal) = (&case.admin, &case.appeal);
    let words = admin.words();
    let now = admin.app().clock.now();
    html! {
        div.card {
            dl.facts {
                div { dt { (words.say("admin-state")) } dd { (state_mark(words, appeal.state)) } }
                div { dt { (words.say("admin-appeal-since")) } dd { (table::ago(words, appeal.waits_since(), now)) } }
                @if appeal.state.is_open() {
                    div { dt { (words.say("admin-appeal-deadline")) } dd { (table::ago(words, appeal.deadline, now)) } }
                }
                @if let Some(decision) = &appeal.decision { (decided(case, decision)) }
                div { dt { (words.say("admin-from")) } dd { (Shown(&appeal.from_text)) } }
                div { dt { (words.say("admin-organisation")) } dd { (own_organisations(admin, appeal)) } }
                div {
                    dt { (words.say("admin-reference")) }
                    dd {
                        @if held.is_some() { a href=(Place::Held(&appeal.held.to_string())) { code { (appeal.reference) } } }
                        @else { code { (appeal.reference) } }
                    }
                }
            }
        }
    }
}

/// Who decided what, and what is left of a grant.
fn decided(case: &Case, decision: &crate::appeal::Decision) -> Markup {
    let words = case.admin.words();
    let now = case.admin.app().clock.now();
    html! {
        div {
            dt { (words.say("admin-appeal-decision")) }
            dd {
                (Shown(&decision.by)) ", " (table::ago(words, decision.at, now))
                @if !decision.reason.is_empty() { br; (Shown(&decision.reason)) }
                @if let Some(grant) = &decision.grant {
                    br; (words.say(scope_word(grant.scope))) " · "
                    (words.tell("admin-appeal-used", &Arguments::new()
                        .number("used", i64::from(grant.used))
                        .number("volume", i64::from(grant.volume))
                        .own("day", part::day(words, grant.until).plain())))
                }
                @if decision.organisations.is_some() { br; span.soft { (words.say("admin-appeal-own-only")) } }
                @if case.appeal.freeing { br; span.soft { (words.say("admin-appeal-freeing")) } }
            }
        }
    }
}

fn scope_word(scope: Scope) -> &'static str {
    match scope {
        Scope::Campaign => "admin-appeal-campaign",
        Scope::Identity => "admin-appeal-identity",
    }
}

/// What he wrote.
fn says(words: &Words, appeal: &Appeal) -> Markup {
    let claimed = &appeal.claimed;
    let answers = [
        ("appeal-who", &claimed.who),
        ("appeal-what", &claimed.what),
        ("appeal-why", &claimed.why),
        ("appeal-agreed", &claimed.agreed),
    ];
    html! {
        section.card aria-labelledby="says" {
            h2 #says { (words.say("admin-appeal-says")) }
            dl.answers {
                @for (question, answer) in answers {
                    dt { (words.say(question)) }
                    dd { (Shown(answer)) }
                }
                dt { (words.say("appeal-how-many")) }
                dd { (claimed.how_many) }
            }
        }
    }
}

/// What we filled in.
fn known(words: &Words, appeal: &Appeal) -> Markup {
    let evidence = &appeal.evidence;
    let yes = |is: bool| {
        html! { span class=(if is { "good" } else { "bad" }) { (words.say(if is { "admin-yes" } else { "admin-no" })) } }
    };
    // In tenths of a per cent.
    let rate = u64::from(evidence.flags) * 1000 / u64::from(evidence.copies.max(1));
    let flagged = Arguments::new()
        .number("n", i64::from(evidence.flags))
        .number("of", i64::from(evidence.copies))
        .own("rate", format!("{}.{}", rate / 10, rate % 10));
    let volume = Arguments::new()
        .number("held", i64::from(evidence.held))
        .number("copies", i64::from(evidence.copies))
        .number("passed", i64::from(evidence.passed));
    html! {
        section.card aria-labelledby="known" {
            h2 #known { (words.say("admin-appeal-known")) }
            dl.facts {
                div { dt { (words.say("admin-appeal-proved")) } dd { (yes(evidence.proved)) } }
                div { dt { "List-Unsubscribe" } dd { (yes(evidence.unsubscribe)) } }
                div { dt { (words.say("admin-appeal-one-click")) } dd { (yes(evidence.one_click)) } }
                div { dt { (words.say("admin-appeal-volume")) } dd { (words.tell("admin-appeal-seen", &volume)) } }
                div { dt { (words.say("admin-appeal-complaints")) } dd { (words.tell("admin-appeal-flags", &flagged)) } }
                div { dt { (words.say("admin-subject")) } dd { (subject(words, &evidence.subject)) } }
                div { dt { (words.say("admin-appeal-named")) } dd { (Shown(&appeal.campaign)) } }
            }
        }
    }
}

/// The conversation, and the next question.
fn talk(case: &Case, may: bool, typed: &Typed<'_>) -> Markup {
    let (words, appeal) = (case.admin.words(), &case.appeal);
    let now = case.admin.app().clock.now();
    let asks = may && appeal.takes_lines();
    html! {
        @if asks || !appeal.lines.is_empty() {
            section.card aria-labelledby="talk" {
                h2 #talk { (words.say("admin-appeal-talk")) }
                @if !appeal.lines.is_empty() {
                    ol.story {
                        @for line in &appeal.lines {
                            li {
                                strong { (words.say(if line.voice == Voice::Sender { "admin-appeal-he" } else { "admin-appeal-we" })) }
                                " " (Shown(&line.text)) " " span.soft { (table::ago(words, line.at, now)) }
                            }
                        }
                    }
                }
                @if asks {
                    form method="post" action=(Place::AskAppeal(&appeal.id.to_string())) {
                        (case.admin.token_field())
                        label for="question" { (words.say("admin-appeal-question")) }
                        textarea #question name="question" rows="2" required maxlength=(ANSWER) { (typed.question) }
                        button.quiet type="submit" { (words.say("admin-appeal-ask")) }
                    }
                }
            }
        }
    }
}

fn grant_form(case: &Case, foreseen: &Foreseen, typed: &Typed<'_>) -> Markup {
    let words = case.admin.words();
    let id = case.appeal.id.to_string();
    let proved = case.appeal.sender().is_proved();
    let scopes = [(Scope::Campaign, &foreseen.campaign), (Scope::Identity, &foreseen.identity)];
    html! {
        section.card aria-labelledby="grant" {
            h2 #grant { (words.say("admin-appeal-grant")) }
            form method="post" action=(Place::GrantAppeal(&id)) {
                (case.admin.token_field())
                fieldset {
                    legend { (words.say("admin-appeal-scope")) }
                    @for (scope, counted) in scopes.into_iter().filter(|(scope, _)| proved || *scope == Scope::Campaign) {
                        label.choice {
                            input type="radio" name="scope" value=(scope.as_str()) required checked[typed.scope == scope.as_str()];
                            span {
                                (words.say(scope_word(scope))) br;
                                span.soft { (would_be(words, counted, foreseen.more)) }
                            }
                        }
                    }
                }
                @if case.by.organisations.is_some() { p.soft { (words.say("admin-appeal-own-only")) } }
                @if !proved { p.soft { (words.say("admin-appeal-once")) } }
                label for="days" { (words.say("admin-appeal-days")) }
                input #days type="text" inputmode="numeric" name="days" value=(typed.days) required maxlength="4";
                label for="volume" { (words.say("admin-appeal-most")) }
                input #volume type="text" inputmode="numeric" name="volume" value=(typed.volume) required maxlength="9";
                label for="grant-reason" { (words.say("admin-appeal-reason-grant")) }
                input #grant-reason type="text" name="reason" value=(typed.reason) maxlength=(ANSWER);
                button type="submit" data-key="g" { (words.say("admin-appeal-grant")) }
            }
        }
    }
}

/// What a grant would do with what is held: how many copies are delivered,
/// and how many not and why.
fn would_be(words: &Words, counted: &Counted, more: bool) -> Markup {
    let number = |count: u32| Arguments::new().number("n", i64::from(count));
    let kept = [
        (counted.blocked, "admin-appeal-blocked"),
        (counted.elsewhere, "admin-appeal-elsewhere"),
        (counted.harmful, "admin-appeal-harmful"),
    ];
    html! {
        (words.tell("admin-appeal-freed", &number(counted.freed)))
        @for (count, word) in kept {
            @if count > 0 { " " (words.tell(word, &number(count))) }
        }
        @if more { " " (words.say("admin-appeal-more")) }
    }
}

fn deny_form(case: &Case, typed: &Typed<'_>) -> Markup {
    let words = case.admin.words();
    let id = case.appeal.id.to_string();
    html! {
        section.card aria-labelledby="deny" {
            h2 #deny { (words.say("admin-appeal-deny")) }
            form method="post" action=(Place::DenyAppeal(&id)) {
                (case.admin.token_field())
                label for="deny-reason" { (words.say("admin-appeal-reason-deny")) }
                textarea #deny-reason name="reason" rows="3" required maxlength=(ANSWER) { (typed.denial) }
                button.danger type="submit" data-key="d" { (words.say("admin-appeal-deny")) }
            }
        }
    }
}

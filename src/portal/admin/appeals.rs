//! Appeals: who waits for a decision, what he says beside what is known of
//! him, the conversation, and the decision itself.
//!
//! An organisation's administrator sees what concerns his organisations and
//! decides what concerns no others; what he grants counts for his own. Before
//! a grant the page says how many held messages it would deliver, and which
//! not and why. A form that is refused keeps what was typed.

mod shown;

use axum::extract::Path as Captured;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};

use shown::{deny_form, facts, grant_form, known, says, talk};

use super::message::authentication;
use super::quarantine::subject;
use super::table::{self, Address, Column, Found, ROWS, Sorted};
use super::{Acted, Admin, Asked, Place, Route, Section, Sheet};
use crate::account::Power;
use crate::appeal::{
    Appeal, AppealError, Appeals, Decider, Order, Scope, State, Tab, Terms, Wanted,
};
use crate::clock::SignedDuration;
use crate::portal::error::Trouble;
use crate::portal::words::{Arguments, Shown, Words};

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
    let order = Order::parse(asked.field("sort")).unwrap_or_default();
    let wanted = Wanted { tab, part: &text, organisations: own.as_deref(), order };
    let from = after.as_deref().unwrap_or(&[]);
    let page = appeals(&admin)?.find_by(&wanted, from, ROWS).await?;
    let usual = Order::default().as_str();
    let address = Address::new(Place::Appeals)
        .with("q", &text)
        .with("state", shown)
        .with("sort", if order.as_str() == usual { "" } else { order.as_str() });
    let sorted = Sorted { address: &address, order: order.as_str(), usual };
    let chips = TABS
        .map(|(one, word)| (if one == Tab::Received { "" } else { one.as_str() }, words.say(word)));
    let rows = (!page.appeals.is_empty()).then(|| rows(&admin, tab, sorted, &page.appeals));
    let found = Found {
        rows: rows.as_ref(),
        unreadable: &page.unreadable,
        paged: after.is_some(),
        next: page.next.as_deref(),
    };
    let none = tab == Tab::Received && text.is_empty();
    let nothing = if none { "admin-appeals-none" } else { "admin-nothing-found" };
    let body = html! {
        (table::search(words, &address, words.say("admin-search-appeals"), &text))
        (table::chips(words.say("admin-state"), &address, "state", shown, &chips))
        (table::found(words, &address, nothing, &found))
    };
    let title = words.say("admin-appeals");
    Ok(admin.page(&Sheet { section: Section::Appeals, title, notice: None, body }))
}

fn rows(admin: &Admin, tab: Tab, sorted: Sorted<'_>, all: &[Appeal]) -> Markup {
    let closed = tab == Tab::Closed;
    let columns = [
        Column::Text("admin-appeal-since"),
        Column::Name("admin-from"),
        Column::Text("admin-subject"),
        Column::Number("admin-appeal-many"),
        Column::Text("admin-organisation"),
        Column::Due(if closed { "admin-appeals-closed" } else { "admin-appeal-deadline" }),
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
                td.time { (table::ago(words, one.closed_at().unwrap_or(one.deadline), now)) }
                td { (state_mark(words, one.state)) }
            }
        }
    };
    table::sorted_rows(words, "admin-appeals", &columns, Some(sorted), &body)
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

//! Rules: whom people and organisations block or allow.
//!
//! Found by a part of sender, recipient or reason; made for one person or a
//! whole organisation, with a reason and, if wanted, a last day. A block needs
//! no proof and beats a release; an allowance helps proved mail only.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};

use super::organisations::chips;
use super::table::{self, Address, Column, Found, ROWS, Sorted};
use super::{Acted, Admin, Asked, Place, Route, Section, Sheet};
use crate::account::Power;
use crate::directory::search::Wanted;
use crate::directory::{Pattern, RuleAction, StoredRule};
use crate::portal::decisions::{Declined, action_word, rule_name};
use crate::portal::error::Trouble;
use crate::portal::part;
use crate::portal::words::{Shown, Words};

const ACTIONS: [RuleAction; 2] = [RuleAction::Block, RuleAction::Allow];

const COLUMNS: [Column; 7] = [
    Column::Name("rule-sender"),
    Column::Text("rule-action"),
    Column::Text("rule-for"),
    Column::Text("admin-why"),
    Column::Time("admin-since"),
    Column::Text("rule-until"),
    Column::Unsaid("admin-actions"),
];

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route {
            path: Place::Rules.to_string(),
            get: Some(Power::See),
            post: Some(Power::Decide),
            to: get(list).post(make),
        },
        Route::act(&Place::EndRule, Power::Decide, post(end)),
    ]
}

/// What a form typed, and what is wrong with it.
struct Typed<'a> {
    field: &'a dyn Fn(&str) -> String,
    wrong: Vec<(&'static str, &'static str)>,
}

impl Typed<'_> {
    fn wrong(&self, name: &str) -> Option<&'static str> {
        self.wrong.iter().find(|(other, _)| *other == name).map(|(_, word)| *word)
    }
}

async fn list(admin: Admin, asked: Asked) -> Result<Markup, Trouble> {
    let field = |name: &str| asked.field(name).to_owned();
    let found = found(&admin, &asked).await?;
    Ok(page(&admin, &found, &Typed { field: &field, wrong: Vec::new() }))
}

/// The rules that an address asks for, as the page shows them.
async fn found(admin: &Admin, asked: &Asked) -> Result<Markup, Trouble> {
    let words = admin.words();
    let text: String = asked.field("q").trim().chars().take(200).collect();
    let (named, chosen) = (asked.field("organisation"), asked.field("action"));
    let action = ACTIONS.into_iter().find(|action| action_word(*action) == chosen);
    let (after, order) = (asked.after(), table::order_of(asked.field("sort")));
    let wanted = Wanted {
        text: text.clone(),
        organisations: admin.decider().bounds(named),
        facts: action.map_or(0, StoredRule::bit),
        order,
    };
    let page = admin.console().rules.find(&wanted, after.as_deref(), ROWS).await?;
    let here = Address::new(Place::Rules)
        .with("q", &text)
        .with("organisation", named)
        .with("action", action.map_or("", action_word))
        .with("sort", table::order_word(order));
    let sorted = Sorted::by(&here, order);
    let mut actions = vec![("", words.say("admin-all"))];
    actions.extend(ACTIONS.map(|action| (action_word(action), words.say(said(action)))));
    let rows = (!page.found.is_empty()).then(|| rule_rows(admin, Some(sorted), &page.found));
    let found = Found {
        rows: rows.as_ref(),
        unreadable: &page.unreadable,
        paged: after.is_some(),
        next: page.next.as_deref(),
    };
    Ok(html! {
        (table::search(words, &here, words.say("rules-search"), &text))
        (table::chips(words.say("rule-action"), &here, "action", action.map_or("", action_word), &actions))
        (chips(admin, &here, named))
        (table::found(words, &here, "rules-none", &found))
    })
}

fn page(admin: &Admin, found: &Markup, typed: &Typed<'_>) -> Markup {
    let words = admin.words();
    let body = html! {
        p.soft { (words.say("rules-help")) }
        (found)
        @if admin.may(Power::Decide) { (form(admin, typed)) }
    };
    let notice = (!typed.wrong.is_empty()).then(|| html! { (words.say("form-wrong")) });
    let title = words.say("admin-rules");
    admin.page(&Sheet { section: Section::Rules, title, notice, body })
}

fn said(action: RuleAction) -> &'static str {
    match action {
        RuleAction::Block => "rule-block",
        RuleAction::Allow => "rule-allow",
    }
}

/// Rules as a table, each with the button that ends it.
pub(super) fn rule_rows(admin: &Admin, sorted: Option<Sorted<'_>>, rules: &[StoredRule]) -> Markup {
    let words = admin.words();
    let now = admin.app().clock.now();
    let rows = html! {
        @for rule in rules {
            tr {
                td.main {
                    (Shown(&rule.sender.to_string()))
                    @if let Some(word) = kind(&rule.sender) { br; span.soft { (words.say(word)) } }
                }
                td { (action_mark(words, rule.action)) }
                td.main {
                    @match &rule.recipient {
                        Some(one) => (part::AddressShown(one)),
                        None => { (words.say("rule-all-of")) " " (rule.organisation) }
                    }
                }
                td.main {
                    @if let Some(why) = &rule.why { (Shown(why)) br; }
                    span.soft {
                        @match &rule.by {
                            Some(by) => (Shown(by)),
                            None if rule.by_flag => (words.say("rule-by-flag")),
                            None => (words.say("rule-by-recipient")),
                        }
                    }
                }
                td.time { (table::ago(words, rule.since, now)) }
                td.time {
                    @match rule.until {
                        Some(until) => (table::ago(words, until, now)),
                        None => (words.say("rule-for-ever")),
                    }
                }
                @if admin.may(Power::Decide) {
                    td {
                        form method="post" action=(Place::EndRule) {
                            (admin.token_field())
                            input type="hidden" name="rule" value=(rule_name(rule));
                            button.quiet type="submit" { (words.say("rule-end")) span.hidden { " " (rule.sender) } }
                        }
                    }
                }
            }
        }
    };
    let columns = &COLUMNS[..6 + usize::from(admin.may(Power::Decide))];
    table::sorted_rows(words, "admin-rules", columns, sorted, &rows)
}

/// What a pattern is about, where its text does not say it.
fn kind(sender: &Pattern) -> Option<&'static str> {
    match sender {
        Pattern::Address(_) => None,
        Pattern::Domain(_) => Some("rule-domain"),
        Pattern::Proved(_) => Some("rule-proved"),
        Pattern::Unproved { .. } => Some("rule-unproved"),
    }
}

/// Never by colour alone.
fn action_mark(words: &Words, action: RuleAction) -> Markup {
    let (class, mark) = match action {
        RuleAction::Block => ("stop", "✕"),
        RuleAction::Allow => ("done", "✓"),
    };
    html! { span class={ "state " (class) } { span aria-hidden="true" { (mark) " " } (words.say(said(action))) } }
}

fn form(admin: &Admin, typed: &Typed<'_>) -> Markup {
    let words = admin.words();
    let all = admin.decider().organisations();
    let value = typed.field;
    let first = typed.wrong.first().map(|(name, _)| *name);
    let wrong = |name: &str| {
        html! { @if let Some(word) = typed.wrong(name) { p.wrong id={ "wrong-" (name) } role="alert" { (words.say(word)) } } }
    };
    let about = |name: &str, help: &str| {
        let wrong = typed.wrong(name).map(|_| format!("wrong-{name} "));
        format!("{}{help}", wrong.unwrap_or_default())
    };
    html! {
        h2 #add { (words.say("rule-add")) }
        form.narrow method="post" action=(Place::Rules) {
            (admin.token_field())
            label for="sender" { (words.say("rule-sender")) }
            (wrong("sender"))
            input #sender name="sender" type="text" required maxlength="254" autocapitalize="off" spellcheck="false" autocomplete="off"
                value=(value("sender")) aria-describedby=(about("sender", "sender-help")) autofocus[first == Some("sender")];
            p.help #sender-help { (words.say("rule-sender-help")) }
            label.inline for="proved" {
                input #proved type="checkbox" name="proved" value="yes" checked[value("proved") == "yes"];
                (words.say("rule-only-proved"))
            }
            label for="action" { (words.say("rule-action")) }
            (wrong("action"))
            select #action name="action" {
                @for action in ACTIONS {
                    option value=(action_word(action)) selected[value("action") == action_word(action)] { (words.say(said(action))) }
                }
            }
            label for="recipient" { (words.say("rule-recipient")) }
            (wrong("recipient"))
            input #recipient name="recipient" type="email" maxlength="254" value=(value("recipient"))
                aria-describedby=(about("recipient", "recipient-help")) autofocus[first == Some("recipient")];
            p.help #recipient-help { (words.say("rule-recipient-help")) }
            label for="organisation" { (words.say("admin-organisation")) }
            (wrong("organisation"))
            select #organisation name="organisation" autofocus[first == Some("organisation")] {
                @for one in &all { option value=(one.id) selected[value("organisation") == one.id.as_str()] { (one.name) } }
            }
            label for="why" { (words.say("admin-why")) }
            input #why name="why" type="text" maxlength="300" value=(value("why"));
            label for="until" { (words.say("rule-last-day")) }
            (wrong("until"))
            input #until name="until" type="date" value=(value("until"))
                aria-describedby=(about("until", "until-help")) autofocus[first == Some("until")];
            p.help #until-help { (words.say("rule-last-day-help")) }
            button type="submit" { (words.say("rule-make")) }
        }
    }
}

async fn make(admin: Admin, form: Acted) -> Result<Response, Trouble> {
    let field = |name: &str| form.field(name).to_owned();
    match admin.decider().make_rule(&field).await {
        Ok(rule) => {
            let place = Address::new(Place::Rules).with("q", &rule.sender.to_string());
            Ok(Redirect::to(&place.to_string()).into_response())
        }
        Err(Declined::Wrong(wrong)) => {
            let found = found(&admin, &Asked::default()).await?;
            let page = page(&admin, &found, &Typed { field: &field, wrong });
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
        Err(declined) => Err(admin.declined(declined).await?),
    }
}

async fn end(admin: Admin, form: Acted) -> Result<Redirect, Trouble> {
    match admin.decider().end_rule(form.field("rule")).await {
        Ok(_) => Ok(Redirect::to(&Place::Rules.to_string())),
        Err(declined) => Err(admin.declined(declined).await?),
    }
}

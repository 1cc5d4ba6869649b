//! What the page of an appeal shows: facts, what he says beside what is known
//! of him, the conversation, and the forms of the decision.
//!
//! What he wrote is a stranger's and is escaped where it is written.

use maud::{Markup, html};

use super::{Case, Typed, own_organisations, state_mark};
use crate::appeal::{ANSWER, Appeal, Counted, Decision, Foreseen, Scope, Voice};
use crate::portal::admin::quarantine::subject;
use crate::portal::admin::{Place, table};
use crate::portal::part;
use crate::portal::words::{Arguments, Shown, Words};
use crate::quarantine::Held;

pub fn facts(case: &Case, held: Option<&Held>) -> Markup {
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
pub fn decided(case: &Case, decision: &Decision) -> Markup {
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
pub fn says(words: &Words, appeal: &Appeal) -> Markup {
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
pub fn known(words: &Words, appeal: &Appeal) -> Markup {
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
pub fn talk(case: &Case, may: bool, typed: &Typed<'_>) -> Markup {
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

pub fn grant_form(case: &Case, foreseen: &Foreseen, typed: &Typed<'_>) -> Markup {
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

pub fn deny_form(case: &Case, typed: &Typed<'_>) -> Markup {
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

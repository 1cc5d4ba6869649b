//! What the page of a held message shows: facts, findings, authentication,
//! header, attachments, its way so far, and the forms of what may be done.
//!
//! All text of the message is a stranger's and is escaped where it is written.

use maud::{Markup, html};

use super::{Case, Seen, patterns};
use crate::account::Power;
use crate::portal::admin::quarantine::{class_word, state_mark, subject};
use crate::portal::admin::{Place, table};
use crate::portal::part;
use crate::portal::words::{Shown, Words};
use crate::quarantine::{Held, HeldRecipient, State, Telling};

pub fn facts(case: &Case) -> Markup {
    let words = case.admin.words();
    let held = &case.held;
    let now = case.admin.app().clock.now();
    let told = match held.telling {
        Telling::Untold => "admin-told-not",
        Telling::Reply => "admin-told-reply",
        Telling::Letter => "admin-told-letter",
    };
    html! {
        div.card {
            dl.facts {
                div { dt { (words.say("admin-subject")) } dd { strong { (subject(words, &held.subject)) } } }
                div { dt { (words.say("admin-from")) } dd { (Shown(&held.from_text)) } }
                div { dt { (words.say("admin-mail-from")) } dd { code { (Shown(&held.rfc5321_mail_from.to_string())) } } }
                @for one in case.own() {
                    div {
                        dt { (words.say("admin-to")) }
                        dd {
                            (part::AddressShown(&one.address)) " · " (class_word(words, one.class)) " · " (state_mark(words, one.state))
                            @if let Some(outcome) = &one.outcome { br; span.soft { (Shown(&outcome.server)) ": " (Shown(&outcome.reply)) } }
                        }
                    }
                }
                div { dt { (words.say("admin-received")) } dd { (table::ago(words, held.received_at, now)) ", " (words.say("admin-until")) " " (table::ago(words, held.expires_at, now)) } }
                div { dt { (words.say("admin-reference")) } dd { code { (held.reference) } } }
                div { dt { (words.say("admin-client")) } dd { code { (held.client) } " · " (part::size(words, held.size)) " · " (words.say(told)) } }
            }
        }
    }
}

pub fn actions(case: &Case) -> Markup {
    let words = case.admin.words();
    let id = case.held.id.to_string();
    let waits = case.own().any(|one| one.state == State::Held);
    html! {
        div.actions {
            @if waits {
                form method="post" action=(Place::Release(&id)) {
                    (case.admin.token_field())
                    label.hidden for="why-release" { (words.say("admin-why")) }
                    input #why-release type="text" name="why" maxlength="300" placeholder=(words.say("admin-why"));
                    button #release type="submit" data-key="r" { (words.say("admin-release")) }
                }
            }
            (block_form(case))
            @if !case.held.erased {
                form method="post" action=(Place::Train(&id)) {
                    (case.admin.token_field())
                    button.quiet type="submit" name="as" value="spam" { (words.say("admin-train-spam")) }
                    button.quiet type="submit" name="as" value="wanted" { (words.say("admin-train-wanted")) }
                }
            }
            @if waits {
                details {
                    summary { (words.say("admin-delete")) }
                    form method="post" action=(Place::Delete(&id)) {
                        (case.admin.token_field())
                        label.hidden for="why-delete" { (words.say("admin-why")) }
                        input #why-delete type="text" name="why" maxlength="300" placeholder=(words.say("admin-why"));
                        button.danger type="submit" { (words.say("admin-delete-for-good")) }
                    }
                }
            }
        }
    }
}

fn block_form(case: &Case) -> Markup {
    let words = case.admin.words();
    let patterns = patterns(&case.held);
    let mut organisations: Vec<_> = case.own().map(|one| &one.organisation).collect();
    organisations.dedup();
    html! {
        @if !patterns.is_empty() {
            details {
                summary data-key="b" { (words.say("admin-block")) }
                form method="post" action=(Place::Block(&case.held.id.to_string())) {
                    (case.admin.token_field())
                    label.hidden for="block-what" { (words.say("rule-sender")) }
                    select #block-what name="what" {
                        @for (word, id, pattern) in &patterns { option value=(word) { (words.say(id)) ": " (pattern) } }
                    }
                    label.hidden for="block-for" { (words.say("rule-for")) }
                    select #block-for name="for" {
                        @for one in case.own() { option value={ "recipient " (one.address.base()) } { (one.address.display()) } }
                        @for one in &organisations { option value={ "organisation " (one) } { (words.say("rule-all-of")) " " (one) } }
                    }
                    label.hidden for="why-block" { (words.say("admin-why")) }
                    input #why-block type="text" name="why" maxlength="300" placeholder=(words.say("admin-why"));
                    button.danger type="submit" { (words.say("admin-block-now")) }
                }
            }
        }
    }
}

pub fn findings(words: &Words, held: &Held) -> Markup {
    let mut all: Vec<_> = held.findings.iter().collect();
    all.sort_by(|a, b| b.weight.abs().total_cmp(&a.weight.abs()));
    html! {
        section.card aria-labelledby="findings" {
            h2 #findings { (words.say("admin-findings")) }
            table {
                thead { tr {
                    th.number scope="col" { (words.say("admin-weight")) }
                    th scope="col" { (words.say("admin-finding")) }
                } }
                tbody {
                    @for one in all {
                        @let terms = one.terms.iter().map(|term| (term.name.as_str(), term.text.as_str()));
                        tr {
                            td class={ "number " (if one.weight > 0.0 { "bad" } else { "good" }) } { (format!("{:+.1}", one.weight)) }
                            td {
                                code { (one.id) }
                                @if let Some(said) = words.finding(&format!("finding-{}", one.id), terms) { br; (said) }
                            }
                        }
                    }
                    tr {
                        td.number { strong { (format!("{:.1}", held.score)) } }
                        td { strong { (words.say("admin-score")) } }
                    }
                }
            }
        }
    }
}

/// The results of RFC 8601 as they will stand in front of the message.
pub(in crate::portal::admin) fn authentication(words: &Words, held: &Held) -> Markup {
    let line = held.trace.strip_prefix("Authentication-Results:");
    let line = line.map(|rest| match rest.find("\r\nReceived:") {
        Some(end) => &rest[..end],
        None => rest,
    });
    let results = line.into_iter().flat_map(|line| line.split(';').skip(1));
    let results: Vec<(&str, &str)> = results
        .filter_map(|one| one.trim().split_once('='))
        .map(|(method, rest)| (method, rest.trim()))
        .collect();
    html! {
        section.card aria-labelledby="authentication" {
            h2 #authentication { (words.say("admin-authentication")) }
            @if results.is_empty() { p.soft { (words.say("admin-authentication-none")) } }
            @else {
                table {
                    thead { tr {
                        th scope="col" { (words.say("admin-method")) }
                        th scope="col" { (words.say("admin-result")) }
                        th scope="col" { (words.say("admin-details")) }
                    } }
                    tbody {
                        @for (method, rest) in results {
                            @let (result, details) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                            tr {
                                td { code { (Shown(method)) } }
                                td class=(if result == "pass" { "good" } else if result == "fail" { "bad" } else { "soft" }) { (Shown(result)) }
                                td { (Shown(details)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

pub fn headers(words: &Words, seen: &Seen) -> Markup {
    html! {
        @if !seen.fields.is_empty() {
            details.card {
                summary { (words.say("admin-headers")) }
                dl.facts {
                    @for (name, value) in &seen.fields {
                        div { dt { (Shown(name)) } dd { code { (Shown(value)) } } }
                    }
                }
            }
        }
    }
}

pub fn attachments(words: &Words, seen: &Seen) -> Markup {
    html! {
        @if !seen.preview.attachments.is_empty() {
            section.card aria-labelledby="attachments" {
                h2 #attachments { (words.say("admin-attachments")) }
                table {
                    tbody {
                        @for one in &seen.preview.attachments {
                            tr {
                                td { (Shown(&one.name)) }
                                td { code { (Shown(&one.media)) } }
                                td.number { (part::size(words, one.size)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// From arrival to now.
pub fn story(case: &Case) -> Markup {
    let words = case.admin.words();
    let now = case.admin.app().clock.now();
    let told = match case.held.telling {
        Telling::Untold => "admin-told-not",
        Telling::Reply => "admin-told-reply",
        Telling::Letter => "admin-told-letter",
    };
    let mut moves: Vec<&HeldRecipient> =
        case.own().filter(|one| one.state != State::Held).collect();
    moves.sort_by_key(|one| one.changed_at);
    html! {
        section.card aria-labelledby="story" {
            h2 #story { (words.say("admin-story")) }
            ol.story {
                li { (table::ago(words, case.held.received_at, now)) " · " (words.say("admin-received")) }
                li { (words.say(told)) }
                @for one in moves {
                    li {
                        (table::ago(words, one.changed_at, now)) " · " (part::AddressShown(&one.address)) " " (state_mark(words, one.state))
                        @if let Some(outcome) = &one.outcome { br; span.soft { (Shown(&outcome.reply)) } }
                    }
                }
                @if case.held.erased { li { (words.say("admin-erased")) } }
            }
        }
    }
}

pub fn ask_to_read(case: &Case) -> Markup {
    let words = case.admin.words();
    let id = case.held.id.to_string();
    html! {
        @if case.admin.may(Power::Read) && !case.held.erased {
            section.card aria-labelledby="text" {
                h2 #text { (words.say("admin-text")) }
                p.soft { (words.say("admin-read-help")) }
                form.actions method="post" action=(Place::Read(&id)) {
                    (case.admin.token_field())
                    label.hidden for="why-read" { (words.say("admin-reason")) }
                    input #why-read type="text" name="why" required maxlength="300" placeholder=(words.say("admin-reason"));
                    button.quiet type="submit" { (words.say("admin-read")) }
                }
            }
        }
    }
}

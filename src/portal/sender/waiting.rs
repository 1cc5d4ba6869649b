//! "Your message is waiting": what was blocked, why, and what may be done.

use maud::{Markup, Render, html};

use super::case::{Case, Named};
use super::entered::Entered;
use super::{BULK, NOT_MINE, PERSONAL, outcome};
use crate::filter::Class;
use crate::portal::nonce::Stale;
use crate::portal::part::{self, AddressShown, Icon, Room};
use crate::portal::path::{Path, Step};
use crate::portal::words::{Arguments, Said, Shown, Words};
use crate::release::Way;

/// More reasons would hide the ones that weigh.
const MOST_REASONS: usize = 4;

/// How the declaration is asked: for the first time, or again and why.
pub struct Asked<'a> {
    chosen: &'a str,
    wrong: Option<&'static str>,
}

impl<'a> Asked<'a> {
    pub fn first() -> Self {
        Self { chosen: "", wrong: None }
    }

    pub fn nothing_chosen() -> Self {
        Self { chosen: "", wrong: Some("declare-nothing") }
    }

    pub fn again(chosen: &'a str, stale: Stale) -> Self {
        Self { chosen, wrong: Some(stale_words(stale)) }
    }
}

/// Why a form is asked again, in words.
pub fn stale_words(stale: Stale) -> &'static str {
    match stale {
        Stale::Foreign => "stale-foreign",
        Stale::TooYoung => "stale-young",
        Stale::TooOld => "stale-old",
    }
}

/// The page of a message of which copies wait.
pub fn page(entered: &Entered, case: &Case, asked: &Asked<'_>) -> Markup {
    let words = entered.visitor.words();
    let told = entered.visitor.app().told.of(words, case);
    let heading = match case.way {
        Way::RecipientAsked => "recipient-asked",
        Way::RecipientRefuses => "recipient-refuses",
        _ => "waiting",
    };
    let body = html! {
        (Room(4096))
        h1 { (Icon::Waiting) (words.say(heading)) }
        (told.what)
        @if case.way == Way::Release {
            (declaration(entered, asked))
        } @else {
            (no_release(words, case.way))
        }
        @if case.way == Way::Appeal {
            @let token = super::appeal::token(entered.visitor.app(), entered, case);
            p.deeds { a.first #appeal href=(Path::Appeal(&token)) { (words.say("appeal-open")) } }
        }
        @if matches!(case.way, Way::Release | Way::Tomorrow | Way::RecipientAsked | Way::RecipientDecides | Way::Appeal) {
            (told.until)
        }
        (outcome::elsewhere(entered, case))
    };
    entered.page(case, words.say(heading), None, body)
}

/// A sentence that ends in its recipients, who stand on lines of their own:
/// each is read at a glance.
pub fn lede(words: &Words, id: &str, named: &Named<'_>) -> Markup {
    let n = i64::try_from(named.shown.len() + named.others).unwrap_or(i64::MAX);
    html! {
        p.lede { (words.tell(id, &Arguments::new().number("n", n))) }
        (recipients(words, named))
    }
}

/// Names, then how many others.
pub fn recipients(words: &Words, named: &Named<'_>) -> Markup {
    html! {
        ul.recipients {
            @for one in &named.shown { li { (AddressShown(&one.address)) } }
            @if named.others > 0 {
                li { (others(words, named)) }
            }
        }
    }
}

/// "and 2 others", or "2 recipients" where none may be named.
pub fn others(words: &Words, named: &Named<'_>) -> Said {
    let id = if named.shown.is_empty() { "recipients" } else { "and-others" };
    let others = i64::try_from(named.others).unwrap_or(i64::MAX);
    words.tell(id, &Arguments::new().number("n", others))
}

pub fn details(words: &Words, case: &Case) -> Markup {
    let held = &case.held;
    html! {
        (Room(1024))
        dl.details {
            div {
                dt { (words.say("subject")) }
                dd {
                    @if held.subject.trim().is_empty() { em { (words.say("no-subject")) } }
                    @else { (Shown(&held.subject)) }
                }
            }
            div {
                dt { (words.say("sent")) }
                dd { (part::moment(words, held.received_at, case.now)) }
            }
            div {
                dt { (words.say("size")) }
                dd {
                    (part::size(words, held.size))
                    @if held.attachments > 0 {
                        (words.say("comma"))
                        (words.tell("attachments", &Arguments::new().number("n", held.attachments.into())))
                    }
                }
            }
            div {
                dt { (words.say("reference")) }
                dd { span.reference { (held.reference.to_string()) } }
            }
        }
    }
}

/// The findings against the message, the heaviest first, in plain words; no
/// scores, no rule names. What has no words for people is left out.
///
/// What only says what kind of mail it is weighs nothing; it is the reason
/// where that kind is what was stopped.
pub fn reasons(words: &Words, case: &Case) -> Markup {
    let bulk = case.copies().any(|one| {
        matches!(one.class, Class::Marketing | Class::Poll | Class::Social | Class::Mass)
    });
    let told: Vec<_> = case
        .held
        .findings
        .iter()
        .filter(|finding| finding.weight > 0.0 || (bulk && finding.weight >= 0.0))
        .filter_map(|finding| {
            let terms =
                || finding.terms.iter().map(|term| (term.name.as_str(), term.text.as_str()));
            let said = words.finding(&format!("finding-{}", finding.id), terms())?;
            Some((said, words.finding(&format!("finding-{}-help", finding.id), terms())))
        })
        .take(MOST_REASONS)
        .collect();
    html! {
        (Room(1024))
        section aria-labelledby="why" {
            h2 #why { (words.say("why")) }
            ul.reasons {
                @for (said, help) in &told {
                    li {
                        p { (said) }
                        @if let Some(help) = help { p.help { (help) } }
                    }
                }
                @if told.is_empty() { li { p { (words.say("why-general")) } } }
            }
        }
    }
}

fn declaration(entered: &Entered, asked: &Asked<'_>) -> Markup {
    let words = entered.visitor.words();
    let choices = [
        (BULK, "what-bulk", "declare-bulk"),
        (NOT_MINE, "what-not-mine", "declare-not-mine"),
        (PERSONAL, "what-personal", "declare-personal"),
    ];
    html! {
        (Room(1536))
        form.declare method="post" action=(entered.path(Step::Declare)) {
            fieldset aria-describedby=[asked.wrong.map(|_| "wrong")] {
                legend { (words.say("declare")) }
                @if let Some(wrong) = asked.wrong {
                    p.wrong #wrong role="alert" { (words.say(wrong)) }
                }
                @for (place, (value, id, said)) in choices.into_iter().enumerate() {
                    label.choice for=(id) {
                        input id=(id) type="radio" name="what" value=(value) required
                            checked[asked.chosen == value]
                            autofocus[place == 0 && asked.wrong.is_some()];
                        span { (words.say(said)) }
                    }
                }
            }
            input type="hidden" name="nonce" value=(entered.nonce(Step::Declare));
            button #continue type="submit" { (words.say("continue")) }
        }
    }
}

/// What holds where the sender cannot release it himself.
pub fn no_release(words: &Words, way: Way) -> Markup {
    let (heading, text): (&str, &[&str]) = match way {
        Way::Appeal => ("appeal", &["appeal-text", "appeal-now"]),
        Way::RecipientAsked => ("asked", &["asked-text", "asked-now"]),
        Way::RecipientDecides => ("decides", &["decides-text", "decides-now"]),
        Way::Repair => ("repair", &["repair-text", "repair-now"]),
        Way::RecipientRefuses => ("refuses", &["refuses-text", "refuses-now"]),
        Way::Tomorrow => ("tomorrow", &["tomorrow-text"]),
        Way::Release | Way::Over => ("closed", &["closed-text"]),
    };
    html! {
        section.next aria-labelledby="next" {
            h2 #next { (words.say(heading)) }
            @for id in text { p { (words.say(id)) } }
        }
    }
}

/// Recipients within a sentence: "anna@example.fi and 2 others".
pub struct InSentence<'a>(pub &'a Words, pub Named<'a>);

impl Render for InSentence<'_> {
    fn render_to(&self, buffer: &mut String) {
        let Self(words, named) = self;
        for (place, one) in named.shown.iter().enumerate() {
            if place > 0 {
                words.say("comma").render_to(buffer);
            }
            AddressShown(&one.address).render_to(buffer);
        }
        if named.others > 0 {
            if !named.shown.is_empty() {
                words.say("space").render_to(buffer);
            }
            others(words, named).render_to(buffer);
        }
    }
}

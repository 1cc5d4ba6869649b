//! The second question: deliver it? Or: you really did not send it?

use maud::{Markup, html};

use super::case::Case;
use super::entered::Entered;
use super::waiting::{InSentence, details, stale_words};
use crate::portal::nonce::Stale;
use crate::portal::part::Icon;
use crate::portal::path::Step;

/// "Deliver it to …?"
pub fn release(entered: &Entered, case: &Case, stale: Option<Stale>) -> Markup {
    let words = entered.visitor.words();
    let waiting = Case::named(case.waiting());
    let body = html! {
        h1 { (Icon::Question) (words.say("confirm")) }
        p.lede { (words.say("confirm-to")) " " strong { (InSentence(words, waiting)) } }
        (details(words, case))
        (again(words.say("confirm-follows"), words.say("confirm-ends")))
        (form(entered, Step::Release, "deliver", "deliver", stale))
    };
    entered.page(case, words.say("confirm"), None, body)
}

/// "You did not send it?"
pub fn disown(entered: &Entered, case: &Case, stale: Option<Stale>) -> Markup {
    let words = entered.visitor.words();
    let body = html! {
        h1 { (Icon::Question) (words.say("disown")) }
        p.lede { (words.say("disown-thanks")) }
        (details(words, case))
        (again(words.say("disown-follows"), words.say("disown-ends")))
        (form(entered, Step::Disown, "disown", "disown-button", stale))
    };
    entered.page(case, words.say("disown"), None, body)
}

fn again(follows: &str, ends: &str) -> Markup {
    html! {
        p { (follows) }
        p { (ends) }
    }
}

/// One button, and the way back.
fn form(entered: &Entered, step: Step, id: &str, button: &str, stale: Option<Stale>) -> Markup {
    let words = entered.visitor.words();
    html! {
        form method="post" action=(entered.path(step)) {
            @if let Some(stale) = stale {
                p.wrong #wrong role="alert" { (words.say(stale_words(stale))) }
            }
            input type="hidden" name="nonce" value=(entered.nonce(step));
            button id=(id) type="submit" autofocus[stale.is_some()] { (words.say(button)) }
            a.back href=(entered.path(Step::Declare)) { (words.say("back")) }
        }
    }
}

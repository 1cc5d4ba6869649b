//! The sender's page: see, declare, release, take back, disown.
//!
//! A GET changes nothing. Releasing takes two POSTs, each with the nonce of
//! its page: what the message is, then the confirmation; single use is the
//! record's state. After a step the way leads to a page whose address has no
//! token, by a cookie, or back to the link where cookies are refused.

pub mod appeal;
mod case;
mod confirm;
mod entered;
mod outcome;
mod told;
mod waiting;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::App;
use super::error::Trouble;
use super::form::Form;
use super::frame::Visitor;
use super::nonce::Stale;
use super::path::{Entry, Path, Step};
use super::public::see_other;
use crate::link::{Purpose, Token};
use crate::release::{Denied, Way};
use case::Case;
pub use entered::read;
use entered::{Entered, cookie_name};
pub use told::Told;
use waiting::Asked;

/// The words that the declaration's radio buttons send.
pub const BULK: &str = "bulk";
pub const NOT_MINE: &str = "not-mine";
pub const PERSONAL: &str = "personal";

/// Characters of a token.
const TOKEN_LENGTH: usize = 56;

/// Shows what became of the message so far.
pub async fn see(State(app): State<App>, mut entered: Entered) -> Result<Response, Trouble> {
    let case = Case::load(&app, &mut entered).await?;
    let mut response = match &case {
        None => {
            app.log.link_opened(entered.token.subject, "gone");
            gone(&entered)
        }
        Some(case) => {
            app.log.link_opened(case.held.id, case.led_to());
            show(&entered, case)
        }
    };
    if entered.by_link && !entered.has_cookie {
        let name = cookie_name(&app);
        let cookie = format!("{name}={}; Path=/; HttpOnly; SameSite=Strict", entered.text);
        let cookie = app.cookie(&cookie).map(|cookie| (header::SET_COOKIE, cookie));
        response.headers_mut().extend(cookie);
    }
    Ok(response)
}

/// A form's address opened by hand.
pub async fn back(entered: Entered) -> Response {
    see_other(entered.path(Step::Declare))
}

/// First POST: what is this message?
pub async fn declare(
    State(app): State<App>,
    mut entered: Entered,
    form: Form,
) -> Result<Response, Trouble> {
    let Some(case) = Case::load(&app, &mut entered).await? else { return Ok(gone(&entered)) };
    if case.way != Way::Release {
        return Ok(entered.onwards());
    }
    let chosen = form.field("what");
    if let Err(stale) = entered.check(&form, Step::Declare) {
        let page = waiting::page(&entered, &case, &Asked::again(chosen, stale));
        return Ok((StatusCode::FORBIDDEN, page).into_response());
    }
    Ok(match chosen {
        BULK => see_other(Path::Appeal(&appeal::token(&app, &entered, &case))),
        NOT_MINE => confirm::disown(&entered, &case, None).into_response(),
        PERSONAL => confirm::release(&entered, &case, None).into_response(),
        _ => {
            let page = waiting::page(&entered, &case, &Asked::nothing_chosen());
            (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
        }
    })
}

/// Second POST: deliver it, disown it, or take it back.
pub async fn confirm(
    step: Step,
    State(app): State<App>,
    mut entered: Entered,
    form: Form,
) -> Result<Response, Trouble> {
    let Some(case) = Case::load(&app, &mut entered).await? else { return Ok(gone(&entered)) };
    // What is on its way can be taken back, whatever else is possible.
    if step != Step::Withdraw && case.way != Way::Release {
        return Ok(entered.onwards());
    }
    if let Err(stale) = entered.check(&form, step) {
        return Ok((StatusCode::FORBIDDEN, again(&entered, &case, step, stale)).into_response());
    }
    let Token { subject, slot, .. } = entered.token;
    let decided = match step {
        Step::Declare => return Ok(entered.onwards()),
        Step::Release => app.releases.release(subject, slot).await,
        Step::Disown => app.releases.disown(subject, slot).await,
        Step::Withdraw => app.releases.take_back(subject, slot).await,
    };
    match decided {
        // A denial is no error here: the page says what holds now.
        Ok(_) | Err(Denied::Now(_) | Denied::Unknown) => Ok(entered.onwards()),
        Err(Denied::Store(fault)) => Err(fault.into()),
    }
}

/// The page whose form was not accepted, with a fresh one.
fn again(entered: &Entered, case: &Case, step: Step, stale: Stale) -> Response {
    match (step, stale) {
        (Step::Withdraw, _) => show(entered, case),
        // The nonce was not ours: from the beginning.
        (Step::Declare, _) | (_, Stale::Foreign) => {
            waiting::page(entered, case, &Asked::again("", stale)).into_response()
        }
        (Step::Disown, _) => confirm::disown(entered, case, Some(stale)).into_response(),
        (Step::Release, _) => confirm::release(entered, case, Some(stale)).into_response(),
    }
}

/// A link that was mangled on its way, pasted whole.
pub async fn paste(
    State(app): State<App>,
    visitor: Visitor,
    form: Form,
) -> Result<Response, Trouble> {
    let text = token_in(form.field("link"));
    read(&app, &visitor, Purpose::Release, &text)?;
    Ok(see_other(Path::Sender(Entry::Link(&text), Step::Declare)))
}

/// The token in a pasted link, whatever line breaks and signs a mail program
/// put into it and around it.
fn token_in(pasted: &str) -> String {
    let joined: String =
        pasted.chars().filter(|c| !c.is_whitespace() && !matches!(c, '>' | '=')).collect();
    let (_, from) = joined.rsplit_once("/r/").unwrap_or(("", &joined));
    let is_token = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    from.chars().take_while(is_token).take(TOKEN_LENGTH).collect()
}

/// The page of the message as it stands.
fn show(entered: &Entered, case: &Case) -> Response {
    if case.has_moved() && case.way != Way::Release {
        return outcome::page(entered, case);
    }
    if entered.token.has_expired(case.now) {
        return gone(entered);
    }
    waiting::page(entered, case, &Asked::first()).into_response()
}

fn gone(entered: &Entered) -> Response {
    (StatusCode::GONE, outcome::gone(entered)).into_response()
}

#[cfg(test)]
mod tests {
    use super::token_in;

    #[test]
    fn a_pasted_link_is_found_in_what_mail_programs_make_of_it() {
        let token = "AQEAAQGaC3dYcnGAoZy9X1Wf3Xn__2kx8gAdCk1aZ0mYb3cQ1a2b3c4d";
        let (a, b) = token.split_at(20);
        for pasted in [
            token.to_owned(),
            format!("https://mail.example/r/{token}"),
            format!("<https://mail.example/r/{token}>"),
            format!("> release it: https://mail.example/r/{a}\r\n> {b} (in reply to end of DATA)"),
            format!("https://mail.example/r/{a}=\n{b} in reply"),
            format!("https://mail.example/r/{token}?lang=fi"),
        ] {
            assert_eq!(token_in(&pasted), token, "{pasted}");
        }
    }
}

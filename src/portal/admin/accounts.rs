//! One's own account: sessions to look at and end, where letters about
//! appeals go, another password, out.

use axum::http::StatusCode;
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};

use super::gate::{session_cookie, set_cookie};
use super::table::{self, Column};
use super::{Acted, Admin, Place, Route, Section, Sheet};
use crate::account::{AccountError, BadPassword, Power};
use crate::mail::Address;
use crate::portal::error::Trouble;
use crate::portal::words::Shown;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::page(&Place::Account, Power::Own, get(show)),
        Route::act(&Place::Logout, Power::Own, post(log_out)),
        Route::act(&Place::EndSession, Power::Own, post(end_session)),
        Route::act(&Place::Password, Power::Own, post(password)),
        Route::act(&Place::LettersTo, Power::Decide, post(letters_to)),
    ]
}

impl From<AccountError> for Trouble {
    /// For errors that no form explains.
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Store(fault) => fault.into(),
            _ => Self::BadForm,
        }
    }
}

async fn show(admin: Admin) -> Result<Markup, Trouble> {
    page(&admin, None, None).await
}

/// `wrong` about the password, `typed` an address that is none.
async fn page(admin: &Admin, wrong: Option<&str>, typed: Option<&str>) -> Result<Markup, Trouble> {
    const COLUMNS: [Column; 5] = [
        Column::Text("admin-last-seen"),
        Column::Text("admin-since"),
        Column::Text("admin-client"),
        Column::Text("admin-browser"),
        Column::Unsaid("admin-actions"),
    ];

    let words = admin.words();
    let now = admin.app().clock.now();
    let sessions = admin.console().accounts.sessions(&admin.account).await?;
    let rows = html! {
        @for session in &sessions {
            tr {
                td.time { (table::ago(words, session.last_seen, now)) }
                td.time { (table::ago(words, session.created_at, now)) }
                td { code { (session.client) } }
                td.main { (Shown(&session.agent)) }
                td {
                    @if session.hash == admin.session.hash { (words.say("admin-this-session")) }
                    @else {
                        form method="post" action=(Place::EndSession) {
                            (admin.token_field())
                            input type="hidden" name="session" value=(session.hash.short());
                            button.quiet type="submit" { (words.say("admin-end")) }
                        }
                    }
                }
            }
        }
    };
    let body = html! {
        p { strong { (admin.account.login) } " · " (super::admins::role_shown(words, &admin.account.role)) }
        h2 { (words.say("admin-sessions")) }
        (table::rows(words, "admin-sessions", &COLUMNS, &rows))
        @if admin.may(Power::Decide) { (address_form(admin, typed)) }
        h2 { (words.say("admin-change-password")) }
        form.narrow method="post" action=(Place::Password) {
            (admin.token_field())
            @if let Some(wrong) = wrong { p.wrong #wrong role="alert" { (words.say(wrong)) } }
            label for="old" { (words.say("admin-password")) }
            input #old name="old" type="password" autocomplete="current-password" required
                maxlength="1024" autofocus[wrong.is_some()] aria-describedby=[wrong.map(|_| "wrong")];
            label for="new" { (words.say("admin-new-password")) }
            input #new name="new" type="password" autocomplete="new-password" required
                minlength="12" maxlength="1024" aria-describedby="password-help";
            p.help #password-help { (words.say("admin-password-help")) }
            button type="submit" { (words.say("admin-change-password")) }
        }
    };
    let title = words.say("admin-account");
    Ok(admin.page(&Sheet { section: Section::Account, title, notice: None, body }))
}

/// Where letters about appeals go.
fn address_form(admin: &Admin, typed: Option<&str>) -> Markup {
    let words = admin.words();
    let now = admin.account.address.as_ref().map(Address::display);
    html! {
        h2 { (words.say("admin-letters-to")) }
        form.narrow method="post" action=(Place::LettersTo) {
            (admin.token_field())
            @if typed.is_some() { p.wrong #wrong-address role="alert" { (words.say("admin-address-wrong")) } }
            label for="address" { (words.say("admin-address")) }
            input #address name="address" type="text" inputmode="email" autocomplete="email" maxlength="254"
                value=[typed.or(now.as_deref())] autofocus[typed.is_some()] aria-describedby="address-help";
            p.help #address-help { (words.say("admin-letters-to-help")) }
            button type="submit" { (words.say("admin-keep")) }
        }
    }
}

async fn letters_to(admin: Admin, form: Acted) -> Result<Response, Trouble> {
    let typed = form.field("address").trim();
    let address = match Address::parse(typed) {
        _ if typed.is_empty() => None,
        Ok(address) => Some(address),
        Err(_) => {
            let page = page(&admin, None, Some(typed)).await?;
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
        }
    };
    let entry = admin.entry("set-address");
    admin.console().accounts.set_address(&entry, &admin.account.login, address).await?;
    Ok(Redirect::to(&Place::Account.to_string()).into_response())
}

/// Every session of the account is over.
async fn log_out(admin: Admin, _: Acted) -> Result<Response, Trouble> {
    let login = &admin.account.login;
    admin.console().accounts.logout(&admin.entry("log-out"), login).await?;
    Ok(out(&admin))
}

/// To the login page, without the cookie.
fn out(admin: &Admin) -> Response {
    let gone = set_cookie(admin.app(), session_cookie(admin.app()), "", Some(0));
    (AppendHeaders(gone), Redirect::to(&Place::Login.to_string())).into_response()
}

async fn end_session(admin: Admin, form: Acted) -> Result<Redirect, Trouble> {
    let (accounts, login) = (&admin.console().accounts, &admin.account.login);
    accounts.end_session(&admin.entry("end-session"), login, form.field("session")).await?;
    Ok(Redirect::to(&Place::Account.to_string()))
}

async fn password(admin: Admin, form: Acted) -> Result<Response, Trouble> {
    let (accounts, login) = (&admin.console().accounts, &admin.account.login);
    let entry = admin.entry("change-password");
    let done = accounts.change_password(&entry, login, form.field("old"), form.field("new")).await;
    let wrong = match done {
        Ok(()) => return Ok(out(&admin)),
        Err(AccountError::Code) => "admin-password-wrong",
        Err(AccountError::Password(BadPassword::Short)) => "admin-password-short",
        Err(AccountError::Password(_)) => "admin-password-long",
        Err(error) => return Err(error.into()),
    };
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page(&admin, Some(wrong), None).await?).into_response())
}

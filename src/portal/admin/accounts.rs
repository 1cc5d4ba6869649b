//! One's own account: sessions to look at and end, another password, out.

use axum::http::StatusCode;
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};

use super::gate::{session_cookie, set_cookie};
use super::{Acted, Admin, Place, Route, Section, Sheet, table};
use crate::account::{AccountError, BadPassword, Power};
use crate::portal::error::Trouble;
use crate::portal::words::Shown;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::page(&Place::Account, Power::Own, get(show)),
        Route::act(&Place::Logout, Power::Own, post(log_out)),
        Route::act(&Place::EndSession, Power::Own, post(end_session)),
        Route::act(&Place::Password, Power::Own, post(password)),
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
    page(&admin, None).await
}

async fn page(admin: &Admin, wrong: Option<&str>) -> Result<Markup, Trouble> {
    let words = admin.words();
    let now = admin.app().clock.now();
    let sessions = admin.console().accounts.sessions(&admin.account).await?;
    let body = html! {
        p { strong { (admin.account.login) } " · " (super::admins::role_shown(words, &admin.account.role)) }
        h2 { (words.say("admin-sessions")) }
        div.scroll tabindex="0" role="region" aria-label=(words.say("admin-sessions")) {
            table.rows {
                thead { tr {
                    th scope="col" { (words.say("admin-last-seen")) }
                    th scope="col" { (words.say("admin-since")) }
                    th scope="col" { (words.say("admin-client")) }
                    th scope="col" { (words.say("admin-browser")) }
                    th scope="col" { span.hidden { (words.say("admin-actions")) } }
                } }
                tbody {
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
                }
            }
        }
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
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page(&admin, Some(wrong)).await?).into_response())
}

//! Administrators and tokens: add, disable, reset; make and revoke.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};

use super::table::{self, Address, Column, Found, NAME, ROWS, Sorted, TIME};
use super::{Acted, Admin, Asked, Place, Route, Section, Sheet};
use crate::account::token::Scope;
use crate::account::{Account, AccountError, Login, Power, Role, Secret};
use crate::directory::OrganisationId;
use crate::portal::App;
use crate::portal::error::Trouble;
use crate::portal::part;
use crate::portal::words::{Shown, Words};
use crate::store::Toward;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route {
            path: Place::Accounts.to_string(),
            get: Some(Power::SeeAll),
            post: Some(Power::Appoint),
            to: get(list).post(add),
        },
        Route::act(&Place::Disable, Power::Appoint, post(disable)),
        Route::act(&Place::Enable, Power::Appoint, post(enable)),
        Route::act(&Place::Reset, Power::Appoint, post(reset)),
        Route {
            path: Place::Tokens.to_string(),
            get: Some(Power::Own),
            post: Some(Power::Own),
            to: get(tokens).post(make_token),
        },
        Route::act(&Place::RevokeToken, Power::Own, post(revoke_token)),
    ]
}

fn role_word<'a>(words: &'a Words, role: &Role) -> &'a str {
    words.say(match role {
        Role::Operator => "role-operator",
        Role::OrganisationAdmin(_) => "role-organisation-admin",
        Role::Auditor => "role-auditor",
    })
}

/// A role in the reader's language, with its organisations.
pub(super) fn role_shown(words: &Words, role: &Role) -> Markup {
    let own = role.organisations().unwrap_or_default();
    let own: Vec<&str> = own.iter().map(OrganisationId::as_str).collect();
    html! { (role_word(words, role)) @if !own.is_empty() { ": " (own.join(", ")) } }
}

async fn list(admin: Admin, asked: Asked) -> Result<Markup, Trouble> {
    page(&admin, &asked, None).await
}

/// The page that `asked` names; behind a form, the first.
async fn page(admin: &Admin, asked: &Asked, notice: Option<Markup>) -> Result<Markup, Trouble> {
    const COLUMNS: [Column; 6] = [
        Column::Name("admin-login"),
        Column::Text("admin-role"),
        Column::Text("admin-state"),
        Column::Text("admin-letters-to"),
        Column::Text("admin-last-login"),
        Column::Unsaid("admin-actions"),
    ];

    let words = admin.words();
    let now = admin.app().clock.now();
    let order = table::one_of(&NAME, asked.field("sort"));
    let toward = if order == NAME[0] { Toward::Last } else { Toward::First };
    let after = asked.after();
    let from = after.as_deref().unwrap_or(&[]);
    let (all, next) = admin.console().accounts.page(toward, from, ROWS).await?;
    let here =
        Address::new(Place::Accounts).with("sort", if order == NAME[0] { "" } else { order });
    let sorted = Sorted { address: &here, order, usual: NAME[0] };
    let appoints = admin.may(Power::Appoint);
    let rows = html! {
        @for account in &all.records {
            tr {
                td.main { strong { (account.login) } }
                td { (role_shown(words, &account.role)) }
                td { (state(words, account)) }
                td { @if let Some(address) = &account.address { (part::AddressShown(address)) } }
                td.time { @if let Some(at) = account.last_login { (table::ago(words, at, now)) } }
                @if appoints { td { (buttons(admin, account)) } }
            }
        }
    };
    let columns = &COLUMNS[..5 + usize::from(appoints)];
    let rows = table::sorted_rows(words, "admin-accounts", columns, Some(sorted), &rows);
    let found = Found {
        rows: (!all.records.is_empty()).then_some(&rows),
        unreadable: &all.unreadable,
        paged: after.is_some(),
        next: next.as_deref(),
    };
    let body = html! {
        (table::found(words, &here, "admin-nothing-found", &found))
        @if appoints { (add_form(admin)) }
    };
    let title = words.say("admin-accounts");
    Ok(admin.page(&Sheet { section: Section::Accounts, title, notice, body }))
}

fn state(words: &Words, account: &Account) -> Markup {
    let (kind, mark, word) = match (account.disabled, account.password.is_some()) {
        (true, _) => ("stop", "✕", "account-disabled"),
        (false, false) => ("wait", "●", "account-invited"),
        (false, true) => ("done", "✓", "account-active"),
    };
    html! { span class={ "state " (kind) } { span aria-hidden="true" { (mark) " " } (words.say(word)) } }
}

fn buttons(admin: &Admin, account: &Account) -> Markup {
    let words = admin.words();
    html! {
        form method="post" action=(Place::Reset) {
            (admin.token_field())
            input type="hidden" name="login" value=(account.login);
            button.quiet type="submit" { (words.say("admin-reset")) } " "
            @if account.disabled { button.quiet type="submit" formaction=(Place::Enable) { (words.say("admin-enable")) } }
            @else { button.danger type="submit" formaction=(Place::Disable) { (words.say("admin-disable")) } }
        }
    }
}

fn add_form(admin: &Admin) -> Markup {
    let words = admin.words();
    let organisations = admin.app().directory.organisations();
    html! {
        h2 { (words.say("admin-add")) }
        form.narrow method="post" action=(Place::Accounts) {
            (admin.token_field())
            label for="login" { (words.say("admin-login")) }
            input #login name="login" type="text" required maxlength="64" autocapitalize="off" spellcheck="false" autocomplete="off";
            label for="role" { (words.say("admin-role")) }
            select #role name="role" {
                option value="operator" { (words.say("role-operator")) }
                option value="organisation-admin" { (words.say("role-organisation-admin")) }
                option value="auditor" { (words.say("role-auditor")) }
            }
            label for="organisation" { (words.say("admin-organisations")) }
            select #organisation name="organisation" multiple size=(organisations.len().clamp(2, 6)) {
                @for one in &organisations { option value=(one.id) { (one.name) } }
            }
            button type="submit" { (words.say("admin-add")) }
        }
    }
}

async fn add(admin: Admin, form: Acted) -> Result<Response, Trouble> {
    let own: Vec<OrganisationId> = form
        .all("organisation")
        .filter_map(OrganisationId::new)
        .filter(|id| admin.app().directory.organisation(id).is_some())
        .collect();
    let Some(role) = Role::named(form.field("role"), own) else {
        return refused(&admin, "admin-role-organisations").await;
    };
    let Ok(login) = Login::parse(form.field("login")) else {
        return refused(&admin, "admin-login-form").await;
    };
    let accounts = &admin.console().accounts;
    match accounts.add(&admin.entry("add-account"), login.clone(), role).await {
        Ok(secret) => invited(&admin, &login, &secret).await,
        Err(AccountError::Taken(_)) => refused(&admin, "admin-login-taken").await,
        Err(error) => Err(error.into()),
    }
}

async fn refused(admin: &Admin, word: &str) -> Result<Response, Trouble> {
    let notice = html! { (admin.words().say(word)) };
    let page = page(admin, &Asked::default(), Some(notice)).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

/// The setup link, shown once.
async fn invited(admin: &Admin, login: &Login, secret: &Secret) -> Result<Response, Trouble> {
    let notice = html! {
        (admin.words().say("admin-setup-link")) " " strong { (login) } br;
        code { (setup_link(admin.app(), login, secret)) }
    };
    Ok(page(admin, &Asked::default(), Some(notice)).await?.into_response())
}

/// Where an account is set up, once.
pub fn setup_link(app: &App, login: &Login, secret: &Secret) -> String {
    let text = secret.to_text();
    app.links.page(None, &Place::Setup(login.as_str(), &text).to_string())
}

async fn disable(admin: Admin, form: Acted) -> Result<Response, Trouble> {
    set_disabled(&admin, &form, true).await
}

async fn enable(admin: Admin, form: Acted) -> Result<Response, Trouble> {
    set_disabled(&admin, &form, false).await
}

async fn set_disabled(admin: &Admin, form: &Acted, disabled: bool) -> Result<Response, Trouble> {
    let login = Login::parse(form.field("login"))?;
    let what = if disabled { "disable-account" } else { "enable-account" };
    let accounts = &admin.console().accounts;
    match accounts.set_disabled(&admin.entry(what), &login, disabled).await {
        Ok(()) => Ok(Redirect::to(&Place::Accounts.to_string()).into_response()),
        Err(AccountError::LastOperator(_)) => refused(admin, "admin-last-operator").await,
        Err(error) => Err(error.into()),
    }
}

async fn reset(admin: Admin, form: Acted) -> Result<Response, Trouble> {
    let login = Login::parse(form.field("login"))?;
    let secret = admin.console().accounts.reset(&admin.entry("reset-account"), &login).await?;
    invited(&admin, &login, &secret).await
}

async fn tokens(admin: Admin, asked: Asked) -> Result<Markup, Trouble> {
    tokens_page(&admin, &asked, None).await
}

/// One's own tokens; an operator's page shows everybody's. Behind a form, the
/// first page.
async fn tokens_page(
    admin: &Admin,
    asked: &Asked,
    notice: Option<Markup>,
) -> Result<Markup, Trouble> {
    const COLUMNS: [Column; 6] = [
        Column::Text("admin-name-of"),
        Column::Text("admin-login"),
        Column::Text("admin-scope"),
        Column::Time("admin-made"),
        Column::Text("admin-until"),
        Column::Unsaid("admin-actions"),
    ];

    let words = admin.words();
    let now = admin.app().clock.now();
    let order = table::one_of(&TIME, asked.field("sort"));
    let toward = if order == TIME[0] { Toward::First } else { Toward::Last };
    let after = asked.after();
    let from = after.as_deref().unwrap_or(&[]);
    let own = whose(admin);
    let (all, next) = admin.console().accounts.tokens(own, toward, (from, ROWS)).await?;
    let here = Address::new(Place::Tokens).with("sort", if order == TIME[0] { "" } else { order });
    let sorted = Sorted { address: &here, order, usual: TIME[0] };
    let rows = html! {
        @for token in &all.records {
            tr {
                td.main { (Shown(&token.name)) }
                td { (token.login) }
                td { (scope_word(words, token.scope)) }
                td.time { (table::ago(words, token.created_at, now)) }
                td.time { (table::ago(words, token.expires_at, now)) }
                td {
                    form method="post" action=(Place::RevokeToken) {
                        (admin.token_field())
                        input type="hidden" name="token" value=(token.hash.short());
                        button.danger type="submit" { (words.say("admin-revoke-token")) }
                    }
                }
            }
        }
    };
    let rows = table::sorted_rows(words, "admin-tokens", &COLUMNS, Some(sorted), &rows);
    let found = Found {
        rows: (!all.records.is_empty()).then_some(&rows),
        unreadable: &all.unreadable,
        paged: after.is_some(),
        next: next.as_deref(),
    };
    let body = html! {
        p.soft { (words.say("admin-tokens-help")) }
        (table::found(words, &here, "admin-no-tokens", &found))
        h2 { (words.say("admin-make-token")) }
        form.narrow method="post" action=(Place::Tokens) {
            (admin.token_field())
            label for="name" { (words.say("admin-name-of")) }
            input #name name="name" type="text" required maxlength="100";
            label for="scope" { (words.say("admin-scope")) }
            select #scope name="scope" {
                option value="read" { (words.say("scope-read")) }
                option value="decide" { (words.say("scope-decide")) }
                @if admin.may(Power::Appoint) {
                    option value="appoint" { (words.say("scope-appoint")) }
                }
            }
            label for="days" { (words.say("admin-days")) }
            input #days name="days" type="number" min="1" max="366" value="90" required;
            button type="submit" { (words.say("admin-make-token")) }
        }
    };
    let title = words.say("admin-tokens");
    Ok(admin.page(&Sheet { section: Section::Tokens, title, notice, body }))
}

/// Whose tokens are his to see and to revoke; `None`: everybody's.
fn whose(admin: &Admin) -> Option<&Login> {
    (!admin.may(Power::Operate)).then_some(&admin.account.login)
}

fn scope_word(words: &Words, scope: Scope) -> &str {
    words.say(match scope {
        Scope::Read => "scope-read",
        Scope::Decide => "scope-decide",
        Scope::Appoint => "scope-appoint",
    })
}

async fn make_token(admin: Admin, form: Acted) -> Result<Markup, Trouble> {
    let scope = Scope::parse(form.field("scope")).ok_or(Trouble::BadForm)?;
    let days: u16 = form.field("days").parse().map_err(|_| Trouble::BadForm)?;
    let (accounts, login) = (&admin.console().accounts, &admin.account.login);
    let entry = admin.entry("make-token");
    let text = accounts.make_token(&entry, login, form.field("name"), (scope, days)).await?;
    let notice = html! { (admin.words().say("admin-token-once")) br; code { (text) } };
    tokens_page(&admin, &Asked::default(), Some(notice)).await
}

async fn revoke_token(admin: Admin, form: Acted) -> Result<Redirect, Trouble> {
    let (accounts, entry) = (&admin.console().accounts, admin.entry("revoke-token"));
    accounts.revoke_token(&entry, whose(&admin), form.field("token")).await?;
    Ok(Redirect::to(&Place::Tokens.to_string()))
}

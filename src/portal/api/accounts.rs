//! Administrators as JSON: list, add, disable, enable, reset.
//!
//! A setup link is answered once, to whoever asked for it: a program that may
//! add or reset accounts can enter as them, so its token needs a scope of its
//! own. Tokens, passwords and one-time codes themselves are people's own: no
//! program sets them.

use axum::body::Bytes;
use axum::extract::Query;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Caller;
use super::problem::Problem;
use super::resources::{Answer, List, ok, ok_once, page_but};
use crate::account::{Account, AccountError, Login, Power, Role, Secret};
use crate::directory::OrganisationId;
use crate::portal::admin::setup_link;
use crate::store::Toward;

/// Whom to add.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Added {
    login: String,
    role: String,
    /// Of an organisation-admin.
    #[serde(default)]
    organisations: Vec<String>,
}

/// What to do with one.
#[derive(Clone, Copy)]
pub enum Deed {
    Disable,
    Enable,
    Reset,
}

impl From<AccountError> for Problem {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Store(fault) => fault.into(),
            AccountError::Unknown(_) => Self::NOT_FOUND,
            other => Self::wrong(other.to_string()),
        }
    }
}

pub async fn list(caller: Caller, Query(list): Query<List>) -> Answer {
    caller.needs(Power::SeeAll, "GET accounts").await?;
    let toward = match list.sort.as_str() {
        "" | "name" => Toward::Last,
        "name-backwards" => Toward::First,
        _ => return Err(Problem::BAD_REQUEST),
    };
    let after = list.after()?.unwrap_or_default();
    let (found, next) = caller.console()?.accounts.page(toward, &after, list.limit()).await?;
    Ok(page_but(found.records.iter().map(shown).collect(), next, &found.unreadable))
}

pub async fn add(caller: Caller, body: Bytes) -> Answer {
    caller.needs(Power::Appoint, "POST accounts").await?;
    let said: Added = serde_json::from_slice(&body).map_err(|_| Problem::BAD_REQUEST)?;
    let directory = &caller.visitor.app().directory;
    let known = |id: &String| {
        let id = OrganisationId::new(id).filter(|id| directory.organisation(id).is_some());
        id.ok_or(Problem::BAD_REQUEST)
    };
    let own = said.organisations.iter().map(known).collect::<Result<Vec<_>, _>>()?;
    let role = Role::named(&said.role, own).ok_or(Problem::BAD_REQUEST)?;
    let login = Login::parse(&said.login)?;
    let accounts = &caller.console()?.accounts;
    let secret = accounts.add(&caller.entry("add-account"), login.clone(), role).await?;
    Ok(invited(&caller, &login, &secret))
}

pub async fn act(caller: &Caller, login: &str, deed: Deed) -> Answer {
    caller.needs(Power::Appoint, "POST account").await?;
    let login = Login::parse(login).map_err(|_| Problem::NOT_FOUND)?;
    let accounts = &caller.console()?.accounts;
    let (what, disabled) = match deed {
        Deed::Disable => ("disable-account", true),
        Deed::Enable => ("enable-account", false),
        Deed::Reset => {
            let secret = accounts.reset(&caller.entry("reset-account"), &login).await?;
            return Ok(invited(caller, &login, &secret));
        }
    };
    accounts.set_disabled(&caller.entry(what), &login, disabled).await?;
    let one = accounts.find(&login).await?.ok_or(Problem::NOT_FOUND)?;
    Ok(ok(&shown(&one)))
}

fn invited(caller: &Caller, login: &Login, secret: &Secret) -> Response {
    let setup = setup_link(caller.visitor.app(), login, secret);
    ok_once(&json!({ "login": login.as_str(), "setup": setup }), &["setup"])
}

fn shown(one: &Account) -> Value {
    let own = one.role.organisations().unwrap_or_default();
    let own: Vec<&str> = own.iter().map(OrganisationId::as_str).collect();
    json!({
        "login": one.login.as_str(),
        "role": one.role.as_str(),
        "organisations": own,
        "disabled": one.disabled,
        "set_up": one.password.is_some(),
        "letters_to": one.address.as_ref().map(ToString::to_string),
        "last_login": one.last_login.map(|at| at.to_string()),
    })
}

//! What the commands ask about administrators.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::errand::unreadable;
use crate::account::{Account, Accounts, Entry, Login, Role, Secret};
use crate::directory::{Directory, OrganisationId};
use crate::link::Links;
use crate::store::Toward;

/// One request about administrators.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "admin", rename_all = "lowercase")]
pub enum AdminErrand {
    List,
    Add { login: String, role: String, organisations: Vec<String> },
    Disable { login: String },
    Enable { login: String },
    Reset { login: String },
}

/// Carries them out. Clones share the store.
#[derive(Clone)]
pub struct Admins {
    pub accounts: Accounts,
    pub directory: Directory,
    pub links: Links,
}

impl Admins {
    /// The answer as JSON.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub async fn run(&self, errand: AdminErrand) -> Result<Value, String> {
        let by = |what| Entry::new("console", what);
        let read = |login: &str| Login::parse(login).map_err(|error| error.to_string());
        match errand {
            AdminErrand::List => {
                let all = self.accounts.page(Toward::Last, &[], usize::MAX).await;
                let (all, _) = all.map_err(|fault| fault.to_string())?;
                let unreadable = all.unreadable.iter().map(unreadable);
                Ok(unreadable.chain(all.records.iter().map(shown)).collect())
            }
            AdminErrand::Add { login, role, organisations } => {
                let (login, role) = (read(&login)?, self.role(&role, &organisations)?);
                let secret = self.accounts.add(&by("add-account"), login.clone(), role).await;
                Ok(self.invited(&login, &secret.map_err(|error| error.to_string())?))
            }
            AdminErrand::Disable { login } => self.set_disabled(&read(&login)?, true).await,
            AdminErrand::Enable { login } => self.set_disabled(&read(&login)?, false).await,
            AdminErrand::Reset { login } => {
                let login = read(&login)?;
                let secret = self.accounts.reset(&by("reset-account"), &login).await;
                Ok(self.invited(&login, &secret.map_err(|error| error.to_string())?))
            }
        }
    }

    /// The setup link of an account.
    pub fn setup_link(&self, login: &Login, secret: &Secret) -> String {
        self.links.page(None, &format!("/admin/setup/{login}/{}", secret.to_text()))
    }

    fn invited(&self, login: &Login, secret: &Secret) -> Value {
        json!({ "login": login.as_str(), "setup": self.setup_link(login, secret) })
    }

    async fn set_disabled(&self, login: &Login, disabled: bool) -> Result<Value, String> {
        let word = if disabled { "disable-account" } else { "enable-account" };
        let done = self.accounts.set_disabled(&Entry::new("console", word), login, disabled).await;
        done.map_err(|error| error.to_string())?;
        Ok(json!({ "login": login.as_str(), "disabled": disabled }))
    }

    /// # Errors
    /// A sentence: the role is unknown, or its organisations are.
    pub fn role(&self, role: &str, organisations: &[String]) -> Result<Role, String> {
        match role {
            "operator" => Ok(Role::Operator),
            "auditor" => Ok(Role::Auditor),
            "organisation-admin" if organisations.is_empty() => {
                Err("name the organisations: --organisation ID".to_owned())
            }
            "organisation-admin" => {
                let known = |id: &String| {
                    OrganisationId::new(id)
                        .filter(|id| self.directory.organisation(id).is_some())
                        .ok_or_else(|| format!("there is no organisation {id}"))
                };
                let own = organisations.iter().map(known).collect::<Result<Vec<_>, _>>()?;
                Ok(Role::OrganisationAdmin(own))
            }
            other => Err(format!("{other} is no role: operator, organisation-admin or auditor")),
        }
    }
}

fn shown(account: &Account) -> Value {
    json!({
        "login": account.login.as_str(),
        "role": account.role.to_string(),
        "disabled": account.disabled,
        "set_up": account.password.is_some(),
        "last_login": account.last_login.map(|at| at.to_string()),
    })
}

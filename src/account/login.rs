//! Logging in: password, then one-time or recovery code, in one step.
//!
//! One answer for every wrong part. Counting attempts is the door's affair
//! (it knows networks and devices); this module says which account's device a
//! secret belongs to.

use std::net::IpAddr;

use super::session::Secret;
use super::totp::Kept;
use super::{Account, Accounts, Entry, Login, TRIES, contended, recovery};
use crate::store::{Batch, Fault, Row};

/// Devices that an account remembers.
const DEVICES: usize = 10;

/// What somebody typed, and from where.
#[derive(Clone, Debug)]
pub struct Attempt<'a> {
    pub login: &'a str,
    pub password: &'a str,
    /// A one-time or a recovery code.
    pub code: &'a str,
    pub client: IpAddr,
    pub agent: &'a str,
}

/// A login that worked.
pub struct LoggedIn {
    pub account: Account,
    /// For the session's cookie.
    pub session: Secret,
    /// For the device's cookie: the next login from here is known.
    pub device: Secret,
}

/// Why a login did not work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginRefused {
    /// Which part is for nobody to know.
    #[error("login, password or code is wrong")]
    Wrong,
    /// Said to who knows the password only. He did nothing wrong, and no code
    /// of his device will ever do.
    #[error(
        "the one-time code of {0} cannot be checked: the key that its secret was encrypted with \
         is no longer in the folder of keys. A recovery code opens; without one, an operator \
         runs: reprieve admin reset {0}"
    )]
    Unreadable(Login),
    #[error(transparent)]
    Store(#[from] Fault),
}

impl Accounts {
    /// Begins a session for who knows all parts.
    ///
    /// # Errors
    /// [`LoginRefused`].
    pub async fn log_in(&self, attempt: &Attempt<'_>) -> Result<LoggedIn, LoginRefused> {
        let login = Login::parse(attempt.login).ok();
        let row = match &login {
            Some(login) => self.store.find::<Account>(login.as_str().as_bytes()).await?,
            None => None,
        };
        let open = row.filter(|row| !row.record.disabled);
        let hash = open.as_ref().and_then(|row| row.record.password.as_deref());
        let right = self.passwords.verify(attempt.password, hash).await;
        let (Some(mut row), true) = (open, right) else { return Err(LoginRefused::Wrong) };
        for _ in 0..TRIES {
            if let Some(done) = self.try_begin(&row, attempt).await? {
                return Ok(done);
            }
            // Somebody changed the account meanwhile: its password may be
            // another, its codes are judged again.
            let again = self.store.find::<Account>(&crate::store::Record::key(&row.record)).await?;
            let same = |one: &Row<Account>| {
                one.record.password == row.record.password && !one.record.disabled
            };
            row = again.filter(same).ok_or(LoginRefused::Wrong)?;
        }
        Err(contended().into())
    }

    async fn try_begin(
        &self,
        row: &Row<Account>,
        attempt: &Attempt<'_>,
    ) -> Result<Option<LoggedIn>, LoginRefused> {
        let now = self.clock.now();
        let mut account = row.record.clone();
        let mut how = "password";
        if let Some(kept) = &account.totp {
            let mut totp = kept.open(&self.ring, &account.login);
            if totp.as_mut().is_some_and(|totp| totp.take(attempt.code, now)) {
                how = "password and code";
                account.totp = totp.map(|totp| Kept::of(&totp, &self.ring, &account.login));
            } else if recovery::take(&mut account.recovery, attempt.code) {
                how = "password and recovery code";
            } else if totp.is_none() {
                return Err(LoginRefused::Unreadable(account.login));
            } else {
                return Err(LoginRefused::Wrong);
            }
        } else if account.totp_required {
            return Err(LoginRefused::Wrong);
        }
        let device = Secret::new();
        account.last_login = Some(now);
        account.devices.push(device.hash());
        let spare = account.devices.len().saturating_sub(DEVICES);
        account.devices.drain(..spare);
        let mut batch = Batch::new();
        let session =
            self.begin_session(&mut batch, &account, attempt.client, attempt.agent).await?;
        self.write(&mut batch, row, account.clone());
        let entry = Entry::new(account.login.as_str(), "log-in").from(attempt.client);
        let entry = entry.about("account", account.login.as_str());
        self.audit.record(&mut batch, entry.after(how));
        let done = self.carried_out(batch).await?;
        Ok(done.then_some(LoggedIn { account, session, device }))
    }

    /// Whether this device has logged in to the account before.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn knows_device(&self, login: &str, device: &Secret) -> Result<bool, Fault> {
        let Ok(login) = Login::parse(login) else { return Ok(false) };
        let account = self.find(&login).await?;
        Ok(account.is_some_and(|account| account.devices.contains(&device.hash())))
    }
}

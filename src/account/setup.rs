//! The one-time link with which an administrator chooses his password and
//! takes his one-time codes into his authenticator.
//!
//! Good for a day and once; the store holds the secret's hash.

use minicbor::{Decode, Encode};
use subtle::ConstantTimeEq;

use super::recovery::{self, CodeHash};
use super::session::{Secret, SecretHash};
use super::totp::{Kept, Totp};
use super::{Account, AccountError, Accounts, Entry, Login, Passwords, Role, TRIES, contended};
use crate::clock::{SignedDuration, Timestamp};
use crate::store::{Batch, Fault};

const GOOD_FOR: SignedDuration = SignedDuration::from_hours(24);

/// A setup link that is out.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Setup {
    #[n(0)]
    hash: SecretHash,
    #[cbor(n(1), with = "crate::store::record::micros")]
    expires_at: Timestamp,
}

impl Setup {
    pub(super) fn new(secret: &Secret, now: Timestamp) -> Self {
        Self { hash: secret.hash(), expires_at: now + GOOD_FOR }
    }

    fn opens(&self, secret: &Secret, now: Timestamp) -> bool {
        let same = self.hash.as_bytes().ct_eq(secret.hash().as_bytes());
        bool::from(same) && now < self.expires_at
    }
}

impl Accounts {
    /// The login for which this setup link is good now.
    ///
    /// # Errors
    /// [`AccountError::Setup`] for everything that is not good.
    pub async fn setup_of(&self, login: &str, secret: &Secret) -> Result<Login, AccountError> {
        let login = Login::parse(login).map_err(|_| AccountError::Setup)?;
        let account = self.find(&login).await?.ok_or(AccountError::Setup)?;
        let good = account.setup.is_some_and(|setup| setup.opens(secret, self.clock.now()));
        if good && !account.disabled { Ok(login) } else { Err(AccountError::Setup) }
    }

    /// Sets password and one-time code, proved by one code of it; answers the
    /// recovery codes, to be shown once. The link is used up.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn set_up(
        &self,
        by: &Entry,
        (login, secret): (&Login, &Secret),
        password: &str,
        (totp, code): (&Totp, &str),
    ) -> Result<Vec<String>, AccountError> {
        self.setup_of(login.as_str(), secret).await?;
        Passwords::fits(password)?;
        let mut totp = totp.clone();
        if !totp.take(code, self.clock.now()) {
            return Err(AccountError::Code);
        }
        let hash = self.passwords.hash(password).await?;
        let codes = recovery::fresh();
        for _ in 0..TRIES {
            let row = self.row(login).await?;
            let mut account = row.record.clone();
            let good = account.setup.take().is_some_and(|one| one.opens(secret, self.clock.now()));
            if !good || account.disabled {
                return Err(AccountError::Setup);
            }
            account.password = Some(hash.clone());
            account.totp = Some(Kept::of(&totp, &self.ring, login));
            account.recovery = codes.iter().map(|code| CodeHash::of(code)).collect();
            account.end_sessions();
            let mut batch = Batch::new();
            self.write(&mut batch, &row, account);
            self.audit.record(&mut batch, by.clone().about("account", login.as_str()));
            if self.carried_out(batch).await? {
                return Ok(codes);
            }
        }
        Err(contended().into())
    }

    /// Chooses another password; every session is over.
    ///
    /// # Errors
    /// [`AccountError`]; [`AccountError::Code`] if the old one is wrong.
    pub async fn change_password(
        &self,
        by: &Entry,
        login: &Login,
        old: &str,
        new: &str,
    ) -> Result<(), AccountError> {
        let account = self.find(login).await?;
        let hash = account.as_ref().and_then(|account| account.password.as_deref());
        if !self.passwords.verify(old, hash).await {
            return Err(AccountError::Code);
        }
        let fresh = self.passwords.hash(new).await?;
        self.change(login, |account: &mut Account| {
            account.password = Some(fresh.clone());
            account.end_sessions();
            by.clone().about("account", login.as_str())
        })
        .await
    }

    /// The first operator's setup link, if there is nobody who could log in:
    /// the service prints it on its console when it starts.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write.
    pub async fn first_operator(&self) -> Result<Option<(Login, Secret)>, Fault> {
        let all = self.list().await?;
        let login = Login("admin".to_owned());
        let nobody = all.iter().all(|one| one.login == login && one.password.is_none());
        if !nobody {
            return Ok(None);
        }
        let by = Entry::new("console", "add-account");
        let made = if all.is_empty() {
            self.add(&by, login.clone(), Role::Operator).await
        } else {
            self.reset(&by, &login).await
        };
        match made {
            Ok(secret) => Ok(Some((login, secret))),
            Err(AccountError::Store(fault)) => Err(fault),
            // Another process was first: it printed the link.
            Err(_) => Ok(None),
        }
    }
}

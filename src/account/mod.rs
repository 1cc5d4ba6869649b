//! Administrators: who they are, how they prove it, what they may do, and
//! what they did.
//!
//! A password (argon2id) and a one-time code (TOTP, RFC 6238) open a
//! [`Session`]; a [`Role`] says what is open to it; the [`audit`] keeps every
//! decision for good. Programs use [`token`]s instead. Nothing here believes
//! what a browser says but the secrets themselves, and the store holds hashes
//! of those; the secret of a one-time code, which must be read again, stands
//! in it encrypted with a key of the ring.

pub mod audit;
pub mod idempotency;
pub mod job;
pub mod login;
pub mod password;
pub mod recovery;
pub mod role;
pub mod session;
pub mod setup;
pub mod token;
pub mod totp;

pub use audit::{Audit, Entry, Step};
pub use login::{Attempt, LoginRefused};
pub use password::{BadPassword, Cost, Passwords};
pub use role::{Power, Role};
pub use session::{Secret, Session};
pub use token::ApiToken;

use std::fmt;

use minicbor::{Decode, Encode};

use crate::clock::{Clock, Timestamp};
use crate::link::KeyRing;
use crate::mail::Address;
use crate::store::{Batch, Fault, Listing, Record, Refusal, Row, Store, Table, Toward};

/// How often a change is tried again when another came first.
const TRIES: usize = 8;

/// The name that an administrator logs in with: 1 to 64 lower-case letters,
/// digits and `. _ - @`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub struct Login(#[n(0)] String);

/// One administrator.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Account {
    #[n(0)]
    pub login: Login,
    #[n(1)]
    pub role: Role,
    /// argon2id in the PHC string format; `None` until the setup link was used.
    #[n(2)]
    pub password: Option<String>,
    #[n(3)]
    pub totp: Option<totp::Kept>,
    /// Hashes of the recovery codes that are left.
    #[n(4)]
    pub recovery: Vec<recovery::CodeHash>,
    #[n(5)]
    pub disabled: bool,
    #[cbor(n(6), with = "crate::store::record::micros")]
    pub created_at: Timestamp,
    /// Raised to end every session of the account at once.
    #[n(7)]
    pub epoch: u32,
    /// The setup link that is out, if any.
    #[n(8)]
    pub setup: Option<setup::Setup>,
    /// Hashes of the devices that logged in last, the latest last.
    #[n(9)]
    pub devices: Vec<session::SecretHash>,
    /// A one-time code is asked for; only a demo lives without.
    #[n(10)]
    pub totp_required: bool,
    #[cbor(n(11), with = "crate::store::record::maybe_micros")]
    pub last_login: Option<Timestamp>,
    /// Where he is told what waits for him; `None`: he looks himself.
    #[n(12)]
    pub address: Option<Address>,
}

/// Why nothing was changed about an account.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    #[error("there is no administrator {0}; see: reprieve admin list")]
    Unknown(Login),
    #[error("there is an administrator {0} already")]
    Taken(Login),
    #[error("a login is 1 to 64 lower-case letters, digits and . _ - @")]
    BadLogin,
    #[error("{0} is the last operator who can log in; make another one first")]
    LastOperator(Login),
    #[error(transparent)]
    Password(#[from] BadPassword),
    #[error("the setup link is not valid any more; make another: reprieve admin reset LOGIN")]
    Setup,
    #[error("the one-time code does not match; look at the clock of the device that makes it")]
    Code,
    #[error(transparent)]
    Store(#[from] Fault),
}

/// All administrators. Clones share the store.
#[derive(Clone)]
pub struct Accounts {
    store: Store,
    clock: Clock,
    passwords: Passwords,
    audit: Audit,
    ring: KeyRing,
}

impl Login {
    /// Reads what was typed; upper case reads as lower case.
    ///
    /// # Errors
    /// [`AccountError::BadLogin`].
    pub fn parse(text: &str) -> Result<Self, AccountError> {
        let text = text.trim().to_ascii_lowercase();
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-@".contains(&b);
        let fits = (1..=64).contains(&text.len()) && text.bytes().all(allowed);
        if fits { Ok(Self(text)) } else { Err(AccountError::BadLogin) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Account {
    fn new(login: Login, role: Role, now: Timestamp) -> Self {
        Self {
            login,
            role,
            password: None,
            totp: None,
            recovery: Vec::new(),
            disabled: false,
            created_at: now,
            epoch: 1,
            setup: None,
            devices: Vec::new(),
            totp_required: true,
            last_login: None,
            address: None,
        }
    }

    /// Ends every session: on logout, a new password, a new role, disabling.
    fn end_sessions(&mut self) {
        self.epoch = self.epoch.wrapping_add(1);
    }

    fn can_operate(&self) -> bool {
        !self.disabled && self.role == Role::Operator && self.password.is_some()
    }
}

impl Record for Account {
    const TABLE: Table = Table::Account;
    /// 2: one-time codes are encrypted; an older program would forget them.
    const VERSION: u8 = 2;

    fn key(&self) -> Vec<u8> {
        self.login.0.as_bytes().to_vec()
    }
}

impl Accounts {
    /// `ring` encrypts the secrets of one-time codes.
    pub fn new(store: Store, clock: Clock, cost: Cost, ring: KeyRing) -> Self {
        let audit = Audit::new(store.clone(), clock.clone());
        Self { store, clock, passwords: Passwords::new(cost), audit, ring }
    }

    pub fn audit(&self) -> &Audit {
        &self.audit
    }

    /// At most `limit` administrators by login, from either end, behind a
    /// cursor (empty: from that end), and the cursor of the next page.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn page(
        &self,
        toward: Toward,
        after: &[u8],
        limit: usize,
    ) -> Result<(Listing<Account>, Option<Vec<u8>>), Fault> {
        self.store.listing_page(toward, after, limit).await
    }

    /// Every administrator, by login.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn list(&self) -> Result<Vec<Account>, Fault> {
        let mut all = Vec::new();
        self.store.each(|row: Row<Account>| all.push(row.record)).await?;
        Ok(all)
    }

    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn find(&self, login: &Login) -> Result<Option<Account>, Fault> {
        let row = self.store.find::<Account>(login.0.as_bytes()).await?;
        Ok(row.map(|row| row.record))
    }

    /// Makes an administrator who cannot log in before he used the setup link
    /// with the answered secret.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn add(&self, by: &Entry, login: Login, role: Role) -> Result<Secret, AccountError> {
        let mut account = Account::new(login.clone(), role, self.clock.now());
        let secret = Secret::new();
        account.setup = Some(setup::Setup::new(&secret, self.clock.now()));
        let mut batch = Batch::new();
        batch.insert(&account);
        let entry = by.clone().about("account", login.as_str());
        self.audit.record(&mut batch, entry.after(account.role.to_string()));
        match self.store.commit(batch).await {
            Ok(_) => Ok(secret),
            Err(Refusal::Conflict(_)) => Err(AccountError::Taken(login)),
            Err(refusal) => Err(unavailable(&refusal).into()),
        }
    }

    /// Makes an administrator with a password and without a one-time code:
    /// for the demo, whose data is nobody's.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn add_for_demo(&self, login: Login, password: &str) -> Result<(), AccountError> {
        let hash = self.passwords.hash(password).await?;
        let row = self.store.find::<Account>(login.0.as_bytes()).await?;
        let mut account = Account::new(login, Role::Operator, self.clock.now());
        account.password = Some(hash);
        account.totp_required = false;
        let mut batch = Batch::new();
        batch.upsert(row.as_ref(), &account);
        self.store.commit(batch).await.map_err(|refusal| unavailable(&refusal))?;
        Ok(())
    }

    /// Disables or enables; a disabled account's sessions are over at once.
    ///
    /// # Errors
    /// [`AccountError`]; the last operator who can log in stays.
    pub async fn set_disabled(
        &self,
        by: &Entry,
        login: &Login,
        disabled: bool,
    ) -> Result<(), AccountError> {
        if disabled {
            self.keeps_an_operator(login).await?;
        }
        let word = |disabled: bool| if disabled { "disabled" } else { "enabled" }.to_owned();
        self.change(login, |account| {
            let before = account.disabled;
            account.disabled = disabled;
            account.end_sessions();
            by.clone().about("account", login.as_str()).before(word(before)).after(word(disabled))
        })
        .await
    }

    /// Where he is told what waits for him; `None`: nowhere.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn set_address(
        &self,
        by: &Entry,
        login: &Login,
        address: Option<Address>,
    ) -> Result<(), AccountError> {
        let word = |one: Option<&Address>| one.map(Address::display).unwrap_or_default();
        self.change(login, |account| {
            let before = std::mem::replace(&mut account.address, address.clone());
            let entry = by.clone().about("account", login.as_str());
            entry.before(word(before.as_ref())).after(word(address.as_ref()))
        })
        .await
    }

    /// Gives another role, and ends the sessions that had the old one.
    ///
    /// # Errors
    /// [`AccountError`]; the last operator who can log in stays one.
    pub async fn set_role(
        &self,
        by: &Entry,
        login: &Login,
        role: Role,
    ) -> Result<(), AccountError> {
        if role != Role::Operator {
            self.keeps_an_operator(login).await?;
        }
        self.change(login, |account| {
            let before = std::mem::replace(&mut account.role, role.clone());
            account.end_sessions();
            let entry = by.clone().about("account", login.as_str());
            entry.before(before.to_string()).after(role.to_string())
        })
        .await
    }

    /// Forgets password, one-time code and sessions; the answered secret's
    /// link sets them anew.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn reset(&self, by: &Entry, login: &Login) -> Result<Secret, AccountError> {
        let secret = Secret::new();
        let now = self.clock.now();
        self.change(login, |account| {
            account.password = None;
            account.totp = None;
            account.totp_required = true;
            account.recovery.clear();
            account.devices.clear();
            account.end_sessions();
            account.setup = Some(setup::Setup::new(&secret, now));
            by.clone().about("account", login.as_str())
        })
        .await?;
        Ok(secret)
    }

    /// Encrypts the secrets of one-time codes that stand there plain or under
    /// another key than the active one: after that an old key can be retired.
    /// Answers whose cannot be opened any more: they have their recovery codes,
    /// and [`Accounts::reset`].
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write.
    pub async fn encrypt_again(&self) -> Result<Vec<Login>, Fault> {
        let mut stale = Vec::new();
        self.store
            .each(|row: Row<Account>| {
                let kept = row.record.totp.as_ref();
                if kept.is_some_and(|kept| kept.is_stale(&self.ring)) {
                    stale.push(row);
                }
            })
            .await?;
        let mut lost = Vec::new();
        for row in stale {
            let account = &row.record;
            let kept = account.totp.as_ref();
            if kept.and_then(|kept| kept.open(&self.ring, &account.login)).is_none() {
                lost.push(account.login.clone());
                continue;
            }
            let mut batch = Batch::new();
            self.write(&mut batch, &row, account.clone());
            // Whoever else writes the account encrypts it too.
            self.carried_out(batch).await?;
        }
        Ok(lost)
    }

    /// Adds the account to the batch; the secret of its one-time code always
    /// under the active key, if it can be opened at all.
    fn write(&self, batch: &mut Batch, row: &Row<Account>, mut account: Account) {
        if let Some(kept) = account.totp.as_mut().filter(|kept| kept.is_stale(&self.ring))
            && let Some(totp) = kept.open(&self.ring, &account.login)
        {
            *kept = totp::Kept::of(&totp, &self.ring, &account.login);
        }
        batch.update(row, &account);
    }

    /// Fails if `login` is the only operator who can log in.
    async fn keeps_an_operator(&self, login: &Login) -> Result<(), AccountError> {
        let all = self.list().await?;
        let him = all.iter().any(|one| one.login == *login && one.can_operate());
        let others = all.iter().any(|one| one.login != *login && one.can_operate());
        if him && !others { Err(AccountError::LastOperator(login.clone())) } else { Ok(()) }
    }

    /// Changes one account, and records the entry that `change` answers in the
    /// same batch.
    async fn change(
        &self,
        login: &Login,
        mut change: impl FnMut(&mut Account) -> Entry,
    ) -> Result<(), AccountError> {
        for _ in 0..TRIES {
            let row = self.row(login).await?;
            let mut account = row.record.clone();
            let entry = change(&mut account);
            let mut batch = Batch::new();
            self.write(&mut batch, &row, account);
            self.audit.record(&mut batch, entry);
            if self.carried_out(batch).await? {
                return Ok(());
            }
        }
        Err(contended().into())
    }

    async fn row(&self, login: &Login) -> Result<Row<Account>, AccountError> {
        let row = self.store.find::<Account>(login.0.as_bytes()).await?;
        row.ok_or_else(|| AccountError::Unknown(login.clone()))
    }

    /// `false`: another change came first.
    async fn carried_out(&self, batch: Batch) -> Result<bool, Fault> {
        match self.store.commit(batch).await {
            Ok(_) => Ok(true),
            Err(Refusal::Conflict(_)) => Ok(false),
            Err(refusal) => Err(unavailable(&refusal)),
        }
    }
}

fn unavailable(refusal: &Refusal) -> Fault {
    Fault::Unavailable(refusal.to_string())
}

fn contended() -> Fault {
    Fault::Unavailable("the record changes too fast; try again".to_owned())
}

#[cfg(test)]
mod tests;

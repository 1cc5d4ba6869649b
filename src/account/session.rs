//! Sessions: a random secret in a cookie, its hash in the store.
//!
//! A session lives while its account's epoch does; logout, a new password, a
//! new role and disabling raise that, so that all sessions are dead on the
//! server at once. Ended by idleness after 12 hours, by age after 7 days.

use std::fmt::Write as _;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{Account, AccountError, Accounts, Entry, Login, TRIES, contended};
use crate::clock::{SignedDuration, Timestamp};
use crate::store::{Batch, Fault, Index, Record, Row, Table};

const IDLE: SignedDuration = SignedDuration::from_hours(12);
const OLDEST: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How stale the time of the last use may be in the store.
const NOTED: SignedDuration = SignedDuration::from_mins(5);
/// Sessions of one account that are kept.
const MOST: usize = 50;

/// 256 random bits that open something; wiped when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<[u8; 32]>);

/// What the store knows of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct SecretHash(#[cbor(n(0), with = "minicbor::bytes")] [u8; 32]);

/// One login.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Session {
    #[n(0)]
    pub hash: SecretHash,
    #[n(1)]
    pub login: Login,
    /// Of the account, when the session began.
    #[n(2)]
    pub epoch: u32,
    #[cbor(n(3), with = "crate::store::record::micros")]
    pub created_at: Timestamp,
    #[cbor(n(4), with = "crate::store::record::micros")]
    pub last_seen: Timestamp,
    #[n(5)]
    pub client: IpAddr,
    /// User-Agent, at most 200 bytes.
    #[n(6)]
    pub agent: String,
}

impl Secret {
    /// # Panics
    /// If the system gives no random bytes.
    pub fn new() -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut()).expect("the system has random bytes");
        Self(bytes)
    }

    /// As it stands in cookies, links and headers: 43 characters.
    pub fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.as_ref())
    }

    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; 32]);
        let length = URL_SAFE_NO_PAD.decode_slice(text, bytes.as_mut()).ok()?;
        (length == 32).then_some(Self(bytes))
    }

    pub fn hash(&self) -> SecretHash {
        let mut hash = Sha256::new_with_prefix(b"reprieve secret v1\0");
        hash.update(self.0.as_ref());
        SecretHash(hash.finalize().into())
    }
}

impl Default for Secret {
    fn default() -> Self {
        Self::new()
    }
}

impl SecretHash {
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A name for it in forms: the first 8 bytes in hexadecimal.
    pub fn short(&self) -> String {
        let mut hex = String::with_capacity(16);
        for byte in &self.0[..8] {
            let _ = write!(hex, "{byte:02x}");
        }
        hex
    }
}

impl Session {
    fn is_over(&self, account: &Account, now: Timestamp) -> bool {
        account.disabled
            || self.epoch != account.epoch
            || now.duration_since(self.last_seen) >= IDLE
            || now.duration_since(self.created_at) >= OLDEST
    }
}

impl Record for Session {
    const TABLE: Table = Table::Session;

    fn key(&self) -> Vec<u8> {
        self.hash.0.to_vec()
    }

    fn index_keys(&self) -> Vec<(Index, Vec<u8>)> {
        vec![(Index::SessionByLogin, by_login(&self.login))]
    }
}

fn by_login(login: &Login) -> Vec<u8> {
    let mut key = login.as_str().as_bytes().to_vec();
    key.push(0);
    key
}

impl Accounts {
    /// Adds a session to the batch of a login; the account's dead ones go.
    pub(super) async fn begin_session(
        &self,
        batch: &mut Batch,
        account: &Account,
        client: IpAddr,
        agent: &str,
    ) -> Result<Secret, Fault> {
        let now = self.clock.now();
        let secret = Secret::new();
        let mut live = 0;
        for row in self.session_rows(&account.login).await?.iter().rev() {
            live += usize::from(!row.record.is_over(account, now));
            if row.record.is_over(account, now) || live >= MOST {
                batch.remove(row);
            }
        }
        batch.insert(&Session {
            hash: secret.hash(),
            login: account.login.clone(),
            epoch: account.epoch,
            created_at: now,
            last_seen: now,
            client,
            agent: crate::mail::display::excerpt(agent, 200),
        });
        Ok(secret)
    }

    /// Whose session the secret opens now, if any's.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn session(&self, secret: &Secret) -> Result<Option<(Account, Session)>, Fault> {
        let now = self.clock.now();
        let Some(row) = self.store.find::<Session>(&secret.hash().0).await? else {
            return Ok(None);
        };
        let Some(account) = self.find(&row.record.login).await? else { return Ok(None) };
        if row.record.is_over(&account, now) {
            return Ok(None);
        }
        let mut session = row.record.clone();
        if now.duration_since(session.last_seen) >= NOTED {
            session.last_seen = now;
            let mut batch = Batch::new();
            batch.update(&row, &session);
            // Losing a race means that another request has noted it.
            self.carried_out(batch).await?;
        }
        Ok(Some((account, session)))
    }

    /// The account's live sessions, the latest first.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn sessions(&self, account: &Account) -> Result<Vec<Session>, Fault> {
        let now = self.clock.now();
        let rows = self.session_rows(&account.login).await?;
        let mut live: Vec<Session> = rows
            .into_iter()
            .map(|row| row.record)
            .filter(|session| !session.is_over(account, now))
            .collect();
        live.sort_by_key(|session| std::cmp::Reverse(session.last_seen));
        Ok(live)
    }

    /// Ends one session of the account, named by [`SecretHash::short`].
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn end_session(
        &self,
        by: &Entry,
        login: &Login,
        short: &str,
    ) -> Result<(), AccountError> {
        for _ in 0..TRIES {
            let rows = self.session_rows(login).await?;
            let Some(row) = rows.iter().find(|row| row.record.hash.short() == short) else {
                return Ok(());
            };
            let mut batch = Batch::new();
            batch.remove(row);
            self.audit.record(&mut batch, by.clone().about("account", login.as_str()));
            // It may have been used in the same moment, which is noted in it.
            if self.carried_out(batch).await? {
                return Ok(());
            }
        }
        Err(contended().into())
    }

    /// Logs out: every session of the account is over.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn logout(&self, by: &Entry, login: &Login) -> Result<(), AccountError> {
        self.change(login, |account| {
            account.end_sessions();
            by.clone().about("account", login.as_str())
        })
        .await
    }

    async fn session_rows(&self, login: &Login) -> Result<Vec<Row<Session>>, Fault> {
        let mut rows = Vec::new();
        let prefix = by_login(login);
        for key in self.store.referred_by(Index::SessionByLogin, &prefix, 2 * MOST).await? {
            rows.extend(self.store.find::<Session>(&key).await?);
        }
        rows.sort_by_key(|row| row.record.created_at);
        Ok(rows)
    }
}

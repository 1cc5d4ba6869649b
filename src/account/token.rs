//! Bearer tokens of the API (RFC 6750): scoped, expiring, listed, revoked.
//!
//! A token acts for the account that made it and with no more power than that
//! has at the moment of the request. The store holds its hash.

use minicbor::{Decode, Encode};

use super::session::{Secret, SecretHash};
use super::{Account, AccountError, Accounts, Entry, Login, Power};
use crate::clock::{SignedDuration, Timestamp};
use crate::store::{Batch, Fault, Record, Row, Table};

/// What programs see in front of a token, for scanners of leaked secrets.
pub const PREFIX: &str = "reprieve_";

/// What a token opens, at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Scope {
    /// See, without bodies.
    #[n(0)]
    Read,
    /// See and decide.
    #[n(1)]
    Decide,
}

/// One token.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct ApiToken {
    #[n(0)]
    pub hash: SecretHash,
    #[n(1)]
    pub login: Login,
    /// What it is for, in its maker's words; at most 100 characters.
    #[n(2)]
    pub name: String,
    #[n(3)]
    pub scope: Scope,
    #[cbor(n(4), with = "crate::store::record::micros")]
    pub created_at: Timestamp,
    #[cbor(n(5), with = "crate::store::record::micros")]
    pub expires_at: Timestamp,
}

impl Scope {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Decide => "decide",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Read, Self::Decide].into_iter().find(|one| one.as_str() == text)
    }

    /// Whether a token of this scope may ever do such a thing.
    pub fn may(self, power: Power) -> bool {
        match power {
            Power::See | Power::SeeAll => true,
            Power::Decide | Power::Operate | Power::Read => self == Self::Decide,
            Power::Own => false,
        }
    }
}

impl Record for ApiToken {
    const TABLE: Table = Table::ApiToken;

    fn key(&self) -> Vec<u8> {
        self.hash.as_bytes().to_vec()
    }
}

impl Accounts {
    /// Makes a token for `days` (1 to 366); the answered text is shown once.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn make_token(
        &self,
        by: &Entry,
        login: &Login,
        name: &str,
        (scope, days): (Scope, u16),
    ) -> Result<String, AccountError> {
        let now = self.clock.now();
        let secret = Secret::new();
        let token = ApiToken {
            hash: secret.hash(),
            login: login.clone(),
            name: crate::mail::display::excerpt(name.trim(), 100),
            scope,
            created_at: now,
            expires_at: now + SignedDuration::from_hours(24 * i64::from(days.clamp(1, 366))),
        };
        let mut batch = Batch::new();
        batch.insert(&token);
        let entry = by.clone().about("token", &token.hash.short());
        let said = format!("{} ({}, until {})", token.name, scope.as_str(), token.expires_at);
        self.audit.record(&mut batch, entry.after(said));
        self.carried_out(batch).await?;
        Ok(format!("{PREFIX}{}", secret.to_text()))
    }

    /// Every token, dead ones too, the latest first.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn tokens(&self) -> Result<Vec<ApiToken>, Fault> {
        let mut all = Vec::new();
        self.store.each(|row: Row<ApiToken>| all.push(row.record)).await?;
        all.sort_by_key(|token| std::cmp::Reverse(token.created_at));
        Ok(all)
    }

    /// Removes the token named by [`SecretHash::short`]; of this login only,
    /// where one is given.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn revoke_token(
        &self,
        by: &Entry,
        of: Option<&Login>,
        short: &str,
    ) -> Result<(), AccountError> {
        let mut named = Vec::new();
        self.store
            .each(|row: Row<ApiToken>| {
                let his = of.is_none_or(|login| row.record.login == *login);
                if his && row.record.hash.short() == short {
                    named.push(row);
                }
            })
            .await?;
        for row in named {
            let mut batch = Batch::new();
            batch.remove(&row);
            let entry = by.clone().about("token", short).before(row.record.name.clone());
            self.audit.record(&mut batch, entry);
            self.carried_out(batch).await?;
        }
        Ok(())
    }

    /// Whose token this is now, if it is one.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn bearer(&self, text: &str) -> Result<Option<(Account, ApiToken)>, Fault> {
        let secret = text.strip_prefix(PREFIX).and_then(Secret::parse);
        let Some(secret) = secret else { return Ok(None) };
        let Some(row) = self.store.find::<ApiToken>(secret.hash().as_bytes()).await? else {
            return Ok(None);
        };
        let token = row.record;
        let account = self.find(&token.login).await?.filter(|account| !account.disabled);
        if token.expires_at <= self.clock.now() {
            return Ok(None);
        }
        Ok(account.map(|account| (account, token)))
    }
}

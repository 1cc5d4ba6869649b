//! Bearer tokens of the API (RFC 6750): scoped, expiring, listed, revoked.
//!
//! A token acts for the account that made it and with no more power than that
//! has at the moment of the request. The store holds its hash.

use minicbor::{Decode, Encode};

use super::session::{Secret, SecretHash};
use super::{Account, AccountError, Accounts, Entry, Login, Power};
use crate::clock::{SignedDuration, Timestamp};
use crate::store::{Batch, Fault, Listing, Record, Table, Toward, Unreadable};

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
    /// See, decide, and look after administrators' accounts.
    #[n(2)]
    Appoint,
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
            Self::Appoint => "appoint",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Read, Self::Decide, Self::Appoint].into_iter().find(|one| one.as_str() == text)
    }

    /// Whether a token of this scope may ever do such a thing.
    pub fn may(self, power: Power) -> bool {
        match power {
            Power::See | Power::SeeAll => true,
            Power::Decide | Power::Operate | Power::Read => self != Self::Read,
            Power::Appoint => self == Self::Appoint,
            Power::Own => false,
        }
    }
}

impl ApiToken {
    /// Its place among all by when they were made.
    fn cursor(&self) -> Vec<u8> {
        let micros = u64::try_from(self.created_at.as_microsecond()).unwrap_or(0);
        [&micros.to_be_bytes(), &self.hash.as_bytes()[..]].concat()
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

    /// At most `limit` tokens, dead ones too, by when they were made: towards
    /// the first the latest comes first. Of this login only, where one is
    /// given; behind a cursor (empty: from that end).
    ///
    /// Answers the cursor of the next page too. They stand in the store by
    /// their hashes, so each page looks at all of them.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn tokens(
        &self,
        of: Option<&Login>,
        toward: Toward,
        (after, limit): (&[u8], usize),
    ) -> Result<(Listing<ApiToken>, Option<Vec<u8>>), Fault> {
        let (mut tokens, mut unreadable) = (Vec::new(), Vec::new());
        let look = |key: &[u8], token: Option<ApiToken>| match token {
            Some(token) if of.is_none_or(|login| token.login == *login) => {
                tokens.push((token.cursor(), token));
            }
            // Whose it is, nobody knows.
            None if of.is_none() && after.is_empty() => {
                unreadable.push(Unreadable { table: Table::ApiToken, key: key.to_vec() });
            }
            _ => {}
        };
        self.store.each_listed(look).await?;
        tokens.sort_unstable_by(|(one, _), (other, _)| match toward {
            Toward::Last => one.cmp(other),
            Toward::First => other.cmp(one),
        });
        let begins = tokens.partition_point(|(cursor, _)| match toward {
            _ if after.is_empty() => false,
            Toward::Last => cursor.as_slice() <= after,
            Toward::First => cursor.as_slice() >= after,
        });
        let more = tokens.len() - begins > limit;
        let page: Vec<_> = tokens.into_iter().skip(begins).take(limit).collect();
        let next = page.last().filter(|_| more).map(|(cursor, _)| cursor.clone());
        let records = page.into_iter().map(|(_, token)| token).collect();
        Ok((Listing { records, unreadable }, next))
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
        let look = |key: &[u8], token: Option<ApiToken>| {
            let his = |token: &ApiToken| of.is_none_or(|login| token.login == *login);
            if token.is_some_and(|token| his(&token) && token.hash.short() == short) {
                named.push(key.to_vec());
            }
        };
        self.store.each_listed(look).await?;
        for key in named {
            let Some(row) = self.store.find::<ApiToken>(&key).await? else { continue };
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

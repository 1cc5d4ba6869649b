//! A recipient's session on his own page: begun by a link that was mailed to
//! him, ended after eight hours or by himself.
//!
//! The cookie's secret is 32 random bytes; the store knows only its hash, so
//! that a stolen store opens no session.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::clock::{Clock, SignedDuration, Timestamp};
use crate::mail::Network;
use crate::store::{Batch, Fault, Index, Record, Refusal, Row, Store, Table};

/// How long a session lasts.
pub const LASTS: SignedDuration = SignedDuration::from_hours(8);
/// Sessions of one recipient that are listed.
const LISTED: usize = 100;
/// Sessions of one recipient that are ended in one batch: more than he can
/// begin in the hours that one lasts.
const ENDED: usize = 10_000;
/// How often an end is written again when another change came first.
const TRIES: usize = 8;
/// Bytes of a browser's name that are kept.
const AGENT: usize = 120;

/// One browser of one recipient.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Session {
    /// SHA-256 of the cookie's secret.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub hash: [u8; 32],
    /// The recipient's id.
    #[cbor(n(1), with = "crate::store::record::uuid")]
    pub recipient: Uuid,
    #[cbor(n(2), with = "crate::store::record::micros")]
    pub since: Timestamp,
    #[cbor(n(3), with = "crate::store::record::micros")]
    pub ends: Timestamp,
    #[n(4)]
    pub network: Network,
    /// What the browser calls itself: text of a stranger.
    #[n(5)]
    pub agent: String,
}

impl Record for Session {
    const TABLE: Table = Table::RecipientSession;

    fn key(&self) -> Vec<u8> {
        self.hash.to_vec()
    }

    fn index_keys(&self) -> Vec<(Index, Vec<u8>)> {
        let ends = self.ends.as_microsecond().to_be_bytes().to_vec();
        vec![
            (Index::SessionByRecipient, self.recipient.as_bytes().to_vec()),
            (Index::SessionEnds, ends),
        ]
    }
}

impl Session {
    /// Its name on the page where sessions are ended: it opens nothing.
    pub fn name(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.hash[..12])
    }
}

/// Begins, finds and ends sessions. Clones share the store.
#[derive(Clone)]
pub struct Sessions {
    store: Store,
    clock: Clock,
}

impl Sessions {
    pub fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock }
    }

    /// A new session; answers the cookie's secret.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot write, or there are no random bytes.
    pub async fn begin(
        &self,
        recipient: Uuid,
        network: Network,
        agent: &str,
    ) -> Result<String, Fault> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|error| Fault::Unavailable(error.to_string()))?;
        let now = self.clock.now();
        let session = Session {
            hash: Sha256::digest(secret).into(),
            recipient,
            since: now,
            ends: now + LASTS,
            network,
            agent: crate::mail::display::excerpt(agent, AGENT),
        };
        let mut batch = Batch::new();
        batch.insert(&session);
        let written = self.store.commit(batch).await;
        written.map_err(|refusal| Fault::Unavailable(refusal.to_string()))?;
        Ok(URL_SAFE_NO_PAD.encode(secret))
    }

    /// The session of a cookie, unless it is over.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn find(&self, secret: &str) -> Result<Option<Session>, Fault> {
        let mut bytes = [0; 32];
        if URL_SAFE_NO_PAD.decode_slice(secret, &mut bytes) != Ok(32) {
            return Ok(None);
        }
        let hash: [u8; 32] = Sha256::digest(bytes).into();
        let row: Option<Row<Session>> = self.store.find(&hash).await?;
        Ok(row.map(|row| row.record).filter(|session| session.ends > self.clock.now()))
    }

    /// The sessions of a recipient that are not over, the latest first.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn of(&self, recipient: Uuid) -> Result<Vec<Session>, Fault> {
        let rows = self.rows(recipient, LISTED).await?;
        let mut all: Vec<Session> = rows.into_iter().map(|row| row.record).collect();
        all.retain(|session| session.ends > self.clock.now());
        all.sort_by_key(|session| std::cmp::Reverse(session.since));
        Ok(all)
    }

    /// Ends sessions of a recipient: the one of this name, or all. `also` adds
    /// what belongs to the decision; it is written with their end.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write.
    pub async fn end(
        &self,
        recipient: Uuid,
        name: Option<&str>,
        also: &(dyn Fn(&mut Batch) + Sync),
    ) -> Result<(), Fault> {
        for _ in 0..TRIES {
            let mut batch = Batch::new();
            for row in self.rows(recipient, ENDED).await? {
                if name.is_none_or(|name| row.record.name() == name) {
                    batch.remove(&row);
                }
            }
            also(&mut batch);
            match self.store.commit(batch).await {
                Ok(_) => return Ok(()),
                // One of them was ended by somebody else.
                Err(Refusal::Conflict(_)) => {}
                Err(refusal) => return Err(Fault::Unavailable(refusal.to_string())),
            }
        }
        Err(Fault::Unavailable("the sessions change too fast; try again".to_owned()))
    }

    /// Forgets sessions that are over, at most `limit`; answers how many.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write.
    pub async fn tidy(&self, limit: usize) -> Result<usize, Fault> {
        let now = self.clock.now().as_microsecond().to_be_bytes();
        let over = self.store.referred(Index::SessionEnds, &[], &now, limit).await?;
        for key in &over {
            self.remove(key).await?;
        }
        Ok(over.len())
    }

    async fn rows(&self, recipient: Uuid, limit: usize) -> Result<Vec<Row<Session>>, Fault> {
        let index = Index::SessionByRecipient;
        let mut rows = Vec::new();
        for key in self.store.referred_by(index, recipient.as_bytes(), limit).await? {
            rows.extend(self.store.find::<Session>(&key).await?);
        }
        Ok(rows)
    }

    async fn remove(&self, key: &[u8]) -> Result<(), Fault> {
        let Some(row) = self.store.find::<Session>(key).await? else { return Ok(()) };
        let mut batch = Batch::new();
        batch.remove(&row);
        match self.store.commit(batch).await {
            // Somebody else ended it.
            Ok(_) | Err(Refusal::Conflict(_)) => Ok(()),
            Err(refusal) => Err(Fault::Unavailable(refusal.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_session_lasts_eight_hours_and_ends_at_once_on_the_server() {
        let store = Store::in_memory();
        let clock = Clock::stopped_at(Timestamp::from_second(1_800_000_000).unwrap());
        let sessions = Sessions::new(store, clock.clone());
        let (anna, network) = (Uuid::now_v7(), Network::of([192, 0, 2, 7].into()));
        let one = sessions.begin(anna, network, "Firefox").await.unwrap();
        clock.advance(SignedDuration::from_hours(1));
        let two = sessions.begin(anna, network, "Phone\u{202e}").await.unwrap();
        assert_eq!(sessions.find(&one).await.unwrap().unwrap().recipient, anna);
        let all = sessions.of(anna).await.unwrap();
        assert_eq!(all.len(), 2);
        assert_eq!(all[1].agent, "Firefox");
        sessions.end(anna, Some(&all[0].name()), &|_| {}).await.unwrap();
        assert_eq!(sessions.find(&two).await, Ok(None));
        assert!(sessions.find(&one).await.unwrap().is_some());
        for bad in ["", "x", &one[..42], &all[1].name()] {
            assert_eq!(sessions.find(bad).await, Ok(None), "{bad}");
        }
        clock.advance(SignedDuration::from_hours(7));
        assert_eq!(sessions.find(&one).await, Ok(None), "eight hours are over");
        clock.advance(SignedDuration::from_secs(1));
        assert_eq!(sessions.tidy(10).await, Ok(1));
    }

    #[tokio::test]
    async fn sessions_end_with_what_is_said_of_it_or_not_at_all() {
        let store = Store::in_memory();
        let clock = Clock::stopped_at(Timestamp::from_second(1_800_000_000).unwrap());
        let sessions = Sessions::new(store.clone(), clock);
        let (anna, network) = (Uuid::now_v7(), Network::of([192, 0, 2, 7].into()));
        let mut secrets = Vec::new();
        for _ in 0..LISTED + 5 {
            secrets.push(sessions.begin(anna, network, "Firefox").await.unwrap());
        }
        let known = store.page::<Session>(&[], 1).await.unwrap().remove(0).record.key();
        // What can never be written.
        let refused = |batch: &mut Batch| {
            batch.require_absent::<Session>(&[]).require_absent::<Session>(&known);
        };
        assert!(sessions.end(anna, None, &refused).await.is_err());
        for secret in &secrets {
            assert!(sessions.find(secret).await.unwrap().is_some(), "nothing ends unsaid");
        }
        sessions.end(anna, None, &|_| {}).await.unwrap();
        for secret in &secrets {
            assert_eq!(sessions.find(secret).await, Ok(None), "more than are listed");
        }
    }
}

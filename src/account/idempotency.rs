//! Idempotency keys of the API: a request that is sent twice is carried out
//! once, and answered twice (draft-ietf-httpapi-idempotency-key-header).
//!
//! The first request takes the key before anything is done; who comes while
//! it runs is told so. Answers are kept for a day.

use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};

use super::session::SecretHash;
use super::{Accounts, unavailable};
use crate::clock::{SignedDuration, Timestamp};
use crate::store::{Batch, Fault, Index, Record, Refusal, Row, Table};

const KEPT: SignedDuration = SignedDuration::from_hours(24);
/// Old answers that each request removes.
const TIDIED: usize = 10;

/// The answer to one request.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Answered {
    /// Of the token and the key.
    #[cbor(n(0), with = "minicbor::bytes")]
    id: [u8; 32],
    /// Of the method, the address and the body.
    #[cbor(n(1), with = "minicbor::bytes")]
    request: [u8; 32],
    #[cbor(n(2), with = "crate::store::record::micros")]
    expires_at: Timestamp,
    /// 0: it is being carried out.
    #[n(3)]
    status: u16,
    #[n(4)]
    body: String,
}

/// What a key leads to.
pub enum Begun {
    /// Carry it out, then [`Accounts::finish`].
    Fresh(Box<Row<Answered>>),
    /// This was the answer.
    Again(u16, String),
    /// The first request is still being carried out.
    Running,
    /// The key stood for another request.
    Other,
}

impl Record for Answered {
    const TABLE: Table = Table::Answered;

    fn key(&self) -> Vec<u8> {
        self.id.to_vec()
    }

    fn index_keys(&self) -> Vec<(Index, Vec<u8>)> {
        vec![(Index::AnsweredDue, due(self.expires_at))]
    }
}

fn due(at: Timestamp) -> Vec<u8> {
    at.as_microsecond().to_be_bytes().to_vec()
}

impl Accounts {
    /// Takes the key of a token for this request.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write.
    pub async fn begin(
        &self,
        token: &SecretHash,
        key: &str,
        request: &[&[u8]],
    ) -> Result<Begun, Fault> {
        let now = self.clock.now();
        let mut batch = Batch::new();
        for old in self.store.referred(Index::AnsweredDue, &[], &due(now), TIDIED).await? {
            if let Some(row) = self.store.find::<Answered>(&old).await? {
                batch.remove(&row);
            }
        }
        if !batch.is_empty() {
            // Somebody else may have removed them: that is as well.
            self.carried_out(batch).await?;
        }
        let id = digest(&[token.as_bytes(), key.as_bytes()]);
        let expires_at = now + KEPT;
        let fresh =
            Answered { id, request: digest(request), expires_at, status: 0, body: String::new() };
        let mut batch = Batch::new();
        batch.insert(&fresh);
        match self.store.commit(batch).await {
            Ok(done) => {
                let row = Row { record: fresh, revision: done.sequence };
                return Ok(Begun::Fresh(Box::new(row)));
            }
            Err(Refusal::Conflict(_)) => {}
            Err(refusal) => return Err(unavailable(&refusal)),
        }
        let Some(row) = self.store.find::<Answered>(&id).await? else { return Ok(Begun::Running) };
        Ok(match row.record {
            known if known.request != fresh.request => Begun::Other,
            known if known.status == 0 => Begun::Running,
            known => Begun::Again(known.status, known.body),
        })
    }

    /// Keeps the answer; what failed on our side may be asked again.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot write.
    pub async fn finish(&self, row: &Row<Answered>, status: u16, body: &str) -> Result<(), Fault> {
        let mut batch = Batch::new();
        if status >= 500 {
            batch.remove(row);
        } else {
            batch.update(row, &Answered { status, body: body.to_owned(), ..row.record.clone() });
        }
        self.carried_out(batch).await?;
        Ok(())
    }
}

fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

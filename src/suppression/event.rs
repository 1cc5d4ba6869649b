//! The delivery log and the error log: what became of each message to each
//! recipient, kept for a while (40 days unless told otherwise).
//!
//! A key begins with the time, so that a period is a range and forgetting
//! takes from the front. A report that is told twice has the same key.

use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};

use super::classify::Class;
use super::record::ServerId;
use crate::clock::{SignedDuration, Timestamp};
use crate::store::{Batch, Fault, Record, Refusal, Row, Store, Table};

/// The numbers stand on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Outcome {
    #[n(0)]
    Queued,
    #[n(1)]
    Succeeded,
    #[n(2)]
    Deferred,
    #[n(3)]
    Failed,
    /// Not sent, because the address is suppressed: "blocking address".
    #[n(4)]
    Blocked,
}

impl Outcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Succeeded => "succeeded",
            Self::Deferred => "deferred",
            Self::Failed => "failed",
            Self::Blocked => "blocked",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        let all = [Self::Queued, Self::Succeeded, Self::Deferred, Self::Failed, Self::Blocked];
        all.into_iter().find(|one| one.as_str() == text)
    }

    /// Whether it stands in the error log.
    pub fn is_error(self) -> bool {
        matches!(self, Self::Deferred | Self::Failed | Self::Blocked)
    }
}

/// One line of both logs. Texts are of strangers, cut and cleaned.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Event {
    #[cbor(n(0), with = "crate::store::record::micros")]
    pub at: Timestamp,
    /// Tells events of one moment apart, and repeats from news.
    #[n(1)]
    pub mark: u64,
    #[n(2)]
    pub server: ServerId,
    /// The destination, canonical.
    #[n(3)]
    pub address: String,
    #[n(4)]
    pub outcome: Outcome,
    /// A class's word; empty for what succeeded.
    #[n(5)]
    pub class: String,
    #[n(6)]
    pub subject: String,
    #[n(7)]
    pub sender: String,
    #[n(8)]
    pub return_path: String,
    #[n(9)]
    pub message_id: String,
    /// The remote server's words.
    #[n(10)]
    pub response: String,
}

impl Event {
    /// `id` is whatever names this event for its teller: the same id at the
    /// same time for the same address is the same event.
    pub fn new(at: Timestamp, server: ServerId, address: &str, outcome: Outcome, id: &str) -> Self {
        let mut hash = Sha256::new();
        for part in [address, id, outcome.as_str()] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        hash.update(server.to_be_bytes());
        let digest = hash.finalize();
        let mut mark = [0; 8];
        mark.copy_from_slice(&digest[..8]);
        Self {
            at,
            mark: u64::from_be_bytes(mark),
            server,
            address: address.to_owned(),
            outcome,
            class: String::new(),
            subject: String::new(),
            sender: String::new(),
            return_path: String::new(),
            message_id: String::new(),
            response: String::new(),
        }
    }

    #[must_use]
    pub fn with_class(mut self, class: Class) -> Self {
        class.as_str().clone_into(&mut self.class);
        self
    }

    #[must_use]
    pub fn with_response(mut self, response: &str) -> Self {
        self.response = cut(response, 500);
        self
    }
}

/// Controls made visible, at most `limit` bytes.
pub fn cut(text: &str, limit: usize) -> String {
    let mut line = crate::mail::display::visible(text);
    while line.len() > limit {
        line.pop();
    }
    line
}

/// What a search asks for. Empty fields ask for everything.
#[derive(Clone, Debug, Default)]
pub struct Query {
    pub server: Option<ServerId>,
    /// A part of the address.
    pub part: String,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    /// A class's word, or `blocked`.
    pub reason: String,
    pub errors_only: bool,
    pub limit: usize,
    /// The key behind which to go on.
    pub after: Vec<u8>,
}

/// Rows that one search reads at most before it answers with what it has.
const READ: usize = 50_000;

/// One page of a search, oldest first; the cursor is the key of the last row
/// that was read, `None` at the end.
///
/// # Errors
/// [`Fault`] if the store cannot read.
pub async fn search(store: &Store, query: &Query) -> Result<(Vec<Event>, Option<Vec<u8>>), Fault> {
    let part = query.part.to_lowercase();
    let mut after = match (&query.after[..], query.from) {
        ([], Some(from)) => {
            let one = SignedDuration::from_micros(1);
            let before = from.saturating_sub(one).unwrap_or(Timestamp::MIN);
            let mut key = before.as_microsecond().to_be_bytes().to_vec();
            key.extend_from_slice(&[0xff; 8]);
            key
        }
        (after, _) => after.to_vec(),
    };
    let (mut found, mut read) = (Vec::new(), 0);
    loop {
        let rows: Vec<Row<Event>> = store.page(&after, 1000).await?;
        let Some(last) = rows.last() else { return Ok((found, None)) };
        after = last.record.key();
        read += rows.len();
        for row in rows {
            let event = row.record;
            if query.to.is_some_and(|to| event.at > to) {
                return Ok((found, None));
            }
            let key = event.key();
            let reason = &query.reason;
            let matches = query.server.is_none_or(|server| server == event.server)
                && event.address.contains(&part)
                && (!query.errors_only || event.outcome.is_error())
                && (reason.is_empty()
                    || event.class == *reason
                    || event.outcome.as_str() == reason);
            if matches {
                found.push(event);
                if found.len() >= query.limit {
                    return Ok((found, Some(key)));
                }
            }
        }
        if read >= READ {
            return Ok((found, Some(after)));
        }
    }
}

/// Forgets at most `limit` events older than `before`; answers how many.
///
/// # Errors
/// [`Fault`] if the store cannot read or write.
pub async fn forget(store: &Store, before: Timestamp, limit: usize) -> Result<usize, Fault> {
    let rows: Vec<Row<Event>> = store.page(&[], limit).await?;
    let mut batch = Batch::new();
    let mut gone = 0;
    for row in rows.iter().take_while(|row| row.record.at < before) {
        batch.remove(row);
        gone += 1;
    }
    if gone > 0 {
        match store.commit(batch).await {
            Ok(_) => {}
            Err(Refusal::Conflict(_)) => return Ok(0),
            Err(refusal) => return Err(Fault::Unavailable(refusal.to_string())),
        }
    }
    Ok(gone)
}

impl Record for Event {
    const TABLE: Table = Table::SuppressionEvent;

    fn key(&self) -> Vec<u8> {
        let mut key = self.at.as_microsecond().to_be_bytes().to_vec();
        key.extend_from_slice(&self.mark.to_be_bytes());
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[tokio::test]
    async fn a_period_a_part_and_a_reason_are_found_and_old_ones_forgotten() {
        let store = Store::in_memory();
        for second in 0..100 {
            let address = format!("user{second}@far.example");
            let outcome = if second % 2 == 0 { Outcome::Failed } else { Outcome::Succeeded };
            let mut event = Event::new(at(second), 0, &address, outcome, "x");
            if second % 10 == 0 {
                event = event.with_class(Class::UnknownUser);
            }
            let mut batch = Batch::new();
            batch.insert(&event);
            store.commit(batch).await.unwrap();
        }
        let all = Query { limit: 1000, ..Query::default() };
        assert_eq!(search(&store, &all).await.unwrap().0.len(), 100);
        let period = Query { from: Some(at(10)), to: Some(at(19)), ..all.clone() };
        assert_eq!(search(&store, &period).await.unwrap().0.len(), 10);
        let errors = Query { errors_only: true, part: "R2".to_owned(), ..all.clone() };
        assert_eq!(search(&store, &errors).await.unwrap().0.len(), 6);
        let reason = Query { reason: "unknown_user".to_owned(), ..all.clone() };
        assert_eq!(search(&store, &reason).await.unwrap().0.len(), 10);
        let (page, cursor) = search(&store, &Query { limit: 7, ..all.clone() }).await.unwrap();
        let next = Query { after: cursor.unwrap(), ..all.clone() };
        assert_eq!((page.len(), search(&store, &next).await.unwrap().0.len()), (7, 93));
        assert_eq!(forget(&store, at(50), 1000).await, Ok(50));
        assert_eq!(search(&store, &all).await.unwrap().0.len(), 50);
    }
}

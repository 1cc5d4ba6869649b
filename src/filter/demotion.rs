//! Findings whose weight an operator took down, because they were wrong too
//! often here: halved, or to nothing.
//!
//! A durable record each, followed in memory as a share for every finding of
//! the catalogue, so that asking costs nothing. Weights of the configuration
//! are taken down alike. What a finding's class decides (malware, phishing,
//! mass mail) it decides without any weight.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use minicbor::{Decode, Encode};

use super::catalogue::{FINDINGS, UnknownFinding};
use crate::clock::Timestamp;
use crate::store::{Batch, Fault, Record, Refusal, Row, Store, Table, record};

/// How often a change is made again when another came first.
const TRIES: usize = 8;
/// More than there are findings.
const MOST: usize = 1000;

/// One finding's record.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Demotion {
    #[n(0)]
    pub finding: String,
    /// What is left of its weight, in per cent: 50 or 0.
    #[n(1)]
    pub percent: u8,
    /// Who did it.
    #[n(2)]
    pub by: String,
    #[cbor(n(3), with = "crate::store::record::micros")]
    pub at: Timestamp,
}

impl Record for Demotion {
    const TABLE: Table = Table::Demotion;

    fn key(&self) -> Vec<u8> {
        self.finding.as_bytes().to_vec()
    }
}

/// What is left of each finding's weight. Clones share it.
#[derive(Clone, Debug)]
pub struct Demotions {
    percents: Arc<[AtomicU8]>,
}

/// Why nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DemotionError {
    #[error(transparent)]
    Unknown(#[from] UnknownFinding),
    #[error(transparent)]
    Store(#[from] Fault),
}

impl Default for Demotions {
    /// Every finding weighs what it weighs.
    fn default() -> Self {
        Self { percents: FINDINGS.iter().map(|_| AtomicU8::new(100)).collect() }
    }
}

impl Demotions {
    /// Follows the table from now on, and reads what stands in it.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn follow(&self, store: &Store) -> Result<(), Fault> {
        let follows = self.clone();
        store.watch(Demotion::TABLE, move |news| {
            let Ok(finding) = std::str::from_utf8(news.key) else { return };
            let left = news.value.and_then(|bytes| record::decode::<Demotion>(bytes).ok());
            follows.put(finding, left.map_or(100, |one| one.percent));
        });
        for one in all(store).await? {
            self.put(&one.finding, one.percent);
        }
        Ok(())
    }

    /// What is left of the weight of the finding in this place of the
    /// catalogue.
    pub(super) fn left(&self, place: usize) -> f32 {
        let percent = self.percents.get(place).map_or(100, |one| one.load(Ordering::Relaxed));
        f32::from(percent) / 100.0
    }

    fn put(&self, finding: &str, percent: u8) {
        let place = FINDINGS.iter().position(|(id, _)| *id == finding);
        // A finding of an older program weighs nothing any more anyway.
        if let Some(one) = place.and_then(|place| self.percents.get(place)) {
            one.store(percent.min(100), Ordering::Relaxed);
        }
    }
}

/// Every demotion that stands, by finding.
///
/// # Errors
/// [`Fault`] if the store cannot read.
pub async fn all(store: &Store) -> Result<Vec<Demotion>, Fault> {
    let rows = store.page::<Demotion>(&[], MOST).await?;
    Ok(rows.into_iter().map(|row| row.record).collect())
}

/// Leaves `demotion.percent` of a finding's weight; with 100 it is as if
/// nothing had been done. `also` adds to the batch what belongs to it, given
/// the per cent before.
///
/// # Errors
/// [`DemotionError`].
pub async fn demote(
    store: &Store,
    demotion: &Demotion,
    also: &(dyn Fn(&mut Batch, u8) + Sync),
) -> Result<(), DemotionError> {
    if !FINDINGS.iter().any(|(id, _)| *id == demotion.finding) {
        return Err(UnknownFinding(demotion.finding.clone()).into());
    }
    for _ in 0..TRIES {
        let row: Option<Row<Demotion>> = store.find(&demotion.key()).await?;
        let before = row.as_ref().map_or(100, |row| row.record.percent);
        if before == demotion.percent {
            return Ok(());
        }
        let mut batch = Batch::new();
        match (&row, demotion.percent) {
            (Some(row), 100..) => batch.remove(row),
            (row, _) => batch.upsert(row.as_ref(), demotion),
        };
        also(&mut batch, before);
        match store.commit(batch).await {
            Ok(_) => return Ok(()),
            Err(Refusal::Conflict(_)) => {}
            Err(refusal) => return Err(Fault::Unavailable(refusal.to_string()).into()),
        }
    }
    Err(Fault::Unavailable("the record changes too fast; try again".to_owned()).into())
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::Weights;
    use super::*;
    use crate::clock::Clock;

    #[tokio::test]
    async fn a_demoted_finding_weighs_less_at_once_and_after_a_restart() {
        let (store, clock) = (Store::in_memory(), Clock::system());
        let demotions = Demotions::default();
        demotions.follow(&store).await.unwrap();
        let weights = Weights::with([("no-ptr".to_owned(), 4.0)].into()).unwrap();
        let weights = weights.taken_down(demotions.clone());
        let to = |finding: &str, percent| {
            let (finding, by) = (finding.to_owned(), "anna".to_owned());
            Demotion { finding, percent, by, at: clock.now() }
        };
        let noted = std::sync::Mutex::new(Vec::new());
        let also = |_: &mut Batch, before: u8| noted.lock().unwrap().push(before);
        let weight = |weights: &Weights, id| format!("{:.1}", weights.finding(id).weight);
        demote(&store, &to("spf-fail", 50), &also).await.unwrap();
        demote(&store, &to("no-ptr", 0), &also).await.unwrap();
        demote(&store, &to("no-ptr", 0), &also).await.unwrap();
        assert_eq!(weight(&weights, "spf-fail"), "2.5");
        assert_eq!(weight(&weights, "no-ptr"), "0.0");
        assert_eq!(weight(&weights, "spf-none"), "2.0");
        let again = Demotions::default();
        again.follow(&store).await.unwrap();
        let fresh = Weights::default().taken_down(again);
        assert_eq!(weight(&fresh, "spf-fail"), "2.5", "a restart");
        demote(&store, &to("spf-fail", 100), &also).await.unwrap();
        assert_eq!(weight(&weights, "spf-fail"), "5.0");
        assert_eq!(weight(&fresh, "spf-fail"), "5.0");
        let left = all(&store).await.unwrap();
        assert_eq!(left.iter().map(|one| one.finding.as_str()).collect::<Vec<_>>(), ["no-ptr"]);
        assert_eq!(*noted.lock().unwrap(), [100, 100, 50], "no change is no decision");
        let unknown = demote(&store, &to("nonsense", 0), &also).await;
        assert!(matches!(unknown, Err(DemotionError::Unknown(_))));
    }
}

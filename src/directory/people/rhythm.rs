//! Digests follow their organisation: when its rhythm or time zone changes, in
//! the file or in the console, those of its recipients are due anew.
//!
//! A digest that is due already stays so: it is being written.

use std::collections::HashSet;

use futures_util::stream::{self, TryStreamExt};

use super::People;
use crate::clock::Timestamp;
use crate::directory::{OrganisationId, Recipient};
use crate::store::{Batch, Fault, Refusal, Row};

/// Recipients that are changed side by side.
const ABREAST: usize = 32;

impl People {
    /// Sets anew when digests are due, where an organisation's rhythm is
    /// another than at the last look; the first look is at all. Answers how
    /// many recipients were changed.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write; the next look tries again.
    pub async fn follow_rhythms(&self) -> Result<usize, Fault> {
        let all = self.directory.organisations();
        let now: Vec<_> = all.iter().map(|one| (one.id.clone(), one.digest.clone())).collect();
        let changed: HashSet<OrganisationId> = {
            let seen = self.rhythms();
            let other = now.iter().filter(|(id, digest)| seen.get(id) != Some(digest));
            other.map(|(id, _)| id.clone()).collect()
        };
        if changed.is_empty() {
            return Ok(0);
        }
        let at = self.clock.now();
        let mut misplaced = Vec::new();
        let look = |row: Row<Recipient>| {
            if changed.contains(&row.record.organisation) && self.is_misplaced(&row.record, at) {
                misplaced.push(row);
            }
        };
        self.store.each(look).await?;
        let count = misplaced.len();
        stream::iter(misplaced.into_iter().map(Ok))
            .try_for_each_concurrent(ABREAST, |row| self.place_digest(row, at))
            .await?;
        self.rhythms().extend(now);
        Ok(count)
    }

    fn is_misplaced(&self, recipient: &Recipient, now: Timestamp) -> bool {
        let is_due = recipient.digest_at.is_some_and(|at| at <= now);
        !is_due && recipient.digest_at != self.next_digest(recipient, now)
    }

    async fn place_digest(&self, row: Row<Recipient>, now: Timestamp) -> Result<(), Fault> {
        let mut recipient = row.record.clone();
        recipient.digest_at = self.next_digest(&recipient, now);
        let mut batch = Batch::new();
        batch.update(&row, &recipient);
        match self.store.commit(batch).await {
            // Whoever changed him meanwhile set it by the rhythm of today.
            Ok(_) | Err(Refusal::Conflict(_)) => Ok(()),
            Err(refusal) => Err(Fault::Unavailable(refusal.to_string())),
        }
    }
}

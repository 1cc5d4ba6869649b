//! What is held for one mailbox, the latest first.

use super::Held;
use crate::clock::Timestamp;
use crate::mail::Address;
use crate::store::{Fault, Index, Store, Toward};

/// The messages of these addresses that came after `since`, at most `limit`
/// of the latest. A message for several of them comes once.
///
/// # Errors
/// [`Fault`] if the store cannot read.
pub async fn messages(
    store: &Store,
    addresses: &[Address],
    since: Timestamp,
    limit: usize,
) -> Result<Vec<Held>, Fault> {
    let mut ids = Vec::new();
    for address in addresses {
        let from = Held::mailbox_key(address);
        let mut behind = from.clone();
        // Ids begin with the time in milliseconds (RFC 9562 section 5.7).
        let millis = u64::try_from(since.as_millisecond()).unwrap_or(0);
        behind.extend_from_slice(&millis.to_be_bytes()[2..]);
        let mut end = from;
        end.extend_from_slice(&[0xff; 17]);
        // From the latest down: a mailbox that is written to a lot costs no more.
        let range = (behind.as_slice(), end.as_slice());
        let index = Index::HeldByRecipient;
        let latest = store.references(index, range, Toward::First, (&[], limit)).await?;
        ids.extend(latest.into_iter().map(|one| one.key));
    }
    ids.sort_unstable();
    ids.dedup();
    let mut all = Vec::new();
    for id in ids.iter().rev().take(limit) {
        all.extend(store.find::<Held>(id).await?.map(|row| row.record));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quarantine::{State, sample};
    use crate::store::Batch;

    #[tokio::test]
    async fn a_mailbox_has_its_own_messages_the_latest_first() {
        let store = Store::in_memory();
        let now = Timestamp::now();
        let mut ids = Vec::new();
        for to in [
            &["anna@ours.example"][..],
            &["bo@ours.example"],
            &["bo@ours.example", "Anna+x@ours.example"],
        ] {
            let held = sample::held(to, now);
            ids.push(held.id);
            let mut batch = Batch::new();
            batch.insert(&held);
            store.commit(batch).await.unwrap();
        }
        let anna = [Address::parse("anna@ours.example").unwrap()];
        let before = Timestamp::UNIX_EPOCH;
        let found = messages(&store, &anna, before, 10).await.unwrap();
        assert_eq!(found.iter().map(|one| one.id).collect::<Vec<_>>(), [ids[2], ids[0]]);
        assert_eq!(messages(&store, &anna, before, 1).await.unwrap().len(), 1);
        let later = now + crate::clock::SignedDuration::from_secs(5);
        assert!(messages(&store, &anna, later, 10).await.unwrap().is_empty());

        let row = store.find::<Held>(ids[0].as_bytes()).await.unwrap().unwrap();
        let mut held = row.record.clone();
        held.recipients[0].state = State::Refused;
        let mut batch = Batch::new();
        batch.update(&row, &held);
        store.commit(batch).await.unwrap();
        assert_eq!(messages(&store, &anna, before, 10).await.unwrap().len(), 1, "refused");
    }
}

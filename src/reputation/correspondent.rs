//! Correspondents: addresses that an organisation has written to. Answers
//! from them are expected, which is a finding in their favour.

use minicbor::{Decode, Encode};

use crate::clock::Timestamp;
use crate::directory::OrganisationId;
use crate::mail::Address;
use crate::store::{Batch, Fault, Record, Refusal, Row, Store, Table};

/// An outside address that somebody of an organisation wrote to.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Correspondent {
    #[n(0)]
    organisation: OrganisationId,
    /// The base address.
    #[n(1)]
    address: Address,
    #[cbor(n(2), with = "crate::store::record::micros")]
    since: Timestamp,
}

impl Record for Correspondent {
    const TABLE: Table = Table::Correspondent;

    fn key(&self) -> Vec<u8> {
        key(&self.organisation, &self.address)
    }
}

/// Whether the organisation has written to this address.
///
/// # Errors
/// [`Fault`] if the store cannot read.
pub async fn knows(
    store: &Store,
    organisation: &OrganisationId,
    address: &Address,
) -> Result<bool, Fault> {
    let row: Option<Row<Correspondent>> = store.find(&key(organisation, address)).await?;
    Ok(row.is_some())
}

/// Remembers that the organisation wrote to these addresses.
///
/// # Errors
/// [`Fault`] if the store cannot read or write. Losing a race to another
/// message of the same recipients is none.
pub async fn note(
    store: &Store,
    organisation: &OrganisationId,
    addresses: &[&Address],
    now: Timestamp,
) -> Result<(), Fault> {
    let mut batch = Batch::new();
    let mut fresh: Vec<Address> = Vec::new();
    for address in addresses {
        let base = address.base();
        if !fresh.contains(&base) && !knows(store, organisation, &base).await? {
            let organisation = organisation.clone();
            batch.insert(&Correspondent { organisation, address: base.clone(), since: now });
            fresh.push(base);
        }
    }
    if fresh.is_empty() {
        return Ok(());
    }
    match store.commit(batch).await {
        Ok(_) | Err(Refusal::Conflict(_)) => Ok(()),
        Err(refusal) => Err(Fault::Unavailable(refusal.to_string())),
    }
}

fn key(organisation: &OrganisationId, address: &Address) -> Vec<u8> {
    format!("{organisation}\0{}", address.base()).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_organisation_knows_whom_it_wrote_to_and_no_other_does() {
        let store = Store::in_memory();
        let ours = OrganisationId::new("ours").unwrap();
        let theirs = OrganisationId::new("theirs").unwrap();
        let written = Address::parse("Friend+tag@far.example").unwrap();
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        note(&store, &ours, &[&written, &written], now).await.unwrap();
        note(&store, &ours, &[&written], now).await.unwrap();

        let answering = Address::parse("friend@far.example").unwrap();
        assert!(knows(&store, &ours, &answering).await.unwrap());
        assert!(!knows(&store, &theirs, &answering).await.unwrap());
    }
}

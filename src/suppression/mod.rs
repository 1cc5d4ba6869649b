//! Addresses that we do not write to: each bounced a letter once.
//!
//! An address is found by its canonical form (RFC 5321 section 2.4: only the
//! final server interprets a local part, so tags stay). Written in the batch
//! of what it follows from.

pub mod classify;

use minicbor::{Decode, Encode};

use crate::clock::{Clock, Timestamp};
use crate::mail::Address;
use crate::store::{Batch, Fault, Record, Row, Store, Table};

/// Why an address is suppressed. The numbers stand on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Reason {
    /// A letter to it bounced for good.
    #[n(0)]
    Bounced,
}

/// An address that we do not write to.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Suppressed {
    /// In its canonical form.
    #[n(0)]
    pub address: Address,
    #[cbor(n(1), with = "crate::store::record::micros")]
    pub since: Timestamp,
    #[n(2)]
    pub reason: Reason,
}

/// The list. Clones share the store.
#[derive(Clone)]
pub struct Suppression {
    store: Store,
    clock: Clock,
}

impl Suppression {
    pub fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock }
    }

    /// Whether nobody may write to `address`.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn covers(&self, address: &Address) -> Result<bool, Fault> {
        Ok(self.find(address).await?.is_some())
    }

    /// Suppresses `address` within `batch`; `false` if it already was.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn suppress(
        &self,
        batch: &mut Batch,
        address: &Address,
        reason: Reason,
    ) -> Result<bool, Fault> {
        if self.covers(address).await? {
            return Ok(false);
        }
        let since = self.clock.now();
        batch.insert(&Suppressed { address: address.canonical(), since, reason });
        Ok(true)
    }

    /// Lifts the suppression within `batch`; `false` if there was none.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn lift(&self, batch: &mut Batch, address: &Address) -> Result<bool, Fault> {
        let found = self.find(address).await?;
        if let Some(row) = &found {
            batch.remove(row);
        }
        Ok(found.is_some())
    }

    async fn find(&self, address: &Address) -> Result<Option<Row<Suppressed>>, Fault> {
        self.store.find(&key(address)).await
    }
}

fn key(address: &Address) -> Vec<u8> {
    address.canonical().to_string().into_bytes()
}

impl Record for Suppressed {
    const TABLE: Table = Table::Suppression;

    fn key(&self) -> Vec<u8> {
        key(&self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_is_suppressed_until_it_is_lifted() {
        let store = Store::in_memory();
        let list = Suppression::new(store.clone(), Clock::system());
        let anna = Address::parse("Anna@Example.FI").unwrap();
        let mut batch = Batch::new();
        assert!(list.suppress(&mut batch, &anna, Reason::Bounced).await.unwrap());
        store.commit(batch).await.unwrap();
        assert!(list.covers(&Address::parse("anna@example.fi").unwrap()).await.unwrap());
        assert!(!list.covers(&Address::parse("anna+x@example.fi").unwrap()).await.unwrap());

        let mut batch = Batch::new();
        assert!(!list.suppress(&mut batch, &anna, Reason::Bounced).await.unwrap());
        assert!(list.lift(&mut batch, &anna).await.unwrap());
        store.commit(batch).await.unwrap();
        assert!(!list.covers(&anna).await.unwrap());
    }
}

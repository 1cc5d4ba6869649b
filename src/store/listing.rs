//! Records for a list of many: one that cannot be read is named in its place,
//! and the others are there.
//!
//! A decision about one record fails with it ([`Store::find`]). What is wrong
//! with a record says `reprieve store verify`, which names it by the same
//! table and key.

use std::fmt;

use super::{Fault, PAGE, Record, Row, Store, Table, Toward, Value, narrow};

/// A record that stands in the store and cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    pub table: Table,
    /// Its primary key.
    pub key: Vec<u8>,
}

/// What a list shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Listing<R> {
    pub records: Vec<R>,
    pub unreadable: Vec<Unreadable>,
}

impl Unreadable {
    /// Its primary key in hexadecimal.
    pub fn hex(&self) -> String {
        hex(&self.key)
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.table, self.hex())
    }
}

impl Fault {
    /// Whether one record is meant: the store can read others.
    pub fn is_of_a_record(&self) -> bool {
        matches!(self, Self::Damaged(_) | Self::Newer(_))
    }
}

impl<R: Record> Listing<R> {
    fn new() -> Self {
        Self { records: Vec::new(), unreadable: Vec::new() }
    }

    /// Takes in what was found under a key.
    fn take(&mut self, key: &[u8], found: Result<R, Fault>) -> Result<(), Fault> {
        match found {
            Ok(record) => self.records.push(record),
            Err(fault) if fault.is_of_a_record() => {
                self.unreadable.push(Unreadable { table: R::TABLE, key: key.to_vec() });
            }
            Err(fault) => return Err(fault),
        }
        Ok(())
    }
}

impl Store {
    /// The records under these keys, in their order. Those that are gone by
    /// now are left out.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] if the store cannot read.
    pub async fn listing<R: Record>(&self, keys: &[Vec<u8>]) -> Result<Listing<R>, Fault> {
        let mut listing = Listing::new();
        for key in keys {
            if let Some(found) = self.find::<R>(key).await.transpose() {
                listing.take(key, found.map(|row| row.record))?;
            }
        }
        Ok(listing)
    }

    /// At most `limit` records from either end of their table, behind a key
    /// (empty: from that end), and the key behind which the next page begins,
    /// if there is one.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] if the store cannot read.
    pub async fn listing_page<R: Record>(
        &self,
        toward: Toward,
        after: &[u8],
        limit: usize,
    ) -> Result<(Listing<R>, Option<Vec<u8>>), Fault> {
        let mut pairs = self.pairs::<R>(toward, after, limit.saturating_add(1)).await?;
        let more = pairs.len() > limit;
        pairs.truncate(limit);
        let next = pairs.last().filter(|_| more).map(|(key, _)| key[1..].to_vec());
        let mut listing = Listing::new();
        for (key, value) in pairs {
            listing.take(&key[1..], Row::read(value).map(|row| row.record))?;
        }
        Ok((listing, next))
    }

    /// Calls `each` with every key of a table and its record, in key order, a
    /// page at a time; without the record, if that cannot be read.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] if the store cannot read.
    pub async fn each_listed<R: Record>(
        &self,
        mut each: impl FnMut(&[u8], Option<R>),
    ) -> Result<(), Fault> {
        let mut after = Vec::new();
        loop {
            let pairs = self.pairs::<R>(Toward::Last, &after, PAGE).await?;
            let last = pairs.last().filter(|_| pairs.len() == PAGE);
            let last = last.map(|(key, _)| key[1..].to_vec());
            for (key, value) in pairs {
                each(&key[1..], Row::read(value).ok().map(|row| row.record));
            }
            let Some(last) = last else { return Ok(()) };
            after = last;
        }
    }

    /// What stands in a table, under keys as they are stored.
    pub(super) async fn pairs<R: Record>(
        &self,
        toward: Toward,
        after: &[u8],
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Value)>, Fault> {
        let (mut from, mut to) = (R::TABLE.key(&[]), R::TABLE.end());
        narrow(&mut from, &mut to, toward, R::TABLE.key(after), after.is_empty());
        self.walk((&from, &to), toward, limit).await
    }
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use minicbor::{Decode, Encode};

    use super::*;
    use crate::store::Batch;

    #[derive(Clone, Debug, PartialEq, Encode, Decode)]
    struct Note(#[n(0)] u8, #[n(1)] String);

    /// What an older program finds of a newer one's.
    #[derive(Encode, Decode)]
    struct Later(#[n(0)] u8);

    #[derive(Encode, Decode)]
    struct Torn(#[n(0)] u8);

    impl Record for Note {
        const TABLE: Table = Table::Held;
        fn key(&self) -> Vec<u8> {
            vec![self.0]
        }
    }

    impl Record for Later {
        const TABLE: Table = Table::Held;
        const VERSION: u8 = 9;
        fn key(&self) -> Vec<u8> {
            vec![self.0]
        }
    }

    impl Record for Torn {
        const TABLE: Table = Table::Held;
        fn key(&self) -> Vec<u8> {
            vec![self.0]
        }
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_named_in_its_place() {
        let store = Store::in_memory();
        let note = |id: u8| Note(id, "text".to_owned());
        let mut batch = Batch::new();
        for id in [1, 3, 5] {
            batch.insert(&note(id));
        }
        batch.insert(&Torn(2));
        batch.insert(&Later(4));
        store.commit(batch).await.unwrap();
        let bad = |id: u8| Unreadable { table: Table::Held, key: vec![id] };
        assert_eq!(bad(2).to_string(), "Held 02");

        let keys: Vec<Vec<u8>> = [5, 4, 2, 1, 9].map(|id| vec![id]).into();
        let listing = store.listing::<Note>(&keys).await.unwrap();
        assert_eq!(listing.records, [note(5), note(1)], "9 is gone");
        assert_eq!(listing.unreadable, [bad(4), bad(2)]);

        for (toward, records, unreadable, rest) in [
            (Toward::Last, [note(1), note(3)], bad(2), ([note(5)], bad(4))),
            (Toward::First, [note(5), note(3)], bad(4), ([note(1)], bad(2))),
        ] {
            let (page, next) = store.listing_page::<Note>(toward, &[], 3).await.unwrap();
            assert_eq!(
                (&page.records[..], &page.unreadable[..]),
                (&records[..], &[unreadable][..])
            );
            let (page, next) = store.listing_page::<Note>(toward, &next.unwrap(), 3).await.unwrap();
            assert_eq!((&page.records[..], &page.unreadable[..]), (&rest.0[..], &[rest.1][..]));
            assert_eq!(next, None);
        }

        let mut seen = Vec::new();
        store
            .each_listed(|key, note: Option<Note>| seen.push((key[0], note.is_some())))
            .await
            .unwrap();
        assert_eq!(seen, [(1, true), (2, false), (3, true), (4, false), (5, true)]);
    }
}

//! How a record becomes bytes: a table byte, a version byte, minicbor.
//!
//! Fields are numbered (`#[n(0)]`); a field that is added later is an
//! `Option`, so that old and new programs read each other's records. The
//! version goes up only when an old program must not read the record at all.

use minicbor::{Decode, Encode};

use super::{Fault, Index, Table, Value};
pub use crate::clock::micros;

/// Something that stands in a table under its own key.
pub trait Record: Encode<()> + for<'b> Decode<'b, ()> + Send + Sync + 'static {
    const TABLE: Table;
    /// Raised when older programs must refuse the record.
    const VERSION: u8 = 1;

    /// The primary key, at most 256 bytes.
    fn key(&self) -> Vec<u8>;

    /// The index keys under which it is found; three at most are usual, each
    /// costs a write. A pure function: `store verify` computes them again.
    fn index_keys(&self) -> Vec<(Index, Vec<u8>)> {
        Vec::new()
    }
}

/// A record as it was read, with the revision that an update must name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<R> {
    pub record: R,
    pub revision: u64,
}

impl<R: Record> Row<R> {
    /// # Errors
    /// [`Fault::Damaged`] or [`Fault::Newer`].
    #[expect(clippy::needless_pass_by_value, reason = "it is mapped over owned values")]
    pub fn read(value: Value) -> Result<Self, Fault> {
        Ok(Self { record: decode(&value.bytes)?, revision: value.revision })
    }
}

/// The stored form of a record.
///
/// # Panics
/// Never: writing to a vector cannot fail.
pub fn encode<R: Record>(record: &R) -> Vec<u8> {
    let mut bytes = vec![R::TABLE as u8, R::VERSION];
    minicbor::encode(record, &mut bytes).expect("a vector takes every byte");
    bytes
}

/// # Errors
/// [`Fault::Damaged`] if these are not the bytes of an `R`; [`Fault::Newer`]
/// if a newer program wrote them.
pub fn decode<R: Record>(bytes: &[u8]) -> Result<R, Fault> {
    match bytes {
        [table, version, rest @ ..] if *table == R::TABLE as u8 => {
            if *version > R::VERSION {
                return Err(Fault::Newer(format!("a record of {:?}", R::TABLE)));
            }
            minicbor::decode(rest)
                .map_err(|error| Fault::Damaged(format!("a record of {:?}: {error}", R::TABLE)))
        }
        _ => Err(Fault::Damaged(format!("not a record of {:?}", R::TABLE))),
    }
}

/// The index keys of a record as they are stored: with the primary key behind.
pub(super) fn stored_index_keys<R: Record>(record: &R) -> Vec<Vec<u8>> {
    let primary = record.key();
    record
        .index_keys()
        .into_iter()
        .map(|(index, key)| {
            let mut stored = index.key(&key);
            stored.extend_from_slice(&primary);
            stored
        })
        .collect()
}

type IndexKeys = fn(&[u8]) -> Result<Vec<Vec<u8>>, Fault>;

/// A table as `store verify` sees it: how to compute the index keys of a
/// record's bytes again.
#[derive(Clone, Copy)]
pub struct Schema {
    pub table: Table,
    pub(crate) index_keys: IndexKeys,
}

impl Schema {
    pub fn of<R: Record>() -> Self {
        Self { table: R::TABLE, index_keys: |bytes| Ok(stored_index_keys(&decode::<R>(bytes)?)) }
    }
}

/// `#[cbor(with = "crate::store::record::maybe_micros")]` for an optional time.
pub mod maybe_micros {
    use jiff::Timestamp;
    use minicbor::decode::Error as DecodeError;
    use minicbor::encode::{Error as EncodeError, Write};
    use minicbor::{Decoder, Encoder};

    /// # Errors
    /// Those of the encoder.
    pub fn encode<C, W: Write>(
        time: &Option<Timestamp>,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.encode(time.map(Timestamp::as_microsecond))?.ok()
    }

    /// # Errors
    /// Those of the decoder, and a time out of range.
    pub fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Option<Timestamp>, DecodeError> {
        let micros: Option<i64> = d.decode()?;
        micros.map(Timestamp::from_microsecond).transpose().map_err(DecodeError::custom)
    }

    /// An absent field reads as `None`.
    pub fn nil() -> Option<Option<Timestamp>> {
        Some(None)
    }

    pub fn is_nil(time: &Option<Timestamp>) -> bool {
        time.is_none()
    }
}

/// `#[cbor(with = "crate::store::record::uuid")]`: sixteen bytes.
pub mod uuid {
    use ::uuid::Uuid;
    use minicbor::decode::Error as DecodeError;
    use minicbor::encode::{Error as EncodeError, Write};
    use minicbor::{Decoder, Encoder};

    /// # Errors
    /// Those of the encoder.
    pub fn encode<C, W: Write>(
        id: &Uuid,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.bytes(id.as_bytes())?.ok()
    }

    /// # Errors
    /// Those of the decoder, and a length that is not 16.
    pub fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Uuid, DecodeError> {
        Uuid::from_slice(d.bytes()?).map_err(DecodeError::custom)
    }
}

//! The time, passed in as an argument so that tests can move it.
//!
//! Every module that needs the time takes a [`Clock`]; nobody calls the
//! system's clock directly. Times are UTC; records keep microseconds.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

pub use jiff::{SignedDuration, Timestamp};

/// A source of the present time: the system's, or one that a test moves.
///
/// Clones share the same time.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// Microseconds since the epoch; `None` reads the system's clock.
    moved: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that stands still at `start` until [`Clock::advance`] moves it.
    pub fn stopped_at(start: Timestamp) -> Self {
        Self { moved: Some(Arc::new(AtomicI64::new(start.as_microsecond()))) }
    }

    /// The present time, in whole microseconds.
    pub fn now(&self) -> Timestamp {
        let micros = match &self.moved {
            Some(moved) => moved.load(Ordering::SeqCst),
            None => Timestamp::now().as_microsecond(),
        };
        Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX)
    }

    /// Moves a stopped clock (backwards with a negative duration).
    ///
    /// # Panics
    /// On the system's clock, which nobody moves.
    pub fn advance(&self, by: SignedDuration) {
        let moved = self.moved.as_ref().expect("only a stopped clock is moved");
        let micros = i64::try_from(by.as_micros()).expect("less than 290,000 years");
        moved.fetch_add(micros, Ordering::SeqCst);
    }
}

/// `#[cbor(with = "crate::clock::micros")]` for a [`Timestamp`]: whole
/// microseconds, in records and stored envelopes alike.
pub mod micros {
    use jiff::Timestamp;
    use minicbor::decode::Error as DecodeError;
    use minicbor::encode::{Error as EncodeError, Write};
    use minicbor::{Decoder, Encoder};

    /// # Errors
    /// Those of the encoder.
    pub fn encode<C, W: Write>(
        time: &Timestamp,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.i64(time.as_microsecond())?.ok()
    }

    /// # Errors
    /// Those of the decoder, and a time out of range.
    pub fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Timestamp, DecodeError> {
        Timestamp::from_microsecond(d.i64()?).map_err(DecodeError::custom)
    }
}

//! How addresses and domains stand in records: as CBOR text.
//!
//! Decoding accepts what was
//! accepted when it was written, even if parsing became stricter since.

/// Encodes a type as its `Display` text and decodes it by a function from
/// `&str` to `Option`.
macro_rules! cbor_text {
    ($type:ty, $decode:expr) => {
        impl<C> minicbor::Encode<C> for $type {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.str(&self.to_string())?.ok()
            }
        }

        impl<'b, C> minicbor::Decode<'b, C> for $type {
            fn decode(
                d: &mut minicbor::Decoder<'b>,
                _: &mut C,
            ) -> Result<Self, minicbor::decode::Error> {
                let decode: fn(&str) -> Option<Self> = $decode;
                decode(d.str()?).ok_or_else(|| minicbor::decode::Error::message(stringify!($type)))
            }
        }
    };
}
pub(super) use cbor_text;

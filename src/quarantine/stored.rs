//! The stored form of a message: its envelope, then its exact bytes.

use bytes::{BufMut, Bytes, BytesMut};

use crate::mail::{Envelope, Message};
use crate::store::Fault;

/// Length of the envelope (u32, big-endian), envelope (minicbor), message.
pub fn write(envelope: &Envelope, message: &Message) -> Bytes {
    let encoded = minicbor::to_vec(envelope).expect("a vector takes every byte");
    let mut bytes = BytesMut::with_capacity(4 + encoded.len() + message.bytes().len());
    bytes.put_u32(u32::try_from(encoded.len()).expect("an envelope is far below 4 GiB"));
    bytes.put_slice(&encoded);
    bytes.put_slice(message.bytes());
    bytes.freeze()
}

/// # Errors
/// [`Fault::Damaged`] if these are not the bytes that [`write`] made.
pub fn read(stored: &Bytes) -> Result<(Envelope, Message), Fault> {
    let damaged = || Fault::Damaged("a held message's envelope".to_owned());
    let length = stored.first_chunk::<4>().map(|four| u32::from_be_bytes(*four));
    let end = 4 + length.ok_or_else(damaged)? as usize;
    let envelope = stored.get(4..end).ok_or_else(damaged)?;
    let envelope = minicbor::decode(envelope).map_err(|_| damaged())?;
    Ok((envelope, Message::new(stored.slice(end..))))
}

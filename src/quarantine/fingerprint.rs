//! Recognition of the same message (DESIGN section 2.6): From, Message-ID,
//! Date and body hash; never the client, path tags, trace, DKIM or ARC
//! headers. The recipients are compared on the records it leads to.

use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};

use crate::mail::Message;

/// 128 bits of SHA-256 over what makes a message the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Fingerprint(#[cbor(n(0), with = "minicbor::bytes")] [u8; 16]);

impl Fingerprint {
    pub fn of(message: &Message) -> Self {
        let mut hash = Sha256::new();
        for name in ["From", "Message-ID", "Date"] {
            for value in message.all(name) {
                hash.update(value.len().to_be_bytes());
                hash.update(value);
            }
            hash.update([0xff; 9]);
        }
        hash.update(message.body_hash());
        let mut half = [0; 16];
        half.copy_from_slice(&hash.finalize()[..16]);
        Self(half)
    }

    pub fn key(self) -> Vec<u8> {
        self.0.to_vec()
    }
}

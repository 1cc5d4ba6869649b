//! Small secrets that must stand in the store, unreadable without `keys/`: a
//! store and its backups are read by more people than the keys are.
//!
//! ChaCha20-Poly1305 (RFC 8439) with a random nonce, under a key of the ring's
//! derived for the use alone. Whose secret it is goes in as associated data,
//! so that nobody can lay it under another name. When a key is retired, what
//! it encrypted is gone: [`KeyRing::is_stale`] says what to encrypt anew
//! before that.

use minicbor::{Decode, Encode};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::KeyRing;
use super::ring::Key;

/// A secret as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Encrypted {
    /// The key of the ring that it was encrypted under.
    #[n(0)]
    key: u16,
    #[cbor(n(1), with = "minicbor::bytes")]
    nonce: [u8; NONCE_LEN],
    /// With the tag at its end.
    #[cbor(n(2), with = "minicbor::bytes")]
    bytes: Vec<u8>,
}

impl KeyRing {
    /// Encrypts under the active key. `label` keeps the uses apart, `whose`
    /// must be said again to decrypt.
    ///
    /// # Panics
    /// If the system gives no random bytes.
    pub fn encrypt(&self, label: &str, whose: &str, secret: &[u8]) -> Encrypted {
        let (id, key) = self.active();
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).expect("the system has random bytes");
        let mut bytes = Vec::with_capacity(secret.len() + CHACHA20_POLY1305.tag_len());
        bytes.extend_from_slice(secret);
        let sealing = cipher(&key, label).seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(whose.as_bytes()),
            &mut bytes,
        );
        sealing.expect("a secret is shorter than 256 GiB, all that the cipher asks");
        Encrypted { key: id, nonce, bytes }
    }

    /// `None`: the key is not in the ring any more, it was encrypted for
    /// another use or another name, or it was changed.
    pub fn decrypt(
        &self,
        label: &str,
        whose: &str,
        encrypted: &Encrypted,
    ) -> Option<Zeroizing<Vec<u8>>> {
        let key = self.key(encrypted.key)?;
        let mut bytes = Zeroizing::new(encrypted.bytes.clone());
        let nonce = Nonce::assume_unique_for_key(encrypted.nonce);
        let aad = Aad::from(whose.as_bytes());
        let length = cipher(&key, label).open_in_place(nonce, aad, &mut bytes).ok()?.len();
        bytes.truncate(length);
        Some(bytes)
    }

    /// Whether another key is active now than the one it was encrypted under.
    pub fn is_stale(&self, encrypted: &Encrypted) -> bool {
        encrypted.key != self.active().0
    }
}

fn cipher(key: &Key, label: &str) -> LessSafeKey {
    let derived = key.derive(label.as_bytes());
    let unbound = UnboundKey::new(&CHACHA20_POLY1305, derived.as_ref());
    LessSafeKey::new(unbound.expect("32 bytes are a key of this cipher (RFC 8439, section 2.8)"))
}

#[cfg(test)]
mod tests {
    use super::super::ring::folder;
    use super::*;

    #[test]
    fn it_opens_for_its_use_and_its_owner_only() {
        let ring = KeyRing::ephemeral();
        let encrypted = ring.encrypt("use", "anna", b"secret");
        assert_eq!(ring.decrypt("use", "anna", &encrypted).unwrap()[..], b"secret"[..]);
        assert!(!encrypted.bytes.windows(6).any(|part| part == b"secret"));
        assert!(ring.decrypt("use", "bo", &encrypted).is_none());
        assert!(ring.decrypt("other use", "anna", &encrypted).is_none());
        assert!(KeyRing::ephemeral().decrypt("use", "anna", &encrypted).is_none());
        assert_ne!(ring.encrypt("use", "anna", b"secret"), encrypted, "a nonce is used once");
        for at in 0..encrypted.bytes.len() {
            let mut changed = encrypted.clone();
            changed.bytes[at] ^= 1;
            assert!(ring.decrypt("use", "anna", &changed).is_none(), "byte {at}");
        }
        let short = Encrypted { bytes: Vec::new(), ..encrypted };
        assert!(ring.decrypt("use", "anna", &short).is_none());
    }

    #[test]
    fn it_opens_until_its_key_is_retired() {
        let keys = tempfile::tempdir().unwrap();
        let first = folder::new(keys.path()).unwrap();
        let ring = KeyRing::open(keys.path()).unwrap();
        let old = ring.encrypt("use", "anna", b"secret");
        assert!(!ring.is_stale(&old));
        let second = folder::new(keys.path()).unwrap();
        folder::promote(keys.path(), second).unwrap();
        ring.reload().unwrap();
        assert!(ring.is_stale(&old) && ring.decrypt("use", "anna", &old).is_some());
        let new = ring.encrypt("use", "anna", b"secret");
        folder::retire(keys.path(), first).unwrap();
        ring.reload().unwrap();
        assert!(ring.decrypt("use", "anna", &old).is_none());
        assert!(ring.decrypt("use", "anna", &new).is_some());
    }
}

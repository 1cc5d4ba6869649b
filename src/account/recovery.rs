//! Recovery codes: ten, each good once in place of a one-time code.
//!
//! Sixty random bits each, so their hashes need no salt and no cost.

use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const CODES: usize = 10;
/// No letters that are read for each other.
const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";

/// The hash of one code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct CodeHash(#[cbor(n(0), with = "minicbor::bytes")] [u8; 32]);

/// Ten fresh codes, `abcd-efgh-jkmn`, to be shown once.
///
/// # Panics
/// If the system gives no random bytes.
pub fn fresh() -> Vec<String> {
    let mut random = [0; CODES * 12];
    getrandom::fill(&mut random).expect("the system has random bytes");
    let code = |bytes: &[u8]| {
        let letters: Vec<char> =
            bytes.iter().map(|b| char::from(ALPHABET[usize::from(b % 32)])).collect();
        let groups: Vec<String> = letters.chunks(4).map(|four| four.iter().collect()).collect();
        groups.join("-")
    };
    random.chunks(12).map(code).collect()
}

impl CodeHash {
    /// Case, spaces and hyphens do not matter.
    pub fn of(code: &str) -> Self {
        let bare: String = code
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|c| c.to_ascii_lowercase())
            .collect();
        let mut hash = Sha256::new_with_prefix(b"reprieve recovery code v1\0");
        hash.update(bare.as_bytes());
        Self(hash.finalize().into())
    }
}

/// Uses up the code, if it is one of these.
pub fn take(left: &mut Vec<CodeHash>, code: &str) -> bool {
    let hash = CodeHash::of(code);
    let found = left.iter().position(|one| bool::from(one.0.ct_eq(&hash.0)));
    if let Some(place) = found {
        left.remove(place);
    }
    found.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_opens_once() {
        let codes = fresh();
        assert_eq!(codes.len(), CODES);
        assert_eq!(codes[0].len(), 14);
        let mut left: Vec<CodeHash> = codes.iter().map(|code| CodeHash::of(code)).collect();
        assert!(take(&mut left, &codes[3].to_uppercase().replace('-', " ")));
        assert!(!take(&mut left, &codes[3]));
        assert!(!take(&mut left, ""));
        assert_eq!(left.len(), CODES - 1);
    }
}

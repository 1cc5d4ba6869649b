//! The reference: eight characters to read out on the telephone. It opens
//! nothing.

use std::fmt;

use minicbor::{Decode, Encode};

/// Crockford's base 32: no I, L, O, U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// 40 random bits, shown as `7K2M-9QXD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Reference(#[n(0)] u64);

impl Reference {
    /// From random bytes, for example the random part of a UUID.
    pub fn from_random(bytes: [u8; 5]) -> Self {
        let mut wide = [0; 8];
        wide[3..].copy_from_slice(&bytes);
        Self(u64::from_be_bytes(wide))
    }

    /// Reads what a person typed: case, spaces and hyphens do not matter, and
    /// I, L read as 1, O as 0.
    pub fn parse(text: &str) -> Option<Self> {
        let mut value = 0u64;
        let mut count = 0;
        for c in text.chars().filter(|c| !c.is_whitespace() && *c != '-') {
            let c = match c.to_ascii_uppercase() {
                'I' | 'L' => '1',
                'O' => '0',
                c => c,
            };
            let digit = ALPHABET.iter().position(|known| char::from(*known) == c)?;
            value = value << 5 | digit as u64;
            count += 1;
            if count > 8 {
                return None;
            }
        }
        (count == 8).then_some(Self(value))
    }

    /// The five bytes of its index key.
    pub fn key(self) -> Vec<u8> {
        self.0.to_be_bytes()[3..].to_vec()
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for place in (0..8).rev() {
            let digit = usize::try_from(self.0 >> (5 * place) & 31).unwrap_or_default();
            write!(f, "{}", char::from(ALPHABET[digit]))?;
            if place == 4 {
                write!(f, "-")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_people_write_it() {
        let reference = Reference::from_random([0x12, 0xab, 0xff, 0x00, 0x7e]);
        let text = reference.to_string();
        assert_eq!(text.len(), 9);
        assert_eq!(Reference::parse(&text), Some(reference));
        assert_eq!(Reference::parse(&text.to_lowercase().replace('-', " ")), Some(reference));
        assert_eq!(Reference::parse("il0o-1l00"), Reference::parse("1100-1100"));
        assert_eq!(Reference::parse("7K2M-9QX"), None);
        assert_eq!(Reference::parse("7K2M-9QXDD"), None);
        assert_eq!(Reference::parse("7K2M-9QXU"), None);
    }
}

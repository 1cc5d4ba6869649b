//! The keyed return path of letters: only what bounces to one that we made is
//! a bounce of ours (VERP; ATTACKS B-08).
//!
//! `notice-<key id><held><tag>@<notice domain>`: base 32 in lower case, since
//! some servers fold case. 63 bytes, within the 64 of RFC 5321 section
//! 4.5.3.1.1.

use uuid::Uuid;

use crate::link::KeyRing;
use crate::mail::{Address, Domain};

const PREFIX: &str = "notice-";
const LABEL: &str = "return path";
/// Crockford's alphabet: no i, l, o, u.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Digits of 128 bits.
const DIGITS: usize = 26;

/// The return path of letters about `held`.
pub(super) fn make(ring: &KeyRing, held: Uuid, domain: &Domain) -> Option<Address> {
    let (key, tag) = ring.seal(LABEL, &[held.as_bytes(), domain.as_str().as_bytes()]);
    let mut local = format!("{PREFIX}{key:04x}");
    encode(held.as_u128(), &mut local);
    encode(u128::from_be_bytes(tag), &mut local);
    Address::parse(&format!("{local}@{domain}")).ok()
}

/// Whether `local` has the form of a return path, ours or forged.
pub(super) fn is_claimed(local: &str) -> bool {
    local.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}

/// The held message that the return path was made for; `None` unless we made
/// it.
pub(super) fn open(ring: &KeyRing, address: &Address, domain: &Domain) -> Option<Uuid> {
    // Asked at every RCPT: what is not of our domain costs a comparison.
    if address.domain() != domain || !is_claimed(address.local()) {
        return None;
    }
    let local = address.local().to_ascii_lowercase();
    let rest = local.strip_prefix(PREFIX).filter(|rest| rest.is_ascii())?;
    if rest.len() != 4 + 2 * DIGITS {
        return None;
    }
    let key = u16::from_str_radix(&rest[..4], 16).ok()?;
    let held = Uuid::from_u128(decode(&rest[4..4 + DIGITS])?);
    let tag = decode(&rest[4 + DIGITS..])?.to_be_bytes();
    let parts: [&[u8]; 2] = [held.as_bytes(), domain.as_str().as_bytes()];
    ring.unseals(LABEL, &parts, key, &tag).then_some(held)
}

fn encode(value: u128, into: &mut String) {
    for place in (0..DIGITS).rev() {
        let digit = usize::try_from(value >> (5 * place) & 31).unwrap_or_default();
        into.push(char::from(ALPHABET[digit]));
    }
}

fn decode(text: &str) -> Option<u128> {
    let mut value = 0u128;
    for (place, c) in text.bytes().enumerate() {
        let digit = ALPHABET.iter().position(|known| *known == c)?;
        // 26 digits are 130 bits: the first has three.
        if place == 0 && digit > 7 {
            return None;
        }
        value = value << 5 | digit as u128;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_we_made_is_known_again(id: u128, upper: bool) {
            let (ring, domain) = (KeyRing::ephemeral(), Domain::parse("notice.example").unwrap());
            let made = make(&ring, Uuid::from_u128(id), &domain).unwrap();
            prop_assert!(made.local().len() <= 64);
            let local = if upper { made.local().to_uppercase() } else { made.local().to_owned() };
            let back = Address::parse(&format!("{local}@{domain}")).unwrap();
            prop_assert_eq!(open(&ring, &back, &domain), Some(Uuid::from_u128(id)));
            prop_assert!(is_claimed(back.local()));
        }

        #[test]
        fn b_08_a_changed_one_is_not(id: u128, at in 7usize..63, by in 1usize..32) {
            let (ring, domain) = (KeyRing::ephemeral(), Domain::parse("notice.example").unwrap());
            let made = make(&ring, Uuid::from_u128(id), &domain).unwrap();
            let mut local = made.local().as_bytes().to_vec();
            let was = ALPHABET.iter().position(|known| *known == local[at]).unwrap();
            local[at] = ALPHABET[(was + by) % 32];
            let forged = format!("{}@{domain}", String::from_utf8(local).unwrap());
            let forged = Address::parse(&forged).unwrap();
            prop_assert_eq!(open(&ring, &forged, &domain), None);
            prop_assert_eq!(open(&KeyRing::ephemeral(), &made, &domain), None);
            let other = Domain::parse("other.example").unwrap();
            prop_assert_eq!(open(&ring, &made, &other), None);
        }

        #[test]
        fn no_text_breaks_the_reader(local in "[!-~&&[^@\"(),:;<>\\[\\\\\\]]]{1,64}") {
            let domain = Domain::parse("notice.example").unwrap();
            if let Ok(address) = Address::parse(&format!("{local}@notice.example")) {
                prop_assert_eq!(open(&KeyRing::ephemeral(), &address, &domain), None);
            }
        }
    }
}

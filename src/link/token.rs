//! The bytes of a token: mint and verify.
//!
//! `version(1) purpose(1) key-id(2) subject(16) recipient-slot(2) expires(4)
//! tag(16)`, base64url without padding: 56 characters. The tag is the first
//! 128 bits of HMAC-SHA-256 over a domain-separation string, the host and all
//! bytes before it. The algorithm is never read from the token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::KeyRing;
use crate::clock::Timestamp;

/// The recipient slot that means every held recipient of the transaction.
pub const ALL_RECIPIENTS: u16 = 0xffff;

const VERSION: u8 = 1;
const SIGNED_BYTES: usize = 26;
const TAG_BYTES: usize = 16;
/// Separates tokens from everything else that the same keys sign.
const LABEL: &[u8] = b"reprieve token v1";

/// What a token may be used for; part of what is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Purpose {
    /// `/r/`: the sender's page of a held message.
    Release = 1,
    /// `/a/`: an appeal and its state.
    Appeal = 2,
    /// `/me`: a recipient's own page.
    Recipient = 3,
    /// `/f/`: flag a delivered message.
    Flag = 4,
    /// `/d/`: one held message, for one of its recipients.
    Message = 6,
    /// A session or a one-time setup of the console.
    Session = 5,
}

impl Purpose {
    /// The first segment of the link's path.
    pub fn path(self) -> &'static str {
        match self {
            Self::Release => "r",
            Self::Appeal => "a",
            Self::Recipient => "me",
            Self::Flag => "f",
            Self::Message => "d",
            Self::Session => "setup",
        }
    }
}

/// A token whose tag was right. It may have expired: that has a page of its
/// own, so [`Token::has_expired`] is the caller's question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    pub purpose: Purpose,
    pub subject: Uuid,
    /// A recipient's slot, or [`ALL_RECIPIENTS`].
    pub slot: u16,
    /// Whole seconds.
    pub expires: Timestamp,
}

/// Anything that is not a token of ours for this purpose and host. It never
/// says why, because the page must not either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token is not valid")]
pub struct Invalid;

impl Token {
    /// Whether the time has come, with no allowance for skew.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        now >= self.expires
    }

    /// The token's text for a link on `host`, signed with the active key.
    pub fn mint(&self, ring: &KeyRing, host: &str) -> String {
        let (key_id, key) = ring.active();
        let mut bytes = Vec::with_capacity(SIGNED_BYTES + TAG_BYTES);
        bytes.push(VERSION);
        bytes.push(self.purpose as u8);
        bytes.extend_from_slice(&key_id.to_be_bytes());
        bytes.extend_from_slice(self.subject.as_bytes());
        bytes.extend_from_slice(&self.slot.to_be_bytes());
        let seconds = u32::try_from(self.expires.as_second()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&seconds.to_be_bytes());
        let tag = key.tag(LABEL, &[host.as_bytes(), &bytes]);
        bytes.extend_from_slice(&tag);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a token that was minted for this purpose on this host.
    ///
    /// An unknown key costs the same computation as a known one, and the tag
    /// is compared in constant time.
    ///
    /// # Errors
    /// [`Invalid`], whatever is wrong.
    pub fn verify(
        ring: &KeyRing,
        host: &str,
        purpose: Purpose,
        text: &str,
    ) -> Result<Self, Invalid> {
        let mut bytes = [0; SIGNED_BYTES + TAG_BYTES];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).map_err(|_| Invalid)?;
        if length != bytes.len() {
            return Err(Invalid);
        }
        let (signed, tag) = bytes.split_at(SIGNED_BYTES);
        let key_id = u16::from_be_bytes([signed[2], signed[3]]);
        let genuine = ring.verifies(key_id, LABEL, &[host.as_bytes(), signed], tag);
        if !genuine || signed[0] != VERSION || signed[1] != purpose as u8 {
            return Err(Invalid);
        }
        let seconds = u32::from_be_bytes([signed[22], signed[23], signed[24], signed[25]]);
        Ok(Self {
            purpose,
            subject: Uuid::from_slice(&signed[4..20]).map_err(|_| Invalid)?,
            slot: u16::from_be_bytes([signed[20], signed[21]]),
            expires: Timestamp::from_second(i64::from(seconds)).map_err(|_| Invalid)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(purpose: Purpose) -> Token {
        Token {
            purpose,
            subject: Uuid::now_v7(),
            slot: ALL_RECIPIENTS,
            expires: Timestamp::from_second(2_000_000_000).unwrap(),
        }
    }

    #[test]
    fn a_token_is_56_characters_that_survive_every_mail_program() {
        let text = token(Purpose::Release).mint(&KeyRing::ephemeral(), "mail.example");
        assert_eq!(text.len(), 56);
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
    }

    #[test]
    fn l_07_l_23_another_purpose_host_or_instance_is_refused() {
        let ring = KeyRing::ephemeral();
        let all = [
            Purpose::Release,
            Purpose::Appeal,
            Purpose::Recipient,
            Purpose::Flag,
            Purpose::Message,
            Purpose::Session,
        ];
        for minted in all {
            let text = token(minted).mint(&ring, "mail.example");
            for asked in all {
                let read = Token::verify(&ring, "mail.example", asked, &text);
                assert_eq!(read.is_ok(), minted == asked);
            }
            assert_eq!(Token::verify(&ring, "other.example", minted, &text), Err(Invalid));
            let stranger = KeyRing::ephemeral();
            assert_eq!(Token::verify(&stranger, "mail.example", minted, &text), Err(Invalid));
        }
    }

    #[test]
    fn l_08_another_version_or_key_is_refused() {
        let ring = KeyRing::ephemeral();
        let text = token(Purpose::Release).mint(&ring, "h");
        let genuine = URL_SAFE_NO_PAD.decode(text).unwrap();
        for (at, value) in [(0, 0), (0, 2), (0, 255), (2, 255), (3, 99), (1, 2)] {
            let mut forged = genuine.clone();
            forged[at] = value;
            let text = URL_SAFE_NO_PAD.encode(forged);
            assert_eq!(Token::verify(&ring, "h", Purpose::Release, &text), Err(Invalid));
        }
    }

    #[test]
    fn l_10_expiry_is_exact_to_the_second() {
        let token = token(Purpose::Release);
        let at = |seconds: i64| Timestamp::from_second(2_000_000_000 + seconds).unwrap();
        assert!(!token.has_expired(at(-1)));
        assert!(token.has_expired(at(0)));
        assert!(token.has_expired(at(1)));
    }

    proptest! {
        #[test]
        fn what_was_minted_is_read_back(slot: u16, seconds: u32, subject: u128) {
            let ring = KeyRing::ephemeral();
            let token = Token {
                purpose: Purpose::Release,
                subject: Uuid::from_u128(subject),
                slot,
                expires: Timestamp::from_second(i64::from(seconds)).unwrap(),
            };
            let text = token.mint(&ring, "h");
            prop_assert_eq!(Token::verify(&ring, "h", Purpose::Release, &text), Ok(token));
        }

        #[test]
        fn one_changed_bit_is_refused(bit in 0usize..42 * 8) {
            let ring = KeyRing::ephemeral();
            let mut bytes = URL_SAFE_NO_PAD.decode(token(Purpose::Flag).mint(&ring, "h")).unwrap();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let text = URL_SAFE_NO_PAD.encode(bytes);
            prop_assert_eq!(Token::verify(&ring, "h", Purpose::Flag, &text), Err(Invalid));
        }

        #[test]
        fn no_text_breaks_the_reader(text in ".{0,200}") {
            let ring = KeyRing::ephemeral();
            prop_assert_eq!(Token::verify(&ring, "h", Purpose::Release, &text), Err(Invalid));
        }
    }
}

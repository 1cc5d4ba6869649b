//! One-time codes (TOTP, RFC 6238): six digits, thirty seconds, SHA-1 as every
//! authenticator program reads it; one step of clock difference either way.
//!
//! A step that was used, and all before it, never opens again (section 5.2).
//! In the store the secret is [`Kept`], encrypted with a key of the ring: who
//! reads a backup makes no codes of it.

use minicbor::{Decode, Encode};
use totp_rs::{Builder, Secret};
use zeroize::Zeroizing;

use super::Login;
use crate::clock::Timestamp;
use crate::link::{Encrypted, KeyRing};

/// RFC 4226 section 4 recommends 160 bits.
const SECRET_BYTES: usize = 20;
/// Separates these secrets from everything else that the same keys encrypt.
const LABEL: &str = "reprieve totp secret v1";

/// What makes and checks the codes of one account.
#[derive(Clone, PartialEq, Eq)]
pub struct Totp {
    secret: Zeroizing<Vec<u8>>,
    /// The last step that was used.
    last_step: u64,
}

/// A [`Totp`] as it stands in the store.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Kept {
    /// The secret as it stood in records before version 2; empty since.
    #[cbor(n(0), with = "minicbor::bytes")]
    plain: Vec<u8>,
    #[n(1)]
    last_step: u64,
    #[n(2)]
    encrypted: Option<Encrypted>,
}

impl std::fmt::Debug for Totp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Totp(last step {})", self.last_step)
    }
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Kept(last step {})", self.last_step)
    }
}

impl Kept {
    /// Encrypts it for this account under the active key.
    pub fn of(totp: &Totp, ring: &KeyRing, login: &Login) -> Self {
        let encrypted = ring.encrypt(LABEL, login.as_str(), &totp.secret);
        Self { plain: Vec::new(), last_step: totp.last_step, encrypted: Some(encrypted) }
    }

    /// `None`: the key that encrypted it is not in the ring any more.
    pub fn open(&self, ring: &KeyRing, login: &Login) -> Option<Totp> {
        let secret = match &self.encrypted {
            Some(encrypted) => ring.decrypt(LABEL, login.as_str(), encrypted)?,
            None => Zeroizing::new(self.plain.clone()),
        };
        Some(Totp { secret, last_step: self.last_step })
    }

    /// As older programs wrote it.
    #[cfg(test)]
    pub(super) fn plain(totp: &Totp) -> Self {
        Self { plain: totp.secret.to_vec(), last_step: totp.last_step, encrypted: None }
    }

    /// Whether it stands there plain, or under another key than the active.
    pub fn is_stale(&self, ring: &KeyRing) -> bool {
        self.encrypted.as_ref().is_none_or(|encrypted| ring.is_stale(encrypted))
    }
}

impl Totp {
    /// A random secret.
    ///
    /// # Panics
    /// If the system gives no random bytes.
    pub fn new() -> Self {
        let mut secret = Zeroizing::new(vec![0; SECRET_BYTES]);
        getrandom::fill(&mut secret).expect("the system has random bytes");
        Self { secret, last_step: 0 }
    }

    /// From the text of [`Totp::base32`].
    pub fn from_base32(text: &str) -> Option<Self> {
        let secret = Zeroizing::new(Secret::try_from_base32(text.trim()).ok()?.as_bytes().to_vec());
        (secret.len() == SECRET_BYTES).then_some(Self { secret, last_step: 0 })
    }

    /// For typing into an authenticator by hand.
    pub fn base32(&self) -> String {
        Secret::from(self.secret.to_vec()).to_base32()
    }

    /// `otpauth://…` for an authenticator to read.
    pub fn url(&self, login: &str, issuer: &str) -> String {
        let issuer = issuer.replace(':', " ");
        let built = self.builder().with_account_name(login).with_issuer(Some(issuer)).build();
        built.ok().and_then(|totp| totp.to_url().ok()).unwrap_or_default()
    }

    /// Whether `code` opens now; then it and all before it never will again.
    pub fn take(&mut self, code: &str, now: Timestamp) -> bool {
        let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
        let Ok(second) = u64::try_from(now.as_second()) else { return false };
        let Ok(totp) = self.builder().build() else { return false };
        match totp.check(&code, second) {
            Some(step) if step > self.last_step => {
                self.last_step = step;
                true
            }
            _ => false,
        }
    }

    /// The code of this moment: for tests and for nobody else.
    pub fn code(&self, now: Timestamp) -> String {
        let second = u64::try_from(now.as_second()).unwrap_or(0);
        self.builder().build().map(|totp| totp.generate(second).to_string()).unwrap_or_default()
    }

    fn builder(&self) -> Builder {
        Builder::new().with_secret(self.secret.to_vec()).with_skew(1)
    }
}

impl Default for Totp {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SignedDuration;

    #[test]
    fn a_02_a_code_opens_once_and_one_step_either_way() {
        let now = Timestamp::from_second(1_795_600_005).unwrap();
        let step = SignedDuration::from_secs(30);
        let mut totp = Totp::new();
        let (early, code, late) = (totp.code(now - step), totp.code(now), totp.code(now + step));
        assert_eq!(code.len(), 6);
        assert!(!totp.take(&totp.code(now - step - step), now), "two steps early");
        assert!(!totp.take(&totp.code(now + step + step), now), "two steps late");
        assert!(totp.take(&early, now));
        assert!(!totp.take(&early, now), "twice");
        assert!(totp.take(&code, now));
        assert!(!totp.take(&code, now), "twice");
        assert!(totp.take(&format!("{} {}", &late[..3], &late[3..]), now));
        assert!(!totp.take(&code, now), "an older one than the last");
        for bad in ["", "12345", "1234567", "abcdef", "+12345"] {
            assert!(!totp.take(bad, now), "{bad}");
        }
    }

    #[test]
    fn what_is_kept_opens_for_its_account_only() {
        let ring = KeyRing::ephemeral();
        let (anna, bo) = (Login::parse("anna").unwrap(), Login::parse("bo").unwrap());
        let totp = Totp { last_step: 7, ..Totp::new() };
        let kept = Kept::of(&totp, &ring, &anna);
        assert_eq!(kept.open(&ring, &anna), Some(totp.clone()));
        assert_eq!(kept.open(&ring, &bo), None, "laid under another name");
        assert!(!kept.is_stale(&ring));
        let bytes = minicbor::to_vec(&kept).unwrap();
        assert!(!bytes.windows(SECRET_BYTES).any(|part| part == &totp.secret[..]));
        assert_eq!(minicbor::decode::<Kept>(&bytes).unwrap(), kept);
    }

    #[test]
    fn what_was_kept_plain_is_still_read() {
        // [secret, last step], as it was written before.
        let mut bytes = vec![0x82, 0x54];
        bytes.extend_from_slice(b"12345678901234567890");
        bytes.push(7);
        let kept: Kept = minicbor::decode(&bytes).unwrap();
        let ring = KeyRing::ephemeral();
        assert!(kept.is_stale(&ring));
        let totp = kept.open(&ring, &Login::parse("anna").unwrap()).unwrap();
        assert_eq!(
            (totp.base32().as_str(), totp.last_step),
            ("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", 7)
        );
    }

    #[test]
    fn it_is_what_authenticators_read() {
        // RFC 6238 appendix B, SHA-1, 59 s: 94287082.
        let mut totp = Totp { secret: b"12345678901234567890".to_vec().into(), last_step: 0 };
        assert!(totp.take("287082", Timestamp::from_second(59).unwrap()));
        assert_eq!(totp.base32(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(Totp::from_base32(&totp.base32()).unwrap().base32(), totp.base32());
        assert!(Totp::from_base32("GEZDGNBV").is_none());
        let url = totp.url("anna", "Example: Oy");
        assert!(url.starts_with("otpauth://totp/"), "{url}");
        assert!(url.contains("secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"), "{url}");
    }
}

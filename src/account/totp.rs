//! One-time codes (TOTP, RFC 6238): six digits, thirty seconds, SHA-1 as every
//! authenticator program reads it; one step of clock difference either way.
//!
//! A step that was used, and all before it, never opens again (section 5.2).

use minicbor::{Decode, Encode};
use totp_rs::{Builder, Secret};

use crate::clock::Timestamp;

/// RFC 4226 section 4 recommends 160 bits.
const SECRET_BYTES: usize = 20;

/// What makes and checks the codes of one account.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Totp {
    #[cbor(n(0), with = "minicbor::bytes")]
    secret: Vec<u8>,
    /// The last step that was used.
    #[n(1)]
    last_step: u64,
}

impl std::fmt::Debug for Totp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Totp(last step {})", self.last_step)
    }
}

impl Totp {
    /// A random secret.
    ///
    /// # Panics
    /// If the system gives no random bytes.
    pub fn new() -> Self {
        let mut secret = vec![0; SECRET_BYTES];
        getrandom::fill(&mut secret).expect("the system has random bytes");
        Self { secret, last_step: 0 }
    }

    /// From the text of [`Totp::base32`].
    pub fn from_base32(text: &str) -> Option<Self> {
        let secret = Secret::try_from_base32(text.trim()).ok()?.as_bytes().to_vec();
        (secret.len() == SECRET_BYTES).then_some(Self { secret, last_step: 0 })
    }

    /// For typing into an authenticator by hand.
    pub fn base32(&self) -> String {
        Secret::from(self.secret.clone()).to_base32()
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
        Builder::new().with_secret(self.secret.clone()).with_skew(1)
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
    fn it_is_what_authenticators_read() {
        // RFC 6238 appendix B, SHA-1, 59 s: 94287082.
        let mut totp = Totp { secret: b"12345678901234567890".to_vec(), last_step: 0 };
        assert!(totp.take("287082", Timestamp::from_second(59).unwrap()));
        assert_eq!(totp.base32(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(Totp::from_base32(&totp.base32()).unwrap().base32(), totp.base32());
        assert!(Totp::from_base32("GEZDGNBV").is_none());
        let url = totp.url("anna", "Example: Oy");
        assert!(url.starts_with("otpauth://totp/"), "{url}");
        assert!(url.contains("secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"), "{url}");
    }
}

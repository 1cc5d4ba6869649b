//! Form nonces: a form is answered only with the page that asked.
//!
//! Each nonce is sealed for one token on one host and one step, older than a
//! second (robots press at once) and younger than an hour. It needs no
//! session and no cookie, and it is not the single use: that is the held
//! record's state. Because it binds the form to a secret that only the
//! holder of the link has, a cross-site form cannot have one, whatever Origin
//! says (with `Referrer-Policy: no-referrer` browsers send `Origin: null`).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::clock::{Clock, SignedDuration, Timestamp};
use crate::link::KeyRing;

const LABEL: &str = "reprieve form v1";
const YOUNGEST: SignedDuration = SignedDuration::from_secs(1);
const OLDEST: SignedDuration = SignedDuration::from_hours(1);
const BYTES: usize = 2 + 8 + 16;

/// Makes and checks nonces. Clones share the keys.
#[derive(Clone)]
pub struct Nonces {
    ring: KeyRing,
    clock: Clock,
}

/// Why a form is asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stale {
    #[error("the form has no nonce of this page and step")]
    Foreign,
    #[error("the form came back within a second")]
    TooYoung,
    #[error("the form lay open for more than an hour")]
    TooOld,
}

impl Nonces {
    pub fn new(ring: KeyRing, clock: Clock) -> Self {
        Self { ring, clock }
    }

    /// A nonce for the form of `step` on the page of `token` at `host`: a
    /// secret of who sees the page.
    pub fn mint(&self, host: &str, token: &str, step: &str) -> String {
        let issued = self.clock.now().as_microsecond().to_be_bytes();
        let (key, tag) = self.ring.seal(LABEL, &parts(host, token, step, &issued));
        let mut bytes = [0; BYTES];
        bytes[..2].copy_from_slice(&key.to_be_bytes());
        bytes[2..10].copy_from_slice(&issued);
        bytes[10..].copy_from_slice(&tag);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// # Errors
    /// [`Stale`]; the ages are told apart only for genuine nonces.
    pub fn check(&self, host: &str, token: &str, step: &str, text: &str) -> Result<(), Stale> {
        let mut bytes = [0; BYTES];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).map_err(|_| Stale::Foreign)?;
        if length != BYTES {
            return Err(Stale::Foreign);
        }
        let key = u16::from_be_bytes([bytes[0], bytes[1]]);
        let mut issued = [0; 8];
        issued.copy_from_slice(&bytes[2..10]);
        if !self.ring.unseals(LABEL, &parts(host, token, step, &issued), key, &bytes[10..]) {
            return Err(Stale::Foreign);
        }
        let issued = Timestamp::from_microsecond(i64::from_be_bytes(issued));
        let age = self.clock.now().duration_since(issued.map_err(|_| Stale::Foreign)?);
        if age < YOUNGEST {
            return Err(Stale::TooYoung);
        }
        if age >= OLDEST {
            return Err(Stale::TooOld);
        }
        Ok(())
    }
}

fn parts<'a>(host: &'a str, token: &'a str, step: &'a str, issued: &'a [u8; 8]) -> [&'a [u8]; 4] {
    [host.as_bytes(), token.as_bytes(), step.as_bytes(), issued]
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELEASE: &str = "release";
    const DECLARE: &str = "declare";

    fn nonces() -> (Nonces, Clock) {
        let clock = Clock::stopped_at(Timestamp::from_second(1_800_000_000).unwrap());
        (Nonces::new(KeyRing::ephemeral(), clock.clone()), clock)
    }

    #[test]
    fn l_03_a_nonce_is_for_one_token_host_step_and_hour() {
        let (nonces, clock) = nonces();
        let nonce = nonces.mint("h", "t", RELEASE);
        assert_eq!(nonces.check("h", "t", RELEASE, &nonce), Err(Stale::TooYoung));
        clock.advance(SignedDuration::from_millis(999));
        assert_eq!(nonces.check("h", "t", RELEASE, &nonce), Err(Stale::TooYoung));
        clock.advance(SignedDuration::from_millis(1));
        assert_eq!(nonces.check("h", "t", RELEASE, &nonce), Ok(()));
        assert_eq!(nonces.check("h", "t", DECLARE, &nonce), Err(Stale::Foreign));
        assert_eq!(nonces.check("h", "u", RELEASE, &nonce), Err(Stale::Foreign));
        assert_eq!(nonces.check("i", "t", RELEASE, &nonce), Err(Stale::Foreign));
        clock.advance(SignedDuration::from_hours(1));
        assert_eq!(nonces.check("h", "t", RELEASE, &nonce), Err(Stale::TooOld));
    }

    #[test]
    fn l_03_a_nonce_cannot_be_made_older_or_from_the_future() {
        let (nonces, clock) = nonces();
        let nonce = nonces.mint("h", "t", RELEASE);
        clock.advance(SignedDuration::from_secs(5));
        for at in 0..nonce.len() {
            let mut forged = nonce.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            if forged != nonce {
                let answer = nonces.check("h", "t", RELEASE, &forged);
                assert_eq!(answer, Err(Stale::Foreign), "{at}");
            }
        }
        clock.advance(SignedDuration::from_secs(-60));
        assert_eq!(nonces.check("h", "t", RELEASE, &nonce), Err(Stale::TooYoung));
        assert_eq!(nonces.check("h", "t", RELEASE, ""), Err(Stale::Foreign));
    }
}

//! Passwords: argon2id (RFC 9106), two at a time, aside from the runtime.
//!
//! OWASP's floor: 19 MiB, two passes, one lane. A verification takes that
//! memory and tens of milliseconds, so two run at once and the rest wait
//! their turn; mail is received meanwhile. Who has no account costs the same
//! time as who has one.

use std::sync::{Arc, LazyLock};

use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// At once.
const PARALLEL: usize = 2;
/// Characters (NIST SP 800-63B asks for 8 with a second factor; 15 without).
const SHORTEST: usize = 12;
const LONGEST_BYTES: usize = 1024;

/// What a guess costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    kibibytes: u32,
    passes: u32,
}

impl Cost {
    /// What is used outside of tests: 19 MiB, two passes.
    pub const FULL: Self = Self { kibibytes: 19 * 1024, passes: 2 };
    /// For tests alone.
    pub const NONE: Self = Self { kibibytes: 8, passes: 1 };
}

/// Why a password cannot be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPassword {
    #[error("a password needs at least 12 characters")]
    Short,
    #[error("a password has at most 1,024 bytes")]
    Long,
    #[error("passwords cannot be hashed now: the system gives no memory or no random bytes")]
    System,
}

/// Hashes and verifies. Clones share the two places.
#[derive(Clone)]
pub struct Passwords {
    places: Arc<Semaphore>,
    cost: Cost,
}

impl Passwords {
    pub fn new(cost: Cost) -> Self {
        Self { places: Arc::new(Semaphore::new(PARALLEL)), cost }
    }

    /// Whether this could be a password at all; asked before anything costs.
    ///
    /// # Errors
    /// [`BadPassword`].
    pub fn fits(password: &str) -> Result<(), BadPassword> {
        if password.len() > LONGEST_BYTES {
            return Err(BadPassword::Long);
        }
        if password.chars().count() < SHORTEST {
            return Err(BadPassword::Short);
        }
        Ok(())
    }

    /// The PHC string of a password.
    ///
    /// # Errors
    /// [`BadPassword`].
    pub async fn hash(&self, password: &str) -> Result<String, BadPassword> {
        Self::fits(password)?;
        let cost = self.cost;
        let password = Zeroizing::new(password.to_owned());
        let hashed = self.aside(move || {
            let hash = argon(cost).hash_password(password.as_bytes()).ok()?;
            Some(hash.to_string())
        });
        hashed.await.flatten().ok_or(BadPassword::System)
    }

    /// Whether `password` is the one of `hash`. Without a hash (nobody of
    /// that name) it takes as long, and is wrong.
    pub async fn verify(&self, password: &str, hash: Option<&str>) -> bool {
        if password.len() > LONGEST_BYTES {
            return false;
        }
        let known = hash.is_some();
        let hash = hash.map_or_else(|| nobody(self.cost), str::to_owned);
        let cost = self.cost;
        let password = Zeroizing::new(password.to_owned());
        let right = self.aside(move || {
            let verified =
                PasswordVerifier::<str>::verify_password(&argon(cost), password.as_bytes(), &hash);
            verified.is_ok()
        });
        right.await.unwrap_or(false) && known
    }

    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let place = Arc::clone(&self.places).acquire_owned().await.ok()?;
        let done = tokio::task::spawn_blocking(move || {
            // Held by the work and not by who asked: he may have gone.
            let _place = place;
            work()
        });
        done.await.ok()
    }
}

fn argon(cost: Cost) -> Argon2<'static> {
    let params = Params::new(cost.kibibytes, cost.passes, 1, None);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params.unwrap_or(Params::DEFAULT))
}

/// A hash that nothing is the password of, with the same cost.
fn nobody(cost: Cost) -> String {
    static HASH: LazyLock<String> = LazyLock::new(|| {
        let hash = argon(Cost::NONE).hash_password(&[0xff; 32]);
        hash.map(|hash| hash.to_string()).unwrap_or_default()
    });
    HASH.replace("m=8,t=1", &format!("m={},t={}", cost.kibibytes, cost.passes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_03_the_hash_is_argon2id_of_the_named_cost() {
        let hash = Passwords::new(Cost::FULL).hash("correct horse battery").await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_eq!(nobody(Cost::FULL).split('$').nth(3), hash.split('$').nth(3));
    }

    #[tokio::test]
    async fn a_03_lengths() {
        let passwords = Passwords::new(Cost::NONE);
        let long = "x".repeat(1024 * 1024);
        assert_eq!(passwords.hash(&long).await, Err(BadPassword::Long));
        assert!(!passwords.verify(&long, None).await);
        assert_eq!(passwords.hash("ääääääääää").await, Err(BadPassword::Short));
        let sixty_four = "p".repeat(64);
        let hash = passwords.hash(&sixty_four).await.unwrap();
        assert!(passwords.verify(&sixty_four, Some(&hash)).await);
        assert!(!passwords.verify(&sixty_four[1..], Some(&hash)).await);
        assert!(!passwords.verify(&sixty_four, None).await);
        assert!(!passwords.verify("", Some("")).await);
    }

    #[tokio::test]
    async fn a_03_only_two_are_verified_at_once() {
        let passwords = Passwords::new(Cost::NONE);
        let (one, two) = (passwords.places.clone(), passwords.places.clone());
        let held = (one.acquire_owned().await.unwrap(), two.acquire_owned().await.unwrap());
        let mut third = Box::pin(passwords.verify("a password", None));
        assert!(futures_util::poll!(third.as_mut()).is_pending());
        drop(held);
        assert!(!third.await);
    }
}

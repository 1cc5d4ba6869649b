//! URLs of links: built from configuration, never from a Host header.

use super::{Invalid, KeyRing, Purpose, Token};

/// Makes and reads the links of one installation. Clones share the keys.
#[derive(Clone)]
pub struct Links {
    ring: KeyRing,
    scheme: &'static str,
    /// Host, and port where it is not the scheme's own.
    host: String,
}

/// `portal.url` is not usable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a portal address; write scheme and host only, like https://mail.example.com")]
pub struct BadBase(pub String);

impl Links {
    /// `base` is `portal.url`: `https://host[:port]`, or `http://` for tests
    /// and the demo; no path.
    ///
    /// # Errors
    /// [`BadBase`] for anything else.
    pub fn new(ring: KeyRing, base: &str) -> Result<Self, BadBase> {
        let bad = || BadBase(base.to_owned());
        let (scheme, rest) = base.trim_end_matches('/').split_once("://").ok_or_else(bad)?;
        let scheme = match scheme {
            "https" => "https",
            "http" => "http",
            _ => return Err(bad()),
        };
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-.:[]".contains(&b);
        if rest.is_empty() || !rest.bytes().all(plain) {
            return Err(bad());
        }
        Ok(Self { ring, scheme, host: rest.to_ascii_lowercase() })
    }

    pub fn ring(&self) -> &KeyRing {
        &self.ring
    }

    /// The installation's own host (with port), as it is signed into tokens.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The whole link, on an organisation's own host if it has one.
    pub fn url(&self, host: Option<&str>, token: &Token) -> String {
        let host = host.unwrap_or(&self.host);
        format!(
            "{}://{host}/{}/{}",
            self.scheme,
            token.purpose.path(),
            token.mint(&self.ring, host)
        )
    }

    /// `path` (with its leading slash) on the installation's or an
    /// organisation's host.
    pub fn page(&self, host: Option<&str>, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, host.unwrap_or(&self.host))
    }

    /// Reads a token that came to `host`.
    ///
    /// # Errors
    /// [`Invalid`], whatever is wrong.
    pub fn read(&self, host: &str, purpose: Purpose, text: &str) -> Result<Token, Invalid> {
        Token::verify(&self.ring, host, purpose, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_scheme_and_host_only() {
        let base = |text| Links::new(KeyRing::ephemeral(), text).map(|links| links.host);
        assert_eq!(base("https://Mail.Example.com/").as_deref(), Ok("mail.example.com"));
        assert_eq!(base("http://127.0.0.1:8080").as_deref(), Ok("127.0.0.1:8080"));
        for bad in ["", "mail.example.com", "ftp://a", "https://", "https://a/b", "https://a?b"] {
            assert!(base(bad).is_err(), "{bad}");
        }
    }
}

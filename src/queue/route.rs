//! Which server takes mail for which domain: a smarthost, or routes by domain.

use std::collections::HashMap;
use std::fmt;

use crate::mail::Domain;

/// A mail server that we hand mail to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NextHop {
    /// A name or an address literal without brackets (every address that the
    /// name has is tried in turn), or the path of a Unix socket, which begins
    /// with a slash and needs no TLS.
    pub host: String,
    /// Of no meaning for a Unix socket.
    pub port: u16,
    pub protocol: Protocol,
    pub tls: TlsPolicy,
    /// What we say in EHLO or LHLO: our own full host name.
    pub helo: String,
    pub auth: Option<Auth>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// RFC 5321.
    #[default]
    Smtp,
    /// RFC 2033: one reply for each recipient behind DATA.
    Lmtp,
}

/// STARTTLS (RFC 3207) on the way to a next hop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TlsPolicy {
    /// Never.
    None,
    /// Where it is offered and works, whatever the certificate says (RFC 7435);
    /// else in the clear.
    #[default]
    Opportunistic,
    /// Always, whatever the certificate says.
    Required,
    /// Always, with a certificate for the host's name from a trusted root.
    Verified,
}

/// SMTP AUTH (RFC 4954) by PLAIN or LOGIN; sent over TLS or loopback only.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Auth {
    pub login: String,
    pub password: String,
}

/// The next hop of every domain.
#[derive(Clone, Debug)]
pub struct Routes {
    /// For every domain without a route of its own.
    pub default: NextHop,
    pub per_domain: HashMap<Domain, NextHop>,
}

impl NextHop {
    /// Whether the host is the path of a Unix socket.
    pub fn is_socket(&self) -> bool {
        self.host.starts_with('/')
    }
}

impl Routes {
    pub fn next_hop(&self, domain: &Domain) -> &NextHop {
        self.per_domain.get(domain).unwrap_or(&self.default)
    }
}

impl fmt::Debug for Auth {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("login", &self.login).finish_non_exhaustive()
    }
}

impl fmt::Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_socket() {
            f.write_str(&self.host)
        } else if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

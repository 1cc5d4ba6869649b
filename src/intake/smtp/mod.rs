//! The SMTP door: a strict ESMTP server (RFC 5321).
//!
//! [`Server::serve`] runs a [`session`] for each connection of a listener
//! that it is given. A session reads [`command`]s and [`data`], asks the
//! intake, and, in front of another server, is a [`relay`] to it. [`limits`]
//! say what a client may cost; [`forward`] and the PROXY header say whom a
//! listed proxy speaks for.

pub mod command;
pub mod data;
pub mod forward;
mod judge;
pub mod limits;
mod proxy;
pub mod relay;
mod server;
mod session;
#[cfg(test)]
mod tests;
pub mod tls;
mod transaction;
pub mod verification;
mod wire;

pub use limits::Limits;
pub use relay::NextHop;
pub use server::{Door, Server};
pub use tls::Certificate;

pub(in crate::intake) use transaction::flaw_reply;

use ipnet::IpNet;

/// How the door behaves.
#[derive(Clone)]
pub struct Settings {
    /// Our name in the greeting and in trace headers.
    pub hostname: String,
    pub limits: Limits,
    /// STARTTLS is offered if there is one.
    pub certificate: Option<Certificate>,
    /// Peers that may send XFORWARD.
    pub xforward: Vec<IpNet>,
    /// Peers that may send XCLIENT.
    pub xclient: Vec<IpNet>,
    /// Peers that may connect to a listener with PROXY headers.
    pub proxies: Vec<IpNet>,
    /// Old devices whose lone CR or LF is taken for CRLF.
    pub normalised: Vec<IpNet>,
    /// Peers whose connections are not counted one by one: our own relays.
    pub uncounted: Vec<IpNet>,
    /// The server that accepted mail is passed on to inside the session.
    pub next_hop: Option<NextHop>,
    /// How long its answers to RCPT are remembered.
    pub verification: verification::Times,
}

impl Settings {
    /// Settings of a plain server with nobody listed.
    pub fn new(hostname: impl Into<String>) -> Self {
        Self {
            hostname: hostname.into(),
            limits: Limits::default(),
            certificate: None,
            xforward: Vec::new(),
            xclient: Vec::new(),
            proxies: Vec::new(),
            normalised: Vec::new(),
            uncounted: Vec::new(),
            next_hop: None,
            verification: verification::Times::default(),
        }
    }
}

/// Whether one of `networks` holds `ip`.
fn listed(networks: &[IpNet], ip: std::net::IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&ip))
}

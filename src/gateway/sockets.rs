//! The listeners: from systemd by name (`LISTEN_FDNAMES`: smtp, smtp-proxied,
//! portal, operations), from a caller that bound them, or bound here.

use std::io;
use std::net::{SocketAddr, TcpListener};

use listenfd::ListenFd;

use crate::config::Listen;

/// Bound listeners, each for one door.
#[derive(Debug, Default)]
pub struct Sockets {
    pub smtp: Vec<TcpListener>,
    pub smtp_proxied: Vec<TcpListener>,
    pub portal: Option<TcpListener>,
    pub operations: Option<TcpListener>,
}

/// A port cannot be had.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot listen on {address} ({key}): {source}; another program may have it, or it needs CAP_NET_BIND_SERVICE"
)]
pub struct BindError {
    key: &'static str,
    address: SocketAddr,
    source: io::Error,
}

impl Sockets {
    /// The sockets that systemd passed. Those without a name that we know are
    /// for SMTP, as there is only one door that everybody has.
    ///
    /// # Errors
    /// If what was passed is not a listening socket.
    pub fn from_systemd() -> io::Result<Self> {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let names: Vec<&str> = names.split(':').collect();
        let mut passed = ListenFd::from_env();
        let mut sockets = Self::default();
        for place in 0..passed.len() {
            let Some(listener) = passed.take_tcp_listener(place)? else { continue };
            match names.get(place).copied() {
                Some("portal") => sockets.portal = Some(listener),
                Some("operations") => sockets.operations = Some(listener),
                Some("smtp-proxied") => sockets.smtp_proxied.push(listener),
                _ => sockets.smtp.push(listener),
            }
        }
        Ok(sockets)
    }

    /// Binds every door that has no socket yet.
    pub(super) fn bind(mut self, listen: &Listen) -> Result<Self, BindError> {
        if self.smtp.is_empty() {
            self.smtp = all("listen.smtp", &listen.smtp)?;
        }
        if self.smtp_proxied.is_empty() {
            self.smtp_proxied = all("listen.smtp_proxied", &listen.smtp_proxied)?;
        }
        if self.portal.is_none() {
            self.portal = Some(one("listen.portal", listen.portal)?);
        }
        if self.operations.is_none() {
            self.operations = Some(one("listen.operations", listen.operations)?);
        }
        Ok(self)
    }
}

pub(super) fn all(
    key: &'static str,
    addresses: &[SocketAddr],
) -> Result<Vec<TcpListener>, BindError> {
    addresses.iter().map(|address| one(key, *address)).collect()
}

fn one(key: &'static str, address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).map_err(|source| BindError { key, address, source })
}

/// The runtime's form of a bound listener.
pub(super) fn listening(listener: TcpListener) -> io::Result<tokio::net::TcpListener> {
    listener.set_nonblocking(true)?;
    tokio::net::TcpListener::from_std(listener)
}

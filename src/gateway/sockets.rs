//! The listeners: from systemd by name (`LISTEN_FDNAMES`: smtp, smtp-proxied,
//! milter, portal, operations), from a caller that bound them, or bound here.

use std::fs::{self, Permissions};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use listenfd::ListenFd;

use crate::config::{Config, MilterAt};
use crate::intake::milter;

/// Bound listeners, each for one door.
#[derive(Debug, Default)]
pub struct Sockets {
    pub smtp: Vec<TcpListener>,
    pub smtp_proxied: Vec<TcpListener>,
    pub milter: Vec<TcpListener>,
    pub milter_unix: Vec<UnixListener>,
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
    address: String,
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
            let name = names.get(place).copied();
            if name == Some("milter")
                && let Ok(Some(listener)) = passed.take_unix_listener(place)
            {
                sockets.milter_unix.push(listener);
                continue;
            }
            let Some(listener) = passed.take_tcp_listener(place)? else { continue };
            match name {
                Some("milter") => sockets.milter.push(listener),
                Some("portal") => sockets.portal = Some(listener),
                Some("operations") => sockets.operations = Some(listener),
                Some("smtp-proxied") => sockets.smtp_proxied.push(listener),
                _ => sockets.smtp.push(listener),
            }
        }
        Ok(sockets)
    }

    /// Binds every door that has no socket yet.
    pub(super) fn bind(mut self, config: &Config) -> Result<Self, BindError> {
        let listen = &config.listen;
        if self.milter.is_empty() && self.milter_unix.is_empty() {
            for at in &config.milter.listen {
                match at {
                    MilterAt::Tcp(address) => self.milter.push(one("milter.listen", *address)?),
                    MilterAt::Unix(path) => self.milter_unix.push(socket(path)?),
                }
            }
        }
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
    let failed = |source| BindError { key, address: address.to_string(), source };
    TcpListener::bind(address).map_err(failed)
}

/// A Unix socket for the milter, for our group too. What an earlier run left
/// behind goes first, unless somebody listens there.
fn socket(path: &Path) -> Result<UnixListener, BindError> {
    let bind = || {
        let stale = fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket())
            && UnixStream::connect(path).is_err();
        if stale {
            fs::remove_file(path)?;
        }
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, Permissions::from_mode(0o660))?;
        Ok(listener)
    };
    let address = path.display().to_string();
    bind().map_err(|source| BindError { key: "milter.listen", address, source })
}

/// The runtime's form of a bound listener.
pub(super) fn listening(listener: TcpListener) -> io::Result<tokio::net::TcpListener> {
    listener.set_nonblocking(true)?;
    tokio::net::TcpListener::from_std(listener)
}

/// The same for the milter's doors.
pub(super) fn milters(
    tcp: Vec<TcpListener>,
    unix: Vec<UnixListener>,
) -> io::Result<Vec<milter::Listener>> {
    let tcp = tcp.into_iter().map(|one| listening(one).map(milter::Listener::Tcp));
    let unix = unix.into_iter().map(|one| {
        one.set_nonblocking(true)?;
        tokio::net::UnixListener::from_std(one).map(milter::Listener::Unix)
    });
    tcp.chain(unix).collect()
}

//! Where mail and people come in: `[listen]`, `[portal]`, `[networks]`,
//! `[smtp]` and `[milter]`.
//!
//! Defaults stand here as TOML text, and again, held together by a test, in
//! `deploy/reprieve.toml`.

use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use toml::Value;

use super::reader::{Mistake, Section};
use super::value;
use crate::mail::{Domain, Limits};

type Read<T> = Result<T, Mistake>;

/// `[listen]`: where the doors are.
#[derive(Clone, Debug)]
pub struct Listen {
    pub smtp: Vec<SocketAddr>,
    /// Here every connection begins with a PROXY header.
    pub smtp_proxied: Vec<SocketAddr>,
    pub portal: SocketAddr,
    pub operations: SocketAddr,
}

/// `[portal]`
#[derive(Clone, Debug)]
pub struct Portal {
    /// Scheme and host of every link.
    pub url: String,
    /// Whose X-Forwarded-For is believed.
    pub proxies: Vec<IpNet>,
    /// Whether everybody may see `/stats`.
    pub statistics: bool,
}

/// `[networks]`: whose mail is treated otherwise (DESIGN section 2.0).
#[derive(Clone, Debug)]
pub struct Networks {
    pub own: Vec<IpNet>,
    pub relays: Vec<IpNet>,
    /// May send XFORWARD, XCLIENT and PROXY headers.
    pub proxies: Vec<IpNet>,
    /// Lone CR and LF from here become CRLF instead of a refusal.
    pub normalise: Vec<IpNet>,
}

/// `[smtp]`
#[derive(Clone, Debug)]
pub struct Smtp {
    pub hostname: Domain,
    pub limits: Limits,
    pub tls: Option<Tls>,
    pub recipients: usize,
    pub connections: usize,
    pub connections_per_client: usize,
    /// Bytes of all messages that are being received.
    pub receiving: usize,
    pub one_organisation_per_transaction: bool,
}

#[derive(Clone, Debug)]
pub struct Tls {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// `[milter]`: beside an MTA that asks about each message.
#[derive(Clone, Debug)]
pub struct Milter {
    /// Empty: no milter.
    pub listen: Vec<MilterAt>,
    /// MTAs that may connect over TCP.
    pub allow: Vec<IpNet>,
    pub connections: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MilterAt {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Listen {
    pub(super) fn read(mut section: Section) -> Read<Self> {
        let read = Self {
            smtp: section.or("smtp", "[\"127.0.0.1:10025\"]", value::list(value::socket))?,
            smtp_proxied: section.list_or_none(
                "smtp_proxied",
                "[\"192.0.2.1:26\"]",
                value::list(value::socket),
            )?,
            portal: section.or("portal", "\"127.0.0.1:8080\"", value::socket)?,
            operations: section.or("operations", "\"127.0.0.1:9180\"", value::socket)?,
        };
        section.finish().map(|()| read)
    }
}

impl Portal {
    pub(super) fn read(mut section: Section) -> Read<Self> {
        let read = Self {
            url: section.required("url", "\"https://mail-release.example.com\"", portal_url)?,
            proxies: section.or(
                "proxies",
                "[\"127.0.0.0/8\", \"::1/128\"]",
                value::list(value::network),
            )?,
            statistics: section.or("statistics", "false", value::flag)?,
        };
        section.finish().map(|()| read)
    }
}

/// `https://host[:port]`; `http://` only for this machine, so that a link is
/// never sent in the clear by an oversight.
fn portal_url(value: &Value) -> Result<String, String> {
    let url = value::text(value)?.trim_end_matches('/').to_owned();
    let host = url.strip_prefix("https://").or_else(|| {
        let rest = url.strip_prefix("http://")?;
        let local = ["127.0.0.1", "localhost", "[::1]"];
        local
            .iter()
            .any(|name| rest == *name || rest.starts_with(&format!("{name}:")))
            .then_some(rest)
    });
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-.:[]".contains(&b);
    match host {
        Some(host) if !host.is_empty() && host.bytes().all(plain) => Ok(url),
        _ => Err(format!("{value} is not https:// and a host name, without a path")),
    }
}

impl Networks {
    pub(super) fn read(mut section: Section) -> Read<Self> {
        let networks = || value::list(value::network);
        let read = Self {
            own: section.list_or_none("own", "[\"192.0.2.0/24\"]", networks())?,
            relays: section.list_or_none("relays", "[\"192.0.2.0/24\"]", networks())?,
            proxies: section.list_or_none("proxies", "[\"192.0.2.0/24\"]", networks())?,
            normalise: section.list_or_none("normalise", "[\"192.0.2.0/24\"]", networks())?,
        };
        section.finish().map(|()| read)
    }
}

impl Smtp {
    pub(super) fn read(mut section: Section) -> Read<Self> {
        let hostname = section.required("hostname", "\"mx.example.com\"", value::domain)?;
        let certificate =
            section.optional("tls_certificate", "\"/etc/ssl/mx.pem\"", value::path)?;
        let key = section.optional("tls_key", "\"/etc/ssl/private/mx.key\"", value::path)?;
        let tls = match (certificate, key) {
            (Some(certificate), Some(key)) => Some(Tls { certificate, key }),
            (None, None) => None,
            (Some(_), None) => {
                let wrong = "is missing beside smtp.tls_certificate";
                return Err(section.mistake("tls_key", wrong, "\"/etc/ssl/private/mx.key\""));
            }
            (None, Some(_)) => {
                let wrong = "is missing beside smtp.tls_key";
                return Err(section.mistake("tls_certificate", wrong, "\"/etc/ssl/mx.pem\""));
            }
        };
        let read = Self {
            hostname,
            tls,
            limits: Limits {
                size: section.or("size", "\"25 MiB\"", value::memory)?,
                header_bytes: section.or("header_bytes", "\"256 KiB\"", value::memory)?,
                header_count: section.or("header_count", "1000", value::whole(10))?,
                depth: section.or("depth", "32", depth)?,
                parts: section.or("parts", "1000", value::whole(1))?,
            },
            recipients: section.or("recipients", "1000", value::whole(100))?,
            connections: section.or("connections", "4000", value::whole(1))?,
            connections_per_client: section.or("connections_per_client", "50", value::whole(1))?,
            receiving: section.or("receiving", "\"512 MiB\"", value::memory)?,
            one_organisation_per_transaction: section.or(
                "one_organisation_per_transaction",
                "false",
                value::flag,
            )?,
        };
        section.finish().map(|()| read)
    }
}

/// Deeper than 100, foreign parsers may overflow their stack.
fn depth(value: &Value) -> Result<usize, String> {
    let depth = value::whole(1)(value)?;
    if depth <= 100 { Ok(depth) } else { Err(format!("{value} is deeper than 100")) }
}

impl Milter {
    pub(super) fn read(mut section: Section) -> Read<Self> {
        let read = Self {
            listen: section.list_or_none(
                "listen",
                "[\"127.0.0.1:10027\", \"unix:/run/reprieve/milter.sock\"]",
                value::list(milter_at),
            )?,
            allow: section.or(
                "allow",
                "[\"127.0.0.0/8\", \"::1/128\"]",
                value::list(value::network),
            )?,
            connections: section.or("connections", "4000", value::whole(1))?,
        };
        section.finish().map(|()| read)
    }
}

/// `address:port` or `unix:/path/to/socket`.
fn milter_at(value: &Value) -> Result<MilterAt, String> {
    match value.as_str().and_then(|text| text.strip_prefix("unix:")) {
        Some(path) if !path.is_empty() => Ok(MilterAt::Unix(PathBuf::from(path))),
        Some(_) => Err(format!("{value} names no socket")),
        None => value::socket(value)
            .map(MilterAt::Tcp)
            .map_err(|_| format!("{value} is not address:port or unix:/path")),
    }
}

//! Where mail goes: `[next_hop]`, inside the session, and `[delivery]`, from
//! the queue.
//!
//! Defaults stand here as TOML text, and again, held together by a test, in
//! `deploy/reprieve.toml`.

use std::path::PathBuf;
use std::time::Duration;

use toml::Value;

use super::reader::{Mistake, Section};
use super::value;
use crate::mail::Domain;
use crate::queue::route::TlsPolicy;

type Read<T> = Result<T, Mistake>;

/// `[next_hop]`: who takes what passes, inside the session.
#[derive(Clone, Debug)]
pub struct NextHop {
    pub server: Hop,
    /// Pass each RCPT on as it comes, and answer what it answers.
    pub ask_recipients: bool,
    /// How long its answers are remembered.
    pub known_recipients: Duration,
    pub unknown_recipients: Duration,
    pub tls: TlsPolicy,
}

/// A server to hand mail to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    pub protocol: Protocol,
    pub place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Smtp,
    Lmtp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

/// `[delivery]`: where the courier goes.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// For domains without a route that are not served; `None`: the next hop.
    pub smarthost: Option<Hop>,
    pub smarthost_auth: Option<SmarthostAuth>,
    /// Certificates that are trusted besides the system's, of every server.
    pub ca: Option<PathBuf>,
    pub routes: Vec<Route>,
    pub first_retry: Duration,
    pub longest_retry: Duration,
    pub lifetime: Duration,
    pub workers: usize,
    /// Connections at the same time to one next hop.
    pub connections: usize,
    /// Require a verified certificate of every next hop.
    pub require_tls: bool,
}

/// Who we are at the smarthost.
#[derive(Clone, Debug)]
pub struct SmarthostAuth {
    pub login: String,
    /// A file with the password in its first line.
    pub password: PathBuf,
}

#[derive(Clone, Debug)]
pub struct Route {
    pub domain: Domain,
    pub server: Hop,
}

impl NextHop {
    pub(super) fn read(mut section: Section) -> Read<Self> {
        let read = Self {
            server: section.required("server", "\"smtp:127.0.0.1:10026\"", hop)?,
            ask_recipients: section.or("ask_recipients", "true", value::flag)?,
            known_recipients: section.or("known_recipients", "\"1 h\"", value::duration)?,
            unknown_recipients: section.or("unknown_recipients", "\"3 min\"", value::duration)?,
            tls: section.or(
                "tls",
                "\"opportunistic\"",
                value::word(&[
                    ("off", TlsPolicy::None),
                    ("opportunistic", TlsPolicy::Opportunistic),
                    ("required", TlsPolicy::Required),
                    ("verified", TlsPolicy::Verified),
                ]),
            )?,
        };
        section.finish().map(|()| read)
    }
}

impl Delivery {
    pub(super) fn read(mut section: Section) -> Read<Self> {
        let routes = section.list("route", "domain")?;
        let smarthost = section.optional("smarthost", "\"smtp:127.0.0.1:10026\"", hop)?;
        let read = Self {
            smarthost_auth: smarthost_auth(&mut section, smarthost.is_some())?,
            smarthost,
            ca: section.optional("ca", "\"/etc/ssl/certs/our-ca.pem\"", value::path)?,
            first_retry: section.or("first_retry", "\"5 min\"", value::some_time)?,
            longest_retry: section.or("longest_retry", "\"4000 s\"", value::some_time)?,
            lifetime: section.or("lifetime", "\"5 days\"", value::some_time)?,
            connections: section.or("connections", "8", value::whole(1))?,
            workers: section.or("workers", "16", value::whole(1))?,
            require_tls: section.or("require_tls", "false", value::flag)?,
            routes: routes.into_iter().map(Route::read).collect::<Result<_, _>>()?,
        };
        section.finish().map(|()| read)
    }
}

/// Login and password file, both or none, and only for a smarthost.
fn smarthost_auth(section: &mut Section, smarthost: bool) -> Read<Option<SmarthostAuth>> {
    let (name, secret) = ("\"reprieve\"", "\"keys/smarthost.password\"");
    let login = section.optional("smarthost_login", name, value::text)?;
    let password = section.optional("smarthost_password", secret, value::path)?;
    match (login, password) {
        (None, None) => Ok(None),
        (Some(login), Some(password)) if smarthost => Ok(Some(SmarthostAuth { login, password })),
        (Some(_), Some(_)) => {
            let wrong = "is missing beside delivery.smarthost_login";
            Err(section.mistake("smarthost", wrong, "\"smtp:mail.example.com:587\""))
        }
        (Some(_), None) => {
            let wrong = "is missing beside delivery.smarthost_login";
            Err(section.mistake("smarthost_password", wrong, secret))
        }
        (None, Some(_)) => {
            let wrong = "is missing beside delivery.smarthost_password";
            Err(section.mistake("smarthost_login", wrong, name))
        }
    }
}

impl Route {
    fn read(mut section: Section) -> Read<Self> {
        let read = Self {
            domain: section.required("domain", "\"example.com\"", value::domain)?,
            server: section.required("server", "\"smtp:mx.example.com:25\"", hop)?,
        };
        section.finish().map(|()| read)
    }
}

/// `smtp:host:port`, `lmtp:host:port` or `lmtp:/path/to/socket`.
fn hop(value: &Value) -> Result<Hop, String> {
    let wrong = || format!("{value} is not smtp:host:port, lmtp:host:port or lmtp:/path");
    let (protocol, rest) = value.as_str().and_then(|t| t.split_once(':')).ok_or_else(wrong)?;
    let protocol = match protocol {
        "smtp" => Protocol::Smtp,
        "lmtp" => Protocol::Lmtp,
        _ => return Err(wrong()),
    };
    if rest.starts_with('/') && protocol == Protocol::Lmtp {
        return Ok(Hop { protocol, place: Place::Unix(PathBuf::from(rest)) });
    }
    let (host, port) = rest.rsplit_once(':').ok_or_else(wrong)?;
    let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let known = bare.parse::<std::net::IpAddr>().is_ok() || Domain::parse(bare).is_ok();
    if !known && bare != "localhost" {
        return Err(wrong());
    }
    Ok(Hop { protocol, place: Place::Tcp { host: bare.to_owned(), port } })
}

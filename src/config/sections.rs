//! The sections besides organisations, one struct each.
//!
//! Defaults stand here as TOML text, and again, held together by a test, in
//! `deploy/reprieve.toml`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use toml::Value;

use super::engines::Engines;
use super::lists;
use super::reader::{Mistake, Section};
use super::value;
use crate::filter::catalogue::Weights;
use crate::filter::lists::List;
use crate::mail::{Domain, Limits};
use crate::queue::route::TlsPolicy;
use crate::reputation::standing::Settings as ReputationSettings;

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

/// `[store]`
#[derive(Clone, Debug)]
pub struct StoreAt {
    pub folder: PathBuf,
    pub index: Index,
    /// Bytes that must stay free on its disk.
    pub reserve: u64,
    /// Bytes of memory in which redb keeps what is read and written most.
    pub redb_cache: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Index {
    Sled,
    Redb,
}

/// `[keys]`
#[derive(Clone, Debug)]
pub struct Keys {
    pub folder: PathBuf,
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

/// `[filter]`
#[derive(Clone, Debug)]
pub struct Filter {
    /// Score from which mail is held as unwanted.
    pub hold: f32,
    /// The default of organisations' `first_contact`.
    pub hold_first_contact: bool,
    /// What a correspondent's answer may carry more than others.
    pub correspondent: f32,
    /// Nearly the same text to so many recipients within the window is mass
    /// mail.
    pub mass_recipients: usize,
    pub mass_window: Duration,
    /// The same signature to so many recipients within the window is a replay.
    pub replay_recipients: usize,
    pub replay_window: Duration,
    /// Whose ARC seals excuse a broken DMARC.
    pub trusted_sealers: Vec<Domain>,
    /// Answer 451 to what DNS cannot vouch for at the moment.
    pub defer_temperror: bool,
    /// Lists in DNS that are asked.
    pub lists: Vec<List>,
    /// The installation's own content model, if one was trained there.
    pub model: PathBuf,
    /// Learn on from what recipients and administrators say.
    pub learn: bool,
    /// Different people who must agree about a text.
    pub learn_people: u32,
    /// Findings whose weight is not the default.
    pub weights: BTreeMap<String, f32>,
    pub engines: Engines,
}

/// `[release]`
#[derive(Clone, Debug)]
pub struct Release {
    /// Time between the release and the delivery, for second thoughts.
    pub delay: Duration,
    /// Score from which unproved mail cannot be freed by its sender.
    pub ceiling: f32,
    /// Releases that an unproved client network gets in a day.
    pub per_network: u32,
    /// Releases by unproved senders that an organisation gets in a day.
    pub per_organisation: u32,
}

/// `[appeals]`
#[derive(Clone, Debug)]
pub struct Appeals {
    /// Days within which an appeal is to be decided.
    pub deadline_days: u16,
    /// Days for which a decided one is kept.
    pub keep_days: u16,
}

/// `[notice]`
#[derive(Clone, Debug)]
pub struct Notice {
    pub domain: Domain,
    /// DKIM selector of the letters' signature.
    pub selector: String,
    pub ready: Ready,
    /// Score from which no letter is sent.
    pub ceiling: f32,
    pub per_domain_hour: u32,
    pub per_hour: u32,
}

/// Whether letters may go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// Once `reprieve check` has seen SPF, DKIM, DMARC and PTR right.
    Checked,
    Always,
    Never,
}

/// `[dns]`
#[derive(Clone, Debug)]
pub struct Dns {
    /// Empty: the system's resolvers.
    pub servers: Vec<SocketAddr>,
    /// A zone file that answers every question.
    pub zone: Option<PathBuf>,
    pub timeout: Duration,
}

/// `[log]`
#[derive(Clone, Debug)]
pub struct Log {
    pub format: LogFormat,
    /// As in `RUST_LOG`.
    pub level: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

type Read<T> = Result<T, Mistake>;

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

impl StoreAt {
    pub(super) fn read(mut section: Section) -> Read<Self> {
        let read = Self {
            folder: section.required("folder", "\"/var/lib/reprieve/store\"", value::path)?,
            index: section.or(
                "index",
                "\"sled\"",
                value::word(&[("sled", Index::Sled), ("redb", Index::Redb)]),
            )?,
            reserve: section.or("reserve", "\"512 MiB\"", value::size)?,
            redb_cache: section.or("redb_cache", "\"64 MiB\"", value::memory)?,
        };
        section.finish().map(|()| read)
    }
}

impl Keys {
    pub(super) fn read(mut section: Section) -> Read<Self> {
        let read = Self { folder: section.or("folder", "\"keys\"", value::path)? };
        section.finish().map(|()| read)
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

impl Delivery {
    pub(super) fn read(mut section: Section) -> Read<Self> {
        let routes = section.list("route", "domain")?;
        let smarthost = section.optional("smarthost", "\"smtp:127.0.0.1:10026\"", hop)?;
        let read = Self {
            smarthost_auth: smarthost_auth(&mut section, smarthost.is_some())?,
            smarthost,
            ca: section.optional("ca", "\"/etc/ssl/certs/our-ca.pem\"", value::path)?,
            first_retry: section.or("first_retry", "\"5 min\"", some_time)?,
            longest_retry: section.or("longest_retry", "\"4000 s\"", some_time)?,
            lifetime: section.or("lifetime", "\"5 days\"", some_time)?,
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

/// A duration above zero.
pub(super) fn some_time(value: &Value) -> Result<Duration, String> {
    let time = value::duration(value)?;
    if time.is_zero() { Err(format!("{value} is no time at all")) } else { Ok(time) }
}

impl Filter {
    pub(super) fn read(mut section: Section) -> Read<Self> {
        let hold = section.or("hold", "5.0", value::score)?;
        let read = Self {
            hold,
            hold_first_contact: section.or(
                "first_contact",
                "\"deliver\"",
                value::word(&[("deliver", false), ("hold", true)]),
            )?,
            correspondent: section.or("correspondent", "2.0", value::score)?,
            mass_recipients: section.or("mass_recipients", "30", value::whole(2))?,
            mass_window: section.or("mass_window", "\"1 h\"", some_time)?,
            replay_recipients: section.or("replay_recipients", "21", value::whole(2))?,
            replay_window: section.or("replay_window", "\"10 min\"", some_time)?,
            trusted_sealers: section.list_or_none(
                "trusted_sealers",
                "[\"lists.example.org\"]",
                value::list(value::domain),
            )?,
            defer_temperror: section.or("defer_temperror", "true", value::flag)?,
            lists: section.list_or_none(
                "lists",
                "[{ zone = \"bl.example.org\", of = \"clients\", weight = 3.0 }]",
                value::list(lists::list),
            )?,
            model: section.or("model", "\"content.model\"", value::path)?,
            learn: section.or("learn", "true", value::flag)?,
            learn_people: section.or("learn_people", "2", value::whole(2))?,
            weights: section.or_like("weights", "{}", "{ no-ptr = 1.0 }", weights)?,
            engines: Engines::read(&mut section, hold)?,
        };
        section.finish().map(|()| read)
    }
}

/// Finding ids and their weights; each id is one that some check makes.
fn weights(value: &Value) -> Result<BTreeMap<String, f32>, String> {
    let table = value.as_table().ok_or_else(|| format!("{value} is not a table of weights"))?;
    let mut weights = BTreeMap::new();
    for (id, weight) in table {
        let wrong = |_| format!("{weight} of {id} is not a number from -1000 to 1000");
        weights.insert(id.clone(), value::weight(weight).map_err(wrong)?);
    }
    Weights::with(weights.clone()).map_err(|unknown| unknown.to_string())?;
    Ok(weights)
}

impl Release {
    pub(super) fn read(mut section: Section) -> Read<Self> {
        let read = Self {
            delay: section.or("delay", "\"60 s\"", value::duration)?,
            ceiling: section.or("ceiling", "15.0", value::score)?,
            per_network: section.or("per_network", "3", value::whole(0))?,
            per_organisation: section.or("per_organisation", "200", value::whole(0))?,
        };
        section.finish().map(|()| read)
    }
}

impl Appeals {
    pub(super) fn read(mut section: Section) -> Read<Self> {
        let read = Self {
            deadline_days: section.or("deadline", "\"7 days\"", value::days)?,
            keep_days: section.or("keep", "\"400 days\"", value::days)?,
        };
        section.finish().map(|()| read)
    }
}

impl Notice {
    pub(super) fn read(mut section: Section) -> Read<Self> {
        let read = Self {
            domain: section.required("domain", "\"mail-release.example.com\"", value::domain)?,
            selector: section.or("selector", "\"reprieve\"", selector)?,
            ready: section.or(
                "ready",
                "\"checked\"",
                value::word(&[
                    ("checked", Ready::Checked),
                    ("always", Ready::Always),
                    ("never", Ready::Never),
                ]),
            )?,
            ceiling: section.or("ceiling", "15.0", value::score)?,
            per_domain_hour: section.or("per_domain_hour", "10", value::whole(0))?,
            per_hour: section.or("per_hour", "200", value::whole(0))?,
        };
        section.finish().map(|()| read)
    }
}

/// One or more labels (RFC 6376 section 3.1).
fn selector(value: &Value) -> Result<String, String> {
    let text = value.as_str().unwrap_or_default();
    let label = |label: &str| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if text.len() <= 63 && text.split('.').all(label) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(format!("{value} is not a DKIM selector"))
    }
}

pub(super) fn reputation(mut section: Section) -> Read<ReputationSettings> {
    let read = ReputationSettings {
        probation_messages: section.or("probation_messages", "50", value::whole(1))?,
        probation_days: section.or("probation_days", "\"7 days\"", value::days)?,
        network_lapse_days: section.or("network_lapse", "\"30 days\"", value::days)?,
        silence_days: section.optional("silence", "\"730 days\"", value::days)?,
        flags_to_revoke: section.or("flags_to_revoke", "1", value::whole(1))?,
    };
    section.finish().map(|()| read)
}

impl Dns {
    pub(super) fn read(mut section: Section) -> Read<Self> {
        let read = Self {
            servers: section.list_or_none(
                "servers",
                "[\"192.0.2.53:53\"]",
                value::list(value::socket),
            )?,
            zone: section.optional("zone", "\"zone.txt\"", value::path)?,
            timeout: section.or("timeout", "\"2 s\"", some_time)?,
        };
        section.finish().map(|()| read)
    }
}

impl Log {
    pub(super) fn read(mut section: Section) -> Read<Self> {
        let read = Self {
            format: section.or(
                "format",
                "\"text\"",
                value::word(&[("text", LogFormat::Text), ("json", LogFormat::Json)]),
            )?,
            level: section.or("level", "\"info\"", level)?,
        };
        section.finish().map(|()| read)
    }
}

/// A level, for all or for parts of the program: `info,reprieve=debug`. The
/// library that reads it would pass over what is none in silence.
fn level(value: &Value) -> Result<String, String> {
    let text = value::text(value)?;
    let known = |one: &str| {
        let level = one.rsplit('=').next().unwrap_or(one).trim().to_ascii_lowercase();
        ["off", "error", "warn", "info", "debug", "trace"].contains(&level.as_str())
    };
    if text.split(',').all(known) {
        Ok(text)
    } else {
        Err(format!("{value} is not off, error, warn, info, debug or trace"))
    }
}

//! The small sections: `[store]`, `[keys]`, `[release]`, `[appeals]`,
//! `[notice]`, `[reputation]`, `[dns]` and `[log]`.
//!
//! Defaults stand here as TOML text, and again, held together by a test, in
//! `deploy/reprieve.toml`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use toml::Value;

use super::reader::{Mistake, Section};
use super::value;
use crate::mail::Domain;
use crate::reputation::standing::Settings as ReputationSettings;

type Read<T> = Result<T, Mistake>;

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
            timeout: section.or("timeout", "\"2 s\"", value::some_time)?,
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

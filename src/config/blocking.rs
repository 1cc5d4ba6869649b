//! `[suppression]`: how long the delivery log is kept, where the live lookup
//! listens, and which logs are followed. The lists and their run settings
//! stand in the store.

use std::net::SocketAddr;
use std::path::PathBuf;

use toml::Value;

use super::reader::{Mistake, Section};
use super::value::{self, Parsed};

/// `[suppression]`
#[derive(Clone, Debug)]
pub struct Blocking {
    /// Days for which error log and delivery log are kept.
    pub keep_days: u16,
    /// Where Postfix asks (socketmap_table(5)).
    pub socketmap: Vec<SocketAddr>,
    /// Logs of Postfix servers that are followed.
    pub logs: Vec<(ServerNumber, PathBuf)>,
}

/// A server of the delivery blocking, by its number.
pub type ServerNumber = u16;

impl Blocking {
    pub(super) fn read(mut section: Section) -> Result<Self, Mistake> {
        let read = Self {
            keep_days: section.or("keep", "\"40 days\"", value::days)?,
            socketmap: section.list_or_none(
                "socketmap",
                "[\"127.0.0.1:9181\"]",
                value::list(value::socket),
            )?,
            logs: section.list_or_none("logs", "[\"1:/var/log/mail.log\"]", value::list(log))?,
        };
        section.finish().map(|()| read)
    }
}

/// `1:/var/log/mail.log`: the log of server 1.
fn log(value: &Value) -> Parsed<(ServerNumber, PathBuf)> {
    let parsed = value.as_str().and_then(|text| {
        let (server, path) = text.split_once(':')?;
        Some((server.parse().ok()?, PathBuf::from(path))).filter(|(_, path)| path.is_absolute())
    });
    parsed.ok_or_else(|| value::not(value, "a server's number, a colon and an absolute path"))
}

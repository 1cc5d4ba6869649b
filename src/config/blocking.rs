//! `[suppression]`: how long the delivery log is kept, and where the live
//! lookup listens. The lists and their run settings stand in the store.

use std::net::SocketAddr;

use super::reader::{Mistake, Section};
use super::value;

/// `[suppression]`
#[derive(Clone, Debug)]
pub struct Blocking {
    /// Days for which error log and delivery log are kept.
    pub keep_days: u16,
    /// Where Postfix asks (socketmap_table(5)).
    pub socketmap: Vec<SocketAddr>,
}

impl Blocking {
    pub(super) fn read(mut section: Section) -> Result<Self, Mistake> {
        let read = Self {
            keep_days: section.or("keep", "\"40 days\"", value::days)?,
            socketmap: section.list_or_none(
                "socketmap",
                "[\"127.0.0.1:9181\"]",
                value::list(value::socket),
            )?,
        };
        section.finish().map(|()| read)
    }
}

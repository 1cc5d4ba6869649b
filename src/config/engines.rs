//! `[filter.clamd]` and its kin: the programs beside the filter.
//!
//! An engine without servers is not asked. Defaults stand here as TOML text,
//! and again in `deploy/reprieve.toml`.

use toml::Value;

use super::reader::{Mistake, Section};
use super::sections::some_time;
use super::value;
use crate::filter::engine::{Place, clamd};

/// The engines that are asked.
#[derive(Clone, Debug)]
pub struct Engines {
    pub clamd: Option<clamd::Settings>,
}

impl Engines {
    /// Reads them from `[filter]`.
    pub(super) fn read(filter: &mut Section) -> Result<Self, Mistake> {
        Ok(Self { clamd: read_clamd(filter.section("clamd")?)? })
    }
}

fn read_clamd(mut section: Section) -> Result<Option<clamd::Settings>, Mistake> {
    let read = clamd::Settings {
        servers: servers(&mut section, "[\"/run/clamav/clamd.ctl\"]")?,
        timeout: section.or("timeout", "\"20 s\"", some_time)?,
        size: section.or("size", "\"25 MiB\"", value::memory)?,
    };
    section.finish()?;
    Ok((!read.servers.is_empty()).then_some(read))
}

fn servers(section: &mut Section, example: &str) -> Result<Vec<Place>, Mistake> {
    section.list_or_none("servers", example, value::list(place))
}

fn place(value: &Value) -> Result<Place, String> {
    let place = value.as_str().and_then(Place::parse);
    place.ok_or_else(|| format!("{value} is not host:port or /path"))
}

//! `[filter.clamd]` and its kin: the programs beside the filter.
//!
//! An engine without servers is not asked. Defaults stand here as TOML text,
//! and again in `deploy/reprieve.toml`.

use toml::Value;

use super::reader::{Mistake, Section};
use super::value;
use crate::filter::engine::{Place, Use, clamd, rspamd, spamd};

/// What a followed action weighs over the score that holds: more than what
/// speaks in a message's favour.
const MARGIN: f32 = 3.0;

/// The engines that are asked.
#[derive(Clone, Debug)]
pub struct Engines {
    pub clamd: Option<clamd::Settings>,
    pub rspamd: Option<(rspamd::Settings, Use)>,
    pub spamassassin: Option<(spamd::Settings, Use)>,
}

impl Engines {
    /// Reads them from `[filter]`; `hold` is the score from which mail is held.
    pub(super) fn read(filter: &mut Section, hold: f32) -> Result<Self, Mistake> {
        Ok(Self {
            clamd: read_clamd(filter.section("clamd")?)?,
            rspamd: read_rspamd(filter.section("rspamd")?, hold)?,
            spamassassin: read_spamassassin(filter.section("spamassassin")?)?,
        })
    }
}

fn read_clamd(mut section: Section) -> Result<Option<clamd::Settings>, Mistake> {
    let read = clamd::Settings {
        servers: servers(&mut section, "[\"/run/clamav/clamd.ctl\"]")?,
        timeout: section.or("timeout", "\"20 s\"", value::some_time)?,
        size: section.or("size", "\"25 MiB\"", value::memory)?,
    };
    section.finish()?;
    Ok((!read.servers.is_empty()).then_some(read))
}

fn read_rspamd(
    mut section: Section,
    hold: f32,
) -> Result<Option<(rspamd::Settings, Use)>, Mistake> {
    let read = rspamd::Settings {
        servers: section.list_or_none(
            "servers",
            "[\"127.0.0.1:11333\"]",
            value::list(network_place),
        )?,
        timeout: section.or("timeout", "\"5 s\"", value::some_time)?,
        password: section.optional("password", "\"secret\"", password)?,
    };
    let follow = section.or("follow_action", "false", value::flag)?;
    let must_answer = section.or("must_answer", "false", value::flag)?;
    let phishing = "[\"PHISHED_OPENPHISH\", \"PHISHED_PHISHTANK\", \"PHISHED_GENERIC_SERVICE\"]";
    let how = Use {
        must_answer,
        follow: follow.then_some(hold + MARGIN),
        phishing: section.or("phishing_symbols", phishing, value::list(value::text))?,
        malware: section.or("malware_symbols", "[\"CLAM_VIRUS\"]", value::list(value::text))?,
    };
    section.finish()?;
    Ok((!read.servers.is_empty()).then_some((read, how)))
}

fn read_spamassassin(mut section: Section) -> Result<Option<(spamd::Settings, Use)>, Mistake> {
    let read = spamd::Settings {
        servers: servers(&mut section, "[\"127.0.0.1:783\"]")?,
        timeout: section.or("timeout", "\"5 s\"", value::some_time)?,
        user: section.optional("user", "\"reprieve\"", user)?,
        size: section.or("size", "\"512 KiB\"", value::memory)?,
        host: String::new(),
    };
    let how = Use {
        must_answer: section.or("must_answer", "false", value::flag)?,
        follow: None,
        phishing: section.list_or_none(
            "phishing_symbols",
            "[\"URIBL_PH_SURBL\"]",
            value::list(value::text),
        )?,
        malware: section.list_or_none(
            "malware_symbols",
            "[\"CLAMAV\"]",
            value::list(value::text),
        )?,
    };
    section.finish()?;
    Ok((!read.servers.is_empty()).then_some((read, how)))
}

/// What a header field can carry.
fn password(value: &Value) -> Result<String, String> {
    let text = value::text(value)?;
    let plain = text.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    if plain { Ok(text) } else { Err("is not plain ASCII".to_owned()) }
}

/// A user's name as spamd takes it.
fn user(value: &Value) -> Result<String, String> {
    let text = value::text(value)?;
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.@+".contains(&b));
    if plain { Ok(text) } else { Err(format!("{value} is not a user's name")) }
}

/// rspamd speaks HTTP over TCP.
fn network_place(value: &Value) -> Result<Place, String> {
    match place(value) {
        Ok(place @ Place::Tcp { .. }) => Ok(place),
        _ => Err(format!("{value} is not host:port")),
    }
}

fn servers(section: &mut Section, example: &str) -> Result<Vec<Place>, Mistake> {
    section.list_or_none("servers", example, value::list(place))
}

fn place(value: &Value) -> Result<Place, String> {
    let place = value.as_str().and_then(Place::parse);
    place.ok_or_else(|| format!("{value} is not host:port or /path"))
}

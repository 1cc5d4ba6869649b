//! `[filter]`: what is held, and by whom it is judged.
//!
//! Defaults stand here as TOML text, and again, held together by a test, in
//! `deploy/reprieve.toml`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use toml::Value;

use super::engines::Engines;
use super::reader::{Mistake, Section};
use super::{lists, value};
use crate::filter::catalogue::Weights;
use crate::filter::lists::List;
use crate::mail::Domain;

type Read<T> = Result<T, Mistake>;

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
            mass_window: section.or("mass_window", "\"1 h\"", value::some_time)?,
            replay_recipients: section.or("replay_recipients", "21", value::whole(2))?,
            replay_window: section.or("replay_window", "\"10 min\"", value::some_time)?,
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

//! `filter.lists`: the lists in DNS that are asked, each `{ zone, of, weight }`.

use std::net::Ipv4Addr;

use toml::Value;

use super::value;
use crate::filter::lists::{List, Of};

/// One entry; `answers` may name the answers that count.
pub(super) fn list(entry: &Value) -> Result<List, String> {
    let table = entry.as_table().ok_or_else(|| format!("{entry} is not {{ zone, of, weight }}"))?;
    let known = ["zone", "of", "weight", "answers"];
    if let Some(key) = table.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(format!("{key} is not a key of a list"));
    }
    let want = |key: &str| table.get(key).ok_or_else(|| format!("{entry} has no {key}"));
    let of = [("clients", Of::Clients), ("links", Of::Links), ("senders", Of::Senders)];
    let of = of.iter().find(|(word, _)| want("of").is_ok_and(|v| v.as_str() == Some(*word)));
    let answers = table.get("answers").map(value::list(address)).transpose()?;
    Ok(List {
        zone: value::domain(want("zone")?)?,
        of: of.ok_or_else(|| format!("{entry} is not of clients, links or senders"))?.1,
        weight: value::weight(want("weight")?)?,
        answers: answers.unwrap_or_default(),
    })
}

fn address(value: &Value) -> Result<Ipv4Addr, String> {
    let address = value.as_str().and_then(|text| text.parse().ok());
    address.ok_or_else(|| format!("{value} is not an answer such as \"127.0.0.2\""))
}

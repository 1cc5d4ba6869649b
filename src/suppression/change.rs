//! New values of a server, as an operator types them.

use serde::{Deserialize, Serialize};

use super::classify::Class;
use super::learn::TRIES;
use super::rule::REASONS;
use super::{By, OWN, Reason, Refused, RunSettings, Server, ServerId, Suppression, Way, fetch};
use crate::directory::OrganisationId;

/// New values of a server; what is absent stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Change {
    pub id: ServerId,
    pub name: Option<String>,
    /// `texthash:`, `cdb:` or `lmdb:` and a path: a map file (a path alone is a
    /// texthash). `socketmap`: asked live. `download`: it fetches, with a token
    /// that the answer shows once.
    pub way: Option<String>,
    /// Whose administrators run it; empty: the service's.
    pub organisation: Option<String>,
    pub daily_at: Option<String>,
    pub zone: Option<String>,
    pub immediate: Option<bool>,
    /// `0`: for ever.
    pub watch_days: Option<u32>,
    /// `unknown_user=2`, `rejecting=off`.
    pub reasons: Vec<String>,
    /// Cancel what was suppressed for a reason that is switched off.
    pub cancel: bool,
    pub strike_hours: Option<u32>,
    pub releases_per_day: Option<u32>,
    pub never: Option<Vec<String>>,
    pub fixed: Option<bool>,
}

impl Change {
    /// The id that stands for the next that is free.
    pub const NEXT: ServerId = ServerId::MAX;
}

/// What a change came to.
#[derive(Clone, Debug)]
pub struct Changed {
    pub server: Server,
    /// Addresses that were released with a reason that was switched off.
    pub cancelled: usize,
    /// Of a server that fetches its list, shown once: only its hash is kept.
    pub token: Option<String>,
}

impl Suppression {
    /// Makes a server, or changes one. The id [`Change::NEXT`] stands for
    /// the next that is free.
    ///
    /// # Errors
    /// [`Refused`], a sentence; nothing is changed then.
    pub async fn change(&self, change: Change, by: impl Into<By<'_>>) -> Result<Changed, Refused> {
        let by = by.into();
        let fetches = change.way.as_deref() == Some("download") && change.id != OWN;
        let (token, fetching) = if fetches { Some(fetch::token()) } else { None }.unzip();
        for _ in 0..TRIES {
            let all = self.servers().await?;
            let id = match change.id {
                Change::NEXT => all.iter().map(|one| one.id).max().unwrap_or(OWN) + 1,
                id => id,
            };
            let row = self.known(id).await?;
            let name = change.name.clone().unwrap_or_else(|| format!("server-{id}"));
            let mut server = match &row {
                Some(row) => row.record.clone(),
                None if id == OWN => Server::own(),
                None => Server::new(id, &name, Way::Socketmap),
            };
            let off = take_over(&mut server, &change, fetching.as_ref())?;
            let others: Vec<Server> = all.into_iter().filter(|one| one.id != id).collect();
            free(&server, row.as_ref().map(|row| &row.record), &others)?;
            if !self.write_server(row.as_ref(), &server, by).await? {
                continue;
            }
            let mut cancelled = 0;
            for reason in off.into_iter().filter(|_| change.cancel) {
                cancelled += self.cancel_reason(server.id, reason).await?;
            }
            return Ok(Changed { server, cancelled, token });
        }
        Err(Refused::Busy)
    }
}

/// Two servers of one name would be asked for as one of them, and two lists
/// in one file would take turns in it. What a server has had is not judged.
fn free(server: &Server, before: Option<&Server>, others: &[Server]) -> Result<(), Refused> {
    let name = &server.name;
    let fresh = before.is_none_or(|before| before.name != *name);
    // So the live lookup calls our courier.
    let reserved = name == "own" && server.id != OWN;
    if fresh && (reserved || others.iter().any(|one| one.name == *name)) {
        return Err(Refused::Taken(name.clone()));
    }
    let file = |way: &Way| match way {
        Way::MapFile { path, .. } => Some(path.clone()),
        Way::Own | Way::Socketmap | Way::Download(_) => None,
    };
    let path = file(&server.way).filter(|_| before.is_none_or(|one| one.way != server.way));
    match path {
        Some(path) if others.iter().any(|one| file(&one.way).as_ref() == Some(&path)) => {
            Err(Refused::Taken(path))
        }
        _ => Ok(()),
    }
}

/// Takes the new values over; answers the reasons that are switched off.
fn take_over(
    server: &mut Server,
    change: &Change,
    fetching: Option<&Way>,
) -> Result<Vec<Reason>, Refused> {
    server.name = name_of(change, server)?;
    if let (Some(way), true) = (change.way.as_deref(), server.id != OWN) {
        server.way = match (way, fetching) {
            ("socketmap", _) => Way::Socketmap,
            (_, Some(fetching)) => fetching.clone(),
            (other, None) => Way::map_file(other).ok_or_else(|| Refused::Way(other.to_owned()))?,
        };
    }
    if let Some(id) = change.organisation.as_deref() {
        server.organisation = match id {
            "" => None,
            id => Some(
                OrganisationId::new(id)
                    .ok_or_else(|| Refused::Typed(format!("{id:?} is no organisation")))?,
            ),
        };
    }
    if let Some(never) = &change.never {
        server.never.clone_from(never);
    }
    settings_of(&mut server.settings, change)
}

/// Postfix names a server in its table's name: no spaces, no colons.
fn name_of(change: &Change, server: &Server) -> Result<String, Refused> {
    let Some(name) = change.name.as_deref().map(str::trim) else { return Ok(server.name.clone()) };
    let fits = (1..=60).contains(&name.len()) && !name.contains([' ', ':', ',']);
    let plain = name.chars().all(|c| !c.is_control());
    // Numbers are ids.
    if fits && plain && name.parse::<u64>().is_err() {
        Ok(name.to_owned())
    } else {
        Err(Refused::Name(name.to_owned()))
    }
}

/// Takes the settings over; answers the reasons that are switched off.
fn settings_of(settings: &mut RunSettings, change: &Change) -> Result<Vec<Reason>, Refused> {
    if let Some(at) = &change.daily_at {
        let clock = at
            .split_once(':')
            .and_then(|(h, m)| Some((h.parse::<u32>().ok()?, m.parse::<u32>().ok()?)));
        let (hour, minute) =
            clock.ok_or_else(|| Refused::Typed(format!("{at:?} is not like 00:30")))?;
        settings.daily_at = hour.saturating_mul(60).saturating_add(minute);
    }
    if let Some(zone) = &change.zone {
        settings.zone.clone_from(zone);
    }
    settings.immediate = change.immediate.unwrap_or(settings.immediate);
    settings.fixed = change.fixed.unwrap_or(settings.fixed);
    settings.strike_hours = change.strike_hours.unwrap_or(settings.strike_hours);
    if let Some(days) = change.watch_days {
        settings.watch_days = Some(days).filter(|days| *days > 0);
    }
    if let Some(most) = change.releases_per_day {
        settings.releases_per_day = Some(most).filter(|most| *most > 0);
    }
    let mut off = Vec::new();
    for one in &change.reasons {
        let wrong =
            || Refused::Typed(format!("{one:?} is not like unknown_user=2 or rejecting=off"));
        let (word, value) = one.split_once('=').ok_or_else(wrong)?;
        let class = Class::parse(word).ok_or_else(wrong)?;
        let at = REASONS.iter().position(|reason| *reason == class).ok_or_else(wrong)?;
        match value {
            "off" => {
                settings.reasons[at].enabled = false;
                off.extend(Reason::of(class));
            }
            "on" => settings.reasons[at].enabled = true,
            number => {
                settings.reasons[at].after = number.parse().map_err(|_| wrong())?;
                settings.reasons[at].enabled = true;
            }
        }
    }
    Ok(off)
}

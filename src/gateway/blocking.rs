//! What an operator asks of the delivery blocking: the lists, the servers,
//! the runs, the logs. One request, one answer as JSON; the command line and
//! a running gateway's operations listener share it.

use std::fs::File;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock::Timestamp;
use crate::mail::Address;
use crate::suppression::classify::Class;
use crate::suppression::distribute::Drift;
use crate::suppression::event::{self, Event, Query};
use crate::suppression::rule::REASONS;
use crate::suppression::tail::{Reader, Tail};
use crate::suppression::{
    Exemption, Reason, Refused, Server, ServerId, Suppressed, Suppression, Upload, Way, csv,
};

/// One request.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Ask {
    List {
        server: ServerId,
        part: String,
        after: String,
        limit: usize,
    },
    Add {
        server: ServerId,
        address: String,
    },
    Release {
        server: ServerId,
        address: String,
    },
    Exempt {
        server: ServerId,
        address: String,
    },
    Unexempt {
        server: ServerId,
        address: String,
    },
    Exemptions {
        server: ServerId,
        part: String,
        limit: usize,
    },
    Servers,
    SetServer(Box<Change>),
    Run {
        server: ServerId,
    },
    Distribute {
        server: ServerId,
        dry: bool,
    },
    RollBack {
        server: ServerId,
        version: u64,
    },
    Resume {
        server: ServerId,
    },
    Events {
        server: Option<ServerId>,
        part: String,
        reason: String,
        from: Option<String>,
        to: Option<String>,
        errors: bool,
        limit: usize,
    },
    Import {
        server: ServerId,
        path: PathBuf,
        column: String,
        at_once: bool,
        preview: bool,
    },
    Export {
        server: ServerId,
        what: What,
        to: PathBuf,
    },
    Breakers,
    CloseBreaker {
        server: ServerId,
        domain: String,
        undo: bool,
    },
    ReadLog {
        server: ServerId,
        path: PathBuf,
    },
}

/// New values of a server; what is absent stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Change {
    pub id: ServerId,
    pub name: Option<String>,
    /// A path: a map file. `socketmap`: asked live.
    pub way: Option<String>,
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

/// What is exported.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    Blocked,
    Exemptions,
    Errors,
    Deliveries,
}

/// Rows that one export holds at most.
const EXPORTED: usize = 5_000_000;
/// Lines of a log that are read before outcomes are noted.
const LINES: usize = 1000;

/// Carries one request out.
///
/// # Errors
/// A sentence for the operator.
pub async fn run(list: &Suppression, ask: Ask) -> Result<Value, String> {
    carry_out(list, ask).await.map_err(|refused| refused.to_string())
}

async fn carry_out(list: &Suppression, ask: Ask) -> Result<Value, Refused> {
    const BY: &str = "operator";
    Ok(match ask {
        Ask::List { server, part, after, limit } => {
            let found = list.search(server, &part, &after, limit.min(10_000)).await?;
            found.iter().map(suppressed).collect()
        }
        Ask::Add { server, address } => {
            list.add(server, &parse(&address)?).await?;
            json!({ "added": address })
        }
        Ask::Release { server, address } => {
            list.release(server, &parse(&address)?, BY).await?;
            json!({ "released": address })
        }
        Ask::Exempt { server, address } => {
            list.exempt(server, &parse(&address)?, BY).await?;
            json!({ "exempt": address })
        }
        Ask::Unexempt { server, address } => {
            list.unexempt(server, &parse(&address)?).await?;
            json!({ "subject_again": address })
        }
        Ask::Exemptions { server, part, limit } => {
            let found = list.exemptions(server, &part, limit.min(10_000)).await?;
            found.iter().map(exemption).collect()
        }
        Ask::Servers => {
            let mut all = Vec::new();
            for server in list.servers().await? {
                let drift = list.drift(server.id).await?;
                let blocked = list.roll(server.id).len();
                all.push(shown(&server, &drift, blocked));
            }
            Value::Array(all)
        }
        Ask::SetServer(change) => set_server(list, *change).await?,
        Ask::Run { server } => {
            let ran = list.run(server).await?;
            json!({
                "suppressed": ran.suppressed, "released": ran.released,
                "imports": ran.imports, "waiting": ran.waiting,
            })
        }
        Ask::Distribute { server, dry } => {
            let done = list.distribute(server, BY, dry).await?;
            json!({
                "version": done.version, "addresses": done.addresses,
                "added": done.added, "removed": done.removed, "dry": dry,
            })
        }
        Ask::RollBack { server, version } => {
            list.roll_back(server, version).await?;
            json!({ "version": version })
        }
        Ask::Resume { server } => {
            list.resume(server).await?;
            json!({ "resumed": server })
        }
        Ask::Events { server, part, reason, from, to, errors, limit } => {
            let (from, to) = (time(from.as_deref())?, time(to.as_deref())?);
            let limit = limit.min(10_000);
            let query = Query {
                server,
                part,
                reason,
                from,
                to,
                errors_only: errors,
                limit,
                after: Vec::new(),
            };
            let (events, _) = event::search(list.store(), &query).await?;
            events.iter().map(told).collect()
        }
        Ask::Import { server, path, column, at_once, preview } => {
            import(list, server, &path, column, (at_once, preview)).await?
        }
        Ask::Export { server, what, to } => export(list, server, what, &to).await?,
        Ask::Breakers => {
            let open = list.open_breakers().await?;
            open.iter()
                .map(|one| {
                    json!({
                        "server": one.server, "domain": one.domain, "unknown": one.unknown,
                        "of": one.all, "since": one.opened.map(|at| at.to_string()),
                    })
                })
                .collect()
        }
        Ask::CloseBreaker { server, domain, undo } => {
            let released = list.close_breaker(server, &domain.to_lowercase(), undo).await?;
            json!({ "domain": domain, "released": released })
        }
        Ask::ReadLog { server, path } => read_log(list, server, &path).await?,
    })
}

async fn set_server(list: &Suppression, change: Change) -> Result<Value, Refused> {
    let known = list.servers().await?.into_iter().find(|server| server.id == change.id);
    let name = change.name.clone().unwrap_or_else(|| format!("server {}", change.id));
    let mut server = known.unwrap_or_else(|| Server::new(change.id, &name, Way::Socketmap));
    if let Some(name) = change.name {
        server.name = name;
    }
    if let (Some(way), true) = (change.way, change.id != 0) {
        server.way = if way == "socketmap" { Way::Socketmap } else { Way::MapFile(way) };
    }
    let settings = &mut server.settings;
    if let Some(at) = change.daily_at {
        let clock = at
            .split_once(':')
            .and_then(|(h, m)| Some((h.parse::<u32>().ok()?, m.parse::<u32>().ok()?)));
        let (hour, minute) =
            clock.ok_or_else(|| Refused::File(format!("{at:?} is not like 00:30")))?;
        settings.daily_at = hour.saturating_mul(60).saturating_add(minute);
    }
    if let Some(zone) = change.zone {
        settings.zone = zone;
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
            || Refused::File(format!("{one:?} is not like unknown_user=2 or rejecting=off"));
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
    if let Some(never) = change.never {
        server.never = never;
    }
    list.set_server(&server).await?;
    let mut cancelled = 0;
    for reason in off.into_iter().filter(|_| change.cancel) {
        cancelled += list.cancel_reason(server.id, reason).await?;
    }
    let drift = list.drift(server.id).await?;
    let mut answer = shown(&server, &drift, list.roll(server.id).len());
    answer["cancelled"] = json!(cancelled);
    Ok(answer)
}

async fn import(
    list: &Suppression,
    server: ServerId,
    path: &Path,
    column: String,
    (at_once, preview): (bool, bool),
) -> Result<Value, Refused> {
    let file = File::open(path).map_err(|error| Refused::File(error.to_string()))?;
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let by = "operator".to_owned();
    let upload = Upload { server, file: name.to_owned(), by, column, at_once };
    let found = if preview {
        list.preview(&upload, file).await?
    } else {
        list.register(&upload, file).await?
    };
    let lines: Vec<Value> =
        found.lines.iter().map(|(line, why)| json!({ "line": line, "why": why })).collect();
    Ok(json!({
        "records": found.records, "duplicates": found.duplicates, "invalid": found.invalid,
        "addresses": found.addresses, "registered": !preview, "lines": lines,
    }))
}

async fn export(
    list: &Suppression,
    server: ServerId,
    what: What,
    to: &Path,
) -> Result<Value, Refused> {
    let rows: Vec<Vec<String>> = match what {
        What::Blocked => {
            let mut rows = vec![heads(&["address", "reason", "since", "until"])];
            let mut after = String::new();
            loop {
                let page = list.search(server, "", &after, 5000).await?;
                let Some(last) = page.last() else { break };
                after = last.address.canonical().to_string();
                rows.extend(page.iter().map(|one| {
                    let until = one.until.map(|at| at.to_string()).unwrap_or_default();
                    vec![one.address.to_string(), one.reason.as_str().to_owned(), since(one), until]
                }));
            }
            rows
        }
        What::Exemptions => {
            let mut rows = vec![heads(&["address", "reason", "at", "by", "errors", "last error"])];
            rows.extend(list.exemptions(server, "", EXPORTED).await?.into_iter().map(|one| {
                vec![
                    one.address.to_string(),
                    one.reason.as_str().to_owned(),
                    one.at.to_string(),
                    one.by,
                    one.errors.to_string(),
                    one.last_error.unwrap_or_default(),
                ]
            }));
            rows
        }
        What::Errors | What::Deliveries => {
            let errors_only = matches!(what, What::Errors);
            let mut query =
                Query { server: Some(server), errors_only, limit: EXPORTED, ..Query::default() };
            let names = [
                "date",
                "address",
                "outcome",
                "reason",
                "subject",
                "sender",
                "return path",
                "message id",
                "response",
            ];
            let mut rows = vec![heads(&names)];
            loop {
                let (page, after) = event::search(list.store(), &query).await?;
                rows.extend(page.into_iter().map(|one| {
                    vec![
                        one.at.to_string(),
                        one.address,
                        one.outcome.as_str().to_owned(),
                        one.class,
                        one.subject,
                        one.sender,
                        one.return_path,
                        one.message_id,
                        one.response,
                    ]
                }));
                let Some(after) = after else { break };
                query.after = after;
            }
            rows
        }
    };
    let written = rows.len() - 1;
    let bytes = csv::write(rows.iter().map(|row| row.iter().map(String::as_str).collect()));
    std::fs::write(to, bytes).map_err(|error| Refused::File(error.to_string()))?;
    Ok(json!({ "written": to, "rows": written }))
}

async fn read_log(list: &Suppression, server: ServerId, path: &Path) -> Result<Value, Refused> {
    let unread = |error: std::io::Error| Refused::File(error.to_string());
    let mut tail = Tail::open(path, true).map_err(unread)?;
    let mut reader = Reader::default();
    let (mut noted, mut suppressed) = (0, 0);
    loop {
        let lines = tail.lines(LINES).map_err(unread)?;
        if lines.is_empty() {
            break;
        }
        for line in lines {
            if let Some(one) = reader.line(server, &line, list.clock().now()) {
                noted += 1;
                suppressed += usize::from(list.note(&one).await?);
            }
        }
    }
    Ok(json!({ "outcomes": noted, "suppressed": suppressed }))
}

fn heads(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn parse(text: &str) -> Result<Address, Refused> {
    csv::address(text).map_err(|why| Refused::File(format!("{text}: {why}")))
}

fn time(text: Option<&str>) -> Result<Option<Timestamp>, Refused> {
    let parse = |text: &str| {
        text.parse()
            .map_err(|_| Refused::File(format!("{text:?} is not like 2026-11-23T00:00:00Z")))
    };
    text.map(parse).transpose()
}

/// An uploaded address has no date of its own.
fn since(one: &Suppressed) -> String {
    if one.since == Timestamp::UNIX_EPOCH { String::new() } else { one.since.to_string() }
}

fn suppressed(one: &Suppressed) -> Value {
    json!({
        "address": one.address.to_string(), "server": one.server, "reason": one.reason.as_str(),
        "since": since(one), "until": one.until.map(|at| at.to_string()), "relapses": one.relapses,
    })
}

fn exemption(one: &Exemption) -> Value {
    json!({
        "address": one.address.to_string(), "server": one.server, "reason": one.reason.as_str(),
        "at": one.at.to_string(), "by": one.by, "errors": one.errors, "last_error": one.last_error,
    })
}

fn told(one: &Event) -> Value {
    json!({
        "at": one.at.to_string(), "server": one.server, "address": one.address,
        "outcome": one.outcome.as_str(), "reason": one.class, "subject": one.subject,
        "sender": one.sender, "return_path": one.return_path, "message_id": one.message_id,
        "response": one.response,
    })
}

fn shown(server: &Server, drift: &Drift, blocked: usize) -> Value {
    let settings = &server.settings;
    let reasons: serde_json::Map<String, Value> = REASONS
        .iter()
        .zip(settings.reasons)
        .map(|(class, rule)| {
            (class.as_str().to_owned(), json!({ "enabled": rule.enabled, "after": rule.after }))
        })
        .collect();
    let way = match &server.way {
        Way::Own => "own".to_owned(),
        Way::MapFile(path) => path.clone(),
        Way::Socketmap => "socketmap".to_owned(),
        Way::Download(_) => "download".to_owned(),
    };
    let drift = match drift {
        Drift::None => Value::Null,
        Drift::Never => json!("never distributed"),
        Drift::Changed(how) => json!(how),
        Drift::Behind { has, last } => json!(format!("has version {has}, the last is {last}")),
    };
    json!({
        "id": server.id, "name": server.name, "way": way, "blocked": blocked,
        "version": server.version, "drift": drift, "trouble": server.trouble,
        "pinned": server.pinned, "never": server.never,
        "previous_run": server.previous_run.map(|at| at.to_string()),
        "settings": {
            "daily_at": format!("{:02}:{:02}", settings.daily_at / 60, settings.daily_at % 60),
            "zone": settings.zone, "immediate": settings.immediate,
            "watch_days": settings.watch_days, "strike_hours": settings.strike_hours,
            "releases_per_day": settings.releases_per_day, "fixed": settings.fixed,
            "reasons": reasons,
        },
    })
}

//! What an operator asks of the delivery blocking: the lists, the servers,
//! the runs, the logs. One request, one answer as JSON; the command line and
//! a running gateway's operations listener share it.

mod shown;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::account::{Audit, Entry};
use crate::clock::Timestamp;
use crate::directory::OrganisationId;
use crate::mail::Address;
use crate::store::Batch;
use crate::store::arena::Order;
pub use crate::suppression::change::Change;
use crate::suppression::export::Export;
use crate::suppression::{By, Query, Refused, ServerId, Suppression, Upload, csv};

pub use crate::suppression::export::What;
use shown::{exemption, inquiry, shown, suppressed, told};

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
    Inquiries,
    DecideInquiry {
        organisation: String,
        grant: bool,
    },
}

/// Carries one request out.
///
/// # Errors
/// A sentence for the operator.
pub async fn run(list: &Suppression, audit: &Audit, ask: Ask) -> Result<Value, String> {
    list.until_loaded().await;
    let entry = ask.entry();
    let also = |batch: &mut Batch| {
        if let Some(entry) = &entry {
            audit.record(batch, entry.clone());
        }
    };
    let by = By { login: OPERATOR, also: &also };
    carry_out(list, ask, by).await.map_err(|refused| refused.to_string())
}

/// Who asks on the command line.
const OPERATOR: &str = "operator";

impl Ask {
    /// What the audit says of it, if it changes anything.
    fn entry(&self) -> Option<Entry> {
        let (what, server, about) = match self {
            Self::Add { server, address } => ("block-address", *server, &address[..]),
            Self::Release { server, address } => ("release-address", *server, &address[..]),
            Self::Exempt { server, address } => ("exempt-address", *server, &address[..]),
            Self::Unexempt { server, address } => ("unexempt-address", *server, &address[..]),
            Self::SetServer(change) => {
                ("set-blocking", change.id, change.name.as_deref().unwrap_or_default())
            }
            Self::Run { server } => ("run-blocking", *server, ""),
            Self::Distribute { server, dry: false } => ("distribute-blocking", *server, ""),
            Self::RollBack { server, .. } => ("roll-back-blocking", *server, ""),
            Self::Resume { server } => ("resume-blocking", *server, ""),
            Self::CloseBreaker { server, domain, .. } => {
                ("close-blocking-breaker", *server, &domain[..])
            }
            Self::DecideInquiry { organisation, grant } => {
                let what = if *grant { "grant-downloads" } else { "refuse-downloads" };
                let entry = Entry::new("console", what).about("organisation", organisation);
                return Some(entry);
            }
            _ => return None,
        };
        let entry = Entry::new("console", what).about("address", about);
        Some(entry.after(format!("server {server}")))
    }
}

#[expect(clippy::too_many_lines, reason = "one arm for each thing that may be asked")]
async fn carry_out(list: &Suppression, ask: Ask, by: By<'_>) -> Result<Value, Refused> {
    Ok(match ask {
        Ask::List { server, part, after, limit } => {
            let found = list.search(server, &part, &after, limit.min(10_000)).await?;
            found.iter().map(suppressed).collect()
        }
        Ask::Add { server, address } => {
            list.add(server, &parse(&address)?, by).await?;
            json!({ "added": address })
        }
        Ask::Release { server, address } => {
            list.release(server, &parse(&address)?, by).await?;
            json!({ "released": address })
        }
        Ask::Exempt { server, address } => {
            list.exempt(server, &parse(&address)?, by).await?;
            json!({ "exempt": address })
        }
        Ask::Unexempt { server, address } => {
            list.unexempt(server, &parse(&address)?, by).await?;
            json!({ "subject_again": address })
        }
        Ask::Exemptions { server, part, limit } => {
            let limit = limit.min(10_000);
            let (found, _) =
                list.exempt_addresses(server, &part, (&[], Order::default()), limit).await?;
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
        Ask::SetServer(change) => {
            let changed = list.change(*change, by).await?;
            let id = changed.server.id;
            let drift = list.drift(id).await?;
            let mut answer = shown(&changed.server, &drift, list.roll(id).len());
            answer["cancelled"] = json!(changed.cancelled);
            if let Some(token) = changed.token {
                answer["token"] = json!(token);
            }
            answer
        }
        Ask::Run { server } => {
            let ran = list.run(server, by).await?;
            json!({
                "suppressed": ran.suppressed, "released": ran.released,
                "imports": ran.imports, "waiting": ran.waiting,
            })
        }
        Ask::Distribute { server, dry } => {
            let done = list.distribute(server, by, dry).await?;
            json!({
                "version": done.version, "addresses": done.addresses,
                "added": done.added, "removed": done.removed, "dry": dry,
            })
        }
        Ask::RollBack { server, version } => {
            list.roll_back(server, version, by).await?;
            json!({ "version": version })
        }
        Ask::Resume { server } => {
            list.resume(server, by).await?;
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
                ..Query::default()
            };
            let (events, _) = list.events(&query).await?;
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
            let released = list.close_breaker(server, &domain.to_lowercase(), undo, by).await?;
            json!({ "domain": domain, "released": released })
        }
        Ask::ReadLog { server, path } => {
            let read = list.read_log(server, &path).await?;
            json!({ "outcomes": read.outcomes, "suppressed": read.suppressed })
        }
        Ask::Inquiries => list.inquiries().await?.iter().map(inquiry).collect(),
        Ask::DecideInquiry { organisation, grant } => {
            let id = OrganisationId::new(&organisation)
                .ok_or_else(|| Refused::Typed(format!("{organisation:?} is no organisation")))?;
            list.decide_inquiry(&id, grant, by.login, by.also).await?;
            json!({ "organisation": organisation, "may_download": grant })
        }
    })
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
    let by = OPERATOR.to_owned();
    let upload = Upload { server, file: name.to_owned(), by, column, at_once };
    let found = if preview {
        list.preview(&upload, file).await?
    } else {
        list.register(&upload, file).await?
    };
    let lines: Vec<Value> = found
        .lines
        .iter()
        .map(|(line, why)| json!({ "line": line, "why": why.to_string() }))
        .collect();
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
    let unwritable = |error: std::io::Error| Refused::File(error.to_string());
    let mut export = Export::new(list, server, what, Query::default());
    let mut file = File::create(to).map_err(unwritable)?;
    while let Some(piece) = export.next().await? {
        file.write_all(&piece).map_err(unwritable)?;
    }
    Ok(json!({ "written": to, "rows": export.rows() }))
}

fn parse(text: &str) -> Result<Address, Refused> {
    csv::address(text).map_err(|wrong| Refused::Address(text.to_owned(), wrong))
}

fn time(text: Option<&str>) -> Result<Option<Timestamp>, Refused> {
    let parse = |text: &str| {
        text.parse()
            .map_err(|_| Refused::Typed(format!("{text:?} is not like 2026-11-23T00:00:00Z")))
    };
    text.map(parse).transpose()
}

//! `reprieve suppression …`: the lists of addresses that are not written to,
//! their servers, runs and logs. A running gateway is asked, else its store
//! is opened.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::Value;

use super::{Configured, held};
use crate::gateway::Errand;
use crate::gateway::blocking::{Ask, Change, What};

#[derive(Debug, Subcommand)]
pub(super) enum SuppressionCommand {
    /// Print suppressed addresses that hold PART
    List {
        #[arg(default_value = "")]
        part: String,
        #[command(flatten)]
        of: Of,
        /// Begin behind this address
        #[arg(long, default_value = "")]
        after: String,
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Suppress an address by hand
    Add(One),
    /// Release an address; it becomes exempt
    Release(One),
    /// Make an address exempt
    Exempt(One),
    /// Delete an exemption: the address is subject to blocking again
    Unexempt(One),
    /// Print exemptions that hold PART
    Exemptions {
        #[arg(default_value = "")]
        part: String,
        #[command(flatten)]
        of: Of,
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Read a list from a CSV file
    Import {
        file: PathBuf,
        #[command(flatten)]
        of: Of,
        /// The name of the column with the addresses
        #[arg(long, default_value = "")]
        column: String,
        /// In force at once, not with the next run
        #[arg(long)]
        now: bool,
        /// Only say what it holds
        #[arg(long)]
        preview: bool,
    },
    /// Write a list or a log into a new CSV file
    Export {
        #[arg(value_parser = what)]
        what: What,
        file: PathBuf,
        #[command(flatten)]
        of: Of,
    },
    /// Print the servers, their settings and whether they have drifted
    Servers {
        #[command(flatten)]
        configured: Configured,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Make a server, or change its settings
    Set(Set),
    /// Do the daily run now
    Run(Of),
    /// Give a server its list now
    Distribute {
        #[command(flatten)]
        of: Of,
        /// Only say what would change
        #[arg(long)]
        dry_run: bool,
        /// Put this older version back, and stay there
        #[arg(long, conflicts_with = "dry_run")]
        roll_back: Option<u64>,
        /// End what --roll-back began
        #[arg(long, conflicts_with_all = ["dry_run", "roll_back"])]
        resume: bool,
    },
    /// Print the error log
    Errors(Log),
    /// Print the delivery log
    Deliveries(Log),
    /// Providers from which nothing is learnt at present
    Breakers {
        #[command(flatten)]
        configured: Configured,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Learn from a provider again
    CloseBreaker {
        domain: String,
        #[command(flatten)]
        of: Of,
        /// Release what was suppressed since its outage began
        #[arg(long)]
        undo: bool,
    },
    /// Learn from a log of Postfix, once
    ReadLog {
        file: PathBuf,
        #[command(flatten)]
        of: Of,
    },
    /// Organisations that have asked to download lists and logs
    Inquiries {
        #[command(flatten)]
        configured: Configured,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Let an organisation's administrators download lists and logs
    Grant {
        organisation: String,
        /// Refuse it, or take it back
        #[arg(long)]
        refuse: bool,
        #[command(flatten)]
        configured: Configured,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
}

/// Whose list, and how it is printed.
#[derive(Args, Clone, Debug)]
pub(super) struct Of {
    /// The server's number; 0 is our own courier
    #[arg(long, default_value_t = 0)]
    server: u16,
    #[command(flatten)]
    configured: Configured,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Args, Clone, Debug)]
pub(super) struct One {
    address: String,
    #[command(flatten)]
    of: Of,
}

#[derive(Args, Clone, Debug)]
pub(super) struct Log {
    /// A part of the address
    #[arg(default_value = "")]
    part: String,
    /// A class, or "blocked"
    #[arg(long, default_value = "")]
    reason: String,
    /// RFC 3339
    #[arg(long)]
    from: Option<String>,
    /// RFC 3339
    #[arg(long)]
    to: Option<String>,
    #[arg(long, default_value_t = 100)]
    limit: usize,
    #[command(flatten)]
    of: Of,
}

#[derive(Args, Clone, Debug)]
pub(super) struct Set {
    #[command(flatten)]
    of: Of,
    #[arg(long)]
    name: Option<String>,
    /// cdb:/PATH, texthash:/PATH or lmdb:/PATH: a map file of Postfix's.
    /// "socketmap": Postfix asks. "download": it fetches, by a token that is
    /// shown once
    #[arg(long)]
    way: Option<String>,
    /// The organisation whose administrators run it; "": the service
    #[arg(long)]
    organisation: Option<String>,
    /// Time of the daily run, like 00:30
    #[arg(long)]
    daily_at: Option<String>,
    /// Its time zone, like Europe/Helsinki
    #[arg(long)]
    zone: Option<String>,
    /// Suppress at once, without waiting for the run
    #[arg(long)]
    immediate: Option<bool>,
    /// Days until an address is released by itself; 0: for ever
    #[arg(long)]
    watch_days: Option<u32>,
    /// unknown_user=2, rejecting=off, ...
    #[arg(long = "reason", value_name = "REASON=AFTER")]
    reasons: Vec<String>,
    /// Cancel what was suppressed for a reason that is switched off
    #[arg(long)]
    cancel: bool,
    /// Hours within which a second strike is the same one
    #[arg(long)]
    strike_hours: Option<u32>,
    /// At most so many are released by the watch period in a day; 0: all
    #[arg(long)]
    releases_per_day: Option<u32>,
    /// Addresses and patterns that are never suppressed: @own.example, info@
    #[arg(long)]
    never: Option<Vec<String>>,
    /// A plan with blocking always on
    #[arg(long)]
    fixed: Option<bool>,
}

pub(super) async fn run(command: SuppressionCommand) -> anyhow::Result<()> {
    let (configured, json, ask) = asked(command)?;
    let answer = held::ask(&configured.read()?, Errand::Suppression { ask }).await?;
    match &answer {
        Value::Array(all) => all.iter().for_each(|one| print(one, json)),
        one => print(one, json),
    }
    Ok(())
}

fn asked(command: SuppressionCommand) -> anyhow::Result<(Configured, bool, Ask)> {
    use SuppressionCommand as C;
    let absolute = |path: &Path| std::path::absolute(path);
    let (of, ask) = match command {
        C::List { part, of, after, limit } => {
            let server = of.server;
            (of, Ask::List { server, part, after, limit })
        }
        C::Add(One { address, of }) => (of.clone(), Ask::Add { server: of.server, address }),
        C::Release(One { address, of }) => {
            (of.clone(), Ask::Release { server: of.server, address })
        }
        C::Exempt(One { address, of }) => (of.clone(), Ask::Exempt { server: of.server, address }),
        C::Unexempt(One { address, of }) => {
            (of.clone(), Ask::Unexempt { server: of.server, address })
        }
        C::Exemptions { part, of, limit } => {
            let server = of.server;
            (of, Ask::Exemptions { server, part, limit })
        }
        C::Import { file, of, column, now, preview } => {
            let (server, path) = (of.server, absolute(&file)?);
            (of, Ask::Import { server, path, column, at_once: now, preview })
        }
        C::Export { what, file, of } => {
            let (server, to) = (of.server, absolute(&file)?);
            (of, Ask::Export { server, what, to })
        }
        C::Servers { configured, json } => return Ok((configured, json, Ask::Servers)),
        C::Breakers { configured, json } => return Ok((configured, json, Ask::Breakers)),
        C::Inquiries { configured, json } => return Ok((configured, json, Ask::Inquiries)),
        C::Grant { organisation, refuse, configured, json } => {
            return Ok((configured, json, Ask::DecideInquiry { organisation, grant: !refuse }));
        }
        C::Set(set) => (set.of.clone(), Ask::SetServer(Box::new(change(set)))),
        C::Run(of) => (of.clone(), Ask::Run { server: of.server }),
        C::Distribute { of, dry_run, roll_back, resume } => {
            let server = of.server;
            let ask = match roll_back {
                Some(version) => Ask::RollBack { server, version },
                None if resume => Ask::Resume { server },
                None => Ask::Distribute { server, dry: dry_run },
            };
            (of, ask)
        }
        C::Errors(log) => (log.of.clone(), events(log, true)),
        C::Deliveries(log) => (log.of.clone(), events(log, false)),
        C::CloseBreaker { domain, of, undo } => {
            let server = of.server;
            (of, Ask::CloseBreaker { server, domain, undo })
        }
        C::ReadLog { file, of } => {
            let (server, path) = (of.server, absolute(&file)?);
            (of, Ask::ReadLog { server, path })
        }
    };
    Ok((of.configured, of.json, ask))
}

fn what(text: &str) -> Result<What, String> {
    let known = What::ALL.into_iter().find(|one| one.as_str() == text);
    let words = || What::ALL.map(What::as_str).join(", ");
    known.ok_or_else(|| format!("one of {}", words()))
}

fn events(log: Log, errors: bool) -> Ask {
    let Log { part, reason, from, to, limit, of } = log;
    Ask::Events { server: Some(of.server), part, reason, from, to, errors, limit }
}

fn change(set: Set) -> Change {
    Change {
        id: set.of.server,
        name: set.name,
        way: set.way,
        organisation: set.organisation,
        daily_at: set.daily_at,
        zone: set.zone,
        immediate: set.immediate,
        watch_days: set.watch_days,
        reasons: set.reasons,
        cancel: set.cancel,
        strike_hours: set.strike_hours,
        releases_per_day: set.releases_per_day,
        never: set.never,
        fixed: set.fixed,
    }
}

/// `key value` pairs on one line; text of strangers without controls.
fn print(one: &Value, json: bool) {
    if json {
        println!("{one}");
        return;
    }
    let Value::Object(fields) = one else {
        println!("{one}");
        return;
    };
    let shown = |value: &Value| match value {
        Value::String(text) => crate::mail::display::visible(text),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let line: Vec<String> = fields
        .iter()
        .map(|(name, value)| (name, shown(value)))
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    println!("{}", line.join("  "));
}

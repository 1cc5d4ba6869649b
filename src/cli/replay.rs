//! `reprieve replay`: what the filter says of mails from files.
//!
//! The client is the one that the first Received line names, as behind a
//! relay of ours; the sender is RFC5322.From. Without a configuration DNS is
//! not asked, and nothing is held against a mail for what DNS might have said:
//! names and keys of old mail are long gone. `--summary` compares the checks
//! with what the mails are, where a folder's or an archive's name says it.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use serde_json::json;
use tokio::sync::mpsc;

use super::summary::Summary;
use crate::clock::Clock;
use crate::demo::corpus::{self, Sample};
use crate::filter::policy::{self, Thresholds, View};
use crate::filter::{Examination, Filter, Judgement};
use crate::gateway::{self, Config, MINIMAL};
use crate::intake::direction::{self, Networks};
use crate::mail::message::FromHeader;
use crate::mail::{Client, Envelope, Message, Recipient, ReversePath};
use crate::reputation::Regard;

/// What is printed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    pub json: bool,
    pub summary: bool,
}

pub(super) async fn run(
    config: Option<Config>,
    paths: Vec<PathBuf>,
    form: Form,
) -> anyhow::Result<()> {
    let no_dns = tempfile_zone()?;
    let authenticate = config.is_some();
    let config = if let Some(config) = config {
        config
    } else {
        let zone = format!("dns.zone=\"{}\"", no_dns.0.display());
        Config::parse(MINIMAL, Path::new("/"), &[zone])?
    };
    let (filter, thresholds) = gateway::judge(&config, Clock::system(), authenticate)?;
    let (send, mut receive) = mpsc::channel::<Sample>(16);
    let reader = tokio::task::spawn_blocking(move || {
        corpus::read::<anyhow::Error>(&paths, &mut |sample| {
            send.blocking_send(sample).context("judging ended early")
        })
    });
    let began = Instant::now();
    let mut summary = Summary::new(thresholds);
    while let Some(sample) = receive.recv().await {
        let (examination, judgement) = judge(&config, &filter, &thresholds, &sample).await?;
        let (class, verdict) = (judgement.class.as_str(), judgement.verdict.as_str());
        summary.count(&sample.file, &examination, judgement);
        if form.json {
            println!("{}", line(&sample.file, judgement, &examination));
        } else if !form.summary {
            let ids: Vec<String> = examination
                .findings
                .iter()
                .map(|finding| format!("{} {:+}", finding.id, finding.weight))
                .collect();
            println!("{class:<13} {verdict:<7} {:>6.1}  {}", examination.score, sample.file);
            println!("              {}", ids.join(", "));
        }
    }
    reader.await??;
    if form.summary {
        print!("{summary}");
        println!("{} mails in {:.1} s", summary.mails(), began.elapsed().as_secs_f64());
    }
    Ok(())
}

fn line(file: &str, judgement: Judgement, examination: &Examination) -> serde_json::Value {
    let findings: Vec<serde_json::Value> = examination
        .findings
        .iter()
        .map(|finding| json!({ "id": finding.id, "weight": finding.weight }))
        .collect();
    json!({
        "file": file,
        "class": judgement.class.as_str(),
        "verdict": judgement.verdict.as_str(),
        "score": examination.score,
        "findings": findings,
    })
}

async fn judge(
    config: &Config,
    filter: &Filter,
    thresholds: &Thresholds,
    sample: &Sample,
) -> anyhow::Result<(Examination, Judgement)> {
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let message = Message::new(sample.message.clone().into());
    let organisation = config.organisations.first().context("nobody is served")?;
    let recipient = &organisation.contact.postmaster;
    let recipient = crate::mail::Address::parse(&format!("replay@{}", recipient.domain()))?;
    let envelope = Envelope {
        client: Client { ip: here, name: None, helo: "unknown".to_owned(), tls: None, esmtp: true },
        authenticated: None,
        mail_from: match message.from() {
            FromHeader::Single(address) => ReversePath::Address(address),
            _ => ReversePath::Null,
        },
        rcpt_to: vec![Recipient { raw: recipient.to_string(), address: recipient }],
        eight_bit: true,
        smtputf8: false,
        received_at: crate::clock::Timestamp::now(),
        session_id: "replay".to_owned(),
    };
    let relays = Networks { own: Vec::new(), relays: vec![here.into()] };
    let (judged, _) = direction::judged(&envelope, &message, &relays);
    let examination = filter.examine(&judged, &message, false).await?;
    let view = View {
        organisation,
        rule: None,
        choices: crate::directory::Choices::default(),
        regard: Regard::Unknown,
        correspondent: false,
        role_address: false,
    };
    let judgement = policy::decide(&examination, &view, thresholds);
    Ok((examination, judgement))
}

/// A zone file without names: every question is answered "does not exist".
struct NoNames(PathBuf);

fn tempfile_zone() -> anyhow::Result<NoNames> {
    let path = std::env::temp_dir().join(format!("reprieve-replay-{}.zone", uuid::Uuid::now_v7()));
    std::fs::write(&path, "nothing.invalid. IN TXT \"\"\n")?;
    Ok(NoNames(path))
}

impl Drop for NoNames {
    fn drop(&mut self) {
        // A leftover is the system's to clean.
        let _ = std::fs::remove_file(&self.0);
    }
}

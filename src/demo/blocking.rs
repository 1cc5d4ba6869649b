//! Delivery blocking with something on every tab: servers, a week of outcomes
//! as real servers answer, a provider in trouble, lists and an inquiry.
//!
//! All of it goes the way that real ones go; nothing is written past the
//! rules.

use std::io::Write;

use anyhow::Context;

use super::world::SERVED;
use crate::clock::SignedDuration;
use crate::directory::OrganisationId;
use crate::mail::Address;
use crate::suppression::change::Change;
use crate::suppression::distribute::ANSWER;
use crate::suppression::event::Outcome;
use crate::suppression::{Noted, OWN, Suppression, Upload, Way};

/// To whom, how long ago in minutes, what became of it, the answer.
const OUTCOMES: [(&str, i64, Outcome, &str); 10] = [
    (
        "maija@gone.example",
        9000,
        Outcome::Failed,
        "550 5.1.1 <maija@gone.example>: User unknown in virtual mailbox table",
    ),
    ("info@partner.example", 8000, Outcome::Succeeded, "250 2.0.0 Ok: queued as 4XyZ"),
    (
        "pekka@moved.example",
        5000,
        Outcome::Failed,
        "550 5.4.4 Unable to route: no mail hosts for domain",
    ),
    (
        "office@slow.example",
        3200,
        Outcome::Deferred,
        "451 4.4.1 Connection timed out while talking to mx.slow.example",
    ),
    (
        "kim@full.example",
        2500,
        Outcome::Failed,
        "552 5.2.2 <kim@full.example> Mailbox full: over quota",
    ),
    (
        "lists@strict.example",
        1200,
        Outcome::Failed,
        "554 5.7.1 Service unavailable; client host blocked using dnsbl.example",
    ),
    ("aino@far.example", 600, Outcome::Failed, "550 5.7.1 Recipient does not accept mail from you"),
    ("anna@partner.example", 90, Outcome::Succeeded, "250 2.0.0 Ok: queued as 7AbC"),
    ("new@partner.example", 1, Outcome::Queued, ""),
    ("old@partner.example", 30, Outcome::Failed, "550 5.1.1 no such user here"),
];

/// Furnishes the lists of a demo that has none yet.
///
/// # Errors
/// If a step is refused.
pub async fn furnish(list: &Suppression) -> anyhow::Result<()> {
    if list.servers().await?.len() > 1 {
        return Ok(());
    }
    let server = |name: &str, way: &str, organisation: &str| Change {
        id: Change::NEXT,
        name: Some(name.to_owned()),
        way: Some(way.to_owned()),
        organisation: Some(organisation.to_owned()),
        watch_days: Some(90),
        ..Change::default()
    };
    let live = Change {
        never: Some(vec![format!("@{}", SERVED[0]), "billing@".to_owned()]),
        ..server("mx.demo", "socketmap", "demo")
    };
    let live = list.change(live, "admin").await?.server.id;
    let fetching = list.change(server("news.demo", "download", "demo"), "admin").await?.server.id;
    let fixed = Change { fixed: Some(true), ..server("mx.second", "socketmap", "second") };
    let fixed = list.change(fixed, "admin").await?.server.id;
    for id in [OWN, live, fixed] {
        outcomes(list, id).await?;
    }
    outage(list, live).await?;
    note(list, fixed, "old@partner.example", (10, Outcome::Blocked), ANSWER).await?;
    list.release(live, &address("pekka@moved.example")?, "admin").await?;
    // Exempt, and in error again.
    let again = "550 5.4.4 Unable to route: no mail hosts for domain";
    note(list, live, "pekka@moved.example", (2, Outcome::Failed), again).await?;
    for (count, name) in ["sales", "jobs", "press"].into_iter().enumerate() {
        list.add(fetching, &address(&format!("{name}@closed{count}.example"))?, "admin").await?;
    }
    uploads(list, live).await?;
    map_file(list, server).await?;
    let organisation = OrganisationId::new("demo").context("an organisation's id")?;
    let why = "We report once a year how many addresses of our members are dead.";
    list.inquire(&organisation, "anna", why, &|_| {}).await?;
    list.step().await?;
    Ok(())
}

/// A Postfix that reads a map file, where there is a folder for one.
async fn map_file(
    list: &Suppression,
    server: impl Fn(&str, &str, &str) -> Change,
) -> anyhow::Result<()> {
    let Some(folder) = list.lists_folder() else { return Ok(()) };
    let way = format!("cdb:{}", folder.join("relay.demo").display());
    // A folder's name may have what main.cf cannot.
    if Way::map_file(&way).is_none() {
        return Ok(());
    }
    std::fs::create_dir_all(folder)?;
    let id = list.change(server("relay.demo", &way, "demo"), "admin").await?.server.id;
    list.add(id, &address("fax@closed0.example")?, "admin").await?;
    Ok(())
}

async fn outcomes(list: &Suppression, server: u16) -> anyhow::Result<()> {
    for (to, minutes, outcome, reply) in OUTCOMES {
        note(list, server, to, (minutes, outcome), reply).await?;
    }
    Ok(())
}

/// More than half of an hour's mail to one provider is refused.
async fn outage(list: &Suppression, server: u16) -> anyhow::Result<()> {
    for count in 0..24 {
        let to = format!("subscriber{count:02}@carrier.example");
        let reply = "550 5.1.1 User unknown";
        note(list, server, &to, (count, Outcome::Failed), reply).await?;
    }
    Ok(())
}

async fn note(
    list: &Suppression,
    server: u16,
    to: &str,
    (minutes, outcome): (i64, Outcome),
    reply: &str,
) -> anyhow::Result<()> {
    let at = list.clock().now() - SignedDuration::from_mins(minutes);
    let mut noted = Noted::new(server, address(to)?, at, outcome);
    if matches!(outcome, Outcome::Failed | Outcome::Deferred) {
        noted = noted.answered(Some(crate::mail::bounce::Command::Rcpt), reply);
    }
    reply.clone_into(&mut noted.response);
    noted.id = format!("demo {to} {minutes}");
    "Minutes of Monday".clone_into(&mut noted.subject);
    noted.sender = format!("anna@{}", SERVED[0]);
    noted.return_path = format!("bounces@{}", SERVED[0]);
    noted.message_id = format!("{minutes}.demo@{}", SERVED[0]);
    list.note(&noted).await?;
    Ok(())
}

/// One list in force, one that waits to be registered.
async fn uploads(list: &Suppression, server: u16) -> anyhow::Result<()> {
    let rows = |from: usize| {
        let rows = (from..from + 40).map(|n| format!("Member {n},member{n}@lapsed.example\n"));
        format!("name,address\n{}", rows.collect::<String>())
    };
    let upload = |file: &str| Upload {
        server,
        file: file.to_owned(),
        by: "admin".to_owned(),
        column: "address".to_owned(),
        at_once: true,
    };
    list.register(&upload("members-2025.csv"), rows(0).as_bytes()).await?;
    let (id, mut file) = list.spool()?;
    let wrong = "Office,office(at)lapsed.example\nMember 60,member60@lapsed.example\n";
    file.write_all(format!("{}{wrong}", rows(40)).as_bytes())?;
    list.begin_upload(id, upload("members-2026.csv"))?;
    Ok(())
}

fn address(text: &str) -> anyhow::Result<Address> {
    Address::parse(text).with_context(|| format!("{text} is no address"))
}

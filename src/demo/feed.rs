//! `--corpus DIR`: real mails through the real door, and a table of verdicts.
//!
//! A corpus's mails are pushed over several sessions at once, to a recipient
//! of the second organisation, from the address in their own From; what the
//! gateway answers is counted by class, which the maillog's counters and the
//! held records know.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::Context;
use tokio::sync::Mutex as AsyncMutex;
use tokio::sync::mpsc;

use super::client::Sender;
use super::corpus::{self, Sample};
use super::world::SERVED;
use crate::mail::message::FromHeader;
use crate::mail::{Address, Message};

const SESSIONS: usize = 8;

/// How many mails of each part of the corpus got each answer.
pub type Table = BTreeMap<String, BTreeMap<Verdict, usize>>;

/// The answer, in the filter's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Accept,
    HoldLetter,
    HoldReply,
    Reject,
    Defer,
}

/// A held mail's link with its exact bytes.
#[derive(Clone, Debug)]
pub struct Kept {
    pub link: String,
    pub bytes: Vec<u8>,
}

/// What feeding found.
pub struct Fed {
    pub table: Table,
    /// A mail that was held and can be told the story of.
    pub kept: Vec<Kept>,
    pub mails: usize,
    pub seconds: f64,
}

/// Pushes the corpus of `paths` through the gateway.
///
/// # Errors
/// If a file cannot be read, or the gateway cannot be reached.
pub async fn feed(gateway: SocketAddr, paths: Vec<PathBuf>) -> anyhow::Result<Fed> {
    let began = Instant::now();
    let (send, receive) = mpsc::channel::<Sample>(2 * SESSIONS);
    let receive = Arc::new(AsyncMutex::new(receive));
    let fed = Arc::new(Mutex::new((Table::new(), Vec::new(), 0)));
    let reader = tokio::task::spawn_blocking(move || {
        corpus::read::<anyhow::Error>(&paths, &mut |sample| {
            send.blocking_send(sample).context("all sessions ended early")
        })
    });
    let mut sessions = tokio::task::JoinSet::new();
    for _ in 0..SESSIONS {
        let (receive, fed) = (Arc::clone(&receive), Arc::clone(&fed));
        sessions.spawn(async move {
            let mut session = None;
            loop {
                let Some(sample) = receive.lock().await.recv().await else {
                    return anyhow::Ok(());
                };
                let (verdict, kept) = push(&mut session, gateway, &sample).await?;
                let mut fed = fed.lock().unwrap_or_else(PoisonError::into_inner);
                let row = fed.0.entry(part(&sample.file)).or_default();
                *row.entry(verdict).or_default() += 1;
                fed.1.extend(kept);
                fed.2 += 1;
            }
        });
    }
    while let Some(ended) = sessions.join_next().await {
        ended??;
    }
    reader.await??;
    let mut fed = fed.lock().unwrap_or_else(PoisonError::into_inner);
    let (table, kept, mails) = std::mem::take(&mut *fed);
    Ok(Fed { table, kept, mails, seconds: began.elapsed().as_secs_f64() })
}

async fn push(
    session: &mut Option<Sender>,
    gateway: SocketAddr,
    sample: &Sample,
) -> anyhow::Result<(Verdict, Option<Kept>)> {
    let message = Message::new(sample.message.clone().into());
    let from = match message.from() {
        FromHeader::Single(address) => address.to_string(),
        _ => "somebody@corpus.example".to_owned(),
    };
    let from = if Address::parse(&from).is_ok() { from } else { String::new() };
    let to = format!("bo@{}", SERVED[1]);
    // A session that the server ended (too many errors) is opened again, once.
    let mut answer = None;
    for _ in 0..2 {
        let mut open = match session.take() {
            Some(open) => open,
            None => Sender::connect(gateway, "mail.corpus.example").await?,
        };
        if let Ok(said) = open.send(&from, &[&to], &sample.message).await {
            if said.code != 421 {
                *session = Some(open);
            }
            answer = Some(said);
            break;
        }
    }
    let answer = answer.with_context(|| format!("no answer to {}", sample.file))?;
    let link = super::story::link_in(&answer.text);
    let verdict = match answer.code {
        250 if answer.text.contains("held") => Verdict::HoldLetter,
        200..=299 => Verdict::Accept,
        400..=499 => Verdict::Defer,
        _ if link.is_some() => Verdict::HoldReply,
        _ => Verdict::Reject,
    };
    let kept = link.map(|link| Kept { link, bytes: sample.message.clone() });
    Ok((verdict, kept))
}

/// The folder or archive that a mail came from.
fn part(file: &str) -> String {
    let whole = file.split('!').next().unwrap_or(file);
    let whole =
        if whole == file { file.rsplit_once('/').map_or(file, |(dir, _)| dir) } else { whole };
    whole.rsplit('/').next().unwrap_or(whole).to_owned()
}

/// Prints the table.
pub fn print(fed: &Fed) {
    println!(
        "\n{:<32}{:>8}{:>8}{:>14}{:>8}{:>8}",
        "", "accept", "hold", "hold + letter", "reject", "defer"
    );
    let columns =
        [Verdict::Accept, Verdict::HoldReply, Verdict::HoldLetter, Verdict::Reject, Verdict::Defer];
    for (part, row) in &fed.table {
        let count = |verdict| row.get(&verdict).copied().unwrap_or(0);
        let [accept, reply, letter, reject, defer] = columns.map(count);
        println!("{part:<32}{accept:>8}{reply:>8}{letter:>14}{reject:>8}{defer:>8}");
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = fed.mails as f64 / fed.seconds;
    println!("{} mails in {:.1} s ({rate:.0} a second)\n", fed.mails, fed.seconds);
}

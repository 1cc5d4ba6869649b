//! What an operator asks of a store: see, release and delete held messages,
//! decide appeals, back it up, let letters out again, retry what failed. The
//! same code answers a running gateway's operations listener and a command
//! that opened a stopped one's store.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::admins::{AdminErrand, Admins};
use super::keys::KeyErrand;
use crate::account::{Audit, Entry};
use crate::appeal::{Appeal, Appeals, Decider, Scope, Tab, Terms, shown as shown_appeal};
use crate::clock::{Clock, SignedDuration, Timestamp};
use crate::delivery::Delivery;
use crate::link::KeyRing;
use crate::mail::Address;
use crate::notice::Notices;
use crate::portal::about_held;
use crate::quarantine::{Held, Reference};
use crate::queue::{Item, ItemState, Queue, Which};
use crate::release::{Denied, Releases, Way};
use crate::store::{Batch, Index, Row, Store, Toward, Unreadable};

/// Keeps errands apart from everything else that the keys sign.
const LABEL: &str = "reprieve errand v1";
/// Who decides by a command, in the audit.
const CONSOLE: &str = "console";
/// Seconds for which a tag is good.
const GOOD_FOR: i64 = 60;

/// One request.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "errand", rename_all = "lowercase")]
pub enum Errand {
    /// Held messages, the oldest first, after an id.
    List {
        after: Option<String>,
        limit: usize,
    },
    Show {
        which: String,
    },
    Release {
        which: String,
    },
    Delete {
        which: String,
    },
    Backup {
        to: PathBuf,
    },
    /// Delivery blocking.
    Suppression {
        ask: super::blocking::Ask,
    },
    /// Appeals, the most urgent first.
    Appeals {
        decided: bool,
    },
    Appeal {
        which: String,
    },
    /// Lets the campaign, or all mail of a proved sender, through.
    Grant {
        which: String,
        by: String,
        identity: bool,
        days: u16,
        volume: u32,
        reason: String,
    },
    Deny {
        which: String,
        by: String,
        reason: String,
    },
    /// A question to the sender of an appeal.
    Question {
        which: String,
        by: String,
        text: String,
    },
    /// A recipient's digest, now.
    Digest {
        to: String,
    },
    /// Whether letters go out, and if not, since when and why.
    Breaker,
    /// Letters may go out again.
    CloseBreaker,
    /// What could not be delivered and is kept.
    Undelivered {
        limit: usize,
    },
    /// Deliver it now, by its item's id.
    Retry {
        item: String,
    },
    Admin(AdminErrand),
    /// What is done to the keys, for the audit.
    Key(KeyErrand),
}

/// Carries errands out. Clones share the store.
#[derive(Clone)]
pub struct Errands {
    pub store: Store,
    pub suppression: crate::suppression::Suppression,
    pub statistics: crate::statistics::Statistics,
    pub clock: Clock,
    pub releases: Releases,
    pub notices: Notices,
    pub queue: Queue,
    pub delivery: Delivery,
    pub appeals: Appeals,
    pub admins: Admins,
}

impl Errands {
    /// The answer as JSON.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub async fn run(&self, errand: Errand) -> Result<Value, String> {
        match errand {
            Errand::List { after, limit } => self.list(after, limit.min(1000)).await,
            Errand::Admin(errand) => self.admins.run(errand).await,
            Errand::Key(told) => self.admins.hear(told).await,
            Errand::Show { which } => Ok(shown(&self.find(&which).await?.record)),
            Errand::Release { which } => self.release(&which).await,
            Errand::Delete { which } => self.delete(&which).await,
            Errand::Suppression { ask } => {
                super::blocking::run(&self.suppression, self.audit(), ask).await
            }
            Errand::Digest { to } => self.digest(&to).await,
            Errand::Appeals { decided } => self.appeals(decided).await,
            Errand::Appeal { which } => Ok(shown_appeal(&self.appeal(&which).await?)),
            Errand::Grant { which, by, identity, days, volume, reason } => {
                let scope = if identity { Scope::Identity } else { Scope::Campaign };
                let until = self.clock.now() + SignedDuration::from_hours(24 * i64::from(days));
                let terms = Terms { scope, until, volume };
                let id = self.appeal(&which).await?.id;
                let granted = self.appeals.grant(&operator(&by), id, &reason, terms).await;
                let (granted, freed) = granted.map_err(|error| error.to_string())?;
                let mut shown = shown_appeal(&granted);
                shown["freed"] = json!(freed);
                Ok(shown)
            }
            Errand::Deny { which, by, reason } => {
                let id = self.appeal(&which).await?.id;
                let denied = self.appeals.deny(&operator(&by), id, &reason).await;
                denied.map(|one| shown_appeal(&one)).map_err(|error| error.to_string())
            }
            Errand::Question { which, by, text } => {
                let id = self.appeal(&which).await?.id;
                let asked = self.appeals.ask(&operator(&by), id, &text).await;
                asked.map(|one| shown_appeal(&one)).map_err(|error| error.to_string())
            }
            Errand::Backup { to } => {
                let wrong = |error| {
                    let to = to.display();
                    format!("{to}: {error}; the running gateway writes it, where its service may")
                };
                self.store.backup(&to).await.map_err(wrong)?;
                Ok(json!({ "written": to }))
            }
            Errand::Breaker => self.breaker().await,
            Errand::CloseBreaker => {
                let entry = Entry::new(CONSOLE, "close-breaker");
                let also = |batch: &mut Batch| self.audit().record(batch, entry.clone());
                self.notices.close_breaker(&also).await.map_err(|refusal| refusal.to_string())?;
                self.breaker().await
            }
            Errand::Undelivered { limit } => {
                let failed = self.queue.list(Which::Failed, Toward::Last, &[], limit.min(1000));
                let failed = failed.await.map_err(|fault| fault.to_string())?;
                let unreadable = failed.unreadable.iter().map(unreadable);
                Ok(unreadable.chain(failed.items.iter().map(undelivered)).collect())
            }
            Errand::Retry { item } => {
                let gone = || format!("no item {item} waits or failed, or it is being delivered");
                let id = item.parse::<Uuid>().map_err(|_| gone())?;
                let entry = Entry::new(CONSOLE, "retry-item").about("item", &item);
                let also = |batch: &mut Batch| self.audit().record(batch, entry.clone());
                let again = self.delivery.retry(id, &also).await;
                again
                    .map_err(|fault| fault.to_string())?
                    .then(|| json!({ "item": item }))
                    .ok_or_else(gone)
            }
        }
    }

    fn audit(&self) -> &Audit {
        self.admins.accounts.audit()
    }

    async fn breaker(&self) -> Result<Value, String> {
        let breaker = self.notices.breaker().await.map_err(|fault| fault.to_string())?;
        Ok(json!({
            "open": breaker.is_open(),
            "since": breaker.opened_at().map(|at| at.to_string()),
            "bounced": breaker.bounced(),
            "of": breaker.remembered(),
        }))
    }

    async fn list(&self, after: Option<String>, limit: usize) -> Result<Value, String> {
        let after = match after {
            Some(which) => self.find(&which).await?.record.id.as_bytes().to_vec(),
            None => Vec::new(),
        };
        let page = self.store.listing_page::<Held>(Toward::Last, &after, limit).await;
        let (held, _) = page.map_err(|fault| fault.to_string())?;
        let unreadable = held.unreadable.iter().map(unreadable);
        Ok(unreadable.chain(held.records.iter().map(shown)).collect())
    }

    async fn release(&self, which: &str) -> Result<Value, String> {
        let id = self.find(which).await?.record.id;
        let also = |batch: &mut Batch, _: &Held, after: &Held| {
            self.audit().record(batch, about_held(Entry::new(CONSOLE, "release"), after));
        };
        let held = self.releases.release_copies(id, &|_| true, &also).await;
        held.map(|held| shown(&held)).map_err(why)
    }

    async fn delete(&self, which: &str) -> Result<Value, String> {
        let id = self.find(which).await?.record.id;
        let also = |batch: &mut Batch, _: &Held, after: &Held| {
            self.audit().record(batch, about_held(Entry::new(CONSOLE, "delete"), after));
        };
        let held = self.releases.delete_copies(id, &|_| true, &also).await;
        held.map(|held| shown(&held)).map_err(why)
    }

    /// Those that wait, those that were asked, and if wanted those that are
    /// closed.
    async fn appeals(&self, decided: bool) -> Result<Value, String> {
        let mut all = Vec::new();
        for tab in [Tab::Received, Tab::Asked, Tab::Closed] {
            if tab != Tab::Closed || decided {
                let found = self.appeals.page(tab, None, &[], 1000).await;
                let found = found.map_err(|fault| fault.to_string())?;
                all.extend(found.unreadable.iter().map(unreadable));
                all.extend(found.appeals.iter().map(shown_appeal));
            }
        }
        Ok(Value::Array(all))
    }

    /// By id, or by the reference of the message that it was made about.
    async fn appeal(&self, which: &str) -> Result<Appeal, String> {
        if let Ok(id) = which.parse::<Uuid>() {
            return self.appeals.find(id).await.map_err(|error| error.to_string());
        }
        let held = self.find(which).await?.record;
        let found = self.appeals.of_held(&held).await.map_err(|fault| fault.to_string())?;
        found.ok_or_else(|| format!("no appeal was made about {which}"))
    }

    async fn digest(&self, to: &str) -> Result<Value, String> {
        let address = Address::parse(to).map_err(|error| error.to_string())?;
        let entry = Entry::new(CONSOLE, "send-digest").about("recipient", &address.display());
        let also = |batch: &mut Batch| self.audit().record(batch, entry.clone());
        let sent = self.notices.digest_now(&address, &also).await;
        let sent = sent.map_err(|fault| fault.to_string())?;
        Ok(json!({ "sent": sent }))
    }

    /// By id or by reference.
    async fn find(&self, which: &str) -> Result<Row<Held>, String> {
        let missing = || format!("no held message {which}");
        let key = if let Ok(id) = which.parse::<Uuid>() {
            id.as_bytes().to_vec()
        } else {
            let reference = Reference::parse(which).ok_or_else(missing)?;
            let found = self.store.referred_by(Index::HeldByReference, &reference.key(), 1).await;
            found.map_err(|fault| fault.to_string())?.into_iter().next().ok_or_else(missing)?
        };
        let row = self.store.find::<Held>(&key).await.map_err(|fault| fault.to_string())?;
        row.ok_or_else(missing)
    }
}

/// Who may run a command decides for everybody.
fn operator(by: &str) -> Decider {
    Decider { who: format!("{by} (command)"), client: None, organisations: None }
}

/// Why a held message stays as it is.
fn why(denied: Denied) -> String {
    match denied {
        Denied::Now(Way::RecipientRefuses) => {
            "the recipient blocks this sender; his rule has to go first".to_owned()
        }
        Denied::Now(_) => {
            "no copy waits any more: each is on its way or over (`reprieve held show`)".to_owned()
        }
        denied => denied.to_string(),
    }
}

/// What operators see: everything but the body.
fn shown(held: &Held) -> Value {
    let recipients: Vec<Value> = held
        .recipients
        .iter()
        .map(|one| {
            json!({
                "address": one.address.to_string(),
                "organisation": one.organisation.as_str(),
                "class": one.class.as_str(),
                "state": one.state.as_str(),
                "reply": one.outcome.as_ref().map(|outcome| &outcome.reply),
            })
        })
        .collect();
    let findings: Vec<Value> = held
        .findings
        .iter()
        .map(|finding| json!({ "id": finding.id, "weight": finding.weight }))
        .collect();
    json!({
        "id": held.id.to_string(),
        "reference": held.reference.to_string(),
        "received": held.received_at.to_string(),
        "expires": held.expires_at.to_string(),
        "mail_from": held.rfc5321_mail_from.to_string(),
        "from": held.from_text,
        "subject": held.subject,
        "size": held.size,
        "score": held.score,
        "findings": findings,
        "recipients": recipients,
    })
}

/// A record of a list that cannot be read.
pub(super) fn unreadable(one: &Unreadable) -> Value {
    json!({ "unreadable": one.to_string() })
}

/// An item that failed, and each recipient whom it did not reach.
fn undelivered(item: &Item) -> Value {
    let failed = item.recipients.iter().filter(|one| one.state == ItemState::Failed);
    let recipients: Vec<Value> = failed
        .map(|one| {
            json!({
                "address": one.address.to_string(),
                "server": one.server,
                "reply": one.reply,
            })
        })
        .collect();
    json!({
        "item": item.id.to_string(),
        "kind": item.kind.as_str(),
        "mail_from": item.mail_from.to_string(),
        "created": item.created_at.to_string(),
        "attempts": item.attempts,
        "kept_until": item.kept_until.map(|until| until.to_string()),
        "recipients": recipients,
    })
}

/// `key-id time tag`, for the Authorization header.
fn tag(ring: &KeyRing, now: Timestamp, body: &[u8]) -> String {
    let time = now.as_second().to_be_bytes();
    let (id, tag) = ring.seal(LABEL, &[&time, body]);
    let hex: Vec<String> = tag.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("Reprieve {id} {} {}", now.as_second(), hex.concat())
}

/// Whether `header` was made by somebody who may read the keys, for this
/// body, within the last minute.
pub(super) fn is_genuine(ring: &KeyRing, header: &str, body: &[u8]) -> bool {
    let mut words = header.split(' ');
    let (Some("Reprieve"), Some(id), Some(time), Some(hex), None) =
        (words.next(), words.next(), words.next(), words.next(), words.next())
    else {
        return false;
    };
    let (Ok(id), Ok(time)) = (id.parse::<u16>(), time.parse::<i64>()) else {
        return false;
    };
    let bytes: Option<Vec<u8>> = (0..hex.len() / 2)
        .map(|at| hex.get(at * 2..at * 2 + 2).and_then(|two| u8::from_str_radix(two, 16).ok()))
        .collect();
    let fresh = (Timestamp::now().as_second() - time).abs() <= GOOD_FOR;
    let parts: [&[u8]; 2] = [&time.to_be_bytes(), body];
    fresh && bytes.is_some_and(|bytes| ring.unseals(LABEL, &parts, id, &bytes))
}

/// Asks the running gateway behind `operations`.
///
/// # Errors
/// [`io::ErrorKind::ConnectionRefused`] if none runs there; else what it said.
pub fn ask(operations: SocketAddr, ring: &KeyRing, errand: &Errand) -> io::Result<Value> {
    let body = serde_json::to_vec(errand).map_err(io::Error::other)?;
    let mut stream = TcpStream::connect_timeout(&operations, Duration::from_secs(5))?;
    write!(
        stream,
        "POST /errand HTTP/1.0\r\nHost: {operations}\r\nAuthorization: {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        tag(ring, Timestamp::now(), &body),
        body.len()
    )?;
    stream.write_all(&body)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    if head.split(' ').nth(1) == Some("200") {
        serde_json::from_str(body).map_err(io::Error::other)
    } else {
        Err(io::Error::other(body.trim().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_for_one_body_one_minute_and_one_ring() {
        let ring = KeyRing::ephemeral();
        let now = Timestamp::now();
        let good = tag(&ring, now, b"body");
        assert!(is_genuine(&ring, &good, b"body"));
        assert!(!is_genuine(&ring, &good, b"other"));
        assert!(!is_genuine(&KeyRing::ephemeral(), &good, b"body"));
        let old = Timestamp::from_second(now.as_second() - 61).unwrap();
        assert!(!is_genuine(&ring, &tag(&ring, old, b"body"), b"body"));
        for bad in ["", "Reprieve", "Reprieve 1 2 zz", "Reprieve 1 2 é", "Bearer x"] {
            assert!(!is_genuine(&ring, bad, b"body"), "{bad}");
        }
    }
}

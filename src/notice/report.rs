//! Reports that come by mail to `report@` the notice domain: a recipient
//! forwards a message as an attachment, or his mail system sends a complaint
//! in ARF (RFC 5965).
//!
//! The link in the original's own field says, once it is verified, which
//! message was delivered to whom. Without it a report counts only from a
//! recipient who is proved himself, and only as his own word about the address
//! that the original shows (ATTACKS B-08). Nothing is ever answered.

use std::sync::OnceLock;

use super::Notices;
use crate::directory::People;
use crate::link::Purpose;
use crate::mail::complaint::{self, Original};
use crate::mail::{Address, Limits, Message, Reply, prescan};
use crate::quarantine::Held;
use crate::reputation::{FlagBy, FlagError, Flags, Proof, Proofs, Scope, Sender, Standing};
use crate::store::Fault;

/// The local part that reports go to.
const LOCAL: &str = "report";

/// What serves recipients; a gateway without them takes no reports.
#[derive(Default)]
pub(super) struct Desk(OnceLock<(People, Flags)>);

impl Notices {
    /// Recipients are served from now on.
    pub fn serve_recipients(&self, people: People, flags: Flags) {
        let _ = self.inner.desk.0.set((people, flags));
    }

    pub(super) fn people(&self) -> Option<&People> {
        self.inner.desk.0.get().map(|(people, _)| people)
    }

    /// The address for reports.
    pub fn report_address(&self) -> Option<Address> {
        Address::parse(&format!("{LOCAL}@{}", self.inner.settings.domain)).ok()
    }

    /// Whether mail to this recipient is a report, and ends here.
    pub fn is_report(&self, recipient: &Address) -> bool {
        self.inner.desk.0.get().is_some()
            && *recipient.domain() == self.inner.settings.domain
            && recipient.local().eq_ignore_ascii_case(LOCAL)
    }

    /// Takes a report; `reporter` is the sender as the filter proved him, or
    /// one of our own users. The answer tells nothing of what was found.
    pub async fn take_report(&self, reporter: &Sender, message: &Message) -> Reply {
        match self.note_report(reporter, message).await {
            Ok(counted) => {
                self.inner.tools.maillog.report_taken(counted);
                Reply::new(250, (2, 0, 0), "Report noted")
            }
            Err(_) => Reply::new(451, (4, 3, 0), "Try again later"),
        }
    }

    async fn note_report(&self, reporter: &Sender, message: &Message) -> Result<usize, Fault> {
        let Some((_, flags)) = self.inner.desk.0.get() else { return Ok(0) };
        // What trips a limit is never parsed.
        if prescan::scan(message.bytes(), &Limits::default()).tripped.is_some() {
            return Ok(0);
        }
        if let Some(letter) = self.complained_letter(message) {
            return self.note_complaint(letter).await.map(|()| 1);
        }
        let report = complaint::read(message);
        let by = if report.by_machine { FlagBy::Machine } else { FlagBy::Person };
        let mut counted = 0;
        for original in &report.originals {
            let flagged = match self.by_link(original).await? {
                Some((held, slot)) => {
                    let copy = &held.recipients[slot];
                    let id = Some(held.id);
                    flags.flag(&held.sender(), &copy.organisation, &copy.address, by, id).await
                }
                None => match self.by_word(reporter, original).await? {
                    Some((sender, recipient, organisation)) => {
                        flags.flag(&sender, &organisation, &recipient, by, None).await
                    }
                    None => continue,
                },
            };
            match flagged {
                Ok(_) => counted += 1,
                Err(FlagError::Store(fault)) => return Err(fault),
                Err(FlagError::Nobody | FlagError::Gone) => {}
            }
        }
        Ok(counted)
    }

    /// The message and copy that a genuine link names.
    async fn by_link(&self, original: &Original) -> Result<Option<(Held, usize)>, Fault> {
        let tools = &self.inner.tools;
        let Some(link) = &original.link else { return Ok(None) };
        let parts = link.split_once("://").and_then(|(_, rest)| rest.split_once("/f/"));
        let Some((host, text)) = parts else { return Ok(None) };
        // The tag covers the host: one that is not ours cannot be genuine.
        let Ok(token) = tools.links.read(host, Purpose::Flag, text) else { return Ok(None) };
        if token.has_expired(self.now()) {
            return Ok(None);
        }
        let row = tools.store.find::<Held>(token.subject.as_bytes()).await?;
        let slot = usize::from(token.slot);
        Ok(row.map(|row| (row.record, slot)).filter(|(held, slot)| held.recipients.len() > *slot))
    }

    /// A proved recipient's word about the address that the original shows,
    /// with the proofs of the trust that it has.
    async fn by_word(
        &self,
        reporter: &Sender,
        original: &Original,
    ) -> Result<Option<(Sender, Address, crate::directory::OrganisationId)>, Fault> {
        let tools = &self.inner.tools;
        let (Some(recipient), Some(from)) = (reporter.proved_address(), &original.from) else {
            return Ok(None);
        };
        let Some(organisation) = tools.directory.organisation_of(recipient.domain()) else {
            return Ok(None);
        };
        let key = Standing::key_of(from, &Scope::Everywhere);
        let standing = tools.store.find::<Standing>(&key).await?;
        // Nobody's trust is at stake without standing: then only his block is made.
        let any = Proofs::NONE.with(Proof::Spf).with(Proof::Dkim);
        let sender = Sender {
            address: Some(from.clone()),
            proofs: standing.map_or(any, |row| row.record.proofs),
            network: reporter.network,
        };
        Ok(Some((sender, recipient.clone(), organisation.id.clone())))
    }
}

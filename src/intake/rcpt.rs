//! RCPT TO, answered from what the envelope knows: relaying, blocks, and the
//! addresses that are ours alone.

use super::{Intake, Parts};
use crate::directory::{Claim, Organisation, RuleAction};
use crate::link::Links;
use crate::mail::{Address, Envelope, Reply};

impl Intake {
    /// Answers one RCPT TO from what the envelope knows: `None` accepts it.
    pub async fn recipient(&self, envelope: &Envelope, recipient: &Address) -> Option<Reply> {
        let refusal = self.recipient_at_mta(envelope, recipient).await;
        refusal.or_else(|| self.relaying(envelope, recipient))
    }

    /// The same beside an MTA, which has its own rules about relaying: only
    /// what this house knows is answered.
    #[expect(clippy::unused_async, reason = "rules may come from a database")]
    pub async fn recipient_at_mta(
        &self,
        envelope: &Envelope,
        recipient: &Address,
    ) -> Option<Reply> {
        let Parts { settings, directory, links, notices, .. } = &self.inner.parts;
        let first = envelope.rcpt_to.first().map(|one| &one.address);
        if self.ends_here(recipient) || first.is_some_and(|first| self.ends_here(first)) {
            // A bounce of one letter, or a report, is a transaction of its own.
            return first.map(|_| Reply::new(452, (4, 5, 3), "Send to this address separately"));
        }
        if notices.is_forged_bounce(recipient) {
            return Some(Reply::new(550, (5, 7, 1), "This address takes nothing but our bounces"));
        }
        let organisation = directory.organisation_of(recipient.domain())?;
        if self.is_outgoing_client(envelope) {
            return None;
        }
        let first = first.and_then(|first| directory.organisation_of(first.domain()));
        if settings.one_organisation_per_transaction
            && first.is_some_and(|first| first.id != organisation.id)
        {
            return Some(Reply::new(451, (4, 3, 0), "Send to this domain separately"));
        }
        let sender = envelope.mail_from.address()?;
        let blocked = !is_role(recipient)
            && directory.rule(&organisation, recipient, &Claim::of_path(&[sender]))
                == Some(RuleAction::Block);
        blocked.then(|| barred(links, &organisation))
    }

    /// Strangers do not relay (ATTACKS S-31).
    fn relaying(&self, envelope: &Envelope, recipient: &Address) -> Option<Reply> {
        let served = self.inner.parts.directory.serves(recipient.domain());
        let denied = !served && !self.is_outgoing_client(envelope) && !self.ends_here(recipient);
        denied.then(|| {
            Reply::new(550, (5, 7, 1), "Relaying denied: this server does not serve that domain")
        })
    }

    fn is_outgoing_client(&self, envelope: &Envelope) -> bool {
        envelope.authenticated.is_some() || self.is_own(envelope.client.ip)
    }

    /// Whether mail to this recipient ends here, whatever next hop there is: a
    /// bounce of a letter, or a recipient's report.
    pub fn ends_here(&self, recipient: &Address) -> bool {
        let notices = &self.inner.parts.notices;
        notices.return_path(recipient).is_some() || notices.is_report(recipient)
    }

    /// The mailbox of `RCPT TO:<Postmaster>` (RFC 5321 section 4.5.1), if any
    /// domain is served.
    pub fn postmaster(&self) -> Option<Address> {
        let organisations = self.inner.parts.directory.organisations();
        let domain = organisations.first()?.domains.first()?;
        Address::parse(&format!("postmaster@{domain}")).ok()
    }
}

/// postmaster (RFC 5321 section 4.5.1) and abuse (RFC 2142).
pub(super) fn is_role(recipient: &Address) -> bool {
    let local = recipient.base();
    ["postmaster", "abuse"].contains(&local.local())
}

pub(super) fn barred(links: &Links, organisation: &Organisation) -> Reply {
    let help = links.page(organisation.host.as_deref(), "/help");
    let text = format!("The recipient does not accept mail from this sender; see {help}");
    Reply::new(550, (5, 7, 1), text)
}

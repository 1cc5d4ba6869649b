//! The record of what is held, and the queue item of what is accepted.

use uuid::Uuid;

use super::{Intake, Parts};
use crate::clock::SignedDuration;
use crate::filter::{Examination, Judgement};
use crate::mail::{Address, Envelope, Message, display};
use crate::quarantine::{Fingerprint, Held, HeldRecipient, Reference, State, Telling, stored};
use crate::queue::{Draft, Item, Kind, Origin};
use crate::store::{Batch, Body};

/// Texts from mail in a record are cut to so many bytes.
const TEXT_BYTES: usize = 300;
/// So many findings are kept, the heaviest first.
const FINDINGS: usize = 30;

/// A judged message.
pub(super) struct Case<'a> {
    /// As the client said it: recipients, and what is stored.
    pub envelope: &'a Envelope,
    /// As it was judged: behind a relay, with the real client.
    pub judged: &'a Envelope,
    pub message: &'a Message,
    pub fingerprint: Fingerprint,
    pub examination: &'a Examination,
    pub judgements: &'a [Judgement],
    pub relayed: bool,
}

impl Case<'_> {
    /// What vouches for the sender of the accepted part.
    pub fn origin(&self) -> Origin {
        let Examination { sender, score, .. } = self.examination;
        Origin { proved: sender.proved_address().cloned(), score: *score }
    }
}

impl Intake {
    /// The record for these slots: held, and refused.
    pub(super) fn record(
        &self,
        case: &Case<'_>,
        hold: &[usize],
        refuse: &[usize],
        trace: String,
    ) -> Held {
        let Parts { directory, clock, .. } = &self.inner.parts;
        let Case { judged, message, examination, .. } = case;
        let now = clock.now();
        let id = Uuid::now_v7();
        let named = message.to_and_cc();
        let mut retention = 0;
        let mut recipients = Vec::with_capacity(hold.len() + refuse.len());
        let places = hold.iter().map(|slot| (*slot, State::Held));
        for (slot, state) in places.chain(refuse.iter().map(|slot| (*slot, State::Refused))) {
            let address = &judged.rcpt_to[slot].address;
            let Some(organisation) = directory.organisation_of(address.domain()) else { continue };
            retention = retention.max(organisation.retention_days);
            let judgement = case.judgements[slot];
            recipients.push(HeldRecipient {
                address: address.clone(),
                organisation: organisation.id.clone(),
                named: is_named(address, &named),
                class: judgement.class,
                door: judgement.door,
                state,
                changed_at: now,
                item: None,
                due_at: None,
                outcome: None,
            });
        }
        let text = |name| {
            let text = message.text(name).unwrap_or_default();
            display::excerpt(text.trim(), TEXT_BYTES)
        };
        let from_text = message.from_display().map_or_else(String::new, |shown| {
            let name = shown.name.map(|name| format!("{name} "));
            format!("{}<{}>", name.unwrap_or_default(), shown.address)
        });
        Held {
            id,
            reference: reference(id),
            received_at: judged.received_at,
            expires_at: now + SignedDuration::from_hours(24 * i64::from(retention.max(1))),
            fingerprint: case.fingerprint,
            rfc5321_mail_from: judged.mail_from.clone(),
            client: judged.client.ip,
            rfc5322_from: examination.sender.address.clone(),
            proofs: examination.sender.proofs,
            subject: text("Subject"),
            from_text: display::excerpt(&from_text, TEXT_BYTES),
            message_id: message.message_id().unwrap_or_default().to_owned(),
            size: message.bytes().len() as u64,
            attachments: examination.attachments,
            digest: message.hash(),
            score: examination.score,
            findings: heaviest(examination),
            telling: Telling::Untold,
            language: message.text("Content-Language").map(|text| first_tag(&text)),
            recipients,
            automatic: examination.automatic,
            erased: false,
            trace,
            eight_bit: judged.eight_bit,
            smtputf8: judged.smtputf8,
        }
    }

    /// The queue item of accepted mail, with its body.
    pub(super) fn accepted_item(
        &self,
        batch: &mut Batch,
        envelope: &Envelope,
        message: &Message,
        accept: &[usize],
        trace: String,
        origin: Origin,
    ) -> Item {
        let id = Uuid::now_v7();
        let recipient = |&slot: &usize| {
            (envelope.rcpt_to[slot].address.clone(), u16::try_from(slot).unwrap_or(u16::MAX))
        };
        let mut item = self.inner.parts.queue.draft(Draft {
            kind: Kind::Accepted,
            held: Uuid::nil(),
            body: id,
            mail_from: envelope.mail_from.clone(),
            recipients: accept.iter().map(recipient).collect(),
            trace,
            eight_bit: envelope.eight_bit,
            smtputf8: envelope.smtputf8,
            due_at: self.inner.parts.clock.now(),
        });
        item.origin = Some(origin);
        let content = stored::write(envelope, message);
        let expires = self.inner.parts.queue.body_expires(&item);
        batch.body(Body { id, expires, content });
        item
    }
}

/// Adds record and body to the batch.
pub(super) fn keep(batch: &mut Batch, held: &Held, case: &Case<'_>) {
    let content = stored::write(case.judged, case.message);
    batch.insert(held).body(Body { id: held.id, expires: held.expires_at, content });
}

/// From the last five bytes of the id, which are random (RFC 9562).
fn reference(id: Uuid) -> Reference {
    let bytes = id.as_bytes();
    Reference::from_random([bytes[11], bytes[12], bytes[13], bytes[14], bytes[15]])
}

/// Compared by base address: a plus-tag does not hide a recipient.
fn is_named(address: &Address, named: &[Address]) -> bool {
    let base = address.base();
    named.iter().any(|one| one.base() == base)
}

fn heaviest(examination: &Examination) -> Vec<crate::filter::Finding> {
    let mut findings = examination.findings.clone();
    findings.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    findings.truncate(FINDINGS);
    findings
}

/// The first language of a Content-Language field, if it looks like a tag.
fn first_tag(text: &str) -> String {
    let tag = text.split(',').next().unwrap_or_default().trim();
    tag.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(35).collect()
}

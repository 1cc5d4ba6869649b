//! The digest: a letter to a recipient about what was held for him, with a
//! link for each message that shows a page first.
//!
//! Most likely wanted first; nothing from senders that he or his organisation
//! blocks, and malware never. Digests are due by the hour, day or week as each
//! recipient chose; one that has nothing to tell is not written.

use futures_util::stream::{self, StreamExt, TryStreamExt};
use uuid::Uuid;

use super::Notices;
use super::letter::Frame;
use super::recipient_letter as letter;
use crate::clock::{SignedDuration, Timestamp};
use crate::directory::{Organisation, Recipient, RuleAction};
use crate::filter::Class;
use crate::link::{Purpose, Token};
use crate::mail::{Address, ReversePath};
use crate::quarantine::{Held, State, mailbox};
use crate::queue::{Draft, Kind};
use crate::store::{Batch, Fault, Index, Refusal, Row};

/// Messages that are looked at for one digest, the latest.
const LOOKED_AT: usize = 500;
/// Messages that one digest lists.
const LISTED: usize = 50;
/// Digests that are made side by side.
const ABREAST: usize = 32;
/// How long a digest's links lead to the recipient's own page.
const WELCOME: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How long the link of an invitation does.
const INVITED: SignedDuration = SignedDuration::from_hours(1);

/// A message in a digest.
pub(super) struct Entry {
    pub held: Held,
    pub slot: usize,
    /// The page of this message.
    pub link: String,
}

impl Entry {
    /// Newsletters, offers and the like stand behind personal mail.
    pub fn is_bulk(&self) -> bool {
        let class = self.held.recipients[self.slot].class;
        matches!(class, Class::Marketing | Class::Poll | Class::Social | Class::Mass)
    }
}

impl Notices {
    /// Writes the digests that are due, at most `limit`; answers how many
    /// recipients it looked at.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write.
    pub async fn digest_step(&self, limit: usize) -> Result<usize, Fault> {
        if self.people().is_none() {
            return Ok(0);
        }
        let now = self.now();
        let store = &self.inner.tools.store;
        let due = Recipient::due_key(now);
        let due = store.referred(Index::RecipientDue, &[], &due, limit).await?;
        let count = due.len();
        stream::iter(due.into_iter().map(Ok::<_, Fault>))
            .try_for_each_concurrent(ABREAST, |key| async move {
                let row: Option<Row<Recipient>> = self.inner.tools.store.find(&key).await?;
                if let Some(row) = row {
                    self.digest(&row, now).await?;
                }
                Ok(())
            })
            .await?;
        if count > 0 {
            self.inner.tools.queue.wake();
        }
        Ok(count)
    }

    /// Writes a recipient's digest now, if there is anything to tell that no
    /// digest told yet; `false` if not.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write.
    pub async fn digest_now(&self, address: &Address) -> Result<bool, Fault> {
        let Some(people) = self.people() else { return Ok(false) };
        let Some(known) = people.known(address).await? else { return Ok(false) };
        let Some(row) = people.find(&known.address).await? else { return Ok(false) };
        let written = self.digest(&row, self.now()).await?;
        self.inner.tools.queue.wake();
        Ok(written)
    }

    /// One recipient: his letter, and when the next is due, in one batch.
    async fn digest(&self, row: &Row<Recipient>, now: Timestamp) -> Result<bool, Fault> {
        let Some(people) = self.people() else { return Ok(false) };
        let tools = &self.inner.tools;
        let mut recipient = row.record.clone();
        recipient.digest_at = people.next_digest(&recipient, now);
        let mut batch = Batch::new();
        let organisation = tools.directory.organisation(&recipient.organisation);
        let mut written = false;
        if let Some(organisation) = organisation {
            let (entries, more) = self.entries(&recipient, &organisation).await?;
            if !entries.is_empty() {
                self.write_digest(&mut batch, &recipient, &organisation, &entries, more);
                written = true;
            }
        }
        // Ids of messages that come while this is written are later.
        recipient.told_until = now;
        batch.update(row, &recipient);
        match tools.store.commit(batch).await {
            Ok(_) => Ok(written),
            // He changed his settings meanwhile: the next step looks again.
            Err(Refusal::Conflict(_)) => Ok(false),
            Err(refusal) => Err(Fault::Unavailable(refusal.to_string())),
        }
    }

    /// What a digest tells: held since the last, the most likely wanted
    /// first; and how many more there are.
    async fn entries(
        &self,
        recipient: &Recipient,
        organisation: &Organisation,
    ) -> Result<(Vec<Entry>, usize), Fault> {
        let tools = &self.inner.tools;
        let addresses: Vec<Address> = recipient.addresses().cloned().collect();
        let since = recipient.told_until;
        let all = mailbox::messages(&tools.store, &addresses, since, LOOKED_AT).await?;
        let mut entries = Vec::new();
        for held in all {
            let slot = held.recipients.iter().position(|one| {
                one.state == State::Held
                    && one.is_shown()
                    && addresses.contains(&one.address.base())
            });
            let Some(slot) = slot else { continue };
            let (sender, senders) = (held.sender(), held.senders());
            let claim = sender.claim(&senders);
            let to = &held.recipients[slot].address;
            if tools.directory.rule(organisation, to, &claim) == Some(RuleAction::Block) {
                continue;
            }
            let token = Token {
                purpose: Purpose::Message,
                subject: held.id,
                slot: u16::try_from(slot).unwrap_or(u16::MAX),
                expires: held.expires_at,
            };
            let link = tools.links.url(organisation.host.as_deref(), &token);
            entries.push(Entry { held, slot, link });
        }
        entries.sort_by(|a, b| {
            let order = |one: &Entry| (one.is_bulk(), one.held.score);
            order(a).partial_cmp(&order(b)).unwrap_or(std::cmp::Ordering::Equal)
        });
        let more = entries.len().saturating_sub(LISTED);
        entries.truncate(LISTED);
        Ok((entries, more))
    }

    /// To the recipient, or to each member of a shared mailbox.
    fn write_digest(
        &self,
        batch: &mut Batch,
        recipient: &Recipient,
        organisation: &Organisation,
        entries: &[Entry],
        more: usize,
    ) {
        let own = [recipient.address.clone()];
        let to = if recipient.members.is_empty() { &own[..] } else { &recipient.members };
        for to in to {
            let page = self.own_page(recipient, organisation, WELCOME);
            let id = Uuid::now_v7();
            let frame = self.frame(id, organisation, to);
            let language = recipient.language.as_deref();
            let zone = organisation.digest.zone();
            let bytes = letter::digest(&frame, language, entries, more, &page, &zone);
            self.post_inside(batch, &frame, bytes);
        }
    }

    /// Sends a recipient the link to his own page, if he is one; silently
    /// nothing otherwise. Call it detached from the page.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write.
    pub async fn invite(&self, address: &Address) -> Result<(), Fault> {
        let Some(people) = self.people() else { return Ok(()) };
        let Some(recipient) = people.known(address).await? else { return Ok(()) };
        let tools = &self.inner.tools;
        let organisation = tools.directory.organisation(&recipient.organisation);
        let Some(organisation) = organisation else { return Ok(()) };
        let page = self.own_page(&recipient, &organisation, INVITED);
        let frame = self.frame(Uuid::now_v7(), &organisation, &recipient.address);
        let bytes = letter::invitation(&frame, recipient.language.as_deref(), &page);
        let mut batch = Batch::new();
        self.post_inside(&mut batch, &frame, bytes);
        let sent = tools.store.commit(batch).await;
        sent.map_err(|refusal| Fault::Unavailable(refusal.to_string()))?;
        tools.queue.wake();
        Ok(())
    }

    fn own_page(
        &self,
        recipient: &Recipient,
        organisation: &Organisation,
        lasts: SignedDuration,
    ) -> String {
        let token = Token {
            purpose: Purpose::Recipient,
            subject: recipient.id,
            slot: 0,
            expires: self.now() + lasts,
        };
        self.inner.tools.links.url(organisation.host.as_deref(), &token)
    }

    /// A letter to one of our own recipients goes to his server at once: no
    /// budget and no proof is needed, and a bounce would help nobody.
    fn post_inside(&self, batch: &mut Batch, frame: &Frame<'_>, bytes: Vec<u8>) {
        let tools = &self.inner.tools;
        let bytes = if tools.signer.is_able() {
            let Some(signed) = self.signed(frame.id, &bytes) else { return };
            signed
        } else {
            bytes.into()
        };
        let item = tools.queue.draft(Draft {
            kind: Kind::Letter,
            held: Uuid::nil(),
            body: frame.id,
            mail_from: ReversePath::Null,
            recipients: vec![(frame.to.clone(), crate::link::ALL_RECIPIENTS)],
            trace: String::new(),
            eight_bit: false,
            smtputf8: !frame.to.is_ascii(),
            due_at: self.now(),
        });
        self.enqueue(batch, &item, bytes);
    }
}

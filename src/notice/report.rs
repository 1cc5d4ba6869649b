//! Reports that come by mail to `report@` the notice domain: a recipient
//! forwards a message as an attachment, or his mail system sends a complaint
//! in ARF (RFC 5965), or takes it back (not-spam, RFC 6430).
//!
//! The link in the original's own field says, once it is verified, which
//! message was delivered to whom. Without it a report counts only from a
//! recipient who is proved himself, and only as his own word about the address
//! that the original shows (ATTACKS B-08). Nothing is ever answered.

use std::sync::OnceLock;

use uuid::Uuid;

use super::Notices;
use crate::clock::SignedDuration;
use crate::directory::{OrganisationId, People};
use crate::link::Purpose;
use crate::mail::arf::Opinion;
use crate::mail::complaint::{self, Original};
use crate::mail::{Address, Limits, Message, Reply, bounce, prescan};
use crate::quarantine::{Held, Reported};
use crate::reputation::{Flag, FlagBy, FlagError, Flags, Proof, Proofs, Scope, Sender, Standing};
use crate::store::{Batch, Counter, Fault, Refusal};

/// The local part that reports go to.
const LOCAL: &str = "report";
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// Messages of one recipient's reports that are kept in a day.
const REPORTED: u32 = 50;

/// What serves recipients; a gateway without them takes no reports.
#[derive(Default)]
pub(super) struct Desk(OnceLock<(People, Flags)>);

/// Whose word a report is, about whom.
struct Word {
    sender: Sender,
    recipient: Address,
    organisation: OrganisationId,
    about: About,
}

enum About {
    Held(Uuid),
    /// What was never held is kept for so many days.
    Unknown(u16),
}

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
        let feedback = bounce::feedback(message.bytes());
        if let Some(letter) = feedback.as_ref().and_then(|one| self.complained_letter(one)) {
            return self.note_complaint(letter).await.map(|()| 1);
        }
        let report = complaint::read(message);
        let by = if report.by_machine { FlagBy::Machine } else { FlagBy::Person };
        let opinion = feedback.map_or(Opinion::Unwanted, |one| one.opinion);
        let mut counted = 0;
        for original in &report.originals {
            let Some(word) = self.word(reporter, original).await? else { continue };
            let noted = match opinion {
                Opinion::Unwanted => self.flag(flags, &word, by, original).await,
                Opinion::Wanted => {
                    let Word { sender, recipient, organisation, .. } = &word;
                    flags.undo_by_machine(sender, organisation, recipient).await
                }
                Opinion::None => continue,
            };
            match noted {
                Ok(_) => counted += 1,
                Err(FlagError::Store(fault)) => return Err(fault),
                Err(FlagError::Nobody | FlagError::Gone) => {}
            }
        }
        Ok(counted)
    }

    /// What was never held is kept with the flag, for the content model to
    /// hear of; so much a day, because anybody can forward anything.
    async fn flag(
        &self,
        flags: &Flags,
        word: &Word,
        by: FlagBy,
        original: &Original,
    ) -> Result<Flag, FlagError> {
        let Word { sender, recipient, organisation, about } = word;
        let now = self.now();
        let days = match about {
            About::Held(id) => {
                return flags.flag(sender, organisation, recipient, by, Some(*id)).await;
            }
            About::Unknown(days) => i64::from(*days),
        };
        let kept = original.message.as_ref().zip(sender.address.as_ref()).map(|(message, from)| {
            let (id, ends) = (Uuid::now_v7(), now + SignedDuration::from_hours(24 * days));
            (Reported { id, recipient: recipient.clone(), from: from.clone(), ends }, message)
        });
        let may = kept.is_some() && self.takes_place(recipient).await?;
        let kept = kept.filter(|_| may);
        let about = kept.as_ref().map(|(one, _)| one.id);
        let also = |batch: &mut Batch| {
            if let Some((one, message)) = &kept {
                one.keep(batch, message, now);
            }
        };
        flags.flag_with(sender, (organisation, recipient), by, about, &also).await
    }

    /// Whether one more of his reports is kept today.
    async fn takes_place(&self, recipient: &Address) -> Result<bool, Fault> {
        let (store, name) = (&self.inner.tools.store, format!("reported {}", recipient.base()));
        let mut batch = Batch::new();
        if !Counter::take(store, &mut batch, &name, DAY, self.now(), REPORTED).await? {
            return Ok(false);
        }
        match store.commit(batch).await {
            Ok(_) => Ok(true),
            // Another report was faster: this one teaches nothing.
            Err(Refusal::Conflict(_)) => Ok(false),
            Err(refusal) => Err(Fault::Unavailable(refusal.to_string())),
        }
    }

    /// The word of whom a genuine link names, or else of a proved reporter.
    async fn word(&self, reporter: &Sender, original: &Original) -> Result<Option<Word>, Fault> {
        let Some((held, slot)) = self.by_link(original).await? else {
            return self.by_word(reporter, original).await;
        };
        let copy = &held.recipients[slot];
        Ok(Some(Word {
            sender: held.sender(),
            recipient: copy.address.clone(),
            organisation: copy.organisation.clone(),
            about: About::Held(held.id),
        }))
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
    async fn by_word(&self, reporter: &Sender, original: &Original) -> Result<Option<Word>, Fault> {
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
        let about = About::Unknown(organisation.retention_days);
        let organisation = organisation.id.clone();
        Ok(Some(Word { sender, recipient: recipient.clone(), organisation, about }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::World;
    use super::*;
    use crate::maillog::Maillog;
    use crate::quarantine::stored;
    use crate::reputation::{Network, Reputation, Vote, standing};

    fn report(from: &str) -> Message {
        let text = format!(
            "From: anna@ours.example\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n\
             --b\nContent-Type: text/plain\n\nspam!\n--b\nContent-Type: message/rfc822\n\n\
             From: {from}\nSubject: Tulips\n\nBuy golden tulips\n--b--\n"
        );
        Message::new(text.replace('\n', "\r\n").into_bytes().into())
    }

    /// What a mail system sends (RFC 5965; RFC 6430 for `not-spam`).
    fn complaint(kind: &str, from: &str) -> Message {
        let text = format!(
            "From: anna@ours.example\nMIME-Version: 1.0\n\
             Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n\
             --b\nContent-Type: text/plain\n\nIt was moved.\n\
             --b\nContent-Type: message/feedback-report\n\n\
             Feedback-Type: {kind}\nUser-Agent: x/1\nVersion: 1\n\n\
             --b\nContent-Type: message/rfc822\n\n\
             From: {from}\nSubject: Tulips\n\nBuy golden tulips\n--b--\n"
        );
        Message::new(text.replace('\n', "\r\n").into_bytes().into())
    }

    /// A house that serves recipients, and Anna as her mail proves her.
    async fn served() -> (World, Sender) {
        let world = World::new();
        let (store, clock) = (world.store.clone(), world.clock.clone());
        let directory = world.notices.inner.tools.directory.clone();
        let people = People::open(store.clone(), clock.clone(), directory).await.unwrap();
        let reputation =
            Reputation::new(store.clone(), clock.clone(), standing::Settings::default());
        let flags = Flags::new(store, clock, people.clone(), reputation, Maillog::default());
        world.notices.serve_recipients(people, flags);
        let anna = Sender {
            address: Address::parse("anna@ours.example").ok(),
            proofs: Proofs::NONE.with(Proof::Spf),
            network: Network::of([192, 0, 2, 7].into()),
        };
        (world, anna)
    }

    /// Moved to Junk and back, by a mail system that says so.
    #[tokio::test]
    async fn a_machine_takes_back_what_a_machine_said() {
        let (world, anna) = served().await;
        let store = &world.store;
        let flags = async || store.page::<Flag>(&[], 9).await.unwrap();
        let say = async |kind: &str| {
            world.notices.take_report(&anna, &complaint(kind, "pest@far.example")).await;
        };
        say("auth-failure").await;
        say("not-spam").await;
        assert_eq!(flags().await.len(), 0, "neither is a complaint");
        say("abuse").await;
        let one = flags().await.remove(0).record;
        assert!(one.stands() && one.by == FlagBy::Machine);
        assert_eq!(store.page::<Reported>(&[], 9).await.unwrap().len(), 1, "the model hears of it");
        say("not-spam").await;
        assert!(!flags().await[0].record.stands());
        let votes = store.page::<Vote>(&[], 9).await.unwrap();
        assert_eq!(votes.iter().filter(|one| one.record.withdrawn).count(), 1);

        world.notices.take_report(&anna, &report("pest@far.example")).await;
        say("not-spam").await;
        let one = flags().await.remove(0).record;
        assert!(one.stands() && one.by == FlagBy::Person, "her own word stays");
    }

    #[tokio::test]
    async fn what_was_never_held_is_kept_for_the_model_so_much_a_day() {
        let (world, anna) = served().await;
        let store = world.store.clone();
        let stranger = Sender { proofs: Proofs::NONE, ..anna.clone() };
        world.notices.take_report(&stranger, &report("pest@far.example")).await;
        assert_eq!(store.page::<Reported>(&[], 9).await.unwrap(), [], "his word is nobody's");
        for _ in 0..2 {
            world.notices.take_report(&anna, &report("pest@far.example")).await;
        }
        let kept = store.page::<Reported>(&[], 9).await.unwrap();
        assert_eq!(kept.len(), 1, "twice is once");
        let votes = store.page::<Vote>(&[], 9).await.unwrap();
        assert_eq!((votes.len(), votes[0].record.about), (1, kept[0].record.id));
        let body = store.body(kept[0].record.id).await.unwrap().unwrap();
        let (_, message) = stored::read(&body).unwrap();
        assert_eq!(message.text("Subject").as_deref(), Some("Tulips"));
        for nth in 0..REPORTED + 5 {
            world.notices.take_report(&anna, &report(&format!("s{nth}@far.example"))).await;
        }
        // The repeat took a place too.
        assert_eq!(store.page::<Reported>(&[], 99).await.unwrap().len(), REPORTED as usize - 1);
        assert_eq!(store.page::<Flag>(&[], 99).await.unwrap().len(), REPORTED as usize + 6);
    }
}

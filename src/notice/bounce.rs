//! What becomes of letters: delivered, or bounced, at once or later.
//!
//! Only mail to a return path that we made counts (ATTACKS B-08). One hard
//! bounce suppresses the address (B-07), and too many open the breaker.
//! Nothing that comes here is ever answered.

use uuid::Uuid;

use super::breaker::Breaker;
use super::{Notices, return_path};
use crate::mail::arf::Feedback;
use crate::mail::bounce::{self, Failure};
use crate::mail::{Address, Envelope, Message, Reply, ReversePath};
use crate::maillog::Maillog;
use crate::quarantine::Held;
use crate::store::{Batch, Fault, Refusal};
use crate::suppression::classify::{Class, classify};
use crate::suppression::event::Outcome;
use crate::suppression::{Noted, OWN, Reason};

/// How often an outcome is written again when another came first.
const TRIES: usize = 8;

/// What the outcome of one letter changed.
#[derive(Clone, Debug)]
#[must_use = "it is logged once its batch is committed"]
pub struct LetterSettled {
    address: Address,
    bounced: bool,
    /// The breaker opened: so many bounced, of so many.
    opened: Option<(usize, usize)>,
    suppressed: bool,
}

impl LetterSettled {
    pub fn log(&self, maillog: &Maillog) {
        maillog.letter_settled(&self.address, self.bounced);
        if let Some((bounced, of)) = self.opened {
            maillog.breaker_opened(bounced, of);
        }
        if self.suppressed {
            maillog.suppressed(&self.address, "bounced");
        }
    }
}

impl Notices {
    /// Writes the outcome of the letter to `address` into the batch that
    /// settles its delivery: `bounced` for a permanent failure. On a conflict
    /// settle again in a fresh batch; once it is committed, log what it was.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn letter_settled(
        &self,
        batch: &mut Batch,
        address: &Address,
        bounced: bool,
    ) -> Result<LetterSettled, Fault> {
        self.letter_settled_as(batch, address, bounced, Class::Other).await
    }

    /// The same, where it is known why: what is our fault, the letter's own,
    /// or a full mailbox counts for the breaker, and never against the address.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn letter_settled_as(
        &self,
        batch: &mut Batch,
        address: &Address,
        bounced: bool,
        class: Class,
    ) -> Result<LetterSettled, Fault> {
        let counts = !matches!(class, Class::OurFault | Class::Content | Class::MailboxFull);
        let tools = &self.inner.tools;
        let row = tools.store.find::<Breaker>(Breaker::KEY).await?;
        let mut breaker = row.as_ref().map(|row| row.record.clone()).unwrap_or_default();
        let opened = breaker.settle(address, bounced, self.now());
        batch.upsert(row.as_ref(), &breaker);
        let suppressed = bounced
            && counts
            && tools.suppression.suppress(batch, address, Reason::Bounced).await?;
        Ok(LetterSettled {
            address: address.clone(),
            bounced,
            opened: opened.then(|| (breaker.bounced(), breaker.remembered())),
            suppressed,
        })
    }

    /// The held message whose letters bounce to this address, if it is a
    /// return path that we made.
    pub fn return_path(&self, recipient: &Address) -> Option<Uuid> {
        let ring = self.inner.tools.links.ring();
        return_path::open(ring, recipient, &self.inner.settings.domain)
    }

    /// Whether mail to this address could only be the bounce of a letter that
    /// was never sent (ATTACKS B-08); such a recipient is counted.
    pub fn is_forged_bounce(&self, recipient: &Address) -> bool {
        let forged = recipient.domain() == &self.inner.settings.domain
            && return_path::is_claimed(recipient.local())
            && self.return_path(recipient).is_none();
        if forged {
            self.inner.tools.maillog.bounce_forged();
        }
        forged
    }

    /// At the end of DATA, for a recipient that [`Notices::return_path`] knew:
    /// a bounce with a permanent failure settles the letter as bounced, a
    /// complaint (RFC 5965) suppresses the address, everything else (an
    /// automatic answer, a delay) is only counted. The answer is 250 once it is
    /// written down, else 451.
    pub async fn take_bounce(&self, held: Uuid, envelope: &Envelope, message: &Message) -> Reply {
        let taken = || Reply::new(250, (2, 0, 0), "Bounce noted");
        let noted = if let Some(failure) = hard_bounce(envelope, message) {
            self.inner.tools.maillog.bounce(held, "hard");
            self.note_bounce(held, failure).await
        } else if bounce::feedback(message.bytes()).is_some_and(|one| one.is_complaint()) {
            self.note_complaint(held).await
        } else {
            self.inner.tools.maillog.bounce(held, "other");
            return taken();
        };
        match noted {
            Ok(()) => taken(),
            Err(_) => Reply::new(451, (4, 3, 0), "Try again later"),
        }
    }

    /// The letter that a complaint is about, where its reverse-path is one
    /// that we made (ATTACKS B-08): only who has seen the letter knows it.
    pub(super) fn complained_letter(&self, feedback: &Feedback) -> Option<Uuid> {
        let path = feedback.mail_from.as_ref().filter(|_| feedback.is_complaint())?;
        self.return_path(&Address::parse(path).ok()?)
    }

    /// Who complains of a letter is never written to again.
    pub(super) async fn note_complaint(&self, held: Uuid) -> Result<(), Fault> {
        let tools = &self.inner.tools;
        tools.maillog.bounce(held, "complaint");
        let Some(row) = tools.store.find::<Held>(held.as_bytes()).await? else { return Ok(()) };
        let Some(address) = row.record.rfc5322_from.clone() else { return Ok(()) };
        let mut noted = Noted::new(OWN, address, self.now(), Outcome::Complained);
        noted.id = held.to_string();
        "the recipient complained of the letter".clone_into(&mut noted.response);
        tools.suppression.note(&noted).await.map(|_| ())
    }

    /// An operator has seen why letters bounced: they may go out again. `also`
    /// adds what belongs to the decision.
    ///
    /// # Errors
    /// [`Refusal`] if the store cannot write.
    pub async fn close_breaker(&self, also: &(dyn Fn(&mut Batch) + Sync)) -> Result<(), Refusal> {
        let tools = &self.inner.tools;
        let unread = |fault: Fault| Refusal::Unavailable(fault.to_string());
        let row = tools.store.find::<Breaker>(Breaker::KEY).await.map_err(unread)?;
        if let Some(row) = row {
            let mut breaker = row.record.clone();
            breaker.close();
            let mut batch = Batch::new();
            batch.update(&row, &breaker);
            also(&mut batch);
            tools.store.commit(batch).await?;
        }
        tools.maillog.breaker_closed();
        Ok(())
    }

    /// The breaker as it stands: whether it is open, since when, and what
    /// opened it.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn breaker(&self) -> Result<Breaker, Fault> {
        let row = self.inner.tools.store.find::<Breaker>(Breaker::KEY).await?;
        Ok(row.map(|row| row.record).unwrap_or_default())
    }

    async fn note_bounce(&self, held: Uuid, failure: Failure) -> Result<(), Fault> {
        let store = &self.inner.tools.store;
        // A message that is forgotten by now has nobody to suppress.
        let Some(row) = store.find::<Held>(held.as_bytes()).await? else { return Ok(()) };
        let Some(address) = row.record.rfc5322_from.clone() else { return Ok(()) };
        let class = classify(&failure);
        let mut noted = Noted::new(OWN, address.clone(), self.now(), Outcome::Failed);
        noted.class = class;
        noted.response = failure.diagnostic;
        noted.id = held.to_string();
        for _ in 0..TRIES {
            let mut batch = Batch::new();
            let settled = self.letter_settled_as(&mut batch, &address, true, class).await?;
            let noted = std::slice::from_ref(&noted);
            self.inner.tools.suppression.note_in(&mut batch, noted).await?;
            match store.commit(batch).await {
                Ok(_) => {
                    settled.log(&self.inner.tools.maillog);
                    return Ok(());
                }
                Err(Refusal::Conflict(_)) => {}
                Err(refusal) => return Err(Fault::Unavailable(refusal.to_string())),
            }
        }
        Err(Fault::Unavailable("others write to the breaker all the time".to_owned()))
    }
}

/// The failure that a bounce reports for good, in RFC 3464's form or in any
/// other; `None` without the null reverse-path.
fn hard_bounce(envelope: &Envelope, message: &Message) -> Option<Failure> {
    if envelope.mail_from != ReversePath::Null {
        return None;
    }
    let bounce = bounce::read(message.bytes());
    let mut failures = bounce.failures.into_iter().filter(|_| bounce.kind == bounce::Kind::Bounce);
    failures.find(Failure::is_permanent)
}

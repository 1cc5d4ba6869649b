//! The letter to an administrator: how many appeals wait for him, the first
//! few, until when, and the page on which he decides.
//!
//! What a sender wrote of himself is shown without anything that a mail
//! program would make a link of.

use uuid::Uuid;

use super::Notices;
use super::letter::{Paragraph, contact, count, finish, head, linkless, words};
use super::words::Arguments;
use crate::clock::Timestamp;
use crate::directory::Organisation;
use crate::mail::Address;
use crate::store::{Batch, Fault};

/// Appeals that are named.
const NAMED: usize = 10;

/// An appeal that waits for an administrator.
#[derive(Clone, Copy, Debug)]
pub struct Waiting<'a> {
    pub from: &'a str,
    pub subject: &'a str,
    pub deadline: Timestamp,
}

impl Notices {
    /// Puts the letter into `batch`, in the name of an organisation; `false`
    /// if the address is suppressed, or is not ours and no letter may go out.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn tell_administrator(
        &self,
        batch: &mut Batch,
        organisation: &Organisation,
        to: &Address,
        waiting: &[Waiting<'_>],
    ) -> Result<bool, Fault> {
        let tools = &self.inner.tools;
        let reached = tools.directory.serves(to.domain()) || self.is_ready();
        if !reached || tools.suppression.covers(to).await? {
            return Ok(false);
        }
        let frame = self.frame(Uuid::now_v7(), organisation, to);
        let words = words(&frame, None);
        let number = Arguments::from([("count".into(), count(waiting.len()).into())]);
        let mut paragraphs = vec![Paragraph::Text(words.say("letter-admin-appeals", &number))];
        for one in waiting.iter().take(NAMED) {
            let date = Arguments::from([("date".into(), words.date(one.deadline).into())]);
            paragraphs.push(Paragraph::Message {
                subject: linkless(one.subject),
                from: linkless(one.from),
                facts: words.say("letter-admin-appeals-until", &date),
            });
        }
        paragraphs.push(Paragraph::Text(words.say("letter-admin-appeals-page", &number)));
        paragraphs.push(Paragraph::Link(tools.links.page(None, "/admin/appeals")));
        paragraphs.push(Paragraph::Text(contact(&words, organisation)));
        let subject = words.say("letter-admin-appeals-subject", &number);
        let bytes = finish(head(&frame, &words, subject), &words, &paragraphs);
        self.post_inside(batch, &frame, bytes);
        Ok(true)
    }
}

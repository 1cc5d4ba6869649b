//! The DSN about mail that we had answered with 250 and could not deliver.
//!
//! RFC 5321 sections 4.5.5 and 6.1: who took responsibility tells the
//! reverse-path, from the null path. But anybody can write a reverse-path, so
//! it is told only where a letter might be written (`may_notify`): whoever
//! forged it would have us write to his victim. Released mail gets no DSN:
//! its sender has his page.

use uuid::Uuid;

use super::case::of_accepted;
use super::{Notices, Refused};
use crate::mail::Message;
use crate::mail::dsn::{Action, Dsn, Report};
use crate::queue::{Item, ItemRecipient};
use crate::store::{Batch, Fault};

impl Notices {
    /// Puts the DSN into the batch that settles the failure of `item`, or
    /// answers why nobody is told.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn tell_undelivered(
        &self,
        batch: &mut Batch,
        item: &Item,
        failed: &[&ItemRecipient],
        about: &Message,
    ) -> Result<Result<(), Refused>, Fault> {
        let settings = &self.inner.settings;
        let Some(to) = item.mail_from.address() else { return Ok(Err(Refused::Path)) };
        let ledger = match self.permit(of_accepted(item, about, settings), to).await? {
            Ok(ledger) => ledger,
            Err(refused) => return Ok(Err(refused)),
        };
        let Some(from) = self.own_address() else { return Ok(Err(Refused::NotReady)) };
        let id = Uuid::now_v7();
        let recipients: Vec<Report> = failed.iter().map(|one| report(one)).collect();
        let dsn = Dsn {
            from: &from,
            to,
            subject: "Undelivered mail",
            text: &text(&settings.domain.display(), failed),
            reporting_mta: &settings.domain,
            arrived_at: item.created_at,
            now: self.now(),
            id: &id.to_string(),
            recipients: &recipients,
            about,
        };
        self.post_dsn(batch, &ledger, (id, item.held), to, &dsn.write()).await
    }
}

fn report(one: &ItemRecipient) -> Report {
    let reply = one.reply.as_deref().unwrap_or_default();
    Report {
        final_recipient: one.address.to_string(),
        original_recipient: None,
        action: Some(Action::Failed),
        status: Some(status(reply)),
        diagnostic: Some(reply.to_owned()),
        remote_mta: one.server.clone(),
        local: false,
    }
}

/// The enhanced status code of a reply (RFC 2034); 5.0.0 without one, and
/// 5.4.7 (delivery time expired, RFC 3463) where trying has ended.
fn status(reply: &str) -> (u8, u16, u16) {
    let mut words = reply.split(' ');
    let code = words.next().unwrap_or_default();
    if !code.starts_with('5') {
        return (5, 4, 7);
    }
    let mut numbers = words.next().unwrap_or_default().split('.').map(str::parse::<u16>);
    match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
        (Some(Ok(5)), Some(Ok(subject)), Some(Ok(detail)), None) => (5, subject, detail),
        _ => (5, 0, 0),
    }
}

fn text(host: &str, failed: &[&ItemRecipient]) -> String {
    let mut text = format!(
        "This is the mail system at {host}.\r\n\r\n\
         Your message could not be delivered to these recipients:\r\n"
    );
    for one in failed {
        text.push_str("\r\n");
        text.push_str(&one.address.display());
        text.push_str("\r\n    ");
        text.push_str(one.reply.as_deref().unwrap_or("no answer"));
        text.push_str("\r\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_the_servers_own() {
        assert_eq!(status("550 5.1.1 no such user"), (5, 1, 1));
        assert_eq!(status("550 no such user"), (5, 0, 0));
        assert_eq!(status("554 4.4.4 odd"), (5, 0, 0));
        assert_eq!(status("451 4.3.0 later"), (5, 4, 7));
        assert_eq!(status("connect: refused"), (5, 4, 7));
        assert_eq!(status(""), (5, 4, 7));
    }
}

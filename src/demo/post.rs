//! The senders' mail servers: they send into the gateway, and when it refuses
//! they write their own user a bounce, as every server does.

use std::net::SocketAddr;

use super::client::{Answer, Sender};
use super::outside::Outside;

/// Sends mail as a stranger's server would.
#[derive(Clone)]
pub struct Post {
    pub gateway: SocketAddr,
    pub outside: Outside,
}

impl Post {
    /// Sends one message; a refusal comes back to the sender as a bounce.
    ///
    /// # Errors
    /// If the gateway cannot be reached.
    pub async fn send(
        &self,
        mail_from: &str,
        rcpt_to: &[&str],
        message: &[u8],
    ) -> std::io::Result<Answer> {
        let domain = mail_from.rsplit_once('@').map_or("nowhere.example", |(_, domain)| domain);
        let mut sender = Sender::connect(self.gateway, &format!("mail.{domain}")).await?;
        let answer = sender.send(mail_from, rcpt_to, message).await?;
        if answer.code >= 500 && !mail_from.is_empty() {
            self.outside.keep("", vec![mail_from.to_owned()], bounce(mail_from, rcpt_to, &answer));
        }
        Ok(answer)
    }
}

/// As servers write them: the refusing server's words, word for word.
fn bounce(mail_from: &str, rcpt_to: &[&str], answer: &Answer) -> Vec<u8> {
    let domain = mail_from.rsplit_once('@').map_or("nowhere.example", |(_, domain)| domain);
    let to = rcpt_to.join(", ");
    let Answer { code, text } = answer;
    format!(
        "From: Mail Delivery System <MAILER-DAEMON@mail.{domain}>\r\n\
         To: {mail_from}\r\n\
         Subject: Undelivered Mail Returned to Sender\r\n\
         Auto-Submitted: auto-replied\r\n\
         X-Demo-Bounce: yes\r\n\
         \r\n\
         This is the mail system at mail.{domain}.\r\n\
         \r\n\
         Your message could not be delivered to {to}.\r\n\
         Their server said:\r\n\
         \r\n    {code} {text}\r\n"
    )
    .into_bytes()
}

//! The story: what the demo sends, and, headless, the whole of it to its end
//! with every promise checked.
//!
//! It plays each side over real sockets: senders' servers by SMTP, a browser
//! on the sender's page, and the inbox that all mail ends in.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use sha2::{Digest, Sha256};

use super::client::{Answer, Browser};
use super::feed::Kept;
use super::outside::{Arrived, Outside};
use super::post::Post;
use super::samples::{AGAIN, LUNCH, MINUTES, Mail, ROOF, SOCKS, VIRUS};
use crate::clock::Timestamp;

/// A form that comes back sooner is a robot's.
const READING: Duration = Duration::from_millis(1200);
/// Longer than this nothing of the story takes.
const PATIENCE: Duration = Duration::from_mins(1);

/// The sender, his browser, and the world they live in.
pub struct Story {
    pub post: Post,
    pub outside: Outside,
    /// Where the pages are.
    pub portal: String,
    /// The administrator's login and password.
    pub admin: (String, String),
    /// Tells one run's Message-IDs from another's.
    pub run: String,
    /// Say what happens.
    pub aloud: bool,
}

impl Story {
    /// Sends the sample mails for a person to play with.
    ///
    /// # Errors
    /// If the gateway cannot be reached.
    pub async fn send_samples(&self) -> anyhow::Result<()> {
        for mail in [&ROOF, &MINUTES, &LUNCH, &VIRUS] {
            self.send(mail).await?;
        }
        // So that the administrator has something to decide.
        let (_, answer) = self.send(&SOCKS).await?;
        let link = link_in(&answer.text).context("the newsletter was given no link")?;
        self.appeal(&link).await
    }

    /// The story to its end.
    ///
    /// # Errors
    /// The first promise that was not kept.
    pub async fn play(&self) -> anyhow::Result<()> {
        self.say(
            "1. A stranger writes; nothing proves him. He is told in the session, with a link.",
        );
        let (bytes, answer) = self.send(&ROOF).await?;
        ensure!(answer.code == 550, "the stranger was answered {} {}", answer.code, answer.text);
        let link = link_in(&answer.text).context("the 550 has no link")?;
        self.release(&link, "Offer for the roof repair").await?;
        self.delivered(&bytes, "anna@demo.example").await?;

        self.say("2. A proved sender writes for the first time. He gets a letter with his link.");
        let (bytes, answer) = self.send(&MINUTES).await?;
        ensure!(
            answer.code == 250,
            "the proved sender was answered {} {}",
            answer.code,
            answer.text
        );
        let letter = self.arrives(|one| one.rcpt_to == ["kenji@friend.example"]).await?;
        let text = letter_text(&letter);
        let link = link_in(&text).context("the letter has no link")?;
        ensure!(letter.message.all("DKIM-Signature").next().is_some(), "the letter is not signed");
        ensure!(!text.contains("here are the minutes"), "the letter quotes the mail's body");
        self.say(&format!("   letter: {}", letter.message.text("Subject").unwrap_or_default()));
        self.release(&link, "Minutes of Monday").await?;
        self.delivered(&bytes, "olli@demo.example").await?;

        self.say("3. His next mail is accepted: he is trusted now.");
        let (bytes, answer) = self.send(&AGAIN).await?;
        ensure!(
            answer.code == 250,
            "the trusted sender was answered {} {}",
            answer.code,
            answer.text
        );
        self.delivered(&bytes, "anna@demo.example").await?;

        self.say("4. An ordinary mail passes.");
        let (bytes, answer) = self.send(&LUNCH).await?;
        ensure!(
            answer.code == 250,
            "the ordinary mail was answered {} {}",
            answer.code,
            answer.text
        );
        self.delivered(&bytes, "carl@second.example").await?;

        self.say("5. A newsletter to an organisation that holds them: its sender may only appeal.");
        let (bytes, answer) = self.send(&SOCKS).await?;
        let link = link_in(&answer.text).context("the newsletter was given no link")?;
        let page = Browser::default().open(&link).await?;
        ensure!(!page.body.contains("value=\"personal\""), "a newsletter can be released");
        ensure!(!self.has_arrived(&bytes), "the newsletter was delivered");
        self.appeal(&link).await?;
        self.say("   An administrator reads what he says, and grants it.");
        self.grant().await?;
        self.delivered(&bytes, "bo@second.example").await?;

        self.say("6. Malware is refused, without any link.");
        let (_, answer) = self.send(&VIRUS).await?;
        ensure!(answer.code == 554, "malware was answered {} {}", answer.code, answer.text);
        ensure!(link_in(&answer.text).is_none(), "malware was given a link");
        self.say("Every promise was kept.");
        Ok(())
    }

    /// Walks the sender's page: see, declare, confirm.
    ///
    /// # Errors
    /// If a page is not what a sender needs.
    pub async fn release(&self, link: &str, subject: &str) -> anyhow::Result<()> {
        self.say(&format!("   link:   {link}"));
        let mut browser = Browser::default();
        let page = browser.open(link).await?;
        ensure!(page.status == 200, "the sender's page answers {}", page.status);
        ensure!(page.words().contains(subject), "the page does not show {subject:?}");
        self.say(&format!("   page:   {}", shortened(&page.words(), 150)));
        let declaring =
            page.form(link, "").with_context(|| format!("no form: {}", page.words()))?;
        tokio::time::sleep(READING).await;
        let page = browser.submit(&declaring.url, &declaring.with("what", "personal")).await?;
        let confirming = page.form(&declaring.url, "release").context("there is no second step")?;
        tokio::time::sleep(READING).await;
        let page = browser.submit(&confirming.url, &confirming.hidden).await?;
        ensure!(page.status == 200, "the release answers {}", page.status);
        self.say(&format!("   then:   {}", shortened(&page.words(), 90)));
        Ok(())
    }

    /// A mass mailer asks for his mailing to be delivered.
    async fn appeal(&self, link: &str) -> anyhow::Result<()> {
        let mut browser = Browser::default();
        let page = browser.open(link).await?;
        let path = page.body.split("href=\"/a/").nth(1).context("the page leads to no appeal")?;
        let token = path.split('"').next().unwrap_or(path);
        let at = format!("{}/a/{token}", self.portal);
        let page = browser.open(&at).await?;
        let form = page.form(&at, "").with_context(|| format!("no form: {}", page.words()))?;
        let answers = [
            ("who", "Sock Shop, shop.example"),
            ("what", "Our offers, once a week"),
            ("why", "The winter sale ends on Friday; these customers asked to be told."),
            ("agreed", "They ticked a box when they ordered, and confirmed it by mail."),
            ("how-many", "1200"),
        ];
        let mut fields = form.hidden.clone();
        fields.extend(answers.map(|(name, value)| (name.to_owned(), value.to_owned())));
        tokio::time::sleep(READING).await;
        let page = browser.submit(&form.url, &fields).await?;
        ensure!(page.words().contains("Your request has arrived"), "{}", page.words());
        self.say("   He asks an administrator; his page says that his request has arrived.");
        Ok(())
    }

    /// The administrator grants the first appeal that waits.
    async fn grant(&self) -> anyhow::Result<()> {
        let mut browser = Browser::default();
        let at = format!("{}/admin/login", self.portal);
        let form = browser.open(&at).await?.form(&at, "").context("there is no way in")?;
        let mut fields = form.hidden.clone();
        fields.push(("login".to_owned(), self.admin.0.clone()));
        fields.push(("password".to_owned(), self.admin.1.clone()));
        browser.submit(&form.url, &fields).await?;
        let list = browser.open(&format!("{}/admin/appeals", self.portal)).await?;
        let path = list.body.split("href=\"/admin/appeals/").nth(1).context("no appeal waits")?;
        let id = path.split('"').next().unwrap_or(path);
        let at = format!("{}/admin/appeals/{id}", self.portal);
        let page = browser.open(&at).await?;
        ensure!(page.words().contains("One held copy is delivered at once"), "{}", page.words());
        let form = page.form(&at, "/grant").context("the appeal cannot be granted")?;
        let mut fields = form.with("scope", "campaign");
        for (name, value) in [("days", "30"), ("volume", "1000"), ("reason", "Enjoy the sale.")] {
            fields.push((name.to_owned(), value.to_owned()));
        }
        let page = browser.submit(&form.url, &fields).await?;
        ensure!(page.words().contains("granted"), "{}", page.words());
        Ok(())
    }

    /// The first of these that its sender may release himself.
    ///
    /// # Errors
    /// If a page cannot be opened.
    pub async fn first_releasable(&self, kept: &[Kept]) -> anyhow::Result<Option<Kept>> {
        for one in kept {
            let page = Browser::default().open(&one.link).await?;
            let personal = page.body.contains("value=\"personal\"");
            if page.status == 200 && personal && message_id(&one.bytes).is_some() {
                return Ok(Some(one.clone()));
            }
        }
        Ok(None)
    }

    /// Waits until exactly `bytes` arrive for `recipient`, trace in front.
    ///
    /// # Errors
    /// If they do not, or differ.
    pub async fn delivered(&self, bytes: &[u8], recipient: &str) -> anyhow::Result<()> {
        let id = message_id(bytes);
        let arrived = self
            .arrives(|one| {
                one.rcpt_to.iter().any(|to| to == recipient)
                    && message_id(one.message.bytes()) == id
            })
            .await?;
        let all = arrived.message.bytes();
        let Some(front) = all.len().checked_sub(bytes.len()) else {
            bail!("what was delivered is shorter than what was sent");
        };
        let (sent, got) = (hash(bytes), hash(&all[front..]));
        self.say(&format!("   sent     SHA-256 {sent}"));
        self.say(&format!("   received SHA-256 {got} ({front} bytes of trace in front)"));
        ensure!(sent == got, "what was delivered to {recipient} differs from what was sent");
        Ok(())
    }

    async fn send(&self, mail: &Mail) -> anyhow::Result<(Vec<u8>, Answer)> {
        let bytes = mail.bytes(Timestamp::now(), &self.run);
        let answer = self.post.send(mail.from, mail.to, &bytes).await?;
        let to = mail.to.join(", ");
        self.say(&format!("   {} -> {to}", mail.from));
        self.say(&format!("   answer: {} {}", answer.code, answer.text));
        Ok((bytes, answer))
    }

    async fn arrives(&self, wanted: impl Fn(&Arrived) -> bool) -> anyhow::Result<Arrived> {
        let arrival = tokio::time::timeout(PATIENCE, self.outside.wait_for(wanted));
        arrival.await.context("a mail that was promised did not arrive within a minute")
    }

    fn has_arrived(&self, bytes: &[u8]) -> bool {
        let id = message_id(bytes);
        self.outside.all().iter().any(|one| message_id(one.message.bytes()) == id)
    }

    pub fn say(&self, words: &str) {
        if self.aloud {
            println!("{words}");
        }
    }
}

/// The first link of a sender's page in a text.
pub fn link_in(text: &str) -> Option<String> {
    let at = text.find("http://").or_else(|| text.find("https://"))?;
    let end = text[at..].find(|c: char| c.is_whitespace() || "<>\"".contains(c));
    let link = &text[at..end.map_or(text.len(), |end| at + end)];
    link.contains("/r/").then(|| link.to_owned())
}

/// The letter's text part, decoded.
fn letter_text(letter: &Arrived) -> String {
    let parsed = mail_parser::MessageParser::default().parse(letter.message.bytes().as_ref());
    let text = parsed.and_then(|message| message.body_text(0).map(std::borrow::Cow::into_owned));
    text.unwrap_or_default()
}

fn message_id(bytes: &[u8]) -> Option<Vec<u8>> {
    let message = crate::mail::Message::new(bytes.to_vec().into());
    let id = message.all("Message-ID").next().map(<[u8]>::trim_ascii)?;
    Some(id.to_vec())
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn shortened(words: &str, length: usize) -> String {
    match words.char_indices().nth(length) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words.to_owned(),
    }
}

//! A bounce of any make, read: which recipients failed, and in whose words.
//!
//! RFC 3464 where it is spoken; else the letter to people is read, whose
//! shapes are as many as mail servers (qmail, Exim, Sendmail of all ages,
//! Exchange, Domino, carriers, Amazon's JSON). Complaints are [`arf`]'s.
//! Everything comes from strangers: bounded, lenient, never a proof of
//! anything (only a keyed return path makes a bounce count).

mod codes;
mod letter;
mod notification;
mod sections;

pub use codes::{Command, Status, reply_code};

use super::arf;
use super::dsn::{self, Action, Report};
use letter::Letter;

/// What a message turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It could not be delivered, or not yet.
    Bounce,
    /// A recipient's complaint (RFC 5965) or an unsubscription.
    Complaint,
    /// An automatic answer of a recipient (RFC 3834): he is alive.
    Automatic,
    /// Nothing of the kind.
    Other,
}

/// A message as it is read here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounce {
    pub kind: Kind,
    /// At most [`RECIPIENTS`], each address once.
    pub failures: Vec<Failure>,
}

/// What it says of one recipient. The texts are as strangers wrote them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// As written, brackets and type taken off.
    pub address: String,
    pub action: Option<Action>,
    /// The most telling enhanced status; `X.0.0` where only its class is known.
    pub status: Option<Status>,
    pub reply_code: Option<u16>,
    /// The command that was refused.
    pub command: Option<Command>,
    /// The other server's words, on one line.
    pub diagnostic: String,
    /// The letter's words beside them, on one line.
    pub context: String,
    /// A program on the reporting machine failed, not another server.
    pub local: bool,
}

/// How many recipients of one bounce are read.
pub const RECIPIENTS: usize = 1000;
/// Bytes of a diagnostic and of its context that are kept.
const TEXT_BYTES: usize = 4000;
/// Recipients for whom the letter is searched for words of their own; each
/// search reads the letter once.
const SEARCHED: usize = 50;

/// Reads a message with any line ends. A message that trips the limits of the
/// [`prescan`](super::prescan) is [`Kind::Other`].
pub fn read(message: &[u8]) -> Bounce {
    let Some(letter) = Letter::open(message) else {
        return Bounce { kind: Kind::Other, failures: Vec::new() };
    };
    if let Some(complained) = arf::read(&letter.feedback, &letter.original) {
        return Bounce { kind: Kind::Complaint, failures: addressed(complained) };
    }
    if let Some((kind, failures)) = notification::read(&letter.text) {
        return Bounce { kind, failures };
    }
    let mut reports = dsn::reports(letter.status.as_bytes());
    if reports.is_empty() && letter.text.to_ascii_lowercase().contains("final-recipient:") {
        reports = dsn::reports(letter.text.as_bytes());
    }
    if reports.is_empty() && letter.is_automatic() {
        let from = letter.from.iter().cloned().collect();
        return Bounce { kind: Kind::Automatic, failures: addressed(from) };
    }
    if reports.is_empty() && !letter.looks_like_a_bounce() {
        return Bounce { kind: Kind::Other, failures: Vec::new() };
    }
    let in_original = letter.original.to_ascii_lowercase().contains("final-recipient:");
    if reports.is_empty() && in_original && sections::find(&letter.text).is_empty() {
        // A bounce that a provider wrapped into a letter of its own.
        reports = dsn::reports(letter.original.as_bytes());
    }
    let mut failures =
        if reports.is_empty() { from_letter(&letter) } else { from_reports(reports, &letter) };
    failures.truncate(RECIPIENTS);
    Bounce { kind: Kind::Bounce, failures }
}

/// What a complaint says of its message; `None` if it is no complaint.
pub fn feedback(message: &[u8]) -> Option<arf::Feedback> {
    let letter = Letter::open(message)?;
    arf::feedback(&letter.feedback, &letter.original)
}

fn addressed(addresses: Vec<String>) -> Vec<Failure> {
    let failure = |address| Failure { address, ..Failure::default() };
    addresses.into_iter().take(RECIPIENTS).map(failure).collect()
}

/// RFC 3464's blocks lead; the letter adds the command and missing words.
fn from_reports(reports: Vec<Report>, letter: &Letter) -> Vec<Failure> {
    let sections = sections::find(&letter.text);
    let one = reports.len() == 1;
    let context = one_line(&format!("{} {}", letter.category, letter.text));
    reports
        .into_iter()
        .enumerate()
        .map(|(at, report)| {
            let address = plain_address(&report);
            let words = sections
                .iter()
                .find(|section| section.address.eq_ignore_ascii_case(&address))
                .map(sections::Section::text)
                .unwrap_or_default();
            let diagnostic = report.diagnostic.unwrap_or_default();
            let near = if one { &letter.text[..] } else { &words[..] };
            let mut failure = Failure {
                address,
                action: report.action,
                local: report.local,
                ..Failure::default()
            };
            failure.command = (at < SEARCHED)
                .then(|| codes::command(near).or_else(|| codes::transcribed(near, &diagnostic)))
                .flatten()
                .or_else(|| codes::command(&diagnostic));
            failure.diagnostic =
                one_line(if diagnostic.trim().is_empty() { &words } else { &diagnostic });
            if at < SEARCHED {
                failure.context.clone_from(&context);
            }
            failure.read_codes(report.status);
            failure
        })
        .collect()
}

/// Everything from the letter's words.
fn from_letter(letter: &Letter) -> Vec<Failure> {
    let mut sections = sections::find(&letter.text);
    let named = |address: &str| letter.failed.iter().any(|a| a.eq_ignore_ascii_case(address));
    if sections.iter().any(|section| named(&section.address)) {
        sections.retain(|section| named(&section.address));
    }
    // The sender is named in his own bounce; he is not who failed.
    let is_sender = |address: &str| letter.to.iter().any(|a| a.eq_ignore_ascii_case(address));
    if sections.iter().any(|section| !is_sender(&section.address)) {
        sections.retain(|section| !is_sender(&section.address));
    }
    if sections.iter().all(|section| is_sender(&section.address)) && !letter.failed.is_empty() {
        sections.clear();
    }
    if sections.is_empty() {
        let known = [&letter.failed, &letter.original_to].into_iter().find(|list| !list.is_empty());
        let addresses = known.cloned().unwrap_or_default();
        sections.extend(addresses.into_iter().take(RECIPIENTS).map(sections::Section::of));
    }
    if sections.is_empty() {
        // The one address that it speaks of, if it is one.
        let mut spoken_of = sections::any(&letter.text);
        spoken_of.retain(|address| !is_sender(address) && !letter.is_its_own(address));
        sections
            .extend(spoken_of.pop().filter(|_| spoken_of.is_empty()).map(sections::Section::of));
    }
    // A list names its helpers too.
    if letter.text.contains("not a member of this mailing list") {
        sections.truncate(1);
    }
    let context = one_line(&letter.text);
    sections
        .into_iter()
        .enumerate()
        .map(|(at, section)| {
            let text = section.text();
            let mut failure = Failure {
                command: codes::command(&text).or_else(|| codes::last_transcribed(&text)),
                diagnostic: one_line(if text.trim().is_empty() { &letter.text } else { &text }),
                context: if at < SEARCHED { context.clone() } else { String::new() },
                address: section.address,
                ..Failure::default()
            };
            let delayed = letter.is_warning();
            failure.action = Some(if delayed { Action::Delayed } else { Action::Failed });
            failure.read_codes(None);
            failure
        })
        .collect()
}

impl Failure {
    /// What one answer of another server says, as a courier or a log has it.
    pub fn of_reply(address: &str, command: Option<Command>, reply: &str) -> Self {
        let mut failure = Self {
            address: address.to_owned(),
            command: command.or_else(|| codes::command(reply)),
            diagnostic: one_line(reply),
            ..Self::default()
        };
        failure.read_codes(None);
        failure
    }

    fn read_codes(&mut self, written: Option<Status>) {
        self.reply_code = codes::reply_code(&self.diagnostic);
        let class = match (self.reply_code, self.action) {
            (Some(code), _) => u8::try_from(code / 100).ok(),
            (None, Some(Action::Failed)) => Some(5),
            (None, Some(Action::Delayed)) => Some(4),
            _ => None,
        };
        self.status = codes::status(&self.diagnostic, written)
            .or_else(|| class.filter(|class| [4, 5].contains(class)).map(|class| (class, 0, 0)));
    }

    /// Whether it is over for good: failed, and neither a delay nor a server
    /// that was not reached for days (RFC 3463 section 2: class 5). Without
    /// status and code nothing is certain.
    pub fn is_permanent(&self) -> bool {
        let by_code = || self.reply_code.map(|code| code / 100 == 5);
        let permanent = self.status.map(|(class, _, _)| class == 5).or_else(by_code);
        self.action.is_none_or(|action| action == Action::Failed) && permanent == Some(true)
    }

    /// Whether the answer names the recipient. Only an answer to RCPT is about
    /// one recipient, so it tells the command where nothing else does.
    pub fn names_recipient(&self) -> bool {
        let answer = codes::behind_code(&self.diagnostic);
        !self.address.is_empty()
            && answer.to_ascii_lowercase().contains(&self.address.to_ascii_lowercase())
    }
}

/// Final-Recipient, or Original-Recipient where that is a route or a program.
fn plain_address(report: &Report) -> String {
    let odd = |text: &str| text.starts_with(['@', '|', '/']) || !text.contains('@');
    let address = match &report.original_recipient {
        Some(original) if odd(&report.final_recipient) && !odd(original) => original,
        _ => &report.final_recipient,
    };
    address.trim().trim_start_matches('<').trim_end_matches('>').to_owned()
}

/// White space squeezed, the end cut off.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(TEXT_BYTES));
    for word in text.split_whitespace() {
        if line.len() + word.len() >= TEXT_BYTES {
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

#[cfg(test)]
mod tests;

//! Why a delivery failed, in our ten words.
//!
//! In this order: our own release links, words that are certain, the command
//! that was refused, the enhanced status (RFC 3463), words that are likely,
//! what a status or code means in general. `docs/bounces.md` says what each
//! class means and how the reasons of Sisimai map to them.
//!
//! Where it is doubtful whose fault it was, it is not the address's: a wrong
//! block loses somebody's mail, a wrong pardon costs one more bounce.

mod phrases;
mod words;

use crate::mail::bounce::{Command, Failure, Status};
use words::has;

/// What became of a delivery. The names are a contract with scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// The domain does not exist or takes no mail at all.
    UnknownHost,
    /// The mailbox does not exist, or moved away.
    UnknownUser,
    /// It was tried until the time was up, or could not be tried.
    ResendTimeout,
    /// The recipient, or his server for him, does not take this mail.
    Rejecting,
    /// The address is not well-formed.
    AddressFormat,
    MailboxFull,
    /// About us: host, block list, authentication, rate, relaying.
    OurFault,
    /// About this message: spam, size, form; and refusals with a release link.
    Content,
    Other,
    /// No failure: a complaint, an automatic answer, a delivery.
    None,
}

impl Class {
    pub const ALL: [Self; 10] = [
        Self::UnknownHost,
        Self::UnknownUser,
        Self::ResendTimeout,
        Self::Rejecting,
        Self::AddressFormat,
        Self::MailboxFull,
        Self::OurFault,
        Self::Content,
        Self::Other,
        Self::None,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownHost => "unknown_host",
            Self::UnknownUser => "unknown_user",
            Self::ResendTimeout => "resend_timeout",
            Self::Rejecting => "rejecting",
            Self::AddressFormat => "address_format",
            Self::MailboxFull => "mailbox_full",
            Self::OurFault => "our_fault",
            Self::Content => "content",
            Self::Other => "other",
            Self::None => "none",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == text)
    }
}

/// The class of one recipient's failure.
pub fn classify(failure: &Failure) -> Class {
    let said = words::plain(words::innermost(&failure.diagnostic));
    if words::is_release_link(&failure.diagnostic) || words::is_release_link(&failure.context) {
        return Class::Content;
    }
    if failure.local {
        return if has(&said, phrases::FULL) { Class::MailboxFull } else { Class::Other };
    }
    let context = words::plain(&failure.context);
    if let Some(class) = phrases::TOLD.iter().find(|(phrase, _)| context.contains(phrase)) {
        return class.1;
    }
    let facts = Facts {
        status: failure.status.filter(|status| (status.1, status.2) != (0, 0)),
        code: failure.reply_code,
        command: failure.command,
        named: failure.names_recipient(),
        // PowerMTA's own verdict (X-PowerMTA-BounceCategory).
        bad_mailbox: context.contains("bouncecategory: bad-mailbox"),
    };
    by_words(&said, &facts)
        .or_else(|| facts.by_status())
        .or_else(|| by_words(&context, &facts))
        .or_else(|| facts.by_code())
        .unwrap_or(Class::Other)
}

/// What is known beside the words.
struct Facts {
    status: Option<Status>,
    code: Option<u16>,
    command: Option<Command>,
    named: bool,
    bad_mailbox: bool,
}

fn by_words(said: &str, facts: &Facts) -> Option<Class> {
    use Class::{
        AddressFormat, Content, MailboxFull, Other, OurFault, Rejecting, ResendTimeout,
        UnknownHost, UnknownUser,
    };
    let subject = facts.status.map(|status| (status.1, status.2));
    let before_rcpt =
        matches!(facts.command, Some(Command::Connect | Command::Helo | Command::Mail));
    // The address itself is wrong.
    if has(said, phrases::MALFORMED) || subject == Some((1, 3)) {
        return Some(AddressFormat);
    }
    if has(said, phrases::OUR_LIMITS) {
        return Some(OurFault);
    }
    if has(said, phrases::TOO_BIG) && !matches!(subject, Some((2, 2))) {
        return Some(Content);
    }
    if has(said, phrases::FULL) || subject == Some((2, 2)) {
        return Some(MailboxFull);
    }
    if has(said, phrases::NOT_MEMBER) {
        return Some(Rejecting);
    }
    if has(said, phrases::SENDER) || matches!(subject, Some((1, 7 | 8))) {
        return Some(OurFault);
    }
    // "The recipient does not accept mail" is no word about his domain.
    let closed = has(said, &["domain", "host"]) && said.contains("does not accept mail")
        || said.contains("dns domain") && said.contains("does not exist");
    if (closed || has(said, phrases::NO_HOST)) && !before_rcpt {
        return Some(UnknownHost);
    }
    if has(said, phrases::LOCAL_TROUBLE) {
        return Some(Other);
    }
    if has(said, phrases::LISTED_LINK) {
        return Some(Content);
    }
    // "not listed in Domino Directory" is no list of ours, nor is "primary
    // target IP address responded" about our address.
    let ours = said.replace("not listed", "").replace("target ip address", "");
    if has(&ours, phrases::OUR_HOST) {
        return Some(OurFault);
    }
    if has(said, phrases::CONTENT) {
        return Some(Content);
    }
    if before_rcpt && !has(said, phrases::TIMEOUT) {
        return Some(OurFault);
    }
    if has(said, phrases::SHUT) {
        return Some(Rejecting);
    }
    if has(said, phrases::NO_USER) {
        return Some(if facts.is_about_the_user(said) { UnknownUser } else { Rejecting });
    }
    // A mailbox of which nothing more is said: 550 "mailbox unavailable".
    if has(said, phrases::REJECTING) {
        return Some(Rejecting);
    }
    // What a server says of its own waiting comes after every status.
    if facts.status.is_none_or(|status| status.1 == 4) && has(said, phrases::TIMEOUT) {
        return Some(ResendTimeout);
    }
    None
}

impl Facts {
    /// Servers of mobile carriers and filters say "unknown user" of mail that
    /// a living recipient does not want. It is believed with the status that
    /// means it (RFC 3463 X.1.1), in answer to RCPT, or where it names the
    /// recipient and no other status contradicts.
    fn is_about_the_user(&self, said: &str) -> bool {
        match self.status.map(|status| (status.1, status.2)) {
            Some((1, _) | (4, 1)) => true,
            Some((7, _)) => has(said, phrases::NOBODY) && self.command == Some(Command::Rcpt),
            _ if has(said, phrases::GONE) => true,
            _ if self.command == Some(Command::Rcpt) => true,
            Some((5, 0)) => true,
            _ if self.command == Some(Command::Data) => false,
            _ if self.bad_mailbox => true,
            Some((2, _)) => has(said, phrases::BAD_MAILBOX),
            _ => self.named || has(said, phrases::FOUND_OUT),
        }
    }

    /// RFC 3463 section 3 and the IANA registry of enhanced status codes.
    fn by_status(&self) -> Option<Class> {
        let (class, subject, detail) = self.status?;
        Some(match (subject, detail) {
            (1, 1 | 6 | 10 | 301..=399) => Class::UnknownUser,
            (1, 2) => Class::UnknownHost,
            (1, 3) => Class::AddressFormat,
            (1, 7..=9) => Class::OurFault,
            (1, _) if class == 5 => Class::UnknownUser,
            (2, 2) => Class::MailboxFull,
            (2, 3) | (3, 4) | (6, _) => Class::Content,
            (2, 0 | 1 | 4) | (3, 2) | (7, 2 | 13 | 14 | 17) => Class::Rejecting,
            (4, 4) if class == 5 => Class::UnknownHost,
            (4, _) => Class::ResendTimeout,
            (7, _) => Class::OurFault,
            _ => return None,
        })
    }

    /// RFC 5321 section 4.2.3, where nothing else speaks.
    fn by_code(&self) -> Option<Class> {
        match (self.code?, self.command) {
            (421 | 450, _) => Some(Class::ResendTimeout),
            (501 | 504 | 553, Some(Command::Rcpt)) => Some(Class::AddressFormat),
            (551, _) => Some(Class::UnknownUser),
            (556, _) => Some(Class::UnknownHost),
            (552, Some(Command::Rcpt)) => Some(Class::MailboxFull),
            (521 | 525, _) => Some(Class::Rejecting),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;

//! One message whose sender is to be told: what the session still allows, and
//! the facts that speak for or against a letter.

use super::Settings;
use super::letter::NOTICE_FIELD;
use super::may_notify::{Facts, PathKind};
use crate::directory::{Organisation, Told};
use crate::filter::verdict::Door;
use crate::filter::{Class, Examination};
use crate::mail::{Address, Envelope, Message, ReversePath, automatic};
use crate::quarantine::Held;
use crate::queue::Item;

/// What telling depends on besides the record.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    pub envelope: &'a Envelope,
    pub message: &'a Message,
    pub examination: &'a Examination,
    /// The organisation of the first held recipient.
    pub organisation: &'a Organisation,
    /// The client is a listed relay of ours: a 550 would make it send
    /// backscatter, so only a letter is possible.
    pub relayed: bool,
    /// Some recipients of the transaction are accepted: the reply must be
    /// 250, so only a letter is possible.
    pub partly_accepted: bool,
}

/// The ways that are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Channel {
    /// Nothing is told: a refusal would unsubscribe a list's member, or make a
    /// forwarder send backscatter.
    Silent,
    /// Malware or phishing: a refusal without a link.
    NoLink,
    /// A letter, or nothing.
    LetterOnly,
    /// A letter if it may be written, else the reply.
    LetterOr(Told),
    /// The reply.
    Session(Told),
}

impl Channel {
    pub fn tries_letter(self) -> bool {
        matches!(self, Self::LetterOnly | Self::LetterOr(_))
    }
}

impl Case<'_> {
    pub(super) fn channel(&self, held: &Held) -> Channel {
        let told = self.organisation.told;
        let no_session = self.relayed || self.partly_accepted;
        if self.examination.discussion_list || self.envelope.mail_from.is_rewritten() {
            Channel::Silent
        } else if !has_door(held) {
            if no_session { Channel::Silent } else { Channel::NoLink }
        } else if no_session {
            Channel::LetterOnly
        } else if told == Told::Letter {
            Channel::LetterOr(told)
        } else {
            Channel::Session(told)
        }
    }

    /// The facts of the message; those of the records stay refusing.
    pub(super) fn facts(&self, held: &Held, settings: &Settings) -> Facts {
        let own = self.message.has(NOTICE_FIELD);
        let automatic = self.examination.automatic || self.examination.discussion_list;
        let facts = of_held(held, held.rfc5322_from.as_ref(), settings);
        Facts { foreign: facts.foreign && !own, personal: facts.personal && !automatic, ..facts }
    }
}

/// The facts that the record alone tells, for a letter to `to`.
pub(super) fn of_held(held: &Held, to: Option<&Address>, settings: &Settings) -> Facts {
    let sender = held.sender();
    Facts {
        path: kind_of(&held.rfc5321_mail_from),
        personal: !held.automatic,
        harmless: has_door(held),
        score: held.score,
        ..of_addresses(to, sender.proved_address(), settings)
    }
}

/// The facts of accepted mail that could not be delivered: a DSN goes to the
/// reverse-path, which must be of the proved domain too.
pub(super) fn of_accepted(item: &Item, about: &Message, settings: &Settings) -> Facts {
    let Some(origin) = &item.origin else { return Facts::default() };
    let to = item.mail_from.address();
    let facts = of_addresses(to, origin.proved.as_ref(), settings);
    let written = automatic::is_list(about) || automatic::is_bulk(about);
    Facts {
        path: kind_of(&item.mail_from),
        personal: !written && !automatic::is_automatic(about),
        foreign: facts.foreign && !about.has(NOTICE_FIELD),
        // Malware and phishing are never accepted.
        harmless: true,
        score: origin.score,
        ..facts
    }
}

/// What the two addresses tell: the one that is written to, and the one that
/// SPF or DKIM proved.
fn of_addresses(to: Option<&Address>, proved: Option<&Address>, settings: &Settings) -> Facts {
    let same = |one: &Address, other: &Address| {
        one.domain().organisational() == other.domain().organisational()
    };
    Facts {
        proved: proved.is_some(),
        aligned: to.zip(proved).is_some_and(|(to, proved)| same(to, proved)),
        foreign: to.is_some_and(|to| *to.domain() != settings.domain),
        answerable: to.is_some_and(is_answerable),
        ceiling: settings.ceiling,
        ..Facts::default()
    }
}

/// Whether a link exists at all (DESIGN section 2.5).
pub(super) fn has_door(held: &Held) -> bool {
    let dangerous = |class| matches!(class, Class::Malware | Class::Phishing);
    held.recipients.iter().any(|one| one.door != Door::Closed)
        && !held.recipients.iter().any(|one| dangerous(one.class))
}

pub(super) fn kind_of(path: &ReversePath) -> PathKind {
    match path.address() {
        None => PathKind::Null,
        Some(_) if path.is_rewritten() => PathKind::Rewritten,
        Some(address) if is_list(address) => PathKind::List,
        Some(_) => PathKind::Plain,
    }
}

/// Paths of lists and daemons (RFC 3834 section 2): owner-x, x-request,
/// x-bounces, bounces+x, MAILER-DAEMON.
fn is_list(address: &Address) -> bool {
    let local = address.local().to_ascii_lowercase();
    let begins = ["owner-", "bounce-", "bounces-", "bounce+", "bounces+", "listserv", "majordomo"];
    let ends = ["-owner", "-request", "-bounce", "-bounces", "-admin", "-return"];
    let verp = ["-bounces+", "-bounces=", "-return-", "-owner+"];
    begins.iter().any(|begin| local.starts_with(begin))
        || ends.iter().any(|end| local.ends_with(end))
        || verp.iter().any(|part| local.contains(part))
        || matches!(local.as_str(), "mailer-daemon" | "bounce" | "bounces")
}

/// Whether a person reads mail to this address, and it needs no SMTPUTF8.
fn is_answerable(address: &Address) -> bool {
    let local = address.base().local().to_ascii_lowercase();
    let plain: String = local.chars().filter(char::is_ascii_alphanumeric).collect();
    let deaf = ["noreply", "donotreply", "dontreply", "mailerdaemon", "nobody", "devnull"];
    address.is_ascii()
        && !is_list(address)
        && !deaf.iter().any(|word| plain.starts_with(word) || plain.ends_with(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::parse_utf8(text).unwrap()
    }

    #[test]
    fn paths_are_told_apart() {
        for (path, kind) in [
            ("", PathKind::Null),
            ("anna@example.org", PathKind::Plain),
            ("prvs=1234567890=anna@example.org", PathKind::Plain),
            ("SRS0=abcd=XY=other.example=anna@forwarder.example", PathKind::Rewritten),
            ("anna+SRS=abcd=XY=o.example=b@forwarder.example", PathKind::Rewritten),
            ("owner-list@example.org", PathKind::List),
            ("list-bounces+anna=example.org@example.org", PathKind::List),
            ("MAILER-DAEMON@example.org", PathKind::List),
        ] {
            let path = ReversePath::parse(path, false).unwrap();
            assert_eq!(kind_of(&path), kind, "{path}");
        }
    }

    #[test]
    fn nobody_reads_mail_to_a_robot() {
        for (text, answers) in [
            ("anna@example.org", true),
            ("reply@example.org", true),
            ("no-reply@example.org", false),
            ("NoReply+x@example.org", false),
            ("do_not_reply@example.org", false),
            ("news-noreply@example.org", false),
            ("owner-x@example.org", false),
            ("jänis@example.org", false),
        ] {
            assert_eq!(is_answerable(&address(text)), answers, "{text}");
        }
    }
}

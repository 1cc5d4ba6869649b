//! Bulk mail: lists, newsletters, surveys, social networks, automatic mail.
//!
//! By header fields (RFC 2369, 2919, 3834, 8058) and by the domains that
//! send such mail. These are statements of the sender about himself, or the
//! lack of them: they choose a class that organisations decide about and
//! forbid letters; they never vouch for anybody.

use super::catalogue::Weights;
use super::results::Results;
use super::{Class, Finding};
use crate::mail::{Address, Domain, Envelope, Message, ReversePath};

/// Survey platforms: who they are by From, MAIL FROM or DKIM.
const POLLS: &[&str] = &[
    "surveymonkey.com",
    "surveymonkeyuser.com",
    "qualtrics.com",
    "qemailserver.com",
    "typeform.com",
    "questback.com",
    "webropol.com",
    "webropolsurveys.com",
    "surveypal.com",
    "zef.fi",
    "zeffi.com",
    "limesurvey.org",
    "jotform.com",
    "surveygizmo.com",
    "alchemer.com",
    "sogosurvey.com",
    "questionpro.com",
    "survio.com",
    "smartsurvey.co.uk",
    "medallia.com",
    "trustpilot.com",
    "trustpilotmail.com",
    "macromill.com",
    "cross-m.co.jp",
    "rakuten-insight.co.jp",
];

/// Social networks' notifications.
const SOCIAL: &[&str] = &[
    "facebookmail.com",
    "linkedin.com",
    "twitter.com",
    "x.com",
    "instagram.com",
    "pinterest.com",
    "tiktok.com",
    "reddit.com",
    "redditmail.com",
    "xing.com",
    "quora.com",
    "nextdoor.com",
    "snapchat.com",
    "tumblr.com",
    "meetup.com",
    "vk.com",
    "mixi.jp",
    "discord.com",
    "threads.net",
    "bsky.app",
    "researchgate.net",
    "academia.edu",
    "academia-mail.com",
];

/// Fields that only sending platforms write.
const PLATFORM: &[&str] = &[
    "Feedback-ID",
    "X-SG-EID",
    "X-SES-Outgoing",
    "X-Mailgun-Sid",
    "X-MC-User",
    "X-Mandrill-User",
    "X-CSA-Complaints",
    "X-Campaign-Id",
    "X-CampaignId",
    "X-Mailer-RecptId",
    "X-Mailjet-Campaign",
    "X-Report-Abuse",
    "X-EmarSys-Identify",
    "X-Roving-Id",
    "X-job",
    "X-PM-Message-Id",
];

/// Words by which a list mail asks for opinions.
const POLL_WORDS: &[&str] =
    &["survey", "questionnaire", "your opinion", "kysely", "mielipide", "アンケート", "ご意見"];

/// What the header says about bulk.
#[derive(Debug, Default)]
pub struct Bulk {
    pub findings: Vec<Finding>,
    pub classes: Vec<Class>,
    pub automatic: bool,
    pub discussion_list: bool,
}

/// The fields that matter, from one pass over the header: each is there or not.
#[allow(clippy::struct_excessive_bools)]
#[derive(Default)]
struct Fields {
    list: bool,
    unsubscribe: bool,
    post: bool,
    precedence: bool,
    automatic: bool,
    platform: bool,
}

/// Reads the header. `from` is the author where there is one.
pub fn check(
    envelope: &Envelope,
    message: &Message,
    from: Option<&Address>,
    results: &Results,
    weights: &Weights,
) -> Bulk {
    let fields = fields(message);
    let is_list = fields.list || fields.unsubscribe || fields.post;
    let mut bulk = Bulk {
        automatic: is_list
            || fields.precedence
            || fields.automatic
            || envelope.mail_from == ReversePath::Null,
        discussion_list: fields.post,
        ..Bulk::default()
    };
    let senders = senders(envelope, from, results);
    let class = if fields.post {
        None
    } else if within(&senders, POLLS) || (is_list && asks(message)) {
        Some((Class::Poll, "poll"))
    } else if within(&senders, SOCIAL) {
        Some((Class::Social, "social"))
    } else if is_list {
        Some((Class::Marketing, "marketing"))
    } else {
        None
    };
    if let Some((class, id)) = class {
        bulk.classes.push(class);
        bulk.findings.push(weights.finding(id));
    }
    let told = [
        (fields.post, "discussion-list"),
        (fields.precedence && !is_list, "list-mail"),
        (fields.automatic, "automatic"),
        (fields.platform, "sending-platform"),
    ];
    bulk.findings.extend(told.iter().filter(|(is, _)| *is).map(|(_, id)| weights.finding(id)));
    bulk
}

fn fields(message: &Message) -> Fields {
    let mut seen = Fields::default();
    for field in message.fields() {
        let is = |name: &str| field.name.eq_ignore_ascii_case(name.as_bytes());
        let value = field.value.trim_ascii();
        let says = |word: &str| value.eq_ignore_ascii_case(word.as_bytes());
        match field.name.first().map(u8::to_ascii_lowercase) {
            Some(b'l') => {
                seen.list |= is("List-Id") || is("List-Help") || is("List-Subscribe");
                seen.unsubscribe |= is("List-Unsubscribe") || is("List-Unsubscribe-Post");
                // RFC 2369 section 3.4: `NO` is a list nobody may write to.
                seen.post |= is("List-Post")
                    && !value.get(..2).is_some_and(|no| no.eq_ignore_ascii_case(b"NO"));
            }
            Some(b'p') if is("Precedence") => {
                seen.precedence |= says("bulk") || says("list") || says("junk");
            }
            // RFC 3834 section 5: everything but `no` is automatic.
            Some(b'a') if is("Auto-Submitted") => {
                let word = value.split(|b| matches!(b, b';' | b' ' | b'(')).next();
                seen.automatic |= !word.unwrap_or_default().eq_ignore_ascii_case(b"no");
            }
            Some(b'x' | b'f') => {
                seen.automatic |= is("X-Autoreply") || is("X-Autorespond") || is("X-Auto-Response");
                seen.platform |= PLATFORM.iter().any(|name| is(name));
            }
            _ => {}
        }
    }
    seen
}

/// The domains that answer for the message.
fn senders<'a>(
    envelope: &'a Envelope,
    from: Option<&'a Address>,
    results: &'a Results,
) -> Vec<&'a Domain> {
    let signed = results.dkim.iter().filter(|one| one.word == super::results::Word::Pass);
    let mut senders: Vec<&Domain> = signed.filter_map(|one| one.domain.as_ref()).collect();
    senders.extend(from.map(Address::domain));
    senders.extend(envelope.mail_from.address().map(Address::domain));
    senders
}

fn within(senders: &[&Domain], list: &[&str]) -> bool {
    senders.iter().any(|sender| {
        list.iter().any(|domain| {
            sender
                .as_str()
                .strip_suffix(domain)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    })
}

fn asks(message: &Message) -> bool {
    let subject = message.text("Subject").unwrap_or_default().to_lowercase();
    POLL_WORDS.iter().any(|word| subject.contains(word))
}

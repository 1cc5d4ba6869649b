//! Letters to our own recipients: the digest, and the link to their own page.
//!
//! Each message has its links; each link shows a page that asks once. Nothing
//! of the mail's body is here.

use jiff::tz::TimeZone;

use super::digest::Entry;
use super::letter::{Frame, Paragraph, contact, count, finish, head, linkless, words};
use super::words::{Arguments, Words};
use crate::filter::Class;
use crate::mail::display;
use crate::quarantine::Telling;

/// Characters of a sender's name and address.
const FROM_CHARS: usize = 80;

/// "14 messages were held for you."
pub(super) fn digest(
    frame: &Frame<'_>,
    language: Option<&str>,
    entries: &[Entry],
    more: usize,
    page: &str,
    zone: &TimeZone,
) -> Vec<u8> {
    let words = words(frame, language);
    let number = Arguments::from([("count".into(), count(entries.len() + more).into())]);
    let mut paragraphs = vec![Paragraph::Text(words.say("letter-digest-held", &number))];
    for bulk in [false, true] {
        let group: Vec<&Entry> = entries.iter().filter(|one| one.is_bulk() == bulk).collect();
        if group.is_empty() {
            continue;
        }
        if bulk {
            let heading = words.say("letter-digest-bulk", &Arguments::new());
            paragraphs.push(Paragraph::Heading(heading));
        }
        for entry in group {
            push(&mut paragraphs, &words, entry, zone);
        }
    }
    if more > 0 {
        let number = Arguments::from([("count".into(), count(more).into())]);
        paragraphs.push(Paragraph::Text(words.say("letter-digest-more", &number)));
    }
    paragraphs.push(Paragraph::Text(words.say("letter-digest-page", &Arguments::new())));
    paragraphs.push(Paragraph::Link(page.to_owned()));
    paragraphs.push(Paragraph::Text(contact(&words, frame.organisation)));
    let subject = words.say("letter-digest-subject", &number);
    finish(head(frame, &words, subject), &words, &paragraphs)
}

fn push(paragraphs: &mut Vec<Paragraph>, words: &Words, entry: &Entry, zone: &TimeZone) {
    let held = &entry.held;
    let subject = linkless(&held.subject);
    let subject = if subject.is_empty() {
        words.say("letter-digest-no-subject", &Arguments::new())
    } else {
        subject
    };
    let from = display::excerpt(&display::visible(&held.from_text), FROM_CHARS);
    let at = held.received_at.to_zoned(zone.clone()).strftime("%d.%m. %H:%M").to_string();
    let why = words.say(why(held.recipients[entry.slot].class), &Arguments::new());
    let untold = held.telling == Telling::Untold;
    let untold = untold.then(|| words.say("letter-digest-untold", &Arguments::new()));
    let facts: Vec<String> = [Some(at), Some(why), untold].into_iter().flatten().collect();
    paragraphs.push(Paragraph::Message { subject, from, facts: facts.join(" · ") });
    let say = |id: &str| words.say(id, &Arguments::new());
    paragraphs.push(Paragraph::Links(vec![
        (say("letter-digest-deliver"), format!("{}/deliver", entry.link)),
        (say("letter-digest-block"), format!("{}/block", entry.link)),
        (say("letter-digest-show"), entry.link.clone()),
    ]));
}

/// In three words.
fn why(class: Class) -> &'static str {
    match class {
        Class::Unscannable => "letter-why-unscannable",
        Class::Impersonated => "letter-why-impersonated",
        Class::Marketing => "letter-why-marketing",
        Class::Poll => "letter-why-poll",
        Class::Social => "letter-why-social",
        Class::Mass => "letter-why-mass",
        Class::FirstContact => "letter-why-first-contact",
        _ => "letter-why-unwanted",
    }
}

/// "Open your page".
pub(super) fn invitation(frame: &Frame<'_>, language: Option<&str>, page: &str) -> Vec<u8> {
    let words = words(frame, language);
    let say = |id: &str| words.say(id, &Arguments::new());
    let paragraphs = [
        Paragraph::Text(say("letter-invitation")),
        Paragraph::Link(page.to_owned()),
        Paragraph::Text(say("letter-invitation-ignore")),
        Paragraph::Text(contact(&words, frame.organisation)),
    ];
    let subject = say("letter-invitation-subject");
    finish(head(frame, &words, subject), &words, &paragraphs)
}

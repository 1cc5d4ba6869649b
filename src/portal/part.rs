//! Parts that pages share: the shell, times, sizes, contacts, icons.
//!
//! Domain values show themselves here and nowhere else. Text of strangers
//! goes through [`Shown`] or [`Said`]; there is no other way into a page.

use std::sync::Arc;

use jiff::civil::DateTime;
use jiff::tz::Offset;
use maud::{DOCTYPE, Markup, Render, html};

use super::asset::Assets;
use super::frame::Visitor;
use super::path::Path;
use super::words::{Arguments, Said, Shown, Words};
use crate::clock::{SignedDuration, Timestamp};
use crate::directory::{Contact, Organisation};
use crate::mail::Address;

/// Who speaks on a page.
#[derive(Clone, Debug)]
pub enum Brand {
    Organisation(Arc<Organisation>),
    /// On pages of no organisation.
    Installation(Option<Contact>),
}

/// A page before its shell.
pub struct Page<'a> {
    pub brand: &'a Brand,
    /// Where this page can be shown again, for the choice of language.
    pub at: Path<'a>,
    /// In the tab; never text from mail (previews of chat programs show it).
    pub title: &'a str,
    /// Seconds after which the script looks for news.
    pub refresh: Option<u32>,
    pub body: Markup,
}

/// Writes nothing: makes room for what follows in a template, which else grows
/// by halves, and is moved each time.
pub struct Room(pub usize);

impl Render for Room {
    fn render_to(&self, buffer: &mut String) {
        buffer.reserve(self.0);
    }
}

/// The pictures beside words; never alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icon {
    Waiting,
    Moving,
    Done,
    Stopped,
    Question,
}

impl Brand {
    /// The installation itself, on pages of no organisation.
    pub fn installation(postmaster: Option<&Address>) -> Self {
        let contact = postmaster.map(|postmaster| Contact {
            postmaster: postmaster.clone(),
            telephone: None,
            hours: None,
        });
        Self::Installation(contact)
    }

    pub fn organisation(&self) -> Option<&Arc<Organisation>> {
        match self {
            Self::Organisation(organisation) => Some(organisation),
            Self::Installation(_) => None,
        }
    }

    /// As people know it.
    pub fn name<'a>(&'a self, words: &'a Words) -> &'a str {
        self.organisation()
            .map_or_else(|| &**words.say("installation-name"), |one| one.name.as_str())
    }

    pub fn contact(&self) -> Option<&Contact> {
        match self {
            Self::Organisation(organisation) => Some(&organisation.contact),
            Self::Installation(contact) => contact.as_ref(),
        }
    }
}

/// The shell around every page.
pub fn page(visitor: &Visitor, page: &Page<'_>) -> Markup {
    let words = visitor.words();
    let frame = visitor.app().shells.of(page.brand, words, visitor.assets());
    let head = Head { title: page.title, name: page.brand.name(words), links: &frame.links };
    document(
        visitor,
        &head,
        &html! {
            (Room(page.body.0.len() + 4096))
            (frame.header)
            main #main tabindex="-1" data-refresh=[page.refresh] { (page.body) }
            footer {
                (frame.foot)
                nav aria-label=(words.say("language-nav")) {
                    ul {
                        @for one in visitor.languages().all() {
                            li { (language(visitor, one, &page.at)) }
                        }
                    }
                }
                p.small { (words.say("by-reprieve")) }
            }
        },
    )
}

/// As [`Path::Logo`] names it.
pub fn logo_name(organisation: &Organisation) -> Option<String> {
    organisation.logo.as_ref().map(|logo| format!("{}-{}", organisation.id, logo.version))
}

/// What a document's head says.
pub struct Head<'a> {
    pub title: &'a str,
    /// Whose page it is.
    pub name: &'a str,
    /// What [`links`] wrote.
    pub links: &'a Markup,
}

/// The links to a document's files.
pub fn links(assets: &Assets, style: &str, script: &str, colour: Option<&str>) -> Markup {
    html! {
        (Room(512))
        link rel="icon" href=(Path::Asset(&assets.icon));
        link rel="stylesheet" href=(Path::Asset(style));
        link rel="stylesheet" href=(Path::Asset(&assets.accent(colour)));
        script defer src=(Path::Asset(script)) {}
    }
}

/// A whole document, of a stranger's page or of the console.
pub fn document(visitor: &Visitor, head: &Head<'_>, body: &Markup) -> Markup {
    let words = visitor.words();
    html! {
        (Room(body.0.len() + 1024))
        (DOCTYPE)
        html lang=(words.tag()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex, nofollow";
                meta name="color-scheme" content="light dark";
                title { (head.title) " · " (head.name) }
                (head.links)
            }
            body {
                a.skip href="#main" { (words.say("skip")) }
                (body)
            }
        }
    }
}

/// The other languages, each as its own speakers call it; `at` is the page's
/// own path, or empty.
pub fn language(visitor: &Visitor, one: &Words, at: &impl Render) -> Markup {
    let name = one.say("language-name");
    html! {
        @if one.tag() == visitor.words().tag() {
            span aria-current="true" lang=(one.tag()) { (name) }
        } @else {
            a href={ (at) "?lang=" (one.tag()) } lang=(one.tag()) hreflang=(one.tag()) rel="nofollow" { (name) }
        }
    }
}

/// Telephone, hours and postmaster in one line.
pub fn contact_line(words: &Words, contact: &Contact) -> Markup {
    html! {
        @if let Some(telephone) = &contact.telephone {
            a href={ "tel:" (dialled(telephone)) } { (telephone) }
            @if let Some(hours) = &contact.hours { " (" (hours) ")" }
            " " (words.say("or")) " "
        }
        a href={ "mailto:" (contact.postmaster) } { (AddressShown(&contact.postmaster)) }
    }
}

/// What a telephone can dial of a number that people read.
fn dialled(telephone: &str) -> String {
    telephone.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect()
}

/// An address; a long one may break after its @.
pub struct AddressShown<'a>(pub &'a Address);

impl Render for AddressShown<'_> {
    fn render_to(&self, buffer: &mut String) {
        let shown = self.0.display();
        if shown.len() <= 30 {
            return Shown(&shown).render_to(buffer);
        }
        match shown.rsplit_once('@') {
            Some((local, domain)) => {
                html! { (Shown(&format!("{local}@"))) wbr; (Shown(domain)) }.render_to(buffer);
            }
            None => Shown(&shown).render_to(buffer),
        }
    }
}

/// How a moment stands to now, as precisely as [`moment`] tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Age {
    today: bool,
    distance: (&'static str, i64),
}

impl Age {
    pub fn of(at: Timestamp, now: Timestamp) -> Self {
        Self { today: utc(at).date() == utc(now).date(), distance: distance(at, now) }
    }
}

/// "today 10:04 UTC (14 minutes ago)": the script makes it local time.
pub fn moment(words: &Words, at: Timestamp, now: Timestamp) -> Markup {
    html! {
        (Room(256))
        time datetime=(at) title=(exact(at)) data-local="full" data-today=(today(words, "T").plain()) {
            @if Age::of(at, now).today { (today(words, &utc_clock(at))) }
            @else { (date_time(words, at)) }
        }
        " (" (relative(words, at, now)) ")"
    }
}

/// The time of the day alone, for what happened just now.
pub fn clock_time(at: Timestamp) -> Markup {
    html! {
        time datetime=(at) title=(exact(at)) data-local="clock" { (utc_clock(at)) }
    }
}

/// A day: "6 December".
pub fn day(words: &Words, at: Timestamp) -> Said {
    words.tell("date", &date_arguments(words, at))
}

fn date_time(words: &Words, at: Timestamp) -> Said {
    words.tell("date-time", &date_arguments(words, at).own("clock", utc_clock(at)))
}

fn today(words: &Words, clock: &str) -> Said {
    words.tell("today", &Arguments::new().own("clock", clock))
}

fn utc(at: Timestamp) -> DateTime {
    Offset::UTC.to_datetime(at)
}

fn utc_clock(at: Timestamp) -> String {
    let utc = utc(at);
    format!("{:02}:{:02} UTC", utc.hour(), utc.minute())
}

fn date_arguments(words: &Words, at: Timestamp) -> Arguments {
    const MONTHS: [&str; 12] = [
        "month-1", "month-2", "month-3", "month-4", "month-5", "month-6", "month-7", "month-8",
        "month-9", "month-10", "month-11", "month-12",
    ];
    let utc = utc(at);
    let month = usize::try_from(utc.month() - 1).unwrap_or(0);
    Arguments::new()
        .own("day", utc.day().to_string())
        .own("month", &**words.say(MONTHS[month]))
        .own("year", utc.year().to_string())
}

/// For tooltips, the same in every language.
pub fn exact(at: Timestamp) -> String {
    let utc = utc(at);
    let (hour, minute, second) = (utc.hour(), utc.minute(), utc.second());
    format!("{} {hour:02}:{minute:02}:{second:02} UTC", utc.date())
}

/// "14 minutes ago", "in 43 seconds".
pub fn relative(words: &Words, at: Timestamp, now: Timestamp) -> Said {
    let (id, number) = distance(at, now);
    words.tell(id, &Arguments::new().number("n", number))
}

/// The sentence of a distance, and its number.
fn distance(at: Timestamp, now: Timestamp) -> (&'static str, i64) {
    let distance = at.duration_since(now);
    let seconds = distance.as_secs().abs();
    let (unit, number) = match seconds {
        0..60 => ("seconds", seconds),
        60..3600 => ("minutes", seconds / 60),
        3600..86_400 => ("hours", seconds / 3600),
        _ => ("days", seconds / 86_400),
    };
    let future = distance > SignedDuration::ZERO;
    let id = match (future, unit) {
        (true, "seconds") => "in-seconds",
        (true, "minutes") => "in-minutes",
        (true, "hours") => "in-hours",
        (true, _) => "in-days",
        (false, "seconds") => "ago-seconds",
        (false, "minutes") => "ago-minutes",
        (false, "hours") => "ago-hours",
        (false, _) => "ago-days",
    };
    (id, number)
}

/// "in 60 seconds": a countdown counts seconds as long as people do.
pub fn countdown(words: &Words, due: Timestamp, now: Timestamp) -> Said {
    let seconds = (due.duration_since(now).as_millis() + 999) / 1000;
    match i64::try_from(seconds) {
        Ok(seconds @ 0..=120) => words.tell("in-seconds", &Arguments::new().number("n", seconds)),
        _ => relative(words, due, now),
    }
}

/// "48 KB".
pub fn size(words: &Words, bytes: u64) -> Said {
    let kilobytes = bytes.div_ceil(1024);
    if kilobytes < 1024 {
        let n = i64::try_from(kilobytes).unwrap_or(0);
        return words.tell("size-kilobytes", &Arguments::new().number("n", n));
    }
    let tenths = bytes.saturating_mul(10) / (1024 * 1024);
    let text = format!("{}.{}", tenths / 10, tenths % 10);
    words.tell("size-megabytes", &Arguments::new().own("n", text))
}

impl Render for Icon {
    fn render_to(&self, buffer: &mut String) {
        let path = match self {
            Self::Waiting => "M12 6.5v6l3.5 2",
            Self::Moving => "M7 12h10m-4-4 4 4-4 4",
            Self::Done => "m7.5 12.5 3 3 6-7",
            Self::Stopped => "M8.5 8.5l7 7m0-7-7 7",
            Self::Question => "M9.5 9.5a2.5 2.5 0 1 1 3.6 2.2c-.8.4-1.1.9-1.1 1.8m0 2.6v.1",
        };
        let kind = match self {
            Self::Waiting => "icon waiting",
            Self::Moving => "icon moving",
            Self::Done => "icon done",
            Self::Stopped => "icon stopped",
            Self::Question => "icon question",
        };
        html! {
            svg class=(kind) viewBox="0 0 24 24" width="24" height="24" aria-hidden="true" {
                circle cx="12" cy="12" r="10" {}
                path d=(path) {}
            }
        }
        .render_to(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::portal::words::Languages;

    #[test]
    fn times_and_sizes_are_said_as_people_do() {
        let languages = Languages::new();
        let english = languages.english();
        let at = |second| Timestamp::from_second(second).unwrap();
        let said = |then, now| relative(english, at(then), at(now)).plain();
        assert_eq!(said(0, 14 * 60 + 5), "14 minutes ago");
        assert_eq!(said(0, 60), "1 minute ago");
        assert_eq!(said(43, 0), "in 43 seconds");
        assert_eq!(said(0, 3 * 86_400), "3 days ago");
        assert_eq!(size(english, 48 * 1024 - 3).plain(), "48 KB");
        assert_eq!(size(english, 0).plain(), "0 KB");
        assert_eq!(size(english, 5 * 1024 * 1024 + 600 * 1024).plain(), "5.5 MB");
        assert_eq!(day(english, at(1_796_515_200)).plain(), "6 December");
        assert_eq!(exact(at(1_796_515_207)), "2026-12-06 00:00:07 UTC");
        assert_eq!(utc_clock(at(1_796_515_200 + 9 * 3660)), "09:09 UTC");
    }

    #[test]
    fn w_03_a_long_address_may_break_after_its_at_sign() {
        let address = |text: &str| Address::parse(text).unwrap();
        let shown = AddressShown(&address("anna@example.fi")).render().into_string();
        assert_eq!(shown, "<bdi>anna@example.fi</bdi>");
        let long = address("a-very-long-name-of-a-person@department.example.org");
        let shown = AddressShown(&long).render().into_string();
        assert!(shown.contains("person@</bdi><wbr><bdi>department"), "{shown}");
    }
}

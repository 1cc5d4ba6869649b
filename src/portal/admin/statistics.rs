//! Statistics: a day, a week and a year of what happened to mail, with the
//! four weeks before behind it, and how often each finding was overruled.

use axum::routing::get;
use maud::{Markup, html};

use super::chart::{Point, chart, with_band};
use super::table::{self, Address};
use super::{Admin, Asked, Place, Route, Section, Sheet};
use crate::account::Power;
use crate::portal::error::Trouble;
use crate::portal::words::Words;
use crate::quarantine::tally::Share;
use crate::statistics::Counts;

/// Hours of a week.
const WEEK: u32 = 168;
/// Weeks of a year.
const YEAR: u32 = 52;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::page(&Place::Statistics, Power::SeeAll, get(show))]
}

/// One kind of count, with its word.
type Kind = (&'static str, fn(&Counts) -> u64);

pub(super) const KINDS: [Kind; 5] = [
    ("count-held", |counts| counts.held),
    ("count-released", |counts| counts.released),
    ("count-delivered", |counts| counts.delivered),
    ("count-rejected", |counts| counts.rejected),
    ("count-destroyed", |counts| counts.destroyed),
];

/// The last 24 hours of a count with their band; the overview shows one too.
pub(super) fn day(words: &Words, hours: &[Counts], (word, read): Kind) -> Markup {
    let all: Vec<u64> = hours.iter().map(read).collect();
    let points = with_band(&all, WEEK as usize, 24);
    drawn(words, word, &points, "admin-day-ago")
}

fn drawn(words: &Words, word: &str, points: &[Point], begin: &str) -> Markup {
    let ends = (&**words.say(begin), &**words.say("admin-now"));
    html! {
        figure.card {
            figcaption { strong { (words.say(word)) } " " span.soft { (points.iter().map(|one| one.value).sum::<u64>()) } }
            (chart(words.say(word), points, ends))
        }
    }
}

async fn show(admin: Admin, asked: Asked) -> Result<Markup, Trouble> {
    let words = admin.words();
    let span = match asked.field("span") {
        "day" => "day",
        "year" => "year",
        _ => "",
    };
    let statistics = &admin.console().statistics;
    let hours = match span {
        "year" => statistics.last(WEEK * (YEAR + 4)).await?,
        _ => statistics.last(WEEK * 5).await?,
    };
    let address = Address::new(Place::Statistics).with("span", span);
    let chips = [
        ("day", words.say("admin-day")),
        ("", words.say("admin-week")),
        ("year", words.say("admin-year")),
    ];
    let overruled = admin.console().search.shares().await;
    let body = html! {
        (table::chips(words.say("admin-span"), &address, "span", span, &chips))
        p.soft { (words.say("admin-band")) }
        @for kind in KINDS {
            @match span {
                "day" => (day(words, &hours, kind)),
                "year" => (year(words, &hours, kind)),
                _ => (week(words, &hours, kind)),
            }
        }
        (shares(words, &hours))
        (findings(&admin, &overruled))
    };
    let title = words.say("admin-statistics");
    Ok(admin.page(&Sheet { section: Section::Statistics, title, notice: None, body }))
}

fn week(words: &Words, hours: &[Counts], (word, read): Kind) -> Markup {
    let all: Vec<u64> = hours.iter().map(read).collect();
    let points = with_band(&all, WEEK as usize, WEEK as usize);
    drawn(words, word, &points, "admin-week-ago")
}

/// By week; behind each the four weeks before.
fn year(words: &Words, hours: &[Counts], (word, read): Kind) -> Markup {
    let weeks = hours.rchunks(WEEK as usize).map(|week| week.iter().map(read).sum::<u64>());
    let mut weeks: Vec<u64> = weeks.collect();
    weeks.reverse();
    let points = with_band(&weeks, 1, YEAR as usize);
    drawn(words, word, &points, "admin-year-ago")
}

/// What became of the past week's mail.
fn shares(words: &Words, hours: &[Counts]) -> Markup {
    let week = &hours[hours.len().saturating_sub(WEEK as usize)..];
    let sums: Vec<(&str, u64)> =
        KINDS.iter().map(|(word, read)| (*word, week.iter().map(read).sum())).collect();
    let most = sums.iter().map(|(_, sum)| *sum).max().unwrap_or(0).max(1);
    html! {
        section.card aria-labelledby="shares" {
            h2 #shares { (words.say("admin-past-week")) }
            table {
                tbody {
                    @for (word, sum) in &sums {
                        tr {
                            th scope="row" { (words.say(word)) }
                            td.number { (sum) }
                            td { progress max=(most) value=(sum) aria-label=(words.say(word)) {} }
                        }
                    }
                }
            }
        }
    }
}

fn findings(admin: &Admin, all: &[Share]) -> Markup {
    let words = admin.words();
    html! {
        section.card aria-labelledby="overruled" {
            h2 #overruled { (words.say("admin-overruled")) }
            p.soft { (words.say("admin-overruled-help")) }
            @if all.is_empty() { (table::empty(words.say("admin-nothing-found"))) }
            @else {
                table {
                    thead { tr {
                        th scope="col" { (words.say("admin-finding")) }
                        th.number scope="col" { (words.say("count-held")) }
                        th.number scope="col" { (words.say("admin-freed")) }
                        th.number scope="col" { "%" }
                    } }
                    tbody {
                        @for one in all {
                            tr {
                                td { code { (one.finding) } }
                                td.number { (one.held) }
                                td.number { (one.freed) }
                                td.number { (u64::from(one.freed) * 100 / u64::from(one.held.max(1))) }
                            }
                        }
                    }
                }
            }
        }
    }
}

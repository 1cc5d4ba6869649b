//! Statistics: a day, a week and a year of what happened to mail, with the
//! four weeks before behind it; and how often each finding was overruled, with
//! a button that takes its weight down.

use axum::response::Redirect;
use axum::routing::{get, post};
use maud::{Markup, html};

use super::table::{self, Address};
use super::{Acted, Admin, Asked, Console, Place, Route, Section, Sheet};
use crate::account::{Entry, Power};
use crate::filter::demotion::{self, Demotion, DemotionError};
use crate::portal::chart::{KINDS, Kind, WEEK, figure, with_band};
use crate::portal::error::Trouble;
use crate::portal::words::Words;
use crate::quarantine::tally::Share;
use crate::statistics::Counts;
use crate::store::Batch;

/// Weeks of a year.
const YEAR: u32 = 52;

/// What may be left of a finding's weight, in per cent, with its button.
const LEFT: [(u8, &str); 3] =
    [(50, "admin-halve"), (0, "admin-weigh-nothing"), (100, "admin-weigh-again")];

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::page(&Place::Statistics, Power::SeeAll, get(show)),
        Route::act(&Place::Demote, Power::Operate, post(demote)),
    ]
}

/// The last 24 hours of a count with their band; the overview shows one too.
pub(super) fn day(words: &Words, hours: &[Counts], (word, read): Kind) -> Markup {
    let all: Vec<u64> = hours.iter().map(read).collect();
    let points = with_band(&all, WEEK as usize, 24);
    figure(words, word, &points, "admin-day-ago")
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
    let demoted = demotion::all(&admin.console().store).await?;
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
        (findings(&admin, overruled, &demoted))
    };
    let title = words.say("admin-statistics");
    Ok(admin.page(&Sheet { section: Section::Statistics, title, notice: None, body }))
}

fn week(words: &Words, hours: &[Counts], (word, read): Kind) -> Markup {
    let all: Vec<u64> = hours.iter().map(read).collect();
    let points = with_band(&all, WEEK as usize, WEEK as usize);
    figure(words, word, &points, "admin-week-ago")
}

/// By week; behind each the four weeks before.
fn year(words: &Words, hours: &[Counts], (word, read): Kind) -> Markup {
    let weeks = hours.rchunks(WEEK as usize).map(|week| week.iter().map(read).sum::<u64>());
    let mut weeks: Vec<u64> = weeks.collect();
    weeks.reverse();
    let points = with_band(&weeks, 1, YEAR as usize);
    figure(words, word, &points, "admin-year-ago")
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

/// Each finding that held mail carries, or that was taken down.
fn findings(admin: &Admin, mut all: Vec<Share>, demoted: &[Demotion]) -> Markup {
    let words = admin.words();
    for one in demoted {
        if !all.iter().any(|share| share.finding == one.finding) {
            all.push(Share { finding: one.finding.clone(), held: 0, freed: 0 });
        }
    }
    html! {
        section.card aria-labelledby="overruled" {
            h2 #overruled { (words.say("admin-overruled")) }
            p.soft { (words.say("admin-overruled-help")) }
            p.soft { (words.say("admin-demote-help")) }
            @if all.is_empty() { (table::empty(words.say("admin-nothing-found"))) }
            @else {
                div.scroll tabindex="0" role="region" aria-label=(words.say("admin-finding")) {
                    table {
                        thead { tr {
                            th scope="col" { (words.say("admin-finding")) }
                            th.number scope="col" { (words.say("count-held")) }
                            th.number scope="col" { (words.say("admin-freed")) }
                            th.number scope="col" { "%" }
                            th.number scope="col" { (words.say("admin-weight")) }
                            @if admin.may(Power::Operate) { th scope="col" { span.hidden { (words.say("admin-actions")) } } }
                        } }
                        tbody {
                            @for one in &all {
                                (finding(admin, one, demoted.iter().find(|other| other.finding == one.finding)))
                            }
                        }
                    }
                }
            }
        }
    }
}

fn finding(admin: &Admin, share: &Share, demoted: Option<&Demotion>) -> Markup {
    let words = admin.words();
    let weight = admin.console().weights.of(&share.finding);
    let left = demoted.map_or(100, |one| one.percent);
    html! {
        tr {
            td {
                code { (share.finding) }
                @if let Some(one) = demoted {
                    br; span.soft { (words.say("admin-demoted-by")) " " (one.by) ", " (table::ago(words, one.at, admin.app().clock.now())) }
                }
            }
            td.number { (share.held) }
            td.number { (share.freed) }
            td.number { (u64::from(share.freed) * 100 / u64::from(share.held.max(1))) }
            td.number {
                @if let Some(weight) = weight {
                    @if left < 100 { del { (format!("{weight:+.1}")) } " " }
                    (format!("{:+.1}", weight * f32::from(left) / 100.0))
                }
            }
            @if admin.may(Power::Operate) {
                td {
                    @if weight.is_some_and(|weight| weight != 0.0) {
                        form.actions method="post" action=(Place::Demote) {
                            (admin.token_field())
                            input type="hidden" name="finding" value=(share.finding);
                            @for (percent, word) in LEFT.into_iter().filter(|(percent, _)| *percent != left) {
                                button.quiet type="submit" name="left" value=(percent) aria-label={ (words.say(word)) ": " (share.finding) } { (words.say(word)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

async fn demote(admin: Admin, form: Acted) -> Result<Redirect, Trouble> {
    let percent = LEFT.iter().map(|(percent, _)| *percent);
    let percent = percent.into_iter().find(|one| one.to_string() == form.field("left"));
    let demotion = Demotion {
        finding: form.field("finding").to_owned(),
        percent: percent.ok_or(Trouble::BadForm)?,
        by: admin.account.login.to_string(),
        at: admin.app().clock.now(),
    };
    match decide(admin.console(), admin.entry("demote-finding"), &demotion).await {
        Ok(()) => Ok(Redirect::to(&format!("{}#overruled", Place::Statistics))),
        Err(DemotionError::Unknown(_)) => Err(Trouble::BadForm),
        Err(DemotionError::Store(fault)) => Err(fault.into()),
    }
}

/// Takes a finding's weight down, with the audit entry that `entry` begins.
///
/// # Errors
/// [`DemotionError`].
pub async fn decide(
    console: &Console,
    entry: Entry,
    demotion: &Demotion,
) -> Result<(), DemotionError> {
    let audit = console.accounts.audit();
    let also = |batch: &mut Batch, before: u8| {
        let entry = entry.clone().about("finding", &demotion.finding);
        let after = format!("{} % of its weight", demotion.percent);
        audit.record(batch, entry.before(format!("{before} % of its weight")).after(after));
    };
    demotion::demote(&console.store, demotion, &also).await
}

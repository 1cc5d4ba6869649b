//! Run settings of one server: when its list is run, what counts how often,
//! and how long an address stays blocked.

use axum::extract::Path as Captured;
use axum::routing::{get, post};
use maud::{Markup, html};

use super::super::table;
use super::lists::reason_word;
use super::{Acted, Admin, Place, Route, Trouble, browsed, refusal, server, tab, told};
use crate::account::Power;
use crate::clock::SignedDuration;
use crate::suppression::rule::{REASONS, RunSettings, SettingsError};
use crate::suppression::{Reason, Refused, Server};

/// Releases within one day that are worth a warning.
const MANY: usize = 1000;

pub(super) fn routes() -> Vec<Route> {
    let id = Place::ID;
    vec![
        Route::page(&Place::Blocking(id, "settings"), Power::See, get(show)),
        Route::act(&Place::Blocking(id, "save"), Power::Decide, post(save)),
        Route::act(&Place::Blocking(id, "spread"), Power::Decide, post(spread)),
        Route::act(&Place::Blocking(id, "run"), Power::Decide, post(run)),
    ]
}

async fn show(admin: Admin, Captured(id): Captured<String>) -> Result<Markup, Trouble> {
    let server = server(&admin, &id).await?;
    page(&admin, &server, None).await
}

async fn page(admin: &Admin, server: &Server, notice: Option<Markup>) -> Result<Markup, Trouble> {
    let words = admin.words();
    let id = server.id.to_string();
    let now = admin.app().clock.now();
    let day = now + SignedDuration::from_hours(24);
    let soon = admin.blocking().releases_until(server.id, day).await?;
    let settings = &server.settings;
    let number = |value: Option<u32>| value.map(|value| value.to_string()).unwrap_or_default();
    let body = html! {
        p.soft {
            (words.say("blocking-previous-run")) ": "
            @if let Some(at) = server.previous_run { (table::ago(words, at, now)) } @else { "–" }
        }
        @if settings.fixed { p.notice { (words.say("fixed-plan-text")) } }
        @if soon >= MANY && settings.releases_per_day.is_none_or(|most| soon > most as usize) {
            div.notice role="status" {
                p { (words.say("blocking-many")) " " strong { (soon) } }
                @if !settings.fixed && admin.may(Power::Decide) {
                    form.actions method="post" action=(Place::Blocking(&id, "spread")) {
                        (admin.token_field())
                        button type="submit" name="most" value=(soon.div_ceil(7)) { (words.say("blocking-spread")) " " (soon.div_ceil(7)) }
                    }
                }
            }
        }
        form.settings method="post" action=(Place::Blocking(&id, "save")) {
            (admin.token_field())
            fieldset disabled[settings.fixed || !admin.may(Power::Decide)] {
                legend { (words.say("blocking-tab-settings")) }
                p {
                    label.inline { input type="checkbox" name="immediate" value="yes" checked[settings.immediate]; " " (words.say("blocking-immediate")) }
                }
                p.help { (words.say("blocking-timing")) }
                p.pair {
                    label for="at" { (words.say("blocking-daily-at")) }
                    input #at type="time" name="at" required value={ (format!("{:02}:{:02}", settings.daily_at / 60, settings.daily_at % 60)) };
                }
                p.pair {
                    label for="zone" { (words.say("blocking-zone")) }
                    input #zone type="text" name="zone" required value=(settings.zone) maxlength="60";
                }
                p.pair {
                    label for="watch" { (words.say("blocking-watch")) }
                    input #watch type="number" name="watch" min="1" max="3650" value=(number(settings.watch_days));
                }
                p.pair {
                    label for="most" { (words.say("blocking-most")) }
                    input #most type="number" name="most" min="1" value=(number(settings.releases_per_day));
                }
                p.pair {
                    label for="hours" { (words.say("blocking-strike")) }
                    input #hours type="number" name="hours" min="0" max="720" required value=(settings.strike_hours);
                }
                @for (class, rule) in REASONS.iter().zip(settings.reasons) {
                    @let word = class.as_str();
                    p.pair {
                        label.inline { input type="checkbox" name=(word) value="yes" checked[rule.enabled]; (words.say(reason_word(word))) }
                        label.inline { (words.say("blocking-after")) input type="number" name={ (word) "-after" } min="1" max="1000" required value=(rule.after); }
                    }
                }
                p { label.inline { input type="checkbox" name="cancel" value="yes";  (words.say("blocking-cancel")) } }
                button type="submit" { (words.say("blocking-save")) }
            }
        }
        @if !settings.fixed && admin.may(Power::Decide) {
            form method="post" action=(Place::Blocking(&id, "run")) {
                (admin.token_field())
                button.quiet type="submit" { (words.say("blocking-run")) }
            }
        }
    };
    tab(admin, server, "settings", notice, body).await
}

fn read(form: &Acted, before: &RunSettings) -> Result<RunSettings, Refused> {
    let number = |name: &str| -> Result<Option<u32>, Refused> {
        let text = form.field(name).trim();
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|_| Refused::Typed(text.to_owned()))
    };
    let mut settings = before.clone();
    let clock = form.field("at").split_once(':');
    let clock = clock.and_then(|(h, m)| Some(h.parse::<u32>().ok()? * 60 + m.parse::<u32>().ok()?));
    settings.daily_at = clock.ok_or(SettingsError::Time)?;
    form.field("zone").trim().clone_into(&mut settings.zone);
    settings.immediate = form.field("immediate") == "yes";
    settings.watch_days = number("watch")?;
    settings.releases_per_day = number("most")?;
    settings.strike_hours = number("hours")?.unwrap_or(settings.strike_hours);
    for (class, rule) in REASONS.iter().zip(&mut settings.reasons) {
        rule.enabled = form.field(class.as_str()) == "yes";
        if let Some(after) = number(&format!("{}-after", class.as_str()))? {
            rule.after = after;
        }
    }
    Ok(settings)
}

async fn save(
    admin: Admin,
    Captured(id): Captured<String>,
    form: Acted,
) -> Result<Markup, Trouble> {
    let before = server(&admin, &id).await?;
    if before.settings.fixed {
        return Err(Trouble::FixedPlan);
    }
    let also = told(&admin, "set-blocking", &before, "");
    let saved = admin.blocking().edit_server(before.id, admin.does(&also), |server| {
        let now = read(&form, &server.settings)?;
        Ok(std::mem::replace(&mut server.settings, now))
    });
    let (after, old) = match saved.await {
        Ok(saved) => saved,
        Err(refused) => {
            let notice = refusal(&admin, refused)?;
            return page(&admin, &before, Some(notice)).await;
        }
    };
    let mut cancelled = 0;
    if form.field("cancel") == "yes" {
        let pairs = old.reasons.iter().zip(&after.settings.reasons);
        for (class, (old, new)) in REASONS.iter().zip(pairs) {
            if let (true, false, Some(reason)) = (old.enabled, new.enabled, Reason::of(*class)) {
                cancelled += admin.blocking().cancel_reason(after.id, reason).await?;
            }
        }
    }
    let words = admin.words();
    let notice = html! {
        (words.say("blocking-saved"))
        @if cancelled > 0 { " " (words.say("blocking-released")) " " (cancelled) }
    };
    page(&admin, &after, Some(notice)).await
}

/// Spreads the releases of the watch period over days.
async fn spread(
    admin: Admin,
    Captured(id): Captured<String>,
    form: Acted,
) -> Result<Markup, Trouble> {
    let known = browsed(&admin, &id).await?;
    let most: u32 = form.field("most").parse().map_err(|_| Trouble::BadForm)?;
    let also = told(&admin, "set-blocking", &known, "");
    let saved = admin.blocking().edit_server(known.id, admin.does(&also), |server| {
        server.settings.releases_per_day = Some(most).filter(|most| *most > 0);
        Ok(())
    });
    match saved.await {
        Ok((server, ())) => {
            let notice = html! { (admin.words().say("blocking-saved")) };
            page(&admin, &server, Some(notice)).await
        }
        Err(refused) => {
            let notice = refusal(&admin, refused)?;
            page(&admin, &known, Some(notice)).await
        }
    }
}

async fn run(
    admin: Admin,
    Captured(id): Captured<String>,
    _form: Acted,
) -> Result<Markup, Trouble> {
    let known = browsed(&admin, &id).await?;
    let also = told(&admin, "run-blocking", &known, "");
    let ran = admin.blocking().run(known.id, admin.does(&also)).await?;
    let words = admin.words();
    let notice = html! {
        (words.say("blocking-ran")) " "
        (words.say("blocking-tab-blocked")) " +" (ran.suppressed) ", −" (ran.released)
    };
    let fresh = server(&admin, &id).await?;
    page(&admin, &fresh, Some(notice)).await
}

//! Distribution: which version a server has, what each changed, and the way
//! back; providers whose answers teach nothing at present.

use axum::extract::Path as Captured;
use axum::routing::{get, post};
use maud::{Markup, html};

use super::super::table;
use super::{Acted, Address, Admin, Asked, Place, Route, Trouble, refusal, server, tab, told};
use crate::account::Power;
use crate::portal::words::Shown;
use crate::suppression::distribute::Drift;
use crate::suppression::{Server, Way};

/// Distributions that are shown.
const SHOWN: usize = 50;
/// Addresses of a difference that are shown, of each kind.
const CHANGES: usize = 200;

pub(super) fn routes() -> Vec<Route> {
    let id = Place::ID;
    vec![
        Route::page(&Place::Blocking(id, "distribution"), Power::SeeAll, get(show)),
        Route::act(&Place::Blocking(id, "distribute"), Power::Operate, post(distribute)),
        Route::act(&Place::Blocking(id, "roll-back"), Power::Operate, post(roll_back)),
        Route::act(&Place::Blocking(id, "close-breaker"), Power::Operate, post(close_breaker)),
    ]
}

async fn show(
    admin: Admin,
    Captured(id): Captured<String>,
    asked: Asked,
) -> Result<Markup, Trouble> {
    let server = server(&admin, &id).await?;
    match asked.field("version").parse() {
        Ok(version) => {
            let shown = difference(&admin, &server, version).await?;
            tab(&admin, &server, "distribution", None, shown).await
        }
        Err(_) => page(&admin, &server, None).await,
    }
}

/// What a version has added and removed.
async fn difference(admin: &Admin, server: &Server, version: u64) -> Result<Markup, Trouble> {
    let words = admin.words();
    let found = match admin.blocking().changes(server.id, version, CHANGES).await {
        Ok(found) => html! {
            @for (sign, all) in [("+", &found.added), ("−", &found.removed)] {
                @if !all.is_empty() {
                    h3 { (sign) @if all.len() == CHANGES { " ≥" } " " (all.len()) }
                    ul { @for one in all { li { bdi { (Shown(one)) } } } }
                }
            }
        },
        Err(refused) => html! { p.notice { (refusal(admin, refused)?) } },
    };
    let back = Place::Blocking(&server.id.to_string(), "distribution").to_string();
    Ok(html! {
        h2 { (words.say("blocking-version")) " " (version) }
        (found)
        p { a.button href=(back) { (words.say("admin-back")) } }
    })
}

pub(super) async fn page(
    admin: &Admin,
    server: &Server,
    notice: Option<Markup>,
) -> Result<Markup, Trouble> {
    let words = admin.words();
    let id = server.id.to_string();
    let now = admin.app().clock.now();
    let mut all = admin.blocking().distributions(server.id).await?;
    all.reverse();
    let drift = admin.blocking().drift(server.id).await?;
    let mut breakers = admin.blocking().open_breakers().await?;
    breakers.retain(|one| one.server == server.id);
    let way = match &server.way {
        Way::Own => words.say("blocking-way-own").to_string(),
        Way::Download(_) => words.say("server-way-download").to_string(),
        Way::MapFile { .. } | Way::Socketmap => server.way.to_string(),
    };
    let here = Address::new(Place::Blocking(&id, "distribution"));
    let files = matches!(server.way, Way::MapFile { .. } | Way::Download(_));
    let body = html! {
        dl.facts {
            div { dt { (words.say("blocking-way")) } dd { code { (way) } } }
            @if files { div { dt { (words.say("blocking-version")) } dd { (server.version) } } }
            @if let Some(at) = server.acknowledged_at {
                div { dt { (words.say("blocking-acknowledged")) } dd { (server.acknowledged) " · " (table::ago(words, at, now)) } }
            }
            div { dt { (words.say("admin-state")) } dd {
                @match &drift {
                    Drift::None => { span class="state done" { span aria-hidden="true" { "✓ " } (words.say("blocking-in-step")) } }
                    Drift::Behind { has, last } => { span class="state wait" { span aria-hidden="true" { "… " } (words.say("blocking-behind")) " " (has) " / " (last) } }
                    _ => { span class="state stop" { span aria-hidden="true" { "✕ " } (words.say("blocking-drifted")) } }
                }
                @if let Some(trouble) = &server.trouble { " " (Shown(trouble)) }
            } }
        }
        @if files && admin.may(Power::Operate) {
            form method="post" action=(Place::Blocking(&id, "distribute")) {
                (admin.token_field())
                button type="submit" { (words.say("blocking-distribute")) }
                " " button.quiet type="submit" name="dry" value="yes" { (words.say("blocking-dry")) }
            }
        }
        @if !all.is_empty() {
            div.scroll tabindex="0" role="region" aria-label=(words.say("blocking-tab-distribution")) {
                table.rows {
                    thead { tr {
                        th.number scope="col" { (words.say("blocking-version")) }
                        th scope="col" { (words.say("admin-when")) }
                        th scope="col" { (words.say("blocking-by")) }
                        th.number scope="col" { (words.say("blocking-count")) }
                        th.number scope="col" { "+" } th.number scope="col" { "−" }
                        @if admin.may(Power::Operate) { th scope="col" { span.hidden { (words.say("admin-actions")) } } }
                    } }
                    tbody { @for one in all.iter().take(SHOWN) { tr {
                        td.number { a href=(here.with("version", &one.version.to_string())) { (one.version) } }
                        td.time { (table::ago(words, one.at, now)) }
                        td { (Shown(&one.by)) }
                        td.number { (one.addresses) } td.number { (one.added) } td.number { (one.removed) }
                        @if admin.may(Power::Operate) { td { @if one.version != server.version {
                            form method="post" action=(Place::Blocking(&id, "roll-back")) {
                                (admin.token_field())
                                button.quiet type="submit" name="version" value=(one.version) { (words.say("blocking-roll-back")) }
                            }
                        } } }
                    } } }
                }
            }
        }
        @if server.pinned { p.notice { (words.say("blocking-pinned")) } }
        @if !breakers.is_empty() {
            h2 { (words.say("blocking-breakers")) }
            @for one in &breakers {
                form.pair method="post" action=(Place::Blocking(&one.server.to_string(), "close-breaker")) {
                    (admin.token_field())
                    input type="hidden" name="domain" value=(one.domain);
                    strong { (Shown(&one.domain)) } " " (one.unknown) " / " (one.all) " "
                    @if admin.may(Power::Operate) {
                        button type="submit" name="undo" value="yes" { (words.say("blocking-undo")) }
                        " " button.quiet type="submit" { (words.say("blocking-learn-again")) }
                    }
                }
            }
        }
        (super::servers::forms(admin, server))
    };
    tab(admin, server, "distribution", notice, body).await
}

async fn distribute(
    admin: Admin,
    Captured(id): Captured<String>,
    form: Acted,
) -> Result<Markup, Trouble> {
    let known = server(&admin, &id).await?;
    let dry = form.field("dry") == "yes";
    if known.pinned && !dry {
        let resumed = admin.blocking().resume(known.id, admin.does(&|_| {})).await;
        resumed.or_else(|refused| refusal(&admin, refused).map(|_| ()))?;
    }
    let also = told(&admin, "distribute-blocking", &known, "");
    let notice = match admin.blocking().distribute(known.id, admin.does(&also), dry).await {
        Ok(done) => {
            html! { (admin.words().say("blocking-version")) " " (done.version) ": +" (done.added) " −" (done.removed) }
        }
        Err(refused) => refusal(&admin, refused)?,
    };
    let fresh = server(&admin, &id).await?;
    page(&admin, &fresh, Some(notice)).await
}

async fn roll_back(
    admin: Admin,
    Captured(id): Captured<String>,
    form: Acted,
) -> Result<Markup, Trouble> {
    let known = server(&admin, &id).await?;
    let version = form.field("version").parse().map_err(|_| Trouble::BadForm)?;
    let also = told(&admin, "roll-back-blocking", &known, form.field("version"));
    let notice = match admin.blocking().roll_back(known.id, version, admin.does(&also)).await {
        Ok(()) => html! { (admin.words().say("blocking-version")) " " (version) },
        Err(refused) => refusal(&admin, refused)?,
    };
    let fresh = server(&admin, &id).await?;
    page(&admin, &fresh, Some(notice)).await
}

async fn close_breaker(
    admin: Admin,
    Captured(id): Captured<String>,
    form: Acted,
) -> Result<Markup, Trouble> {
    let known = server(&admin, &id).await?;
    let undo = form.field("undo") == "yes";
    let domain = form.field("domain");
    let also = told(&admin, "close-blocking-breaker", &known, domain);
    let by = admin.does(&also);
    let released = admin.blocking().close_breaker(known.id, domain, undo, by).await?;
    let notice = html! { (admin.words().say("blocking-released")) " " (released) };
    page(&admin, &known, Some(notice)).await
}

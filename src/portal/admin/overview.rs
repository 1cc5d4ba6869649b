//! The overview: what needs a decision, what waits, what was decided last.

use axum::routing::get;
use maud::{Markup, html};

use super::table;
use super::{Admin, Place, Route, Section, Sheet, appeals, audit, statistics};
use crate::account::Power;
use crate::clock::SignedDuration;
use crate::link::ring::folder;
use crate::portal::chart::KINDS;
use crate::portal::error::Trouble;
use crate::portal::words::Arguments;
use crate::quarantine::{Search, State};
use crate::queue::Load;
use crate::store::State as StoreState;

use crate::suppression::distribute::Drift;
use crate::suppression::{InquiryState, OWN};

/// Held messages are counted up to here.
const COUNTED: usize = 10_000;
/// Decisions that are shown.
const DECISIONS: usize = 8;
/// A key that signs longer than this should be rotated.
const OLD_KEY: SignedDuration = SignedDuration::from_hours(365 * 24);
/// A queue that is later than this has a next hop that fails.
const LATE: SignedDuration = SignedDuration::from_mins(15);

pub(super) fn routes() -> Vec<Route> {
    vec![Route::page(&Place::Home, Power::See, get(show))]
}

async fn show(admin: Admin) -> Result<Markup, Trouble> {
    let words = admin.words();
    let console = admin.console();
    let organisations = admin.organisations();
    let waiting = Search { state: Some(State::Held), organisations, ..Search::default() };
    let held = console.search.keys(&waiting, None, COUNTED).await;
    let count = |count: usize, more: bool| format!("{count}{}", if more { "+" } else { "" });
    let mut needs = appeals_wait(&admin);
    let all = admin.may(Power::SeeAll);
    let tiles = if all {
        let load = console.queue.load().await?;
        needs.extend(needs_of_all(&admin, load).await?);
        tiles(&admin, load).await?
    } else {
        html! {}
    };
    let hours = if all { console.statistics.last(5 * 168).await? } else { Vec::new() };
    let last = if all { console.accounts.audit().page(&[], DECISIONS).await? } else { Vec::new() };
    let body = html! {
        @if needs.is_empty() { p.notice { (words.say("admin-all-well")) } }
        @else { ul.needs { @for one in &needs { li.wrong { (one) } } } }
        ul.tiles {
            li {
                a href=(Place::Quarantine) { (words.say("admin-held-now")) }
                strong { (count(held.keys.len(), held.more)) }
            }
            (tiles)
        }
        @if all {
            (statistics::day(words, &hours, KINDS[0]))
            h2 { (words.say("admin-last-decisions")) }
            @if last.is_empty() { (table::empty(words.say("admin-nothing-found"))) }
            @else { (audit::rows(&admin, None, &last)) }
        }
    };
    let title = words.say("admin-overview");
    Ok(admin.page(&Sheet { section: Section::Overview, title, notice: None, body }))
}

async fn tiles(admin: &Admin, load: Load) -> Result<Markup, Trouble> {
    let words = admin.words();
    let console = admin.console();
    let failed = console.queue.count_failed(1000).await?;
    Ok(html! {
        li { a href=(Place::Queue) { (words.say("admin-waiting")) } strong { (load.open) } }
        li { a href={ (Place::Queue) "?state=failed" } { (words.say("admin-undelivered")) } strong { (failed) } }
        li { a href=(Place::Senders) { (words.say("admin-senders")) } strong { (console.senders.len()) } }
    })
}

/// Senders who wait for his decision.
fn appeals_wait(admin: &Admin) -> Vec<Markup> {
    let count = appeals::waiting(admin);
    let said = Arguments::new().number("n", i64::try_from(count).unwrap_or(i64::MAX));
    let line = || {
        html! { a href=(Place::Appeals) { (admin.words().tell("admin-appeals-wait", &said)) } }
    };
    (count > 0).then(line).into_iter().collect()
}

/// What somebody should look at now, each in one sentence.
async fn needs_of_all(admin: &Admin, load: Load) -> Result<Vec<Markup>, Trouble> {
    let words = admin.words();
    let console = admin.console();
    let now = admin.app().clock.now();
    let mut needs = Vec::new();
    let mut say = |id: &str| needs.push(html! { (words.say(id)) });
    match console.store.health().state {
        StoreState::Ready => {}
        StoreState::Full => say("admin-need-disk"),
        _ => say("admin-need-store"),
    }
    if (console.letters_stopped)().await? {
        say("admin-need-breaker");
    }
    if load.late > LATE {
        say("admin-need-late");
    }
    let folder_of_keys = console.keys.clone();
    let keys = tokio::task::spawn_blocking(move || folder::list(&folder_of_keys)).await;
    let keys = keys.ok().and_then(Result::ok).unwrap_or_default();
    let active = keys.iter().find(|key| key.state == crate::link::ring::KeyState::Active);
    if let Some(age) =
        active.map(|key| now.duration_since(key.created)).filter(|age| *age > OLD_KEY)
    {
        let days = Arguments::new().number("n", age.as_secs() / 86_400);
        needs.push(html! { (words.tell("admin-need-key", &days)) });
    }
    needs.extend(blocking_needs(admin).await?);
    Ok(needs)
}

/// Of delivery blocking: who asks for the right to download, servers that
/// have not what they were given, providers whose answers teach nothing.
async fn blocking_needs(admin: &Admin) -> Result<Vec<Markup>, Trouble> {
    let words = admin.words();
    let list = &admin.console().suppression;
    let own = OWN.to_string();
    let open = list.inquiries().await?;
    let open = open.iter().filter(|one| one.state == InquiryState::Open).count();
    let mut needs = Vec::new();
    if open > 0 {
        let said = Arguments::new().number("n", i64::try_from(open).unwrap_or(i64::MAX));
        let line = words.tell("admin-need-inquiry", &said);
        needs.push(html! { a href=(Place::Blocking(&own, "downloads")) { (line) } });
    }
    for server in list.servers().await? {
        if let Drift::Changed(_) = list.drift(server.id).await? {
            let line =
                words.tell("admin-need-drift", &Arguments::new().mail("server", &server.name));
            let id = server.id.to_string();
            needs.push(html! { a href=(Place::Blocking(&id, "distribution")) { (line) } });
        }
    }
    for window in list.open_breakers().await? {
        let said = Arguments::new().mail("domain", &window.domain);
        let line = words.tell("admin-need-provider", &said);
        let id = window.server.to_string();
        needs.push(html! { a href=(Place::Blocking(&id, "distribution")) { (line) } });
    }
    Ok(needs)
}

//! The administrator's walk in a real browser: by keyboard, at the size of a
//! phone and of a desk, in light and dark, with axe-core looking at every
//! page. With REPRIEVE_SHOTS=DIR each page is kept as a picture.

#[path = "browser/driver.rs"]
mod driver;
#[path = "browser/stage.rs"]
mod stage;

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use driver::{Driver, Page, Scheme, Size};
use reprieve::account::token::Scope as ApiScope;
use reprieve::account::{Entry, Login, Role};
use reprieve::appeal::{Claimed, Decider, State as Stands, Tab};
use reprieve::clock::Clock;
use reprieve::directory::{OrganisationId, Pattern, RuleAction, StoredRule};
use reprieve::filter::Class;
use reprieve::mail::Domain;
use reprieve::portal::{ConfigKey, Settings, console_powers};
use reprieve::quarantine::{Reference, Search, State};
use reprieve::reputation::{Proof, Proofs, Scope, Standing, StandingState};
use reprieve::statistics::{Counts, hour_of};
use reprieve::store::arena::Order;
use reprieve::store::{Batch, Record, Table};
use stage::Stage;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

const PASSWORD: &str = "correct horse battery";

#[tokio::test(flavor = "multi_thread")]
async fn the_administrator_s_walk_on_a_phone_in_light() {
    walk(Size::Phone, Scheme::Light).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_administrator_s_walk_on_a_phone_in_dark() {
    walk(Size::Phone, Scheme::Dark).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_administrator_s_walk_at_a_desk_in_light() {
    walk(Size::Desk, Scheme::Light).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_administrator_s_walk_at_a_desk_in_dark() {
    walk(Size::Desk, Scheme::Dark).await;
}

async fn walk(size: Size, scheme: Scheme) {
    let Some(driver) = Driver::start() else { return };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let settings = Settings { statistics: true, ..Settings::default() };
    let stage = Stage::with(&base, Clock::system(), settings, |_| {});
    stage.console.search.fill().await.unwrap();
    furnish(&stage).await;
    let (_stop, stopped) = oneshot::channel::<()>();
    let ended = async {
        let _ = stopped.await;
    };
    tokio::spawn(stage.portal.clone().serve(listener, ended));
    let page = driver.page(size, scheme).await;
    let looks = Looks { page: &page, name: format!("{size:?}-{scheme:?}").to_lowercase() };

    page.open(&format!("{base}/admin")).await;
    page.shows("Log in").await;
    looks.well("login").await;
    page.tab_to("#login").await;
    page.press("anna").await;
    page.tab_to("#password").await;
    page.press(PASSWORD).await;
    page.press_enter().await;
    page.shows("Overview").await;
    looks.well("overview").await;

    page.open(&format!("{base}/admin/quarantine")).await;
    page.shows("Quarantine").await;
    looks.well("quarantine").await;
    page.press("/").await;
    page.press("roof").await;
    page.press_enter().await;
    page.waits_for("#q[value=roof]").await;
    page.press("j").await;
    page.press_enter().await;
    page.shows("Held message").await;
    looks.well("message").await;
    page.press("r").await;
    page.press_enter().await;
    page.shows_text("releasing").await;
    looks.well("released").await;

    let appeal = stage.appeals.page(Tab::Received, None, &[], 1).await.unwrap().appeals[0].id;
    page.open(&format!("{base}/admin/appeals")).await;
    page.shows("Appeals").await;
    looks.well("appeals").await;
    page.press("j").await;
    page.press_enter().await;
    page.shows("Appeal").await;
    looks.well("appeal").await;
    page.press("g").await;
    page.press_enter().await;
    page.shows_text("granted").await;
    looks.well("granted").await;
    assert_eq!(stage.appeals.find(appeal).await.unwrap().state, Stands::Granted);
    page.open(&format!("{base}/stats")).await;
    page.shows("Mail in numbers").await;
    looks.well("stats").await;

    people(&page, &looks, &base).await;
    every_page(&stage, &looks, &base).await;
    blocking(&page, &looks, &base).await;
    many(&stage, &looks, &base).await;
    page.close().await;
}

/// Every page that the console's table of routes has, each with something on
/// it. One that nobody put here fails the walk.
async fn every_page(stage: &Stage, looks: &Looks<'_>, base: &str) {
    let held = stage.console.search.find(&Search::default(), None, 1).await.unwrap().held[0].id;
    let sender = stage.console.senders.find("", None, Order::Latest, (None, 1)).await.unwrap();
    let sender = URL_SAFE_NO_PAD.encode(sender.senders[0].id());
    let appeal = stage.appeals.page(Tab::Closed, None, &[], 1).await.unwrap().appeals[0].id;
    let anna = stage.recipients.people.find(&stage::address("anna@example.fi")).await.unwrap();
    let anna = anna.unwrap().record.id;
    for (pattern, get, _) in console_powers() {
        let id = match pattern.as_str() {
            _ if get.is_none() => continue,
            // It leads to the first server's list; files; and the work on
            // many, which is walked by itself.
            "/admin/blocking" | "/admin/many/{id}" => continue,
            file if Path::new(file).extension().is_some_and(|end| end == "csv") => continue,
            "/admin/quarantine/{id}" => held.to_string(),
            "/admin/senders/{id}" => sender.clone(),
            "/admin/appeals/{id}" => appeal.to_string(),
            "/admin/organisations/{id}" => "example".to_owned(),
            "/admin/recipients/{id}" => anna.to_string(),
            tab if tab.starts_with("/admin/blocking/{id}/") => "1".to_owned(),
            plain if !plain.contains('{') => String::new(),
            other => panic!("{other}: a page that no walk opens"),
        };
        let path = pattern.replace("{id}", &id);
        looks.page.open(&format!("{base}{path}")).await;
        looks.page.waits_for("main h1").await;
        assert_eq!(looks.page.path().await, path, "{pattern} is shown");
        looks.well(&pattern.trim_start_matches("/admin").replace(['/', '{', '}'], "-")).await;
    }
}

/// Recipients, rules and an organisation's settings, by keyboard alone.
async fn people(page: &Page, looks: &Looks<'_>, base: &str) {
    page.open(&format!("{base}/admin/recipients")).await;
    page.shows("Recipients").await;
    page.press("/").await;
    page.press("anna").await;
    page.press_enter().await;
    page.waits_for("#q[value=anna]").await;
    page.press("j").await;
    page.press_enter().await;
    page.waits_for("#digest").await;
    page.tab_to("#digest").await;
    page.press("Every hour").await;
    page.tab_to("#settings ~ form button").await;
    page.press_enter().await;
    page.shows_text("Saved").await;
    looks.well("recipient-saved").await;

    page.open(&format!("{base}/admin/rules")).await;
    page.shows("Rules").await;
    page.tab_to("#sender").await;
    page.press("pest@shop.example").await;
    page.tab_to("form[action$=rules] button").await;
    page.press_enter().await;
    page.shows_text("pest@shop.example").await;
    // By name, with the head of its column, and the rule is ended.
    page.tab_to("th a.sort").await;
    page.press_enter().await;
    page.waits_for("th[aria-sort=ascending]").await;
    page.tab_to("form[action$=end] button").await;
    page.press_enter().await;
    page.waits_for("main h1").await;
    looks.well("rule-ended").await;

    page.open(&format!("{base}/admin/organisations/example")).await;
    page.shows("Organisation").await;
    page.tab_to("#digest_hour").await;
    page.press("11").await;
    page.tab_to("#save").await;
    page.press_enter().await;
    page.shows_text("Saved").await;
    looks.well("organisation-saved").await;
}

/// A decision about several messages: chosen, looked at, carried out; and the
/// way in for a new administrator.
async fn many(stage: &Stage, looks: &Looks<'_>, base: &str) {
    let page = looks.page;
    page.open(&format!("{base}/admin/quarantine?q=numbers")).await;
    page.waits_for("a.row").await;
    page.press("jx").await;
    page.tab_to("button[value=delete]").await;
    page.press_enter().await;
    page.waits_for("#why").await;
    looks.well("many-preview").await;
    page.tab_to("#why").await;
    page.press("Nobody wants it").await;
    page.press_enter().await;
    page.waits_for("main h1").await;
    page.shows_text("1 of 1").await;
    looks.well("many-done").await;
    let by = Entry::new("console", "test");
    let login = Login::parse("bo").unwrap();
    let secret = stage.console.accounts.add(&by, login, Role::Auditor).await.unwrap();
    page.open(&format!("{base}/admin/setup/bo/{}", secret.to_text())).await;
    page.waits_for("input[name=code]").await;
    looks.well("setup").await;
}

/// Every tab of the delivery blocking, with what the demo has there.
async fn blocking(page: &Page, looks: &Looks<'_>, base: &str) {
    let at = |server: u16, tab: &str| format!("{base}/admin/blocking/{server}/{tab}");
    page.open(&format!("{base}/admin/blocking")).await;
    page.shows("Delivery blocking").await;
    for (server, tab, shown) in [
        (1, "blocked", "maija@gone.example"),
        (1, "exemptions", "pekka@moved.example"),
        (1, "settings", "Immediate action"),
        (1, "errors", "old@partner.example"),
        (1, "deliveries", "Delivered"),
        (1, "distribution", "carrier.example"),
        (2, "distribution", "not fetched yet"),
        (1, "upload", "members-2026.csv"),
        (1, "downloads", "once a year"),
        (3, "settings", "always on"),
    ] {
        page.open(&at(server, tab)).await;
        page.shows_text(shown).await;
        // The first server's are seen with every page.
        if server != 1 {
            looks.well(&format!("blocking-{server}-{tab}")).await;
        }
    }
    // Register what waits, by keyboard.
    page.open(&at(1, "upload")).await;
    page.tab_to("form[action$=register] button").await;
    page.press_enter().await;
    page.waits_for("section.job:not(:has(form)):not(:has(progress))").await;
    looks.well("blocking-registered").await;
    // A fixed plan: one address, and its blocking cancelled.
    page.open(&at(3, "find")).await;
    page.press("/").await;
    page.press("old@partner.example").await;
    page.press_enter().await;
    page.shows_text("Cancel its blocking").await;
    looks.well("blocking-find").await;
    page.tab_to("form[action$=cancel] button").await;
    page.press_enter().await;
    page.shows_text("Not blocked").await;
    looks.well("blocking-cancelled").await;
}

struct Looks<'p> {
    page: &'p Page,
    name: String,
}

impl Looks<'_> {
    async fn well(&self, what: &str) {
        self.page.keep(&format!("{}-{what}", self.name)).await;
        self.page.is_accessible(what).await;
    }
}

/// A queue's item by its key alone.
#[derive(minicbor::Encode, minicbor::Decode)]
struct Unreadable(#[n(0)] u8);

impl Record for Unreadable {
    const TABLE: Table = Table::Item;

    fn key(&self) -> Vec<u8> {
        vec![0xab; 16]
    }
}

/// An administrator, some mail, and weeks of numbers.
async fn furnish(stage: &Stage) {
    let accounts = &stage.console.accounts;
    accounts.add_for_demo(Login::parse("anna").unwrap(), PASSWORD).await.unwrap();
    reprieve::demo::blocking::furnish(&stage.console.suppression).await.unwrap();
    let (id, _) = stage.hold(|_| {}).await;
    let message = "From: Kari Katto <kari@katto.example>\r\nSubject: Offer\r\n\r\nDear Anna,\r\n";
    stage.body(id, message).await;
    let claimed = Claimed {
        who: "Kari Katto, roofs and repairs".to_owned(),
        what: "Our offers for the spring, once a month".to_owned(),
        why: "They asked for an offer last year; the discount ends on Friday.".to_owned(),
        agreed: "By ticking a box on the order form, confirmed by mail.".to_owned(),
        how_many: 1200,
    };
    let held = stage.releases.held(id).await.unwrap().unwrap();
    let appeal = stage.appeals.apply(&held, &claimed).await.unwrap();
    let by = Decider { who: "olga".to_owned(), client: None, organisations: None };
    stage.appeals.ask(&by, appeal.id, "Since when do you write to them?").await.unwrap();
    stage.appeals.answer(appeal.id, "Since May.").await.unwrap();
    let classes = [Class::Unwanted, Class::Mass, Class::Marketing, Class::Unscannable];
    for (count, class) in classes.into_iter().cycle().take(12).enumerate() {
        let last = u8::try_from(count).unwrap();
        stage
            .hold(|held| {
                held.reference = Reference::from_random([1, 2, 3, 4, last]);
                held.subject =
                    format!("A rather long subject about the quarter's numbers, part {count}");
                held.recipients[0].class = class;
                held.recipients[0].state =
                    if count % 5 == 4 { State::Delivered } else { State::Held };
            })
            .await;
    }
    let organisation = OrganisationId::new("example").unwrap();
    let people = &stage.recipients.people;
    for name in ["anna", "bo", "a-rather-long-name-of-a-department"] {
        let address = stage::address(&format!("{name}@example.fi"));
        people.of(&address, &organisation).await.unwrap();
    }
    let block = Pattern::Domain(Domain::parse("shop.example").unwrap());
    let why = Some("Asked for by the board".to_owned());
    let rule = people.rule(&organisation, None, block, RuleAction::Block);
    people.make_rule(&StoredRule { why, ..rule }, &|_, _, _| {}).await.unwrap();
    stage.console.recipients.fill().await.unwrap();
    stage.console.rules.fill().await.unwrap();
    let change = |overlay: &mut reprieve::directory::Overlay| overlay.put("hours", "weekdays 9–15");
    stage.console.overlays.change(&organisation, change, &|_, _, _| {}).await.unwrap();
    let key = |key: &str, value: &str, written| ConfigKey {
        key: key.to_owned(),
        meaning: "From this score on a message is held.".to_owned(),
        value: Some(value.to_owned()),
        written,
        secret: false,
    };
    stage.console.settings.set(vec![
        key("filter.hold", "5.0", false),
        key("organisation \"example\".name", "\"Example Oy\"", true),
    ]);
    let now = stage.clock.now();
    let mut batch = Batch::new();
    batch.insert(&Standing {
        address: stage::address("kari@katto.example"),
        scope: Scope::Everywhere,
        proofs: Proofs::NONE.with(Proof::Dkim),
        state: StandingState::Trusted,
        since: now,
        last_seen: now,
        releases: 3,
        clean_days: 9,
        today: 1,
        revocations: 1,
    });
    stage.store.commit(batch).await.unwrap();
    stage.console.senders.fill().await.unwrap();
    // More accounts and tokens than a page has, and an item that cannot be read.
    let by = Entry::new("console", "test");
    for nth in 0..55 {
        let login = Login::parse(&format!("clerk-{nth:02}")).unwrap();
        let scope = (ApiScope::Read, 30);
        accounts.make_token(&by, &login, "Nightly report", scope).await.unwrap();
        accounts.add(&by, login, Role::Auditor).await.unwrap();
    }
    let mut batch = Batch::new();
    batch.insert(&Unreadable(0));
    stage.store.commit(batch).await.unwrap();
    let now = hour_of(stage.clock.now());
    for hour in 0..5 * 168u32 {
        let wave = u64::from(20 + (hour * 7) % 24 + (hour / 24) % 7 * 3);
        let counts = Counts {
            rejected: wave * 3,
            held: wave,
            released: wave / 4,
            destroyed: wave / 9,
            delivered: wave / 5,
        };
        stage.console.statistics.add(now - hour, counts).await.unwrap();
    }
}

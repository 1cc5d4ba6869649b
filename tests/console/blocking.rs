//! Delivery blocking in the console and by the API: uploads, the right to
//! download, fixed plans, a server that fetches its list.

use axum::http::{Method, StatusCode};
use reprieve::account::Role;
use reprieve::account::token::Scope;
use reprieve::mail::Address;
use reprieve::suppression::event::Outcome;
use reprieve::suppression::{Noted, Server, Suppression, Way};

use crate::api::{ask, token};
use crate::client::{Answer, Client};
use crate::stage::Stage;
use crate::{console, organisation};

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn list(stage: &Stage) -> &Suppression {
    &stage.console.suppression
}

/// A server of the organisation; `fixed`: of a plan with blocking always on.
async fn with_server(stage: &Stage, fixed: bool) {
    let mut server = Server::new(1, "mx1", Way::Socketmap);
    server.organisation = Some(organisation("example"));
    server.settings.fixed = fixed;
    list(stage).add_server(&server, "test").await.unwrap();
}

fn own_admin() -> Role {
    Role::OrganisationAdmin(vec![organisation("example")])
}

async fn recorded(stage: &Stage, what: &str) -> usize {
    let all = stage.console.accounts.audit().page(&[], 1000).await.unwrap();
    all.iter().filter(|entry| entry.what == what).count()
}

/// The page once nothing moves on it any more.
async fn settled(client: &mut Client<'_>, path: &str) -> Answer {
    loop {
        let page = client.get(path).await;
        if !page.body.contains("data-refresh") {
            return page;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_list_is_uploaded_checked_and_registered() {
    let stage = console().await;
    with_server(&stage, false).await;
    let mut anna = Client::enter(&stage, "anna", own_admin()).await;
    let path = "/admin/blocking/1/upload";
    assert_eq!(anna.get(path).await.status, StatusCode::OK);
    let (file, _, _) = encoding_rs::SHIFT_JIS.encode(
        "名前;アドレス\n山田;a@b.example\n鈴木;nonsense\n佐藤;A@b.example\n高橋;c@d.example\n",
    );
    let sent = anna.upload(path, "アドレス", &file).await;
    assert_eq!((sent.status, sent.location()), (StatusCode::SEE_OTHER, path), "{}", sent.body);
    let page = settled(&mut anna, path).await;
    for shown in ["list.csv", "Checked", "<td class=\"number\">3</td>"] {
        assert!(page.body.contains(shown), "{shown}: {}", page.body);
    }
    assert!(!list(&stage).covers_for(1, &address("a@b.example")).await.unwrap());

    let id = page.body.split("name=\"upload\" value=\"").nth(1).unwrap();
    let id = id.split('"').next().unwrap().to_owned();
    let fields = [("upload", id.as_str()), ("when", "run")];
    anna.post("/admin/blocking/1/register", &fields).await;
    let page = settled(&mut anna, path).await;
    assert!(page.body.contains("With the next run"), "{}", page.body);
    assert!(!list(&stage).covers_for(1, &address("a@b.example")).await.unwrap());
    list(&stage).run(1, "test").await.unwrap();
    for known in ["a@b.example", "c@d.example"] {
        assert!(list(&stage).covers_for(1, &address(known)).await.unwrap(), "{known}");
    }
    assert_eq!(recorded(&stage, "register-upload").await, 1);

    // Another site's form is not spooled.
    anna.form = "forged".to_owned();
    let forged = anna.upload(path, "", b"a@b.example\n").await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    // Another organisation's administrator finds no such server.
    let other = Role::OrganisationAdmin(vec![organisation("other")]);
    let mut bo = Client::enter(&stage, "bo", other).await;
    assert_eq!(bo.get(path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_api_uploads_too() {
    let stage = console().await;
    with_server(&stage, false).await;
    let token = token(&stage, "anna", own_admin(), Scope::Decide).await;
    let path = "/api/v1/servers/1/uploads";
    let body = [("body", "mail\na@b.example\n*@c.example\n")];
    let sent = ask(&stage, Method::POST, &format!("{path}?column=mail"), &token, &body).await;
    assert_eq!(sent.status, StatusCode::ACCEPTED, "{}", sent.body);
    let one = format!("{path}/{}", sent.body["id"].as_str().unwrap());
    let checked = loop {
        let answer = ask(&stage, Method::GET, &one, &token, &[]).await;
        if answer.body["stage"] != "reading" {
            break answer.body;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((checked["records"].as_u64(), checked["invalid"].as_u64()), (Some(2), Some(1)));
    assert_eq!(checked["lines"][0]["line"], 3);
    let at_once = [("body", "{\"at_once\":true}")];
    let path = format!("{one}/register");
    let done = ask(&stage, Method::POST, &path, &token, &at_once).await;
    assert_eq!(done.status, StatusCode::ACCEPTED, "{}", done.body);
    while ask(&stage, Method::GET, &one, &token, &[]).await.body["stage"] != "registered" {
        tokio::task::yield_now().await;
    }
    assert!(list(&stage).covers_for(1, &address("a@b.example")).await.unwrap());
    let twice = ask(&stage, Method::POST, &path, &token, &at_once).await;
    assert_eq!(twice.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn downloads_are_a_right_that_is_asked_for_and_granted() {
    const FILES: [&str; 4] = ["blocked", "exemptions", "errors", "deliveries"];
    let stage = console().await;
    with_server(&stage, false).await;
    list(&stage).add(1, &address("=cmd@far.example"), "test").await.unwrap();
    let mut anna = Client::enter(&stage, "anna", own_admin()).await;
    let of_anna = token(&stage, "anna2", own_admin(), Scope::Read).await;
    for file in FILES {
        let refused = anna.get(&format!("/admin/blocking/1/{file}.csv")).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{file}");
        assert!(refused.body.contains("Downloads are not granted"), "{}", refused.body);
        let path = format!("/api/v1/servers/1/downloads/{file}.csv");
        let refused = ask(&stage, Method::GET, &path, &of_anna, &[]).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{file}");
    }
    anna.get("/admin/blocking/1/downloads").await;
    let why = [("why", "the yearly report")];
    assert_eq!(anna.post("/admin/blocking/1/inquire", &why).await.status, StatusCode::SEE_OTHER);
    let grant = [("organisation", "example"), ("grant", "yes")];
    let forbidden = anna.post("/admin/blocking/1/decide-inquiry", &grant).await;
    assert_eq!(forbidden.status, StatusCode::FORBIDDEN);

    let mut otto = Client::enter(&stage, "otto", Role::Operator).await;
    let page = otto.get("/admin/blocking/1/downloads").await;
    assert!(page.body.contains("the yearly report"), "{}", page.body);
    otto.post("/admin/blocking/1/decide-inquiry", &grant).await;
    for file in FILES {
        let given = anna.get(&format!("/admin/blocking/1/{file}.csv")).await;
        assert_eq!(given.status, StatusCode::OK, "{file}");
    }
    let given = anna.get("/admin/blocking/1/blocked.csv?q=cmd").await;
    assert!(given.body.contains("\"'=cmd@far.example\",\"manual\""), "{}", given.body);
    let path = "/api/v1/servers/1/downloads/blocked.csv?q=nobody";
    let given = ask(&stage, Method::GET, path, &of_anna, &[]).await;
    assert_eq!((given.status, given.text.lines().count()), (StatusCode::OK, 1));
    for (what, count) in [("ask-for-downloads", 1), ("grant-downloads", 1), ("download", 6)] {
        assert_eq!(recorded(&stage, what).await, count, "{what}");
    }
    otto.post("/admin/blocking/1/decide-inquiry", &[("organisation", "example"), ("grant", "no")])
        .await;
    let refused = anna.get("/admin/blocking/1/blocked.csv").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    // An auditor looks, and takes nothing home.
    let mut audra = Client::enter(&stage, "audra", Role::Auditor).await;
    let refused = audra.get("/admin/blocking/1/blocked.csv").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_fixed_plan_finds_one_address_and_cancels_its_blocking() {
    let stage = console().await;
    with_server(&stage, true).await;
    let list = list(&stage);
    list.add(1, &address("anna@far.example"), "test").await.unwrap();
    list.add(1, &address("johanna@far.example"), "test").await.unwrap();
    for to in ["anna@far.example", "johanna@far.example"] {
        let now = stage.clock.now();
        let mut noted = Noted::new(1, address(to), now, Outcome::Blocked);
        noted.subject = format!("To {to}");
        list.note(&noted).await.unwrap();
    }
    for (login, role) in [("anna", own_admin()), ("otto", Role::Operator)] {
        let mut client = Client::enter(&stage, login, role).await;
        for closed in ["blocked", "exemptions", "upload", "blocked.csv"] {
            let page = client.get(&format!("/admin/blocking/1/{closed}")).await;
            assert_eq!(page.status, StatusCode::FORBIDDEN, "{closed}");
            assert!(page.body.contains("Not open in this plan"), "{}", page.body);
        }
        let page = client.get("/admin/blocking/1/settings").await;
        assert!(page.body.contains("<fieldset disabled"), "{}", page.body);
        for act in ["save", "run", "add", "release"] {
            let refused =
                client.post(&format!("/admin/blocking/1/{act}"), &[("at", "01:00")]).await;
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{act}");
        }
    }
    let mut anna = Client::enter(&stage, "anna3", own_admin()).await;
    let page = anna.get("/admin/blocking/1/find?q=anna@far.example").await;
    assert!(page.body.contains("To anna@far.example"), "{}", page.body);
    assert!(!page.body.contains("johanna"), "{}", page.body);
    let fields = [("address", "anna@far.example")];
    let page = anna.post("/admin/blocking/1/cancel", &fields).await;
    assert!(page.body.contains("Not blocked"), "{}", page.body);
    assert!(!list.covers_for(1, &address("anna@far.example")).await.unwrap());
    assert!(list.covers_for(1, &address("johanna@far.example")).await.unwrap());
    assert_eq!(recorded(&stage, "release-address").await, 1);
    let token = token(&stage, "anna4", own_admin(), Scope::Decide).await;
    let path = "/api/v1/servers/1/blocked";
    let refused = ask(&stage, Method::GET, path, &token, &[]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let body = [("body", "{\"address\":\"johanna@far.example\"}")];
    let done = ask(&stage, Method::POST, "/api/v1/servers/1/release", &token, &body).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.body);
}

#[tokio::test]
async fn a_server_fetches_its_list_by_a_token_that_is_shown_once() {
    let stage = console().await;
    let of_operator = token(&stage, "otto", Role::Operator, Scope::Decide).await;
    let body = [("body", "{\"name\":\"far\",\"way\":\"download\",\"organisation\":\"example\"}")];
    let made = ask(&stage, Method::POST, "/api/v1/servers", &of_operator, &body).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.body);
    assert_eq!(made.body["id"], 1);
    let token = made.body["token"].as_str().unwrap().to_owned();
    let path = "/api/v1/servers/1/list";
    let fetch = async |token: &str, more: &[(&str, &str)]| {
        ask(&stage, Method::GET, path, token, more).await
    };
    assert_eq!(fetch(&token, &[]).await.status, StatusCode::NOT_FOUND);
    list(&stage).add(1, &address("a@b.example"), "test").await.unwrap();
    list(&stage).step().await.unwrap();
    for wrong in ["nonsense", &of_operator] {
        assert_eq!(fetch(wrong, &[]).await.status, StatusCode::UNAUTHORIZED);
    }
    let given = fetch(&token, &[]).await;
    assert_eq!((given.status, &given.tag[..]), (StatusCode::OK, "\"1\""));
    assert!(given.text.lines().any(|line| line == "a@b.example"), "{}", given.text);
    let same = fetch(&token, &[("if-none-match", &given.tag)]).await;
    assert_eq!((same.status, &same.text[..]), (StatusCode::NOT_MODIFIED, ""));
    let servers = ask(&stage, Method::GET, "/api/v1/servers", &of_operator, &[]).await;
    assert_eq!(servers.body["items"][1]["acknowledged"], 1, "{}", servers.body);

    let mut otto = Client::enter(&stage, "otto2", Role::Operator).await;
    otto.get("/admin/blocking/1/distribution").await;
    let page = otto.post("/admin/blocking/1/token", &[]).await;
    assert!(page.body.contains("shown this once"), "{}", page.body);
    assert_eq!(fetch(&token, &[]).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn every_tab_is_shown_to_those_whose_it_is() {
    let stage = console().await;
    with_server(&stage, false).await;
    let tabs = ["blocked", "exemptions", "settings", "errors", "deliveries", "upload", "downloads"];
    for (login, role) in [("anna", own_admin()), ("otto", Role::Operator)] {
        let mut client = Client::enter(&stage, login, role.clone()).await;
        assert_eq!(client.get("/admin/blocking").await.status, StatusCode::SEE_OTHER);
        for tab in tabs {
            let page = client.get(&format!("/admin/blocking/1/{tab}")).await;
            assert_eq!(page.status, StatusCode::OK, "{login} {tab}: {}", page.body);
        }
        let service = client.get("/admin/blocking/1/distribution").await.status;
        assert_eq!(service == StatusCode::OK, role == Role::Operator, "{login} {service}");
        let own = client.get("/admin/blocking/0/blocked").await.status;
        assert_eq!(own == StatusCode::OK, role == Role::Operator, "{login} {own}");
    }
}

/// A sentence of what delivery blocking does: its tab of the console, what is
/// seen there, and where the API has it.
type Sentence = (&'static str, &'static str, &'static str, &'static str, &'static str);

const SENTENCES: &[Sentence] = &[
    ("servers and their ways", "1/distribution", "socketmap", "", "/items/1/way"),
    ("never block", "1/distribution", "billing@", "", "/items/1/never/1"),
    ("a map file", "4/distribution", "relay.demo", "", "/items/4/way"),
    ("our own courier is one", "0/distribution", "our own courier", "", "/items/0/name"),
    ("versions", "2/distribution", "Version", "/2/distributions", "/items/0/version"),
    ("who distributed", "2/distribution", "schedule", "/2/distributions", "/items/0/by"),
    (
        "a server's difference",
        "2/distribution",
        "<td class=\"number\">3</td>",
        "/2/distributions",
        "/items/0/added",
    ),
    (
        "the addresses of a difference",
        "2/distribution?version=1",
        "sales@closed0.example",
        "/2/distributions/1",
        "/added/0",
    ),
    ("a server has drifted", "2/distribution", "not fetched yet", "", "/items/2/drift"),
    ("breakers", "1/distribution", "carrier.example", "/1/breakers", "/items/0/domain"),
    ("error log", "1/errors", "partner.example", "/1/events?errors=true", "/items/0/response"),
    ("its detail", "1/errors", "bounces@", "/1/events?errors=true", "/items/0/return_path"),
    ("delivery log", "1/deliveries", "Delivered", "/1/events?reason=succeeded", "/items/0/outcome"),
    ("what is queued", "1/deliveries", "Queued", "/1/events?reason=queued", "/items/0/at"),
    ("a live lookup's answer", "3/errors", "554 5.7.1", "/3/events?reason=blocked", "/items/0/at"),
    (
        "partial address",
        "1/errors?q=maija",
        "gone.example",
        "/1/events?q=maija",
        "/items/0/address",
    ),
    (
        "period",
        "1/errors?from=2020-01-01",
        "gone.example",
        "/1/events?from=2020-01-01T00:00:00Z",
        "/items/0/at",
    ),
    (
        "reason",
        "1/errors?reason=unknown_host",
        "moved.example",
        "/1/events?reason=unknown_host",
        "/items/0/reason",
    ),
    ("previous run", "1/settings", "Previous run", "", "/items/1/previous_run"),
    ("execution time", "1/settings", "value=\"00:00\"", "", "/items/1/settings/daily_at"),
    ("immediate action", "1/settings", "Immediate action", "", "/items/1/settings/immediate"),
    ("delivery timing", "1/settings", "at the delivery timing below", "", "/items/1/settings/zone"),
    ("watch period", "1/settings", "value=\"90\"", "", "/items/1/settings/watch_days"),
    (
        "occurrences",
        "1/settings",
        "rejecting-after",
        "",
        "/items/1/settings/reasons/rejecting/after",
    ),
    (
        "what will be released",
        "1/settings",
        "in one day at most",
        "",
        "/items/1/released_within_a_day",
    ),
    ("blocked list", "1/blocked", "gone.example", "/1/blocked?q=maija", "/items/0/until"),
    ("errors since", "1/exemptions", "Unable to route", "/1/exemptions", "/items/0/last_error"),
    ("exemptions", "1/exemptions", "moved.example", "/1/exemptions", "/items/0/at"),
    ("uploads", "1/upload", "members-2026.csv", "/1/uploads", "/items/0/invalid"),
    ("lines that are invalid", "1/upload", "Invalid rows", "/1/uploads", "/items/0/lines/0/line"),
    ("inquiries", "1/downloads", "once a year", "../inquiries", "/items/0/why"),
    ("fixed plans", "3/settings", "always on", "", "/items/3/settings/fixed"),
    (
        "one exact address",
        "3/find?q=old@partner.example",
        "Cancel its blocking",
        "/3/events?exact=true&q=old@partner.example&reason=blocked",
        "/items/0/subject",
    ),
];

/// Each sentence can be looked at, with what the demo has there.
#[tokio::test]
async fn every_sentence_is_in_the_console_and_in_the_api() {
    let stage = console().await;
    reprieve::demo::blocking::furnish(list(&stage)).await.unwrap();
    let mut otto = Client::enter(&stage, "otto", Role::Operator).await;
    let token = token(&stage, "olga", Role::Operator, Scope::Decide).await;
    settled(&mut otto, "/admin/blocking/1/upload").await;
    for (sentence, tab, shown, path, pointer) in SENTENCES.iter().copied() {
        let page = otto.get(&format!("/admin/blocking/{tab}")).await;
        assert_eq!(page.status, StatusCode::OK, "{sentence}");
        assert!(page.body.contains(shown), "{sentence}: {}", page.body);
        let path = match path.strip_prefix("..") {
            Some(other) => format!("/api/v1{other}"),
            None => format!("/api/v1/servers{path}"),
        };
        let answer = ask(&stage, Method::GET, &path, &token, &[]).await;
        assert_eq!(answer.status, StatusCode::OK, "{sentence}: {}", answer.text);
        let value = answer.body.pointer(pointer);
        assert!(value.is_some_and(|value| !value.is_null()), "{sentence}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_breaker_is_closed_by_the_api_and_its_window_undone() {
    let stage = console().await;
    reprieve::demo::blocking::furnish(list(&stage)).await.unwrap();
    let token = token(&stage, "olga", Role::Operator, Scope::Decide).await;
    let before = list(&stage).roll(1).len();
    let path = "/api/v1/servers/1/close-breaker";
    let body = [("body", "{\"domain\":\"Carrier.example\",\"undo\":true}")];
    let done = ask(&stage, Method::POST, path, &token, &body).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.text);
    let released = done.body["released"].as_u64().unwrap();
    assert!(released > 0);
    assert_eq!(list(&stage).roll(1).len() as u64, before as u64 - released);
    assert_eq!(ask(&stage, Method::POST, path, &token, &body).await.status, StatusCode::NOT_FOUND);
    assert_eq!(recorded(&stage, "close-blocking-breaker").await, 1);
}

#[tokio::test]
async fn many_releases_in_one_day_are_warned_of_and_spread() {
    let stage = console().await;
    with_server(&stage, false).await;
    let watched = list(&stage).edit_server(1, "test", |server| {
        server.settings.watch_days = Some(1);
        Ok(())
    });
    watched.await.unwrap();
    for user in 0..1000 {
        list(&stage).add(1, &address(&format!("u{user}@far.example")), "test").await.unwrap();
    }
    stage.clock.advance(reprieve::clock::SignedDuration::from_hours(1));
    let mut anna = Client::enter(&stage, "anna", own_admin()).await;
    let page = anna.get("/admin/blocking/1/settings").await;
    assert!(page.body.contains("<strong>1000</strong>"), "{}", page.body);
    assert!(page.body.contains("name=\"most\" value=\"143\""), "{}", page.body);
    let saved = anna.post("/admin/blocking/1/spread", &[("most", "143")]).await;
    assert_eq!(saved.status, StatusCode::OK, "{}", saved.body);
    let server = list(&stage).server(1).await.unwrap().record;
    assert_eq!(server.settings.releases_per_day, Some(143));
    stage.clock.advance(reprieve::clock::SignedDuration::from_hours(25));
    let ran = list(&stage).run(1, "test").await.unwrap();
    assert_eq!((ran.released, ran.waiting), (143, 857));
}

#[tokio::test]
async fn without_immediate_action_the_delivery_timing_is_asked_for() {
    let stage = console().await;
    with_server(&stage, false).await;
    let mut anna = Client::enter(&stage, "anna", own_admin()).await;
    anna.get("/admin/blocking/1/settings").await;
    let fields =
        [("at", ""), ("zone", "Europe/Helsinki"), ("hours", "24"), ("unknown_user", "yes")];
    let asked = anna.post("/admin/blocking/1/save", &fields).await;
    assert!(asked.body.contains("When is it to take effect?"), "{}", asked.body);
    assert!(list(&stage).server(1).await.unwrap().record.settings.immediate);
    let fields = [("at", "02:30"), ("zone", "Europe/Helsinki"), ("hours", "24")];
    anna.post("/admin/blocking/1/save", &fields).await;
    let settings = list(&stage).server(1).await.unwrap().record.settings;
    assert_eq!((settings.immediate, settings.daily_at), (false, 150));
}

/// What is wrong with a file is said in the reader's language.
#[tokio::test]
async fn a_file_that_is_no_list_is_refused_in_the_readers_words() {
    let stage = console().await;
    with_server(&stage, false).await;
    let mut anna = Client::enter(&stage, "anna", own_admin()).await;
    let path = "/admin/blocking/1/upload";
    for (language, no_column, no_at, empty) in [
        ("fi", "Tämännimistä saraketta ei ole. Sarakkeet: <bdi>nimi, osoite", "@-merkkiä", "tyhjä"),
        (
            "ja",
            "この名前の列はありません。列: <bdi>nimi, osoite",
            "@がありません",
            "ファイルが空です",
        ),
        ("en", "No column has this name. There are: <bdi>nimi, osoite", "No @ in it", "is empty"),
    ] {
        anna.cookies.insert("lang".to_owned(), language.to_owned());
        anna.get(path).await;
        for (column, file, shown) in [
            ("mail", "nimi,osoite\nA,a@b.example\n", no_column),
            ("osoite", "nimi,osoite\nA,nonsense\n", no_at),
            ("", "", empty),
        ] {
            anna.upload(path, column, file.as_bytes()).await;
            let page = settled(&mut anna, path).await;
            assert!(page.body.contains(shown), "{language} {shown}: {}", page.body);
        }
    }
}

/// Where each of these stands on a page.
fn places(page: &str, texts: &[&str]) -> Vec<usize> {
    let table = page.find("<tbody").unwrap();
    texts
        .iter()
        .map(|text| table + page[table..].find(text).unwrap_or_else(|| panic!("{text}")))
        .collect()
}

#[tokio::test]
async fn lists_and_logs_are_sorted_on_the_server() {
    // The first in time is the last by name, and the second the first.
    const NAMES: [&str; 3] = ["zoe@far.example", "anna@far.example", "mia@far.example"];
    let stage = console().await;
    with_server(&stage, false).await;
    for name in NAMES {
        list(&stage).add(1, &address(name), "test").await.unwrap();
        let noted = Noted::new(1, address(name), stage.clock.now(), Outcome::Deferred);
        list(&stage).note(&noted).await.unwrap();
        stage.clock.advance(reprieve::clock::SignedDuration::from_mins(5));
    }
    let mut anna = Client::enter(&stage, "anna", own_admin()).await;
    let token = token(&stage, "anna2", own_admin(), Scope::Read).await;
    let (latest, oldest) = ([2, 1, 0], [0, 1, 2]);
    let (up, down) = ([1, 2, 0], [0, 2, 1]);
    let logs = [("", latest), ("oldest", oldest), ("name", up), ("name-backwards", down)];
    let named = [("", up), ("name-backwards", down)];
    for (tab, orders) in
        [("blocked", &named[..]), ("errors", &logs), ("deliveries", &logs), ("exemptions", &logs)]
    {
        if tab == "exemptions" {
            for name in NAMES {
                list(&stage).release(1, &address(name), "test").await.unwrap();
                stage.clock.advance(reprieve::clock::SignedDuration::from_mins(5));
            }
        }
        for (sort, order) in orders {
            let page = anna.get(&format!("/admin/blocking/1/{tab}?sort={sort}")).await;
            assert!(page.body.contains("aria-sort"), "{tab}");
            let names = order.map(|at: usize| NAMES[at]);
            assert!(places(&page.body, &names).is_sorted(), "{tab} {sort}: {}", page.body);
            let of_api = if matches!(tab, "errors" | "deliveries") { "events" } else { tab };
            let path = format!("/api/v1/servers/1/{of_api}?sort={sort}");
            let answer = ask(&stage, Method::GET, &path, &token, &[]).await;
            let items = answer.body["items"].as_array().unwrap();
            let found: Vec<_> = items.iter().map(|one| one["address"].as_str().unwrap()).collect();
            assert_eq!(found, names, "{of_api} {sort}");
        }
    }
    let wrong = ask(&stage, Method::GET, "/api/v1/servers/1/events?sort=x", &token, &[]).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_map_files_type_is_chosen_and_changed() {
    let stage = console().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("blocked").display().to_string();
    let mut otto = Client::enter(&stage, "otto", Role::Operator).await;
    otto.get("/admin/blocking/0/distribution").await;
    let way = |word: &'static str| {
        [("name", "mx1"), ("organisation", "example"), ("way", word), ("path", &path[..])]
    };
    let made = otto.post("/admin/blocking/0/new-server", &way("cdb")).await;
    assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.body);
    list(&stage).add(1, &address("a@b.example"), "test").await.unwrap();
    list(&stage).step().await.unwrap();
    assert!(folder.path().join("blocked.cdb").exists());
    let page = otto.get("/admin/blocking/1/distribution").await;
    assert!(page.body.contains(&format!("cdb:{path}")), "{}", page.body);
    assert!(page.body.contains("value=\"cdb\" selected"), "{}", page.body);
    otto.post("/admin/blocking/1/server", &way("lmdb")).await;
    assert_eq!(
        list(&stage).server(1).await.unwrap().record.way.to_string(),
        format!("lmdb:{path}")
    );
    let wrong = otto.post("/admin/blocking/1/server", &[("name", "mx1"), ("way", "cdb")]).await;
    assert!(wrong.body.contains("needs an absolute path"), "{}", wrong.body);

    let token = token(&stage, "olga", Role::Operator, Scope::Decide).await;
    let body = format!("{{\"way\":\"texthash:{path}\"}}");
    let body = [("body", &body[..])];
    let set = ask(&stage, Method::POST, "/api/v1/servers/1/settings", &token, &body).await;
    assert_eq!(set.body["way"], format!("texthash:{path}"), "{}", set.text);
}

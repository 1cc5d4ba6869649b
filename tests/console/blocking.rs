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
    list(stage).set_server(&server).await.unwrap();
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
    list(&stage).run(1).await.unwrap();
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
    list(&stage).add(1, &address("=cmd@far.example")).await.unwrap();
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
    list.add(1, &address("anna@far.example")).await.unwrap();
    list.add(1, &address("johanna@far.example")).await.unwrap();
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
    list(&stage).add(1, &address("a@b.example")).await.unwrap();
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

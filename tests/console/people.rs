//! Organisations, recipients, rules: pages, API, and whose they are.

use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use reprieve::account::Role;
use reprieve::account::token::Scope;
use reprieve::config::{Config, MINIMAL};
use reprieve::directory::{Choice, Claim, RuleAction, StoredRule};
use reprieve::mail::Address;
use reprieve::portal::ConfigKey;
use reprieve::reputation::Vote;
use reprieve::store::Record as _;

use crate::api::{ask, token};
use crate::client::Client;
use crate::stage::{Stage, address};
use crate::{console, organisation};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n--not a whole picture--";

async fn known(stage: &Stage, text: &str) -> String {
    let people = &stage.recipients.people;
    let known = people.of(&address(text), &organisation("example")).await.unwrap();
    stage.console.recipients.fill().await.unwrap();
    known.id.to_string()
}

fn asked(stage: &Stage, recipient: &str, sender: &str) -> Option<RuleAction> {
    let ours = stage.directory.organisation(&organisation("example")).unwrap();
    let sender: Address = address(sender);
    let senders = [&sender];
    stage.directory.rule(&ours, &address(recipient), &Claim::of_path(&senders))
}

fn seen(body: &str) -> String {
    let rest = body.split("name=\"seen\" value=\"").nth(1).unwrap();
    rest.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn settings_count_at_once_say_where_they_come_from_and_go_back() {
    let stage = console().await;
    let mut client = Client::enter(&stage, "anna", Role::Operator).await;
    let list = client.get("/admin/organisations").await;
    assert!(list.body.contains("Example Oy") && list.body.contains("example.fi"));
    let page = client.get("/admin/organisations/example").await;
    assert!(!page.body.contains("Back to the file"), "nothing is changed yet");
    let first = seen(&page.body);
    let change = [
        ("seen", first.as_str()),
        ("telephone", "+358 1"),
        ("marketing", "hold"),
        ("name", "Example Oy"),
        ("why", "moved house"),
    ];
    let saved = client.post("/admin/organisations/example", &change).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.body);
    let now = stage.directory.organisation(&organisation("example")).unwrap();
    assert_eq!(now.contact.telephone.as_deref(), Some("+358 1"));
    assert_eq!(now.marketing, Choice::Hold);
    let page = client.get("/admin/organisations/example").await;
    assert_eq!(page.body.matches("Back to the file").count(), 2, "the name is the file's still");
    assert!(page.body.contains("+358 9 1234 5678"), "what the file says");
    let audit = stage.console.accounts.audit().page(&[], 10).await.unwrap();
    let entry = audit.iter().find(|entry| entry.what == "change-organisation").unwrap();
    assert_eq!((entry.before.as_str(), entry.why.as_str()), ("", "moved house"));
    assert_eq!(entry.after, "marketing = hold, telephone = +358 1");

    let stale = client.post("/admin/organisations/example", &change).await;
    assert_eq!(stale.status, StatusCode::CONFLICT, "it was changed since that page");
    client.post("/admin/organisations/example/back", &[("setting", "telephone")]).await;
    let now = stage.directory.organisation(&organisation("example")).unwrap();
    assert_eq!(now.contact.telephone.as_deref(), Some("+358 9 1234 5678"));
    assert_eq!(now.marketing, Choice::Hold);
}

#[tokio::test]
async fn what_is_wrong_is_said_beside_the_field_and_nothing_is_saved() {
    let stage = console().await;
    let mut client = Client::enter(&stage, "anna", Role::Operator).await;
    for (name, value, said) in [
        ("colour", "#ffd700", "contrast of 4.5"),
        ("colour", "blue", "like #0b6e4f"),
        ("language", "xx", "no translation"),
        ("retention", "400", "1 to 90"),
        ("name", "", "may not be empty"),
        ("postmaster", "nobody", "not a mail address"),
    ] {
        let page = client.get("/admin/organisations/example").await;
        let seen = seen(&page.body);
        let change = [("seen", seen.as_str()), ("hours", "never"), (name, value)];
        let refused = client.post("/admin/organisations/example", &change).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{name}");
        assert!(refused.body.contains(said), "{name}");
        assert!(refused.body.contains(&format!("id=\"wrong-{name}\"")), "{name}");
        assert!(refused.body.contains("value=\"never\""), "what was typed is kept");
    }
    let now = stage.directory.organisation(&organisation("example")).unwrap();
    assert_eq!(now.contact.hours.as_deref(), Some("weekdays 8–16"));
}

async fn send(client: &mut Client<'_>, place: &str, body: Vec<u8>) -> crate::client::Answer {
    let kind = "multipart/form-data; boundary=xYz";
    client.ask_as(Method::POST, place, kind, Body::from(body)).await
}

fn upload(form: &str, bytes: &[u8]) -> Vec<u8> {
    let mut body = format!(
        "--xYz\r\nContent-Disposition: form-data; name=\"form\"\r\n\r\n{form}\r\n\
         --xYz\r\nContent-Disposition: form-data; name=\"logo\"; filename=\"a.png\"\r\n\
         Content-Type: image/svg+xml\r\n\r\n"
    )
    .into_bytes();
    body.extend_from_slice(bytes);
    body.extend_from_slice(b"\r\n--xYz--\r\n");
    body
}

#[tokio::test]
async fn a_logo_is_a_picture_by_its_bytes_and_leads_the_pages() {
    let stage = console().await;
    let (_, link) = stage.hold(|_| {}).await;
    let mut client = Client::enter(&stage, "anna", Role::Operator).await;
    client.get("/admin/organisations/example").await;
    let place = "/admin/organisations/example/logo";
    for bad in [&b"<svg onload=alert(1)>"[..], b"GIF89a"] {
        let refused = {
            let body = upload(&client.form.clone(), bad);
            send(&mut client, place, body).await
        };
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(refused.body.contains("not a PNG, JPEG or WebP"));
    }
    let mut large = PNG.to_vec();
    large.resize(64 * 1024 + 1, 0);
    let refused = {
        let body = upload(&client.form.clone(), &large);
        send(&mut client, place, body).await
    };
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let forged = {
        let body = upload("no token", PNG);
        send(&mut client, place, body).await
    };
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    let sent = {
        let body = upload(&client.form.clone(), PNG);
        send(&mut client, place, body).await
    };
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.body);
    let page = client.get(&format!("/r/{link}")).await;
    let name = page.body.split("src=\"/logo/").nth(1).unwrap().split('"').next().unwrap();
    let picture = client.get(&format!("/logo/{name}")).await;
    assert_eq!(picture.status, StatusCode::OK);
    assert_eq!(picture.headers[header::CONTENT_TYPE], "image/png", "not what the upload said");
    assert_eq!(picture.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    assert_eq!(client.get("/logo/example-00").await.status, StatusCode::NOT_FOUND);
    client.get("/admin/organisations/example").await;
    client.post(place, &[("remove", "yes")]).await;
    assert!(!client.get(&format!("/r/{link}")).await.body.contains("/logo/"));
}

#[tokio::test]
async fn recipients_are_found_and_changed_and_every_change_is_recorded() {
    let stage = console().await;
    let id = known(&stage, "anna@example.fi").await;
    let bo = known(&stage, "bo@example.fi").await;
    stage.hold(|_| {}).await;
    let mut client = Client::enter(&stage, "op", Role::Operator).await;
    let list = client.get("/admin/recipients?q=ANN").await;
    assert!(list.body.contains("anna@example.fi") && !list.body.contains("bo@example.fi"));
    let place = format!("/admin/recipients/{id}");
    let page = client.get(&place).await;
    assert!(page.body.contains("1 held") && page.body.contains("next hop"), "{}", page.body);
    let add = client.post(&place, &[("add_alias", "a.n@example.fi")]).await;
    assert_eq!(add.status, StatusCode::SEE_OTHER, "{}", add.body);
    assert_eq!(stage.directory.mailbox(&address("a.n@example.fi")), address("anna@example.fi"));
    client.get("/admin/recipients").await;
    for (alias, said) in [
        ("a.n@example.fi", "another recipient"),
        ("bo@far.example", "no domain"),
        ("nonsense", "not a mail address"),
    ] {
        let form = [("add_alias", alias)];
        let refused = client.post(&format!("/admin/recipients/{bo}"), &form).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{alias}");
        assert!(refused.body.contains(said), "{alias}");
    }
    client.post(&place, &[("remove_alias", "a.n@example.fi"), ("digest", "weekly")]).await;
    assert_eq!(stage.directory.mailbox(&address("a.n@example.fi")), address("a.n@example.fi"));
    let sessions = &stage.recipients.sessions;
    let network = reprieve::reputation::Network::of([192, 0, 2, 1].into());
    let secret = sessions.begin(id.parse().unwrap(), network, "Firefox").await.unwrap();
    client.post(&format!("{place}/end-sessions"), &[]).await;
    assert_eq!(sessions.find(&secret).await.unwrap(), None);
    let sent = client.post(&format!("{place}/digest"), &[]).await;
    assert_eq!(sent.location(), format!("{place}?done=digest"));
    let made = client.post("/admin/recipients", &[("address", "cy@example.fi")]).await;
    assert_eq!(made.status, StatusCode::SEE_OTHER);
    let found = stage.recipients.people.find(&address("cy@example.fi")).await.unwrap().unwrap();
    assert_eq!(found.record.by.as_deref(), Some("op"));
    let audit = stage.console.accounts.audit().page(&[], 50).await.unwrap();
    let whats: Vec<&str> = audit.iter().map(|entry| entry.what.as_str()).collect();
    for what in ["change-recipient", "end-recipient-sessions", "send-digest", "add-recipient"] {
        assert!(whats.contains(&what), "{what} in {whats:?}");
    }
}

#[tokio::test]
async fn a_rule_is_made_for_one_or_all_found_and_ended() {
    let stage = console().await;
    stage.console.rules.fill().await.unwrap();
    let mut client = Client::enter(&stage, "anna", Role::Operator).await;
    client.get("/admin/rules").await;
    let make = [
        ("sender", "shop.example"),
        ("action", "block"),
        ("organisation", "example"),
        ("why", "<b>asked by the board"),
        ("until", "2030-12-31"),
    ];
    let made = client.post("/admin/rules", &make).await;
    assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.body);
    assert_eq!(asked(&stage, "anna@example.fi", "x@mail.shop.example"), Some(RuleAction::Block));
    let mine =
        [("sender", "kari@katto.example"), ("action", "allow"), ("recipient", "bo@example.fi")];
    client.post("/admin/rules", &mine).await;
    assert_eq!(asked(&stage, "bo@example.fi", "kari@katto.example"), Some(RuleAction::Allow));
    assert_eq!(asked(&stage, "anna@example.fi", "kari@katto.example"), None);
    let list = client.get("/admin/rules?q=board").await;
    assert!(list.body.contains("shop.example") && !list.body.contains("katto.example"));
    assert!(list.body.contains("&lt;b&gt;asked") && !list.body.contains("<b>asked"), "W-01");
    let allowed = client.get("/admin/rules?action=allow").await;
    assert!(allowed.body.contains("katto.example") && !allowed.body.contains("shop.example"));
    for (name, value, said) in [
        ("sender", "not a sender", "an address or a domain"),
        ("until", "2001-01-01", "from today on"),
        ("until", "soon", "from today on"),
        ("recipient", "bo@far.example", "no domain"),
        ("organisation", "nobody", "Choose an organisation"),
    ] {
        let mut form = make.to_vec();
        form.retain(|(other, _)| *other != name);
        form.push((name, value));
        let refused = client.post("/admin/rules", &form).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{name} {value}");
        assert!(refused.body.contains(said), "{name} {value}");
    }
    let row = list.body.split("name=\"rule\" value=\"").nth(1).unwrap();
    client.post("/admin/rules/end", &[("rule", row.split('"').next().unwrap())]).await;
    assert_eq!(asked(&stage, "anna@example.fi", "x@mail.shop.example"), None);
}

#[tokio::test]
async fn the_sender_of_a_message_is_blocked_and_what_is_held_of_him_stays() {
    let stage = console().await;
    let (id, _) = stage.hold(|_| {}).await;
    let mut client = Client::enter(&stage, "anna", Role::Operator).await;
    let page = client.get(&format!("/admin/quarantine/{id}")).await;
    assert!(page.body.contains("data-key=\"b\""));
    let block = [("what", "identity"), ("for", "recipient anna@example.fi"), ("why", "she asked")];
    let done = client.post(&format!("/admin/quarantine/{id}/block"), &block).await;
    assert!(done.body.contains("The sender is blocked"), "{}", done.body);
    let release = client.post(&format!("/admin/quarantine/{id}/release"), &[]).await;
    assert!(release.body.contains("blocks this sender"), "a block beats a release");
    let whole = [("what", "domain"), ("for", "organisation example")];
    client.post(&format!("/admin/quarantine/{id}/block"), &whole).await;
    assert_eq!(asked(&stage, "bo@example.fi", "x@katto.example"), Some(RuleAction::Block));
    let forged = [("what", "identity"), ("for", "organisation other")];
    let forged = client.post(&format!("/admin/quarantine/{id}/block"), &forged).await;
    assert_eq!(forged.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn an_administrator_teaches_the_model_with_a_vote() {
    let stage = console().await;
    let (id, _) = stage.hold(|_| {}).await;
    let mut client = Client::enter(&stage, "anna", Role::Operator).await;
    client.get(&format!("/admin/quarantine/{id}")).await;
    let done = client.post(&format!("/admin/quarantine/{id}/train"), &[("as", "spam")]).await;
    assert!(done.body.contains("Written down"), "{}", done.body);
    let rows = stage.store.page::<Vote>(&[], 10).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert!(rows[0].record.about == id && rows[0].record.spam);
    let audit = stage.console.accounts.audit().page(&[], 10).await.unwrap();
    assert!(audit.iter().any(|entry| entry.what == "train-as-spam"));
}

/// A-04: what belongs to an organisation, for its own administrator, another's
/// and an auditor, on the pages and in the API.
#[tokio::test]
async fn a_04_another_organisation_s_administrator_neither_sees_nor_decides() {
    let stage = console().await;
    let mut other = crate::stage::organisation();
    other.id = organisation("other");
    other.domains = vec![reprieve::mail::Domain::parse("other.example").unwrap()];
    stage.directory.replace(vec![crate::stage::organisation(), other]).unwrap();
    let id = known(&stage, "anna@example.fi").await;
    stage.console.rules.fill().await.unwrap();
    let people = &stage.recipients.people;
    let sender = reprieve::directory::Pattern::Address(address("x@far.example"));
    let ours = organisation("example");
    let rule = people.set_rule(&ours, None, sender, RuleAction::Block).await.unwrap();
    let rule = rule_name(&rule);
    let own = Role::OrganisationAdmin(vec![organisation("example")]);
    let foreign = Role::OrganisationAdmin(vec![organisation("other")]);

    let mut stranger = Client::enter(&stage, "kim", foreign.clone()).await;
    let mut admin = Client::enter(&stage, "own", own.clone()).await;
    let mut auditor = Client::enter(&stage, "au", Role::Auditor).await;
    for path in ["/admin/organisations/example".to_owned(), format!("/admin/recipients/{id}")] {
        assert_eq!(stranger.get(&path).await.status, StatusCode::FORBIDDEN, "{path}");
        assert_eq!(admin.get(&path).await.status, StatusCode::OK, "{path}");
        assert_eq!(auditor.get(&path).await.status, StatusCode::OK, "{path}");
    }
    for (path, secret) in [
        ("/admin/organisations", "/admin/organisations/example"),
        ("/admin/recipients", "anna@example.fi"),
        ("/admin/rules", "x@far.example"),
        ("/admin/recipients?organisation=example", "anna@example.fi"),
        ("/admin/rules?organisation=example", "x@far.example"),
    ] {
        assert!(!stranger.get(path).await.body.contains(secret), "{path}");
        assert!(admin.get(path).await.body.contains(secret), "{path}");
        assert!(auditor.get(path).await.body.contains(secret), "{path}");
    }
    stranger.get("/admin/rules").await;
    auditor.get("/admin/account").await;
    let block = [("sender", "y@far.example"), ("action", "block"), ("organisation", "example")];
    let acts: [(String, &[(&str, &str)]); 8] = [
        ("/admin/organisations/example".to_owned(), &[("hours", "never")]),
        ("/admin/organisations/example/back".to_owned(), &[("setting", "hours")]),
        ("/admin/organisations/example/logo".to_owned(), &[("remove", "yes")]),
        (format!("/admin/recipients/{id}"), &[("add_alias", "z@example.fi")]),
        (format!("/admin/recipients/{id}/digest"), &[]),
        (format!("/admin/recipients/{id}/end-sessions"), &[]),
        ("/admin/rules".to_owned(), &block),
        ("/admin/rules/end".to_owned(), &[("rule", rule.as_str())]),
    ];
    for (path, form) in &acts {
        assert_eq!(stranger.post(path, form).await.status, StatusCode::FORBIDDEN, "{path}");
        assert_eq!(auditor.post(path, form).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(asked(&stage, "anna@example.fi", "x@far.example"), Some(RuleAction::Block));
    assert_eq!(asked(&stage, "anna@example.fi", "y@far.example"), None);

    let stranger = token(&stage, "kim2", foreign, Scope::Decide).await;
    let reader = token(&stage, "own2", own.clone(), Scope::Read).await;
    let decider = token(&stage, "own3", own, Scope::Decide).await;
    let auditor = token(&stage, "au2", Role::Auditor, Scope::Decide).await;
    for path in [format!("/api/v1/recipients/{id}"), "/api/v1/organisations/example".to_owned()] {
        let status = async |token: &str| ask(&stage, Method::GET, &path, token, &[]).await.status;
        assert_eq!(status(&stranger).await, StatusCode::FORBIDDEN, "{path}");
        assert_eq!(status(&reader).await, StatusCode::OK, "{path}");
        assert_eq!(status(&auditor).await, StatusCode::OK, "{path}");
    }
    for path in ["/api/v1/recipients", "/api/v1/organisations", "/api/v1/rules"] {
        let items = async |token: &str| {
            let answer = ask(&stage, Method::GET, path, token, &[]).await;
            answer.body["items"].to_string()
        };
        assert!(!items(&stranger).await.contains("\"example\""), "{path}");
        assert!(items(&reader).await.contains("\"example\""), "{path}");
    }
    let body = r#"{"sender":"y@far.example","action":"block","organisation":"example"}"#;
    let posts = [
        (format!("/api/v1/rules/{rule}/end"), ""),
        ("/api/v1/rules".to_owned(), body),
        (format!("/api/v1/recipients/{id}"), r#"{"add_alias":"q@example.fi"}"#),
        (format!("/api/v1/recipients/{id}/digest"), ""),
        (format!("/api/v1/recipients/{id}/end-sessions"), ""),
        ("/api/v1/organisations/example".to_owned(), r#"{"values":{"hours":"never"}}"#),
    ];
    for (path, body) in &posts {
        for token in [&stranger, &reader, &auditor] {
            let answer = ask(&stage, Method::POST, path, token, &[("body", *body)]).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path} {}", answer.body);
        }
    }
    for (path, body) in &posts {
        let answer = ask(&stage, Method::POST, path, &decider, &[("body", *body)]).await;
        assert_eq!(answer.status, StatusCode::OK, "{path} {}", answer.body);
    }
    let refused = stage.console.accounts.audit().page(&[], 200).await.unwrap();
    assert!(refused.iter().any(|entry| entry.what == "refused" && entry.who.starts_with("kim2")));
}

#[tokio::test]
async fn programs_do_what_pages_do() {
    let stage = console().await;
    stage.console.rules.fill().await.unwrap();
    for place in 0..5 {
        known(&stage, &format!("p{place}@example.fi")).await;
    }
    let token = token(&stage, "anna", Role::Operator, Scope::Decide).await;
    let first = ask(&stage, Method::GET, "/api/v1/recipients?limit=3&q=example", &token, &[]).await;
    assert_eq!(first.body["items"].as_array().unwrap().len(), 3, "{}", first.body);
    let next = first.body["next"].as_str().unwrap();
    let path = format!("/api/v1/recipients?limit=3&q=example&after={next}");
    let second = ask(&stage, Method::GET, &path, &token, &[]).await;
    assert_eq!(second.body["items"].as_array().unwrap().len(), 2);
    assert!(second.body["next"].is_null());

    let body = r#"{"sender":"kari@katto.example","proved":"yes","action":"block","organisation":"example","until":"2030-12-31"}"#;
    let more = [("body", body), ("idempotency-key", "one")];
    let made = ask(&stage, Method::POST, "/api/v1/rules", &token, &more).await;
    assert_eq!(made.body["kind"], "proved", "{}", made.body);
    assert_eq!(made.body["until"], "2031-01-01T00:00:00Z");
    let again = ask(&stage, Method::POST, "/api/v1/rules", &token, &more).await;
    assert_eq!(again.body, made.body);
    let bad = [("body", r#"{"sender":"","action":"block","organisation":"example"}"#)];
    let bad = ask(&stage, Method::POST, "/api/v1/rules", &token, &bad).await;
    assert_eq!(bad.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(bad.body["detail"], "sender: Write an address or a domain.");

    let change = [("body", r#"{"values":{"social":"reject"},"why":"by a program"}"#)];
    let place = "/api/v1/organisations/example";
    let changed = ask(&stage, Method::POST, place, &token, &change).await;
    assert_eq!(changed.body["settings"]["social"]["value"], "reject", "{}", changed.body);
    assert_eq!(changed.body["settings"]["social"]["source"], "console");
    assert_eq!(changed.body["settings"]["social"]["file"], "deliver");
    let back = [("body", r#"{"back":["social"]}"#)];
    let back = ask(&stage, Method::POST, place, &token, &back).await;
    assert_eq!(back.body["settings"]["social"]["source"], "file");
    for bad in [r#"{"values":{"domains":"x"}}"#, r##"{"values":{"colour":"#ffffff"}}"##] {
        let answer = ask(&stage, Method::POST, place, &token, &[("body", bad)]).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{bad}");
    }
}

#[tokio::test]
async fn the_configuration_is_shown_to_operators_without_secrets() {
    let text = format!(
        "{MINIMAL}\n[filter]\nhold = 6.5\n\
         lists = [{{ zone = \"abcdefghijklmnopqrstuvwxyz.dq.example\", of = \"links\", weight = 1 }}]\n\
         [filter.rspamd]\nservers = [\"127.0.0.1:11333\"]\npassword = \"hunter22\"\n"
    );
    let config = Config::parse(&text, std::path::Path::new("/etc"), &[]).unwrap();
    let find = |name: &str| config.effective.iter().find(|one| one.key == name).unwrap();
    let hold = find("filter.hold");
    assert_eq!((hold.value.as_deref(), hold.written), (Some("6.5"), true));
    assert!(!find("filter.correspondent").written, "the default is in force");
    let shown = format!("{:?}", config.effective);
    for secret in ["hunter22", "abcdefghijklmnopqrstuvwxyz"] {
        assert!(!shown.contains(secret), "{secret}");
    }
    assert!(find("filter.rspamd.password").written);

    let stage = console().await;
    stage.console.settings.set(vec![ConfigKey {
        key: "filter.rspamd.password".to_owned(),
        meaning: "Where it asks for one.".to_owned(),
        value: None,
        written: true,
        secret: true,
    }]);
    let mut client = Client::enter(&stage, "anna", Role::Operator).await;
    let page = client.get("/admin/settings").await;
    assert!(page.body.contains("set, not shown") && page.body.contains("Where it asks for one."));
    let mut auditor = Client::enter(&stage, "au", Role::Auditor).await;
    assert_eq!(auditor.get("/admin/settings").await.status, StatusCode::FORBIDDEN);
}

fn rule_name(rule: &StoredRule) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(rule.key())
}

//! What programs do as people do on the pages: read a body, decide about many
//! messages, look after accounts.

use axum::http::{Method, StatusCode};
use reprieve::account::token::Scope;
use reprieve::account::{Login, Role};
use reprieve::quarantine::State;
use serde_json::{Value, json};

use crate::api::{Answer, ask, said, token};
use crate::client::{Client, PASSWORD};
use crate::decisions::with_body;
use crate::stage::Stage;
use crate::{console, organisation};

async fn post(stage: &Stage, path: &str, token: &str, body: &Value) -> Answer {
    ask(stage, Method::POST, path, token, &[("body", &body.to_string())]).await
}

fn other() -> Role {
    Role::OrganisationAdmin(vec![organisation("other")])
}

#[tokio::test]
async fn a_body_is_answered_for_a_reason_that_the_audit_has() {
    let stage = console().await;
    let (id, _) = stage.hold(|_| {}).await;
    with_body(&stage, id, "Subject: x\nX-Odd: 1\n\nDear Anna,\n").await;
    let path = format!("/api/v1/held/{id}/read");
    let anna = token(&stage, "anna", Role::Operator, Scope::Decide).await;
    let why = json!({ "why": "she telephoned" });
    for (login, role, scope) in [
        ("eve", Role::Operator, Scope::Read),
        ("au", Role::Auditor, Scope::Decide),
        ("kim", other(), Scope::Decide),
    ] {
        let token = token(&stage, login, role, scope).await;
        let refused = post(&stage, &path, &token, &why).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{login}");
    }
    for bare in [json!({}), json!({ "why": " " })] {
        let refused = post(&stage, &path, &anna, &bare).await;
        assert!(refused.status.is_client_error() && !refused.text.contains("Dear"), "{bare}");
    }
    assert_eq!(said(&stage, "read-body").await, [""; 0]);
    let key = [("idempotency-key", "once"), ("body", r#"{"why":"she telephoned"}"#)];
    let read = ask(&stage, Method::POST, &path, &anna, &key).await;
    assert_eq!(read.body["text"].as_str().unwrap().trim(), "Dear Anna,", "{}", read.text);
    let fields = read.body["fields"].as_array().unwrap();
    assert!(fields.contains(&json!({ "name": "X-Odd", "value": "1" })), "{}", read.text);
    assert_eq!(said(&stage, "read-body").await, ["she telephoned"]);
    let kept = stage.store.scan(&[0], &[0xff], 10_000).await.unwrap();
    let stands = |(_, value): &(Vec<u8>, reprieve::store::Value)| {
        value.bytes.windows(9).any(|part| part == b"Dear Anna")
    };
    assert!(!kept.iter().any(stands), "no key keeps a mail's text");
    let again = ask(&stage, Method::POST, &path, &anna, &key).await;
    assert_eq!((again.status, &again.body["text"]), (StatusCode::OK, &Value::Null));
}

/// What a job says once it has ended.
async fn ended(stage: &Stage, token: &str, id: &str) -> Value {
    let path = format!("/api/v1/jobs/{id}");
    loop {
        let answer = ask(stage, Method::GET, &path, token, &[]).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        if answer.body["ended"] == true {
            return answer.body;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_program_decides_about_many_messages_and_sees_how_far_it_is() {
    let stage = console().await;
    let mut ids = Vec::new();
    for nth in 0..3 {
        let subject = if nth == 2 { "Roses" } else { "Tulips" };
        ids.push(stage.hold(|held| subject.clone_into(&mut held.subject)).await.0);
    }
    stage.console.search.fill().await.unwrap();
    let anna = token(&stage, "anna", Role::Operator, Scope::Decide).await;
    let read = token(&stage, "eve", Role::Operator, Scope::Read).await;
    let kim = token(&stage, "kim", other(), Scope::Decide).await;
    let path = "/api/v1/jobs";
    let tulips = json!({ "act": "release", "why": "a fair", "search": { "q": "tulips" } });
    assert_eq!(post(&stage, path, &read, &tulips).await.status, StatusCode::FORBIDDEN);
    for bad in [
        json!({ "act": "release" }),
        json!({ "act": "eat", "search": {} }),
        json!({ "act": "release", "search": { "text": "tulips" } }),
        json!({ "act": "release", "search": {}, "ids": [ids[0].to_string()] }),
    ] {
        assert_eq!(post(&stage, path, &anna, &bad).await.status, StatusCode::BAD_REQUEST, "{bad}");
    }
    let many = json!({ "act": "delete", "ids": vec![ids[0].to_string(); 201] });
    assert_eq!(post(&stage, path, &anna, &many).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let dry = json!({ "act": "release", "search": { "q": "tulips" }, "dry": true });
    assert_eq!(post(&stage, path, &anna, &dry).await.body, json!({ "total": 2 }));
    assert_eq!(post(&stage, path, &kim, &tulips).await.body, json!({ "total": 0 }), "not his");

    let begun = post(&stage, path, &anna, &tulips).await;
    let job = begun.body["id"].as_str().unwrap_or_else(|| panic!("{}", begun.text)).to_owned();
    let done = ended(&stage, &anna, &job).await;
    assert_eq!((&done["done"], &done["total"]), (&json!(2), &json!(2)), "{done}");
    let states = async |nth: usize| stage.states(ids[nth]).await;
    assert_eq!((states(0).await, states(2).await), (vec![State::Releasing], vec![State::Held]));
    assert_eq!(said(&stage, "bulk-release").await, ["a fair"]);
    assert_eq!(said(&stage, "release").await, ["a fair"; 2]);
    let page = stage.console.accounts.audit().page(&[], 100).await.unwrap();
    let one = page.iter().find(|one| one.what == "release").unwrap();
    assert_eq!(one.who, "anna (token test)");

    let theirs = json!({ "act": "delete", "ids": [ids[2].to_string()] });
    let tried = post(&stage, path, &kim, &theirs).await.body["id"].as_str().unwrap().to_owned();
    assert_eq!(ended(&stage, &kim, &tried).await["left"], 1, "another organisation's");
    assert_eq!(states(2).await, [State::Held]);
    let seen = ask(&stage, Method::GET, &format!("{path}/{job}"), &kim, &[]).await;
    assert_eq!(seen.status, StatusCode::NOT_FOUND, "somebody else's");
    let stop = format!("{path}/{job}/stop");
    assert_eq!(post(&stage, &stop, &kim, &json!({})).await.status, StatusCode::NOT_FOUND);
    assert_eq!(post(&stage, &stop, &anna, &json!({})).await.body["stopped"], true);
    let count = |answer: &Answer| answer.body["items"].as_array().unwrap().len();
    assert_eq!(count(&ask(&stage, Method::GET, path, &kim, &[]).await), 1);
    assert_eq!(count(&ask(&stage, Method::GET, path, &read, &[]).await), 2, "an operator sees all");
}

#[tokio::test]
async fn a_program_looks_after_accounts() {
    let stage = console().await;
    let anna = token(&stage, "anna", Role::Operator, Scope::Appoint).await;
    let read = token(&stage, "eve", Role::Operator, Scope::Read).await;
    let decides = token(&stage, "olga", Role::Operator, Scope::Decide).await;
    let kim = token(&stage, "kim", other(), Scope::Appoint).await;
    let path = "/api/v1/accounts";
    let bo = json!({ "login": "bo", "role": "organisation-admin", "organisations": ["example"] });
    for token in [&read, &decides, &kim] {
        assert_eq!(post(&stage, path, token, &bo).await.status, StatusCode::FORBIDDEN);
        for deed in ["disable", "enable", "reset"] {
            let refused = post(&stage, &format!("{path}/eve/{deed}"), token, &json!({})).await;
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{deed}");
        }
    }
    assert_eq!(ask(&stage, Method::GET, path, &kim, &[]).await.status, StatusCode::FORBIDDEN);
    for bad in [
        json!({ "login": "bo", "role": "king" }),
        json!({ "login": "bo", "role": "organisation-admin" }),
        json!({ "login": "bo", "role": "organisation-admin", "organisations": ["nowhere"] }),
    ] {
        assert_eq!(post(&stage, path, &anna, &bad).await.status, StatusCode::BAD_REQUEST, "{bad}");
    }
    let text = bo.to_string();
    let key = [("idempotency-key", "once"), ("body", &text[..])];
    let added = ask(&stage, Method::POST, path, &anna, &key).await;
    let setup = added.body["setup"].as_str().unwrap().to_owned();
    let secret = setup.rsplit_once('/').unwrap().1.to_owned();
    let mut browser = Client::new(&stage);
    let page = browser.get(setup.strip_prefix("https://mail.example").unwrap()).await;
    assert_eq!(page.status, StatusCode::OK, "the link leads to the setup");
    let again = ask(&stage, Method::POST, path, &anna, &key).await;
    assert_eq!((again.status, again.body), (StatusCode::OK, json!({ "login": "bo" })), "once");
    let all = stage.store.scan(&[0], &[0xff], 10_000).await.unwrap();
    let stands = all
        .iter()
        .any(|(_, value)| value.bytes.windows(secret.len()).any(|part| part == secret.as_bytes()));
    assert!(!stands, "no key keeps the link");

    let list = ask(&stage, Method::GET, path, &read, &[]).await;
    let shown = list.body["items"].as_array().unwrap();
    let shown = shown.iter().find(|one| one["login"] == "bo").unwrap();
    assert_eq!(shown["organisations"], json!(["example"]));
    assert!(!list.text.contains("argon2") && !list.text.contains(PASSWORD));

    let act = async |who: &str, deed: &str| {
        post(&stage, &format!("{path}/{who}/{deed}"), &anna, &json!({})).await
    };
    assert_eq!(act("bo", "disable").await.body["disabled"], true);
    assert_eq!(act("bo", "enable").await.body["disabled"], false);
    assert_eq!(act("nobody", "disable").await.status, StatusCode::NOT_FOUND);
    assert!(act("kim", "reset").await.body["setup"].is_string());
    let login = Login::parse("kim").unwrap();
    let row = stage.console.accounts.find(&login).await.unwrap().unwrap();
    assert_eq!(row.password, None);
    // The other operators.
    assert_eq!(act("eve", "disable").await.status, StatusCode::OK);
    assert_eq!(act("olga", "disable").await.status, StatusCode::OK);
    let last = act("anna", "disable").await;
    assert_eq!(last.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", last.text);
    let deeds = ["add-account", "disable-account", "enable-account", "reset-account"];
    for deed in deeds {
        assert!(!said(&stage, deed).await.is_empty(), "{deed}");
    }
}

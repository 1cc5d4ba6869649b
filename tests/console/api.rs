//! `/api/v1`: tokens, scopes, pages, repeated requests.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use reprieve::account::token::Scope;
use reprieve::account::{Entry, Login, Role};
use reprieve::clock::SignedDuration;
use reprieve::quarantine::State;
use serde_json::Value;
use tower::ServiceExt;

use crate::client::Client;
use crate::stage::Stage;
use crate::{console, organisation};

pub struct Answer {
    pub status: StatusCode,
    pub kind: String,
    pub tag: String,
    pub text: String,
    pub body: Value,
}

pub async fn token(stage: &Stage, login: &str, role: Role, scope: Scope) -> String {
    Client::enter(stage, login, role).await;
    let (by, login) = (Entry::new("console", "test"), Login::parse(login).unwrap());
    let accounts = &stage.console.accounts;
    accounts.make_token(&by, &login, "test", (scope, 30)).await.unwrap()
}

pub async fn ask(
    stage: &Stage,
    method: Method,
    path: &str,
    token: &str,
    more: &[(&str, &str)],
) -> Answer {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "mail.example")
        .header(header::AUTHORIZATION, format!("Bearer {token}"));
    let mut body = "";
    for (name, value) in more {
        if *name == "body" {
            body = value;
        } else {
            request = request.header(*name, *value);
        }
    }
    let request = request.body(Body::from(body.to_owned())).unwrap();
    let answer = stage.portal.router().oneshot(request).await.unwrap();
    let (parts, body) = answer.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let field = |name| parts.headers.get(name).map_or("", |one| one.to_str().unwrap()).to_owned();
    Answer {
        status: parts.status,
        kind: field(header::CONTENT_TYPE),
        tag: field(header::ETAG),
        text: String::from_utf8_lossy(&body).into_owned(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    }
}

#[tokio::test]
async fn a_token_sees_pages_and_decides() {
    let stage = console().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(stage.hold(|_| {}).await.0);
    }
    let token = token(&stage, "anna", Role::Operator, Scope::Decide).await;
    let first = ask(&stage, Method::GET, "/api/v1/held?limit=3&state=held", &token, &[]).await;
    assert_eq!(first.status, StatusCode::OK, "{}", first.body);
    assert_eq!(first.body["items"].as_array().unwrap().len(), 3);
    let next = first.body["next"].as_str().unwrap();
    let path = format!("/api/v1/held?limit=3&state=held&after={next}");
    let second = ask(&stage, Method::GET, &path, &token, &[]).await;
    assert_eq!(second.body["items"].as_array().unwrap().len(), 2);
    assert!(second.body["next"].is_null());
    let path = format!("/api/v1/held/{}/release", ids[0]);
    let more = [("body", r#"{"why":"by a program"}"#)];
    let done = ask(&stage, Method::POST, &path, &token, &more).await;
    assert_eq!(done.body["recipients"][0]["state"], "releasing", "{}", done.body);
    assert_eq!(stage.states(ids[0]).await, [State::Releasing]);
    let again = ask(&stage, Method::POST, &path, &token, &more).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert_eq!(again.kind, "application/problem+json");
    let audit = ask(&stage, Method::GET, "/api/v1/audit?q=program", &token, &[]).await;
    assert_eq!(audit.body["items"][0]["who"], "anna (token test)");
}

#[tokio::test]
async fn an_idempotency_key_makes_a_repeat_harmless() {
    let stage = console().await;
    let (id, _) = stage.hold(|_| {}).await;
    let (other, _) = stage.hold(|_| {}).await;
    let token = token(&stage, "anna", Role::Operator, Scope::Decide).await;
    let path = format!("/api/v1/held/{id}/release");
    let key = [("idempotency-key", "night-1")];
    let first = ask(&stage, Method::POST, &path, &token, &key).await;
    let again = ask(&stage, Method::POST, &path, &token, &key).await;
    assert_eq!((first.status, &first.body), (again.status, &again.body));
    assert_eq!(again.status, StatusCode::OK);
    let path = format!("/api/v1/held/{other}/release");
    let reused = ask(&stage, Method::POST, &path, &token, &key).await;
    assert_eq!(reused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(stage.states(other).await, [State::Held]);
    stage.clock.advance(SignedDuration::from_hours(25));
    let fresh = ask(&stage, Method::POST, &path, &token, &key).await;
    assert_eq!(fresh.status, StatusCode::OK, "keys are kept for a day");
}

/// A program that sends a key with everything was shown what was, for a day.
#[tokio::test]
async fn what_only_looks_takes_no_idempotency_key() {
    let stage = console().await;
    let (id, _) = stage.hold(|_| {}).await;
    let token = token(&stage, "anna", Role::Operator, Scope::Read).await;
    let path = format!("/api/v1/held/{id}");
    let key = [("idempotency-key", "night-1")];
    let keys = async || stage.store.scan(&[0x44], &[0x45], 10).await.unwrap().len();
    let first = ask(&stage, Method::GET, &path, &token, &key).await;
    assert_eq!(first.body["recipients"][0]["state"], "held", "{}", first.text);
    assert_eq!(keys().await, 0, "nothing is written");
    stage.releases.release_copies(id, &|_| true, &|_, _, _| {}).await.unwrap();
    let again = ask(&stage, Method::GET, &path, &token, &key).await;
    assert_eq!(again.body["recipients"][0]["state"], "releasing", "{}", again.text);
}

#[tokio::test]
async fn a_04_tokens_do_no_more_than_scope_and_role() {
    let stage = console().await;
    let (id, _) = stage.hold(|_| {}).await;
    let release = format!("/api/v1/held/{id}/release");
    let read = token(&stage, "anna", Role::Operator, Scope::Read).await;
    let auditor = token(&stage, "au", Role::Auditor, Scope::Decide).await;
    let own = Role::OrganisationAdmin(vec![organisation("other")]);
    let foreign = token(&stage, "kim", own, Scope::Decide).await;
    for token in [&read, &auditor, &foreign] {
        let answer = ask(&stage, Method::POST, &release, token, &[]).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert_eq!(answer.body["status"], 403);
    }
    let path = format!("/api/v1/held/{id}");
    assert_eq!(ask(&stage, Method::GET, &path, &foreign, &[]).await.status, StatusCode::FORBIDDEN);
    for path in ["/api/v1/audit", "/api/v1/senders", "/api/v1/queue"] {
        let answer = ask(&stage, Method::GET, path, &foreign, &[]).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
        assert_eq!(
            ask(&stage, Method::GET, path, &read, &[]).await.status,
            StatusCode::OK,
            "{path}"
        );
    }
    let none = ask(&stage, Method::GET, "/api/v1/held", "reprieve_nonsense", &[]).await;
    assert_eq!(
        (none.status, none.kind.as_str()),
        (StatusCode::UNAUTHORIZED, "application/problem+json")
    );
    stage.clock.advance(SignedDuration::from_hours(31 * 24));
    let late = ask(&stage, Method::GET, "/api/v1/held", &read, &[]).await;
    assert_eq!(late.status, StatusCode::UNAUTHORIZED, "expired");
}

#[tokio::test]
async fn the_document_names_what_is_served() {
    let stage = console().await;
    let token = token(&stage, "anna", Role::Operator, Scope::Decide).await;
    let document = ask(&stage, Method::GET, "/api/v1/openapi.json", "", &[]).await;
    assert_eq!(document.body["openapi"], "3.1.0");
    for (path, operations) in document.body["paths"].as_object().unwrap() {
        let named = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        for name in named {
            for operation in operations.as_object().unwrap().values() {
                let parameters = operation["parameters"].as_array().unwrap();
                assert!(parameters.iter().any(|one| one["name"] == name), "{path}: {name}");
            }
        }
        for method in operations.as_object().unwrap().keys() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let answer = ask(&stage, method.clone(), &path.replace("{id}", "x"), &token, &[]).await;
            assert_ne!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            if method == Method::GET && !path.contains("{id}") {
                assert_eq!(answer.status, StatusCode::OK, "{method} {path}");
            }
        }
    }
    let unknown = ask(&stage, Method::GET, "/api/v1/nothing", &token, &[]).await;
    assert_eq!(
        (unknown.status, unknown.body["status"].as_u64()),
        (StatusCode::NOT_FOUND, Some(404))
    );
}

#[tokio::test]
async fn appeals_are_listed_asked_and_decided_once() {
    let stage = console().await;
    let held = crate::appeals::issue(&stage, |_| {}).await;
    let appeal = crate::appeals::apply(&stage, held).await;
    let decide = token(&stage, "anna", Role::Operator, Scope::Decide).await;
    let foreign = Role::OrganisationAdmin(vec![organisation("other")]);
    let foreign = token(&stage, "kim", foreign, Scope::Decide).await;
    let read = token(&stage, "eve", Role::Operator, Scope::Read).await;
    let list = ask(&stage, Method::GET, "/api/v1/appeals?limit=1", &decide, &[]).await;
    assert_eq!(list.body["items"][0]["id"], appeal.id.to_string(), "{}", list.body);
    let none = ask(&stage, Method::GET, "/api/v1/appeals", &foreign, &[]).await;
    assert_eq!(none.body["items"].as_array().unwrap().len(), 0);
    let path = format!("/api/v1/appeals/{}", appeal.id);
    assert_eq!(ask(&stage, Method::GET, &path, &foreign, &[]).await.status, StatusCode::FORBIDDEN);
    let grant = format!("{path}/grant");
    let body = r#"{"scope":"campaign","days":30,"volume":100,"reason":"fine"}"#;
    for token in [&foreign, &read] {
        let refused = ask(&stage, Method::POST, &grant, token, &[("body", body)]).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
    }
    for bad in ["", "{}", r#"{"scope":"all"}"#, r#"{"scope":"campaign","days":0,"volume":1}"#] {
        let refused = ask(&stage, Method::POST, &grant, &decide, &[("body", bad)]).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{bad}");
    }
    let question = [("body", r#"{"text":"Since when?"}"#)];
    let asked = ask(&stage, Method::POST, &format!("{path}/ask"), &decide, &question).await;
    assert_eq!(asked.body["lines"][0]["text"], "Since when?", "{}", asked.body);
    let key = [("idempotency-key", "one"), ("body", body)];
    let granted = ask(&stage, Method::POST, &grant, &decide, &key).await;
    assert_eq!((&granted.body["state"], &granted.body["freed"]), (&"granted".into(), &1.into()));
    let again = ask(&stage, Method::POST, &grant, &decide, &key).await;
    assert_eq!((again.status, &again.body), (StatusCode::OK, &granted.body));
    let deny = [("body", r#"{"reason":"no"}"#)];
    let late = ask(&stage, Method::POST, &format!("{path}/deny"), &decide, &deny).await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    assert_eq!(late.kind, "application/problem+json");
    assert_eq!(stage.states(held).await, [State::Releasing]);
    let closed = ask(&stage, Method::GET, "/api/v1/appeals?state=closed", &read, &[]).await;
    assert_eq!(closed.body["items"][0]["decision"]["by"], "anna (token test)");
}

/// The reasons of what the audit has under this name.
pub async fn said(stage: &Stage, what: &str) -> Vec<String> {
    let page = stage.console.accounts.audit().page(&[], 100).await.unwrap();
    page.into_iter().filter(|one| one.what == what).map(|one| one.why).collect()
}

#[tokio::test]
async fn a_program_passes_on_a_flag_and_its_undoing() {
    let stage = console().await;
    let (id, _) = stage.hold(|_| {}).await;
    let decide = token(&stage, "anna", Role::Operator, Scope::Decide).await;
    let read = token(&stage, "eve", Role::Operator, Scope::Read).await;
    let foreign = Role::OrganisationAdmin(vec![organisation("other")]);
    let foreign = token(&stage, "kim", foreign, Scope::Decide).await;
    let path = format!("/api/v1/held/{id}/flag");
    let body = [("body", r#"{"recipient":"Anna@example.fi","why":"she telephoned"}"#)];
    for token in [&read, &foreign] {
        let refused = ask(&stage, Method::POST, &path, token, &body).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
    }
    for (bad, status) in [
        (r#"{"recipient":"bo@example.fi"}"#, StatusCode::UNPROCESSABLE_ENTITY),
        (r#"{"recipient":"nobody"}"#, StatusCode::BAD_REQUEST),
        (r#"{"recipient":"anna@example.fi","by":"a cat"}"#, StatusCode::BAD_REQUEST),
        ("", StatusCode::BAD_REQUEST),
    ] {
        let refused = ask(&stage, Method::POST, &path, &decide, &[("body", bad)]).await;
        assert_eq!(refused.status, status, "{bad}");
    }
    let done = ask(&stage, Method::POST, &path, &decide, &body).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.text);
    assert_eq!(done.body["by"], "person");
    assert_eq!(said(&stage, "flag-sender").await, ["she telephoned"]);
    let rules = ask(&stage, Method::GET, "/api/v1/rules", &decide, &[]).await;
    assert_eq!(rules.body["items"][0]["action"], "block", "{}", rules.text);
    let undo = format!("/api/v1/held/{id}/unflag");
    let undone = ask(&stage, Method::POST, &undo, &decide, &body).await;
    assert!(undone.body["undone"].is_string(), "{}", undone.text);
    let again = ask(&stage, Method::POST, &undo, &decide, &body).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_program_teaches_and_takes_a_finding_s_weight_down() {
    let stage = console().await;
    let (id, _) = stage.hold(|_| {}).await;
    let token = token(&stage, "anna", Role::Operator, Scope::Decide).await;
    let post = async |path: &str, body: &str| {
        ask(&stage, Method::POST, path, &token, &[("body", body)]).await.status
    };
    let train = format!("/api/v1/held/{id}/train");
    assert_eq!(post(&train, r#"{"as":"lunch"}"#).await, StatusCode::BAD_REQUEST);
    assert_eq!(post(&train, r#"{"as":"spam"}"#).await, StatusCode::OK);
    assert_eq!(said(&stage, "train-as-spam").await, [""]);
    let findings = ask(&stage, Method::GET, "/api/v1/findings", &token, &[]).await;
    assert_eq!(findings.body["items"][0]["left"], 100, "{}", findings.text);
    let demote = "/api/v1/findings/spf-softfail/demote";
    assert_eq!(post(demote, r#"{"left":7}"#).await, StatusCode::BAD_REQUEST);
    assert_eq!(post(demote, r#"{"left":50}"#).await, StatusCode::OK);
    let unknown = "/api/v1/findings/nonsense/demote";
    assert_eq!(post(unknown, r#"{"left":50}"#).await, StatusCode::UNPROCESSABLE_ENTITY);
    let findings = ask(&stage, Method::GET, "/api/v1/findings", &token, &[]).await;
    let all = findings.body["items"].as_array().unwrap();
    let ours = all.iter().find(|one| one["id"] == "spf-softfail").unwrap();
    assert_eq!(ours["left"], 50);
    let path = "/api/v1/statistics?hours=3";
    let hours = ask(&stage, Method::GET, path, &token, &[]).await;
    let hours = hours.body["items"].as_array().unwrap().clone();
    assert_eq!(hours.len(), 3);
    assert_eq!(hours[2]["held"], 0);
    let now = stage.clock.now().to_string();
    assert_eq!(hours[2]["hour"].as_str().unwrap()[..13], now[..13], "the present hour is last");
    let none = ask(&stage, Method::GET, "/api/v1/statistics?hours=0", &token, &[]).await;
    assert_eq!(none.status, StatusCode::BAD_REQUEST);
}

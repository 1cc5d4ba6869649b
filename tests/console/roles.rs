//! The matrix: every route x every role, own and other organisation (A-04).

use axum::http::{Method, StatusCode};
use reprieve::account::token::Scope;
use reprieve::account::{Power, Role};
use reprieve::clock::SignedDuration;
use reprieve::portal::{api_paths, console_powers as powers};
use reprieve::quarantine::State;

use crate::api::{ask, token};
use crate::client::Client;
use crate::stage::address;
use crate::{console, organisation};

#[tokio::test]
async fn a_04_every_route_and_every_role() {
    let stage = console().await;
    let roles = [
        ("operator", Role::Operator),
        ("admin", Role::OrganisationAdmin(vec![organisation("example")])),
        ("stranger", Role::OrganisationAdmin(vec![organisation("other")])),
        ("auditor", Role::Auditor),
    ];
    let (id, _) = stage.hold(|_| {}).await;
    for (login, role) in roles {
        for (pattern, get, post) in powers() {
            let path = pattern.replace("{id}", &id.to_string()).replace("{login}", "nobody");
            let mut client =
                Client::enter(&stage, &format!("{login}-{}", unique()), role.clone()).await;
            let answer = client.get(&path).await;
            expect(get, &role, answer.status, &format!("{login} GET {path}"));
            // The token is right, so that only the role can refuse.
            client.get("/admin/account").await;
            let answer = client.post(&path, &[("why", "test")]).await;
            expect(post, &role, answer.status, &format!("{login} POST {path}"));
        }
    }
    let refused = stage.console.accounts.audit().page(&[], 1000).await.unwrap();
    assert!(refused.iter().any(|entry| entry.what == "refused" && entry.who.starts_with("admin-")));
}

fn expect(power: Option<Power>, role: &Role, status: StatusCode, what: &str) {
    match power {
        None => assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{what}"),
        Some(power) if role.may(power) => {
            assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{what}");
            assert_ne!(status, StatusCode::METHOD_NOT_ALLOWED, "{what}");
        }
        Some(_) => assert_eq!(status, StatusCode::FORBIDDEN, "{what}"),
    }
}

fn unique() -> u32 {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

#[tokio::test]
async fn without_a_session_every_route_leads_to_the_login() {
    let stage = console().await;
    for (path, get, post) in powers() {
        let mut client = Client::new(&stage);
        if get.is_some() {
            assert_eq!(client.get(&path).await.location(), "/admin/login", "GET {path}");
        }
        if post.is_some() {
            assert_eq!(client.post(&path, &[]).await.location(), "/admin/login", "POST {path}");
        }
    }
}

/// The API: every route x no token, a token that reads, one of an auditor,
/// one of another organisation.
#[tokio::test]
async fn a_04_every_route_of_the_api_and_every_token() {
    let stage = console().await;
    let (id, _) = stage.hold(|_| {}).await;
    let anna = address("anna@example.fi");
    let anna = stage.recipients.people.of(&anna, &organisation("example")).await.unwrap();
    stage.console.recipients.fill().await.unwrap();
    let document = ask(&stage, Method::GET, "/api/v1/openapi.json", "", &[]).await.body;
    let documented = document["paths"].as_object().unwrap();
    for path in api_paths() {
        assert!(documented.contains_key(path), "{path} is in no document");
    }
    let theirs = Role::OrganisationAdmin(vec![organisation("other")]);
    let read = token(&stage, "read", Role::Operator, Scope::Read).await;
    let auditor = token(&stage, "auditor", Role::Auditor, Scope::Decide).await;
    let stranger = token(&stage, "stranger", theirs, Scope::Decide).await;
    for (pattern, operations) in documented {
        let id = match pattern.split('/').nth(3).unwrap() {
            "organisations" => "example".to_owned(),
            "recipients" => anna.id.to_string(),
            "servers" => "0".to_owned(),
            _ => id.to_string(),
        };
        let path = pattern.replace("{id}", &id).replace("{file}", "blocked.csv");
        let path = path.replace("{upload}", "x");
        for method in operations.as_object().unwrap().keys() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let what = format!("{method} {path}");
            let try_as = async |token: &str| {
                let body = [("body", r#"{"organisation":"example"}"#)];
                ask(&stage, method.clone(), &path, token, &body).await
            };
            // So many wrong tokens at once would be answered 429 (L-12).
            stage.clock.advance(SignedDuration::from_secs(3));
            assert_eq!(try_as("").await.status, StatusCode::UNAUTHORIZED, "{what}");
            // By a server's own token, which is no account's.
            if pattern.ends_with("/list") {
                continue;
            }
            if method == Method::POST {
                assert_eq!(try_as(&read).await.status, StatusCode::FORBIDDEN, "read: {what}");
                assert_eq!(try_as(&auditor).await.status, StatusCode::FORBIDDEN, "auditor: {what}");
            }
            let answer = try_as(&stranger).await;
            let (status, text) = (answer.status, &answer.text);
            assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{what}");
            assert!(!text.contains("anna@example.fi") && !text.contains("roof"), "{what}: {text}");
            if pattern.contains("{id}") {
                assert!(status.is_client_error(), "another organisation's: {what} {status}");
            }
        }
    }
    assert_eq!(stage.states(id).await, [State::Held]);
}

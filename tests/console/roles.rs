//! The matrix: every route x every role, own and other organisation.

use axum::http::StatusCode;
use reprieve::account::{Power, Role};
use reprieve::portal::console_powers as powers;

use crate::client::Client;
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

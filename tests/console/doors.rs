//! Into the console and out of it.

use axum::body::Body;
use axum::http::{Method, StatusCode};
use reprieve::account::totp::Totp;
use reprieve::account::{Accounts, Cost, Entry, Login, Role};
use reprieve::clock::SignedDuration;
use reprieve::link::KeyRing;

use crate::client::{Client, PASSWORD};
use crate::console;

#[tokio::test]
async fn a_setup_link_opens_an_account_once() {
    let stage = console().await;
    let by = Entry::new("console", "test");
    let login = Login::parse("anna").unwrap();
    let secret = stage.console.accounts.add(&by, login, Role::Operator).await.unwrap();
    let path = format!("/admin/setup/anna/{}", secret.to_text());
    let mut client = Client::new(&stage);
    let page = client.get(&path).await;
    assert_eq!(page.status, StatusCode::OK);
    let totp = page.body.split("name=\"totp\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let authenticator = reprieve::account::totp::Totp::from_base32(totp).unwrap();
    let code = authenticator.code(stage.clock.now());
    let short = client.post(&path, &[("totp", totp), ("password", "short"), ("code", &code)]).await;
    assert_eq!(short.status, StatusCode::UNPROCESSABLE_ENTITY);
    let fields = [("totp", totp), ("password", PASSWORD), ("code", &code)];
    let done = client.post(&path, &fields).await;
    assert_eq!(done.status, StatusCode::OK);
    assert_eq!(done.body.matches("<li><code>").count(), 10, "recovery codes");
    assert_eq!(client.get(&path).await.status, StatusCode::NOT_FOUND, "once");
    stage.clock.advance(SignedDuration::from_secs(60));
    let code = authenticator.code(stage.clock.now());
    let inside = client.log_in("anna", PASSWORD, &code).await;
    assert_eq!(inside.location(), "/admin");
    assert_eq!(client.get("/admin/quarantine").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_lost_key_locks_nobody_out() {
    let stage = console().await;
    let (by, login) = (Entry::new("console", "test"), Login::parse("anna").unwrap());
    // Beside keys that are gone.
    let (store, clock) = (stage.store.clone(), stage.clock.clone());
    let before = Accounts::new(store, clock, Cost::NONE, KeyRing::ephemeral());
    let secret = before.add(&by, login.clone(), Role::Operator).await.unwrap();
    let totp = Totp::new();
    let code = totp.code(stage.clock.now());
    let codes = before.set_up(&by, (&login, &secret), PASSWORD, (&totp, &code)).await.unwrap();
    stage.clock.advance(SignedDuration::from_secs(60));
    let code = totp.code(stage.clock.now());
    let mut client = Client::new(&stage);
    let told = client.log_in("anna", PASSWORD, &code).await;
    assert_eq!(told.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(told.body.contains("reprieve admin reset"), "{}", told.body);
    let guessed = client.log_in("anna", "not the password", &code).await;
    assert!(!guessed.body.contains("reprieve admin reset"), "told to who knows the password only");
    let inside = client.log_in("anna", PASSWORD, &codes[0]).await;
    assert_eq!(inside.location(), "/admin");
}

#[tokio::test]
async fn w_05_a_login_needs_its_own_page_and_gets_a_fresh_session() {
    let stage = console().await;
    stage.console.accounts.add_for_demo(Login::parse("anna").unwrap(), PASSWORD).await.unwrap();
    let mut client = Client::new(&stage);
    let fields = [("login", "anna"), ("password", PASSWORD), ("code", "")];
    let bare = client.post("/admin/login", &fields).await;
    assert_eq!(bare.status, StatusCode::FORBIDDEN, "no page was seen");
    assert!(!client.cookies.contains_key("__Host-console"));
    client.cookies.insert("__Host-console".into(), "fixed".into());
    let done = client.log_in("anna", PASSWORD, "").await;
    assert_eq!(done.status, StatusCode::SEE_OTHER);
    let field = done.headers.get_all("set-cookie").iter().map(|one| one.to_str().unwrap());
    let session = field.into_iter().find(|one| one.starts_with("__Host-console=")).unwrap();
    for needed in ["; Path=/", "; HttpOnly", "; SameSite=Lax", "; Secure"] {
        assert!(session.contains(needed), "{session}");
    }
    assert_ne!(client.cookies["__Host-console"], "fixed");
    let first = client.cookies["__Host-console"].clone();
    client.log_in("anna", PASSWORD, "").await;
    assert_ne!(client.cookies["__Host-console"], first);
}

#[tokio::test]
async fn a_03_a_huge_password_costs_nothing() {
    let stage = console().await;
    let mut client = Client::new(&stage);
    for length in [1025, 20_000, 1024 * 1024] {
        let password = "p".repeat(length);
        let answer = client.log_in("anna", &password, "").await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{length}");
    }
    let sixty_four = "p".repeat(64);
    let answer = client.log_in("anna", &sixty_four, "").await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_02_the_tenth_code_in_a_minute_is_refused() {
    let stage = console().await;
    let mut client = Client::enter(&stage, "anna", Role::Operator).await;
    let mut answers = Vec::new();
    for _ in 0..10 {
        answers.push(client.log_in("anna", PASSWORD, "000000").await.status);
    }
    assert!(answers[..8].iter().all(|one| *one == StatusCode::UNPROCESSABLE_ENTITY), "{answers:?}");
    assert_eq!(answers[9], StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn guessing_from_elsewhere_does_not_lock_the_owner_out() {
    let stage = console().await;
    let accounts = &stage.console.accounts;
    accounts.add_for_demo(Login::parse("anna").unwrap(), PASSWORD).await.unwrap();
    let mut owner = Client::new(&stage);
    assert_eq!(owner.log_in("anna", PASSWORD, "").await.status, StatusCode::SEE_OTHER);
    stage.clock.advance(SignedDuration::from_mins(10));
    let mut guesser = Client::new(&stage);
    let mut last = StatusCode::OK;
    for _ in 0..12 {
        stage.clock.advance(SignedDuration::from_secs(10));
        last = guesser.log_in("anna", "not the password", "").await.status;
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
    let inside = owner.log_in("anna", PASSWORD, "").await;
    assert_eq!(inside.status, StatusCode::SEE_OTHER, "his device is known");
    let right = guesser.log_in("anna", PASSWORD, "").await;
    assert_eq!(right.status, StatusCode::TOO_MANY_REQUESTS, "even the right one");
}

#[tokio::test]
async fn a_05_logout_ends_every_session() {
    let stage = console().await;
    stage.console.accounts.add_for_demo(Login::parse("anna").unwrap(), PASSWORD).await.unwrap();
    let (mut one, mut two) = (Client::new(&stage), Client::new(&stage));
    one.log_in("anna", PASSWORD, "").await;
    two.log_in("anna", PASSWORD, "").await;
    assert_eq!(two.get("/admin/account").await.body.matches("admin/account/end").count(), 1);
    one.get("/admin/account").await;
    assert_eq!(one.post("/admin/logout", &[]).await.location(), "/admin/login");
    assert_eq!(two.get("/admin/account").await.location(), "/admin/login");
}

#[tokio::test]
async fn w_04_an_act_needs_its_session_s_token() {
    let stage = console().await;
    stage.console.accounts.add_for_demo(Login::parse("anna").unwrap(), PASSWORD).await.unwrap();
    stage.console.accounts.add_for_demo(Login::parse("bo").unwrap(), PASSWORD).await.unwrap();
    let (mut anna, mut bo) = (Client::new(&stage), Client::new(&stage));
    anna.log_in("anna", PASSWORD, "").await;
    bo.log_in("bo", PASSWORD, "").await;
    bo.get("/admin/account").await;
    for form in ["", "AAAA", &bo.form.clone()] {
        anna.form = form.to_owned();
        assert_eq!(anna.post("/admin/logout", &[]).await.status, StatusCode::FORBIDDEN);
    }
    let bare = anna.ask(Method::POST, "/admin/logout", Body::empty()).await;
    assert_eq!(bare.status, StatusCode::FORBIDDEN);
    assert_eq!(anna.get("/admin/account").await.status, StatusCode::OK, "still inside");
}

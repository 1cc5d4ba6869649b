//! Lists, a message, and what is decided about it.

use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reprieve::account::Role;
use reprieve::account::job::Job;
use reprieve::clock::{Clock, SignedDuration};
use reprieve::mail::{Envelope, Message};
use reprieve::quarantine::{State, stored};
use reprieve::reputation::{Proof, Proofs, Scope, Standing, StandingState};
use reprieve::store::{Batch, Body};
use uuid::Uuid;

use crate::client::Client;
use crate::stage::{Stage, recipient};
use crate::{console, organisation};

async fn operator(stage: &Stage) -> Client<'_> {
    Client::enter(stage, "anna", Role::Operator).await
}

/// Stores the bytes of a held message.
pub async fn with_body(stage: &Stage, id: Uuid, text: &str) {
    let message = Message::new(text.replace('\n', "\r\n").into_bytes().into());
    let mut batch = Batch::new();
    let expires = stage.clock.now() + reprieve::clock::SignedDuration::from_hours(24);
    let content = stored::write(&envelope(stage), &message);
    batch.body(Body { id, expires, content });
    stage.store.commit(batch).await.unwrap();
}

fn envelope(stage: &Stage) -> Envelope {
    Envelope {
        client: reprieve::mail::Client {
            ip: [192, 0, 2, 25].into(),
            name: None,
            helo: "katto.example".to_owned(),
            tls: None,
            esmtp: true,
        },
        authenticated: None,
        mail_from: reprieve::mail::ReversePath::Null,
        rcpt_to: Vec::new(),
        eight_bit: false,
        smtputf8: false,
        received_at: stage.clock.now(),
        session_id: "s1".to_owned(),
    }
}

#[tokio::test]
async fn the_list_finds_by_part_reference_class_and_state() {
    let stage = console().await;
    let (one, _) = stage.hold(|_| {}).await;
    let (two, _) = stage
        .hold(|held| {
            held.subject = "<script>alert(1)</script> \u{202e}evil".to_owned();
            held.reference = reprieve::quarantine::Reference::parse("1234-5678").unwrap();
            held.recipients[0].class = reprieve::filter::Class::Mass;
        })
        .await;
    let mut client = operator(&stage).await;
    let all = client.get("/admin/quarantine").await;
    assert!(all.body.contains(&one.to_string()) && all.body.contains(&two.to_string()));
    assert!(all.body.contains("&lt;script&gt;") && all.body.contains("\\u{202e}"), "W-01");
    assert!(!all.body.contains("<script>alert"), "W-01");
    let shows = |body: &str| (body.contains(&one.to_string()), body.contains(&two.to_string()));
    let find = client.get("/admin/quarantine?q=ROOF").await;
    assert_eq!(shows(&find.body), (true, false));
    let find = client.get("/admin/quarantine?q=1234%205678").await;
    assert_eq!(shows(&find.body), (false, true));
    let find = client.get("/admin/quarantine?class=mass").await;
    assert_eq!(shows(&find.body), (false, true));
    let find = client.get("/admin/quarantine?state=delivered").await;
    assert_eq!(shows(&find.body), (false, false));
    let find = client.get("/admin/quarantine?state=all&q=katto").await;
    assert_eq!(shows(&find.body), (true, true));
    for odd in ["?after=!!!", "?after=AAAA", "?state=nonsense", "?q=%00%ff", "?class=x"] {
        let answer = client.get(&format!("/admin/quarantine{odd}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{odd}");
    }
}

/// Heads of columns sort the whole list on the server, and days bound it;
/// both stay in the URL from page to page and into a decision about all.
#[tokio::test]
async fn lists_are_sorted_and_bounded_by_days_on_the_server() {
    let stage = console().await;
    for name in ["mia", "aino", "zoe"] {
        let subject = format!("From {name}");
        stage
            .hold(|held| {
                held.from_text = format!("{name} <{name}@far.example>");
                held.subject = subject;
            })
            .await;
    }
    let mut client = operator(&stage).await;
    let order = async |client: &mut Client<'_>, asked: &str| {
        let page = client.get(&format!("/admin/quarantine?{asked}")).await.body;
        let mut all: Vec<(usize, &str)> = ["mia", "aino", "zoe"]
            .into_iter()
            .filter_map(|name| page.find(&format!(">From {name}")).map(|at| (at, name)))
            .collect();
        all.sort_unstable();
        all.into_iter().map(|(_, name)| name).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(order(&mut client, "").await, "zoe aino mia");
    assert_eq!(order(&mut client, "sort=oldest").await, "mia aino zoe");
    assert_eq!(order(&mut client, "sort=name").await, "aino mia zoe");
    assert_eq!(order(&mut client, "sort=name-backwards").await, "zoe mia aino");
    let page = client.get("/admin/quarantine?sort=name&q=far").await.body;
    assert!(page.contains("aria-sort=\"ascending\""), "{page}");
    assert!(page.contains("q=far&amp;sort=name-backwards"), "the head leads to the other way");
    // Ids carry the real time.
    let day = |days: i64| {
        let at = Clock::system().now() + SignedDuration::from_hours(24 * days);
        at.to_string()[..10].to_owned()
    };
    let asked = |from: i64, to: i64| format!("from={}&to={}", day(from), day(to));
    assert_eq!(order(&mut client, &asked(-1, 1)).await, "zoe aino mia");
    assert_eq!(order(&mut client, &asked(-9, -2)).await, "");
    assert_eq!(order(&mut client, &format!("from={}", day(2))).await, "");
    let (from, to) = (day(-9), day(-2));
    let whole = [("act", "delete"), ("whole", "1"), ("from", from.as_str()), ("to", to.as_str())];
    let none = client.post("/admin/many", &whole).await;
    assert_eq!(none.status, StatusCode::SEE_OTHER, "there is nothing to preview");
    let to = day(1);
    let whole = [("act", "delete"), ("whole", "1"), ("from", from.as_str()), ("to", to.as_str())];
    let page = client.post("/admin/many", &whole).await.body;
    assert!(page.contains(&format!("name=\"from\" value=\"{from}\"")), "{page}");
}

#[tokio::test]
async fn pages_go_on_behind_the_cursor() {
    let stage = console().await;
    for _ in 0..60 {
        stage.hold(|_| {}).await;
    }
    let mut client = operator(&stage).await;
    let first = client.get("/admin/quarantine").await;
    assert_eq!(first.body.matches("name=\"pick\"").count(), 50);
    let next = first.body.split("rel=\"next\" href=\"").nth(1).unwrap().split('"').next().unwrap();
    let second = client.get(&next.replace("&amp;", "&")).await;
    assert_eq!(second.body.matches("name=\"pick\"").count(), 10);
    assert!(!second.body.contains("rel=\"next\""));
}

#[tokio::test]
async fn a_message_is_released_once_and_the_audit_says_by_whom() {
    let stage = console().await;
    let (id, _) = stage.hold(|_| {}).await;
    let mut client = operator(&stage).await;
    let path = format!("/admin/quarantine/{id}");
    let page = client.get(&path).await;
    assert!(page.body.contains("spf-softfail") && page.body.contains("7K2M-9QXD"));
    let done = client.post(&format!("{path}/release"), &[("why", "he called")]).await;
    assert_eq!(done.location(), path);
    assert_eq!(stage.states(id).await, [State::Releasing]);
    let again = client.post(&format!("{path}/release"), &[("why", "")]).await;
    assert_eq!(again.status, StatusCode::OK);
    assert!(again.body.contains("Somebody has decided about it already"));
    let audit = client.get("/admin/audit?q=he%20called").await;
    assert!(
        audit.body.contains("release")
            && audit.body.contains("<bdi>held</bdi> → <bdi>releasing</bdi>")
    );
    let csv = client.get("/admin/audit.csv?q=he%20called").await;
    assert!(csv.body.lines().nth(1).unwrap().contains("anna,release,held"), "{}", csv.body);
}

#[tokio::test]
async fn a_deleted_message_is_gone_but_its_record_says_so() {
    let stage = console().await;
    let (id, _) = stage.hold(|_| {}).await;
    with_body(&stage, id, "Subject: x\n\nhello\n").await;
    let mut client = operator(&stage).await;
    let path = format!("/admin/quarantine/{id}");
    client.get(&path).await;
    client.post(&format!("{path}/delete"), &[("why", "spam")]).await;
    assert_eq!(stage.states(id).await, [State::Withdrawn]);
    assert_eq!(stage.store.body(id).await.unwrap(), None);
    assert_eq!(client.get(&path).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_body_is_read_for_a_reason_and_that_is_recorded() {
    let stage = console().await;
    let (id, _) = stage.hold(|_| {}).await;
    let text = "Subject: x\nX-Odd: <b>\u{7}\n\nDear Anna,\n<img src=http://evil.example>\n";
    with_body(&stage, id, text).await;
    let mut client = operator(&stage).await;
    let path = format!("/admin/quarantine/{id}");
    let page = client.get(&path).await;
    assert!(page.body.contains("X-Odd") && !page.body.contains("Dear Anna"));
    let bare = client.post(&format!("{path}/read"), &[("why", " ")]).await;
    assert!(!bare.body.contains("Dear Anna"));
    let read = client.post(&format!("{path}/read"), &[("why", "asked by Anna")]).await;
    assert!(read.body.contains("Dear Anna") && !read.body.contains("<img"));
    let audit = stage.console.accounts.audit().page(&[], 10).await.unwrap();
    assert!(audit.iter().any(|one| one.what == "read-body" && one.why == "asked by Anna"));
    let mut auditor = Client::enter(&stage, "auditor", Role::Auditor).await;
    auditor.get(&path).await;
    let refused = auditor.post(&format!("{path}/read"), &[("why", "curious")]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_04_an_organisation_admin_sees_and_frees_his_copies_only() {
    let stage = console().await;
    let now = stage.clock.now();
    let (id, _) = stage
        .hold(|held| {
            held.recipients.push(recipient("bo@other.example", true, now));
            held.recipients[1].organisation = organisation("other");
        })
        .await;
    let (foreign, _) = stage
        .hold(|held| {
            held.recipients = vec![recipient("cy@other.example", true, now)];
            held.recipients[0].organisation = organisation("other");
            held.subject = "nobody else's business".to_owned();
        })
        .await;
    let role = Role::OrganisationAdmin(vec![organisation("example")]);
    let mut client = Client::enter(&stage, "kim", role).await;
    let list = client.get("/admin/quarantine?state=all").await;
    assert!(list.body.contains(&id.to_string()) && !list.body.contains(&foreign.to_string()));
    let page = client.get(&format!("/admin/quarantine/{id}")).await;
    assert!(page.body.contains("anna@example.fi") && !page.body.contains("bo@other.example"));
    client.post(&format!("/admin/quarantine/{id}/release"), &[]).await;
    assert_eq!(stage.states(id).await, [State::Releasing, State::Held]);
    for path in ["", "/release", "/delete", "/read"] {
        let path = format!("/admin/quarantine/{foreign}{path}");
        let answer = if path.ends_with(&foreign.to_string()) {
            client.get(&path).await
        } else {
            client.post(&path, &[("why", "x")]).await
        };
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(stage.states(foreign).await, [State::Held]);
    let audit = stage.console.accounts.audit().page(&[], 20).await.unwrap();
    assert!(
        audit.iter().any(|one| one.what == "refused" && one.about.contains(&foreign.to_string()))
    );
}

#[tokio::test]
async fn a_09_many_are_decided_with_a_preview_and_progress() {
    let stage = console().await;
    let mut ids = Vec::new();
    for _ in 0..12 {
        ids.push(stage.hold(|_| {}).await.0);
    }
    let mut client = operator(&stage).await;
    client.get("/admin/quarantine").await;
    let preview = client.post("/admin/many", &[("act", "release"), ("whole", "1")]).await;
    assert!(preview.body.contains("Release these 12 messages?"), "{}", preview.body);
    assert_eq!(stage.states(ids[0]).await, [State::Held], "a preview changes nothing");
    let fields = [("act", "release"), ("whole", "1"), ("why", "all well")];
    let begun = client.post("/admin/many/run", &fields).await;
    let path = begun.location().to_owned();
    assert!(path.starts_with("/admin/many/"), "{path}");
    let mut page = client.get(&path).await;
    while !page.body.contains("12 of 12 done") {
        tokio::task::yield_now().await;
        page = client.get(&path).await;
    }
    for id in &ids {
        assert_eq!(stage.states(*id).await, [State::Releasing]);
    }
    let audit = stage.console.accounts.audit().page(&[], 100).await.unwrap();
    assert_eq!(audit.iter().filter(|one| one.what == "release").count(), 12);
    assert_eq!(audit.iter().filter(|one| one.what == "bulk-release").count(), 1);
}

#[tokio::test]
async fn a_job_that_a_restart_interrupted_goes_on_where_it_was() {
    let stage = console().await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(stage.hold(|_| {}).await.0);
    }
    let mut client = operator(&stage).await;
    let login = reprieve::account::Login::parse("anna").unwrap();
    // As it stood when the process ended: one was looked at, three are left.
    let job = Job::new(login, "release", "night", stage.clock.now()).about(&ids);
    let job = Job { done: 1, ..job };
    assert!(stage.console.jobs.add(&job, |_| {}).await.unwrap());
    stage.clock.advance(reprieve::clock::SignedDuration::from_secs(1));
    stage.portal.go_on().await.unwrap();
    let place = format!("/admin/many/{}", job.id);
    let mut page = client.get(&place).await;
    while page.body.contains("data-refresh") {
        tokio::task::yield_now().await;
        page = client.get(&place).await;
    }
    assert!(page.body.contains("4 of 4 done, 0 left"), "{}", page.body);
    assert_eq!(stage.states(ids[0]).await, [State::Held], "it was counted before");
    for id in &ids[1..] {
        assert_eq!(stage.states(*id).await, [State::Releasing]);
    }
    let audit = stage.console.accounts.audit().page(&[], 100).await.unwrap();
    let told = |one: &&reprieve::account::Entry| one.what == "release" && one.who == "anna";
    assert_eq!(audit.iter().filter(told).count(), 3);
    stage.portal.go_on().await.unwrap();
    assert!(stage.console.jobs.open().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_job_of_somebody_who_may_no_longer_decide_ends() {
    let stage = console().await;
    let (id, _) = stage.hold(|_| {}).await;
    let mut client = operator(&stage).await;
    let login = reprieve::account::Login::parse("nobody").unwrap();
    let job = Job::new(login, "delete", "", stage.clock.now()).about(&[id]);
    stage.console.jobs.add(&job, |_| {}).await.unwrap();
    stage.portal.go_on().await.unwrap();
    let place = format!("/admin/many/{}", job.id);
    while client.get(&place).await.body.contains("data-refresh") {
        tokio::task::yield_now().await;
    }
    assert_eq!(stage.states(id).await, [State::Held]);
}

/// A sender's page tells what was freed of his mail.
#[tokio::test]
async fn a_sender_s_page_shows_the_history_of_his_releases() {
    let stage = console().await;
    let now = stage.clock.now();
    for (subject, state) in [("Freed", State::Delivered), ("Kept", State::Held)] {
        stage
            .hold(|held| {
                held.subject = subject.to_owned();
                held.recipients[0].state = state;
            })
            .await;
    }
    let standing = Standing {
        address: crate::stage::address("kari@katto.example"),
        scope: Scope::Everywhere,
        proofs: Proofs::NONE.with(Proof::Spf),
        state: StandingState::Trusted,
        since: now,
        last_seen: now,
        releases: 1,
        clean_days: 3,
        today: 1,
        revocations: 0,
    };
    let mut batch = Batch::new();
    batch.insert(&standing);
    stage.store.commit(batch).await.unwrap();
    let mut client = operator(&stage).await;
    let id = URL_SAFE_NO_PAD.encode(standing.id());
    let page = client.get(&format!("/admin/senders/{id}")).await.body;
    assert!(page.contains(">Freed<") || page.contains("Freed</bdi>"), "{page}");
    assert!(!page.contains("Kept</bdi>"), "{page}");
}

//! Appeals as administrators meet them: the queue, the decision, whose it is,
//! and what time does.

use axum::http::StatusCode;
use reprieve::account::{Login, Role};
use reprieve::appeal::{Appeal, Claimed, Decider, Scope, State as Stands, Tab, Terms};
use reprieve::clock::SignedDuration;
use reprieve::directory::{Pattern, Rule, RuleAction};
use reprieve::mail::Message;
use reprieve::quarantine::{Held, State};
use reprieve::queue::Item;
use reprieve::reputation::Proofs;
use reprieve::store::{Batch, Row};
use uuid::Uuid;

use crate::client::Client;
use crate::decisions::with_body;
use crate::stage::{Stage, address, recipient};
use crate::{console, organisation};

const LETTER: &str = "From: Kari Katto <kari@katto.example>\nSubject: Offers, issue 1\n\
    List-Id: <offers.katto.example>\nList-Unsubscribe: <https://katto.example/u>\n\nSocks.\n";

/// Holds an issue of the newsletter.
pub async fn issue(stage: &Stage, change: impl FnOnce(&mut Held)) -> Uuid {
    let (id, _) = stage.hold(change).await;
    with_body(stage, id, LETTER).await;
    id
}

fn claimed() -> Claimed {
    Claimed {
        who: "Katto Oy".to_owned(),
        what: "<b>Offers</b>".to_owned(),
        why: "They ordered".to_owned(),
        agreed: "Double opt-in".to_owned(),
        how_many: 1200,
    }
}

pub async fn apply(stage: &Stage, id: Uuid) -> Appeal {
    let held = stage.releases.held(id).await.unwrap().unwrap();
    stage.appeals.apply(&held, &claimed()).await.unwrap()
}

fn page_of(appeal: &Appeal) -> String {
    format!("/admin/appeals/{}", appeal.id)
}

const GRANT: [(&str, &str); 4] =
    [("scope", "campaign"), ("days", "30"), ("volume", "500"), ("reason", "They asked for it.")];

fn admin_of(ids: &[&str]) -> Role {
    Role::OrganisationAdmin(ids.iter().map(|id| organisation(id)).collect())
}

/// Serves a second organisation, other.example.
fn serve_other(stage: &Stage) {
    let mut other = crate::stage::organisation();
    other.id = organisation("other");
    other.domains = vec![reprieve::mail::Domain::parse("other.example").unwrap()];
    stage.directory.replace(vec![crate::stage::organisation(), other]).unwrap();
}

fn to_other(held: &mut Held) {
    let mut copy = recipient("bo@other.example", true, held.received_at);
    copy.organisation = organisation("other");
    held.recipients = vec![copy];
}

fn to_both(held: &mut Held) {
    let own = held.recipients[0].clone();
    to_other(held);
    held.recipients.push(own);
}

async fn stands(stage: &Stage, appeal: &Appeal) -> Appeal {
    stage.appeals.find(appeal.id).await.unwrap()
}

#[tokio::test]
async fn a_grant_says_beforehand_what_it_delivers_and_does_that() {
    let stage = console().await;
    stage.rule(Rule {
        sender: Pattern::Address(address("kari@katto.example")),
        recipient: Some(address("bo@example.fi")),
        action: RuleAction::Block,
    });
    let first = issue(&stage, |held| {
        held.recipients.push(recipient("bo@example.fi", true, held.received_at));
    })
    .await;
    let second = issue(&stage, |_| {}).await;
    let (other, _) = stage.hold(|_| {}).await;
    with_body(&stage, other, "From: Kari <kari@katto.example>\nSubject: Roof\n\nRepair.\n").await;
    let appeal = apply(&stage, first).await;

    let mut anna = Client::enter(&stage, "anna", Role::Operator).await;
    let overview = anna.get("/admin").await.body;
    assert!(overview.contains("One appeal waits for a decision"), "{overview}");
    let list = anna.get("/admin/appeals").await.body;
    assert!(list.contains(&page_of(&appeal)) && list.contains("1200"), "{list}");
    let page = anna.get(&page_of(&appeal)).await.body;
    for part in [
        "Double opt-in",
        "&lt;b&gt;Offers&lt;/b&gt;",
        "offers.katto.example",
        "Held messages: 3 (copies: 4).",
        "2 held copies are delivered at once.",
        "3 held copies are delivered at once.",
        "One is not: its recipient or organisation blocks the sender.",
    ] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    assert_eq!(stage.states(first).await, [State::Held, State::Held], "a look changes nothing");

    let done = anna.post(&format!("{}/grant", page_of(&appeal)), &GRANT).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.body);
    assert_eq!(stage.states(first).await, [State::Releasing, State::Held], "bo blocks him");
    assert_eq!(stage.states(second).await, [State::Releasing]);
    assert_eq!(stage.states(other).await, [State::Held], "another campaign");
    assert!(!stands(&stage, &appeal).await.freeing);
    let audit = stage.console.accounts.audit().page(&[], 100).await.unwrap();
    let entry = audit.iter().find(|one| one.what == "grant-appeal").unwrap();
    assert_eq!((entry.who.as_str(), entry.before.as_str()), ("anna", "received"));
    assert!(entry.after.starts_with("granted: campaign, until 2026-12-"), "{}", entry.after);
    assert_eq!(entry.why, "They asked for it.");
    assert_eq!(audit.iter().filter(|one| one.what == "release").count(), 2);
    assert!(anna.get("/admin/appeals?state=closed").await.body.contains(&page_of(&appeal)));
    assert!(anna.get("/admin/appeals").await.body.contains("No appeal waits"));
}

#[tokio::test]
async fn who_decides_second_is_told_who_was_first() {
    let stage = console().await;
    let appeal = apply(&stage, issue(&stage, |_| {}).await).await;
    let mut anna = Client::enter(&stage, "anna", Role::Operator).await;
    let mut bo = Client::enter(&stage, "bo", admin_of(&["example"])).await;
    for client in [&mut anna, &mut bo] {
        client.get(&page_of(&appeal)).await;
    }
    let deny = format!("{}/deny", page_of(&appeal));
    let empty = anna.post(&deny, &[("reason", " ")]).await;
    assert_eq!(empty.status, StatusCode::UNPROCESSABLE_ENTITY);
    let denied = anna.post(&deny, &[("reason", "Nobody ordered it.")]).await;
    assert_eq!(denied.status, StatusCode::SEE_OTHER, "{}", denied.body);
    let late = bo.post(&format!("{}/grant", page_of(&appeal)), &GRANT).await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    assert!(late.body.contains("<bdi>anna</bdi> was faster"), "{}", late.body);
    assert!(late.body.contains("Nobody ordered it."), "{}", late.body);
    assert_eq!(stands(&stage, &appeal).await.state, Stands::Denied);
}

#[tokio::test]
async fn a_refused_form_keeps_what_was_typed() {
    let stage = console().await;
    let appeal = apply(&stage, issue(&stage, |_| {}).await).await;
    let mut anna = Client::enter(&stage, "anna", Role::Operator).await;
    anna.get(&page_of(&appeal)).await;
    let grant = format!("{}/grant", page_of(&appeal));
    for days in ["0", "ten", "1101", "65535", "99999", ""] {
        let fields =
            [("scope", "identity"), ("days", days), ("volume", "77"), ("reason", "Typed text")];
        let refused = anna.post(&grant, &fields).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{days}");
        assert!(refused.body.contains("value=\"Typed text\""), "{}", refused.body);
        assert!(refused.body.contains("value=\"77\"") && refused.body.contains("1,100 days"));
        assert!(refused.body.contains("value=\"identity\" required checked"), "{}", refused.body);
    }
    assert_eq!(stands(&stage, &appeal).await.state, Stands::Received);
}

#[tokio::test]
async fn a_question_is_answered_and_gives_time() {
    let stage = console().await;
    let appeal = apply(&stage, issue(&stage, |_| {}).await).await;
    let mut anna = Client::enter(&stage, "anna", Role::Operator).await;
    anna.get(&page_of(&appeal)).await;
    stage.clock.advance(SignedDuration::from_hours(6 * 24));
    let ask = format!("{}/ask", page_of(&appeal));
    let asked = anna.post(&ask, &[("question", "Since when?")]).await;
    assert_eq!(asked.location(), "/admin/login", "the session is over");
    let mut anna = Client::enter(&stage, "anna2", Role::Operator).await;
    anna.get(&page_of(&appeal)).await;
    anna.post(&ask, &[("question", "Since when?")]).await;
    let asked = stands(&stage, &appeal).await;
    assert_eq!(asked.state, Stands::Asked);
    assert!(asked.deadline > appeal.deadline, "he has time to answer");
    let waiting = anna.get("/admin/appeals?state=question").await.body;
    assert!(waiting.contains(&page_of(&appeal)), "{waiting}");
    assert_eq!(stage.appeals.grants().waiting(None), 0, "nobody of us has to act");
    stage.appeals.answer(appeal.id, "Since <May>").await.unwrap();
    let page = anna.get(&page_of(&appeal)).await.body;
    assert!(page.contains("Since when?") && page.contains("Since &lt;May&gt;"), "{page}");
    assert_eq!(stage.appeals.grants().waiting(None), 1);
}

#[tokio::test]
async fn a_04_an_organisation_decides_for_itself_alone() {
    let stage = console().await;
    serve_other(&stage);
    let own = issue(&stage, |_| {}).await;
    let appeal = apply(&stage, own).await;
    let mut kim = Client::enter(&stage, "kim", admin_of(&["other"])).await;
    assert!(!kim.get("/admin/appeals").await.body.contains(&page_of(&appeal)));
    assert_eq!(kim.get(&page_of(&appeal)).await.status, StatusCode::FORBIDDEN);
    kim.get("/admin/account").await;
    for act in ["ask", "grant", "deny"] {
        let answer = kim.post(&format!("{}/{act}", page_of(&appeal)), &GRANT).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{act}");
    }
    let audit = stage.console.accounts.audit().page(&[], 100).await.unwrap();
    assert!(audit.iter().any(|one| one.what == "refused" && one.who == "kim"));

    // All mail of the identity, but for his own organisation.
    let theirs = issue(&stage, to_other).await;
    let mut bo = Client::enter(&stage, "bo", admin_of(&["example"])).await;
    let page = bo.get(&page_of(&appeal)).await.body;
    assert!(page.contains("It counts for your own organisations only."), "{page}");
    assert!(page.contains("One is not: another organisation decides about it."), "{page}");
    let mut fields = GRANT;
    fields[0] = ("scope", "identity");
    let done = bo.post(&format!("{}/grant", page_of(&appeal)), &fields).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.body);
    assert_eq!(stage.states(own).await, [State::Releasing]);
    assert_eq!(stage.states(theirs).await, [State::Held]);
    let held = stage.releases.held(theirs).await.unwrap().unwrap();
    let next = Message::new(b"From: kari@katto.example\r\nSubject: x\r\n\r\n".to_vec().into());
    let granted = || stage.appeals.grants().covering(&held.sender(), &next, stage.clock.now());
    assert!(granted()[0].counts_for(&organisation("example")));
    assert!(!granted()[0].counts_for(&organisation("other")));

    // For the other organisation he may ask anew, and the first grant stays.
    assert_eq!(stage.appeals.of_held(&held).await.unwrap(), None);
    let anew = apply(&stage, theirs).await;
    assert_eq!((anew.id, anew.earlier.len()), (appeal.id, 1));
    assert_eq!(granted().len(), 1);
    let mut pat = Client::enter(&stage, "pat", admin_of(&["other"])).await;
    pat.get(&page_of(&anew)).await;
    pat.post(&format!("{}/grant", page_of(&anew)), &GRANT).await;
    assert_eq!(stage.states(theirs).await, [State::Releasing]);
    let campaign = Message::new(LETTER.replace('\n', "\r\n").into_bytes().into());
    let both = stage.appeals.grants().covering(&held.sender(), &campaign, stage.clock.now());
    for id in ["example", "other"] {
        assert!(both.iter().any(|one| one.counts_for(&organisation(id))), "{id}");
    }
}

#[tokio::test]
async fn what_concerns_two_organisations_is_the_operator_s() {
    let stage = console().await;
    serve_other(&stage);
    let id = issue(&stage, to_both).await;
    let appeal = apply(&stage, id).await;
    let mut bo = Client::enter(&stage, "bo", admin_of(&["example"])).await;
    let page = bo.get(&page_of(&appeal)).await.body;
    assert!(page.contains("an operator decides about it"), "{page}");
    assert!(page.contains("and other organisations") && !page.contains(">other<"), "{page}");
    let answer = bo.post(&format!("{}/grant", page_of(&appeal)), &GRANT).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(stage.states(id).await, [State::Held, State::Held]);
    let mut both = Client::enter(&stage, "both", admin_of(&["example", "other"])).await;
    both.get(&page_of(&appeal)).await;
    both.post(&format!("{}/grant", page_of(&appeal)), &GRANT).await;
    assert_eq!(stage.states(id).await, [State::Releasing, State::Releasing]);
}

#[tokio::test]
async fn who_proved_nothing_is_granted_the_held_message_alone() {
    let stage = console().await;
    let id = issue(&stage, |held| held.proofs = Proofs::NONE).await;
    let appeal = apply(&stage, id).await;
    let mut anna = Client::enter(&stage, "anna", Role::Operator).await;
    let page = anna.get(&page_of(&appeal)).await.body;
    assert!(!page.contains("value=\"identity\"") && page.contains("only the held message"));
    let mut fields = GRANT;
    fields[0] = ("scope", "identity");
    let refused = anna.post(&format!("{}/grant", page_of(&appeal)), &fields).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    anna.post(&format!("{}/grant", page_of(&appeal)), &GRANT).await;
    assert_eq!(stage.states(id).await, [State::Releasing]);
}

#[tokio::test]
async fn a_05_auditors_read_and_decide_nothing() {
    let stage = console().await;
    let appeal = apply(&stage, issue(&stage, |_| {}).await).await;
    let mut auditor = Client::enter(&stage, "au", Role::Auditor).await;
    let page = auditor.get(&page_of(&appeal)).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("Double opt-in") && !page.body.contains("/grant"));
    for act in ["ask", "grant", "deny"] {
        let answer = auditor.post(&format!("{}/{act}", page_of(&appeal)), &GRANT).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{act}");
    }
}

#[tokio::test]
async fn what_nobody_decides_expires_and_is_forgotten_in_time() {
    let stage = console().await;
    let id = issue(&stage, |_| {}).await;
    let appeal = apply(&stage, id).await;
    let held = stage.releases.held(id).await.unwrap().unwrap();
    let days = |days: i64| SignedDuration::from_hours(24 * days);
    stage.clock.advance(days(7) - SignedDuration::from_secs(1));
    assert_eq!(stage.appeals.step().await.unwrap(), 0);
    stage.clock.advance(SignedDuration::from_secs(2));
    assert_eq!(stage.appeals.step().await.unwrap(), 1);
    assert_eq!(stands(&stage, &appeal).await.state, Stands::Expired);
    let audit = stage.console.accounts.audit().page(&[], 10).await.unwrap();
    assert_eq!((audit[0].who.as_str(), audit[0].what.as_str()), ("system", "expire-appeal"));
    assert_eq!(stage.appeals.of_held(&held).await.unwrap(), None, "he may ask anew");
    let anew = apply(&stage, id).await;
    let by = Decider { who: "anna".to_owned(), client: None, organisations: None };
    let until = stage.clock.now() + days(500);
    let terms = Terms { scope: Scope::Campaign, until, volume: 10 };
    stage.appeals.grant(&by, anew.id, "", terms).await.unwrap();
    stage.clock.advance(days(450));
    assert_eq!(stage.appeals.step().await.unwrap(), 0, "its grant still runs");
    stage.clock.advance(days(51));
    assert_eq!(stage.appeals.step().await.unwrap(), 1);
    let left = stage.appeals.page(Tab::Closed, None, &[], 10).await.unwrap().appeals;
    assert_eq!(left, []);
    let row: Option<Row<Appeal>> = stage.store.find(appeal.id.as_bytes()).await.unwrap();
    assert!(row.is_none());
}

#[tokio::test]
async fn administrators_are_told_once_a_day_at_most() {
    let stage = console().await;
    for (login, role) in
        [("anna", Role::Operator), ("bo", admin_of(&["other"])), ("au", Role::Auditor)]
    {
        let mut client = Client::enter(&stage, login, role.clone()).await;
        client.get("/admin/account").await;
        let fields = [("address", format!("{login}@example.fi"))];
        let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
        let kept = client.post("/admin/account/address", &fields).await;
        let may = role != Role::Auditor;
        assert_eq!(kept.status == StatusCode::SEE_OTHER, may, "{login} {}", kept.status);
    }
    let anna = stage.console.accounts.find(&Login::parse("anna").unwrap()).await.unwrap().unwrap();
    assert_eq!(anna.address, Some(address("anna@example.fi")));
    let letters = async || {
        let rows = stage.store.page::<Item>(&[], 100).await.unwrap();
        rows.into_iter().map(|row| row.record.recipients[0].address.to_string()).collect::<Vec<_>>()
    };
    stage.appeals.step().await.unwrap();
    assert!(letters().await.is_empty(), "nothing waits");
    let appeal = apply(&stage, issue(&stage, |_| {}).await).await;
    stage.appeals.step().await.unwrap();
    stage.appeals.step().await.unwrap();
    assert_eq!(letters().await, ["anna@example.fi"], "bo's organisation is not concerned");
    let bytes = stage.store.page::<Item>(&[], 1).await.unwrap()[0].record.body;
    let letter = stage.store.body(bytes).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&letter).into_owned();
    assert!(text.contains("https://mail.example/admin/appeals"), "{text}");
    stage.clock.advance(SignedDuration::from_hours(23));
    stage.appeals.answer(appeal.id, "Please!").await.unwrap();
    stage.appeals.step().await.unwrap();
    assert_eq!(letters().await.len(), 1, "news, but not today");
    stage.clock.advance(SignedDuration::from_hours(2));
    stage.appeals.step().await.unwrap();
    assert_eq!(letters().await.len(), 2, "bundled into the next day's");
    stage.clock.advance(SignedDuration::from_hours(48));
    stage.appeals.step().await.unwrap();
    assert_eq!(letters().await.len(), 2, "no news, no letter");
    let left = stands(&stage, &appeal).await.deadline.duration_since(stage.clock.now());
    stage.clock.advance(left - SignedDuration::from_hours(20));
    stage.appeals.step().await.unwrap();
    assert_eq!(letters().await.len(), 3, "a reminder before the deadline");
}

#[tokio::test]
async fn a_crash_between_grant_and_freeing_ends_nothing() {
    let stage = console().await;
    let id = issue(&stage, |_| {}).await;
    let appeal = apply(&stage, id).await;
    let by = Decider { who: "anna".to_owned(), client: None, organisations: None };
    let until = stage.clock.now() + SignedDuration::from_hours(24);
    let terms = Terms { scope: Scope::Campaign, until, volume: 10 };
    stage.appeals.grant(&by, appeal.id, "", terms).await.unwrap();
    // What a crash would have left.
    let late = issue(&stage, |_| {}).await;
    let row: Row<Appeal> = stage.store.find(appeal.id.as_bytes()).await.unwrap().unwrap();
    let mut batch = Batch::new();
    batch.update(&row, &Appeal { freeing: true, ..row.record.clone() });
    stage.store.commit(batch).await.unwrap();
    stage.appeals.fill().await.unwrap();
    stage.appeals.step().await.unwrap();
    assert_eq!(stage.states(late).await, [State::Releasing]);
    assert!(!stands(&stage, &appeal).await.freeing);
}

#[tokio::test]
async fn appeals_are_found_by_what_they_say() {
    let stage = console().await;
    let first = issue(&stage, |_| {}).await;
    let mine = apply(&stage, first).await;
    let mut anna = Client::enter(&stage, "anna", Role::Operator).await;
    let row = page_of(&mine);
    for (asked, is_found) in [
        ("q=OPT-IN", true),
        ("q=kari@katto", true),
        ("q=7k2m-9qxd", true),
        ("q=nowhere", false),
        ("q=opt-in&state=closed", false),
    ] {
        let page = anna.get(&format!("/admin/appeals?{asked}")).await.body;
        assert_eq!(page.contains(&row), is_found, "{asked}");
    }
    anna.post(&format!("{row}/deny"), &[("reason", "Nobody asked for Socks.")]).await;
    let page = anna.get("/admin/appeals?state=closed&q=socks").await.body;
    assert!(page.contains(&row), "by the decision's reason");
}

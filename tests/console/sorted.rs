//! Lists that need no arena: the queue, the audit, appeals, accounts, tokens.
//! Each from either end, a page at a time, with the order in its addresses.

use axum::http::{Method, StatusCode};
use reprieve::account::token::Scope;
use reprieve::account::{Entry, Login, Role};
use reprieve::clock::SignedDuration;
use reprieve::mail::ReversePath;
use reprieve::queue::{Draft, ItemState, Kind};
use reprieve::store::Batch;
use uuid::Uuid;

use crate::api::{ask, token};
use crate::appeals::{apply, issue};
use crate::client::Client;
use crate::console;
use crate::stage::{Stage, address};

/// Rows of one page.
const ROWS: usize = 50;

/// Which of the names stand on a page, in their order there.
fn order(page: &str, names: &[&str]) -> String {
    let page = page.split("<tbody>").nth(1).unwrap_or("");
    let mut all: Vec<(usize, &str)> =
        names.iter().filter_map(|name| page.find(*name).map(|at| (at, *name))).collect();
    all.sort_unstable();
    all.into_iter().map(|(_, name)| name).collect::<Vec<_>>().join(" ")
}

/// Where the page's link to the next one leads.
fn next(page: &str) -> Option<String> {
    let link = page.split("rel=\"next\" href=\"").nth(1)?;
    Some(link.split('"').next()?.replace("&amp;", "&"))
}

/// An item to `name@far.example`, the `nth` by age.
pub async fn enqueue(stage: &Stage, nth: u128, name: &str, due: i64, kept: Option<i64>) {
    let hours = |hours| stage.clock.now() + SignedDuration::from_hours(hours);
    let mut item = stage.console.queue.draft(Draft {
        kind: Kind::Letter,
        held: Uuid::nil(),
        body: Uuid::nil(),
        mail_from: ReversePath::Null,
        recipients: vec![(address(&format!("{name}@far.example")), 0)],
        trace: String::new(),
        eight_bit: false,
        smtputf8: false,
        due_at: hours(due),
    });
    item.id = Uuid::from_u128(nth);
    if let Some(kept) = kept {
        item.recipients[0].state = ItemState::Failed;
        item.kept_until = Some(hours(kept));
    }
    let mut batch = Batch::new();
    batch.insert(&item);
    stage.store.commit(batch).await.unwrap();
}

#[tokio::test]
async fn the_queue_is_sorted_by_age_and_by_what_comes_next() {
    const NAMES: [&str; 5] = ["aino", "bertta", "cecilia", "daavid", "eero"];
    let stage = console().await;
    let all = [(3, None), (1, None), (2, None), (0, Some(9)), (0, Some(8))];
    for (nth, (name, (due, kept))) in (1..).zip(NAMES.into_iter().zip(all)) {
        enqueue(&stage, nth, name, due, kept).await;
    }
    let mut anna = Client::enter(&stage, "anna", Role::Operator).await;
    for (asked, expected) in [
        ("", "aino bertta cecilia daavid eero"),
        ("?sort=latest", "eero daavid cecilia bertta aino"),
        ("?state=waiting", "bertta cecilia aino"),
        ("?state=waiting&sort=due-last", "aino cecilia bertta"),
        ("?state=failed", "eero daavid"),
        ("?state=failed&sort=due-last", "daavid eero"),
        ("?state=failed&sort=nonsense", "eero daavid"),
    ] {
        let page = anna.get(&format!("/admin/queue{asked}")).await.body;
        assert_eq!(order(&page, &NAMES), expected, "{asked}");
        assert_eq!(page.matches("aria-sort=").count(), 1, "{asked}: one head says how");
    }
    let page = anna.get("/admin/queue?state=waiting").await.body;
    assert!(page.contains("state=waiting&amp;sort=due-last"), "the head leads to the other way");
    let page = anna.get("/admin/queue?state=waiting&sort=due-last").await.body;
    assert!(page.contains("href=\"/admin/queue?state=failed\""), "another list has its own order");
}

/// What failed was shown up to a page, and the rest nowhere.
#[tokio::test]
async fn all_that_failed_is_shown_page_by_page() {
    let stage = console().await;
    for nth in 0..ROWS + 10 {
        let kept = i64::try_from(nth).unwrap() + 1;
        enqueue(&stage, nth as u128 + 1, &format!("n{nth}x"), 0, Some(kept)).await;
    }
    let mut anna = Client::enter(&stage, "anna", Role::Operator).await;
    for (asked, last) in [("", "n59x"), ("&sort=due-last", "n0x")] {
        let page = anna.get(&format!("/admin/queue?state=failed{asked}")).await.body;
        assert_eq!(page.matches("<tr>").count(), 1 + ROWS);
        let rest = next(&page).unwrap_or_else(|| panic!("{page}"));
        assert!(rest.contains("state=failed"), "{rest}");
        let page = anna.get(&rest).await.body;
        assert_eq!(page.matches("<tr>").count(), 1 + 10, "{rest}");
        assert!(page.contains(last) && next(&page).is_none());
    }
}

#[tokio::test]
async fn the_audit_is_sorted_from_either_end() {
    let stage = console().await;
    let audit = stage.console.accounts.audit();
    let total = ROWS + 10;
    for nth in 0..total {
        audit.note(Entry::new("test", &format!("deed-{nth:03}"))).await.unwrap();
        stage.clock.advance(SignedDuration::from_secs(1));
    }
    let mut anna = Client::enter(&stage, "anna", Role::Operator).await;
    let names: Vec<String> = (0..total).map(|nth| format!("deed-{nth:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut at = Some("/admin/audit?q=deed&sort=oldest".to_owned());
    let mut seen = Vec::new();
    while let Some(path) = at {
        let page = anna.get(&path).await.body;
        assert!(page.contains("aria-sort=\"ascending\""), "{path}");
        seen.extend(order(&page, &names).split(' ').map(str::to_owned));
        at = next(&page);
    }
    assert_eq!(seen, names);
    let page = anna.get("/admin/audit?q=deed").await.body;
    let back: Vec<&str> = names.iter().rev().take(ROWS).copied().collect();
    assert_eq!(order(&page, &names), back.join(" "), "the latest first, as ever");
    assert!(page.contains("q=deed&amp;sort=oldest"), "the head leads there");
    let first = anna.get("/admin/audit.csv?q=deed&sort=oldest").await.body;
    assert!(first.lines().nth(1).unwrap().contains("deed-000"), "the export too");
}

/// It is sent piece by piece.
#[tokio::test]
async fn an_export_of_the_audit_is_whole() {
    let stage = console().await;
    let audit = stage.console.accounts.audit();
    for nth in 0..25 {
        let mut batch = Batch::new();
        for of in 0..100 {
            audit.record(&mut batch, Entry::new("test", &format!("deed-{nth:02}{of:02}")));
        }
        stage.store.commit(batch).await.unwrap();
    }
    let mut anna = Client::enter(&stage, "anna", Role::Operator).await;
    let file = anna.get("/admin/audit.csv?q=deed").await.body;
    assert_eq!(file.matches("time,who,what").count(), 1, "one heading");
    let mut deeds: Vec<&str> =
        file.lines().skip(1).map(|line| line.split(',').nth(2).unwrap()).collect();
    deeds.sort_unstable();
    deeds.dedup();
    assert_eq!((file.lines().count(), deeds.len()), (2501, 2500));
}

/// Walks a list through the links of its pages; answers its names as they
/// stand there.
async fn walk(client: &mut Client<'_>, path: &str, names: &[&str]) -> Vec<String> {
    let (mut at, mut seen) = (Some(path.to_owned()), Vec::new());
    while let Some(path) = at {
        let page = client.get(&path).await.body;
        assert!(page.matches("<tr>").count() <= 1 + ROWS, "{path}");
        seen.extend(order(&page, names).split(' ').map(str::to_owned));
        at = next(&page);
    }
    seen
}

#[tokio::test]
async fn accounts_are_paged_by_login_from_either_end() {
    let stage = console().await;
    let mut anna = Client::enter(&stage, "anna", Role::Operator).await;
    let by = Entry::new("console", "test");
    let names: Vec<String> = (0..ROWS + 10).map(|nth| format!("berta-{nth:03}")).collect();
    for name in &names {
        let login = Login::parse(name).unwrap();
        stage.console.accounts.add(&by, login, Role::Auditor).await.unwrap();
    }
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.insert(0, "<strong>anna");
    assert_eq!(walk(&mut anna, "/admin/accounts", &names).await, names);
    let backwards: Vec<&str> = names.iter().rev().copied().collect();
    let path = "/admin/accounts?sort=name-backwards";
    assert_eq!(walk(&mut anna, path, &names).await, backwards);
    let first = anna.get("/admin/accounts").await.body;
    assert!(first.contains("?sort=name-backwards") && first.contains("aria-sort=\"ascending\""));

    let token = token(&stage, "zoe", Role::Operator, Scope::Read).await;
    for (sort, begins) in [("", "anna"), ("name-backwards", "zoe")] {
        let (mut after, mut seen) = (String::new(), Vec::new());
        loop {
            let path = format!("/api/v1/accounts?limit=25&sort={sort}&after={after}");
            let answer = ask(&stage, Method::GET, &path, &token, &[]).await;
            let items = answer.body["items"].as_array().unwrap();
            assert!(items.len() <= 25);
            seen.extend(items.iter().map(|one| one["login"].as_str().unwrap().to_owned()));
            let Some(next) = answer.body["next"].as_str() else { break };
            next.clone_into(&mut after);
        }
        assert_eq!((seen.len(), &seen[0][..]), (names.len() + 1, begins), "{sort}");
        assert!(if sort.is_empty() { seen.is_sorted() } else { seen.iter().rev().is_sorted() });
    }
    let wrong = ask(&stage, Method::GET, "/api/v1/accounts?sort=age", &token, &[]).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn tokens_are_paged_by_age_from_either_end() {
    let stage = console().await;
    let mut anna = Client::enter(&stage, "anna", Role::Operator).await;
    let mut bo = Client::enter(&stage, "bo", Role::Auditor).await;
    let by = Entry::new("console", "test");
    let names: Vec<String> = (0..ROWS + 10).map(|nth| format!("night-{nth:03}")).collect();
    for (nth, name) in names.iter().enumerate() {
        let login = Login::parse(if nth % 20 == 0 { "bo" } else { "anna" }).unwrap();
        stage.clock.advance(SignedDuration::from_secs(1));
        let scope = (Scope::Read, 30);
        stage.console.accounts.make_token(&by, &login, name, scope).await.unwrap();
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let latest: Vec<&str> = names.iter().rev().copied().collect();
    assert_eq!(walk(&mut anna, "/admin/tokens", &names).await, latest);
    assert_eq!(walk(&mut anna, "/admin/tokens?sort=oldest", &names).await, names);
    let his = ["night-040", "night-020", "night-000"];
    assert_eq!(walk(&mut bo, "/admin/tokens", &names).await, his);
    assert_eq!(walk(&mut bo, "/admin/tokens?sort=oldest", &names).await.len(), 3);
}

#[tokio::test]
async fn appeals_are_sorted_by_deadline_and_by_sender() {
    const NAMES: [&str; 3] = ["mia", "aino", "zoe"];
    let stage = console().await;
    for name in NAMES {
        let id = issue(&stage, |held| {
            held.from_text = format!("{name} <{name}@far.example>");
            held.rfc5322_from = Some(address(&format!("{name}@far.example")));
        });
        apply(&stage, id.await).await;
        stage.clock.advance(SignedDuration::from_hours(1));
    }
    let mut anna = Client::enter(&stage, "anna", Role::Operator).await;
    for (asked, expected) in [
        ("", "mia aino zoe"),
        ("?sort=due-last", "zoe aino mia"),
        ("?sort=name", "aino mia zoe"),
        ("?sort=name-backwards", "zoe mia aino"),
        ("?sort=name&q=ZOE", "zoe"),
        ("?sort=name&q=double%20opt", "aino mia zoe"),
        ("?sort=name&state=question", ""),
        ("?sort=nonsense", "mia aino zoe"),
    ] {
        let page = anna.get(&format!("/admin/appeals{asked}")).await.body;
        assert_eq!(order(&page, &NAMES), expected, "{asked}");
    }
    let page = anna.get("/admin/appeals?sort=name").await.body;
    assert!(page.contains("sort=name-backwards"), "the head leads to the other way");
    let role = Role::OrganisationAdmin(vec![crate::organisation("other")]);
    let mut bo = Client::enter(&stage, "bo", role).await;
    let page = bo.get("/admin/appeals?sort=name").await.body;
    assert_eq!(order(&page, &NAMES), "", "another organisation's are not his to see");
}

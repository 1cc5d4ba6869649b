//! Numbers: findings that are taken down, and the page for everybody.

use axum::http::StatusCode;
use reprieve::account::Role;
use reprieve::clock::SignedDuration;
use reprieve::filter::catalogue::Weights;
use reprieve::filter::demotion::Demotions;
use reprieve::portal::Settings;
use reprieve::statistics::{Counts, hour_of};

use crate::client::Client;
use crate::stage::Stage;
use crate::{console, stopped};

#[tokio::test]
async fn a_finding_is_taken_down_with_one_click_and_back() {
    let stage = console().await;
    let demotions = Demotions::default();
    demotions.follow(&stage.store).await.unwrap();
    let filter = Weights::default().taken_down(demotions);
    let weight = || filter.finding("spf-softfail").weight;
    stage.hold(|_| {}).await;
    let mut anna = Client::enter(&stage, "anna", Role::Operator).await;
    let page = anna.get("/admin/statistics").await.body;
    assert!(page.contains("Halve: spf-softfail"), "{page}");
    assert!(!page.contains("Halve: first-contact"), "no check makes it, so nothing is offered");
    let halve = [("finding", "spf-softfail"), ("left", "50")];
    let done = anna.post("/admin/statistics/demote", &halve).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER);
    assert!((weight() - 1.5).abs() < 0.001, "the filter weighs it so at once: {}", weight());
    let page = anna.get("/admin/statistics").await.body;
    assert!(page.contains("taken down by anna") && page.contains("+1.5"), "{page}");
    let audit = stage.console.accounts.audit().page(&[], 10).await.unwrap();
    let entry = audit.iter().find(|one| one.what == "demote-finding").unwrap();
    assert_eq!((entry.who.as_str(), entry.about.as_str()), ("anna", "spf-softfail"));
    assert_eq!(entry.after, "50 % of its weight");
    anna.post("/admin/statistics/demote", &[("finding", "spf-softfail"), ("left", "100")]).await;
    assert!((weight() - 3.0).abs() < 0.001);
    for (finding, left) in [("nonsense", "50"), ("spf-softfail", "7"), ("spf-softfail", "")] {
        let fields = [("finding", finding), ("left", left)];
        let answer = anna.post("/admin/statistics/demote", &fields).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{finding} {left}");
    }
    let mut auditor = Client::enter(&stage, "au", Role::Auditor).await;
    let page = auditor.get("/admin/statistics").await.body;
    assert!(page.contains("spf-softfail") && !page.contains("/admin/statistics/demote"));
}

#[tokio::test]
async fn the_public_numbers_are_off_unless_wanted_and_name_nobody() {
    let stage = console().await;
    let answer = Client::new(&stage).get("/stats").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let settings = Settings { statistics: true, ..Settings::default() };
    let stage = Stage::with("https://mail.example", stopped(), settings, |_| {});
    stage.hold(|_| {}).await;
    let now = hour_of(stage.clock.now());
    let counts = Counts { held: 30, rejected: 60, destroyed: 10, released: 6, delivered: 5 };
    stage.console.statistics.add(now, counts).await.unwrap();
    stage.clock.advance(SignedDuration::from_hours(24));
    let answer = Client::new(&stage).get("/stats").await;
    assert_eq!(answer.status, StatusCode::OK);
    for part in ["30 (30 %)", "60 (60 %)", "6 (6 %)", "class=\"chart\""] {
        assert!(answer.body.contains(part), "{part} is not in {}", answer.body);
    }
    for name in ["katto", "anna@", "Example Oy", "example.fi"] {
        assert!(!answer.body.contains(name), "{name}");
    }
}

/// What somebody should look at stands first on the overview, and leads there.
#[tokio::test]
async fn the_overview_says_what_of_delivery_blocking_needs_a_decision() {
    let stage = console().await;
    let mut anna = Client::enter(&stage, "anna", Role::Operator).await;
    let page = anna.get("/admin").await.body;
    assert!(page.contains("Nothing needs a decision"), "{page}");
    reprieve::demo::blocking::furnish(&stage.console.suppression).await.unwrap();
    let page = anna.get("/admin").await.body;
    let needs = page.split("class=\"needs\"").nth(1).unwrap().split("</ul>").next().unwrap();
    for (says, leads) in [
        ("right to download", "/admin/blocking/0/downloads"),
        ("carrier.example", "/admin/blocking/1/distribution"),
    ] {
        assert!(needs.contains(says) && needs.contains(leads), "{says}: {needs}");
    }
    let mut own = Client::enter(&stage, "own", Role::OrganisationAdmin(Vec::new())).await;
    assert!(!own.get("/admin").await.body.contains("carrier.example"));
}

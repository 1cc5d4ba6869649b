//! The recipient's story: the digest, the page behind its link, delivery for
//! herself alone, the report of a delivered message, and its end.

use super::*;

/// The first link to `path` in a mail of ours, decoded.
pub fn link_to(arrived: &Arrived, path: &str) -> String {
    let parsed = mail_parser::MessageParser::default().parse(arrived.message.bytes().as_ref());
    let text = parsed.as_ref().and_then(|one| one.body_text(0)).unwrap_or_default();
    let words = text.split_whitespace();
    let link = words.into_iter().find(|word| word.starts_with("http://") && word.contains(path));
    link.unwrap_or_else(|| panic!("no {path} in {text}")).to_owned()
}

impl House {
    pub async fn letter_to(&self, recipient: &str, subject: &str) -> Arrived {
        let is_it = |one: &Arrived| {
            one.rcpt_to.iter().any(|to| to == recipient)
                && one.message.text("Subject").is_some_and(|text| text.contains(subject))
        };
        let arrival = tokio::time::timeout(PATIENCE, self.outside.wait_for(is_it));
        arrival.await.unwrap_or_else(|_| panic!("no letter {subject:?} to {recipient}"))
    }

    pub async fn digest(&self, to: &str) -> bool {
        let errand = reprieve::gateway::Errand::Digest { to: to.to_owned() };
        let gateway = self.gateway.as_ref().expect("it runs");
        gateway.errands().run(errand).await.unwrap()["sent"].as_bool().unwrap()
    }

    /// Submits the form at the end of `action`, as a person does: not at once.
    pub async fn submit(&self, browser: &mut Browser, link: &str, action: &str) -> Page {
        let page = browser.open(link).await.unwrap();
        let form = page.form(link, action);
        let form = form.unwrap_or_else(|| panic!("no form {action}: {}", page.words()));
        self.clock.advance(SignedDuration::from_secs(5));
        browser.submit(&form.url, &form.hidden).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_leads_to_delivery_and_a_report_ends_the_sender_s_trust() {
    let house = House::new().await;
    let message = mail("eva@stranger.example", "wanted", "The minutes, as promised.");
    house.send("eva@stranger.example", &["anna@ours.example"], &message).await;
    assert!(house.digest("anna@ours.example").await, "there is something to tell");
    assert!(!house.digest("anna@ours.example").await, "and only once");
    assert!(!house.digest("nobody@ours.example").await);

    let digest = house.letter_to("anna@ours.example", "held for you").await;
    let link = link_to(&digest, "/d/");
    assert!(link.ends_with("/deliver"), "{link}");
    let show = link.trim_end_matches("/deliver");
    let page = Browser::default().open(show).await.unwrap();
    assert!(page.words().contains("The minutes, as promised."), "{}", page.words());
    for _ in 0..3 {
        Browser::default().open(&link).await.unwrap();
    }
    assert_eq!(house.copies(&message), 0, "opening a link delivers nothing");
    house.submit(&mut Browser::default(), &link, "deliver").await;
    let arrived = house.arrives("anna@ours.example", &message).await;

    let report = arrived.message.text("Reprieve-Report").expect("a way to report it");
    let report = report.trim_matches(['<', '>', ' ']);
    house.submit(&mut Browser::default(), report, "").await;
    let again = mail("eva@stranger.example", "second", "More of it.");
    let answer = house.send("eva@stranger.example", &["anna@ours.example"], &again).await;
    assert_eq!(answer.code, 550, "{}", answer.text);
    assert!(answer.text.contains("does not accept"), "{}", answer.text);
    assert!(!house.digest("anna@ours.example").await, "blocked senders never appear");

    house.submit(&mut Browser::default(), report, "undo").await;
    let third = mail("eva@stranger.example", "third", "And more.");
    let answer = house.send("eva@stranger.example", &["anna@ours.example"], &third).await;
    assert!(link_in(&answer.text).is_some(), "undone: held with a link again: {}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn her_own_page_needs_the_link_that_is_mailed_to_her() {
    let house = House::new().await;
    let message = mail("eva@stranger.example", "page", "For your page.");
    house.send("eva@stranger.example", &["anna@ours.example"], &message).await;
    let base = format!("http://{}", house.gateway.as_ref().unwrap().portal);
    let me = format!("{base}/me");
    let mut browser = Browser::default();
    let page = browser.open(&me).await.unwrap();
    assert!(!page.words().contains("Story page"), "nobody is signed in");
    let form = page.form(&me, "me").expect("a form that asks for the link");
    browser.submit(&form.url, &form.with("address", "anna@ours.example")).await.unwrap();
    let letter = house.letter_to("anna@ours.example", "Open your page").await;
    let link = link_to(&letter, "/me/");
    let page = house.submit(&mut browser, &link, "").await;
    assert!(page.words().contains("Story page"), "{}", page.words());
    assert!(Browser::default().open(&me).await.unwrap().form(&me, "me").is_some());

    let path = page.body.split("href=\"/me/held/").nth(1).unwrap().split('"').next().unwrap();
    let one = format!("{base}/me/held/{path}");
    let page = browser.open(&one).await.unwrap();
    assert!(page.words().contains("For your page."), "{}", page.words());
    let stranger = Browser::default().open(&one).await.unwrap();
    assert!(!stranger.words().contains("For your page."), "only with her session");

    house.submit(&mut browser, &format!("{one}/block"), "block").await;
    let page = browser.open(&me).await.unwrap();
    assert!(!page.words().contains("Story page"), "a block leaves the list");
    let answer = house
        .send(
            "eva@stranger.example",
            &["anna@ours.example"],
            b"From: <eva@stranger.example>\r\n\r\nx\r\n",
        )
        .await;
    assert_eq!(answer.code, 550, "refused at RCPT");

    house.submit(&mut browser, &format!("{base}/me/settings"), "leave").await;
    let page = browser.open(&me).await.unwrap();
    assert!(page.form(&me, "me").is_some(), "signed out");
}

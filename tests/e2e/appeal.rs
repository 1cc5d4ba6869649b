//! The mass mailer's story: his newsletter is held, he asks, a person decides;
//! and two who decide at once.

use reprieve::gateway::Errand;
use serde_json::Value;

use super::recipient::link_to;
use super::*;

fn newsletter(issue: u32) -> Vec<u8> {
    format!(
        "From: Shop <news@proved.example>\r\nTo: <anna@ours.example>\r\n\
         Subject: Offers, issue {issue}\r\nDate: Mon, 23 Nov 2026 02:00:00 +0000\r\n\
         Message-ID: <n{issue}@proved.example>\r\nList-Id: Offers <offers.proved.example>\r\n\
         List-Unsubscribe: <https://proved.example/u>\r\n\
         List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nPrecedence: bulk\r\n\r\n\
         Socks for everybody, issue {issue}.\r\n"
    )
    .into_bytes()
}

impl House {
    async fn decide(&self, errand: Errand) -> Result<Value, String> {
        self.gateway.as_ref().expect("it runs").errands().run(errand).await
    }

    /// Sends an issue that is held, and answers the appeal's address.
    async fn appeal_page(&self, issue: u32, to: &[&str]) -> (Vec<u8>, String) {
        let message = newsletter(issue);
        let answer = self.send("news@proved.example", to, &message).await;
        assert_eq!(answer.code, 550, "{}", answer.text);
        let link = link_in(&answer.text).unwrap().to_owned();
        let page = Browser::default().open(&link).await.unwrap();
        let path = page.body.split("href=\"/a/").nth(1).unwrap_or_else(|| panic!("{}", page.body));
        let base = link.split("/r/").next().unwrap();
        (message, format!("{base}/a/{}", path.split('"').next().unwrap()))
    }

    async fn apply(&self, at: &str) -> Page {
        let mut browser = Browser::default();
        let page = browser.open(at).await.unwrap();
        let form = page.form(at, "").unwrap_or_else(|| panic!("no form: {}", page.words()));
        self.clock.advance(SignedDuration::from_secs(5));
        let mut fields = form.hidden.clone();
        for (name, value) in [
            ("who", "Shop Oy"),
            ("what", "Offers"),
            ("why", "They ordered"),
            ("agreed", "Double opt-in"),
        ] {
            fields.push((name.to_owned(), value.to_owned()));
        }
        let page = browser.submit(&form.url, &fields).await.unwrap();
        assert_eq!(page.status, 422, "how many is missing: {}", page.words());
        assert!(page.body.contains("Double opt-in"), "what was typed is kept");
        self.clock.advance(SignedDuration::from_secs(5));
        let form = page.form(at, "").unwrap();
        fields[0] = form.hidden[0].clone();
        fields.push(("how-many".to_owned(), "1200".to_owned()));
        browser.submit(&form.url, &fields).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_granted_campaign_is_delivered_but_to_who_blocks_it() {
    let house = House::new().await;
    let (first, at) = house.appeal_page(1, &["anna@ours.example", "bo@ours.example"]).await;
    assert!(house.digest("bo@ours.example").await);
    let letter = house.letter_to("bo@ours.example", "held for you").await;
    let block = link_to(&letter, "/d/").replace("/deliver", "/block");
    house.submit(&mut Browser::default(), &block, "block").await;

    let page = house.apply(&at).await;
    assert!(page.words().contains("Your request has arrived"), "{}", page.words());
    let letter = house.letter_to("news@proved.example", "Your request").await;
    assert!(link_to(&letter, "/a/").contains("/a/"));
    let open = house.decide(Errand::Appeals { decided: false }).await.unwrap();
    assert_eq!(open.as_array().unwrap().len(), 1);
    assert_eq!(open[0]["recipients"], 1200);
    assert_eq!((&open[0]["proved"], &open[0]["one_click"]), (&true.into(), &true.into()));
    let which = open[0]["id"].as_str().unwrap().to_owned();

    // The next issue is the same campaign: it shows the same appeal.
    let (second, next) = house.appeal_page(2, &["anna@ours.example"]).await;
    let page = Browser::default().open(&next).await.unwrap();
    assert!(page.words().contains("Your request has arrived"), "{}", page.words());

    let question = Errand::Question {
        which: which.clone(),
        by: "olga".to_owned(),
        text: "Since when?".to_owned(),
    };
    house.decide(question).await.unwrap();
    let page = Browser::default().open(&at).await.unwrap();
    assert!(page.words().contains("Since when?"), "{}", page.words());

    let grant = Errand::Grant {
        which: which.clone(),
        by: "olga".to_owned(),
        identity: false,
        days: 30,
        volume: 1,
        reason: "They asked for it.".to_owned(),
    };
    let deny = Errand::Deny { which, by: "pekka".to_owned(), reason: "No.".to_owned() };
    let granted = house.decide(grant).await.unwrap();
    assert_eq!(granted["freed"], 2);
    let late = house.decide(deny).await.unwrap_err();
    assert!(late.contains("olga"), "who is late is told who decided: {late}");
    house.clock.advance(SignedDuration::from_secs(61));
    house.arrives("anna@ours.example", &first).await;
    house.arrives("anna@ours.example", &second).await;
    let to_bo = |one: &Arrived| {
        one.rcpt_to.iter().any(|to| to == "bo@ours.example")
            && one.message.bytes().ends_with(&first)
    };
    assert!(!house.outside.all().iter().any(to_bo), "bo blocks it");
    let page = Browser::default().open(&at).await.unwrap();
    assert!(page.words().contains("They asked for it."), "{}", page.words());

    let answer = house.send("news@proved.example", &["anna@ours.example"], &newsletter(3)).await;
    assert_eq!(answer.code, 250, "the next issue passes: {}", answer.text);
    let answer = house.send("news@proved.example", &["bo@ours.example"], &newsletter(4)).await;
    assert_eq!(answer.code, 550, "and never against a block");

    let (_, anew) = house.appeal_page(5, &["anna@ours.example"]).await;
    let page = house.apply(&anew).await;
    assert!(page.words().contains("Your request has arrived"), "used up: {}", page.words());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_decide_at_once_one_wins() {
    let house = House::new().await;
    let (message, at) = house.appeal_page(1, &["anna@ours.example"]).await;
    house.apply(&at).await;
    let open = house.decide(Errand::Appeals { decided: false }).await.unwrap();
    let which = open[0]["id"].as_str().unwrap();
    let deny = |by: &str| Errand::Deny {
        which: which.to_owned(),
        by: by.to_owned(),
        reason: format!("{by} says no"),
    };
    let (one, two) = tokio::join!(house.decide(deny("olga")), house.decide(deny("pekka")));
    assert_eq!(usize::from(one.is_ok()) + usize::from(two.is_ok()), 1, "{one:?} {two:?}");
    let page = Browser::default().open(&at).await.unwrap();
    assert!(page.words().contains("says no"), "the sender reads why: {}", page.words());
    assert_eq!(house.copies(&message), 0);
}

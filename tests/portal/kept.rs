//! What a page shows is what holds now, and of one message only, however
//! often it, another message's or another language's was shown before.

use reprieve::directory::{Organisation, Pattern, Rule, RuleAction};
use reprieve::link::{Purpose, Token};
use reprieve::quarantine::State;

use super::stage::{Stage, address, organisation, recipient};
use super::{SECOND, get, stage};
use reprieve::clock::SignedDuration;

async fn text(stage: &Stage, token: &str) -> String {
    get(stage, &format!("/r/{token}")).await.text()
}

#[tokio::test]
async fn a_page_changes_at_once_with_its_message() {
    let stage = stage();
    let (id, token) = stage.hold(|_| {}).await;
    for _ in 0..2 {
        assert!(text(&stage, &token).await.contains("Offer for the roof repair"));
    }
    stage.change(id, |held| held.subject = "Offer for the chimney".to_owned()).await;
    let changed = text(&stage, &token).await;
    assert!(changed.contains("Offer for the chimney"), "{changed}");
    assert!(!changed.contains("roof"), "{changed}");

    stage.change(id, |held| held.findings.clear()).await;
    let changed = text(&stage, &token).await;
    assert!(!changed.contains("SPF"), "{changed}");

    for (state, heading) in [
        (State::Releasing, "On its way"),
        (State::Held, "Your message is waiting"),
        (State::Withdrawn, "Taken back"),
        (State::Disowned, "it will not be delivered"),
        (State::Expired, "This message has expired"),
    ] {
        stage.change(id, |held| held.recipients[0].state = state).await;
        let changed = text(&stage, &token).await;
        assert!(changed.contains(heading), "{state:?}: {changed}");
    }
}

#[tokio::test]
async fn a_page_changes_at_once_with_what_the_sender_may_do() {
    let stage = stage();
    let (_, token) = stage.hold(|_| {}).await;
    assert!(text(&stage, &token).await.contains("What is this message?"));
    stage.rule(Rule {
        recipient: None,
        sender: Pattern::Address(address("kari@katto.example")),
        action: RuleAction::Block,
    });
    let blocked = text(&stage, &token).await;
    assert!(blocked.contains("does not accept your mail"), "{blocked}");
    assert!(!blocked.contains("What is this message?"), "{blocked}");
    stage.directory.replace(vec![organisation()]).unwrap();
    assert!(text(&stage, &token).await.contains("What is this message?"));
    stage.clock.advance(SignedDuration::from_hours(15 * 24));
    assert!(text(&stage, &token).await.contains("This message has expired"));
}

#[tokio::test]
async fn a_page_tells_the_message_s_age_as_it_is() {
    let stage = stage();
    let (_, token) = stage.hold(|_| {}).await;
    assert!(text(&stage, &token).await.contains("14 minutes ago"));
    stage.clock.advance(SECOND * 59);
    assert!(text(&stage, &token).await.contains("14 minutes ago"));
    stage.clock.advance(SECOND);
    assert!(text(&stage, &token).await.contains("15 minutes ago"));
    stage.clock.advance(SignedDuration::from_hours(24));
    assert!(text(&stage, &token).await.contains("(1 day ago)"));
}

#[tokio::test]
async fn a_page_changes_at_once_with_its_organisation() {
    let stage = stage();
    let (_, token) = stage.hold(|_| {}).await;
    assert!(text(&stage, &token).await.contains("Example Oy"));
    for name in ["Other Oy", "Third Oy"] {
        let sentence = Some(format!("{name} greets you."));
        let changed = Organisation { name: name.to_owned(), sentence, ..organisation() };
        stage.directory.replace(vec![changed]).unwrap();
        let page = text(&stage, &token).await;
        assert!(page.contains(&format!("{name} greets you.")), "{page}");
        assert!(!page.contains("Example Oy"), "{page}");
    }
}

#[tokio::test]
async fn two_people_s_pages_never_mix() {
    let stage = stage();
    let now = stage.clock.now();
    let (id, _) = stage
        .hold(|held| {
            held.recipients = vec![
                recipient("anna@example.fi", true, now),
                recipient("bertta@example.fi", true, now),
            ];
        })
        .await;
    let slot = |slot| {
        let expires = now + SignedDuration::from_hours(24);
        let token = Token { purpose: Purpose::Release, subject: id, slot, expires };
        token.mint(stage.links.ring(), stage.links.host())
    };
    let (_, other) = stage
        .hold(|held| {
            held.subject = "Minutes of the meeting".to_owned();
            held.recipients = vec![recipient("cecilia@example.fi", true, now)];
        })
        .await;
    let people = [
        (slot(0), "anna@example.fi", "Offer for the roof repair"),
        (slot(1), "bertta@example.fi", "Offer for the roof repair"),
        (other, "cecilia@example.fi", "Minutes of the meeting"),
    ];
    let mut nonces = Vec::new();
    for _ in 0..3 {
        for (token, recipient, subject) in &people {
            let path = format!("/r/{token}");
            let page = get(&stage, &path).await;
            assert!(page.body.contains(recipient) && page.body.contains(subject), "{}", page.body);
            for (token, recipient, _) in people.iter().filter(|one| one.0 != *token) {
                assert!(!page.body.contains(token.as_str()), "another's token");
                assert!(!page.body.contains(recipient), "another's recipient");
            }
            nonces.push(page.nonce(&path));
            stage.clock.advance(SECOND);
        }
    }
    let count = nonces.len();
    nonces.sort();
    nonces.dedup();
    assert_eq!(nonces.len(), count, "each page has a nonce of its own");
}

#[tokio::test]
async fn languages_do_not_mix() {
    let stage = stage();
    let (_, token) = stage.hold(|_| {}).await;
    let mut pages = Vec::new();
    for tag in ["en", "fi", "ja", "en", "fi", "ja"] {
        let page = get(&stage, &format!("/r/{token}?lang={tag}")).await;
        assert!(page.body.contains(&format!("<html lang=\"{tag}\"")), "{}", page.body);
        // All but the form, whose nonce is new each time.
        pages.push(page.text());
    }
    for (first, second) in [(0, 3), (1, 4), (2, 5)] {
        assert_eq!(pages[first], pages[second]);
    }
    assert!(pages[0] != pages[1] && pages[1] != pages[2]);
}

//! What the MTA is told about a message, by what the intake decides.

use super::*;
use crate::directory::{Choice, Organisation, Pattern, Rule, RuleAction, Told};
use crate::mail::{Address, Domain};
use crate::quarantine::{State, Telling};
use crate::queue::Kind;

fn barring(local: &str) -> impl FnOnce(&mut Organisation) {
    let rule = Rule {
        recipient: Some(Address::parse(&format!("{local}@ours.example")).unwrap()),
        sender: Pattern::Domain(Domain::parse("good.example").unwrap()),
        action: RuleAction::Block,
    };
    move |ours| ours.rules = vec![rule]
}

#[tokio::test]
async fn clean_mail_passes_with_our_trace_and_without_forged_fields() {
    let world = World::new();
    let mut mta = Mta::connect(&world).await;
    let forged = "Authentication-Results: mx.ours.example; dkim=pass\n\
                  Authentication-Results: mx.other.example; dkim=pass\n\
                  Authentication-Results: (ours) MX.OURS.EXAMPLE; spf=pass\n";
    let text = mail("bo@good.example", forged, "hello");
    let said = mta.message(GOOD, "bo@good.example", &["anna@ours.example"], &text).await;
    assert_eq!(verdict(&said), 'a', "{said:?}");
    let removed = all(&said, b'm');
    let removal = |index: u8| format!("\0\0\0{}Authentication-Results\0\0", char::from(index));
    assert_eq!(removed, [removal(3), removal(1)], "the last first, others' not");
    let inserted = all(&said, b'i');
    assert!(inserted[0].starts_with("\0\0\0\0Received\0 from mta.good.example"), "{inserted:?}");
    assert!(inserted[1].starts_with("\0\0\0\0Authentication-Results\0 mx.ours.example;\n\t"));
    assert!(inserted.iter().all(|one| !one.contains('\r')), "{inserted:?}");
    assert!(all(&said, b'-').is_empty());
    assert!(world.held().await.is_empty());
}

#[tokio::test]
async fn what_is_held_is_durable_before_the_mta_refuses_it_with_the_link() {
    let world = World::new();
    let mut mta = Mta::connect(&world).await;
    let text = mail("bo@strict.example", "", GTUBE);
    let said = mta.message(BAD, "bo@strict.example", &["anna@ours.example"], &text).await;
    let line = words(&said);
    assert!(line.starts_with("550 5.7.1 Message blocked ("), "{line}");
    let held = world.held().await.remove(0);
    let (_, token) = line.rsplit_once("https://mail.example/r/").expect("a link");
    let token = world.links.read("mail.example", crate::link::Purpose::Release, token).unwrap();
    assert_eq!(token.subject, held.id);
    let stored = world.store.body(held.id).await.unwrap().unwrap();
    let (_, bytes) = crate::quarantine::stored::read(&stored).unwrap();
    assert_eq!(bytes.bytes(), text.replace('\n', "\r\n").as_bytes(), "folds become CRLF");
}

#[tokio::test]
async fn a_proved_sender_is_told_by_letter_and_the_mta_discards() {
    let world = World::with(|ours| ours.hold_first_contact = true, |_| {});
    let mut mta = Mta::connect(&world).await;
    let text = mail("bo@good.example", "", "hello");
    let said = mta.message(GOOD, "bo@good.example", &["anna@ours.example"], &text).await;
    assert_eq!(verdict(&said), 'd', "{said:?}");
    assert_eq!(said.len(), 1);
    assert_eq!(world.held().await[0].telling, Telling::Letter);
    assert_eq!(world.items(Kind::Letter).await.len(), 1);
}

#[tokio::test]
async fn the_link_comes_with_a_4xx_where_an_organisation_wants_it() {
    let world = World::with(|ours| ours.told = Told::Defer, |_| {});
    let mut mta = Mta::connect(&world).await;
    let text = mail("bo@strict.example", "", GTUBE);
    let said = mta.message(BAD, "bo@strict.example", &["anna@ours.example"], &text).await;
    let line = words(&said);
    assert!(line.starts_with("45") && line.contains("https://mail.example/r/"), "{line}");
}

#[tokio::test]
async fn malware_is_refused_without_a_link() {
    let world = World::new();
    let mut mta = Mta::connect(&world).await;
    let text = mail("bo@good.example", "", EICAR);
    let said = mta.message(GOOD, "bo@good.example", &["anna@ours.example"], &text).await;
    assert_eq!(words(&said), "554 5.7.1 Message refused: it carries malware");
    assert!(world.held().await.is_empty());
}

#[tokio::test]
async fn who_is_not_to_have_it_is_deleted_with_his_very_bytes() {
    let world = World::with(|ours| ours.marketing = Choice::Hold, |_| {});
    let mut mta = Mta::connect(&world).await;
    let list = "List-Unsubscribe: <https://good.example/u>\nList-Id: <news.good.example>\n\
                List-Unsubscribe-Post: List-Unsubscribe=One-Click\nPrecedence: bulk\n";
    let text = mail("news@good.example", list, "offers");
    let to = ["Anna@OURS.example", "c@theirs.example", "anna@ours.EXAMPLE", "Anna@ours.example"];
    let said = mta.message(GOOD, "news@good.example", &to, &text).await;
    assert_eq!(verdict(&said), 'a', "{said:?}");
    let deleted = all(&said, b'-');
    assert_eq!(
        deleted,
        ["<Anna@OURS.example>\0", "<anna@ours.EXAMPLE>\0", "<Anna@ours.example>\0"]
    );
    let held = world.held().await.remove(0);
    assert_eq!(held.recipients.len(), 2, "spellings of one address are one");
    assert!(held.recipients.iter().all(|one| one.state == State::Held));
}

#[tokio::test]
async fn rules_answer_at_rcpt_and_for_one_recipient_only() {
    let world = World::with(barring("anna"), |_| {});
    let mut mta = Mta::connect(&world).await;
    mta.client(GOOD).await;
    let answers =
        mta.envelope("bo@good.example", &["anna@ours.example", "carl@ours.example"]).await;
    assert_eq!(answers[0].0, b'y');
    assert!(answers[0].1.starts_with(b"550 5.7.1 "));
    assert_eq!(answers[1].0, b'c');
    let said = mta.content(&mail("bo@good.example", "", "hello")).await;
    assert_eq!(verdict(&said), 'a');
    assert!(all(&said, b'-').is_empty(), "the MTA has no such recipient");
}

#[tokio::test]
async fn what_the_mta_relays_for_domains_we_do_not_serve_is_its_own_affair() {
    let world = World::new();
    let mut mta = Mta::connect(&world).await;
    let text = mail("bo@strict.example", "", GTUBE);
    let said = mta.message(BAD, "bo@strict.example", &["x@unserved.example"], &text).await;
    assert_eq!(verdict(&said), 'a');
}

#[tokio::test]
async fn s_46_mail_of_the_mtas_own_users_is_never_held() {
    let world = World::new();
    for (letter, macros) in [
        (b'M', &b"M{auth_type}\0PLAIN\0{auth_authen}\0anna\0"[..]),
        (b'C', b"C{daemon_name}\0ORIGINATING\0"),
    ] {
        let mut mta = Mta::connect(&world).await;
        mta.client(BAD).await;
        mta.send(b'D', macros).await;
        let to = ["bo@strict.example", "carl@ours.example", "odd@[192.0.2.1]", "root"];
        for answer in mta.envelope("anna@ours.example", &to).await {
            assert_eq!(answer.0, b'c', "{}", char::from(letter));
        }
        let said = mta.content(&mail("anna@ours.example", "", GTUBE)).await;
        assert_eq!(verdict(&said), 'a', "{said:?}");
        assert!(all(&said, b'-').is_empty());
    }
    assert!(world.held().await.is_empty());
    // The next client of the same connection is nobody.
    let mut mta = Mta::connect(&world).await;
    mta.send(b'D', b"M{auth_authen}\0anna\0").await;
    let text = mail("anna@ours.example", "", "x");
    mta.message(BAD, "anna@ours.example", &["carl@ours.example"], &text).await;
    let text = mail("bo@strict.example", "", GTUBE);
    let said = mta.message(BAD, "bo@strict.example", &["anna@ours.example"], &text).await;
    assert!(words(&said).starts_with("550"));
}

#[tokio::test]
async fn s_47_behind_a_relay_the_real_client_is_judged_and_no_550_is_given() {
    let world = World::with(
        |_| {},
        |settings| settings.networks.relays = vec!["198.51.100.0/24".parse().unwrap()],
    );
    let mut mta = Mta::connect(&world).await;
    let trace = "Received: from forger (unknown [203.0.113.66]) by mx2.ours.example; now\n";
    let text = format!("{trace}From: bo@strict.example\nSubject: x\n\n{GTUBE}\n");
    let to = ["anna@ours.example"];
    let said = mta.message([198, 51, 100, 25], "bo@strict.example", &to, &text).await;
    assert_eq!(verdict(&said), 'd', "{said:?}");
    assert_eq!(world.held().await[0].client, IpAddr::from(BAD));
}

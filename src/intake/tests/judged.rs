//! What becomes of a message that comes in, and what its sender is told.

use super::*;

#[tokio::test]
async fn clean_proved_mail_passes_with_our_trace() {
    let world = World::new();
    let envelope = world.envelope("bo@good.example", GOOD, &["anna@ours.example"]);
    let answer = world.intake.receive(&envelope, &message("bo@good.example", "", "hello")).await;
    assert_eq!(answer.pass, [0]);
    assert_eq!(answer.reply.code(), 250);
    assert!(answer.head.contains("Authentication-Results: mx.ours.example;"), "{}", answer.head);
    assert!(answer.head.contains("\r\nReceived: from mta.good.example"), "{}", answer.head);
    assert!(answer.head.ends_with("\r\n"));
    assert!(world.held().await.is_empty());
}

#[tokio::test]
async fn an_unproved_suspicious_sender_is_told_in_the_reply_and_the_copy_kept() {
    let world = World::new();
    let envelope = world.envelope("bo@strict.example", BAD, &["anna@ours.example"]);
    let mail = message("bo@strict.example", "", GTUBE);
    let answer = world.intake.receive(&envelope, &mail).await;
    assert_eq!((answer.reply.code(), answer.reply.enhanced()), (550, Some((5, 7, 1))));
    assert!(answer.pass.is_empty());
    let held = world.held().await.remove(0);
    assert_eq!(world.linked(&answer.reply), held.id);
    assert!(answer.reply.text().contains(&held.reference.to_string()));
    assert_eq!(held.telling, Telling::Reply);
    assert_eq!(held.subject, "Offer for the roof");
    assert!(held.recipients[0].named);

    let stored = world.store.body(held.id).await.unwrap().unwrap();
    let (kept, bytes) = crate::quarantine::stored::read(&stored).unwrap();
    assert_eq!(kept, envelope);
    assert_eq!(bytes.bytes(), mail.bytes(), "the exact bytes are kept");
    assert_eq!(bytes.hash(), held.digest);
}

#[tokio::test]
async fn a_proved_sender_gets_a_letter_and_250() {
    let world = World::with(|ours| ours.hold_first_contact = true, |_| {});
    let envelope = world.envelope("bo@good.example", GOOD, &["anna@ours.example"]);
    let answer = world.intake.receive(&envelope, &message("bo@good.example", "", "hello")).await;
    assert_eq!(answer.reply.code(), 250, "{}", answer.reply);
    assert_eq!(world.held().await[0].telling, Telling::Letter);
    let letters = world.items(Kind::Letter).await;
    assert_eq!(letters[0].recipients[0].address.to_string(), "bo@good.example");
    assert!(world.store.body(letters[0].body).await.unwrap().is_some());
}

#[tokio::test]
async fn malware_is_refused_and_leaves_nothing() {
    let world = World::new();
    let envelope = world.envelope("bo@good.example", GOOD, &["anna@ours.example"]);
    let answer = world.intake.receive(&envelope, &message("bo@good.example", "", EICAR)).await;
    assert_eq!((answer.reply.code(), answer.reply.enhanced()), (554, Some((5, 7, 1))));
    assert!(!answer.reply.text().contains("http"), "no link for malware");
    assert!(world.held().await.is_empty());
    assert!(world.store.scan(&[], &[0xff], 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_same_message_again_joins_and_after_delivery_is_dropped() {
    let world = World::new();
    let envelope = world.envelope("bo@strict.example", BAD, &["anna@ours.example"]);
    let mail = message("bo@strict.example", "", GTUBE);
    let first = world.intake.receive(&envelope, &mail).await.reply;
    let again = world.intake.receive(&envelope, &mail).await.reply;
    assert_eq!(world.linked(&again), world.linked(&first));
    assert_eq!(world.held().await.len(), 1);
    let other = message("bo@strict.example", "X-Other: 1\n", &format!("{GTUBE} again"));
    world.intake.receive(&envelope, &other).await;
    assert_eq!(world.held().await.len(), 2, "another body is another message");

    let id = world.linked(&first);
    world.releases.release(id, ALL_RECIPIENTS).await.unwrap();
    let meanwhile = world.intake.receive(&envelope, &mail).await;
    assert_eq!(meanwhile.reply.code(), 451, "{}", meanwhile.reply);
    assert!(meanwhile.pass.is_empty());

    let row = world.store.find::<Held>(id.as_bytes()).await.unwrap().unwrap();
    let mut held = row.record.clone();
    held.recipients[0].state = State::Delivered;
    let mut batch = Batch::new();
    batch.update(&row, &held);
    world.store.commit(batch).await.unwrap();
    let dropped = world.intake.receive(&envelope, &mail).await;
    assert_eq!(dropped.reply.code(), 250);
    assert!(dropped.pass.is_empty(), "it is not delivered twice");
}

#[tokio::test]
async fn verdicts_are_per_recipient() {
    let block = Rule {
        recipient: Some(Address::parse("anna@ours.example").unwrap()),
        sender: Pattern::Domain(Domain::parse("good.example").unwrap()),
        action: RuleAction::Block,
    };
    let world = World::with(|ours| ours.rules = vec![block], |_| {});
    let envelope =
        world.envelope("bo@good.example", GOOD, &["anna@ours.example", "carl@ours.example"]);
    let answer = world.intake.receive(&envelope, &message("bo@good.example", "", "hello")).await;
    assert_eq!((answer.pass, answer.reply.code()), (vec![1], 250));
    let held = world.held().await.remove(0);
    assert_eq!(held.recipients.len(), 1);
    assert_eq!(held.recipients[0].state, State::Refused);

    let only = world.envelope("bo@good.example", GOOD, &["anna@ours.example"]);
    let answer = world.intake.receive(&only, &message("bo@good.example", "", "hi")).await;
    assert_eq!(answer.reply.code(), 550);
    assert!(answer.reply.text().ends_with("https://mail.example/help"), "{}", answer.reply);
}

#[tokio::test]
async fn one_part_accepted_means_250_and_never_a_550_for_all() {
    let world = World::with(|ours| ours.marketing = Choice::Hold, |_| {});
    let envelope =
        world.envelope("news@good.example", GOOD, &["anna@ours.example", "c@theirs.example"]);
    let list = "List-Unsubscribe: <https://good.example/u>\nList-Id: <news.good.example>\n\
                List-Unsubscribe-Post: List-Unsubscribe=One-Click\nPrecedence: bulk\n";
    let answer =
        world.intake.receive(&envelope, &message("news@good.example", list, "offers")).await;
    assert_eq!(answer.pass, [1]);
    assert_eq!(answer.reply.code(), 250);
    let held = world.held().await.remove(0);
    assert_eq!((held.recipients[0].class, held.telling), (Class::Marketing, Telling::Untold));

    world.intake.withdraw(held.id).await;
    assert_eq!(world.held().await[0].recipients[0].state, State::Withdrawn);
}

#[tokio::test]
async fn accepted_mail_without_a_next_hop_in_the_session_is_queued_first() {
    let world = World::with(
        |_| {},
        |settings| {
            settings.queue_accepted = true;
            settings.thresholds.hold = 1000.0;
        },
    );
    let envelope = world.envelope("bo@good.example", GOOD, &["anna@ours.example"]);
    let answer = world.intake.receive(&envelope, &message("bo@good.example", "", "hello")).await;
    assert_eq!((answer.pass, answer.reply.code()), (Vec::new(), 250));
    let items = world.items(Kind::Accepted).await;
    assert_eq!(items.len(), 1);
    assert!(world.store.body(items[0].body).await.unwrap().is_some());
    let proved = |item: &Item| item.origin.as_ref().and_then(|origin| origin.proved.clone());
    assert_eq!(proved(&items[0]).unwrap().to_string(), "bo@good.example");

    let forged = world.envelope("bo@weak.example", BAD, &["anna@ours.example"]);
    world.intake.receive(&forged, &message("bo@weak.example", "", "hi")).await;
    let items = world.items(Kind::Accepted).await;
    assert_eq!(items.iter().map(proved).filter(Option::is_none).count(), items.len() - 1);
    assert_eq!(items.len(), 2, "no proof, and still accepted");
}

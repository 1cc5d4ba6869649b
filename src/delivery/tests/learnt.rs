//! What deliveries teach the delivery blocking, and what it forbids them.

use super::*;

#[tokio::test]
async fn a_letter_that_bounces_suppresses_its_address() {
    let world = World::new();
    let (good, bad) = ("good@far.example", "bad@far.example");
    world.sent.answer(&address(bad), Outcome::Permanent, "550 5.1.1 no such user");
    let letter = Bytes::from_static(b"Subject: blocked\r\n\r\nsee\r\n");
    for to in [good, bad] {
        world.enqueue(Kind::Letter, Uuid::now_v7(), ReversePath::Null, to, letter.clone()).await;
    }
    world.run().await;
    assert_eq!(unmarked(&world.sent.sent()[0].bytes), letter);
    assert!(world.suppression.covers(&address(bad)).await.unwrap());
    assert!(!world.suppression.covers(&address(good)).await.unwrap());
    assert!(world.is_idle().await, "a letter's failure writes no further letter");
}

#[tokio::test]
async fn nothing_is_sent_to_a_suppressed_address_and_the_log_says_so() {
    let world = World::new();
    let to = "dead@far.example";
    world.suppression.add(crate::suppression::OWN, &address(to), "test").await.unwrap();
    let letter = Bytes::from_static(b"Subject: for you\r\n\r\nsee\r\n");
    let item = world.enqueue(Kind::Letter, Uuid::now_v7(), ReversePath::Null, to, letter).await;
    world.run().await;
    assert_eq!(world.sent.sent().len(), 0);
    let row = world.tools.queue.find(item.id).await.unwrap().unwrap();
    assert_eq!(row.record.recipients[0].state, ItemState::Failed);
    assert_eq!(row.record.recipients[0].reply.as_deref(), Some(NOT_SENT));
    let query =
        crate::suppression::Query { reason: "blocked".to_owned(), limit: 10, ..Default::default() };
    let (events, _) = world.tools.suppression.events(&query).await.unwrap();
    assert_eq!((events.len(), &events[0].address[..]), (1, to));
    assert_eq!(events[0].subject, "for you");
}

#[tokio::test]
async fn the_courier_learns_who_is_unknown() {
    let world = World::new();
    let to = "gone@far.example";
    world.sent.answer(
        &address(to),
        Outcome::Permanent,
        "550 5.1.1 <gone@far.example>: User unknown",
    );
    let content = stored::write(&envelope(&[to]), &message_of(MESSAGE));
    let from = ReversePath::Address(address("anna@ours.example"));
    world.enqueue(Kind::Accepted, Uuid::nil(), from, to, content).await;
    world.run().await;
    let listed = world.suppression.find(crate::suppression::OWN, &address(to)).await.unwrap();
    assert_eq!(listed.unwrap().record.reason, crate::suppression::Reason::UnknownUser);
}

/// The breaker is one record that all of them write to.
#[tokio::test]
async fn the_answers_to_many_letters_at_once_are_all_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let clock = start();
    let settings = crate::store::EmbeddedSettings {
        clock: clock.clone(),
        ..crate::store::EmbeddedSettings::default()
    };
    let (store, _) = Store::open(folder.path(), settings).unwrap();
    let sent = Memory::new();
    let world = World::on(store, clock, Courier::Memory(sent.clone()), sent);
    let letter = Bytes::from_static(b"Subject: blocked\r\n\r\nsee\r\n");
    for number in 0..100 {
        let (held, to) = (Uuid::now_v7(), format!("a{number}@far.example"));
        world.enqueue(Kind::Letter, held, ReversePath::Null, &to, letter.clone()).await;
    }
    let claimed = join_all((0..16).map(|_| world.delivery.step())).await;
    assert_eq!(claimed.into_iter().map(Result::unwrap).sum::<usize>(), 100);
    assert!(world.is_idle().await, "no answer is lost");
    let breaker = world.tools.notices.breaker().await.unwrap();
    assert_eq!((breaker.remembered(), breaker.bounced()), (100, 0));
}

#[tokio::test]
async fn letters_to_our_own_people_say_nothing_of_those_to_senders() {
    let world = World::new();
    let letter = Bytes::from_static(b"Subject: held for you\r\n\r\nsee\r\n");
    world.sent.answer(&address("bo@ours.example"), Outcome::Permanent, "550 5.1.1 unknown");
    for to in ["anna@ours.example", "bo@ours.example"] {
        world.enqueue(Kind::Letter, Uuid::nil(), ReversePath::Null, to, letter.clone()).await;
    }
    world.run().await;
    assert_eq!(world.tools.notices.breaker().await.unwrap().remembered(), 0);
    assert!(world.is_idle().await, "a letter's failure writes no further letter");
}

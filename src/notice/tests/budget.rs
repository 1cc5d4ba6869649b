//! How many letters there are, at most: of a sender, a domain, all together,
//! and of those who ask for a lost link.

use super::*;
use crate::clock::SignedDuration;
use crate::reputation::Network;

#[tokio::test]
async fn b_03_ten_thousand_mails_of_one_sender_make_one_letter() {
    let world = World::new();
    for _ in 0..10_000 {
        world.tell(&mut world.personal()).await;
    }
    assert_eq!(world.items().await.len(), 1);
}

#[tokio::test]
async fn b_12_the_second_mail_in_a_day_is_told_by_the_reply() {
    let world = World::new();
    assert_eq!(world.tell(&mut world.personal()).await.code(), 250);
    world.clock.advance(SignedDuration::from_hours(23));
    let mut tagged = world.from("Sender+shop@far.example");
    assert!(is_blocked_with_link(&world.tell(&mut tagged).await), "a tag is the same mailbox");
    world.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(world.tell(&mut world.personal()).await.code(), 250);
    assert_eq!(world.items().await.len(), 2);
}

#[tokio::test]
async fn a_domain_gets_ten_letters_an_hour_and_all_together_their_share() {
    let world = World::with(|settings| settings.in_all = 12);
    for number in 0..12 {
        let mut sent = world.from(&format!("s{number}@mail.far.example"));
        let code = world.tell(&mut sent).await.code();
        assert_eq!(code, if number < 10 { 250 } else { 550 }, "{number}");
    }
    for number in 0..3 {
        let mut sent = world.from(&format!("s{number}@other.example"));
        let code = world.tell(&mut sent).await.code();
        assert_eq!(code, if number < 2 { 250 } else { 550 }, "{number}");
    }
    world.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(world.tell(&mut world.from("s11@far.example")).await.code(), 250);
}

#[tokio::test]
async fn two_that_race_for_one_letter_conflict() {
    let world = World::new();
    let mut replies = Vec::new();
    let mut batches = Vec::new();
    for _ in 0..2 {
        let mut sent = world.personal();
        let case = Case {
            envelope: &sent.envelope,
            message: &sent.message,
            examination: &sent.examination,
            organisation: &world.organisation,
            relayed: false,
            partly_accepted: false,
        };
        let mut batch = Batch::new();
        replies.push(world.notices.tell(&mut batch, &mut sent.held, &case).await.unwrap().code());
        batches.push(batch);
    }
    assert_eq!(replies, [250, 250]);
    assert!(world.store.commit(batches.remove(0)).await.is_ok());
    assert!(world.store.commit(batches.remove(0)).await.is_err());
}

#[tokio::test]
async fn l_22_a_lost_link_goes_to_a_proved_address_three_times_an_hour() {
    let world = World::new();
    let network = Network::of([198, 51, 100, 1].into());
    let ask = async |address: &str, network| {
        world.notices.send_lost(address, network).await.unwrap();
        world.items().await.len()
    };
    let mut unproved = world.from("forged@far.example");
    unproved.held.proofs = Proofs::NONE;
    world.tell(&mut unproved).await;
    let mut sent = world.personal();
    sent.held.telling = Telling::Reply;
    let mut batch = Batch::new();
    batch.insert(&sent.held);
    world.store.commit(batch).await.unwrap();

    for nobody in ["forged@far.example", "not an address"] {
        assert_eq!(ask(nobody, network).await, 0, "{nobody}");
    }
    let other = Network::of([203, 0, 113, 1].into());
    assert_eq!(ask("SENDER+x@far.example", network).await, 1);
    let (item, letter) = world.letter().await;
    assert_eq!(item.recipients[0].address.to_string(), "sender@far.example");
    let (text, _) = parts(&letter);
    assert!(text.contains(LINK) && text.contains(&sent.held.reference.to_string()), "{text}");
    assert!(text.contains("A message of yours has not been delivered yet."));

    assert_eq!(ask("sender@far.example", network).await, 2);
    assert_eq!(ask("sender@far.example", network).await, 2, "the network has asked three times");
    assert_eq!(ask("sender@far.example", other).await, 3);
    assert_eq!(ask("sender@far.example", other).await, 3, "the address has had three");
    world.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(ask("sender@far.example", other).await, 4);
}

#[tokio::test]
async fn letters_of_yesterday_are_forgotten() {
    let world = World::new();
    for number in 0..5 {
        world.tell(&mut world.from(&format!("s{number}@far.example"))).await;
    }
    world.clock.advance(SignedDuration::from_hours(12));
    world.tell(&mut world.from("fresh@far.example")).await;
    assert_eq!(world.notices.tidy(100).await, Ok(0));
    world.clock.advance(SignedDuration::from_hours(12));
    let mut removed = 0;
    for _ in 0..5 {
        removed += world.notices.tidy(2).await.unwrap();
    }
    assert_eq!(removed, 5);
    assert_eq!(world.store.page::<LastLetter>(&[], 10).await.unwrap().len(), 1);
}

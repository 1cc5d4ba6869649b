//! Released mail: once, exactly, and not after what forbids it.

use super::*;

#[tokio::test]
async fn a_released_message_arrives_exactly_with_its_trace_in_front() {
    let world = World::new();
    let id = world.hold(&["anna@ours.example"], MESSAGE).await;
    world.releases.release(id, ALL_RECIPIENTS).await.unwrap();
    world.run().await;
    assert!(world.sent.sent().is_empty(), "the countdown runs");
    assert_eq!(world.states(id).await, [State::Releasing]);
    world.advance(60);
    world.run().await;
    let sent = world.sent.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(unmarked(&sent[0].bytes), [b"Received: by mx.ours\r\n", MESSAGE].concat());
    assert_eq!(sent[0].mail_from, ReversePath::Address(address("sender@far.example")));
    assert_eq!(world.states(id).await, [State::Delivered]);
    let outcome = world.held(id).await.recipients[0].outcome.clone().unwrap();
    assert_eq!(outcome.at, world.tools.clock.now());
    assert_eq!(outcome.reply, "250 2.0.0 Ok: in memory");
    assert!(world.tools.queue.find(world.item_of(id).await).await.unwrap().is_none());
    assert!(world.is_idle().await);
    let votes = world.tools.store.page::<Vote>(&[], 10).await.unwrap();
    assert_eq!(votes.len(), 1, "what its recipient thinks of it is asked later");
    assert_eq!((votes[0].record.about, votes[0].record.kind), (id, VoteKind::Silence));
    assert!(votes[0].record.due > world.tools.clock.now());
}

#[tokio::test]
async fn taking_back_and_claiming_have_one_winner() {
    let world = World::new();
    let id = world.hold(&["anna@ours.example"], MESSAGE).await;
    world.releases.release(id, ALL_RECIPIENTS).await.unwrap();
    world.releases.take_back(id, ALL_RECIPIENTS).await.unwrap();
    world.advance(60);
    world.run().await;
    assert!(world.sent.sent().is_empty());
    assert_eq!(world.states(id).await, [State::Withdrawn]);

    let late = world.released(&["anna@ours.example"]).await;
    let claimed = world.tools.queue.claim(1).await.unwrap().remove(0);
    let denied = world.releases.take_back(late, ALL_RECIPIENTS).await;
    assert!(matches!(denied, Err(Denied::Now(_))), "{denied:?}");
    world.delivery.attempt(claimed).await;
    assert_eq!(world.states(late).await, [State::Delivered]);
}

#[tokio::test]
async fn a_block_made_after_the_release_beats_it() {
    let world = World::new();
    let id = world.released(&["anna@ours.example", "bo@ours.example"]).await;
    let block = Rule {
        recipient: Some(address("anna@ours.example")),
        sender: Pattern::Address(address("sender@far.example")),
        action: RuleAction::Block,
    };
    let ours =
        crate::directory::Organisation { rules: vec![block], ..sample::organisation("ours") };
    world.tools.directory.replace(vec![ours]).unwrap();
    world.run().await;
    assert_eq!(world.states(id).await, [State::Refused, State::Delivered]);
    assert_eq!(world.sent.sent()[0].rcpt_to, [address("bo@ours.example")]);
    assert!(world.is_idle().await);
}

#[tokio::test]
async fn malware_found_by_the_second_scan_is_not_sent_and_stays_closed() {
    let world = World::new();
    let id = world.hold(&["anna@ours.example"], DANGEROUS).await;
    world.releases.release(id, ALL_RECIPIENTS).await.unwrap();
    world.advance(60);
    world.run().await;
    assert!(world.sent.sent().is_empty());
    let held = world.held(id).await;
    let copy = &held.recipients[0];
    assert_eq!((copy.state, copy.class, copy.door), (State::Held, Class::Malware, Door::Closed));
    assert_eq!(held.findings[0].id, "attachment-dangerous");
    let again = world.releases.release(id, ALL_RECIPIENTS).await;
    assert!(matches!(again, Err(Denied::Now(_))), "{again:?}");
    assert!(world.is_idle().await);
}

#[tokio::test]
async fn who_lost_his_trust_since_the_release_is_held_again() {
    let world = World::new();
    let id = world.released(&["anna@ours.example"]).await;
    let held = world.held(id).await;
    let mut batch = Batch::new();
    let organisation = &held.recipients[0].organisation;
    world.tools.reputation.revoke(&mut batch, &held.sender(), organisation).await.unwrap();
    world.tools.store.commit(batch).await.unwrap();
    world.run().await;
    assert!(world.sent.sent().is_empty());
    assert_eq!(world.states(id).await, [State::Held]);

    // A release that came after the revocation counts.
    world.advance(1);
    world.releases.release(id, ALL_RECIPIENTS).await.unwrap();
    world.advance(60);
    world.run().await;
    assert_eq!(world.states(id).await, [State::Delivered]);
}

#[tokio::test]
async fn r_04_only_those_who_were_put_off_are_tried_again() {
    let world = World::new();
    let (later, never) = (address("bo@ours.example"), address("cleo@theirs.example"));
    world.sent.answer(&later, Outcome::Transient, "450 4.2.0 busy");
    world.sent.answer(&never, Outcome::Permanent, "550 5.1.1 no such user");
    let id = world.released(&["anna@ours.example", "bo@ours.example", "cleo@theirs.example"]).await;
    world.run().await;
    assert_eq!(world.states(id).await, [State::Delivered, State::Released, State::Failed]);
    let held = world.held(id).await;
    assert_eq!(held.recipients[1].outcome.as_ref().unwrap().reply, "450 4.2.0 busy");
    let next = world.tools.clock.now() + SignedDuration::from_mins(5);
    assert_eq!(held.recipients[1].due_at, Some(next));
    world.sent.answer(&later, Outcome::Delivered, "250 2.0.0 Ok");
    world.run().await;
    assert_eq!(world.sent.sent().len(), 1, "not before its turn");
    world.advance(300);
    world.run().await;
    assert_eq!(world.sent.sent()[1].rcpt_to, [later]);
    assert_eq!(world.states(id).await, [State::Delivered, State::Delivered, State::Failed]);
    assert!(world.is_idle().await);
}

#[tokio::test]
async fn r_03_what_failed_keeps_its_body_and_can_be_retried() {
    let world = World::new();
    let anna = address("anna@ours.example");
    world.sent.answer(&anna, Outcome::Permanent, "550 5.7.1 never");
    let id = world.released(&["anna@ours.example"]).await;
    let item = world.item_of(id).await;
    world.run().await;
    assert_eq!(world.states(id).await, [State::Failed]);
    assert!(world.tools.store.body(id).await.unwrap().is_some());
    assert!(world.is_idle().await, "no DSN: the sender has his page");

    world.sent.answer(&anna, Outcome::Delivered, "250 2.0.0 Ok");
    let (one, two) =
        tokio::join!(world.delivery.retry(item, &|_| {}), world.delivery.retry(item, &|_| {}));
    assert!(one.unwrap() && two.unwrap());
    assert_eq!(world.states(id).await, [State::Released]);
    world.run().await;
    assert_eq!(world.states(id).await, [State::Delivered]);
    assert_eq!(world.sent.sent().len(), 1);
    assert!(!world.delivery.retry(item, &|_| {}).await.unwrap());
}

#[tokio::test]
async fn r_10_two_releases_at_once_deliver_once() {
    let world = World::new();
    let id = world.hold(&["anna@ours.example"], MESSAGE).await;
    let release = || world.releases.release(id, ALL_RECIPIENTS);
    let (one, two) = tokio::join!(release(), release());
    one.unwrap();
    two.unwrap();
    world.advance(60);
    world.run().await;
    assert_eq!(world.sent.sent().len(), 1);
}

#[tokio::test]
async fn r_08_an_answer_that_was_not_written_down_costs_one_duplicate_and_is_counted() {
    let world = World::new();
    let id = world.released(&["anna@ours.example"]).await;
    // A worker is killed between the server's 250 and the settling batch.
    let mut claimed = world.tools.queue.claim(1).await.unwrap().remove(0);
    let place = world.tools.courier.reserve(&waiting(claimed.item())).unwrap();
    let sent = world.delivery.carry(&mut claimed, &message_of(MESSAGE), place).await;
    assert_eq!(sent.ok().unwrap()[0].outcome, Outcome::Delivered);
    drop(claimed);
    world.run().await;
    assert_eq!(world.sent.sent().len(), 1, "the lease holds");
    world.advance(91);
    world.run().await;
    world.advance(91);
    world.run().await;
    assert_eq!(world.sent.sent().len(), 2);
    assert_eq!(world.states(id).await, [State::Delivered]);
    let counted = world.tools.maillog.encode();
    assert!(counted.contains("reprieve_deliveries_total{outcome=\"repeated\"} 1"), "{counted}");
}

#[tokio::test]
async fn two_workers_on_one_store_deliver_everything_once() {
    let world = World::new();
    let courier = Courier::Memory(world.sent.clone());
    let (store, clock) = (world.tools.store.clone(), world.tools.clock.clone());
    let other = World::on(store, clock, courier, world.sent.clone());
    let mut ids = Vec::new();
    for _ in 0..30 {
        ids.push(world.hold(&["anna@ours.example"], MESSAGE).await);
    }
    for id in &ids {
        let row = world.tools.store.find::<Held>(id.as_bytes()).await.unwrap().unwrap();
        let mut held = row.record.clone();
        let item = world.tools.queue.draft(Draft {
            kind: Kind::Release,
            held: *id,
            body: *id,
            mail_from: ReversePath::Null,
            recipients: vec![(address("anna@ours.example"), 0)],
            trace: String::new(),
            eight_bit: false,
            smtputf8: false,
            due_at: world.tools.clock.now(),
        });
        held.recipients[0].state = State::Releasing;
        let mut batch = Batch::new();
        batch.update(&row, &held);
        world.tools.queue.enqueue(&mut batch, &item);
        world.tools.store.commit(batch).await.unwrap();
    }
    let stop = CancellationToken::new();
    let work = async {
        tokio::join!(world.delivery.run(&stop), other.delivery.run(&stop));
    };
    let watch = async {
        while !world.is_idle().await {
            tokio::task::yield_now().await;
        }
        stop.cancel();
    };
    tokio::join!(work, watch);
    assert_eq!(world.sent.sent().len(), 30);
    for id in ids {
        assert_eq!(world.states(id).await, [State::Delivered]);
    }
}

#[tokio::test]
async fn a_body_that_is_gone_fails_its_item() {
    let world = World::new();
    let id = world.released(&["anna@ours.example"]).await;
    let mut batch = Batch::new();
    batch.erase(id);
    world.tools.store.commit(batch).await.unwrap();
    world.run().await;
    // Releasing may fail without having been released.
    assert_eq!(world.states(id).await, [State::Failed]);
}

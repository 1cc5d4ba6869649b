//! How long what was held is kept.

use super::*;

#[tokio::test]
async fn what_nobody_released_expires_and_is_forgotten() {
    let world = World::new();
    let envelope = world.envelope("bo@strict.example", BAD, &["anna@ours.example"]);
    let mail = message("bo@strict.example", "", GTUBE);
    world.intake.receive(&envelope, &mail).await;
    let id = world.held().await[0].id;
    assert_eq!(world.keeper.step().await, Ok(0), "nothing is due");

    world.clock.advance(SignedDuration::from_hours(14 * 24 + 1));
    assert_eq!(world.keeper.step().await, Ok(1));
    let held = world.held().await.remove(0);
    assert_eq!((held.recipients[0].state, held.erased), (State::Expired, true));
    assert_eq!(world.store.body(id).await, Ok(None), "the body is erased");
    assert!(world.releases.release(id, ALL_RECIPIENTS).await.is_err());

    world.clock.advance(SignedDuration::from_hours(30 * 24));
    world.keeper.step().await.unwrap();
    assert!(world.held().await.is_empty(), "and then the record goes");
}

#[tokio::test]
async fn a_record_that_cannot_be_read_does_not_keep_the_others_from_expiring() {
    /// What rot looks like: the index key stands, the record is none.
    #[derive(minicbor::Encode, minicbor::Decode)]
    struct Rotten(#[n(0)] u8);
    impl crate::store::Record for Rotten {
        const TABLE: Table = Table::Held;
        fn key(&self) -> Vec<u8> {
            vec![self.0; 16]
        }
        fn index_keys(&self) -> Vec<(Index, Vec<u8>)> {
            vec![(Index::HeldDue, vec![0; 8])]
        }
    }
    let world = World::new();
    let envelope = world.envelope("bo@strict.example", BAD, &["anna@ours.example"]);
    world.intake.receive(&envelope, &message("bo@strict.example", "", GTUBE)).await;
    let id = world.held().await[0].id;
    let mut batch = Batch::new();
    batch.insert(&Rotten(0));
    world.store.commit(batch).await.unwrap();
    world.clock.advance(SignedDuration::from_hours(14 * 24 + 1));
    assert_eq!(world.keeper.step().await, Ok(1));
    assert_eq!(world.store.body(id).await, Ok(None), "the readable one expired");
    assert_eq!(world.keeper.step().await, Ok(0), "and nothing turns in a circle");
}

#[tokio::test]
async fn a_released_message_does_not_expire_on_its_way() {
    let world = World::new();
    let envelope = world.envelope("bo@strict.example", BAD, &["anna@ours.example"]);
    world.intake.receive(&envelope, &message("bo@strict.example", "", GTUBE)).await;
    let id = world.held().await[0].id;
    world.clock.advance(SignedDuration::from_hours(14 * 24 - 1));
    world.releases.release(id, ALL_RECIPIENTS).await.unwrap();
    world.clock.advance(SignedDuration::from_hours(2));
    world.keeper.step().await.unwrap();
    assert_eq!(world.held().await[0].recipients[0].state, State::Releasing);
    assert!(world.store.body(id).await.unwrap().is_some());
}

//! What a standing is worth: proof, ceiling, clean days, lapse, revocation.

use std::net::IpAddr;

use futures_util::future::join_all;

use super::*;
use crate::reputation::Proof;

struct World {
    reputation: Reputation,
    store: Store,
    clock: Clock,
}

const OURS: &str = "ours";

fn organisation(id: &str) -> OrganisationId {
    OrganisationId::new(id).unwrap()
}

fn world_with(settings: Settings) -> World {
    let (store, clock) =
        (Store::in_memory(), Clock::stopped_at("2026-03-01T12:00:00Z".parse().unwrap()));
    let reputation = Reputation::new(store.clone(), clock.clone(), settings);
    World { reputation, store, clock }
}

fn world() -> World {
    world_with(Settings { probation_messages: 3, probation_days: 2, ..Settings::default() })
}

fn sender(proofs: Proofs, ip: [u8; 4]) -> Sender {
    let address = Some(Address::parse("bo+news@far.example").unwrap());
    Sender { address, proofs, network: Network::of(IpAddr::from(ip)) }
}

fn proved() -> Sender {
    sender(Proofs::NONE.with(Proof::Dkim), [192, 0, 2, 1])
}

fn unproved() -> Sender {
    sender(Proofs::NONE, [192, 0, 2, 1])
}

impl World {
    async fn release(&self, sender: &Sender) {
        let mut batch = Batch::new();
        self.reputation.grant(&mut batch, sender, &[organisation(OURS)]).await.unwrap();
        self.store.commit(batch).await.unwrap();
    }

    async fn revoke(&self, sender: &Sender) {
        let mut batch = Batch::new();
        self.reputation.revoke(&mut batch, sender, &organisation(OURS)).await.unwrap();
        self.store.commit(batch).await.unwrap();
    }

    async fn accept(&self, sender: &Sender, times: usize) {
        for _ in 0..times {
            self.reputation.count(sender, &organisation(OURS)).await.unwrap();
        }
    }

    async fn regard(&self, sender: &Sender) -> Regard {
        self.reputation.regard(sender, &organisation(OURS)).await.unwrap()
    }

    fn days(&self, days: i64) {
        self.clock.advance(SignedDuration::from_hours(24 * days));
    }
}

#[tokio::test]
async fn a_proved_sender_is_trusted_everywhere_and_nobody_borrows_it() {
    let world = world();
    assert_eq!(world.regard(&proved()).await, Regard::Unknown);
    world.release(&proved()).await;
    let there = organisation("theirs");
    assert_eq!(world.reputation.regard(&proved(), &there).await.unwrap(), Regard::Trusted);
    assert_eq!(world.regard(&unproved()).await, Regard::Unknown, "a forged From");
    let otherwise = sender(Proofs::NONE.with(Proof::Spf), [192, 0, 2, 1]);
    assert_eq!(world.regard(&otherwise).await, Regard::Unknown, "another proof");
}

#[tokio::test]
async fn a_network_is_trusted_in_one_organisation_and_lapses() {
    let world = world_with(Settings { network_lapse_days: 30, ..Settings::default() });
    world.release(&unproved()).await;
    assert_eq!(world.regard(&unproved()).await, Regard::Trusted);
    let neighbour = sender(Proofs::NONE, [192, 0, 2, 200]);
    assert_eq!(world.regard(&neighbour).await, Regard::Trusted, "the same /24");
    let elsewhere = sender(Proofs::NONE, [192, 0, 3, 1]);
    assert_eq!(world.regard(&elsewhere).await, Regard::Unknown);
    let there = organisation("theirs");
    assert_eq!(world.reputation.regard(&unproved(), &there).await.unwrap(), Regard::Unknown);
    world.days(30);
    assert_eq!(world.regard(&unproved()).await, Regard::Trusted);
    world.days(1);
    assert_eq!(world.regard(&unproved()).await, Regard::Unknown);
}

#[tokio::test]
async fn probation_has_a_ceiling_that_doubles_until_trust_stays() {
    let world = world();
    world.release(&proved()).await;
    for ceiling in [3, 6] {
        world.accept(&proved(), ceiling - 1).await;
        assert_eq!(world.regard(&proved()).await, Regard::Trusted);
        world.accept(&proved(), 1).await;
        assert_eq!(world.regard(&proved()).await, Regard::OverCeiling);
        world.days(1);
        assert_eq!(world.regard(&proved()).await, Regard::Trusted, "a new day");
    }
    // The message that ends the second clean day.
    world.accept(&proved(), 100).await;
    assert_eq!(world.regard(&proved()).await, Regard::Trusted, "for good");
    world.days(3650);
    assert_eq!(world.regard(&proved()).await, Regard::Trusted);
}

#[tokio::test]
async fn messages_side_by_side_all_count() {
    let world = world();
    world.release(&proved()).await;
    let (bo, ours) = (proved(), organisation(OURS));
    for counted in join_all((0..40).map(|_| world.reputation.count(&bo, &ours))).await {
        counted.unwrap();
    }
    let row = world.reputation.standing(&bo, &ours).await.unwrap().unwrap();
    assert_eq!(row.record.today, 40);
    assert_eq!(world.regard(&bo).await, Regard::OverCeiling);
}

#[tokio::test]
async fn a_release_on_a_new_day_finds_the_days_ceiling_unspent() {
    let world = world();
    world.release(&proved()).await;
    world.accept(&proved(), 3).await;
    world.days(1);
    world.release(&proved()).await;
    assert_eq!(world.regard(&proved()).await, Regard::Trusted);
    let row = world.reputation.standing(&proved(), &organisation(OURS)).await.unwrap().unwrap();
    assert_eq!((row.record.today, row.record.clean_days, row.record.releases), (0, 1, 2));
}

#[tokio::test]
async fn days_without_mail_are_no_clean_days() {
    let world = world();
    world.release(&proved()).await;
    for _ in 0..5 {
        world.days(1);
        world.release(&proved()).await;
    }
    let row = world.reputation.standing(&proved(), &organisation(OURS)).await.unwrap().unwrap();
    assert_eq!((row.record.clean_days, row.record.state), (0, StandingState::Probation));
}

#[tokio::test]
async fn the_second_chance_begins_anew_and_the_third_is_none() {
    let world = world();
    world.release(&proved()).await;
    world.accept(&proved(), 1).await;
    world.days(1);
    world.revoke(&proved()).await;
    assert_eq!(world.regard(&proved()).await, Regard::Revoked);
    // What passes on its own merits earns nothing while he is revoked.
    for _ in 0..9 {
        world.accept(&proved(), 2).await;
        world.days(1);
    }
    assert_eq!(world.regard(&proved()).await, Regard::Revoked);
    world.release(&proved()).await;
    world.accept(&proved(), 3).await;
    assert_eq!(world.regard(&proved()).await, Regard::OverCeiling, "the first day's ceiling");
    world.revoke(&proved()).await;
    world.release(&proved()).await;
    assert_eq!(world.regard(&proved()).await, Regard::Barred);
}

#[tokio::test]
async fn an_operators_second_revocation_bars_too() {
    let world = world();
    world.release(&proved()).await;
    let key = Standing::key_of(&proved().address.unwrap(), &Scope::Everywhere);
    for expected in [StandingState::Revoked, StandingState::Barred] {
        let revoked = world.reputation.decide(&key, StandingState::Revoked, &|_, _, _| {}).await;
        assert_eq!(revoked.unwrap().unwrap().state, expected);
        world.reputation.decide(&key, StandingState::Trusted, &|_, _, _| {}).await.unwrap();
    }
}

#[tokio::test]
async fn silence_ends_a_trust_only_where_the_operator_wants_it() {
    let world = world_with(Settings { silence_days: Some(90), ..Settings::default() });
    world.release(&proved()).await;
    world.days(90);
    assert_eq!(world.regard(&proved()).await, Regard::Trusted);
    // Being seen once a day is enough to stay.
    world.accept(&proved(), 1).await;
    world.days(90);
    assert_eq!(world.regard(&proved()).await, Regard::Trusted);
    world.days(1);
    assert_eq!(world.regard(&proved()).await, Regard::Unknown);
}

//! A stop between release and delivery: what was promised is kept.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_release_outlives_the_gateway_and_is_delivered_once() {
    let mut house = House::new().await;
    let message = mail("eva@stranger.example", "restart", "x");
    let answer = house.send("eva@stranger.example", &["anna@ours.example"], &message).await;
    let link = link_in(&answer.text).unwrap().to_owned();
    house.release(&link).await;
    house.stop().await;
    house.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(house.copies(&message), 0);
    house.start().await;
    house.arrives("anna@ours.example", &message).await;
    house.stop().await;
    assert_eq!(house.copies(&message), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_gateway_on_the_same_store_does_not_start() {
    let house = House::new().await;
    let (sockets, smtp, portal) = sockets();
    let text = config(house.next_hop, smtp, portal);
    let config = Config::parse(&text, house.folder.path(), &[]).unwrap();
    let Err(error) = Gateway::start(config, sockets, house.clock.clone()).await else {
        panic!("two gateways run on one store");
    };
    assert!(error.to_string().contains("used by another process"), "{error}");
}

//! Through a real connection: servers that are slow, and no place to send from.

use std::collections::HashMap;

use super::*;

fn relay_world(sink: &sink::Sink, connections: usize) -> World {
    let clock = start();
    let routes = Routes { default: sink.hop(TlsPolicy::None), per_domain: HashMap::new() };
    let bounds = Bounds { connections, ..Bounds::default() };
    let tls = ClientTls::new(Vec::new()).unwrap();
    let relay = Relay::new(routes, tls, Timeouts::default(), bounds, clock.clone());
    World::on(Store::in_memory(), clock, Courier::Relay(relay), Memory::new())
}

#[tokio::test(start_paused = true)]
async fn a_slow_server_keeps_its_item_as_long_as_it_takes() {
    let sink = sink::Sink::plain().await;
    sink.rule(".", sink::Act::Hang);
    let world = relay_world(&sink, 4);
    let id = world.released(&["anna@ours.example"]).await;
    let step = world.delivery.step();
    let watch = async {
        while !sink.commands().contains(&".".to_owned()) {
            tokio::task::yield_now().await;
        }
        let item = world.item_of(id).await;
        for _ in 0..5 {
            let due = world.tools.queue.find(item).await.unwrap().unwrap().record.due_at;
            world.advance(60);
            // Time passes until the lease is renewed, which takes 30 s.
            let renewed = async {
                while world.tools.queue.find(item).await.unwrap().unwrap().record.due_at == due {
                    sleep(Duration::from_secs(1)).await;
                }
            };
            let limit = Duration::from_mins(1);
            tokio::time::timeout(limit, renewed).await.expect("the lease is renewed");
            assert!(world.tools.queue.claim(1).await.unwrap().is_empty());
        }
    };
    let (stepped, ()) = tokio::join!(step, watch);
    assert_eq!(stepped.unwrap(), 1);
    let held = world.held(id).await;
    assert_eq!(held.recipients[0].state, State::Released);
    assert!(held.recipients[0].outcome.as_ref().unwrap().reply.contains("no answer within 600 s"));
}

#[tokio::test]
async fn r_06_an_item_without_a_place_waits_without_an_attempt() {
    let sink = sink::Sink::plain().await;
    let world = relay_world(&sink, 1);
    let id = world.released(&["anna@ours.example"]).await;
    let taken = world.tools.courier.reserve(&[address("anna@ours.example")]).unwrap();
    world.run().await;
    let row = world.tools.queue.find(world.item_of(id).await).await.unwrap().unwrap();
    assert_eq!(row.record.attempts, 0);
    assert!(!row.record.claimed);
    drop(taken);
    world.advance(5);
    world.run().await;
    assert_eq!(unmarked(&sink.taken()[0].bytes), [b"Received: by mx.ours\r\n", MESSAGE].concat());
    assert_eq!(world.states(id).await, [State::Delivered]);
}

//! What is learnt from outcomes, and how long it holds.

use super::*;
use crate::suppression::classify::Class;

#[tokio::test]
async fn one_unknown_user_is_enough_and_told_twice_it_is_one() {
    let list = list();
    let noted = failed(&list, "a@far.example", "550 5.1.1 User unknown");
    assert!(list.note(&noted).await.unwrap());
    assert!(!list.note(&noted).await.unwrap());
    assert!(list.covers(&address("a@far.example")).await.unwrap());
    let all = Query { limit: 10, ..Query::default() };
    let (events, _) = list.events(&all).await.unwrap();
    assert_eq!((events.len(), &events[0].class[..]), (1, "unknown_user"));
}

#[tokio::test]
async fn timeouts_need_three_strikes_and_a_success_clears_them() {
    let list = list();
    let day = SignedDuration::from_hours(24);
    let timed_out =
        |list: &Suppression| failed(list, "a@far.example", "451 4.4.1 Connection timed out");
    for _ in 0..2 {
        assert!(!list.note(&timed_out(&list)).await.unwrap());
        list.clock().advance(day);
    }
    let sent = Noted::new(OWN, address("a@far.example"), list.clock().now(), Outcome::Succeeded);
    list.note(&sent).await.unwrap();
    for strike in 1..=3 {
        list.clock().advance(day);
        assert_eq!(list.note(&timed_out(&list)).await.unwrap(), strike == 3, "{strike}");
    }
    assert!(list.covers(&address("a@far.example")).await.unwrap());
}

#[tokio::test]
async fn what_is_not_the_addresss_fault_never_counts() {
    let list = list();
    for reply in [
        "554 5.7.1 blocked using zen.spamhaus.org",
        "552 5.2.2 mailbox full",
        "550 5.7.1 Message content rejected",
        "451 4.3.0 queue file write error",
    ] {
        assert!(!list.note(&failed(&list, "a@far.example", reply)).await.unwrap(), "{reply}");
        list.clock().advance(SignedDuration::from_hours(25));
    }
    for role in ["postmaster@far.example", "abuse@far.example"] {
        assert!(!list.note(&failed(&list, role, "550 5.1.1 no such user")).await.unwrap());
    }
    list.set_own_domains(vec!["@own.example".to_owned()]);
    assert!(!list.note(&failed(&list, "x@own.example", "550 5.1.1 no such user")).await.unwrap());
}

#[tokio::test]
async fn a_released_address_is_exempt_and_its_errors_are_listed() {
    let list = list();
    let anna = address("a@far.example");
    list.note(&failed(&list, "a@far.example", "550 5.1.1 no such user")).await.unwrap();
    list.release(OWN, &anna, "admin").await.unwrap();
    assert!(!list.covers(&anna).await.unwrap());
    list.clock().advance(SignedDuration::from_hours(1));
    assert!(!list.note(&failed(&list, "a@far.example", "550 5.1.1 no such user")).await.unwrap());
    let [exempt] = &list.exemptions(OWN, "FAR", 10).await.unwrap()[..] else { panic!("one") };
    assert_eq!((exempt.reason, exempt.errors, &exempt.by[..]), (Reason::UnknownUser, 1, "admin"));
    assert!(exempt.last_error.as_deref().unwrap().starts_with("unknown_user"));
    assert_eq!(
        list.add(OWN, &anna, "test").await,
        Err(Refused::Exempt("a@far.example".to_owned()))
    );

    list.unexempt(OWN, &anna, "test").await.unwrap();
    list.clock().advance(SignedDuration::from_hours(1));
    assert!(list.note(&failed(&list, "a@far.example", "550 5.1.1 no such user")).await.unwrap());
    assert!(matches!(
        list.release(OWN, &address("b@far.example"), "x").await,
        Err(Refused::NotListed(_))
    ));
}

#[tokio::test]
async fn without_immediate_action_the_run_suppresses() {
    let list = list();
    with_settings(&list, |settings| settings.immediate = false).await;
    assert!(!list.note(&failed(&list, "a@far.example", "550 5.1.1 no such user")).await.unwrap());
    assert!(!list.covers(&address("a@far.example")).await.unwrap());
    assert!(list.is_due(OWN).await.unwrap());
    assert_eq!(list.run(OWN, "test").await.unwrap().suppressed, 1);
    assert!(list.covers(&address("a@far.example")).await.unwrap());
    assert!(!list.is_due(OWN).await.unwrap());
    list.clock().advance(SignedDuration::from_hours(24));
    assert!(list.is_due(OWN).await.unwrap());
}

#[tokio::test]
async fn the_watch_period_releases_and_a_relapse_waits_longer() {
    let list = list();
    with_settings(&list, |settings| {
        settings.watch_days = Some(10);
        settings.releases_per_day = Some(1);
    })
    .await;
    for user in ["a@far.example", "b@far.example"] {
        list.note(&failed(&list, user, "550 5.1.1 no such user")).await.unwrap();
    }
    let soon = list.clock().now() + SignedDuration::from_hours(24 * 11);
    assert_eq!(list.releases_until(OWN, soon).await, Ok(2));
    assert_eq!(list.run(OWN, "test").await.unwrap().released, 0);
    list.clock().advance(SignedDuration::from_hours(24 * 10 + 1));
    let ran = list.run(OWN, "test").await.unwrap();
    assert_eq!((ran.released, ran.waiting), (1, 1));
    let again = list.run(OWN, "test").await.unwrap();
    assert_eq!((again.released, again.waiting), (0, 1), "one a day, however often it is run");
    list.clock().advance(SignedDuration::from_hours(24));
    assert_eq!(list.run(OWN, "test").await.unwrap().released, 1);
    assert!(!list.covers(&address("a@far.example")).await.unwrap());
    list.note(&failed(&list, "a@far.example", "550 5.1.1 no such user")).await.unwrap();
    let row = list.find(OWN, &address("a@far.example")).await.unwrap().unwrap().record;
    assert_eq!(row.relapses, 1);
    assert_eq!(row.until.unwrap().duration_since(row.since).as_hours(), 20 * 24);
}

#[tokio::test]
async fn a_reason_that_is_switched_off_can_be_cancelled() {
    let list = list();
    list.note(&failed(&list, "a@far.example", "550 5.1.1 no such user")).await.unwrap();
    list.add(OWN, &address("b@far.example"), "test").await.unwrap();
    assert_eq!(list.cancel_reason(OWN, Reason::UnknownUser).await, Ok(1));
    assert!(!list.covers(&address("a@far.example")).await.unwrap());
    assert!(list.covers(&address("b@far.example")).await.unwrap());
    assert_eq!(Class::parse("rejecting"), Some(Class::Rejecting));
}

#[tokio::test]
async fn a_providers_outage_teaches_nothing_and_is_undone_in_one_step() {
    let list = list();
    for user in 0..30 {
        list.note(&failed(&list, &format!("u{user}@big.example"), "550 5.1.1 no such user"))
            .await
            .unwrap();
    }
    let open = list.open_breakers().await.unwrap();
    assert_eq!((open.len(), &open[0].domain[..]), (1, "big.example"));
    assert_eq!(list.roll(OWN).len(), 19, "what came before it opened");
    let released = list.close_breaker(OWN, "big.example", true, "test").await.unwrap();
    assert_eq!((released, list.roll(OWN).len()), (19, 0));
    assert!(list.open_breakers().await.unwrap().is_empty());
}

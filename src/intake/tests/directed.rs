//! Where mail comes from and goes: outgoing, behind relays, to roles, in
//! circles, to nobody of ours, and back to our letters.

use super::*;

#[tokio::test]
async fn s_46_outgoing_mail_is_never_held_and_makes_correspondents() {
    let world =
        World::with(|_| {}, |settings| settings.networks.own = vec!["10.0.0.0/8".parse().unwrap()]);
    let envelope = world.envelope("anna@ours.example", [10, 1, 1, 1], &["bo@strict.example"]);
    assert_eq!(
        world.intake.recipient(&envelope, &envelope.rcpt_to[0].address).await,
        None,
        "our own network may send anywhere"
    );
    let answer = world.intake.receive(&envelope, &message("anna@ours.example", "", GTUBE)).await;
    assert_eq!((answer.pass, answer.reply.code()), (vec![0], 250));
    assert!(world.held().await.is_empty());

    let ours = crate::directory::OrganisationId::new("ours").unwrap();
    let bo = Address::parse("bo@strict.example").unwrap();
    assert!(correspondent::knows(&world.store, &ours, &bo).await.unwrap());

    let answer = world.intake.receive(&envelope, &message("anna@ours.example", "", EICAR)).await;
    assert_eq!(answer.reply.code(), 554, "malware is refused in every direction");
}

#[tokio::test]
async fn s_47_behind_a_relay_the_real_client_is_judged_and_no_550_is_given() {
    let relay = [198, 51, 100, 25];
    let world = World::with(
        |_| {},
        |settings| settings.networks.relays = vec!["198.51.100.0/24".parse().unwrap()],
    );
    let envelope = world.envelope("bo@strict.example", relay, &["anna@ours.example"]);
    let trace = "Received: from forger (unknown [203.0.113.66]) by mx2.ours.example; now\n";
    let text = format!("{trace}From: bo@strict.example\nSubject: x\n\n{GTUBE}\n");
    let mail = Message::new(Bytes::from(text.replace('\n', "\r\n")));
    let answer = world.intake.receive(&envelope, &mail).await;
    assert_eq!(answer.reply.code(), 250, "{}", answer.reply);
    let held = world.held().await.remove(0);
    assert_eq!(held.client, IpAddr::from(BAD));
    assert_eq!(held.telling, Telling::Untold);
    assert_eq!(world.intake.receive(&envelope, &mail).await.reply.code(), 250, "again as before");
}

#[tokio::test]
async fn s_45_role_addresses_pass() {
    let world = World::new();
    for role in ["postmaster@ours.example", "Abuse@ours.example"] {
        let envelope = world.envelope("bo@strict.example", BAD, &[role]);
        let mail = message("bo@strict.example", "", GTUBE);
        assert_eq!(world.intake.receive(&envelope, &mail).await.pass, [0], "{role}");
    }
    assert_eq!(world.intake.postmaster().unwrap().to_string(), "postmaster@ours.example");
}

#[tokio::test]
async fn s_31_strangers_do_not_relay() {
    let world = World::new();
    let envelope = world.envelope("bo@good.example", GOOD, &[]);
    let other = Address::parse("victim@other.example").unwrap();
    let reply = world.intake.recipient(&envelope, &other).await.unwrap();
    assert_eq!((reply.code(), reply.enhanced()), (550, Some((5, 7, 1))));
}

#[tokio::test]
async fn a_second_organisation_can_be_asked_to_come_separately() {
    let world = World::with(|_| {}, |settings| settings.one_organisation_per_transaction = true);
    let envelope = world.envelope("bo@good.example", GOOD, &["anna@ours.example"]);
    let same = Address::parse("carl@ours.example").unwrap();
    let other = Address::parse("dora@theirs.example").unwrap();
    assert_eq!(world.intake.recipient(&envelope, &same).await, None);
    let reply = world.intake.recipient(&envelope, &other).await.unwrap();
    assert_eq!(reply.to_string(), "451 4.3.0 Send to this domain separately");
}

#[tokio::test]
async fn s_38_loops_are_refused_without_a_notice() {
    let world = World::new();
    let envelope = world.envelope("bo@good.example", GOOD, &["anna@ours.example"]);
    let foreign = "Received: from a by b; Fri, 15 Jan 2027 08:00:00 +0000\n";
    let far = message("bo@good.example", &foreign.repeat(51), "hello");
    assert_eq!(
        world.intake.receive(&envelope, &far).await.reply.to_string(),
        "554 5.4.6 Routing loop detected"
    );

    let head = world.intake.receive(&envelope, &message("bo@good.example", "", "hi")).await.head;
    let ours = head[head.find("Received:").unwrap()..].replace("\r\n", "\n");
    let back = message("bo@good.example", &ours, "hi");
    assert_eq!(world.intake.receive(&envelope, &back).await.reply.code(), 554);
    let onward = world.envelope("bo@good.example", GOOD, &["dora@theirs.example"]);
    assert_eq!(world.intake.receive(&onward, &back).await.reply.code(), 250, "another recipient");
    assert!(world.held().await.is_empty());
}

#[tokio::test]
async fn b_07_b_08_a_bounce_of_a_letter_ends_letters_to_that_address() {
    let world = World::with(|ours| ours.hold_first_contact = true, |_| {});
    let good = world.envelope("bo@good.example", GOOD, &["anna@ours.example"]);
    world.intake.receive(&good, &message("bo@good.example", "", "hello")).await;
    let path = world.items(Kind::Letter).await[0].mail_from.to_string();
    let fresh = world.envelope("", BAD, &[]);
    let forged = Address::parse("bounce+forged@notice.example").unwrap();
    assert!(world.intake.recipient(&fresh, &forged).await.is_some(), "a forged path is refused");

    let envelope = world.envelope("", BAD, &[&path]);
    assert_eq!(world.intake.recipient(&fresh, &envelope.rcpt_to[0].address).await, None);
    let dsn = "From: MAILER-DAEMON@good.example\nSubject: failed\nMIME-Version: 1.0\n\
        Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n\
        --b\nContent-Type: text/plain\n\nfailed\n--b\nContent-Type: message/delivery-status\n\n\
        Reporting-MTA: dns; mta.good.example\n\nFinal-Recipient: rfc822; bo@good.example\n\
        Action: failed\nStatus: 5.1.1\n\n--b--\n";
    let dsn = Message::new(Bytes::from(dsn.replace('\n', "\r\n")));
    let answer = world.intake.receive(&envelope, &dsn).await;
    assert_eq!((answer.pass.len(), answer.reply.code()), (0, 250), "{}", answer.reply);
    let suppressed = world
        .store
        .scan(&Table::Suppression.key(&[]), &Table::Suppression.end(), 10)
        .await
        .unwrap();
    assert_eq!(suppressed.len(), 1);
}

//! By which way a sender is told: letter, reply, deferral, later a DSN, or not
//! at all.

use super::*;
use crate::filter::Class;
use crate::filter::verdict::Door;

#[tokio::test]
async fn b_11_a_forwarders_rewritten_path_is_neither_written_to_nor_refused() {
    let world = World::new();
    let mut sent = world.personal();
    let path = "SRS0=ab=XY=far.example=sender@forwarder.example";
    sent.envelope.mail_from = ReversePath::parse(path, false).unwrap();
    sent.held.rfc5321_mail_from = sent.envelope.mail_from.clone();
    let reply = world.tell(&mut sent).await;
    assert_eq!((reply.code(), sent.held.telling), (250, Telling::Untold));
    assert!(!reply.text().contains("http"));
    assert!(world.items().await.is_empty());
}

#[tokio::test]
async fn every_channel_is_chosen_as_the_design_says() {
    let world = World::new();
    let mut list = world.personal();
    list.examination.discussion_list = true;
    assert_eq!(world.tell(&mut list).await.code(), 250);
    assert_eq!(list.held.telling, Telling::Untold);

    for (relayed, partly_accepted) in [(true, false), (false, true)] {
        let mut unproved = world.from("unproved@far.example");
        unproved.held.proofs = Proofs::NONE;
        (unproved.relayed, unproved.partly_accepted) = (relayed, partly_accepted);
        assert_eq!(world.tell(&mut unproved).await.code(), 250);
        assert_eq!(unproved.held.telling, Telling::Untold);

        let mut proved = world.from(&format!("p{relayed}@far.example"));
        (proved.relayed, proved.partly_accepted) = (relayed, partly_accepted);
        assert_eq!(world.tell(&mut proved).await.code(), 250);
        assert_eq!(proved.held.telling, Telling::Letter);
    }

    for class in [Class::Malware, Class::Phishing] {
        let mut sent = world.from("m@far.example");
        sent.held.recipients[0].class = class;
        let reply = world.tell(&mut sent).await;
        assert_eq!(reply.code(), 550);
        assert!(!reply.text().contains("http"), "{reply}");
        assert!(!world.notices.reply_again(&sent.held).text().contains("http"));
    }
    let mut closed = world.from("m@far.example");
    closed.held.recipients[0].door = Door::Closed;
    assert!(!world.tell(&mut closed).await.text().contains("http"));
}

#[tokio::test]
async fn an_organisation_may_choose_the_reply_for_all() {
    let mut world = World::new();
    world.organisation.told = Told::Reply;
    assert!(is_blocked_with_link(&world.tell(&mut world.personal()).await));
    world.organisation.told = Told::Defer;
    let reply = world.tell(&mut world.personal()).await;
    assert_eq!((reply.code(), reply.enhanced()), (451, Some((4, 7, 1))));
    assert!(reply.text().contains(LINK));
    assert!(world.items().await.is_empty());
}

#[tokio::test]
async fn a_repeat_gets_the_same_answer() {
    let world = World::new();
    let mut sent = world.personal();
    sent.held.proofs = Proofs::NONE;
    let first = world.tell(&mut sent).await;
    assert_eq!(world.notices.reply_again(&sent.held), first);
    let mut letter = world.personal();
    let first = world.tell(&mut letter).await;
    assert_eq!(world.notices.reply_again(&letter.held), first);
}

#[tokio::test]
async fn who_was_never_told_gets_one_dsn_when_the_message_expires() {
    let world = World::new();
    let expire = async |mut sent: Sent| {
        world.tell(&mut sent).await;
        sent.held.telling = Telling::Untold;
        let now = world.clock.now();
        for one in &mut sent.held.recipients {
            one.become_state(State::Expired, now).unwrap();
        }
        let mut batch = Batch::new();
        let told = world.notices.tell_expired(&mut batch, &sent.held).await.unwrap();
        world.store.commit(batch).await.unwrap();
        told
    };
    let relayed = |mut sent: Sent| {
        sent.relayed = true;
        sent.examination.discussion_list = true;
        sent
    };
    assert!(expire(relayed(world.personal())).await);
    let (item, dsn) = world.letter().await;
    assert_eq!((item.kind, &item.mail_from), (Kind::Dsn, &ReversePath::Null));
    assert_eq!(item.recipients[0].address.to_string(), "sender@far.example");
    let reports = crate::mail::dsn::read(&dsn);
    assert_eq!(reports[0].status, Some((5, 7, 1)));
    assert_eq!(reports[0].final_recipient, "anna@ours.example");
    assert!(!String::from_utf8_lossy(dsn.bytes()).contains("evil.example"));
    assert!(dsn.text("DKIM-Signature").is_some());

    assert!(!expire(relayed(world.personal())).await, "one in 24 hours");
    let mut foreign = relayed(world.from("other@far.example"));
    foreign.held.rfc5321_mail_from = ReversePath::parse("x@elsewhere.example", false).unwrap();
    assert!(!expire(foreign).await, "the reverse-path is not of the proved domain");
    let mut unproved = relayed(world.from("third@far.example"));
    unproved.held.proofs = Proofs::NONE;
    assert!(!expire(unproved).await);
    assert_eq!(world.items().await.len(), 1);
}

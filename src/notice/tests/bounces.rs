//! What comes back: whom a bounce suppresses, what is no bounce, and the
//! breaker.

use super::*;
use crate::clock::SignedDuration;

const DSN: &str = "From: mailer-daemon@far.example
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: text/plain

no such user
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; far.example

Final-Recipient: rfc822; sender@far.example
Action: failed
Status: 5.1.1
--b--
";

#[tokio::test]
async fn b_07_one_hard_bounce_suppresses_and_nothing_is_answered() {
    let world = World::new();
    let mut sent = world.personal();
    world.tell(&mut sent).await;
    let (item, _) = world.letter().await;
    let held = world.notices.return_path(item.mail_from.address().unwrap()).unwrap();
    let covered = async || {
        let address = Address::parse("sender@far.example").unwrap();
        world.notices.inner.tools.suppression.covers(&address).await.unwrap()
    };

    let vacation = "Auto-Submitted: auto-replied\n\nI am away. Action: failed, Status: 5.1.1\n";
    let (envelope, message) = world.answer(vacation);
    assert_eq!(world.notices.take_bounce(held, &envelope, &message).await.code(), 250);
    let (mut envelope, message) = world.answer(DSN);
    envelope.mail_from = ReversePath::parse("somebody@far.example", false).unwrap();
    world.notices.take_bounce(held, &envelope, &message).await;
    let (envelope, delayed) = world.answer(&DSN.replace("failed", "delayed"));
    world.notices.take_bounce(held, &envelope, &delayed).await;
    assert!(!covered().await);

    let (envelope, message) = world.answer(DSN);
    assert_eq!(world.notices.take_bounce(held, &envelope, &message).await.code(), 250);
    assert!(covered().await);
    world.notices.take_bounce(held, &envelope, &message).await;
    assert_eq!(world.items().await.len(), 1, "no answer to a bounce");
    world.clock.advance(SignedDuration::from_hours(48));
    let reply = world.tell(&mut world.personal()).await;
    assert!(is_blocked_with_link(&reply));
}

/// Not every server speaks RFC 3464: the letters of qmail and Exim count too.
#[tokio::test]
async fn b_07_a_bounce_without_a_report_suppresses_as_well() {
    let qmail = "From: MAILER-DAEMON@far.example\nSubject: failure notice\n\n\
                 Hi. This is the qmail-send program at far.example.\n\
                 I'm afraid I wasn't able to deliver your message to the following addresses.\n\
                 This is a permanent error; I've given up. Sorry it didn't work out.\n\n\
                 <sender@far.example>:\n\
                 Sorry, no mailbox here by that name. (#5.1.1)\n";
    let late = qmail.replace("(#5.1.1)", "I'm not going to try again (#4.4.1)");
    for (text, suppressed) in [(late.as_str(), false), (qmail, true)] {
        let world = World::new();
        let mut sent = world.personal();
        world.tell(&mut sent).await;
        let (item, _) = world.letter().await;
        let held = world.notices.return_path(item.mail_from.address().unwrap()).unwrap();
        let (envelope, message) = world.answer(text);
        assert_eq!(world.notices.take_bounce(held, &envelope, &message).await.code(), 250);
        let address = Address::parse("sender@far.example").unwrap();
        let covered = world.notices.inner.tools.suppression.covers(&address).await.unwrap();
        assert_eq!(covered, suppressed, "{text}");
    }
}

#[tokio::test]
async fn b_08_a_bounce_without_our_key_is_ignored_and_counted() {
    let world = World::new();
    let forged = format!("notice-0001{}@notice.example", "0".repeat(52));
    for text in [&forged, "notice-@notice.example", "notices@notice.example", "a@b.example"] {
        let address = Address::parse(text).unwrap();
        assert_eq!(world.notices.return_path(&address), None, "{text}");
        let forged = text.starts_with("notice-");
        assert_eq!(world.notices.is_forged_bounce(&address), forged, "{text}");
    }
    let counted = "reprieve_bounces_total{kind=\"forged\"} 2";
    assert!(world.maillog.encode().contains(counted), "{}", world.maillog.encode());
}

#[tokio::test]
async fn the_breaker_ends_letters_until_an_operator_closes_it() {
    let world = World::new();
    for number in 0..6 {
        let mut batch = Batch::new();
        let address = Address::parse(&format!("dead{number}@other.example")).unwrap();
        let settled = world.notices.letter_settled(&mut batch, &address, true).await.unwrap();
        world.store.commit(batch).await.unwrap();
        settled.log(&world.maillog);
    }
    assert!(world.maillog.encode().contains("reprieve_breaker_open 1"));
    let open = world.notices.breaker().await.unwrap();
    assert_eq!(open.opened_at(), Some(world.clock.now()));
    assert_eq!((open.bounced(), open.remembered()), (6, 6));
    assert_replied(&world, world.personal(), "breaker").await;
    world.notices.close_breaker(&|_| {}).await.unwrap();
    assert_eq!(world.tell(&mut world.personal()).await.code(), 250);
}

//! What comes back: released mail with its mark, bounces and answers, loops.

use super::*;
use crate::clock::SignedDuration;
use crate::link::mark;
use crate::mail::{Address, Message};
use crate::queue::Kind;

/// A released message as the courier sends it, with its mark in front.
fn marked(world: &World, to: &[&str], text: &str) -> String {
    let message = Message::new(text.replace('\n', "\r\n").into_bytes().into());
    let attempt = mark::Attempt {
        item: uuid::Uuid::now_v7(),
        generation: 1,
        expires: world.clock.now() + SignedDuration::from_hours(1),
    };
    let to: Vec<Address> = to.iter().map(|to| Address::parse(to).unwrap()).collect();
    let field = mark::field(world.links.ring(), &attempt, &message, to.iter());
    field.replace("\r\n", "\n") + text
}

#[tokio::test]
async fn a_mark_lets_a_released_message_pass_once_and_goes() {
    let world = World::new();
    let to = ["anna@ours.example", "carl@ours.example"];
    let text = marked(&world, &to, &mail("bo@strict.example", "", GTUBE));
    let mut mta = Mta::connect(&world).await;
    let said = mta.message(BAD, "bo@strict.example", &to, &text).await;
    assert_eq!(verdict(&said), 'a', "{said:?}");
    assert_eq!(all(&said, b'm'), ["\0\0\0\x01Reprieve-Released\0\0"], "the mark goes");
    assert!(all(&said, b'i').is_empty(), "its trace is in it already");

    let again = mta.message(BAD, "bo@strict.example", &to, &text).await;
    assert!(words(&again).starts_with("550"), "a mark is worth something once");
    let part = mta.message(BAD, "bo@strict.example", &to[1..], &text).await;
    assert!(words(&part).starts_with("550"), "for nobody of them again");
}

#[tokio::test]
async fn a_mark_passes_in_parts_and_even_through_a_loop() {
    let world = World::new();
    let to = ["anna@ours.example", "carl@ours.example"];
    let trace = "Received: from x (unknown [192.0.2.1])\n\tby mx.ours.example (Reprieve)\n\t\
                 with ESMTP id 1\n\tfor <anna@ours.example>;\n\tMon, 23 Nov 2026 01:02:03 +0000\n";
    let text = marked(&world, &to, &format!("{trace}{}", mail("bo@strict.example", "", GTUBE)));
    let mut mta = Mta::connect(&world).await;
    for one in to {
        let said = mta.message(BAD, "bo@strict.example", &[one], &text).await;
        assert_eq!(verdict(&said), 'a', "{one}");
    }
    let said = mta.message(BAD, "bo@strict.example", &to[..1], &text).await;
    assert_eq!(words(&said), "554 5.4.6 Routing loop detected", "a real loop ends");
}

#[tokio::test]
async fn a_mark_that_is_forged_late_or_for_another_is_worth_nothing() {
    let world = World::new();
    let mut mta = Mta::connect(&world).await;
    let anna = ["anna@ours.example"];
    let text = marked(&world, &anna, &mail("bo@strict.example", "", GTUBE));
    let other = world_of_other_keys(&anna);
    let cases = [
        (text.replace("GTUBE", "GTUBE ").replace(GTUBE, &format!("{GTUBE} more")), anna[0]),
        (text.replace("Offer", "Order"), anna[0]),
        (text.clone(), "carl@ours.example"),
        (other, anna[0]),
        (format!("Reprieve-Released: yes\n{}", mail("bo@strict.example", "", GTUBE)), anna[0]),
    ];
    for (text, to) in cases {
        let said = mta.message(BAD, "bo@strict.example", &[to], &text).await;
        assert!(words(&said).starts_with("550"), "{text}");
    }
    world.clock.advance(SignedDuration::from_hours(1));
    let said = mta.message(BAD, "bo@strict.example", &anna, &text).await;
    assert!(words(&said).starts_with("550"), "too late");
}

fn world_of_other_keys(to: &[&str]) -> String {
    marked(&World::new(), to, &mail("bo@strict.example", "", GTUBE))
}

#[tokio::test]
async fn b_07_b_08_bounces_of_letters_end_here_and_forged_ones_go_nowhere() {
    let world = World::with(|ours| ours.hold_first_contact = true, |_| {});
    let mut mta = Mta::connect(&world).await;
    let text = mail("bo@good.example", "", "hello");
    mta.message(GOOD, "bo@good.example", &["anna@ours.example"], &text).await;
    let path = world.items(Kind::Letter).await[0].mail_from.to_string();
    let dsn = "From: MAILER-DAEMON@good.example\nSubject: failed\nMIME-Version: 1.0\n\
        Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n\
        --b\nContent-Type: text/plain\n\nfailed\n--b\nContent-Type: message/delivery-status\n\n\
        Reporting-MTA: dns; mta.good.example\n\nFinal-Recipient: rfc822; bo@good.example\n\
        Action: failed\nStatus: 5.1.1\n\n--b--\n";
    let said = mta.message(BAD, "", &[&path], dsn).await;
    assert_eq!(verdict(&said), 'd', "{said:?}");
    let table = crate::store::Table::Suppression;
    let suppressed = world.store.scan(&table.key(&[]), &table.end(), 10).await.unwrap();
    assert_eq!(suppressed.len(), 1, "no more letters to that address");

    mta.client(BAD).await;
    let forged = path.replace("notice-", "notice-0");
    let answers = mta.envelope("", &[&forged]).await;
    assert!(answers[0].1.starts_with(b"550 5.7.1 "), "{answers:?}");
}

#[tokio::test]
async fn b_01_automatic_mail_is_answered_by_nobody() {
    let world = World::with(|ours| ours.hold_first_contact = true, |_| {});
    let mut mta = Mta::connect(&world).await;
    let kinds = [
        ("bo@good.example", "Auto-Submitted: auto-replied\n"),
        (
            "bo@good.example",
            "Precedence: list\nList-Id: <l.good.example>\nList-Post: <mailto:l@good.example>\n",
        ),
        ("", "Auto-Submitted: auto-generated\n"),
        ("bo@good.example", "Reprieve-Notice: 1\n"),
        ("SRS0=a=b=far.example=bo@good.example", ""),
    ];
    for (at, (from, more)) in kinds.into_iter().enumerate() {
        let text = mail("bo@good.example", more, &format!("{GTUBE} {at}"));
        let said = mta.message(GOOD, from, &["anna@ours.example"], &text).await;
        assert!("dy".contains(verdict(&said)), "{said:?}");
        assert!(world.items(Kind::Letter).await.is_empty(), "{more}");
        assert!(world.items(Kind::Dsn).await.is_empty(), "{more}");
    }
}

#[tokio::test]
async fn s_38_two_gateways_that_send_to_each_other_end_it() {
    let world = World::new();
    let mut mta = Mta::connect(&world).await;
    let mut text = mail("bo@good.example", "", "hello");
    let mut rounds = 0;
    // Another gateway, with a name of its own, sends everything back.
    loop {
        let said = mta.message(GOOD, "bo@good.example", &["anna@ours.example"], &text).await;
        if verdict(&said) != 'a' {
            assert_eq!(words(&said), "554 5.4.6 Routing loop detected");
            break;
        }
        rounds += 1;
        assert!(rounds < 10, "it never ends");
        let mut head = String::new();
        for one in all(&said, b'i').into_iter().rev() {
            let (name, value) = one[4..].split_once('\0').unwrap();
            head += &format!("{name}:{}\n", value.trim_end_matches('\0'));
        }
        text = format!("Received: by other.example (Reprieve); now\n{head}{text}");
    }
    assert_eq!(rounds, 1);
    assert!(world.held().await.is_empty());
}

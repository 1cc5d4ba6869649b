//! The pass-through proxy against a next hop that answers as it is told.

#[path = "../../../../tests/hop/mod.rs"]
pub mod hop;

use std::time::Duration;

use tokio::net::TcpListener;
use uuid::Uuid;

use self::hop::Hop;

use super::dialogues::{Client, Writes};
use super::{Running, beside, settings};
use crate::intake::Answer;
use crate::intake::smtp::{NextHop, Settings};
use crate::mail::Reply;
use crate::queue::client::Timeouts;
use crate::queue::route::{self, Protocol, TlsPolicy};
use crate::queue::tls::ClientTls;

/// A server with a next hop.
async fn start(protocol: Protocol) -> (Running, Hop) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hop = Hop::default();
    if protocol == Protocol::Lmtp {
        hop.speak_lmtp();
    }
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(hop.clone().serve(listener));
    let next_hop = next_hop("127.0.0.1", port, protocol);
    let running = Running::start(Settings { next_hop: Some(next_hop), ..settings() }).await;
    (running, hop)
}

pub fn next_hop(host: &str, port: u16, protocol: Protocol) -> NextHop {
    NextHop {
        server: route::NextHop {
            host: host.to_owned(),
            port,
            protocol,
            tls: TlsPolicy::None,
            helo: "mx.ours.example".to_owned(),
            auth: None,
        },
        tls: ClientTls::new(Vec::new()).unwrap(),
        timeouts: Timeouts::all(Duration::from_secs(5)),
        ask_recipients: true,
        xforward: false,
    }
}

pub fn passing(slots: &[usize]) -> Answer {
    Answer {
        pass: slots.to_vec(),
        head: "Received: by mx.ours.example\r\n".to_owned(),
        reply: Reply::new(250, (2, 0, 0), "Accepted"),
        own: false,
        held: None,
    }
}

fn holding(slots: &[usize]) -> Answer {
    Answer { held: Some(Uuid::from_u128(7)), ..passing(slots) }
}

pub const MAIL: &str = "MAIL FROM:<a@sender.example>";

/// Says each line and gives the replies to the last ones.
pub async fn say(running: &Running, lines: &'static [&'static str]) -> Vec<String> {
    let address = running.address;
    beside(move || {
        let mut client = Client::connect(address, Writes::Whole);
        client.reply();
        client.ask("EHLO client.example");
        let replies = lines.iter().map(|line| client.ask(line)).collect();
        client.ask("QUIT");
        replies
    })
    .await
}

pub const BODY: &str = "Subject: x\r\n\r\n..dot\r\n.";

#[tokio::test(flavor = "multi_thread")]
async fn clean_mail_is_passed_on_inside_the_session() {
    let (running, hop) = start(Protocol::Smtp).await;
    running.script.inner().answer = Some(passing(&[0, 1]));
    let replies = say(
        &running,
        &[
            "MAIL FROM:<a@sender.example> SIZE=100 BODY=8BITMIME",
            "RCPT TO:<B@ours.example>",
            "RCPT TO:<c@ours.example>",
            "DATA",
            BODY,
        ],
    )
    .await;
    assert_eq!(replies[1], "250 2.0.0 fine");
    assert_eq!(replies[4], "250 2.0.0 Accepted");
    assert_eq!(
        hop.heard(),
        [
            "EHLO mx.ours.example",
            "MAIL FROM:<a@sender.example> SIZE=100 BODY=8BITMIME",
            "RCPT TO:<B@ours.example>",
            "RCPT TO:<c@ours.example>",
            "DATA",
        ]
    );
    assert_eq!(
        hop.messages(),
        ["Received: by mx.ours.example\r\nSubject: x\r\n\r\n..dot\r\n"],
        "stuffed as it came"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_hops_answer_to_rcpt_is_given_on() {
    let (running, hop) = start(Protocol::Smtp).await;
    running.script.inner().answer = Some(passing(&[0]));
    hop.answer(
        "RCPT",
        &["550-5.1.1 no such\r\n550 5.1.1 person", "450 4.2.1 busy", "250 2.1.5 yes"],
    );
    let replies = say(
        &running,
        &[
            MAIL,
            "RCPT TO:<b@ours.example>",
            "RCPT TO:<c@ours.example>",
            "RCPT TO:<d@ours.example>",
            "RCPT TO:<e@other.example>",
            "DATA",
            BODY,
        ],
    )
    .await;
    assert_eq!(replies[1], "550 5.1.1 no such person");
    assert_eq!(replies[2], "450 4.2.1 busy");
    assert_eq!(replies[3], "250 2.1.5 yes");
    assert!(replies[4].starts_with("550 5.7.1"), "{}", replies[4]);
    assert_eq!(replies[6], "250 2.0.0 Accepted");
    assert!(!hop.heard().iter().any(|line| line.contains("other.example")));
    assert_eq!(running.script.inner().received[0].0.rcpt_to.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_mail_is_the_answer_to_rcpt() {
    let (running, hop) = start(Protocol::Smtp).await;
    hop.answer("MAIL", &["451 4.7.0 later", "250 2.1.0 now"]);
    let replies =
        say(&running, &[MAIL, "RCPT TO:<b@ours.example>", "RCPT TO:<b@ours.example>"]).await;
    assert_eq!(replies[1], "451 4.7.0 later");
    assert_eq!(replies[2], "250 2.0.0 fine");
}

#[tokio::test(flavor = "multi_thread")]
async fn if_some_pass_it_is_a_transaction_of_their_own() {
    let (running, hop) = start(Protocol::Smtp).await;
    running.script.inner().answer = Some(holding(&[1]));
    let replies = say(
        &running,
        &[MAIL, "RCPT TO:<b@ours.example>", "RCPT TO:<c@ours.example>", "DATA", BODY],
    )
    .await;
    assert_eq!(replies[4], "250 2.0.0 Accepted");
    let heard = hop.heard();
    assert_eq!(
        heard[4..7],
        ["RSET", "MAIL FROM:<a@sender.example> SIZE=50", "RCPT TO:<c@ours.example>"]
    );
    assert_eq!(heard[7], "DATA");
    assert!(running.script.inner().withdrawn.is_empty());
    assert_eq!(hop.messages().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_if_nobody_passes_and_the_next_message_goes() {
    let (running, hop) = start(Protocol::Smtp).await;
    let replies = say(
        &running,
        &[MAIL, "RCPT TO:<b@ours.example>", "DATA", BODY, MAIL, "RCPT TO:<b@ours.example>"],
    )
    .await;
    assert_eq!(replies[5], "250 2.0.0 fine");
    assert!(hop.messages().is_empty());
    assert_eq!(hop.heard()[3..], ["RSET", MAIL, "RCPT TO:<b@ours.example>"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_4xx_leaves_the_holds_and_a_5xx_withdraws_them() {
    for (told, withdrawn) in [("452 4.2.2 full", 0), ("550 5.7.9 never", 1)] {
        for verb in ["DATA", "."] {
            let (running, hop) = start(Protocol::Smtp).await;
            running.script.inner().answer = Some(holding(&[0]));
            hop.answer(verb, &[told]);
            let replies = say(&running, &[MAIL, "RCPT TO:<b@ours.example>", "DATA", BODY]).await;
            assert_eq!(replies[3], told, "{verb}");
            assert_eq!(running.script.inner().withdrawn.len(), withdrawn, "{verb} {told}");
            assert!(running.script.inner().remembered.is_empty());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_next_hop_is_451() {
    let (running, hop) = start(Protocol::Smtp).await;
    running.script.inner().answer = Some(holding(&[0]));
    hop.answer(".", &[""]);
    let replies = say(&running, &[MAIL, "RCPT TO:<b@ours.example>", "DATA", BODY]).await;
    assert!(replies[3].starts_with("451 4.4.1"), "{}", replies[3]);
    assert!(running.script.inner().withdrawn.is_empty());

    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = nobody.local_addr().unwrap().port();
    drop(nobody);
    let (other, _) = start(Protocol::Smtp).await;
    let mut next_hop = other.server.shared().settings.next_hop.clone();
    next_hop.as_mut().unwrap().server.port = port;
    let running = Running::start(Settings { next_hop, ..settings() }).await;
    let replies = say(&running, &[MAIL, "RCPT TO:<b@ours.example>", "DATA"]).await;
    assert!(replies[1].starts_with("451 4.4.1"), "{}", replies[1]);
    assert!(replies[2].starts_with("554 5.5.1"), "{}", replies[2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_was_lost_while_we_judged_is_opened_again() {
    let (running, hop) = start(Protocol::Smtp).await;
    running.script.inner().answer = Some(passing(&[0]));
    hop.answer("DATA", &["421 4.4.2 too slow", "354 go on"]);
    let replies = say(&running, &[MAIL, "RCPT TO:<b@ours.example>", "DATA", BODY]).await;
    assert_eq!(replies[3], "250 2.0.0 Accepted");
    assert_eq!(hop.messages().len(), 1);

    hop.answer("DATA", &["", "354 go on"]);
    let replies = say(&running, &[MAIL, "RCPT TO:<b@ours.example>", "DATA", BODY]).await;
    assert_eq!(replies[3], "250 2.0.0 Accepted");
    assert_eq!(hop.messages().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_gone_after_the_next_hops_250_is_remembered() {
    let (running, hop) = start(Protocol::Smtp).await;
    running.script.inner().answer = Some(passing(&[0]));
    let address = running.address;
    let cut_off = move |quit: bool| {
        let mut client = Client::connect(address, Writes::Whole);
        client.reply();
        for line in ["EHLO client.example", MAIL, "RCPT TO:<b@ours.example>", "DATA"] {
            client.ask(line);
        }
        client.send(format!("{BODY}\r\n").as_bytes());
        if quit {
            assert_eq!(client.reply(), "250 2.0.0 Accepted");
            client.ask("QUIT");
        }
    };
    beside(move || cut_off(true)).await;
    assert_eq!(hop.messages().len(), 1);
    assert!(running.script.inner().remembered.is_empty());

    beside(move || cut_off(false)).await;
    // The session ends by itself; the server's end waits for it.
    let script = running.script.clone();
    while script.inner().received.len() < 2 {
        tokio::task::yield_now().await;
    }
    running.end().await;
    assert_eq!(hop.messages().len(), 1);
    assert_eq!(script.inner().remembered, [[0]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_passed_before_is_not_delivered_again() {
    let (running, hop) = start(Protocol::Smtp).await;
    running.script.inner().answer = Some(passing(&[0]));
    running.script.inner().remembered = vec![vec![0]];
    let replies = say(&running, &[MAIL, "RCPT TO:<b@ours.example>", "DATA", BODY]).await;
    assert_eq!(replies[3], "250 2.0.0 Accepted");
    assert!(hop.messages().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn lmtp_answers_for_each_recipient() {
    let lines = &[MAIL, "RCPT TO:<b@ours.example>", "RCPT TO:<c@ours.example>", "DATA", BODY];
    for (told, reply, remembered, withdrawn) in [
        (["250 2.0.0 kept", "250 2.0.0 kept"], "250 2.0.0 Accepted", None, 0),
        (["250 2.0.0 kept", "452 4.2.2 full"], "452 4.2.2 full", Some(vec![0]), 0),
        (["550 5.2.1 gone", "452 4.2.2 full"], "452 4.2.2 full", None, 0),
        (["250 2.0.0 kept", "550 5.2.1 gone"], "550 5.2.1 gone", None, 1),
    ] {
        let (running, hop) = start(Protocol::Lmtp).await;
        running.script.inner().answer = Some(holding(&[0, 1]));
        hop.answer(".", &told);
        let replies = say(&running, lines).await;
        assert_eq!(replies[4], reply);
        assert_eq!(hop.heard()[0], "LHLO mx.ours.example");
        assert_eq!(running.script.inner().remembered.first(), remembered.as_ref());
        assert_eq!(running.script.inner().withdrawn.len(), withdrawn);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn xforward_tells_the_next_hop_who_the_client_is() {
    let (other, hop) = start(Protocol::Smtp).await;
    let next_hop = other.server.shared().settings.next_hop.clone();
    let next_hop = next_hop.map(|next_hop| NextHop { xforward: true, ..next_hop });
    let running = Running::start(Settings { next_hop, ..settings() }).await;
    say(&running, &[MAIL, "RCPT TO:<b@ours.example>"]).await;
    assert_eq!(
        hop.heard()[1..6],
        [
            "XFORWARD NAME=[UNAVAILABLE]",
            "XFORWARD ADDR=127.0.0.1",
            "XFORWARD HELO=client.example",
            "XFORWARD PROTO=ESMTP",
            "XFORWARD SOURCE=REMOTE",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn s_44_mail_is_refused_while_the_disk_is_full() {
    let (running, _hop) = start(Protocol::Smtp).await;
    let full = Reply::new(452, (4, 3, 1), "Not enough storage");
    running.script.inner().unready = Some(full);
    let replies = say(&running, &[MAIL, "RCPT TO:<b@ours.example>"]).await;
    assert!(replies[0].starts_with("452 4.3.1"), "{}", replies[0]);
    assert!(replies[1].starts_with("503"), "{}", replies[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn r_09_smtputf8_is_never_downgraded() {
    let (running, _hop) = start(Protocol::Smtp).await;
    let replies =
        say(&running, &["MAIL FROM:<ü@sender.example> SMTPUTF8", "RCPT TO:<b@ours.example>"]).await;
    assert!(replies[1].starts_with("550 5.6.7"), "{}", replies[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn r_01_a_lone_line_end_is_never_written() {
    let (running, hop) = start(Protocol::Smtp).await;
    running.script.inner().answer =
        Some(Answer { head: "X: a\nMAIL FROM:<>\r\n".to_owned(), ..passing(&[0]) });
    let replies = say(&running, &[MAIL, "RCPT TO:<b@ours.example>", "DATA", BODY]).await;
    assert!(replies[3].starts_with("550 5.6.0"), "{}", replies[3]);
    assert!(hop.messages().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_hop_is_not_asked_about_bounces_of_our_letters() {
    let (running, hop) = start(Protocol::Smtp).await;
    let lines = &["MAIL FROM:<>", "RCPT TO:<letter+key@notice.example>", "DATA", BODY];
    let replies = say(&running, lines).await;
    assert!(replies[1].starts_with("250") && replies[3].starts_with("250"), "{replies:?}");
    assert!(hop.heard().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_next_hop_that_need_not_be_asked_hears_of_what_passes_only() {
    let (other, hop) = start(Protocol::Smtp).await;
    let next_hop = other.server.shared().settings.next_hop.clone();
    let next_hop = next_hop.map(|next_hop| NextHop { ask_recipients: false, ..next_hop });
    let running = Running::start(Settings { next_hop, ..settings() }).await;
    say(&running, &[MAIL, "RCPT TO:<b@ours.example>", "DATA", BODY]).await;
    assert!(hop.heard().is_empty());
    running.script.inner().answer = Some(passing(&[0]));
    let replies = say(&running, &[MAIL, "RCPT TO:<b@ours.example>", "DATA", BODY]).await;
    assert_eq!(replies[3], "250 2.0.0 Accepted");
    assert_eq!(hop.messages().len(), 1);
}

fn remembering() -> crate::intake::smtp::verification::Times {
    let time = crate::clock::SignedDuration::from_mins(5);
    crate::intake::smtp::verification::Times { positive: time, negative: time }
}

/// A server that remembers what its next hop said of recipients.
async fn start_remembering() -> (Running, Hop, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let hop = Hop::default();
    let serving = tokio::spawn(hop.clone().serve(listener));
    let next_hop = Some(next_hop("127.0.0.1", port, Protocol::Smtp));
    let settings = Settings { next_hop, verification: remembering(), ..settings() };
    (Running::start(settings).await, hop, serving)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_next_hop_said_of_recipients_is_remembered() {
    let (running, hop, _serving) = start_remembering().await;
    hop.answer("RCPT", &["250 2.1.5 fine", "550 5.1.1 nobody of that name"]);
    let lines = &[MAIL, "RCPT TO:<b@ours.example>", "RCPT TO:<nobody@ours.example>"];
    for _ in 0..3 {
        let replies = say(&running, lines).await;
        assert!(replies[1].starts_with("250 2.1.5"), "{replies:?}");
        assert!(replies[2].starts_with("550 5.1.1"), "{replies:?}");
    }
    let heard = hop.heard();
    assert_eq!(heard.iter().filter(|line| line.starts_with("RCPT")).count(), 2, "{heard:?}");

    // What passes is told to the next hop all the same.
    running.script.inner().answer = Some(passing(&[0]));
    let message = &[MAIL, "RCPT TO:<b@ours.example>", "DATA", BODY];
    let replies = say(&running, message).await;
    assert_eq!(replies[3], "250 2.0.0 Accepted");
    assert_eq!(hop.messages().len(), 1);

    // A mailbox that went away since is asked about again.
    hop.answer("RCPT", &["550 5.1.1 gone", "550 5.1.1 gone"]);
    let replies = say(&running, message).await;
    assert!(replies[3].starts_with("550 5.1.1"), "{replies:?}");
    let replies = say(&running, &[MAIL, "RCPT TO:<b@ours.example>"]).await;
    assert!(replies[1].starts_with("550 5.1.1"), "{replies:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_next_hop_is_451_and_known_recipients_are_judged_meanwhile() {
    let (running, _hop, serving) = start_remembering().await;
    say(&running, &[MAIL, "RCPT TO:<b@ours.example>"]).await;
    serving.abort();
    let _ = serving.await;
    let lines = &[MAIL, "RCPT TO:<b@ours.example>", "RCPT TO:<c@ours.example>", "DATA", BODY];
    // Held: the next hop is not needed.
    let replies = say(&running, lines).await;
    assert!(replies[1].starts_with("250"), "{replies:?}");
    assert!(replies[2].starts_with("451 4.4.1"), "{replies:?}");
    assert!(replies[4].starts_with("250"), "{replies:?}");
    // Accepted: it is, and nothing is lost.
    running.script.inner().answer = Some(passing(&[0]));
    let replies = say(&running, lines).await;
    assert!(replies[4].starts_with("451 4.4.1"), "{replies:?}");
}

//! ATTACKS M: frames, negotiation, order, time, and who may connect.

use std::net::SocketAddr;

use super::*;

#[tokio::test]
async fn m_02_what_is_not_offered_is_not_agreed_on() {
    let world = World::new();
    let server = server(&world);
    for (version, steps, agreed) in [
        (2, 0x7f, 0),
        (4, 0x3ff, step::NO_UNKNOWN | step::NO_DATA | step::NO_REPLY_HEADER),
        (6, STEPS, super::session::WELCOME),
        (9, u32::MAX, super::session::WELCOME),
    ] {
        let mut mta = Mta::fresh(&server);
        let (letter, said) =
            mta.negotiate(version, ACTIONS & !action::CHOOSE_MACROS, steps).await.unwrap();
        assert_eq!((letter, number(&said, 0)), (b'O', version.min(6)));
        assert_eq!(number(&said, 8), agreed, "version {version}");
        assert_eq!(said.len(), 12, "no macros are chosen where that is not offered");
    }
    for (version, actions) in [
        (1, ACTIONS),
        (0, ACTIONS),
        (6, ACTIONS & !action::DELETE_RECIPIENT),
        (6, ACTIONS & !action::ADD_HEADERS),
    ] {
        let mut mta = Mta::fresh(&server);
        assert_eq!(mta.negotiate(version, actions, STEPS).await, None, "{version} {actions:x}");
    }
}

#[tokio::test]
async fn m_11_no_body_is_ever_replaced_and_nothing_quarantined_in_the_mta() {
    let world = World::new();
    let (_, said) = Mta::fresh(&server(&world)).negotiate(6, ACTIONS, STEPS).await.unwrap();
    let asked = action::ADD_HEADERS | action::CHANGE_HEADERS | action::DELETE_RECIPIENT;
    assert_eq!(number(&said, 4), asked | action::CHOOSE_MACROS);
}

#[tokio::test]
async fn a_refused_sender_is_refused_where_the_mta_listens() {
    let world = World::new();
    let server = server(&world);
    let odd = b"<odd sender>\0";
    let mut mta = Mta::connect_to(&server).await;
    mta.client(BAD).await;
    mta.tell(b'M', odd, step::NO_REPLY_MAIL).await;
    for to in ["anna@ours.example", "carl@ours.example"] {
        let (letter, text) = mta.ask(b'R', format!("<{to}>\0").as_bytes()).await;
        assert_eq!(letter, b'y', "{to}");
        assert!(text.starts_with(b"501 5.5.4 "), "{to}");
    }
    mta.send(b'A', b"").await;
    let said = mta.envelope("bo@good.example", &["carl@ours.example"]).await;
    assert_eq!(said[0].0, b'c', "the next sender is another");

    let mut old = Mta::fresh(&server);
    old.negotiate(2, 0x3f, 0x7f).await.unwrap();
    old.client(BAD).await;
    assert!(old.ask(b'M', odd).await.1.starts_with(b"501 5.5.4 "));
}

#[tokio::test]
async fn m_02_an_old_mta_is_answered_at_every_step_and_spaces_are_put_back() {
    let world = World::new();
    let mut mta = Mta::fresh(&server(&world));
    mta.negotiate(2, 0x3f, 0x7f).await.unwrap();
    let text = mail("bo@strict.example", "", GTUBE);
    let said = mta.message(BAD, "bo@strict.example", &["anna@ours.example"], &text).await;
    assert!(words(&said).starts_with("550"));
    let stored = world.store.body(world.held().await[0].id).await.unwrap().unwrap();
    let (_, bytes) = crate::quarantine::stored::read(&stored).unwrap();
    assert_eq!(bytes.bytes(), text.replace('\n', "\r\n").as_bytes());
    let said = mta
        .message(GOOD, "bo@good.example", &["anna@ours.example"], &mail("bo@good.example", "", "x"))
        .await;
    let inserted = all(&said, b'i');
    assert!(inserted[0].starts_with("\0\0\0\0Received\0from mta"), "{inserted:?}");
}

#[tokio::test]
async fn m_01_what_is_no_packet_ends_that_connection_only() {
    let world = World::new();
    let server = server(&world);
    for bytes in
        [&b"\xff\xff\xff\xffO"[..], b"\0\0\0\0", b"\0\x10\0\x01B", b"\0\0\0\x01X", b"\0\0\0\x01M"]
    {
        let mut mta = Mta::connect_to(&server).await;
        mta.stream.write_all(bytes).await.unwrap();
        assert_eq!(mta.hear().await, None, "{bytes:?}");
    }
    for letter in *b"CMRLNBE" {
        let mut mta = Mta::fresh(&server);
        mta.send(letter, b"").await;
        assert_eq!(mta.hear().await, None, "{} before the negotiation", char::from(letter));
    }
    let mut mta = Mta::connect_to(&server).await;
    mta.send(b'E', b"").await;
    assert_eq!(mta.hear().await, None, "the end of no message");
}

#[tokio::test]
async fn m_03_little_is_known_and_nothing_breaks() {
    let world = World::new();
    for connect in [
        &b"localhost\0L\0\0/var/run/x\0"[..],
        b"unknown\0U",
        b"x\x006\0\x19IPv6:2001:db8::1\0",
        b"x\x006\0\x19nonsense\0",
        b"\xff\xfe\x004\0\x19\0",
    ] {
        let mut mta = Mta::connect(&world).await;
        mta.tell(b'C', connect, step::NO_REPLY_CONNECT).await;
        for answer in mta.envelope("bo@strict.example", &["anna@ours.example"]).await {
            assert_eq!(answer.0, b'c');
        }
        let id = String::from_utf8_lossy(connect).len();
        let value = format!("Message-ID\0 <{id}@x>\0");
        mta.tell(b'L', value.as_bytes(), step::NO_REPLY_HEADER).await;
        let body = format!("\r\n{GTUBE}\r\n");
        mta.tell(b'B', body.as_bytes(), step::NO_REPLY_BODY).await;
        assert!(words(&mta.end().await).starts_with("550"), "{connect:?}");
    }
    let clients: Vec<String> =
        world.held().await.iter().map(|held| held.client.to_string()).collect();
    assert_eq!(clients, ["127.0.0.1", "0.0.0.0", "2001:db8::1", "0.0.0.0", "0.0.0.0"]);
    // A message without a body, and one without anything.
    let mut mta = Mta::connect(&world).await;
    mta.envelope("", &["anna@ours.example"]).await;
    mta.tell(b'L', b"Subject\0 x\0", step::NO_REPLY_HEADER).await;
    mta.end().await;
    mta.envelope("", &["anna@ours.example"]).await;
    assert!("ady".contains(verdict(&mta.end().await)));
}

#[tokio::test]
async fn m_05_nothing_of_a_message_is_left_for_the_next() {
    let world = World::new();
    let mut mta = Mta::connect(&world).await;
    for letter in [b'A', b'K'] {
        mta.send(b'D', b"M{auth_authen}\0anna\0i\0QUEUE1\0").await;
        mta.client(GOOD).await;
        mta.envelope("bo@good.example", &["carl@ours.example"]).await;
        mta.tell(b'L', b"Subject\0 x\0", step::NO_REPLY_HEADER).await;
        mta.send(letter, b"").await;
        let text = mail("bo@strict.example", "", &format!("{GTUBE} {letter}"));
        let said = mta.message(BAD, "bo@strict.example", &["anna@ours.example"], &text).await;
        assert!(words(&said).starts_with("550"), "{said:?}");
    }
    let held = world.held().await;
    assert_eq!(held.len(), 2);
    for one in held {
        assert_eq!(one.recipients.len(), 1);
        assert!(!one.trace.contains("QUEUE1"));
    }
}

#[tokio::test]
async fn m_06_an_mta_that_vanished_after_the_end_finds_its_message_held_once() {
    let world = World::new();
    let text = mail("bo@strict.example", "", GTUBE);
    let mut mta = Mta::connect(&world).await;
    mta.client(BAD).await;
    mta.envelope("bo@strict.example", &["anna@ours.example"]).await;
    let (head, _) = text.split_once("\n\n").unwrap();
    for field in head.replace("\n ", "\u{1}").lines() {
        let (name, value) = field.split_once(':').unwrap();
        let packet = format!("{name}\0{}\0", value.replace('\u{1}', "\n "));
        mta.tell(b'L', packet.as_bytes(), step::NO_REPLY_HEADER).await;
    }
    mta.tell(b'N', b"", step::NO_REPLY_END_OF_HEADERS).await;
    mta.tell(b'B', format!("{GTUBE}\r\n").as_bytes(), step::NO_REPLY_BODY).await;
    mta.send(b'E', b"").await;
    drop(mta);
    while world.held().await.is_empty() {
        tokio::task::yield_now().await;
    }
    let mut mta = Mta::connect(&world).await;
    let said = mta.message(BAD, "bo@strict.example", &["anna@ours.example"], &text).await;
    let held = world.held().await;
    assert_eq!(held.len(), 1, "the retry joins it");
    assert!(words(&said).contains(&held[0].reference.to_string()));
}

#[tokio::test]
async fn lone_line_ends_and_too_much_are_refused_at_the_end() {
    let world = World::new();
    let mut settings = Settings::new("mx.ours.example");
    settings.limits.message = 1000;
    let server = server_with(&world, settings);
    let mut mta = Mta::connect_to(&server).await;
    for (body, code) in [("a\rb\r\n".to_owned(), "550 5.5.2"), ("x".repeat(1000), "552 5.3.4")] {
        mta.client(GOOD).await;
        mta.envelope("bo@good.example", &["anna@ours.example"]).await;
        mta.tell(b'B', body.as_bytes(), step::NO_REPLY_BODY).await;
        let line = words(&mta.end().await);
        assert!(line.starts_with(code), "{line}");
    }
    mta.send(b'D', b"M{auth_authen}\0anna\0").await;
    mta.client(GOOD).await;
    mta.envelope("anna@ours.example", &["bo@good.example"]).await;
    mta.tell(b'B', b"a\rb\r\n", step::NO_REPLY_BODY).await;
    assert_eq!(verdict(&mta.end().await), 'a', "our own users' mail is not judged by it");
}

#[tokio::test]
async fn more_recipients_than_the_limit_come_again() {
    let world = World::new();
    let mut settings = Settings::new("mx.ours.example");
    settings.limits.recipients = 1;
    let server = server_with(&world, settings);
    let mut mta = Mta::connect_to(&server).await;
    mta.client(GOOD).await;
    let answers = mta
        .envelope("bo@good.example", &["a@ours.example", "a@ours.example", "b@ours.example"])
        .await;
    assert_eq!(answers.iter().map(|one| one.0).collect::<Vec<_>>(), *b"ccy");
    assert!(answers[2].1.starts_with(b"452 4.5.3 "));
}

#[tokio::test(start_paused = true)]
async fn m_14_checks_that_take_long_are_told_and_then_given_up() {
    let world = World::new();
    let server = server(&world);
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let patience = Patience { silence: Duration::from_mins(1), packet: Duration::from_mins(1) };
    let shared = Arc::clone(&server.shared);
    let wire = Wire::new(ours, patience);
    let mut session = Session::new(shared, wire, "t".to_owned(), CancellationToken::new());
    let mut mta = Mta { stream: theirs, steps: 0 };
    let begun = tokio::time::Instant::now();
    assert_eq!(session.wait_for(std::future::pending::<()>()).await, None);
    assert_eq!(begun.elapsed(), Duration::from_mins(4));
    drop(session);
    let mut progress = 0;
    while let Some((letter, _)) = mta.hear().await {
        assert_eq!(letter, b'p');
        progress += 1;
    }
    assert!((11..=12).contains(&progress), "{progress}");
}

#[tokio::test]
async fn m_16_only_listed_networks_may_connect() {
    let world = World::new();
    for (allow, welcome) in [(vec![], false), (vec!["127.0.0.0/8".parse().unwrap()], true)] {
        let settings = Settings { allow, ..Settings::new("mx.ours.example") };
        let server = server_with(&world, settings);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let serving = tokio::spawn({
            let stop = stop.clone();
            async move { server.serve(Listener::Tcp(listener), stop).await }
        });
        let mut stream = TcpStream::connect(address).await.unwrap();
        let negotiation =
            [&b"\0\0\0\x0dO"[..], &[6u32, ACTIONS, STEPS].map(u32::to_be_bytes).concat()];
        let _ = stream.write_all(&negotiation.concat()).await;
        assert_eq!(stream.read_u32().await.is_ok(), welcome);
        stop.cancel();
        serving.await.unwrap();
    }
}

#[tokio::test]
async fn a_stop_ends_idle_connections_and_lets_messages_end() {
    let world = World::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("milter.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let (server, stop) = (server(&world), CancellationToken::new());
    let serving = tokio::spawn({
        let stop = stop.clone();
        async move { server.serve(Listener::Unix(listener), stop).await }
    });
    let negotiation =
        [&b"\0\0\0\x0dO"[..], &[6u32, ACTIONS, 0].map(u32::to_be_bytes).concat()].concat();
    let packet = |letter: u8, content: &[u8]| {
        let length = u32::try_from(content.len() + 1).unwrap().to_be_bytes();
        [&length[..], &[letter], content].concat()
    };
    let mut idle = UnixStream::connect(&path).await.unwrap();
    let mut busy = UnixStream::connect(&path).await.unwrap();
    for stream in [&mut idle, &mut busy] {
        stream.write_all(&negotiation).await.unwrap();
        let length = stream.read_u32().await.unwrap();
        let mut said = vec![0; length as usize];
        stream.read_exact(&mut said).await.unwrap();
    }
    busy.write_all(&packet(b'M', b"<bo@good.example>\0")).await.unwrap();
    assert_eq!(busy.read_u32().await.unwrap(), 1);
    assert_eq!(busy.read_u8().await.unwrap(), b'c');
    stop.cancel();
    assert!(idle.read_u8().await.is_err(), "the idle one is closed");
    busy.write_all(&packet(b'R', b"<anna@ours.example>\0")).await.unwrap();
    busy.write_all(&packet(b'E', b"")).await.unwrap();
    let mut said = Vec::new();
    busy.read_to_end(&mut said).await.unwrap();
    assert!(said.len() > 5, "the message is answered");
    serving.await.unwrap();
}

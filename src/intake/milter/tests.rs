//! The door with the real intake behind it, and an MTA that says what a test
//! wants said.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::packet::{action, step};
use super::*;
use crate::clock::SignedDuration;
use crate::directory::{Choice, Organisation, Pattern, Rule, RuleAction};
use crate::intake::tests::{BAD, EICAR, GOOD, GTUBE, World};
use crate::link::mark;
use crate::mail::{Address, Domain, Message};
use crate::quarantine::{State, Telling};
use crate::queue::Kind;

/// Every action and step of version 6.
const ACTIONS: u32 = 0x1ff;
const STEPS: u32 = 0x001f_ffff;

/// An MTA's end of a connection.
struct Mta {
    stream: DuplexStream,
    /// Steps that were agreed on.
    steps: u32,
}

/// What came back, letter and content.
type Said = (u8, Vec<u8>);

impl Mta {
    async fn connect(world: &World) -> Self {
        Self::connect_to(&server(world)).await
    }

    async fn connect_to(server: &Server) -> Self {
        let mut mta = Self::fresh(server);
        let (letter, agreed) = mta.negotiate(6, ACTIONS, STEPS).await.unwrap();
        assert_eq!(letter, b'O');
        mta.steps = number(&agreed, 8);
        mta
    }

    /// Before the negotiation.
    fn fresh(server: &Server) -> Self {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let server = server.clone();
        tokio::spawn(async move { server.session(ours, CancellationToken::new()).await });
        Self { stream: theirs, steps: 0 }
    }

    async fn negotiate(&mut self, version: u32, actions: u32, steps: u32) -> Option<Said> {
        let numbers = [version, actions, steps].map(u32::to_be_bytes).concat();
        self.send(b'O', &numbers).await;
        self.hear().await
    }

    async fn send(&mut self, letter: u8, content: &[u8]) {
        let length = u32::try_from(content.len() + 1).unwrap().to_be_bytes();
        let packet = [&length[..], &[letter], content].concat();
        // A server that hung up is heard of when we listen.
        let _ = self.stream.write_all(&packet).await;
    }

    /// `None`: the server closed the connection.
    async fn hear(&mut self) -> Option<Said> {
        let length = self.stream.read_u32().await.ok()?;
        let mut packet = vec![0; usize::try_from(length).unwrap()];
        self.stream.read_exact(&mut packet).await.unwrap();
        Some((packet[0], packet[1..].to_vec()))
    }

    /// Sends what is answered.
    async fn ask(&mut self, letter: u8, content: &[u8]) -> Said {
        self.send(letter, content).await;
        self.hear().await.expect("an answer")
    }

    /// Sends what is answered only if the steps say so.
    async fn tell(&mut self, letter: u8, content: &[u8], silent: u32) {
        self.send(letter, content).await;
        if self.steps & silent == 0 {
            assert_eq!(self.hear().await.unwrap().0, b'c');
        }
    }

    async fn client(&mut self, ip: [u8; 4]) {
        let [a, b, c, d] = ip;
        self.tell(
            b'C',
            format!("mta.good.example\x004\x04\x19{a}.{b}.{c}.{d}\0").as_bytes(),
            step::NO_REPLY_CONNECT,
        )
        .await;
        self.tell(b'H', b"mta.good.example\0", step::NO_REPLY_HELO).await;
    }

    /// MAIL and RCPT; each answer to RCPT.
    async fn envelope(&mut self, from: &str, to: &[&str]) -> Vec<Said> {
        self.tell(b'M', format!("<{from}>\0").as_bytes(), step::NO_REPLY_MAIL).await;
        let mut answers = Vec::new();
        for to in to {
            answers.push(self.ask(b'R', format!("<{to}>\0").as_bytes()).await);
        }
        answers
    }

    /// Header, body and end; everything that is said up to the verdict.
    async fn content(&mut self, text: &str) -> Vec<Said> {
        let (head, body) = text.split_once("\n\n").unwrap();
        let mut field = String::new();
        let mut lines = head.lines().peekable();
        while let Some(line) = lines.next() {
            field.push_str(line);
            if lines.peek().is_some_and(|next| next.starts_with([' ', '\t'])) {
                field.push('\n');
                continue;
            }
            let (name, value) = field.split_once(':').unwrap();
            let spaced = self.steps & step::LEADING_SPACE != 0;
            let value = if spaced { value } else { value.strip_prefix(' ').unwrap_or(value) };
            let packet = format!("{name}\0{value}\0");
            self.tell(b'L', packet.as_bytes(), step::NO_REPLY_HEADER).await;
            field.clear();
        }
        self.tell(b'N', b"", step::NO_REPLY_END_OF_HEADERS).await;
        let body = body.replace('\n', "\r\n");
        for piece in body.as_bytes().chunks(65_535) {
            self.tell(b'B', piece, step::NO_REPLY_BODY).await;
        }
        self.end().await
    }

    async fn end(&mut self) -> Vec<Said> {
        self.send(b'E', b"").await;
        let mut said = Vec::new();
        while let Some(one) = self.hear().await {
            let verdict = b"cadrty".contains(&one.0);
            said.push(one);
            if verdict {
                break;
            }
        }
        said
    }

    /// A whole message from one client.
    async fn message(&mut self, ip: [u8; 4], from: &str, to: &[&str], text: &str) -> Vec<Said> {
        self.client(ip).await;
        for (letter, text) in self.envelope(from, to).await {
            assert_eq!(letter, b'c', "{}", String::from_utf8_lossy(&text));
        }
        self.content(text).await
    }
}

fn server(world: &World) -> Server {
    let settings = Settings::new("mx.ours.example");
    Server::new(settings, world.intake.clone(), world.clock.clone(), Maillog::default())
}

fn mail(from: &str, more: &str, body: &str) -> String {
    format!(
        "From: {from}\nTo: anna@ours.example\nSubject: Offer\n for the roof\n\
         Date: Fri, 15 Jan 2027 08:00:00 +0000\nMessage-ID: <1@good.example>\n{more}\n{body}\n"
    )
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn verdict(said: &[Said]) -> char {
    char::from(said.last().expect("a verdict").0)
}

fn words(said: &[Said]) -> String {
    let (letter, text) = said.last().expect("a verdict");
    assert_eq!(*letter, b'y', "{said:?}");
    String::from_utf8(text.strip_suffix(b"\0").unwrap().to_vec()).unwrap()
}

/// What was said with this letter.
fn all(said: &[Said], letter: u8) -> Vec<String> {
    let these = said.iter().filter(|(one, _)| *one == letter);
    these.map(|(_, text)| String::from_utf8_lossy(text).into_owned()).collect()
}

fn barring(local: &str) -> impl FnOnce(&mut Organisation) {
    let rule = Rule {
        recipient: Some(Address::parse(&format!("{local}@ours.example")).unwrap()),
        sender: Pattern::Domain(Domain::parse("good.example").unwrap()),
        action: RuleAction::Block,
    };
    move |ours| ours.rules = vec![rule]
}

#[tokio::test]
async fn clean_mail_passes_with_our_trace_and_without_forged_fields() {
    let world = World::new();
    let mut mta = Mta::connect(&world).await;
    let forged = "Authentication-Results: mx.ours.example; dkim=pass\n\
                  Authentication-Results: mx.other.example; dkim=pass\n\
                  Authentication-Results: (ours) MX.OURS.EXAMPLE; spf=pass\n";
    let text = mail("bo@good.example", forged, "hello");
    let said = mta.message(GOOD, "bo@good.example", &["anna@ours.example"], &text).await;
    assert_eq!(verdict(&said), 'a', "{said:?}");
    let removed = all(&said, b'm');
    let removal = |index: u8| format!("\0\0\0{}Authentication-Results\0\0", char::from(index));
    assert_eq!(removed, [removal(3), removal(1)], "the last first, others' not");
    let inserted = all(&said, b'i');
    assert!(inserted[0].starts_with("\0\0\0\0Received\0 from mta.good.example"), "{inserted:?}");
    assert!(inserted[1].starts_with("\0\0\0\0Authentication-Results\0 mx.ours.example;\n\t"));
    assert!(inserted.iter().all(|one| !one.contains('\r')), "{inserted:?}");
    assert!(all(&said, b'-').is_empty());
    assert!(world.held().await.is_empty());
}

#[tokio::test]
async fn what_is_held_is_durable_before_the_mta_refuses_it_with_the_link() {
    let world = World::new();
    let mut mta = Mta::connect(&world).await;
    let text = mail("bo@strict.example", "", GTUBE);
    let said = mta.message(BAD, "bo@strict.example", &["anna@ours.example"], &text).await;
    let line = words(&said);
    assert!(line.starts_with("550 5.7.1 Message blocked ("), "{line}");
    let held = world.held().await.remove(0);
    let (_, token) = line.rsplit_once("https://mail.example/r/").expect("a link");
    let token = world.links.read("mail.example", crate::link::Purpose::Release, token).unwrap();
    assert_eq!(token.subject, held.id);
    let stored = world.store.body(held.id).await.unwrap().unwrap();
    let (_, bytes) = crate::quarantine::stored::read(&stored).unwrap();
    assert_eq!(bytes.bytes(), text.replace('\n', "\r\n").as_bytes(), "folds become CRLF");
}

#[tokio::test]
async fn a_proved_sender_is_told_by_letter_and_the_mta_discards() {
    let world = World::with(|ours| ours.hold_first_contact = true, |_| {});
    let mut mta = Mta::connect(&world).await;
    let text = mail("bo@good.example", "", "hello");
    let said = mta.message(GOOD, "bo@good.example", &["anna@ours.example"], &text).await;
    assert_eq!(verdict(&said), 'd', "{said:?}");
    assert_eq!(said.len(), 1);
    assert_eq!(world.held().await[0].telling, Telling::Letter);
    assert_eq!(world.items(Kind::Letter).await.len(), 1);
}

#[tokio::test]
async fn the_link_comes_with_a_4xx_where_an_organisation_wants_it() {
    let world = World::with(|ours| ours.told = crate::directory::Told::Defer, |_| {});
    let mut mta = Mta::connect(&world).await;
    let text = mail("bo@strict.example", "", GTUBE);
    let said = mta.message(BAD, "bo@strict.example", &["anna@ours.example"], &text).await;
    let line = words(&said);
    assert!(line.starts_with("45") && line.contains("https://mail.example/r/"), "{line}");
}

#[tokio::test]
async fn malware_is_refused_without_a_link() {
    let world = World::new();
    let mut mta = Mta::connect(&world).await;
    let text = mail("bo@good.example", "", EICAR);
    let said = mta.message(GOOD, "bo@good.example", &["anna@ours.example"], &text).await;
    assert_eq!(words(&said), "554 5.7.1 Message refused: it carries malware");
    assert!(world.held().await.is_empty());
}

#[tokio::test]
async fn who_is_not_to_have_it_is_deleted_with_his_very_bytes() {
    let world = World::with(|ours| ours.marketing = Choice::Hold, |_| {});
    let mut mta = Mta::connect(&world).await;
    let list = "List-Unsubscribe: <https://good.example/u>\nList-Id: <news.good.example>\n\
                List-Unsubscribe-Post: List-Unsubscribe=One-Click\nPrecedence: bulk\n";
    let text = mail("news@good.example", list, "offers");
    let to = ["Anna@OURS.example", "c@theirs.example", "anna@ours.EXAMPLE", "Anna@ours.example"];
    let said = mta.message(GOOD, "news@good.example", &to, &text).await;
    assert_eq!(verdict(&said), 'a', "{said:?}");
    let deleted = all(&said, b'-');
    assert_eq!(
        deleted,
        ["<Anna@OURS.example>\0", "<anna@ours.EXAMPLE>\0", "<Anna@ours.example>\0"]
    );
    let held = world.held().await.remove(0);
    assert_eq!(held.recipients.len(), 2, "spellings of one address are one");
    assert!(held.recipients.iter().all(|one| one.state == State::Held));
}

#[tokio::test]
async fn rules_answer_at_rcpt_and_for_one_recipient_only() {
    let world = World::with(barring("anna"), |_| {});
    let mut mta = Mta::connect(&world).await;
    mta.client(GOOD).await;
    let answers =
        mta.envelope("bo@good.example", &["anna@ours.example", "carl@ours.example"]).await;
    assert_eq!(answers[0].0, b'y');
    assert!(answers[0].1.starts_with(b"550 5.7.1 "));
    assert_eq!(answers[1].0, b'c');
    let said = mta.content(&mail("bo@good.example", "", "hello")).await;
    assert_eq!(verdict(&said), 'a');
    assert!(all(&said, b'-').is_empty(), "the MTA has no such recipient");
}

#[tokio::test]
async fn what_the_mta_relays_for_domains_we_do_not_serve_is_its_own_affair() {
    let world = World::new();
    let mut mta = Mta::connect(&world).await;
    let text = mail("bo@strict.example", "", GTUBE);
    let said = mta.message(BAD, "bo@strict.example", &["x@unserved.example"], &text).await;
    assert_eq!(verdict(&said), 'a');
}

#[tokio::test]
async fn s_46_mail_of_the_mtas_own_users_is_never_held() {
    let world = World::new();
    for (letter, macros) in [
        (b'M', &b"M{auth_type}\0PLAIN\0{auth_authen}\0anna\0"[..]),
        (b'C', b"C{daemon_name}\0ORIGINATING\0"),
    ] {
        let mut mta = Mta::connect(&world).await;
        mta.client(BAD).await;
        mta.send(b'D', macros).await;
        let to = ["bo@strict.example", "carl@ours.example", "odd@[192.0.2.1]", "root"];
        for answer in mta.envelope("anna@ours.example", &to).await {
            assert_eq!(answer.0, b'c', "{}", char::from(letter));
        }
        let said = mta.content(&mail("anna@ours.example", "", GTUBE)).await;
        assert_eq!(verdict(&said), 'a', "{said:?}");
        assert!(all(&said, b'-').is_empty());
    }
    assert!(world.held().await.is_empty());
    // The next client of the same connection is nobody.
    let mut mta = Mta::connect(&world).await;
    mta.send(b'D', b"M{auth_authen}\0anna\0").await;
    let text = mail("anna@ours.example", "", "x");
    mta.message(BAD, "anna@ours.example", &["carl@ours.example"], &text).await;
    let text = mail("bo@strict.example", "", GTUBE);
    let said = mta.message(BAD, "bo@strict.example", &["anna@ours.example"], &text).await;
    assert!(words(&said).starts_with("550"));
}

#[tokio::test]
async fn s_47_behind_a_relay_the_real_client_is_judged_and_no_550_is_given() {
    let world = World::with(
        |_| {},
        |settings| settings.networks.relays = vec!["198.51.100.0/24".parse().unwrap()],
    );
    let mut mta = Mta::connect(&world).await;
    let trace = "Received: from forger (unknown [203.0.113.66]) by mx2.ours.example; now\n";
    let text = format!("{trace}From: bo@strict.example\nSubject: x\n\n{GTUBE}\n");
    let to = ["anna@ours.example"];
    let said = mta.message([198, 51, 100, 25], "bo@strict.example", &to, &text).await;
    assert_eq!(verdict(&said), 'd', "{said:?}");
    assert_eq!(world.held().await[0].client, IpAddr::from(BAD));
}

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
    let mut server = Settings::new("mx.ours.example");
    server.limits.message = 1000;
    let server = Server::new(server, world.intake.clone(), world.clock.clone(), Maillog::default());
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
    let server =
        Server::new(settings, world.intake.clone(), world.clock.clone(), Maillog::default());
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
        let server =
            Server::new(settings, world.intake.clone(), world.clock.clone(), Maillog::default());
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

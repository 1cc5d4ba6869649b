//! Events counted and written, and what is never written.

use std::io;
use std::sync::Mutex;

use super::*;
use crate::clock::Timestamp;
use crate::mail::{Client, Recipient, ReversePath};

/// What no line may contain, whatever the events are given.
const NEVER: [&str; 6] = [
    "anna.virtanen@",                                           // whole addresses
    "AQEAAQGaC3dYcnGAoZy9X1Wf3Xn__2kx8gAdCk1aZ0mYb3cQ1a2b3c4d", // tokens
    "/r/AQE",                                                   // links
    "buy now",                                                  // subjects and bodies
    "hunter2",                                                  // passwords
    "\u{1b}[31m",                                               // terminal escapes
];

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn envelope(anna: &Address) -> Envelope {
    Envelope {
        client: Client {
            ip: [192, 0, 2, 1].into(),
            name: None,
            helo: "x".into(),
            tls: None,
            esmtp: true,
        },
        authenticated: Some("hunter2".into()),
        mail_from: ReversePath::Address(anna.clone()),
        rcpt_to: vec![Recipient { address: anna.clone(), raw: anna.to_string() }],
        eight_bit: false,
        smtputf8: false,
        received_at: Timestamp::UNIX_EPOCH,
        session_id: "s1".into(),
    }
}

/// Every event once, with secrets wherever text may come from outside.
fn every_event(log: &Maillog) {
    let anna = Address::parse("anna.virtanen@example.fi").unwrap();
    let envelope = envelope(&anna);
    let id = Uuid::from_u128(7);
    let link = format!("https://mail.example{}{}", "/r/", NEVER[1]);
    let foreign = format!("550 <{anna}> \u{1b}[31m see {link}");
    let reply = Reply::new(550, (5, 7, 1), format!("blocked: {link}"));
    let took = Duration::from_millis(3);
    log.connected("s1", [192, 0, 2, 1].into());
    log.disconnected("s1");
    log.connection_refused([192, 0, 2, 1].into(), "too-many");
    log.session_ended("s1", &foreign);
    log.recipient_refused(&envelope, &anna, &reply);
    log.received(&envelope, 10);
    log.answered("s1", &reply, took);
    log.accepted("s1", "clean", 1);
    log.held("s1", id, "7K2M-9QXD", "unwanted", 6.5, 1);
    log.held_again("s1", id);
    log.mark_used("s1");
    log.mark_refused("s1");
    log.rejected("s1", "malware", &reply);
    log.deferred("s1", &foreign);
    log.told(id, "reply");
    log.next_hop_failed("s", &foreign);
    log.engine_silent("clamd", &foreign);
    log.letter_settled(&anna, true);
    log.breaker_opened(6, 100);
    log.breaker_closed();
    log.bounce(id, "bounce");
    log.bounce_forged();
    log.suppressed(&anna, "bounced");
    log.suppression_breaker_opened("example.fi", 20, 30);
    log.letter_failed(id, &foreign);
    log.dsn_withheld(id, &foreign);
    log.link_opened(id, "page");
    log.link_invalid([192, 0, 2, 1].into());
    log.released(id, 1, true);
    log.taken_back(id);
    log.disowned(id);
    log.held_back(id, "malware");
    log.flagged("example", "person", true);
    log.flag_undone("example");
    log.model_taught(7, 3);
    log.report_taken(1);
    log.appeal(id, "granted");
    log.page("/r/{token}", 200, took);
    log.delivered(id, id, &anna, &foreign, &foreign, took);
    log.delivery_deferred(id, 1, &foreign, &foreign);
    log.delivery_failed(id, id, &anna, &foreign, &foreign);
    log.delivery_repeated(id);
    log.queue_waiting(3);
    log.expired(id);
    log.purged(id);
    log.committed(took);
    log.store_poisoned(&foreign);
    log.index_rebuilt(&foreign, 1, took);
    log.step_failed("courier", &foreign);
    assert_eq!(log.totals()[HELD], 1);
    log.logged_in("anna", [192, 0, 2, 1].into());
    log.login_refused("wrong", [192, 0, 2, 1].into());
    log.console_refused("anna", "GET /admin/audit", [192, 0, 2, 1].into());
    log.started("0.1.0");
    log.reloaded("keys");
    log.reload_failed("keys", &foreign);
    log.stopped();
}

#[test]
fn no_event_shows_what_is_never_logged() {
    let written = Written::default();
    let writer = written.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let log = Maillog::default();
    tracing::subscriber::with_default(subscriber, || every_event(&log));
    let lines = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    assert!(lines.contains("a***@example.fi"), "{lines}");
    for line in lines.lines() {
        assert!(line.contains("event="), "a line of its own: {line}");
        for secret in NEVER {
            assert!(!line.contains(secret), "{secret:?} in {line}");
        }
    }
}

#[test]
fn every_function_of_an_event_is_in_the_test() {
    let (events, tests) = (include_str!("mod.rs"), include_str!("tests.rs"));
    for name in events.split("pub fn ").skip(1).map(|rest| rest.split('(').next().unwrap()) {
        let called = format!("log.{name}(");
        assert!(name == "encode" || tests.contains(&called), "{name} is not tried");
    }
}

#[test]
fn events_are_counted() {
    let log = Maillog::default();
    every_event(&log);
    let text = log.encode();
    for line in [
        "reprieve_connections_total 1",
        "reprieve_verdicts_total{verdict=\"hold\",class=\"unwanted\"} 1",
        "reprieve_told_total{how=\"reply\"} 1",
        "reprieve_store_poisoned 1",
        "reprieve_breaker_open 0",
        "reprieve_answer_seconds_count 1",
    ] {
        assert!(text.contains(line), "{line} is missing in:\n{text}");
    }
    assert!(!text.contains("example.fi"));
}

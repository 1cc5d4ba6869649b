//! The courier to next hops: exact bytes, every refusal, every hang, TLS.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use reprieve::clock::{Clock, SignedDuration, Timestamp};
use reprieve::mail::{Address, Domain, ReversePath};
use reprieve::queue::client::Timeouts;
use reprieve::queue::pool::Bounds;
use reprieve::queue::relay::Relay;
use reprieve::queue::route::{Auth, NextHop, Routes, TlsPolicy};
use reprieve::queue::tls::ClientTls;
use reprieve::queue::{Courier, Outcome, Parcel, Report};

use crate::sink::{Act, Setup, Sink};

const HEAD: &str = "Received: from a by b\r\n";
const BODY: &str = "Subject: x\r\n\r\nHello\r\n.\r\n..\r\n.hidden\r\n\r\n";

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn clock() -> Clock {
    Clock::stopped_at("2026-03-01T12:00:00Z".parse::<Timestamp>().unwrap())
}

fn courier_with(routes: Routes, bounds: Bounds, clock: Clock, roots: Vec<Certificate>) -> Courier {
    let tls = ClientTls::new(roots).unwrap();
    Courier::Relay(Relay::new(routes, tls, Timeouts::default(), bounds, clock))
}

type Certificate = CertificateDer<'static>;

fn courier(default: NextHop) -> Courier {
    let routes = Routes { default, per_domain: HashMap::new() };
    courier_with(routes, Bounds::default(), clock(), Vec::new())
}

struct Mail<'a> {
    to: Vec<Address>,
    body: &'a [u8],
    eight_bit: bool,
    smtputf8: bool,
}

fn mail(to: &[&str]) -> Mail<'static> {
    let to = to.iter().map(|one| address(one)).collect();
    Mail { to, body: BODY.as_bytes(), eight_bit: false, smtputf8: false }
}

impl Mail<'_> {
    async fn send(&self, courier: &Courier) -> Vec<Report> {
        let place = courier.reserve(&self.to).expect("a place");
        let parcel = Parcel {
            mail_from: &ReversePath::Address(address("from@sender.example")),
            recipients: &self.to,
            head: HEAD.as_bytes(),
            body: self.body,
            eight_bit: self.eight_bit,
            smtputf8: self.smtputf8,
        };
        courier.deliver(&parcel, place).await
    }
}

fn outcomes(reports: &[Report]) -> Vec<Outcome> {
    reports.iter().map(|report| report.outcome).collect()
}

#[tokio::test]
async fn the_bytes_arrive_exactly_with_the_trace_in_front() {
    let sink = Sink::plain().await;
    let reports =
        mail(&["a@one.example", "b@one.example"]).send(&courier(sink.hop(TlsPolicy::None))).await;
    assert_eq!(outcomes(&reports), [Outcome::Delivered; 2]);
    assert_eq!(reports[0].reply, "250 2.0.0 Taken");
    assert_eq!(reports[0].server, format!("127.0.0.1 ({})", sink.address));
    let taken = sink.taken();
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].bytes, format!("{HEAD}{BODY}").as_bytes());
    assert_eq!(taken[0].rcpt_to, ["a@one.example", "b@one.example"]);
    let size = HEAD.len() + BODY.len();
    assert_eq!(taken[0].mail, format!("MAIL FROM:<from@sender.example> SIZE={size}"));
}

#[tokio::test]
async fn the_null_reverse_path_goes_out_as_it_is() {
    let sink = Sink::plain().await;
    let courier = courier(sink.hop(TlsPolicy::None));
    let to = [address("a@one.example")];
    let parcel = Parcel {
        mail_from: &ReversePath::Null,
        recipients: &to,
        head: b"",
        body: b"a: b\r\n\r\n\xe4\r\n",
        eight_bit: true,
        smtputf8: false,
    };
    courier.deliver(&parcel, courier.reserve(&to).unwrap()).await;
    assert_eq!(sink.taken()[0].mail, "MAIL FROM:<> SIZE=11 BODY=8BITMIME");
    assert_eq!(sink.taken()[0].bytes, b"a: b\r\n\r\n\xe4\r\n");
}

#[tokio::test]
async fn r_01_a_lone_cr_lf_or_nul_is_never_sent() {
    let sink = Sink::plain().await;
    let courier = courier(sink.hop(TlsPolicy::None));
    for bad in [
        &b"a: b\r\n\r\nx\r\n.\nMAIL FROM:<evil@x.example>\r\n"[..],
        b"a: b\r\n\r\nx\n.\nRCPT TO:<a@b>\r\n",
        b"a: b\r\n\r\nx\r.\r",
        b"a: b\r\n\r\n\0\r\n",
    ] {
        let mut mail = mail(&["a@one.example"]);
        mail.body = bad;
        let reports = mail.send(&courier).await;
        assert_eq!(outcomes(&reports), [Outcome::Permanent]);
        assert!(reports[0].reply.starts_with("554 5.6.0"), "{}", reports[0].reply);
    }
    assert_eq!(sink.connections(), 0);
}

#[tokio::test]
async fn r_03_every_refusal_is_believed_at_its_step() {
    for step in ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "."] {
        for (reply, wanted) in
            [("451 4.3.0 later", Outcome::Transient), ("550 5.7.1 never", Outcome::Permanent)]
        {
            let sink = Sink::plain().await;
            sink.rule(step, Act::Reply(reply));
            sink.rule("HELO", Act::Reply(reply));
            let courier = courier(sink.hop(TlsPolicy::None));
            let reports = mail(&["a@one.example", "b@one.example"]).send(&courier).await;
            assert_eq!(outcomes(&reports), [wanted; 2], "{step} {reply}");
            assert_eq!(reports[0].reply, reply, "{step}");
            assert!(sink.taken().is_empty());
        }
    }
}

#[tokio::test]
async fn a_server_that_knows_only_helo_is_given_the_mail() {
    let sink = Sink::plain().await;
    sink.rule("EHLO", Act::Reply("502 5.5.1 what?"));
    let reports = mail(&["a@one.example"]).send(&courier(sink.hop(TlsPolicy::Opportunistic))).await;
    assert_eq!(outcomes(&reports), [Outcome::Delivered]);
    assert_eq!(sink.taken()[0].mail, "MAIL FROM:<from@sender.example>");
}

#[tokio::test]
async fn r_04_each_recipient_has_his_own_answer() {
    let sink = Sink::plain().await;
    sink.rule("RCPT TO:<b@", Act::Reply("450 4.2.0 busy"));
    sink.rule("RCPT TO:<c@", Act::Reply("550-5.1.1 no such\r\n550 5.1.1 user"));
    let to = ["a@one.example", "b@one.example", "c@one.example"];
    let reports = mail(&to).send(&courier(sink.hop(TlsPolicy::None))).await;
    let wanted = [Outcome::Delivered, Outcome::Transient, Outcome::Permanent];
    assert_eq!(outcomes(&reports), wanted);
    assert_eq!(reports[2].reply, "550 5.1.1 no such user");
    assert_eq!(sink.taken()[0].rcpt_to, ["a@one.example"]);
}

#[tokio::test]
async fn lmtp_answers_each_recipient_behind_the_dot() {
    let offers = vec!["8BITMIME"];
    let sink = Sink::start(Setup { lmtp: true, offers, ..Setup::default() }).await;
    sink.rule("RCPT TO:<a@", Act::Reply("550 5.1.1 unknown"));
    sink.rule(".c@", Act::Reply("452 4.2.2 over quota"));
    let to = ["a@one.example", "b@one.example", "c@one.example", "d@one.example"];
    let courier = courier(sink.hop(TlsPolicy::None));
    let reports = mail(&to).send(&courier).await;
    let wanted = [Outcome::Permanent, Outcome::Delivered, Outcome::Transient, Outcome::Delivered];
    assert_eq!(outcomes(&reports), wanted);
    assert_eq!(reports[2].reply, "452 4.2.2 over quota");
    assert_eq!(sink.taken()[0].rcpt_to, ["b@one.example", "d@one.example"]);
    // The connection has no reply left over: it can carry the next message.
    assert_eq!(outcomes(&mail(&["b@one.example"]).send(&courier).await), [Outcome::Delivered]);
    assert_eq!(sink.connections(), 1);
}

#[tokio::test]
async fn lmtp_goes_over_a_unix_socket_and_needs_no_tls_there() {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup { lmtp: true, offers: vec!["8BITMIME"], ..Setup::default() };
    let (sink, hop) = Sink::on_socket(folder.path(), setup);
    let socket = hop.host.clone();
    let reports = mail(&["a@one.example"]).send(&courier(hop)).await;
    assert_eq!(outcomes(&reports), [Outcome::Delivered], "{reports:?}");
    assert_eq!(reports[0].server, socket);
    assert_eq!(sink.taken()[0].bytes, format!("{HEAD}{BODY}").as_bytes());
}

#[tokio::test(start_paused = true)]
async fn r_06_a_hop_that_hangs_is_given_up_at_every_step() {
    let limits = Timeouts::default();
    for (step, limit) in [
        ("CONNECT", limits.greeting),
        ("EHLO", limits.greeting),
        ("MAIL", limits.mail),
        ("RCPT", limits.rcpt),
        ("DATA", limits.data),
        (".", limits.end),
    ] {
        let sink = Sink::plain().await;
        sink.rule(step, Act::Hang);
        let begun = tokio::time::Instant::now();
        let reports = mail(&["a@one.example"]).send(&courier(sink.hop(TlsPolicy::None))).await;
        assert_eq!(outcomes(&reports), [Outcome::Transient], "{step}");
        assert!(reports[0].reply.contains("no answer within"), "{}", reports[0].reply);
        let took = begun.elapsed();
        assert!(took >= limit && took < limit + Duration::from_secs(5), "{step}: {took:?}");
    }
}

#[tokio::test]
async fn r_06_a_hop_holds_no_more_than_its_places_and_others_go_on() {
    let (hanging, good) = (Sink::plain().await, Sink::plain().await);
    hanging.rule("CONNECT", Act::Hang);
    let mut routes = Routes { default: good.hop(TlsPolicy::None), per_domain: HashMap::new() };
    let slow = Domain::parse("slow.example").unwrap();
    routes.per_domain.insert(slow, hanging.hop(TlsPolicy::None));
    let bounds = Bounds { connections: 2, ..Bounds::default() };
    let courier = courier_with(routes, bounds, clock(), Vec::new());
    let mut waiting = Vec::new();
    for _ in 0..2 {
        let courier = courier.clone();
        waiting.push(tokio::spawn(async move { mail(&["a@slow.example"]).send(&courier).await }));
        tokio::task::yield_now().await;
    }
    assert!(courier.reserve(&[address("a@slow.example")]).is_none());
    let reports = mail(&["a@one.example"]).send(&courier).await;
    assert_eq!(outcomes(&reports), [Outcome::Delivered]);
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
    for one in waiting {
        let _ = one.await;
    }
    assert!(courier.reserve(&[address("a@slow.example")]).is_some());
}

#[tokio::test]
async fn a_hop_that_cannot_be_reached_rests_before_it_is_tried_again() {
    let sink = Sink::plain().await;
    sink.rule("CONNECT", Act::Reply("421 4.3.2 too busy"));
    let clock = clock();
    let routes = Routes { default: sink.hop(TlsPolicy::None), per_domain: HashMap::new() };
    let courier = courier_with(routes, Bounds::default(), clock.clone(), Vec::new());
    let mail = mail(&["a@one.example"]);
    assert_eq!(outcomes(&mail.send(&courier).await), [Outcome::Transient]);
    sink.forget_rules();
    let reports = mail.send(&courier).await;
    assert_eq!(outcomes(&reports), [Outcome::Transient]);
    assert!(reports[0].reply.ends_with("421 4.3.2 too busy"), "{}", reports[0].reply);
    assert_eq!(sink.connections(), 1);
    clock.advance(SignedDuration::from_secs(30));
    assert_eq!(outcomes(&mail.send(&courier).await), [Outcome::Delivered]);
}

#[tokio::test]
async fn a_connection_is_used_again_and_a_dead_one_is_replaced_unseen() {
    let sink = Sink::plain().await;
    let courier = courier(sink.hop(TlsPolicy::None));
    let mail = mail(&["a@one.example"]);
    for _ in 0..3 {
        assert_eq!(outcomes(&mail.send(&courier).await), [Outcome::Delivered]);
    }
    assert_eq!(sink.connections(), 1);
    sink.rule("MAIL", Act::Close);
    let sending = mail.send(&courier);
    // The kept connection dies at MAIL; the fresh one meets a server in health.
    let healing = async {
        while sink.connections() < 2 {
            tokio::task::yield_now().await;
        }
        sink.forget_rules();
    };
    let (reports, ()) = tokio::join!(sending, healing);
    assert_eq!(outcomes(&reports), [Outcome::Delivered]);
    assert_eq!(sink.taken().last().unwrap().connection, 2);
}

#[tokio::test]
async fn a_refused_transaction_leaves_nothing_for_the_next() {
    let sink = Sink::plain().await;
    let courier = courier(sink.hop(TlsPolicy::None));
    sink.rule("RCPT TO:<a@", Act::Reply("550 5.1.1 no"));
    assert_eq!(outcomes(&mail(&["a@one.example"]).send(&courier).await), [Outcome::Permanent]);
    assert_eq!(outcomes(&mail(&["b@one.example"]).send(&courier).await), [Outcome::Delivered]);
    assert_eq!(sink.connections(), 1);
    assert!(sink.commands().contains(&"RSET".to_owned()));
    assert_eq!(sink.taken()[0].rcpt_to, ["b@one.example"]);
}

#[tokio::test]
async fn r_09_smtputf8_is_never_downgraded() {
    let sink = Sink::plain().await;
    let courier = courier(sink.hop(TlsPolicy::None));
    let mut utf8 = mail(&["a@one.example"]);
    utf8.smtputf8 = true;
    let reports = utf8.send(&courier).await;
    assert_eq!(outcomes(&reports), [Outcome::Permanent]);
    assert!(reports[0].reply.starts_with("550 5.6.7"), "{}", reports[0].reply);
    assert!(sink.taken().is_empty());

    let offers = vec!["8BITMIME", "SMTPUTF8"];
    let able = Sink::start(Setup { offers, ..Setup::default() }).await;
    let reports = utf8.send(&self::courier(able.hop(TlsPolicy::None))).await;
    assert_eq!(outcomes(&reports), [Outcome::Delivered]);
    assert_eq!(able.taken()[0].mail, "MAIL FROM:<from@sender.example> SMTPUTF8");
}

#[tokio::test]
async fn what_the_hop_says_it_cannot_take_is_not_sent() {
    let sink = Sink::start(Setup { offers: vec!["SIZE 20"], ..Setup::default() }).await;
    let courier = courier(sink.hop(TlsPolicy::None));
    let reports = mail(&["a@one.example"]).send(&courier).await;
    assert!(reports[0].reply.starts_with("552 5.3.4"), "{}", reports[0].reply);
    let mut eight_bit = mail(&["a@one.example"]);
    (eight_bit.body, eight_bit.eight_bit) = (b"\xe4\r\n", true);
    let reports = eight_bit.send(&courier).await;
    assert!(reports[0].reply.starts_with("554 5.6.3"), "{}", reports[0].reply);
    assert!(sink.taken().is_empty());
}

#[tokio::test]
async fn many_recipients_go_in_transactions_of_100() {
    let sink = Sink::plain().await;
    let to: Vec<String> = (0..250).map(|n| format!("r{n}@one.example")).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    let reports = mail(&to).send(&courier(sink.hop(TlsPolicy::None))).await;
    assert_eq!(outcomes(&reports), vec![Outcome::Delivered; 250]);
    let sizes: Vec<usize> = sink.taken().iter().map(|one| one.rcpt_to.len()).collect();
    assert_eq!(sizes, [100, 100, 50]);
}

fn acceptor() -> (TlsAcceptor, Certificate) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), cert.der().clone())
}

async fn tls_sink() -> (Sink, Certificate) {
    let (tls, certificate) = acceptor();
    let offers = vec!["8BITMIME", "AUTH PLAIN"];
    (Sink::start(Setup { offers, tls: Some(tls), ..Setup::default() }).await, certificate)
}

#[tokio::test]
async fn tls_is_used_as_the_route_says() {
    use TlsPolicy::{None, Opportunistic, Required, Verified};
    let mail = mail(&["a@one.example"]);
    for (policy, trusted, delivered) in [
        (None, false, true),
        (Opportunistic, false, true),
        (Required, false, true),
        (Verified, false, false),
        (Verified, true, true),
    ] {
        let (sink, certificate) = tls_sink().await;
        let roots = if trusted { vec![certificate] } else { Vec::new() };
        let routes = Routes { default: sink.hop(policy), per_domain: HashMap::new() };
        let courier = courier_with(routes, Bounds::default(), clock(), roots);
        let reports = mail.send(&courier).await;
        let wanted = if delivered { Outcome::Delivered } else { Outcome::Transient };
        assert_eq!(outcomes(&reports), [wanted], "{policy:?} {reports:?}");
        let encrypted = sink.taken().first().map(|one| one.encrypted);
        assert_eq!(encrypted, delivered.then_some(policy != None), "{policy:?}");
    }
}

#[tokio::test]
async fn without_starttls_required_tls_waits_and_opportunistic_goes_in_the_clear() {
    let sink = Sink::plain().await;
    let mail = mail(&["a@one.example"]);
    let reports = mail.send(&courier(sink.hop(TlsPolicy::Required))).await;
    assert_eq!(outcomes(&reports), [Outcome::Transient]);
    assert!(reports[0].reply.contains("STARTTLS"), "{}", reports[0].reply);
    let reports = mail.send(&courier(sink.hop(TlsPolicy::Opportunistic))).await;
    assert_eq!(outcomes(&reports), [Outcome::Delivered]);
}

#[tokio::test]
async fn replies_injected_before_the_handshake_are_not_believed() {
    let (sink, certificate) = tls_sink().await;
    sink.rule("STARTTLS", Act::Reply("220 go\r\n250 2.0.0 injected"));
    let routes = Routes { default: sink.hop(TlsPolicy::Verified), per_domain: HashMap::new() };
    let courier = courier_with(routes, Bounds::default(), clock(), vec![certificate]);
    let reports = mail(&["a@one.example"]).send(&courier).await;
    assert_eq!(outcomes(&reports), [Outcome::Transient]);
    assert!(reports[0].reply.contains("before the handshake"), "{}", reports[0].reply);
    assert!(sink.taken().is_empty());
}

#[tokio::test]
async fn auth_is_said_before_mail_and_its_refusal_waits_for_repair() {
    let (sink, _) = tls_sink().await;
    let mut hop = sink.hop(TlsPolicy::Required);
    hop.auth = Some(Auth { login: "us".to_owned(), password: "secret".to_owned() });
    sink.rule("AUTH", Act::Reply("235 2.7.0 Ok"));
    let mail = mail(&["a@one.example"]);
    assert_eq!(outcomes(&mail.send(&courier(hop.clone())).await), [Outcome::Delivered]);
    // "\0us\0secret"
    assert!(sink.commands().contains(&"AUTH PLAIN AHVzAHNlY3JldA==".to_owned()));
    sink.rule("AUTH", Act::Reply("535 5.7.8 wrong"));
    assert_eq!(outcomes(&mail.send(&courier(hop)).await), [Outcome::Transient]);
}

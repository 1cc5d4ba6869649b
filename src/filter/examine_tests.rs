//! Whole messages through `examine` and `decide`, with DNS from a zone.

use std::net::IpAddr;

use bytes::Bytes;
use jiff::Timestamp;

use super::policy::{Thresholds, View, decide};
use super::verdict::Door;
use super::*;
use crate::directory::sample;
use crate::mail::{Client, Recipient, ReversePath};
use crate::reputation::{Proof, Regard};

const ZONE: &str = "\
    good.example TXT \"v=spf1 ip4:192.0.2.0/24 -all\"\n\
    good.example A 192.0.2.10\n\
    strict.example TXT \"v=spf1 -all\"\n\
    soft.example TXT \"v=spf1 ~all\"\n\
    twice.example TXT \"v=spf1 +all\"\n\
    twice.example TXT \"v=spf1 -all\"\n\
    bank.example TXT \"v=spf1 ip4:198.51.100.1 -all\"\n\
    _dmarc.bank.example TXT \"v=DMARC1; p=reject\"\n\
    10.2.0.192.in-addr.arpa PTR good.example\n\
    11.2.0.192.in-addr.arpa PTR elsewhere.example\n\
    named.example A 203.0.113.5\n\
    5.113.0.203.in-addr.arpa PTR named.example\n";

fn filter_with(mut zone: dns::Zone, change: impl FnOnce(&mut Settings, &mut dns::Zone)) -> Filter {
    let mut settings = Settings::default();
    change(&mut settings, &mut zone);
    let dns = dns::Dns::of_zone(zone, &settings.patience).unwrap();
    let directory = Directory::new(vec![sample::organisation("demo")]).unwrap();
    Filter::with_dns(settings, dns, directory, Clock::stopped_at(Timestamp::UNIX_EPOCH))
}

fn filter() -> Filter {
    filter_with(dns::Zone::parse(ZONE).unwrap(), |_, _| {})
}

fn envelope(mail_from: &str, ip: [u8; 4], to: &[&str]) -> Envelope {
    Envelope {
        client: Client {
            ip: IpAddr::from(ip),
            name: None,
            helo: "mta.example".into(),
            tls: None,
            esmtp: true,
        },
        authenticated: None,
        mail_from: match mail_from {
            "" => ReversePath::Null,
            address => ReversePath::Address(Address::parse(address).unwrap()),
        },
        rcpt_to: to
            .iter()
            .map(|to| Recipient { address: Address::parse(to).unwrap(), raw: (*to).into() })
            .collect(),
        eight_bit: false,
        smtputf8: false,
        received_at: Timestamp::UNIX_EPOCH,
        session_id: "t".into(),
    }
}

fn mail(from: &str, more: &str, body: &str) -> Message {
    let body = body.replace('\n', "\r\n");
    let text = format!(
        "From: {from}\r\nTo: anna@demo.example\r\nSubject: Offer\r\n\
         Date: Mon, 2 Jan 2023 10:00:00 +0000\r\nMessage-ID: <1@x.example>\r\n{more}\r\n{body}"
    );
    Message::new(Bytes::from(text))
}

async fn judge(
    filter: &Filter,
    envelope: &Envelope,
    message: &Message,
) -> (Examination, Judgement) {
    let examination = filter.examine(envelope, message, false).await.unwrap();
    let organisation = sample::organisation("demo");
    let view = View {
        organisation: &organisation,
        rule: None,
        choices: crate::directory::Choices::default(),
        regard: Regard::Unknown,
        correspondent: false,
        role_address: false,
    };
    let judgement = decide(&examination, &view, &Thresholds::default());
    (examination, judgement)
}

const TEXT: &str = "Hello Anna,\n\nthe repair of the roof can begin on Monday.\n";

#[tokio::test]
async fn authentication_decides_what_passes() {
    let filter = filter();
    let anna = ["anna@demo.example"];
    let table = [
        // From, MAIL FROM, client, verdict, findings that must be there.
        ("a@good.example", "a@good.example", [192, 0, 2, 10], Verdict::Accept, "proved"),
        ("a@strict.example", "a@strict.example", [203, 0, 113, 5], Verdict::Hold, "spf-fail"),
        ("a@soft.example", "a@soft.example", [203, 0, 113, 5], Verdict::Accept, "spf-softfail"),
        ("a@soft.example", "a@soft.example", [203, 0, 113, 6], Verdict::Hold, "no-ptr"),
        ("a@twice.example", "a@twice.example", [203, 0, 113, 5], Verdict::Accept, "spf-permerror"),
        ("a@none.example", "a@none.example", [203, 0, 113, 5], Verdict::Accept, "spf-none"),
        ("a@none.example", "a@none.example", [203, 0, 113, 6], Verdict::Hold, "no-ptr"),
        ("a@none.example", "a@none.example", [192, 0, 2, 11], Verdict::Accept, "ptr-mismatch"),
        ("a@bank.example", "a@good.example", [192, 0, 2, 10], Verdict::Hold, "dmarc-reject"),
        (
            "b@demo.example",
            "b@demo.example",
            [203, 0, 113, 5],
            Verdict::Hold,
            "served-domain-in-from",
        ),
        (
            "a@good.example",
            "b@demo.example",
            [203, 0, 113, 5],
            Verdict::Hold,
            "served-domain-in-from",
        ),
    ];
    for (from, path, ip, verdict, finding) in table {
        let envelope = envelope(path, ip, &anna);
        let (examination, judgement) = judge(&filter, &envelope, &mail(from, "", TEXT)).await;
        let what = format!("{from} {path} {ip:?}: {:?}", examination.findings);
        assert_eq!(judgement.verdict, verdict, "{what}");
        assert!(examination.found(finding), "{what}");
    }
}

#[tokio::test]
async fn an_spf_pass_proves_only_an_aligned_author() {
    let filter = filter();
    let envelope = envelope("a@good.example", [192, 0, 2, 10], &["anna@demo.example"]);
    let (examination, _) = judge(&filter, &envelope, &mail("a@good.example", "", TEXT)).await;
    assert!(examination.sender.proofs.contains(Proof::Spf));
    assert_eq!(examination.sender.network.to_string(), "192.0.2.0/24");
    assert!(
        examination.authentication.starts_with("spf=pass smtp.mailfrom=good.example;"),
        "{}",
        examination.authentication
    );
    let other = mail("victim@other.example", "", TEXT);
    let (examination, _) = judge(&filter, &envelope, &other).await;
    assert!(!examination.sender.is_proved());
    assert_eq!(examination.sender.address.unwrap().to_string(), "victim@other.example");
}

#[tokio::test]
async fn spf_fail_tells_the_record() {
    let filter = filter();
    let envelope = envelope("a@strict.example", [203, 0, 113, 5], &["anna@demo.example"]);
    let (examination, judgement) =
        judge(&filter, &envelope, &mail("a@strict.example", "", TEXT)).await;
    assert_eq!((judgement.class, judgement.door), (Class::Unwanted, Door::Release));
    let finding = examination.findings.iter().find(|one| one.id == "spf-fail").unwrap();
    let record = finding.terms.iter().find(|term| term.name == "record").unwrap();
    assert_eq!(record.text, "v=spf1 -all");
}

#[tokio::test]
async fn i_06_an_ambiguous_from_is_nobody() {
    let filter = filter();
    let forms = [
        "From: a@good.example\r\nFrom: b@bank.example\r\n",
        "From: a@good.example, b@bank.example\r\n",
        "From : a@good.example\r\n",
        "From\r\n : a@good.example\r\n",
        "From: <@a,@b:a@good.example>\r\n",
        "From: <a@good.example>\\,<x@attack.example>\r\n",
        "From: a@good.example,<x@attack.example>\r\n",
        "From: <x@attack.example>a@good.example\r\n",
        "From: =?utf-8?b?PGFAZ29vZC5leGFtcGxlPiw=?=<x@attack.example>,<a@good.example>\r\n",
        "Sender: a@good.example\r\n",
        "Resent-From: a@good.example\r\n",
    ];
    let envelope = envelope("a@good.example", [192, 0, 2, 10], &["anna@demo.example"]);
    for form in forms {
        let message = Message::new(Bytes::from(format!("{form}Subject: x\r\n\r\nhello\r\n")));
        let (examination, judgement) = judge(&filter, &envelope, &message).await;
        assert!(!examination.sender.is_proved(), "{form}");
        assert_eq!(judgement.verdict, Verdict::Hold, "{form}: {:?}", examination.findings);
        assert!(examination.authentication.contains("dmarc=none"), "{form}");
    }
}

#[tokio::test]
async fn gtube_is_held_as_unwanted() {
    let gtube = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\n";
    let envelope = envelope("a@good.example", [192, 0, 2, 10], &["anna@demo.example"]);
    let (examination, judgement) =
        judge(&filter(), &envelope, &mail("a@good.example", "", gtube)).await;
    assert_eq!((judgement.class, judgement.door), (Class::Unwanted, Door::Release));
    assert!(examination.score > 900.0);
}

#[tokio::test]
async fn outgoing_mail_is_checked_for_malware_only() {
    let envelope = envelope("b@demo.example", [203, 0, 113, 6], &["a@good.example"]);
    let plain = mail("b@demo.example", "", TEXT);
    let examination = filter().examine(&envelope, &plain, true).await.unwrap();
    assert!(examination.findings.is_empty(), "{:?}", examination.findings);
    let eicar = ["X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR", "-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"];
    let infected = mail("b@demo.example", "", &eicar.concat());
    let examination = filter().examine(&envelope, &infected, true).await.unwrap();
    assert_eq!(examination.classes, [Class::Malware]);
}

#[tokio::test]
async fn what_trips_a_limit_is_never_parsed() {
    let filter = filter_with(dns::Zone::default(), |settings, _| settings.limits.depth = 2);
    let nested = "Content-Type: message/rfc822\r\n\r\n".repeat(50);
    let message = Message::new(Bytes::from(format!("From: a@good.example\r\n{nested}")));
    let envelope = envelope("a@good.example", [192, 0, 2, 10], &["anna@demo.example"]);
    let (examination, judgement) = judge(&filter, &envelope, &message).await;
    assert_eq!((judgement.class, judgement.door), (Class::Unscannable, Door::Ask));
    assert_eq!(examination.findings.len(), 1, "{:?}", examination.findings);
    assert_eq!(examination.sender.address, None);
}

#[tokio::test]
async fn silent_dns_defers_unless_something_vouches() {
    let zone = || dns::Zone::parse(ZONE).unwrap();
    let silent = filter_with(zone(), |_, zone| {
        zone.fail("broken.example");
        zone.fail("_dmarc.good.example");
    });
    let anna = ["anna@demo.example"];
    let broken = envelope("a@broken.example", [203, 0, 113, 5], &anna);
    let message = mail("a@broken.example", "", TEXT);
    assert!(silent.examine(&broken, &message, false).await.is_err());
    // SPF vouches: DMARC's silence changes nothing.
    let good = envelope("a@good.example", [192, 0, 2, 10], &anna);
    let (examination, _) = judge(&silent, &good, &mail("a@good.example", "", TEXT)).await;
    assert!(examination.authentication.contains("dmarc=temperror"));
    assert!(examination.sender.is_proved());
    // Where the operator says so it is judged, and told in the right words.
    let lenient = filter_with(zone(), |settings, zone| {
        settings.defer_temperror = false;
        zone.fail("broken.example");
    });
    let (examination, _) = judge(&lenient, &broken, &message).await;
    assert!(examination.found("spf-temperror") && !examination.found("spf-fail"));
}

#[tokio::test]
async fn near_duplicates_to_many_are_mass() {
    let filter = filter_with(dns::Zone::parse(ZONE).unwrap(), |settings, _| {
        settings.mass.recipients = 10;
    });
    let mut held = 0;
    for n in 0..20 {
        let to = format!("r{n}@demo.example");
        let envelope = envelope("a@good.example", [192, 0, 2, 10], &[&to]);
        let body = format!(
            "Dear recipient{n}, order number {n} is ready.\nWe offer the finest roof tiles in all \
             of Lapland at prices that nobody can beat, and today only the delivery is free for \
             everybody who answers this letter before the sun goes down over the lake.\n"
        );
        let (_, judgement) = judge(&filter, &envelope, &mail("a@good.example", "", &body)).await;
        if judgement.class == Class::Mass {
            assert_eq!((judgement.verdict, judgement.door), (Verdict::Hold, Door::Appeal));
            held += 1;
        }
    }
    assert_eq!(held, 11, "from the tenth recipient on");
    // Another text, and the same text again to the same recipients.
    let envelope = envelope("a@good.example", [192, 0, 2, 10], &["r1@demo.example"]);
    let (_, judgement) = judge(&filter, &envelope, &mail("a@good.example", "", TEXT)).await;
    assert_eq!(judgement.class, Class::Clean);
}

#[tokio::test]
async fn history_of_a_network_and_a_proved_domain_counts() {
    let filter = filter();
    let store = crate::store::Store::in_memory();
    let history = History::new(store, Clock::stopped_at(Timestamp::UNIX_EPOCH));
    filter.remember(history.clone());
    let envelope = envelope("a@good.example", [192, 0, 2, 10], &["anna@demo.example"]);
    let message = mail("a@good.example", "", TEXT);
    let (before, _) = judge(&filter, &envelope, &message).await;
    assert!(!before.found("history-bad") && !before.found("history-good"));
    for _ in 0..5 {
        history.note(&before.sender, crate::reputation::Event::Flagged);
    }
    let (after, _) = judge(&filter, &envelope, &message).await;
    assert!(after.found("history-bad"));
    assert!((after.own_score() - before.score).abs() < 0.001, "it does not feed on itself");
    for _ in 0..600 {
        history.note(&before.sender, crate::reputation::Event::Passed);
    }
    let (later, _) = judge(&filter, &envelope, &message).await;
    assert!(later.found("history-good"));
}

#[tokio::test]
async fn mail_that_poses_as_a_served_organisation_is_phishing() {
    let envelope = envelope("a@good.example", [192, 0, 2, 10], &["anna@demo.example"]);
    let html = "Content-Type: text/html\r\n";
    let link = "<p><a href=\"https://evil.test/x\">https://portal.demo.example/</a></p>\n";
    // Content would have a word about mails of one link.
    let filter = filter_with(dns::Zone::parse(ZONE).unwrap(), |settings, _| {
        settings.model = Arc::new(content::Model::empty()).into();
    });
    let unproved = mail("a@none.example", html, link);
    let (found, judgement) = judge(&filter, &envelope, &unproved).await;
    assert!(found.found("link-poses"), "{:?}", found.findings);
    assert_eq!((judgement.class, judgement.verdict), (Class::Phishing, Verdict::Reject));
    let proved = mail("a@good.example", html, link);
    let (_, judgement) = judge(&filter, &envelope, &proved).await;
    assert_eq!(judgement.verdict, Verdict::Accept, "a scanner may have rewritten it");
    let form = "Content-Type: text/html; name=\"invoice.html\"\r\n\
                Content-Disposition: attachment; filename=\"invoice.html\"\r\n";
    let form = mail("a@good.example", form, "<form><input type=\"password\"></form>\n");
    let (found, judgement) = judge(&filter, &envelope, &form).await;
    assert!(found.found("credential-form"), "{:?}", found.findings);
    assert_eq!(judgement.class, Class::Phishing);
}

#[tokio::test]
async fn lists_are_asked_about_clients_links_and_senders() {
    let list = |zone: &str, of, weight| {
        let zone = Domain::parse(zone).unwrap();
        lists::List { zone, of, weight, answers: Vec::new() }
    };
    let zone = format!(
        "{ZONE}10.2.0.192.bl.example A 127.0.0.2\nevil.test.uri.example A 127.0.0.2\n\
         good.example.names.example A 127.0.0.2\n"
    );
    let filter = filter_with(dns::Zone::parse(&zone).unwrap(), |settings, _| {
        settings.lists = vec![
            list("bl.example", lists::Of::Clients, 3.0),
            list("uri.example", lists::Of::Links, 4.0),
            list("names.example", lists::Of::Senders, 2.0),
        ];
    });
    let envelope = envelope("a@good.example", [192, 0, 2, 10], &["anna@demo.example"]);
    let body = "See https://www.evil.test/offer for all the details of this offer.\n";
    let (found, judgement) = judge(&filter, &envelope, &mail("a@good.example", "", body)).await;
    for id in ["client-listed", "link-listed", "sender-listed"] {
        assert!(found.found(id), "{id}: {:?}", found.findings);
    }
    assert_eq!(judgement.verdict, Verdict::Hold);
}

#[tokio::test]
async fn i_16_an_allowed_address_needs_a_proof() {
    let filter = filter();
    let organisation = sample::organisation("demo");
    let view = View {
        organisation: &organisation,
        rule: Some(crate::directory::RuleAction::Allow),
        choices: crate::directory::Choices::default(),
        regard: Regard::Unknown,
        correspondent: false,
        role_address: false,
    };
    let thresholds = Thresholds::default();
    // SPF fails and no signature is there.
    let forged = envelope("a@strict.example", [203, 0, 113, 6], &["anna@demo.example"]);
    let message = mail("a@strict.example", "", TEXT);
    let found = filter.examine(&forged, &message, false).await.unwrap();
    assert_eq!(decide(&found, &view, &thresholds).verdict, Verdict::Hold);
    // SPF passes for somebody else's path.
    let other = envelope("a@good.example", [192, 0, 2, 10], &["anna@demo.example"]);
    let message = mail("a@bank.example", "", TEXT);
    let found = filter.examine(&other, &message, false).await.unwrap();
    assert_eq!(decide(&found, &view, &thresholds).verdict, Verdict::Hold);
}

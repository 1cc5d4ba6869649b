//! SPF by the official suite; DKIM and ARC made by other implementations.
//!
//! The messages in `tests/mail/` were signed by dkimpy and OpenDKIM; what no
//! decent signer makes is signed here.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bytes::Bytes;
use jiff::Timestamp;
use mail_auth::common::crypto::Ed25519Key;
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::DkimSigner;

use super::*;
use crate::filter::dns::Zone;
use crate::mail::{Client, ReversePath};
use crate::reputation::Proof;

pub(super) fn authn(zone: Zone) -> Authn {
    let patience = Patience::default();
    Authn::new(Dns::of_zone(zone, &patience).unwrap(), &patience)
}

pub(super) fn file(name: &str) -> Vec<u8> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mail/");
    std::fs::read(format!("{root}{name}")).unwrap()
}

pub(super) fn keys() -> Zone {
    Zone::parse(std::str::from_utf8(&file("keys.zone")).unwrap()).unwrap()
}

fn envelope(ip: IpAddr, helo: &str, mail_from: ReversePath) -> Envelope {
    Envelope {
        client: Client { ip, name: None, helo: helo.into(), tls: None, esmtp: true },
        authenticated: None,
        mail_from,
        rcpt_to: vec![],
        eight_bit: false,
        smtputf8: false,
        received_at: Timestamp::UNIX_EPOCH,
        session_id: "t".into(),
    }
}

pub(super) async fn verify(authn: &Authn, bytes: Vec<u8>) -> Results {
    let message = Message::new(Bytes::from(bytes));
    let envelope = envelope(IpAddr::from([192, 0, 2, 1]), "relay.example", ReversePath::Null);
    authn.verify(&envelope, &message, &message.from()).await.unwrap()
}

#[tokio::test]
async fn i_11_the_spf_suite() {
    let text = String::from_utf8(file("spf-suite.txt")).unwrap();
    let mut different = BTreeMap::new();
    let mut cases = 0;
    for group in text.split("\ngroup ").skip(1) {
        let lines =
            |word: &'static str| group.lines().filter_map(move |line| line.strip_prefix(word));
        let mut zone = Zone::parse(&lines("zone ").collect::<Vec<_>>().join("\n")).unwrap();
        lines("silent ").for_each(|name| zone.fail(name));
        let authn = authn(zone);
        for case in lines("case ") {
            let columns: Vec<&str> = case.split('\t').collect();
            let [id, ip, helo, path, right] = columns[..] else {
                panic!("{case}");
            };
            cases += 1;
            // What is no address is refused at MAIL FROM and never gets here.
            let Ok(path) = ReversePath::parse(path.trim_matches(['<', '>']), true) else {
                continue;
            };
            let (spf, _) = authn.spf(&envelope(ip.parse().unwrap(), helo, path)).await;
            if !right.split(',').any(|word| word == spf.word.as_str()) {
                different.insert(id.to_owned(), spf.word.as_str());
            }
        }
    }
    assert_eq!(cases, 203);
    assert_eq!(different, BTreeMap::new());
}

#[tokio::test]
async fn dkim_signatures_of_two_other_implementations() {
    let authn = authn(keys());
    for (name, word) in [
        ("dkim-simple.eml", Word::Pass),
        ("dkim-ed25519.eml", Word::Pass),
        // Lines of white space at its end: the library's known mistake.
        ("dkim-relaxed-blank.eml", Word::Pass),
        // RFC 8301.
        ("dkim-sha1.eml", Word::PermError),
        // By OpenDKIM 2.11: header and body in each way, From signed twice.
        ("dkim-opendkim-simple-simple.eml", Word::Pass),
        ("dkim-opendkim-simple-relaxed.eml", Word::Pass),
        ("dkim-opendkim-relaxed-simple.eml", Word::Pass),
        ("dkim-opendkim-relaxed-relaxed.eml", Word::Pass),
    ] {
        let results = verify(&authn, file(name)).await;
        assert_eq!(results.dkim.len(), 1, "{name}");
        assert_eq!(results.dkim[0].word, word, "{name}");
        assert_eq!(results.proofs().contains(Proof::Dkim), word == Word::Pass, "{name}");
        let dmarc = if word == Word::Pass { Word::Pass } else { Word::Fail };
        assert_eq!(results.dmarc.word, dmarc, "{name}");
    }
}

#[tokio::test]
async fn dkim_breaks_with_the_body_and_with_signed_fields() {
    let authn = authn(keys());
    let original = String::from_utf8(file("dkim-simple.eml")).unwrap();
    for (from, to) in [("Hei Bo", "Hei Bob"), ("Subject: Signed", "Subject: Sighed")] {
        let results = verify(&authn, original.replace(from, to).into_bytes()).await;
        assert_ne!(results.dkim[0].word, Word::Pass);
        assert!(results.proofs().is_empty());
        assert!(results.is_impersonation(), "p=reject");
    }
}

/// White space within the body, and in the Subject, counts for `simple` alone;
/// a second From never passes, since the signature says that there is one.
#[tokio::test]
async fn dkim_canonicalises_as_opendkim_does() {
    let authn = authn(keys());
    for (way, header, body) in [
        ("simple-simple", false, false),
        ("simple-relaxed", false, true),
        ("relaxed-simple", true, false),
        ("relaxed-relaxed", true, true),
    ] {
        let whole = String::from_utf8(file(&format!("dkim-opendkim-{way}.eml"))).unwrap();
        for (from, to, stands) in [
            ("Subject: Signed  by", "Subject: Signed by", header),
            ("Date: Mon", "DATE: Mon", header),
            ("katto  on", "katto on", body),
            ("Anna \r\n", "Anna\r\n", body),
            ("katto", "Katto", false),
            ("From: Anna", "From: Eve <eve@second.example>\r\nFrom: Anna", false),
        ] {
            let other = whole.replacen(from, to, 1);
            assert_ne!(other, whole, "{from}");
            let results = verify(&authn, other.into_bytes()).await;
            assert_eq!(results.dkim[0].word == Word::Pass, stands, "{way}: {to}");
        }
    }
}

/// Signs with a key of this test; `h=` and `d=` as told.
fn signed(headers: &[&str], domain: &str, from: &str) -> (Vec<u8>, Zone) {
    let pkcs8 = Ed25519Key::generate_pkcs8().unwrap();
    let key = Ed25519Key::from_pkcs8_der(&pkcs8).unwrap();
    let public = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, key.public_key());
    let zone = format!("s._domainkey.{domain} TXT \"v=DKIM1; k=ed25519; p={public}\"");
    let message = format!("From: {from}\r\nSubject: x\r\nTo: b@demo.example\r\n\r\nhello\r\n");
    let signature = DkimSigner::from_key(key)
        .domain(domain)
        .selector("s")
        .headers(headers.iter().copied())
        .sign(message.as_bytes())
        .unwrap();
    let bytes = format!("{}{message}", signature.to_header());
    (bytes.into_bytes(), Zone::parse(&zone).unwrap())
}

#[tokio::test]
async fn dkim_must_sign_from() {
    let (bytes, zone) = signed(&["From", "Subject"], "signer.example", "a@signer.example");
    let results = verify(&authn(zone), bytes).await;
    assert!(results.proofs().contains(Proof::Dkim));
    let (bytes, zone) = signed(&["Subject", "To"], "signer.example", "a@signer.example");
    let results = verify(&authn(zone), bytes).await;
    assert_eq!(results.dkim[0].word, Word::PermError);
    assert!(results.proofs().is_empty());
}

#[tokio::test]
async fn dkim_of_somebody_else_proves_nothing() {
    let (bytes, zone) = signed(&["From"], "attack.example", "a@signer.example");
    let results = verify(&authn(zone), bytes).await;
    assert_eq!(results.dkim[0].word, Word::Pass);
    assert!(results.proofs().is_empty());
    // The organisational domain aligns, a public suffix does not.
    let (bytes, zone) = signed(&["From"], "mail.signer.example", "a@www.signer.example");
    assert!(verify(&authn(zone), bytes).await.proofs().contains(Proof::Dkim));
    let (bytes, zone) = signed(&["From"], "co.uk", "a@victim.co.uk");
    assert!(verify(&authn(zone), bytes).await.proofs().is_empty());
}

#[tokio::test]
async fn s_43_names_that_are_no_names_are_permerror() {
    let (bytes, zone) = signed(&["From"], "signer.example", "a@signer.example");
    let text = String::from_utf8(bytes).unwrap();
    let authn = authn(zone);
    for (from, to) in [
        ("d=signer.example", "d=signer.example'a.attack.example"),
        ("d=signer.example", "d=signer.example\0.attack.example"),
        ("s=s;", "s=s\0.attack.example;"),
        ("s=s;", "s=a'b;"),
    ] {
        assert!(text.contains(from), "{text}");
        let results = verify(&authn, text.replace(from, to).into_bytes()).await;
        assert!(results.dkim.iter().all(|one| one.word == Word::PermError), "{to:?}");
        assert!(!results.dkim.is_empty() && results.proofs().is_empty(), "{to:?}");
        assert!(!results.header_value().contains('\''));
    }
}

#[tokio::test]
async fn one_use_of_a_record_does_not_spoil_another() {
    let (bytes, _) = signed(&["From"], "signer.example", "a@signer.example");
    let (bytes, mut text) = (bytes, String::new());
    let key = String::from_utf8(bytes.clone()).unwrap();
    assert!(key.contains("d=signer.example"));
    text.push_str("evil.example TXT \"v=spf1 include:s2026._domainkey.signer.example -all\"\n");
    text.push_str(std::str::from_utf8(&file("keys.zone")).unwrap());
    let authn = authn(Zone::parse(&text).unwrap());
    let evil = ReversePath::parse("x@evil.example", false).unwrap();
    let (spf, _) = authn.spf(&envelope(IpAddr::from([192, 0, 2, 1]), "x", evil)).await;
    assert_eq!(spf.word, Word::PermError);
    let results = verify(&authn, file("dkim-simple.eml")).await;
    assert_eq!(results.dkim[0].word, Word::Pass);
}

#[tokio::test]
async fn arc_names_the_sealer_of_a_whole_chain() {
    let authn = authn(keys());
    let results = verify(&authn, file("arc.eml")).await;
    assert_eq!(results.arc.word, Word::Pass);
    assert_eq!(results.arc.sealer.as_ref().unwrap().as_str(), "forwarder.example");
    assert!(results.is_impersonation(), "the forwarder broke SPF, and there is no DKIM");
    let broken = String::from_utf8(file("arc.eml")).unwrap().replace("Hei Bo", "Hei Bob");
    let results = verify(&authn, broken.into_bytes()).await;
    assert_ne!(results.arc.word, Word::Pass);
    assert_eq!(results.arc.sealer, None);
}

#[tokio::test]
async fn i_12_arc_sets_that_are_no_chain_do_not_pass() {
    let authn = authn(keys());
    let whole = String::from_utf8(file("arc.eml")).unwrap();
    let at = |name: &str| whole.find(&format!("{name}: i=1")).unwrap();
    let (seal, signature) = (at("ARC-Seal"), at("ARC-Message-Signature"));
    let (results, end) = (at("ARC-Authentication-Results"), at_line(&whole, "Authentication-"));
    let part = |from: usize, to: usize| whole[from..to].to_owned();
    let without = |from: usize, to: usize| part(0, from) + &whole[to..];
    let cases = [
        ("no seal", without(seal, signature)),
        ("no signature", without(signature, results)),
        ("no results", without(results, end)),
        ("two seals", part(seal, signature) + &whole),
        ("two signatures", part(signature, results) + &whole),
        ("two results", part(results, end) + &whole),
        ("begins with the second", whole.replace(" i=1;", " i=2;")),
        ("number zero", whole.replace(" i=1;", " i=0;")),
        ("number 51", whole.replace(" i=1;", " i=51;")),
        ("no number", whole.replacen(" i=1;", "", 1)),
        ("number is a word", whole.replace(" i=1;", " i=a;")),
        ("the first says pass", whole.replace("cv=none", "cv=pass")),
        ("the first says fail", whole.replace("cv=none", "cv=fail")),
        ("no chain validation", whole.replace(" cv=none;", "")),
        ("another algorithm", whole.replacen("a=rsa-sha256", "a=rsa-sha1", 1)),
        ("another domain", whole.replacen("d=forwarder.example", "d=signer.example", 1)),
        ("no such key", whole.replacen("s=s2026", "s=s2027", 1)),
        ("a broken seal", whole.replacen("b=RsN0", "b=RsN1", 1)),
        ("a broken signature", whole.replacen("b=f7fI", "b=f7fJ", 1)),
        ("another body hash", whole.replacen("bh=2258", "bh=2259", 1)),
        ("another From", whole.replacen("anna@strict.example>\r", "eve@strict.example>\r", 1)),
        (
            "other results",
            whole.replacen("dkim=pass header.d=signer", "dkim=pass header.d=other", 1),
        ),
        (
            "a name that is none",
            whole.replacen("d=forwarder.example", "d=forwarder.example'a.evil", 1),
        ),
    ];
    for (what, bytes) in cases {
        assert_ne!(bytes, whole, "{what}");
        let results = verify(&authn, bytes.into_bytes()).await;
        assert_ne!(results.arc.word, Word::Pass, "{what}");
        assert_eq!(results.arc.sealer, None, "{what}");
    }
}

fn at_line(text: &str, start: &str) -> usize {
    text.find(&format!("\n{start}")).unwrap() + 1
}

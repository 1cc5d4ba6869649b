//! The letter: what it says, who gets one and who the reply only, and what
//! the receiver's own checks make of it.

use minicbor::{Decode, Encode};

use super::*;
use crate::filter::{self, Filter};
use crate::store::{Record, Table};

#[tokio::test]
async fn a_proved_sender_gets_a_letter_in_the_batch_that_holds() {
    let world = World::new();
    let mut sent = world.personal();
    let reply = world.tell(&mut sent).await;
    assert_eq!((reply.code(), reply.enhanced()), (250, Some((2, 0, 0))));
    assert!(!reply.text().contains("http"));
    assert_eq!(sent.held.telling, Telling::Letter);

    let (item, letter) = world.letter().await;
    assert_eq!((item.kind, item.held), (Kind::Letter, sent.held.id));
    assert_eq!(item.recipients[0].address.to_string(), "sender@far.example");
    let path = item.mail_from.address().unwrap();
    assert_eq!(world.notices.return_path(path), Some(sent.held.id));

    let field = |name| letter.text(name).unwrap_or_default();
    assert_eq!(field("From"), "\"ours Oy\" <notices@notice.example>");
    assert_eq!(field("To"), "<sender@far.example>");
    assert_eq!(field("Reply-To"), "<postmaster@ours.example>");
    assert_eq!(field("Subject"), "Not yet delivered: Offer for the roof repair");
    assert_eq!(field("In-Reply-To"), "<roof.1@far.example>");
    assert_eq!(field("References"), "<roof.1@far.example>");
    assert_eq!(field("Auto-Submitted"), "auto-replied");
    assert_eq!(field("X-Auto-Response-Suppress"), "All");
    assert_eq!(field("Content-Language"), "en");
    assert!(field("Content-Type").starts_with("multipart/alternative"));
    assert_eq!(field("Reprieve-Notice"), item.body.to_string());
    assert_eq!(field("Message-ID"), format!("<{}@notice.example>", item.body));
    assert!(letter.text("DKIM-Signature").is_some());

    let (text, html) = parts(&letter);
    let link = world.notices.link(&sent.held, &world.organisation);
    assert!(text.contains("Your message to anna@ours.example has not been delivered yet."));
    assert!(text.lines().any(|line| line == link), "{text}");
    assert!(text.contains("It waits until 29 January 2027; you need not send it again."));
    assert!(text.contains("postmaster@ours.example"));
    assert!(html.contains(&format!("<a href=\"{link}\">{link}</a>")));
    for held in [&text, &html] {
        assert!(!held.contains("evil.example"), "nothing of the body");
        assert!(!held.contains("Offer"), "the subject stands in the subject only");
        assert!(!held.contains("<img"));
    }
}

#[tokio::test]
async fn the_letter_speaks_his_language_and_counts_who_is_not_named() {
    let world = World::new();
    let mut sent = world.personal();
    sent.held.language = Some("fi-FI".to_owned());
    let mut copies = sample::held(&["b@ours.example", "c@ours.example"], world.clock.now());
    copies.recipients.iter_mut().for_each(|one| one.named = false);
    sent.held.recipients.append(&mut copies.recipients);
    world.tell(&mut sent).await;
    let (_, letter) = world.letter().await;
    let (text, html) = parts(&letter);
    assert_eq!(letter.text("Content-Language").unwrap(), "fi");
    let first = "Viestiäsi osoitteeseen anna@ours.example ja 2 muulle vastaanottajalle ei ole vielä toimitettu.";
    assert!(text.starts_with(first), "{text}");
    assert!(html.contains("<html lang=\"fi\">"));
    assert!(!text.contains("b@ours"));
}

#[tokio::test]
async fn b_01_automatic_bulk_and_null_path_mail_gets_no_letter() {
    let world = World::new();
    let path = |text| ReversePath::parse(text, false).unwrap();
    let mut sent = world.personal();
    sent.examination.automatic = true;
    assert_replied(&world, sent, "automatic").await;
    let mut sent = world.personal();
    sent.held.automatic = true;
    assert_replied(&world, sent, "automatic by the record").await;
    for text in ["", "owner-x@far.example", "x-bounces@far.example", "MAILER-DAEMON@far.example"] {
        let mut sent = world.personal();
        (sent.envelope.mail_from, sent.held.rfc5321_mail_from) = (path(text), path(text));
        assert_replied(&world, sent, text).await;
    }
    let mut sent = world.personal();
    sent.message = Message::new("Reprieve-Notice: 1\r\n\r\n".into());
    assert_replied(&world, sent, "our own letter").await;
    let mut sent = world.from("notices@notice.example");
    sent.message = Message::new("\r\n".into());
    assert_replied(&world, sent, "our own address").await;
    assert_replied(&world, world.from("no-reply@far.example"), "nobody reads it").await;
}

#[tokio::test]
async fn b_02_an_unproved_sender_gets_the_reply_only() {
    let world = World::new();
    let mut sent = world.personal();
    sent.held.proofs = Proofs::NONE;
    assert_replied(&world, sent, "unproved").await;
    let mut sent = world.personal();
    sent.held.rfc5322_from = None;
    assert_replied(&world, sent, "ambiguous From").await;
    let mut sent = world.personal();
    sent.held.score = 15.0;
    assert_replied(&world, sent, "above the ceiling").await;
}

/// Bytes that are no breaker: whoever reads them fails.
#[derive(Encode, Decode)]
struct Rot(#[n(0)] u8);

impl Record for Rot {
    const TABLE: Table = Table::Breaker;
    fn key(&self) -> Vec<u8> {
        Breaker::KEY.to_vec()
    }
}

#[tokio::test]
async fn an_unproved_sender_costs_no_read() {
    let world = World::new();
    let mut batch = Batch::new();
    batch.insert(&Rot(1));
    world.store.commit(batch).await.unwrap();
    let mut sent = world.personal();
    assert!(world.try_tell(&mut sent).await.is_err(), "a proved sender's breaker is read");
    sent.held.proofs = Proofs::NONE;
    assert!(is_blocked_with_link(&world.tell(&mut sent).await));
}

#[tokio::test]
async fn without_a_checked_domain_or_a_key_no_letter_goes_out() {
    let world = World::new();
    world.notices.set_ready(false);
    assert_replied(&world, world.personal(), "not ready").await;

    let mut world = World::new();
    let empty = tempfile::tempdir().unwrap();
    let mut tools = world.notices.inner.tools.clone();
    let settings = world.notices.inner.settings.clone();
    tools.signer = Signer::open(empty.path(), &settings.domain).unwrap();
    world.notices = Notices::new(settings, tools);
    world.notices.set_ready(true);
    assert_replied(&world, world.personal(), "no key").await;
}

/// The letter at a receiver that checks everything: our own filter.
#[tokio::test]
async fn b_13_spf_dkim_and_dmarc_pass_and_are_aligned() {
    let world = World::new();
    world.tell(&mut world.personal()).await;
    let (item, letter) = world.letter().await;
    let mut zone = "notice.example TXT \"v=spf1 ip4:203.0.113.25 -all\"\n\
                    _dmarc.notice.example TXT \"v=DMARC1; p=reject; adkim=s; aspf=s\"\n"
        .to_owned();
    assert_eq!(world.records.len(), 2, "RSA and Ed25519");
    assert!(world.records[0].1.starts_with("v=DKIM1; k=rsa; p="), "RSA first");
    for (name, value) in &world.records {
        let (one, two) = value.split_at(value.len().min(250));
        zone += &format!("{name} TXT \"{one}\" \"{two}\"\n");
    }
    let settings =
        filter::Settings { dns: filter::dns::Source::Text(zone), ..filter::Settings::default() };
    let receiver = Filter::new(settings, Directory::default(), Clock::system()).unwrap();
    let mut envelope = world.personal().envelope;
    envelope.client.ip = [203, 0, 113, 25].into();
    envelope.client.helo = "notice.example".to_owned();
    envelope.mail_from = item.mail_from.clone();

    let seen = receiver.examine(&envelope, &letter, false).await.unwrap();
    for proof in [Proof::Spf, Proof::Dkim, Proof::Dmarc] {
        assert!(seen.sender.proofs.contains(proof), "{proof:?}: {}", seen.authentication);
    }
    assert_eq!(seen.authentication.matches("dkim=pass").count(), 2, "{}", seen.authentication);
    assert!(seen.automatic, "nobody answers it");

    let changed = String::from_utf8_lossy(letter.bytes()).replace("ours.example", "evil.example");
    let changed = Message::new(Bytes::from(changed));
    let seen = receiver.examine(&envelope, &changed, false).await.unwrap();
    assert!(!seen.sender.proofs.contains(Proof::Dkim));
}

/// ATTACKS W-01 in letters: a subject is text in the Subject field and adds
/// nothing else to the letter.
#[tokio::test]
async fn w_01_the_big_list_of_naughty_strings_in_letters() {
    let world = World::with(|settings| (settings.per_domain, settings.in_all) = (9999, 9999));
    let letter = async |sender: &str, subject: &str| {
        let mut sent = world.from(sender);
        sent.held.subject = subject.to_owned();
        sent.held.from_text = subject.to_owned();
        assert_eq!(world.tell(&mut sent).await.code(), 250, "{subject}");
        let item = world.items().await.into_iter().find(|item| item.held == sent.held.id).unwrap();
        Message::new(world.store.body(item.body).await.unwrap().unwrap())
    };
    let names = |letter: &Message| -> Vec<String> {
        letter.fields().map(|field| String::from_utf8_lossy(field.name).into_owned()).collect()
    };
    let plain = letter("s@plain.example", "Offer").await;
    let tags = parts(&plain).1.matches('<').count();
    let list = include_str!("../../../tests/blns/blns.txt");
    let lines = list.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let mut count = 0;
    for (number, line) in lines.enumerate() {
        let told = letter(&format!("s@far{number}.example"), line).await;
        assert_eq!(names(&told), names(&plain), "{line}");
        let (text, html) = parts(&told);
        assert_eq!(html.matches('<').count(), tags, "{line}: {html}");
        let start: String = line.trim().chars().take(12).collect();
        let ours = parts(&plain).0.contains(&start) || start.len() < 6;
        assert!(ours || !text.contains(&start), "{line}: only in the subject");
        assert!(told.bytes().is_ascii() && !told.text("Subject").unwrap().contains('\u{202e}'));
        count += 1;
    }
    assert!(count > 450, "only {count} texts");
}

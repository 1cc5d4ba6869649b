//! The sender's story through Postfix.

use reprieve::demo::client::Browser;

use super::{Back, House, link_in, mail, postfix};

const GTUBE: &str = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_told_in_the_reply_and_frees_his_mail() {
    if !postfix::is_here() {
        return;
    }
    for back in [Back::Door, Back::Front] {
        let house = House::new(back, &[]).await;
        let message = mail("eva@stranger.example", "stranger", "Dear Anna, an honest word.");
        let answer = house.send("eva@stranger.example", &["anna@ours.example"], &message).await;
        assert_eq!(answer.code, 550, "{}\n{}", answer.text, house.postfix().log());
        assert!(answer.text.starts_with("5.7.1 Message blocked ("), "{}", answer.text);
        let link = link_in(&answer.text).expect("the reply has a link").to_owned();
        let again = house.send("eva@stranger.example", &["anna@ours.example"], &message).await;
        assert_eq!(link_in(&again.text), Some(link.as_str()), "the same link again");
        assert_eq!(house.copies("honest word"), 0);

        house.release(&link).await;
        let (arrived, text) = house.arrives("anna@ours.example", "honest word").await;
        assert_eq!(arrived.mail_from, "eva@stranger.example");
        // What Postfix showed us is what arrives, byte for byte.
        let held = String::from_utf8(message).unwrap();
        assert!(text.ends_with(&held), "{text}");
        let marked = text.contains("Reprieve-Released:");
        assert_eq!(marked, back == Back::Door, "the milter takes the mark out: {text}");
        assert_eq!(house.copies("honest word"), 1);

        let page = Browser::default().open(&link).await.unwrap();
        assert!(page.form(&link, "").is_none(), "the link frees nothing twice");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proved_sender_gets_a_letter_through_the_same_postfix() {
    if !postfix::is_here() {
        return;
    }
    for back in [Back::Door, Back::Front] {
        let house = House::new(back, &[]).await;
        let message = mail("bo@proved.example", "proved", "The offer that you asked for.");
        let answer = house.send("bo@proved.example", &["anna@ours.example"], &message).await;
        assert_eq!(answer.code, 250, "{}", answer.text);
        let (_, letter) = house.arrives("bo@proved.example", "Reprieve-Notice").await;
        let letter = letter.replace("=\r\n", "").replace("=3D", "=");
        let link = link_in(&letter).expect("the letter has a link").to_owned();
        assert_eq!(house.copies("offer that you asked"), 0);
        house.release(&link).await;
        house.arrives("anna@ours.example", "offer that you asked").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clean_mail_passes_with_our_fields_and_no_forged_ones() {
    if !postfix::is_here() {
        return;
    }
    let house = House::new(Back::Door, &["organisation.ours.first_contact=deliver"]).await;
    let message = mail("bo@proved.example", "clean", "hello");
    let answer = house.send("bo@proved.example", &["anna@ours.example"], &message).await;
    assert_eq!(answer.code, 250, "{}\n{}", answer.text, house.postfix().log());
    let (_, text) = house.arrives("anna@ours.example", "clean@story").await;
    assert_eq!(text.matches("Authentication-Results: mx.ours.example").count(), 1, "{text}");
    assert!(text.contains("spf=pass"), "{text}");
    assert!(!text.contains("dkim=pass"), "the forged field is gone: {text}");
    assert!(text.contains("by mx.ours.example (Reprieve)"), "{text}");
    assert!(text.contains("by mta.example (Postfix)"), "{text}");
    assert!(text.contains("\r\n\tby mx.ours.example"), "folds are whole: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn some_recipients_have_it_and_the_others_are_held() {
    if !postfix::is_here() {
        return;
    }
    let house = House::new(Back::Door, &[]).await;
    let message = mail("eva@stranger.example", "parted", "For all of you.");
    let to = ["Anna@Ours.example", "postmaster@ours.example", "\"an.na\"@ours.example"];
    let answer = house.send("eva@stranger.example", &to, &message).await;
    assert_eq!(answer.code, 250, "{}\n{}", answer.text, house.postfix().log());
    let (arrived, _) = house.arrives("postmaster@ours.example", "For all of you").await;
    assert_eq!(arrived.rcpt_to, ["postmaster@ours.example"], "the others wait");
    assert_eq!(house.copies("For all of you"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn m_07_without_store_or_gateway_clients_come_again() {
    if !postfix::is_here() {
        return;
    }
    let mut house = House::new(Back::Door, &["store.reserve=\"900000 GiB\""]).await;
    let message = mail("eva@stranger.example", "later", GTUBE);
    let answer = house.send("eva@stranger.example", &["anna@ours.example"], &message).await;
    assert_eq!(answer.code, 452, "{}", answer.text);
    assert!(answer.text.starts_with("4.3.1"), "{}", answer.text);
    house.gateway.take().unwrap().stop().await;
    let answer = house.send("eva@stranger.example", &["anna@ours.example"], &message).await;
    assert_eq!(answer.code / 100, 4, "{}", answer.text);
    // The gateway comes back, and the same Postfix asks it again.
    let back = house.postfix().back();
    house.start(back, &[]).await;
    let answer = house.send("eva@stranger.example", &["anna@ours.example"], &message).await;
    assert_eq!(answer.code, 550, "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bounce_of_a_letter_ends_in_the_milter() {
    if !postfix::is_here() {
        return;
    }
    let house = House::new(Back::Door, &[]).await;
    let message = mail("bo@proved.example", "bounced", "hello");
    house.send("bo@proved.example", &["anna@ours.example"], &message).await;
    let (letter, _) = house.arrives("bo@proved.example", "Reprieve-Notice").await;
    let dsn = "From: MAILER-DAEMON@proved.example\r\nSubject: failed\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n\
        --b\r\nContent-Type: text/plain\r\n\r\nfailed\r\n--b\r\n\
        Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\n\
        Final-Recipient: rfc822; bo@proved.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n\
        --b--\r\n";
    let answer = house.send("", &[&letter.mail_from], dsn.as_bytes()).await;
    assert_eq!(answer.code, 250, "{}", answer.text);
    // From now on he is told in the reply.
    let message = mail("bo@proved.example", "again", "hello again");
    let answer = house.send("bo@proved.example", &["anna@ours.example"], &message).await;
    assert_eq!(answer.code, 550, "{}", answer.text);
    assert_eq!(house.copies("Reporting-MTA"), 0, "nobody else got the bounce");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_says_in_sentences_whether_the_wiring_holds() {
    if !postfix::is_here() {
        return;
    }
    let house = House::new(Back::Door, &[]).await;
    let gateway = house.gateway.as_ref().unwrap();
    let text = super::config(house.postfix().back(), house.portal)
        .replace("listen = [\"127.0.0.1:0\"]", &format!("listen = [\"{}\"]", house.milter))
        .replace("smtp = [\"127.0.0.1:0\"]", &format!("smtp = [\"{}\"]", gateway.smtp[0]))
        .replace(
            "operations = \"127.0.0.1:0\"",
            &format!("operations = \"{}\"", gateway.operations),
        );
    let file = house.folder.path().join("reprieve.toml");
    std::fs::write(&file, text).unwrap();
    let check = |mta: std::net::SocketAddr| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_reprieve"));
        command.args(["check", "--mail", "anna@ours.example", "--mta"]).arg(mta.to_string());
        command.arg("--config").arg(&file);
        tokio::task::spawn_blocking(move || {
            let output = command.output().unwrap();
            String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr)
        })
    };
    let said = check(house.postfix().front()).await.unwrap();
    for word in [
        format!("ok    milter.listen: {} negotiates as a milter", house.milter),
        format!("ok    next_hop.server: {}:{} answers", "127.0.0.1", house.postfix().back().port()),
        "ok    the test mail was held, and".to_owned(),
    ] {
        assert!(said.contains(&word), "{word} in\n{said}\n{}", house.postfix().log());
    }
    // The port without a milter takes it unasked.
    let said = check(house.postfix().back()).await.unwrap();
    assert!(said.contains("took the test mail without asking us"), "{said}");
}

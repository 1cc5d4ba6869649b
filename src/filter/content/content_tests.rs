//! Messages through the starter model and the checks of tricks.

use super::*;
use crate::filter::parsed::Parsed;

fn read(mail: &str) -> Read {
    let message = Message::new(mail.replace('\n', "\r\n").into_bytes().into());
    let parsed = Parsed::read(&message).unwrap();
    let subject = message.text("Subject").unwrap_or_default();
    look(&message, &subject, &parsed.parts(), &Model::starter(), &Weights::default())
}

fn weight(read: &Read, id: &str) -> f32 {
    read.findings.iter().filter(|finding| finding.id == id).map(|finding| finding.weight).sum()
}

#[test]
fn the_starter_knows_an_old_swindle_from_a_note() {
    let swindle = read(
        "Received: from mail (dsl-1-2.example [192.0.2.1]) by mx.example with SMTP\n\
         From: \"DR. JOHN OBI\" <johnobi9@yahoo.com>\nReply-To: johnobi9@yahoo.com\n\
         Subject: URGENT BUSINESS PROPOSAL, STRICTLY CONFIDENTIAL\nX-Priority: 1\n\
         Content-Type: text/html\n\n<html><body><font size=4 color=red><b>CLICK HERE NOW!!!</b>\
         </font><br>Dear Sir, I seek your assistance to transfer US$ 25 MILLION DOLLARS out of \
         Nigeria. Earn money fast, 100% FREE, no risk, act now! To be removed from our mailing \
         list <a href=\"http://1.2.3.4/remove.html\">click here</a>.</body></html>\n",
    );
    let note = read(
        "Received: from list.example ([192.0.2.9]) by mx.example\nFrom: Anna <anna@list.example>\n\
         To: dev@list.example\nSubject: Re: [dev] patch for the parser\n\
         In-Reply-To: <1@list.example>\nMessage-Id: <2@list.example>\nContent-Type: text/plain\n\n\
         On Monday Bo wrote:\n> Does this compile with gcc 3?\n\nIt does, I tried it. I think the \
         patch is fine, but the test should go into its own file.\n\nAnna\n",
    );
    assert!(swindle.probability > 0.9, "{}", swindle.probability);
    assert!(weight(&swindle, "content") >= 5.0);
    assert!(note.probability < 0.1, "{}", note.probability);
    assert!(weight(&note, "content") < f32::EPSILON);
}

#[test]
fn content_never_speaks_for_a_message() {
    let good = read("Subject: Re: [ILUG] kernel\nIn-Reply-To: <1@x>\n\n> quoted\nLinux patch.\n");
    assert!(good.findings.iter().all(|finding| finding.weight >= 0.0));
}

#[test]
fn tricks_become_findings() {
    let hidden = format!("<div style='display:none'>{}</div>", "secret words ".repeat(40));
    let html = |body: &str| {
        read(&format!(
            "Subject: x\nContent-Type: text/html; charset=utf-8\n\n<html>{body}</html>\n"
        ))
    };
    assert!(weight(&html(&hidden), "text-hidden") > 0.0);
    assert!(weight(&html("V<!-- -->i<!-- -->a<!-- -->g<!-- -->r<!-- -->a"), "words-cut") > 0.0);
    let thin = "vi\u{200b}a\u{200b}g\u{200b}ra";
    assert!(weight(&html(thin), "letters-without-width") > 0.0);
    assert!(weight(&html("p\u{430}ypal \u{430}ccount"), "letters-mixed") > 0.0);
    let honest = html("<p>Hello, <b>honest</b> words. Привет, мир. 日本語も。</p>");
    let tricks = ["text-hidden", "words-cut", "letters-without-width", "letters-mixed"];
    assert!(tricks.iter().all(|id| weight(&honest, id) < f32::EPSILON));
}

#[test]
fn what_says_next_to_nothing_is_not_judged_by_its_header() {
    let offer = |body: &str| {
        read(&format!(
            "From: \"DR. JOHN OBI\" <johnobi9@yahoo.com>\nReply-To: johnobi9@yahoo.com\n\
             Subject: URGENT BUSINESS PROPOSAL, STRICTLY CONFIDENTIAL\nX-Priority: 1\n\n{body}\n"
        ))
    };
    assert!(weight(&offer("Dear Sir, I seek your assistance."), "content") > 0.0);
    assert!(weight(&offer("hi"), "content") < f32::EPSILON);
}

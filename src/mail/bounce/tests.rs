//! Bounces of many makes, and anything at all.

use proptest::prelude::*;

use super::*;

const QMAIL: &str = "From: MAILER-DAEMON@mx.example\nTo: s@x.example\nSubject: failure notice\n\n\
    Hi. This is the qmail-send program at mx.example.\n\n<a@b.example>:\n192.0.2.1 does not like recipient.\n\
    Remote host said: 450 4.2.2 <a@b.example>... Mailbox Full\nGiving up on 192.0.2.1.\n\
    I'm not going to try again; this message has been in the queue too long.\n\n\
    --- Below this line is a copy of the message.\n\nTo: z@y.example\n";

#[test]
fn i_14_line_ends_do_not_matter() {
    for end in ["\n", "\r\n", "\r"] {
        let bounce = read(QMAIL.replace('\n', end).as_bytes());
        assert_eq!(bounce.kind, Kind::Bounce);
        let [failure] = &bounce.failures[..] else { panic!("{bounce:?}") };
        assert_eq!(failure.address, "a@b.example");
        assert_eq!((failure.status, failure.reply_code), (Some((4, 2, 2)), Some(450)));
        assert_eq!(failure.command, Some(Command::Rcpt));
        assert!(!failure.diagnostic.contains("too long"), "{failure:?}");
    }
}

#[test]
fn ordinary_mail_is_no_bounce() {
    let mail = b"From: Anna <anna@b.example>\nTo: s@x.example\nSubject: lunch\n\nSee you at 550.\n<c@d.example>\n";
    assert_eq!(read(mail), Bounce { kind: Kind::Other, failures: Vec::new() });
}

#[test]
fn automatic_answers_are_told_apart() {
    let mail = b"From: Anna <anna@b.example>\nTo: s@x.example\nSubject: Re: lunch\nAuto-Submitted: auto-replied\n\nAway.\n";
    let bounce = read(mail);
    assert_eq!(bounce.kind, Kind::Automatic);
    assert_eq!(bounce.failures[0].address, "anna@b.example");
}

#[test]
fn an_answer_to_a_courier_is_a_failure() {
    let failure = Failure::of_reply("a@b.example", Some(Command::Rcpt), "550 5.1.1 no such user");
    assert_eq!((failure.status, failure.reply_code), (Some((5, 1, 1)), Some(550)));
    assert_eq!(Failure::of_reply("a@b.example", None, "").status, None);
}

proptest! {
    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        read(&bytes);
    }

    #[test]
    fn any_letter_is_read(
        letter in "(From: MAILER-DAEMON@x\\.y\nSubject: failure notice\n)?\n([<>@a-z0-9:.\\- \"'\n]|a@b\\.c|550 5\\.1\\.1|>>> RCPT TO:|été){0,200}",
    ) {
        let bounce = read(letter.as_bytes());
        prop_assert!(bounce.failures.len() <= RECIPIENTS);
    }
}

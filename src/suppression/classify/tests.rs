//! One line of a table for each rule, and the corpus where it is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::*;
use crate::mail::bounce::{self, Kind};

fn answered(command: Option<Command>, reply: &str) -> Class {
    classify(&Failure::of_reply("anna@far.example", command, reply))
}

#[test]
fn every_answer_has_its_class() {
    use Class::{
        AddressFormat, Content, MailboxFull, Other, OurFault, Rejecting, ResendTimeout,
        UnknownHost, UnknownUser,
    };
    let rcpt = Some(Command::Rcpt);
    for (command, reply, class) in [
        (
            rcpt,
            "550 5.1.1 <anna@far.example>: Recipient address rejected: User unknown",
            UnknownUser,
        ),
        (rcpt, "550 no such user here", UnknownUser),
        (rcpt, "550 Empfänger existiert nicht", UnknownUser),
        (rcpt, "550 5.7.1 Recipient does not accept mail from you", Rejecting),
        (rcpt, "550 5.7.1 This domain does not accept mail", UnknownHost),
        (rcpt, "550 Host does not accept mail", UnknownHost),
        (None, "550 Rejected by header based manually Blocked Senders", Rejecting),
        (None, "550 This user is not allowed to receive external mail", Rejecting),
        (rcpt, "551 not our customer", UnknownUser),
        (Some(Command::Data), "550 Unknown user anna@far.example", Rejecting),
        (None, "550 5.7.1 User unknown: anna@far.example", Rejecting),
        (
            rcpt,
            "554 5.7.1 <anna@far.example>: Recipient address rejected: Access denied",
            UnknownUser,
        ),
        (rcpt, "550 5.1.2 Bad destination system address", UnknownHost),
        (
            None,
            "Host or domain name not found. Name service error for name=far.example type=A: Host not found",
            UnknownHost,
        ),
        (None, "Domain far.example does not accept mail (nullMX)", UnknownHost),
        (rcpt, "452 4.2.2 The email account that you tried to reach is over quota", MailboxFull),
        (rcpt, "501 5.1.3 Bad recipient address syntax", AddressFormat),
        (rcpt, "550 5.2.1 The email account that you tried to reach is disabled", Rejecting),
        (
            rcpt,
            "550 5.7.1 Service unavailable; client host [192.0.2.1] blocked using Spamhaus",
            OurFault,
        ),
        (
            rcpt,
            "550 5.7.25 The IP address sending this message does not have a PTR record",
            OurFault,
        ),
        (Some(Command::Data), "550-5.7.26 Unauthenticated email from x is not accepted", OurFault),
        (Some(Command::Mail), "550 no", OurFault),
        (Some(Command::Connect), "554 go elsewhere", OurFault),
        (rcpt, "554 5.7.1 <anna@far.example>: Relay access denied", OurFault),
        (rcpt, "451 4.7.1 Greylisting in action, please come back later", OurFault),
        (Some(Command::Data), "550 5.7.1 Message content rejected, UBE", Content),
        (Some(Command::Data), "552 5.3.4 Message size exceeds fixed limit", Content),
        (None, "connect to far.example[192.0.2.1]:25: Connection timed out", ResendTimeout),
        (None, "550 4.4.7 QUEUE.Expired; message expired", ResendTimeout),
        (
            rcpt,
            "550 5.1.1 host antispam.far.example[192.0.2.1] said: <virus.spam@far.example>: User unknown",
            UnknownUser,
        ),
        (rcpt, "550 User Anna (anna@far.example) not listed in Domino Directory", UnknownUser),
        (
            None,
            "5.1.0 - Unknown address error 550-'5.7.1 <s@ours.example>... Access denied'",
            OurFault,
        ),
        (rcpt, "451 4.3.0 queue file write error", Other),
        (rcpt, "", Other),
    ] {
        assert_eq!(answered(command, reply), class, "{command:?} {reply}");
    }
}

/// What large providers and common servers publish about their answers.
#[test]
fn the_published_answers_of_providers_have_their_class() {
    let mut wrong = Vec::new();
    let rows = include_str!("answers.tsv").lines().filter(|line| !line.starts_with('#'));
    for row in rows {
        let mut cells = row.splitn(3, '\t');
        let mut cell = || cells.next().unwrap_or_default();
        let (command, class, answer) = (cell(), cell(), cell());
        let command = match command {
            "CONN" => Some(Command::Connect),
            "MAIL" => Some(Command::Mail),
            "RCPT" => Some(Command::Rcpt),
            "DATA" => Some(Command::Data),
            _ => Option::None,
        };
        let found = answered(command, answer);
        if Class::parse(class) != Some(found) {
            wrong.push(format!("{class}, not {}: {answer}", found.as_str()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_reply_with_a_release_link_is_content() {
    let token = "A".repeat(56);
    let reply =
        format!("550 5.7.1 Message blocked (7K2M-9QXD). https://mail.other.example/r/{token}");
    assert_eq!(answered(Some(Command::Data), &reply), Class::Content);
    assert_eq!(answered(Some(Command::Rcpt), &reply), Class::Content);
}

/// What `expected.tsv` calls it, in our classes: several where the reason
/// holds two of ours and the words decide (docs/bounces.md).
fn classes_of(reason: &str) -> &'static [Class] {
    use Class::*;
    match reason {
        "userunknown" | "hasmoved" => &[UnknownUser],
        "hostunknown" => &[UnknownHost],
        "notaccept" => &[UnknownHost, Rejecting],
        "filtered" | "suspend" => &[Rejecting],
        "rejected" => &[Rejecting, OurFault],
        "expired" | "networkerror" => &[ResendTimeout],
        "mailboxfull" => &[MailboxFull],
        "blocked" | "authfailure" | "badreputation" | "requireptr" | "norelaying"
        | "securityerror" | "toomanyconn" | "speeding" | "ratelimited" | "failedstarttls" => {
            &[OurFault]
        }
        "policyviolation" | "spamdetected" | "virusdetected" | "contenterror" | "mesgtoobig"
        | "exceedlimit" | "notcompliantrfc" | "emailtoolarge" => &[Content],
        "syntaxerror" => &[AddressFormat, Other],
        "feedback" | "vacation" | "delivered" => &[None],
        _ => &[Other],
    }
}

/// Sisimai's own codes stand for a status that the bounce has not.
fn same_status(expected: &str, found: Option<Status>) -> bool {
    let found = found.map(|(class, subject, detail)| format!("{class}.{subject}.{detail}"));
    if let Some((class, "0", detail)) =
        expected.split_once('.').and_then(|(c, rest)| rest.split_once('.').map(|(s, d)| (c, s, d)))
        && detail.len() == 3
    {
        // A class of its own guess: 4 or 5 where the bounce says none.
        return found.is_none_or(|found| found.starts_with(['4', '5']) && !class.is_empty());
    }
    found.unwrap_or_default() == expected
}

fn measured(folder: &Path) -> (usize, usize, Vec<String>) {
    let table = std::fs::read_to_string(folder.join("expected.tsv")).unwrap();
    let mut expected: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for line in table.lines().skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        expected.entry(cells[0]).or_default().push((cells[2], cells[4]));
    }
    let (mut all, mut right, mut wrong) = (0, 0, Vec::new());
    for (file, rows) in expected {
        let bounce = bounce::read(&std::fs::read(folder.join(file)).unwrap());
        if bounce.failures.len() != rows.len() {
            wrong.push(format!(
                "{file}: {:?} {} recipients, not {}",
                bounce.kind,
                bounce.failures.len(),
                rows.len()
            ));
        }
        for (at, (status, reason)) in rows.iter().enumerate() {
            all += 1;
            let Some(failure) = bounce.failures.get(at) else { continue };
            let class = match bounce.kind {
                Kind::Bounce => classify(failure),
                _ => Class::None,
            };
            let good = classes_of(reason).contains(&class) && same_status(status, failure.status);
            right += usize::from(good);
            if !good {
                let cut: String = failure.diagnostic.chars().take(110).collect();
                let got = (class.as_str(), failure.status, failure.command);
                wrong.push(format!("{file}#{at}: {reason} {status}, not {got:?}: {cut}"));
            }
        }
    }
    (all, right, wrong)
}

fn report(folder: &Path) -> f64 {
    let (all, right, wrong) = measured(folder);
    for line in wrong {
        println!("{line}");
    }
    println!("{right} of {all}");
    f64::from(u32::try_from(right).unwrap()) / f64::from(u32::try_from(all).unwrap())
}

/// The whole corpus, where `REPRIEVE_CORPUS` names a folder that holds it.
#[test]
fn b_10_the_corpus_is_classified_as_expected() {
    let Some(folder) = std::env::var_os("REPRIEVE_CORPUS").map(PathBuf::from) else {
        eprintln!("skipped: REPRIEVE_CORPUS names no folder");
        return;
    };
    let folder = folder.join("bounces");
    if !folder.join("expected.tsv").exists() {
        eprintln!("skipped: {} has no expected.tsv", folder.display());
        return;
    }
    let share = report(&folder);
    assert!(share >= 0.95, "{share}");
}

/// A few of them, which lie beside the tests.
#[test]
fn b_10_the_sample_is_classified_as_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mail/bounces");
    let (all, right, wrong) = measured(&folder);
    assert!(all >= 10 && right == all, "{wrong:#?}");
}

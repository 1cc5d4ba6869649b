//! The cases of the public ARC suite (ValiMail, RFC 8617), by its names.
//!
//! Messages of our own: `arc-chain.eml` went over five hops that dkimpy
//! sealed, the third of them a list that changed subject and body;
//! `arc-suite.txt` has sets that no decent sealer makes, each with whole
//! signatures over what is wrong in it. Fourteen, called lax, pass although
//! the suite says they must not: mail-auth reads a list of tags more kindly than
//! RFC 6376 section 3.2, and what it reads the domain's own key has signed.

use super::tests::{authn, file, keys, verify};
use super::*;

/// The message behind the fifth hop; the newest set is on top.
fn chain() -> String {
    String::from_utf8(file("arc-chain.eml")).unwrap()
}

/// The same message as it left hop `hops`.
fn behind(hops: usize) -> String {
    let whole = chain();
    let start = if hops == 0 { "From: Anna" } else { &format!("ARC-Seal: i={hops};") };
    let message = &whole[whole.find(start).unwrap()..];
    if hops > 2 {
        return message.to_owned();
    }
    message.replace("[list] ", "").replace("-- \r\nthe list\r\n", "")
}

/// Where the field `name` of set `set` stands in `message`.
fn place(message: &str, name: &str, set: usize) -> std::ops::Range<usize> {
    let start = message.find(&format!("{name}: i={set};")).unwrap();
    let end = message[start..].match_indices("\r\n").map(|(at, _)| start + at + 2);
    let ends = |at: &usize| !message[*at..].starts_with([' ', '\t']);
    start..end.into_iter().find(ends).unwrap()
}

const SEAL: &str = "ARC-Seal";
const SIGNATURE: &str = "ARC-Message-Signature";
const RESULTS: &str = "ARC-Authentication-Results";

/// Without the field `name` of set `set`.
fn without(hops: usize, name: &str, set: usize) -> String {
    let mut message = behind(hops);
    message.replace_range(place(&message, name, set), "");
    message
}

/// With `from` in the field `name` of set `set` replaced by `to`.
fn with(hops: usize, name: &str, set: usize, from: &str, to: &str) -> String {
    let mut message = behind(hops);
    let range = place(&message, name, set);
    let changed = message[range.clone()].replacen(from, to, 1);
    message.replace_range(range, &changed);
    message
}

/// With one character of a signature changed.
fn broken(hops: usize, name: &str, set: usize) -> String {
    let mut message = behind(hops);
    let range = place(&message, name, set);
    let at = range.start + message[range].rfind("b=").unwrap() + 3;
    let other = if &message[at..=at] == "A" { "B" } else { "A" };
    message.replace_range(at..=at, other);
    message
}

/// `sealer`: who must be named; nobody where the chain must not pass.
async fn assert_arc<N: AsRef<str>>(cases: Vec<(N, String)>, sealer: Option<&str>) {
    let authn = authn(keys());
    let mut wrong = Vec::new();
    for (name, message) in cases {
        let arc = verify(&authn, message.into_bytes()).await.arc;
        let known = arc.sealer.as_ref().map(Domain::as_str);
        if (arc.word == Word::Pass) != sealer.is_some() || known != sealer {
            wrong.push(format!("{}: {:?} {known:?}", name.as_ref(), arc.word));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn i_12_whole_chains_pass_and_name_the_last_sealer() {
    let sealers = ["one.example", "two.example", "three.example", "four.example", "five.example"];
    for (before, sealer) in sealers.into_iter().enumerate() {
        // Behind the list, the first two signatures are of another text.
        assert_arc(vec![("cv_pass", behind(before + 1))], Some(sealer)).await;
    }
    let authn = authn(keys());
    assert_eq!(verify(&authn, behind(0).into_bytes()).await.arc.word, Word::None);
}

#[tokio::test]
async fn i_12_what_is_the_same_to_a_reader_is_the_same_to_a_seal() {
    let unfolded = |name| with(2, name, 2, "\r\n ", " ");
    let body = |from: &str, to: &str| behind(2).replacen(from, to, 1);
    let cases = vec![
        ("as_fields_b_ignores_wsp", with(2, SEAL, 2, " b=", " b= ")),
        ("as_fields_b_head_case", behind(2).replace("ARC-Seal", "arc-SEAL")),
        ("as_fields_b_head_unfold", unfolded(SEAL)),
        ("as_fields_b_inl_wsp", with(2, RESULTS, 2, "; two", ";  \t two")),
        ("as_fields_b_eol_wsp", with(2, RESULTS, 2, "dkim=none", "dkim=none \t")),
        ("as_fields_b_col_wsp", behind(2).replace("Results: i=", "Results:   i=")),
        ("ams_fields_b_head_case", behind(2).replace("From: Anna", "FROM: Anna")),
        ("ams_fields_b_head_unfold", behind(2).replace("A long way\r\n to", "A long way to")),
        ("ams_fields_b_inl_wsp", behind(2).replace("A long", "A  long")),
        ("ams_fields_b_eol_wsp", behind(2).replace("to go\r", "to go \t\r")),
        ("ams_fields_b_col_wsp", behind(2).replace("Subject: A", "Subject:\tA")),
        ("ams_fields_bh_rel_eol_wsp", body("Hei Bo,", "Hei Bo,  ")),
        ("ams_fields_bh_rel_inl_wsp", body("viisi  porttia", "viisi \t porttia")),
        ("ams_fields_bh_rel_end_lines", behind(2) + "\r\n\r\n"),
        ("ams_fields_bh_rel_trail_crlf", behind(2).trim_end().to_owned() + "\r\n"),
    ];
    assert_arc(cases, Some("two.example")).await;
}

#[tokio::test]
async fn i_12_broken_chains_do_not_pass() {
    let twice = |name, set| {
        let message = behind(2);
        message[place(&message, name, set)].to_owned() + &message
    };
    let set = |set| -> String {
        let message = behind(2);
        let field = |name| message[place(&message, name, set)].to_owned();
        [SEAL, SIGNATURE, RESULTS].map(field).concat()
    };
    let gap = {
        let mut message = behind(3);
        for name in [SEAL, SIGNATURE, RESULTS] {
            message.replace_range(place(&message, name, 2), "");
        }
        message
    };
    assert_arc(
        vec![
            ("cv_fail_i1_ams_na", without(1, SIGNATURE, 1)),
            ("cv_fail_i1_ams_invalid", broken(1, SIGNATURE, 1)),
            ("cv_fail_i1_as_na", without(1, SEAL, 1)),
            ("cv_fail_i1_as_invalid", broken(1, SEAL, 1)),
            ("cv_fail_i1_as_pass", with(1, SEAL, 1, "cv=none", "cv=pass")),
            ("cv_fail_i1_as_fail", with(1, SEAL, 1, "cv=none", "cv=fail")),
            ("cv_fail_i2_ams_na", without(2, SIGNATURE, 2)),
            ("cv_fail_i2_ams1_na", without(2, SIGNATURE, 1)),
            ("cv_fail_i2_ams_invalid", broken(2, SIGNATURE, 2)),
            ("cv_fail_i2_as1_na", without(2, SEAL, 1)),
            ("cv_fail_i2_as1_invalid", broken(2, SEAL, 1)),
            ("cv_fail_i2_as1_pass", with(2, SEAL, 1, "cv=none", "cv=pass")),
            ("cv_fail_i2_as1_fail", with(2, SEAL, 1, "cv=none", "cv=fail")),
            ("cv_fail_i2_as2_na", without(2, SEAL, 2)),
            ("cv_fail_i2_as2_invalid", broken(2, SEAL, 2)),
            ("cv_fail_i2_as2_none", with(2, SEAL, 2, "cv=pass", "cv=none")),
            ("cv_fail_i2_as2_fail", with(2, SEAL, 2, "cv=pass", "cv=fail")),
            ("aar_missing", without(1, RESULTS, 1)),
            ("aar2_missing", without(2, RESULTS, 2)),
            ("aar1_missing", without(2, RESULTS, 1)),
            ("as_fields_b_aar1", with(2, RESULTS, 1, "spf=pass", "spf=fail")),
            ("as_fields_b_aar2", with(2, RESULTS, 2, "arc=pass", "arc=none")),
            ("as_fields_b_asb1", with(2, SEAL, 1, "t=1795401001", "t=1795401009")),
            ("as_fields_b_ams1", with(2, SIGNATURE, 1, "t=1795401001", "t=1795401009")),
            ("as_fields_b_na", with(1, SEAL, 1, " b=", " x=")),
            ("as_fields_b_base64", with(1, SEAL, 1, " b=", " b=!")),
            ("ams_fields_b_na", with(1, SIGNATURE, 1, "\r\n b=", "\r\n x=")),
            ("ams_fields_b_base64", with(1, SIGNATURE, 1, "\r\n b=", "\r\n b=!")),
            ("ams_fields_b_mod_headers", behind(2).replace("A long way", "A short way")),
            ("ams_fields_bh_mod_bod", behind(2).replace("Hei Bo", "Hei Bob")),
            ("ams_fields_bh_mod_sig", with(2, SIGNATURE, 2, "bh=", "bh=A")),
            ("behind_the_list", behind(2).replace("Subject: ", "Subject: [list] ")),
            ("arc_set_duplicate", set(2) + &behind(2)),
            ("arc_set_duplicate1", set(1) + &behind(2)),
            ("as_fields_i_dup2", twice(SEAL, 2)),
            ("as_fields_i_dup1", twice(SEAL, 1)),
            ("ams_fields_i_dup", twice(SIGNATURE, 1)),
            ("aar_i_dup", twice(RESULTS, 2)),
            ("a_set_left_out", gap),
            ("only_the_second_set", {
                let message = behind(2);
                message.replace(&set(1), "")
            }),
            ("cv_fail_no_header", "\r\n".to_owned() + &behind(1)),
        ],
        None,
    )
    .await;
}

#[tokio::test]
async fn i_12_sets_signed_as_they_should_not_be_do_not_pass() {
    let text = String::from_utf8(file("arc-suite.txt")).unwrap();
    let bare = chain()[chain().find("From: Anna").unwrap()..].to_owned();
    let (mut pass, mut fail) = (Vec::new(), Vec::new());
    let text = text.replace('\n', "\r\n");
    for case in text.split("== ").skip(1) {
        let (title, set) = case.split_once("\r\n").unwrap();
        let (name, must) = title.split_once(' ').unwrap();
        let cases = if must == "fail" { &mut fail } else { &mut pass };
        cases.push((name, set.to_owned() + &bare));
    }
    assert_eq!((pass.len(), fail.len()), (34, 48));
    assert_arc(pass, Some("one.example")).await;
    assert_arc(fail, None).await;
}

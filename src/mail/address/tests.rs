//! Addresses against the catalogue's forms and against random text.

use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<String, AddressError> {
    Address::parse(text).map(|address| address.to_string())
}

fn base(text: &str) -> String {
    Address::parse_utf8(text).unwrap().base().to_string()
}

#[test]
fn ordinary_addresses_are_kept_as_written() {
    for text in ["a@b.example", "A.b-C_d!#$%&'*+/=?^`{|}~@x", "\"a b\"@x.example", "\"a\\\"b@c\"@x"]
    {
        assert_eq!(parse(text).as_deref(), Ok(text));
    }
    assert_eq!(parse("Anna@EXAMPLE.Com").as_deref(), Ok("Anna@example.com"));
}

#[test]
fn s_26_non_ascii_needs_smtputf8() {
    assert_eq!(ReversePath::parse("ü@x", false), Err(AddressError::NonAscii));
    assert_eq!(ReversePath::parse("a@ü.example", false), Err(AddressError::NonAscii));
    let path = ReversePath::parse("ü@bücher.example", true).unwrap();
    assert_eq!(path.to_string(), "ü@xn--bcher-kva.example");
    assert!(!path.address().unwrap().is_ascii());
    assert_eq!(ReversePath::parse("", false), Ok(ReversePath::Null));
}

#[test]
fn s_27_bad_labels_lengths_and_compatibility_characters() {
    for domain in
        ["xn---", "xn--", "xn--a", "xn--ls8h-", "a..b", "a.", ".a", "-a", "a-", "a_b", "1.2.3.4"]
    {
        assert_eq!(parse(&format!("a@{domain}")), Err(AddressError::Domain), "{domain}");
    }
    for local in
        ["henryⅣ", "ｈenry", "e\u{301}", "a\u{200b}b", "a\u{202e}b", "a\u{a0}b", "a\u{e000}"]
    {
        let address = Address::parse_utf8(&format!("{local}@ours.example"));
        assert_eq!(address, Err(AddressError::LocalPart), "{local}");
    }
    assert_eq!(parse(&format!("{}@x", "a".repeat(300))), Err(AddressError::LocalPart));
    assert_eq!(parse(&format!("{}@x", "a".repeat(65))), Err(AddressError::LocalPart));
    assert!(parse(&format!("{}@x", "a".repeat(64))).is_ok());
    assert_eq!(parse(&format!("a{}", "@x".repeat(2000))), Err(AddressError::TooLong));
}

#[test]
fn the_whole_address_has_254_bytes_at_most() {
    let address = |last: usize| {
        let labels = [63, 63, last].map(|n| "b".repeat(n)).join(".");
        format!("{}@{labels}", "a".repeat(63))
    };
    assert_eq!(address(62).len(), 254);
    assert!(parse(&address(62)).is_ok());
    assert_eq!(parse(&address(63)), Err(AddressError::TooLong));
}

#[test]
fn s_28_shell_commands_are_no_addresses() {
    assert_eq!(parse(";for i in 0;do id;done;"), Err(AddressError::NoAt));
    assert_eq!(parse(";id;@x"), Err(AddressError::LocalPart));
    assert_eq!(parse("a@x;id"), Err(AddressError::Domain));
}

#[test]
fn s_29_espoofer_paths_name_no_second_domain() {
    assert_eq!(parse("(any@legit.com"), Err(AddressError::LocalPart));
    assert_eq!(parse("any@legit.com(a.attack.com"), Err(AddressError::Domain));
    assert_eq!(parse("any@legit.com'@any.attack.com"), Err(AddressError::LocalPart));
    assert_eq!(parse("@legit.com,@any.com:'any@attack.com"), Err(AddressError::SourceRoute));
    assert_eq!(parse("any@legit.com\0.attack.com"), Err(AddressError::Domain));
}

#[test]
fn s_31_routes_are_refused_or_known() {
    assert_eq!(parse("@ours:victim@other"), Err(AddressError::SourceRoute));
    for text in ["\"victim@other\"@ours", "victim%other@ours", "other!victim@ours"] {
        assert!(Address::parse(text).unwrap().is_routed(), "{text}");
    }
    assert!(!Address::parse("a+b@ours").unwrap().is_routed());
}

#[test]
fn literals_have_an_error_of_their_own() {
    for text in ["a@[192.0.2.1]", "a@[IPv6:::1]", "a@["] {
        assert_eq!(parse(text), Err(AddressError::Literal));
    }
}

#[test]
fn local_parts_that_need_quotes_are_refused_without() {
    for local in [
        "",
        ".a",
        "a.",
        "a..b",
        "a b",
        "a\"b",
        "\"a\"b\"",
        "\"",
        "\"\"",
        "a,b",
        "a:b",
        "a<b",
        "\"a\r\nb\"",
        "\"a\\",
        "a\u{7f}",
        "(a)b",
    ] {
        assert_eq!(parse(&format!("{local}@x")), Err(AddressError::LocalPart), "{local:?}");
    }
}

#[test]
fn the_same_mailbox_has_one_canonical_form() {
    for text in ["Anna.B@x", "\"Anna.B\"@X", "\"An\\na.b\"@x"] {
        assert_eq!(Address::parse(text).unwrap().canonical().to_string(), "anna.b@x");
    }
    assert_eq!(Address::parse("\"A b\"@x").unwrap().canonical().to_string(), "\"a b\"@x");
    assert_eq!(Address::parse("\"a\\\"b\"@x").unwrap().canonical().to_string(), "\"a\\\"b\"@x");
}

#[test]
fn plus_tags_end_and_foreign_paths_are_never_decoded() {
    assert_eq!(base("Anna+news@x"), "anna@x");
    assert_eq!(base("+news@x"), "+news@x");
    assert_eq!(base("\"a+b c\"@x"), "a@x");
    assert_eq!(base("prvs=1234abcd=anna@x"), "prvs=1234abcd=anna@x");
    assert_eq!(base("list-return-12-anna=other.example@x"), "list-return-12-anna=other.example@x");
    assert_eq!(base("SRS0=ab=cd=other.example=anna@x"), "srs0=ab=cd=other.example=anna@x");
}

#[test]
fn rewritten_paths_are_known() {
    for (text, rewritten) in [
        ("SRS0=a=b=c=d@x", true),
        ("srs1+a@x", true),
        ("a+SRS=b@x", true),
        ("srs0a@x", false),
        ("a@x", false),
    ] {
        assert_eq!(ReversePath::parse(text, false).unwrap().is_rewritten(), rewritten, "{text}");
    }
}

#[test]
fn stored_forms_are_read_again() {
    let path = ReversePath::parse("\"A b\"@x.example", false).unwrap();
    for path in [path, ReversePath::Null] {
        let bytes = minicbor::to_vec(&path).unwrap();
        assert_eq!(minicbor::decode::<ReversePath>(&bytes).unwrap(), path);
    }
    for bad in ["a", "@x", "a@", "a@X", "a@b c", "a\n@x"] {
        let bytes = minicbor::to_vec(bad).unwrap();
        assert!(minicbor::decode::<Address>(&bytes).is_err(), "{bad:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_parses_is_one_line_with_one_reading(
        text in "\\PC{0,20}@\\PC{0,20}|[a-zA-Z+@\"\\\\ .%!<>\r\n\0ü-]{0,30}|[a-z\"\\\\+@. ]{1,12}@[a-z.-]{1,9}",
    ) {
        if let Ok(address) = Address::parse_utf8(&text) {
            let shown = address.to_string();
            prop_assert!(shown.len() <= 254 && !shown.contains(char::is_control));
            prop_assert_eq!(&Address::parse_utf8(&shown).unwrap(), &address);
            prop_assert!(!address.domain().as_str().contains('@'));

            let canonical = address.canonical();
            prop_assert_eq!(&canonical.canonical(), &canonical);
            let base = address.base();
            prop_assert_eq!(&base.base(), &base);
            let bytes = minicbor::to_vec(&address).unwrap();
            prop_assert_eq!(minicbor::decode::<Address>(&bytes).unwrap(), address);
        }
    }

    #[test]
    fn quoted_and_plain_are_the_same_mailbox(local in "[a-z]{1,8}(\\.[a-z0-9]{1,8}){0,2}") {
        let plain = Address::parse(&format!("{local}@x.example")).unwrap();
        let quoted = Address::parse(&format!("\"{}\"@X.example", local.to_uppercase())).unwrap();
        prop_assert_eq!(plain.canonical(), quoted.canonical());
    }
}

//! Domain names: lower-case A-labels inside, their own script for people.
//!
//! RFC 1123 section 2.1 (host names), RFC 5890 (IDNA), UTS 46 with its strict
//! flags for parsing, UTS 39 section 5.2 "highly restrictive" for showing.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use icu_properties::{CodePointMapData, props::Script};
use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

use super::address::AddressError;

/// A domain name: lower case, A-labels, no trailing dot, 1 to 253 bytes.
/// Clones share it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Domain(Arc<str>);

/// Longer input is not looked at: punycode takes quadratic time.
const INPUT_BYTES: usize = 1016;

impl Domain {
    /// Parses an ASCII or international domain name.
    ///
    /// # Errors
    /// [`AddressError::Domain`] for anything that is not a host name: a label
    /// over 63 bytes, an underscore, a bad A-label, an empty label, a trailing
    /// dot, a last label of digits only (it would be an IPv4 address).
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.len() > INPUT_BYTES {
            return Err(AddressError::Domain);
        }
        let ascii = Uts46::new()
            .to_ascii(
                text.as_bytes(),
                AsciiDenyList::STD3,
                Hyphens::CheckFirstLast,
                DnsLength::Verify,
            )
            .map_err(|_| AddressError::Domain)?;
        let last = ascii.rsplit('.').next().unwrap_or_default();
        if ascii.is_empty() || ascii.len() > 253 || last.bytes().all(|b| b.is_ascii_digit()) {
            return Err(AddressError::Domain);
        }
        // UTS 46 section 4.1, V4: what decodes to a label that looks encoded
        // itself would be another domain when it is read again.
        if ascii.contains("xn--") && unicode(&ascii).0.split('.').any(is_encoded) {
            return Err(AddressError::Domain);
        }
        Ok(Self(ascii.into()))
    }

    /// What was accepted once stays readable, whatever becomes stricter.
    pub(super) fn stored(text: &str) -> Option<Self> {
        let good = |b: u8| b.is_ascii_graphic() && !b.is_ascii_uppercase() && b != b'@';
        (!text.is_empty() && text.bytes().all(good)).then(|| Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The registrable domain after the public suffix list, for grouping only.
    pub fn organisational(&self) -> Domain {
        match psl::domain_str(&self.0) {
            Some(domain) if domain.len() < self.0.len() => Self(domain.into()),
            _ => self.clone(),
        }
    }

    /// As people may see it: U-labels where each label keeps to one script
    /// (or to Japanese, Korean or Chinese with Latin), else the A-labels.
    pub fn display(&self) -> String {
        if !self.0.contains("xn--") {
            return self.0.to_string();
        }
        let (unicode, result) = unicode(&self.0);
        if result.is_ok() && unicode.split('.').all(is_single_script) {
            unicode.into_owned()
        } else {
            self.0.to_string()
        }
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

super::cbor_text!(Domain, Domain::stored);

/// With U-labels, and whether every label is valid.
fn unicode(ascii: &str) -> (Cow<'_, str>, Result<(), idna::Errors>) {
    Uts46::new().to_unicode(ascii.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast)
}

fn is_encoded(label: &str) -> bool {
    label.starts_with("xn--")
}

/// UTS 39 section 5.2, and no label made wholly of Cyrillic letters that look
/// like Latin ones (`аррӏе`).
fn is_single_script(label: &str) -> bool {
    let scripts = CodePointMapData::<Script>::new();
    let mut seen: Vec<Script> = Vec::new();
    for c in label.chars() {
        if super::display::is_invisible(c) {
            return false;
        }
        let script = scripts.get(c);
        if ![Script::Common, Script::Inherited].contains(&script) && !seen.contains(&script) {
            seen.push(script);
        }
    }
    let kept = seen.len() <= 1
        || TOGETHER.iter().any(|together| seen.iter().all(|script| together.contains(script)));
    let disguised = label.chars().all(|c| LATIN_LIKE.contains(c) || !c.is_alphabetic());
    kept && !(disguised && seen.contains(&Script::Cyrillic))
}

/// Scripts that one language writes side by side.
const TOGETHER: [&[Script]; 3] = [
    &[Script::Latin, Script::Han, Script::Hiragana, Script::Katakana],
    &[Script::Latin, Script::Han, Script::Bopomofo],
    &[Script::Latin, Script::Han, Script::Hangul],
];

/// Cyrillic letters that a reader takes for Latin ones.
const LATIN_LIKE: &str = "асԁеһіјӏорԛѕԝхуъьҽпгѵѡ";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn domains_are_lower_case_a_labels() {
        for (text, ascii) in [
            ("EXAMPLE.Org", "example.org"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("例え。jp", "xn--r8jz45g.jp"),
            ("r3---sn.example", "r3---sn.example"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(Domain::parse(text).unwrap().as_str(), ascii);
        }
        for text in
            ["", ".", "a.", "a b", "a@b", "a/b", "a\0", "[1.2.3.4]", "1.2.3.4", "xn--80ak6aa92e-"]
        {
            assert_eq!(Domain::parse(text), Err(AddressError::Domain), "{text:?}");
        }
        assert!(Domain::parse(&"a".repeat(64)).is_err());
        assert!(Domain::parse(&"ü".repeat(10_000)).is_err());
    }

    /// Found by the fuzz target `address`.
    #[test]
    fn a_label_that_decodes_to_an_encoded_one_is_refused() {
        assert!(Domain::parse("xn--xn--xxn--enee").is_err());
        assert!(Domain::parse("xn--bcher-kva.example").is_ok());
    }

    #[test]
    fn w_03_mixed_scripts_are_shown_as_a_labels() {
        let shown = |text: &str| Domain::parse(text).unwrap().display();
        for text in ["bücher.example", "例えテスト.jp", "почта.рф", "日本abc.jp", "한국abc.kr"]
        {
            assert_eq!(shown(text), text);
        }
        // Cyrillic letters among Latin ones, and instead of all of them.
        for text in ["раураl.com", "раypal.com", "аррӏе.com", "gοοgle.com", "ⲟffice.com"]
        {
            assert!(shown(text).starts_with("xn--"), "{text}: {}", shown(text));
        }
    }

    #[test]
    fn the_organisational_domain_follows_the_public_suffix_list() {
        let of = |text: &str| Domain::parse(text).unwrap().organisational().to_string();
        assert_eq!(of("a.b.example.co.uk"), "example.co.uk");
        assert_eq!(of("co.uk"), "co.uk");
    }

    proptest! {
        #[test]
        fn what_parses_stays_what_it_is(text in "\\PC{0,30}|[a-zü.-]{1,30}|xn--[a-z0-9-]{1,20}") {
            if let Ok(domain) = Domain::parse(&text) {
                prop_assert_eq!(&Domain::parse(domain.as_str()).unwrap(), &domain);
                prop_assert_eq!(&Domain::parse(&domain.display()).unwrap(), &domain);
                prop_assert!(Domain::stored(domain.as_str()).is_some());
            }
        }
    }
}

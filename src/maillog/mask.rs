//! Masks: how an address, a foreign server's words or a subject of a limit
//! may stand in a log line.
//!
//! A log is copied, shipped and kept by people whom no sender knows. So an
//! address shows its first letter and its domain; anything as long as a token
//! is cut out of foreign text; control characters are escaped, so that no
//! text can begin a line of its own (ATTACKS A-08).

use std::fmt::{self, Write};

use crate::mail::{Address, ReversePath};

/// Foreign text longer than this many characters is cut.
const TEXT_CHARS: usize = 300;
/// A run of base64url characters of this length may be a token (56) or a key.
const TOKEN_CHARS: usize = 40;

/// An address as `a***@example.org`.
#[derive(Clone, Copy)]
pub struct Masked<'a>(pub &'a Address);

/// A reverse-path as `<>` or like [`Masked`].
#[derive(Clone, Copy)]
pub struct MaskedPath<'a>(pub &'a ReversePath);

/// Foreign text (a server's reply, an error) without whole addresses, tokens
/// or control characters.
#[derive(Clone, Copy)]
pub struct Scrubbed<'a>(pub &'a str);

impl fmt::Display for Masked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        local(self.0.local(), f)?;
        write!(f, "@{}", self.0.domain())
    }
}

impl fmt::Display for MaskedPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.address() {
            Some(address) => Masked(address).fmt(f),
            None => f.write_str("<>"),
        }
    }
}

impl fmt::Display for Scrubbed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: String = self.0.chars().take(TEXT_CHARS).collect();
        let mut rest = text.as_str();
        while let Some((at, mark)) = next_at(rest) {
            let before = &rest[..at];
            let start = local_start(before);
            without_tokens(&before[..start], f)?;
            local(&before[start..], f)?;
            f.write_char('@')?;
            rest = &rest[at + mark..];
        }
        without_tokens(rest, f)
    }
}

/// The first letter and three stars; only stars where there is no second one
/// to hide.
fn local(local: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut letters = local.chars();
    let first = letters.next().filter(|c| c.is_alphanumeric());
    if let (Some(first), Some(_)) = (first, letters.next()) {
        f.write_char(first)?;
    }
    f.write_str("***")
}

/// Where the next `@` (or its form in a URL) begins, and its length.
fn next_at(text: &str) -> Option<(usize, usize)> {
    let plain = text.find('@').map(|at| (at, 1));
    let encoded = text.find("%40").map(|at| (at, 3));
    plain.into_iter().chain(encoded).min()
}

/// Where the local part that ends `before` begins.
fn local_start(before: &str) -> usize {
    if let Some(quoted) = before.strip_suffix('"') {
        return quoted.rfind('"').unwrap_or(0);
    }
    let ends = |c: char| c.is_whitespace() || c.is_control() || "<>()[],;:\"\\".contains(c);
    before.char_indices().rev().find(|(_, c)| ends(*c)).map_or(0, |(at, c)| at + c.len_utf8())
}

fn without_tokens(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let in_token = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if !in_token(c) {
            if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') {
                write!(f, "{}", c.escape_default())?;
            } else {
                f.write_char(c)?;
            }
            rest = &rest[c.len_utf8()..];
            continue;
        }
        let end = rest.find(|c| !in_token(c)).unwrap_or(rest.len());
        let (run, behind) = rest.split_at(end);
        f.write_str(if run.len() < TOKEN_CHARS { run } else { "[...]" })?;
        rest = behind;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_shows_its_first_letter_and_its_domain() {
        let masked = |text| Masked(&Address::parse(text).unwrap()).to_string();
        assert_eq!(masked("anna@example.org"), "a***@example.org");
        assert_eq!(masked("a@example.org"), "***@example.org");
        assert_eq!(MaskedPath(&ReversePath::Null).to_string(), "<>");
    }

    #[test]
    fn foreign_text_keeps_its_sense() {
        let scrubbed = |text: &str| Scrubbed(text).to_string();
        assert_eq!(
            scrubbed(
                "550 5.1.1 <anna.virtanen@example.fi>: no such user; see http://x/?a=bo%40c.d"
            ),
            "550 5.1.1 <a***@example.fi>: no such user; see http:***@c.d"
        );
        assert_eq!(scrubbed("\"anna v\"@example.fi no"), "***@example.fi no");
        assert_eq!(scrubbed("a\r\nforged=\"line\""), "a\\r\\nforged=\"line\"");
        assert_eq!(
            scrubbed("https://h/r/AQEAAQGaC3dYcnGAoZy9X1Wf3Xn__2kx8gAdCk1aZ0mYb3cQ1a2b3c4d"),
            "https://h/r/[...]"
        );
    }

    proptest! {
        #[test]
        fn no_address_and_no_token_comes_through(
            before in "[ -~]{0,20}", local in "[a-z]{3,20}", after in "[ -~]{0,20}",
            token in "[A-Za-z0-9_-]{56}",
        ) {
            let text = format!("{before} <{local}@example.fi> {after} {token}");
            let shown = Scrubbed(&text).to_string();
            let whole = format!("{local}@");
            prop_assert!(!shown.contains(&whole), "{}", shown);
            prop_assert!(!shown.contains(&token), "{}", shown);
        }

        #[test]
        fn no_text_begins_a_line(text in "\\PC{0,10}[\\x00-\\x1f\\x7f\u{85}\u{2028}]{1,3}.{0,40}") {
            prop_assert!(!Scrubbed(&text).to_string().chars().any(char::is_control));
        }
    }
}

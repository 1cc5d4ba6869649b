//! An SMTP reply: code, enhanced status code (RFC 3463) and one ASCII line.

use std::fmt;

/// One reply of at most 512 bytes with its CRLF (RFC 5321 section 4.5.3.1.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    enhanced: Option<(u8, u16, u16)>,
    text: String,
}

impl Reply {
    /// A reply with an enhanced status code.
    ///
    /// Whatever is not printable ASCII in `text` becomes `?`, and a text that
    /// would make the line longer than 512 bytes is cut, so that no reply can
    /// be broken by what it quotes.
    pub fn new(code: u16, enhanced: (u8, u16, u16), text: impl Into<String>) -> Self {
        Self { code, enhanced: Some(enhanced), text: clean(text.into()) }
    }

    /// A reply without an enhanced code: 220, 221, 250 to EHLO, 354.
    pub fn plain(code: u16, text: impl Into<String>) -> Self {
        Self { code, enhanced: None, text: clean(text.into()) }
    }

    pub fn code(&self) -> u16 {
        self.code
    }

    /// Class, subject and detail of RFC 3463, for example `(5, 7, 1)`.
    pub fn enhanced(&self) -> Option<(u8, u16, u16)> {
        self.enhanced
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// 2xx or 3xx.
    pub fn is_positive(&self) -> bool {
        self.code < 400
    }

    /// 4xx: the client is to try again.
    pub fn is_transient(&self) -> bool {
        (400..500).contains(&self.code)
    }

    /// 5xx.
    pub fn is_permanent(&self) -> bool {
        self.code >= 500
    }
}

impl fmt::Display for Reply {
    /// The line without its CRLF.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.enhanced {
            Some((class, subject, detail)) => {
                write!(f, "{} {class}.{subject}.{detail} {}", self.code, self.text)
            }
            None => write!(f, "{} {}", self.code, self.text),
        }
    }
}

/// A reply of several lines with their CRLFs (RFC 5321 section 4.2.1), as to
/// EHLO. Each text is cleaned as in [`Reply::new`].
pub fn lines(code: u16, texts: &[&str]) -> String {
    let (last, before) = texts.split_last().unwrap_or((&"", &[]));
    let mut out = String::new();
    for text in before {
        out.push_str(&format!("{code}-{}\r\n", clean((*text).to_owned())));
    }
    out + &format!("{code} {}\r\n", clean((*last).to_owned()))
}

/// Longest text that keeps `550 5.7.123 text CRLF` within 512 bytes.
const TEXT_BYTES: usize = 496;

fn clean(text: String) -> String {
    let is_clean = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    if text.len() <= TEXT_BYTES && text.bytes().all(is_clean) {
        return text;
    }
    text.chars()
        .map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' })
        .take(TEXT_BYTES)
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn several_lines_are_one_reply() {
        assert_eq!(
            lines(250, &["mx.ours", "SIZE 1", "8BITMIME"]),
            "250-mx.ours\r\n250-SIZE 1\r\n250 8BITMIME\r\n"
        );
        assert_eq!(lines(250, &["mx\r\n250 ours"]), "250 mx??250 ours\r\n");
    }

    #[test]
    fn a_reply_shows_its_codes() {
        let reply = Reply::new(550, (5, 7, 1), "No\r\nway ü");
        assert_eq!(reply.to_string(), "550 5.7.1 No??way ?");
        assert!(reply.is_permanent() && !reply.is_transient() && !reply.is_positive());
        assert_eq!(Reply::plain(354, "Go on").to_string(), "354 Go on");
    }

    proptest! {
        #[test]
        fn l_25_a_reply_is_one_short_line(
            text in "\\PC{0,600}|[\r\n\0\u{80}-\u{ff}a]{0,600}",
            code in 200_u16..600, subject in 0_u16..1000, detail in 0_u16..1000,
        ) {
            for reply in [Reply::new(code, (5, subject, detail), &text), Reply::plain(code, &text)] {
                let line = reply.to_string();
                prop_assert!(line.len() <= 510);
                prop_assert!(line.bytes().all(|b| b == b' ' || b.is_ascii_graphic()));
            }
        }
    }
}

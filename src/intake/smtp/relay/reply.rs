//! Reads the next hop's replies (RFC 5321 section 4.2, RFC 2034).

use crate::mail::Reply;

/// One line of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyLine {
    code: u16,
    last: bool,
    text: String,
}

/// A reply with all its lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    code: u16,
    lines: Vec<String>,
}

impl ReplyLine {
    /// `None` unless it is `250 text`, `250-text` or `250`.
    pub fn parse(line: &[u8]) -> Option<Self> {
        let (digits, rest) = line.split_at_checked(3)?;
        let valid = (b'2'..=b'5').contains(&digits[0]) && digits.iter().all(u8::is_ascii_digit);
        let code = std::str::from_utf8(digits).ok().filter(|_| valid)?.parse().ok()?;
        let (last, text) = match rest.split_first() {
            None => (true, rest),
            Some((b' ', text)) => (true, text),
            Some((b'-', text)) => (false, text),
            Some(_) => return None,
        };
        Some(Self { code, last, text: String::from_utf8_lossy(text).into_owned() })
    }
}

impl Answer {
    /// Adds a line; `true` if it was the last. `None`: the codes differ.
    pub fn add(&mut self, line: ReplyLine) -> Option<bool> {
        if !self.lines.is_empty() && self.code != line.code {
            return None;
        }
        self.code = line.code;
        self.lines.push(line.text);
        Some(line.last)
    }

    pub fn code(&self) -> u16 {
        self.code
    }

    /// The lines of an EHLO answer behind the first.
    pub fn into_keywords(self) -> Vec<String> {
        self.lines.into_iter().skip(1).collect()
    }

    /// The same on one line: our client reads what the next hop said, in
    /// characters that cannot be anything but text.
    pub fn reply(self) -> Reply {
        let mut enhanced = None;
        let mut words = String::new();
        for line in &self.lines {
            let (status, text) = split_status(line, self.code);
            enhanced = enhanced.or(status);
            if !words.is_empty() {
                words.push(' ');
            }
            words.push_str(text.trim());
        }
        match enhanced {
            Some(enhanced) => Reply::new(self.code, enhanced, words),
            None => Reply::plain(self.code, words),
        }
    }
}

/// RFC 3463: the status must be of the reply's own class.
fn split_status(line: &str, code: u16) -> (Option<(u8, u16, u16)>, &str) {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let mut numbers = word.split('.').map(|number| {
        let valid = (1..=3).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
        number.parse::<u16>().ok().filter(|_| valid)
    });
    let mut next = || numbers.next().flatten();
    let status = (next(), next(), next(), numbers.next());
    match status {
        (Some(class), Some(subject), Some(detail), None) if class == code / 100 => {
            // One digit: a reply's class is 2 to 5.
            (u8::try_from(class).ok().map(|class| (class, subject, detail)), rest)
        }
        _ => (None, line),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_line_becomes_text_or_nothing(line in prop::collection::vec(any::<u8>(), 0..60)) {
            for line in [line.clone(), [b"550 5.1.1 ".to_vec(), line].concat()] {
                let mut answer = Answer::default();
                if let Some(line) = ReplyLine::parse(&line) {
                    answer.add(line);
                    let reply = answer.reply().to_string();
                    prop_assert!(reply.len() <= 510);
                    prop_assert!(reply.bytes().all(|b| b == b' ' || b.is_ascii_graphic()));
                }
            }
        }
    }

    fn answer(lines: &[&str]) -> Option<Reply> {
        let mut answer = Answer::default();
        for line in lines {
            if answer.add(ReplyLine::parse(line.as_bytes())?)? {
                return Some(answer.reply());
            }
        }
        None
    }

    #[test]
    fn keeps_code_status_and_words() {
        let reply = answer(&["550-5.1.1 <a@b>: no", "550 5.1.1 such mailbox"]).unwrap();
        assert_eq!(reply.to_string(), "550 5.1.1 <a@b>: no such mailbox");
        assert_eq!(answer(&["250 Ok"]).unwrap().to_string(), "250 Ok");
        assert_eq!(answer(&["250"]).unwrap().code(), 250);
    }

    #[test]
    fn a_status_of_another_class_is_only_text() {
        assert_eq!(answer(&["450 5.1.1 x"]).unwrap().enhanced(), None);
    }

    #[test]
    fn refuses_what_is_no_reply() {
        for line in ["", "25", "999 x", "2500 x", "abc x"] {
            assert_eq!(answer(&[line]), None, "{line}");
        }
        assert_eq!(answer(&["250-a", "550 b"]), None);
    }

    #[test]
    fn nothing_but_text_reaches_the_client() {
        let reply = answer(&["550 5.7.1 a\rb\x1b[31m\u{202e}"]).unwrap();
        assert!(reply.text().bytes().all(|b| b == b' ' || b.is_ascii_graphic()));
    }
}

//! Rebuilds the next hop's replies for our client (RFC 2034, RFC 3463).

use crate::mail::Reply;
use crate::queue::wire::ServerReply;

/// The same on one line: our client reads what the next hop said, in
/// characters that cannot be anything but text.
pub fn rebuilt(reply: &ServerReply) -> Reply {
    let mut enhanced = None;
    let mut words = String::new();
    for line in &reply.lines {
        let (status, text) = split_status(line, reply.code);
        enhanced = enhanced.or(status);
        if !words.is_empty() {
            words.push(' ');
        }
        words.push_str(text.trim());
    }
    match enhanced {
        Some(enhanced) => Reply::new(reply.code, enhanced, words),
        None => Reply::plain(reply.code, words),
    }
}

/// 2yz: whatever else, it was not refused and nothing more is asked for.
pub fn is_done(reply: &Reply) -> bool {
    (200..300).contains(&reply.code())
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

    fn reply(code: u16, lines: &[&str]) -> Reply {
        let lines = lines.iter().map(|&line| line.to_owned()).collect();
        rebuilt(&ServerReply { code, lines })
    }

    proptest! {
        #[test]
        fn any_line_becomes_text(line in prop::collection::vec(any::<u8>(), 0..600)) {
            let line = String::from_utf8_lossy(&line);
            for line in [line.clone().into_owned(), format!("5.1.1 {line}")] {
                let reply = reply(550, &[&line]).to_string();
                prop_assert!(reply.len() <= 510);
                prop_assert!(reply.bytes().all(|b| b == b' ' || b.is_ascii_graphic()));
            }
        }
    }

    #[test]
    fn keeps_code_status_and_words() {
        let many = reply(550, &["5.1.1 <a@b>: no", "5.1.1 such mailbox"]);
        assert_eq!(many.to_string(), "550 5.1.1 <a@b>: no such mailbox");
        assert_eq!(reply(250, &["Ok"]).to_string(), "250 Ok");
        assert_eq!(reply(250, &[""]).code(), 250);
    }

    #[test]
    fn a_status_of_another_class_is_only_text() {
        assert_eq!(reply(450, &["5.1.1 x"]).enhanced(), None);
    }

    #[test]
    fn nothing_but_text_reaches_the_client() {
        let reply = reply(550, &["5.7.1 a\rb\x1b[31m\u{202e}"]);
        assert!(reply.text().bytes().all(|b| b == b' ' || b.is_ascii_graphic()));
    }
}

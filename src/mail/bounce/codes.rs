//! Codes in the words of mail servers: reply code (RFC 5321 section 4.2),
//! enhanced status (RFC 3463) and the command that was refused.

/// Class, subject and detail of RFC 3463.
pub type Status = (u8, u16, u16);

/// A command of an SMTP session, as far as it tells refusals apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// The greeting.
    Connect,
    Helo,
    StartTls,
    Mail,
    Rcpt,
    /// DATA or the end of the message.
    Data,
}

/// The first reply code of class 4 or 5 that stands as a word of its own.
pub fn reply_code(text: &str) -> Option<u16> {
    let at = code_at(text)?;
    text.get(at..at + 3)?.parse().ok()
}

/// The text behind the first reply code; all of it where there is none.
pub(super) fn behind_code(text: &str) -> &str {
    code_at(text).map_or(text, |at| &text[at + 3..])
}

fn code_at(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    (0..bytes.len()).find(|&at| {
        let Some(three) = bytes.get(at..at + 3) else { return false };
        let digits = matches!(three[0], b'4' | b'5')
            && matches!(three[1], b'0'..=b'5')
            && three[2].is_ascii_digit();
        let before = at == 0 || b" <'\"(:-;\t>".contains(&bytes[at - 1]);
        let after = bytes.get(at + 3).is_none_or(|b| b" -:,;'\t)".contains(b));
        digits && before && after
    })
}

/// The most telling status: behind a reply code in the other server's own
/// words (the innermost of several), else the field, else one in the words.
pub fn status(words: &str, field: Option<Status>) -> Option<Status> {
    let is_vague = |status: &Status| (status.1, status.2) == (0, 0);
    let found = enhanced(words);
    let own = found.iter().filter(|(_, behind_code)| *behind_code).map(|(status, _)| *status);
    let own: Vec<Status> = own.collect();
    let telling = own.iter().rev().find(|status| !is_vague(status)).copied();
    telling
        .or_else(|| field.filter(|status| !is_vague(status)))
        .or_else(|| found.iter().map(|(status, _)| *status).find(|status| !is_vague(status)))
        .or_else(|| own.first().copied())
        .or(field)
}

/// Every enhanced status in `text`, and whether a reply code stands before it.
fn enhanced(text: &str) -> Vec<(Status, bool)> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    for at in 0..bytes.len() {
        let first = at == 0 || b" -(#'\":<[=;\t".contains(&bytes[at - 1]);
        if !first || !matches!(bytes[at], b'4' | b'5') || bytes.get(at + 1) != Some(&b'.') {
            continue;
        }
        let Some((subject, next)) = number(bytes, at + 2) else { continue };
        if bytes.get(next) != Some(&b'.') {
            continue;
        }
        let Some((detail, end)) = number(bytes, next + 1) else { continue };
        let ends = match bytes.get(end) {
            None => true,
            Some(b'.') => !bytes.get(end + 1).is_some_and(u8::is_ascii_digit),
            Some(b) => !b.is_ascii_alphanumeric(),
        };
        // RFC 3463 section 3: subjects 0 to 7.
        if ends && subject <= 7 {
            let before = text[..at].trim_end_matches([' ', '-', ':', '\'', '"', '#', '(']);
            let code = before.len() < at
                && before.get(before.len().saturating_sub(3)..).is_some_and(|c| {
                    c.len() == 3
                        && c.starts_with(['4', '5'])
                        && c.bytes().all(|b| b.is_ascii_digit())
                });
            found.push(((bytes[at] - b'0', subject, detail), code));
        }
    }
    found
}

/// One to three digits.
fn number(bytes: &[u8], at: usize) -> Option<(u16, usize)> {
    let rest = bytes.get(at..)?;
    let length = rest.iter().take(4).take_while(|b| b.is_ascii_digit()).count();
    if length == 0 || length > 3 {
        return None;
    }
    let value = rest[..length].iter().fold(0, |n, digit| n * 10 + u16::from(digit - b'0'));
    Some((value, at + length))
}

/// How mail servers name the command in their letters.
const SAID: &[(&str, Command)] = &[
    ("in reply to rcpt to", Command::Rcpt),
    ("in reply to mail from", Command::Mail),
    ("in reply to end of data", Command::Data),
    ("in reply to data", Command::Data),
    ("in reply to helo", Command::Helo),
    ("in reply to ehlo", Command::Helo),
    ("in reply to starttls", Command::StartTls),
    ("refused to talk to me", Command::Connect),
    ("after initial connection", Command::Connect),
    ("initial server greeting", Command::Connect),
    ("after ehlo", Command::Helo),
    ("after helo", Command::Helo),
    ("my name was rejected", Command::Helo),
    ("after starttls", Command::StartTls),
    ("after mail from", Command::Mail),
    ("after pipelined mail from", Command::Mail),
    ("sender was rejected", Command::Mail),
    ("rejected mail from address", Command::Mail),
    ("our mail from", Command::Mail),
    ("[mail_from]", Command::Mail),
    ("(state 13)", Command::Mail),
    ("after rcpt", Command::Rcpt),
    ("after pipelined rcpt", Command::Rcpt),
    ("does not like recipient", Command::Rcpt),
    ("our rcpt to", Command::Rcpt),
    ("[rcpt_to]", Command::Rcpt),
    ("(state 14)", Command::Rcpt),
    ("has rejected address", Command::Rcpt),
    ("after end of data", Command::Data),
    ("after pipelined end of data", Command::Data),
    ("after data", Command::Data),
    ("our final data", Command::Data),
    ("our data", Command::Data),
    ("for text command", Command::Data),
    ("after i sent the message", Command::Data),
    ("smtp transmission failure", Command::Data),
    ("[data]", Command::Data),
    ("(state 15)", Command::Data),
    ("(state 16)", Command::Data),
    ("(state 17)", Command::Data),
    ("(state 18)", Command::Data),
];

/// The command that a letter says was refused.
pub fn command(letter: &str) -> Option<Command> {
    let words: Vec<&str> = letter.split_whitespace().collect();
    let text = words.join(" ").to_ascii_lowercase();
    SAID.iter()
        .filter_map(|(said, command)| text.find(said).map(|at| (at, *command)))
        .min_by_key(|(at, _)| *at)
        .map(|(_, command)| command)
}

/// A transcript's `>>> COMMAND` in front of the `<<<` that says `reply`.
pub fn transcribed(letter: &str, reply: &str) -> Option<Command> {
    let reply: String = reply.split_whitespace().collect::<Vec<_>>().join(" ");
    let start: String = reply.chars().take(30).collect();
    let mut asked = None;
    for line in letter.lines().map(str::trim) {
        if let Some(said) = line.strip_prefix(">>>") {
            asked = verb(said);
        } else if line.contains("while talking to") {
            asked = None;
        } else if let Some(answer) = line.strip_prefix("<<<") {
            let answer: String = answer.split_whitespace().collect::<Vec<_>>().join(" ");
            if !start.is_empty() && answer.starts_with(&start) {
                return asked;
            }
        }
    }
    None
}

/// The last command of a transcript that was answered with a refusal.
pub fn last_transcribed(text: &str) -> Option<Command> {
    let (mut asked, mut refused, mut named) = (None, None, false);
    for line in text.lines().map(str::trim) {
        if let Some(said) = line.strip_prefix(">>>") {
            asked = verb(said);
        } else if line.strip_prefix("<<<").is_some_and(|said| reply_code(said).is_some()) {
            refused = refused.or(asked);
        } else if line.to_ascii_lowercase().contains("smtp command") {
            named = true;
        } else if named {
            return verb(line).or(refused);
        }
    }
    refused
}

fn verb(said: &str) -> Option<Command> {
    let word = said.trim().split([' ', ':']).next()?.to_ascii_uppercase();
    match &word[..] {
        "EHLO" | "HELO" | "LHLO" => Some(Command::Helo),
        "STARTTLS" => Some(Command::StartTls),
        "MAIL" => Some(Command::Mail),
        "RCPT" => Some(Command::Rcpt),
        "DATA" | "BDAT" | "." => Some(Command::Data),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_of_the_server_that_refused_is_taken() {
        for (words, field, expected) in [
            ("550 5.1.1 <a@b>... User unknown", Some((5, 1, 1)), Some((5, 1, 1))),
            ("550-'5.7.1 <a@b>... Access denied'", Some((5, 0, 0)), Some((5, 7, 1))),
            ("552 5.2.2 Over quota", Some((5, 1, 1)), Some((5, 2, 2))),
            ("554 4.4.7 Expired.<421 4.4.2 Timed out>", Some((4, 4, 7)), Some((4, 4, 2))),
            ("550 User unknown", Some((5, 2, 0)), Some((5, 2, 0))),
            ("Sorry, no mailbox here by that name. (#5.1.1)", None, Some((5, 1, 1))),
            ("550 from host 5.1.1.9", None, None),
            ("501 5.0.0 Invalid domain name", None, Some((5, 0, 0))),
            ("", Some((4, 0, 0)), Some((4, 0, 0))),
        ] {
            assert_eq!(status(words, field), expected, "{words}");
        }
    }

    #[test]
    fn reply_codes_are_words_of_their_own() {
        for (text, expected) in [
            ("host mx[192.0.2.1] said: 550 5.1.1 no", Some(550)),
            ("550-5.7.26 Unauthenticated", Some(550)),
            ("ERROR_CODE :421, x", Some(421)),
            ("mta1082.mail id 5501 x4501", None),
            ("666 no", None),
            ("", None),
        ] {
            assert_eq!(reply_code(text), expected, "{text}");
        }
    }

    #[test]
    fn the_refused_command_is_found() {
        let postfix = "said: 550 User unknown (in reply to\n    RCPT TO command)";
        assert_eq!(command(postfix), Some(Command::Rcpt));
        assert_eq!(command("after MAIL FROM:<a@b> SIZE=1:\n 550 no"), Some(Command::Mail));
        let letter = "... while talking to mx.:\n>>> DATA\n<<< 550 Unknown user a@b\n>>> QUIT\n";
        assert_eq!(transcribed(letter, "550 Unknown user a@b"), Some(Command::Data));
        assert_eq!(transcribed(letter, "551 else"), None);
        assert_eq!(last_transcribed("-----SMTP command\nDATA"), Some(Command::Data));
    }
}

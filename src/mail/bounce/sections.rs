//! Who failed, from a letter written for people: an address that opens a
//! line or stands behind words that announce one, and the lines under it.

/// What a letter says of one recipient.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Section {
    pub address: String,
    lines: Vec<String>,
}

/// Lines of one section that are kept.
const LINES: usize = 60;

impl Section {
    pub fn of(address: String) -> Self {
        Self { address, lines: Vec::new() }
    }

    pub fn text(&self) -> String {
        self.lines.join("\n")
    }

    fn add(&mut self, line: &str) {
        if self.lines.len() < LINES && !line.trim().is_empty() && !is_boilerplate(line) {
            self.lines.push(line.trim().to_owned());
        }
    }
}

/// The sections of `text` in order, each address once.
pub(super) fn find(text: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let mut known = std::collections::HashMap::<String, usize>::new();
    let mut current: Option<usize> = None;
    // Lines of a transcript in front of the line that names the recipient.
    let mut before: Vec<&str> = Vec::new();
    for line in text.lines() {
        if line.contains("alking to ") {
            before.clear();
            current = None;
        }
        let opened = opening(line);
        let Some(Opening { address, rest, closes }) = opened else {
            match current {
                Some(at) => sections[at].add(line),
                None if before.len() < LINES => before.push(line),
                None => {}
            }
            continue;
        };
        let at = *known.entry(address.to_lowercase()).or_insert_with(|| {
            sections.push(Section::of(address.to_owned()));
            sections.len() - 1
        });
        if closes && current.is_none() {
            for line in before.drain(..).filter(|line| is_transcript(line)) {
                sections[at].add(line);
            }
        }
        sections[at].add(rest.trim_start_matches([':', '.', ',', ' ']));
        before.clear();
        // Within his own section his answer is no end.
        current = (!closes || current == Some(at)).then_some(at);
        if sections.len() >= super::RECIPIENTS {
            break;
        }
    }
    sections
}

/// Every address in `text`, each once, where no line names a recipient as
/// letters usually do.
pub(super) fn any(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for line in text.lines().take(LINES) {
        let lower = line.trim().to_ascii_lowercase();
        if NOT_HIM.iter().any(|start| lower.starts_with(start)) {
            continue;
        }
        let mut rest = line;
        while let Some((end, address)) = first_address(rest) {
            if !found.iter().any(|one| one.eq_ignore_ascii_case(address)) {
                found.push(address.to_owned());
            }
            rest = &rest[end..];
        }
    }
    found
}

/// A line that names a recipient.
struct Opening<'a> {
    address: &'a str,
    /// What else it says.
    rest: &'a str,
    /// A transcript's last word on him: what follows is about others.
    closes: bool,
}

fn opening(line: &str) -> Option<Opening<'_>> {
    let trimmed = line.trim();
    let lower = trimmed.to_ascii_lowercase();
    let aside = lower.trim_start_matches('(');
    let named = ASIDE.iter().any(|start| aside.starts_with(start));
    if !named && NOT_HIM.iter().any(|start| lower.starts_with(start)) {
        return None;
    }
    let bare = trimmed.strip_prefix(">>>").map_or(trimmed, str::trim_start);
    // `550 5.1.1 <a@b>... User unknown`
    let spoken = bare.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.' || c == ' ');
    if spoken.len() < bare.len() && spoken.starts_with('<') {
        let (end, address) = first_address(spoken)?;
        if spoken[end..].trim_start_matches('>').starts_with("...") {
            return Some(Opening { address, rest: bare, closes: true });
        }
    }
    let inner = bare.trim_start_matches(['<', '"', '\'', '*', ' ']);
    if let Some((end, address)) = first_address(inner).filter(|(end, a)| end - a.len() == 0) {
        let rest = inner[end..].trim_start_matches(['>', '"', '\'']);
        return announces(rest).then_some(Opening { address, rest, closes: false });
    }
    let at = ANNOUNCED.iter().find_map(|words| lower.find(words).map(|at| at + words.len()))?;
    // Lower case of ASCII keeps every byte where it was.
    let behind = trimmed.get(at..)?;
    let (end, address) = first_address(behind)?;
    let near = behind[..end - address.len()].trim_matches([' ', '<', ':', '"', '\'', ';', '\t']);
    (near.is_empty() || near.eq_ignore_ascii_case("rfc822")).then_some(Opening {
        address,
        rest: bare,
        closes: false,
    })
}

/// Whether what stands behind an address at a line's start makes it a
/// recipient's, and not the first word of a sentence.
fn announces(rest: &str) -> bool {
    if rest.is_empty() || rest.starts_with([':', '.', '[', '(', ',', '<', ';']) {
        return true;
    }
    let lower = rest.trim_start().to_ascii_lowercase();
    rest.starts_with([' ', '\t'])
        && (lower.starts_with(['[', '(', '<', '-', '4', '5'])
            || BEHIND.iter().any(|word| lower.starts_with(word)))
}

const BEHIND: &[&str] = &[
    "on ", "invalid", "error", "failed", "was ", "is ", "could ", "couldn", "does ", "has ",
    "user ", "not ",
];

/// Lines that name others.
const NOT_HIM: &[&str] = &[
    "from:",
    "to:",
    "cc:",
    "subject:",
    "reply-to:",
    "return-path:",
    "sender:",
    "mail from",
    ">>> mail",
    "in:  mail",
    "message-id:",
    "date:",
    "x-",
    "hello ",
    "mailto:",
    "for assistance",
    "(",
    "list-",
];

/// What stands in brackets under a recipient who has another name.
const ASIDE: &[&str] = &["generated from", "originally addressed to", "expanded from"];

/// Words behind which a recipient is named.
const ANNOUNCED: &[&str] = &[
    "error-for:",
    "generated from",
    "addressed to",
    "original address:",
    "dda:smtp=",
    "undeliverable  to",
    "mailbox is full:",
    "rcpt to:",
    "final-recipient:",
    "original-recipient:",
    "recipient address:",
    "recipient:",
    "following recipient:",
    "following address:",
    "delivered to:",
    "deliver message to:",
    "deliver mail to:",
    "deliver to:",
    "delivered to",
    "delivering your mail to",
    "delivering to",
    "undeliverable to",
    "final delivery userid:",
    "attempts:",
    "mailing list",
    "message-id in",
    "your message to",
    "message to",
    "mail to",
    "delivery to",
    "failed for",
    "failed to",
    "address failed:",
    "user:",
];

fn is_transcript(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with(['>', '<', '4', '5'])
}

/// Lines that stand under every recipient and tell nothing of him.
fn is_boilerplate(line: &str) -> bool {
    let lower = line.trim().to_ascii_lowercase();
    [
        "i'm not going to try again",
        "message has been in the queue too long",
        "giving up on ",
        "please note that this is only",
        "the message is kept in the queue",
        "you do not need to re-send",
        "this has been a permanent failure",
        "message will be deleted from queue",
        "this is a permanent error",
    ]
    .iter()
    .any(|start| lower.starts_with(start))
}

/// The first thing that looks like an address: `(end, address)`.
pub(super) fn first_address(text: &str) -> Option<(usize, &str)> {
    let bytes = text.as_bytes();
    for at in memchr::memchr_iter(b'@', bytes) {
        let start = local_start(text, at);
        let domain = bytes[at + 1..]
            .iter()
            .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
            .count();
        let mut end = at + 1 + domain;
        while end > at + 1 && matches!(bytes[end - 1], b'.' | b'-') {
            end -= 1;
        }
        let name = &text[at + 1..end];
        if start < at && name.contains('.') && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        {
            return Some((end, &text[start..end]));
        }
    }
    None
}

/// Where the local part in front of `at` begins.
fn local_start(text: &str, at: usize) -> usize {
    let head = &text[..at];
    if let Some(quoted) = head.strip_suffix('"')
        && let Some(open) = quoted.rfind('"')
    {
        return open;
    }
    let stop = |c: char| c.is_whitespace() || "<>()[]:;,\"'|{}@".contains(c);
    let start = head.char_indices().rev().find(|(_, c)| stop(*c));
    start.map_or(0, |(i, c)| i + c.len_utf8())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipients_are_found_in_every_make_of_letter() {
        for (line, address, rest) in [
            ("<a@b.example>:", "a@b.example", ":"),
            ("  a@b.example", "a@b.example", ""),
            ("a@b.example [User unknown]", "a@b.example", " [User unknown]"),
            (
                "Could not be delivered to: <a@b.example>",
                "a@b.example",
                "Could not be delivered to: <a@b.example>",
            ),
            (
                "550 5.1.1 <a@b.example>... User unknown",
                "a@b.example",
                "550 5.1.1 <a@b.example>... User unknown",
            ),
            (">>> RCPT To:<a@b.example>", "a@b.example", "RCPT To:<a@b.example>"),
            ("a@b.example on Thu, 29 Apr 2010", "a@b.example", " on Thu, 29 Apr 2010"),
            ("\"a@b.example\":", "a@b.example", ":"),
            (
                "delivering your mail to <a@b.example>.",
                "a@b.example",
                "delivering your mail to <a@b.example>.",
            ),
        ] {
            let found = opening(line).unwrap_or_else(|| panic!("{line}"));
            assert_eq!((found.address, found.rest), (address, rest), "{line}");
        }
        for line in
            ["To: a@b.example", "Hello a@b.example,", ">>> MAIL From:<a@b.example>", "a@b", ""]
        {
            assert!(opening(line).is_none(), "{line}");
        }
    }

    #[test]
    fn a_transcript_speaks_before_it_names() {
        let text = "While talking to mx:\n>>> MAIL From:<s@x.example>\n<<< 501 open relay\n\
                    554 <a@b.example>... Remote protocol error\n550 c.example (smtp)... 550 Host unknown\n\
                    554 <d@c.example>... 550 Host unknown\n";
        let found = find(text);
        assert_eq!(found.len(), 2);
        assert!(found[0].text().contains("open relay"), "{found:?}");
        assert!(!found[1].text().contains("open relay"), "{found:?}");
    }
}

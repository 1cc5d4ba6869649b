//! The words of an answer, made comparable: lower case, one space, without
//! links, addresses and names of hosts; and what can be told from their shape.

/// Whether one of `phrases` stands in `said`.
pub(super) fn has(said: &str, phrases: &[&str]) -> bool {
    phrases.iter().any(|phrase| said.contains(phrase))
}

/// Lower case, one space between words; links, addresses and the names of
/// hosts taken out: what they are called says nothing ("…/#userunknown",
/// `<mailbox.full@…>`, "host antispam.example[192.0.2.1] said").
pub(super) fn plain(text: &str) -> String {
    let lower = text.to_lowercase().replace('\u{2019}', "'");
    let mut out = String::with_capacity(lower.len());
    let mut before = "";
    for word in lower.split_whitespace() {
        let told = match word.find("http://").or_else(|| word.find("https://")) {
            // Google Groups says who it is by its link alone, in 40 languages.
            Some(_) if word.contains("groups.google.com") => "google-groups".to_owned(),
            Some(at) => word[..at].to_owned(),
            None if before == "host" && word.contains('[') => String::new(),
            None => without_addresses(word),
        };
        before = word;
        if !told.is_empty() {
            out.push_str(&told);
            out.push(' ');
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// `<a@b.example>...` as `<>...`.
fn without_addresses(word: &str) -> String {
    let mut rest = word;
    let mut out = String::new();
    while let Some(at) = rest.find('@') {
        let stop = |c: char| "<>()[]{}\"'`:;,=".contains(c);
        let start = rest[..at].rfind(stop).map_or(0, |stop| stop + 1);
        let domain = rest[at + 1..].find(|c: char| !(c.is_alphanumeric() || ".-".contains(c)));
        let mut end = domain.map_or(rest.len(), |length| at + 1 + length);
        while rest[..end].ends_with('.') {
            end -= 1;
        }
        out.push_str(&rest[..start]);
        rest = &rest[end.max(at + 1)..];
    }
    out.push_str(rest);
    out
}

/// The words of the server that refused, where another quotes them behind
/// its own guess: `5.1.0 - Unknown address error 550-'5.7.1 …'` (IronPort).
pub(super) fn innermost(text: &str) -> &str {
    let quoted = text.match_indices("-'").map(|(at, _)| at).find(|at| {
        let code = text.get(at.saturating_sub(3)..*at);
        code.is_some_and(|code| code.len() == 3 && code.bytes().all(|b| b.is_ascii_digit()))
    });
    quoted.map_or(text, |at| &text[at - 3..])
}

/// A refusal with a link of a quarantine like ours: somebody's to release,
/// and no word about the address.
pub(super) fn is_release_link(text: &str) -> bool {
    let ours = |at: usize| {
        let token = &text[at + 3..];
        let length = token
            .bytes()
            .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
            .count();
        length >= 40
    };
    text.match_indices("/r/").any(|(at, _)| ours(at))
        || (text.contains("see why and release it") && text.contains("http"))
}

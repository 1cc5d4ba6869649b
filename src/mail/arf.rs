//! Feedback reports, read: who complained of which message.
//!
//! RFC 5965 (message/feedback-report), RFC 6591 (authentication failures),
//! and Hotmail's own. A complaint is a machine's word: it acts only where
//! its return path is one of ours (ATTACKS B-08).

use super::bounce::RECIPIENTS;

/// The recipients that a report names, or else those that the returned
/// message tells of; `None` if `feedback` is empty and the original bears no
/// mark of a complaint.
pub fn read(feedback: &str, original: &str) -> Option<Vec<String>> {
    let marked = field(original, "x-hmxmroriginalrecipient").next().is_some();
    if feedback.trim().is_empty() && !marked {
        return None;
    }
    let named = |text: &str, name: &str| -> Vec<String> {
        field(text, name).map(address).filter(|a| !a.is_empty()).take(RECIPIENTS).collect()
    };
    let lists = [
        named(feedback, "original-rcpt-to"),
        named(feedback, "removal-recipient"),
        named(original, "x-hmxmroriginalrecipient"),
        named(original, "x-envelope-to"),
        named(original, "to"),
    ];
    Some(lists.into_iter().find(|list| !list.is_empty()).unwrap_or_default())
}

/// RFC 5965 section 3.1: `abuse`, `fraud`, `not-spam`, `auth-failure`, ...
pub fn feedback_type(feedback: &str) -> Option<String> {
    field(feedback, "feedback-type").next().map(|value| value.trim().to_ascii_lowercase())
}

/// The values of every field of this name; the name in lower case.
fn field<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines().filter_map(move |line| {
        let (found, value) = line.split_once(':')?;
        found.trim().eq_ignore_ascii_case(name).then_some(value)
    })
}

fn address(value: &str) -> String {
    let value = value.trim();
    let value = value.rsplit_once('<').map_or(value, |(_, inner)| inner);
    let value = value.split_once(';').map_or(value, |(_, rest)| rest.trim());
    value.trim_end_matches('>').trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_name_their_recipients() {
        let report = "Feedback-Type: abuse\nOriginal-Rcpt-To: <a@b.example>\nOriginal-Rcpt-To: rfc822; c@d.example\n";
        let expected = vec!["a@b.example".to_owned(), "c@d.example".to_owned()];
        assert_eq!(read(report, ""), Some(expected));
        assert_eq!(feedback_type(report).as_deref(), Some("abuse"));
        assert_eq!(
            read("Feedback-Type: abuse", "To: x <e@f.example>"),
            Some(vec!["e@f.example".to_owned()])
        );
        assert_eq!(read("", "To: e@f.example"), None);
        assert_eq!(
            read("", "X-HmXmrOriginalRecipient: e@f.example"),
            Some(vec!["e@f.example".to_owned()])
        );
    }
}

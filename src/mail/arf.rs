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

/// What a report says of its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opinion {
    /// Somebody did not want it.
    Unwanted,
    /// It was taken for spam, and is none (RFC 6430).
    Wanted,
    /// An authentication failure (RFC 6591), which nobody complains of.
    None,
}

/// What a report says beside the recipients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feedback {
    pub opinion: Opinion,
    /// The reverse-path of the message, not verified.
    pub mail_from: Option<String>,
}

impl Feedback {
    /// Whether somebody complains of the message.
    pub fn is_complaint(&self) -> bool {
        self.opinion == Opinion::Unwanted
    }
}

/// The same report's other facts; `None` if it is none.
pub fn feedback(feedback: &str, original: &str) -> Option<Feedback> {
    read(feedback, original)?;
    let kind = feedback_type(feedback);
    let mail_from = field(feedback, "original-mail-from")
        .chain(field(original, "return-path"))
        .map(address)
        .find(|path| !path.is_empty());
    let opinion = match kind.as_deref() {
        Some("not-spam") => Opinion::Wanted,
        Some("auth-failure") => Opinion::None,
        _ => Opinion::Unwanted,
    };
    Some(Feedback { opinion, mail_from })
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
        let told = |text: &str, original: &str| feedback(text, original);
        let path = Some("b@ours.example".to_owned());
        let expected = Some(Feedback { opinion: Opinion::Unwanted, mail_from: path.clone() });
        assert_eq!(told(report, "Return-Path: <b@ours.example>"), expected);
        let wanted = "Feedback-Type: not-spam\nOriginal-Mail-From: <b@ours.example>";
        assert_eq!(told(wanted, ""), Some(Feedback { opinion: Opinion::Wanted, mail_from: path }));
        let failed = told("Feedback-Type: auth-failure", "").unwrap();
        assert_eq!(failed.opinion, Opinion::None);
        assert_eq!(told("", "To: e@f.example"), None);
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

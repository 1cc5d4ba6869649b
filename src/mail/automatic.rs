//! Mail that no person wrote to one person: lists, bulk, automatic answers.
//!
//! RFC 3834 (Auto-Submitted), RFC 2369 and 2919 (List-*), Precedence as it is
//! used. Such mail is never answered with a letter.

use crate::mail::Message;

/// The fields that mailing list programs and bulk senders add.
const LIST: [&str; 7] = [
    "List-Id",
    "List-Post",
    "List-Unsubscribe",
    "List-Help",
    "List-Subscribe",
    "List-Owner",
    "List-Archive",
];

/// Any List-* field of RFC 2369 or RFC 2919.
pub fn is_list(message: &Message) -> bool {
    message
        .fields()
        .any(|field| LIST.iter().any(|name| field.name.eq_ignore_ascii_case(name.as_bytes())))
}

/// A list that its members write to: List-Post with an address
/// (`List-Post: NO` is an announcement, RFC 2369 section 3.4).
pub fn is_discussion_list(message: &Message) -> bool {
    message.all("List-Post").any(|value| value.contains(&b'<'))
}

/// Auto-Submitted with anything but `no` (RFC 3834 section 5), or an answering
/// program's own word for it.
pub fn is_automatic(message: &Message) -> bool {
    message.all("Auto-Submitted").any(|value| first_word(value) != "no")
        || message.has("X-Autoreply")
        || message.has("X-Autorespond")
        || message.has("X-Auto-Response-Suppress")
}

/// Precedence: bulk, junk or list.
pub fn is_bulk(message: &Message) -> bool {
    message
        .all("Precedence")
        .any(|value| matches!(&first_word(value)[..], "bulk" | "junk" | "list" | "auto_reply"))
}

/// The first word of a value, lower case, without comments and parameters.
fn first_word(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(&value[..value.len().min(200)]);
    let end = |c: char| c.is_whitespace() || matches!(c, ';' | '(' | ',');
    text.trim_start().split(end).next().unwrap_or_default().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(field: &str) -> Message {
        Message::new(format!("{field}\r\nSubject: x\r\n\r\n").into_bytes().into())
    }

    #[test]
    fn b_01_lists_bulk_and_automatic_mail_are_known() {
        assert!(is_list(&with("LIST-id: <a.b>")));
        assert!(is_list(&with("List-Unsubscribe: <mailto:a@b>")));
        assert!(!is_list(&with("X-List-Id: <a.b>")));
        assert!(is_discussion_list(&with("List-Post: <mailto:a@b>")));
        assert!(!is_discussion_list(&with("List-Post: NO (announcements)")));
        assert!(is_automatic(&with("Auto-Submitted: auto-replied (vacation)")));
        assert!(!is_automatic(&with("Auto-Submitted: No; owner=a")));
        assert!(!is_automatic(&with("Auto-Submitted:\r\n no")));
        assert!(is_bulk(&with("Precedence: BULK")));
        assert!(!is_bulk(&with("Precedence: first-class")));
    }
}

//! The SMTP replies that tell a sender why, with the link where there is one.
//!
//! RFC 5321 section 4.5.3.1.5: 512 bytes with CRLF; a bounce quotes one line
//! best, so it is one line. RFC 3463: X.7.1, policy; never X.1.x and never
//! words that other people's bounce classifiers read as a dead address.

use crate::mail::Reply;
use crate::quarantine::Reference;

/// `550 5.7.1` at the end of DATA: the held copy is kept. One short ASCII
/// line; never 5.1.x and never words that read like a dead address.
pub fn held_with_link(reference: Reference, link: &str) -> Reply {
    Reply::new(550, (5, 7, 1), held_text(reference, link))
}

/// The same as 451, for organisations that chose it.
pub fn deferred_with_link(reference: Reference, link: &str) -> Reply {
    Reply::new(451, (4, 7, 1), held_text(reference, link))
}

/// For what has no door: no link exists.
pub fn refused(reference: Reference) -> Reply {
    Reply::new(550, (5, 7, 1), format!("Message blocked ({reference})"))
}

/// 250: held, and the sender is told by a letter or not at all.
pub fn held(reference: Reference) -> Reply {
    Reply::new(250, (2, 0, 0), format!("Message accepted for review ({reference})"))
}

fn held_text(reference: Reference, link: &str) -> String {
    format!(
        "Message blocked ({reference}). If you think this is an error, see why and release it: {link}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::link::{ALL_RECIPIENTS, KeyRing, Links, Purpose, Token};

    /// ATTACKS L-25.
    #[test]
    fn l_25_the_link_fits_whole_even_on_the_longest_host() {
        let label = "a".repeat(63);
        let host = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        let links = Links::new(KeyRing::ephemeral(), &format!("https://{host}")).unwrap();
        let token = Token {
            purpose: Purpose::Release,
            subject: uuid::Uuid::from_u128(u128::MAX),
            slot: ALL_RECIPIENTS,
            expires: Timestamp::from_second(2_000_000_000).unwrap(),
        };
        let link = links.url(None, &token);
        let reference = Reference::from_random([0xff; 5]);
        for reply in [held_with_link(reference, &link), deferred_with_link(reference, &link)] {
            let line = format!("{reply}\r\n");
            assert!(line.len() <= 512, "{}", line.len());
            assert!(line.ends_with(&format!(" {link}\r\n")), "{line}");
            let path = link.rsplit('/').next().unwrap();
            assert!(path.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
        }
    }

    #[test]
    fn no_reply_reads_like_a_dead_address() {
        let reference = Reference::from_random([7; 5]);
        let all = [
            held_with_link(reference, "https://h/r/x"),
            deferred_with_link(reference, "https://h/r/x"),
            refused(reference),
            held(reference),
        ];
        for reply in all {
            assert_ne!(reply.enhanced().map(|(_, subject, _)| subject), Some(1));
            let text = reply.text().to_lowercase();
            for word in ["unknown", "exist", "no such", "user", "mailbox", "recipient", "address"] {
                assert!(!text.contains(word), "{word} in {text}");
            }
        }
    }
}

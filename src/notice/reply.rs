//! The SMTP replies that tell a sender why, with the link where there is one.

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

fn held_text(reference: Reference, link: &str) -> String {
    format!(
        "Message blocked ({reference}). If you think this is an error, see why and release it: {link}"
    )
}

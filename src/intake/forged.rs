//! Fields that speak in our name and are not ours: they go before a message
//! goes on (RFC 8601 section 5), at every door.
//!
//! A mark of a released message is used up once it came here, or was never
//! ours; either way nobody behind us may take it for good.

use crate::filter::results;
use crate::link::mark;
use crate::mail::Message;

/// Name, and number (from 1) among the fields of that name, of each forged
/// field, the last of a name first: what is removed shifts what stands behind.
/// Of a message of our `own` only the mark goes.
pub fn fields(message: &Message, host: &str, own: bool) -> Vec<(&'static str, u32)> {
    let mut found = Vec::new();
    for &name in names(own) {
        let places = (1..).zip(message.all(name)).filter(|(_, value)| is_forged(name, value, host));
        let mut places: Vec<_> = places.map(|(at, _)| (name, at)).collect();
        places.reverse();
        found.append(&mut places);
    }
    found
}

/// The message without them; `None` if it has none.
pub fn removed(message: &Message, host: &str, own: bool) -> Option<Message> {
    message.without(|field| {
        names(own).iter().any(|name| {
            field.name.eq_ignore_ascii_case(name.as_bytes()) && is_forged(name, field.value, host)
        })
    })
}

fn names(own: bool) -> &'static [&'static str] {
    if own { &[mark::FIELD] } else { &[results::FIELD, mark::FIELD] }
}

fn is_forged(name: &str, value: &[u8], host: &str) -> bool {
    name != results::FIELD || results::claims(value, host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_speaks_in_our_name_goes_and_others_stay() {
        let text = "Authentication-Results: mx.ours; spf=pass\r\nA: b\r\n\
                    authentication-results: mx.other; spf=pass\r\n\
                    Authentication-Results: MX.ours; dkim=pass\r\n\
                    Reprieve-Released: i=1\r\n\r\nbody\r\n";
        let message = Message::new(text.as_bytes().to_vec().into());
        let (results, mark) = (results::FIELD, mark::FIELD);
        assert_eq!(fields(&message, "mx.ours", false), [(results, 3), (results, 1), (mark, 1)]);
        let left = removed(&message, "mx.ours", false).unwrap();
        let kept = "A: b\r\nauthentication-results: mx.other; spf=pass\r\n\r\nbody\r\n";
        assert_eq!(left.bytes(), kept.as_bytes());
        assert_eq!(fields(&message, "mx.ours", true), [(mark, 1)], "our own say the truth");
        assert!(removed(&left, "mx.ours", false).is_none());
    }
}

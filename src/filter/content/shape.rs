//! The shape of a message: which fields stand in which order, which tags
//! follow each other, whose hosts its links name.
//!
//! Programs that write mail have habits that words do not show. Bytes as they
//! were sent, nothing is decoded; one pass for each question, bounded.

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// Bytes of the body that are looked at.
const BODY_BYTES: usize = 60_000;
/// Tags and hosts that are looked at.
const TAGS: usize = 4000;
const HOSTS: usize = 1000;
const TAG_BYTES: usize = 16;
const HOST_BYTES: usize = 100;

static SCHEME_END: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"://"));

/// Calls `each` with a number for every tag of `body`, every pair of
/// neighbours, every host and its domain.
pub fn body(body: &[u8], each: &mut impl FnMut(u64)) {
    let body = &body[..body.len().min(BODY_BYTES)];
    let mut before = 0;
    for at in memchr::memchr_iter(b'<', body).take(TAGS) {
        let Some(tag) = tag(&body[at + 1..]) else { continue };
        each(named(tag, 1));
        each(pair(before, named(tag, 1)));
        before = named(tag, 1);
    }
    for at in SCHEME_END.find_iter(body).take(HOSTS) {
        let Some(host) = host(body, at) else { continue };
        each(named(host, 2));
        each(named(domain(host), 3));
    }
}

/// A number for the name of a field.
pub fn field(name: &[u8]) -> u64 {
    named(name, 4)
}

/// A number for two that follow each other.
pub fn pair(before: u64, this: u64) -> u64 {
    before.rotate_left(17) ^ this
}

/// The name of a tag, with its `/` or `!`.
fn tag(rest: &[u8]) -> Option<&[u8]> {
    let first = *rest.first()?;
    let starts = first.is_ascii_alphabetic() || first == b'/' || first == b'!';
    let more = rest[1..].iter().take(TAG_BYTES).take_while(|b| b.is_ascii_alphanumeric()).count();
    starts.then(|| &rest[..=more])
}

/// The host behind `http://` or `https://`, whose `://` stands at `at`.
fn host(body: &[u8], at: usize) -> Option<&[u8]> {
    let scheme = &body[at.saturating_sub(5)..at];
    let is = |wanted: &[u8]| {
        scheme.len() >= wanted.len()
            && scheme[scheme.len() - wanted.len()..].eq_ignore_ascii_case(wanted)
    };
    if !is(b"http") && !is(b"https") {
        return None;
    }
    let rest = &body[at + 3..];
    let in_host =
        |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'@' | b'%');
    let length = rest.iter().take(HOST_BYTES).take_while(in_host).count();
    (length > 0).then(|| &rest[..length])
}

/// The last two labels.
fn domain(host: &[u8]) -> &[u8] {
    let mut dots = memchr::memrchr_iter(b'.', host);
    match (dots.next(), dots.next()) {
        (Some(_), Some(second)) => &host[second + 1..],
        _ => host,
    }
}

/// FNV-1a, without regard to ASCII case.
pub fn named(name: &[u8], kind: u64) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ kind;
    name.iter().fold(start, |hash, byte| step(hash, byte.to_ascii_lowercase()))
}

/// FNV-1a, a byte further.
pub fn step(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(text: &str) -> Vec<u64> {
        let mut all = Vec::new();
        body(text.as_bytes(), &mut |number| all.push(number));
        all
    }

    #[test]
    fn tags_count_with_their_neighbours_and_hosts_with_their_domain() {
        assert_eq!(numbers("<B>x</b>"), numbers("<b >other words</B  >"));
        assert_ne!(numbers("<b></b><i></i>"), numbers("<i></i><b></b>"));
        let hosts = numbers("see HTTPS://www.shop.example/x?y=1");
        assert_eq!(hosts, [named(b"www.shop.example", 2), named(b"shop.example", 3)]);
        assert_eq!(numbers("http://shop.example")[1], hosts[1]);
        assert!(numbers("ftp://shop.example 1 < 2 ://").is_empty());
        assert!(numbers("<").is_empty());
    }

    #[test]
    fn what_stands_far_behind_is_not_read() {
        let far = " ".repeat(BODY_BYTES) + "<b>http://a.example";
        assert!(numbers(&far).is_empty());
        assert!(numbers(&"<b>".repeat(BODY_BYTES)).len() <= 2 * TAGS);
    }
}

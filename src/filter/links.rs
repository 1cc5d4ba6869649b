//! Links in what people read: where they lead, and where they say they lead.
//!
//! A linear scan, no HTML parser: `href` of anchors with the text they show,
//! and addresses written out. Bounded: so many bytes of a part, so many links
//! of a message. What cannot be read as a host name or an address leads
//! nowhere here. Nothing is ever fetched.

use std::net::Ipv4Addr;

use memchr::{memchr, memchr2, memmem};

use super::parsed::{Part, Text};
use crate::mail::Domain;

/// Bytes of one part that are looked at.
const BYTES: usize = 512 << 10;
/// Links of one message.
const LINKS: usize = 100;
/// Bytes of one anchor: its tag and its text.
const ANCHOR: usize = 4096;

/// Where a link leads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    Name(Domain),
    Address(Ipv4Addr),
}

/// One link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub to: Host,
    /// The host that its text shows, if its text looks like an address.
    pub shows: Option<Domain>,
}

impl Host {
    pub fn name(&self) -> Option<&Domain> {
        match self {
            Self::Name(domain) => Some(domain),
            Self::Address(_) => None,
        }
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(domain) => f.write_str(&domain.display()),
            Self::Address(ip) => ip.fmt(f),
        }
    }
}

/// The links of everything that is read as text, each once.
pub fn find(parts: &[Part<'_>]) -> Vec<Link> {
    let mut links = Vec::new();
    for part in parts {
        let content = &part.content[..part.content.len().min(BYTES)];
        match part.text {
            Some(Text::Html) => {
                anchors(content, &mut links);
                written(content, &mut links);
            }
            Some(Text::Plain) => written(content, &mut links),
            None => {}
        }
    }
    links
}

fn add(links: &mut Vec<Link>, link: Link) {
    if links.len() < LINKS && !links.contains(&link) {
        links.push(link);
    }
}

/// Addresses written out: `https://host/…`.
fn written(content: &[u8], links: &mut Vec<Link>) {
    // Most links of a mail lead to few hosts: each is read once.
    let mut seen: Vec<&[u8]> = Vec::new();
    for at in memmem::find_iter(content, b"://") {
        let scheme = &content[at.saturating_sub(5)..at];
        let web = ends_with(scheme, b"http") || ends_with(scheme, b"https");
        if links.len() == LINKS {
            return;
        }
        let raw = authority(&content[at + 3..]);
        if !web || seen.contains(&raw) {
            continue;
        }
        seen.push(raw);
        if let Some(to) = host(raw) {
            add(links, Link { to, shows: None });
        }
        if seen.len() == LINKS {
            return;
        }
    }
}

/// `<a … href="…">text</a>`.
fn anchors(content: &[u8], links: &mut Vec<Link>) {
    let mut rest = content;
    while links.len() < LINKS
        && let Some(at) = memchr(b'<', rest)
    {
        rest = &rest[at + 1..];
        let named = rest.first().is_some_and(|b| b.eq_ignore_ascii_case(&b'a'))
            && rest.get(1).is_some_and(u8::is_ascii_whitespace);
        if !named {
            continue;
        }
        let anchor = &rest[..rest.len().min(ANCHOR)];
        // A tag that another one interrupts is none.
        let end = memchr2(b'>', b'<', anchor).filter(|end| anchor[*end] == b'>');
        let Some(end) = end else { continue };
        let tag = &anchor[..end];
        rest = &rest[end..];
        let shows = shown(&anchor[end + 1..]);
        let hidden = memmem::find(tag, b"&#").is_some() || memmem::find(tag, b"://").is_none();
        if shows.is_none() && !hidden {
            // It is found as it is written.
            continue;
        }
        let Some(to) = href(tag) else { continue };
        let shows = shows.filter(|shows| to.name() != Some(shows));
        add(links, Link { to, shows });
    }
}

/// The host of the tag's `href`.
fn href(tag: &[u8]) -> Option<Host> {
    let lower = tag.to_ascii_lowercase();
    let at = memmem::find(&lower, b"href")? + 4;
    let value = tag[at..].trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let value = value.strip_prefix(b"\"").or_else(|| value.strip_prefix(b"'")).unwrap_or(value);
    let value = entities(value.trim_ascii_start());
    let rest = [&b"https:"[..], b"http:", b""].iter().find_map(|scheme| {
        let start = value.get(..scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then(|| &value[scheme.len()..])
    })?;
    // Browsers take backslashes for slashes.
    let rest = rest.strip_prefix(b"//").or_else(|| rest.strip_prefix(b"\\\\"))?;
    host(rest)
}

/// The host that an anchor's text shows, if it is nothing but an address.
fn shown(behind: &[u8]) -> Option<Domain> {
    let behind = &behind[..behind.len().min(600)];
    let end = memmem::find(behind, b"</a").or_else(|| memmem::find(behind, b"</A"))?;
    let mut text = String::new();
    let mut in_tag = false;
    for byte in &behind[..end] {
        match byte {
            b'<' => in_tag = true,
            b'>' => in_tag = false,
            b if !in_tag => text.push(char::from(*b)),
            _ => {}
        }
    }
    let text = text.trim();
    let bare = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let address = bare.or_else(|| text.starts_with("www.").then_some(text))?;
    match host(address.as_bytes())? {
        Host::Name(domain) => Some(domain),
        Host::Address(_) => None,
    }
}

/// The authority that an address begins with (RFC 3986 section 3.2): before
/// `/`, `?`, `#` or whatever ends an address in text.
fn authority(text: &[u8]) -> &[u8] {
    let text = &text[..text.len().min(512)];
    let end = text.iter().position(|b| {
        b.is_ascii_whitespace() || b.is_ascii_control() || b"/\\?#<>\"')(]}|,;".contains(b)
    });
    &text[..end.unwrap_or(text.len())]
}

/// The host of an authority: behind `user@`, before `:`.
fn host(text: &[u8]) -> Option<Host> {
    let authority = authority(text).rsplit(|b| *b == b'@').next().unwrap_or_default();
    let name = authority.split(|b| *b == b':').next().unwrap_or_default();
    let name = std::str::from_utf8(name).ok()?.trim_end_matches(['.', '=', '*', '_', '!']);
    if let Ok(ip) = name.parse() {
        return Some(Host::Address(ip));
    }
    // One number, as browsers read it: http://3232235777/
    if let Ok(number) = name.parse::<u32>() {
        return Some(Host::Address(number.into()));
    }
    let domain = Domain::parse(name).ok()?;
    domain.as_str().contains('.').then_some(Host::Name(domain))
}

/// Character references of numbers (`&#46;`, `&#x2e;`), which hide a host.
fn entities(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len().min(600));
    let mut rest = &value[..value.len().min(600)];
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        if *byte == b'&'
            && let Some(number) = tail.strip_prefix(b"#")
            && let Some(end) = memchr(b';', &number[..number.len().min(8)])
            && let Ok(digits) = std::str::from_utf8(&number[..end])
        {
            let code = match digits.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok(),
                None => digits.parse().ok(),
            };
            if let Some(c) = code.and_then(char::from_u32) {
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                rest = &number[end + 1..];
                continue;
            }
        }
        out.push(*byte);
    }
    out
}

fn ends_with(text: &[u8], word: &[u8]) -> bool {
    text.len() >= word.len() && text[text.len() - word.len()..].eq_ignore_ascii_case(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, kind: Text) -> Vec<String> {
        let part = Part {
            name: None,
            media: String::new(),
            content: text.as_bytes(),
            text: Some(kind),
            saved: crate::filter::parsed::Saved::Same,
        };
        let told = |link: &Link| match &link.shows {
            Some(shows) => format!("{shows} -> {}", link.to),
            None => link.to.to_string(),
        };
        find(&[part]).iter().map(told).collect()
    }

    #[test]
    fn written_addresses_are_found_once() {
        let text = "See https://A.example/x, HTTP://b.example:8080?q (http://u:p@c.example) \
                    https://a.example/y ftp://no.example https://d.example. http://192.0.2.1/ \
                    http://3221225985/ http://localhost/ http:// https://bad_host.example/";
        assert_eq!(
            of(text, Text::Plain),
            ["a.example", "b.example", "c.example", "d.example", "192.0.2.1"]
        );
    }

    #[test]
    fn anchors_tell_what_they_show() {
        let table = [
            (
                "<a href=\"https://evil.example/x\">https://bank.example</a>",
                "bank.example -> evil.example",
            ),
            (
                "<A class=x HREF='//evil.example'><b>www.bank.example/in</b></A>",
                "www.bank.example -> evil.example",
            ),
            (
                "<a href=https://ev&#105;l&#x2e;example>http://bank.example</a>",
                "bank.example -> evil.example",
            ),
            (
                "<a href=\"http://bank.example@evil.example/\">http://bank.example</a>",
                "bank.example -> evil.example",
            ),
            (
                "<a href=\"http:\\\\evil.example\">http://bank.example</a>",
                "bank.example -> evil.example",
            ),
        ];
        for (html, told) in table {
            let found = of(html, Text::Html);
            assert!(found.contains(&told.to_owned()), "{html}: {found:?}");
        }
        for html in [
            "<a href=\"https://bank.example/x\">https://bank.example/y</a>",
            "<a href=\"https://click.example\">Read more on bank.example</a>",
            "<a href=\"mailto:a@b.example\">http://b.example</a>",
            "<abbr href=\"https://evil.example\">http://bank.example",
            "<a href=",
        ] {
            assert!(of(html, Text::Html).iter().all(|one| !one.contains("->")), "{html}");
        }
    }

    #[test]
    fn a_page_of_links_is_bounded() {
        let many: Vec<_> = (0..10_000).map(|n| format!("http://h{n}.example/ ")).collect();
        let many = many.concat();
        assert_eq!(of(&many, Text::Plain).len(), LINKS);
        assert!(of(&"<a ".repeat(100_000), Text::Html).is_empty());
        assert!(of(&"<a href=http://x.example>".repeat(20_000), Text::Html).len() <= 1);
    }
}

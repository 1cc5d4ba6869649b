//! Macros of SPF records (RFC 7208 section 7).

use std::fmt::Write as _;
use std::net::IpAddr;

/// What macros stand for.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    pub ip: IpAddr,
    pub local: &'a str,
    pub sender_domain: &'a str,
    pub domain: &'a str,
    pub helo: &'a str,
    /// The validated name of `ip`, where it was asked for.
    pub validated: &'a str,
}

/// The parts of a macro-string.
enum Piece<'s> {
    Literal(&'s str),
    Macro(Macro<'s>),
}

struct Macro<'s> {
    letter: char,
    /// Labels to keep from the right; 0 is all.
    keep: usize,
    reverse: bool,
    delimiters: &'s str,
}

pub fn is_macro_string(spec: &str) -> bool {
    pieces(spec).is_some()
}

pub fn ends_in_macro(spec: &str) -> bool {
    let last = pieces(spec).and_then(|mut all| all.pop());
    matches!(last, Some(Piece::Macro(_)))
        || ["%%", "%_", "%-"].iter().any(|escape| spec.ends_with(escape))
}

/// Whether `%{p}` must be known.
pub fn needs_validated(spec: &str) -> bool {
    pieces(spec).is_some_and(|all| {
        all.iter().any(|piece| matches!(piece, Piece::Macro(one) if one.letter == 'p'))
    })
}

/// Expands to a name of at most 253 bytes: labels are dropped on the left
/// until it fits (section 7.3).
pub fn expand(spec: &str, values: &Values<'_>) -> String {
    let mut name = String::with_capacity(spec.len() + 32);
    for piece in pieces(spec).unwrap_or_default() {
        match piece {
            Piece::Literal(text) => name.push_str(text),
            Piece::Macro(one) => one.write(values, &mut name),
        }
    }
    let mut rest = name.strip_suffix('.').unwrap_or(&name);
    while rest.len() > 253 {
        let Some((_, shorter)) = rest.split_once('.') else { break };
        rest = shorter;
    }
    rest.to_owned()
}

impl Macro<'_> {
    fn write(&self, values: &Values<'_>, name: &mut String) {
        let value = match self.letter.to_ascii_lowercase() {
            's' => format!("{}@{}", values.local, values.sender_domain),
            'l' => values.local.to_owned(),
            'o' => values.sender_domain.to_owned(),
            'd' => values.domain.to_owned(),
            'i' => dotted(values.ip),
            'p' => values.validated.to_owned(),
            'v' => if values.ip.is_ipv4() { "in-addr" } else { "ip6" }.to_owned(),
            _ => values.helo.to_owned(),
        };
        let delimiters = if self.delimiters.is_empty() { "." } else { self.delimiters };
        let mut labels: Vec<&str> = value.split(|c| delimiters.contains(c)).collect();
        if self.reverse {
            labels.reverse();
        }
        if self.keep > 0 && self.keep < labels.len() {
            labels.drain(..labels.len() - self.keep);
        }
        let joined = labels.join(".");
        if !self.letter.is_ascii_uppercase() {
            return name.push_str(&joined);
        }
        for byte in joined.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                name.push(char::from(byte));
            } else {
                let _ = write!(name, "%{byte:02X}");
            }
        }
    }
}

/// Addresses as `%{i}` writes them: nibbles for IPv6.
fn dotted(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => {
            let nibbles: Vec<String> =
                format!("{:032x}", ip.to_bits()).chars().map(|nibble| nibble.to_string()).collect();
            nibbles.join(".")
        }
    }
}

/// Takes a macro-string apart; `None` if it is none.
fn pieces(spec: &str) -> Option<Vec<Piece<'_>>> {
    let mut pieces = Vec::new();
    let mut rest = spec;
    while !rest.is_empty() {
        if !rest.is_ascii() {
            return None;
        }
        let Some(at) = rest.find('%') else {
            pieces.push(Piece::Literal(rest));
            break;
        };
        if at > 0 {
            pieces.push(Piece::Literal(&rest[..at]));
        }
        rest = &rest[at + 1..];
        match rest.as_bytes().first()? {
            b'%' => pieces.push(Piece::Literal("%")),
            b'_' => pieces.push(Piece::Literal(" ")),
            b'-' => pieces.push(Piece::Literal("%20")),
            b'{' => {
                let end = rest.find('}')?;
                pieces.push(Piece::Macro(one_macro(&rest[1..end])?));
                rest = &rest[end..];
            }
            _ => return None,
        }
        rest = &rest[1..];
    }
    Some(pieces)
}

/// `letter *DIGIT ["r"] *delimiter`
fn one_macro(text: &str) -> Option<Macro<'_>> {
    let letter = text.chars().next().filter(|c| "slodipvhSLODIPVH".contains(*c))?;
    let rest = &text[1..];
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let keep = match &rest[..digits] {
        "" => 0,
        number => number.parse().ok().filter(|keep: &usize| *keep > 0)?,
    };
    let rest = &rest[digits..];
    let reverse = rest.starts_with(['r', 'R']);
    let delimiters = if reverse { &rest[1..] } else { rest };
    delimiters.chars().all(|c| ".-+,/_=".contains(c)).then_some(Macro {
        letter,
        keep,
        reverse,
        delimiters,
    })
}

//! An SPF record, read as strictly as RFC 7208 section 12 writes it.
//!
//! A mistake anywhere makes the whole record useless (permerror); modifiers
//! that nobody knows are ignored, as long as they are well written.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::macros;
use crate::filter::results::Word;

/// The record does not follow the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    pub directives: Vec<Directive>,
    pub redirect: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// What a match means.
    pub result: Word,
    pub mechanism: Mechanism,
}

/// Domains are domain-specs, with their macros; `None` is the current domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mechanism {
    All,
    Include(String),
    A(Option<String>, Lengths),
    Mx(Option<String>, Lengths),
    Ptr(Option<String>),
    Ip4(Ipv4Addr, u8),
    Ip6(Ipv6Addr, u8),
    Exists(String),
}

/// Prefix lengths for both families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lengths {
    pub v4: u8,
    pub v6: u8,
}

impl Record {
    /// Reads what follows `v=spf1`.
    pub fn parse(terms: &str) -> Result<Self, Malformed> {
        let mut record = Self::default();
        let mut explained = false;
        for term in terms.split(' ').filter(|term| !term.is_empty()) {
            if !term.bytes().all(|b| b.is_ascii_graphic()) {
                return Err(Malformed);
            }
            let end = term.find([':', '/', '=']).unwrap_or(term.len());
            if term[end..].starts_with('=') {
                let (name, value) = (&term[..end], &term[end + 1..]);
                if name.eq_ignore_ascii_case("redirect") {
                    if record.redirect.replace(domain(value)?).is_some() {
                        return Err(Malformed);
                    }
                } else if name.eq_ignore_ascii_case("exp") {
                    domain(value)?;
                    if std::mem::replace(&mut explained, true) {
                        return Err(Malformed);
                    }
                } else {
                    unknown_modifier(name, value)?;
                }
            } else {
                record.directives.push(directive(term)?);
            }
        }
        Ok(record)
    }
}

fn unknown_modifier(name: &str, value: &str) -> Result<(), Malformed> {
    let good = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        && macros::is_macro_string(value);
    if good { Ok(()) } else { Err(Malformed) }
}

fn directive(term: &str) -> Result<Directive, Malformed> {
    let (result, term) = match term.as_bytes().first() {
        Some(b'+') => (Word::Pass, &term[1..]),
        Some(b'-') => (Word::Fail, &term[1..]),
        Some(b'~') => (Word::SoftFail, &term[1..]),
        Some(b'?') => (Word::Neutral, &term[1..]),
        _ => (Word::Pass, term),
    };
    let end = term.find([':', '/']).unwrap_or(term.len());
    let (name, rest) = term.split_at(end);
    let argument = rest.strip_prefix(':');
    let mechanism = match name.to_ascii_lowercase().as_str() {
        "all" if rest.is_empty() => Mechanism::All,
        "include" => Mechanism::Include(domain(argument.ok_or(Malformed)?)?),
        "exists" => Mechanism::Exists(domain(argument.ok_or(Malformed)?)?),
        "ptr" if rest.is_empty() => Mechanism::Ptr(None),
        "ptr" => Mechanism::Ptr(Some(domain(argument.ok_or(Malformed)?)?)),
        "a" => {
            let (domain, lengths) = domain_and_lengths(rest)?;
            Mechanism::A(domain, lengths)
        }
        "mx" => {
            let (domain, lengths) = domain_and_lengths(rest)?;
            Mechanism::Mx(domain, lengths)
        }
        "ip4" => {
            let (address, bits) = network(argument.ok_or(Malformed)?, 32)?;
            Mechanism::Ip4(address.parse().map_err(|_| Malformed)?, bits)
        }
        "ip6" => {
            let (address, bits) = network(argument.ok_or(Malformed)?, 128)?;
            Mechanism::Ip6(address.parse().map_err(|_| Malformed)?, bits)
        }
        _ => return Err(Malformed),
    };
    Ok(Directive { result, mechanism })
}

fn network(text: &str, most: u8) -> Result<(&str, u8), Malformed> {
    match text.split_once('/') {
        Some((address, bits)) => Ok((address, length(bits, most)?)),
        None => Ok((text, most)),
    }
}

/// `[":" domain-spec] ["/" length] ["//" length]`
fn domain_and_lengths(rest: &str) -> Result<(Option<String>, Lengths), Malformed> {
    let mut lengths = Lengths { v4: 32, v6: 128 };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let mut left = rest;
    if let Some((before, bits)) = left.rsplit_once("//")
        && digits(bits)
    {
        lengths.v6 = length(bits, 128)?;
        left = before;
    }
    if let Some((before, bits)) = left.rsplit_once('/')
        && digits(bits)
        && !before.ends_with('/')
    {
        lengths.v4 = length(bits, 32)?;
        left = before;
    }
    let spec = match left.strip_prefix(':') {
        Some(spec) => Some(domain(spec)?),
        None if left.is_empty() => None,
        None => return Err(Malformed),
    };
    Ok((spec, lengths))
}

/// Digits without a leading zero, at most `most`.
fn length(digits: &str, most: u8) -> Result<u8, Malformed> {
    let bits: u8 = digits.parse().map_err(|_| Malformed)?;
    let plain =
        digits.bytes().all(|b| b.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    if plain && bits <= most { Ok(bits) } else { Err(Malformed) }
}

/// A domain-spec: a macro-string that ends in a macro or a top label.
fn domain(spec: &str) -> Result<String, Malformed> {
    if spec.is_empty() || !macros::is_macro_string(spec) {
        return Err(Malformed);
    }
    if macros::ends_in_macro(spec) {
        return Ok(spec.to_owned());
    }
    let name = spec.strip_suffix('.').unwrap_or(spec);
    let (before, top) = name.rsplit_once('.').ok_or(Malformed)?;
    let alphanumeric = |c: char| c.is_ascii_alphanumeric();
    let is_top = !before.is_empty()
        && top.chars().all(|c| alphanumeric(c) || c == '-')
        && top.starts_with(alphanumeric)
        && top.ends_with(alphanumeric)
        && !top.bytes().all(|b| b.is_ascii_digit());
    if is_top { Ok(spec.to_owned()) } else { Err(Malformed) }
}

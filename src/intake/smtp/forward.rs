//! The attributes of XFORWARD and XCLIENT: what a proxy in front of us knows
//! about the client.
//!
//! Postfix's `XFORWARD_README` and `XCLIENT_README`: `NAME=value` pairs, values
//! in xtext (RFC 1891 section 5), `[UNAVAILABLE]` and `[TEMPUNAVAIL]` for what
//! is not known. Only peers on a list may send them; the session checks that.

use std::fmt::Write;
use std::net::IpAddr;

use super::command::SyntaxError;

/// What one command said. Several commands add up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    pub name: Option<Value<String>>,
    pub addr: Option<Value<IpAddr>>,
    pub helo: Option<Value<String>>,
    /// Whether the client spoke ESMTP.
    pub esmtp: Option<bool>,
    /// Who authenticated at the proxy (XCLIENT).
    pub login: Option<Value<String>>,
}

/// `None` inside: the proxy does not know it either.
pub type Value<T> = Option<T>;

const USAGE: SyntaxError = SyntaxError::Usage("attribute=value ...");

impl Attributes {
    /// # Errors
    /// [`SyntaxError`] for an attribute that is not known or has a bad value.
    pub fn parse(argument: &str) -> Result<Self, SyntaxError> {
        let mut attributes = Self::default();
        let mut words = argument.split(' ').filter(|word| !word.is_empty()).peekable();
        words.peek().ok_or(USAGE)?;
        for word in words {
            let (name, value) = word.split_once('=').ok_or(USAGE)?;
            attributes.set(&name.to_ascii_uppercase(), known(value)?)?;
        }
        Ok(attributes)
    }

    fn set(&mut self, name: &str, value: Option<String>) -> Result<(), SyntaxError> {
        match name {
            "NAME" => self.name = Some(value),
            "HELO" => self.helo = Some(value),
            "LOGIN" => self.login = Some(value),
            "ADDR" => self.addr = Some(value.as_deref().map(address).transpose()?),
            "PROTO" => {
                self.esmtp = match value.as_deref() {
                    Some("ESMTP") => Some(true),
                    Some("SMTP") => Some(false),
                    None => None,
                    Some(_) => return Err(SyntaxError::ParameterValue),
                }
            }
            "PORT" | "IDENT" | "SOURCE" | "DESTADDR" | "DESTPORT" => {}
            _ => return Err(SyntaxError::Parameter),
        }
        Ok(())
    }

    /// What a later command says replaces what an earlier one said.
    pub fn add(&mut self, later: Self) {
        self.name = later.name.or(self.name.take());
        self.addr = later.addr.or(self.addr);
        self.helo = later.helo.or(self.helo.take());
        self.esmtp = later.esmtp.or(self.esmtp);
        self.login = later.login.or(self.login.take());
    }
}

/// A value, decoded; `None` if the proxy does not know it.
fn known(value: &str) -> Result<Option<String>, SyntaxError> {
    if ["[UNAVAILABLE]", "[TEMPUNAVAIL]"].iter().any(|word| value.eq_ignore_ascii_case(word)) {
        return Ok(None);
    }
    let decoded = from_xtext(value).filter(|text| {
        (1..=255).contains(&text.len()) && text.chars().all(|c| c.is_ascii_graphic())
    });
    decoded.map(Some).ok_or(SyntaxError::ParameterValue)
}

fn address(text: &str) -> Result<IpAddr, SyntaxError> {
    let prefixed = text.split_at_checked(5).filter(|(tag, _)| tag.eq_ignore_ascii_case("IPV6:"));
    let bare = prefixed.map_or(text, |(_, rest)| rest);
    bare.parse().map(|ip: IpAddr| ip.to_canonical()).map_err(|_| SyntaxError::ParameterValue)
}

fn from_xtext(text: &str) -> Option<String> {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('+') {
        decoded.push_str(before);
        let (hex, after) = after.split_at_checked(2)?;
        if !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        decoded.push(char::from(u8::from_str_radix(hex, 16).ok()?));
        rest = after;
    }
    decoded.push_str(rest);
    Some(decoded)
}

/// A value as xtext: printable ASCII without `+` and `=`.
pub fn to_xtext(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && byte != b'+' && byte != b'=' {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String does not fail.
            let _ = write!(encoded, "+{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_postfix_sends() {
        let attributes = Attributes::parse(
            "NAME=mx.sender.example ADDR=IPV6:2001:db8::7 PORT=4711 HELO=a+2Bb PROTO=ESMTP SOURCE=REMOTE",
        )
        .unwrap();
        assert_eq!(attributes.name, Some(Some("mx.sender.example".into())));
        assert_eq!(attributes.addr, Some(Some("2001:db8::7".parse().unwrap())));
        assert_eq!(attributes.helo, Some(Some("a+b".into())));
        assert_eq!(attributes.esmtp, Some(true));
    }

    #[test]
    fn knows_what_is_not_known_and_refuses_the_rest() {
        let attributes = Attributes::parse("NAME=[UNAVAILABLE] ADDR=192.0.2.7").unwrap();
        assert_eq!(attributes.name, Some(None));
        assert_eq!(Attributes::parse("ADDR=here"), Err(SyntaxError::ParameterValue));
        assert_eq!(Attributes::parse("HELO=a+0D+0Ab"), Err(SyntaxError::ParameterValue));
        assert_eq!(Attributes::parse("COLOUR=red"), Err(SyntaxError::Parameter));
        assert_eq!(Attributes::parse(""), Err(USAGE));
    }

    #[test]
    fn xtext_there_and_back() {
        assert_eq!(from_xtext(&to_xtext("a+b=c d")).unwrap(), "a+b=c d");
    }
}

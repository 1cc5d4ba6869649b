//! Addresses and domains, parsed and normalised once.
//!
//! RFC 5321 section 4.1.2 (Mailbox), RFC 6531 (SMTPUTF8), RFC 5890 (IDNA).
//! A [`Domain`] is lower-case ASCII (A-labels); an [`Address`] keeps its local
//! part as it was written, because only the final server may interpret it.
//!
//! Address literals (`a@[192.0.2.1]`) are legal SMTP, but have no domain that
//! could prove or own anything: they are refused with an error of their own.
//! Source routes (`@a,@b:c@d`, RFC 5321 appendix C) likewise.

use std::borrow::Cow;
use std::fmt;

use super::domain::Domain;

/// Why something is not an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("the address has no @")]
    NoAt,
    #[error("the local part is empty, longer than 64 bytes or has characters that need quotes")]
    LocalPart,
    #[error("the domain is not a valid host name")]
    Domain,
    #[error("the domain is an address literal, which nobody can be reached or known by here")]
    Literal,
    #[error("the path has a source route, which is obsolete and refused")]
    SourceRoute,
    #[error("the address has non-ASCII characters, which need SMTPUTF8")]
    NonAscii,
    #[error("the address is longer than 254 bytes")]
    TooLong,
}

/// RFC 5321 section 4.5.3.1.3 less the brackets.
const ADDRESS_BYTES: usize = 254;
/// RFC 5321 section 4.5.3.1.1.
const LOCAL_BYTES: usize = 64;

/// A mailbox: local part as written, domain normalised.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    local: String,
    domain: Domain,
}

impl Address {
    /// Parses `local@domain` as it stands between `<` and `>`, all ASCII
    /// (the domain may have A-labels).
    ///
    /// # Errors
    /// See [`AddressError`]; [`AddressError::NonAscii`] for what
    /// [`Address::parse_utf8`] may take.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.is_ascii() { Self::parse_utf8(text) } else { Err(AddressError::NonAscii) }
    }

    /// Parses an address that may hold UTF-8 (RFC 6531 section 3.3): a session
    /// with SMTPUTF8, a header field, a configuration file. U-labels become
    /// A-labels. In the local part only characters are taken that NFKC leaves
    /// alone and that can be seen, so that two spellings never look the same.
    ///
    /// # Errors
    /// See [`AddressError`].
    pub fn parse_utf8(text: &str) -> Result<Self, AddressError> {
        if text.starts_with('@') && text.contains(':') {
            return Err(AddressError::SourceRoute);
        }
        if text.len() > 4 * ADDRESS_BYTES {
            return Err(AddressError::TooLong);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(AddressError::NoAt)?;
        if domain.starts_with('[') {
            return Err(AddressError::Literal);
        }
        if local.len() > LOCAL_BYTES || !is_local_part(local) {
            return Err(AddressError::LocalPart);
        }
        let domain = Domain::parse(domain)?;
        if local.len() + 1 + domain.as_str().len() > ADDRESS_BYTES {
            return Err(AddressError::TooLong);
        }
        Ok(Self { local: local.to_owned(), domain })
    }

    /// What was accepted once stays readable, whatever becomes stricter.
    fn stored(text: &str) -> Option<Self> {
        let (local, domain) = text.rsplit_once('@')?;
        let clean = !local.is_empty() && !local.contains(char::is_control);
        let domain = Domain::stored(domain)?;
        clean.then(|| Self { local: local.to_owned(), domain })
    }

    /// The local part as written, quotes included.
    pub fn local(&self) -> &str {
        &self.local
    }

    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// The local part that is meant: without quotes and backslashes.
    fn meant(&self) -> Cow<'_, str> {
        let Some(quoted) = self.local.strip_prefix('"').and_then(|l| l.strip_suffix('"')) else {
            return Cow::Borrowed(&self.local);
        };
        let mut meant = String::with_capacity(quoted.len());
        let mut chars = quoted.chars();
        while let Some(c) = chars.next() {
            meant.extend(if c == '\\' { chars.next() } else { Some(c) });
        }
        Cow::Owned(meant)
    }

    /// The key under which the same mailbox is found again: local part in
    /// lower case without needless quotes. Delivery uses the address itself.
    pub fn canonical(&self) -> Address {
        self.with_local(self.meant().to_lowercase())
    }

    /// The canonical address without a plus-tag, for identity.
    ///
    /// Paths of BATV (`prvs=`), SRS and VERP are never decoded into another
    /// address: they stay what they are.
    pub fn base(&self) -> Address {
        let mut meant = self.meant().to_lowercase();
        if let Some(at) = meant.find('+').filter(|at| *at > 0) {
            meant.truncate(at);
        }
        self.with_local(meant)
    }

    fn with_local(&self, meant: String) -> Address {
        let local = if is_dot_atom(&meant) { meant } else { quote(&meant) };
        Self { local, domain: self.domain.clone() }
    }

    /// Whether the local part names another place: `user%other@here`,
    /// `other!user@here`, `"user@other"@here`. A relay must refuse it.
    pub fn is_routed(&self) -> bool {
        self.local.contains(['%', '!', '@'])
    }

    /// As people may see it: the domain in its own script unless scripts mix.
    pub fn display(&self) -> String {
        format!("{}@{}", super::display::visible(&self.local), self.domain.display())
    }

    /// Whether the local part is ASCII; if not, delivery needs SMTPUTF8.
    pub fn is_ascii(&self) -> bool {
        self.local.is_ascii()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

fn is_local_part(local: &str) -> bool {
    let quoted = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let form = match quoted {
        Some(inner) => !inner.is_empty() && is_quoted_content(inner),
        None => is_dot_atom(local),
    };
    form && (local.is_ascii() || is_plain_unicode(local))
}

/// RFC 5321 section 4.1.2 Dot-string, with the UTF-8 of RFC 6531.
fn is_dot_atom(text: &str) -> bool {
    text.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

/// RFC 5322 section 3.2.3, with RFC 6532 section 3.2.
pub(super) fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || !c.is_ascii()
}

/// RFC 5321 section 4.1.2 QcontentSMTP.
fn is_quoted_content(inner: &str) -> bool {
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        let good = match c {
            '\\' => chars.next().is_some_and(|c| c == ' ' || c.is_ascii_graphic()),
            '"' => false,
            c => c == ' ' || c.is_ascii_graphic() || !c.is_ascii(),
        };
        if !good {
            return false;
        }
    }
    true
}

/// Neither a compatibility character (`henryⅣ`) nor one nobody sees.
fn is_plain_unicode(local: &str) -> bool {
    icu_normalizer::ComposingNormalizerBorrowed::new_nfkc().is_normalized(local)
        && !local.chars().any(|c| {
            !c.is_ascii() && (c.is_whitespace() || super::display::is_invisible(c))
                || ('\u{e000}'..='\u{f8ff}').contains(&c)
        })
}

fn quote(meant: &str) -> String {
    let mut quoted = String::with_capacity(meant.len() + 2);
    quoted.push('"');
    for c in meant.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

/// The reverse-path of MAIL FROM: `<>` or an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ReversePath {
    Null,
    Address(Address),
}

impl ReversePath {
    /// Parses what stands between `<` and `>`; nothing is the null path.
    /// `smtputf8` says whether the client asked for it (RFC 6531).
    ///
    /// # Errors
    /// See [`AddressError`].
    pub fn parse(text: &str, smtputf8: bool) -> Result<Self, AddressError> {
        match text {
            "" => Ok(Self::Null),
            _ if smtputf8 => Address::parse_utf8(text).map(Self::Address),
            _ => Address::parse(text).map(Self::Address),
        }
    }

    pub fn address(&self) -> Option<&Address> {
        match self {
            Self::Null => None,
            Self::Address(address) => Some(address),
        }
    }

    /// Rewritten by a forwarder: SRS0=, SRS1=, +SRS= (never decoded).
    pub fn is_rewritten(&self) -> bool {
        self.address().is_some_and(|address| {
            let local = address.local().to_ascii_lowercase();
            ["srs0", "srs1"].iter().any(|srs| {
                local.strip_prefix(srs).is_some_and(|rest| rest.starts_with(['=', '-', '+']))
            }) || local.contains("+srs=")
        })
    }
}

impl fmt::Display for ReversePath {
    /// Without the angle brackets: empty for the null path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Address(address) => address.fmt(f),
        }
    }
}

super::cbor_text!(Address, Address::stored);
super::cbor_text!(ReversePath, |text: &str| match text {
    "" => Some(ReversePath::Null),
    _ => Address::stored(text).map(ReversePath::Address),
});

#[cfg(test)]
mod tests;

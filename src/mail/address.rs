//! Addresses and domains, parsed and normalised once.
//!
//! RFC 5321 section 4.1.2 (Mailbox), RFC 6531 (SMTPUTF8), RFC 5890 (IDNA).
//! A [`Domain`] is lower-case ASCII (A-labels); an [`Address`] keeps its local
//! part as it was written, because only the final server may interpret it.

use std::fmt;

/// A domain name: lower case, A-labels, no trailing dot, 1 to 253 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Domain(String);

/// Why something is not an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("the address has no @")]
    NoAt,
    #[error("the local part is empty, longer than 64 bytes or has characters that need quotes")]
    LocalPart,
    #[error("the domain is not a valid host name")]
    Domain,
    #[error("the address has non-ASCII characters in its local part, which needs SMTPUTF8")]
    NonAscii,
    #[error("the address is longer than 254 bytes")]
    TooLong,
}

impl Domain {
    /// Parses an ASCII or international domain name.
    ///
    /// # Errors
    /// [`AddressError::Domain`] for anything that is not a host name: a label
    /// over 63 bytes, an underscore, a bad A-label, an empty label.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let ascii = idna::domain_to_ascii_strict(text).map_err(|_| AddressError::Domain)?;
        if ascii.is_empty() {
            return Err(AddressError::Domain);
        }
        Ok(Self(ascii))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The registrable domain after the public suffix list, for grouping only.
    pub fn organisational(&self) -> Domain {
        match psl::domain_str(&self.0) {
            Some(domain) => Self(domain.to_owned()),
            None => self.clone(),
        }
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A mailbox: local part as written, domain normalised.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    local: String,
    domain: Domain,
}

impl Address {
    /// Parses `local@domain` as it stands between `<` and `>`.
    ///
    /// # Errors
    /// See [`AddressError`].
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (local, domain) = text.rsplit_once('@').ok_or(AddressError::NoAt)?;
        if local.is_empty() || local.len() > 64 {
            return Err(AddressError::LocalPart);
        }
        Ok(Self { local: local.to_owned(), domain: Domain::parse(domain)? })
    }

    /// The local part as written, quotes included.
    pub fn local(&self) -> &str {
        &self.local
    }

    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// The key under which the same mailbox is found again: local part in
    /// lower case without needless quotes. Delivery uses the address itself.
    pub fn canonical(&self) -> Address {
        Self { local: self.local.to_lowercase(), domain: self.domain.clone() }
    }

    /// The canonical address without a plus-tag, for identity.
    pub fn base(&self) -> Address {
        let mut base = self.canonical();
        if let Some(at) = base.local.find('+').filter(|at| *at > 0) {
            base.local.truncate(at);
        }
        base
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

/// The reverse-path of MAIL FROM: `<>` or an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ReversePath {
    Null,
    Address(Address),
}

impl ReversePath {
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

mod codec {
    //! Addresses are stored as text.

    use minicbor::decode::Error as DecodeError;
    use minicbor::encode::{Error as EncodeError, Write};
    use minicbor::{Decode, Decoder, Encode, Encoder};

    use super::{Address, Domain, ReversePath};

    impl<C> Encode<C> for Domain {
        fn encode<W: Write>(
            &self,
            e: &mut Encoder<W>,
            _: &mut C,
        ) -> Result<(), EncodeError<W::Error>> {
            e.str(&self.0)?.ok()
        }
    }

    impl<'b, C> Decode<'b, C> for Domain {
        fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
            Ok(Self(d.str()?.to_owned()))
        }
    }

    impl<C> Encode<C> for Address {
        fn encode<W: Write>(
            &self,
            e: &mut Encoder<W>,
            _: &mut C,
        ) -> Result<(), EncodeError<W::Error>> {
            e.str(&self.to_string())?.ok()
        }
    }

    impl<'b, C> Decode<'b, C> for Address {
        fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
            let text = d.str()?;
            let (local, domain) =
                text.rsplit_once('@').ok_or_else(|| DecodeError::message("not an address"))?;
            Ok(Self { local: local.to_owned(), domain: Domain(domain.to_owned()) })
        }
    }

    impl<C> Encode<C> for ReversePath {
        fn encode<W: Write>(
            &self,
            e: &mut Encoder<W>,
            _: &mut C,
        ) -> Result<(), EncodeError<W::Error>> {
            e.str(&self.to_string())?.ok()
        }
    }

    impl<'b, C> Decode<'b, C> for ReversePath {
        fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, DecodeError> {
            if d.probe().str()?.is_empty() {
                d.skip()?;
                return Ok(Self::Null);
            }
            Ok(Self::Address(Address::decode(d, ctx)?))
        }
    }
}

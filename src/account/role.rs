//! What an administrator may do: a role, and the power each action asks for.

use std::fmt;

use minicbor::{Decode, Encode};

use crate::directory::OrganisationId;

/// Who somebody is here. The numbers stand on disk.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Role {
    /// Runs the service: everything.
    #[n(0)]
    Operator,
    /// Decides about mail of these organisations, and sees nothing of others.
    #[n(1)]
    OrganisationAdmin(#[n(0)] Vec<OrganisationId>),
    /// Sees everything but bodies, and changes nothing.
    #[n(2)]
    Auditor,
}

/// What a page or an action asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// One's own account: sessions, password.
    Own,
    /// See held messages, and what belongs to one's organisations.
    See,
    /// See what belongs to the whole service: senders, queue, keys, settings.
    SeeAll,
    /// Read a message's body.
    Read,
    /// Decide about messages of one's organisations.
    Decide,
    /// Decide about the whole service.
    Operate,
    /// Add, disable and reset administrators: whoever may, can enter as them.
    Appoint,
}

impl Role {
    /// The one table of roles and powers.
    pub fn may(&self, power: Power) -> bool {
        match self {
            Self::Operator => true,
            Self::OrganisationAdmin(_) => {
                matches!(power, Power::Own | Power::See | Power::Read | Power::Decide)
            }
            Self::Auditor => matches!(power, Power::Own | Power::See | Power::SeeAll),
        }
    }

    /// The role of this word; `own` are the organisations of who is bounded by
    /// some.
    pub fn named(word: &str, own: Vec<OrganisationId>) -> Option<Self> {
        match word {
            "operator" => Some(Self::Operator),
            "organisation-admin" if !own.is_empty() => Some(Self::OrganisationAdmin(own)),
            "auditor" => Some(Self::Auditor),
            _ => None,
        }
    }

    /// Whether this organisation's mail is his to see.
    pub fn covers(&self, organisation: &OrganisationId) -> bool {
        match self {
            Self::Operator | Self::Auditor => true,
            Self::OrganisationAdmin(own) => own.contains(organisation),
        }
    }

    /// The organisations that bound what he sees; `None`: all.
    pub fn organisations(&self) -> Option<&[OrganisationId]> {
        match self {
            Self::Operator | Self::Auditor => None,
            Self::OrganisationAdmin(own) => Some(own),
        }
    }

    /// The word in logs, commands and the API.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::OrganisationAdmin(_) => "organisation-admin",
            Self::Auditor => "auditor",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())?;
        if let Self::OrganisationAdmin(own) = self {
            let own: Vec<_> = own.iter().map(OrganisationId::as_str).collect();
            write!(f, " of {}", own.join(", "))?;
        }
        Ok(())
    }
}

//! Who reads: a recipient with a session, and what he may see.

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};

use crate::directory::{Recipient, Session};
use crate::mail::Address;
use crate::portal::App;
use crate::portal::error::Trouble;
use crate::portal::form::Form;
use crate::portal::frame::{Visitor, cookie};
use crate::portal::nonce::Stale;
use crate::portal::part::Brand;
use crate::portal::path::Path;
use crate::portal::public::see_other;
use crate::quarantine::Held;

/// A visitor who is a recipient whose session is good.
pub struct Reader {
    pub visitor: Visitor,
    pub recipient: Recipient,
    pub session: Session,
    /// Every address whose mail he reads.
    pub addresses: Vec<Address>,
    /// The cookie's secret, which his forms' nonces are bound to.
    secret: String,
}

/// Whoever has no session, or one that is over, is sent to the form that asks
/// for a link.
impl FromRequestParts<App> for Reader {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let reader = <Self as OptionalFromRequestParts<App>>::from_request_parts(parts, app);
        let reader = reader.await.map_err(IntoResponse::into_response)?;
        reader.ok_or_else(|| see_other(Path::Me))
    }
}

impl OptionalFromRequestParts<App> for Reader {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Option<Self>, Trouble> {
        let mut visitor = Visitor::from_request_parts(parts, app).await?;
        let services = app.recipients()?;
        let Some(secret) = cookie(&parts.headers, cookie_name(app)) else { return Ok(None) };
        let Some(session) = services.sessions.find(secret).await? else { return Ok(None) };
        let Some(row) = services.people.by_id(session.recipient).await? else { return Ok(None) };
        let recipient = row.record;
        speak(app, &mut visitor, &recipient);
        let addresses = app.directory.readable_by(&recipient.address);
        let secret = secret.to_owned();
        Ok(Some(Self { visitor, recipient, session, addresses, secret }))
    }
}

impl Reader {
    pub fn nonce(&self, word: &str) -> String {
        self.visitor.nonce(&self.secret, word)
    }

    /// Whether this form is of one of his pages. He may be quick: a session
    /// is no link that a scanner opens.
    pub fn check(&self, form: &Form, word: &str) -> bool {
        let checked = self.visitor.check(&self.secret, word, form);
        matches!(checked, Ok(()) | Err(Stale::TooYoung))
    }

    /// His copy of a message, if he may see one.
    pub fn slot(&self, held: &Held) -> Option<usize> {
        held.recipients
            .iter()
            .position(|one| one.is_shown() && self.addresses.contains(&one.address.base()))
    }

    pub fn brand(&self) -> Brand {
        self.visitor.brand_of(&self.recipient.organisation)
    }
}

/// His language, else his organisation's.
pub fn speak(app: &App, visitor: &mut Visitor, recipient: &Recipient) {
    let organisation = app.directory.organisation(&recipient.organisation);
    let theirs = organisation.as_ref().map(|one| one.language.as_str());
    visitor.speak(&[recipient.language.as_deref(), theirs]);
}

/// `__Host-` cookies exist on https only (RFC 6265bis section 4.1.3.2).
pub fn cookie_name(app: &App) -> &'static str {
    if app.secure { "__Host-me" } else { "me" }
}

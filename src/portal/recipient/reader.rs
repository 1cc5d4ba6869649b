//! Who reads: a recipient with a session, and what he may see.

use axum::http::HeaderMap;

use crate::directory::{Recipient, Session};
use crate::mail::Address;
use crate::portal::App;
use crate::portal::error::Trouble;
use crate::portal::form::Form;
use crate::portal::frame::{Visitor, cookie};
use crate::portal::nonce::Stale;
use crate::portal::part::Brand;
use crate::quarantine::Held;

/// A recipient whose session is good.
pub struct Reader {
    pub recipient: Recipient,
    pub session: Session,
    /// Every address whose mail he reads.
    pub addresses: Vec<Address>,
    /// The cookie's secret, which his forms' nonces are bound to.
    secret: String,
}

impl Reader {
    /// `None`: nobody, or his session is over.
    pub async fn of(
        app: &App,
        visitor: &mut Visitor,
        headers: &HeaderMap,
    ) -> Result<Option<Self>, Trouble> {
        let services = app.recipients()?;
        let Some(secret) = cookie(headers, cookie_name(app)) else { return Ok(None) };
        let Some(session) = services.sessions.find(secret).await? else { return Ok(None) };
        let Some(row) = services.people.by_id(session.recipient).await? else { return Ok(None) };
        let recipient = row.record;
        speak(app, visitor, &recipient);
        let addresses = app.directory.readable_by(&recipient.address);
        Ok(Some(Self { recipient, session, addresses, secret: secret.to_owned() }))
    }

    pub fn nonce(&self, app: &App, visitor: &Visitor, word: &str) -> String {
        app.nonces.mint_for(&visitor.host, &self.secret, word)
    }

    /// Whether this form is of one of his pages. He may be quick: a session
    /// is no link that a scanner opens.
    pub fn check(&self, app: &App, visitor: &Visitor, form: &Form, word: &str) -> bool {
        let nonce = form.field("nonce");
        let checked = app.nonces.check_for(&visitor.host, &self.secret, word, nonce);
        !form.is_cross_site() && matches!(checked, Ok(()) | Err(Stale::TooYoung))
    }

    /// His copy of a message, if he may see one.
    pub fn slot(&self, held: &Held) -> Option<usize> {
        held.recipients
            .iter()
            .position(|one| one.is_shown() && self.addresses.contains(&one.address.base()))
    }
}

/// His language, else his organisation's.
pub fn speak(app: &App, visitor: &mut Visitor, recipient: &Recipient) {
    let organisation = app.directory.organisation(&recipient.organisation);
    let theirs = organisation.as_ref().map(|one| one.language.as_str());
    visitor.speak(&[recipient.language.as_deref(), theirs]);
}

pub fn brand(app: &App, visitor: &Visitor, recipient: &Recipient) -> Brand {
    match app.directory.organisation(&recipient.organisation) {
        Some(organisation) => Brand::from(&*organisation),
        None => visitor.brand(),
    }
}

/// `__Host-` cookies exist on https only (RFC 6265bis section 4.1.3.2).
pub fn cookie_name(app: &App) -> &'static str {
    if app.secure { "__Host-me" } else { "me" }
}

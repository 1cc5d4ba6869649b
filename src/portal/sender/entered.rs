//! A visitor who holds a token: by the link, or by the cookie that the link
//! left behind.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::Response;
use maud::Markup;

use super::case::Case;
use crate::link::{Purpose, Token};
use crate::portal::App;
use crate::portal::error::Trouble;
use crate::portal::form::Form;
use crate::portal::frame::{Visitor, captured, cookie};
use crate::portal::nonce::Stale;
use crate::portal::part::{self, Page};
use crate::portal::path::{Entry, Path, Step};
use crate::portal::public::see_other;
use crate::reputation::Network;

/// A visitor with a token whose tag is right.
pub struct Entered {
    pub visitor: Visitor,
    pub token: Token,
    /// The token as it came.
    pub text: String,
    pub by_link: bool,
    /// The browser sent the cookie of this very token.
    pub has_cookie: bool,
}

impl Entered {
    pub fn entry(&self) -> Entry<'_> {
        if self.by_link { Entry::Link(&self.text) } else { Entry::Cookie }
    }

    pub fn path(&self, step: Step) -> Path<'_> {
        Path::Sender(self.entry(), step)
    }

    pub fn nonce(&self, step: Step) -> String {
        self.visitor.nonce(&self.text, step.as_str())
    }

    /// Whether this form is one of ours, for this step.
    pub fn check(&self, form: &Form, step: Step) -> Result<(), Stale> {
        self.visitor.check(&self.text, step.as_str(), form)
    }

    /// After a step: to the page without the token, if the browser can come
    /// back to it.
    pub fn onwards(&self) -> Response {
        let entry = if self.has_cookie { Entry::Cookie } else { self.entry() };
        see_other(Path::Sender(entry, Step::Declare))
    }

    pub fn page(&self, case: &Case, title: &str, refresh: Option<u32>, body: Markup) -> Markup {
        let at = self.path(Step::Declare);
        part::page(&self.visitor, &Page { brand: &case.brand, at, title, refresh, body })
    }
}

impl FromRequestParts<App> for Entered {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Trouble> {
        let visitor = Visitor::from_request_parts(parts, app).await?;
        let in_path = captured(parts, app, "token").await?;
        let kept = cookie(&parts.headers, cookie_name(app));
        let by_link = in_path.is_some();
        let text = in_path.or_else(|| kept.map(str::to_owned)).ok_or(Trouble::Link)?;
        let token = read(app, &visitor, Purpose::Release, &text)?;
        let has_cookie = kept == Some(text.as_str());
        Ok(Self { visitor, token, text, by_link, has_cookie })
    }
}

/// Reads a token; what is none counts as a guess of this network. Right ones
/// are never refused: 128 bits are not found by guessing, and the neighbours
/// of a scanner that mangles links still need theirs.
pub fn read(app: &App, visitor: &Visitor, purpose: Purpose, text: &str) -> Result<Token, Trouble> {
    app.links.read(&visitor.host, purpose, text).map_err(|_| {
        app.log.link_invalid(visitor.client);
        let allowed = app.guesses.allows(Network::of(visitor.client), app.clock.now());
        if allowed { Trouble::Link } else { Trouble::TooMany }
    })
}

/// `__Host-` cookies exist on https only (RFC 6265bis section 4.1.3.2); the
/// demo speaks plain http.
pub fn cookie_name(app: &App) -> &'static str {
    if app.secure { "__Host-held" } else { "held" }
}

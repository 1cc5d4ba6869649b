//! Who is let by: a session, a role with the power that the route asks for,
//! and for every act a token of that session.
//!
//! A route without a power for its method lets nobody by. What is refused is
//! recorded: 403, the log and the audit.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, MatchedPath, Request, State};
use axum::http::Method;
use axum::http::header;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Console, Place};
use crate::account::{Account, Entry, Power, Secret, Session};
use crate::directory::OrganisationId;
use crate::directory::overlay::LOGO;
use crate::link::KeyRing;
use crate::portal::App;
use crate::portal::decisions::{Decider, Declined};
use crate::portal::error::Trouble;
use crate::portal::form::{Bounds, Form};
use crate::portal::frame::{Visitor, cookie};
use crate::portal::words::Words;

/// A bulk action names each message that was chosen; a logo is a file.
const FORM: Bounds = Bounds { bytes: LOGO + 16 * 1024, fields: 300 };
const LABEL: &str = "reprieve console form v1";

type Powers = Arc<HashMap<String, (Option<Power>, Option<Power>)>>;

#[derive(Clone)]
pub(super) struct Gate {
    pub app: App,
    pub powers: Powers,
}

/// An administrator with an open session.
#[derive(Clone)]
pub struct Admin {
    pub visitor: Visitor,
    pub account: Account,
    pub session: Session,
}

/// A form of one of our pages, sent by the session it was made for.
pub struct Acted(Form);

/// What the address asks for behind its `?`.
#[derive(Default)]
pub struct Asked(Vec<(String, String)>);

pub(super) async fn gate(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let wanted = match wanted(&gate, &request) {
        Ok(wanted) => wanted,
        Err(trouble) => return trouble.into_response(),
    };
    let admin = match admit(&gate, wanted).await {
        Ok(Some(admin)) => admin,
        Ok(None) => return Redirect::to(&Place::Login.to_string()).into_response(),
        Err(trouble) => return trouble.into_response(),
    };
    request.extensions_mut().insert(admin);
    next.run(request).await
}

/// What a request asks for, and with what.
struct Wanted {
    visitor: Visitor,
    secret: Option<Secret>,
    /// Method and route.
    what: String,
    /// Of the route and this method; `Err`: there is no such method.
    power: Result<Option<Power>, ()>,
}

fn wanted(gate: &Gate, request: &Request) -> Result<Wanted, Trouble> {
    let visitor = request.extensions().get::<Visitor>().cloned().ok_or(Trouble::Broken)?;
    let secret = cookie(request.headers(), session_cookie(&gate.app)).and_then(Secret::parse);
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let looks = matches!(*request.method(), Method::GET | Method::HEAD);
    let power = match gate.powers.get(route) {
        None => Ok(None),
        Some((get, post)) => if looks { *get } else { *post }.map(Some).ok_or(()),
    };
    Ok(Wanted { visitor, secret, what: format!("{} {route}", request.method()), power })
}

/// `None`: he has to log in first.
async fn admit(gate: &Gate, wanted: Wanted) -> Result<Option<Admin>, Trouble> {
    let console = gate.app.console.as_ref().ok_or(Trouble::NotFound)?;
    let Some(secret) = wanted.secret else { return Ok(None) };
    let Some((account, session)) = console.accounts.session(&secret).await? else {
        return Ok(None);
    };
    let admin = Admin { visitor: wanted.visitor, account, session };
    match wanted.power {
        Ok(Some(power)) if admin.account.role.may(power) => Ok(Some(admin)),
        // The router says so.
        Err(()) => Err(Trouble::Method),
        _ => {
            admin.refused(&wanted.what).await?;
            Err(Trouble::Forbidden)
        }
    }
}

/// `__Host-` cookies exist on https only (RFC 6265bis section 4.1.3.2).
pub(super) fn session_cookie(app: &App) -> &'static str {
    if app.secure { "__Host-console" } else { "console" }
}

/// The token of forms, for whom `bytes` names.
pub(super) fn form_token(ring: &KeyRing, label: &str, bytes: &[u8]) -> String {
    let (key, tag) = ring.seal(label, &[bytes]);
    let mut all = key.to_be_bytes().to_vec();
    all.extend_from_slice(&tag);
    URL_SAFE_NO_PAD.encode(all)
}

pub(super) fn is_form_token(ring: &KeyRing, label: &str, bytes: &[u8], text: &str) -> bool {
    match URL_SAFE_NO_PAD.decode(text).as_deref() {
        Ok([high, low, tag @ ..]) => {
            ring.unseals(label, &[bytes], u16::from_be_bytes([*high, *low]), tag)
        }
        _ => false,
    }
}

impl Admin {
    pub fn words(&self) -> &Words {
        self.visitor.words()
    }

    /// # Panics
    /// Never: the console's routes exist only with one.
    pub fn console(&self) -> &Console {
        self.visitor.app().console.as_ref().expect("routes of the console exist with it only")
    }

    pub fn app(&self) -> &App {
        self.visitor.app()
    }

    pub fn may(&self, power: Power) -> bool {
        self.account.role.may(power)
    }

    /// The organisations that bound what he sees; `None`: all.
    pub fn organisations(&self) -> Option<Vec<OrganisationId>> {
        self.account.role.organisations().map(<[OrganisationId]>::to_vec)
    }

    /// An entry of the audit that he makes.
    pub fn entry(&self, what: &str) -> Entry {
        Entry::new(self.account.login.as_str(), what).from(self.visitor.client)
    }

    /// Whether a form's token is this session's.
    pub fn is_form_token(&self, text: &str) -> bool {
        is_form_token(&self.console().ring, LABEL, self.session.hash.as_bytes(), text)
    }

    /// He, as one who decides.
    pub fn decider(&self) -> Decider {
        let login = self.account.login.to_string();
        Decider {
            app: self.app().clone(),
            role: self.account.role.clone(),
            who: login.clone(),
            login,
            client: self.visitor.client,
        }
    }

    /// The page for what was declined; what is not his is recorded.
    ///
    /// # Errors
    /// [`Trouble::Unavailable`] if it cannot be recorded.
    pub async fn declined(&self, declined: Declined) -> Result<Trouble, Trouble> {
        if let Declined::Foreign(what) = &declined {
            self.refused(what).await?;
        }
        Ok(declined.into())
    }

    /// The token of this session's forms.
    pub fn form_token(&self) -> String {
        form_token(&self.console().ring, LABEL, self.session.hash.as_bytes())
    }

    /// Records that he asked for what is not his.
    ///
    /// # Errors
    /// [`Trouble::Unavailable`] if it cannot be recorded.
    pub async fn refused(&self, what: &str) -> Result<(), Trouble> {
        let login = self.account.login.as_str();
        self.app().log.console_refused(login, what, self.visitor.client);
        let entry = self.entry("refused").about("route", what);
        Ok(self.console().accounts.audit().note(entry).await?)
    }
}

impl FromRequestParts<App> for Admin {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Trouble> {
        parts.extensions.get::<Self>().cloned().ok_or(Trouble::Forbidden)
    }
}

impl Acted {
    pub fn field(&self, name: &str) -> &str {
        self.0.field(name)
    }

    /// Whether the form has this field at all.
    pub fn has(&self, name: &str) -> bool {
        self.0.all(name).next().is_some()
    }

    /// The file of this name.
    pub fn file(&self, name: &str) -> Option<&bytes::Bytes> {
        self.0.file(name)
    }

    /// Every field of this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.all(name)
    }
}

impl FromRequest<App> for Acted {
    type Rejection = Trouble;

    async fn from_request(request: Request, app: &App) -> Result<Self, Trouble> {
        let admin = request.extensions().get::<Admin>().cloned().ok_or(Trouble::Forbidden)?;
        let form = Form::read(request, app, FORM).await?;
        if form.is_cross_site() || !admin.is_form_token(form.field("form")) {
            return Err(Trouble::CrossSite);
        }
        Ok(Self(form))
    }
}

impl Asked {
    /// The first value of this name, empty if there is none.
    pub fn field(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(other, _)| other == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    /// The cursor, as [`super::table::pager`] writes it.
    pub fn after(&self) -> Option<Vec<u8>> {
        URL_SAFE_NO_PAD.decode(self.field("after")).ok().filter(|bytes| !bytes.is_empty())
    }
}

impl FromRequestParts<App> for Asked {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Trouble> {
        let query = axum::extract::Query::<Vec<(String, String)>>::from_request_parts(parts, app);
        Ok(Self(query.await.map(|query| query.0).unwrap_or_default()))
    }
}

/// A cookie of the console; `age` in seconds, `None`: as long as the browser
/// is open, and 0 removes it.
pub(super) fn set_cookie(app: &App, name: &str, value: &str, age: Option<u32>) -> Option<Cookie> {
    let age = age.map_or(String::new(), |age| format!("; Max-Age={age}"));
    let field = app.cookie(&format!("{name}={value}; Path=/{age}; HttpOnly; SameSite=Lax"));
    field.map(|field| (header::SET_COOKIE, field))
}

type Cookie = (header::HeaderName, axum::http::HeaderValue);

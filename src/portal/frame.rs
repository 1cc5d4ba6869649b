//! What surrounds every page: host, client, language before it; headers after.
//!
//! Trusts the peer's address, and `X-Forwarded-For` only from listed proxies
//! (the rightmost hop that is not one of them). Hosts are the installation's
//! and the organisations' own; anything else is answered 421, and nothing is
//! ever built from a Host header. Panics become a page, slow requests end.

use std::net::{IpAddr, Ipv4Addr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{FromRequestParts, MatchedPath, RawPathParams, Request, State};
use axum::http::header::{self, HeaderName};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;

use super::asset::Assets;
use super::error::Trouble;
use super::form::Form;
use super::nonce::Stale;
use super::words::{Languages, Words};
use super::{App, ROUTES};
use crate::directory::Organisation;

/// For one request, its body and its answer.
const TIME: Duration = Duration::from_secs(30);
/// The same where a list is uploaded: some hundred MB over a slow line.
const UPLOAD_TIME: Duration = Duration::from_mins(30);
/// How the routes of uploads end.
const UPLOADS: [&str; 2] = ["/upload", "/uploads"];
/// The cookie that remembers a chosen language.
const LANGUAGE: &str = "lang";

/// The other end of the connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// Who asks, as far as the frame knows.
#[derive(Clone)]
pub struct Visitor {
    app: App,
    /// The host as it is signed into tokens; one of ours.
    pub host: Arc<str>,
    pub client: IpAddr,
    /// The organisation of this host, or the only one there is.
    pub organisation: Option<Arc<Organisation>>,
    words: Arc<Words>,
    /// Whether the visitor asked for this language.
    asked: bool,
}

impl Visitor {
    pub fn app(&self) -> &App {
        &self.app
    }

    pub fn words(&self) -> &Words {
        &self.words
    }

    pub fn languages(&self) -> &Languages {
        &self.app.languages
    }

    pub fn assets(&self) -> &Assets {
        &self.app.assets
    }

    /// Speaks the first of these languages that there is, unless the visitor
    /// asked for one.
    pub fn speak(&mut self, tags: &[Option<&str>]) {
        if !self.asked {
            let found = tags.iter().flatten().find_map(|tag| self.app.languages.find(tag));
            if let Some(words) = found.cloned() {
                self.words = words;
            }
        }
    }
}

/// Forms of pages that a link opens: their nonces are bound to its token.
impl Visitor {
    pub fn nonce(&self, token: &str, word: &str) -> String {
        self.app.nonces.mint(&self.host, token, word)
    }

    /// Whether this form is one of ours, for this token and step.
    ///
    /// # Errors
    /// [`Stale`]: why the form is asked again.
    pub fn check(&self, token: &str, word: &str, form: &Form) -> Result<(), Stale> {
        if form.is_cross_site() {
            return Err(Stale::Foreign);
        }
        self.app.nonces.check(&self.host, token, word, form.field("nonce"))
    }
}

/// What the route's pattern captured under this name, if it has that name.
pub async fn captured(parts: &mut Parts, app: &App, name: &str) -> Result<Option<String>, Trouble> {
    let params = RawPathParams::from_request_parts(parts, app).await;
    let params = params.map_err(|_| Trouble::Link)?;
    Ok(params.iter().find(|(other, _)| *other == name).map(|(_, text)| text.to_owned()))
}

impl FromRequestParts<App> for Visitor {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Trouble> {
        parts.extensions.get::<Self>().cloned().ok_or(Trouble::Broken)
    }
}

/// The one layer around all pages.
pub async fn frame(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    // The console's own routes are one name in the log, and the API's.
    let rooms = ["/admin", "/api/v1"];
    let console = rooms.into_iter().find(|room| route.starts_with(room));
    let uploads =
        request.method() == Method::POST && UPLOADS.iter().any(|end| route.ends_with(end));
    let time = if uploads { UPLOAD_TIME } else { TIME };
    let known = ROUTES.into_iter().chain(super::recipient::ROUTES).find(|known| *known == route);
    let route = console.or(known).unwrap_or("other");
    let (visitor, known) = visitor(&app, &request);
    let chosen = chosen_language(&app, &request);
    let mut response = if known {
        request.extensions_mut().insert(visitor.clone());
        let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
        match tokio::time::timeout(time, answer).await {
            Ok(Ok(response)) => response,
            Ok(Err(_)) => Trouble::Broken.into_response(),
            Err(_) => Trouble::TooSlow.into_response(),
        }
    } else {
        Trouble::Misdirected.into_response()
    };
    if let Some(trouble) = response.extensions_mut().remove::<Trouble>() {
        if let Trouble::Unavailable(reason) = &trouble {
            app.log.step_failed("portal", reason);
        }
        let page = trouble.page(&visitor).into_response();
        let allow = response.headers_mut().remove(header::ALLOW);
        response = (trouble.status(), page).into_response();
        response.headers_mut().extend(allow.map(|allow| (header::ALLOW, allow)));
    }
    let headers = response.headers_mut();
    if let Some(tag) = chosen {
        let cookie = format!("{LANGUAGE}={tag}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax");
        headers.extend(app.cookie(&cookie).map(|cookie| (header::SET_COOKIE, cookie)));
    }
    protect(headers, &app.headers);
    app.log.page(route, response.status().as_u16(), begun.elapsed());
    response
}

/// The headers of every answer, made once.
pub fn headers(secure: bool) -> HeaderMap {
    const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; \
         script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'";
    let mut headers = HeaderMap::new();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("x-robots-tag"), "noindex, nofollow"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        ),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if secure {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    headers
}

/// What the answer says itself about caching stays.
fn protect(headers: &mut HeaderMap, ours: &HeaderMap) {
    headers.reserve(ours.len() + 1);
    for (name, value) in ours {
        headers.insert(name.clone(), value.clone());
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

/// Who asks, and whether the host is one of ours.
fn visitor(app: &App, request: &Request) -> (Visitor, bool) {
    let headers = request.headers();
    let peer = request.extensions().get::<Peer>();
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0);
    let asked = asked_host(request);
    let own = app.directory.organisation_at(asked);
    let known = own.is_some() || asked.eq_ignore_ascii_case(app.links.host());
    let host = match own.as_ref().and_then(|own| own.host.as_deref()) {
        Some(own) => own.into(),
        None => Arc::clone(&app.host),
    };
    let organisation = own.or_else(|| app.directory.only_organisation());
    let (words, said) = language(app, request);
    let visitor = Visitor {
        app: app.clone(),
        host,
        client: client(headers, peer, &app.settings.trusted_proxies),
        organisation,
        words,
        asked: said,
    };
    (visitor, known)
}

/// The host that the request names, without the scheme's own port. Two Host
/// fields are no host.
fn asked_host(request: &Request) -> &str {
    let mut fields = request.headers().get_all(header::HOST).iter();
    let field = fields.next().and_then(|host| host.to_str().ok());
    let host = match (request.uri().authority(), field) {
        _ if fields.next().is_some() => "",
        (Some(authority), _) => authority.as_str(),
        (None, field) => field.unwrap_or_default(),
    };
    host.strip_suffix(":443").or_else(|| host.strip_suffix(":80")).unwrap_or(host)
}

/// RFC 7239 has a reason for reading from the right: each proxy appends what
/// it saw, and only what our own proxies wrote is true.
fn client(headers: &HeaderMap, peer: IpAddr, trusted: &[ipnet::IpNet]) -> IpAddr {
    let is_trusted = |ip: IpAddr| trusted.iter().any(|net| net.contains(&ip));
    let mut client = peer.to_canonical();
    let fields: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
    let hops = fields.iter().rev().filter_map(|field| field.to_str().ok());
    for hop in hops.flat_map(|field| field.rsplit(',')) {
        if !is_trusted(client) {
            break;
        }
        let Ok(ip) = hop.trim().parse::<IpAddr>() else { break };
        client = ip.to_canonical();
    }
    client
}

/// The language asked for, and whether one was.
fn language(app: &App, request: &Request) -> (Arc<Words>, bool) {
    let languages = &app.languages;
    let headers = request.headers();
    let chosen = queried(request)
        .and_then(|tag| languages.find(tag))
        .or_else(|| cookie(headers, LANGUAGE).and_then(|tag| languages.find(tag)))
        .or_else(|| {
            let field = headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?;
            languages.accepted(field)
        });
    match chosen {
        Some(words) => (Arc::clone(words), true),
        None => (Arc::clone(languages.english()), false),
    }
}

/// The language that this request chooses, to be remembered.
fn chosen_language(app: &App, request: &Request) -> Option<String> {
    if request.method() != Method::GET {
        return None;
    }
    app.languages.find(queried(request)?).map(|words| words.tag().to_owned())
}

fn queried(request: &Request) -> Option<&str> {
    let pairs = request.uri().query()?.split('&');
    pairs.into_iter().find_map(|pair| pair.strip_prefix("lang="))
}

/// The value of a cookie (RFC 6265 section 4.2.1).
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let fields = headers.get_all(header::COOKIE).into_iter().filter_map(|one| one.to_str().ok());
    let mut pairs = fields.flat_map(|field| field.split(';'));
    pairs.find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l_16_the_client_is_the_rightmost_hop_that_is_not_a_proxy_of_ours() {
        let trusted: Vec<ipnet::IpNet> =
            ["10.0.0.0/8", "::1/128"].map(|net| net.parse().unwrap()).into();
        let read = |peer: &str, fields: &[&str]| {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append("x-forwarded-for", field.parse().unwrap());
            }
            client(&headers, peer.parse().unwrap(), &trusted).to_string()
        };
        assert_eq!(read("192.0.2.1", &["198.51.100.9"]), "192.0.2.1");
        assert_eq!(read("10.0.0.1", &["203.0.113.7, 198.51.100.9"]), "198.51.100.9");
        assert_eq!(read("10.0.0.1", &["203.0.113.7", "198.51.100.9, 10.0.0.2"]), "198.51.100.9");
        assert_eq!(read("10.0.0.1", &["198.51.100.9, rubbish"]), "10.0.0.1");
        assert_eq!(read("::1", &["2001:db8::7"]), "2001:db8::7");
        assert_eq!(read("10.0.0.1", &[]), "10.0.0.1");
    }
}

//! Problem documents (RFC 9457): what a program reads when something is not
//! as it should be.

use std::borrow::Cow;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::release::{Denied, Way};
use crate::store::Fault;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    status: u16,
    title: &'static str,
    detail: Cow<'static, str>,
}

impl Problem {
    pub const UNAUTHORIZED: Self =
        Self::new(401, "No token", "send a bearer token that is valid and has not expired");
    pub const FORBIDDEN: Self =
        Self::new(403, "Not allowed", "the token's scope or its account's role is too small");
    pub const NO_DOWNLOAD: Self = Self::new(
        403,
        "No downloads",
        "downloads are not granted to this organisation; its administrator asks for them",
    );
    pub const FIXED_PLAN: Self = Self::new(
        403,
        "Fixed plan",
        "this plan has blocking always on: settings and list are not open",
    );
    pub const NOT_FOUND: Self = Self::new(404, "Not found", "there is nothing under this address");
    pub const METHOD: Self = Self::new(405, "Method not allowed", "see /api/v1/openapi.json");
    pub const DECIDED: Self =
        Self::new(409, "Decided already", "no copy waits any more; read the message again");
    pub const APPEAL_DECIDED: Self = Self::new(
        409,
        "Decided already",
        "somebody decided this appeal, or it expired; read it again",
    );
    pub const BLOCKED: Self =
        Self::new(409, "Blocked", "the recipient or his organisation blocks this sender");
    pub const RUNNING: Self =
        Self::new(409, "Running", "a request with this idempotency key is being carried out");
    pub const TOO_LARGE: Self = Self::new(413, "Too large", "the body is larger than 64 KiB");
    pub const BAD_REQUEST: Self =
        Self::new(400, "Bad request", "a parameter or the body cannot be read");
    pub const BAD_KEY: Self =
        Self::new(400, "Bad idempotency key", "a key has 1 to 255 bytes of ASCII");
    pub const OTHER_REQUEST: Self =
        Self::new(422, "Key reused", "this idempotency key stood for another request");
    pub const TOO_MANY: Self =
        Self::new(429, "Too many", "too many requests without a valid token came from here");
    pub const BUSY: Self =
        Self::new(429, "Busy", "too much of this is under way; try again when it has ended");
    pub const BROKEN: Self = Self::new(500, "Broken", "the request could not be carried out");
    pub const UNAVAILABLE: Self =
        Self::new(503, "Unavailable", "the store does not answer; try again");

    const fn new(status: u16, title: &'static str, detail: &'static str) -> Self {
        Self { status, title, detail: Cow::Borrowed(detail) }
    }

    /// What is wrong with the fields, in sentences.
    pub fn wrong(detail: String) -> Self {
        Self { status: 422, title: "Not accepted", detail: Cow::Owned(detail) }
    }
}

impl From<Fault> for Problem {
    /// What really happened goes to the log by the store's own health.
    fn from(_: Fault) -> Self {
        Self::UNAVAILABLE
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Now(Way::RecipientRefuses) => Self::BLOCKED,
            Denied::Now(_) => Self::DECIDED,
            Denied::Unknown => Self::NOT_FOUND,
            Denied::Store(fault) => fault.into(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        });
        let mut response = json_text(self.status, body.to_string());
        if self.status == 401 {
            let scheme = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

/// An answer whose JSON is there already; a problem by its status.
pub fn json_text(status: u16, body: String) -> Response {
    let kind = if status >= 400 { "application/problem+json" } else { "application/json" };
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static(kind))];
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, kind, body).into_response()
}

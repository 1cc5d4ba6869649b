//! Everything that is not a page: each as one calm page in the visitor's
//! language, saying what happened, what it means for his mail, what to do.
//!
//! What really happened goes to the log; strangers never read raw errors.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::frame::Visitor;
use super::part::{self, Brand, Icon, Page};
use super::path::Path;
use crate::directory::OrganisationId;
use crate::release::Denied;
use crate::store::Fault;

/// Why there is no page. The frame turns it into one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// One page for everything that is not a valid token.
    #[error("the link is not one of ours")]
    Link,
    #[error("there is no such page")]
    NotFound,
    #[error("the page is not used in this way")]
    Method,
    #[error("the role does not include this")]
    Forbidden,
    #[error("downloads are not granted to the organisation")]
    NoDownload,
    #[error("the organisation's plan has blocking always on")]
    FixedPlan,
    #[error("the form was sent by another site")]
    CrossSite,
    #[error("the form cannot be read")]
    BadForm,
    #[error("the form is too large")]
    TooLarge,
    #[error("the request took too long")]
    TooSlow,
    #[error("too many requests came from this network")]
    TooMany,
    #[error("the host is not one of ours")]
    Misdirected,
    #[error("the store does not answer: {0}")]
    Unavailable(String),
    #[error("a page could not be made")]
    Broken,
}

impl Trouble {
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Link | Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::CrossSite | Self::Forbidden | Self::NoDownload | Self::FixedPlan => {
                StatusCode::FORBIDDEN
            }
            Self::BadForm => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The heading's message id; what follows it is called `…-text`.
    fn words(&self) -> (&'static str, &'static str) {
        match self {
            Self::Link => ("link-invalid", "link-invalid-text"),
            Self::NotFound => ("not-found", "not-found-text"),
            Self::Method => ("method", "method-text"),
            Self::Forbidden => ("forbidden", "forbidden-text"),
            Self::NoDownload => ("no-download", "no-download-text"),
            Self::FixedPlan => ("fixed-plan", "fixed-plan-text"),
            Self::CrossSite => ("cross-site", "cross-site-text"),
            Self::BadForm => ("bad-form", "bad-form-text"),
            Self::TooLarge => ("too-large", "too-large-text"),
            Self::TooSlow => ("too-slow", "too-slow-text"),
            Self::TooMany => ("too-many", "too-many-text"),
            Self::Misdirected => ("misdirected", "misdirected-text"),
            Self::Unavailable(_) => ("unavailable", "unavailable-text"),
            Self::Broken => ("broken", "broken-text"),
        }
    }

    pub fn page(&self, visitor: &Visitor) -> Markup {
        let words = visitor.words();
        let (heading, text) = self.words();
        let body = html! {
            h1 { (Icon::Stopped) (words.say(heading)) }
            p { (words.say(text)) }
            @if *self == Self::Link { (paste(visitor)) }
        };
        let brand = visitor.brand();
        let title = words.say(heading);
        part::page(visitor, &Page { brand: &brand, at: Path::Help, title, refresh: None, body })
    }
}

/// Where a mangled link is pasted whole.
fn paste(visitor: &Visitor) -> Markup {
    let words = visitor.words();
    html! {
        form method="post" action=(Path::Paste) {
            label for="link" { (words.say("paste-label")) }
            input #link name="link" type="text" inputmode="url" autocomplete="off"
                autocapitalize="off" spellcheck="false" required maxlength="2000";
            button #open type="submit" { (words.say("paste-button")) }
        }
        p { (words.say("link-invalid-lost")) " " a href=(Path::Lost) { (words.say("lost-link")) } }
    }
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Unavailable(fault.to_string())
    }
}

impl From<Denied> for Trouble {
    /// For denials that no page of the message explains.
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Store(fault) => fault.into(),
            Denied::Now(_) | Denied::Unknown => Self::Broken,
        }
    }
}

impl IntoResponse for Trouble {
    /// Only the mark; [`frame`](super::frame) knows the language and fills it.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl Visitor {
    /// Who speaks where no message says it: the host's organisation, or the
    /// only one there is, or the installation.
    pub fn brand(&self) -> Brand {
        match &self.organisation {
            Some(organisation) => Brand::Organisation(Arc::clone(organisation)),
            None => Brand::installation(self.app().settings.postmaster.as_ref()),
        }
    }

    /// An organisation that may be gone by now.
    pub fn brand_of(&self, organisation: &OrganisationId) -> Brand {
        match self.app().directory.organisation(organisation) {
            Some(organisation) => Brand::Organisation(organisation),
            None => self.brand(),
        }
    }
}

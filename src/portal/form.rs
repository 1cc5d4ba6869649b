//! What a form sent: few fields, few bytes, and from a page of ours.
//!
//! A body over the limit is read to a bounded end and thrown away, so that
//! its sender reads the 413 instead of a broken connection.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::multipart::MultipartError;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::{HeaderMap, header};
use futures_util::StreamExt;

use super::App;
use super::error::Trouble;

/// Of the forms of strangers.
const STRANGER: Bounds = Bounds { bytes: 16 * 1024, fields: 50 };
/// How much of a body too large is read to be polite, and for how long.
const POLITE_BYTES: usize = 256 * 1024 * 1024;
const POLITE_TIME: Duration = Duration::from_secs(20);

/// How much a form may hold.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub bytes: usize,
    pub fields: usize,
}

/// The fields of a form.
pub struct Form {
    fields: Vec<(String, String)>,
    files: Vec<(String, Bytes)>,
    cross_site: bool,
}

impl Form {
    /// The first field of this name, empty if there is none.
    pub fn field(&self, name: &str) -> &str {
        let found = self.fields.iter().find(|(other, _)| other == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    /// Every field of this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let found = self.fields.iter().filter(move |(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The file of this name, unless none was chosen.
    pub fn file(&self, name: &str) -> Option<&Bytes> {
        let found = self.files.iter().find(|(other, _)| other == name);
        found.map(|(_, bytes)| bytes).filter(|bytes| !bytes.is_empty())
    }

    /// Whether the browser says that another site sent it.
    pub fn is_cross_site(&self) -> bool {
        self.cross_site
    }
}

impl FromRequest<App> for Form {
    type Rejection = Trouble;

    async fn from_request(request: Request, app: &App) -> Result<Self, Trouble> {
        Self::read(request, app, STRANGER).await
    }
}

impl Form {
    /// Reads a form within these bounds.
    ///
    /// # Errors
    /// [`Trouble::TooLarge`] or [`Trouble::BadForm`].
    pub async fn read(request: Request, app: &App, bounds: Bounds) -> Result<Self, Trouble> {
        let cross_site = cross_site(request.headers(), app);
        let (parts, body) = request.into_parts();
        let body = read(body, bounds.bytes).await?;
        let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let has_files = kind.is_some_and(|kind| kind.starts_with("multipart/form-data"));
        let request = Request::from_parts(parts, Body::from(body));
        if has_files {
            let form = multipart(request, cross_site, bounds.fields).await;
            return form.map_err(|_| Trouble::BadForm);
        }
        let form = axum::Form::<Vec<(String, String)>>::from_request(request, &()).await;
        let axum::Form(fields) = form.map_err(|_| Trouble::BadForm)?;
        if fields.len() > bounds.fields {
            return Err(Trouble::BadForm);
        }
        Ok(Self { fields, files: Vec::new(), cross_site })
    }
}

/// A form with files (RFC 7578), whose body was read and is within bounds.
async fn multipart(
    request: Request,
    cross_site: bool,
    most: usize,
) -> Result<Form, MultipartError> {
    let mut form = Form { fields: Vec::new(), files: Vec::new(), cross_site };
    let Ok(mut parts) = Multipart::from_request(request, &()).await else { return Ok(form) };
    while let Some(part) = parts.next_field().await? {
        let name = part.name().unwrap_or_default().to_owned();
        if form.fields.len() + form.files.len() == most {
            break;
        }
        if part.file_name().is_some() {
            form.files.push((name, part.bytes().await?));
        } else {
            form.fields.push((name, part.text().await?));
        }
    }
    Ok(form)
}

async fn read(body: Body, most: usize) -> Result<Bytes, Trouble> {
    let mut stream = body.into_data_stream();
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| Trouble::BadForm)?;
        if bytes.len() + chunk.len() > most {
            let rest = async {
                let mut read = 0;
                while let Some(Ok(chunk)) = stream.next().await {
                    read += chunk.len();
                    if read > POLITE_BYTES {
                        break;
                    }
                }
            };
            let _ = tokio::time::timeout(POLITE_TIME, rest).await;
            return Err(Trouble::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.into())
}

/// Fetch metadata first; a browser without it is judged by Origin. `null` is
/// what our own referrer policy makes of an Origin, so it says nothing.
pub(super) fn cross_site(headers: &HeaderMap, app: &App) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return !matches!(site, "same-origin" | "none");
    }
    match text(header::ORIGIN.as_str()) {
        None | Some("null") => false,
        Some(origin) => {
            let (_, host) = origin.split_once("://").unwrap_or_default();
            let asked = text(header::HOST.as_str()).unwrap_or_default();
            !(host.eq_ignore_ascii_case(asked) || host.eq_ignore_ascii_case(app.links.host()))
        }
    }
}

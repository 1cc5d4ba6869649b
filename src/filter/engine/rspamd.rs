//! rspamd, asked over HTTP by `/checkv2` (its protocol documentation).
//!
//! The envelope goes in header fields, the message as the body, and a JSON
//! object comes back: score, action, symbols. Connections are kept and used
//! again. What it says is bounded in size and in score; its action counts only
//! where the configuration follows it.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, poll_fn};
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::HeaderValue;
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::servers::{Place, Servers, Silence};
use super::{Advice, Engine, Opinion, Symbol};
use crate::mail::{Envelope, Message};

/// Bytes of an answer; more is no answer.
const ANSWER: usize = 1 << 20;
/// Connections that wait to be used again, for each server.
const IDLE: usize = 16;

/// `[filter.rspamd]`
#[derive(Clone, Debug)]
pub struct Settings {
    pub servers: Vec<Place>,
    pub timeout: Duration,
    /// Of the controller or a proxy that asks for one.
    pub password: Option<String>,
}

pub struct Rspamd {
    servers: Servers,
    client: Client<HttpConnector, Whole>,
    password: Option<HeaderValue>,
}

impl Rspamd {
    pub fn new(settings: &Settings) -> Self {
        Self {
            servers: Servers::new(&settings.servers, settings.timeout),
            client: Client::builder(TokioExecutor::new())
                .pool_max_idle_per_host(IDLE)
                .build(HttpConnector::new()),
            password: settings.password.as_ref().and_then(|text| HeaderValue::from_str(text).ok()),
        }
    }

    fn request(
        &self,
        place: &Place,
        envelope: &Envelope,
        message: &Message,
    ) -> io::Result<Request<Whole>> {
        let client = &envelope.client;
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(format!("http://{place}/checkv2"))
            .header("IP", client.ip.to_canonical().to_string());
        let from = envelope.mail_from.address().map(ToString::to_string).unwrap_or_default();
        let mut fields = vec![("From", from), ("Helo", client.helo.clone())];
        fields.push(("Queue-Id", envelope.session_id.clone()));
        fields.extend(client.name.clone().map(|name| ("Hostname", name)));
        fields.extend(envelope.authenticated.clone().map(|user| ("User", user)));
        let rcpt = envelope.rcpt_to.iter().map(|one| ("Rcpt", one.address.to_string()));
        for (name, value) in fields.into_iter().chain(rcpt) {
            // What no header field can carry is left out, never mangled.
            if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                request = request.header(name, value);
            }
        }
        if let Some(password) = &self.password {
            request = request.header("Password", password);
        }
        request.body(Whole(Some(message.bytes().clone()))).map_err(io::Error::other)
    }

    async fn post(&self, request: io::Result<Request<Whole>>) -> io::Result<Opinion> {
        let answer = self.client.request(request?).await.map_err(|error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            io::Error::other(cause.unwrap_or_else(|| error.to_string()))
        })?;
        let status = answer.status();
        let mut body = answer.into_body();
        let mut said = Vec::new();
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            if let Ok(data) = frame.map_err(io::Error::other)?.into_data() {
                said.extend_from_slice(&data);
            }
            if said.len() > ANSWER {
                return Err(io::Error::other("the answer is longer than 1 MiB"));
            }
        }
        if !status.is_success() {
            return Err(io::Error::other(format!("HTTP status {status}")));
        }
        read(&said)
    }
}

impl Engine for Rspamd {
    fn name(&self) -> &'static str {
        "rspamd"
    }

    fn ask<'a>(
        &'a self,
        envelope: &'a Envelope,
        message: &'a Message,
    ) -> BoxFuture<'a, Result<Opinion, Silence>> {
        let ask =
            move |place: std::sync::Arc<Place>| self.post(self.request(&place, envelope, message));
        self.servers.ask(ask).boxed()
    }
}

/// The JSON object of `/checkv2`.
fn read(said: &[u8]) -> io::Result<Opinion> {
    let said: serde_json::Value = serde_json::from_slice(said).map_err(io::Error::other)?;
    let score = said["score"].as_f64().ok_or_else(|| io::Error::other("no score in the answer"))?;
    let advice = match said["action"].as_str() {
        Some("reject" | "discard" | "quarantine") => Advice::Refuse,
        Some("add header" | "rewrite subject") => Advice::Suspect,
        Some("soft reject") => Advice::Later,
        _ => Advice::None,
    };
    let symbols = said["symbols"].as_object().into_iter().flatten();
    let symbols = symbols
        .map(|(name, symbol)| Symbol { name: name.clone(), score: symbol["score"].as_f64() })
        .collect();
    Ok(Opinion { score, advice, symbols })
}

/// A body that is there already.
struct Whole(Option<Bytes>);

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let said = br#"{"score":7.5,"required_score":15.0,"action":"add header",
            "symbols":{"BAYES":{"name":"BAYES","score":5.0},"ODD":{}},"messages":{}}"#;
        let opinion = read(said).unwrap();
        assert!((opinion.score - 7.5).abs() < f64::EPSILON);
        assert_eq!(opinion.advice, Advice::Suspect);
        assert_eq!(opinion.symbols[0], Symbol { name: "BAYES".into(), score: Some(5.0) });
        assert_eq!(opinion.symbols[1].score, None);
        assert_eq!(read(br#"{"score":0,"action":"soft reject"}"#).unwrap().advice, Advice::Later);
        assert_eq!(read(br#"{"score":20,"action":"reject"}"#).unwrap().advice, Advice::Refuse);
        for odd in [&b""[..], b"{}", b"[]", b"{\"error\":\"busy\"}", b"{\"score\":\"high\"}"] {
            assert!(read(odd).is_err(), "no opinion");
        }
    }
}

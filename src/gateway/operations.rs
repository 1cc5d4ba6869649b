//! The operations listener: metrics, health, and the operator's errands.
//!
//! `/metrics` and `/health/…` are for monitors and open nothing. `POST
//! /errand` is how the commands of the same machine reach a running gateway
//! (whose store no second process may open); it carries a tag made with the
//! link keys, which only who may read them can make, and is good for a
//! minute. Bind it to loopback.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use tokio::net::TcpListener;

use super::errand::{self, Errand, Errands};
use crate::link::KeyRing;
use crate::maillog::Maillog;
use crate::store::{State as StoreState, Store};

#[derive(Clone)]
pub(super) struct Operations {
    pub maillog: Maillog,
    pub store: Store,
    pub ring: KeyRing,
    pub errands: Errands,
}

/// Serves until `shutdown`.
pub(super) async fn serve(
    operations: Operations,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) {
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/health/live", get(|| async { "alive\n" }))
        .route("/health/ready", get(ready))
        .route("/errand", post(run))
        .layer(DefaultBodyLimit::max(64 << 10))
        .with_state(Arc::new(operations));
    // It ends with the shutdown; an error of one connection is not ours.
    let _ = axum::serve(listener, router).with_graceful_shutdown(shutdown).await;
}

async fn metrics(State(operations): State<Arc<Operations>>) -> Response {
    let kind =
        [(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")];
    (kind, operations.maillog.encode()).into_response()
}

async fn ready(State(operations): State<Arc<Operations>>) -> Response {
    match readiness(&operations.store) {
        Ok(()) => "ready\n".into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

/// Whether mail is taken, or why not.
pub(super) fn readiness(store: &Store) -> Result<(), String> {
    match store.health().state {
        StoreState::Ready => Ok(()),
        StoreState::Full => Err("the store's disk is full".to_owned()),
        StoreState::Stalled => Err("the store's disk does not answer".to_owned()),
        StoreState::Stopping => Err("stopping".to_owned()),
        StoreState::Poisoned(why) => Err(format!("the store needs a restart: {why}")),
    }
}

/// Whether a restart would help: a poisoned or hanging store.
pub(super) fn is_alive(store: &Store) -> bool {
    !matches!(store.health().state, StoreState::Poisoned(_) | StoreState::Stalled)
}

async fn run(
    State(operations): State<Arc<Operations>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let tag = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if !tag.is_some_and(|tag| errand::is_genuine(&operations.ring, tag, &body)) {
        let wrong = "forbidden: the running gateway has other keys; SIGHUP (systemctl reload) \
                     makes it read them again\n";
        return (StatusCode::FORBIDDEN, wrong).into_response();
    }
    let Ok(errand) = serde_json::from_slice::<Errand>(&body) else {
        return (StatusCode::BAD_REQUEST, "not an errand\n").into_response();
    };
    match operations.errands.run(errand).await {
        Ok(answer) => Json(answer).into_response(),
        Err(reason) => (StatusCode::CONFLICT, reason).into_response(),
    }
}

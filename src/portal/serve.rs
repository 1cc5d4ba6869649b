//! Serving the pages on a listener: bounded connections, heads and times.
//!
//! HTTP/1.1 (RFC 9112) by hyper; TLS ends in front of it. `axum::serve` has
//! no time limit for a request's head, so the loop is our own. A request line
//! over 8 KiB is answered 414 here, because hyper would call it a header.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tower::ServiceExt;

use super::frame::Peer;

const HEAD_TIME: Duration = Duration::from_secs(10);
const LINE_BYTES: usize = 8 * 1024;
const HEAD_BYTES: usize = 32 * 1024;
/// How long open requests may take after the shutdown.
const GRACE: Duration = Duration::from_secs(10);

/// Bounds of the listener.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub connections: usize,
    /// Per client address; proxies are not counted.
    pub per_client: usize,
}

/// Serves `router` until `shutdown`, then lets open requests end.
///
/// `uncounted` names peers (proxies) that may hold any number of connections.
pub async fn serve(
    router: Router,
    listener: TcpListener,
    bounds: Bounds,
    uncounted: impl Fn(IpAddr) -> bool + Send,
    shutdown: impl Future<Output = ()> + Send,
) {
    let places = Arc::new(Semaphore::new(bounds.connections));
    let clients = Clients::default();
    let (stop, stopping) = watch::channel(false);
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let place = Arc::clone(&places).acquire_owned();
        let accepted = async {
            let place = place.await.expect("the semaphore is never closed");
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            () = &mut shutdown => break,
            accepted = accepted => accepted,
        };
        let Ok((stream, peer)) = accepted else {
            // Out of descriptors, most likely: some will be given back.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let peer = peer.ip().to_canonical();
        let limit = if uncounted(peer) { usize::MAX } else { bounds.per_client };
        let Some(seat) = clients.sit(peer, limit) else { continue };
        let router = router.clone();
        let stopping = stopping.clone();
        tokio::spawn(async move {
            let _held = (place, seat);
            connection(router, stream, peer, stopping).await;
        });
    }
    drop(stopping);
    let _ = stop.send(true);
    let _ = tokio::time::timeout(GRACE, stop.closed()).await;
}

async fn connection(
    router: Router,
    mut stream: TcpStream,
    peer: IpAddr,
    mut stopping: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    let first = tokio::select! {
        first = tokio::time::timeout(HEAD_TIME, first_line(&mut stream)) => first,
        _ = stopping.wait_for(|stop| *stop) => return,
    };
    let Ok(Ok(first)) = first else { return };
    let stream = Begun { first, read: 0, stream };
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        let answer = router.clone().oneshot(request);
        async move { Ok::<_, Infallible>(answer.await.unwrap_or_else(|never| match never {})) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ = &mut connection => return,
        _ = stopping.wait_for(|stop| *stop) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

/// Reads at least the first request line; answers 414 if it has no end.
async fn first_line(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut begun = Vec::with_capacity(1024);
    loop {
        if stream.read_buf(&mut begun).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if begun.contains(&b'\n') {
            return Ok(begun);
        }
        if begun.len() > LINE_BYTES {
            const ANSWER: &[u8] = b"HTTP/1.1 414 URI Too Long\r\n\
                content-length: 0\r\ncache-control: no-store\r\nconnection: close\r\n\r\n";
            stream.write_all(ANSWER).await?;
            stream.shutdown().await?;
            // Read on a little: a reset would overtake the answer.
            let mut rest = stream.take(4 * 1024 * 1024);
            tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
}

/// A stream whose first bytes were read already.
struct Begun {
    first: Vec<u8>,
    read: usize,
    stream: TcpStream,
}

impl AsyncRead for Begun {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let rest = &self.first[self.read..];
        if rest.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let length = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..length]);
        self.read += length;
        if self.read == self.first.len() {
            self.first = Vec::new();
            self.read = 0;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Begun {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// How many connections each client holds.
#[derive(Clone, Default)]
struct Clients(Arc<Mutex<HashMap<IpAddr, usize>>>);

struct Seat {
    clients: Clients,
    client: IpAddr,
}

impl Clients {
    fn sit(&self, client: IpAddr, limit: usize) -> Option<Seat> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(client).or_default();
        if *count >= limit {
            return None;
        }
        *count += 1;
        Some(Seat { clients: self.clone(), client })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut counts = self.clients.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.client);
            }
        }
    }
}

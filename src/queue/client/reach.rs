//! The way to a server: its socket or addresses, and the TLS handshake, each
//! within its time. No connection is made to anything but what the route names.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{ClientError, Step};
use crate::queue::route::NextHop;
use crate::queue::wire::{Stream, WireError};

/// Connects to the socket, or to each address of the host in turn; answers
/// the address.
pub(super) async fn connect(
    hop: &NextHop,
    limit: Duration,
) -> Result<(Box<dyn Stream>, Option<SocketAddr>), ClientError> {
    if hop.is_socket() {
        let stream = within(limit, UnixStream::connect(&hop.host)).await?;
        return Ok((Box::new(stream), None));
    }
    let lookup = lookup_host((hop.host.as_str(), hop.port));
    let addresses = timeout(limit, lookup)
        .await
        .map_err(|_| ClientError::Resolve("no answer".to_owned()))?
        .map_err(|fault| ClientError::Resolve(fault.to_string()))?;
    let mut last = ClientError::Resolve(hop.host.clone());
    for address in addresses {
        match within(limit, TcpStream::connect(address)).await {
            Ok(stream) => {
                // Commands are small and each waits for its reply; an error
                // here only means that they are sent later.
                let _ = stream.set_nodelay(true);
                return Ok((Box::new(stream), Some(address)));
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn within<S>(
    limit: Duration,
    connecting: impl Future<Output = std::io::Result<S>>,
) -> Result<S, ClientError> {
    let fault = match timeout(limit, connecting).await {
        Ok(Ok(stream)) => return Ok(stream),
        Ok(Err(fault)) => WireError::Io(fault),
        Err(_) => WireError::TimedOut(limit),
    };
    Err(ClientError::Wire { step: Step::Connect, fault })
}

pub(super) async fn handshake(
    stream: Box<dyn Stream>,
    host: &str,
    config: &Arc<ClientConfig>,
    limit: Duration,
) -> Result<Box<dyn Stream>, ClientError> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| ClientError::Tls(format!("{host} is no name for a certificate")))?;
    let connecting = TlsConnector::from(Arc::clone(config)).connect(name, stream);
    match timeout(limit, connecting).await {
        Ok(Ok(stream)) => Ok(Box::new(stream)),
        Ok(Err(fault)) => Err(ClientError::Tls(fault.to_string())),
        Err(_) => Err(ClientError::Tls("the handshake took too long".to_owned())),
    }
}

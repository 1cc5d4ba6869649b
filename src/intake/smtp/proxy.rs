//! The PROXY header, versions 1 and 2, of a listener that requires it.
//!
//! The PROXY protocol's specification. A listener either always has the header or
//! never: a receiver that guessed could be lied to by the client (section 2).

use std::net::IpAddr;
use std::time::Duration;

use proxy_header::{Error, ParseConfig, ProxyHeader};
use tokio::time::timeout;

use super::wire::Wire;

/// Why there is no client address.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    #[error("the proxy closed the connection before its header was whole")]
    Gone,
    #[error("the proxy did not send its header in time")]
    Slow,
    #[error("what came first is not a PROXY header")]
    Invalid,
}

/// The longest that is read: version 1 has at most 107 bytes, version 2 with
/// the usual additions some hundred.
const HEADER_BYTES: usize = 4 << 10;

/// Takes the header off `wire`. `None`: LOCAL or UNKNOWN, the proxy speaks
/// for itself.
pub async fn read_header(
    wire: &mut Wire,
    patience: Duration,
) -> Result<Option<IpAddr>, HeaderError> {
    let read = async {
        loop {
            let taken = match ProxyHeader::parse(wire.buffered(), ParseConfig::default()) {
                Ok((header, length)) => Some((client(&header), length)),
                Err(Error::BufferTooShort) if wire.buffered().len() < HEADER_BYTES => None,
                Err(_) => return Err(HeaderError::Invalid),
            };
            if let Some((client, length)) = taken {
                wire.skip(length);
                return Ok(client);
            }
            if !matches!(wire.fill().await, Ok(1..)) {
                return Err(HeaderError::Gone);
            }
        }
    };
    timeout(patience, read).await.map_err(|_| HeaderError::Slow)?
}

fn client(header: &ProxyHeader<'_>) -> Option<IpAddr> {
    header.proxied_address().map(|address| address.source.ip().to_canonical())
}

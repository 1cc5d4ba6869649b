//! The live lookup: Postfix asks whether an address is suppressed.
//!
//! socketmap_table(5): netstrings, `name key` in, `OK value`, `NOTFOUND ` or
//! `TEMP reason` out. The name is a server's; domains and local parts, which
//! Postfix asks too, are never found. Bounded: bytes of a request,
//! connections, and idle time; a client that breaks the protocol is closed.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Suppression;
use super::distribute::ANSWER;
use super::record::{OWN, ServerId};
use crate::mail::Address;

/// Bytes of a request: a name and an address.
const REQUEST: usize = 1000;
/// Connections at once; Postfix opens one per process.
const CONNECTIONS: usize = 512;
/// A client that asks nothing for so long is closed; Postfix comes again.
const IDLE: Duration = Duration::from_mins(10);

/// Serves until `stop`.
pub async fn serve(list: Suppression, listener: TcpListener, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let Ok((stream, _)) = accepted else {
            // Out of descriptors: the next moment may have some.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let (list, stop) = (list.clone(), stop.clone());
        tokio::spawn(async move {
            let _place = place;
            let _ = stream.set_nodelay(true);
            tokio::select! {
                // A client that went away is no event.
                _ = session(&list, stream) => {}
                () = stop.cancelled() => {}
            }
        });
    }
}

/// Answers one connection's questions, in order.
///
/// # Errors
/// If the connection breaks, or what comes is no netstring.
pub async fn session<S: AsyncRead + AsyncWrite + Unpin>(
    list: &Suppression,
    stream: S,
) -> io::Result<()> {
    let mut stream = BufReader::with_capacity(8 << 10, stream);
    let (mut request, mut answers) = (Vec::with_capacity(REQUEST), Vec::new());
    loop {
        let read = timeout(IDLE, netstring(&mut stream, &mut request));
        if !read.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?? {
            return Ok(());
        }
        let answer = answer(list, &String::from_utf8_lossy(&request)).await;
        answers.extend_from_slice(format!("{}:{answer},", answer.len()).as_bytes());
        // What is asked together is answered together.
        if stream.buffer().is_empty() || answers.len() > 16 << 10 {
            stream.get_mut().write_all(&answers).await?;
            answers.clear();
        }
    }
}

/// One netstring into `into`; `false` at the end of the stream.
async fn netstring<R: AsyncRead + Unpin>(
    stream: &mut BufReader<R>,
    into: &mut Vec<u8>,
) -> io::Result<bool> {
    let broken = || io::Error::from(io::ErrorKind::InvalidData);
    let mut length = 0usize;
    let mut digits = 0;
    loop {
        let byte = match stream.read_u8().await {
            Ok(byte) => byte,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && digits == 0 => {
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        match byte {
            b'0'..=b'9' if digits < 5 => {
                length = length * 10 + usize::from(byte - b'0');
                digits += 1;
            }
            b':' if digits > 0 => break,
            _ => return Err(broken()),
        }
    }
    if length > REQUEST {
        return Err(broken());
    }
    into.resize(length, 0);
    stream.read_exact(into).await?;
    if stream.read_u8().await? == b',' { Ok(true) } else { Err(broken()) }
}

async fn answer(list: &Suppression, request: &str) -> String {
    let Some((name, key)) = request.split_once(' ') else {
        return "PERM a request is a name and a key".to_owned();
    };
    let Ok(address) = Address::parse_utf8(key.trim_matches(['<', '>'])) else {
        // Domains, local parts and networks are asked for too.
        return "NOTFOUND ".to_owned();
    };
    let server = match server(list, name).await {
        Ok(Some(server)) => server,
        Ok(None) => return format!("PERM there is no server called {}", printable(name)),
        Err(_) => return "TEMP the list cannot be read now".to_owned(),
    };
    match list.covers_for(server, &address).await {
        Ok(true) => {
            list.refuse_live(server, &address.canonical().to_string());
            format!("OK {ANSWER}")
        }
        Ok(false) => "NOTFOUND ".to_owned(),
        Err(_) => "TEMP the list cannot be read now".to_owned(),
    }
}

/// By number or by name; `own` is our courier's.
async fn server(list: &Suppression, name: &str) -> Result<Option<ServerId>, crate::store::Fault> {
    if name == "own" || name == "0" {
        return Ok(Some(OWN));
    }
    if let Ok(id) = name.parse::<ServerId>() {
        return Ok(list.known(id).await?.map(|row| row.record.id));
    }
    Ok(list.server_named(name).await?.map(|server| server.id))
}

fn printable(text: &str) -> String {
    text.chars().filter(char::is_ascii_graphic).take(50).collect()
}

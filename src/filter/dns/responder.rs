//! A name server on the loopback interface that answers from a [`Zone`].
//!
//! The resolver asks it as it would ask any server, by UDP and, for what does
//! not fit, by TCP (RFC 1035 section 4.2). It ends when it is dropped.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio_util::task::AbortOnDropHandle;

use super::zone::Zone;

/// Bytes of a UDP answer to a question without EDNS (RFC 1035 section 4.2.1).
const PLAIN_UDP: u16 = 512;

pub struct Responder {
    address: SocketAddr,
    _tasks: [AbortOnDropHandle<()>; 2],
}

impl Responder {
    /// Binds a free port for UDP and TCP.
    pub fn start(zone: Zone) -> io::Result<Self> {
        let (udp, tcp) = bind()?;
        let address = udp.local_addr()?;
        let zone = Arc::new(zone);
        let datagrams = tokio::spawn(serve_udp(UdpSocket::from_std(udp)?, Arc::clone(&zone)));
        let streams = tokio::spawn(serve_tcp(TcpListener::from_std(tcp)?, zone));
        let tasks = [AbortOnDropHandle::new(datagrams), AbortOnDropHandle::new(streams)];
        Ok(Self { address, _tasks: tasks })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// One port number for both protocols; the system chooses it for UDP, and TCP
/// may have to try again with another.
fn bind() -> io::Result<(std::net::UdpSocket, std::net::TcpListener)> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..16 {
        let udp = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        match std::net::TcpListener::bind(udp.local_addr()?) {
            Ok(tcp) => {
                udp.set_nonblocking(true)?;
                tcp.set_nonblocking(true)?;
                return Ok((udp, tcp));
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn serve_udp(socket: UdpSocket, zone: Arc<Zone>) {
    let mut question = vec![0; 4096];
    loop {
        // An error here is the echo of an earlier answer that nobody took.
        let Ok((length, peer)) = socket.recv_from(&mut question).await else {
            continue;
        };
        if let Some(answer) = answer(&zone, &question[..length], false) {
            let _ = socket.send_to(&answer, peer).await;
        }
    }
}

async fn serve_tcp(listener: TcpListener, zone: Arc<Zone>) {
    let mut streams = tokio::task::JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        streams.spawn(serve_stream(stream, Arc::clone(&zone)));
        while streams.try_join_next().is_some() {}
    }
}

async fn serve_stream(mut stream: TcpStream, zone: Arc<Zone>) -> Option<()> {
    loop {
        let length = stream.read_u16().await.ok()?;
        let mut question = vec![0; usize::from(length)];
        stream.read_exact(&mut question).await.ok()?;
        let answer = answer(&zone, &question, true)?;
        stream.write_u16(u16::try_from(answer.len()).ok()?).await.ok()?;
        stream.write_all(&answer).await.ok()?;
    }
}

/// The bytes of an answer, or nothing for what is no question.
fn answer(zone: &Zone, question: &[u8], stream: bool) -> Option<Vec<u8>> {
    let asked = Message::from_vec(question).ok()?;
    let room = asked.edns.as_ref().map_or(PLAIN_UDP, |edns| edns.max_payload().max(PLAIN_UDP));
    let query = asked.queries.first()?.clone();
    let found = zone.answer(query.name(), query.query_type());

    let mut message = Message::response(asked.metadata.id, asked.metadata.op_code);
    message.metadata.message_type = MessageType::Response;
    message.metadata.recursion_desired = asked.metadata.recursion_desired;
    message.metadata.recursion_available = true;
    message.metadata.authoritative = true;
    message.metadata.response_code = found.code;
    message.add_query(query);
    if found.records.is_empty() && found.code != ResponseCode::ServFail {
        message.add_authority(Zone::authority());
    }
    message.add_answers(found.records);
    let bytes = message.to_vec().ok()?;
    if stream || bytes.len() <= usize::from(room) {
        return Some(bytes);
    }
    message.truncate().to_vec().ok()
}

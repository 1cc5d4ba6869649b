//! Packets over a connection to an MTA.
//!
//! Bytes are kept as they come, never because a packet says how long it will
//! be. Answers are collected and written before the next wait.

use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout, timeout_at};

use super::packet::{self, Answer, Malformed};

/// Room for reading while nothing is known of the next packet.
const READ_BYTES: usize = 4 << 10;
/// Most that is set aside at once (ATTACKS M-01).
const GROW_BYTES: usize = 64 << 10;
/// A buffer that grew beyond this is given back between messages.
const KEPT_BYTES: usize = 16 << 10;

/// Why a connection ends before the MTA says so.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    #[error("the MTA closed the connection inside a message")]
    Gone,
    #[error("the MTA was silent for too long")]
    Silent,
    #[error("the MTA does not read our answers")]
    Deaf,
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("the MTA sent {0} out of order")]
    Order(&'static str),
    #[error("the MTA does not let us {0}")]
    Unable(&'static str),
}

/// How long an MTA may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Between packets: an SMTP client may be silent for long.
    pub silence: Duration,
    /// From a packet's first byte to its last; the same to read our answer.
    pub packet: Duration,
}

/// How an MTA is connected.
pub trait Stream: AsyncRead + AsyncWrite + Unpin {
    /// Tells the MTA now that its bytes came, where it may wait for that:
    /// Postfix says what belongs to DATA in one write and shows the message in
    /// the next, unanswered, and without TCP_NODELAY. The kernel keeps the
    /// second back until the first is acknowledged, which for want of an
    /// answer would be 40 ms later (RFC 1122 sections 4.2.3.2 and 4.2.3.4).
    fn acknowledge(&self) {}
}

impl Stream for TcpStream {
    fn acknowledge(&self) {
        // Without it the MTA waits, and nothing else is lost.
        let _ = self.set_quickack(true);
    }
}

impl Stream for UnixStream {}

pub struct Wire<S> {
    stream: S,
    input: BytesMut,
    output: Vec<u8>,
    patience: Patience,
    /// Bytes came, and no answer has acknowledged them.
    unanswered: bool,
}

impl<S: Stream> Wire<S> {
    pub fn new(stream: S, patience: Patience) -> Self {
        let (input, output) = (BytesMut::new(), Vec::new());
        Self { stream, input, output, patience, unanswered: false }
    }

    /// The next packet without its length; `None`: the MTA closed the
    /// connection between packets. May be dropped while it waits: no byte is
    /// lost.
    ///
    /// # Errors
    /// [`Broken`]; nothing can be read any more.
    pub async fn packet(&mut self) -> Result<Option<Bytes>, Broken> {
        let mut begun = Instant::now();
        loop {
            let wanted = match packet::length(&self.input)? {
                Some(length) if self.input.len() >= 4 + length => {
                    self.input.advance(4);
                    return Ok(Some(self.input.split_to(length).freeze()));
                }
                Some(length) => 4 + length - self.input.len(),
                None => 0,
            };
            self.flush().await?;
            if std::mem::take(&mut self.unanswered) {
                self.stream.acknowledge();
            }
            let waits = self.input.is_empty();
            let until = if waits {
                Instant::now() + self.patience.silence
            } else {
                begun + self.patience.packet
            };
            self.input.reserve(wanted.clamp(READ_BYTES, GROW_BYTES));
            match timeout_at(until, self.stream.read_buf(&mut self.input)).await {
                Ok(Ok(1..)) => {
                    self.unanswered = true;
                    if waits {
                        begun = Instant::now();
                    }
                }
                Ok(Ok(_)) if waits => return Ok(None),
                Ok(Ok(_)) => return Err(Broken::Gone),
                Ok(Err(error)) => return Err(error.into()),
                Err(_) => return Err(Broken::Silent),
            }
        }
    }

    /// Written with the next [`Wire::packet`] or [`Wire::flush`].
    pub fn say(&mut self, answer: &Answer<'_>) {
        answer.write(&mut self.output);
    }

    /// Writes what was said.
    ///
    /// # Errors
    /// [`Broken`] if the MTA is gone or does not read.
    pub async fn flush(&mut self) -> Result<(), Broken> {
        if self.output.is_empty() {
            return Ok(());
        }
        let written = timeout(self.patience.packet, self.stream.write_all(&self.output)).await;
        self.output.clear();
        self.unanswered = false;
        written.map_err(|_| Broken::Deaf)?.map_err(Broken::Io)
    }

    /// Gives memory back: the next message may be long in coming.
    pub fn rest(&mut self) {
        if self.input.is_empty() && self.input.capacity() > KEPT_BYTES {
            self.input = BytesMut::new();
        }
        self.output.shrink_to(KEPT_BYTES);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use futures_util::FutureExt;
    use tokio::io::ReadBuf;

    use super::*;

    impl Stream for tokio::io::DuplexStream {}

    const PATIENCE: Patience =
        Patience { silence: Duration::from_secs(100), packet: Duration::from_secs(10) };

    fn pair() -> (Wire<tokio::io::DuplexStream>, tokio::io::DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        (Wire::new(ours, PATIENCE), theirs)
    }

    #[tokio::test]
    async fn packets_come_in_pieces() {
        let (mut wire, mut mta) = pair();
        for piece in [&b"\0\0"[..], b"\0\x02", b"H", b"x\0\0\0\x01Q"] {
            mta.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        drop(mta);
        assert_eq!(wire.packet().await.unwrap().unwrap(), &b"Hx"[..]);
        assert_eq!(wire.packet().await.unwrap().unwrap(), &b"Q"[..]);
        assert!(wire.packet().await.unwrap().is_none());
    }

    /// Counts how often the other end was told that its bytes came.
    struct Counting(tokio::io::DuplexStream, std::rc::Rc<std::cell::Cell<usize>>);

    impl Stream for Counting {
        fn acknowledge(&self) {
            self.1.set(self.1.get() + 1);
        }
    }

    impl AsyncRead for Counting {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            into: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_read(context, into)
        }
    }

    impl AsyncWrite for Counting {
        fn poll_write(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.0).poll_write(context, bytes)
        }

        fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(context)
        }

        fn poll_shutdown(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(context)
        }
    }

    #[tokio::test]
    async fn what_is_not_answered_is_acknowledged_before_the_wait() {
        let (ours, mut mta) = tokio::io::duplex(1 << 16);
        let told = std::rc::Rc::new(std::cell::Cell::new(0));
        let mut wire = Wire::new(Counting(ours, told.clone()), PATIENCE);
        let quit = b"\0\0\0\x01Q";
        mta.write_all(quit).await.unwrap();
        wire.packet().await.unwrap().unwrap();
        assert_eq!(told.get(), 0, "an answer may still follow");
        wire.say(&Answer::Continue);
        assert!(wire.packet().now_or_never().is_none());
        assert_eq!(told.get(), 0, "the answer acknowledges");
        for unanswered in 1..3 {
            mta.write_all(&[&quit[..], quit].concat()).await.unwrap();
            wire.packet().await.unwrap().unwrap();
            wire.packet().await.unwrap().unwrap();
            assert!(wire.packet().now_or_never().is_none());
            assert_eq!(told.get(), unanswered);
        }
    }

    #[tokio::test]
    async fn m_01_a_length_is_not_believed_before_its_bytes_come() {
        let (mut wire, mut mta) = pair();
        mta.write_all(&u32::to_be_bytes(1 << 20)).await.unwrap();
        mta.write_all(b"Bx").await.unwrap();
        drop(mta);
        assert!(matches!(wire.packet().await, Err(Broken::Gone)));
        assert!(wire.input.capacity() <= GROW_BYTES + READ_BYTES, "{}", wire.input.capacity());

        for told in [0, u32::MAX, (1 << 20) + 1] {
            let (mut wire, mut mta) = pair();
            mta.write_all(&u32::to_be_bytes(told)).await.unwrap();
            assert!(matches!(wire.packet().await, Err(Broken::Malformed(_))), "{told}");
            assert!(wire.input.capacity() <= GROW_BYTES);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_packet_that_trickles_is_given_up() {
        let (mut wire, mut mta) = pair();
        let trickle = tokio::spawn(async move {
            for byte in *b"\0\0\0\x7fB............" {
                mta.write_all(&[byte]).await.unwrap();
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
        });
        let begun = Instant::now();
        assert!(matches!(wire.packet().await, Err(Broken::Silent)));
        assert_eq!(begun.elapsed(), PATIENCE.packet);
        trickle.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn an_mta_that_does_not_read_is_given_up() {
        let (ours, _mta) = tokio::io::duplex(4);
        let mut wire = Wire::new(ours, PATIENCE);
        wire.say(&Answer::Continue);
        assert!(matches!(wire.flush().await, Err(Broken::Deaf)));
    }
}

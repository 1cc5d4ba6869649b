//! The least that a milter can be, over a Unix socket: shown all that a filter
//! must see, heard only where a filter must be (RCPT and the end), it says yes
//! to everything, or discards it. What is slow beside it is Postfix. Built and
//! run by `benches/milter`:
//!
//!     null-milter SOCKET accept|discard

use std::io::{self, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;

/// As many as smtpd processes may ask at once.
const THREADS: usize = 300;
/// The version of the protocol, no actions, and the steps of the real one: no
/// unknown commands, no DATA, spaces kept, and no reply wanted to CONNECT,
/// HELO, MAIL, header fields, their end, and pieces of the body.
const AGREED: [u32; 3] = [6, 0, 0x1c_7380];

fn main() -> io::Result<()> {
    let words: Vec<String> = std::env::args().collect();
    let [_, socket, verdict] = words.as_slice() else {
        return Err(io::Error::other("null-milter SOCKET accept|discard"));
    };
    let verdict = if verdict == "discard" { b'd' } else { b'a' };
    let listener = Arc::new(UnixListener::bind(socket)?);
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let listener = Arc::clone(&listener);
            std::thread::spawn(move || {
                while let Ok((stream, _)) = listener.accept() {
                    // An MTA that hangs up has nothing more to ask.
                    let _ = session(stream, verdict);
                }
            })
        })
        .collect();
    for thread in threads {
        let _ = thread.join();
    }
    Ok(())
}

fn session(stream: UnixStream, verdict: u8) -> io::Result<()> {
    let mut stream = BufReader::with_capacity(64 << 10, stream);
    let mut content = Vec::new();
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        content.resize(u32::from_be_bytes(length) as usize, 0);
        stream.read_exact(&mut content)?;
        match content.first() {
            Some(b'O') => say(&stream, b'O', &AGREED.map(u32::to_be_bytes).concat())?,
            Some(b'R') => say(&stream, b'c', b"")?,
            Some(b'E') => say(&stream, verdict, b"")?,
            Some(b'Q') | None => return Ok(()),
            _ => {}
        }
    }
}

fn say(stream: &BufReader<UnixStream>, letter: u8, content: &[u8]) -> io::Result<()> {
    let mut packet = (content.len() as u32 + 1).to_be_bytes().to_vec();
    packet.push(letter);
    packet.extend_from_slice(content);
    stream.get_ref().write_all(&packet)
}

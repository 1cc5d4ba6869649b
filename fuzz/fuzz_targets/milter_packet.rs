//! Bytes from whoever reaches the milter's port: a length is checked before
//! anything is kept for it, no packet breaks the reader, and what is read
//! points into the packet.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reprieve::intake::milter::packet::{self, Answer, Command, PACKET_BYTES};

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    while let Ok(Some(length)) = packet::length(rest) {
        assert!((1..=PACKET_BYTES).contains(&length));
        let Some(packet) = rest.get(4..4 + length) else { break };
        if let Ok(Command::Rcpt { path }) = Command::read(packet) {
            let mut out = Vec::new();
            Answer::DeleteRecipient(path).write(&mut out);
            assert_eq!(packet::length(&out), Ok(Some(out.len() - 4)));
            assert_eq!(out[5..out.len() - 1], *path);
        }
        rest = &rest[4 + length..];
    }
});

//! DATA ends where RFC 5321 says and nowhere else, however it is cut. The
//! first byte says how long the pieces are.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reprieve::intake::smtp::data::{Flaw, Receiver, flaw};

fuzz_target!(|input: &[u8]| {
    let Some((step, wire)) = input.split_first() else { return };
    let wire = [wire, b"\r\n.\r\n"].concat();
    let mut receiver = Receiver::new(1 << 20, None);
    let mut sent = 0;
    for piece in wire.chunks(usize::from(*step) + 1) {
        receiver.space().extend_from_slice(piece);
        sent += piece.len();
        if receiver.look() {
            break;
        }
    }
    let received = receiver.finish();
    let end = sent - received.rest.len();
    let (content, expected) = plainly(&wire);
    assert_eq!(end, expected);
    match (received.content, flaw(&content)) {
        (Ok(bytes), None) => assert_eq!(bytes, content),
        (Err(Flaw::LoneLineEnd | Flaw::Nul), Some(_)) => {}
        other => panic!("{other:?}"),
    }
});

/// RFC 5321 section 4.5.2 word by word: the content and where it ends.
fn plainly(wire: &[u8]) -> (Vec<u8>, usize) {
    let (mut content, mut at) = (Vec::new(), 0);
    let mut line_start = true;
    loop {
        if line_start && wire[at..].starts_with(b".\r\n") {
            return (content, at + 3);
        }
        if !(line_start && wire[at] == b'.') {
            content.push(wire[at]);
        }
        line_start = wire[..=at].ends_with(b"\r\n");
        at += 1;
    }
}

//! One message as the MTA shows it: envelope, header fields, body.
//!
//! The header's folds come as LF and become CRLF; a space that the MTA took
//! from behind the colon is put back. The bytes then are what "exact bytes"
//! means here. A message that is too large, or for which there is no room, is
//! forgotten and refused at its end.

use bytes::Bytes;

use crate::intake::smtp::data::{Flaw, flaw};
use crate::intake::smtp::limits::Share;
use crate::mail::{Envelope, Message};

/// Room for a message of usual size.
const FIRST_BYTES: usize = 16 << 10;

pub struct Transaction {
    pub envelope: Envelope,
    /// Each RCPT's very bytes, with the slot in the envelope.
    pub exact: Vec<(usize, Vec<u8>)>,
    /// Recipients of our own users' mail whose address we cannot read.
    pub unread: usize,
    content: Vec<u8>,
    in_body: bool,
    flaw: Option<Flaw>,
    share: Share,
    limit: usize,
}

impl Transaction {
    /// Takes messages of at most `limit` bytes.
    pub fn new(envelope: Envelope, share: Share, limit: usize) -> Self {
        Self {
            envelope,
            exact: Vec::new(),
            unread: 0,
            content: Vec::new(),
            in_body: false,
            flaw: None,
            share,
            limit,
        }
    }

    /// `spaced`: the value has the white space behind the colon.
    pub fn header(&mut self, name: &[u8], value: &[u8], spaced: bool) {
        if !self.has_room(name.len() + value.len() + 64) {
            return;
        }
        self.content.extend_from_slice(name);
        self.content.push(b':');
        if !spaced {
            self.content.push(b' ');
        }
        extend_with_crlf(&mut self.content, value);
        self.content.extend_from_slice(b"\r\n");
    }

    pub fn end_of_headers(&mut self) {
        if !self.in_body {
            self.in_body = true;
            self.content.extend_from_slice(b"\r\n");
        }
    }

    pub fn body(&mut self, piece: &[u8]) {
        if piece.is_empty() {
            return;
        }
        self.end_of_headers();
        if self.has_room(piece.len()) {
            self.content.extend_from_slice(piece);
        }
    }

    /// The message, and its envelope. `normalise`: lone CR and LF become
    /// CRLF.
    ///
    /// # Errors
    /// [`Flaw`] for what RFC 5321 section 2.3.8 forbids, and for what is too
    /// large.
    pub fn finish(&mut self, normalise: bool) -> Result<Message, Flaw> {
        if let Some(flaw) = self.flaw {
            return Err(flaw);
        }
        let mut content = std::mem::take(&mut self.content);
        match flaw(&content) {
            Some(Flaw::LoneLineEnd) if normalise => {
                let mut clean = Vec::with_capacity(content.len() + 64);
                extend_with_crlf(&mut clean, &content);
                content = clean;
            }
            Some(flaw) => return Err(flaw),
            None => {}
        }
        Ok(Message::new(Bytes::from(content)))
    }

    fn has_room(&mut self, more: usize) -> bool {
        if self.flaw.is_some() {
            return false;
        }
        let needed = self.content.len() + more;
        if needed > self.limit {
            return self.give_up(Flaw::TooBig);
        }
        if needed > self.content.capacity() {
            let grown = needed.max(2 * self.content.capacity()).max(FIRST_BYTES);
            if !self.share.set(grown) {
                return self.give_up(Flaw::NoRoom);
            }
            self.content.reserve_exact(grown - self.content.len());
        }
        true
    }

    fn give_up(&mut self, flaw: Flaw) -> bool {
        self.flaw = Some(flaw);
        self.content = Vec::new();
        self.share.set(0);
        false
    }
}

/// Every CRLF, lone LF and lone CR of `text` as CRLF.
fn extend_with_crlf(out: &mut Vec<u8>, text: &[u8]) {
    let mut rest = text;
    while let Some(at) = memchr::memchr2(b'\r', b'\n', rest) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(b"\r\n");
        let skip = if rest[at..].starts_with(b"\r\n") { 2 } else { 1 };
        rest = &rest[at + skip..];
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_end_becomes_crlf() {
        let mut out = Vec::new();
        extend_with_crlf(&mut out, b"a\nb\r\nc\rd\n\n\te\r");
        assert_eq!(out, b"a\r\nb\r\nc\r\nd\r\n\r\n\te\r\n");
    }
}

//! The milter protocol's packets, version 6, as Postfix and Sendmail speak it.
//!
//! A packet is a length (four bytes, big-endian), a letter, and what belongs
//! to it. Nothing in it is trusted: a length is checked before anything is
//! kept for it, and every field is found or the packet is [`Malformed`].
//! There is no RFC; libmilter's `mfdef.h` names the numbers and the letters.

use crate::mail::Reply;

/// Version that we speak; an older MTA is answered with its own.
pub const VERSION: u32 = 6;
/// The oldest version that has actions and steps.
pub const OLDEST: u32 = 2;
/// Longest packet that is taken: Postfix sends headers up to its
/// `header_size_limit` (100 KiB) and bodies in pieces of 64 KiB.
pub const PACKET_BYTES: usize = 1 << 20;
/// Longest reply that an MTA may be given (libmilter: `MAXREPLYLEN`).
const REPLY_BYTES: usize = 980;

/// What a filter may change (`SMFIF_`).
pub mod action {
    pub const ADD_HEADERS: u32 = 0x01;
    pub const DELETE_RECIPIENT: u32 = 0x08;
    pub const CHANGE_HEADERS: u32 = 0x10;
    /// The filter says which macros it wants.
    pub const CHOOSE_MACROS: u32 = 0x100;
}

/// What an MTA need not send, or wait for (`SMFIP_`).
pub mod step {
    /// HELP, VRFY and kin are not sent.
    pub const NO_UNKNOWN: u32 = 0x100;
    /// DATA is not sent.
    pub const NO_DATA: u32 = 0x200;
    pub const NO_REPLY_HEADER: u32 = 0x80;
    pub const NO_REPLY_CONNECT: u32 = 0x1000;
    pub const NO_REPLY_HELO: u32 = 0x2000;
    pub const NO_REPLY_MAIL: u32 = 0x4000;
    pub const NO_REPLY_END_OF_HEADERS: u32 = 0x4_0000;
    pub const NO_REPLY_BODY: u32 = 0x8_0000;
    /// Header values come, and go, with the white space behind the colon.
    pub const LEADING_SPACE: u32 = 0x10_0000;
}

/// The stages whose macros a filter may choose (`SMFIM_`).
pub mod stage {
    pub const CONNECT: u32 = 0;
    pub const HELO: u32 = 1;
    pub const MAIL: u32 = 2;
    pub const RCPT: u32 = 3;
    pub const END_OF_MESSAGE: u32 = 5;
    pub const END_OF_HEADERS: u32 = 6;
}

/// What is no packet of this protocol: the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("a packet of {0} bytes is empty or too long for this protocol")]
    Length(u32),
    #[error("no packet begins with the byte {0:#04x}")]
    Letter(u8),
    #[error("a {0} packet ends before its fields do")]
    Fields(&'static str),
}

/// What the MTA says. Texts are as the MTA sent them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    Negotiate {
        version: u32,
        actions: u32,
        steps: u32,
    },
    /// Names and values, for a command that comes next.
    Macros(Vec<(&'a [u8], &'a [u8])>),
    Connect {
        host: &'a [u8],
        family: Family,
        /// Text of an IP address or a path; empty for an unknown family.
        address: &'a [u8],
    },
    Helo(&'a [u8]),
    Mail {
        /// With its brackets.
        path: &'a [u8],
        parameters: Vec<&'a [u8]>,
    },
    Rcpt {
        /// With its brackets.
        path: &'a [u8],
    },
    Data,
    Header {
        name: &'a [u8],
        value: &'a [u8],
    },
    EndOfHeaders,
    Body(&'a [u8]),
    /// May carry the last piece of the body.
    EndOfMessage(&'a [u8]),
    Abort,
    Quit,
    /// The next client comes over the same connection.
    QuitNewConnection,
    /// A command that the MTA does not know.
    Unknown,
}

/// How the client came to the MTA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    Unknown,
    Local,
    Inet,
    Inet6,
}

/// What we say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    Negotiate {
        version: u32,
        actions: u32,
        steps: u32,
        /// Stage, and the names of macros with spaces between them.
        macros: &'a [(u32, &'a str)],
    },
    /// This step is well; at the end, the message is.
    Continue,
    Accept,
    Discard,
    /// Our own words in the MTA's reply.
    Reply(&'a Reply),
    /// Still at work: the MTA's clock begins again.
    Progress,
    /// The field stands at this place of all fields.
    InsertHeader {
        index: u32,
        name: &'a [u8],
        value: &'a [u8],
    },
    /// Removes the `index`th field (from 1) of this name.
    RemoveHeader {
        index: u32,
        name: &'a [u8],
    },
    /// With the very bytes of his RCPT.
    DeleteRecipient(&'a [u8]),
}

/// The length of the next packet, letter included, once four bytes of it
/// came.
///
/// # Errors
/// [`Malformed::Length`] unless it is from 1 to [`PACKET_BYTES`].
pub fn length(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    let Some(first) = bytes.first_chunk::<4>() else { return Ok(None) };
    let told = u32::from_be_bytes(*first);
    let length = usize::try_from(told).unwrap_or(usize::MAX);
    if (1..=PACKET_BYTES).contains(&length) {
        Ok(Some(length))
    } else {
        Err(Malformed::Length(told))
    }
}

impl<'a> Command<'a> {
    /// Reads a packet behind its length.
    ///
    /// # Errors
    /// [`Malformed`] if it is none of this protocol.
    pub fn read(packet: &'a [u8]) -> Result<Self, Malformed> {
        let (&letter, rest) = packet.split_first().ok_or(Malformed::Length(0))?;
        let mut fields = Fields { rest };
        Ok(match letter {
            b'O' => {
                let mut number = || fields.number().ok_or(Malformed::Fields("negotiation"));
                Self::Negotiate { version: number()?, actions: number()?, steps: number()? }
            }
            b'D' => macros(rest).ok_or(Malformed::Fields("macro"))?,
            b'C' => connect(&mut fields).ok_or(Malformed::Fields("connect"))?,
            b'H' => Self::Helo(fields.text().ok_or(Malformed::Fields("HELO"))?),
            b'M' => Self::Mail {
                path: fields.text().ok_or(Malformed::Fields("MAIL"))?,
                parameters: std::iter::from_fn(|| fields.text()).collect(),
            },
            b'R' => Self::Rcpt { path: fields.text().ok_or(Malformed::Fields("RCPT"))? },
            b'T' => Self::Data,
            b'L' => {
                let mut text = || fields.text().ok_or(Malformed::Fields("header"));
                Self::Header { name: text()?, value: text()? }
            }
            b'N' => Self::EndOfHeaders,
            b'B' => Self::Body(rest),
            b'E' => Self::EndOfMessage(rest),
            b'A' => Self::Abort,
            b'Q' => Self::Quit,
            b'K' => Self::QuitNewConnection,
            b'U' => Self::Unknown,
            other => return Err(Malformed::Letter(other)),
        })
    }
}

fn macros(rest: &[u8]) -> Option<Command<'_>> {
    let (_of, rest) = rest.split_first()?;
    let mut fields = Fields { rest };
    let mut pairs = Vec::new();
    while !fields.rest.is_empty() {
        pairs.push((fields.text()?, fields.text()?));
    }
    Some(Command::Macros(pairs))
}

fn connect<'a>(fields: &mut Fields<'a>) -> Option<Command<'a>> {
    let host = fields.text()?;
    let family = match fields.byte()? {
        b'L' => Family::Local,
        b'4' => Family::Inet,
        b'6' => Family::Inet6,
        _ => return Some(Command::Connect { host, family: Family::Unknown, address: b"" }),
    };
    let _port = (fields.byte()?, fields.byte()?);
    Some(Command::Connect { host, family, address: fields.text()? })
}

/// Reads fields from the front.
struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Up to a NUL, which is taken too.
    fn text(&mut self) -> Option<&'a [u8]> {
        let end = memchr::memchr(0, self.rest)?;
        let text = &self.rest[..end];
        self.rest = &self.rest[end + 1..];
        Some(text)
    }

    fn number(&mut self) -> Option<u32> {
        let (first, rest) = self.rest.split_first_chunk::<4>()?;
        self.rest = rest;
        Some(u32::from_be_bytes(*first))
    }

    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }
}

impl Answer<'_> {
    /// Appends the packet to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Negotiate { version, actions, steps, macros } => {
                packet(out, b'O', |out| {
                    for number in [version, actions, steps] {
                        out.extend_from_slice(&number.to_be_bytes());
                    }
                    for (stage, names) in *macros {
                        out.extend_from_slice(&stage.to_be_bytes());
                        text(out, names.as_bytes());
                    }
                });
            }
            Self::Continue => packet(out, b'c', |_| {}),
            Self::Accept => packet(out, b'a', |_| {}),
            Self::Discard => packet(out, b'd', |_| {}),
            Self::Reply(reply) => packet(out, b'y', |out| text(out, said(reply).as_bytes())),
            Self::Progress => packet(out, b'p', |_| {}),
            Self::InsertHeader { index, name, value } => packet(out, b'i', |out| {
                out.extend_from_slice(&index.to_be_bytes());
                text(out, name);
                text(out, value);
            }),
            Self::RemoveHeader { index, name } => packet(out, b'm', |out| {
                out.extend_from_slice(&index.to_be_bytes());
                text(out, name);
                text(out, b"");
            }),
            Self::DeleteRecipient(path) => packet(out, b'-', |out| text(out, path)),
        }
    }
}

fn packet(out: &mut Vec<u8>, letter: u8, content: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0, 0, 0, 0, letter]);
    content(out);
    // What we write is far below 4 GiB.
    let length = u32::try_from(out.len() - start - 4).unwrap_or(u32::MAX);
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

/// A NUL would end the field early, and let what follows be another one.
fn text(out: &mut Vec<u8>, text: &[u8]) {
    out.extend(text.iter().filter(|byte| **byte != 0));
    out.push(0);
}

/// The reply as an MTA takes it: one line of ASCII, each `%` doubled, because
/// MTAs read it as a format. What would be too long loses its text.
fn said(reply: &Reply) -> String {
    let said = reply.to_string().replace('%', "%%");
    if said.len() <= REPLY_BYTES {
        return said;
    }
    let plain = if reply.is_permanent() { "Message refused" } else { "Try again later" };
    match reply.enhanced() {
        Some(enhanced) => Reply::new(reply.code(), enhanced, plain).to_string(),
        None => Reply::plain(reply.code(), plain).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(answer: &Answer<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        answer.write(&mut out);
        assert_eq!(length(&out), Ok(Some(out.len() - 4)));
        out.split_off(4)
    }

    #[test]
    fn commands_are_read() {
        let read = |packet: &'static [u8]| Command::read(packet).unwrap();
        assert_eq!(
            read(b"O\0\0\0\x06\0\0\x01\xff\0\x1f\xff\xff"),
            Command::Negotiate { version: 6, actions: 0x1ff, steps: 0x001f_ffff }
        );
        assert_eq!(
            read(b"Cfar.example\x004\x01\xbb192.0.2.7\0"),
            Command::Connect { host: b"far.example", family: Family::Inet, address: b"192.0.2.7" }
        );
        assert_eq!(
            read(b"Cunknown\0U"),
            Command::Connect { host: b"unknown", family: Family::Unknown, address: b"" }
        );
        assert_eq!(
            read(b"M<a@b>\0SIZE=5\0BODY=8BITMIME\0"),
            Command::Mail { path: b"<a@b>", parameters: vec![b"SIZE=5", b"BODY=8BITMIME"] }
        );
        assert_eq!(
            read(b"DMi\x004XyZ\0{auth_authen}\0anna\0"),
            Command::Macros(vec![(b"i", b"4XyZ"), (b"{auth_authen}", b"anna")])
        );
        assert_eq!(
            read(b"LSubject\0 a\n b\0"),
            Command::Header { name: b"Subject", value: b" a\n b" }
        );
    }

    #[test]
    fn m_01_what_is_no_packet_is_said() {
        for told in [0, 0xffff_ffff, (1 << 20) + 1] {
            assert_eq!(length(&u32::to_be_bytes(told)), Err(Malformed::Length(told)));
        }
        assert_eq!(length(&[0, 0, 0]), Ok(None));
        assert_eq!(Command::read(b"X"), Err(Malformed::Letter(b'X')));
        for short in
            [&b"O\0\0\0\x06"[..], b"C", b"Cx\0", b"Cx\x004", b"M<a@b>", b"La\0b", b"D", b"DMi\0"]
        {
            assert!(matches!(Command::read(short), Err(Malformed::Fields(_))), "{short:?}");
        }
    }

    #[test]
    fn m_08_a_percent_sign_is_doubled() {
        let reply = Reply::new(550, (5, 7, 1), "see https://a/b%20c");
        assert_eq!(written(&Answer::Reply(&reply)), b"y550 5.7.1 see https://a/b%%20c\0");
    }

    #[test]
    fn m_09_what_an_mta_could_not_take_loses_its_text() {
        let reply = Reply::new(550, (5, 7, 1), "%".repeat(496));
        assert_eq!(written(&Answer::Reply(&reply)), b"y550 5.7.1 Message refused\0");
        let reply = Reply::new(451, (4, 3, 0), "%".repeat(496));
        assert_eq!(written(&Answer::Reply(&reply)), b"y451 4.3.0 Try again later\0");
    }

    #[test]
    fn a_field_cannot_begin_another_one() {
        let header = Answer::InsertHeader { index: 0, name: b"A\0B", value: b" c\0d" };
        assert_eq!(written(&header), b"i\0\0\0\0AB\0 cd\0");
        assert_eq!(written(&Answer::DeleteRecipient(b"<A@b>")), b"-<A@b>\0");
        assert_eq!(written(&Answer::RemoveHeader { index: 2, name: b"A" }), b"m\0\0\0\x02A\0\0");
    }

    proptest! {
        #[test]
        fn no_packet_breaks_the_reader(letter in prop::sample::select(b"ODCHMRTLNBEAQKUX".to_vec()),
            rest in prop::collection::vec(prop::sample::select(b"\0\x01\x0446La<>{}".to_vec()), 0..40)) {
            let mut packet = vec![letter];
            packet.extend(rest);
            let _ = Command::read(&packet);
        }

        /// The twin of the fuzz target `milter_packet`.
        #[test]
        fn no_stream_breaks_the_reader(
            pieces in prop::collection::vec((0u32..40, prop::collection::vec(any::<u8>(), 0..30)), 0..6),
        ) {
            let stream: Vec<u8> =
                pieces.iter().flat_map(|(told, rest)| [&told.to_be_bytes()[..], rest].concat()).collect();
            let mut rest = &stream[..];
            while let Ok(Some(length)) = length(rest) {
                let Some(packet) = rest.get(4..4 + length) else { break };
                if let Ok(Command::Rcpt { path }) = Command::read(packet) {
                    let said = written(&Answer::DeleteRecipient(path));
                    prop_assert_eq!(&said[1..said.len() - 1], path);
                }
                rest = &rest[4 + length..];
            }
        }

        #[test]
        fn m_09_a_reply_is_one_line_without_nul(text in "\\PC{0,600}|[%\r\n\0a]{0,600}") {
            let packet = written(&Answer::Reply(&Reply::new(550, (5, 7, 1), text)));
            let (last, line) = packet.split_last().unwrap();
            prop_assert_eq!(*last, 0);
            prop_assert!(line.len() <= REPLY_BYTES + 1);
            prop_assert!(line.iter().all(|b| *b == b' ' || b.is_ascii_graphic()));
            let singles = line.split(|b| *b != b'%').all(|run| run.len() % 2 == 0);
            prop_assert!(singles);
        }
    }
}

//! One linear pass over a message before any parser sees it.
//!
//! Foreign parsers recurse, allocate per part and can be made to take
//! seconds; this pass counts what would make them do so (RFC 2045, 2046,
//! 2231, 2047). A message that trips a limit is held raw and never parsed.
//! Where parsers differ it counts what the greediest would see.

mod field;
mod structure;

/// What a message may cost. Defaults as in `deploy/reprieve.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole message.
    pub size: usize,
    /// Bytes of the header block.
    pub header_bytes: usize,
    /// Header fields of the message.
    pub header_count: usize,
    /// Nesting of multiparts and message/rfc822 parts.
    pub depth: usize,
    /// MIME parts in all.
    pub parts: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { size: 25 << 20, header_bytes: 256 << 10, header_count: 1000, depth: 32, parts: 1000 }
    }
}

/// A limit that a message tripped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    Size,
    HeaderBytes,
    HeaderCount,
    Depth,
    Parts,
    /// So many RFC 2231 continuations, encoded words, addresses or nested
    /// comments that a parser would take seconds.
    Complexity,
}

/// A byte that must not stand in a message (RFC 5321 section 2.3.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stray {
    BareCr,
    BareLf,
    Nul,
}

/// What the pass found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    pub header_bytes: usize,
    pub header_count: usize,
    pub received_count: usize,
    pub parts: usize,
    pub depth: usize,
    /// The first limit that the message trips, if any.
    pub tripped: Option<Limit>,
    /// The first stray byte, if any.
    pub stray: Option<Stray>,
}

/// Reads `message` in time linear in its size. Memory: a few KiB, and the
/// decoded bytes of forwarded messages that are encoded as a whole.
pub fn scan(message: &[u8], limits: &Limits) -> Scan {
    let mut scan = Scan { parts: 1, ..Scan::default() };
    if message.len() > limits.size {
        scan.tripped = Some(Limit::Size);
        return scan;
    }
    let crlf = structure::walk(message, limits, &mut scan);
    // Three counts at memory speed tell that there is none.
    let clean = memchr::memchr_iter(b'\r', message).count() == crlf
        && memchr::memchr_iter(b'\n', message).count() == crlf
        && memchr::memchr(0, message).is_none();
    if !clean {
        scan.stray = stray(message);
    }
    scan
}

/// The first byte that RFC 5321 section 2.3.8 forbids. A message whose walk
/// ended early is read again here, because its line ends were not all counted.
fn stray(message: &[u8]) -> Option<Stray> {
    memchr::memchr3_iter(b'\r', b'\n', 0, message).find_map(|at| match message[at] {
        0 => Some(Stray::Nul),
        b'\r' if message.get(at + 1) != Some(&b'\n') => Some(Stray::BareCr),
        b'\n' if at == 0 || message[at - 1] != b'\r' => Some(Stray::BareLf),
        _ => None,
    })
}

#[cfg(test)]
mod tests;

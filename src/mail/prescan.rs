//! One linear pass over a message before any parser sees it.
//!
//! Foreign parsers recurse, allocate per part and can be made to take
//! seconds; this pass counts what would make them do so. A message that
//! trips a limit is held raw and never parsed.

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

/// Reads `message` once, in time linear in its size, without allocating more
/// than a few KiB.
pub fn scan(_message: &[u8], _limits: &Limits) -> Scan {
    todo!()
}

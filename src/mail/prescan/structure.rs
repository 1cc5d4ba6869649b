//! The walk over lines: which are header, which are boundaries, how deep.
//!
//! Boundaries count at the start of a line (RFC 2046 section 5.1.1) for the
//! structure and anywhere for the number of parts, because some parsers find
//! them anywhere. Two totals (lines that look like Content-Type, lines that
//! look like boundaries) hold whatever a parser makes of the structure.

use memchr::{memchr, memmem::Finder};

use super::field::{self, Complexity, Encoding, Facts};
use super::{Limit, Limits, Scan};
use crate::mail::decode;

/// Forwarded messages that are encoded as a whole are opened this deep.
const ENCODED_DEPTH: usize = 3;
/// What they may decode to, in messages of the largest size.
const DECODED_MESSAGES: usize = 2;
/// Boundaries that were left without being closed; ordinary mail has one or two.
const UNCLOSED: usize = 32;
/// Lines that look like a boundary, for each part that is allowed.
const DASHED_PER_PART: usize = 20;
/// Lines that look like a Content-Type field, for each part that is allowed.
const TYPED_PER_PART: usize = 2;
/// Header bytes of all parts together, in header blocks of the largest size.
const HEADER_BLOCKS: usize = 16;

/// Walks over `bytes` until its end or the first limit; gives back the number
/// of line ends that are CRLF.
pub(super) fn walk<'l>(bytes: &[u8], limits: &'l Limits, scan: &'l mut Scan) -> usize {
    let mut sums = Sums {
        limits,
        scan,
        complexity: Complexity::default(),
        header_bytes: 0,
        dashed: 0,
        typed: 0,
        decoded: 0,
    };
    Walk::new(bytes, 0, 0).run(&mut sums)
}

/// What is counted over the message and all that is decoded from it.
struct Sums<'l> {
    limits: &'l Limits,
    scan: &'l mut Scan,
    complexity: Complexity,
    header_bytes: usize,
    dashed: usize,
    typed: usize,
    decoded: usize,
}

/// The delimiter of a multipart.
struct Boundary {
    text: Vec<u8>,
    /// How many dashes `text` begins with.
    dashes: usize,
}

/// One level of nesting: a multipart, or a message inside of a part.
struct Level {
    /// `None` for a message, which ends with the multipart around it.
    boundary: Option<Boundary>,
    /// RFC 2046 section 5.1.5: parts without a type are messages.
    digest: bool,
}

/// A header block that is being read.
struct Header {
    start: usize,
    /// Where the field begins that is being read.
    field: usize,
    fields: usize,
    facts: Facts,
}

/// One run over a message's bytes.
struct Walk<'b> {
    bytes: &'b [u8],
    /// Levels around these bytes, if they were decoded out of a part.
    outside: usize,
    encoded_depth: usize,
    levels: Vec<Level>,
    /// Left by the structure, perhaps not by every parser.
    unclosed: Vec<Boundary>,
    edges: Edges,
    /// A boundary stood where some parsers see one and others do not.
    strange: bool,
    header: Option<Header>,
    /// The message's own header is still to be read to its end.
    top: bool,
    /// Start of the body of an encoded message, and how it is encoded.
    encoded: Option<(usize, Encoding)>,
}

impl Sums<'_> {
    fn trip(&mut self, limit: Limit) {
        self.scan.tripped.get_or_insert(limit);
    }

    fn add_parts(&mut self, parts: usize) {
        self.scan.parts += parts;
        if self.scan.parts > self.limits.parts {
            self.trip(Limit::Parts);
        }
    }

    fn reach(&mut self, depth: usize) {
        self.scan.depth = self.scan.depth.max(depth);
        if depth > self.limits.depth {
            self.trip(Limit::Depth);
        }
    }

    fn add_typed(&mut self) {
        self.typed += 1;
        if self.typed > self.limits.parts.saturating_mul(TYPED_PER_PART) {
            self.trip(Limit::Parts);
        }
    }

    fn add_dashed(&mut self) {
        self.dashed += 1;
        if self.dashed > self.limits.parts.saturating_mul(DASHED_PER_PART) {
            self.trip(Limit::Parts);
        }
    }
}

impl<'b> Walk<'b> {
    fn new(bytes: &'b [u8], outside: usize, encoded_depth: usize) -> Self {
        Self {
            bytes,
            outside,
            encoded_depth,
            levels: Vec::new(),
            unclosed: Vec::new(),
            edges: Edges([false; 256]),
            strange: false,
            header: Some(Header::at(0)),
            top: encoded_depth == 0,
            encoded: None,
        }
    }

    /// Reads all lines; gives back how many end with CRLF.
    fn run(mut self, sums: &mut Sums) -> usize {
        let dashes = Finder::new(b"--");
        let bytes = self.bytes;
        let mut dash = dashes.find(bytes);
        let mut start = 0;
        let mut crlf = 0;
        while start < bytes.len() && sums.scan.tripped.is_none() {
            let end = memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |at| start + at + 1);
            let line = &bytes[start..end];
            crlf += usize::from(line.ends_with(b"\r\n"));
            if self.header.is_some() {
                self.header_line(sums, start, line);
            } else if field::is_named(line, b"content-type") {
                sums.add_typed();
            }
            if dash.is_some_and(|at| at < end) {
                self.dashed_line(sums, start, line);
                dash = dashes.find(&bytes[end..]).map(|at| end + at);
            }
            start = end;
        }
        self.end_header(sums, bytes.len(), bytes.len());
        self.end_encoded(sums, bytes.len());
        crlf
    }

    /// A line while a header is read: a field begins or goes on, or the header
    /// ends.
    fn header_line(&mut self, sums: &mut Sums, start: usize, line: &[u8]) {
        let end = start + line.len();
        if matches!(line, b"\r\n" | b"\n") {
            self.end_header(sums, start, end);
            return;
        }
        let Some(header) = &mut self.header else { return };
        if start > header.field && !matches!(line[0], b' ' | b'\t') {
            header.end_field(sums, &self.bytes[header.field..start], self.top);
            header.field = start;
        }
        if end - header.start > sums.limits.header_bytes {
            sums.trip(Limit::HeaderBytes);
        }
    }

    /// The header block ends at `end`, what it heads begins at `body`.
    fn end_header(&mut self, sums: &mut Sums, end: usize, body: usize) {
        let Some(mut header) = self.header.take() else { return };
        header.end_field(sums, &self.bytes[header.field..end], self.top);
        if std::mem::take(&mut self.top) {
            sums.scan.header_bytes = end - header.start;
        }
        sums.header_bytes += end - header.start;
        if sums.header_bytes > sums.limits.header_bytes.saturating_mul(HEADER_BLOCKS) {
            sums.trip(Limit::Complexity);
        }
        let facts = header.facts;
        let in_digest = self.levels.last().is_some_and(|level| level.digest);
        for text in facts.boundaries {
            let boundary = Boundary::new(text);
            self.edges.add(&boundary);
            self.levels.push(Level { boundary: Some(boundary), digest: facts.digest });
        }
        if facts.message || in_digest && !facts.typed {
            if let Some(encoding) = facts.encoding {
                self.encoded = Some((body, encoding));
            } else {
                self.levels.push(Level { boundary: None, digest: false });
                self.header = Some(Header::at(body));
                sums.add_parts(1);
            }
        }
        sums.reach(self.outside + self.levels.len());
    }

    /// A line with `--` in it: perhaps a boundary.
    fn dashed_line(&mut self, sums: &mut Sums, start: usize, line: &[u8]) {
        let run = line.iter().take_while(|b| **b == b'-').count();
        if run >= 2 && line.get(run).is_some_and(|b| !b.is_ascii_whitespace()) {
            sums.add_dashed();
        }
        if self.levels.is_empty() && self.unclosed.is_empty() {
            return;
        }
        let hits = self.hits(line);
        sums.add_parts(hits);
        let delimiter = if run >= 2 { self.delimiter(&line[2..]) } else { None };
        self.strange |= hits != usize::from(delimiter.is_some());
        if let Some((at, closes)) = delimiter {
            self.end_encoded(sums, start);
            // A parser that knows no boundaries in a header has not seen it closed.
            let forget = closes && self.header.is_none() && !self.strange;
            self.end_header(sums, start, start);
            self.header = (!closes).then(|| Header::at(start + line.len()));
            self.leave(sums, if closes { at } else { at + 1 }, forget);
        }
    }

    /// How many boundaries, open or unclosed, stand anywhere in `line`.
    fn hits(&self, line: &[u8]) -> usize {
        let mut hits = 0;
        let mut from = 0;
        while let Some(dash) = memchr(b'-', &line[from..]) {
            let start = from + dash;
            let run = line[start..].iter().take_while(|b| **b == b'-').count();
            let end = start + run;
            if run >= 2 && self.edges.may_end(line, end) {
                let open = self.levels.iter().filter_map(|level| level.boundary.as_ref());
                hits += open.chain(&self.unclosed).map(|b| b.hits(line, run, end)).sum::<usize>();
            }
            from = end;
        }
        hits
    }

    /// The level whose boundary `rest` (behind `--`) is, and whether it closes
    /// it. The whole line counts before a mere beginning, the inner before the
    /// outer.
    fn delimiter(&self, rest: &[u8]) -> Option<(usize, bool)> {
        let trimmed = rest.trim_ascii_end();
        let of = |fits: &dyn Fn(&[u8]) -> bool| {
            self.levels.iter().rposition(|level| {
                level.boundary.as_ref().is_some_and(|boundary| fits(&boundary.text))
            })
        };
        let whole = |text: &[u8]| matches!(trimmed.strip_prefix(text), Some(b"" | b"--"));
        let at = of(&whole).or_else(|| of(&|text| trimmed.starts_with(text)))?;
        let text = self.levels[at].boundary.as_ref().map_or(&[][..], |b| &b.text);
        Some((at, trimmed[text.len()..].starts_with(b"--")))
    }

    /// Drops the levels from `keep` on. Their boundaries stay remembered,
    /// except that of level `keep` if it was closed in due form.
    fn leave(&mut self, sums: &mut Sums, keep: usize, closed: bool) {
        let left = self.levels.drain(keep..).enumerate();
        for (at, level) in left {
            let Some(boundary) = level.boundary.filter(|_| at > 0 || !closed) else { continue };
            if !self.unclosed.iter().any(|known| known.text == boundary.text) {
                self.unclosed.push(boundary);
            }
        }
        if self.unclosed.len() > UNCLOSED {
            sums.trip(Limit::Complexity);
        }
    }

    /// Decodes the encoded message that ends at `end`, and walks over it.
    fn end_encoded(&mut self, sums: &mut Sums, end: usize) {
        let Some((from, encoding)) = self.encoded.take() else { return };
        if self.encoded_depth == ENCODED_DEPTH {
            sums.trip(Limit::Depth);
        }
        if sums.scan.tripped.is_some() || from >= end {
            return;
        }
        let body = &self.bytes[from..end];
        let decoded = match encoding {
            Encoding::Base64 => decode::base64(body),
            Encoding::QuotedPrintable => decode::quoted_printable(body),
        };
        sums.decoded += decoded.len();
        if sums.decoded > sums.limits.size.saturating_mul(DECODED_MESSAGES) {
            sums.trip(Limit::Complexity);
            return;
        }
        sums.add_parts(1);
        let outside = self.outside + self.levels.len() + 1;
        sums.reach(outside);
        Walk::new(&decoded, outside, self.encoded_depth + 1).run(sums);
    }
}

impl Header {
    fn at(start: usize) -> Self {
        Self { start, field: start, fields: 0, facts: Facts::default() }
    }

    fn end_field(&mut self, sums: &mut Sums, raw: &[u8], top: bool) {
        if raw.is_empty() {
            return;
        }
        self.fields += 1;
        if top {
            sums.scan.header_count = self.fields;
            sums.scan.received_count += usize::from(field::is_named(raw, b"received"));
        }
        if self.fields > sums.limits.header_count {
            sums.trip(Limit::HeaderCount);
        }
        if field::is_named(raw, b"content-type") {
            sums.add_typed();
        }
        if !self.facts.read(raw) || !sums.complexity.add(raw) {
            sums.trip(Limit::Complexity);
        }
    }
}

impl Boundary {
    fn new(text: Vec<u8>) -> Self {
        let dashes = text.iter().take_while(|b| **b == b'-').count();
        Self { text, dashes }
    }

    /// How often `--` and the boundary end with the run of `run` dashes that
    /// ends at `end`: for each run there is one place where they could.
    fn hits(&self, line: &[u8], run: usize, end: usize) -> usize {
        if self.dashes == self.text.len() {
            run / (self.dashes + 2)
        } else {
            let fits = run >= self.dashes + 2 && line[end - self.dashes..].starts_with(&self.text);
            usize::from(fits)
        }
    }
}

/// The bytes with which some boundary goes on behind its dashes.
struct Edges([bool; 256]);

impl Edges {
    fn add(&mut self, boundary: &Boundary) {
        match boundary.text.get(boundary.dashes) {
            Some(byte) => self.0[usize::from(*byte)] = true,
            None => self.0 = [true; 256],
        }
    }

    /// Whether a run of dashes that ends at `end` may belong to a boundary.
    fn may_end(&self, line: &[u8], end: usize) -> bool {
        line.get(end).is_none_or(|byte| self.0[usize::from(*byte)])
    }
}

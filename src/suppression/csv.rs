//! Lists from spreadsheets, and logs for them.
//!
//! RFC 4180 as the world writes it: comma, semicolon, tab or bar; UTF-8 with
//! or without its mark, UTF-16 with one, else Shift_JIS. What goes out never
//! begins a formula (ATTACKS C-01).

use std::io::{self, Read};

use encoding_rs::{Decoder, Encoding, SHIFT_JIS, UTF_8};

use crate::mail::{Address, AddressError};

/// Why a file is no list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CsvError {
    #[error("{0}")]
    Io(String),
    #[error("line {0} is no CSV: {1}")]
    Csv(u64, String),
    #[error("no column is called {0:?}; there are: {1}")]
    NoColumn(String, String),
    #[error("it is empty")]
    Empty,
}

/// Bytes from which encoding and separator are recognised.
const SAMPLE: usize = 64 << 10;
/// A cell longer than this is no address.
const CELL: usize = 1024;
/// Bytes of one row: a quotation mark that is never closed makes one of all
/// that follows.
const ROW: usize = 1 << 20;

/// The cells of one column, one row after the other.
pub struct Rows<R: Read> {
    reader: csv::Reader<Utf8<io::Chain<io::Cursor<Vec<u8>>, R>>>,
    record: csv::StringRecord,
    column: usize,
    /// The first row is no heading, but an address already.
    first: Option<(u64, String)>,
    cell: String,
}

impl From<io::Error> for CsvError {
    fn from(error: io::Error) -> Self {
        Self::Io(error.to_string())
    }
}

impl<R: Read> Rows<R> {
    /// Opens a file and finds the column: by its name, or where it has none,
    /// the one in which an address stands.
    ///
    /// # Errors
    /// [`CsvError`], a sentence.
    pub fn open(mut file: R, column: &str) -> Result<Self, CsvError> {
        let mut sample = vec![0; SAMPLE];
        let mut length = 0;
        while length < SAMPLE {
            match file.read(&mut sample[length..])? {
                0 => break,
                read => length += read,
            }
        }
        sample.truncate(length);
        let encoding = recognise(&sample);
        let separator = separator(&encoding.decode(&sample).0);
        let text = Utf8::new(io::Cursor::new(sample).chain(file), encoding);
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(separator)
            .from_reader(text);
        let mut record = csv::StringRecord::new();
        if !read(&mut reader, &mut record)? {
            return Err(CsvError::Empty);
        }
        let heads: Vec<&str> = record.iter().map(str::trim).collect();
        let looks = |cell: &&str| address(cell).is_ok();
        let (at, first) = if let Some(at) = heads.iter().position(|head| {
            !column.is_empty() && head.to_lowercase() == column.trim().to_lowercase()
        }) {
            (at, None)
        } else if let Some(at) = heads.iter().position(looks).filter(|_| column.is_empty()) {
            (at, Some((1, heads[at].to_owned())))
        } else if column.is_empty() {
            let named = |head: &&str| {
                let head = head.to_lowercase();
                ["address", "mail", "アドレス", "osoite"].iter().any(|word| head.contains(word))
            };
            (heads.iter().position(named).unwrap_or(0), None)
        } else {
            return Err(CsvError::NoColumn(column.to_owned(), heads.join(", ")));
        };
        Ok(Self { reader, record, column: at, first, cell: String::new() })
    }

    /// The next row's line number and cell; empty lines are no rows.
    ///
    /// # Errors
    /// [`CsvError`] if the file ends badly.
    #[expect(clippy::should_implement_trait, reason = "a cell is lent, not given")]
    pub fn next(&mut self) -> Result<Option<(u64, &str)>, CsvError> {
        if let Some((line, cell)) = self.first.take() {
            self.cell = cell;
            return Ok(Some((line, &self.cell)));
        }
        if !read(&mut self.reader, &mut self.record)? {
            return Ok(None);
        }
        let line = self.record.position().map_or(0, csv::Position::line);
        let cell = self.record.get(self.column).unwrap_or("");
        Ok(Some((line, cell.trim())))
    }
}

fn read<R: Read>(
    reader: &mut csv::Reader<Utf8<R>>,
    into: &mut csv::StringRecord,
) -> Result<bool, CsvError> {
    let line = reader.position().line();
    reader.get_mut().row = 0;
    reader.read_record(into).map_err(|error| CsvError::Csv(line, error.to_string()))
}

/// Why a cell is no address for the list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    #[error("it is too long")]
    TooLong,
    #[error("patterns are not taken; write each address")]
    Pattern,
    #[error(transparent)]
    NoAddress(#[from] AddressError),
    #[error("this address may never be suppressed")]
    Never,
}

/// An address from a cell, or why it is none (ATTACKS C-03: patterns and
/// domains are not taken for addresses).
///
/// # Errors
/// [`Wrong`], a sentence.
pub fn address(cell: &str) -> Result<Address, Wrong> {
    let cell = cell.trim();
    if cell.len() > CELL {
        return Err(Wrong::TooLong);
    }
    // What an export of ours put in front of a formula.
    let cell = cell.strip_prefix('\'').unwrap_or(cell);
    if cell.contains('*') {
        return Err(Wrong::Pattern);
    }
    Ok(Address::parse_utf8(cell)?)
}

/// A cell as it may go into a spreadsheet: what would begin a formula gets an
/// apostrophe in front (OWASP "CSV Injection").
pub fn cell(text: &str) -> String {
    let starts = ['=', '+', '-', '@', '\t', '\r', '\0', '＝', '＋', '－', '＠'];
    if text.starts_with(starts) { format!("'{text}") } else { text.to_owned() }
}

/// A file's beginning: rows as [`lines`] writes them, behind the mark that
/// spreadsheets want for UTF-8.
pub fn write<'a>(rows: impl IntoIterator<Item = Vec<&'a str>>) -> Vec<u8> {
    [b"\xef\xbb\xbf".to_vec(), lines(rows)].concat()
}

/// Rows as CSV bytes, every cell quoted, CRLF line ends.
pub fn lines<'a>(rows: impl IntoIterator<Item = Vec<&'a str>>) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new()
        .quote_style(csv::QuoteStyle::Always)
        .terminator(csv::Terminator::CRLF)
        .flexible(true)
        .from_writer(Vec::new());
    for row in rows {
        // Writing to memory does not fail.
        let _ = writer.write_record(row.iter().map(|text| cell(text)));
    }
    writer.into_inner().unwrap_or_default()
}

/// By its mark, else UTF-8 if the sample is, else Shift_JIS.
fn recognise(sample: &[u8]) -> &'static Encoding {
    if let Some((encoding, _)) = Encoding::for_bom(sample) {
        return encoding;
    }
    match std::str::from_utf8(sample) {
        Ok(_) => UTF_8,
        // A character cut by the sample's end is no fault.
        Err(error) if error.error_len().is_none() => UTF_8,
        Err(_) => SHIFT_JIS,
    }
}

/// The separator that stands most often in the first line.
fn separator(sample: &str) -> u8 {
    let line = sample.trim_start_matches('\u{feff}').lines().next().unwrap_or("");
    let count = |c: u8| line.bytes().filter(|b| *b == c).count();
    let best = b",;\t|".iter().max_by_key(|c| (count(**c), **c == b','));
    best.copied().filter(|c| count(*c) > 0).unwrap_or(b',')
}

/// Any encoding as UTF-8, some KiB at a time.
struct Utf8<R> {
    from: R,
    decoder: Decoder,
    raw: Vec<u8>,
    text: Vec<u8>,
    given: usize,
    ended: bool,
    /// A CR was read, and what comes next decides about it.
    cr: bool,
    /// Bytes given since a row was begun.
    row: usize,
}

impl<R: Read> Utf8<R> {
    fn new(from: R, encoding: &'static Encoding) -> Self {
        let decoder = encoding.new_decoder();
        Self {
            from,
            decoder,
            raw: vec![0; 16 << 10],
            text: Vec::new(),
            given: 0,
            ended: false,
            cr: false,
            row: 0,
        }
    }

    fn refill(&mut self) -> io::Result<()> {
        let read = self.from.read(&mut self.raw)?;
        self.ended = read == 0;
        let most = self.decoder.max_utf8_buffer_length(read).unwrap_or(64 << 10);
        self.text.resize(most, 0);
        let (_, _, written, _) =
            self.decoder.decode_to_utf8(&self.raw[..read], &mut self.text, self.ended);
        self.text.truncate(written);
        self.join_line_ends();
        self.given = 0;
        Ok(())
    }

    /// CRLF becomes LF: the parser would count the line after it too late.
    fn join_line_ends(&mut self) {
        let mut joined = Vec::with_capacity(self.text.len() + 1);
        for &byte in &self.text {
            if std::mem::take(&mut self.cr) && byte != b'\n' {
                joined.push(b'\r');
            }
            match byte {
                b'\r' => self.cr = true,
                byte => joined.push(byte),
            }
        }
        if self.ended && std::mem::take(&mut self.cr) {
            joined.push(b'\r');
        }
        self.text = joined;
    }
}

impl<R: Read> Read for Utf8<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() && !self.ended {
            self.refill()?;
        }
        let rest = &self.text[self.given..];
        let length = rest.len().min(into.len());
        into[..length].copy_from_slice(&rest[..length]);
        self.given += length;
        self.row += length;
        if self.row > ROW {
            return Err(io::Error::other("a row is longer than 1 MiB"));
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8], column: &str) -> Vec<(u64, String)> {
        let mut rows = Rows::open(bytes, column).unwrap();
        let mut found = Vec::new();
        while let Some((line, cell)) = rows.next().unwrap() {
            found.push((line, cell.to_owned()));
        }
        found
    }

    #[test]
    fn c_01_no_cell_begins_a_formula() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\0x", "＝1"] {
            assert!(cell(text).starts_with('\''), "{text:?}");
        }
        let written = write([vec!["a@b.example", "=cmd|' /C calc'!A0"]]);
        let text = String::from_utf8(written).unwrap();
        assert_eq!(text, "\u{feff}\"a@b.example\",\"'=cmd|' /C calc'!A0\"\r\n");
    }

    #[test]
    fn c_03_what_is_no_address_is_refused() {
        for text in
            ["*", "@", "*@*", ".com", "", "a@", "@b.example", "a b@c.example", "a@[192.0.2.1]"]
        {
            assert!(address(text).is_err(), "{text}");
        }
        let one = address(" Anna@BÜCHER.example ").unwrap();
        assert_eq!(one.canonical().to_string(), "anna@xn--bcher-kva.example");
    }

    #[test]
    fn columns_separators_and_encodings_are_recognised() {
        let expected = vec![(2, "a@b.example".to_owned()), (3, "c@d.example".to_owned())];
        assert_eq!(all(b"name,mail\nA,a@b.example\nC,c@d.example\n", "mail"), expected);
        assert_eq!(all(b"name;MAIL\r\nA;a@b.example\r\nC;c@d.example", "Mail"), expected);
        assert_eq!(
            all(b"\xef\xbb\xbfmail\tname\na@b.example\tA\nc@d.example\tC\n", "mail"),
            expected
        );
        let shift_jis =
            SHIFT_JIS.encode("名前,メールアドレス\n山田,a@b.example\n鈴木,c@d.example\n").0;
        assert_eq!(all(&shift_jis, "メールアドレス"), expected);
        assert_eq!(all(&shift_jis, ""), expected);
        let utf16: Vec<u8> = std::iter::once(0xfeff)
            .chain("mail\na@b.example\nc@d.example\n".encode_utf16())
            .flat_map(u16::to_le_bytes)
            .collect();
        assert_eq!(all(&utf16, "mail"), expected);
        assert_eq!(all(b"a@b.example\nc@d.example\n", "").len(), 2);
        assert!(matches!(Rows::open(&b"x,y\n"[..], "mail"), Err(CsvError::NoColumn(..))));
        assert!(matches!(Rows::open(&b""[..], ""), Err(CsvError::Empty)));
    }

    #[test]
    fn a_row_without_end_is_refused() {
        let open = ["mail\n\"", &"a@b.example\n".repeat(ROW / 8)].concat();
        let mut rows = Rows::open(open.as_bytes(), "mail").unwrap();
        let refused = rows.next().unwrap_err().to_string();
        assert!(refused.starts_with("line 2 is no CSV"), "{refused}");
        let closed = open.replace('"', "");
        assert_eq!(all(closed.as_bytes(), "mail").len(), ROW / 8);
    }
}

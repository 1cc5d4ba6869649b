//! Archives, opened within limits: ZIP by its central directory (PKWARE
//! APPNOTE 4.3), gzip (RFC 1952), tar.
//!
//! Own reader because the limits are the point: nothing is allocated for an
//! entry that the file only claims to have, and nothing is inflated beyond
//! the message's budget. A file whose directory lies is broken, not empty.

use std::io::Read;

use flate2::read::{DeflateDecoder, GzDecoder};

/// What the archives of one message may cost together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Archives within archives.
    pub depth: usize,
    pub files: usize,
    /// Bytes inflated. Only nested archives are inflated whole.
    pub inflated: usize,
    /// Claimed bytes per packed byte, for archives that claim over 100 MiB.
    pub factor: u64,
}

/// Bytes that an archive may claim whatever its factor.
const CLAIMED: u64 = 100 << 20;
/// The first bytes of a file, which tell its kind.
const HEAD: usize = 4096;
/// The same where they do not.
const MORE: usize = 1 << 20;
/// The end record and the longest comment behind it.
const END_RECORD: usize = 22 + 65_535;

impl Default for Limits {
    fn default() -> Self {
        Self { depth: 15, files: 1500, inflated: 32 << 20, factor: 100 }
    }
}

/// Why an archive was not looked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    Encrypted,
    /// Made to cost whoever opens it.
    Bomb,
    Limit,
    Broken,
}

/// What is left of the limits.
pub struct Budget {
    limits: Limits,
    files: usize,
    inflated: usize,
}

impl Budget {
    pub fn new(limits: &Limits) -> Self {
        Self { limits: *limits, files: limits.files, inflated: limits.inflated }
    }

    pub fn descend(&self, depth: usize) -> Result<(), Trouble> {
        if depth >= self.limits.depth { Err(Trouble::Bomb) } else { Ok(()) }
    }

    pub fn file(&mut self) -> Result<(), Trouble> {
        self.files = self.files.checked_sub(1).ok_or(Trouble::Limit)?;
        Ok(())
    }

    /// Whether so few bytes say that they unpack to so many.
    fn is_absurd(&self, claimed: u64, packed: u64) -> bool {
        claimed > CLAIMED && claimed / packed.max(1) > self.limits.factor
    }

    /// Reads at most `most` bytes, within the budget.
    fn read(&mut self, from: impl Read, most: usize) -> Result<Vec<u8>, Trouble> {
        let allowed = most.min(self.inflated);
        let mut bytes = Vec::new();
        let mut from = from.take(allowed as u64 + 1);
        // A stream that breaks off still shows what came before.
        let broken = from.read_to_end(&mut bytes).is_err();
        self.inflated = self.inflated.saturating_sub(bytes.len());
        if bytes.len() > allowed {
            bytes.truncate(allowed);
            if allowed < most {
                return Err(Trouble::Limit);
            }
        }
        if broken && bytes.is_empty() { Err(Trouble::Broken) } else { Ok(bytes) }
    }
}

pub struct Archive<'a> {
    pub entries: Vec<Entry<'a>>,
}

#[derive(Debug)]
pub struct Entry<'a> {
    pub name: String,
    pub encrypted: bool,
    packing: Packing,
    packed: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packing {
    Stored,
    Deflate,
    Gzip,
    /// A method that is not read here.
    Unknown,
}

impl Entry<'_> {
    /// The first bytes of its content.
    pub fn head(&self, budget: &mut Budget) -> Result<Vec<u8>, Trouble> {
        self.inflate(budget, HEAD)
    }

    /// As much as tells the kind of an image of a disk or an old document.
    pub fn more(&self, budget: &mut Budget) -> Result<Vec<u8>, Trouble> {
        self.inflate(budget, MORE)
    }

    /// All of its content.
    pub fn whole(&self, budget: &mut Budget) -> Result<Vec<u8>, Trouble> {
        self.inflate(budget, usize::MAX)
    }

    fn inflate(&self, budget: &mut Budget, most: usize) -> Result<Vec<u8>, Trouble> {
        match self.packing {
            Packing::Stored => budget.read(self.packed, most),
            Packing::Deflate => budget.read(DeflateDecoder::new(self.packed), most),
            Packing::Gzip => budget.read(GzDecoder::new(self.packed), most),
            Packing::Unknown => Err(Trouble::Limit),
        }
    }
}

impl<'a> Archive<'a> {
    /// A gzip file is an archive of one entry, called like the file without
    /// its `.gz`. Its last bytes claim what it unpacks to.
    ///
    /// # Errors
    /// [`Trouble::Bomb`] for an absurd claim.
    pub fn gzip(name: &str, file: &'a [u8], budget: &Budget) -> Result<Self, Trouble> {
        let claims = file.last_chunk::<4>().map_or(0, |four| u32::from_le_bytes(*four));
        if budget.is_absurd(claims.into(), file.len() as u64) {
            return Err(Trouble::Bomb);
        }
        let name = name.get(..name.len().saturating_sub(3)).unwrap_or_default().to_owned();
        let entry = Entry { name, encrypted: false, packing: Packing::Gzip, packed: file };
        Ok(Self { entries: vec![entry] })
    }

    /// Reads the central directory.
    ///
    /// # Errors
    /// [`Trouble::Bomb`] for overlapping entries and absurd claims,
    /// [`Trouble::Limit`] for too many entries and for ZIP64,
    /// [`Trouble::Broken`] for a directory that is not there.
    pub fn zip(file: &'a [u8], budget: &Budget) -> Result<Self, Trouble> {
        let end = end_record(file).ok_or(Trouble::Broken)?;
        let count = usize::from(u16_at(end, 10).ok_or(Trouble::Broken)?);
        let start = u32_at(end, 16).ok_or(Trouble::Broken)?;
        if count > budget.files || start == u32::MAX {
            return Err(Trouble::Limit);
        }
        let mut directory = file.get(start as usize..).ok_or(Trouble::Broken)?;
        let mut entries = Vec::with_capacity(count.min(64));
        let (mut packed, mut claimed) = (0_u64, 0_u64);
        for _ in 0..count {
            let (entry, claims, rest) = entry(file, directory).ok_or(Trouble::Broken)?;
            directory = rest;
            packed += entry.packed.len() as u64;
            claimed += claims;
            entries.push(entry);
        }
        if packed > file.len() as u64 || budget.is_absurd(claimed, packed) {
            return Err(Trouble::Bomb);
        }
        Ok(Self { entries })
    }
}

fn end_record(file: &[u8]) -> Option<&[u8]> {
    let tail = &file[file.len().saturating_sub(END_RECORD)..];
    let at = memchr::memmem::rfind(tail, b"PK\x05\x06")?;
    tail.get(at..).filter(|record| record.len() >= 22)
}

/// One entry of the central directory, what it claims to unpack to, and the
/// rest of the directory.
fn entry<'a>(file: &'a [u8], directory: &'a [u8]) -> Option<(Entry<'a>, u64, &'a [u8])> {
    if !directory.starts_with(b"PK\x01\x02") {
        return None;
    }
    let flags = u16_at(directory, 8)?;
    let method = u16_at(directory, 10)?;
    let packed_length = u32_at(directory, 20)? as usize;
    let claims = u64::from(u32_at(directory, 24)?);
    let name_length = usize::from(u16_at(directory, 28)?);
    let more = usize::from(u16_at(directory, 30)?) + usize::from(u16_at(directory, 32)?);
    let offset = u32_at(directory, 42)? as usize;
    let name = directory.get(46..46 + name_length)?;
    let rest = directory.get(46 + name_length + more..)?;

    let local = file.get(offset..)?;
    if !local.starts_with(b"PK\x03\x04") {
        return None;
    }
    let skip = 30 + usize::from(u16_at(local, 26)?) + usize::from(u16_at(local, 28)?);
    let packed = local.get(skip..)?.get(..packed_length)?;
    let packing = match method {
        0 => Packing::Stored,
        8 => Packing::Deflate,
        _ => Packing::Unknown,
    };
    let entry = Entry {
        name: String::from_utf8_lossy(name).into_owned(),
        encrypted: flags & 1 == 1,
        packing,
        packed,
    };
    Some((entry, claims, rest))
}

/// Names and contents of a tar archive (POSIX ustar); stops at what is none.
pub fn tar(file: &[u8]) -> Vec<(String, &[u8])> {
    let mut entries = Vec::new();
    let mut rest = file;
    while let Some(header) = rest.get(..512)
        && header.get(257..262) == Some(b"ustar")
    {
        let text = |bytes: &[u8]| {
            let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
            String::from_utf8_lossy(&bytes[..end]).trim().to_owned()
        };
        let size = usize::from_str_radix(&text(&header[124..136]), 8).unwrap_or(usize::MAX);
        let Some(content) = rest.get(512..).and_then(|after| after.get(..size)) else {
            break;
        };
        entries.push((text(&header[..100]), content));
        rest = rest.get(512 + size.div_ceil(512) * 512..).unwrap_or_default();
    }
    entries
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

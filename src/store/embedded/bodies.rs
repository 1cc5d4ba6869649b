//! Messages on disk: append-only segments, one family for each expiry day.
//!
//! A stored body is a header (magic, id, lengths, checksum) and its payload,
//! one zstd frame. Bodies above 256 KiB get a file of their own, which the
//! session syncs. Where a body stands is a key in the index, written by the
//! batch that stores it; erasing punches out the payload and never the header,
//! and only unlinking a whole segment gives all of its space back.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use rustix::fs::FallocateFlags;

use super::disk::{Disk, sync_folder};
use super::frame::{u32_at, u64_at};
use crate::clock::Timestamp;
use crate::store::{BodyId, Fault};

/// Key byte of body locations.
pub(super) const LOCATIONS: u8 = 0xf0;
/// Raw bytes above which a body gets a file of its own.
pub(super) const LARGE: usize = 256 * 1024;
/// Bytes before a payload.
const HEADER: usize = 40;
const MAGIC: [u8; 4] = *b"RPB1";

/// A day of expiry as a number that reads as a date: 20251224.
pub(super) type Day = u32;

pub(super) fn day_of(time: Timestamp) -> Day {
    let date = time.to_zoned(jiff::tz::TimeZone::UTC).date();
    let year = u32::try_from(date.year()).unwrap_or(0);
    year * 10_000
        + u32::from(date.month().unsigned_abs()) * 100
        + u32::from(date.day().unsigned_abs())
}

/// A segment: its day, its serial number, its file.
pub(super) type Segment = (Day, u64, PathBuf);

/// A large body's file.
pub(super) type LargeFile = (BodyId, PathBuf);

/// The key under which a body's location stands.
pub(super) fn location_key(id: BodyId) -> Vec<u8> {
    let mut key = Vec::with_capacity(17);
    key.push(LOCATIONS);
    key.extend_from_slice(id.as_bytes());
    key
}

/// Where a body stands and how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Location {
    pub day: Day,
    pub place: Place,
    /// Bytes of the payload.
    pub stored: u32,
    /// Bytes of the content.
    pub raw: u32,
    /// CRC-32C of the payload.
    pub checksum: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Segment { serial: u64, offset: u64 },
    File { nonce: u64 },
}

impl Location {
    pub fn to_bytes(self) -> [u8; 34] {
        let (kind, serial, offset) = match self.place {
            Place::Segment { serial, offset } => (0, serial, offset),
            Place::File { nonce } => (1, nonce, 0),
        };
        let mut bytes = [0; 34];
        bytes[0] = 1;
        bytes[1] = kind;
        bytes[2..6].copy_from_slice(&self.day.to_le_bytes());
        bytes[6..14].copy_from_slice(&serial.to_le_bytes());
        bytes[14..22].copy_from_slice(&offset.to_le_bytes());
        bytes[22..26].copy_from_slice(&self.stored.to_le_bytes());
        bytes[26..30].copy_from_slice(&self.raw.to_le_bytes());
        bytes[30..].copy_from_slice(&self.checksum.to_le_bytes());
        bytes
    }

    /// The segment that it stands in and the byte behind it.
    pub fn end(&self) -> Option<((Day, u64), u64)> {
        match self.place {
            Place::Segment { serial, offset } => {
                let end = offset + HEADER as u64 + u64::from(self.stored);
                Some(((self.day, serial), end))
            }
            Place::File { .. } => None,
        }
    }

    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != 34 || bytes[0] != 1 {
            return None;
        }
        let (serial, offset) = (u64_at(bytes, 6), u64_at(bytes, 14));
        let place = match bytes[1] {
            0 => Place::Segment { serial, offset },
            1 => Place::File { nonce: serial },
            _ => return None,
        };
        let (day, stored) = (u32_at(bytes, 2), u32_at(bytes, 22));
        Some(Self { day, place, stored, raw: u32_at(bytes, 26), checksum: u32_at(bytes, 30) })
    }
}

/// The folder of bodies: reading, erasing, sweeping. Clones share it.
#[derive(Clone)]
pub(super) struct Bodies {
    pub(super) folder: PathBuf,
    pub(super) disk: Disk,
    /// Large files whose batch has not been answered: no sweep takes them.
    in_flight: Arc<Mutex<HashSet<PathBuf>>>,
    /// Segments that the committer writes to: no sweep takes them either.
    pub(super) open: OpenSegments,
}

/// The segments that the committer writes to now, by day and serial number.
pub(super) type OpenSegments = Arc<Mutex<HashSet<(Day, u64)>>>;

/// A body on its way to the committer: compressed, checked.
#[derive(Debug)]
pub(super) struct Packed {
    pub id: BodyId,
    pub day: Day,
    pub raw: u32,
    pub checksum: u32,
    pub content: Content,
}

impl Packed {
    /// Bytes that wait for the committer.
    pub fn queued(&self) -> usize {
        match &self.content {
            Content::Small(payload) => payload.len() + HEADER,
            Content::Large(_) => HEADER,
        }
    }
}

#[derive(Debug)]
pub(super) enum Content {
    /// The payload, to be appended by the committer.
    Small(Vec<u8>),
    /// Already durable in a file of its own.
    Large(Large),
}

/// A large body's file; it is removed again unless its batch was carried out.
#[derive(Debug)]
pub(super) struct Large {
    path: PathBuf,
    in_flight: Arc<Mutex<HashSet<PathBuf>>>,
    pub nonce: u64,
    pub stored: u32,
    pub keep: bool,
}

impl Large {
    pub fn location(&self, body: &Packed) -> Location {
        let (day, raw, checksum) = (body.day, body.raw, body.checksum);
        Location {
            day,
            place: Place::File { nonce: self.nonce },
            stored: self.stored,
            raw,
            checksum,
        }
    }
}

impl Drop for Large {
    fn drop(&mut self) {
        if !self.keep {
            let _ = fs::remove_file(&self.path);
        }
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.path);
    }
}

impl Bodies {
    pub fn new(folder: PathBuf, disk: Disk) -> Self {
        Self { folder, disk, in_flight: Arc::default(), open: Arc::default() }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Compresses a body; a large one is written and synced here as well.
    pub fn pack(&self, body: &crate::store::Body, level: i32) -> io::Result<Packed> {
        let raw = u32::try_from(body.content.len()).map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidInput, "a body of more than 4 GiB")
        })?;
        let payload = compress(&body.content, level)?;
        let checksum = crc32c::crc32c(&payload);
        let day = day_of(body.expires);
        let content = if body.content.len() > LARGE {
            Content::Large(self.write_large(body.id, day, raw, checksum, &payload)?)
        } else {
            Content::Small(payload)
        };
        Ok(Packed { id: body.id, day, raw, checksum, content })
    }

    fn write_large(
        &self,
        id: BodyId,
        day: Day,
        raw: u32,
        checksum: u32,
        payload: &[u8],
    ) -> io::Result<Large> {
        let nonce = getrandom::u64().map_err(io::Error::other)?;
        let path = self.file_path(id, day, nonce);
        let stored = u32::try_from(payload.len()).map_err(io::Error::other)?;
        let in_flight = Arc::clone(&self.in_flight);
        in_flight.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone());
        let large = Large { path, in_flight, nonce, stored, keep: false };
        let file = OpenOptions::new().write(true).create_new(true).open(&large.path)?;
        self.disk.write(&file, &header(id, stored, raw, checksum), 0)?;
        self.disk.write(&file, payload, HEADER as u64)?;
        self.disk.sync(&file)?;
        sync_folder(&self.folder)?;
        Ok(large)
    }

    /// Reads a body back and checks it.
    pub fn read(&self, id: BodyId, location: &Location) -> Result<Bytes, Fault> {
        let payload = self.payload(id, location)?;
        let content = zstd::bulk::decompress(&payload, location.raw as usize);
        match content {
            Ok(content) if content.len() == location.raw as usize => Ok(Bytes::from(content)),
            Ok(_) => Err(Fault::Damaged(format!("body {id} has another length than was stored"))),
            Err(error) => Err(Fault::Damaged(format!("body {id}: {error}"))),
        }
    }

    /// The payload as it is stored, its header and checksum checked.
    pub fn payload(&self, id: BodyId, location: &Location) -> Result<Vec<u8>, Fault> {
        let (path, offset) = self.place(id, location);
        let mut bytes = vec![0; HEADER + location.stored as usize];
        let read = File::open(&path).and_then(|file| file.read_exact_at(&mut bytes, offset));
        read.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof => {
                Fault::Damaged(format!("body {id} is missing from {}", path.display()))
            }
            _ => Fault::Unavailable(format!("{}: {error}", path.display())),
        })?;
        let payload = bytes.split_off(HEADER);
        let wanted = header(id, location.stored, location.raw, location.checksum);
        if bytes != wanted || crc32c::crc32c(&payload) != location.checksum {
            let path = path.display();
            return Err(Fault::Damaged(format!("body {id} at byte {offset} of {path}")));
        }
        Ok(payload)
    }

    /// Puts a payload where a backup says that it stood.
    pub fn put_back(&self, id: BodyId, location: &Location, payload: &[u8]) -> io::Result<()> {
        let (path, offset) = self.place(id, location);
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        self.disk.write(
            &file,
            &header(id, location.stored, location.raw, location.checksum),
            offset,
        )?;
        self.disk.write(&file, payload, offset + HEADER as u64)
    }

    /// Erases the payload; its header stays. Answers the file that is to be
    /// synced, if one still stands.
    pub fn erase(&self, id: BodyId, location: &Location) -> io::Result<Option<PathBuf>> {
        let (path, offset) = self.place(id, location);
        if matches!(location.place, Place::File { .. }) {
            return match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(Some(self.folder.clone())),
            };
        }
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        // Another body never loses bytes to an erasure that is replayed.
        let mut found = [0; HEADER];
        let wanted = header(id, location.stored, location.raw, location.checksum);
        if file.read_exact_at(&mut found, offset).is_err() || found != wanted {
            return Ok(None);
        }
        let (start, length) = (offset + HEADER as u64, u64::from(location.stored));
        let mode = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        if length > 0 && rustix::fs::fallocate(&file, mode, start, length).is_err() {
            file.write_all_at(&vec![0; location.stored as usize], start)?;
        }
        Ok(Some(path))
    }

    /// The segments, as (day, serial, path), and the large files, as (id, path).
    pub fn list(&self) -> io::Result<(Vec<Segment>, Vec<LargeFile>)> {
        let (mut segments, mut files) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if let Some((day, serial)) =
                name.strip_suffix(".bodies").and_then(|n| n.split_once('-'))
                && let (Ok(day), Ok(serial)) = (day.parse(), u64::from_str_radix(serial, 16))
            {
                segments.push((day, serial, path));
            } else if let Some(rest) = name.strip_suffix(".body").and_then(|n| n.get(9..41))
                && let Ok(id) = BodyId::try_parse(rest)
            {
                files.push((id, path));
            }
        }
        segments.sort();
        Ok((segments, files))
    }

    pub fn is_in_flight(&self, path: &Path) -> bool {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner).contains(path)
    }

    /// Segments that are being written to now.
    pub fn open_segments(&self) -> HashSet<(Day, u64)> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The file that holds a body.
    pub fn path(&self, id: BodyId, location: &Location) -> PathBuf {
        self.place(id, location).0
    }

    fn place(&self, id: BodyId, location: &Location) -> (PathBuf, u64) {
        match location.place {
            Place::Segment { serial, offset } => {
                (segment_path(&self.folder, location.day, serial), offset)
            }
            Place::File { nonce } => (self.file_path(id, location.day, nonce), 0),
        }
    }

    fn file_path(&self, id: BodyId, day: Day, nonce: u64) -> PathBuf {
        self.folder.join(format!("{day:08}-{}-{nonce:016x}.body", id.simple()))
    }
}

pub(super) fn segment_path(folder: &Path, day: Day, serial: u64) -> PathBuf {
    folder.join(format!("{day:08}-{serial:016x}.bodies"))
}

pub(super) fn header(id: BodyId, stored: u32, raw: u32, checksum: u32) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[..4].copy_from_slice(&MAGIC);
    bytes[4..20].copy_from_slice(id.as_bytes());
    bytes[20..24].copy_from_slice(&stored.to_le_bytes());
    bytes[24..28].copy_from_slice(&raw.to_le_bytes());
    bytes[28..32].copy_from_slice(&checksum.to_le_bytes());
    let own = crc32c::crc32c(&bytes[..36]);
    bytes[36..].copy_from_slice(&own.to_le_bytes());
    bytes
}

/// One zstd frame; a context costs more than a message, so threads keep one.
fn compress(content: &[u8], level: i32) -> io::Result<Vec<u8>> {
    use std::cell::RefCell;
    thread_local! {
        static CONTEXT: RefCell<Option<(i32, zstd::bulk::Compressor<'static>)>> =
            const { RefCell::new(None) };
    }
    CONTEXT.with_borrow_mut(|kept| {
        if kept.as_ref().is_none_or(|(for_level, _)| *for_level != level) {
            *kept = Some((level, zstd::bulk::Compressor::new(level)?));
        }
        let (_, compressor) = kept.as_mut().expect("set above");
        compressor.compress(content)
    })
}

//! The journal: append-only segments of frames, and the only truth.
//!
//! A segment begins with a header (magic, format, salt, first sequence number,
//! checksum of the group before, own checksum) that is durable before its
//! first frame. Only the last group of the last segment can tear, and
//! [`walk`] tells that from rot; everything else refuses to start. While the
//! store is busy, zeros stand behind the last group ([`Tail`]).

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::disk::{Disk, sync_folder};
use super::frame::{self, Frame, u32_at, u64_at};
use super::tail::Tail;
use super::{OpenError, on};

const MAGIC: [u8; 8] = *b"RPRVJRNL";
const FORMAT: u32 = 1;
/// Bytes of a segment's header.
pub(super) const HEADER: usize = 32;
/// Batches of a group that make the journal a busy one, with room ahead.
pub(super) const BUSY: u32 = 8;

/// A segment's file and what its header says.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub path: PathBuf,
    /// Sequence number of the first batch that it may hold.
    pub first: u64,
}

/// Where the journal ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// Sequence number of the last batch; 0 in a new store.
    pub last: u64,
    /// Checksum of the last group.
    pub checksum: u32,
    /// Length of the last segment, in bytes.
    pub length: u64,
}

/// A torn end that was found, not yet cut.
#[derive(Clone, Debug)]
pub(super) struct Tear {
    pub path: PathBuf,
    pub offset: u64,
}

/// The segments of a journal, oldest first.
pub(super) fn segments(folder: &Path) -> Result<Vec<Segment>, OpenError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(on("list", folder))? {
        let path = entry.map_err(on("list", folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(number) = name.strip_suffix(".journal") {
            let first = u64::from_str_radix(number, 16)
                .map_err(|_| rot(&path, 0, "its name is not a sequence number"))?;
            found.push(Segment { path, first });
        }
    }
    found.sort_by_key(|segment| segment.first);
    Ok(found)
}

/// Bytes of the segments that hold batches behind `from`.
pub(super) fn bytes(folder: &Path, from: u64) -> Result<u64, OpenError> {
    let segments = segments(folder)?;
    let start = segments.iter().rposition(|segment| segment.first <= from + 1).unwrap_or(0);
    segments[start..].iter().try_fold(0, |sum, segment| {
        let length = fs::metadata(&segment.path).map_err(on("read", &segment.path))?.len();
        Ok(sum + length)
    })
}

/// Reads every frame that holds a batch behind `from`, oldest first, checking
/// the whole of each segment that it touches, and the last one always.
///
/// `must_reach`: batches up to this one are known to be durable, so the end
/// cannot have torn before it. `whole`: a clean-stop mark stands, so nothing
/// can have torn at all.
///
/// # Errors
/// [`OpenError::Rot`] with file and offset, or [`OpenError::JournalMissing`]
/// when the journal does not reach back to `from`.
pub(super) fn walk(
    segments: &[Segment],
    from: u64,
    must_reach: u64,
    whole: bool,
    mut each: impl FnMut(&Frame, &[u8]) -> Result<(), OpenError>,
) -> Result<(End, Option<Tear>), OpenError> {
    let Some(last) = segments.last() else {
        return Ok((End { last: 0, checksum: 0, length: 0 }, None));
    };
    if !whole && segments.len() > 1 && torn_at_birth(last)? {
        let older = &segments[..segments.len() - 1];
        let (end, tear) = walk(older, from, must_reach, true, each)?;
        debug_assert!(tear.is_none(), "a segment is begun when the one before is whole");
        return Ok((end, Some(Tear { path: last.path.clone(), offset: 0 })));
    }
    let start = segments.iter().rposition(|segment| segment.first <= from + 1);
    let start =
        start.ok_or(OpenError::JournalMissing { wanted: from + 1, oldest: segments[0].first })?;
    let mut expected: Option<(u64, u32)> = None;
    let mut end = End { last: 0, checksum: 0, length: 0 };
    for segment in &segments[start..] {
        let is_last = segment.path == last.path;
        let bytes = fs::read(&segment.path).map_err(on("read", &segment.path))?;
        let Some((salt, first, previous)) = read_header(segment, &bytes)? else {
            if segment.first == 1 && is_last && must_reach == 0 && !whole && torn_at_birth(last)? {
                return Ok((end, Some(Tear { path: segment.path.clone(), offset: 0 })));
            }
            return Err(rot(&segment.path, 0, "the segment's header is damaged"));
        };
        if let Some((next, chain)) = expected
            && (next != first || chain != previous)
        {
            return Err(rot(&segment.path, 0, "it does not continue the segment before it"));
        }
        let (mut next, mut chain) = (first, previous);
        let mut at = HEADER;
        while at < bytes.len() {
            let read = frame::read(&bytes, at, salt)
                .filter(|frame| frame.first == next && frame.previous == chain);
            let Some(found) = read else {
                if is_last && !whole && is_room(&bytes[at..]) {
                    break;
                }
                let may_tear =
                    is_last && !whole && next > must_reach && !frame::any_behind(&bytes, at, salt);
                if may_tear {
                    let tear = Tear { path: segment.path.clone(), offset: at as u64 };
                    let end = End { last: next - 1, checksum: chain, length: at as u64 };
                    return Ok((end, Some(tear)));
                }
                return Err(rot(&segment.path, at, "the group of batches there is damaged"));
            };
            if found.last() > from {
                each(&found, &bytes[found.payload.clone()])?;
            }
            (next, chain, at) = (found.last() + 1, found.checksum, found.end());
        }
        expected = Some((next, chain));
        end = End { last: next - 1, checksum: chain, length: at as u64 };
    }
    Ok((end, None))
}

/// Room written ahead of the next group. A clean stop, and a segment behind,
/// leave none.
fn is_room(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

/// Reads every frame behind `from` of a journal that is being written: stops
/// where the last segment has no more whole frames.
///
/// # Errors
/// [`OpenError::Rot`] if a segment before the last one is damaged.
pub(super) fn follow(
    segments: &[Segment],
    from: u64,
    each: impl FnMut(&Frame, &[u8]) -> Result<(), OpenError>,
) -> Result<(), OpenError> {
    walk(segments, from, 0, false, each).map(drop)
}

/// The header is synced before the first frame is written, so a segment that is
/// no longer than a broken header never held one.
fn torn_at_birth(segment: &Segment) -> Result<bool, OpenError> {
    let length = fs::metadata(&segment.path).map_err(on("read", &segment.path))?.len();
    if length > HEADER as u64 {
        return Ok(false);
    }
    let bytes = fs::read(&segment.path).map_err(on("read", &segment.path))?;
    Ok(read_header(segment, &bytes)?.is_none())
}

/// Salt, first sequence number and checksum of the group before; `None` if
/// the header is not right.
fn read_header(segment: &Segment, bytes: &[u8]) -> Result<Option<(u32, u64, u32)>, OpenError> {
    let Some(header) = bytes.get(..HEADER) else { return Ok(None) };
    if header[..8] != MAGIC || u32_at(header, 28) != crc32c::crc32c(&header[..28]) {
        return Ok(None);
    }
    if u32_at(header, 8) > FORMAT {
        return Err(OpenError::Newer { what: segment.path.clone() });
    }
    let first = u64_at(header, 16);
    if first != segment.first {
        return Err(rot(&segment.path, 16, "its name and its header disagree"));
    }
    Ok(Some((u32_at(header, 12), first, u32_at(header, 24))))
}

fn rot(path: &Path, offset: usize, what: &'static str) -> OpenError {
    OpenError::Rot { file: path.to_owned(), offset: offset as u64, what }
}

/// The open end of the journal; only the committer has one.
pub(super) struct Writer {
    folder: PathBuf,
    disk: Disk,
    tail: Tail,
    salt: u32,
    checksum: u32,
    segment_bytes: u64,
    full: bool,
}

impl Writer {
    /// Continues the last segment, or begins the first behind `end`.
    pub fn open(
        folder: &Path,
        disk: Disk,
        segments: &[Segment],
        end: &End,
        segment_bytes: u64,
    ) -> Result<Self, OpenError> {
        let (folder, checksum, full) = (folder.to_owned(), end.checksum, false);
        let Some(last) = segments.last() else {
            let created = create(&folder, &disk, end.last + 1, checksum);
            let (tail, salt) = created.map_err(on("begin", &folder))?;
            return Ok(Self { folder, disk, tail, salt, checksum, segment_bytes, full });
        };
        let file = OpenOptions::new().read(true).write(true).open(&last.path);
        let file = file.map_err(on("open", &last.path))?;
        let mut header = [0; HEADER];
        std::os::unix::fs::FileExt::read_exact_at(&file, &mut header, 0)
            .map_err(on("read", &last.path))?;
        let tail = Tail::new(disk.clone(), file, end.length);
        let salt = u32_at(&header, 12);
        Ok(Self { folder, disk, tail, salt, checksum, segment_bytes, full })
    }

    /// The next frame begins a new segment.
    pub fn begin_segment(&mut self) {
        self.full = self.tail.length() > HEADER as u64;
    }

    /// Writes the frame that stands in `buffer` (begun with
    /// [`frame::begin`]). It is not durable before [`Writer::sync`].
    pub fn append(&mut self, buffer: &mut Vec<u8>, first: u64, count: u32) -> io::Result<()> {
        if self.full || self.tail.length() >= self.segment_bytes {
            // Only the last segment may have room behind it.
            self.tail.close()?;
            (self.tail, self.salt) = create(&self.folder, &self.disk, first, self.checksum)?;
            self.full = false;
        }
        let checksum = frame::seal(buffer, first, count, self.checksum, self.salt)
            .ok_or_else(|| io::Error::other("a group of more than 4 GiB"))?;
        if let Err(error) = self.tail.write(buffer, count >= BUSY) {
            // What was written of it must not stand before the next frame.
            self.tail.cut().map_err(|_| io::Error::other("a half-written group cannot be cut"))?;
            return Err(error);
        }
        self.tail.keep(buffer.len());
        self.checksum = checksum;
        Ok(())
    }

    pub fn sync(&self) -> io::Result<()> {
        self.tail.sync()
    }

    /// Takes a frame back whose sync failed. The store is poisoned anyway; if
    /// this succeeds, a restart will not find the frame.
    pub fn take_back(&mut self, frame_length: usize) -> io::Result<()> {
        self.tail.take_back(frame_length)
    }

    /// Where the journal ends, durably and exactly, given the last sequence
    /// number.
    pub fn end(mut self, last: u64) -> io::Result<End> {
        self.tail.close()?;
        Ok(End { last, checksum: self.checksum, length: self.tail.length() })
    }
}

/// A new segment whose header and name are durable.
fn create(folder: &Path, disk: &Disk, first: u64, previous: u32) -> io::Result<(Tail, u32)> {
    let path = folder.join(format!("{first:016x}.journal"));
    let salt = getrandom::u32().map_err(io::Error::other)?;
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(&MAGIC);
    header[8..12].copy_from_slice(&FORMAT.to_le_bytes());
    header[12..16].copy_from_slice(&salt.to_le_bytes());
    header[16..24].copy_from_slice(&first.to_le_bytes());
    header[24..28].copy_from_slice(&previous.to_le_bytes());
    let own = crc32c::crc32c(&header[..28]);
    header[28..].copy_from_slice(&own.to_le_bytes());
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)?;
    let written = disk
        .write(&file, &header, 0)
        .and_then(|()| disk.sync(&file))
        .and_then(|()| sync_folder(folder));
    if let Err(error) = written {
        fs::remove_file(&path)?;
        return Err(error);
    }
    Ok((Tail::new(disk.clone(), file, HEADER as u64), salt))
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "a sample is small")]
mod tests {
    use super::*;

    /// A journal of ten groups in two segments, and where the groups of the
    /// last one end.
    fn sample(folder: &Path) -> (Vec<Segment>, Vec<usize>) {
        let start = End { last: 0, checksum: 0, length: 0 };
        let mut writer = Writer::open(folder, Disk::default(), &[], &start, 1 << 20).unwrap();
        let mut buffer = Vec::new();
        let mut ends = Vec::new();
        for group in 0..10u64 {
            if group == 5 {
                writer.begin_segment();
            }
            frame::begin(&mut buffer);
            let mut batch = frame::BatchWriter::new(&mut buffer);
            batch.push(frame::Op::Put { key: &group.to_be_bytes(), value: &[7; 40] });
            writer.append(&mut buffer, group + 1, 1).unwrap();
            ends.extend((group >= 4).then_some(writer.tail.length() as usize));
        }
        ends[0] = HEADER;
        (segments(folder).unwrap(), ends)
    }

    fn read(segments: &[Segment], whole: bool) -> Result<(u64, bool), OpenError> {
        let mut seen = 0;
        let (end, tear) = walk(segments, 0, 0, whole, |frame, _| {
            assert_eq!(frame.first, seen + 1);
            seen = frame.last();
            Ok(())
        })?;
        assert_eq!(end.last, seen);
        Ok((seen, tear.is_some()))
    }

    #[test]
    fn ten_thousand_flipped_bits_are_named_or_cut_the_last_group() {
        let folder = tempfile::tempdir().unwrap();
        let (segments, ends) = sample(folder.path());
        let files: Vec<_> = segments.iter().map(|s| fs::read(&s.path).unwrap()).collect();
        assert_eq!(read(&segments, true).unwrap(), (10, false));
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        for round in 0..10_000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let nth = round % 2;
            let at = state as usize % (files[nth].len() * 8);
            let mut bytes = files[nth].clone();
            bytes[at / 8] ^= 1 << (at % 8);
            fs::write(&segments[nth].path, &bytes).unwrap();
            let in_last = nth == 1 && at / 8 >= ends[ends.len() - 2];
            match read(&segments, false) {
                Ok(found) => assert!(in_last && found == (9, true), "{found:?} for bit {at}"),
                Err(OpenError::Rot { file, offset, .. }) => {
                    assert!(!in_last && file == segments[nth].path);
                    assert!(offset as usize <= at / 8, "{offset} for bit {at}");
                }
                Err(error) => panic!("{error}"),
            }
            assert!(read(&segments, true).is_err(), "after a clean stop nothing can tear");
            fs::write(&segments[nth].path, &files[nth]).unwrap();
        }
    }

    #[test]
    fn a_tear_before_what_is_known_to_be_durable_is_rot() {
        let folder = tempfile::tempdir().unwrap();
        let (segments, ends) = sample(folder.path());
        let bytes = fs::read(&segments[1].path).unwrap();
        fs::write(&segments[1].path, &bytes[..bytes.len() - 3]).unwrap();
        assert_eq!(read(&segments, false).unwrap(), (9, true));
        let known = |known| walk(&segments, 0, known, false, |_, _| Ok(()));
        assert!(known(9).is_ok());
        let Err(OpenError::Rot { offset, .. }) = known(10) else { panic!("it is rot") };
        assert_eq!(offset as usize, ends[ends.len() - 2]);
    }

    #[test]
    fn a_segment_torn_at_its_birth_held_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (segments, _) = sample(folder.path());
        for length in 0..HEADER {
            fs::write(&segments[1].path, vec![0; length]).unwrap();
            assert_eq!(read(&segments, false).unwrap(), (5, true));
            assert!(read(&segments, true).is_err());
        }
        fs::write(&segments[0].path, [0; 5]).unwrap();
        assert_eq!(read(&segments[..1], false).unwrap(), (0, true));
    }

    #[test]
    fn every_truncation_is_a_torn_end_exactly() {
        let folder = tempfile::tempdir().unwrap();
        let (segments, ends) = sample(folder.path());
        for (nth, first) in [(1, 5), (0, 0)] {
            let bytes = fs::read(&segments[nth].path).unwrap();
            for length in 0..bytes.len() {
                fs::write(&segments[nth].path, &bytes[..length]).unwrap();
                if nth == 0 {
                    // Another segment follows, so this one was whole.
                    assert!(matches!(read(&segments, false), Err(OpenError::Rot { .. })));
                    continue;
                }
                let whole = ends[1..].iter().filter(|end| **end <= length).count() as u64;
                let torn = !ends.contains(&length);
                assert_eq!(read(&segments, false).unwrap(), (first + whole, torn), "{length}");
                assert!(!torn || read(&segments, true).is_err());
            }
            fs::write(&segments[nth].path, &bytes).unwrap();
        }
    }

    #[test]
    fn room_behind_the_last_group_is_no_tear() {
        let folder = tempfile::tempdir().unwrap();
        let (segments, ends) = sample(folder.path());
        let with_room = |nth: usize, length: usize| {
            let mut bytes = fs::read(&segments[nth].path).unwrap();
            bytes.truncate(length);
            bytes.resize(bytes.len() + 5000, 0);
            fs::write(&segments[nth].path, &bytes).unwrap();
            bytes
        };
        let last = *ends.last().unwrap();
        let mut bytes = with_room(1, last);
        let (end, tear) = walk(&segments, 0, 10, false, |_, _| Ok(())).unwrap();
        assert_eq!((end.last, end.length, tear.is_none()), (10, last as u64, true));
        assert!(read(&segments, true).is_err(), "a clean stop leaves none");
        assert!(walk(&segments, 0, 11, false, |_, _| Ok(())).unwrap().0.last < 11);
        // A group that began to be written into it is torn.
        bytes[last + 100] = 1;
        fs::write(&segments[1].path, &bytes).unwrap();
        assert_eq!(read(&segments, false).unwrap(), (10, true));
        // So is one of which only the beginning came.
        with_room(1, last - 10);
        assert_eq!(read(&segments, false).unwrap(), (9, true));
        // A segment that another one follows has none.
        with_room(1, last);
        let first = fs::read(&segments[0].path).unwrap().len();
        with_room(0, first);
        assert!(matches!(read(&segments, false), Err(OpenError::Rot { .. })));
    }

    #[test]
    fn a_busy_journal_has_room_until_its_segment_ends() {
        let folder = tempfile::tempdir().unwrap();
        let start = End { last: 0, checksum: 0, length: 0 };
        let mut writer =
            Writer::open(folder.path(), Disk::default(), &[], &start, 1 << 20).unwrap();
        let mut buffer = Vec::new();
        let mut group = |writer: &mut Writer, first| {
            frame::begin(&mut buffer);
            for nth in 0..BUSY {
                let mut batch = frame::BatchWriter::new(&mut buffer);
                batch.push(frame::Op::Put { key: &nth.to_be_bytes(), value: &[7; 40] });
            }
            writer.append(&mut buffer, first, BUSY).unwrap();
            writer.tail.length()
        };
        let size = |segment: &Segment| fs::metadata(&segment.path).unwrap().len();
        group(&mut writer, 1);
        let length = group(&mut writer, 9);
        let first = segments(folder.path()).unwrap();
        assert!(size(&first[0]) > length, "room was made");
        assert_eq!(read(&first, false).unwrap(), (16, false));
        writer.begin_segment();
        group(&mut writer, 17);
        let both = segments(folder.path()).unwrap();
        assert_eq!(size(&both[0]), length);
        assert_eq!(read(&both, false).unwrap(), (24, false));
        let end = writer.end(24).unwrap();
        assert_eq!(size(&both[1]), end.length);
        assert_eq!(read(&both, true).unwrap(), (24, false));
    }

    #[test]
    fn a_missing_segment_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let (segments, _) = sample(folder.path());
        assert!(matches!(
            read(&segments[1..], false),
            Err(OpenError::JournalMissing { wanted: 1, oldest: 6 })
        ));
    }
}

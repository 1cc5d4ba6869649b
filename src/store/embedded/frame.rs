//! A group of batches as one frame of the journal.
//!
//! Header (magic, length, first sequence number, count, checksum of the group
//! before, own checksum), payload, checksum of both. Checksums are CRC-32C
//! seeded with the segment's random salt, so that no text inside a record can
//! look like a frame. Every length is checked before it is believed.

use std::ops::Range;

/// First bytes of each frame.
const MAGIC: [u8; 4] = *b"RPG1";
/// Bytes of a header.
pub(super) const HEADER: usize = 32;
/// Bytes of the checksum behind the payload.
pub(super) const TRAILER: usize = 4;

/// A frame that was read whole and right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub first: u64,
    pub count: u32,
    /// Checksum of the group before this one.
    pub previous: u32,
    /// Its own checksum, which the next group names.
    pub checksum: u32,
    /// Where its payload stands in the bytes it was read from.
    pub payload: Range<usize>,
}

impl Frame {
    /// Sequence number of its last batch.
    pub fn last(&self) -> u64 {
        self.first + u64::from(self.count) - 1
    }

    /// Where the next frame begins.
    pub fn end(&self) -> usize {
        self.payload.end + TRAILER
    }
}

/// Begins a frame in an empty buffer: the payload is appended behind.
pub(super) fn begin(buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.resize(HEADER, 0);
}

/// Completes the frame that [`begin`] began; answers its checksum.
pub(super) fn seal(
    buffer: &mut Vec<u8>,
    first: u64,
    count: u32,
    previous: u32,
    salt: u32,
) -> Option<u32> {
    let length = u32::try_from(buffer.len() - HEADER).ok()?;
    buffer[..4].copy_from_slice(&MAGIC);
    buffer[4..8].copy_from_slice(&length.to_le_bytes());
    buffer[8..16].copy_from_slice(&first.to_le_bytes());
    buffer[16..20].copy_from_slice(&count.to_le_bytes());
    buffer[20..24].copy_from_slice(&previous.to_le_bytes());
    buffer[24..28].copy_from_slice(&[0; 4]);
    let own = crc32c::crc32c_append(salt, &buffer[..28]);
    buffer[28..32].copy_from_slice(&own.to_le_bytes());
    let checksum = crc32c::crc32c_append(salt, buffer);
    buffer.extend_from_slice(&checksum.to_le_bytes());
    Some(checksum)
}

/// The frame that begins at `at`, if a whole and right one does.
pub(super) fn read(bytes: &[u8], at: usize, salt: u32) -> Option<Frame> {
    let header = bytes.get(at..at.checked_add(HEADER)?)?;
    if header[..4] != MAGIC || u32_at(header, 28) != crc32c::crc32c_append(salt, &header[..28]) {
        return None;
    }
    let start = at + HEADER;
    let end = start.checked_add(u32_at(header, 4) as usize)?;
    let checksum = u32_at(bytes.get(end..end.checked_add(TRAILER)?)?, 0);
    let (first, count) = (u64_at(header, 8), u32_at(header, 16));
    if checksum != crc32c::crc32c_append(salt, &bytes[at..end]) || count == 0 || first == 0 {
        return None;
    }
    first.checked_add(u64::from(count))?;
    Some(Frame { first, count, previous: u32_at(header, 20), checksum, payload: start..end })
}

/// Does a right frame begin anywhere behind `from`? Then what stands at `from`
/// is rot and not a torn end.
pub(super) fn any_behind(bytes: &[u8], from: usize, salt: u32) -> bool {
    let Some(rest) = bytes.get(from..) else { return false };
    rest.windows(4)
        .enumerate()
        .skip(1)
        .any(|(at, window)| window == MAGIC && read(bytes, from + at, salt).is_some())
}

/// One operation of a batch. All are absolute, so that replaying them twice
/// changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op<'a> {
    Put {
        key: &'a [u8],
        value: &'a [u8],
    },
    Delete {
        key: &'a [u8],
    },
    /// Deletes a body's key; the payload at `location` is to be erased.
    Erase {
        key: &'a [u8],
        location: &'a [u8],
    },
}

/// Appends a batch's operations to a payload.
pub(super) struct BatchWriter<'a> {
    payload: &'a mut Vec<u8>,
    start: usize,
    count: u32,
}

impl<'a> BatchWriter<'a> {
    pub fn new(payload: &'a mut Vec<u8>) -> Self {
        let start = payload.len();
        payload.extend_from_slice(&[0; 4]);
        Self { payload, start, count: 0 }
    }

    pub fn push(&mut self, op: Op<'_>) {
        let (tag, key, value) = match op {
            Op::Put { key, value } => (1u8, key, value),
            Op::Delete { key } => (2, key, &[][..]),
            Op::Erase { key, location } => (3, key, location),
        };
        self.payload.push(tag);
        for part in [key, value] {
            let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
            self.payload.extend_from_slice(&length.to_le_bytes());
            self.payload.extend_from_slice(part);
        }
        self.count += 1;
        self.payload[self.start..self.start + 4].copy_from_slice(&self.count.to_le_bytes());
    }
}

/// Calls `each(sequence, op)` for every operation of a payload in order.
/// `None` if the payload is not exactly `count` batches.
pub(super) fn ops<'a>(
    payload: &'a [u8],
    first: u64,
    count: u32,
    mut each: impl FnMut(u64, Op<'a>),
) -> Option<()> {
    let mut rest = payload;
    for nth in 0..u64::from(count) {
        for _ in 0..take_u32(&mut rest)? {
            let tag = take(&mut rest, 1)?[0];
            let length = take_u32(&mut rest)? as usize;
            let key = take(&mut rest, length)?;
            let length = take_u32(&mut rest)? as usize;
            let value = take(&mut rest, length)?;
            let op = match tag {
                1 => Op::Put { key, value },
                2 if value.is_empty() => Op::Delete { key },
                3 => Op::Erase { key, location: value },
                _ => return None,
            };
            each(first + nth, op);
        }
    }
    rest.is_empty().then_some(())
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(head)
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    take(rest, 4).map(|bytes| u32_at(bytes, 0))
}

/// Little-endian; the caller knows that the bytes are there.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

/// Little-endian; the caller knows that the bytes are there.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

/// Reads bytes that somebody else made up, for the fuzz target.
#[doc(hidden)]
pub fn read_anything(bytes: &[u8]) {
    let mut at = 0;
    while let Some(frame) = read(bytes, at, 0) {
        assert!(frame.end() <= bytes.len() && frame.end() > at);
        ops(&bytes[frame.payload.clone()], frame.first, frame.count, |_, _| {});
        at = frame.end();
    }
    any_behind(bytes, at, 0);
    for count in [1, 2, 1000] {
        ops(bytes, 1, count, |_, _| {});
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Ops = Vec<(u8, Vec<u8>, Vec<u8>)>;

    fn batches() -> impl Strategy<Value = Vec<Ops>> {
        let op = (1u8..4, prop::collection::vec(any::<u8>(), 0..40), any::<Vec<u8>>());
        prop::collection::vec(prop::collection::vec(op, 0..6), 1..6)
    }

    fn op_of<'a>(tag: u8, key: &'a [u8], value: &'a [u8]) -> Op<'a> {
        match tag {
            1 => Op::Put { key, value },
            2 => Op::Delete { key },
            _ => Op::Erase { key, location: value },
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(batches in batches(), salt: u32, first in 1u64..1 << 60) {
            let mut buffer = Vec::new();
            begin(&mut buffer);
            let mut wanted = Vec::new();
            for (nth, batch) in batches.iter().enumerate() {
                let mut writer = BatchWriter::new(&mut buffer);
                for (tag, key, value) in batch {
                    writer.push(op_of(*tag, key, value));
                    wanted.push((first + nth as u64, op_of(*tag, key, value)));
                }
            }
            let count = u32::try_from(batches.len()).unwrap();
            seal(&mut buffer, first, count, 99, salt).unwrap();
            let frame = read(&buffer, 0, salt).unwrap();
            prop_assert_eq!((frame.first, frame.count, frame.previous), (first, count, 99));
            prop_assert_eq!(frame.end(), buffer.len());
            let mut found = Vec::new();
            let payload = &buffer[frame.payload];
            ops(payload, first, count, |sequence, op| found.push((sequence, op))).unwrap();
            prop_assert_eq!(found, wanted);
            prop_assert!(read(&buffer, 0, salt ^ 1).is_none(), "another segment's frame");
            let mut behind = vec![0xff; 7];
            behind.extend_from_slice(&buffer);
            prop_assert!(any_behind(&behind, 0, salt));
            prop_assert!(!any_behind(&behind[..behind.len() - 1], 0, salt));
        }

        #[test]
        fn anything_is_read_without_harm(bytes: Vec<u8>) {
            read_anything(&bytes);
        }
    }
}

//! The end of a file that is appended to, with room written ahead.
//!
//! `fdatasync` of bytes that made a file longer writes the file system's own
//! records too; of bytes written over others, only the bytes. So a busy
//! writer puts zeros behind what it wrote and writes over them next. No frame
//! and no body begins with zeros: what a crash leaves of them says nothing,
//! and where the end must be exact they are cut off.

use std::fs::File;
use std::io;

use super::disk::Disk;

/// Bytes of zeros that are put behind a busy end at once.
const ROOM: usize = 256 << 10;

/// The open end of a file.
pub(super) struct Tail {
    disk: Disk,
    file: File,
    /// Bytes that count.
    length: u64,
    /// Where the zeros behind them end, if there are any.
    room: u64,
}

impl Tail {
    /// Continues `file`, which ends at `length`.
    pub fn new(disk: Disk, file: File, length: u64) -> Self {
        Self { disk, file, length, room: length }
    }

    pub fn length(&self) -> u64 {
        self.length
    }

    /// Writes behind the bytes that count. It is not durable before
    /// [`Tail::sync`], and does not count before [`Tail::keep`].
    ///
    /// # Errors
    /// Those of the disk; part of `bytes` may then stand there.
    pub fn write(&mut self, bytes: &[u8], busy: bool) -> io::Result<()> {
        self.disk.write(&self.file, bytes, self.length)?;
        let end = self.length + bytes.len() as u64;
        if end > self.room {
            self.room = end;
            if busy {
                self.make_room(end);
            }
        }
        Ok(())
    }

    /// Room is a matter of speed: a disk that has none left says so when it
    /// is asked for more than zeros.
    fn make_room(&mut self, end: u64) {
        self.room = end + ROOM as u64;
        if self.disk.write(&self.file, &vec![0; ROOM], end).is_err()
            && self.file.set_len(end).is_ok()
        {
            self.room = end;
        }
    }

    /// What was written counts now: so many bytes more.
    pub fn keep(&mut self, bytes: usize) {
        self.length += bytes as u64;
    }

    pub fn sync(&self) -> io::Result<()> {
        self.disk.sync(&self.file)
    }

    /// Removes what stands behind the bytes that count.
    pub fn cut(&mut self) -> io::Result<()> {
        self.file.set_len(self.length)?;
        self.room = self.length;
        Ok(())
    }

    /// Takes the last `bytes` back.
    pub fn take_back(&mut self, bytes: usize) -> io::Result<()> {
        self.length -= bytes as u64;
        self.cut()
    }

    /// Removes the room, durably: the file ends where it says.
    pub fn close(&mut self) -> io::Result<()> {
        if self.room > self.length {
            self.cut()?;
            self.sync()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_written_over_and_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut tail = Tail::new(Disk::default(), File::create(&path).unwrap(), 0);
        let read = || std::fs::read(&path).unwrap();
        tail.write(b"quiet", false).unwrap();
        tail.keep(5);
        assert_eq!(read(), b"quiet", "nobody who is alone pays for room");
        tail.write(b"busy", true).unwrap();
        tail.keep(4);
        assert_eq!(read().len(), 9 + ROOM);
        tail.write(b"over", true).unwrap();
        tail.keep(4);
        let bytes = read();
        assert_eq!((&bytes[..13], bytes.len()), (&b"quietbusyover"[..], 9 + ROOM));
        assert!(bytes[13..].iter().all(|byte| *byte == 0));
        tail.take_back(4).unwrap();
        assert_eq!(read(), b"quietbusy");
        tail.write(&vec![1; 2 * ROOM], true).unwrap();
        tail.keep(2 * ROOM);
        assert_eq!(read().len(), 9 + 3 * ROOM, "what is larger than its room brings new room");
        tail.close().unwrap();
        assert_eq!(read().len(), 9 + 2 * ROOM);
    }

    #[test]
    fn a_disk_without_room_for_zeros_still_takes_the_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let disk = Disk::full_after(100);
        let mut tail = Tail::new(disk, File::create(&path).unwrap(), 0);
        tail.write(b"bytes", true).unwrap();
        tail.keep(5);
        assert_eq!(std::fs::read(&path).unwrap(), b"bytes");
        assert!(tail.write(b"more", true).is_err(), "the planned disk is full for good");
    }
}

//! Writing small messages: the committer's open segments of bodies.
//!
//! A group's bodies are staged, written and synced before its frame; if the
//! group is not carried out they are cut off again, so that a segment holds
//! nothing that belongs to no batch (save zeros for what comes next, and what
//! a crash left: the keeper sweeps both).

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use super::bodies::{Bodies, Day, Location, OpenSegments, Place, header, segment_path};
use super::disk::{Disk, Point, sync_folder};
use super::tail::Tail;
use crate::store::BodyId;

/// The committer's open segments, one for each day.
pub(super) struct Appender {
    folder: PathBuf,
    disk: Disk,
    segment_bytes: u64,
    open: HashMap<Day, Open>,
    shared: OpenSegments,
}

struct Open {
    serial: u64,
    /// Its bytes that count belong to durable batches.
    tail: Tail,
    /// Bodies of the group under way, not yet written.
    staged: Vec<u8>,
}

impl Appender {
    pub fn new(bodies: &Bodies, segment_bytes: u64) -> Self {
        Self {
            folder: bodies.folder.clone(),
            disk: bodies.disk.clone(),
            segment_bytes,
            open: HashMap::new(),
            shared: Arc::clone(&bodies.open),
        }
    }

    /// Names the place that a small body will have. `sequence` is that of its
    /// batch; a segment is named after the first one that it was begun for.
    pub fn stage(
        &mut self,
        id: BodyId,
        day: Day,
        raw: u32,
        checksum: u32,
        payload: &[u8],
        sequence: u64,
    ) -> io::Result<Location> {
        let stored = u32::try_from(payload.len()).map_err(io::Error::other)?;
        let full = self
            .open
            .get(&day)
            .is_some_and(|open| open.staged.is_empty() && open.tail.length() >= self.segment_bytes);
        if full {
            self.close(|open| open == day);
        }
        let open = match self.open.entry(day) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                let (serial, file) = create_segment(&self.folder, day, sequence)?;
                let tail = Tail::new(self.disk.clone(), file, 0);
                self.shared.lock().unwrap_or_else(PoisonError::into_inner).insert((day, serial));
                entry.insert(Open { serial, tail, staged: Vec::new() })
            }
        };
        let offset = open.tail.length() + open.staged.len() as u64;
        open.staged.extend_from_slice(&header(id, stored, raw, checksum));
        open.staged.extend_from_slice(payload);
        let place = Place::Segment { serial: open.serial, offset };
        Ok(Location { day, place, stored, raw, checksum })
    }

    /// Writes and syncs what was staged; a `busy` segment gets room ahead.
    pub fn write(&mut self, busy: bool) -> io::Result<()> {
        for open in self.open.values_mut().filter(|open| !open.staged.is_empty()) {
            open.tail.write(&open.staged, busy)?;
        }
        self.disk.pass(Point::BodyWritten);
        for open in self.open.values_mut().filter(|open| !open.staged.is_empty()) {
            open.tail.sync()?;
        }
        Ok(())
    }

    /// The group is durable: its bodies belong to it.
    pub fn keep(&mut self) {
        for open in self.open.values_mut() {
            open.tail.keep(open.staged.len());
            open.staged.clear();
        }
    }

    /// The group was not carried out: its bodies go.
    pub fn take_back(&mut self) -> io::Result<()> {
        for open in self.open.values_mut().filter(|open| !open.staged.is_empty()) {
            open.staged.clear();
            open.tail.cut()?;
        }
        Ok(())
    }

    /// Closes the segments of the days that `which` chooses; nothing is staged
    /// in them. Room that cannot be cut off is only space.
    pub fn close(&mut self, which: impl Fn(Day) -> bool) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        for (day, mut open) in self.open.extract_if(|day, _| which(*day)) {
            let _ = open.tail.cut();
            shared.remove(&(day, open.serial));
        }
    }
}

fn create_segment(folder: &Path, day: Day, sequence: u64) -> io::Result<(u64, File)> {
    let mut serial = sequence;
    loop {
        let path = segment_path(folder, day, serial);
        match OpenOptions::new().write(true).create_new(true).open(path) {
            // Left by a start at which nothing was carried out.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => serial += 1,
            Err(error) => return Err(error),
            Ok(file) => {
                sync_folder(folder)?;
                return Ok((serial, file));
            }
        }
    }
}

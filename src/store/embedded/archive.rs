//! Backup while the store works, and restore into an empty folder.
//!
//! The archive is a checkpoint's stream that also holds the messages and the
//! journal between its first record and its last, so that what comes out is
//! the state at one moment. Messages go back to the places where they stood.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::PoisonError;

use super::bodies::{Bodies, LOCATIONS, Location};
use super::committer::EVERYTHING;
use super::disk::{Disk, sync_folder};
use super::frame;
use super::journal::{self, End};
use super::keeper::each_pair;
use super::{EmbeddedSettings, Inner, OpenError, folder, on};
use crate::store::BodyId;
use crate::store::checkpoint::{self, Entry, Head, Next, Writer};

/// Writes an archive; it has its name only when it is whole.
pub(super) fn back_up(inner: &Inner, path: &Path) -> Result<(), OpenError> {
    // While this is held, nothing is erased and no journal goes.
    let _quiet = inner.quiet.lock().unwrap_or_else(PoisonError::into_inner);
    let unfinished = path.with_extension("unfinished");
    // Messages are nobody else's to read.
    let mut options = File::options();
    options.write(true).create(true).truncate(true).mode(0o600);
    let file = options.open(&unfinished).map_err(on("write", &unfinished))?;
    let from = inner.status.sequence();
    let head = Head { store: inner.store, from };
    let mut writer = Writer::begin(file, head).map_err(on("write", &unfinished))?;
    each_pair(&*inner.index, EVERYTHING, |key, revision, value| {
        writer.pair(key, revision, value).map_err(on("write", &unfinished))?;
        add_body(inner, &mut writer, key, value)
    })?;
    let mut last = from;
    let segments = journal::segments(&inner.folder.join("journal"))?;
    journal::follow(&segments, from, |group, payload| {
        writer.group(group.first, group.count, payload).map_err(on("write", &unfinished))?;
        last = group.last();
        let mut outcome = Ok(());
        frame::ops(payload, group.first, group.count, |_, op| {
            if let (frame::Op::Put { key, value }, Ok(())) = (op, &outcome) {
                outcome = add_body(inner, &mut writer, key, value);
            }
        });
        outcome
    })?;
    writer.finish(last).map_err(on("write", &unfinished))?;
    fs::rename(&unfinished, path).map_err(on("rename", &unfinished))?;
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    sync_folder(folder).map_err(on("sync", folder))
}

/// Adds the message whose location this pair is, if it is one.
fn add_body(inner: &Inner, writer: &mut Writer, key: &[u8], value: &[u8]) -> Result<(), OpenError> {
    let (Some((&LOCATIONS, id)), Some(location)) = (key.split_first(), Location::from_bytes(value))
    else {
        return Ok(());
    };
    let Ok(id) = BodyId::from_slice(id) else { return Ok(()) };
    match inner.bodies.payload(id, &location) {
        Ok(payload) => {
            let folder = inner.bodies.folder();
            writer.body(id.as_bytes(), value, &payload).map_err(on("back up", folder))
        }
        // Erased while we read; a group behind says so.
        Err(_) if inner.index.get(key)?.is_none() => Ok(()),
        Err(fault) => Err(OpenError::Archive(fault.to_string())),
    }
}

/// Makes a store of an archive in a folder that is new or empty. The index is
/// built at its first opening.
///
/// # Errors
/// [`OpenError`]; the folder is then no store and cannot be opened as one.
pub(in crate::store) fn restore(archive: &Path, folder: &Path) -> Result<u64, OpenError> {
    folder::make_folder(folder)?;
    let mut inside = fs::read_dir(folder).map_err(on("list", folder))?;
    if inside.next().is_some() {
        let folder = folder.display();
        return Err(OpenError::Archive(format!("{folder} is not empty; choose a new folder")));
    }
    let _lock = folder::lock(folder)?;
    for name in ["journal", "bodies", "checkpoints", "index", "aside"] {
        let path = folder.join(name);
        fs::create_dir_all(&path).map_err(on("create", &path))?;
    }
    let (store, end) = unpack(archive, folder)?;
    // Everything at once, then the names that make it a store.
    let everything = File::open(folder).map_err(on("open", folder))?;
    rustix::fs::syncfs(&everything).map_err(|error| on("sync", folder)(error.into()))?;
    folder::write_clean_mark(folder, &end)?;
    folder::write_identity(folder, store)?;
    Ok(end.last)
}

fn unpack(archive: &Path, folder: &Path) -> Result<([u8; 16], End), OpenError> {
    let read = |error: io::Error| on("read", archive)(error);
    let mut reader = checkpoint::open(archive).map_err(read)?;
    let head = reader.head;
    let bodies = Bodies::new(folder.join("bodies"), Disk::default());
    let path = folder.join("checkpoints").join(format!("{:016x}.checkpoint", head.from));
    let file = File::create(&path).map_err(on("write", &path))?;
    let mut records = Writer::begin(file, head).map_err(on("write", &path))?;
    let journal_folder = folder.join("journal");
    let start = End { last: head.from, checksum: 0, length: 0 };
    let segment = EmbeddedSettings::default().journal_segment;
    let mut journal =
        journal::Writer::open(&journal_folder, Disk::default(), &[], &start, segment)?;
    let mut last = head.from;
    let mut buffer = Vec::new();
    loop {
        match reader.next().map_err(read)? {
            Next::Entry(Entry::Pair { key, revision, value }) => {
                records.pair(&key, revision, &value).map_err(on("write", &path))?;
            }
            Next::Entry(Entry::Group { first, count, payload }) => {
                if first != last + 1 || count == 0 {
                    return Err(OpenError::Archive(format!("batch {} is missing", last + 1)));
                }
                frame::begin(&mut buffer);
                buffer.extend_from_slice(&payload);
                let appended = journal.append(&mut buffer, first, count);
                appended.map_err(on("write", &journal_folder))?;
                last = first + u64::from(count) - 1;
            }
            Next::Entry(Entry::Body { id, location, payload }) => {
                let place = Location::from_bytes(&location)
                    .ok_or_else(|| OpenError::Archive("a message without a place".into()))?;
                let id = BodyId::from_bytes(id);
                let put = bodies.put_back(id, &place, &payload);
                put.map_err(on("write", bodies.folder()))?;
            }
            Next::End(_) => break,
        }
    }
    records.finish(last).map_err(on("write", &path))?;
    let end = journal.end(last).map_err(on("write", &journal_folder))?;
    Ok((head.store, end))
}

//! The small files of a store's folder: lock, format, the mark of a clean
//! stop, and where the machine stood when the index was written.
//!
//! Each is written whole or not at all. The format names the store and the
//! oldest program that may open it; a folder that lost it is not taken for an
//! empty one.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::disk::sync_folder;
use super::journal::{self, End};
use super::{IndexEngine, OpenError, on};

/// Raised when an older program must not open the folder.
const FORMAT: u32 = 1;

pub(super) fn index_folder(folder: &Path, engine: IndexEngine) -> PathBuf {
    folder.join("index").join(engine.name())
}

/// Checkpoints by the first sequence number behind which the journal is
/// needed, oldest first. An unfinished one is not among them.
pub(super) fn checkpoints(folder: &Path) -> Result<Vec<(u64, PathBuf)>, OpenError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(on("list", folder))? {
        let path = entry.map_err(on("list", folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let from = name.strip_suffix(".checkpoint");
        if let Some(from) = from.and_then(|from| u64::from_str_radix(from, 16).ok()) {
            found.push((from, path));
        }
    }
    found.sort();
    Ok(found)
}

/// Messages are nobody else's to read.
pub(super) fn make_folder(folder: &Path) -> Result<(), OpenError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(on("create", folder))
}

/// Takes the folder's lock, which ends with the process.
pub(super) fn lock(folder: &Path) -> Result<File, OpenError> {
    let path = folder.join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(on("open", &path))?;
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(OpenError::Locked { folder: folder.to_owned() }),
        Err(error) => Err(on("lock", &path)(error.into())),
    }
}

/// Reads the folder's format and the store's random name, or gives a new
/// folder both.
pub(super) fn identity(folder: &Path) -> Result<[u8; 16], OpenError> {
    let path = folder.join("format");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // An empty folder becomes a store; one that lost this file is not
            // taken for empty.
            if !journal::segments(&folder.join("journal"))?.is_empty()
                || !checkpoints(&folder.join("checkpoints"))?.is_empty()
            {
                return Err(OpenError::Format { path });
            }
            let mut name = [0; 16];
            getrandom::fill(&mut name).map_err(|e| on("name", folder)(io::Error::other(e)))?;
            write_identity(folder, name)?;
            return Ok(name);
        }
        Err(error) => return Err(on("read", &path)(error)),
    };
    let mut words = text.split_whitespace();
    if (words.next(), words.next()) != (Some("reprieve"), Some("store")) {
        return Err(OpenError::Format { path });
    }
    let version: Option<u32> = words.next().and_then(|word| word.parse().ok());
    let name = words.next().and_then(|word| uuid::Uuid::try_parse(word).ok());
    match (version, name) {
        (Some(version), _) if version > FORMAT => Err(OpenError::Newer { what: path }),
        (Some(_), Some(name)) => Ok(name.into_bytes()),
        _ => Err(OpenError::Format { path }),
    }
}

pub(super) fn write_identity(folder: &Path, name: [u8; 16]) -> Result<(), OpenError> {
    let text = format!("reprieve store {FORMAT} {}\n", uuid::Uuid::from_bytes(name));
    replace(folder, "format", &text)
}

/// Says that everything was written and where the journal ends, so that a
/// journal which ends elsewhere has rotted.
pub(super) fn write_clean_mark(folder: &Path, end: &End) -> Result<(), OpenError> {
    let text = format!("{} {} {}", end.last, end.checksum, end.length);
    replace(folder, "clean", &format!("{text} {}\n", crc32c::crc32c(text.as_bytes())))
}

pub(super) fn read_clean_mark(folder: &Path) -> Result<Option<End>, OpenError> {
    let path = folder.join("clean");
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(on("read", &path))?,
    };
    let parsed = text.trim_end().rsplit_once(' ').and_then(|(text, own)| {
        let mut words = text.split(' ');
        let last = words.next()?.parse().ok()?;
        let checksum = words.next()?.parse().ok()?;
        let length = words.next()?.parse().ok()?;
        (own.parse() == Ok(crc32c::crc32c(text.as_bytes()))).then_some(End {
            last,
            checksum,
            length,
        })
    });
    parsed.map(Some).ok_or(OpenError::Format { path })
}

pub(super) fn remove_clean_mark(folder: &Path) -> Result<(), OpenError> {
    let path = folder.join("clean");
    match fs::remove_file(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.and_then(|()| sync_folder(folder)).map_err(on("remove", &path)),
    }
}

/// Writes a small file so that it is there whole or not at all.
fn replace(folder: &Path, name: &str, text: &str) -> Result<(), OpenError> {
    let (path, fresh) = (folder.join(name), folder.join(format!("{name}.new")));
    fs::write(&fresh, text).map_err(on("write", &fresh))?;
    sync_path(&fresh)?;
    fs::rename(&fresh, &path).map_err(on("rename", &fresh))?;
    sync_path(folder)
}

pub(super) fn sync_path(path: &Path) -> Result<(), OpenError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(on("sync", path))
}

/// This start of the machine and this mount of the disk: while both last, the
/// page cache has lost nothing.
fn place(folder: &Path) -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    // STATX_MNT_ID_UNIQUE (Linux 6.8): a number that no later mount gets;
    // older kernels ignore it and give one that may return.
    let wanted = rustix::fs::StatxFlags::MNT_ID | rustix::fs::StatxFlags::from_bits_retain(0x4000);
    let flags = rustix::fs::AtFlags::empty();
    let mount = rustix::fs::statx(rustix::fs::CWD, folder, flags, wanted);
    let mount = mount.map_or(String::new(), |found| found.stx_mnt_id.to_string());
    format!("{} {mount}", boot.trim())
}

pub(super) fn same_place(folder: &Path) -> bool {
    let path = folder.join("index").join("place");
    fs::read_to_string(path).is_ok_and(|written| written == place(folder))
}

pub(super) fn write_place(folder: &Path) -> Result<(), OpenError> {
    let path = folder.join("index").join("place");
    fs::write(&path, place(folder)).map_err(on("write", &path))
}

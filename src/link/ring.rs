//! The key ring: files of 32 random bytes in `keys/`, one of them active.
//!
//! `link-<id>.key` holds a key (mode 0600 enforced); `link.active` names the
//! id that signs. Every file verifies until it is removed, so a new key can
//! be laid on every node before any node signs with it. Keys live in memory
//! that is wiped.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::clock::Timestamp;

const KEY_BYTES: usize = 32;
const TAG_BYTES: usize = 16;

/// Why the keys cannot be used. Each sentence says what to do.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("cannot read or write {path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{0} may be read by others than its owner; run: chmod 600 {0}")]
    Permissions(PathBuf),
    #[error("{0} must be exactly 32 bytes; it is damaged or not a key")]
    Length(PathBuf),
    #[error("{0} has no active key; run: reprieve key new, then reprieve key promote ID")]
    NoneActive(PathBuf),
    #[error("there is no key {0}; see: reprieve key list")]
    Unknown(u16),
    #[error("key {0} is the active one; promote another before you retire it")]
    Active(u16),
    #[error("the system gives no random bytes: {0}")]
    Random(String),
}

/// Whether a key signs or only verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    Active,
    Verifying,
}

/// A line of `reprieve key list`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyStatus {
    pub id: u16,
    pub state: KeyState,
    /// When its file was made, to the second.
    pub created: Timestamp,
}

/// One key. Its bytes are wiped when the last user drops it.
pub(super) struct Key(Zeroizing<[u8; KEY_BYTES]>);

struct Keys {
    active: u16,
    all: BTreeMap<u16, Arc<Key>>,
}

/// The keys in memory. Clones share them; [`KeyRing::reload`] reaches all.
#[derive(Clone)]
pub struct KeyRing {
    keys: Arc<RwLock<Keys>>,
    folder: Option<Arc<PathBuf>>,
}

impl Key {
    fn random() -> Result<Self, KeyError> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        getrandom::fill(bytes.as_mut()).map_err(|error| KeyError::Random(error.to_string()))?;
        Ok(Self(bytes))
    }

    /// The first 128 bits of the MAC.
    pub fn tag(&self, label: &[u8], parts: &[&[u8]]) -> [u8; TAG_BYTES] {
        let mut tag = [0; TAG_BYTES];
        tag.copy_from_slice(&self.mac(label, parts)[..TAG_BYTES]);
        tag
    }

    /// A key of its own for another use than tags, which no tag ever shows:
    /// nothing is tagged under this label.
    pub fn derive(&self, label: &[u8]) -> Zeroizing<[u8; KEY_BYTES]> {
        self.mac(b"reprieve derived key v1", &[label])
    }

    /// HMAC-SHA-256. Each part goes in behind its length, so that no two lists
    /// of parts are the same bytes.
    fn mac(&self, label: &[u8], parts: &[&[u8]]) -> Zeroizing<[u8; KEY_BYTES]> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_ref())
            .expect("HMAC takes a key of every length");
        for part in std::iter::once(&label).chain(parts) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        Zeroizing::new(mac.finalize().into_bytes().into())
    }
}

impl KeyRing {
    /// A ring of one random key that no file keeps: for tests.
    pub fn ephemeral() -> Self {
        let key = Key::random().expect("the system has random bytes");
        let keys = Keys { active: 1, all: BTreeMap::from([(1, Arc::new(key))]) };
        Self { keys: Arc::new(RwLock::new(keys)), folder: None }
    }

    /// Reads every key of `folder`.
    ///
    /// # Errors
    /// [`KeyError`] if a key file cannot be read, is readable by others or
    /// has the wrong length, or if none is active.
    pub fn open(folder: &Path) -> Result<Self, KeyError> {
        let keys = Arc::new(RwLock::new(read(folder)?));
        Ok(Self { keys, folder: Some(Arc::new(folder.to_owned())) })
    }

    /// Reads the folder again; on an error the keys in memory stay.
    ///
    /// # Errors
    /// As [`KeyRing::open`].
    pub fn reload(&self) -> Result<(), KeyError> {
        if let Some(folder) = &self.folder {
            let fresh = read(folder)?;
            *self.keys.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        }
        Ok(())
    }

    /// A keyed tag for other things than tokens (form nonces, return paths,
    /// marks): the key's id and 128 bits. `label` keeps the uses apart.
    pub fn seal(&self, label: &str, parts: &[&[u8]]) -> (u16, [u8; TAG_BYTES]) {
        let (id, key) = self.active();
        (id, key.tag(label.as_bytes(), parts))
    }

    /// Whether `tag` was made by [`KeyRing::seal`] with the key `id`, a key
    /// that still verifies. Constant time.
    pub fn unseals(&self, label: &str, parts: &[&[u8]], id: u16, tag: &[u8]) -> bool {
        self.verifies(id, label.as_bytes(), parts, tag)
    }

    pub(super) fn active(&self) -> (u16, Arc<Key>) {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let key = keys.all.get(&keys.active).expect("a ring is never without its active key");
        (keys.active, Arc::clone(key))
    }

    pub(super) fn key(&self, id: u16) -> Option<Arc<Key>> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.all.get(&id).cloned()
    }

    /// An unknown id costs one computation too, with the active key.
    pub(super) fn verifies(&self, id: u16, label: &[u8], parts: &[&[u8]], tag: &[u8]) -> bool {
        let (known, key) = {
            let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
            let known = keys.all.contains_key(&id);
            let key = keys.all.get(&id).or_else(|| keys.all.get(&keys.active));
            (known, Arc::clone(key.expect("a ring is never without its active key")))
        };
        let genuine = key.tag(label, parts);
        let same = bool::from(genuine.ct_eq(tag));
        known && same
    }
}

/// The commands of `reprieve key`, on the folder itself.
pub mod folder {
    use super::{
        File, Key, KeyError, KeyState, KeyStatus, OpenOptions, OpenOptionsExt, Path, Timestamp,
        Write, active, fs, ids, io, key_path,
    };

    /// Makes a key that verifies but does not sign yet, and answers its id.
    /// The first key of a folder is made active at once.
    ///
    /// # Errors
    /// [`KeyError`] if the folder cannot be read or written.
    pub fn new(folder: &Path) -> Result<u16, KeyError> {
        let ids = ids(folder)?;
        let id = ids.last().map_or(1, |last| last + 1);
        write_new(&key_path(folder, id), Key::random()?.0.as_ref())?;
        if ids.is_empty() {
            promote(folder, id)?;
        }
        sync(folder)?;
        Ok(id)
    }

    /// Makes `id` the key that signs.
    ///
    /// # Errors
    /// [`KeyError::Unknown`], or the folder cannot be written.
    pub fn promote(folder: &Path, id: u16) -> Result<(), KeyError> {
        if !ids(folder)?.contains(&id) {
            return Err(KeyError::Unknown(id));
        }
        let fresh = folder.join("link.active.new");
        let _ = fs::remove_file(&fresh);
        write_new(&fresh, format!("{id}\n").as_bytes())?;
        let active = folder.join("link.active");
        fs::rename(&fresh, &active).map_err(|source| KeyError::Io { path: active, source })?;
        sync(folder)
    }

    /// Removes a key: every link that it signed ends.
    ///
    /// # Errors
    /// [`KeyError::Active`] or [`KeyError::Unknown`].
    pub fn retire(folder: &Path, id: u16) -> Result<(), KeyError> {
        if !ids(folder)?.contains(&id) {
            return Err(KeyError::Unknown(id));
        }
        if active(folder).is_ok_and(|active| active == id) {
            return Err(KeyError::Active(id));
        }
        let path = key_path(folder, id);
        fs::remove_file(&path).map_err(|source| KeyError::Io { path, source })?;
        sync(folder)
    }

    /// Every key, by id.
    ///
    /// # Errors
    /// [`KeyError`] if the folder cannot be read.
    pub fn list(folder: &Path) -> Result<Vec<KeyStatus>, KeyError> {
        let active = active(folder).ok();
        ids(folder)?.into_iter().map(|id| status(folder, id, active)).collect()
    }

    fn status(folder: &Path, id: u16, active: Option<u16>) -> Result<KeyStatus, KeyError> {
        let path = key_path(folder, id);
        let made = fs::metadata(&path).and_then(|meta| meta.modified());
        let made = made.map_err(|source| KeyError::Io { path, source })?;
        Ok(KeyStatus {
            id,
            state: if active == Some(id) { KeyState::Active } else { KeyState::Verifying },
            created: Timestamp::try_from(made).unwrap_or(Timestamp::UNIX_EPOCH),
        })
    }

    fn write_new(path: &Path, content: &[u8]) -> Result<(), KeyError> {
        let write = || -> io::Result<()> {
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            file.write_all(content)?;
            file.sync_all()
        };
        write().map_err(|source| KeyError::Io { path: path.to_owned(), source })
    }

    fn sync(folder: &Path) -> Result<(), KeyError> {
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|source| KeyError::Io { path: folder.to_owned(), source })
    }
}

fn key_path(folder: &Path, id: u16) -> PathBuf {
    folder.join(format!("link-{id}.key"))
}

/// The ids of all key files, ascending.
fn ids(folder: &Path) -> Result<Vec<u16>, KeyError> {
    let io = |source| KeyError::Io { path: folder.to_owned(), source };
    let mut ids = Vec::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        let name = entry.map_err(io)?.file_name();
        let id = name.to_str().and_then(|name| name.strip_prefix("link-")?.strip_suffix(".key"));
        ids.extend(id.and_then(|id| id.parse::<u16>().ok()));
    }
    ids.sort_unstable();
    Ok(ids)
}

fn active(folder: &Path) -> Result<u16, KeyError> {
    let path = folder.join("link.active");
    let text = fs::read_to_string(&path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => KeyError::NoneActive(folder.to_owned()),
        _ => KeyError::Io { path, source },
    })?;
    text.trim().parse().map_err(|_| KeyError::NoneActive(folder.to_owned()))
}

fn read(folder: &Path) -> Result<Keys, KeyError> {
    let mut all = BTreeMap::new();
    for id in ids(folder)? {
        all.insert(id, Arc::new(read_key(&key_path(folder, id))?));
    }
    let active = active(folder)?;
    if !all.contains_key(&active) {
        return Err(KeyError::NoneActive(folder.to_owned()));
    }
    Ok(Keys { active, all })
}

fn read_key(path: &Path) -> Result<Key, KeyError> {
    let io = |source| KeyError::Io { path: path.to_owned(), source };
    let mode = fs::metadata(path).map_err(io)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(KeyError::Permissions(path.to_owned()));
    }
    let content = Zeroizing::new(fs::read(path).map_err(io)?);
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    if content.len() != KEY_BYTES {
        return Err(KeyError::Length(path.to_owned()));
    }
    bytes.copy_from_slice(&content);
    Ok(Key(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l_09_a_rotated_key_verifies_until_it_is_retired() {
        let keys = tempfile::tempdir().unwrap();
        let first = folder::new(keys.path()).unwrap();
        let ring = KeyRing::open(keys.path()).unwrap();
        let (id, tag) = ring.seal("test", &[b"x"]);
        assert_eq!(id, first);

        let second = folder::new(keys.path()).unwrap();
        ring.reload().unwrap();
        assert_eq!(ring.seal("test", &[b"x"]).0, first, "a new key verifies before it signs");
        folder::promote(keys.path(), second).unwrap();
        ring.reload().unwrap();
        assert_eq!(ring.seal("test", &[b"x"]).0, second);
        assert!(ring.unseals("test", &[b"x"], first, &tag));

        folder::retire(keys.path(), first).unwrap();
        ring.reload().unwrap();
        assert!(!ring.unseals("test", &[b"x"], first, &tag));
    }

    #[test]
    fn the_active_key_is_not_retired() {
        let keys = tempfile::tempdir().unwrap();
        let id = folder::new(keys.path()).unwrap();
        assert!(matches!(folder::retire(keys.path(), id), Err(KeyError::Active(_))));
        assert!(matches!(folder::retire(keys.path(), 9), Err(KeyError::Unknown(9))));
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let keys = tempfile::tempdir().unwrap();
        let id = folder::new(keys.path()).unwrap();
        let path = key_path(keys.path(), id);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(KeyRing::open(keys.path()), Err(KeyError::Permissions(_))));
    }

    #[test]
    fn a_short_key_is_refused() {
        let keys = tempfile::tempdir().unwrap();
        let id = folder::new(keys.path()).unwrap();
        fs::write(key_path(keys.path(), id), b"short").unwrap();
        assert!(matches!(KeyRing::open(keys.path()), Err(KeyError::Length(_))));
    }

    #[test]
    fn parts_do_not_run_together() {
        let ring = KeyRing::ephemeral();
        assert_ne!(ring.seal("t", &[b"ab", b"c"]), ring.seal("t", &[b"a", b"bc"]));
        assert_ne!(ring.seal("ta", &[b"b"]), ring.seal("t", &[b"ab"]));
    }
}

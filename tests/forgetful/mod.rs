//! A disk that keeps what was synced and nothing else for sure, as LazyFS
//! makes one: a file system in memory behind FUSE. When its power is cut,
//! every operation fails from the one on that was chosen. When it comes back,
//! of what no fsync covered each sector is there or not by chance, in no
//! order, and of what changed among the names in a folder since its own fsync
//! the first few: stricter than ext4, which also keeps a new file's name when
//! only the file was synced. Needs root and `/dev/fuse`.

#![allow(clippy::significant_drop_tightening)]

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags,
    Generation, INodeNo, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyStatfs, ReplyWrite, Request, TimeOrNow,
    WriteFlags,
};

/// What a disk writes whole.
const SECTOR: usize = 512;
/// Nothing changes a file but the kernel that asks.
const TTL: Duration = Duration::from_secs(1);
const PUNCH_HOLE_KEEP_SIZE: i32 = 3;
const ROOT: u64 = 1;

/// The disk, mounted. Only other processes may work on it: one that died
/// while it waited for itself would never end.
pub struct ForgetfulDisk {
    state: Shared,
    session: BackgroundSession,
    mount: tempfile::TempDir,
}

impl ForgetfulDisk {
    /// With everything that lies in `folder`. `None`, with a word, where it
    /// cannot be made.
    pub fn with(folder: &Path) -> Option<Self> {
        let state = Shared::default();
        state.lock().load(ROOT, folder);
        let mount = tempfile::tempdir().unwrap();
        fuser::spawn_mount(state.clone(), mount.path(), &Config::default())
            .inspect_err(|why| println!("skipped: a disk that forgets needs root and FUSE: {why}"))
            .map(|session| Self { state, session, mount })
            .ok()
    }

    pub fn path(&self) -> &Path {
        self.mount.path()
    }

    /// Lets so many more changes and syncs through; the next one and all
    /// behind it fail.
    pub fn cut_after(&self, operations: u64) {
        self.state.lock().until_cut = Some(operations + 1);
    }

    pub fn is_cut(&self) -> bool {
        self.state.lock().until_cut == Some(0)
    }

    /// What is there when the power comes back takes the place of `folder`.
    /// Nobody may have a file open.
    pub fn come_back(self, folder: &Path) -> Forgotten {
        self.session.umount_and_join().unwrap();
        let mut state = self.state.lock();
        let forgotten = state.forget();
        fs::remove_dir_all(folder).unwrap();
        fs::create_dir(folder).unwrap();
        state.save(ROOT, folder);
        forgotten
    }
}

/// What did not survive.
#[derive(Clone, Copy, Debug, Default)]
pub struct Forgotten {
    pub sectors: usize,
    pub names: usize,
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<State>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

struct State {
    nodes: BTreeMap<u64, Node>,
    now: Names,
    kept: Names,
    /// What makes the names of now out of the kept ones, in order.
    changes: Vec<Change>,
    /// Changes and syncs until the power is cut; nothing changes at zero.
    until_cut: Option<u64>,
}

impl Default for State {
    fn default() -> Self {
        let root = Node { mode: 0o755, file: None };
        Self {
            nodes: BTreeMap::from([(ROOT, root)]),
            now: Names::new(),
            kept: Names::new(),
            changes: Vec::new(),
            until_cut: None,
        }
    }
}

struct Node {
    mode: u32,
    /// `None`: a folder.
    file: Option<File>,
}

#[derive(Default)]
struct File {
    now: Vec<u8>,
    kept: Vec<u8>,
    /// Sectors that differ, perhaps.
    dirty: BTreeSet<usize>,
}

/// A name in a folder.
type Place = (u64, OsString);
type Names = BTreeMap<Place, u64>;

enum Change {
    Add(Place, u64),
    Remove(Place),
    Rename(Place, Place),
}

impl Change {
    fn apply(&self, names: &mut Names) {
        match self {
            Self::Add(place, node) => {
                names.insert(place.clone(), *node);
            }
            Self::Remove(place) => {
                names.remove(place);
            }
            Self::Rename(from, to) => {
                if let Some(node) = names.remove(from) {
                    names.insert(to.clone(), node);
                }
            }
        }
    }

    fn folders(&self) -> [u64; 2] {
        match self {
            Self::Add((folder, _), _) | Self::Remove((folder, _)) => [*folder; 2],
            Self::Rename((from, _), (to, _)) => [*from, *to],
        }
    }
}

impl File {
    fn touch(&mut self, bytes: Range<usize>) {
        self.dirty.extend(bytes.start / SECTOR..bytes.end.div_ceil(SECTOR));
    }

    fn write(&mut self, at: usize, data: &[u8]) {
        let end = at + data.len();
        if end > self.now.len() {
            self.resize(end);
        }
        self.now[at..end].copy_from_slice(data);
        self.touch(at..end);
    }

    fn resize(&mut self, length: usize) {
        let (short, long) = (self.now.len().min(length), self.now.len().max(length));
        self.now.resize(length, 0);
        self.touch(short..long);
    }

    fn sync(&mut self) {
        self.kept.resize(self.now.len(), 0);
        for sector in std::mem::take(&mut self.dirty) {
            self.keep(sector);
        }
    }

    fn keep(&mut self, sector: usize) {
        let start = sector * SECTOR;
        let end = (start + SECTOR).min(self.now.len());
        if start < end {
            if self.kept.len() < end {
                self.kept.resize(end, 0);
            }
            self.kept[start..end].copy_from_slice(&self.now[start..end]);
        }
    }

    /// Each sector survives in `odds` of sixteen cases, a shortening in half.
    fn forget(&mut self, odds: usize) -> usize {
        let mut forgotten = 0;
        for sector in std::mem::take(&mut self.dirty) {
            if below(16) < odds {
                self.keep(sector);
            } else {
                forgotten += 1;
            }
        }
        if self.now.len() < self.kept.len() && below(2) == 0 {
            self.kept.truncate(self.now.len());
        }
        self.now.clone_from(&self.kept);
        forgotten
    }
}

impl Node {
    fn attributes(&self, number: u64) -> FileAttr {
        let size = self.file.as_ref().map_or(0, |file| file.now.len() as u64);
        let kind = if self.file.is_some() { FileType::RegularFile } else { FileType::Directory };
        FileAttr {
            ino: INodeNo(number),
            size,
            blocks: size.div_ceil(512),
            atime: SystemTime::UNIX_EPOCH,
            mtime: SystemTime::UNIX_EPOCH,
            ctime: SystemTime::UNIX_EPOCH,
            crtime: SystemTime::UNIX_EPOCH,
            kind,
            perm: (self.mode & 0o7777) as u16,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }
}

fn below(end: usize) -> usize {
    getrandom::u32().unwrap() as usize % end
}

impl State {
    /// Whether one more operation gets through.
    fn alive(&mut self) -> Result<(), Errno> {
        match &mut self.until_cut {
            Some(0) => Err(Errno::EIO),
            Some(left) => {
                *left -= 1;
                if *left == 0 { Err(Errno::EIO) } else { Ok(()) }
            }
            None => Ok(()),
        }
    }

    fn readable(&self) -> Result<(), Errno> {
        if self.until_cut == Some(0) { Err(Errno::EIO) } else { Ok(()) }
    }

    fn load(&mut self, into: u64, folder: &Path) {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let data = entry.metadata().unwrap();
            let bytes = data.is_file().then(|| fs::read(entry.path()).unwrap());
            let file = bytes.map(|kept| File { now: kept.clone(), kept, ..File::default() });
            let mode = data.permissions().mode();
            let number = self.add((into, entry.file_name()), mode, file).unwrap().ino.0;
            if data.is_dir() {
                self.load(number, &entry.path());
            }
        }
        self.sync(into).unwrap();
    }

    fn save(&self, from: u64, folder: &Path) {
        for (name, number) in self.inside(from) {
            let (path, node) = (folder.join(name), &self.nodes[&number]);
            match &node.file {
                Some(file) => fs::write(&path, &file.now).unwrap(),
                None => fs::create_dir(&path).unwrap(),
            }
            fs::set_permissions(&path, fs::Permissions::from_mode(node.mode & 0o7777)).unwrap();
            if node.file.is_none() {
                self.save(number, &path);
            }
        }
    }

    fn forget(&mut self) -> Forgotten {
        self.until_cut = None;
        let odds = [0, 0, 8, 15][below(4)];
        let files = self.nodes.values_mut().filter_map(|node| node.file.as_mut());
        let sectors = files.map(|file| file.forget(odds)).sum();
        let mut names = 0;
        while let Some(first) = self.changes.first() {
            let together = self.take_changes(first.folders()[0]);
            let survive = below(together.len() + 1);
            for change in &together[..survive] {
                change.apply(&mut self.kept);
            }
            names += together.len() - survive;
        }
        self.now.clone_from(&self.kept);
        Forgotten { sectors, names }
    }

    /// Takes the changes of a folder, and of those that names were moved
    /// between.
    fn take_changes(&mut self, folder: u64) -> Vec<Change> {
        let mut folders = BTreeSet::from([folder]);
        let mut known = 0;
        while known < folders.len() {
            known = folders.len();
            let joined = self.changes.iter().map(Change::folders);
            folders.extend(
                joined
                    .filter(|two| two.iter().any(|one| folders.contains(one)))
                    .flatten()
                    .collect::<Vec<_>>(),
            );
        }
        self.changes.extract_if(.., |change| folders.contains(&change.folders()[0])).collect()
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.now);
        self.changes.push(change);
    }

    fn sync(&mut self, number: u64) -> Result<(), Errno> {
        self.alive()?;
        if let Some(file) = &mut self.node(number)?.file {
            file.sync();
        } else {
            for change in self.take_changes(number) {
                change.apply(&mut self.kept);
            }
        }
        Ok(())
    }

    fn node(&mut self, number: u64) -> Result<&mut Node, Errno> {
        self.nodes.get_mut(&number).ok_or(Errno::ENOENT)
    }

    fn file(&mut self, number: INodeNo) -> Result<&mut File, Errno> {
        self.node(number.0)?.file.as_mut().ok_or(Errno::EISDIR)
    }

    fn attributes(&mut self, number: u64) -> Result<FileAttr, Errno> {
        self.readable()?;
        Ok(self.node(number)?.attributes(number))
    }

    fn named(&self, place: &Place) -> Result<u64, Errno> {
        self.now.get(place).copied().ok_or(Errno::ENOENT)
    }

    fn add(&mut self, place: Place, mode: u32, file: Option<File>) -> Result<FileAttr, Errno> {
        self.alive()?;
        let number = self.nodes.last_key_value().map_or(ROOT, |(last, _)| *last) + 1;
        self.nodes.insert(number, Node { mode, file });
        self.change(Change::Add(place, number));
        self.attributes(number)
    }

    fn remove(&mut self, place: Place) -> Result<(), Errno> {
        self.alive()?;
        let number = self.named(&place)?;
        if self.inside(number).next().is_some() {
            return Err(Errno::ENOTEMPTY);
        }
        self.change(Change::Remove(place));
        Ok(())
    }

    fn rename(&mut self, from: Place, to: Place) -> Result<(), Errno> {
        self.alive()?;
        self.named(&from)?;
        if self.now.get(&to).is_some_and(|taken| self.inside(*taken).next().is_some()) {
            return Err(Errno::ENOTEMPTY);
        }
        self.change(Change::Rename(from, to));
        Ok(())
    }

    fn inside(&self, folder: u64) -> impl Iterator<Item = (&OsString, u64)> {
        let all = self.now.range((folder, OsString::new())..(folder + 1, OsString::new()));
        all.map(|((_, name), node)| (name, *node))
    }
}

impl Filesystem for Shared {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let mut state = self.lock();
        let found = state.named(&place(parent, name)).and_then(|node| state.attributes(node));
        match found {
            Ok(attributes) => reply.entry(&TTL, &attributes, Generation(0)),
            Err(error) => reply.error(error),
        }
    }

    fn getattr(&self, _: &Request, node: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.lock().attributes(node.0) {
            Ok(attributes) => reply.attr(&TTL, &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        number: INodeNo,
        mode: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<fuser::BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let mut state = self.lock();
        let done = state.alive().and_then(|()| {
            if let Some(size) = size {
                state.file(number)?.resize(size as usize);
            }
            if let Some(mode) = mode {
                state.node(number.0)?.mode = mode;
            }
            state.attributes(number.0)
        });
        match done {
            Ok(attributes) => reply.attr(&TTL, &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn mkdir(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _: u32,
        reply: ReplyEntry,
    ) {
        match self.lock().add(place(parent, name), mode, None) {
            Ok(attributes) => reply.entry(&TTL, &attributes, Generation(0)),
            Err(error) => reply.error(error),
        }
    }

    fn create(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        match self.lock().add(place(parent, name), mode, Some(File::default())) {
            Ok(attributes) => {
                let (handle, flags) = (FileHandle(0), FopenFlags::empty());
                reply.created(&TTL, &attributes, Generation(0), handle, flags);
            }
            Err(error) => reply.error(error),
        }
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(reply, self.lock().remove(place(parent, name)));
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(reply, self.lock().remove(place(parent, name)));
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        _: RenameFlags,
        reply: ReplyEmpty,
    ) {
        answer(reply, self.lock().rename(place(parent, name), place(new_parent, new_name)));
    }

    fn read(
        &self,
        _: &Request,
        number: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let mut state = self.lock();
        match state.readable().and_then(|()| state.file(number)) {
            Ok(file) => {
                let start = file.now.len().min(offset as usize);
                let end = file.now.len().min(start + size as usize);
                reply.data(&file.now[start..end]);
            }
            Err(error) => reply.error(error),
        }
    }

    fn write(
        &self,
        _: &Request,
        number: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let mut state = self.lock();
        match state.alive().and_then(|()| state.file(number)) {
            Ok(file) => {
                file.write(offset as usize, data);
                reply.written(data.len() as u32);
            }
            Err(error) => reply.error(error),
        }
    }

    fn fallocate(
        &self,
        _: &Request,
        number: INodeNo,
        _: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let mut state = self.lock();
        let done = state.alive().and_then(|()| {
            if mode != PUNCH_HOLE_KEEP_SIZE {
                return Err(Errno::EOPNOTSUPP);
            }
            let file = state.file(number)?;
            let start = file.now.len().min(offset as usize);
            let end = file.now.len().min(start + length as usize);
            file.write(start, &vec![0; end - start]);
            Ok(())
        });
        answer(reply, done);
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, _: &Request, number: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        answer(reply, self.lock().sync(number.0));
    }

    fn fsyncdir(&self, _: &Request, number: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        answer(reply, self.lock().sync(number.0));
    }

    fn readdir(
        &self,
        _: &Request,
        number: INodeNo,
        _: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let state = self.lock();
        if let Err(error) = state.readable() {
            return reply.error(error);
        }
        for (nth, (name, node)) in state.inside(number.0).enumerate().skip(offset as usize) {
            let kind = state.nodes[&node].attributes(node).kind;
            if reply.add(INodeNo(node), nth as u64 + 1, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let blocks = 1 << 20;
        reply.statfs(blocks, blocks, blocks, blocks, blocks, 4096, 255, 4096);
    }
}

fn answer(reply: ReplyEmpty, done: Result<(), Errno>) {
    match done {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

fn place(folder: INodeNo, name: &OsStr) -> Place {
    (folder.0, name.to_owned())
}

//! A power cut, as far as a program can make one: an ext4 file system on a
//! loop device is shut down by force without writing its journal, unmounted,
//! mounted again. Nothing acknowledged is missing, with either index, also
//! with the index stale, empty or corrupt. Needs root and a loop device.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use reprieve::store::IndexEngine;

use crate::attacks::scramble;
use crate::child::{Recorder, Running, start};

/// Power cuts of one file system.
const ROUNDS: [&str; 7] = ["none", "none", "stale", "none", "empty", "corrupt", "none"];

/// `EXT4_IOC_SHUTDOWN` with `NOLOGFLUSH`: forbidding unsafe code here leaves
/// the ioctl to another language.
const SHUTDOWN: &str = "import fcntl, os, struct, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
fcntl.ioctl(fd, 0x8004587d, struct.pack('I', 2))";

#[test]
fn a_power_cut_loses_nothing_with_sled() {
    cuts(IndexEngine::Sled);
}

#[test]
fn a_power_cut_loses_nothing_with_redb() {
    cuts(IndexEngine::Redb);
}

fn cuts(index: IndexEngine) {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::new(folder.path()) else { return };
    let store = disk.mount.join("store");
    let stale = folder.path().join("stale");
    let mut recorder = Recorder::default();
    for (round, damage) in ROUNDS.into_iter().enumerate() {
        let mut running = start(&store, index, None, 1000);
        for _ in 0..10 + getrandom::u32().unwrap() % 60 {
            recorder.record(&running.said.recv_timeout(Duration::from_mins(1)).unwrap());
        }
        freeze(&running);
        disk.cut();
        running.child.kill().unwrap();
        running.child.wait().unwrap();
        for line in &running.said {
            recorder.record(&line);
        }
        disk.mount_again();
        let path = store.join("index").join(index.name());
        match damage {
            "stale" => {
                fs::remove_dir_all(&path).unwrap();
                copy(&stale, &path);
            }
            "empty" => {
                fs::remove_dir_all(&path).unwrap();
                fs::create_dir_all(&path).unwrap();
            }
            "corrupt" => scramble(&path),
            _ => {}
        }
        let why = format!("{index:?}, power cut {round}, index damage: {damage}");
        recorder.reopen(&store, index, &why, true);
        if round == 0 {
            copy(&path, &stale);
        }
    }
    println!("{} power cuts, {} acknowledged, 0 lost", ROUNDS.len(), recorder.acknowledged);
    assert!(recorder.acknowledged > 100);
}

/// Stops the child between two system calls, so that no fsync is under way
/// whose answer the cut could falsify.
fn freeze(running: &Running) {
    let id = running.child.id().to_string();
    assert!(Command::new("kill").args(["-STOP", &id]).status().unwrap().success());
    let stopped = || {
        fs::read_dir(format!("/proc/{id}/task")).unwrap().all(|task| {
            let stat = fs::read_to_string(task.unwrap().path().join("stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('T'))
        })
    };
    let began = Instant::now();
    while !stopped() {
        assert!(began.elapsed() < Duration::from_secs(30), "the child does not stop");
        std::thread::yield_now();
    }
}

/// An ext4 file system in a file.
struct Disk {
    image: PathBuf,
    mount: PathBuf,
}

impl Disk {
    /// `None`, with a word, where it cannot be made.
    fn new(folder: &Path) -> Option<Self> {
        let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
        let disk = Self { image: folder.join("image"), mount: folder.join("mount") };
        fs::create_dir(&disk.mount).unwrap();
        fs::File::create(&disk.image).unwrap().set_len(192 << 20).unwrap();
        let made = root
            && run("mkfs.ext4", &["-q", "-F", disk.image.to_str().unwrap()])
            && run("mount", &["-o", "loop", path(&disk.image), path(&disk.mount)]);
        if made {
            return Some(disk);
        }
        println!("skipped: a power cut needs root, mkfs.ext4 and a loop device");
        let must = root && std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!must, "continuous integration has root, so it must not skip this");
        None
    }

    fn cut(&self) {
        assert!(run("python3", &["-c", SHUTDOWN, path(&self.mount)]), "the shutdown ioctl");
    }

    fn mount_again(&self) {
        assert!(run("umount", &[path(&self.mount)]), "umount");
        assert!(run("mount", &["-o", "loop", path(&self.image), path(&self.mount)]), "mount");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run("umount", &[path(&self.mount)]);
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn run(program: &str, words: &[&str]) -> bool {
    let mut ran = Command::new(program);
    let ran = ran.args(words).stderr(Stdio::null()).stdout(Stdio::null());
    ran.status().is_ok_and(|status| status.success())
}

fn copy(from: &Path, to: &Path) {
    assert!(run("cp", &["-r", path(from), path(to)]), "cp");
}

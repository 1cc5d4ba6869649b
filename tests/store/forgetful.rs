//! T-02: a disk that forgets what was not synced loses its power between any
//! two of its operations while messages are held as fast as they come.
//! Nothing acknowledged is missing. Needs root and `/dev/fuse`.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use reprieve::store::IndexEngine;

use crate::child::{Recorder, start};
use crate::forgetful_disk::{ForgetfulDisk, Forgotten};

/// Power cuts for each index.
const CUTS: usize = 40;
/// Power cuts of one store before a new one is begun.
const EACH: usize = 8;
/// Changes and syncs of the disk before the last of the cuts.
const LONGEST: u64 = 1200;

#[test]
fn t_02_a_forgetful_disk_loses_nothing_acknowledged_with_sled() {
    cuts(IndexEngine::Sled);
}

#[test]
fn t_02_a_forgetful_disk_loses_nothing_acknowledged_with_redb() {
    cuts(IndexEngine::Redb);
}

fn cuts(index: IndexEngine) {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("disk");
    let mut recorder = Recorder::default();
    let mut all = Forgotten::default();
    for round in 0..CUTS {
        if round % EACH == 0 {
            let _ = fs::remove_dir_all(&kept);
            fs::create_dir(&kept).unwrap();
            recorder.forget();
        }
        let Some(disk) = ForgetfulDisk::with(&kept) else { return };
        let mut running = start(&disk.path().join("store"), index, None, 1000);
        let after = u64::from(getrandom::u32().unwrap()) % LONGEST;
        disk.cut_after(after);
        let why = format!("{index:?}, cut {round} after {after} operations");
        while !disk.is_cut() {
            match running.said.recv_timeout(Duration::from_millis(5)) {
                Ok(line) => recorder.record(&line),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    assert!(disk.is_cut(), "{why}: the child ended before it");
                }
            }
        }
        running.child.kill().unwrap();
        running.child.wait().unwrap();
        for line in &running.said {
            recorder.record(&line);
        }
        let forgotten = disk.come_back(&kept);
        all.sectors += forgotten.sectors;
        all.names += forgotten.names;
        let why = format!("{why}, {forgotten:?}");
        recorder.reopen(&kept.join("store"), index, &why, round % 4 == 0);
    }
    println!("{CUTS} cuts, {} acknowledged, 0 lost, {all:?}", recorder.acknowledged);
    assert!(recorder.acknowledged > 1000, "only {} acknowledged", recorder.acknowledged);
    assert!(all.sectors > 1000 && all.names > 0, "the disk forgets too little: {all:?}");
}

/// The disk itself: one that kept everything would prove nothing.
#[test]
fn what_was_not_synced_may_be_gone() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("disk");
    fs::create_dir(&kept).unwrap();
    fs::write(kept.join("old"), b"stays").unwrap();
    // Synced with its folder, and by itself, and not at all.
    let work = "
        cd \"$1\"; echo synced > both; sync both .; echo more >> both
        echo half > alone; sync alone; echo lost > neither; mv old new; touch end";
    let mut survived = BTreeMap::<String, u32>::new();
    for _ in 0..64 {
        let Some(disk) = ForgetfulDisk::with(&kept) else { return };
        let path = disk.path().to_owned();
        assert!(Command::new("sh").args(["-ec", work, "sh"]).arg(path).status().unwrap().success());
        let remains = folder.path().join("remains");
        fs::create_dir_all(&remains).unwrap();
        disk.come_back(&remains);
        assert!(fs::read(remains.join("both")).unwrap().starts_with(b"synced"));
        for entry in fs::read_dir(&remains).unwrap() {
            let entry = entry.unwrap();
            let text = fs::read_to_string(entry.path()).unwrap();
            let name = entry.file_name().into_string().unwrap();
            *survived.entry(format!("{name}: {text:?}")).or_default() += 1;
        }
    }
    let seen = |what: &str| survived.get(what).copied().unwrap_or(0);
    for sometimes in [
        r#"both: "synced\n""#,
        r#"both: "synced\nmore\n""#,
        r#"alone: "half\n""#,
        r#"neither: """#,
        r#"neither: "lost\n""#,
        r#"old: "stays""#,
        r#"new: "stays""#,
    ] {
        assert!((1..64).contains(&seen(sometimes)), "{sometimes} in {survived:?}");
    }
    assert_eq!(seen(r#"old: "stays""#) + seen(r#"new: "stays""#), 64, "{survived:?}");
}

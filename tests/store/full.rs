//! T-03 on a disk that is really full: a small tmpfs. Needs root.

use std::fs;
use std::process::Command;

use reprieve::store::{EmbeddedSettings, IndexEngine, Refusal, State, Store};

use crate::common::{Note, assert_sound, find, hold, note, settings};

struct Tmpfs(tempfile::TempDir);

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn t_03_a_disk_that_fills_refuses_and_works_when_space_is_back() {
    for index in IndexEngine::ALL {
        let disk = Tmpfs(tempfile::tempdir().unwrap());
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"])
            .arg(disk.0.path())
            .output();
        if !mounted.is_ok_and(|mounted| mounted.status.success()) {
            println!("skipped: a small tmpfs needs root");
            return;
        }
        let filler = disk.0.path().join("filler");
        fs::write(&filler, vec![1; 9 << 20]).unwrap();
        let folder = disk.0.path().join("store");
        let small = EmbeddedSettings { reserve: 6 << 20, ..settings(index) };
        let (store, _) = Store::open(&folder, small).unwrap();
        let mut held = Vec::new();
        let refused = loop {
            let fresh = note("until it is full");
            match store.commit(hold(&fresh, 40_000)).await {
                Ok(_) => held.push(fresh),
                Err(refusal) => {
                    assert_eq!(refusal, Refusal::Full);
                    break fresh;
                }
            }
            assert!(held.len() < 1000, "it never gets full");
        };
        assert!(!store.free_space_ok());
        assert_eq!(store.health().state, State::Full);
        assert_eq!(find(&store, refused.id).await, None);
        // A file of its own is refused before it is written.
        assert_eq!(store.commit(hold(&refused, 400_000)).await, Err(Refusal::Full));
        fs::remove_file(&filler).unwrap();
        assert!(store.free_space_ok());
        store.commit(hold(&refused, 400_000)).await.unwrap();
        assert_eq!(store.page::<Note>(&[], 10_000).await.unwrap().len(), held.len() + 1);
        store.close().await;
        drop(store);
        assert_sound(&folder);
    }
}

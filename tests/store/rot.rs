//! Property tests of the journal: truncations and flipped bits.
//! Either the last group was torn, exactly, or the start refuses and names
//! file and offset. Never is anything lost in silence.

use std::fs;
use std::path::{Path, PathBuf};

use reprieve::store::{IndexEngine, OpenError, Store};

use crate::common::{Note, note, open, settings};

const GROUPS: usize = 5;

/// A small store, the journal's bytes and where its groups end.
struct Sample {
    folder: tempfile::TempDir,
    journal: PathBuf,
    bytes: Vec<u8>,
    /// Ends of the groups; the first one is the end of the header.
    ends: Vec<usize>,
}

impl Sample {
    async fn new(clean: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = open(folder.path(), IndexEngine::Redb);
        let journal = fs::read_dir(folder.path().join("journal")).unwrap().next().unwrap();
        let journal = journal.unwrap().path();
        let length = || fs::metadata(&journal).unwrap().len() as usize;
        let mut ends = vec![length()];
        for nth in 0..GROUPS {
            let mut batch = reprieve::store::Batch::new();
            batch.insert(&note(&format!("{nth}")));
            store.commit(batch).await.unwrap();
            ends.push(length());
        }
        if clean {
            store.close().await;
        }
        drop(store);
        let bytes = fs::read(&journal).unwrap();
        Self { folder, journal, bytes, ends }
    }

    /// Lengths to cut to: around each group's end, in its header, in its middle.
    /// Every length is tried beside the journal's own code.
    fn lengths(&self) -> Vec<usize> {
        let last = self.bytes.len();
        let around = self.ends.windows(2).flat_map(|pair| {
            [pair[0], pair[0] + 1, pair[0] + 20, pair[0].midpoint(pair[1]), pair[1] - 1]
        });
        [0, 1, self.ends[0] - 1].into_iter().chain(around).filter(|at| *at < last).collect()
    }

    /// Opens the store with this journal, and with no index if `fresh`.
    fn start(&self, bytes: &[u8], fresh: bool) -> Result<(Store, u64, bool), OpenError> {
        let at = tempfile::tempdir().unwrap().keep();
        copy(self.folder.path(), &at);
        let journal = at.join("journal").join(self.journal.file_name().unwrap());
        fs::write(&journal, bytes).unwrap();
        if fresh {
            fs::remove_dir_all(at.join("index")).unwrap();
        }
        let opened = Store::open(&at, settings(IndexEngine::Redb));
        let unchanged = fs::read(&journal).unwrap() == bytes;
        fs::remove_dir_all(&at).unwrap();
        match opened {
            Ok((store, opened)) => Ok((store, opened.sequence, opened.torn.is_some())),
            Err(error) => {
                assert!(unchanged, "a refused start changes nothing");
                Err(error)
            }
        }
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

#[tokio::test]
async fn every_truncation_is_a_torn_end_or_refused() {
    let killed = Sample::new(false).await;
    for length in killed.lengths() {
        let cut = &killed.bytes[..length];
        // Groups that are whole before the cut.
        let whole = killed.ends[1..].iter().filter(|end| **end <= length).count();
        let edge = killed.ends.contains(&length);
        // Without an index nothing tells that there was more.
        let (store, sequence, torn) = killed.start(cut, true).unwrap();
        assert_eq!((sequence, torn), (whole as u64, !edge), "cut to {length}");
        let rows = store.page::<Note>(&[], 100).await.unwrap();
        assert_eq!(rows.len(), whole);
        drop(store);
        // The index of a store that was only dropped knows every batch.
        if edge || length % 3 == 0 {
            let error = killed.start(cut, false).map(|_| ()).unwrap_err();
            let named = matches!(error, OpenError::Rot { .. } | OpenError::JournalShort { .. });
            assert!(named, "cut to {length}: {error}");
        }
    }
}

#[tokio::test]
async fn after_a_clean_stop_no_truncation_passes() {
    let clean = Sample::new(true).await;
    for length in clean.lengths() {
        let error = clean.start(&clean.bytes[..length], true).map(|_| ()).unwrap_err();
        let named = matches!(error, OpenError::Rot { .. } | OpenError::JournalShort { .. });
        assert!(named, "cut to {length}: {error}");
    }
    assert_eq!(clean.start(&clean.bytes, true).unwrap().1, GROUPS as u64);
}

#[tokio::test]
async fn flipped_bits_are_named_or_cut_the_last_group() {
    let killed = Sample::new(false).await;
    let last = killed.ends[GROUPS - 1];
    // Ten thousand are flipped beside the journal's own code.
    let tried = 60;
    for _ in 0..tried {
        let bit = getrandom::u32().unwrap() as usize % (killed.bytes.len() * 8);
        let mut bytes = killed.bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        match killed.start(&bytes, true) {
            Ok((_, sequence, torn)) => {
                assert!(torn && bit / 8 >= last, "bit {bit} was not seen");
                assert_eq!(sequence, GROUPS as u64 - 1);
            }
            Err(OpenError::Rot { file, offset, .. }) => {
                assert!(bit / 8 < last, "bit {bit} of the last group");
                assert!(file.ends_with(killed.journal.file_name().unwrap()));
                let begins = killed.ends.iter().rfind(|end| **end <= bit / 8).unwrap_or(&0);
                assert_eq!(offset, *begins as u64);
            }
            // The format field of the header speaks of another version.
            Err(OpenError::Newer { .. }) => assert!(bit / 8 < 32),
            Err(error) => panic!("bit {bit}: {error}"),
        }
    }
}

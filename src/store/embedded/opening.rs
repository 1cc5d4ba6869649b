//! What opening a store found, or why it cannot be opened: a sentence for the
//! operator that says what is wrong and what to do.

use std::io;
use std::path::{Path, PathBuf};

use super::index::IndexFault;

/// What was found when the store was opened, and what was done about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// The last run closed the store.
    pub clean: bool,
    /// Sequence number of the last batch.
    pub sequence: u64,
    /// Batches that the index had yet to learn.
    pub replayed: u64,
    /// Why the index was built anew, if it was.
    pub rebuilt: Option<String>,
    /// Records loaded from a checkpoint for that.
    pub records: u64,
    /// The torn end that was cut off.
    pub torn: Option<Torn>,
}

/// A torn last group: nobody was answered for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    pub file: PathBuf,
    /// Where it began.
    pub offset: u64,
    pub bytes: u64,
    /// Where a copy stands.
    pub aside: PathBuf,
}

/// Why a store cannot be opened. Nothing was changed but what the sentence
/// says.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(
        "the store in {} is used by another process; stop it first (a second program on the \
         same folder would destroy it)",
        folder.display()
    )]
    Locked { folder: PathBuf },
    #[error(
        "{} was written by a newer version of reprieve; start that version, this one would \
         damage it",
        what.display()
    )]
    Newer { what: PathBuf },
    #[error(
        "{} is missing or unreadable although the store holds data; restore it from a backup \
         or run `reprieve store verify`",
        path.display()
    )]
    Format { path: PathBuf },
    #[error(
        "the journal is damaged: {} at byte {offset}: {what}; this is not a torn end, so the \
         disk has lost or changed bytes. Restore from a backup, or ask for help with a copy of \
         the folder",
        file.display()
    )]
    Rot { file: PathBuf, offset: u64, what: &'static str },
    #[error(
        "the journal ends at batch {ends}, but batch {known} is known to have been durable: \
         a file in journal/ was cut or removed. Put it back or restore from a backup"
    )]
    JournalShort { ends: u64, known: u64 },
    #[error("the journal begins at batch {oldest}, but batch {wanted} is needed")]
    JournalMissing { wanted: u64, oldest: u64 },
    #[error(
        "the index has to be rebuilt, the journal begins at batch {oldest}, and no checkpoint \
         can be read ({failed}). Restore from a backup"
    )]
    NoCheckpoint { oldest: u64, failed: String },
    #[error("the group of batch {sequence} is whole but says nothing that this version knows")]
    Foreign { sequence: u64 },
    #[error("cannot {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("{0}; `reprieve store rebuild` builds it anew from the journal")]
    Index(String),
    #[error("{0}")]
    Archive(String),
}

impl From<IndexFault> for OpenError {
    fn from(fault: IndexFault) -> Self {
        Self::Index(fault.to_string())
    }
}

/// Names what was being done to which file.
pub(super) fn on<'a>(
    action: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> OpenError + 'a {
    move |source| OpenError::Io { action, path: path.to_owned(), source }
}

//! What the embedded engine is told: which index, and where its limits are.

use super::Disk;
use crate::clock::Clock;

/// The engines that may keep the index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IndexEngine {
    /// For the usual size.
    #[default]
    Sled,
    /// For large installations.
    Redb,
}

impl IndexEngine {
    pub const ALL: [Self; 2] = [Self::Sled, Self::Redb];

    /// Its name in configuration and on disk.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sled => "sled",
            Self::Redb => "redb",
        }
    }
}

/// What the embedded engine is told.
#[derive(Clone, Debug)]
pub struct EmbeddedSettings {
    pub index: IndexEngine,
    /// Free bytes below which no new message is taken.
    pub reserve: u64,
    /// Bytes after which a segment of the journal is full.
    pub journal_segment: u64,
    /// Bytes after which a segment of bodies is full.
    pub body_segment: u64,
    /// Bytes of journal after which a checkpoint is taken.
    pub checkpoint_bytes: u64,
    /// Bytes of journal after which redb is made durable.
    pub persist_bytes: u64,
    /// Bytes that sled may keep in memory.
    pub sled_cache: u64,
    /// Bytes that redb may keep in memory.
    pub redb_cache: usize,
    /// zstd level of bodies.
    pub level: i32,
    pub clock: Clock,
    /// For tests that break the disk; empty in production.
    pub disk: Disk,
}

impl Default for EmbeddedSettings {
    fn default() -> Self {
        Self {
            index: IndexEngine::Sled,
            reserve: 256 << 20,
            journal_segment: 32 << 20,
            body_segment: 64 << 20,
            checkpoint_bytes: 256 << 20,
            persist_bytes: 16 << 20,
            sled_cache: 16 << 20,
            redb_cache: 64 << 20,
            level: 1,
            clock: Clock::system(),
            disk: Disk::default(),
        }
    }
}

//! `reprieve init DIR`: an annotated configuration, keys and folders.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use anyhow::{Context, bail};

use crate::link::ring;

/// The annotated reference is the file that `init` writes.
const REFERENCE: &str = include_str!("../../deploy/reprieve.toml");

pub(super) fn run(dir: &Path) -> anyhow::Result<()> {
    let file = dir.join("reprieve.toml");
    if file.exists() {
        bail!("{} exists already; init writes over nothing", file.display());
    }
    for folder in [dir.to_owned(), dir.join("keys"), dir.join("store")] {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let keys = dir.join("keys");
    if ring::folder::list(&keys)?.is_empty() {
        ring::folder::new(&keys)?;
    }
    let text = REFERENCE.replace("\"/var/lib/reprieve/store\"", "\"store\"");
    let mut written = OpenOptions::new().write(true).create_new(true).mode(0o640).open(&file)?;
    written.write_all(text.as_bytes())?;
    written.sync_all()?;
    fs::File::open(dir)?.sync_all()?;
    println!("wrote {}", file.display());
    println!("Next: decide the lines without #, then: reprieve check --config {}", file.display());
    Ok(())
}

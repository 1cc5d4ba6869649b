//! `reprieve init DIR`: an annotated configuration, keys and folders.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use anyhow::{Context, bail};

use crate::link::ring::folder;

/// The annotated reference is the file that `init` writes.
const REFERENCE: &str = include_str!("../../deploy/reprieve.toml");

pub(super) fn run(dir: &Path) -> anyhow::Result<()> {
    let file = dir.join("reprieve.toml");
    if file.exists() {
        bail!("{} exists already; init writes over nothing", file.display());
    }
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    for folder in [dir.to_owned(), dir.join("keys")] {
        builder.create(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let keys = dir.join("keys");
    if folder::list(&keys)?.is_empty() {
        folder::new(&keys)?;
    }
    let mut written = OpenOptions::new().write(true).create_new(true).mode(0o640).open(&file)?;
    written.write_all(text_for(dir).as_bytes())?;
    written.sync_all()?;
    fs::File::open(dir)?.sync_all()?;
    println!("wrote {}", file.display());
    println!("Next: decide the lines without #, then: reprieve check --config {}", file.display());
    Ok(())
}

/// The store stands beside the configuration; but /etc holds no mail, and the
/// service may not write there.
fn text_for(dir: &Path) -> String {
    if dir.starts_with("/etc") {
        return REFERENCE.to_owned();
    }
    REFERENCE.replace("\"/var/lib/reprieve/store\"", "\"store\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_is_kept_beside_the_configuration_but_never_in_etc() {
        let store = |dir: &str| {
            let dir = Path::new(dir);
            crate::gateway::Config::parse(&text_for(dir), dir, &[]).unwrap().store.folder
        };
        assert_eq!(store("/home/eva/try"), Path::new("/home/eva/try/store"));
        assert_eq!(store("/etc/reprieve"), Path::new("/var/lib/reprieve/store"));
    }
}

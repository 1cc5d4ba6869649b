//! The file that a list is in: made beside the one in force, durable, and then
//! renamed over it, so that nobody reads a half of it.
//!
//! A first line says who made it and its version; texthash(5) and our own
//! download take that for a comment. What was in force is compared line by
//! line, which tells what a new version adds and removes.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::distribute::Difference;
use super::roll::Roll;

/// Old versions of a file that are kept beside it.
const KEPT: u64 = 5;

/// Writes the list beside `path`, each address with the answer for a map file,
/// and renames it over it; each version is kept for a while as `path.vN`.
pub fn write(
    path: &Path,
    roll: &Roll,
    (version, answer): (u64, Option<&str>),
    dry: bool,
) -> io::Result<Difference> {
    let mut difference = Difference { version, ..Difference::default() };
    if answer.is_none()
        && let Some(folder) = path.parent()
    {
        // A list for download lies in a folder of ours.
        fs::create_dir_all(folder)?;
    }
    let mut before = Before::open(path)?;
    let temporary = beside(path, "new");
    let mut out = if dry { None } else { Some(BufWriter::new(File::create(&temporary)?)) };
    if let Some(out) = &mut out {
        writeln!(out, "# reprieve version {version}: made by reprieve, do not edit")?;
    }
    let mut result = Ok(());
    roll.for_each(|address| {
        difference.addresses += 1;
        match before.next_is(address) {
            Ok((known, gone)) => {
                difference.added += u64::from(!known);
                difference.removed += gone;
            }
            Err(error) => result = Err(error),
        }
        if let Some(out) = &mut out
            && is_plain(address)
        {
            let written = match answer {
                Some(answer) => writeln!(out, "{address} {answer}"),
                None => writeln!(out, "{address}"),
            };
            if let Err(error) = written {
                result = Err(error);
            }
        }
    });
    result?;
    difference.removed += before.rest()?;
    let Some(out) = out else { return Ok(difference) };
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    let same = (difference.added, difference.removed) == (0, 0);
    if same && read_head(path).ok().flatten() == version.checked_sub(1) {
        fs::remove_file(&temporary)?;
        return Ok(difference);
    }
    difference.written = true;
    fs::rename(&temporary, path)?;
    sync_folder(path)?;
    // A copy, and no link: who edits the file in place keeps out of it.
    fs::copy(path, aside(path, version))?;
    if let Some(old) = version.checked_sub(KEPT) {
        // A version that is not there needs no removing.
        let _ = fs::remove_file(aside(path, old));
    }
    Ok(difference)
}

/// Puts an old version in force again.
pub fn put_back(path: &Path, version: u64) -> io::Result<()> {
    let temporary = beside(path, "back");
    fs::copy(aside(path, version), &temporary)?;
    File::open(&temporary)?.sync_all()?;
    fs::rename(&temporary, path)?;
    sync_folder(path)
}

/// texthash(5): a key ends at white space, and a line that begins with `#` or
/// white space is no entry.
fn is_plain(address: &str) -> bool {
    !address.starts_with('#') && !address.contains([' ', '\t', '"', '\\'])
}

/// The addresses of the file as it stands, in order beside the new ones.
struct Before {
    lines: Option<io::Lines<BufReader<File>>>,
    waiting: Option<String>,
}

impl Before {
    fn open(path: &Path) -> io::Result<Self> {
        match File::open(path) {
            Ok(file) => {
                let mut before = Self { lines: Some(BufReader::new(file).lines()), waiting: None };
                before.advance()?;
                Ok(before)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(Self { lines: None, waiting: None })
            }
            Err(error) => Err(error),
        }
    }

    fn advance(&mut self) -> io::Result<()> {
        self.waiting = None;
        while let Some(line) = self.lines.as_mut().and_then(Iterator::next) {
            let line = line?;
            if !line.starts_with('#') && !line.is_empty() {
                let key = line.split(' ').next().unwrap_or_default();
                self.waiting = Some(key.to_owned());
                break;
            }
        }
        Ok(())
    }

    /// Whether the old file has `address`, and how many it had before it.
    fn next_is(&mut self, address: &str) -> io::Result<(bool, u64)> {
        let mut gone = 0;
        while let Some(waiting) = &self.waiting {
            match waiting.as_str().cmp(address) {
                std::cmp::Ordering::Less => {
                    gone += 1;
                    self.advance()?;
                }
                std::cmp::Ordering::Equal => {
                    self.advance()?;
                    return Ok((true, gone));
                }
                std::cmp::Ordering::Greater => break,
            }
        }
        Ok((!is_plain(address), gone))
    }

    fn rest(&mut self) -> io::Result<u64> {
        let mut gone = 0;
        while self.waiting.is_some() {
            gone += 1;
            self.advance()?;
        }
        Ok(gone)
    }
}

/// The version in the first line of a list; `None`: it is not ours.
pub fn read_head(path: &Path) -> io::Result<Option<u64>> {
    let mut line = String::new();
    BufReader::new(File::open(path)?).read_line(&mut line)?;
    let version = line.strip_prefix("# reprieve version ").and_then(|rest| rest.split(':').next());
    Ok(version.and_then(|version| version.parse().ok()))
}

/// The version that Postfix has read of a map file: the file's first line as
/// `reprieve-map.service` copies it after a reload that has not failed.
pub fn read_mark(path: &str) -> Option<u64> {
    read_head(&beside(Path::new(path), "read")).ok().flatten()
}

fn aside(path: &Path, version: u64) -> PathBuf {
    beside(path, &format!("v{version}"))
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}

/// Makes the names in the folder of `path` last.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

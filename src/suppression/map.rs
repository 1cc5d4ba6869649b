//! The file that a list is in: made beside the one in force, durable, and then
//! renamed over it, so that nobody reads a half of it.
//!
//! A first line says who made it and its version; Postfix and our own download
//! take that for a comment. What was in force is compared line by line, which
//! tells what a new version adds and removes. A `cdb:` is made of that text and
//! comes into force before it, so that the text never says more than is there;
//! of an `lmdb:` we write the text, and the operator's service the rest.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use super::cdb;
use super::distribute::{ANSWER, Difference};
use super::roll::Roll;
use super::way::MapType;

/// Old versions of a file that are kept beside it.
const KEPT: u64 = 5;

/// Bytes of a first line that are looked at.
const HEAD_BYTES: u64 = 200;
/// The key under which a cdb file has the text's first line; no address.
const HEAD: &[u8] = b"#";

/// What a file is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One address a line.
    Download,
    /// Each address with the answer for it.
    Map(MapType),
}

/// Writes the list beside `path` and puts it in force; each version is kept
/// for a while as `path.vN`.
pub fn write(
    path: &Path,
    roll: &Roll,
    (version, form): (u64, Form),
    dry: bool,
) -> io::Result<Difference> {
    let mut difference = Difference { version, ..Difference::default() };
    if form == Form::Download
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
            let written = match form {
                Form::Map(_) => writeln!(out, "{address} {ANSWER}"),
                Form::Download => writeln!(out, "{address}"),
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
    if same && in_force(path, form).ok().flatten() == version.checked_sub(1) {
        fs::remove_file(&temporary)?;
        return Ok(difference);
    }
    put_in_force(&temporary, path, form)?;
    difference.written = true;
    // A copy, and no link: who edits the file in place keeps out of it.
    fs::copy(path, aside(path, version))?;
    if let Some(old) = version.checked_sub(KEPT) {
        // A version that is not there needs no removing.
        let _ = fs::remove_file(aside(path, old));
    }
    Ok(difference)
}

/// Puts an old version in force again.
pub fn put_back(path: &Path, version: u64, form: Form) -> io::Result<()> {
    let temporary = beside(path, "back");
    fs::copy(aside(path, version), &temporary)?;
    File::open(&temporary)?.sync_all()?;
    put_in_force(&temporary, path, form)
}

fn put_in_force(temporary: &Path, path: &Path, form: Form) -> io::Result<()> {
    if form == Form::Map(MapType::Cdb) {
        let fresh = beside(path, "cdb.new");
        write_cdb(temporary, &fresh)?;
        fs::rename(fresh, beside(path, "cdb"))?;
    }
    fs::rename(temporary, path)?;
    sync_folder(path)
}

fn write_cdb(text: &Path, path: &Path) -> io::Result<()> {
    let mut lines = BufReader::new(File::open(text)?).lines();
    let mut writer = cdb::Writer::create(path)?;
    writer.put(HEAD, lines.next().transpose()?.unwrap_or_default().as_bytes())?;
    for line in lines {
        let line = line?;
        let (address, answer) = line.split_once(' ').unwrap_or((&line, ANSWER));
        writer.put(address.as_bytes(), answer.as_bytes())?;
    }
    writer.finish()
}

/// Which addresses a version has that the one before it has not, and the other
/// way round: the first of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub added: Vec<String>,
    pub removed: Vec<String>,
}

/// Compares a version that is kept with the one before it, which is kept too
/// or was none; at most `limit` of each.
pub fn changes(path: &Path, version: u64, limit: usize) -> io::Result<Changes> {
    let mut now = Before::open(&aside(path, version))?;
    if now.lines.is_none() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let mut before = Before { lines: None, waiting: None };
    if version > 1 {
        before = Before::open(&aside(path, version - 1))?;
        if before.lines.is_none() {
            return Err(io::ErrorKind::NotFound.into());
        }
    }
    let mut changes = Changes::default();
    loop {
        let heads = (before.waiting.take(), now.waiting.take());
        let (old, new) = match heads {
            (None, None) => return Ok(changes),
            // Whichever comes first stands in one of them alone.
            (Some(old), Some(new)) if old < new => {
                now.waiting = Some(new);
                (Some(old), None)
            }
            (Some(old), Some(new)) if old > new => {
                before.waiting = Some(old);
                (None, Some(new))
            }
            heads => heads,
        };
        if old.is_some() {
            before.advance()?;
        }
        if new.is_some() {
            now.advance()?;
        }
        match (old, new) {
            (Some(gone), None) if changes.removed.len() < limit => changes.removed.push(gone),
            (None, Some(fresh)) if changes.added.len() < limit => changes.added.push(fresh),
            _ => {}
        }
    }
}

/// texthash(5): a key ends at white space, and a line that begins with `#` or
/// white space is no entry.
fn is_plain(address: &str) -> bool {
    !address.starts_with('#') && !address.contains([' ', '\t', '"', '\\'])
}

/// The addresses of the file as it stands, in order beside the new ones.
struct Before {
    /// Somebody else may have written there what is no text.
    lines: Option<io::Split<BufReader<File>>>,
    waiting: Option<String>,
}

impl Before {
    fn open(path: &Path) -> io::Result<Self> {
        match File::open(path) {
            Ok(file) => {
                let lines = BufReader::new(file).split(b'\n');
                let mut before = Self { lines: Some(lines), waiting: None };
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
            let key = line.split(|byte| *byte == b' ').next().unwrap_or_default();
            if !key.starts_with(b"#") && !line.is_empty() {
                self.waiting = Some(String::from_utf8_lossy(key).into_owned());
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

/// The version that stands there; `None`: it is not ours, or of two.
pub fn in_force(path: &Path, form: Form) -> io::Result<Option<u64>> {
    let text = read_head(path)?;
    if form != Form::Map(MapType::Cdb) {
        return Ok(text);
    }
    let head = cdb::first(&beside(path, "cdb"), HEAD)?;
    let made = head.and_then(|line| version_of(&String::from_utf8_lossy(&line)));
    Ok(text.filter(|text| made == Some(*text)))
}

/// The version in the first line of a list; `None`: it is not ours.
pub fn read_head(path: &Path) -> io::Result<Option<u64>> {
    head_of(&File::open(path)?)
}

/// The same of a list that is open, at its beginning; it is behind that then.
pub fn head_of(file: &File) -> io::Result<Option<u64>> {
    let mut line = String::new();
    BufReader::new(file).take(HEAD_BYTES).read_line(&mut line)?;
    Ok(version_of(&line))
}

fn version_of(line: &str) -> Option<u64> {
    line.strip_prefix("# reprieve version ")?.split(':').next()?.parse().ok()
}

/// The version that Postfix has read of a map file: the file's first line as
/// `deploy/postfix/reprieve-map` copies it once nothing has failed.
pub fn read_mark(path: &Path) -> Option<u64> {
    read_head(&beside(path, "read")).ok().flatten()
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

//! Real mails from files: `.eml`, folders, Maildir, `.mbox`, and `.tar` or
//! `.tar.xz` as they are published.
//!
//! A corpus has LF line ends and an mbox line at its top; SMTP needs CRLF.

use std::fs::{self, File};
use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};

use lzma_rust2::XzReader;

/// One mail of a corpus.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Its path, and behind `!` its name in the archive.
    pub file: String,
    /// With CRLF line ends from [`read`], as they are from [`read_raw`].
    pub message: Vec<u8>,
}

/// Longer files are no mail (the limit of a message is 25 MiB).
const FILE_BYTES: u64 = 64 << 20;

/// Calls `each` with every mail of `paths`, in order of their names.
///
/// # Errors
/// If a file cannot be read, or `each` fails.
pub fn read<E: From<io::Error>>(
    paths: &[PathBuf],
    each: &mut impl FnMut(Sample) -> Result<(), E>,
) -> Result<(), E> {
    read_raw(paths, &mut |Sample { file, message }| each(Sample { file, message: crlf(&message) }))
}

/// The same with the bytes of the files.
///
/// # Errors
/// If a file cannot be read, or `each` fails.
pub fn read_raw<E: From<io::Error>>(
    paths: &[PathBuf],
    each: &mut impl FnMut(Sample) -> Result<(), E>,
) -> Result<(), E> {
    let mut each = |sample| each(sample);
    raw(paths, &mut each)
}

/// A function's reference, so that folders in folders make no new types.
fn raw<E: From<io::Error>>(
    paths: &[PathBuf],
    each: &mut dyn FnMut(Sample) -> Result<(), E>,
) -> Result<(), E> {
    for path in paths {
        if path.is_dir() {
            let mut inner = fs::read_dir(path)?
                .map(|entry| entry.map(|entry| entry.path()))
                .collect::<io::Result<Vec<_>>>()?;
            inner.sort();
            inner
                .retain(|path| path.is_dir() || is_mail(path) || is_archive(path) || is_mbox(path));
            raw(&inner, each)?;
        } else if is_archive(path) {
            archive(path, each)?;
        } else if is_mbox(path) {
            mbox(path, each)?;
        } else {
            let mut message = Vec::new();
            File::open(path)?.take(FILE_BYTES).read_to_end(&mut message)?;
            each(Sample { file: path.display().to_string(), message })?;
        }
    }
    Ok(())
}

fn archive<E: From<io::Error>>(
    path: &Path,
    each: &mut dyn FnMut(Sample) -> Result<(), E>,
) -> Result<(), E> {
    let file = io::BufReader::new(File::open(path)?);
    let bytes: Box<dyn Read> = if path.extension().is_some_and(|ending| ending == "xz") {
        Box::new(XzReader::new(file, true))
    } else {
        Box::new(file)
    };
    let mut archive = tar::Archive::new(bytes);
    for entry in archive.entries()? {
        let entry = entry?;
        let name = entry.path()?.into_owned();
        if !entry.header().entry_type().is_file() || !is_mail(&name) {
            continue;
        }
        let mut message = Vec::new();
        entry.take(FILE_BYTES).read_to_end(&mut message)?;
        let file = format!("{}!{}", path.display(), name.display());
        each(Sample { file, message })?;
    }
    Ok(())
}

fn is_archive(path: &Path) -> bool {
    let ends = |path: &Path, with: &str| path.extension().is_some_and(|ending| ending == with);
    ends(path, "tar")
        || (ends(path, "xz") && path.file_stem().is_some_and(|name| ends(Path::new(name), "tar")))
}

fn is_mbox(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "mbox")
}

/// RFC 4155: each mail begins with a line `From ` behind an empty line.
fn mbox<E: From<io::Error>>(
    path: &Path,
    each: &mut dyn FnMut(Sample) -> Result<(), E>,
) -> Result<(), E> {
    let mut lines = io::BufReader::new(File::open(path)?);
    let (mut mail, mut line, mut number) = (Vec::new(), Vec::new(), 0);
    let mut behind_empty = true;
    loop {
        line.clear();
        let read = lines.by_ref().take(FILE_BYTES).read_until(b'\n', &mut line)?;
        if read == 0 || (behind_empty && line.starts_with(b"From ")) {
            if !mail.is_empty() {
                number += 1;
                let file = format!("{}!{number}", path.display());
                each(Sample { file, message: std::mem::take(&mut mail) })?;
            }
            if read == 0 {
                return Ok(());
            }
        }
        behind_empty = line.trim_ascii().is_empty();
        if mail.len() + line.len() <= usize::try_from(FILE_BYTES).unwrap_or(usize::MAX) {
            mail.extend_from_slice(&line);
        }
    }
}

/// `.eml`, a file of a Maildir, or a corpus's names of number and hash without an ending.
fn is_mail(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    let hashed = ending.len() == 32 && ending.bytes().all(|b| b.is_ascii_hexdigit());
    let folder = path.parent().and_then(Path::file_name);
    let in_maildir = folder.is_some_and(|folder| folder == "cur" || folder == "new");
    ending == "eml" || hashed || (in_maildir && !name.starts_with('.'))
}

/// CRLF line ends, without an mbox line at the top. A lone CR stays what it
/// is: the gateway is to refuse it.
fn crlf(bytes: &[u8]) -> Vec<u8> {
    let mut rest = bytes;
    if rest.starts_with(b"From ") {
        let end = rest.iter().position(|b| *b == b'\n').map_or(rest.len(), |at| at + 1);
        rest = &rest[end..];
    }
    let mut out = Vec::with_capacity(rest.len() + rest.len() / 32);
    let mut before = 0;
    for &byte in rest {
        if byte == b'\n' && before != b'\r' {
            out.push(b'\r');
        }
        out.push(byte);
        before = byte;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_become_crlf() {
        assert_eq!(crlf(b"From x\na: b\n\nc\r\nd\re\n"), b"a: b\r\n\r\nc\r\nd\re\r\n");
        assert_eq!(crlf(b"a\n\n"), b"a\r\n\r\n");
        assert_eq!(crlf(b""), b"");
    }

    #[test]
    fn folders_and_archives_are_read() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("b.eml"), "Subject: b\n\n").unwrap();
        fs::write(folder.path().join("notes.txt"), "no mail").unwrap();
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(12);
        header.set_cksum();
        tar.append_data(
            &mut header,
            "x/00001.0123456789abcdef0123456789abcdef",
            &b"Subject: a\n\n"[..],
        )
        .unwrap();
        let mut xz = lzma_rust2::XzWriter::new(
            File::create(folder.path().join("a.tar.xz")).unwrap(),
            lzma_rust2::XzOptions::with_preset(1),
        )
        .unwrap();
        io::Write::write_all(&mut xz, &tar.into_inner().unwrap()).unwrap();
        xz.finish().unwrap();

        let mut found = Vec::new();
        read::<io::Error>(&[folder.path().to_owned()], &mut |sample| {
            found.push(sample);
            Ok(())
        })
        .unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].message, b"Subject: a\r\n\r\n");
        assert!(found[0].file.ends_with("a.tar.xz!x/00001.0123456789abcdef0123456789abcdef"));
        assert_eq!(found[1].message, b"Subject: b\r\n\r\n");
    }

    #[test]
    fn maildir_and_mbox_are_read() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("cur")).unwrap();
        fs::write(folder.path().join("cur/1700000000.1.host:2,S"), "Subject: m\n\n").unwrap();
        let two = "From a@b Mon\nSubject: a\n\ntext\nFrom here on\n\nFrom c@d Tue\nSubject: c\n\n";
        fs::write(folder.path().join("x.mbox"), two).unwrap();
        let mut found = Vec::new();
        read::<io::Error>(&[folder.path().to_owned()], &mut |sample| {
            found.push(sample.message);
            Ok(())
        })
        .unwrap();
        assert_eq!(found.len(), 3);
        assert_eq!(found[0], b"Subject: m\r\n\r\n");
        assert_eq!(found[1], b"Subject: a\r\n\r\ntext\r\nFrom here on\r\n\r\n");
        assert_eq!(found[2], b"Subject: c\r\n\r\n");
    }
}

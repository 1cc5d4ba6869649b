//! A constant database: what Postfix reads as `cdb:` (cdb_table(5)).
//!
//! The format is D. J. Bernstein's and has not changed since 1996
//! (<https://cr.yp.to/cdb/cdb.txt>): 256 pairs of table position and slots,
//! the records, the 256 hash tables; all numbers 32 bits, little-endian, so a
//! file ends before 4 GiB. Records are written as they come; eight bytes of
//! each are remembered until the tables are written.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

const TABLES: usize = 256;
/// Bytes of the pairs at the front.
const HEAD: u32 = 2048;
/// Bytes of a first record that are looked at.
const FIRST: usize = 512;

/// One database on its way to disk.
pub struct Writer {
    out: BufWriter<File>,
    /// Where the next record will begin.
    at: u32,
    /// By the lowest byte of a hash: the hashes, and where their records begin.
    tables: Vec<Vec<(u32, u32)>>,
}

impl Writer {
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut out = BufWriter::with_capacity(1 << 16, File::create(path)?);
        out.write_all(&[0; HEAD as usize])?;
        Ok(Self { out, at: HEAD, tables: vec![Vec::new(); TABLES] })
    }

    /// Adds a record; of two with one key a reader finds the first.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        let hash = hash(key);
        self.tables[hash as usize % TABLES].push((hash, self.at));
        pair(&mut self.out, length(key.len())?, length(value.len())?)?;
        self.out.write_all(key)?;
        self.out.write_all(value)?;
        self.at = length(self.at as usize + 8 + key.len() + value.len())?;
        Ok(())
    }

    /// Writes the tables; the file is on stable storage when this returns.
    pub fn finish(mut self) -> io::Result<()> {
        let mut head = Vec::with_capacity(HEAD as usize);
        for table in &self.tables {
            let slots = 2 * table.len();
            pair(&mut head, self.at, length(slots)?)?;
            let mut placed = vec![(0, 0); slots];
            for &(hash, record) in table {
                // The first slot that is free, from the one the hash names.
                let mut slot = (hash >> 8) as usize % slots;
                while placed[slot].1 != 0 {
                    slot = (slot + 1) % slots;
                }
                placed[slot] = (hash, record);
            }
            for (hash, record) in placed {
                pair(&mut self.out, hash, record)?;
            }
            self.at = length(self.at as usize + 8 * slots)?;
        }
        let mut file = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&head)?;
        file.sync_all()
    }
}

/// The value of the first record, if this is its key; of a long one the
/// beginning.
pub fn first(path: &Path, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(u64::from(HEAD)))?;
    let mut bytes = Vec::with_capacity(FIRST);
    file.take(FIRST as u64).read_to_end(&mut bytes)?;
    let number = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let (Some(keys), Some(values)) = (number(0), number(4)) else { return Ok(None) };
    let rest = bytes[8..].strip_prefix(key).filter(|_| keys as usize == key.len());
    Ok(rest.map(|rest| rest[..rest.len().min(values as usize)].to_vec()))
}

/// As in its author's `cdb_hash`.
fn hash(key: &[u8]) -> u32 {
    key.iter().fold(5381, |hash: u32, byte| hash.wrapping_mul(33) ^ u32::from(*byte))
}

fn pair(out: &mut impl Write, one: u32, other: u32) -> io::Result<()> {
    out.write_all(&one.to_le_bytes())?;
    out.write_all(&other.to_le_bytes())
}

fn length(bytes: usize) -> io::Result<u32> {
    u32::try_from(bytes).map_err(|_| io::Error::other("a cdb file ends before 4 GiB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader written after the same description.
    fn find<'a>(file: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
        let number = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize;
        let hash = hash(key);
        let head = 8 * (hash as usize % TABLES);
        let (table, slots) = (number(head), number(head + 4));
        let begin = (hash >> 8) as usize % slots.max(1);
        for slot in (begin..slots).chain(0..begin).map(|slot| table + 8 * slot) {
            let (found, at) = (number(slot), number(slot + 4));
            if at == 0 {
                return None;
            }
            let (keys, values) = (number(at), number(at + 4));
            if found == hash as usize && &file[at + 8..at + 8 + keys] == key {
                return Some(&file[at + 8 + keys..at + 8 + keys + values]);
            }
        }
        None
    }

    #[test]
    fn every_record_is_found_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.cdb");
        let mut writer = Writer::create(&path).unwrap();
        writer.put(b"#", b"the first").unwrap();
        for number in 0..5000 {
            let key = format!("user{number}@far.example");
            writer.put(key.as_bytes(), format!("{number} blocked").as_bytes()).unwrap();
        }
        writer.finish().unwrap();
        let file = std::fs::read(&path).unwrap();
        for number in 0..5000 {
            let value = find(&file, format!("user{number}@far.example").as_bytes()).unwrap();
            assert_eq!(value, format!("{number} blocked").as_bytes());
        }
        assert_eq!(find(&file, b"user5000@far.example"), None);
        assert_eq!(first(&path, b"#").unwrap().as_deref(), Some(&b"the first"[..]));
        assert_eq!(first(&path, b"other").unwrap(), None);
    }

    /// What `cdb -c` of Debian's tinycdb makes of nothing.
    #[test]
    fn an_empty_one_is_its_head() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("empty.cdb");
        Writer::create(&path).unwrap().finish().unwrap();
        let file = std::fs::read(&path).unwrap();
        assert_eq!(file, [2048_u32.to_le_bytes(), [0; 4]].concat().repeat(256));
        assert_eq!((find(&file, b"a"), first(&path, b"#").unwrap()), (None, None));
    }
}

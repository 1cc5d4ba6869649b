//! Every live record as one stream: checkpoint, backup and the way between
//! engines.
//!
//! A zstd stream of a head, entries and a trailer with their count and
//! SHA-256. Without the trailer it is none. Records are read while work goes
//! on, between two sequence numbers; loading them and replaying the journal
//! behind the first gives the right state, because operations are absolute. A
//! backup also carries that piece of journal and the messages.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use bytes::Bytes;
use sha2::{Digest, Sha256};

const MAGIC: &[u8; 8] = b"RPRVCKPT";
const FORMAT: u32 = 1;
const LEVEL: i32 = 1;
/// No key, record or message comes near this.
const LONGEST: u32 = 1 << 30;

/// Which store it is of, and the last batch that it holds for certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub store: [u8; 16],
    pub from: u64,
}

/// One thing in the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Pair {
        key: Bytes,
        revision: u64,
        value: Bytes,
    },
    /// A group of the journal (backups only).
    Group {
        first: u64,
        count: u32,
        payload: Bytes,
    },
    /// A message as it is stored (backups only).
    Body {
        id: [u8; 16],
        location: Bytes,
        payload: Bytes,
    },
}

/// What stands behind the last entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trailer {
    /// No entry holds anything of a batch behind this one.
    pub to: u64,
    /// Entries in the stream.
    pub count: u64,
}

/// Writes a stream into a file, which the caller syncs and renames.
pub(super) struct Writer {
    out: zstd::stream::write::Encoder<'static, BufWriter<File>>,
    hash: Sha256,
    count: u64,
}

impl Writer {
    pub fn begin(file: File, head: Head) -> io::Result<Self> {
        let out = zstd::stream::write::Encoder::new(BufWriter::new(file), LEVEL)?;
        let mut writer = Self { out, hash: Sha256::new(), count: 0 };
        writer.put(MAGIC)?;
        writer.put(&FORMAT.to_le_bytes())?;
        writer.put(&head.store)?;
        writer.put(&head.from.to_le_bytes())?;
        Ok(writer)
    }

    pub fn pair(&mut self, key: &[u8], revision: u64, value: &[u8]) -> io::Result<()> {
        self.put(b"P")?;
        self.block(key)?;
        self.put(&revision.to_le_bytes())?;
        self.block(value)?;
        self.count += 1;
        Ok(())
    }

    pub fn group(&mut self, first: u64, count: u32, payload: &[u8]) -> io::Result<()> {
        self.put(b"G")?;
        self.put(&first.to_le_bytes())?;
        self.put(&count.to_le_bytes())?;
        self.block(payload)?;
        self.count += 1;
        Ok(())
    }

    pub fn body(&mut self, id: &[u8; 16], location: &[u8], payload: &[u8]) -> io::Result<()> {
        self.put(b"B")?;
        self.put(id)?;
        self.block(location)?;
        self.block(payload)?;
        self.count += 1;
        Ok(())
    }

    /// Ends the stream and makes the file's content durable.
    pub fn finish(mut self, to: u64) -> io::Result<()> {
        self.put(b"T")?;
        self.put(&to.to_le_bytes())?;
        let count = self.count;
        self.put(&count.to_le_bytes())?;
        let hash = self.hash.finalize();
        self.out.write_all(&hash)?;
        let file = self.out.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()
    }

    fn block(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        if length > LONGEST {
            return Err(io::Error::other("an entry of more than 1 GiB"));
        }
        self.put(&length.to_le_bytes())?;
        self.put(bytes)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.out.write_all(bytes)
    }
}

/// Reads a stream back; nothing of it may be relied on before
/// [`Reader::next`] has answered the trailer.
pub(super) struct Reader<R: Read> {
    input: R,
    hash: Sha256,
    pub head: Head,
    count: u64,
}

/// An entry, or the end with its trailer.
pub(super) enum Next {
    Entry(Entry),
    End(Trailer),
}

/// Opens a file that [`Writer`] wrote.
pub(super) fn open(path: &Path) -> io::Result<Reader<impl Read + use<>>> {
    let file = BufReader::with_capacity(1 << 17, File::open(path)?);
    Reader::begin(BufReader::with_capacity(1 << 17, zstd::stream::read::Decoder::new(file)?))
}

impl<R: Read> Reader<R> {
    pub fn begin(input: R) -> io::Result<Self> {
        let head = Head { store: [0; 16], from: 0 };
        let mut reader = Self { input, hash: Sha256::new(), head, count: 0 };
        if reader.array::<8>()? != *MAGIC {
            return Err(bad("it is not a checkpoint or backup of reprieve"));
        }
        if u32::from_le_bytes(reader.array()?) > FORMAT {
            return Err(bad("it was written by a newer version of reprieve"));
        }
        reader.head = Head { store: reader.array()?, from: u64::from_le_bytes(reader.array()?) };
        Ok(reader)
    }

    /// # Errors
    /// A stream that is cut, damaged or of a newer version.
    pub fn next(&mut self) -> io::Result<Next> {
        let [tag] = self.array()?;
        let entry = match tag {
            b'P' => Entry::Pair {
                key: self.block()?,
                revision: u64::from_le_bytes(self.array()?),
                value: self.block()?,
            },
            b'G' => Entry::Group {
                first: u64::from_le_bytes(self.array()?),
                count: u32::from_le_bytes(self.array()?),
                payload: self.block()?,
            },
            b'B' => {
                Entry::Body { id: self.array()?, location: self.block()?, payload: self.block()? }
            }
            b'T' => return self.trailer().map(Next::End),
            _ => return Err(bad("an entry of an unknown kind")),
        };
        self.count += 1;
        Ok(Next::Entry(entry))
    }

    fn trailer(&mut self) -> io::Result<Trailer> {
        let to = u64::from_le_bytes(self.array()?);
        let count = u64::from_le_bytes(self.array()?);
        let wanted = self.hash.clone().finalize();
        let mut hash = [0; 32];
        self.input.read_exact(&mut hash)?;
        if count != self.count || hash != wanted[..] {
            return Err(bad("its trailer does not fit its entries"));
        }
        Ok(Trailer { to, count })
    }

    fn block(&mut self) -> io::Result<Bytes> {
        let length = u32::from_le_bytes(self.array()?);
        if length > LONGEST {
            return Err(bad("an entry of more than 1 GiB"));
        }
        // Grows as bytes arrive, so that a forged length costs nothing.
        let mut bytes = Vec::with_capacity((length as usize).min(1 << 16));
        (&mut self.input).take(u64::from(length)).read_to_end(&mut bytes)?;
        if bytes.len() != length as usize {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.hash.update(&bytes);
        Ok(Bytes::from(bytes))
    }

    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes)?;
        self.hash.update(bytes);
        Ok(bytes)
    }
}

fn bad(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

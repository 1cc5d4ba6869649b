//! `store verify`: reads every frame, checkpoint, record and message, and
//! computes the index keys of every record again.
//!
//! The store must not be running. It is opened as a start would open it, so a
//! torn end is cut and a broken index rebuilt before anything is compared.

use std::collections::BTreeMap;
use std::path::Path;

use super::bodies::{Bodies, LOCATIONS, Location};
use super::committer::EVERYTHING;
use super::disk::Disk;
use super::folder::{self, index_folder};
use super::index::Index;
use super::keeper::each_pair;
use super::recover;
use super::{EmbeddedSettings, IndexEngine, OpenError, Opened, journal};
use crate::store::checkpoint::{self, Next};
use crate::store::listing::hex;
use crate::store::record::Schema;
use crate::store::{BodyId, Fault};

/// More sentences than these help nobody.
const SENTENCES: usize = 100;

/// What `store verify` found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What the opening itself found.
    pub opened: Opened,
    pub batches: u64,
    pub checkpoints: u64,
    pub records: u64,
    pub index_keys: u64,
    pub bodies: u64,
    /// What is wrong, in sentences, at most a hundred; empty: nothing.
    pub problems: Vec<String>,
}

impl Report {
    fn problem(&mut self, sentence: String) {
        if self.problems.len() < SENTENCES {
            self.problems.push(sentence);
        }
    }
}

/// The engine that keeps the index of this folder.
pub(in crate::store) fn engine_of(folder: &Path) -> IndexEngine {
    let standing = |engine: &IndexEngine| index_folder(folder, *engine).exists();
    IndexEngine::ALL.into_iter().find(standing).unwrap_or_default()
}

pub(in crate::store) fn verify(folder: &Path, schemas: &[Schema]) -> Result<Report, OpenError> {
    let settings = EmbeddedSettings { index: engine_of(folder), ..EmbeddedSettings::default() };
    if !folder.join("format").exists() {
        return Err(OpenError::Format { path: folder.join("format") });
    }
    let found = recover::recover(folder, &settings, None)?;
    let mut report = Report { opened: found.opened.clone(), ..Report::default() };
    let oldest = found.segments.first().map_or(1, |segment| segment.first);
    let known = found.end.last;
    if !found.segments.is_empty() {
        journal::walk(&found.segments, oldest - 1, known, true, |frame, _| {
            report.batches += u64::from(frame.count);
            Ok(())
        })?;
    }
    for (_, path) in folder::checkpoints(&folder.join("checkpoints"))? {
        report.checkpoints += 1;
        if let Err(error) = read_through(&path) {
            report.problem(format!("The checkpoint {} is of no use: {error}.", path.display()));
        }
    }
    let bodies = Bodies::new(folder.join("bodies"), Disk::default());
    let computed = check_pairs(&*found.index, schemas, &bodies, &mut report)?;
    if computed != report.index_keys {
        name_strays(&*found.index, schemas, &mut report)?;
    }
    if found.opened.clean {
        found.index.persist()?;
        folder::write_clean_mark(folder, &found.end)?;
    }
    Ok(report)
}

/// Checks every record against its index keys and every message against its
/// checksum. Answers how many index keys there should be.
fn check_pairs(
    index: &dyn Index,
    schemas: &[Schema],
    bodies: &Bodies,
    report: &mut Report,
) -> Result<u64, OpenError> {
    let mut computed = 0;
    let mut unknown: BTreeMap<u8, u64> = BTreeMap::new();
    each_pair(index, EVERYTHING, |key, _, value| {
        let (first, rest) = key.split_first().unwrap_or((&0, &[]));
        match *first {
            LOCATIONS => {
                report.bodies += 1;
                if let Err(fault) = check_body(bodies, rest, value) {
                    report.problem(format!("{fault}."));
                }
            }
            0x80.. => report.index_keys += 1,
            table => {
                report.records += 1;
                match schemas.iter().find(|schema| schema.table as u8 == table) {
                    Some(schema) => {
                        computed += check_record(index, schema, rest, value, report)?;
                    }
                    None => *unknown.entry(table).or_default() += 1,
                }
            }
        }
        Ok(())
    })?;
    for (table, count) in unknown {
        report.problem(format!("{count} records stand in table {table:#04x}, which is unknown."));
    }
    Ok(computed)
}

fn check_record(
    index: &dyn Index,
    schema: &Schema,
    primary: &[u8],
    value: &[u8],
    report: &mut Report,
) -> Result<u64, OpenError> {
    let table = schema.table;
    let keys = match (schema.index_keys)(value) {
        Ok(keys) => keys,
        Err(fault) => {
            report.problem(format!("The record {} of {table:?}: {fault}.", hex(primary)));
            return Ok(0);
        }
    };
    for key in &keys {
        let found = index.get(key)?;
        if found.is_none_or(|found| found.bytes != primary) {
            report.problem(format!(
                "The record {} of {table:?} is not found under its index key {}.",
                hex(primary),
                hex(key)
            ));
        }
    }
    Ok(keys.len() as u64)
}

fn check_body(bodies: &Bodies, id: &[u8], value: &[u8]) -> Result<(), Fault> {
    let wrong = || Fault::Damaged(format!("The place of body {}", hex(id)));
    let id = BodyId::from_slice(id).map_err(|_| wrong())?;
    let location = Location::from_bytes(value).ok_or_else(wrong)?;
    bodies.read(id, &location).map(drop)
}

/// Index keys that no record has.
fn name_strays(
    index: &dyn Index,
    schemas: &[Schema],
    report: &mut Report,
) -> Result<(), OpenError> {
    each_pair(index, (&[0x80], &[LOCATIONS]), |key, _, primary| {
        for schema in schemas {
            let record = index.get(&schema.table.key(primary))?;
            let keys = record.map(|record| (schema.index_keys)(&record.bytes));
            if keys.is_some_and(|keys| keys.is_ok_and(|keys| keys.iter().any(|k| k == key))) {
                return Ok(());
            }
        }
        report.problem(format!("The index key {} leads to no record that has it.", hex(key)));
        Ok(())
    })
}

fn read_through(path: &Path) -> std::io::Result<()> {
    let mut reader = checkpoint::open(path)?;
    while let Next::Entry(_) = reader.next()? {}
    Ok(())
}

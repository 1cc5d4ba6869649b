//! A record to store, and folders to store it in.

use std::path::Path;

use bytes::Bytes;
use minicbor::{Decode, Encode};
use reprieve::clock::Timestamp;
use reprieve::store::record::Schema;
use reprieve::store::{
    Batch, Body, BodyId, EmbeddedSettings, Index, IndexEngine, Opened, Record, Row, Store, Table,
};

/// Stands in for a held message: one record, three index keys.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Note {
    #[n(0)]
    #[cbor(with = "reprieve::store::record::uuid")]
    pub id: BodyId,
    #[n(1)]
    pub reference: String,
    #[n(2)]
    pub due: u64,
    #[n(3)]
    pub text: String,
}

impl Record for Note {
    const TABLE: Table = Table::Held;

    fn key(&self) -> Vec<u8> {
        self.id.as_bytes().to_vec()
    }

    fn index_keys(&self) -> Vec<(Index, Vec<u8>)> {
        vec![
            (Index::HeldByReference, self.reference.as_bytes().to_vec()),
            (Index::HeldDue, self.due.to_be_bytes().to_vec()),
            (Index::HeldBySender, self.text.bytes().take(8).collect()),
        ]
    }
}

pub fn schemas() -> Vec<Schema> {
    vec![Schema::of::<Note>()]
}

pub fn note(text: &str) -> Note {
    let id = BodyId::now_v7();
    Note { id, reference: id.simple().to_string(), due: 7, text: text.into() }
}

/// The message of a note: made of its id, so that a mix-up shows, and not much
/// smaller when compressed.
pub fn message(id: BodyId, length: usize) -> Bytes {
    let mut state = id.as_u128() as u64 | 1;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    Bytes::from(words.flatten().take(length).collect::<Vec<_>>())
}

pub fn expires() -> Timestamp {
    "2099-12-24T00:00:00Z".parse().expect("a time")
}

/// One decision: a note with its message.
pub fn hold(note: &Note, length: usize) -> Batch {
    let mut batch = Batch::new();
    batch.insert(note);
    batch.body(Body { id: note.id, expires: expires(), content: message(note.id, length) });
    batch
}

/// Deletes a note and erases its message.
pub fn forget(row: &Row<Note>) -> Batch {
    let mut batch = Batch::new();
    batch.remove(row);
    batch.erase(row.record.id);
    batch
}

pub fn settings(index: IndexEngine) -> EmbeddedSettings {
    EmbeddedSettings { index, reserve: 0, ..EmbeddedSettings::default() }
}

pub fn open(folder: &Path, index: IndexEngine) -> (Store, Opened) {
    Store::open(folder, settings(index)).expect("the store opens")
}

pub async fn find(store: &Store, id: BodyId) -> Option<Row<Note>> {
    store.find::<Note>(id.as_bytes()).await.expect("the store reads")
}

pub fn assert_sound(folder: &Path) {
    let report = Store::verify(folder, &schemas()).expect("the store opens for verification");
    assert_eq!(report.problems, Vec::<String>::new());
}

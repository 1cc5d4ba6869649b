//! The list for servers that fetch it: by a bearer token of their own
//! (RFC 6750), numbered, with the number as its entity tag (RFC 9110 section
//! 8.8.3).
//!
//! A server that asks "newer than N?" has N: that is its acknowledgement. The
//! file is `super::map`'s, so that it is whole, has a difference, and
//! can be rolled back as a map file can.

use std::fs::File;
use std::io::Seek;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::list::Refused;
use super::map::Form;
use super::server::{Distributed, Server, ServerId};
use super::way::Way;
use super::{Suppression, map};
use crate::clock::SignedDuration;
use crate::store::{Batch, Fault, Row};

/// A server that has not fetched a version for so long is in trouble.
const BEHIND: SignedDuration = SignedDuration::from_hours(1);

/// Nor has a Postfix in order that was told to read a map file again.
const UNREAD: SignedDuration = SignedDuration::from_mins(1);

/// What a server gets that asks for its list.
#[derive(Debug)]
pub enum Fetched {
    /// No such server, or not its token: one answer for both.
    Unknown,
    /// Nothing was distributed to it yet.
    Nothing,
    /// It has the newest.
    Same(u64),
    /// A version and its file.
    List(u64, File),
}

/// A fresh token, and the way that knows it by its hash.
///
/// # Panics
/// If the system has no randomness: nothing could be trusted then.
pub fn token() -> (String, Way) {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    let token = URL_SAFE_NO_PAD.encode(bytes);
    let way = Way::Download(hash(&token));
    (token, way)
}

fn hash(token: &str) -> Vec<u8> {
    Sha256::new_with_prefix(b"reprieve list v1\0").chain_update(token).finalize().to_vec()
}

impl Suppression {
    /// Answers a server that fetches; `has`: the version that it says it has.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write.
    pub async fn fetch(
        &self,
        id: ServerId,
        token: &str,
        has: Option<u64>,
    ) -> Result<Fetched, Fault> {
        let Some(row) = self.store.find::<Server>(&id.to_be_bytes()).await? else {
            return Ok(Fetched::Unknown);
        };
        let Way::Download(wanted) = &row.record.way else { return Ok(Fetched::Unknown) };
        if !bool::from(wanted[..].ct_eq(&hash(token)[..])) {
            return Ok(Fetched::Unknown);
        }
        let Some((path, _)) = self.list_file(&row.record) else { return Ok(Fetched::Nothing) };
        // A renamed file stays whole for whoever has it open; its version is
        // its own, and not that of what lies there a moment later.
        let open = || -> std::io::Result<(File, Option<u64>)> {
            let mut file = File::open(&path)?;
            let version = map::head_of(&file)?;
            file.rewind()?;
            Ok((file, version))
        };
        let (file, version) = match open() {
            Ok((file, Some(version))) => (file, version),
            Ok((_, None)) => return Ok(Fetched::Nothing),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Fetched::Nothing);
            }
            Err(error) => return Err(Fault::Unavailable(error.to_string())),
        };
        if let Some(has) = has.filter(|has| *has <= row.record.version) {
            self.acknowledge(&row, has, version).await?;
        }
        Ok(if has == Some(version) { Fetched::Same(version) } else { Fetched::List(version, file) })
    }

    async fn acknowledge(&self, row: &Row<Server>, has: u64, last: u64) -> Result<(), Fault> {
        let known = &row.record;
        if known.acknowledged == has && (known.trouble.is_none() || has != last) {
            return Ok(());
        }
        let mut fresh = known.clone();
        fresh.acknowledged = has;
        fresh.acknowledged_at = Some(self.clock.now());
        if has == last {
            fresh.trouble = None;
        }
        let mut batch = Batch::new();
        batch.update(row, &fresh);
        // Somebody changed the server meanwhile: its next fetch says it again.
        let _ = self.store.commit(batch).await;
        Ok(())
    }

    /// Where the list of a server lies as a file, if it does, and as what.
    pub(super) fn list_file(&self, server: &Server) -> Option<(PathBuf, Form)> {
        match &server.way {
            Way::MapFile { path, map } => Some((PathBuf::from(path), Form::Map(*map))),
            Way::Download(_) => {
                let folder = self.lists.as_ref()?;
                Some((folder.join(format!("server-{}", server.id)), Form::Download))
            }
            Way::Own | Way::Socketmap => None,
        }
    }

    /// Rings once when a server has not taken its last version for too long.
    pub(super) async fn watch_taken(&self, server: &Server) -> Result<(), Fault> {
        if server.trouble.is_some() || server.acknowledged >= server.version || server.pinned {
            return Ok(());
        }
        let mut key = server.id.to_be_bytes().to_vec();
        key.extend_from_slice(&server.version.to_be_bytes());
        let last = self.store.find::<Distributed>(&key).await?;
        let (patience, done) = match server.way {
            Way::MapFile { .. } => (UNREAD, "read"),
            _ => (BEHIND, "fetched"),
        };
        if last.is_some_and(|row| self.clock.now().duration_since(row.record.at) > patience) {
            let words = format!("it has not {done} version {}", server.version);
            self.note_trouble(server.id, &words).await.map_err(Refused::into_fault)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::clock::Clock;
    use crate::mail::Address;
    use crate::store::Store;
    use crate::suppression::distribute::Drift;

    fn read(fetched: Fetched) -> (u64, String) {
        let Fetched::List(version, mut file) = fetched else { panic!("{fetched:?}") };
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        (version, text)
    }

    #[tokio::test]
    async fn a_server_fetches_its_list_and_its_next_fetch_acknowledges() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::stopped_at(crate::clock::Timestamp::from_second(1_800_000_000).unwrap());
        let list = Suppression::new(Store::in_memory(), clock.clone()).in_folder(folder.path());
        let (token, way) = token();
        list.add_server(&Server::new(3, "far", way), "test").await.unwrap();
        assert!(matches!(list.fetch(3, &token, None).await.unwrap(), Fetched::Nothing));
        list.add(3, &Address::parse("a@b.example").unwrap(), "test").await.unwrap();
        list.step().await.unwrap();

        for (id, wrong) in [(3, "nonsense"), (4, &token[..]), (0, &token[..])] {
            let fetched = list.fetch(id, wrong, None).await.unwrap();
            assert!(matches!(fetched, Fetched::Unknown), "{id} {fetched:?}");
        }
        let (version, text) = read(list.fetch(3, &token, None).await.unwrap());
        assert_eq!(version, 1);
        assert!(text.lines().any(|line| line == "a@b.example"), "{text}");
        assert_eq!(list.drift(3).await.unwrap(), Drift::Behind { has: 0, last: 1 });
        assert!(matches!(list.fetch(3, &token, Some(1)).await.unwrap(), Fetched::Same(1)));
        assert_eq!(list.drift(3).await.unwrap(), Drift::None);

        list.release(3, &Address::parse("a@b.example").unwrap(), "anna").await.unwrap();
        list.step().await.unwrap();
        clock.advance(SignedDuration::from_hours(2));
        list.step().await.unwrap();
        let server = list.server(3).await.unwrap().record;
        assert_eq!(server.trouble.as_deref(), Some("it has not fetched version 2"));
        let (version, text) = read(list.fetch(3, &token, Some(1)).await.unwrap());
        assert_eq!((version, text.contains("a@b.example")), (2, false));
        assert!(matches!(list.fetch(3, &token, Some(2)).await.unwrap(), Fetched::Same(2)));
        assert_eq!(list.server(3).await.unwrap().record.trouble, None);

        list.roll_back(3, 1, "test").await.unwrap();
        let (version, text) = read(list.fetch(3, &token, Some(2)).await.unwrap());
        assert_eq!((version, text.contains("a@b.example")), (1, true));
        // A version that was never made acknowledges nothing.
        read(list.fetch(3, &token, Some(9)).await.unwrap());
        assert_eq!(list.server(3).await.unwrap().record.acknowledged, 2);
    }
}

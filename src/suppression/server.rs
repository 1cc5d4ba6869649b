//! Servers: each is a mail server that a list is kept for, ours among them,
//! with its settings and how far it has its list.
//!
//! A record is changed as it stands when the change is written: of two people
//! who change one server, neither undoes the other.

use minicbor::{Decode, Encode};

use super::learn::TRIES;
use super::list::Refused;
use super::rule::RunSettings;
use super::way::Way;
use super::{By, Suppression};
use crate::clock::Timestamp;
use crate::directory::OrganisationId;
use crate::store::{Batch, Fault, Record, Refusal, Row, Table};

/// A mail server that the list is kept for. 0 is our own courier.
pub type ServerId = u16;
/// Our own courier, which is always there.
pub const OWN: ServerId = 0;

/// A mail server, how its list is run, and how far it has it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Server {
    #[n(0)]
    pub id: ServerId,
    #[n(1)]
    pub name: String,
    #[n(2)]
    pub way: Way,
    #[n(3)]
    pub settings: RunSettings,
    /// Addresses and patterns that are never suppressed.
    #[n(4)]
    pub never: Vec<String>,
    #[cbor(n(5), with = "crate::store::record::maybe_micros")]
    pub previous_run: Option<Timestamp>,
    /// The last version that was distributed; 0: none yet.
    #[n(6)]
    pub version: u64,
    /// The last version that the server is known to have.
    #[n(7)]
    pub acknowledged: u64,
    #[cbor(n(8), with = "crate::store::record::maybe_micros")]
    pub acknowledged_at: Option<Timestamp>,
    /// What went wrong with the last distribution.
    #[n(9)]
    pub trouble: Option<String>,
    /// Distribution stands at an old version until somebody resumes it.
    #[n(10)]
    #[cbor(default)]
    pub pinned: bool,
    /// Whose server it is: its administrators run it. Absent: the service's.
    #[n(11)]
    pub organisation: Option<OrganisationId>,
    /// How many the watch period has released on its last day of doing so.
    #[n(12)]
    pub released: Option<OnDay>,
}

/// A number that counts for one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct OnDay {
    /// Of the server's zone, as days since 1970-01-01.
    #[n(0)]
    pub day: i64,
    #[n(1)]
    pub count: u64,
}

impl Server {
    pub fn own() -> Self {
        Self::new(OWN, "own courier", Way::Own)
    }

    pub fn new(id: ServerId, name: &str, way: Way) -> Self {
        Self {
            id,
            name: name.to_owned(),
            way,
            settings: RunSettings::default(),
            never: Vec::new(),
            previous_run: None,
            version: 0,
            acknowledged: 0,
            acknowledged_at: None,
            trouble: None,
            pinned: false,
            organisation: None,
            released: None,
        }
    }
}

/// One distribution: what changed, when, and by whom.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Distributed {
    #[n(0)]
    pub server: ServerId,
    #[n(1)]
    pub version: u64,
    #[cbor(n(2), with = "crate::store::record::micros")]
    pub at: Timestamp,
    #[n(3)]
    pub by: String,
    #[n(4)]
    pub addresses: u64,
    #[n(5)]
    pub added: u64,
    #[n(6)]
    pub removed: u64,
}

impl Record for Server {
    const TABLE: Table = Table::SuppressionServer;

    fn key(&self) -> Vec<u8> {
        self.id.to_be_bytes().to_vec()
    }
}

impl Record for Distributed {
    const TABLE: Table = Table::SuppressionDistributed;

    fn key(&self) -> Vec<u8> {
        let mut key = self.server.to_be_bytes().to_vec();
        key.extend_from_slice(&self.version.to_be_bytes());
        key
    }
}

impl Suppression {
    /// All servers, our own courier first.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn servers(&self) -> Result<Vec<Server>, Fault> {
        let mut all = vec![self.server(OWN).await?.record];
        self.each(|one: Server| all.extend(Some(one).filter(|one| one.id != OWN))).await?;
        Ok(all)
    }

    /// Makes a server.
    ///
    /// # Errors
    /// [`Refused::ServerKnown`] if there is one of this number;
    /// [`Refused::Settings`] if they cannot be.
    pub async fn add_server(&self, server: &Server, by: impl Into<By<'_>>) -> Result<(), Refused> {
        if self.write_server(None, server, by.into()).await? {
            Ok(())
        } else {
            Err(Refused::ServerKnown(server.id))
        }
    }

    /// Changes a server's record as it stands when that is written: `change`
    /// is called again when another change came first.
    ///
    /// # Errors
    /// [`Refused`]: what `change` says, or [`Refused::Settings`] if what it
    /// makes of them cannot be.
    pub async fn edit_server<T>(
        &self,
        id: ServerId,
        by: impl Into<By<'_>>,
        change: impl Fn(&mut Server) -> Result<T, Refused>,
    ) -> Result<(Server, T), Refused> {
        let by = by.into();
        for _ in 0..TRIES {
            let row = self.known(id).await?;
            let mut server = match &row {
                Some(row) => row.record.clone(),
                None if id == OWN => Server::own(),
                None => return Err(Refused::NoServer(id)),
            };
            let done = change(&mut server)?;
            if self.write_server(row.as_ref(), &server, by).await? {
                return Ok((server, done));
            }
        }
        Err(Refused::Busy)
    }

    /// Writes a server over the record that was read, or where there was none;
    /// `false`: another change came first.
    pub(super) async fn write_server(
        &self,
        row: Option<&Row<Server>>,
        server: &Server,
        by: By<'_>,
    ) -> Result<bool, Refused> {
        server.settings.check()?;
        let mut batch = Batch::new();
        batch.upsert(row, server);
        (by.also)(&mut batch);
        match self.store.commit(batch).await {
            Ok(_) => Ok(true),
            Err(Refusal::Conflict(_)) => Ok(false),
            Err(refusal) => Err(Fault::Unavailable(refusal.to_string()).into()),
        }
    }

    /// A server's record; our own courier has one before it is written.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn server(&self, id: ServerId) -> Result<Row<Server>, Fault> {
        let row = self.store.find::<Server>(&id.to_be_bytes()).await?;
        // Revision 0 is of nothing that was written.
        Ok(row.unwrap_or_else(|| Row { record: Server { id, ..Server::own() }, revision: 0 }))
    }

    /// A server's record by its name, for the socketmap.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn server_named(&self, name: &str) -> Result<Option<Server>, Fault> {
        let mut found = None;
        self.each(|one: Server| {
            if one.name == name {
                found = Some(one);
            }
        })
        .await?;
        Ok(found)
    }

    pub(super) async fn known(&self, id: ServerId) -> Result<Option<Row<Server>>, Fault> {
        self.store().find::<Server>(&id.to_be_bytes()).await
    }
}

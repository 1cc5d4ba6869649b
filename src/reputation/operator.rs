//! What operators decide about a sender, and finding him: a part of his
//! address, by state, the latest seen first.

use std::sync::Arc;

use super::{Reputation, Scope, Standing, StandingState};
use crate::store::arena::{Arena, Entry, Order};
use crate::store::{Batch, Fault, Listing, Record, Refusal, Row, Store, Unreadable};

/// How often a decision is made again when another came first.
const TRIES: usize = 8;

/// One page of senders.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    pub senders: Vec<Standing>,
    /// Senders of this page that cannot be read.
    pub unreadable: Vec<Unreadable>,
    pub next: Option<Vec<u8>>,
}

/// Finds senders. Clones share the arena.
#[derive(Clone)]
pub struct SenderSearch {
    store: Store,
    arena: Arc<Arena>,
}

impl SenderSearch {
    /// Follows the table from now on; [`SenderSearch::fill`] brings in the rest.
    pub fn new(store: Store) -> Self {
        let arena = Arena::follow::<Standing>(&store, true, entry);
        Self { store, arena }
    }

    /// Reads all senders once, at start.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn fill(&self) -> Result<(), Fault> {
        self.arena.fill::<Standing>(&self.store, entry).await
    }

    /// At most `limit` senders behind the cursor, in this order: of when they
    /// were seen last, or of their addresses.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn find(
        &self,
        text: &str,
        state: Option<StandingState>,
        order: Order,
        (after, limit): (Option<&[u8]>, usize),
    ) -> Result<Page, Fault> {
        let (arena, text) = (Arc::clone(&self.arena), text.to_owned());
        let after = after.map(<[u8]>::to_vec);
        let bits = state.map_or(0, bit);
        let find = move || {
            arena.find_in(order, &text, after.as_deref(), limit, |seen| seen.facts & bits == bits)
        };
        let found = tokio::task::spawn_blocking(find).await.unwrap_or_default();
        let Listing { records: senders, unreadable } = self.store.listing(&found.keys).await?;
        let next = found.keys.last().filter(|_| found.more).cloned();
        Ok(Page { senders, unreadable, next })
    }

    pub fn len(&self) -> usize {
        self.arena.len()
    }

    pub fn is_empty(&self) -> bool {
        self.arena.is_empty()
    }
}

fn entry(standing: &Standing) -> Entry {
    Entry {
        text: standing.address.display(),
        facts: bit(standing.state),
        order: standing.last_seen.as_microsecond(),
        ..Entry::default()
    }
}

fn bit(state: StandingState) -> u64 {
    1 << (state as u8)
}

impl Reputation {
    /// The standing under this key.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn standing_of(&self, key: &[u8]) -> Result<Option<Standing>, Fault> {
        Ok(self.store.find::<Standing>(key).await?.map(|row| row.record))
    }

    /// An operator's word: this state from now on; a second revocation bars
    /// the sender. `also` adds what belongs to
    /// the decision, with the record before and after. `None`: nobody has a
    /// standing under this key.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write.
    pub async fn decide(
        &self,
        key: &[u8],
        state: StandingState,
        also: &(dyn Fn(&mut Batch, &Standing, &Standing) + Sync),
    ) -> Result<Option<Standing>, Fault> {
        for _ in 0..TRIES {
            let row: Option<Row<Standing>> = self.store.find(key).await?;
            let Some(row) = row else { return Ok(None) };
            let mut standing = row.record.clone();
            if state == StandingState::Revoked && standing.state != StandingState::Revoked {
                standing.revocations = standing.revocations.saturating_add(1);
                standing.clean_days = 0;
            }
            standing.state = match state {
                // As flags do: see `Reputation::revoke`.
                StandingState::Revoked if standing.revocations > 1 => StandingState::Barred,
                state => state,
            };
            standing.since = self.clock.now();
            let mut batch = Batch::new();
            batch.update(&row, &standing);
            also(&mut batch, &row.record, &standing);
            match self.store.commit(batch).await {
                Ok(_) => return Ok(Some(standing)),
                Err(Refusal::Conflict(_)) => {}
                Err(refusal) => return Err(Fault::Unavailable(refusal.to_string())),
            }
        }
        Err(Fault::Unavailable("the record changes too fast; try again".to_owned()))
    }
}

impl Standing {
    /// Its key in the store: a cursor, a name in addresses.
    pub fn id(&self) -> Vec<u8> {
        self.key()
    }

    /// Whether it counts in every organisation.
    pub fn is_everywhere(&self) -> bool {
        self.scope == Scope::Everywhere
    }
}

impl StandingState {
    /// The word in logs and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Probation => "probation",
            Self::Trusted => "trusted",
            Self::Revoked => "revoked",
            Self::Barred => "barred",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        let all = [Self::Probation, Self::Trusted, Self::Revoked, Self::Barred];
        all.into_iter().find(|one| one.as_str() == text)
    }
}

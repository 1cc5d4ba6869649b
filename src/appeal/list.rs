//! Lists of appeals: by when they are due, which is an order of the store's,
//! or by who appeals, over an arena in memory; each from either end.
//!
//! An arena keeps what an appeal says: about a kilobyte of each, and there is
//! one for each sender and campaign as long as its record is kept.

use std::collections::HashSet;
use std::sync::Arc;

use super::record::{Appeal, Tab};
use super::{Appeals, PAGE, SEARCHED};
use crate::directory::OrganisationId;
use crate::directory::search::Numbers;
use crate::store::arena::{self, Arena, Entry};
use crate::store::{Fault, Index, Listing, Store, Toward, Unreadable};

/// In which order a list stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Those that wait: what is due first on top. Closed ones: the latest.
    #[default]
    Due,
    DueLast,
    /// By who appeals.
    Name,
    NameBackwards,
}

/// Which appeals.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    pub tab: Tab,
    /// A part of anything that they say; empty: all.
    pub part: &'a str,
    /// Those that concern these; `None`: all.
    pub organisations: Option<&'a [OrganisationId]>,
    pub order: Order,
}

/// One page.
#[derive(Clone, Debug, Default)]
pub struct Page {
    pub appeals: Vec<Appeal>,
    /// Appeals of this page that cannot be read; shown to whom all concern.
    pub unreadable: Vec<Unreadable>,
    /// The cursor behind it, if there may be more.
    pub next: Option<Vec<u8>>,
}

/// What appeals say, by sender.
#[derive(Clone)]
pub(super) struct Names {
    arena: Arc<Arena>,
    organisations: Numbers<OrganisationId>,
}

impl Wanted<'_> {
    /// Whether it is one of those, its text aside. One that was decided
    /// meanwhile stands in another tab now.
    fn wants(&self, appeal: &Appeal) -> bool {
        appeal.tab() == self.tab && self.organisations.is_none_or(|own| appeal.concerns(own))
    }
}

impl Order {
    const ALL: [Self; 4] = [Self::Due, Self::DueLast, Self::Name, Self::NameBackwards];

    /// The word in addresses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::DueLast => "due-last",
            Self::Name => "name",
            Self::NameBackwards => "name-backwards",
        }
    }

    /// # Errors
    /// `None` for what is no order; an empty word is the usual one.
    pub fn parse(word: &str) -> Option<Self> {
        if word.is_empty() {
            return Some(Self::default());
        }
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }
}

impl Names {
    pub fn new(store: &Store) -> Self {
        let organisations = Numbers::default();
        let numbers = organisations.clone();
        let arena = Arena::follow::<Appeal>(store, false, move |one| entry(one, &numbers));
        Self { arena, organisations }
    }

    pub async fn fill(&self, store: &Store) -> Result<(), Fault> {
        self.arena.fill::<Appeal>(store, |one| entry(one, &self.organisations)).await
    }

    async fn find(
        &self,
        wanted: &Wanted<'_>,
        order: arena::Order,
        after: &[u8],
        limit: usize,
    ) -> arena::Found {
        let own = wanted.organisations.map(|own| self.organisations.of(own));
        let (arena, part, tab) = (Arc::clone(&self.arena), wanted.part.to_owned(), bit(wanted.tab));
        let after = (!after.is_empty()).then(|| after.to_vec());
        let find = move || {
            arena.find_in(order, &part, after.as_deref(), limit, |seen| {
                let theirs = |own: &Vec<u32>| seen.groups.iter().any(|one| own.contains(one));
                seen.facts & tab != 0 && own.as_ref().is_none_or(theirs)
            })
        };
        tokio::task::spawn_blocking(find).await.unwrap_or_default()
    }
}

fn entry(appeal: &Appeal, organisations: &Numbers<OrganisationId>) -> Entry {
    Entry {
        text: appeal.texts().collect::<Vec<_>>().join("\u{1f}"),
        facts: bit(appeal.tab()),
        groups: organisations.of(&appeal.organisations),
        marks: Vec::new(),
        order: appeal.opened_at.as_microsecond(),
    }
}

fn bit(tab: Tab) -> u64 {
    1 << (tab as u8)
}

impl Appeals {
    /// At most `limit` appeals of a tab, what is due first on top, behind a
    /// cursor (empty: from the first), of those that concern these
    /// organisations (`None`: of all).
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn page(
        &self,
        tab: Tab,
        organisations: Option<&[OrganisationId]>,
        after: &[u8],
        limit: usize,
    ) -> Result<Page, Fault> {
        let wanted = Wanted { tab, part: "", organisations, order: Order::Due };
        self.find_by(&wanted, after, limit).await
    }

    /// At most `limit` of the wanted appeals behind a cursor. A search that
    /// has looked at many gives what it found, and the cursor to go on from.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn find_by(
        &self,
        wanted: &Wanted<'_>,
        after: &[u8],
        limit: usize,
    ) -> Result<Page, Fault> {
        match wanted.order {
            Order::Due => self.by_due(wanted, Toward::Last, after, limit).await,
            Order::DueLast => self.by_due(wanted, Toward::First, after, limit).await,
            Order::Name => self.by_name(wanted, arena::Order::Text, after, limit).await,
            Order::NameBackwards => {
                self.by_name(wanted, arena::Order::TextBackwards, after, limit).await
            }
        }
    }

    async fn by_due(
        &self,
        wanted: &Wanted<'_>,
        toward: Toward,
        after: &[u8],
        limit: usize,
    ) -> Result<Page, Fault> {
        let searched = !wanted.part.trim().is_empty();
        let named = if searched {
            let all = self.names.find(wanted, arena::Order::Latest, &[], usize::MAX).await;
            all.keys.into_iter().collect()
        } else {
            HashSet::new()
        };
        let store = &self.tools.store;
        let (first, end) = wanted.tab.range();
        let mut after = after.to_vec();
        let (mut found, mut last) = (Page::default(), None);
        let mut looked_at = 0;
        loop {
            let range = (first.as_slice(), end.as_slice());
            let step = if searched { PAGE } else { PAGE.min(limit + 1) };
            let page = store.references(Index::AppealDue, range, toward, (&after, step)).await?;
            let over = page.len() < step;
            looked_at += page.len();
            for reference in page {
                after = reference.cursor;
                if searched && !named.contains(&reference.key) {
                    continue;
                }
                let mut listing = store.listing::<Appeal>(&[reference.key]).await?;
                listing.records.retain(|one| wanted.wants(one));
                listing.unreadable.retain(|_| wanted.organisations.is_none());
                if listing.records.is_empty() && listing.unreadable.is_empty() {
                    continue;
                }
                if found.appeals.len() + found.unreadable.len() == limit {
                    return Ok(Page { next: last, ..found });
                }
                last = Some(after.clone());
                found.appeals.append(&mut listing.records);
                found.unreadable.append(&mut listing.unreadable);
            }
            if over {
                return Ok(found);
            }
            if looked_at >= SEARCHED {
                return Ok(Page { next: Some(after), ..found });
            }
        }
    }

    async fn by_name(
        &self,
        wanted: &Wanted<'_>,
        order: arena::Order,
        after: &[u8],
        limit: usize,
    ) -> Result<Page, Fault> {
        let keys = self.names.find(wanted, order, after, limit).await;
        let listing = self.tools.store.listing::<Appeal>(&keys.keys).await?;
        let Listing { records: mut appeals, unreadable } = listing;
        appeals.retain(|one| wanted.wants(one));
        let next = keys.keys.last().filter(|_| keys.more).cloned();
        Ok(Page { appeals, unreadable, next })
    }
}

//! One held message as its sender may see it: the copies that his token
//! speaks of, those whose names he may read, and what he may do now.

use std::sync::Arc;

use super::entered::Entered;
use crate::clock::Timestamp;
use crate::link::{ALL_RECIPIENTS, Token};
use crate::portal::App;
use crate::portal::error::Trouble;
use crate::portal::part::Brand;
use crate::quarantine::{Held, HeldRecipient, State};
use crate::release::Way;

/// A message behind a valid token.
pub struct Case {
    pub held: Held,
    /// Of the record; every change raises it.
    pub revision: u64,
    /// What may be done now; [`Way::Over`] once the token has expired.
    pub way: Way,
    pub brand: Brand,
    pub now: Timestamp,
    pub slot: u16,
}

/// Recipients as a page may name them.
pub struct Named<'a> {
    pub shown: Vec<&'a HeldRecipient>,
    /// How many more there are: in Bcc, or beyond what a page can list.
    pub others: usize,
}

/// More names make no page clearer.
const MOST_NAMES: usize = 20;

impl Case {
    /// Reads the record and sets the visitor's language; `None` if it was
    /// purged.
    pub async fn load(app: &App, entered: &mut Entered) -> Result<Option<Self>, Trouble> {
        let Token { subject, slot, .. } = entered.token;
        let Some(row) = app.releases.find(subject).await? else { return Ok(None) };
        let (held, revision) = (row.record, row.revision);
        let now = app.clock.now();
        let way = if entered.token.has_expired(now) {
            Way::Over
        } else {
            app.releases.way(&held, slot).await?
        };
        let first = if slot == ALL_RECIPIENTS { 0 } else { usize::from(slot) };
        let organisation = held
            .recipients
            .get(first)
            .and_then(|one| app.directory.organisation(&one.organisation));
        let language = organisation.as_ref().map(|one| one.language.as_str());
        entered.visitor.speak(&[held.language.as_deref(), language]);
        let brand = match &organisation {
            Some(organisation) => Brand::Organisation(Arc::clone(organisation)),
            None => entered.visitor.brand(),
        };
        Ok(Some(Self { held, revision, way, brand, now, slot }))
    }

    /// The copies that the token speaks of.
    pub fn copies(&self) -> impl Iterator<Item = &HeldRecipient> {
        let all = self.slot == ALL_RECIPIENTS;
        let places = self.held.recipients.iter().enumerate();
        places.filter(move |(place, _)| all || *place == usize::from(self.slot)).map(|(_, one)| one)
    }

    /// The copies that wait.
    pub fn waiting(&self) -> impl Iterator<Item = &HeldRecipient> {
        self.copies().filter(|one| one.state == State::Held)
    }

    /// Whether anything but waiting has happened to a copy.
    pub fn has_moved(&self) -> bool {
        self.copies().any(|one| one.state != State::Held)
    }

    /// The names among `copies`: those in To or Cc.
    pub fn named<'a>(copies: impl Iterator<Item = &'a HeldRecipient>) -> Named<'a> {
        let (mut shown, hidden): (Vec<_>, Vec<_>) = copies.partition(|one| one.named);
        let beyond = shown.len().saturating_sub(MOST_NAMES);
        shown.truncate(MOST_NAMES);
        Named { shown, others: hidden.len() + beyond }
    }

    /// The log's word for what the link led to.
    pub fn led_to(&self) -> &'static str {
        if !self.has_moved() {
            return if self.way == Way::Over { "gone" } else { "page" };
        }
        self.copies()
            .map(|one| one.state)
            .find(|state| *state != State::Held)
            .map_or("page", State::as_str)
    }
}

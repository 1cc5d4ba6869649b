//! Downloading lists and logs is a right of an organisation, off by default:
//! its administrator asks, an operator decides for all downloads at once.
//!
//! Each step is one batch, to which the caller adds its audit entry.

use minicbor::{Decode, Encode};

use super::list::Refused;
use super::{Also, Suppression, event};
use crate::clock::Timestamp;
use crate::directory::OrganisationId;
use crate::store::{Batch, Fault, Record, Refusal, Row, Table};

/// An organisation's wish to download lists and logs: asked by its
/// administrator, decided by an operator.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Inquiry {
    #[n(0)]
    pub organisation: OrganisationId,
    #[cbor(n(1), with = "crate::store::record::micros")]
    pub at: Timestamp,
    /// The login that asked; empty where an operator granted unasked.
    #[n(2)]
    pub by: String,
    /// In the administrator's words.
    #[n(3)]
    pub why: String,
    #[n(4)]
    pub state: InquiryState,
    #[cbor(n(5), with = "crate::store::record::maybe_micros")]
    pub decided_at: Option<Timestamp>,
    #[n(6)]
    pub decided_by: Option<String>,
}

/// The numbers stand on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum InquiryState {
    #[n(0)]
    Open,
    #[n(1)]
    Granted,
    #[n(2)]
    Refused,
}

impl InquiryState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Granted => "granted",
            Self::Refused => "refused",
        }
    }
}

impl Record for Inquiry {
    const TABLE: Table = Table::SuppressionInquiry;

    fn key(&self) -> Vec<u8> {
        self.organisation.as_str().as_bytes().to_vec()
    }
}

impl Suppression {
    /// Whether an organisation's administrators may download.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn may_download(&self, organisation: &OrganisationId) -> Result<bool, Fault> {
        let row = self.inquiry_row(organisation).await?;
        Ok(row.is_some_and(|row| row.record.state == InquiryState::Granted))
    }

    /// An organisation's inquiry, if it ever made one.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn inquiry(&self, organisation: &OrganisationId) -> Result<Option<Inquiry>, Fault> {
        Ok(self.inquiry_row(organisation).await?.map(|row| row.record))
    }

    /// Every inquiry, open ones first, then the latest.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn inquiries(&self) -> Result<Vec<Inquiry>, Fault> {
        let mut all: Vec<Inquiry> = Vec::new();
        self.each(|one| all.push(one)).await?;
        let last = |one: &Inquiry| one.decided_at.unwrap_or(one.at);
        all.sort_by_key(|one| (one.state != InquiryState::Open, std::cmp::Reverse(last(one))));
        Ok(all)
    }

    /// An administrator asks for the right. Asked again, it is the same
    /// inquiry with new words.
    ///
    /// # Errors
    /// [`Refused::Granted`] if there is nothing to ask for.
    pub async fn inquire(
        &self,
        organisation: &OrganisationId,
        by: &str,
        why: &str,
        also: Also<'_>,
    ) -> Result<(), Refused> {
        let row = self.inquiry_row(organisation).await?;
        if row.as_ref().is_some_and(|row| row.record.state == InquiryState::Granted) {
            return Err(Refused::Granted);
        }
        let inquiry = Inquiry {
            organisation: organisation.clone(),
            at: self.clock.now(),
            by: by.to_owned(),
            why: event::cut(why, 1000),
            state: InquiryState::Open,
            decided_at: None,
            decided_by: None,
        };
        self.write_inquiry(row.as_ref(), &inquiry, also).await
    }

    /// An operator grants the right, refuses it, or takes it back.
    ///
    /// # Errors
    /// [`Refused::Store`].
    pub async fn decide_inquiry(
        &self,
        organisation: &OrganisationId,
        grant: bool,
        by: &str,
        also: Also<'_>,
    ) -> Result<(), Refused> {
        let row = self.inquiry_row(organisation).await?;
        let mut inquiry = row.as_ref().map_or_else(
            || Inquiry {
                organisation: organisation.clone(),
                at: self.clock.now(),
                by: String::new(),
                why: String::new(),
                state: InquiryState::Open,
                decided_at: None,
                decided_by: None,
            },
            |row| row.record.clone(),
        );
        inquiry.state = if grant { InquiryState::Granted } else { InquiryState::Refused };
        inquiry.decided_at = Some(self.clock.now());
        inquiry.decided_by = Some(by.to_owned());
        self.write_inquiry(row.as_ref(), &inquiry, also).await
    }

    async fn inquiry_row(
        &self,
        organisation: &OrganisationId,
    ) -> Result<Option<Row<Inquiry>>, Fault> {
        self.store.find(organisation.as_str().as_bytes()).await
    }

    async fn write_inquiry(
        &self,
        row: Option<&Row<Inquiry>>,
        inquiry: &Inquiry,
        also: Also<'_>,
    ) -> Result<(), Refused> {
        let mut batch = Batch::new();
        batch.upsert(row, inquiry);
        also(&mut batch);
        match self.store.commit(batch).await {
            Ok(_) => Ok(()),
            Err(Refusal::Conflict(_)) => Err(Refused::Busy),
            Err(refusal) => Err(Fault::Unavailable(refusal.to_string()).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::store::Store;

    #[tokio::test]
    async fn the_right_is_off_until_it_is_granted_and_can_be_taken_back() {
        let list = Suppression::new(Store::in_memory(), Clock::system());
        let one = OrganisationId::new("one").unwrap();
        let other = OrganisationId::new("other").unwrap();
        let nothing: Also<'_> = &|_| {};
        assert!(!list.may_download(&one).await.unwrap());
        list.inquire(&one, "anna", "for the yearly report", nothing).await.unwrap();
        assert!(!list.may_download(&one).await.unwrap());
        list.decide_inquiry(&one, true, "op", nothing).await.unwrap();
        assert!(list.may_download(&one).await.unwrap());
        assert!(!list.may_download(&other).await.unwrap());
        assert_eq!(list.inquire(&one, "anna", "again", nothing).await, Err(Refused::Granted));
        list.decide_inquiry(&one, false, "op", nothing).await.unwrap();
        assert!(!list.may_download(&one).await.unwrap());
        list.inquire(&other, "bo", "", nothing).await.unwrap();
        let all = list.inquiries().await.unwrap();
        assert_eq!((all.len(), all[0].organisation.as_str()), (2, "other"));
    }
}

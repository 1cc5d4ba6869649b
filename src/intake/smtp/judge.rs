//! Who answers for the session: the intake, or in unit tests a script.

use crate::intake::{Answer, Intake};
use crate::mail::{Address, Envelope, Message, Reply};
use crate::store::Expected;

#[derive(Clone)]
pub enum Judge {
    Intake(Intake),
    #[cfg(test)]
    Script(super::tests::Script),
}

impl Judge {
    pub async fn recipient(&self, envelope: &Envelope, recipient: &Address) -> Option<Reply> {
        match self {
            Self::Intake(intake) => intake.recipient(envelope, recipient).await,
            #[cfg(test)]
            Self::Script(script) => script.recipient(envelope, recipient),
        }
    }

    /// The answer to MAIL while nothing can be kept.
    pub fn unready(&self) -> Option<Reply> {
        match self {
            Self::Intake(intake) => intake.unready(),
            #[cfg(test)]
            Self::Script(script) => script.inner().unready.clone(),
        }
    }

    /// Says that a message is coming.
    pub fn expect(&self) -> Expected {
        match self {
            Self::Intake(intake) => intake.expect(),
            #[cfg(test)]
            Self::Script(_) => Expected::default(),
        }
    }

    /// Whether no next hop is asked about this recipient.
    pub fn ends_here(&self, recipient: &Address) -> bool {
        match self {
            Self::Intake(intake) => intake.ends_here(recipient),
            #[cfg(test)]
            Self::Script(script) => script.ends_here(recipient),
        }
    }

    /// Whose mailbox `<Postmaster>` is.
    pub fn postmaster(&self) -> Option<Address> {
        match self {
            Self::Intake(intake) => intake.postmaster(),
            #[cfg(test)]
            Self::Script(script) => script.postmaster(),
        }
    }

    pub async fn receive(&self, envelope: &Envelope, message: &Message) -> Answer {
        match self {
            Self::Intake(intake) => intake.receive(envelope, message).await,
            #[cfg(test)]
            Self::Script(script) => script.receive(envelope, message),
        }
    }

    pub async fn withdraw(&self, held: uuid::Uuid) {
        match self {
            Self::Intake(intake) => intake.withdraw(held).await,
            #[cfg(test)]
            Self::Script(script) => script.withdraw(held),
        }
    }

    pub fn passed_before(&self, envelope: &Envelope, message: &Message) -> Vec<usize> {
        match self {
            Self::Intake(intake) => intake.passed_before(envelope, message),
            #[cfg(test)]
            Self::Script(script) => script.passed_before(envelope, message),
        }
    }

    pub fn remember_passed(&self, envelope: &Envelope, message: &Message, slots: &[usize]) {
        match self {
            Self::Intake(intake) => intake.remember_passed(envelope, message, slots),
            #[cfg(test)]
            Self::Script(script) => script.remember_passed(envelope, message, slots),
        }
    }
}

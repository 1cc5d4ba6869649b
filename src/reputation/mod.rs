//! Who a sender is, how that was proved, and what we think of him.
//!
//! Identity is the single RFC5322.From address together with its proof; trust
//! earned with one proof does not help a mail that lacks it. Trust lifts the
//! content score and the first-contact hold, nothing else.

pub mod correspondent;
pub mod flag;
pub mod history;
pub mod identity;
pub mod operator;
pub mod standing;
pub mod vote;

pub use flag::{Flag, FlagBy, FlagError, Flags};
pub use history::{Event, History, Past};
pub use identity::{Network, Proof, Proofs, Sender};
pub use operator::SenderSearch;
pub use standing::{Regard, Reputation, Scope, Standing, StandingState};
pub use vote::{Vote, VoteKind};

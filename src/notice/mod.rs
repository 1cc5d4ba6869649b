//! How the sender is told: never backscatter, never silence.
//!
//! [`may_notify`] is one pure function that refuses by default; the budget
//! and the breaker bound what it allows; [`reply`] makes the one line of the
//! 550.

pub mod reply;

use crate::directory::Organisation;
use crate::filter::Examination;
use crate::mail::{Envelope, Reply};
use crate::quarantine::Held;
use crate::store::{Batch, Fault};

/// Tells senders. Clones share everything.
#[derive(Clone)]
pub struct Notices {}

/// What telling depends on besides the record.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    pub envelope: &'a Envelope,
    pub examination: &'a Examination,
    /// The organisation of the first held recipient.
    pub organisation: &'a Organisation,
    /// The client is a listed relay of ours: a 550 would make it send
    /// backscatter, so only a letter is possible.
    pub relayed: bool,
    /// Some recipients of the transaction are accepted: the reply must be
    /// 250, so only a letter is possible.
    pub partly_accepted: bool,
}

impl Notices {
    /// Decides how the sender of `held` is told, writes it into the record
    /// (`telling`) and into the batch that holds it (letter, queue item,
    /// budget), and answers the SMTP reply: 250, or 550 with the link.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read budgets.
    pub async fn tell(
        &self,
        _batch: &mut Batch,
        _held: &mut Held,
        _case: &Case<'_>,
    ) -> Result<Reply, Fault> {
        todo!()
    }

    pub fn reply_again(&self, _held: &Held) -> Reply {
        todo!()
    }

    pub async fn tell_expired(&self, _b: &mut Batch, _held: &Held) -> Result<bool, Fault> {
        todo!()
    }
}

//! What the lower rooms ask of others that they may not know: each is a
//! closure over the room that does it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::account::Audit;
use crate::delivery::Delivery;
use crate::notice::Notices;
use crate::store::{Batch, Store};
use crate::suppression::event::Outcome;
use crate::suppression::{Noted, OWN, Suppression};
use crate::{portal, queue};

/// The delivery log's line for what the queue takes.
pub(super) fn log_queued(list: &Suppression) -> queue::Enqueued {
    let list = list.clone();
    Arc::new(move |batch, item| {
        for one in &item.recipients {
            let queued = Outcome::Queued;
            let mut noted = Noted::new(OWN, one.address.clone(), item.created_at, queued);
            noted.id = item.id.to_string();
            noted.return_path = item.mail_from.to_string();
            list.note_queued(batch, &noted);
        }
    })
}

/// `/lost` asks for a letter and does not wait for it.
pub(super) fn lost(notices: &Notices) -> portal::Lost {
    let notices = notices.clone();
    Arc::new(move |address, network| {
        let notices = notices.clone();
        Box::pin(async move {
            if let Err(fault) = notices.send_lost(&address.to_string(), network).await {
                tracing::warn!(event = "step-failed", worker = "lost", %fault);
            }
        })
    })
}

/// The console's "retry now".
pub(super) fn retry(delivery: &Delivery, audit: &Audit) -> portal::Retry {
    let (delivery, audit) = (delivery.clone(), audit.clone());
    Arc::new(move |item, entry| {
        let (delivery, audit) = (delivery.clone(), audit.clone());
        Box::pin(
            async move { delivery.retry(item, &|batch| audit.record(batch, entry.clone())).await },
        )
    })
}

/// Whether the breaker of letters is open.
pub(super) fn letters_stopped(notices: &Notices) -> portal::Stopped {
    let notices = notices.clone();
    Arc::new(move || {
        let notices = notices.clone();
        Box::pin(async move { Ok(notices.breaker().await?.is_open()) })
    })
}

/// The console's "send his digest now".
pub(super) fn digest(notices: &Notices, audit: &Audit) -> portal::SendDigest {
    let (notices, audit) = (notices.clone(), audit.clone());
    Arc::new(move |address, entry| {
        let (notices, audit) = (notices.clone(), audit.clone());
        Box::pin(async move {
            let also = |batch: &mut Batch| audit.record(batch, entry.clone());
            notices.digest_now(&address, &also).await
        })
    })
}

/// The recipient's page asks for a letter and does not wait for it.
pub(super) fn invite(notices: &Notices) -> portal::recipient::Invite {
    let notices = notices.clone();
    Arc::new(move |address| {
        let notices = notices.clone();
        Box::pin(async move {
            if let Err(fault) = notices.invite(&address).await {
                tracing::warn!(event = "step-failed", worker = "invite", %fault);
            }
        })
    })
}

/// Whether mail is taken, for load balancers.
pub(super) fn ready(store: &Store, stopping: &Arc<AtomicBool>) -> portal::Ready {
    let (store, stopping) = (store.clone(), Arc::clone(stopping));
    Arc::new(move || {
        if stopping.load(Ordering::Relaxed) {
            return Err("stopping".to_owned());
        }
        super::operations::readiness(&store)
    })
}

//! Named places at which a test kills the whole program (ATTACKS T-01, L-26).
//!
//! With debug assertions `REPRIEVE_KILL_AT=name:n` makes the process kill
//! itself (SIGKILL) when it passes `name` for the n-th time. A release build
//! has neither the variable nor the places: there [`pass`] is empty, inlined
//! and gone.

/// Every place, in the order in which a message passes them.
pub const ALL: [&str; 12] = [
    // The store's group: nothing written; bodies written; synced; the frame
    // written; synced; the index knows.
    "body-staged",
    "body-written",
    "body-synced",
    "journal-appended",
    "journal-synced",
    "index-applied",
    // The answer to DATA is decided; replies left for the client.
    "reply-ready",
    REPLY_WRITTEN,
    // The one batch of a release.
    "release-decided",
    "release-committed",
    // The next hop has answered; the answer is written down.
    "courier-answered",
    "courier-settled",
];

/// Passed for each write of replies, several times a message.
pub const REPLY_WRITTEN: &str = "reply-written";

/// Dies here if the environment says so.
#[cfg(debug_assertions)]
pub fn pass(name: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicI64, Ordering};

    static PLAN: OnceLock<Option<(String, AtomicI64)>> = OnceLock::new();
    let plan = PLAN.get_or_init(|| {
        let wanted = std::env::var("REPRIEVE_KILL_AT").ok()?;
        let (name, nth) = wanted.split_once(':')?;
        Some((name.to_owned(), AtomicI64::new(nth.parse().ok()?)))
    });
    let Some((wanted, left)) = plan else { return };
    if wanted == name && left.fetch_sub(1, Ordering::SeqCst) == 1 {
        let _ =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        loop {
            std::thread::park();
        }
    }
}

#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn pass(_: &str) {}

//! The console over its router: doors, roles, lists and decisions.

#[path = "../browser/stage.rs"]
mod stage;

mod api;
mod appeals;
mod audited;
mod blocking;
mod client;
mod decisions;
mod doors;
mod pace;
mod people;
mod programs;
mod roles;
mod sorted;
mod statistics;
mod unreadable;

use reprieve::clock::{Clock, Timestamp};
use reprieve::directory::OrganisationId;
use stage::Stage;

fn stopped() -> Clock {
    Clock::stopped_at(Timestamp::from_second(1_795_600_005).unwrap())
}

/// A console without administrators; the search is filled.
async fn console() -> Stage {
    let stage = Stage::new("https://mail.example", stopped());
    stage.console.search.fill().await.unwrap();
    stage
}

fn organisation(id: &str) -> OrganisationId {
    OrganisationId::new(id).unwrap()
}

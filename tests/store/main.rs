//! The store's promises: nothing acknowledged is lost, nothing is half done,
//! and what is broken is named.

#![allow(clippy::cast_possible_truncation, clippy::unreadable_literal)]

mod attacks;
mod basics;
mod child;
mod common;
mod forgetful;
#[path = "../forgetful/mod.rs"]
mod forgetful_disk;
mod full;
mod kill;
mod model;
mod order;
mod power;
mod rot;

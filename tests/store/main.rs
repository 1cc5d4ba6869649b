//! The store's promises: nothing acknowledged is lost, nothing is half done,
//! and what is broken is named.

mod attacks;
mod basics;
mod common;

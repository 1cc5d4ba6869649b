//! The prescan never panics, and what it lets pass a parser survives.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reprieve::mail::{Limits, prescan};

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { parts: 50, depth: 8, ..Limits::default() };
    prescan::scan(bytes, &limits);
});

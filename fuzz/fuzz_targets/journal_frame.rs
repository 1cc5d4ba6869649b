//! Frames of the journal: bytes that a disk made up are read without harm.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| reprieve::store::read_any_frame(bytes));

//! Bounces of any make are read and classified without panic and within bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reprieve::mail::bounce;
use reprieve::suppression::classify::classify;

fuzz_target!(|bytes: &[u8]| {
    let bounce = bounce::read(bytes);
    assert!(bounce.failures.len() <= bounce::RECIPIENTS);
    for failure in &bounce.failures {
        classify(failure);
    }
});

//! Reports of strangers are read without panic and within their bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reprieve::mail::{Limits, Message, dsn, prescan};

fuzz_target!(|bytes: &[u8]| {
    assert!(dsn::reports(bytes).len() <= 1000);
    if prescan::scan(bytes, &Limits::default()).tripped.is_none() {
        dsn::read(&Message::new(bytes.to_vec().into()));
    }
});

//! A command line from anybody: no panic, no byte of it in the answer, and
//! what is accepted reads the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reprieve::intake::smtp::command::{Command, ForwardPath};
use reprieve::mail::Address;

fuzz_target!(|line: &[u8]| {
    for utf8 in [false, true] {
        match Command::parse(line, utf8) {
            Err(error) => {
                let reply = error.reply().to_string();
                assert!(reply.len() <= 510 && reply.is_ascii());
            }
            Ok(Command::Rcpt(ForwardPath::Address { address, raw })) => {
                assert!(!address.is_routed());
                assert_eq!(Address::parse_utf8(&raw), Ok(address.clone()));
                assert_eq!(Address::parse_utf8(&address.to_string()), Ok(address));
            }
            Ok(_) => {}
        }
    }
});

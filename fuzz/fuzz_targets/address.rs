//! What parses is one line, reads the same again, and has one canonical form.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reprieve::mail::{Address, Domain};

fuzz_target!(|text: &str| {
    if let Ok(address) = Address::parse_utf8(text) {
        let shown = address.to_string();
        assert!(shown.len() <= 254 && !shown.contains(char::is_control));
        assert_eq!(Address::parse_utf8(&shown), Ok(address.clone()));
        let canonical = address.canonical();
        assert_eq!(canonical.canonical(), canonical);
        address.display();
    }
    if let Ok(domain) = Domain::parse(text) {
        assert_eq!(Domain::parse(&domain.display()), Ok(domain));
    }
});

//! The header view never panics and never invents bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reprieve::mail::{Message, automatic};

fuzz_target!(|bytes: &[u8]| {
    let message = Message::new(bytes.to_vec().into());
    assert!(message.header_block().len() + message.body().len() <= bytes.len());
    for field in message.fields() {
        assert!(!field.name.is_empty());
    }
    message.from();
    message.from_display();
    message.to_and_cc();
    message.text("Subject");
    message.message_id();
    automatic::is_list(&message);
    automatic::is_automatic(&message);
});

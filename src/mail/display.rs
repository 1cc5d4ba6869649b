//! Foreign text made safe to look at: what cannot be seen is written out.
//!
//! For pages and logs. Bidirectional overrides turn `gnp.exe` into `exe.png`,
//! zero-width characters hide differences, escapes repaint terminals; each is
//! shown as `\u{…}`. Escaping for HTML is the page's affair.

use std::fmt::Write;

/// `text` with control, bidirectional and other invisible characters written
/// as `\u{202e}`. A tab or line break becomes a space.
pub fn visible(text: &str) -> String {
    // Without an early end, which lets the compiler look at many bytes at once.
    if text.bytes().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~')) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' | '\r' | '\n' => out.push(' '),
            c if is_invisible(c) => {
                write!(out, "\\u{{{:x}}}", u32::from(c)).expect("a string takes every character");
            }
            c => out.push(c),
        }
    }
    out
}

/// At most `limit` characters of [`visible`] text, an ellipsis for the rest.
pub fn excerpt(text: &str, limit: usize) -> String {
    let shown = visible(text);
    match shown.char_indices().nth(limit) {
        None => shown,
        Some((cut, _)) => format!("{}…", &shown[..cut]),
    }
}

/// Characters that change how others look or do not show at all: controls,
/// bidirectional marks and overrides, zero-width characters, separators,
/// interlinear and language tags, variation selectors beyond the emoji's.
pub fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0e}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn w_01_what_cannot_be_seen_is_written_out() {
        assert_eq!(visible("a\u{202e}b\u{7}\u{1b}[31m"), "a\\u{202e}b\\u{7}\\u{1b}[31m");
        assert_eq!(visible("a\r\n\tb"), "a   b");
        assert_eq!(visible("Grüße, 日本 👍\u{fe0f}"), "Grüße, 日本 👍\u{fe0f}");
    }

    #[test]
    fn excerpts_count_what_is_seen() {
        assert_eq!(excerpt("äöü", 3), "äöü");
        assert_eq!(excerpt("äöüß", 3), "äöü…");
        assert_eq!(excerpt("", 0), "");
    }

    proptest! {
        #[test]
        fn nothing_invisible_is_left(text in any::<String>()) {
            let shown = visible(&text);
            prop_assert!(!shown.chars().any(is_invisible));
            prop_assert_eq!(visible(&shown), shown);
        }
    }
}

//! What each key means, in the words of `deploy/reprieve.toml`.
//!
//! The annotated reference is part of the program, so that the console can
//! show a key with its meaning; a test holds the reference against the keys
//! that are read.

use std::collections::BTreeMap;

const REFERENCE: &str = include_str!("../../deploy/reprieve.toml");

/// Full names of keys and the comments above them. Keys that stand together
/// under one comment share it.
pub fn meanings() -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut section = String::new();
    let mut said = String::new();
    // A comment behind a key begins anew.
    let mut closed = true;
    for line in REFERENCE.lines() {
        let bare = line.strip_prefix("# ").unwrap_or(line);
        if let Some(name) = heading(bare) {
            section = format!("{name}.");
            closed = true;
        } else if let Some(key) = key(bare) {
            all.insert(format!("{section}{key}"), said.clone());
            closed = true;
        } else if let Some(text) = line.strip_prefix("# ") {
            if closed {
                said.clear();
                closed = false;
            }
            if !said.is_empty() {
                said.push(' ');
            }
            said.push_str(text.trim());
        }
    }
    all
}

/// `[a]` and `[[a.b]]`.
fn heading(line: &str) -> Option<&str> {
    let name = line.strip_prefix('[')?.strip_suffix(']')?;
    let name = name.trim_start_matches('[').trim_end_matches(']');
    let plain = |b: u8| b.is_ascii_lowercase() || b == b'_' || b == b'.';
    (!name.is_empty() && name.bytes().all(plain)).then_some(name)
}

/// The name before ` = `.
fn key(line: &str) -> Option<&str> {
    let (name, _) = line.split_once(" = ")?;
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    (!name.is_empty() && name.bytes().all(plain)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn every_key_has_a_meaning() {
        let meanings = meanings();
        for known in Config::keys() {
            let said = meanings.get(&known.key);
            assert!(said.is_some_and(|said| said.len() > 5), "{} means {said:?}", known.key);
        }
        assert!(meanings["organisation.poll"].starts_with("Wanted by some"));
        assert!(meanings["organisation.mass"].starts_with("The same for near-duplicates"));
    }
}

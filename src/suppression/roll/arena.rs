//! Addresses as sorted text in chunks, for lookups and for searches of a part.
//!
//! A chunk never changes: another takes its place. The starts of some of its
//! lines tell where to look, so that an address takes two binary searches.

use std::sync::Arc;

use memchr::memmem::Finder;

/// Bytes of text in a chunk, when it is cut; few in tests, to have many.
pub(super) const CHUNK: usize = if cfg!(test) { 64 } else { 1 << 16 };
/// Lines between two starts: a quarter of a cache page each, and an index of
/// a quarter of a byte per address.
const STRIDE: usize = 16;

/// Sorted addresses. A copy shares the chunks.
#[derive(Clone, Debug, Default)]
pub struct Arena {
    /// None of them is empty.
    pub(super) chunks: Vec<Arc<Chunk>>,
}

/// Sorted addresses, one a line.
#[derive(Debug)]
pub(super) struct Chunk {
    /// Each address with a line feed behind it.
    pub(super) text: Box<str>,
    /// Where each 16th begins.
    starts: Box<[u32]>,
    count: usize,
}

impl Chunk {
    fn of(text: &str) -> Self {
        let (mut starts, mut count, mut at) = (Vec::new(), 0_usize, 0);
        for line in text.split_inclusive('\n') {
            if count.is_multiple_of(STRIDE) {
                starts.push(u32::try_from(at).expect("it was cut far below 4 GiB"));
            }
            count += 1;
            at += line.len();
        }
        Self { text: text.into(), starts: starts.into(), count }
    }

    pub(super) fn first(&self) -> &str {
        self.line(0)
    }

    fn contains(&self, address: &str) -> bool {
        let at = self.not_before(address);
        at < self.text.len() && self.line(at) == address
    }

    /// Where the first line begins that is not before `address`.
    fn not_before(&self, address: &str) -> usize {
        let block = self.starts.partition_point(|start| self.line(*start as usize) < address);
        let mut at = block.checked_sub(1).map_or(0, |block| self.starts[block] as usize);
        while at < self.text.len() && self.line(at) < address {
            at += self.line(at).len() + 1;
        }
        at
    }

    fn line(&self, start: usize) -> &str {
        let rest = &self.text[start..];
        &rest[..memchr::memchr(b'\n', rest.as_bytes()).unwrap_or(rest.len())]
    }

    /// Adds addresses that hold `part`, from the byte `at` on, until there are
    /// `limit`.
    fn search(&self, finder: &Finder<'_>, mut at: usize, limit: usize, found: &mut Vec<String>) {
        let text = self.text.as_bytes();
        while found.len() < limit
            && let Some(hit) = finder.find(&text[at..]).map(|offset| at + offset)
            && hit < text.len()
        {
            let start = memchr::memrchr(b'\n', &text[..hit]).map_or(0, |before| before + 1);
            let line = self.line(start);
            found.push(line.to_owned());
            at = start + line.len() + 1;
        }
    }
}

/// Cuts sorted lines into chunks of about the same size.
pub(super) fn cut(mut text: &str) -> Vec<Arc<Chunk>> {
    let mut chunks = Vec::new();
    while !text.is_empty() {
        let parts = (text.len() / CHUNK).max(1);
        let most = text.len() / parts;
        // The end of a line: never within a letter.
        let end = memchr::memchr(b'\n', &text.as_bytes()[most - 1..]).map(|at| most + at);
        let (chunk, rest) = text.split_at(end.unwrap_or(text.len()));
        chunks.push(Arc::new(Chunk::of(chunk)));
        text = rest;
    }
    chunks
}

impl Arena {
    /// Of addresses in ascending order without repeats.
    pub fn of_sorted<'a>(addresses: impl Iterator<Item = &'a str>) -> Self {
        let (mut chunks, mut text) = (Vec::new(), String::with_capacity(2 * CHUNK));
        for address in addresses {
            text.push_str(address);
            text.push('\n');
            if text.len() >= CHUNK {
                chunks.extend(cut(&text));
                text.clear();
            }
        }
        chunks.extend(cut(&text));
        Self { chunks }
    }

    pub fn len(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.count).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    pub fn contains(&self, address: &str) -> bool {
        self.chunk_of(address).is_some_and(|nth| self.chunks[nth].contains(address))
    }

    /// The chunk that would hold `address`; `None`: it is before all.
    fn chunk_of(&self, address: &str) -> Option<usize> {
        self.chunks.partition_point(|chunk| chunk.first() <= address).checked_sub(1)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.chunks.iter().flat_map(|chunk| chunk.text.split_terminator('\n'))
    }

    /// Addresses that hold `part`, in order, behind `after`, at most `limit`.
    pub(super) fn search(&self, part: &str, after: &str, limit: usize) -> Vec<String> {
        let finder = Finder::new(part.as_bytes());
        let mut found = Vec::new();
        let first = self.chunk_of(after).unwrap_or(0);
        for (nth, chunk) in self.chunks.iter().enumerate().skip(first) {
            let mut from = 0;
            if nth == first && !after.is_empty() {
                from = chunk.not_before(after);
                if from < chunk.text.len() && chunk.line(from) == after {
                    from += after.len() + 1;
                }
            }
            chunk.search(&finder, from, limit, &mut found);
            if found.len() >= limit {
                break;
            }
        }
        found
    }

    /// The same from the last one to the first, before `before` (empty: all).
    pub(super) fn search_back(&self, part: &str, before: &str, limit: usize) -> Vec<String> {
        let finder = Finder::new(part.as_bytes());
        let end = if before.is_empty() {
            self.chunks.len()
        } else {
            self.chunk_of(before).map_or(0, |nth| nth + 1)
        };
        let mut found = Vec::new();
        for chunk in self.chunks[..end].iter().rev() {
            let mut here = Vec::new();
            chunk.search(&finder, 0, usize::MAX, &mut here);
            here.retain(|one| before.is_empty() || one.as_str() < before);
            found.extend(here.into_iter().rev());
            if found.len() >= limit {
                break;
            }
        }
        found
    }
}

/// The text of a chunk with these changes; of two about an address the last
/// one counts. What stands between them is copied as it is.
pub(super) fn rewritten(old: Option<&Chunk>, mut changes: Vec<(&str, bool)>) -> String {
    changes.sort_by_key(|(address, _)| *address);
    let (lines, mut from) = (old.map_or("", |old| &*old.text), 0);
    let more: usize = changes.iter().map(|(address, _)| address.len() + 1).sum();
    let mut text = String::with_capacity(lines.len() + more);
    for (nth, (address, listed)) in changes.iter().enumerate() {
        if changes.get(nth + 1).is_some_and(|(next, _)| next == address) {
            continue;
        }
        let at = old.map_or(0, |old| old.not_before(address));
        text.push_str(&lines[from..at]);
        let stands = old.is_some_and(|old| at < lines.len() && old.line(at) == *address);
        from = if stands { at + address.len() + 1 } else { at };
        if *listed {
            text.push_str(address);
            text.push('\n');
        }
    }
    text.push_str(&lines[from..]);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arena_knows_all_of_its_addresses_and_no_other() {
        let addresses: Vec<String> =
            (0..1000).map(|n| format!("user{:04}@a.example", n * 2)).collect();
        let arena = Arena::of_sorted(addresses.iter().map(String::as_str));
        assert_eq!((arena.len(), arena.iter().count()), (1000, 1000));
        for address in &addresses {
            assert!(arena.contains(address), "{address}");
        }
        for n in 0..1001 {
            assert!(!arena.contains(&format!("user{:04}@a.example", n * 2 + 1)));
        }
        assert!(!arena.contains("") && !arena.contains("zzz") && !arena.contains("aaa"));
        assert!(!Arena::default().contains("a@b"));
    }
}

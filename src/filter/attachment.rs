//! Attachments: what is dangerous by name or by content, and what cannot be
//! looked into.
//!
//! A name says what a person's machine will do with a file, the first bytes
//! say what it is; either is enough. ZIP and gzip archives are opened within
//! limits (ATTACKS I-07); what stays closed (encrypted, over a limit, a format
//! that we do not read) is unscannable, never clean. Nothing here trusts the
//! media type.

mod archive;
mod kind;

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::catalogue::Weights;
use super::parsed::{Part, Saved};
use super::{Class, Finding};
use archive::{Archive, Budget, Trouble};
use kind::Kind;

pub use archive::Limits;

/// The harmless file that every scanner calls malware (EICAR, 2003). Split so
/// that our own program is not one.
const EICAR: [&[u8]; 2] =
    [b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-", b"ANTIVIRUS-TEST-FILE!$H+H*"];

static EICAR_FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(EICAR[0]));

/// Looks at every part; at most one finding of each id.
pub fn check(parts: &[Part<'_>], limits: &Limits, weights: &Weights) -> Vec<(Finding, Class)> {
    let mut look = Look { found: Vec::new(), budget: Budget::new(limits), weights };
    for part in parts {
        let name = part.name.unwrap_or_default();
        let content: &[u8] = match &part.saved {
            Saved::Same => part.content,
            Saved::Bytes(bytes) => bytes,
            Saved::Closed => {
                look.add("attachment-unreadable", name);
                part.content
            }
        };
        if is_eicar(content) {
            look.add("malware", part.name.unwrap_or("EICAR"));
        }
        // Text that is read and not opened is no file, whatever it begins
        // with, unless it was encoded as files are; or has a name.
        let encoded = matches!(part.saved, Saved::Bytes(Cow::Owned(_)));
        match (part.name, part.text) {
            (None, Some(_)) if !encoded => {}
            (_, text) => look.file(name, content, text.is_none() || encoded, 0),
        }
    }
    look.found
}

struct Look<'w> {
    found: Vec<(Finding, Class)>,
    budget: Budget,
    weights: &'w Weights,
}

impl Look<'_> {
    /// One file, at `depth` archives below the message.
    fn file(&mut self, name: &str, content: &[u8], opaque: bool, depth: usize) {
        if depth > 0 && is_eicar(content) {
            self.add("malware", name);
        }
        let named = kind::by_name(name);
        let is = if opaque { kind::by_content(content) } else { Kind::Other };
        if kind::has_override(name)
            || (named == Kind::Runs && kind::has_false_extension(name))
            || (is == Kind::Runs && !matches!(named, Kind::Runs | Kind::Other))
        {
            return self.add("attachment-disguised", name);
        }
        if named == Kind::Runs || is == Kind::Runs {
            return self.add("attachment-dangerous", name);
        }
        if named == Kind::Macro || is == Kind::Macro {
            self.add("attachment-macro", name);
        }
        if is == Kind::Object {
            self.add("attachment-object", name);
        }
        match is {
            Kind::Zip | Kind::Gzip => self.archive(name, content, is, depth),
            Kind::Sealed => self.add("attachment-unreadable", name),
            _ => {}
        }
    }

    fn archive(&mut self, name: &str, content: &[u8], kind: Kind, depth: usize) {
        if let Err(trouble) = self.open(name, content, kind, depth) {
            self.add(
                match trouble {
                    Trouble::Encrypted => "attachment-encrypted",
                    Trouble::Bomb => "attachment-bomb",
                    Trouble::Limit | Trouble::Broken => "attachment-unreadable",
                },
                name,
            );
        }
    }

    fn open(
        &mut self,
        name: &str,
        content: &[u8],
        kind: Kind,
        depth: usize,
    ) -> Result<(), Trouble> {
        self.budget.descend(depth)?;
        let mut sealed = false;
        let archive = match kind {
            Kind::Gzip => Archive::gzip(name, content, &self.budget)?,
            _ => Archive::zip(content, &self.budget)?,
        };
        for entry in &archive.entries {
            self.budget.file()?;
            if kind::by_name(&entry.name) == Kind::Macro || entry.name.ends_with("vbaProject.bin") {
                self.add("attachment-macro", name);
            }
            if entry.encrypted {
                // Names can be read even so.
                self.file(&entry.name, &[], true, depth + 1);
                sealed = true;
                continue;
            }
            let mut head = entry.head(&mut self.budget)?;
            if kind::needs_more(&head) {
                head = entry.more(&mut self.budget)?;
            }
            let inner = kind::by_content(&head);
            if matches!(inner, Kind::Zip | Kind::Gzip) || kind::is_tar(&head) {
                let whole = entry.whole(&mut self.budget)?;
                if kind::is_tar(&whole) {
                    for (name, content) in archive::tar(&whole) {
                        self.budget.file()?;
                        self.file(&name, content, true, depth + 1);
                    }
                } else {
                    self.file(&entry.name, &whole, true, depth + 1);
                }
            } else {
                self.file(&entry.name, &head, true, depth + 1);
            }
        }
        if sealed { Err(Trouble::Encrypted) } else { Ok(()) }
    }

    fn add(&mut self, id: &'static str, name: &str) {
        if self.found.iter().any(|(finding, _)| finding.id == id) {
            return;
        }
        let class = match id {
            "malware" | "attachment-dangerous" | "attachment-disguised" | "attachment-bomb" => {
                Class::Malware
            }
            _ => Class::Unscannable,
        };
        self.found.push((self.weights.finding(id).term("name", visible(name)), class));
    }
}

fn is_eicar(content: &[u8]) -> bool {
    EICAR_FINDER.find_iter(content).any(|at| content[at + EICAR[0].len()..].starts_with(EICAR[1]))
}

/// Control and direction characters shown as marks, so that a name cannot
/// lie about itself where it is told.
fn visible(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_control() || kind::is_direction(c) { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
#[path = "attachment_tests.rs"]
mod tests;

//! The house's order, enforced: imports go down only, a foreign crate has one
//! home, and every file opens with its own manual.
//!
//! It reads the source as text: `crate::room` wherever it stands, also inside
//! braces. Unit tests (behind `#[cfg(test)]`) may look anywhere.

use std::fs;
use std::path::{Path, PathBuf};

/// From the ground up. A room may use rooms of earlier rows only.
const ROWS: &[&[&str]] = &[
    &["clock", "failpoint"],
    &["mail"],
    &["maillog"],
    &["store", "link"],
    &["directory"],
    &["reputation"],
    &["filter"],
    &["quarantine", "queue", "suppression", "account", "statistics"],
    &["lesson", "notice", "release"],
    &["appeal"],
    &["keeper", "delivery"],
    &["intake", "portal"],
    &["config"],
    &["gateway"],
    &["demo"],
    &["cli"],
    &["main"],
];

/// Unit tests that have a file or a folder of their own.
const TESTS: &[&str] =
    &["tests.rs", "tests", "attachment_tests.rs", "policy_tests.rs", "phishing_tests.rs"];

/// Only this room reads the configuration.
const CONFIG_READER: &str = "gateway";

/// Foreign crates and the only files that may name them (a path's beginning
/// under `src/`).
const HOMES: &[(&str, &[&str])] = &[
    ("axum", &["portal/", "demo/", "gateway/operations.rs"]),
    ("axum_extra", &["portal/"]),
    ("maud", &["portal/", "demo/"]),
    ("fluent_templates", &["portal/", "notice/"]),
    ("sled", &["store/embedded/index/sled.rs"]),
    ("redb", &["store/embedded/index/redb.rs"]),
    ("hashbrown", &["store/arena/"]),
    ("clamav_client", &["filter/engine/clamd.rs"]),
    ("hyper_util", &["filter/engine/rspamd.rs", "portal/", "demo/", "gateway/"]),
    ("mail_auth", &["filter/authn", "notice/sign.rs"]),
    ("argon2", &["account/password.rs"]),
    ("ring", &["link/secret.rs"]),
    ("totp_rs", &["account/totp.rs"]),
    ("csv", &["portal/admin/", "portal/api/", "suppression/", "gateway/blocking/"]),
    ("toml", &["config/"]),
    ("clap", &["cli"]),
    ("listenfd", &["gateway"]),
    ("sd_notify", &["gateway"]),
    ("tar", &["cli/", "demo/"]),
    ("lzma_rust2", &["cli/", "demo/"]),
    ("anyhow", &["main.rs", "cli", "demo/"]),
];

#[test]
fn imports_go_down_only() {
    let found: Vec<String> = sources().iter().flat_map(|(path, text)| upward(path, text)).collect();
    assert!(found.is_empty(), "imports that go up or sideways:\n{}", found.join("\n"));
}

#[test]
fn foreign_crates_have_one_home() {
    let found: Vec<String> =
        sources().iter().flat_map(|(path, text)| strangers(path, text)).collect();
    assert!(found.is_empty(), "crates away from home:\n{}", found.join("\n"));
}

/// What a stranger writes must never reach a shell: nothing here starts a
/// program at all.
#[test]
fn s_28_no_program_is_ever_started() {
    let starts = |(path, text): &(String, String)| starts_programs(text).then(|| path.clone());
    let found: Vec<String> = sources().iter().filter_map(starts).collect();
    assert!(found.is_empty(), "files that start programs: {found:?}");
}

#[test]
fn every_file_opens_with_its_manual() {
    let found: Vec<String> = sources()
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//!"))
        .map(|(path, _)| path)
        .collect();
    assert!(found.is_empty(), "files without a //! manual: {found:?}");
}

#[test]
fn every_room_has_a_level() {
    for (path, _) in sources() {
        let room = room(&path);
        assert!(room == "lib" || level(room).is_some(), "give {room} ({path}) a level in ROWS");
    }
}

#[test]
fn the_rules_can_fail() {
    let ups = |path: &str, text: &str| upward(path, text).len();
    assert_eq!(ups("store/mod.rs", "use crate::queue::Item;"), 1);
    assert_eq!(ups("intake/mod.rs", "use crate::portal::Page;"), 1, "sideways");
    assert_eq!(ups("mail/a.rs", "use crate::{clock::Clock, store::Store};"), 1, "in braces");
    assert_eq!(ups("mail/a.rs", "use crate::{\n  clock,\n  link::{self, Token},\n};"), 1);
    assert_eq!(ups("mail/a.rs", "fn f() { crate::filter::examine() }"), 1, "in an expression");
    assert_eq!(ups("clock.rs", "use super::store::Store;"), 1, "through the root");
    assert_eq!(ups("portal/mod.rs", "use crate::config::Config;"), 1);
    assert_eq!(ups("cli.rs", "use crate::config::Config;"), 1, "only gateway reads config");
    assert_eq!(ups("gateway/mod.rs", "use crate::config::Config;"), 0);
    assert_eq!(ups("store/mod.rs", "use crate::mail::Address;\n// crate::portal"), 0);
    assert_eq!(ups("store/mod.rs", "#[cfg(test)]\nmod tests { use crate::queue::Item; }"), 0);

    assert_eq!(strangers("queue/mod.rs", "use sled::Db;").len(), 1);
    assert_eq!(strangers("filter/mod.rs", "let a = mail_auth::spf::verify();").len(), 1);
    assert_eq!(strangers("store/embedded/index/sled.rs", "use sled::Db;").len(), 0);
    assert_eq!(strangers("portal/page.rs", "use crate::store::target::x;").len(), 0);

    assert!(starts_programs("let ls = std::process::Command::new(\"ls\");"));
    assert!(starts_programs("use std::process::{Command, ExitCode};"));
    assert!(starts_programs("use std::{fs, process as p};"), "under another name");
    assert!(starts_programs("tokio::process::Child"));
    assert!(starts_programs("rustix::runtime::execve()"));
    assert!(!starts_programs("use std::process::ExitCode; // process::Command"));
    assert!(!starts_programs("use super::command::Command; Command::parse(line)"));
}

/// `(path under src/, text)` of every file that is not a unit test of its own.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    walk(&root, &mut paths);
    assert!(paths.len() > 20, "the walk finds the sources");
    paths
        .into_iter()
        .filter(|path| {
            !path.components().any(|part| TESTS.contains(&part.as_os_str().to_str().unwrap_or("")))
        })
        .map(|path| {
            let text = fs::read_to_string(&path).expect("sources can be read");
            let name = path.strip_prefix(&root).expect("below src").display().to_string();
            (name, text)
        })
        .collect()
}

fn walk(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder can be read") {
        let path = entry.expect("an entry can be read").path();
        if path.is_dir() {
            walk(&path, into);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            into.push(path);
        }
    }
}

fn room(path: &str) -> &str {
    path.split('/').next().unwrap_or(path).trim_end_matches(".rs")
}

fn level(room: &str) -> Option<usize> {
    ROWS.iter().position(|row| row.contains(&room))
}

/// Imports in `path` that its level does not allow.
fn upward(path: &str, text: &str) -> Vec<String> {
    let here = room(path);
    let Some(own) = level(here) else {
        return Vec::new();
    };
    let code = code(text);
    let mut used = rooms_behind(&code, "crate::");
    if path == format!("{here}.rs") || path == format!("{here}/mod.rs") {
        // `super` of a room's first file is the root.
        used.extend(rooms_behind(&code, "super::"));
    }
    used.retain(|there| there != here);
    used.into_iter()
        .filter(|there| {
            let config = there == "config" && here != CONFIG_READER;
            level(there).is_some_and(|level| level >= own || config)
        })
        .map(|there| format!("{path}: {here} uses {there}"))
        .collect()
}

/// The first names behind every `prefix`, also behind its braces.
fn rooms_behind(code: &str, prefix: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        match rest.strip_prefix('{') {
            Some(list) => found.extend(first_names(list)),
            None => found.push(name(rest)),
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

/// The first name of each item of a brace list that has just been opened.
fn first_names(list: &str) -> Vec<String> {
    let (mut depth, mut fresh, mut names) = (1, true, Vec::new());
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => fresh = true,
            c if fresh && depth == 1 && !c.is_whitespace() => {
                names.push(name(&list[at..]));
                fresh = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

fn name(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Foreign crates that `path` names and whose home it is not.
fn strangers(path: &str, text: &str) -> Vec<String> {
    let code = code(text);
    HOMES
        .iter()
        .filter(|(_, homes)| !homes.iter().any(|home| path.starts_with(home)))
        .filter(|(name, _)| names_crate(&code, name))
        .map(|(name, homes)| format!("{path} names {name}, which lives in {homes:?}"))
        .collect()
}

fn names_crate(code: &str, name: &str) -> bool {
    if code.contains(&format!("mod {name};")) {
        // A module of that name stands before the crate.
        return code.contains(&format!("use ::{name}")) || code.contains(&format!(" ::{name}::"));
    }
    code.match_indices(&format!("{name}::"))
        .any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || "_:".contains(c)))
}

/// Whether code names what starts a program: `process::Command` under any
/// name, tokio's twin of it, or a system call that does.
fn starts_programs(text: &str) -> bool {
    let code = code(text);
    let named = code.match_indices("process::").any(|(at, prefix)| {
        let rest = &code[at + prefix.len()..];
        let names = rest.strip_prefix('{').map_or_else(|| vec![name(rest)], first_names);
        rest.starts_with('*')
            || names
                .iter()
                .any(|name| ["Command", "CommandExt", "Child", "self"].contains(&&**name))
    });
    let calls = ["process as ", "execve", "posix_spawn", "fork()"];
    named || calls.iter().any(|call| code.contains(call))
}

/// The code without line comments and without the unit tests at its end.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or(text);
    text.lines().map(|line| line.split("//").next().unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

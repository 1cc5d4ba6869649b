//! Every dependency may be shipped under `MIT OR Apache-2.0`, and none is
//! banned: the lists of `deny.toml`, read by `cargo metadata` alone.

use std::process::Command;

use serde_json::Value;

const DENY: &str = include_str!("../deny.toml");

#[test]
fn every_licence_is_allowed() {
    let allowed = strings(&["licenses", "allow"]);
    let mut wrong = Vec::new();
    for package in packages() {
        let name = package["name"].as_str().unwrap();
        let licence = package["license"].as_str().unwrap_or("none");
        if !permits(licence, &allowed) {
            wrong.push(format!("{name}: {licence}"));
        }
    }
    assert!(wrong.is_empty(), "licences not in deny.toml: {wrong:#?}");
}

#[test]
fn no_banned_crate_is_compiled() {
    let banned = strings(&["bans", "deny"]);
    assert!(!banned.is_empty());
    let tree = cargo(&["tree", "--offline", "--edges", "normal,build", "--prefix", "none"]);
    for line in tree.lines() {
        let name = line.split(' ').next().unwrap_or(line);
        assert!(!banned.contains(&name.to_owned()), "{name} is banned");
    }
}

#[test]
fn expressions_are_read_right() {
    let allowed = ["MIT".to_owned(), "ISC".to_owned()];
    for good in ["MIT", "GPL-3.0 OR MIT", "GPL-3.0/MIT", "(GPL-3.0 OR MIT) AND ISC", "MIT WITH X"] {
        assert!(permits(good, &allowed), "{good}");
    }
    for bad in ["GPL-3.0", "MIT AND GPL-3.0", "(GPL-3.0 OR MPL-2.0) AND ISC", "none", ""] {
        assert!(!permits(bad, &allowed), "{bad}");
    }
}

fn packages() -> Vec<Value> {
    // What other systems need is not shipped, and may not have been fetched.
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let metadata =
        cargo(&["metadata", "--format-version", "1", "--offline", "--filter-platform", &host]);
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn strings(path: &[&str]) -> Vec<String> {
    let table: toml::Table = DENY.parse().unwrap();
    let mut value = toml::Value::Table(table);
    for key in path {
        value = value[key].clone();
    }
    let name = |one: &toml::Value| match one {
        toml::Value::Table(table) => table["crate"].as_str().unwrap().to_owned(),
        other => other.as_str().unwrap().to_owned(),
    };
    value.as_array().unwrap().iter().map(name).collect()
}

/// An SPDX expression of OR, AND and brackets: OR binds weaker than AND.
fn permits(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut tokens: Vec<&str> = spaced.split_whitespace().rev().collect();
    any(&mut tokens, allowed)
}

fn any(tokens: &mut Vec<&str>, allowed: &[String]) -> bool {
    let mut good = all(tokens, allowed);
    while tokens.last() == Some(&"OR") {
        tokens.pop();
        good |= all(tokens, allowed);
    }
    good
}

fn all(tokens: &mut Vec<&str>, allowed: &[String]) -> bool {
    let mut good = one(tokens, allowed);
    while tokens.last() == Some(&"AND") {
        tokens.pop();
        good &= one(tokens, allowed);
    }
    good
}

fn one(tokens: &mut Vec<&str>, allowed: &[String]) -> bool {
    match tokens.pop() {
        Some("(") => {
            let good = any(tokens, allowed);
            tokens.pop();
            good
        }
        Some(name) => {
            if tokens.last() == Some(&"WITH") {
                tokens.truncate(tokens.len().saturating_sub(2));
            }
            allowed.iter().any(|one| one == name)
        }
        None => false,
    }
}

//! The configuration: its reference is complete and true, and every mistake
//! refuses to start with the key, what is wrong and an example.
//!
//! Each file of `tests/config/` is laid over the minimal configuration (a
//! value "(absent)" takes its key away); its first line is what must be said.
//! A file that begins with `# whole` stands alone.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use reprieve::config::{Config, ConfigError, MINIMAL};
use toml::{Table, Value};

const REFERENCE: &str = include_str!("../deploy/reprieve.toml");

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("/etc/reprieve"), &[])
}

#[test]
fn every_mistake_is_named() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config");
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let case = fs::read_to_string(&path).unwrap();
        let mut lines = case.lines();
        let expected = lines.next().unwrap().trim_start_matches("# ").trim();
        let text = if lines.next() == Some("# whole") { case.clone() } else { laid_over(&case) };
        let said = match parse(&text) {
            Ok(_) => panic!("{} starts", path.display()),
            Err(error) => error.to_string().replace('\n', " "),
        };
        assert!(said.contains(expected), "{}:\n said {said}\n want {expected}", path.display());
        seen += 1;
    }
    assert!(seen > 40, "only {seen} cases were found");
}

#[test]
fn the_minimal_configuration_starts() {
    let config = parse(MINIMAL).unwrap();
    assert_eq!(config.store.folder, Path::new("/etc/reprieve/store"));
    assert_eq!(config.filter.model, Path::new("/etc/reprieve/content.model"));
    let moved = MINIMAL.replace("folder = \"store\"", "folder = \"/var/lib/reprieve/store\"");
    assert_eq!(parse(&moved).unwrap().filter.model, Path::new("/var/lib/reprieve/content.model"));
    assert_eq!(config.organisations.len(), 1);
    assert_eq!(config.organisations[0].retention_days, 14);
    assert_eq!(config.release.delay.as_secs(), 60);
}

#[test]
fn the_reference_starts_as_it_is_and_with_every_key_in_force() {
    parse(REFERENCE).unwrap();
    parse(&uncommented()).unwrap();
}

#[test]
fn the_reference_has_every_key_with_its_default() {
    let written = keys_of(&uncommented());
    for known in Config::keys() {
        let value = written.get(&known.key);
        let value = value.unwrap_or_else(|| panic!("{} is not in the reference", known.key));
        if let Some(default) = known.default {
            assert_eq!(*value, default, "the default of {}", known.key);
        }
    }
    for key in written.keys() {
        assert!(Config::keys().iter().any(|known| known.key == *key), "{key} is nobody's");
    }
}

#[test]
fn one_key_can_be_set_from_outside() {
    let set = |assignment: &str| Config::parse(MINIMAL, Path::new("/"), &[assignment.to_owned()]);
    assert_eq!(set("release.delay=5 s").unwrap().release.delay.as_secs(), 5);
    assert_eq!(set("release.delay=\"5 s\"").unwrap().release.delay.as_secs(), 5);
    assert!((set("filter.hold = 3").unwrap().filter.hold - 3.0).abs() < f32::EPSILON);
    let config = set("organisation.example.name=Other Oy").unwrap();
    assert_eq!(config.organisations[0].name, "Other Oy");
    for bad in ["release.delay", "=5", "release.=5", "release.delay=soon", "organisation.no.name=x"]
    {
        assert!(set(bad).is_err(), "{bad}");
    }
}

/// The reference with every commented key taken into force.
fn uncommented() -> String {
    let key = |line: &str| {
        let name = line.split(" = ").next().unwrap_or("");
        line.contains(" = ") && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
    };
    let line = |line: &str| match line.strip_prefix("# ") {
        Some(rest) if key(rest) || rest.starts_with("[[") => rest.to_owned(),
        _ => line.to_owned(),
    };
    REFERENCE.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// `section.key` -> the value's text.
fn keys_of(text: &str) -> BTreeMap<String, String> {
    let mut section = String::new();
    let mut keys = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if line.starts_with('[') {
            line.trim_matches(['[', ']']).clone_into(&mut section);
        } else if let Some((key, value)) = line.split_once(" = ") {
            keys.insert(format!("{section}.{key}"), value.to_owned());
        }
    }
    keys
}

fn laid_over(case: &str) -> String {
    let mut base: Table = MINIMAL.parse().unwrap();
    lay(&mut base, case.parse().unwrap());
    toml::to_string(&base).unwrap()
}

fn lay(base: &mut Table, over: Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (_, Value::String(word)) if word == "(absent)" => {
                base.remove(&key);
            }
            (Some(Value::Table(base)), Value::Table(over)) => lay(base, over),
            (Some(Value::Array(base)), Value::Array(over))
                if base.first().is_some_and(Value::is_table) && over.len() == 1 =>
            {
                match (&mut base[0], over.into_iter().next()) {
                    (Value::Table(base), Some(Value::Table(over))) => lay(base, over),
                    _ => unreachable!("lists of tables are laid over lists of tables"),
                }
            }
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}
